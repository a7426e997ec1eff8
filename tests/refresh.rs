//! `hpcl refresh`: newer versions are found where authors release them, and put into recipes.
//!
//! Directories, an index of Python packages and repositories are made by the tests; nothing else is asked.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;

use common::{
    TestEnvironment,
    http::{Answer, Server},
    origin::{Origin, channel, git, list, serve},
};
use hpcl::hash::Digest;

const HEADER: &str = "(define-module (tools)
  #:use-module (guix packages) #:use-module (guix download) #:use-module (guix git-download)
  #:use-module (guix build-system copy) #:use-module (guix build-system pyproject)
  #:use-module ((guix licenses) #:prefix license:))
";

/// A package with a source.
fn recipe(name: &str, version: &str, source: &str, more: &str) -> String {
    format!(
        "(define-public {name}\n  (package\n    (name \"{name}\")\n    (version \"{version}\")     ;a remark\n    (source\n     {source})\n    \
         (build-system copy-build-system)\n    (home-page #f)\n    (synopsis \"Has version {version}\")\n    (description \"d\")\n    (license #f){more}))\n"
    )
}

fn archive(uri: &str, content: &str) -> String {
    let hash = Digest::sha256(content.as_bytes()).to_base32();
    format!("(origin (method url-fetch) (uri {uri}) (sha256 (base32 \"{hash}\")))")
}

/// Directories as web servers show them, and an index of Python packages.
fn server() -> Server {
    let page = |names: &[&str]| {
        let links: Vec<String> =
            names.iter().map(|name| format!("<li><a href=\"{name}\">{name}</a></li>")).collect();
        Answer::ok("text/html", format!("<a href=\"../\">up</a>{}", links.concat()))
    };
    Server::start(move |asked| match asked.path.as_str() {
        "/flat/" => page(&["flat-1.9.tar.gz", "flat-1.10.tar.gz", "flat-2.0rc1.tar.gz", "flat-3.0.zip"]),
        "/flat/flat-1.10.tar.gz" => Answer::ok("application/gzip", "flat ten"),
        "/deep/" => page(&["v1.2/", "v1.3/", "v1.10/", "old/"]),
        "/deep/v1.10/" => page(&["deep_1_10_0.tgz", "deep_1_10_2.tgz"]),
        "/deep/v1.10/deep_1_10_2.tgz" => Answer::ok("application/gzip", "deep two"),
        "/simple/proj/" => {
            let hash = Digest::sha256(b"proj two").to_base16();
            page(&[
                "../../files/Proj-1.0.tar.gz",
                &format!("../../files/Proj-2.0.tar.gz#sha256={hash}"),
                "../../files/proj-3.0b1.tar.gz",
            ])
        }
        "/files/Proj-2.0.tar.gz" => Answer::ok("application/gzip", "proj two"),
        _ => Answer::status("404 Not Found"),
    })
}

/// A home with a channel, whose recipes name places on a server.
fn user(server: &Server) -> TestEnvironment {
    let user = TestEnvironment::new();
    let base = &server.base;
    let recipes = [
        HEADER.to_owned(),
        recipe(
            "flat",
            "1.9",
            &archive(&format!("(string-append \"{base}/flat/flat-\" version \".tar.gz\")"), "old"),
            "",
        ),
        recipe(
            "deep",
            "1.2.3",
            &archive(
                &format!("(list \"{base}/gone/deep_1_2_3.tgz\" \"{base}/deep/v1.2/deep_1_2_3.tgz\")"),
                "old",
            ),
            "",
        ),
        recipe("proj", "1.0", &archive("(pypi-uri \"proj\" version)", "old"), ""),
        recipe("user-of-flat", "1", "#f", "\n    (inputs (list flat))"),
    ];
    user.write("ch/tools.hpcl", &recipes.concat());
    user.write(
        "ch/python.hpcl",
        &format!("{}{}", HEADER.replace("(tools)", "(python)"), recipe("python", "3.11.2", "#f", "")),
    );
    user.write(".config/pip/pip.conf", &format!("[global]\nindex-url = {base}/simple\n"));
    user
}

fn text(user: &TestEnvironment) -> String {
    fs::read_to_string(user.home().join("ch/tools.hpcl")).unwrap()
}

fn names(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_once(": ").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

#[test]
fn newer_versions_are_found_where_they_are_released() {
    let server = server();
    let user = user(&server);
    let run = user.run(&["refresh", "-L", "ch", "flat", "deep", "proj"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(
        names(&run.stdout),
        [
            "flat would be upgraded from 1.9 to 1.10 [generic-html]",
            "deep would be upgraded from 1.2.3 to 1.10.2 [generic-html]",
            "proj would be upgraded from 1.0 to 2.0 [pypi]",
        ]
    );
    assert!(run.stdout.starts_with("ch/tools.hpcl:6:2: "), "{}", run.stdout);
    let json: serde_json::Value = serde_json::from_str(
        &user.run(&["refresh", "-L", "ch", "--json", "-t", "pypi", "flat", "proj"]).success(),
    )
    .unwrap();
    assert_eq!(json.as_array().unwrap().len(), 1);
    assert_eq!((&json[0]["package"], &json[0]["newest"]), (&"proj".into(), &"2.0".into()));
    let dependent = user.run(&["refresh", "-L", "ch", "-l", "flat"]).success();
    assert_eq!(dependent, "user-of-flat@1\n");
    let recursive = user.run(&["refresh", "-L", "ch", "-r", "-t", "generic-html", "user-of-flat"]).success();
    assert_eq!(names(&recursive), ["flat would be upgraded from 1.9 to 1.10 [generic-html]"]);
}

#[test]
fn recipes_get_the_new_version_and_only_that() {
    let server = server();
    let user = user(&server);
    let before = text(&user);
    user.run(&["refresh", "-L", "ch", "-u", "flat", "deep", "proj"]).success();
    let hash = |content: &[u8]| Digest::sha256(content).to_base32();
    let old = hash(b"old");
    let expected: String = before
        .split_inclusive("(define-public ")
        .map(|part| match part.split_whitespace().next() {
            Some("flat") => part.replacen("\"1.9\"", "\"1.10\"", 1).replace(&old, &hash(b"flat ten")),
            Some("deep") => part
                .replacen("\"1.2.3\"", "\"1.10.2\"", 1)
                .replace("1_2_3", "1_10_2")
                .replace("v1.2/", "v1.10/")
                .replace(&old, &hash(b"deep two")),
            Some("proj") => part.replacen("\"1.0\"", "\"2.0\"", 1).replace(&old, &hash(b"proj two")),
            _ => part.to_owned(),
        })
        .collect();
    assert_eq!(text(&user), expected);
    // What was fetched is in the store, so that no one asks again.
    let asked = server.paths().len();
    let built = user.run(&["build", "-L", "ch", "-e", "(package-source (@ (tools) flat))"]).success();
    let file = built.trim().replace("HOME", &user.home().display().to_string());
    assert_eq!(fs::read_to_string(file).unwrap(), "flat ten");
    assert_eq!(server.paths().len(), asked);
    let again = user.run(&["refresh", "-L", "ch", "flat"]).success();
    assert_eq!(names(&again), ["flat 1.10 is the newest version"]);
}

#[test]
fn tags_of_repositories_are_versions() {
    let user = TestEnvironment::new();
    let git = |arguments: &[&str]| git(&user, &user.home().join("repo"), arguments).trim().to_owned();
    user.write("repo/text", "first");
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "text"]);
    git(&["commit", "-q", "-m", "1"]);
    git(&["tag", "tool-1.0"]);
    let first = git(&["rev-parse", "HEAD"]);
    user.write("repo/text", "second");
    git(&["commit", "-q", "-am", "2"]);
    git(&["tag", "-am", "two", "tool-1.2"]);
    git(&["tag", "tool-2.0-rc1"]);
    let second = git(&["rev-parse", "HEAD"]);
    // One is asked over HTTP, the other read where it lies.
    let [here, there] =
        [user.home().join("repo").display().to_string(), format!("{}/repo", serve(user.home().to_owned()))];
    let zeros = "0".repeat(52);
    let source = |url: &str, commit: &str| {
        format!(
            "(origin (method git-fetch) (uri (git-reference (url \"{url}\") (commit {commit}))) (sha256 (base32 \"{zeros}\")))"
        )
    };
    let recipes = [
        HEADER.to_owned(),
        recipe("by-tag", "1.0", &source(&there, "(string-append \"tool-\" version)"), ""),
        recipe("by-commit", "1.0", &source(&here, &format!("\"{first}\"")), ""),
    ];
    user.write("ch/tools.hpcl", &recipes.concat());
    let found = user.run(&["refresh", "-L", "ch", "by-tag", "by-commit"]).success();
    assert_eq!(
        names(&found),
        [
            "by-tag would be upgraded from 1.0 to 1.2 [generic-git]",
            "by-commit would be upgraded from 1.0 to 1.2 [generic-git]"
        ]
    );
    user.run(&["refresh", "-L", "ch", "-u", "by-tag", "by-commit"]).success();
    let after = text(&user);
    assert!(after.contains(&format!("(commit \"{second}\")")) && !after.contains(&first), "{after}");
    assert!(!after.contains(&zeros), "{after}");
    for package in ["by-tag", "by-commit"] {
        let source = format!("(package-source (@ (tools) {package}))");
        let built = user.run(&["build", "-L", "ch", "-e", &source]).success();
        let tree = built.trim().replace("HOME", &user.home().display().to_string());
        assert_eq!(fs::read_to_string(format!("{tree}/text")).unwrap(), "second");
    }
}

#[test]
fn what_cannot_be_changed_stays() {
    let server = server();
    let user = user(&server);
    let base = &server.base;
    let more = [
        text(&user),
        // The version is computed, and the hash another package's.
        recipe("computed", "1.9", &archive(&format!("(string-append \"{base}/flat/flat-\" version \".tar.gz\")"), "old"), "")
            .replace("(version \"1.9\")", "(version (string-append \"1\" \".9\"))"),
        "(define-public child\n  (package\n    (inherit flat)\n    (name \"child\")\n    (version \"1.9\")))\n".to_owned(),
        recipe("nowhere", "1.0", &archive(&format!("\"{base}/nowhere/latest.tar.gz\""), "old"), ""),
        recipe("silent", "1.0", &archive(&format!("\"{base}/silent/silent-1.0.tar.gz\""), "old"), ""),
        recipe("odd", "1.9", &archive(&format!("(string-append \"{base}/flat/flat-\" version \".tar.gz\" (if (> (string-length version) 3) \"?\" \"\"))"), "old"), ""),
    ];
    let before = more.concat();
    user.write("ch/tools.hpcl", &before);
    for (package, message) in [
        ("computed", "the version is not written in the definition"),
        ("child", "the hash of the source is not written in the definition"),
        ("odd", "its addresses would be"),
        ("flat=9.9", "flat-9.9.tar.gz"),
        ("nowhere", "has no address in which its version stands"),
        ("silent", "/silent/: not found (404)"),
    ] {
        let error = user.run(&["refresh", "-L", "ch", "-u", package]).failure(1);
        assert!(error.contains(message), "{package}: {error}");
        assert_eq!(text(&user), before, "{package}");
    }
    let asked = user.run(&["refresh", "-L", "ch"]);
    assert_eq!(asked.code, 0);
    assert!(asked.stderr.contains("it is not known: `hpcl refresh PACKAGE` says why"), "{}", asked.stderr);
    assert!(user.run(&["refresh", "-u"]).failure(2).contains("name those that it may change"));
    assert!(user.run(&["refresh", "-t", "x", "flat"]).failure(2).contains("no updater `x`"));
    // A file of that name is not the one that is meant.
    user.write("channels/core/compression.hpcl", "");
    let bundled = user.run(&["refresh", "-u", "zlib=1.3.1"]).failure(1);
    assert!(bundled.contains("it is part of hpcl itself") && bundled.contains("-L DIR"), "{bundled}");
}

#[test]
fn pulled_channels_are_not_changed() {
    let server = server();
    let user = TestEnvironment::new();
    let origin = Origin::new(&user, "origin");
    let source =
        archive(&format!("(string-append \"{}/flat/flat-\" version \".tar.gz\")", server.base), "old");
    origin.write("tools.hpcl", &format!("{HEADER}{}", recipe("flat", "1.9", &source, "")));
    origin.commit("one");
    list(&user, &channel("own", &origin.path().display().to_string(), ""));
    user.run(&["pull"]).success();
    let found = user.run(&["refresh", "flat"]).success();
    assert_eq!(names(&found), ["flat would be upgraded from 1.9 to 1.10 [generic-html]"]);
    let refused = user.run(&["refresh", "-u", "flat"]).failure(1);
    assert!(refused.contains("it belongs to a commit of a channel that was pulled"), "{refused}");
    assert!(refused.contains("-L DIR"), "{refused}");
}
