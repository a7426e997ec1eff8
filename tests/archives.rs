//! Sources that vanished come from archives, by their hashes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use common::{
    TestEnvironment,
    http::{Answer, Server},
    origin::{Origin, serve},
};

const CONTENT: &[u8] = b"what nobody else has any more\n";

/// Serves what Software Heritage's API does for one file.
fn archive(content: &'static [u8]) -> Server {
    let path = format!("/api/1/content/sha256:{}/raw/", hpcl::hash::Digest::sha256(CONTENT).to_base16());
    Server::start(move |asked| match asked.path == path {
        true => Answer::ok("application/octet-stream", content),
        false => Answer::status("404 Not Found"),
    })
}

/// A package whose source's only address is a server that does not have it.
fn world(settings: &str, gone: &str) -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write(".config/hpcl/config.toml", settings);
    let source = format!(
        "(origin (method url-fetch) (uri \"{gone}/source-1.txt\") (sha256 (base32 \"{}\")))",
        hpcl::hash::Digest::sha256(CONTENT).to_base32()
    );
    let package = common::trivial_package_of(
        "\"kept\"",
        "#~(copy-file (assoc-ref %build-inputs \"source\") #$output)",
        &source,
    );
    let uses = "(use-modules (guix packages) (guix gexp) (guix download) (guix build-system trivial))";
    environment.write("kept.hpcl", &format!("{uses}\n{package}"));
    environment
}

#[test]
fn a_source_that_vanished_is_taken_from_the_archive() {
    let server = archive(CONTENT);
    let url = &server.base;
    let environment = world(&format!("[archive]\nendpoint = \"{url}\"\n"), &format!("{url}/gone"));
    let built = environment.run(&["build", "--no-sandbox", "-f", "kept.hpcl"]).success();
    let path = built.trim().replace("HOME", &environment.home().display().to_string());
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    let asked = server.paths();
    assert!(
        asked[0].contains("/gone/source-1.txt") && asked.last().unwrap().contains("sha256:"),
        "{asked:?}"
    );
}

#[test]
fn what_an_archive_has_is_checked_and_it_can_be_any_mirror_by_hash() {
    let server = archive(b"something else\n");
    let url = &server.base;
    let gone = format!("{url}/gone");
    let settings = format!("[archive]\nmirrors = [\"{url}/api/1/content/sha256:{{base16}}/raw/\"]\n");
    let refused = world(&settings, &gone).run(&["build", "--no-sandbox", "-f", "kept.hpcl"]).failure(4);
    assert!(refused.contains("wrong hash"), "{refused}");
    let server = archive(CONTENT);
    let url = &server.base;
    let settings = format!("[archive]\nmirrors = [\"{url}/api/1/content/sha256:{{base16}}/raw/\"]\n");
    world(&settings, &gone).run(&["build", "--no-sandbox", "-f", "kept.hpcl"]).success();
}

#[test]
fn identifiers_are_those_of_git() {
    let environment = TestEnvironment::new();
    environment.write("tree/a", "x");
    environment.write("tree/a.d/b", "y");
    environment.write("tree/a-c", "z");
    std::os::unix::fs::symlink("a", environment.home().join("tree/link")).unwrap();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(arguments)
            .current_dir(environment.home().join("tree"))
            .env("HOME", environment.home())
            .env("GIT_DIR", environment.home().join("git"))
            .env("GIT_WORK_TREE", environment.home().join("tree"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    let tree = git(&["write-tree"]);
    let printed = environment.run(&["hash", "--format", "swhid", "tree"]).success();
    assert_eq!(printed.trim(), format!("swh:1:dir:{tree}"));
    let blob = git(&["hash-object", "a"]);
    let printed = environment.run(&["hash", "--format", "swhid", "tree/a"]).success();
    assert_eq!(printed.trim(), format!("swh:1:cnt:{blob}"));
}

/// A package that is the checkout of a revision.
fn checkout(url: &str, revision: &str, hash: &str) -> String {
    let source = format!(
        "(origin (method git-fetch) (uri (git-reference (url \"{url}\") (commit \"{revision}\"))) \
         (sha256 (base32 \"{hash}\")))"
    );
    let package = common::trivial_package_of(
        "\"kept-tree\"",
        "#~(symlink (assoc-ref %build-inputs \"source\") #$output)",
        &source,
    );
    format!(
        "(use-modules (guix packages) (guix gexp) (guix git-download) (guix build-system trivial))\n{package}"
    )
}

#[test]
fn a_commit_is_checked_out_and_the_archive_asked_when_its_repository_is_gone() {
    let environment = TestEnvironment::new();
    let origin = Origin::new(&environment, "served/tools.git");
    origin.package("tool", "1");
    std::os::unix::fs::symlink("channel.hpcl", origin.path().join("link")).unwrap();
    let commit = origin.commit("1");
    origin.git(&["tag", "v1"]);
    origin.package("tool", "2");
    origin.commit("2");
    let tree = origin.git(&["rev-parse", &format!("{commit}^{{tree}}")]).trim().to_owned();
    // What git itself checks out has that hash.
    let files = environment.home().join("files");
    std::fs::create_dir(&files).unwrap();
    origin.git(&["--work-tree", files.to_str().unwrap(), "checkout", "-q", &commit, "--", "."]);
    origin.git(&["reset", "-q", "--hard"]);
    let hash = environment.run(&["hash", "-r", "files"]).success();
    let hash = hash.trim();
    let url = format!("{}/tools.git/.git", serve(environment.home().join("served")));
    let build = |url: &str, revision: &str| {
        environment.write("kept-tree.hpcl", &checkout(url, revision, hash));
        environment.run(&["build", "--no-sandbox", "-f", "kept-tree.hpcl"])
    };
    for revision in [commit.as_str(), "v1", &commit[..12]] {
        let built = build(&url, revision).success();
        let path = built.trim().replace("HOME", &environment.home().display().to_string());
        assert!(std::fs::read_to_string(format!("{path}/own/tool.hpcl")).unwrap().contains("\"1\""));
        environment.run(&["gc"]).success();
        assert!(!std::path::Path::new(&path).exists(), "it is fetched again for each revision");
    }
    let other = build(&url, "HEAD~7").failure(4);
    assert!(other.contains("has no commit `HEAD~7`"), "{other}");
    let other = build(&url, &"0".repeat(40)).failure(4);
    assert!(other.contains("has no commit `0000000"), "{other}");
    let changed = build(&url, "master").failure(4);
    assert!(changed.contains("wrong hash") || changed.contains("hash mismatch"), "{changed}");

    // The repository is gone; the archive packs the tree while it is asked.
    let mut packed =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    packed.follow_symlinks(false);
    packed.append_dir_all(format!("swh:1:dir:{tree}"), &files).unwrap();
    let packed = packed.into_inner().unwrap().finish().unwrap();
    let asked = AtomicUsize::new(0);
    let vault = format!("/api/1/vault/flat/swh:1:dir:{tree}/");
    let revision = format!("/api/1/revision/{commit}/");
    let server = Server::start(move |request| match &request.path {
        path if *path == revision => Answer::ok("application/json", format!("{{\"directory\": \"{tree}\"}}")),
        path if *path == format!("{vault}raw/") => Answer::ok("application/gzip", packed.clone()),
        path if *path == vault => {
            let at = asked.fetch_add(1, Ordering::SeqCst);
            let (method, status) = [("POST", "new"), ("GET", "pending"), ("GET", "done")][at];
            assert_eq!(request.method, method);
            Answer::ok(
                "application/json",
                format!("{{\"status\": \"{status}\", \"progress_message\": null}}"),
            )
        }
        _ => Answer::status("404 Not Found"),
    });
    let archive = &server.base;
    let gone = format!("{archive}/gone.git");
    let refused = build(&gone, &commit).failure(4);
    assert!(refused.contains("gone.git"), "{refused}");
    environment.write(".config/hpcl/config.toml", &format!("[archive]\nendpoint = \"{archive}\"\n"));
    build(&gone, &commit).success();
    assert_eq!(server.paths().iter().filter(|path| path.contains("/vault/")).count(), 4);
    environment.run(&["gc"]).success();
    let unknown = build(&gone, &"1".repeat(40)).failure(4);
    assert!(unknown.contains("/api/1/revision/1111") && unknown.contains("404"), "{unknown}");
}
