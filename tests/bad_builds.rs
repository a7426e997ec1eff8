//! Builds and downloads that go wrong: each shows its message, whole, and leaves the store intact.
//!
//! The program is the real one, in a home of its own; recipes use the trivial build system, whose builder needs no
//! toolchain, and servers are of this process. "Intact" means that `hpcl verify` finds nothing, that what was built before is
//! still there, and that a sound package builds afterwards.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::{
    io::Read,
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use common::{TestEnvironment, sandbox_or_skip, trivial_package_of};

/// A package with a builder and a source.
fn package(name: &str, builder: &str, source: &str) -> String {
    let package = trivial_package_of(&format!("\"{name}\""), &format!("#~{builder}"), source);
    format!(
        "(use-modules (guix packages) (guix gexp) (guix download) (guix build-system trivial))\n\n{package}"
    )
}

fn origin(uri: &str) -> String {
    format!(
        "(origin\n            (method url-fetch)\n            (uri \"{uri}\")\n            (sha256 (base32 \
         \"0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i\")))"
    )
}

const SOUND: &str = "(call-with-output-file #$output (lambda (port) (display \"sound\" port)))";

/// A home with a sound package built in it.
struct World(TestEnvironment);

impl World {
    fn new() -> World {
        let environment = TestEnvironment::new();
        environment.write("sound.hpcl", &package("sound", SOUND, "#f"));
        environment.run(&["build", "-f", "sound.hpcl"]).success();
        World(environment)
    }

    /// Builds a package that must fail, and returns what is shown with times and hashes taken out.
    fn failure(&self, text: &str) -> String {
        self.0.write("bad.hpcl", text);
        let shown = self.0.run(&["build", "-f", "bad.hpcl"]).failure(4);
        self.assert_intact();
        normalise(&shown)
    }

    fn assert_intact(&self) {
        self.0.run(&["verify"]).success();
        let again = self.0.run(&["build", "-f", "sound.hpcl"]).success();
        assert_eq!(
            std::fs::read_to_string(again.trim().replace("HOME", &self.0.home().display().to_string()))
                .unwrap(),
            "sound"
        );
        self.0.write("next.hpcl", &package("next", &SOUND.replace("sound", "next"), "#f"));
        self.0.run(&["build", "-f", "next.hpcl"]).success();
    }
}

fn normalise(text: &str) -> String {
    let hashes = regex::Regex::new("[0-9a-df-np-sv-z]{32}-").unwrap().replace_all(text, "HASH-").into_owned();
    let logs = regex::Regex::new("log/[0-9a-z]{2}/[0-9a-z]{30}-")
        .unwrap()
        .replace_all(&hashes, "log/HASH-")
        .into_owned();
    let times = regex::Regex::new(r"in [0-9.]+ s").unwrap().replace_all(&logs, "in TIME").into_owned();
    regex::Regex::new("127.0.0.1:[0-9]+").unwrap().replace_all(&times, "127.0.0.1:PORT").into_owned()
}

#[test]
fn a_build_that_fails_shows_where_and_its_last_lines() {
    if sandbox_or_skip("a_build_that_fails_shows_where_and_its_last_lines") {
        let builder = "(begin (display \"this far\\n\") (error \"no such luck:\" 42))";
        insta::assert_snapshot!(World::new().failure(&package("bad", builder, "#f")));
    }
}

#[test]
fn a_build_without_its_output_is_refused() {
    if sandbox_or_skip("a_build_without_its_output_is_refused") {
        insta::assert_snapshot!(World::new().failure(&package("bad", "(display \"done\\n\")", "#f")));
    }
}

#[test]
fn a_build_cannot_write_outside() {
    if sandbox_or_skip("a_build_cannot_write_outside") {
        let world = World::new();
        for place in ["/etc/evil", "/evil", "/proc/sys/kernel/hostname"] {
            let builder = format!("(call-with-output-file \"{place}\" (lambda (port) (display \"x\" port)))");
            let shown = world.failure(&package("bad", &builder, "#f"));
            assert!(shown.contains(&format!("`open-file`: `{place}`: ")), "{shown}");
            if place == "/etc/evil" {
                insta::assert_snapshot!(shown);
            }
        }
    }
}

#[test]
fn a_build_cannot_change_its_inputs() {
    if sandbox_or_skip("a_build_cannot_change_its_inputs") {
        let world = World::new();
        let text = package("bad", "(chmod #$sound #o644)", "#f").replace(
            "(package\n  (name \"bad\")",
            &format!(
                "(define sound\n  {})\n\n(package\n  (name \"bad\")",
                package("sound", SOUND, "#f").split_once("\n\n").unwrap().1.trim()
            ),
        );
        let shown = world.failure(&text);
        assert!(shown.contains("read-only file system"), "{shown}");
    }
}

#[test]
fn a_setuid_file_is_refused() {
    if sandbox_or_skip("a_setuid_file_is_refused") {
        let builder = "(begin\n  (call-with-output-file #$output (lambda (port) (display \"x\" port)))\n  (chmod #$output #o4755))";
        insta::assert_snapshot!(World::new().failure(&package("bad", builder, "#f")));
    }
}

#[test]
fn a_hundred_megabytes_of_output_leave_a_small_log() {
    if sandbox_or_skip("a_hundred_megabytes_of_output_leave_a_small_log") {
        let world = World::new();
        let builder = "(let ((line (make-string 9999 #\\x)))\n  (let loop ((n 0))\n    (when (< n 10000)\n      \
                       (display line) (newline)\n      (loop (+ n 1))))\n  (error \"enough\"))";
        let shown = world.failure(&package("bad", builder, "#f"));
        // The last lines are shown, and none of them at its full length.
        assert!(shown.contains("enough") && shown.len() < 100_000, "{} bytes are shown", shown.len());
        let drv = shown.rsplit_once("log: ").unwrap().1;
        assert!(drv.contains("bad-1.drv"), "{drv}");
        let log = world.0.run(&["log", "-f", "bad.hpcl"]).success();
        assert!(log.len() > 99_000_000, "{} bytes", log.len());
    }
}

#[test]
fn a_wrong_hash_shows_both() {
    let world = World(TestEnvironment::new());
    let file = world.0.write("source-1.tar", "not what was pinned");
    let shown = {
        world.0.write(
            "bad.hpcl",
            &package(
                "bad",
                "(begin #$source (mkdir #$output))",
                &origin(&format!("file://{}", file.display())),
            )
            .replace("#$source", "#f"),
        );
        let shown = world.0.run(&["build", "-f", "bad.hpcl"]).failure(4);
        world.0.run(&["verify"]).success();
        normalise(&shown)
    };
    insta::assert_snapshot!(shown);
}

#[test]
fn without_a_network_the_address_and_the_reason_are_shown() {
    let world = World(TestEnvironment::new());
    // A port on which nobody listens: it was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let uri = format!("http://127.0.0.1:{port}/source-1.tar");
    world.0.write("bad.hpcl", &package("bad", "(mkdir #$output)", &origin(&uri)));
    let shown = world.0.run(&["build", "-f", "bad.hpcl"]).failure(4);
    world.0.run(&["verify"]).success();
    insta::assert_snapshot!(normalise(&shown));
}

#[test]
fn a_mirror_that_hangs_is_given_up() {
    let world = World(TestEnvironment::new());
    world.0.write(".config/hpcl/config.toml", "[fetch]\nstall-timeout = 1\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        // Accepts, reads, and never answers; the connections stay open until the test ends.
        let open: Vec<_> = listener.incoming().map_while(Result::ok).collect();
        drop(open);
    });
    let uri = format!("http://127.0.0.1:{port}/source-1.tar");
    world.0.write("bad.hpcl", &package("bad", "(mkdir #$output)", &origin(&uri)));
    let shown = world.0.run(&["build", "-f", "bad.hpcl"]).failure(4);
    world.0.run(&["verify"]).success();
    insta::assert_snapshot!(normalise(&shown));
}

/// A builder that says that it runs and then waits until a file appears in its directory, which never does.
const ENDLESS: &str =
    "(begin\n  (display \"waiting\\n\")\n  (let loop () (if (file-exists? \"never\") #t (loop))))";

/// Starts a build of `bad.hpcl` and waits until its builder speaks.
fn started(world: &World) -> std::process::Child {
    let mut command: Command = world.0.command(&["build", "--verbose", "-f", "bad.hpcl"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    let started = Instant::now();
    let errors = child.stderr.as_mut().unwrap();
    while !said.contains("waiting") {
        let mut byte = [0];
        assert!(errors.read(&mut byte).unwrap() == 1, "it ended early: {said}");
        said.push(char::from(byte[0]));
        assert!(started.elapsed() < Duration::from_secs(120), "{said}");
    }
    child
}

#[test]
fn kill_9_in_the_middle_leaves_the_store_intact() {
    if sandbox_or_skip("kill_9_in_the_middle_leaves_the_store_intact") {
        let world = World::new();
        world.0.write("bad.hpcl", &package("bad", ENDLESS, "#f"));
        let mut child = started(&world);
        child.kill().unwrap();
        child.wait().unwrap();
        world.assert_intact();
        let collected = world.0.run(&["gc"]);
        assert!(collected.stderr.contains("leftovers"), "{}", collected.stderr);
        world.0.run(&["verify"]).success();
    }
}

#[test]
fn two_at_once_wait_for_each_other() {
    if sandbox_or_skip("two_at_once_wait_for_each_other") {
        let world = World::new();
        // Long enough that the second begins while the first builds.
        let builder = "(begin\n  (display \"waiting\\n\")\n  (let loop ((n 0)) (if (< n 3000000) (loop (+ n 1))))\n  (mkdir #$output))";
        world.0.write("bad.hpcl", &package("slow", builder, "#f"));
        let mut first = started(&world);
        let second = world.0.run(&["build", "-f", "bad.hpcl"]);
        // Its errors are read to the end, lest it waits for a reader.
        let mut rest = String::new();
        first.stderr.as_mut().unwrap().read_to_string(&mut rest).unwrap();
        assert!(first.wait().unwrap().success(), "{rest}");
        assert_eq!(second.code, 0, "{}", second.stderr);
        let ways = ["waiting for another hpcl", "1 built", "0 to build"];
        assert!(
            ways.iter().any(|way| second.stderr.contains(way)) || second.stderr.is_empty(),
            "{}",
            second.stderr
        );
        world.assert_intact();
    }
}
