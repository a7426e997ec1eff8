//! What ends builds from outside: signals, other processes, full disks, kernels without namespaces.
//!
//! Each test starts this program again as a whole process that builds in a store of its own; see `tests/executor.rs` for the
//! stand-in of the builder.

// Helpers outside test functions may fail loudly too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::indexing_slicing)]

mod support;

use std::{
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use hpcl::{
    executor::{Options, Unobserved, realise},
    store::{GcOptions, LocalStore, StoreConfig},
};
use support::{Recorder, World, failure, options, sandbox_works, wanted};

#[test]
fn __build() {
    support::serve_if_asked();
}

/// A whole process that builds `sleep` and `base`, for tests that end it from outside.
const CHILD: &str = "HPCL_TEST_CHILD";

/// When started by another test: builds in the store named by the variable, and exits as `hpcl build` would.
#[test]
fn child_process() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let scenario = std::env::var("HPCL_TEST_SCENARIO").unwrap();
    let mut builder = World::new();
    let base = builder.add("base", "ok", &[]);
    let top = builder.add("top", &scenario, &[base]);
    let graph = builder.builder.hash().unwrap();
    let store = LocalStore::open(StoreConfig::at(directory.as_ref()).unwrap()).unwrap();
    let recorder = Recorder::default();
    let summary = realise(&graph, &wanted(&[top]), &store, &options(), &recorder).unwrap();
    let waited = recorder.0.lock().unwrap().iter().any(|event| event.starts_with("waiting"));
    let code = match (summary.interrupted, summary.is_success()) {
        (true, _) => 130,
        (false, true) => i32::from(summary.built > 0 && !waited),
        (false, false) => 4,
    };
    // Not by `exit`, which would run the harness's ends.
    drop(store);
    std::io::stdout().flush().unwrap();
    // SAFETY: no preconditions.
    unsafe { nix::libc::_exit(if code == 1 { 10 } else { code }) };
}

static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

struct Child {
    process: std::process::Child,
    /// A copy of this program, which nobody else runs.
    program: std::path::PathBuf,
}

impl Child {
    fn start(directory: &std::path::Path, scenario: &str) -> Child {
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let program = directory.join(format!("program-{number}"));
        std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new(&program);
        command
            .args(["--exact", "child_process", "--test-threads=1", "--nocapture"])
            .env(CHILD, directory)
            .env("HPCL_TEST_SCENARIO", scenario)
            .stdout(Stdio::null());
        // A process that another test has just forked may hold the copy open for writing until its own `exec`.
        let mut process = None;
        until("the end of every writer of the copy", || match command.spawn() {
            Ok(child) => {
                process = Some(child);
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ExecutableFileBusy, "{error}");
                false
            }
        });
        Child { process: process.unwrap(), program }
    }

    /// Processes that run the copy: this child, its zygote, the builds forked from it.
    fn family(&self) -> usize {
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|process| std::fs::read_link(process.ok()?.path().join("exe")).ok())
            .filter(|program| *program == self.program)
            .count()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

/// Waits for something that happens soon.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} never happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts a process that sleeps in a build, waits until it does, lets `end` end it, and checks what is left.
fn ended_by(signal: nix::sys::signal::Signal, code: Option<i32>) {
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let top = world.add("top", "sleep", &[base]);
    let world = world.finish();
    let mut child = Child::start(world.directory.path(), "sleep");
    // the process, its zygote, process 1 of the build, the builder
    until("the build", || world.is_valid(base) && child.family() >= 4);
    child.signal(signal);
    let status = child.process.wait().unwrap();
    assert_eq!(status.code(), code);
    until("the end of every process", || child.family() == 0);
    world.store.gc(GcOptions::default()).unwrap();
    assert!(!world.is_valid(top));
    world.assert_clean();
    let summary = world.realise_with(&[base], &options(), &Unobserved);
    assert!(summary.is_success());
    assert!(world.is_valid(base));
}

#[test]
fn kill_9_leaves_no_process_and_a_whole_store() {
    if sandbox_works() {
        ended_by(nix::sys::signal::Signal::SIGKILL, None);
    }
}

#[test]
fn ctrl_c_ends_in_good_order() {
    if sandbox_works() {
        ended_by(nix::sys::signal::Signal::SIGINT, Some(130));
    }
}

#[test]
fn two_processes_build_once() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let top = world.add("top", "slow", &[base]);
    let world = world.finish();
    let mut children: Vec<_> = (0..2).map(|_| Child::start(world.directory.path(), "slow")).collect();
    let mut codes: Vec<_> =
        children.iter_mut().map(|child| child.process.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    // 10: built it all; 0: waited, or came when all was there
    assert!(codes == [0, 10] || codes == [0, 0], "{codes:?}");
    assert_eq!(world.read(top, "count").lines().count(), 1);
    world.assert_clean();
}

/// Runs one of the tests below again as the root of a user namespace of its own; answers what it printed, or nothing where that cannot
/// be done.
fn in_a_namespace(test: &str) -> Option<String> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount"]);
        command
    };
    let can = unshare().arg("true").output();
    if !can.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED {test}: no user namespace to test in: {can:?}");
        return None;
    }
    let output = unshare()
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads=1", "--nocapture"])
        .env(NAMESPACE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    Some(text.into_owned())
}

const NAMESPACE: &str = "HPCL_TEST_NAMESPACE";

#[test]
fn a_build_that_fills_the_disk_is_told_apart() {
    if std::env::var_os(NAMESPACE).is_none() {
        if sandbox_works() {
            in_a_namespace("a_build_that_fills_the_disk_is_told_apart");
        }
        return;
    }
    let mut world = World::new();
    let small = world.add("small", "ok", &[]);
    let big = world.add("big", "fill the disk", &[small]);
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", world.directory.path(), "tmpfs", flags, Some(c"size=4m")).unwrap();
    let world = world.finish();
    let summary = world.realise(&[big]);
    let failed = failure(&summary, big);
    assert!(failed.disk_full, "{failed:?}");
    assert_eq!(failed.last_lines, ["cc: error: No space left on device"]);
    let text = hpcl::report::summary_text(&world.graph, &summary);
    assert!(text.contains("hint: the disk is full: make room, for instance with `hpcl gc`"), "{text}");
    world.assert_clean();
    assert!(world.realise(&[small]).is_success(), "there is room again");
}

#[test]
fn without_namespaces_a_build_is_refused_with_the_reason() {
    if std::env::var_os(NAMESPACE).is_none() {
        in_a_namespace("without_namespaces_a_build_is_refused_with_the_reason");
        return;
    }
    std::fs::write("/proc/sys/user/max_user_namespaces", "0").unwrap();
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let world = world.finish();
    let refused = realise(&world.graph, &wanted(&[base]), &world.store, &options(), &Unobserved).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "this machine does not allow sandboxed builds: no user namespaces: \
         `/proc/sys/user/max_user_namespaces` is 0 (the administrator can set it to 15000)"
    );
    assert!(refused.hint().unwrap().contains("`--no-sandbox`"));
    let options = Options { sandbox: false, ..options() };
    assert!(world.realise_with(&[base], &options, &Unobserved).is_success());
    let info = world.store.info(world.graph.node(base).output("out").unwrap()).unwrap();
    assert!(!info.sandboxed);
}

#[test]
fn a_kept_directory_can_be_entered() {
    let mut world = World::new();
    let bad = world.add("bad", "half", &[]);
    let world = world.finish();
    let enter = |sandbox, command: &[&str]| {
        let options = Options { sandbox, keep_failed: true, ..options() };
        let summary = world.realise_with(&[bad], &options, &Unobserved);
        let kept = failure(&summary, bad).kept.clone().unwrap();
        Command::new(env!("CARGO_BIN_EXE_hpcl"))
            .arg("__enter")
            .arg(kept.directory)
            .args(command)
            .output()
            .unwrap()
    };
    let plain =
        enter(false, &["/bin/sh", "-c", "read text < work; echo $text; echo $HPCL_BUILD_CORES; exit 7"]);
    assert_eq!(plain.status.code(), Some(7), "{plain:?}");
    assert_eq!(String::from_utf8_lossy(&plain.stdout), "unfinished\n2\n", "{plain:?}");
    if sandbox_works() {
        let none = enter(true, &[]);
        let text = String::from_utf8_lossy(&none.stderr);
        assert!(text.contains("the build had no shell; name a program of its inputs"), "{text}");
        // nothing of the host is there to run
        let host = enter(true, &["/bin/sh", "-c", "true"]);
        assert_eq!(host.status.code(), Some(127), "{host:?}");
    }
}
