//! `hpcl eval`: values as they are written, packages as their derivations, both as JSON.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::TestEnvironment;
use serde_json::{Value, json};

const STORE: &str = "/hpcl/fixed-length-prefix-that-relocates-by-rewriting/store/";

fn parsed(environment: &TestEnvironment, arguments: &[&str]) -> Value {
    serde_json::from_str(&environment.run(arguments).success()).unwrap()
}

#[test]
fn values_are_printed_as_they_are_written() {
    let environment = TestEnvironment::new();
    environment.write("value.hpcl", "(define a \"text\")\n(list a 'b #:c 1/2 #\\d)\n");
    let printed = environment.run(&["eval", "value.hpcl", "-e", "(+ 40 2)", "-e", "\"x\""]).success();
    assert_eq!(printed, "(\"text\" b #:c 1/2 #\\d)\n42\n\"x\"\n");
}

#[test]
fn packages_are_printed_as_derivations() {
    let environment = TestEnvironment::new();
    environment.write("manifest.hpcl", "(specifications->manifest (list \"hello\" \"zlib\"))\n");
    environment.write("package.hpcl", "(specification->package \"hello\")\n");
    let hello = environment.run(&["eval", "hello"]).success();
    let (name, derivation) = hello.trim_end().split_once('\t').unwrap();
    assert!(name.starts_with("hello@"), "{hello}");
    assert!(derivation.starts_with(STORE) && derivation.ends_with(".drv"), "{hello}");
    for same in [
        &["eval", "package.hpcl"][..],
        &["eval", "-e", "(specification->package \"hello\")"],
        &["eval", "-e", "(list (specification->package \"hello\"))"],
    ] {
        assert_eq!(environment.run(same).success(), hello);
    }
    let manifest = environment.run(&["eval", "-m", "manifest.hpcl"]).success();
    assert!(manifest.starts_with(&hello) && manifest.lines().count() == 2, "{manifest}");
    let other = environment.run(&["eval", "--without-tests=hello", "hello"]).success();
    assert!(other != hello && other.starts_with("hello@"), "{other}");
    let text = environment.run(&["eval", "--derivation", "hello"]).success();
    assert!(text.starts_with("Derive([(\"out\",\""), "{text}");
}

#[test]
fn json_has_packages_and_values() {
    let environment = TestEnvironment::new();
    let both = parsed(&environment, &["eval", "--json", "hello", "-e", "(list 1 2.5 \"a\" 'b #t '())"]);
    let rows = both.as_array().unwrap();
    assert_eq!(rows.len(), 2, "{both}");
    assert_eq!((&rows[0]["name"], &rows[0]["output"]), (&json!("hello"), &json!("out")));
    assert!(rows[0]["path"].as_str().unwrap().starts_with(STORE), "{both}");
    assert_eq!(rows[1], json!({ "value": [1, 2.5, "a", "b", true, []], "text": "(1 2.5 \"a\" b #t ())" }));
    let shapes = [
        ("'((a . 1) (\"b\" . #(1 2)))", json!({ "a": 1, "b": [1, 2] })),
        ("'((a 1) (b 2))", json!([["a", 1], ["b", 2]])),
        ("'(a . b)", Value::Null),
        ("car", Value::Null),
        ("(expt 10 30)", Value::Null),
        ("#:key", json!("#:key")),
    ];
    for (expression, value) in shapes {
        assert_eq!(
            parsed(&environment, &["eval", "--json", "-e", expression])[0]["value"],
            value,
            "{expression}"
        );
    }
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let environment = TestEnvironment::new();
    let nothing = environment.run(&["eval"]).failure(2);
    assert!(nothing.contains("nothing to evaluate"), "{nothing}");
    let wrong = environment.run(&["eval", "-e", "(car 1)"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (3, ""), "{wrong:?}");
    assert!(
        wrong.stderr.contains("error[E0401]") && wrong.stderr.contains("<command line>:1:1"),
        "{wrong:?}"
    );
}
