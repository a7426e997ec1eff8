//! The conformance suite's chapter on packages: programs over `package`, `origin` and what goes with them.
//!
//! `tests/packages/okay/x.hpcl` is evaluated and prints `x.out`; `tests/packages/fail/x.hpcl` ends in the diagnostic
//! `x.err`, whole. `UPDATE=1` rewrites the expectations; read them before you commit them.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::TestEnvironment;
use rayon::prelude::*;

/// How many programs the chapter has at least.
const AT_LEAST: usize = 45;

fn programs(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packages").join(kind);
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hpcl"))
        .collect();
    found.sort();
    found
}

/// Runs a program; says what differs from what is expected.
fn differs(path: &Path, extension: &str) -> Option<String> {
    let environment = TestEnvironment::new();
    let name = path.file_name().unwrap().to_str().unwrap();
    environment.write(name, &fs::read_to_string(path).unwrap());
    let run = environment.run(&["eval", name]);
    let right = (run.code == 0) == (extension == "out");
    let printed = format!("{}{}", run.stdout, run.stderr);
    let expectation = path.with_extension(extension);
    if right && std::env::var_os("UPDATE").is_some() {
        fs::write(&expectation, &printed).unwrap();
    }
    let expected = fs::read_to_string(&expectation).unwrap_or_default();
    (!right || printed != expected).then(|| format!("--- {name}: expected\n{expected}--- got\n{printed}"))
}

fn check(kind: &str, extension: &str) {
    let wrong: Vec<String> = programs(kind).par_iter().filter_map(|path| differs(path, extension)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_program_is_lost() {
    assert!(programs("okay").len() + programs("fail").len() >= AT_LEAST);
}

#[test]
fn packages_that_are_right_print_what_they_should() {
    check("okay", "out");
}

#[test]
fn packages_that_are_wrong_say_what_is_wrong() {
    check("fail", "err");
}
