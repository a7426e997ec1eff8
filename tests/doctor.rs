//! `hpcl doctor`: what it says of a machine on which all is well, and of one with a store that cannot be.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::TestEnvironment;

#[test]
fn the_store_the_builds_and_the_mirrors_are_told() {
    let environment = TestEnvironment::new();
    environment
        .write(".config/hpcl/config.toml", "[mirrors]\ndebian = [\"https://mirror.example.org/debian\"]\n");
    let run = environment.run(&["doctor"]);
    let isolated = hpcl::sandbox::available().is_ok();
    assert_eq!(run.code, if isolated { 0 } else { 6 }, "{}", run.stdout);
    assert!(run.stdout.contains("store: HOME/.local/share/hpcl___"), "{}", run.stdout);
    assert!(
        run.stdout.contains("sources: `debian` from https://mirror.example.org/debian"),
        "{}",
        run.stdout
    );
    let what = if isolated { "good  builds: isolated" } else { "bad   builds: no " };
    assert!(run.stdout.contains(what), "{}", run.stdout);
}

#[test]
fn a_store_that_cannot_be_has_a_remedy() {
    let environment = TestEnvironment::new();
    let mut command = environment.command(&["doctor"]);
    command.env("HPCL_STORE", format!("/tmp/{}", "long".repeat(20)));
    let run = environment.finish(command);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("bad   store: "), "{}", run.stdout);
    assert!(run.stdout.contains("`HPCL_STORE` names another directory"), "{}", run.stdout);
}

#[test]
fn findings_can_be_read_by_programs() {
    let environment = TestEnvironment::new();
    let run = environment.run(&["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let about: Vec<&str> = findings.as_array().unwrap().iter().filter_map(|f| f["about"].as_str()).collect();
    assert!(about.starts_with(&["system", "builds"]) && about.contains(&"store"), "{about:?}");
}
