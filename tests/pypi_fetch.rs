//! `mirror://pypi`: files of an index of Python packages, found by pip's configuration when they are fetched.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::process::Command;

use common::{
    TestEnvironment, check_values,
    http::{Answer, Server},
};
use hpcl::hash::Digest;

const CONTENT: &[u8] = b"the content of a source distribution";

/// An index with one project that answers to `me:secret` alone.
fn index() -> Server {
    Server::start(|asked| match asked.path.as_str() {
        _ if asked.headers.get("authorization").map(String::as_str) != Some("Basic bWU6c2VjcmV0") => {
            Answer::status("401 Unauthorized")
        }
        "/simple/some-project/" => {
            Answer::ok("text/html", "<a href=\"../../files/Some_Project-1.0.tar.gz#sha256=x\">x</a>")
        }
        "/files/Some_Project-1.0.tar.gz" => Answer::ok("application/octet-stream", CONTENT),
        _ => Answer::status("404 Not Found"),
    })
}

fn download(environment: &TestEnvironment, url: &str, extra: &[(&str, &str)]) -> Command {
    let hash = Digest::sha256(CONTENT).to_base16();
    let mut command =
        environment.command(&["download", url, "--expect", &format!("sha256:{hash}"), "-o", "got"]);
    command.envs(extra.iter().copied());
    command
}

#[test]
fn a_file_is_found_by_pips_configuration_and_checked() {
    let (environment, server) = (TestEnvironment::new(), index());
    let address = server.base.replace("http://", "http://me:secret@");
    environment.write(".config/pip/pip.conf", &format!("[global]\nindex-url = {address}/simple\n"));
    environment
        .finish(download(&environment, "mirror://pypi/some-project/some-project-1.0.tar.gz", &[]))
        .success();
    assert_eq!(std::fs::read(environment.home().join("got")).unwrap(), CONTENT);
    assert_eq!(server.paths(), ["/simple/some-project/", "/files/Some_Project-1.0.tar.gz"]);
    assert!(server.asked()[0].headers["accept"].starts_with("application/vnd.pypi.simple.v1+json, "));
    // The page is still fresh, so that the file alone is asked for again.
    environment
        .finish(download(&environment, "mirror://pypi/Some.Project/Some_Project-1.0.tar.gz", &[]))
        .success();
    assert_eq!(server.paths().len(), 3);
    let kept = walkdir::WalkDir::new(environment.home().join(".cache/hpcl")).into_iter().flatten();
    for file in kept.filter(|entry| entry.file_type().is_file()) {
        assert!(!String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).contains("secret"));
    }
}

#[test]
fn what_cannot_be_found_is_said() {
    let (environment, server) = (TestEnvironment::new(), index());
    let address = format!("{}/simple", server.base);
    let right = server.base.replace("http://", "http://me:secret@") + "/simple";
    for (url, index, wanted) in [
        ("mirror://pypi/some-project/some-project-1.0.tar.gz", address.as_str(), "access denied (401)"),
        (
            "mirror://pypi/some-project/some-project-2.0.tar.gz",
            &right,
            "no file `some-project-2.0.tar.gz` of `some-project`",
        ),
        ("mirror://pypi/other/other-2.0.tar.gz", &right, "no Python project `other` on http://127.0.0.1"),
        (
            "mirror://pypi/other/other-2.0.tar.gz",
            "ftp://index.example",
            "`PIP_INDEX_URL` says, is no address",
        ),
    ] {
        let error = environment.finish(download(&environment, url, &[("PIP_INDEX_URL", index)])).failure(4);
        assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
    }
    let error = environment.finish(download(
        &environment,
        "mirror://pypi/other/other-2.0.tar.gz",
        &[("PIP_NO_INDEX", "1")],
    ));
    assert!(error.failure(4).contains("hint: unset it, or give `--index-url`"));
}

#[test]
fn a_busy_server_is_asked_again_after_the_pause_it_wants() {
    let environment = TestEnvironment::new();
    let busy = std::sync::atomic::AtomicUsize::new(0);
    let server = Server::start(move |asked| match asked.path.as_str() {
        "/a/" if busy.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 => {
            Answer::status("429 Too Many Requests").with("Retry-After: 1")
        }
        "/a/" => Answer::ok("text/html", "<a href=\"/a-1.tar.gz\">a</a>"),
        "/b/" => Answer::status("503 Service Unavailable").with("Retry-After: 3600"),
        _ => Answer::ok("application/octet-stream", CONTENT),
    });
    let index = [("PIP_INDEX_URL", server.base.as_str())];
    let begin = std::time::Instant::now();
    environment.finish(download(&environment, "mirror://pypi/a/a-1.tar.gz", &index)).success();
    assert!(begin.elapsed() >= std::time::Duration::from_secs(1));
    let error = environment.finish(download(&environment, "mirror://pypi/b/b-1.tar.gz", &index)).failure(4);
    assert!(error.contains("asks to come back in 3600 s (status 503)"), "{error}");
}

#[test]
fn recipes_name_no_index() {
    check_values(
        "(hpcl download)",
        &[
            ("(pypi-uri \"flask\" \"3.0\")", "\"mirror://pypi/flask/flask-3.0.tar.gz\""),
            ("(pypi-uri \"a\" \"1\" \".zip\")", "\"mirror://pypi/a/a-1.zip\""),
        ],
    );
}
