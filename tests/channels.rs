//! Channels: repositories of recipes that are pulled, gone back in, pinned, signed.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use common::TestEnvironment;

/// A repository below a home, made with git as its authors would.
struct Origin<'a> {
    environment: &'a TestEnvironment,
    name: &'static str,
}

impl<'a> Origin<'a> {
    fn new(environment: &'a TestEnvironment, name: &'static str) -> Self {
        let origin = Origin { environment, name };
        std::fs::create_dir_all(origin.path()).unwrap();
        origin.git(&["init", "-q", "-b", "master"]);
        origin.write("channel.hpcl", "(channel (version 0))\n");
        origin
    }

    fn path(&self) -> PathBuf {
        self.environment.home().join(self.name)
    }

    fn write(&self, file: &str, text: &str) {
        self.environment.write(&format!("{}/{file}", self.name), text);
    }

    fn git(&self, arguments: &[&str]) -> String {
        git(self.environment, &self.path(), arguments)
    }

    /// Commits all that is there and returns the commit.
    fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Writes a package of that version, in a module called after it.
    fn package(&self, name: &str, version: &str) {
        let text = format!(
            "(define-module (own {name})\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
             #:use-module (guix build-system trivial))\n\n(define-public {name}\n{})\n",
            common::trivial_package(&format!("\"{name}\""), "#~(mkdir #$output)")
                .replace("(version \"1\")", &format!("(version \"{version}\")"))
        );
        self.write(&format!("own/{name}.hpcl"), &text);
    }
}

fn git(environment: &TestEnvironment, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", environment.home())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn list(environment: &TestEnvironment, channels: &str) {
    environment
        .write(".config/hpcl/channels.hpcl", &format!("(append (list {channels})\n  %default-channels)\n"));
}

fn channel(name: &str, url: &str, more: &str) -> String {
    format!("(channel (name '{name}) (url \"{url}\") {more})")
}

fn version_of(environment: &TestEnvironment, package: &str) -> String {
    let shown = environment.run(&["show", package]).success();
    let line = shown.lines().find(|line| line.starts_with("version:")).unwrap();
    line.split_once(' ').unwrap().1.to_owned()
}

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

/// A key of ssh-keygen and what makes git sign with it.
fn ssh_key(environment: &TestEnvironment, name: &str, kind: &str) -> (String, Vec<String>) {
    let file = environment.home().join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", "", "-C", name, "-f"])
        .arg(&file)
        .status()
        .unwrap();
    assert!(made.success());
    let public = std::fs::read_to_string(file.with_extension("pub")).unwrap();
    let signing = ["-c", "gpg.format=ssh", "-c", &format!("user.signingkey={}", file.display())];
    (public.trim().to_owned(), signing.iter().map(|text| (*text).to_owned()).collect())
}

fn commit_signed(origin: &Origin<'_>, signing: &[String], message: &str) -> String {
    origin.git(&["add", "-A"]);
    let mut arguments: Vec<&str> = signing.iter().map(String::as_str).collect();
    arguments.extend(["commit", "-q", "--allow-empty", "-S", "-m", message]);
    origin.git(&arguments);
    origin.head()
}

#[test]
fn signed_channels_are_checked() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "origin");
    let (alice, by_alice) = ssh_key(&environment, "alice", "ed25519");
    let (bob, by_bob) = ssh_key(&environment, "bob", "rsa");
    let (_, by_mallory) = ssh_key(&environment, "mallory", "ecdsa");
    let authorize = |keys: &[&String]| {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        origin.write("channel.hpcl", &format!("(channel (version 0) (authorized-keys {}))", keys.join(" ")));
    };
    origin.commit("before anybody signed");
    authorize(&[&alice]);
    let first = commit_signed(&origin, &by_alice, "the first signed one");
    let introduced = |key: &str| {
        let introduction =
            format!("(introduction (make-channel-introduction \"{first}\" (ssh-key \"{key}\")))");
        list(&environment, &channel("x", &origin.path().display().to_string(), &introduction));
    };
    introduced(&bob);
    assert!(environment.run(&["pull"]).failure(3).contains("not authorised"));
    introduced(&alice);
    environment.run(&["pull"]).success();
    // Bob may sign what follows the commit that authorises him, and not that one itself.
    authorize(&[&alice, &bob]);
    commit_signed(&origin, &by_bob, "bob authorises bob");
    assert!(environment.run(&["pull"]).failure(3).contains("bob authorises bob"));
    origin.git(&["reset", "-q", "--hard", "HEAD^"]);
    authorize(&[&alice, &bob]);
    commit_signed(&origin, &by_alice, "alice authorises bob");
    let good = commit_signed(&origin, &by_bob, "bob's own");
    environment.run(&["pull"]).success();
    for (said, commit) in [("is not signed", None), ("not authorised", Some(&by_mallory))] {
        match commit {
            Some(signing) => commit_signed(&origin, signing, "mallory's"),
            None => origin.commit("nobody's"),
        };
        // What comes after does not make it good.
        commit_signed(&origin, &by_alice, "alice follows");
        let refused = environment.run(&["pull"]).failure(3);
        assert!(refused.contains(said), "{refused}");
        assert!(environment.run(&["describe"]).success().contains(&good));
        origin.git(&["reset", "-q", "--hard", &good]);
    }
    // A signature that is another commit's.
    let object = origin.git(&["cat-file", "commit", &good]);
    environment.write("forged", &object.replace("bob's own", "forged"));
    let forged = origin.git(&["hash-object", "-t", "commit", "-w", "../forged"]);
    origin.git(&["reset", "-q", "--hard", forged.trim()]);
    let refused = environment.run(&["pull", "--allow-downgrades"]).failure(3);
    assert!(refused.contains("does not fit the commit"), "{refused}");
}

#[test]
fn openpgp_signatures_are_checked_too() {
    let environment = TestEnvironment::new();
    let folder = environment.home().join("gnupg");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let output = Command::new("gpg")
            .args([
                "--homedir",
                folder.to_str().unwrap(),
                "--batch",
                "--quiet",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let origin = Origin::new(&environment, "origin");
    let script = environment.write(
        "gpg",
        &format!(
            "#!/bin/sh\nexec gpg --homedir '{}' --batch --pinentry-mode loopback --passphrase '' \"$@\"\n",
            folder.display()
        ),
    );
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut keyring = String::new();
    let mut keys = Vec::new();
    for (name, kind) in [("alice", "ed25519"), ("bob", "rsa2048")] {
        gpg(&["--quick-generate-key", name, kind, "cert", "never"]);
        let listed = gpg(&["--with-colons", "--fingerprint", name]);
        let fingerprint =
            listed.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
        // What signs is a subkey, which the main key vouches for.
        gpg(&["--quick-add-key", &fingerprint, kind, "sign", "never"]);
        keyring.push_str(&gpg(&["--armor", "--export", name]));
        keys.push(fingerprint);
    }
    origin.git(&["checkout", "-q", "-b", "keyring"]);
    origin.write("all.key", &keyring);
    origin.commit("keys");
    origin.git(&["checkout", "-q", "--orphan", "master"]);
    origin.write(
        ".guix-authorizations",
        &format!("(authorizations (version 0) ((\"{}\" (name \"alice\")) (\"{}\")))", keys[0], keys[1]),
    );
    let signing = |name: &str| {
        ["-c", &format!("gpg.program={}", script.display()), "-c", &format!("user.signingkey={name}")]
            .map(str::to_owned)
            .to_vec()
    };
    let first = commit_signed(&origin, &signing("alice"), "first");
    commit_signed(&origin, &signing("bob"), "second");
    let introduction = format!(
        "(introduction (make-channel-introduction \"{first}\" (openpgp-fingerprint \"{}\")))",
        keys[0]
    );
    list(&environment, &channel("x", &origin.path().display().to_string(), &introduction));
    environment.run(&["pull"]).success();
    let object = origin.git(&["cat-file", "commit", "HEAD"]);
    environment.write("forged", &object.replace("second", "forged"));
    let forged = origin.git(&["hash-object", "-t", "commit", "-w", "../forged"]);
    origin.git(&["reset", "-q", "--hard", forged.trim()]);
    let refused = environment.run(&["pull", "--allow-downgrades"]).failure(3);
    assert!(refused.contains("does not fit the commit"), "{refused}");
    let _ = Command::new("gpgconf").args(["--homedir", folder.to_str().unwrap(), "--kill", "all"]).status();
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
