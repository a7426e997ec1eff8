//! Transformations by options: other sources, other compilers, other providers of interfaces, as a user gives them.
//!
//! The packages are trivial: what is tested is which source they get and what else changes. Repositories are made by git.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{fs, process::Command};

use common::{TestEnvironment, check_values, sandbox_or_skip};

/// A home with a channel `ch` whose packages copy their sources: `tool` from a file, `checked` from a repository.
fn user() -> TestEnvironment {
    let user = TestEnvironment::new();
    for (name, text) in [("1.0", "one"), ("1.9", "nine"), ("1.10", "ten"), ("2.0rc1", "candidate")] {
        user.write(&format!("srv/tool-{name}.txt"), text);
    }
    let home = user.home().display();
    let zeros = "0".repeat(52);
    user.write(
        "ch/tools.hpcl",
        &format!(
            r#"(define-module (tools)
  #:use-module (guix packages) #:use-module (guix download) #:use-module (guix git-download)
  #:use-module (guix gexp) #:use-module (guix build-system trivial) #:use-module (hpcl interfaces))
(define (copying file)
  (list #:modules '((guix build utils))
        #:builder #~(begin (use-modules (guix build utils)) (copy-file #$file #$output))))
(define-syntax-rule (define-tool variable field ...)
  (define-public variable
    (package field ... (build-system trivial-build-system) (home-page #f) (synopsis "s")
             (description "d") (license #f))))
(define-tool tool
  (name "tool") (version "1.0")
  (source (origin (method url-fetch) (sha256 (base32 "{zeros}"))
                  (uri (string-append "file://{home}/srv/tool-" version ".txt"))))
  (arguments (copying (package-source this-package))))
(define-tool checked
  (name "checked") (version "1.0")
  (source (origin (method git-fetch) (sha256 (base32 "{zeros}"))
                  (uri (git-reference (url "{home}/repo") (commit (string-append "v" version))))))
  (arguments (copying #~(string-append #$(package-source this-package) "/text"))))
(define-tool one-mpi
  (name "one-mpi") (version "1") (source #f) (properties '((provides "mpi")))
  (arguments (copying (plain-file "text" "one"))))
(define-tool other-mpi
  (name "other-mpi") (version "1") (source #f) (properties '((provides "mpi")))
  (arguments (copying (plain-file "text" "other"))))
(define-tool mpi
  (name "mpi") (version "interface") (source #f) (properties (interface one-mpi)))
(define-tool app
  (name "app") (version "1") (source #f) (inputs (list mpi))
  (arguments (copying (this-package-input "mpi"))))
(define-tool app-of-other
  (name "app-of-other") (version "1") (source #f) (inputs (list app other-mpi))
  (arguments (copying (this-package-input "app"))))
(define-tool tuned
  (name "tuned") (version "1") (source #f) (properties '((tunable? . #t)))
  (native-inputs (list (list "gcc" one-mpi) (list "bash" one-mpi)))
  (arguments (copying (plain-file "text" "t"))))
"#
        ),
    );
    user
}

fn repository(user: &TestEnvironment) {
    let git = |arguments: &[&str]| {
        let made = Command::new("git")
            .args(["-c", "user.name=n", "-c", "user.email=e", "-C"])
            .arg(user.home().join("repo"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    user.write("repo/text", "first");
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "text"]);
    git(&["commit", "-q", "-m", "1"]);
    git(&["tag", "v1.0"]);
    user.write("repo/text", "second");
    git(&["commit", "-q", "-am", "2"]);
    git(&["tag", "-am", "two", "v1.2"]);
    git(&["checkout", "-q", "-b", "side"]);
    user.write("repo/text", "aside");
    git(&["commit", "-q", "-am", "3"]);
    git(&["checkout", "-q", "main"]);
}

/// Builds with an option and gives the item's name behind its hash, and its content.
fn built(user: &TestEnvironment, option: &str, package: &str) -> (String, String) {
    let printed = user.run(&["build", "-q", "-L", "ch", option, package]).success();
    let path = printed.trim().replace("HOME", &user.home().display().to_string());
    let name = path.rsplit('/').next().unwrap().split_once('-').unwrap().1.to_owned();
    (name, fs::read_to_string(&path).unwrap())
}

fn derivation(user: &TestEnvironment, option: &[&str], package: &str) -> String {
    let printed = user.run(&[&["eval", "-L", "ch"], option, &[package]].concat()).success();
    printed.trim().rsplit('\t').next().unwrap().to_owned()
}

#[test]
fn sources_are_other_files_and_versions() {
    if !sandbox_or_skip("sources_are_other_files_and_versions") {
        return;
    }
    let user = user();
    let address = format!("--with-source=tool@7=file://{}/srv/tool-2.0rc1.txt", user.home().display());
    for (option, name, text) in [
        ("--with-source=tool=srv/tool-1.10.txt", "tool-1.0", "ten"),
        (address.as_str(), "tool-7", "candidate"),
        ("--with-version=tool=1.9", "tool-1.9", "nine"),
        ("--with-latest=tool", "tool-1.10", "ten"),
    ] {
        assert_eq!(built(&user, option, "tool"), (name.to_owned(), text.to_owned()), "{option}");
    }
    let absent = user.run(&["build", "-L", "ch", "--with-version=tool=3.0", "tool"]).failure(3);
    assert!(absent.contains("error[E0704]") && absent.contains("srv/tool-3.0.txt"), "{absent}");
}

#[test]
fn sources_are_other_commits() {
    if !sandbox_or_skip("sources_are_other_commits") {
        return;
    }
    let user = user();
    repository(&user);
    let other = format!("--with-git-url=tool={}/repo", user.home().display());
    for (option, name, text) in [
        ("--with-version=checked=1.2", "checked-1.2", "second"),
        ("--with-latest=checked", "checked-1.2", "second"),
        ("--with-commit=checked=v1.0", "checked-1.0", "first"),
        ("--with-branch=checked=side", "checked-git.side", "aside"),
    ] {
        assert_eq!(built(&user, option, "checked"), (name.to_owned(), text.to_owned()), "{option}");
    }
    // A tree: `tool` copies the whole directory, which its name tells.
    let printed = user.run(&["eval", "-L", "ch", &other, "tool"]).success();
    assert!(printed.starts_with("tool@1.0-git\t"), "{printed}");
    for (option, message) in [
        ("--with-commit=checked=v9", "it has neither a commit nor a tag `v9`"),
        ("--with-branch=checked=gone", "`gone`"),
        ("--with-branch=tool=main", "error[E0654]"),
    ] {
        let error = user.run(&["eval", "-L", "ch", option, "checked", "tool"]).failure(3);
        assert!(error.contains(message), "{option}: {error}");
    }
}

#[test]
fn a_patch_is_one_more_input_of_the_source() {
    let user = user();
    user.write("fix.patch", "--- a\n+++ b\n");
    let with = user.run(&["eval", "-L", "ch", "-d", "--with-patch=tool=fix.patch", "tool"]).success();
    let without = user.run(&["eval", "-L", "ch", "-d", "tool"]).success();
    assert_ne!(with, without);
    let nothing = user.run(&["eval", "-L", "ch", "--with-patch=app=fix.patch", "app"]).failure(3);
    assert!(nothing.contains("error[E0652]: `app@1` has no source that could be patched"), "{nothing}");
}

#[test]
fn an_interface_is_its_provider() {
    let user = user();
    let of = |option: &[&str]| derivation(&user, option, "app");
    let default = of(&[]);
    assert_eq!(of(&["--with-input=mpi=one-mpi"]), default);
    let other = of(&["--with-input=mpi=other-mpi"]);
    assert_ne!(default, other);
    // A rewriting of something else leaves everything as it is, the interface included.
    assert_eq!(default, of(&["--with-input=tool=checked"]));
    // The provider itself can be replaced too.
    assert_ne!(default, of(&["--with-input=one-mpi=other-mpi"]));
    assert_eq!(derivation(&user, &[], "mpi"), derivation(&user, &[], "one-mpi"));
    user.write(".config/hpcl/config.toml", "[providers]\nmpi = \"other-mpi\"\n");
    assert_eq!(of(&[]), other, "the user's settings choose where nobody else does");
    assert_eq!(of(&["--with-input=mpi=one-mpi"]), default, "an option goes before them");
}

#[test]
fn what_is_no_provider_or_one_too_many_is_told() {
    let user = user();
    let wrong = user.run(&["eval", "-L", "ch", "--with-input=mpi=tool", "app"]).failure(3);
    assert!(wrong.contains("error[E0656]: `tool@1.0` does not provide `mpi`"), "{wrong}");
    let clash = user.run(&["eval", "-L", "ch", "app-of-other"]).failure(3);
    assert!(
        clash.contains(
            "error[E0657]: `mpi` is provided by two packages that would come together: `one-mpi@1` \
             (app-of-other → app → one-mpi) and `other-mpi@1` (app-of-other → other-mpi)"
        ),
        "{clash}"
    );
    assert!(clash.contains("--with-input=one-mpi=other-mpi"), "{clash}");
    let advised = user.run(&["eval", "-L", "ch", "--with-input=one-mpi=other-mpi", "app-of-other"]);
    assert!(advised.success().starts_with("app-of-other@1\t"));
}

#[test]
fn only_what_is_marked_is_tuned() {
    let user = user();
    for package in ["tool", "app"] {
        let plain = derivation(&user, &[], package);
        assert_eq!(plain, derivation(&user, &["--tune=x86-64-v3"], package), "{package}");
    }
    let plain = derivation(&user, &[], "tuned");
    let tuned = derivation(&user, &["--tune=x86-64-v3"], "tuned");
    assert!(tuned != plain && tuned != derivation(&user, &["--tune=x86-64-v2"], "tuned"));
    let unknown = user.run(&["eval", "-L", "ch", "--tune=pentium", "tuned"]).failure(3);
    assert!(
        unknown.contains("error[E0655]: `pentium` is no processor") && unknown.contains("znver3"),
        "{unknown}"
    );
    // This machine's processor becomes a name that is known.
    assert_ne!(derivation(&user, &["--tune"], "tuned"), plain);
}

#[test]
fn compilers_reach_what_depends_on_a_package() {
    let user = TestEnvironment::new();
    let of = |options: &[&str], package: &str| derivation_of(&user, options, package);
    for package in ["zlib", "python"] {
        let plain = of(&[], package);
        assert_ne!(plain, of(&["--with-c-toolchain=zlib=gcc"], package), "{package}");
    }
    assert_eq!(of(&[], "libffi"), of(&["--with-c-toolchain=zlib=gcc"], "libffi"), "it does not use zlib");
    // What depends on it is grafted, so that only the package itself is built.
    assert_eq!(of(&[], "python"), of(&["--with-debug-info=zlib"], "python"));
    assert_ne!(of(&[], "zlib"), of(&["--with-debug-info=zlib"], "zlib"));
}

fn derivation_of(user: &TestEnvironment, options: &[&str], package: &str) -> String {
    let printed = user.run(&[&["eval"], options, &[package]].concat()).success();
    printed.trim().rsplit('\t').next().unwrap().to_owned()
}

#[test]
fn the_library_says_what_options_mean() {
    check_values(
        "(hpcl source-transformations) (hpcl compiler-transformations) (hpcl interfaces) (hpc interfaces) (hpc mpi)",
        &[
            ("(split-at-equals \"with-input\" \"a=b=c\")", "(\"a\" . \"b=c\")"),
            ("(->bool (member \"znver3\" (assoc-ref %known-processors \"x86_64-linux\")))", "#t"),
            ("(list (interface? mpi) (interface? openmpi) (eq? (provider mpi) openmpi))", "(#t #f #t)"),
            ("(package-provides openmpi)", "(\"mpi\")"),
        ],
    );
}

#[test]
fn a_change_is_made_once_wherever_a_package_is_used() {
    let user = TestEnvironment::new();
    for option in ["--with-configure-flag=zlib=--own", "--without-tests=zlib"] {
        let alone = derivation_of(&user, &[option], "zlib");
        let name = alone.rsplit('/').next().unwrap();
        let graph = user.run(&["graph", "-t", "derivation", "--json", option, "python"]).success();
        assert!(graph.contains(name), "{option}: what python is built with is not {name}");
        // Another option besides, which concerns nothing here, changes nothing.
        let both = [option, "--with-configure-flag=absent=--other"];
        assert_eq!(derivation_of(&user, &both, "python"), derivation_of(&user, &[option], "python"));
    }
}
