//! Sessions of other machines, and file systems without locks: nothing in use is collected, and each item is built whole.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    collections::BTreeSet,
    fs::{self, File, FileTimes},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use common::{TestEnvironment, sandbox_or_skip, trivial_package};
use hpcl::store::{GcOptions, LocalStore, StoreConfig};

fn set_age(file: &Path, age: Duration) {
    let then = SystemTime::now().checked_sub(age).unwrap();
    File::options().write(true).open(file).unwrap().set_times(FileTimes::new().set_modified(then)).unwrap();
}

#[test]
fn what_another_machine_uses_stays_until_its_lease_runs_out() {
    let place = tempfile::tempdir().unwrap();
    let config = StoreConfig::at(place.path()).unwrap();
    let item = LocalStore::open(config.clone()).unwrap().add_text("used", b"x", &BTreeSet::new()).unwrap();
    let store = LocalStore::open(config).unwrap();
    // Its locks are not seen here, as with `localflock`: to this machine nobody holds the file.
    let session = store.var_dir().join("sessions/node17-0123abcd-42-0");
    let work = store.var_dir().join("tmp/node17-0123abcd-42-0");
    fs::write(&session, format!("{item}\n")).unwrap();
    fs::create_dir(&work).unwrap();
    for (age, alive) in [(0, true), (3000, true), (4000, false)] {
        set_age(&session, Duration::from_secs(age));
        let report = store.gc(GcOptions::default()).unwrap();
        assert_eq!(report.deleted.is_empty(), alive, "{age}");
        assert_eq!(
            (store.is_valid(&item).unwrap(), session.exists(), work.exists()),
            (alive, alive, alive),
            "{age}"
        );
    }
}

#[test]
fn a_dead_process_of_this_machine_holds_nothing() {
    let place = tempfile::tempdir().unwrap();
    let config = StoreConfig::at(place.path()).unwrap();
    let store = LocalStore::open(config.clone()).unwrap();
    let item = LocalStore::open(config).unwrap().add_text("used", b"x", &BTreeSet::new()).unwrap();
    // The name that a session of this process has, with the number of one that cannot be.
    store.work_path("x").unwrap();
    let own = fs::read_dir(store.var_dir().join("sessions")).unwrap().next().unwrap().unwrap().file_name();
    let machine = own.to_str().unwrap().rsplitn(3, '-').last().unwrap().to_owned();
    let session = store.var_dir().join("sessions").join(format!("{machine}-99999999-0"));
    fs::write(&session, format!("{item}\n")).unwrap();
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [item]);
    assert!(!session.exists());
}

#[test]
fn an_open_shell_renews_its_lease_on_a_shared_file_system() {
    if !sandbox_or_skip("an_open_shell_renews_its_lease_on_a_shared_file_system") {
        return;
    }
    let user = TestEnvironment::new();
    let package = trivial_package("\"tool\"", "#~(mkdir #$output)");
    let modules = "(use-modules (guix packages) (guix gexp) (guix build-system trivial))";
    user.write("recipe.hpcl", &format!("{modules}\n{package}"));
    user.run(&["build", "-f", "recipe.hpcl"]).success();
    let mut command = user.command(&["shell", "-f", "recipe.hpcl", "--", "sleep", "1000"]);
    command.env("HPCL_STORE_SHARED", "1");
    let mut shell = command.spawn().unwrap();
    // Who renews is a process of its own, and no child that the shell's program could wait for.
    let watchers = || -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            if line.contains("__lease --stay") && line.contains(&user.home().display().to_string()) {
                let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
                let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap_or("0");
                found.push((id, parent.trim().parse().unwrap()));
            }
        }
        found
    };
    let wait_for = |what: &str, done: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait_for("nobody renews", &|| watchers().iter().any(|(_, parent)| *parent != shell.id()));
    let session = fs::read_dir(var_of(&user).join("sessions")).unwrap().next().unwrap().unwrap().path();
    // With the shell's lock out of sight, the renewed lease alone keeps what it uses.
    wait_for("the lease is not renewed", &|| {
        session
            .metadata()
            .unwrap()
            .modified()
            .unwrap()
            .elapsed()
            .is_ok_and(|age| age < Duration::from_secs(60))
    });
    let collected = user.run(&["gc"]);
    assert!(collected.stderr.contains("deleted 0 items"), "{}", collected.stderr);
    shell.kill().unwrap();
    shell.wait().unwrap();
    wait_for("who renews outlives the shell", &|| watchers().is_empty());
    assert!(!user.run(&["gc"]).stderr.contains("deleted 0 items"));
}

fn var_of(user: &TestEnvironment) -> PathBuf {
    let path = user.run(&["store", "path"]).success();
    PathBuf::from(path.trim().replace("HOME", &user.home().display().to_string())).with_file_name("var")
}

#[test]
fn without_locks_it_says_so_and_stays_safe() {
    const TEST: &str = "without_locks_it_says_so_and_stays_safe";
    if !sandbox_or_skip(TEST) {
        return;
    }
    let user = TestEnvironment::new();
    // A C library whose `flock` fails as that of a file system without locks does.
    let source = user
        .write("nolocks.c", "#include <errno.h>\nint flock (int f, int o) { errno = ENOLCK; return -1; }\n");
    let library = user.home().join("nolocks.so");
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    if !made.is_ok_and(|status| status.success()) {
        return eprintln!("SKIPPED {TEST}: there is no C compiler here");
    }
    let packages: String = (0..6)
        .map(|number| {
            let package = trivial_package(&format!("\"p{number}\""), "#~(mkdir #$output)");
            format!("(define-public p{number} {package})\n")
        })
        .collect();
    let modules =
        "#:use-module (guix packages) #:use-module (guix gexp) #:use-module (guix build-system trivial)";
    user.write("recipes/many.hpcl", &format!("(define-module (many) {modules})\n{packages}"));
    let command = |arguments: &[&str]| {
        let mut command = user.command(arguments);
        command.env("LD_PRELOAD", &library);
        command
    };
    let build = ["build", "-j2", "-L", "recipes", "p0", "p1", "p2", "p3", "p4", "p5"];
    let mut others = [command(&build).spawn().unwrap(), command(&build).spawn().unwrap()];
    let run = user.finish(command(&build));
    assert!(run.stderr.contains("has no locks that all machines see (locking fails: "), "{}", run.stderr);
    run.success();
    others.iter_mut().for_each(|other| assert!(other.wait().unwrap().success()));
    let verified = user.finish(command(&["verify"]));
    assert!(verified.stderr.contains("nothing is wrong"), "{}", verified.stderr);
    // What an open environment uses stays, and goes with it.
    let mut shell = command(&["shell", "-L", "recipes", "p1", "--", "sleep", "1000"]).spawn().unwrap();
    let start = Instant::now();
    let program = || fs::read_to_string(format!("/proc/{}/comm", shell.id())).unwrap_or_default();
    while program().trim() != "sleep" {
        assert!(start.elapsed() < Duration::from_secs(120), "the shell does not begin");
        std::thread::sleep(Duration::from_millis(50));
    }
    user.finish(command(&["gc"])).success();
    let left = |user: &TestEnvironment| fs::read_dir(var_of(user).join("items")).unwrap().count();
    assert!(left(&user) >= 2, "the profile and what it links to");
    shell.kill().unwrap();
    shell.wait().unwrap();
    user.finish(command(&["gc"])).success();
    assert_eq!(left(&user), 0);
    let locks = fs::read_dir(var_of(&user).join("locks")).unwrap().count();
    assert_eq!(locks, 0, "no lock is left");
}
