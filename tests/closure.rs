//! `hpcl size` and `hpcl why` on three packages, one of which needs the next.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{TestEnvironment, chain, sandbox_or_skip};

fn recipes() -> String {
    chain(
        "#~(begin
             (mkdir #$output)
             (call-with-output-file (string-append #$output \"/data\")
               (lambda (port) (display (make-string 50000 #\\x) port)))
             (call-with-output-file (string-append #$output \"/user\")
               (lambda (port) (display #$input port))))",
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
    environment.run(&["size", "--plot", "sizes.svg", "-L", "recipes", "top"]).success();
    let plot = std::fs::read_to_string(environment.home().join("sizes.svg")).unwrap();
    assert!(plot.contains(">middle-1: 5") && plot.matches("class=\"own\"").count() == 3, "{plot}");
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

#[test]
fn the_collector_answers_questions_and_frees_no_more_than_asked() {
    if !sandbox_or_skip("the_collector_answers_questions_and_frees_no_more_than_asked") {
        return;
    }
    let environment = TestEnvironment::new();
    environment.write("recipes/chain.hpcl", &recipes());
    let built = environment.run(&["build", "--root", "result", "-L", "recipes", "top"]).success();
    let top = built.trim().replace("HOME", &environment.home().display().to_string());
    let names = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.rsplit_once('/').unwrap().1[33..].to_owned()).collect()
    };
    let ask = |question: &str, item: &str| environment.run(&["gc", question, item]).success();
    assert_eq!(names(&ask("--references", &top)), ["middle-1"]);
    let requisites = ask("--requisites", &top);
    let mut all = names(&requisites);
    all.sort();
    assert_eq!(all, ["low-1", "middle-1", "top-1"]);
    let low = requisites.lines().find(|line| line.ends_with("-low-1")).unwrap().to_owned();
    let low = low.replace("HOME", &environment.home().display().to_string());
    assert_eq!(names(&ask("--referrers", &low)), ["middle-1"]);
    let roots = environment.run(&["gc", "--list-roots"]).success();
    assert_eq!(roots.lines().count(), 1, "{roots}");
    assert!(roots.starts_with("HOME/result\t") && roots.contains(" inodes\tHOME/"), "{roots}");
    let roots = environment.run(&["gc", "--list-roots", "--json"]).success();
    let roots: serde_json::Value = serde_json::from_str(&roots).unwrap();
    assert!(roots[0]["bytes"].as_u64().unwrap() > 150_000, "three items of 50 kB each: {roots}");
    assert_eq!(roots[0]["inodes"], 9, "three directories with two files each");

    std::fs::remove_file(environment.home().join("result")).unwrap();
    let plenty = environment.run(&["gc", "--free", "1"]);
    assert!(plenty.stderr.starts_with("deleted 0 items"), "a byte is free: {}", plenty.stderr);
    let young = environment.run(&["gc", "--older-than", "1d"]);
    assert!(young.stderr.starts_with("deleted 0 items"), "{}", young.stderr);
    let impossible = environment.run(&["gc", "--free", "9000T"]);
    assert!(
        impossible.stderr.contains("warning: ") && impossible.stderr.contains("still missing"),
        "{}",
        impossible.stderr
    );
    let gone = environment.run(&["gc", "--references", &top]).failure(1);
    assert!(gone.contains("top-1"), "{gone}");
    let mixed = environment.run(&["gc", "--list-roots", "--free", "5G"]).failure(2);
    assert!(mixed.contains("cannot be used with"), "{mixed}");
}

#[test]
fn a_store_moves_with_all_that_is_in_it() {
    if !sandbox_or_skip("a_store_moves_with_all_that_is_in_it") {
        return;
    }
    let environment = TestEnvironment::new();
    let home = environment.home().display().to_string();
    environment.write("recipes/chain.hpcl", &recipes());
    let built = environment.run(&["build", "--root", "result", "-L", "recipes", "top"]).success();
    // A root on a file system that is not mounted when the store moves.
    environment.write("disk/file", "");
    environment.run(&["build", "--root", "disk/result", "-L", "recipes", "low"]).success();
    std::fs::rename(environment.home().join("disk"), environment.home().join("unmounted")).unwrap();
    let new = environment.home().join("new");
    let there = |arguments: &[&str]| {
        let mut command = environment.command(arguments);
        command.env("HPCL_STORE", &new);
        environment.finish(command)
    };
    // A damaged item stays behind, and with it the old store.
    let low = environment.run(&["gc", "--requisites", &built.trim().replace("HOME", &home)]).success();
    let low = low.lines().find(|line| line.ends_with("-low-1")).unwrap().replace("HOME", &home);
    let file = std::path::Path::new(&low).join("data");
    let content = std::fs::read(&file).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    std::fs::write(&file, "damaged").unwrap();
    let stuck = environment.run(&["relocate", "new"]).failure(5);
    assert!(stuck.contains("low-1` stays behind: ") && stuck.contains("is kept\nhint: "), "{stuck}");
    assert!(std::path::Path::new(&low).exists());

    std::fs::write(&file, content).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let run = environment.run(&["relocate", "new"]);
    assert!(
        run.stderr.contains("roots set: 2\n")
            && run.stderr.contains("`HOME/disk/result` cannot be seen now: what it keeps is kept")
            && run.stderr.contains("hint: set `HPCL_STORE=HOME/new`"),
        "{}",
        run.stderr
    );
    run.success();
    assert!(!std::path::Path::new(&low).exists(), "the old store is gone");
    let result = std::fs::read_link(environment.home().join("result")).unwrap();
    assert!(result.starts_with(&new), "the root leads into the new one: {}", result.display());
    let middle = std::fs::read_to_string(result.join("user")).unwrap();
    assert!(middle.starts_with(&new.display().to_string()), "and so do the files: {middle}");
    let checked = there(&["verify"]);
    assert!(checked.stderr.contains("nothing is wrong"), "{}", checked.stderr);
    assert!(!there(&["build", "-L", "recipes", "top"]).stderr.contains("building"), "nothing is built again");
    std::fs::remove_file(environment.home().join("result")).unwrap();
    std::fs::rename(environment.home().join("unmounted"), environment.home().join("disk")).unwrap();
    there(&["gc"]).success();
    let left = there(&["build", "-L", "recipes", "low"]);
    assert!(!left.stderr.contains("building"), "the root that was not seen kept it: {}", left.stderr);
    let gone = there(&["build", "-L", "recipes", "top"]);
    assert!(gone.stderr.contains("building top-1"), "{}", gone.stderr);
    let same = there(&["relocate", "new"]).failure(2);
    assert!(same.contains("the store is there already"), "{same}");
    let long = there(&["relocate", &format!("/tmp/{}", "x".repeat(60))]).failure(1);
    assert!(long.contains("is too long for a store"), "{long}");
}
