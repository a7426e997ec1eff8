//! `hpcl fmt` as a user sees it: files are written once, `--check` shows what would change, what cannot be read is reported.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{io::Write, os::unix::fs::PermissionsExt, process::Stdio};

use common::TestEnvironment;

const BAD: &str = "(define a\n(list 1   2))\n";
const GOOD: &str = "(define a\n  (list 1 2))\n";

#[test]
fn files_and_directories_are_formatted_once() {
    let environment = TestEnvironment::new();
    let file = environment.write("recipes/a.hpcl", BAD);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    environment.write("recipes/deep/b.scm", BAD);
    environment.write("recipes/.hidden/c.hpcl", BAD);
    environment.write("recipes/d.txt", BAD);
    let first = environment.run(&["fmt", "recipes"]);
    assert_eq!((first.code, first.stdout.as_str()), (0, "recipes/a.hpcl\nrecipes/deep/b.scm\n"), "{first:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), GOOD);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    for untouched in ["recipes/.hidden/c.hpcl", "recipes/d.txt"] {
        assert_eq!(std::fs::read_to_string(environment.home().join(untouched)).unwrap(), BAD);
    }
    let second = environment.run(&["fmt", "recipes"]);
    assert_eq!((second.code, second.stdout.as_str()), (0, ""), "{second:?}");
}

#[test]
fn check_shows_the_difference_and_writes_nothing() {
    let environment = TestEnvironment::new();
    let file = environment.write("a.hpcl", BAD);
    environment.write("b.hpcl", GOOD);
    let run = environment.run(&["fmt", "--check"]);
    assert_eq!(run.code, 1);
    assert_eq!(
        run.stdout,
        "--- a/a.hpcl\n+++ b/a.hpcl\n@@ -1,2 +1,2 @@\n (define a\n-(list 1   2))\n+  (list 1 2))\n"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), BAD);
    assert_eq!(environment.run(&["fmt", "--check", "b.hpcl"]).code, 0);
}

#[test]
fn standard_input_goes_to_standard_output() {
    let environment = TestEnvironment::new();
    for (text, arguments, code, expected) in [
        (BAD, &["fmt", "--stdin"][..], 0, GOOD),
        (GOOD, &["fmt", "--stdin"], 0, GOOD),
        (GOOD, &["fmt", "--stdin", "--check"], 0, ""),
    ] {
        let mut child =
            environment.command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
}

#[test]
fn what_cannot_be_read_is_reported_and_the_rest_is_done() {
    let environment = TestEnvironment::new();
    environment.write("a.hpcl", "(define a\n");
    let good = environment.write("b.hpcl", BAD);
    let run = environment.run(&["fmt", "a.hpcl", "b.hpcl", "absent.hpcl"]);
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("error[E0102]: this `(` is never closed"), "{}", run.stderr);
    assert!(run.stderr.contains("cannot read `absent.hpcl`"), "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(good).unwrap(), GOOD);
}
