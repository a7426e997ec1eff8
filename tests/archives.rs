//! Sources that vanished come from archives, by their hashes.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
};

use common::TestEnvironment;

const CONTENT: &[u8] = b"what nobody else has any more\n";

/// Serves what Software Heritage's API does for one file, and remembers what it was asked.
fn archive(content: &'static [u8]) -> (String, Arc<Mutex<Vec<String>>>) {
    let digest = hpcl::hash::Digest::sha256(CONTENT).to_base16();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut connection in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let path = first.split(' ').nth(1).unwrap().to_owned();
            let found = path == format!("/api/1/content/sha256:{digest}/raw/");
            let (status, body) = if found { ("200 OK", content) } else { ("404 Not Found", &b""[..]) };
            let head =
                format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            log.lock().unwrap().push(path);
            let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(body));
        }
    });
    (url, asked)
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
    let (url, asked) = archive(CONTENT);
    let environment = world(&format!("[archive]\nendpoint = \"{url}\"\n"), &format!("{url}/gone"));
    let built = environment.run(&["build", "--no-sandbox", "-f", "kept.hpcl"]).success();
    let path = built.trim().replace("HOME", &environment.home().display().to_string());
    assert_eq!(std::fs::read(path).unwrap(), CONTENT);
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].contains("/gone/source-1.txt") && asked.last().unwrap().contains("sha256:"),
        "{asked:?}"
    );
}

#[test]
fn what_an_archive_has_is_checked_and_it_can_be_any_mirror_by_hash() {
    let (url, _) = archive(b"something else\n");
    let gone = format!("{url}/gone");
    let settings = format!("[archive]\nmirrors = [\"{url}/api/1/content/sha256:{{base16}}/raw/\"]\n");
    let refused = world(&settings, &gone).run(&["build", "--no-sandbox", "-f", "kept.hpcl"]).failure(4);
    assert!(refused.contains("wrong hash"), "{refused}");
    let (url, _) = archive(CONTENT);
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
