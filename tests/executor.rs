//! Realising derivations: what succeeds, how failures look, what survives a kill.
//!
//! The builder here is a stand-in: this very program, started as `PROGRAM __build`, serves builds whose `code` is the name of a
//! scenario below, a Rust function that runs inside the sandbox. So these tests need neither the language nor a toolchain.
//! Where the kernel forbids namespaces they say so loudly and pass; `HPCL_REQUIRE_SANDBOX=1` turns that into a failure.

// Helpers outside test functions may fail loudly too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::indexing_slicing)]

mod support;

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use hpcl::{
    executor::{
        Action, BuildError, BuildResult, Event, ExecutorError, Observer, Options, Summary, Unobserved,
        Wanted, read_log, realise,
    },
    graph::{GraphBuilder, HashedGraph, NodeId, Piece, Template, Text},
    store::{GcOptions, LocalStore, StoreConfig, StoreError},
};
use support::scenario;

/// Serves builds when this program is started as `PROGRAM __build`; as a test it does nothing.
#[test]
fn __build() {
    if std::env::args().nth(1).as_deref() == Some("__build") {
        // The harness would swallow the messages of panics.
        std::panic::set_hook(Box::new(|panic| {
            let _ = writeln!(std::io::stderr(), "{panic}");
        }));
        hpcl::executor::serve(scenario::run).unwrap();
    }
}

fn sandbox_works() -> bool {
    let Err(missing) = hpcl::sandbox::available() else { return true };
    eprintln!("SKIPPED: no sandbox here: {missing:?}");
    assert!(std::env::var_os("HPCL_REQUIRE_SANDBOX").is_none(), "a sandbox is required");
    false
}

/// A store in a directory of its own and a graph under construction.
struct World {
    directory: tempfile::TempDir,
    builder: GraphBuilder,
}

impl World {
    fn new() -> World {
        World { directory: tempfile::tempdir().unwrap(), builder: GraphBuilder::new() }
    }

    /// Adds a derivation that runs a scenario and needs others.
    fn add(&mut self, name: &str, scenario: &str, needs: &[NodeId]) -> NodeId {
        let mut template = Template::new(name, "x86_64-linux", "builtin:hpcl-1");
        template.env.push(("code".into(), scenario.into()));
        let mut inputs = Text::new();
        for need in needs {
            inputs.push(Piece::Output(*need, hpcl::derivation::OutputName::out()));
            inputs.push_str(" ");
        }
        template.env.push(("inputs".into(), inputs));
        self.builder.add_node(template)
    }

    fn finish(self) -> Ready {
        let store = LocalStore::open(StoreConfig::at(self.directory.path()).unwrap()).unwrap();
        Ready { graph: self.builder.hash().unwrap(), store, directory: self.directory }
    }
}

struct Ready {
    graph: HashedGraph,
    store: LocalStore,
    directory: tempfile::TempDir,
}

fn options() -> Options {
    Options { max_jobs: 2, cores: 2, ..Options::new(std::env::current_exe().unwrap()) }
}

impl Ready {
    fn realise(&self, ids: &[NodeId]) -> Summary {
        self.realise_with(ids, &options(), &Unobserved)
    }

    fn realise_with(&self, ids: &[NodeId], options: &Options, observer: &dyn Observer) -> Summary {
        realise(&self.graph, &wanted(ids), &self.store, options, observer).unwrap()
    }

    fn is_valid(&self, id: NodeId) -> bool {
        self.store.is_valid(self.graph.node(id).output("out").unwrap()).unwrap()
    }

    fn read(&self, id: NodeId, file: &str) -> String {
        let path = self.store.local_path(self.graph.node(id).output("out").unwrap()).join(file);
        std::fs::read_to_string(path).unwrap()
    }

    /// Nothing may be in the store but valid items, and nothing may be left of the work.
    fn assert_clean(&self) {
        let valid: Vec<_> = self.store.items().unwrap().iter().map(|item| item.as_str().to_owned()).collect();
        let mut there: Vec<_> = std::fs::read_dir(self.store.local_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, valid);
        let report = self.store.verify(true).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        for session in std::fs::read_dir(self.store.var_dir().join("tmp")).unwrap() {
            // directories kept for further builds, empty
            for file in walkdir::WalkDir::new(session.unwrap().path()).min_depth(3) {
                panic!("left behind: {file:?}");
            }
        }
    }
}

fn wanted(ids: &[NodeId]) -> Vec<Wanted> {
    ids.iter().map(|id| Wanted { id: *id, outputs: [hpcl::derivation::OutputName::out()].into() }).collect()
}

/// The failure of one derivation.
fn failure(summary: &Summary, id: NodeId) -> &hpcl::executor::Failed {
    match &summary.results[&id] {
        BuildResult::Failed(failed) => failed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn builds_run_in_order_and_only_what_is_missing() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let left = world.add("left", "ok", &[base]);
    let right = world.add("right", "ok", &[base]);
    let top = world.add("top", "ok", &[left, right]);
    let world = world.finish();
    let summary = world.realise(&[top]);
    assert!(summary.is_success(), "{summary:?}");
    assert_eq!(summary.built, 4);
    let info = world.store.info(world.graph.node(top).output("out").unwrap()).unwrap();
    assert_eq!(info.references.len(), 2, "the outputs of left and right, which it mentions");
    assert!(info.sandboxed);
    assert!(world.realise(&[top, base]).results.is_empty(), "all is there");
    world.assert_clean();
}

#[test]
fn the_environment_is_fixed() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let show = world.add("show", "environment", &[]);
    let world = world.finish();
    assert!(world.realise(&[show]).is_success());
    let text = world.read(show, "environment");
    for line in [
        "HOME=/homeless-shelter",
        "TMPDIR=/build",
        "PWD=/build",
        "SOURCE_DATE_EPOCH=1",
        "LC_ALL=C",
        "TZ=UTC0",
        "PATH=/path-not-set",
        "HPCL_BUILD_CORES=2",
        "MAKEFLAGS=-j --jobserver-auth=3,4",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    let store = format!("HPCL_STORE_DIR={}", world.store.local_dir().display());
    assert!(text.contains(&store), "{text}");
    assert!(!text.contains("code="), "{text}");
}

#[test]
fn the_jobserver_reaches_every_build() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let token = world.add("token", "take a token", &[]);
    let world = world.finish();
    let summary = world.realise(&[token]);
    assert!(summary.is_success(), "{summary:?}");
}

#[test]
fn a_failure_says_phase_code_and_last_lines() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let bad = world.add("bad", "fail", &[]);
    let user = world.add("user", "ok", &[bad]);
    let other = world.add("other", "ok", &[]);
    let world = world.finish();
    let summary = world.realise(&[user, other]);
    let failed = failure(&summary, bad);
    assert_eq!(failed.error.to_string(), "the builder failed with exit code 3");
    assert_eq!(failed.phase.as_deref(), Some("build"));
    assert_eq!(failed.last_lines, ["one", "two", "three"]);
    let mut text = String::new();
    read_log(failed.log.as_ref().unwrap()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "@phase build start\none\ntwo\nthree\n");
    assert!(
        matches!(&summary.results[&user], BuildResult::DependencyFailed { dependency } if dependency == "bad")
    );
    assert!(world.is_valid(other), "another branch goes on: {summary:?}");
    world.assert_clean();
}

#[test]
fn fail_fast_stops_everything() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let bad = world.add("bad", "fail", &[]);
    let endless = world.add("endless", "sleep", &[]);
    let world = world.finish();
    let summary = world.realise_with(&[bad, endless], &Options { fail_fast: true, ..options() }, &Unobserved);
    assert!(matches!(summary.results[&endless], BuildResult::Cancelled), "{summary:?}");
    assert!(!summary.interrupted);
    world.assert_clean();
}

#[test]
fn a_flood_of_output_needs_no_memory() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let flood = world.add("flood", "flood", &[]);
    let world = world.finish();
    let summary = world.realise(&[flood]);
    let BuildResult::Realised(done) = &summary.results[&flood] else { panic!("{summary:?}") };
    let log = done.log.as_ref().unwrap();
    assert!(std::fs::metadata(log).unwrap().len() < 10 << 20, "the log is compressed");
    let mut bytes = 0;
    let mut log = read_log(log).unwrap();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match log.read(&mut buffer).unwrap() {
            0 => break,
            count => bytes += count,
        }
    }
    assert_eq!(bytes, 100 << 20);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 300 << 10, "{peak} kB");
}

#[test]
fn processes_left_behind_end_with_the_build() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let leave = world.add("leave", "leave processes", &[]);
    let world = world.finish();
    // Were they alive, the log's pipe would stay open and this would never return.
    assert!(world.realise(&[leave]).is_success());
    world.assert_clean();
}

#[test]
fn nothing_outside_can_be_written() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let outside = world.add("outside", "write outside", &[base]);
    let world = world.finish();
    let summary = world.realise(&[outside]);
    assert!(summary.is_success(), "{summary:?}");
    assert!(!std::path::Path::new("/tmp/hpcl-test-outside").exists());
    world.assert_clean();
}

#[test]
fn setuid_files_sockets_and_missing_outputs_are_refused() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let setuid = world.add("setuid", "setuid", &[]);
    let socket = world.add("socket", "socket", &[]);
    let nothing = world.add("nothing", "nothing", &[]);
    let world = world.finish();
    let summary = world.realise(&[setuid, socket, nothing]);
    assert_eq!(failure(&summary, setuid).last_lines, ["chmod: Operation not permitted (os error 1)"]);
    let text = failure(&summary, socket).error.to_string();
    assert!(text.contains("`s` of `socket` is a socket"), "{text}");
    let text = failure(&summary, nothing).error.to_string();
    assert_eq!(text, "the builder did not make output `out`");
    world.assert_clean();
}

#[test]
fn a_setuid_file_is_refused_without_a_sandbox_too() {
    let mut world = World::new();
    let setuid = world.add("setuid", "setuid", &[]);
    let world = world.finish();
    let options = Options { sandbox: false, ..options() };
    let summary = world.realise_with(&[setuid], &options, &Unobserved);
    let BuildError::Store(StoreError::Privileged { what, .. }) = failure(&summary, setuid).error else {
        panic!("{summary:?}")
    };
    assert_eq!(what, "setuid");
    world.assert_clean();
}

#[test]
fn without_a_sandbox_results_are_marked_and_leftovers_end_too() {
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let leave = world.add("leave", "leave processes", &[base]);
    let bad = world.add("bad", "half", &[]);
    let world = world.finish();
    let options = Options { sandbox: false, ..options() };
    let summary = world.realise_with(&[leave, bad], &options, &Unobserved);
    assert!(world.is_valid(leave), "{summary:?}");
    let info = world.store.info(world.graph.node(base).output("out").unwrap()).unwrap();
    assert!(!info.sandboxed);
    assert!(!world.is_valid(bad));
    world.assert_clean();
    let again = realise(
        &world.graph,
        &wanted(&[leave]),
        &world.store,
        &Options { check: true, ..options },
        &Unobserved,
    );
    assert!(matches!(again, Err(ExecutorError::CheckWithoutSandbox)));
}

#[test]
fn limits_of_time_end_a_build() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let sleep = world.add("sleep", "sleep", &[]);
    let world = world.finish();
    let soon = Some(Duration::from_millis(50));
    let summary = world.realise_with(&[sleep], &Options { timeout: soon, ..options() }, &Unobserved);
    assert!(matches!(failure(&summary, sleep).error, BuildError::Timeout { .. }));
    let summary = world.realise_with(&[sleep], &Options { max_silent: soon, ..options() }, &Unobserved);
    assert!(matches!(failure(&summary, sleep).error, BuildError::Silent { .. }));
    world.assert_clean();
}

#[test]
fn building_again_compares() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let base = world.add("base", "ok", &[]);
    let same = world.add("same", "ok", &[base]);
    let random = world.add("random", "random", &[]);
    let world = world.finish();
    assert!(world.realise(&[same, random]).is_success());
    let before = world.read(random, "file");
    let summary = world.realise_with(&[same, random], &Options { check: true, ..options() }, &Unobserved);
    assert!(summary.results[&same].is_success(), "{summary:?}");
    assert!(!summary.results.contains_key(&base), "only what was asked for is built again");
    let BuildError::Different { first, kept, .. } = &failure(&summary, random).error else {
        panic!("{summary:?}")
    };
    assert!(first.starts_with("`file` "), "{first}");
    assert_ne!(std::fs::read_to_string(kept.join("file")).unwrap(), before);
    assert_eq!(world.read(random, "file"), before, "the store keeps the first");
    world.assert_clean();
}

#[test]
fn a_failed_build_is_kept_when_asked_for() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let bad = world.add("bad", "half", &[]);
    let world = world.finish();
    let summary = world.realise_with(&[bad], &Options { keep_failed: true, ..options() }, &Unobserved);
    let kept = failure(&summary, bad).kept.as_ref().unwrap();
    assert_eq!(std::fs::read_to_string(kept.directory.join("build/work")).unwrap(), "unfinished");
    assert!(kept.command.ends_with(&format!(" __enter {}", kept.directory.display())), "{}", kept.command);
    world.assert_clean();
}

/// Remembers events as text.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Observer for Recorder {
    fn observe(&self, event: Event<'_>) {
        let text = match event {
            Event::Planned(plan) => format!("planned {}", plan.build.len()),
            Event::Started { name, action: Action::Build, .. } => format!("started {name}"),
            Event::Phase { phase, .. } => format!("phase {phase}"),
            Event::Line { line, .. } => format!("line {line}"),
            Event::Finished { name, result, .. } => format!("finished {name} {}", result.is_success()),
            Event::Waiting { name, .. } => format!("waiting {name}"),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(text);
    }
}

#[test]
fn events_tell_the_story() {
    if !sandbox_works() {
        return;
    }
    let mut world = World::new();
    let bad = world.add("bad", "fail", &[]);
    let user = world.add("user", "ok", &[bad]);
    let world = world.finish();
    let recorder = Recorder::default();
    world.realise_with(&[user], &options(), &recorder);
    assert_eq!(
        *recorder.0.lock().unwrap(),
        [
            "planned 2",
            "started bad",
            "phase build",
            "line one",
            "line two",
            "line three",
            "finished bad false",
            "finished user false"
        ]
    );
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

struct Child {
    process: std::process::Child,
    mark: String,
}

impl Child {
    fn start(directory: &std::path::Path, scenario: &str) -> Child {
        let mark = format!("{}-{scenario}", directory.display());
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process", "--test-threads=1", "--nocapture"])
            .env(CHILD, directory)
            .env("HPCL_TEST_SCENARIO", scenario)
            .env("HPCL_TEST_MARK", &mark)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Child { process, mark }
    }

    /// Processes that were started by this child or below it, itself included.
    fn family(&self) -> usize {
        let entry = format!("HPCL_TEST_MARK={}", self.mark);
        std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|process| std::fs::read(process.ok()?.path().join("environ")).ok())
            .filter(|environment| environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes()))
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
