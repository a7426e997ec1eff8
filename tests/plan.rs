//! `hpcl plan`, `build --dry-run` and `hpcl diff`: what changed, and what that makes to be built again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::{TestEnvironment, chain_of, sandbox_or_skip, trivial_package};

/// `top` → `middle` → `low`, and `other`; `text` is what `low` holds.
fn recipes(text: &str) -> String {
    let link = trivial_package(
        "name",
        "#~(call-with-output-file #$output
             (lambda (port)
               (display #$(if (package? input) (this-package-input (package-name input)) input) port)))",
    );
    let link = link.replace("(license #f)", "(license #f)\n  (inputs (filter package? (list input)))");
    let other = "(define-public other (link \"other\" \"something else\"))\n";
    chain_of(&link, text) + other
}

fn setting() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("old/chain.hpcl", &recipes("a text that is here"));
    environment.write("new/chain.hpcl", &recipes("a text that was here"));
    environment
}

#[test]
fn a_plan_names_the_option_or_the_change_that_asks_for_each_build() {
    let test = "a_plan_names_the_option_or_the_change_that_asks_for_each_build";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = setting();
    let plan = |arguments: &[&str]| environment.run(&[&["plan"], arguments].concat()).success();
    let fresh = plan(&["-L", "old", "top"]);
    let lines: Vec<&str> = fresh.lines().collect();
    assert_eq!(lines[0], "build low-1  # nothing of that name was made here", "{fresh}");
    assert_eq!(lines[3], "0 to fetch, 3 to build", "{fresh}");
    assert_eq!(environment.run(&["build", "--dry-run", "-L", "old", "top"]).success(), fresh);

    environment.run(&["build", "-L", "old", "top"]).success();
    assert_eq!(plan(&["-L", "old", "top"]), "0 to fetch, 0 to build\n");
    let changed = plan(&["-L", "new", "top"]);
    let lines: Vec<&str> = changed.lines().collect();
    let start = "build low-1  # changed since it was made here: code: ";
    assert!(lines[0].starts_with(start) && lines[0].contains("[-is -]{+was +}"), "{changed}");
    assert!(
        lines[1].starts_with("build middle-1  # changed since it was made here: because of `low-1`"),
        "{changed}"
    );
    assert_eq!(lines.len(), 4, "{changed}");

    let option = plan(&["-L", "old", "top", "--with-input=low=other"]);
    let lines: Vec<&str> = option.lines().collect();
    assert!(lines[0].starts_with("build other-1  # `--with-input=low=other` asks for it"), "{option}");
    assert!(
        lines[1].starts_with("build middle-1  # `--with-input=low=other`: `other-1` in place of `low-1`"),
        "{option}"
    );
    assert_eq!(lines[2], "build top-1  # `--with-input=low=other`: because of `middle-1`", "{option}");
    let json = plan(&["--json", "-L", "new", "top"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (json[0]["action"].as_str(), json[2]["name"].as_str()),
        (Some("build"), Some("top-1")),
        "{json}"
    );
}

#[test]
fn of_two_options_the_one_that_matters_is_named() {
    let environment = setting();
    environment.write("x.txt", "x");
    let options = ["--with-source=middle=x.txt", "--with-input=low=other"];
    let plan = environment.run(&["plan", "-L", "old", "top", options[0], options[1]]).success();
    let other = plan.lines().find(|line| line.starts_with("build other-1")).unwrap();
    assert!(other.contains("`--with-input=low=other`"), "{plan}");
    assert!(!other.contains("with-source"), "{plan}");
}

#[test]
fn a_plan_takes_from_caches_what_they_have_and_builds_the_rest() {
    let test = "a_plan_takes_from_caches_what_they_have_and_builds_the_rest";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = setting();
    let elsewhere = |arguments: &[&str]| {
        let mut command = environment.command(arguments);
        command.env("HPCL_STORE", environment.home().join("elsewhere"));
        environment.finish(command)
    };
    environment.run(&["build", "-L", "old", "middle"]).success();
    let key = environment.run(&["cache", "keygen", "test-1", "-o", "key"]).success();
    environment.run(&["cache", "push", "--to", "cache", "--key", "key", "-L", "old", "middle"]).success();
    environment.run(&["cache", "trust", key.trim()]).success();
    let cache = environment.home().join("cache").display().to_string();
    let plan = elsewhere(&["plan", "--cache", &cache, "-L", "old", "top"]).success();
    let lines: Vec<&str> = plan.lines().collect();
    assert!(lines[..lines.len() - 3].iter().all(|line| line.starts_with("substitute ")), "{plan}");
    assert!(
        lines[0].starts_with("substitute middle-1 (") || lines[1].starts_with("substitute middle-1 ("),
        "{plan}"
    );
    assert_eq!(lines[lines.len() - 3], "build top-1  # nothing of that name was made here; in no cache");
    assert_eq!(
        lines[lines.len() - 1],
        "0 to fetch, 1 to build",
        "what comes from the cache is not built: {plan}"
    );
}

#[test]
fn a_difference_is_followed_down_to_its_cause() {
    let environment = setting();
    let diff = |arguments: &[&str]| environment.run(&[&["diff"], arguments].concat());
    environment.write("manifest.hpcl", "(specifications->manifest (list \"top\" \"other\"))\n");
    let same = diff(&["-L", "old", "top", "(@ (chain) top)"]).success();
    assert_eq!(same, "both give the same results\n");

    let run = diff(&["-L", "old", "manifest.hpcl", "--with-input=low=other"]);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(
        run.stdout.contains("\nmiddle-1, which changes 2 others\n  by way of profile → top-1 → middle-1\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("\n  input: [-low-1-] {+other-1+}\n"), "{}", run.stdout);

    let run = diff(&["--json", "-L", "old", "top", "--with-input=low=other"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((json["same"].as_bool(), json["causes"][0]["explains"].as_u64()), (Some(false), Some(1)));
    assert_eq!(json["pairs"][1]["own"][0]["kind"], "input");

    let nothing = diff(&["-L", "old", "top"]).failure(2);
    assert!(nothing.contains("there is nothing to compare with\nhint: name two things"), "{nothing}");
    let unknown = diff(&["-L", "old", "top", "0c6kzph7l0dcbfmjap64f0czdafn3b7x-top-1.drv"]).failure(1);
    assert!(unknown.contains("is not known here"), "{unknown}");
}

#[test]
fn what_was_built_is_compared_with_what_recipes_say_now() {
    if !sandbox_or_skip("what_was_built_is_compared_with_what_recipes_say_now") {
        return;
    }
    let environment = setting();
    environment.run(&["build", "--root", "result", "-L", "old", "top"]).success();
    let run = environment.run(&["diff", "-L", "new", "result", "top"]);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(
        run.stdout.contains("\nlow-1, which changes 2 others\n  by way of top-1 → middle-1 → low-1\n"),
        "{}",
        run.stdout
    );
    assert!(run.stdout.contains("{+was +}"), "{}", run.stdout);
    let same = environment.run(&["diff", "-L", "old", "result", "top"]).success();
    assert_eq!(same, "both give the same results\n");
}
