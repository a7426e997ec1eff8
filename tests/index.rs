//! The index of packages in the cache: all is found by it, and nothing is wrong because of it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;
#[path = "../benches/synthetic/mod.rs"]
mod synthetic;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use common::TestEnvironment;

const RECIPES: &str = "(define-module (chain)
  #:use-module (guix packages)
  #:use-module (names)
  #:use-module (guix build-system trivial))

(define (link name)
  (package
    (name name)
    (version \"1\")
    (source #f)
    (build-system trivial-build-system)
    (synopsis \"A\")
    (description \"A\")
    (home-page #f)
    (license #f)))

(define-public computed (link (string-append prefix \"-tool\")))
(define-public broken (package (name \"broken\") (version (car '()))))
(define-package-alias (later computed))
";

const NAMES: &str = "(define-module (names)
  #:use-module (guix packages)
  #:export (prefix define-package-alias))
(define prefix \"PREFIX\")
(define-syntax-rule (define-package-alias (new old))
  (define-public new (package (inherit old) (name \"alias\"))))
";

/// Writes the two modules; their time is long ago, as that of most files.
fn recipes(environment: &TestEnvironment, prefix: &str) {
    environment.write("recipes/chain.hpcl", RECIPES);
    environment.write("recipes/names.hpcl", &NAMES.replace("PREFIX", prefix));
    for file in ["recipes/chain.hpcl", "recipes/names.hpcl"] {
        let file = std::fs::File::options().write(true).open(environment.home().join(file)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
    }
}

fn variables(environment: &TestEnvironment, name: &str) -> String {
    let expression = format!("(map cdr (%find-packages \"{name}\"))");
    environment.run(&["eval", "-L", "recipes", "-e", &expression]).success().trim_end().to_owned()
}

fn kept(environment: &TestEnvironment) -> PathBuf {
    let folder = environment.home().join(".cache/hpcl/index");
    let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_none()).unwrap()
}

fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap())
}

#[test]
fn computed_names_and_definitions_by_macros_are_found() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    assert_eq!(variables(&environment, "one-tool"), "(computed)");
    assert_eq!(variables(&environment, "alias"), "(later)");
    assert_eq!(variables(&environment, "zlib"), "(zlib)");
    assert_eq!(variables(&environment, "nothing"), "()");
    // A recipe that is wrong is found by the name that it is written with, and says what is wrong.
    let broken = environment.run(&["eval", "-L", "recipes", "broken"]).failure(3);
    assert!(broken.contains("chain.hpcl") && !broken.contains("unknown package"), "{broken}");
    let near = environment.run(&["eval", "-L", "recipes", "one-tol"]).failure(3);
    assert!(near.contains("one-tool"), "{near}");
}

#[test]
fn it_is_made_once_and_anew_when_any_file_changes() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    // The folder was made just now: its time must have passed before it is trusted.
    std::thread::sleep(Duration::from_millis(1600));
    assert_eq!(variables(&environment, "one-tool"), "(computed)");
    let first = inode(&kept(&environment));
    assert_eq!(variables(&environment, "one-tool"), "(computed)");
    assert_eq!(inode(&kept(&environment)), first, "nothing changed, and it was written again");
    // The name of a package in one file depends on another file; size and time of that stay the same.
    recipes(&environment, "two");
    assert_eq!(variables(&environment, "one-tool"), "()");
    assert_eq!(variables(&environment, "two-tool"), "(computed)");
    std::fs::remove_file(environment.home().join("recipes/chain.hpcl")).unwrap();
    assert_eq!(variables(&environment, "two-tool"), "()");
}

#[test]
fn what_is_damaged_is_made_anew() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    variables(&environment, "one-tool");
    let path = kept(&environment);
    let whole = std::fs::read(&path).unwrap();
    for length in [0, 10, 40, whole.len() / 2, whole.len() - 1] {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(variables(&environment, "one-tool"), "(computed)", "cut to {length}");
    }
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(variables(&environment, "one-tool"), "(computed)", "byte {at}");
        assert_eq!(variables(&environment, "alias"), "(later)", "byte {at}");
    }
}

#[test]
fn many_processes_make_and_read_it_at_once() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    let arguments = ["eval", "-L", "recipes", "-e", "(map cdr (%find-packages \"one-tool\"))"];
    let mut running: Vec<_> = (0..6)
        .map(|_| environment.command(&arguments).stdout(std::process::Stdio::piped()).spawn().unwrap())
        .collect();
    for child in running.drain(..) {
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), "(computed)");
    }
}

#[test]
fn without_a_cache_it_serves_one_process() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    let arguments = ["eval", "-L", "recipes", "-e", "(map cdr (%find-packages \"one-tool\"))"];
    let mut command = environment.command(&arguments);
    command.env("XDG_CACHE_HOME", "/dev/null/none");
    assert_eq!(environment.finish(command).success().trim_end(), "(computed)");
}

#[test]
fn a_file_changed_after_it_was_indexed_is_read_as_it_is() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    variables(&environment, "one-tool");
    std::thread::sleep(Duration::from_millis(1600));
    variables(&environment, "one-tool");
    // No look-up by name: the outline of the file that did not change is used, the other one is read.
    environment.write("recipes/names.hpcl", &NAMES.replace("PREFIX", "a-much-longer-one"));
    let name = "((@ (guix packages) package-name) (@ (chain) computed))";
    let printed = environment.run(&["eval", "-L", "recipes", "-e", name]).success();
    assert_eq!(printed.trim_end(), "\"a-much-longer-one-tool\"");
}

#[test]
fn derivations_are_remembered_while_no_file_is_another() {
    let environment = TestEnvironment::new();
    recipes(&environment, "one");
    let source = "(define-module (local)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module (guix build-system trivial))
(define-public local
  (package (name \"local\") (version \"1\") (source (local-file \"SOURCE\"))
    (build-system trivial-build-system)
    (arguments (list #:builder #~(symlink (assoc-ref %build-inputs \"source\") #$output)))
    (synopsis \"\") (description \"\") (home-page #f) (license #f)))\n";
    let local = environment.write("text", "first");
    environment.write("recipes/local.hpcl", &source.replace("SOURCE", local.to_str().unwrap()));
    std::thread::sleep(Duration::from_millis(1600));
    let evaluate = || environment.run(&["eval", "-L", "recipes", "local"]).success();
    let answers = || {
        let folder = std::fs::read_dir(environment.home().join(".cache/hpcl/answers"));
        folder.map_or(0, |files| files.count())
    };
    let first = evaluate();
    assert_eq!(answers(), 0, "there was no index when it began");
    assert_eq!(evaluate(), first);
    assert_eq!(answers(), 1);
    let file =
        std::fs::read_dir(environment.home().join(".cache/hpcl/answers")).unwrap().next().unwrap().unwrap();
    let kept = std::fs::read_to_string(file.path()).unwrap();
    std::fs::write(file.path(), kept.replace("\"version\":\"1\"", "\"version\":\"remembered\"")).unwrap();
    assert!(evaluate().starts_with("local@remembered\t"), "it is not used");
    environment.write("text", "second");
    let second = evaluate();
    assert_ne!(second, first, "the local file is another");
    assert!(second.starts_with("local@1\t"), "{second}");
    recipes(&environment, "two");
    assert_eq!(evaluate(), second);
}

#[test]
fn a_synthetic_channel_is_the_same_each_time_and_all_its_packages_are_found() {
    let environment = TestEnvironment::new();
    for name in ["one", "two"] {
        synthetic::write(&environment.home().join(name), 300).unwrap();
    }
    let same = std::process::Command::new("diff")
        .args(["-r", "one", "two"])
        .current_dir(environment.home())
        .status()
        .unwrap();
    assert!(same.success());
    let expression = "(let* ((packages (map (lambda (place) (module-ref (resolve-interface (car place)) (cdr place)))
                                    (filter (lambda (place) (equal? (car (car place)) 'synthetic)) (%all-packages))))
                           (inputs (append-map package-direct-inputs packages)))
                      (list (length packages) (every package? packages) (> (length inputs) 300)))";
    environment.write("count.hpcl", &format!("(use-modules (guix packages) (srfi srfi-1))\n{expression}\n"));
    let counted = environment.run(&["eval", "-L", "one", "count.hpcl"]).success();
    assert_eq!(counted.trim_end(), "(300 #t #t)");
}

#[test]
fn packages_are_found_in_whichever_block_of_the_listing_they_are() {
    let environment = TestEnvironment::new();
    synthetic::write(&environment.home().join("many"), 600).unwrap();
    let json = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let run = environment.run(&[arguments, &["--json", "-L", "many"]].concat());
        serde_json::from_str(&run.success()).unwrap()
    };
    let text = |row: &serde_json::Value, field: &str| row[field].as_str().unwrap().to_owned();
    let listed: Vec<(String, String)> = json(&["list-available"])
        .iter()
        .filter(|row| row["location"]["file"].to_string().contains("synthetic"))
        .map(|row| (text(row, "name"), text(row, "version")))
        .collect();
    assert!(listed.len() > 500, "{}", listed.len());
    let names: Vec<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    let shown: Vec<(String, String)> = json(&[&["show"], names.as_slice()].concat())
        .iter()
        .map(|row| (text(row, "name"), text(row, "version")))
        .collect();
    for package in &listed {
        assert!(shown.contains(package), "{package:?}");
    }
}
