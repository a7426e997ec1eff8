//! A cache in an object store, served by moto, an S3-compatible server for tests.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{
    Ended, Run, TestEnvironment, free_port, sandbox_or_skip, serve, trivial_package, two_packages_of,
};

/// A server with one bucket, `things`; ended when dropped.
struct Server {
    _process: Ended,
    port: u16,
}

/// The server's program: the system's, or one that is installed beside the tests' own files. None, loudly, when there is none.
fn program(test: &str) -> Option<PathBuf> {
    let in_path = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).map(|directory| directory.join("moto_server")).find(|file| file.exists())
    });
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    let installed = place.join("bin/moto_server");
    if let Some(found) = in_path.or_else(|| installed.exists().then(|| installed.clone())) {
        return Some(found);
    }
    let run = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let made = run(Path::new("python3"), &["-m", "venv", place.to_str().unwrap()])
        && run(&place.join("bin/pip"), &["install", "-q", "moto[server]"]);
    if !made {
        let _ = fs::remove_dir_all(&place);
        eprintln!("SKIPPED {test}: there is no `moto_server` here, and it could not be installed with pip");
        return None;
    }
    Some(installed)
}

impl Server {
    fn start(test: &str) -> Option<Server> {
        let program = program(test)?;
        let port = free_port();
        let process = serve(Command::new(program).args(["-H", "127.0.0.1", "-p", &port.to_string()]), port);
        let server = Server { _process: process, port };
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let request = "PUT /things HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\
                       Authorization: AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Some(server)
    }

    fn run(&self, user: &TestEnvironment, arguments: &[&str]) -> Run {
        let mut command = user.command(arguments);
        command
            .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ACCESS_KEY_ID", "me")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "us-east-1");
        user.finish(command)
    }
}

/// A package with 12 MB that do not compress, so that it is sent in parts.
fn recipe() -> String {
    let big = trivial_package(
        "\"big\"",
        "#~(begin
             (mkdir #$output)
             (symlink #$low (string-append #$output \"/low\"))
             (call-with-output-file (string-append #$output \"/noise\")
               (lambda (port)
                 (let loop ((n 0) (x 1))
                   (when (< n 300000)
                     (let ((x (modulo (+ (* x 6364136223846793005) 1442695040888963407) 18446744073709551616)))
                       (display x port)
                       (display (modulo (* x 2862933555777941757) 170141183460469231731687303715884105727) port)
                       (loop (+ n 1) x)))))))",
    );
    two_packages_of("#$output", &big)
}

#[test]
fn a_bucket_holds_a_cache() {
    const TEST: &str = "a_bucket_holds_a_cache";
    if !sandbox_or_skip(TEST) {
        return;
    }
    let Some(server) = Server::start(TEST) else { return };
    let near = TestEnvironment::new();
    near.write("recipe.hpcl", &recipe());
    let public = near.run(&["cache", "keygen", "near-1", "-o", "key"]).success();
    let cache = "s3://things/some/where";
    let push = ["cache", "push", "--to", cache, "--compression", "none", "--key", "key", "-f", "recipe.hpcl"];
    let pushed = server.run(&near, &push);
    assert!(pushed.stderr.contains("pushed 2 items"), "{}", pushed.stderr);
    pushed.success();
    let again = server.run(&near, &push);
    assert!(
        again.stderr.contains("pushed 0 items") && again.stderr.contains("2 were there"),
        "{}",
        again.stderr
    );
    let listed = server.run(&near, &["cache", "list", cache]).success();
    assert!(listed.contains("-big-1\t") && listed.contains("-low-1\t"), "{listed}");

    // Here the address, the settings and a profile say what the environment said there.
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    user.write(".aws/credentials", "[cluster]\naws_access_key_id = me\naws_secret_access_key = secret\n");
    user.write(".config/hpcl/config.toml", "[s3]\nregion = \"us-east-1\"\nprofile = \"cluster\"\n");
    user.run(&["cache", "trust", public.trim()]).success();
    let address = format!("{cache}?endpoint=http://127.0.0.1:{}", server.port);
    let built = user.run(&["build", "--cache", &address, "-f", "recipe.hpcl"]);
    assert!(
        built.stderr.contains("fetched big-1 from s3://") && !built.stderr.contains("building"),
        "{}",
        built.stderr
    );
    built.success();
    user.run(&["verify"]).success();

    let error = server.run(&near, &["cache", "list", "s3://nothing-here"]).failure(1);
    assert!(error.contains("is not a binary cache"), "{error}");
    let error =
        server.run(&near, &["cache", "push", "--to", "s3://nothing-here", "-f", "recipe.hpcl"]).failure(1);
    assert!(error.contains("binary cache `s3://nothing-here`"), "{error}");
    let error = near.run(&["cache", "list", "s3://things?profile=nobody"]).failure(1);
    assert!(error.contains("no credentials of profile `nobody`"), "{error}");
}

#[test]
fn an_object_store_that_is_not_there_is_told_and_the_item_built() {
    if !sandbox_or_skip("an_object_store_that_is_not_there_is_told_and_the_item_built") {
        return;
    }
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    let address = "s3://things?endpoint=http://127.0.0.1:1&region=here";
    let built = user.run(&["build", "--cache", address, "-f", "recipe.hpcl"]);
    assert!(built.stderr.contains("warning: binary cache `s3://things?"), "{}", built.stderr);
    built.success();
}
