//! Binary caches as two users see them: one builds and pushes, the other pulls instead of building.
//!
//! Both are homes of their own, with other store directories. The cache is a directory, and the same served over HTTP by this
//! process. Where Nix is installed, it reads what we push and we read what it copies.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use common::{TestEnvironment, sandbox_or_skip, trivial_package};

/// Two packages: `top` refers to `low` by its path, and both to themselves.
fn recipe() -> String {
    let low = trivial_package(
        "\"low\"",
        "#~(begin
             (mkdir #$output)
             (call-with-output-file (string-append #$output \"/self\")
               (lambda (port) (display #$output port))))",
    );
    let top = trivial_package(
        "\"top\"",
        "#~(begin
             (display \"built here\\n\")
             (mkdir #$output)
             (symlink #$low (string-append #$output \"/low\"))
             (call-with-output-file (string-append #$output \"/text\")
               (lambda (port) (display (make-string 100000 #\\a) port) (display #$low port))))",
    );
    format!(
        "(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n\n(define low\n  {low})\n\n{top}"
    )
}

/// A user who built and pushed to a signed cache in `HOME/cache`; the key is in `HOME/key`, its public part is given back.
fn pusher() -> (TestEnvironment, String) {
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    let public = user.run(&["cache", "keygen", "site-1", "-o", "key"]).success().trim().to_owned();
    user.run(&["cache", "push", "--to", "cache", "--key", "key", "-f", "recipe.hpcl"]).success();
    (user, public)
}

/// Another user, who trusts a key.
fn puller(public: &str) -> TestEnvironment {
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    user.run(&["cache", "trust", public]).success();
    user
}

fn address(user: &TestEnvironment) -> String {
    format!("file://{}/cache", user.home().display())
}

/// What `build` printed: the place of `top` in this user's store.
fn place(user: &TestEnvironment, stdout: &str) -> PathBuf {
    PathBuf::from(stdout.trim().replace("HOME", &user.home().display().to_string()))
}

/// That `top` is whole in this user's store: every reference leads into it.
fn assert_whole(user: &TestEnvironment, stdout: &str) {
    let top = place(user, stdout);
    let low = fs::read_link(top.join("low")).unwrap();
    assert!(low.starts_with(user.home()), "{}", low.display());
    let own = fs::read_to_string(low.join("self")).unwrap();
    assert_eq!(own, low.display().to_string(), "rewritten into the local form");
    let text = fs::read_to_string(top.join("text")).unwrap();
    assert!(text.ends_with(&own), "rewritten behind 100000 bytes too");
    user.run(&["verify"]).success();
}

#[test]
fn what_one_user_built_another_takes() {
    if !sandbox_or_skip("what_one_user_built_another_takes") {
        return;
    }
    let (one, public) = pusher();
    let listed = one.run(&["cache", "list", "cache"]).success();
    assert_eq!(listed.matches("\tsite-1\n").count(), 2, "{listed}");
    let other = puller(&public);
    let planned = other.run(&["build", "-n", "--cache", &address(&one), "-f", "recipe.hpcl"]).success();
    let lines: Vec<&str> = planned.lines().map(|line| line.split(" (").next().unwrap()).collect();
    assert_eq!(lines[..3], ["substitute low-1", "substitute top-1", "2 to fetch from caches"], "{planned}");
    let run = other.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("fetched top-1 from"), "{}", run.stderr);
    assert!(!run.stderr.contains("building"), "{}", run.stderr);
    assert_whole(&other, &run.success());
    // What is there is not looked up again, and pushing it gives the same files.
    other.run(&["cache", "push", "--to", "cache", "-f", "recipe.hpcl"]).success();
    let archives = |user: &TestEnvironment| {
        let mut names: Vec<_> = fs::read_dir(user.home().join("cache/nar"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(archives(&one), archives(&other), "the canonical archives are those of the other user");
}

#[test]
fn the_settings_and_pull_name_caches_too() {
    if !sandbox_or_skip("the_settings_and_pull_name_caches_too") {
        return;
    }
    let (one, public) = pusher();
    let other = puller(&public);
    let pulled = other.run(&["cache", "pull", "--cache", &address(&one), "-f", "recipe.hpcl"]).success();
    assert_whole(&other, &pulled);
    let third = puller(&public);
    third.write(".config/hpcl/config.toml", &format!("[substitutes]\ncaches = [\"{}\"]\n", address(&one)));
    let run = third.run(&["build", "--no-caches", "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("2 built"), "{}", run.stderr);
    let fourth = puller(&public);
    fourth.write(".config/hpcl/config.toml", &format!("[substitutes]\ncaches = [\"{}\"]\n", address(&one)));
    let run = fourth.run(&["build", "-f", "recipe.hpcl"]);
    assert_whole(&fourth, &run.success());
    let missing =
        fourth.run(&["cache", "pull", "--item", "0c6kzph7l0dcbfmjap64f0czdafn3b7x-other"]).failure(4);
    assert!(
        missing.contains("no trusted substitute was found for\n  0c6kzph7l0dcbfmjap64f0czdafn3b7x-other"),
        "{missing}"
    );
}

#[test]
fn what_nobody_trusted_signed_is_built() {
    if !sandbox_or_skip("what_nobody_trusted_signed_is_built") {
        return;
    }
    let (one, public) = pusher();
    // A user who trusts nobody, and one who trusts another key of the same name.
    let stranger = TestEnvironment::new();
    stranger.write("recipe.hpcl", &recipe());
    let run = stranger.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("warning: no key that you trust signed what file://"), "{}", run.stderr);
    assert!(run.stderr.contains("2 built"), "{}", run.stderr);
    let forger = one.run(&["cache", "keygen", "site-1", "-o", "forged"]).success();
    let deceived = puller(&forger);
    let run = deceived.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("2 built"), "{}", run.stderr);
    // Signed later by a key that is trusted.
    one.run(&["cache", "sign", "--key", "forged", "cache"]).success();
    let patient = puller(&forger);
    let run = patient.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("fetched top-1"), "{}", run.stderr);
    assert_ne!(forger, public);
}

/// Changes the cache's files with a given ending.
fn change(cache: &Path, ending: &str, how: impl Fn(Vec<u8>) -> Vec<u8>) {
    for entry in walkdir::WalkDir::new(cache).into_iter().flatten() {
        if entry.file_name().to_string_lossy().ends_with(ending) {
            let bytes = fs::read(entry.path()).unwrap();
            fs::write(entry.path(), how(bytes)).unwrap();
        }
    }
}

#[test]
fn a_damaged_cache_is_told_and_the_store_stays_whole() {
    if !sandbox_or_skip("a_damaged_cache_is_told_and_the_store_stays_whole") {
        return;
    }
    type Change = Box<dyn Fn(Vec<u8>) -> Vec<u8>>;
    let text = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(from, to).into_bytes()
    };
    let cut = |bytes: Vec<u8>| bytes.get(..bytes.len() / 2).unwrap().to_vec();
    let flip = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).unwrap() ^= 1;
        bytes
    };
    let cases: [(&str, Change, &str); 7] = [
        (".nar.zst", Box::new(cut), "has the wrong hash: expected"),
        (".nar.zst", Box::new(flip), "has the wrong hash: expected"),
        (".narinfo", Box::new(text("NarSize: ", "NarSize: 1")), "no key that you trust signed"),
        (".narinfo", Box::new(text("NarHash: sha256:", "NarHash: md5:")), "field `NarHash` cannot be `md5:"),
        (".narinfo", Box::new(text("URL: nar/", "URL: nar/gone-")), "cannot read"),
        (".narinfo", Box::new(text("Compression: zstd\n", "")), "field `Compression` is missing"),
        (".narinfo", Box::new(|_| b"\xff\xfe\0".to_vec()), "cannot be understood"),
    ];
    for (ending, how, message) in cases {
        let (one, public) = pusher();
        change(&one.home().join("cache"), ending, how);
        let other = puller(&public);
        let run = other.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
        assert!(
            run.stderr.contains("warning: ") && run.stderr.contains(message),
            "{message}: {}",
            run.stderr
        );
        assert!(run.stderr.contains("2 built"), "{message}: {}", run.stderr);
        assert_whole(&other, &run.success());
    }
}

#[test]
fn an_archive_that_lies_about_itself_is_refused_though_it_is_signed() {
    if !sandbox_or_skip("an_archive_that_lies_about_itself_is_refused_though_it_is_signed") {
        return;
    }
    // Without a file hash only the archive's own hash tells; the file is sound zstd with other content.
    let (one, public) = pusher();
    let cache = one.home().join("cache");
    change(&cache, ".narinfo", |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        let lines =
            text.lines().filter(|line| !line.starts_with("FileHash") && !line.starts_with("FileSize"));
        lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes()
    });
    change(&cache, ".nar.zst", |bytes| {
        let mut archive = zstd::decode_all(bytes.as_slice()).unwrap();
        let at = archive.windows(4).position(|window| window == b"self" || window == b"aaaa").unwrap();
        *archive.get_mut(at).unwrap() = b'b';
        zstd::encode_all(archive.as_slice(), 1).unwrap()
    });
    let other = puller(&public);
    let run = other.run(&["build", "--cache", &address(&one), "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("has the wrong hash"), "{}", run.stderr);
    assert_whole(&other, &run.success());
}

#[test]
fn what_was_built_without_a_sandbox_is_not_pushed_unasked() {
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    let refused =
        user.run(&["cache", "push", "--no-sandbox", "--to", "cache", "-f", "recipe.hpcl"]).failure(1);
    assert!(refused.contains("was built without a sandbox"), "{refused}");
    assert!(!user.home().join("cache").exists());
    user.run(&["cache", "push", "--no-sandbox", "--unsandboxed", "--to", "cache", "-f", "recipe.hpcl"])
        .success();
}

#[test]
fn another_stores_cache_is_not_asked() {
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &recipe());
    user.write("cache/nix-cache-info", "StoreDir: /nix/store\n");
    let shown = user.run(&["build", "-n", "--cache", &address(&user), "-f", "recipe.hpcl"]);
    assert!(
        shown.stderr.contains("is for stores at `/nix/store`, not for hpcl's; it is not asked"),
        "{}",
        shown.stderr
    );
    let gone = user.run(&["build", "-n", "--cache", "file:///nowhere", "-f", "recipe.hpcl"]);
    assert!(gone.stderr.contains("`file:///nowhere` is not a binary cache"), "{}", gone.stderr);
}

/// Serves a directory over HTTP, each connection in a thread; counts requests.
fn serve(directory: PathBuf) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let (directory, count) = (directory.clone(), Arc::clone(&count));
            std::thread::spawn(move || answer(&connection, &directory, &count));
        }
    });
    (url, asked)
}

fn answer(mut connection: &TcpStream, directory: &Path, count: &AtomicUsize) {
    let mut lines = BufReader::new(connection).lines();
    let Some(Ok(first)) = lines.next() else { return };
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    count.fetch_add(1, Ordering::SeqCst);
    let path = first.split(' ').nth(1).unwrap().trim_start_matches('/');
    let (status, body) = match fs::read(directory.join(path)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&body));
}

#[test]
fn a_cache_is_served_by_any_web_server() {
    if !sandbox_or_skip("a_cache_is_served_by_any_web_server") {
        return;
    }
    let (one, public) = pusher();
    let (url, asked) = serve(one.home().join("cache"));
    let other = puller(&public);
    let run = other.run(&["build", "--cache", &url, "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("fetched top-1 from http://127.0.0.1"), "{}", run.stderr);
    assert_whole(&other, &run.success());
    // The cache's description, and two items with a description and an archive each.
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

/// Damages a file of a store.
fn damage(file: &Path) {
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(file, "damaged").unwrap();
}

#[test]
fn what_is_damaged_is_fetched_or_built_again() {
    if !sandbox_or_skip("what_is_damaged_is_fetched_or_built_again") {
        return;
    }
    let (one, _) = pusher();
    let built = one.run(&["build", "-f", "recipe.hpcl"]).success();
    let top = place(&one, &built);
    let low = fs::read_link(top.join("low")).unwrap();
    damage(&top.join("text"));
    fs::set_permissions(&low, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::remove_dir_all(&low).unwrap();
    let told = one.run(&["verify"]);
    assert_eq!(told.code, 5);
    assert!(
        told.stderr.contains(": 2 problems\nhint: `hpcl verify --repair --cache URL` fetches"),
        "{}",
        told.stderr
    );
    // No key is trusted here: the registered hash is enough.
    let run = one.run(&["verify", "--repair", "--cache", &address(&one)]);
    assert!(run.stderr.contains(": 2 problems, 2 repaired"), "{}", run.stderr);
    assert_eq!(run.success().matches("  repaired from file://HOME/cache\n").count(), 2);
    assert_whole(&one, &built);
    assert!(one.run(&["verify"]).stderr.contains("nothing is wrong"));

    damage(&top.join("text"));
    let run = one.run(&["build", "--repair", "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("1 built"), "{}", run.stderr);
    assert_eq!(run.success(), built);
    assert!(one.run(&["verify"]).stderr.contains("nothing is wrong"));

    // A cache whose copy is another one repairs nothing.
    damage(&top.join("text"));
    change(&one.home().join("cache"), ".nar.zst", |bytes| bytes.get(..bytes.len() / 2).unwrap().to_vec());
    let run = one.run(&["verify", "--repair", "--cache", &address(&one)]);
    assert_eq!(run.code, 5);
    assert!(
        run.stderr.contains("has no copy of `") && run.stderr.contains("1 problem, 0 repaired"),
        "{}",
        run.stderr
    );
    assert_eq!(fs::read_to_string(top.join("text")).unwrap(), "damaged", "it is not worse than before");
}

/// A store that is served by `hpcl publish`; ended when dropped.
struct Published {
    process: std::process::Child,
    url: String,
}

impl Published {
    fn new(user: &TestEnvironment) -> Published {
        let mut command = user.command(&["publish", "--port", "0", "--key", "key", "--quiet"]);
        let mut process = command.stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let url = first.rsplit_once(" at ").unwrap().1.to_owned();
        // The rest is read so that writing it does not fail.
        std::thread::spawn(move || lines.for_each(drop));
        Published { process, url }
    }

    /// Sends bytes and gives all that comes back.
    fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_store_is_served_as_it_is() {
    if !sandbox_or_skip("a_store_is_served_as_it_is") {
        return;
    }
    let one = TestEnvironment::new();
    one.write("recipe.hpcl", &recipe());
    let public = one.run(&["cache", "keygen", "site-1", "-o", "key"]).success().trim().to_owned();
    let served = Published::new(&one);
    let other = puller(&public);
    let nothing = other.run(&["build", "-n", "--cache", &served.url, "-f", "recipe.hpcl"]).success();
    assert!(nothing.contains("; in no cache\n0 to fetch, 2 to build"), "{nothing}");
    // What is built after the server was started is served too.
    one.run(&["build", "-f", "recipe.hpcl"]).success();
    let run = other.run(&["build", "--cache", &served.url, "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("fetched top-1 from http://127.0.0.1"), "{}", run.stderr);
    assert!(!run.stderr.contains("building"), "{}", run.stderr);
    assert_whole(&other, &run.success());

    let two = served.raw(b"GET /nix-cache-info HTTP/1.1\r\n\r\nHEAD /nix-cache-info HTTP/1.1\r\n\r\n");
    assert_eq!(two.matches("HTTP/1.1 200 OK").count(), 2, "one connection, two answers: {two}");
    assert_eq!(two.matches("StoreDir: /hpcl/").count(), 1, "{two}");
    for (request, status) in [
        ("GET /../../etc/passwd HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("GET /nar/../x.nar.zst HTTP/1.1\r\n\r\n", "404 Not Found"),
        ("POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "405 Method Not Allowed"),
        ("\0\x01\r\n\r\n", "400 Bad Request"),
    ] {
        let answer = served.raw(request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
}

#[test]
fn what_is_damaged_or_was_not_isolated_is_not_served() {
    if !sandbox_or_skip("what_is_damaged_or_was_not_isolated_is_not_served") {
        return;
    }
    let one = TestEnvironment::new();
    one.write("recipe.hpcl", &recipe());
    let public = one.run(&["cache", "keygen", "site-1", "-o", "key"]).success().trim().to_owned();
    let built = one.run(&["build", "-f", "recipe.hpcl"]).success();
    let text = place(&one, &built).join("text");
    let served = Published::new(&one);
    damage(&text);
    let other = puller(&public);
    let run = other.run(&["build", "--cache", &served.url, "-f", "recipe.hpcl"]);
    assert!(run.stderr.contains("warning: no substitute for `top-1`"), "{}", run.stderr);
    assert!(run.stderr.contains("1 built"), "{}", run.stderr);
    assert_whole(&other, &run.success());
    let hasty = TestEnvironment::new();
    hasty.write("recipe.hpcl", &recipe());
    hasty.run(&["cache", "keygen", "site-1", "-o", "key"]).success();
    hasty.run(&["build", "--no-sandbox", "-f", "recipe.hpcl"]).success();
    let served = Published::new(&hasty);
    let run = puller(&public).run(&["build", "-n", "--cache", &served.url, "-f", "recipe.hpcl"]).success();
    assert!(run.contains("; in no cache\n0 to fetch, 2 to build"), "{run}");
}

/// A command of Nix's with our canonical store as its store, below a root of its own.
fn nix(root: &Path, arguments: &[&str]) -> std::process::Output {
    let store = hpcl::store_path::StoreDir::CANONICAL;
    Command::new("nix")
        .args(["--extra-experimental-features", "nix-command"])
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", root)
        .env("NIX_STORE_DIR", store.as_str())
        .env("NIX_STATE_DIR", root.join("var"))
        .env("NIX_LOG_DIR", root.join("log"))
        .env("NIX_CONF_DIR", root.join("conf"))
        .output()
        .unwrap()
}

#[test]
fn nix_reads_what_we_push() {
    if !sandbox_or_skip("nix_reads_what_we_push") {
        return;
    }
    if Command::new("nix").arg("--version").output().is_err() {
        eprintln!("SKIPPED nix_reads_what_we_push: Nix is not installed");
        return;
    }
    let (one, public) = pusher();
    let listed: serde_json::Value =
        serde_json::from_str(&one.run(&["cache", "list", "--json", "cache"]).success()).unwrap();
    let root = tempfile::tempdir().unwrap();
    for row in listed.as_array().unwrap() {
        let path =
            format!("{}/{}", hpcl::store_path::StoreDir::CANONICAL.as_str(), row["path"].as_str().unwrap());
        // The description, as Nix reads it.
        let told = nix(root.path(), &["path-info", "--store", &address(&one), "--json", &path]);
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
        let told = told.as_array().map_or_else(|| told[&path].clone(), |rows| rows[0].clone());
        assert_eq!(told["narHash"], row["narHash"], "{told}");
        assert_eq!(told["narSize"], row["narSize"], "{told}");
        // The archive unpacks to what its hash says, and the signature is good.
        let verified = nix(
            root.path(),
            &[
                "store",
                "verify",
                "--store",
                &address(&one),
                "--trusted-public-keys",
                &public,
                "--sigs-needed",
                "1",
                &path,
            ],
        );
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let stranger = "site-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let doubted = nix(
            root.path(),
            &[
                "store",
                "verify",
                "--store",
                &address(&one),
                "--trusted-public-keys",
                stranger,
                "--sigs-needed",
                "1",
                &path,
            ],
        );
        assert!(!doubted.status.success(), "Nix does check the signature");
    }
}
