//! Channels: repositories of recipes that are pulled, gone back in, pinned, signed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::process::Command;

use common::{
    TestEnvironment,
    origin::{Origin, channel, git, list, version_of},
};

#[test]
fn a_users_day_with_two_channels() {
    let environment = TestEnvironment::new();
    let tools = Origin::new(&environment, "tools");
    tools.package("hammer", "1.0");
    tools.package("saw", "3");
    let first = tools.commit("two tools");
    git(&environment, environment.home(), &["clone", "-q", "--bare", "tools", "bare.git"]);
    let other = Origin::new(&environment, "other");
    other.write("channel.hpcl", "(channel (version 0) (directory \"recipes\"))\n");
    other.package("nail", "7");
    std::fs::rename(other.path().join("own"), other.path().join("recipes")).unwrap();
    let text = std::fs::read_to_string(other.path().join("recipes/nail.hpcl")).unwrap();
    other.write("recipes/nail.hpcl", &text.replace("(own nail)", "(nail)"));
    other.commit("nails");
    let bare = format!("file://{}/bare.git", environment.home().display());
    list(
        &environment,
        &[
            channel("tools", &bare, "(branch \"master\")"),
            channel("other", &other.path().display().to_string(), ""),
        ]
        .join("\n"),
    );
    // Before the first pull there are the bundled channels.
    assert!(environment.run(&["show", "hammer"]).failure(3).contains("hammer"));
    assert!(environment.run(&["channel", "list"]).success().contains("not pulled yet"));
    let pulled = environment.run(&["pull"]).success();
    assert!(
        pulled.contains("generation 1") && pulled.contains("3 new packages: hammer 1.0, nail 7, saw 3"),
        "{pulled}"
    );
    assert_eq!(version_of(&environment, "hammer"), "1.0");
    assert_eq!(version_of(&environment, "nail"), "7");
    let before = environment.run(&["eval", "hammer"]).success();
    let described = environment.run(&["describe", "-f", "channels"]).success();
    assert!(described.contains(&first), "{described}");
    environment.write("then.hpcl", &described.replace("HOME", &environment.home().display().to_string()));

    tools.package("hammer", "1.1");
    tools.package("drill", "0.1");
    std::fs::remove_file(tools.path().join("own/saw.hpcl")).unwrap();
    let second = tools.commit("a drill");
    tools.git(&["push", "-q", "../bare.git", "master"]);
    let pulled = environment.run(&["pull"]).success();
    for said in [
        "1 new package: drill 0.1",
        "1 package upgraded: hammer 1.0 → 1.1",
        "1 package removed: saw",
        "one commit",
    ] {
        assert!(pulled.contains(said), "{said}: {pulled}");
    }
    assert_eq!(version_of(&environment, "hammer"), "1.1");
    assert!(environment.run(&["pull"]).success().contains("up to date"));
    assert_eq!(environment.run(&["pull", "-l"]).success().matches("generation ").count(), 2);

    // Back in time, by a file, a generation and a commit; what is in use stays.
    for place in [
        &["-C", "then.hpcl"][..],
        &["--generation", "1"],
        &["--commit", &format!("tools={first}")],
        &["--commit", &format!("tools={}", &first[..8])],
    ] {
        let arguments: Vec<&str> =
            ["time-machine"].iter().chain(place).chain(&["--", "eval", "hammer"]).copied().collect();
        assert_eq!(environment.run(&arguments).success(), before, "{place:?}");
    }
    assert_eq!(version_of(&environment, "hammer"), "1.1");
    assert!(environment.run(&["pull", "--roll-back"]).success().contains("generation 1"));
    assert_eq!(version_of(&environment, "hammer"), "1.0");
    assert!(environment.run(&["pull", "--roll-back"]).failure(1).contains("first"));
    environment.run(&["pull", "--switch-generation", "2"]).success();
    assert!(environment.run(&["describe", "-f", "json"]).success().contains(&second));
    assert!(environment.run(&["pull", "-d", "2"]).failure(1).contains("in use"));
    environment.run(&["pull", "-d", "all"]).success();
    assert_eq!(environment.run(&["pull", "-l"]).success().matches("generation ").count(), 1);

    // What is kept in caches can be made again.
    std::fs::remove_dir_all(environment.home().join(".cache")).unwrap();
    assert_eq!(version_of(&environment, "hammer"), "1.1");
    environment.run(&["channel", "remove", "tools"]).success();
    assert!(environment.run(&["pull"]).success().contains("2 packages removed: drill, hammer"));
}

#[test]
fn directories_are_read_as_they_are() {
    let environment = TestEnvironment::new();
    environment.write("mine/channel.hpcl", "(channel (version 0))\n");
    let module = |version: &str| {
        let text = common::trivial_package("\"tool\"", "#~(mkdir #$output)");
        let text = text.replace("(version \"1\")", &format!("(version \"{version}\")"));
        environment.write(
            "mine/tool.hpcl",
            &format!(
                "(define-module (tool) #:use-module (guix packages) #:use-module (guix gexp) \
                 #:use-module (guix build-system trivial))\n(define-public tool {text})\n"
            ),
        );
    };
    module("1");
    let added = environment.run(&["channel", "add", "mine", "mine"]).success();
    assert!(added.contains("hpcl pull"), "{added}");
    environment.run(&["pull"]).success();
    assert_eq!(version_of(&environment, "tool"), "1");
    module("2.5");
    assert_eq!(version_of(&environment, "tool"), "2.5");
    let again = environment.run(&["channel", "add", "mine", "elsewhere"]).failure(1);
    assert!(again.contains("already"), "{again}");
    assert!(environment.run(&["channel", "remove", "mien"]).failure(1).contains("did you mean `mine`"));
    environment.run(&["channel", "remove", "mine"]).success();
    let text = std::fs::read_to_string(environment.home().join(".config/hpcl/channels.hpcl")).unwrap();
    assert!(!text.contains("mine") && text.contains("%default-channels"), "{text}");
}

#[test]
fn a_list_of_channels_keeps_its_comments() {
    let environment = TestEnvironment::new();
    let file = environment.write(
        ".config/hpcl/channels.hpcl",
        ";; Ours.\n(cons (channel (name 'a) (url \"/a\")) %default-channels)\n",
    );
    environment.run(&["channel", "add", "b", "/b", "--branch", "x"]).success();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(";; Ours.") && text.contains("'a") && text.contains("'b"), "{text}");
    let described = environment.run(&["channel", "list", "--json"]).success();
    assert!(described.contains("\"branch\": \"x\""), "{described}");
    environment.write(".config/hpcl/channels.hpcl", "(map identity %default-channels)\n");
    let by_hand = environment.run(&["channel", "add", "c", "/c"]).failure(1);
    assert!(by_hand.contains("edit it yourself") && by_hand.contains("(name 'c)"), "{by_hand}");
    environment.write(".config/hpcl/channels.hpcl", "(list 1)\n");
    assert!(environment.run(&["pull"]).failure(3).contains("no list of channels"));
}

#[test]
fn what_is_wrong_with_a_channel_is_said() {
    let environment = TestEnvironment::new();
    let home = environment.home().display().to_string();
    let pull = |channels: &str| {
        list(&environment, channels);
        environment.run(&["pull"]).failure(3)
    };
    let nothing = pull(&channel("x", &format!("{home}/none"), ""));
    assert!(nothing.contains("there is nothing at `HOME/none`"), "{nothing}");
    let bare = Origin::new(&environment, "no-file");
    bare.git(&["rm", "-q", "--cached", "--ignore-unmatch", "channel.hpcl"]);
    std::fs::remove_file(bare.path().join("channel.hpcl")).unwrap();
    bare.commit("nothing");
    let said = pull(&channel("x", &format!("{home}/no-file"), ""));
    assert!(said.contains("has no `channel.hpcl`") && said.contains("hint:"), "{said}");
    bare.write("channel.hpcl", "(channel (version 0)\n");
    bare.commit("open");
    let said = pull(&channel("x", &format!("{home}/no-file"), ""));
    assert!(said.contains("cannot be read") && said.contains("channel.hpcl:1"), "{said}");
    bare.write("channel.hpcl", "(channel (version 0) (edition 7))\n");
    bare.commit("future");
    let said = pull(&channel("x", &format!("{home}/no-file"), ""));
    assert!(said.contains("edition 7"), "{said}");
    let said = pull(&channel("x", &format!("{home}/no-file"), "(branch \"devel\")"));
    assert!(said.contains("no branch `devel`") && said.contains("`master`"), "{said}");
    let said = pull(&channel("x", &format!("{home}/no-file"), "(commit \"0123456789\")"));
    assert!(said.contains("no commit `0123456789`"), "{said}");
    let twice = [channel("x", &format!("{home}/a"), ""), channel("x", &format!("{home}/b"), "")].join(" ");
    environment.write("a/channel.hpcl", "(channel (version 0))");
    environment.write("b/channel.hpcl", "(channel (version 0))");
    assert!(pull(&twice).contains("two channels are called `x`"));
    let needs = |name: &str, other: &str| {
        let text =
            format!("(channel (version 0) (dependencies (channel (name {other}) (url \"{home}/{other}\"))))");
        environment.write(&format!("{name}/channel.hpcl"), &text);
    };
    needs("a", "b");
    needs("b", "a");
    let cycle = pull(&channel("a", &format!("{home}/a"), ""));
    assert!(cycle.contains("a → b → a"), "{cycle}");
    // Nothing of this is in use.
    assert!(environment.run(&["describe"]).success().starts_with("  hpcl "));
}

#[test]
fn a_branch_that_was_rewound_is_refused() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "origin");
    origin.package("tool", "1");
    let first = origin.commit("one");
    origin.package("tool", "2");
    let second = origin.commit("two");
    list(&environment, &channel("x", &origin.path().display().to_string(), ""));
    environment.run(&["pull"]).success();
    origin.git(&["reset", "-q", "--hard", &first]);
    let refused = environment.run(&["pull"]).failure(3);
    assert!(refused.contains("went back") && refused.contains(&second), "{refused}");
    assert_eq!(version_of(&environment, "tool"), "2");
    environment.run(&["pull", "--allow-downgrades"]).success();
    assert_eq!(version_of(&environment, "tool"), "1");
}

#[test]
fn channels_bring_those_that_they_need() {
    let environment = TestEnvironment::new();
    let base = Origin::new(&environment, "base");
    base.package("base-tool", "1");
    base.commit("base");
    let above = Origin::new(&environment, "above");
    let url = base.path().display().to_string();
    above.write(
        "channel.hpcl",
        &format!(
            "(channel (version 0) (dependencies (channel (name base) (url \"{url}\") (branch \"master\"))))"
        ),
    );
    above.commit("above");
    list(&environment, &channel("above", &above.path().display().to_string(), ""));
    environment.run(&["pull"]).success();
    assert_eq!(version_of(&environment, "base-tool"), "1");
    assert!(environment.run(&["channel", "list"]).success().contains("needed by above"));
}

#[test]
fn a_lock_is_kept_to_and_drift_is_said() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "origin");
    origin.package("tool", "1");
    origin.commit("one");
    list(&environment, &channel("x", &origin.path().display().to_string(), ""));
    environment.run(&["pull"]).success();
    environment.write("manifest.hpcl", "(specifications->manifest (list \"tool\"))\n");
    let locked = environment.run(&["lock", "-m", "manifest.hpcl"]).success();
    assert!(locked.starts_with("hpcl.lock: 1 channels"), "{locked}");
    let then = environment.run(&["eval", "-m", "manifest.hpcl"]).success();
    origin.package("tool", "2");
    origin.commit("two");
    environment.run(&["pull"]).success();
    assert_ne!(environment.run(&["eval", "-m", "manifest.hpcl"]).success(), then);
    // The lock brings its commits along.
    assert_eq!(environment.run(&["eval", "--locked", "-m", "manifest.hpcl"]).success(), then);
    assert_eq!(
        environment.run(&["time-machine", "-C", "hpcl.lock", "--", "eval", "-m", "manifest.hpcl"]).success(),
        then
    );
    let other = environment.run(&["eval", "--locked", "zlib"]).failure(3);
    assert!(other.contains("not what was locked") && other.contains("nothing of that name"), "{other}");
    // A directory before the locked channels has another version.
    let text = std::fs::read_to_string(origin.path().join("own/tool.hpcl")).unwrap();
    environment.write("mine/own/tool.hpcl", &text);
    let drift = environment.run(&["eval", "--locked", "-L", "mine", "-m", "manifest.hpcl"]).failure(3);
    assert!(drift.contains("`tool-2`: `tool-1` was locked"), "{drift}");
    let file = environment.home().join("hpcl.lock");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("tool-1", "tool-3")).unwrap();
    let changed = environment.run(&["eval", "--locked", "-m", "manifest.hpcl"]).failure(3);
    assert!(changed.contains("changed by hand"), "{changed}");
}

#[test]
fn channels_are_values_of_the_language() {
    common::check_values(
        "(hpcl channels)",
        &[
            (
                "(openpgp-fingerprint (string-append \"3ce4 6455 8a84 fda6 9db4 \" \"0cfb 090b 1199 3d9a ebb5\"))",
                "\"3CE464558A84FDA69DB40CFB090B11993D9AEBB5\"",
            ),
            ("(ssh-key \"ssh-ed25519 AAAA me@there\")", "\"ssh-ed25519 AAAA\""),
            ("(channel-name (channel (inherit %default-guix-channel) (name 'x)))", "x"),
            (
                "(channels->rows (list (channel (name 'a) (url \"u\") (commit \"c\"))))",
                "((\"a\" \"u\" #f \"c\" #f #f ()))",
            ),
            ("(channels->rows (list 1))", "#f"),
        ],
    );
}

#[test]
fn trees_that_nobody_uses_leave_the_cache() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "tools");
    origin.package("tool", "1");
    let old = origin.commit("1");
    origin.package("tool", "2");
    let new = origin.commit("2");
    list(&environment, &channel("tools", &origin.path().display().to_string(), ""));
    environment.run(&["pull"]).success();
    let of_old = ["time-machine", "--commit", &old, "--", "show", "tool"];
    assert!(environment.run(&of_old).success().contains("version: 1"));
    let cache = environment.home().join(".cache/hpcl");
    let trees = || {
        let entries = std::fs::read_dir(cache.join("checkouts")).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    let age = |days: u32| {
        let files = walkdir::WalkDir::new(&cache).min_depth(2).max_depth(2).into_iter().flatten();
        let touched = Command::new("touch")
            .args(["-d", &format!("{days} days ago")])
            .args(files.map(|entry| entry.into_path()))
            .status();
        assert!(touched.unwrap().success());
    };
    let both = {
        let mut both = [format!("tools-{old}"), format!("tools-{new}")];
        both.sort();
        both
    };
    age(29);
    environment.run(&["gc"]).success();
    assert_eq!(trees(), both);
    age(31);
    let planned = environment.run(&["gc", "--dry-run"]);
    assert!(planned.stderr.contains("would delete") && planned.stderr.contains("30 days"), "{planned:?}");
    assert_eq!(trees(), both);
    // What was used since stays, and so does what a generation needs.
    environment.run(&of_old).success();
    environment.run(&["gc"]).success();
    assert_eq!(trees(), both);
    age(31);
    assert!(environment.run(&["gc"]).stderr.contains("not used for 30 days"));
    assert_eq!(trees(), [format!("tools-{new}")]);
    assert!(environment.run(&of_old).success().contains("version: 1"), "it is made again");
}
