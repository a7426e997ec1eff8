//! `hpcl size` and `hpcl why` on three packages, one of which needs the next.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{TestEnvironment, sandbox_or_skip, trivial_package};

fn recipes() -> String {
    let link = trivial_package(
        "name",
        "#~(begin
             (mkdir #$output)
             (call-with-output-file (string-append #$output \"/data\")
               (lambda (port) (display (make-string 50000 #\\x) port)))
             (call-with-output-file (string-append #$output \"/user\")
               (lambda (port) (display #$input port))))",
    );
    format!(
        "(define-module (chain)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module (guix build-system trivial))

(define (link name input)
  {link})

(define-public low (link \"low\" \"nothing\"))
(define-public middle (link \"middle\" low))
(define-public top (link \"top\" middle))
"
    )
}

#[test]
fn the_closure_has_sizes_and_reasons() {
    if !sandbox_or_skip("the_closure_has_sizes_and_reasons") {
        return;
    }
    let environment = TestEnvironment::new();
    environment.write("recipes/chain.hpcl", &recipes());
    let missing = environment.run(&["size", "-L", "recipes", "top"]).failure(1);
    assert!(missing.contains("top-1` is not in the store\nhint: `hpcl build` it first"), "{missing}");
    environment.run(&["build", "-L", "recipes", "top"]).success();
    let rows = environment.run(&["size", "--json", "-L", "recipes", "top"]).success();
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    let sizes: Vec<(u64, u64)> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["own"].as_u64().unwrap(), row["closure"].as_u64().unwrap()))
        .collect();
    assert_eq!(sizes.len(), 3);
    let total: u64 = sizes.iter().map(|(own, _)| own).sum();
    assert_eq!(sizes.iter().map(|(_, closure)| *closure).max(), Some(total));
    let table = environment.run(&["size", "-L", "recipes", "top"]).success();
    assert!(table.ends_with("in 3 items\n"), "{table}");
    let reason = environment.run(&["why", "-L", "recipes", "top", "low"]).success();
    let lines: Vec<&str> = reason.lines().collect();
    assert_eq!(lines.len(), 5, "{reason}");
    assert!(
        lines[0].ends_with("-top-1") && lines[2].ends_with("-middle-1") && lines[4].ends_with("-low-1"),
        "{reason}"
    );
    assert!(lines[1].ends_with("in `user`:") && lines[3].ends_with("in `user`:"), "{reason}");
    let none = environment.run(&["why", "-L", "recipes", "low", "top"]).failure(5);
    assert!(none.contains("`low` does not bring `top` along"), "{none}");
}
