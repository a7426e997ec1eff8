//! Realising derivations: what succeeds, how failures look, what survives a kill.
//!
//! The builder here is a stand-in: this very program, started as `PROGRAM __build`, serves builds whose `code` is the name of a
//! scenario below, a Rust function that runs inside the sandbox. So these tests need neither the language nor a toolchain.
//! Where the kernel forbids namespaces they say so loudly and pass; `HPCL_REQUIRE_SANDBOX=1` turns that into a failure.

// Helpers outside test functions may fail loudly too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::indexing_slicing)]

mod support;

use std::{io::Read, time::Duration};

use hpcl::{
    executor::{BuildError, BuildResult, ExecutorError, Options, Unobserved, read_log, realise},
    store::StoreError,
};
use support::{Recorder, World, failure, options, sandbox_works, wanted};

#[test]
fn __build() {
    support::serve_if_asked();
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
