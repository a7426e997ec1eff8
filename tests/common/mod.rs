//! What the integration tests share: a hermetic environment around the `hpcl` program.
//!
//! Each test has its own home, store and configuration; nothing of the environment that runs the tests is inherited but
//! what the test names. Paths in what is printed are normalised, so that snapshots hold everywhere.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests; no test file uses all of them"
)]

pub mod http;
pub mod origin;
pub mod packed;
pub mod python_index;
pub mod real_store;
pub mod sshd;

use std::{
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A home directory with nothing in it.
pub struct TestEnvironment {
    directory: tempfile::TempDir,
}

/// What a run of the program gave.
#[derive(Debug)]
pub struct Run {
    /// The exit code; 128 and more for a signal.
    pub code: i32,
    /// Standard output, normalised.
    pub stdout: String,
    /// Standard error, normalised.
    pub stderr: String,
}

impl TestEnvironment {
    /// Makes a home. It lies below `/tmp` by a short path, since a store's path has 59 characters.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("hpcl-").rand_bytes(8).tempdir_in("/tmp").unwrap();
        TestEnvironment { directory }
    }

    /// The home directory.
    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file below the home directory and returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.home().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Returns a command that runs `hpcl` in the home directory with a cleared environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_hpcl")), arguments)
    }

    /// The same with another program.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs `hpcl`.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.finish(self.command(arguments))
    }

    /// Runs a command and normalises what it prints.
    pub fn finish(&self, mut command: Command) -> Run {
        use std::os::unix::process::ExitStatusExt;
        let output = command.output().unwrap();
        let status = output.status;
        Run {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.normalise(&output.stdout),
            stderr: self.normalise(&output.stderr),
        }
    }

    fn normalise(&self, text: &[u8]) -> String {
        String::from_utf8_lossy(text).replace(&self.home().display().to_string(), "HOME")
    }
}

impl Run {
    /// Requires success and returns standard output.
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// Requires an exit code and returns standard error.
    pub fn failure(self, code: i32) -> String {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Whether builds can be isolated here; says loudly what is skipped when not.
pub fn sandbox_or_skip(test: &str) -> bool {
    let works = hpcl::sandbox::available().is_ok();
    if !works {
        eprintln!("SKIPPED {test}: user namespaces are not available on this machine");
    }
    works
}

/// Evaluates each expression with the modules imported, in one run, and compares what is printed.
pub fn check_values(modules: &str, cases: &[(&str, &str)]) {
    let environment = TestEnvironment::new();
    let list: Vec<&str> = cases.iter().map(|(expression, _)| *expression).collect();
    let expected: Vec<&str> = cases.iter().map(|(_, value)| *value).collect();
    let text = format!("(use-modules {modules})\n(list {})\n", list.join("\n      "));
    environment.write("expressions.hpcl", &text);
    let printed = environment.run(&["eval", "expressions.hpcl"]).success();
    assert_eq!(printed.trim_end(), format!("({})", expected.join(" ")));
}

/// The text of a `package` record that the trivial build system builds, version 1 without a source.
///
/// `name` and `builder` are expressions of the language; `builder` has one for the builder side in `#~`.
pub fn trivial_package(name: &str, builder: &str) -> String {
    trivial_package_of(name, builder, "#f")
}

/// As `trivial_package`, with an expression for the source.
pub fn trivial_package_of(name: &str, builder: &str, source: &str) -> String {
    format!(
        "(package\n  (name {name})\n  (version \"1\")\n  (source {source})\n  (build-system trivial-build-system)\n  \
         (arguments\n   (list #:builder\n         {builder}))\n  (synopsis \"A\")\n  (description \"A\")\n  \
         (home-page #f)\n  (license #f))\n"
    )
}

/// A program whose value is the package `top`, a directory with a link to the package `low`, a file with the text of an expression.
pub fn two_packages(text: &str) -> String {
    let link = "(symlink #$low (string-append #$output \"/low\"))";
    two_packages_of(text, &trivial_package("\"top\"", &format!("#~(begin (mkdir #$output) {link})")))
}

/// The same with another package instead of `top`, which may name `low`.
pub fn two_packages_of(text: &str, top: &str) -> String {
    let write = format!("#~(call-with-output-file #$output (lambda (port) (display {text} port)))");
    let low = trivial_package("\"low\"", &write);
    format!(
        "(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n\n(define low\n  {low})\n\n{top}"
    )
}

/// The module `(chain)` with the packages `low`, `middle` and `top`, each built by `builder` with the one before as `input`.
pub fn chain(builder: &str) -> String {
    chain_of(&trivial_package("name", builder), "nothing")
}

/// The same with another package as each link, an expression with `name` and `input`, and what `low` has as `input`.
pub fn chain_of(link: &str, low: &str) -> String {
    format!(
        "(define-module (chain)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module (guix build-system trivial))

(define (link name input)
  {link})

(define-public low (link \"low\" \"{low}\"))
(define-public middle (link \"middle\" low))
(define-public top (link \"top\" middle))
"
    )
}

/// A process that is ended with the test.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port of this machine on which nobody listens.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server and waits until it listens on that port.
pub fn serve(command: &mut Command, port: u16) -> Ended {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Ended(command.spawn().unwrap());
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    process
}
