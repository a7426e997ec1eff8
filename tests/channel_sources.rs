//! Where channels come from and who signed them: servers, mirrors, signatures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::process::Command;

use common::{
    TestEnvironment,
    origin::{Origin, channel, list, serve, version_of},
    sshd::Server,
};

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
    // The third kind of key.
    let (carol, by_carol) = ssh_key(&environment, "carol", "ecdsa");
    authorize(&[&alice, &bob, &carol]);
    commit_signed(&origin, &by_alice, "alice authorises carol");
    let good = commit_signed(&origin, &by_carol, "carol's own");
    environment.run(&["pull"]).success();
    // A signature that is another commit's, by each kind of key.
    for (signing, whose) in [(&by_alice, "alice"), (&by_bob, "bob"), (&by_carol, "carol")] {
        origin.git(&["reset", "-q", "--hard", &good]);
        let genuine = commit_signed(&origin, signing, &format!("{whose}'s next"));
        let object = origin.git(&["cat-file", "commit", &genuine]);
        environment.write("forged", &object.replace("'s next", "'s forged one"));
        let forged = origin.git(&["hash-object", "-t", "commit", "-w", "../forged"]);
        origin.git(&["reset", "-q", "--hard", forged.trim()]);
        let refused = environment.run(&["pull", "--allow-downgrades"]).failure(3);
        assert!(refused.contains("does not fit the commit"), "{whose}: {refused}");
    }
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
    let good = origin.head();
    let object = origin.git(&["cat-file", "commit", "HEAD"]);
    environment.write("forged", &object.replace("second", "forged"));
    let forged = origin.git(&["hash-object", "-t", "commit", "-w", "../forged"]);
    origin.git(&["reset", "-q", "--hard", forged.trim()]);
    let refused = environment.run(&["pull", "--allow-downgrades"]).failure(3);
    assert!(refused.contains("does not fit the commit"), "{refused}");
    // A key that its owner revoked signs no more, by the certificate that gpg wrote when it made the key.
    origin.git(&["reset", "-q", "--hard", &good]);
    let certificate =
        std::fs::read_to_string(folder.join(format!("openpgp-revocs.d/{}.rev", keys[1]))).unwrap();
    // gpg itself signs no more with such a key; who copied the secret before does.
    let copied = environment.home().join("thief");
    let status = Command::new("cp").arg("-a").args([&folder, &copied]).status().unwrap();
    assert!(status.success());
    let text = std::fs::read_to_string(&script).unwrap();
    let thiefs = environment.write("gpg-thief", &text.replace("/gnupg'", "/thief'"));
    std::fs::set_permissions(&thiefs, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let stolen =
        ["-c", &format!("gpg.program={}", thiefs.display()), "-c", "user.signingkey=bob"].map(str::to_owned);
    let file = environment.write("revocation", &certificate.replace(":-----BEGIN", "-----BEGIN"));
    gpg(&["--import", file.to_str().unwrap()]);
    origin.git(&["checkout", "-q", "keyring"]);
    origin.write("all.key", &gpg(&["--armor", "--export", "alice", "bob"]));
    origin.commit("bob lost his key");
    origin.git(&["checkout", "-q", "master"]);
    environment.run(&["pull"]).success();
    commit_signed(&origin, &stolen, "by a thief");
    let refused = environment.run(&["pull"]).failure(3);
    assert!(refused.contains("was revoked"), "{refused}");
    for home in [folder, copied] {
        let _ = Command::new("gpgconf").args(["--homedir", home.to_str().unwrap(), "--kill", "all"]).status();
    }
}

#[test]
fn repositories_elsewhere_are_fetched_and_mirrors_asked() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "served/tools.git");
    for version in ["1", "2", "3"] {
        origin.package("tool", version);
        origin.commit(version);
    }
    let old = origin.git(&["rev-parse", "HEAD^"]).trim().to_owned();
    let url = serve(environment.home().join("served"));
    let address = format!("{url}/tools.git/.git");
    list(&environment, &channel("tools", &address, ""));
    let pulled = environment.run(&["pull"]);
    assert!(pulled.stderr.contains("has no introduction"), "{}", pulled.stderr);
    pulled.success();
    assert_eq!(version_of(&environment, "tool"), "3");
    origin.package("tool", "4");
    origin.commit("4");
    let pulled = environment.run(&["pull"]).success();
    assert!(pulled.contains("one commit") && pulled.contains("tool 3 → 4"), "{pulled}");
    let shown = environment.run(&["time-machine", "--commit", &old, "--", "show", "tool"]).success();
    assert!(shown.contains("version: 2"), "{shown}");
    // Nobody answers, but what was fetched is here; another address has what is new.
    let dead = format!("{url}/gone.git");
    list(&environment, &channel("tools", &dead, ""));
    let refused = environment.run(&["pull"]).failure(4);
    assert!(refused.contains("cannot fetch") && refused.contains("404"), "{refused}");
    assert_eq!(version_of(&environment, "tool"), "4");
    list(&environment, &channel("tools", &dead, &format!("(mirrors (list \"{address}\"))")));
    let pulled = environment.run(&["pull"]);
    assert!(pulled.stderr.contains("warning") && pulled.stderr.contains(&address), "{}", pulled.stderr);
    pulled.success();
}

#[test]
fn a_repository_is_fetched_over_ssh() {
    let environment = TestEnvironment::new();
    let Some(server) = Server::start(environment.home(), "a_repository_is_fetched_over_ssh") else { return };
    let origin = Origin::new(&environment, "tools");
    origin.package("tool", "1");
    origin.commit("1");
    let address = format!("{}{}", server.address(), origin.path().display());
    list(&environment, &channel("tools", &address, ""));
    server.run(&environment, &["pull"]).success();
    assert_eq!(version_of(&environment, "tool"), "1");
    origin.package("tool", "2");
    origin.commit("2");
    let pulled = server.run(&environment, &["pull"]).success();
    assert!(pulled.contains("tool 1 → 2"), "{pulled}");
    list(&environment, &channel("tools", &format!("{}/nowhere", server.address()), ""));
    let refused = server.run(&environment, &["pull"]).failure(4);
    assert!(refused.contains("cannot fetch") && refused.contains("nowhere"), "{refused}");
    assert_eq!(version_of(&environment, "tool"), "2");
}
