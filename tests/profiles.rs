//! Profiles: what a user installs, takes out, renews and goes back to; nothing is lost whatever fails.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "a test")]

mod common;

use std::{path::PathBuf, process::Command};

use common::{Run, TestEnvironment, sandbox_or_skip};
use serde_json::Value;

/// Packages that are built in a moment: `one` and `two` bring along different versions of `lib`.
const RECIPES: &str = r##"(define-module (my tools)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module (guix search-paths)
  #:use-module (guix build-system trivial))

(define* (tool the-name the-version #:key (more '()) (extra #~#t) (outs '("out")))
  (package
    (name the-name)
    (version the-version)
    (source #f)
    (build-system trivial-build-system)
    (outputs outs)
    (arguments
     (list #:builder
           (with-imported-modules '((hpcl build utils))
             #~(begin
                 (use-modules (hpcl build utils))
                 (define (write-file file text)
                   (mkdir-p (dirname file))
                   (call-with-output-file file (lambda (port) (display text port))))
                 (mkdir-p (string-append #$output "/include"))
                 (write-file (string-append #$output "/bin/" #$the-name)
                             (string-append "#!/bin/sh\necho " #$the-name " " #$the-version "\n"))
                 (chmod (string-append #$output "/bin/" #$the-name) #o755)
                 #$extra))))
    (native-search-paths
     (list (search-path-specification (variable "C_INCLUDE_PATH") (files '("include")))))
    (propagated-inputs more)
    (synopsis "A") (description "A") (home-page #f) (license #f)))

(define-public lib (tool "lib" "1"))
(define-public lib-2 (tool "lib" "2"))
(define-public one (tool "one" "VERSION" #:more (list lib)))
(define-public two (tool "two" "1.0" #:more (list lib-2)))
(define-public three (tool "three" "1.0"))
(define-public broken (tool "broken" "1" #:extra #~(error "no way")))
(define-public manual
  (tool "manual" "1"
        #:extra #~(write-file (string-append #$output "/share/info/manual.info")
                              "START-INFO-DIR-ENTRY\n* Manual: (manual).  It.\nEND-INFO-DIR-ENTRY\n")))
(define-public snake
  (package
    (inherit (tool "snake" "3"
                   #:extra #~(for-each (lambda (name)
                                         (write-file (string-append #$output name) "old"))
                                       '("/bin/python3" "/lib/python3.11/site-packages/pip/both.py"
                                         "/lib/python3.11/site-packages/pip/old.py"
                                         "/lib/python3.11/site-packages/sub/pip/old.py"
                                         "/lib/python3.11/site-packages/alone.py"))))
    (native-search-paths
     (list (search-path-specification
            (variable "HPCL_PYTHONPATH") (files '("lib/python3.11/site-packages")))))))
(define-public pip
  (tool "pip" "9"
        #:extra #~(for-each (lambda (name)
                              (write-file (string-append #$output name) "new"))
                            '("/lib/python3.11/site-packages/pip/both.py"
                              "/lib/python3.11/site-packages/pip/new.py"
                              "/lib/python3.11/site-packages/sub/other.py"))))
(define-public split
  (tool "split" "1" #:outs '("out" "doc")
        #:extra #~(write-file (string-append #$output:doc "/share/doc/split") "text")))
"##;

struct User {
    environment: TestEnvironment,
}

impl User {
    /// A user whose channel has `one` in version 1.0; nothing where no sandbox can be had.
    fn new(test: &str) -> Option<User> {
        sandbox_or_skip(test).then(|| {
            let user = User { environment: TestEnvironment::new() };
            user.channel("1.0");
            user
        })
    }

    fn channel(&self, version: &str) {
        self.environment.write("recipes/my/tools.scm", &RECIPES.replace("VERSION", version));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.environment.command(arguments);
        command.env("HPCL_CHANNEL_PATH", self.environment.home().join("recipes"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        self.environment.finish(self.command(arguments))
    }

    fn link(&self, name: &str) -> PathBuf {
        self.environment.home().join(".local/state/hpcl/profiles").join(name)
    }

    /// What the usual profile's programs say.
    fn says(&self, program: &str) -> Option<String> {
        let output = Command::new(self.link("default/bin").join(program)).output().ok()?;
        Some(String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let all: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.run(&all).success()).unwrap()
    }

    fn installed(&self) -> Vec<String> {
        let rows = self.json(&["package", "-I"]);
        let row =
            |row: &Value| format!("{}@{}", row["name"].as_str().unwrap(), row["version"].as_str().unwrap());
        rows.as_array().unwrap().iter().map(row).collect()
    }

    fn generation(&self) -> String {
        self.link("default").read_link().unwrap().display().to_string()
    }
}

#[test]
fn packages_come_and_go_by_generations() {
    let Some(user) = User::new("packages_come_and_go_by_generations") else { return };
    let first = user.run(&["install", "one", "three"]);
    assert!(
        first.stderr.contains("install   one@1.0\n") && first.stderr.contains("--search-paths"),
        "{first:?}"
    );
    first.success();
    assert_eq!((user.says("one").unwrap(), user.says("lib").unwrap()), ("one 1.0".into(), "lib 1".into()));

    // What is not asked for stays what it is, though its recipe has changed.
    user.channel("1.1");
    user.run(&["package", "-r", "three", "-i", "split:doc"]).success();
    assert_eq!(user.installed(), ["one@1.0", "split@1"]);
    assert!(user.link("default/share/doc/split").is_file() && user.says("three").is_none());

    let upgrade = user.run(&["upgrade"]);
    assert!(upgrade.stderr.contains("upgrade   one 1.0 → 1.1\n"), "{upgrade:?}");
    upgrade.success();
    assert_eq!(user.says("one").unwrap(), "one 1.1");
    assert!(user.run(&["upgrade"]).stderr.contains("nothing to be done"));
    user.channel("0.9");
    let older = user.run(&["upgrade", "^one$"]);
    assert!(older.stderr.contains("`one@1.1` is newer than what the channels have"), "{older:?}");
    assert_eq!(user.generation(), "default-3-link");

    user.run(&["package", "--roll-back"]).success();
    assert_eq!(
        (user.generation().as_str(), user.says("one").unwrap().as_str()),
        ("default-2-link", "one 1.0")
    );
    user.run(&["package", "-S", "+1"]).success();
    user.run(&["package", "-S", "1"]).success();
    assert_eq!(user.says("three").unwrap(), "three 1.0");
    // Going on from an old generation overwrites none.
    user.run(&["remove", "one"]).success();
    assert_eq!(
        (user.generation().as_str(), user.installed()),
        ("default-4-link", vec!["three@1.0".to_owned()])
    );

    let listed = user.run(&["package", "-l"]).success();
    let rows: Vec<&str> =
        listed.lines().filter(|line| line.starts_with(" + ") || line.starts_with(" - ")).collect();
    let has = |start: &str| rows.iter().any(|row| row.starts_with(start));
    assert!(
        has(" + one\t1.1\tout\t") && has(" - one\t1.0\tout\t") && has(" - three\t1.0\tout\t"),
        "{listed}"
    );
    let generations = user.json(&["package", "-l", "2..3"]);
    assert_eq!(generations.as_array().unwrap().len(), 2);
    assert_eq!(generations[1]["added"][0]["version"], "1.1");

    user.run(&["package", "-d", "1,2"]).success();
    let current = user.run(&["package", "-d", "4"]).failure(1);
    assert!(current.contains("is the current one"), "{current}");
    assert!(user.run(&["package", "-S", "2"]).failure(1).contains("has no generation 2"));
    user.run(&["package", "-d"]).success();
    assert_eq!(user.json(&["package", "-l"]).as_array().unwrap().len(), 1);
    // Before the first generation there is nothing.
    user.run(&["package", "--roll-back"]).success();
    assert_eq!((user.generation().as_str(), user.installed().len()), ("default-0-link", 0));
    assert!(user.run(&["package", "--roll-back"]).failure(1).contains("no generation before"));
}

#[test]
fn what_a_collection_keeps_are_the_generations() {
    let Some(user) = User::new("what_a_collection_keeps_are_the_generations") else { return };
    user.run(&["install", "one"]).success();
    user.run(&["remove", "one"]).success();
    user.run(&["gc"]).success();
    user.run(&["package", "--roll-back"]).success();
    assert_eq!(user.says("one").unwrap(), "one 1.0");
    user.run(&["package", "-S", "2"]).success();
    user.run(&["package", "-d", "1"]).success();
    let store = user.link("default-2-link").read_link().unwrap().parent().unwrap().to_owned();
    let has_one = || {
        std::fs::read_dir(&store)
            .unwrap()
            .flatten()
            .any(|item| item.file_name().to_str().unwrap().ends_with("-one-1.0"))
    };
    assert!(has_one());
    user.run(&["gc"]).success();
    assert!(!has_one(), "what only the deleted generation needed is gone");
    assert_eq!(user.installed(), [""; 0]);
}

#[test]
fn two_items_for_one_place_are_explained() {
    let Some(user) = User::new("two_items_for_one_place_are_explained") else { return };
    user.run(&["install", "one"]).success();
    let clash = user.run(&["install", "two"]).failure(1);
    for part in [
        "would hold two of `lib`",
        "lib@1 (brought along by `one@1.0`)",
        "lib@2 (brought along by `two@1.0`)",
        "hint:",
    ] {
        assert!(clash.contains(part), "{clash}");
    }
    assert_eq!(user.installed(), ["one@1.0"]);
    // In one command, the one may take the place of the other; and named profiles are apart.
    user.run(&["package", "-r", "one", "-i", "two"]).success();
    user.run(&["install", "-p", "other", "one"]).success();
    assert!(user.link("other/bin/one").exists() && user.says("one").is_none());
    let path = user.environment.home().join("a-link");
    user.run(&["install", "-p", path.to_str().unwrap(), "three"]).success();
    assert!(path.join("bin/three").exists());
    let missing = user.run(&["remove", "on"]).failure(2);
    assert!(missing.contains("`on` is not in the profile"), "{missing}");
}

#[test]
fn transformations_are_kept_and_exported() {
    let Some(user) = User::new("transformations_are_kept_and_exported") else { return };
    user.run(&["install", "three", "one", "--with-input=lib=lib@2"]).success();
    assert_eq!(user.says("lib").unwrap(), "lib 2");
    user.channel("1.1");
    user.run(&["upgrade"]).success();
    assert_eq!((user.says("one").unwrap(), user.says("lib").unwrap()), ("one 1.1".into(), "lib 2".into()));
    assert_eq!(user.json(&["package", "-I", "one"])[0]["transformations"][0], "with-input=lib=lib@2");
    let code = user.run(&["package", "--export-manifest"]).success();
    assert!(code.contains("(options->transformation '((with-input . \"lib=lib@2\")))"), "{code}");
    // What was exported makes the same profile elsewhere.
    let manifest = user.environment.write("manifest.scm", &code);
    user.run(&["install", "-p", "again", "-m", manifest.to_str().unwrap()]).success();
    assert_eq!(
        user.link("again-1-link").read_link().unwrap(),
        user.link("default-2-link").read_link().unwrap()
    );
    let plain = user.run(&["install", "-p", "plain", "lib@2", "split:doc"]);
    plain.success();
    let code = user.run(&["package", "-p", "plain", "--export-manifest"]).success();
    assert!(code.contains("(specifications->manifest (list \"lib@2\" \"split:doc\"))"), "{code}");
}

#[test]
fn a_manifest_says_all_that_a_profile_holds() {
    let Some(user) = User::new("a_manifest_says_all_that_a_profile_holds") else { return };
    user.run(&["install", "three"]).success();
    user.environment.write("manifest.scm", "(specifications->manifest (list \"one\" \"split:doc\"))\n");
    user.run(&["package", "--manifest", "manifest.scm"]).success();
    assert_eq!(user.installed(), ["one@1.0", "split@1"]);
    let again = user.run(&["package", "-m", "manifest.scm"]);
    assert!(again.stderr.contains("nothing to be done"), "{again:?}");
    let dry = user.run(&["install", "-n", "three"]);
    assert!(dry.stderr.contains("install   three@1.0"), "{dry:?}");
    assert_eq!(user.generation(), "default-2-link");
}

#[test]
fn shells_are_told_where_things_are() {
    let Some(user) = User::new("shells_are_told_where_things_are") else { return };
    user.run(&["install", "one"]).success();
    let sh = |script: &str| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env_clear().env("PATH", "/usr/bin:/bin").env("C_INCLUDE_PATH", "/mine");
        command.env("P", user.link("default"));
        user.environment.finish(command).success()
    };
    let link = "HOME/.local/state/hpcl/profiles/default";
    let expected = format!("one 1.0\n{link}/include:/mine\n");
    let settings = user
        .run(&["package", "--search-paths", "--shell", "sh"])
        .success()
        .replace("HOME", user.environment.home().to_str().unwrap());
    assert_eq!(sh(&format!("{settings}\none; echo $C_INCLUDE_PATH")), expected);
    assert_eq!(sh("HPCL_PROFILE=$P; . $P/etc/profile; one; echo $C_INCLUDE_PATH"), expected);
    for (shell, file, set) in [
        ("bash", "profile", "HPCL_PROFILE=$P"),
        ("zsh", "profile", "HPCL_PROFILE=$P"),
        ("fish", "profile.fish", "set HPCL_PROFILE $P"),
        ("tcsh", "profile.csh", "setenv HPCL_PROFILE $P"),
    ] {
        let source = if file == "profile" { "." } else { "source" };
        let script = format!("{set}; {source} $P/etc/{file}; one; sh -c 'echo $C_INCLUDE_PATH'");
        let mut command = Command::new(shell);
        command.args(["-f", "-c", &script][usize::from(matches!(shell, "bash" | "fish"))..].iter());
        command.env_clear().env("PATH", "/usr/bin:/bin").env("C_INCLUDE_PATH", "/mine");
        command.env("P", user.link("default")).env("HOME", user.environment.home());
        match Command::new(shell).arg("--version").output() {
            Ok(_) => assert_eq!(user.environment.finish(command).success(), expected, "{shell}"),
            Err(_) => eprintln!("SKIPPED shells_are_told_where_things_are, of {shell}: it is not installed"),
        }
    }
    let exact = user.run(&["package", "--search-paths=exact", "--shell", "fish"]).success();
    assert!(exact.contains(&format!("set -gx C_INCLUDE_PATH {link}/include\n")), "{exact}");
    assert!(
        user.link("default/etc/profile.fish").is_file() && user.link("default/etc/profile.csh").is_file()
    );
    let json = user.json(&["package", "--search-paths"]);
    assert_eq!(json[0]["variable"], "PATH");
    // Several profiles are searched in the order given.
    user.run(&["install", "-p", "other", "three"]).success();
    let both = user
        .run(&["package", "-p", "other", "-p", "default", "--search-paths=exact", "--shell=sh"])
        .success();
    let other = link.replace("default", "other");
    assert!(both.contains(&format!("export PATH={other}/bin:{link}/bin\n")), "{both}");
}

#[test]
fn an_environment_is_remembered_while_nothing_it_depends_on_changes() {
    let Some(user) = User::new("an_environment_is_remembered_while_nothing_it_depends_on_changes") else {
        return;
    };
    let says = |program: &str| {
        let run = user.run(&["shell", "-m", "manifest.scm", "--", program]);
        if run.code == 0 { run.success().trim_end().to_owned() } else { format!("ends with {}", run.code) }
    };
    user.environment.write("manifest.scm", "(specifications->manifest (list \"one\"))\n");
    assert_eq!((says("one").as_str(), says("one").as_str()), ("one 1.0", "one 1.0"));
    user.channel("1.1");
    assert_eq!(says("one"), "one 1.1");
    user.environment.write("manifest.scm", "(specifications->manifest (list \"three\"))\n");
    assert_eq!((says("three").as_str(), says("one").as_str()), ("three 1.0", "ends with 127"));
    // Once it is collected it is built again.
    user.run(&["gc"]).success();
    assert_eq!(says("three"), "three 1.0");
    let settings = user.run(&["shell", "-m", "manifest.scm", "--search-paths", "--shell=fish"]).success();
    assert!(settings.contains("set -gx PATH") && settings.contains("-profile/bin"), "{settings}");
    let json = user.json(&["shell", "three", "--search-paths"]);
    assert_eq!(json[1]["variable"], "C_INCLUDE_PATH");
    // Hooks serve environments too.
    user.run(&["shell", "manual", "--", "sh", "-c", "test -f $HPCL_ENVIRONMENT/share/info/dir"]).success();
}

#[test]
fn what_a_name_might_mean_is_told() {
    let Some(user) = User::new("what_a_name_might_mean_is_told") else { return };
    let text = RECIPES.replace("VERSION", "1.0").replace(
        "(define-public three",
        "(define-public also-three (package (inherit lib) (name \"three\") (version \"1.0\")))\n\
         (define-public old (package (inherit lib) (name \"four\") (properties `((superseded . ,lib-2)))))\n(define-public three",
    );
    user.environment.write("recipes/my/tools.scm", &text);
    let ambiguous = user.run(&["build", "-n", "three"]);
    assert!(ambiguous.stderr.contains("warning: `three@1.0` is ambiguous: of those at "), "{ambiguous:?}");
    let superseded = user.run(&["build", "-n", "four"]);
    assert!(superseded.stderr.contains("`four@1` has been superseded by `lib@2`"), "{superseded:?}");
    assert!(superseded.stdout.contains("lib-2"), "{superseded:?}");
    assert!(!user.run(&["build", "-n", "one"]).stderr.contains("warning"));
}

#[test]
fn hooks_run_where_they_have_something_to_do() {
    let Some(user) = User::new("hooks_run_where_they_have_something_to_do") else { return };
    user.run(&["install", "three"]).success();
    assert!(!user.link("default/share").exists());
    user.run(&["install", "manual"]).success();
    let menu = std::fs::read_to_string(user.link("default/share/info/dir")).unwrap();
    assert!(menu.contains("* Manual: (manual).  It.\n"), "{menu}");
}

#[test]
fn modules_of_python_itself_do_not_mix_with_other_versions() {
    let Some(user) = User::new("modules_of_python_itself_do_not_mix_with_other_versions") else { return };
    let read =
        |name: &str| std::fs::read_to_string(user.link("default/lib/python3.11/site-packages").join(name));
    user.run(&["install", "snake"]).success();
    assert_eq!(read("pip/both.py").unwrap(), "old");
    user.run(&["install", "pip"]).success();
    assert_eq!((read("pip/both.py").unwrap(), read("pip/new.py").unwrap()), ("new".into(), "new".into()));
    assert_eq!(read("sub/other.py").unwrap(), "new");
    for gone in ["pip/old.py", "alone.py", "sub/pip/old.py"] {
        assert!(read(gone).is_err(), "{gone} is Python's own, which finds it without the profile");
    }
    assert!(user.link("default/bin/python3").exists());
    // The same in an environment, whichever is named first.
    let shown = user.run(&["shell", "snake", "pip", "--", "sh", "-c", "cat $HPCL_PYTHONPATH/pip/*.py"]);
    assert_eq!(shown.success(), "newnew");
}

#[test]
fn what_fails_leaves_the_profile_as_it_was() {
    let Some(user) = User::new("what_fails_leaves_the_profile_as_it_was") else { return };
    user.run(&["install", "three"]).success();
    let failed = user.run(&["install", "one", "broken"]).failure(4);
    assert!(failed.contains("no way"), "{failed}");
    assert!(user.run(&["install", "nothing-like-it"]).failure(3).contains("unknown package"));
    assert_eq!(
        (user.generation().as_str(), user.installed()),
        ("default-1-link", vec!["three@1.0".to_owned()])
    );
    std::fs::write(user.link("file"), "text").unwrap();
    assert!(user.run(&["install", "-p", "file", "three"]).failure(1).contains("is not a profile"));
    assert_eq!(std::fs::read_to_string(user.link("file")).unwrap(), "text");
}

#[test]
fn those_who_change_a_profile_at_once_wait_for_each_other() {
    let Some(user) = User::new("those_who_change_a_profile_at_once_wait_for_each_other") else { return };
    let start = |package: &str| {
        let mut command = user.command(&["install", package]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let running: Vec<_> = ["three", "manual", "split:doc", "lib@1"].map(start).into_iter().collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut installed = user.installed();
    installed.sort();
    assert_eq!(installed, ["lib@1", "manual@1", "split@1", "three@1.0"]);
    assert_eq!(user.json(&["package", "-l"]).as_array().unwrap().len(), 4);
}

/// In a mount namespace: the user's state on a file system without room for another link, then the store on a full one.
const FULL: &str = r#"
set -e
mkdir -p "$HOME/.local/state" "$HOME/.local/share"
mount -t tmpfs -o size=4m,nr_inodes=13 none "$HOME/.local/state" || exit 99
"$HPCL" install -q three
i=0; while touch "$HOME/.local/state/fill-$i" 2>/dev/null; do i=$((i+1)); done
"$HPCL" install one 2>&1 && exit 1
rm "$HOME"/.local/state/fill-*
"$HPCL" package -I
mount -t tmpfs -o remount,size=4m,nr_inodes=100 none "$HOME/.local/state"
"$HPCL" install -q one
"$HOME/.local/state/hpcl/profiles/default/bin/one"
"#;

#[test]
fn a_full_disk_leaves_the_old_generation() {
    const TEST: &str = "a_full_disk_leaves_the_old_generation";
    let Some(user) = User::new(TEST) else { return };
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", FULL])
        .current_dir(user.environment.home());
    command.env_clear().env("HOME", user.environment.home()).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("NO_COLOR", "1").env("HPCL", env!("CARGO_BIN_EXE_hpcl"));
    command.env("HPCL_CHANNEL_PATH", user.environment.home().join("recipes"));
    let run = user.environment.finish(command);
    if run.code == 99 {
        return eprintln!("SKIPPED {TEST}: {}", run.stderr);
    }
    let said = format!("{}{}", run.stdout, run.stderr);
    assert!(said.contains("No space left"), "{said}");
    assert!(said.contains("three\t1.0\tout\t") && !said.contains("one\t1.0\tout\t"), "{said}");
    assert!(run.stdout.ends_with("one 1.0\n"), "{said}");
}
