//! `hpcl copy` over a real sshd of this user's own, whose sessions get a home in which nothing is installed.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{fs, path::Path};

use common::{TestEnvironment, sandbox_or_skip, sshd::Server, two_packages};

/// A home with nothing in it behind an sshd, and one with a recipe on this side.
fn machines(test: &str) -> Option<(TestEnvironment, Server, TestEnvironment)> {
    if !sandbox_or_skip(test) {
        return None;
    }
    let far = TestEnvironment::new();
    let server = Server::start(far.home(), test)?;
    let near = TestEnvironment::new();
    near.write("recipe.hpcl", &two_packages("#$output"));
    Some((far, server, near))
}

#[test]
fn a_closure_goes_to_a_machine_without_anything_and_comes_back() {
    let Some((far, server, near)) = machines("a_closure_goes_to_a_machine_without_anything_and_comes_back")
    else {
        return;
    };
    let address = server.address();
    let run = server.run(&near, &["copy", "--to", &address, "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("there is no hpcl at 127.0.0.1: bringing this one"), "{}", run.stderr);
    assert!(run.stderr.contains("2 of 2 items are to be copied"), "{}", run.stderr);
    let place = run.success().trim().to_owned();
    assert!(place.starts_with(&far.home().display().to_string()), "in the far end's store: {place}");
    let low = fs::read_link(Path::new(&place).join("low")).unwrap();
    assert_eq!(fs::read_to_string(&low).unwrap(), low.display().to_string(), "in its form");
    assert!(far.home().join(".local/bin/hpcl").is_file());
    far.run(&["verify"]).success();
    let again = server.run(&near, &["copy", "--to", &address, "-f", "recipe.hpcl"]);
    assert!(again.stderr.contains("0 of 2 items are to be copied"), "{}", again.stderr);
    assert!(!again.stderr.contains("bringing"), "{}", again.stderr);
    again.success();
    // A path says which item just as well.
    let built = near.run(&["build", "-f", "recipe.hpcl"]).success();
    let path = built.trim().replace("HOME", &near.home().display().to_string());
    let by_path = server.run(&near, &["copy", "--to", &address, &path]);
    assert!(by_path.stderr.contains("0 of 2 items are to be copied"), "{}", by_path.stderr);
    by_path.success();

    let third = TestEnvironment::new();
    third.write("recipe.hpcl", &two_packages("#$output"));
    let back = server.run(&third, &["copy", "--from", &address, "-f", "recipe.hpcl"]);
    assert!(
        back.stderr.contains("2 items were copied") && !back.stderr.contains("building"),
        "{}",
        back.stderr
    );
    assert!(back.success().trim().ends_with("-top-1"));
    third.run(&["verify"]).success();
    let item = format!("{}-other", "0".repeat(32));
    let nothing = server.run(&third, &["copy", "--from", &address, "--item", &item]).failure(4);
    assert!(nothing.contains(&format!("the other machine has no\n  {item}")), "{nothing}");
    assert_eq!(server.run(&third, &["copy", "--from", &address, &item]).failure(4), nothing);
}

#[test]
fn a_static_program_is_brought_where_there_is_one() {
    let Some((far, server, near)) = machines("a_static_program_is_brought_where_there_is_one") else {
        return;
    };
    let program = near.home().join("hpcl");
    let built = Path::new(env!("CARGO_BIN_EXE_hpcl"));
    fs::copy(built, &program).unwrap();
    // It stands for one; what matters is which program arrives.
    let text = format!("#!/bin/sh\nexec '{}' \"$@\"\n", built.display());
    let beside = near.write("hpcl-static", &text);
    fs::set_permissions(&beside, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let command = near.command_of(&program, &["copy", "--to", &server.address(), "-f", "recipe.hpcl"]);
    server.finish(&near, command).success();
    assert_eq!(fs::read_to_string(far.home().join(".local/bin/hpcl")).unwrap(), text);
}

#[test]
fn a_machine_that_cannot_be_reached_is_named() {
    if !sandbox_or_skip("a_machine_that_cannot_be_reached_is_named") || !Path::new("/usr/bin/ssh").exists() {
        eprintln!("SKIPPED a_machine_that_cannot_be_reached_is_named: no ssh or no sandbox");
        return;
    }
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &two_packages("#$output"));
    let mut command = user.command(&["copy", "--to", "ssh://127.0.0.1:1", "-f", "recipe.hpcl"]);
    command.env("HPCL_SSH_OPTIONS", "-F none -o BatchMode=yes");
    let message = user.finish(command).failure(1);
    assert!(
        message.contains("copying with `127.0.0.1` failed: `ssh` failed; what it said stands above"),
        "{message}"
    );
    let odd = user.run(&["copy", "--to", "cluster", "-f", "recipe.hpcl"]).failure(2);
    assert!(odd.contains("`cluster` is no machine; write `ssh://user@host`"), "{odd}");
}

#[test]
fn another_machine_holds_a_cache() {
    let Some((far, server, near)) = machines("another_machine_holds_a_cache") else { return };
    let cache = format!("{}/~/shared/it's a cache", server.address());
    // Nothing but a shell and tar is needed there.
    let trusted = near.run(&["cache", "keygen", "near-1", "-o", "key"]).success();
    let trusted = trusted.trim();
    let push = ["cache", "push", "--to", &cache, "--key", "key", "-f", "recipe.hpcl"];
    let pushed = server.run(&near, &push);
    assert!(pushed.stderr.contains("pushed 2 items"), "{}", pushed.stderr);
    pushed.success();
    assert!(!far.home().join(".local").exists(), "nothing was brought along");
    assert!(far.home().join("shared/it's a cache/nix-cache-info").is_file());
    let again = server.run(&near, &push);
    assert!(
        again.stderr.contains("pushed 0 items") && again.stderr.contains("2 were there"),
        "{}",
        again.stderr
    );
    let listed = server.run(&near, &["cache", "list", &cache]).success();
    assert!(
        listed.contains("-top-1\t") && listed.contains("-low-1\t") && listed.contains("\tnear-1"),
        "{listed}"
    );

    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &two_packages("#$output"));
    let pull = ["cache", "pull", "--cache", &cache, "-f", "recipe.hpcl"];
    let untrusted = server.run(&user, &pull).failure(4);
    assert!(untrusted.contains("no key that you trust signed"), "{untrusted}");
    user.run(&["cache", "trust", trusted]).success();
    server.run(&user, &pull).success();
    user.run(&["verify"]).success();
    // A file that was changed is refused, and the item is built.
    for entry in fs::read_dir(far.home().join("shared/it's a cache/nar")).unwrap() {
        fs::write(entry.unwrap().path(), "changed").unwrap();
    }
    let third = TestEnvironment::new();
    third.write("recipe.hpcl", &two_packages("#$output"));
    third.run(&["cache", "trust", trusted]).success();
    let built = server.run(&third, &["build", "--cache", &cache, "-f", "recipe.hpcl"]);
    assert!(built.stderr.contains("has the wrong hash"), "{}", built.stderr);
    built.success();
    let nowhere = format!("{}/nowhere", server.address());
    let error = server.run(&third, &["cache", "list", &nowhere]).failure(1);
    assert!(error.contains("is not a binary cache"), "{error}");
}

#[test]
fn the_store_of_another_machine_is_a_cache() {
    let Some((_far, server, near)) = machines("the_store_of_another_machine_is_a_cache") else { return };
    server.run(&near, &["copy", "--to", &server.address(), "-f", "recipe.hpcl"]).success();
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &two_packages("#$output"));
    let built = server.run(&user, &["build", "--cache", &server.address(), "-f", "recipe.hpcl"]);
    assert!(
        built.stderr.contains("fetched top-1 from ssh://") && !built.stderr.contains("building"),
        "{}",
        built.stderr
    );
    built.success();
    user.run(&["verify"]).success();
    let listed = server.run(&user, &["cache", "list", &server.address()]).success();
    assert!(listed.contains("-top-1\t"), "{listed}");
    let push =
        server.run(&user, &["cache", "push", "--to", &server.address(), "-f", "recipe.hpcl"]).failure(1);
    assert!(push.contains("`hpcl copy --to` copies to one"), "{push}");
}
