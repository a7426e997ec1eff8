//! The store when things go wrong: killed processes, many at once, a full disk, files that no item may hold.
//!
//! Processes are this test program again, started as `child` with a role in the environment. Nothing here depends on how
//! fast a machine is: children are killed after so many steps, and what is asserted must hold wherever that is.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use hpcl::{
    hash::Digest,
    store::{GcOptions, LocalStore, Problem, Registration, Staged, StoreConfig, StoreError, remove_tree},
    store_path::StorePath,
};
use nix::{
    sys::{
        ptrace,
        signal::{self, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

const ROLE: &str = "HPCL_TEST_ROLE";
const PLACE: &str = "HPCL_TEST_PLACE";
const CHAIN: &str = "HPCL_TEST_CHAIN";
const STEP: &str = "step ";

/// A directory with a short name, removed in the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("hf").tempdir_in("/tmp").unwrap().keep())
    }

    fn store(&self) -> LocalStore {
        open(&self.0)
    }

    fn child(&self, role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
        command.env(ROLE, role).env(PLACE, &self.0).stdout(Stdio::piped());
        command
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = remove_tree(&self.0);
    }
}

fn open(place: &Path) -> LocalStore {
    LocalStore::open(StoreConfig::at(place).unwrap()).unwrap()
}

fn path(name: &str) -> StorePath {
    let digest = Digest::sha256(name.as_bytes());
    StorePath::parse(&format!("{}-{name}", &digest.to_base32()[..32])).unwrap()
}

/// Reads a child's steps; the child goes on meanwhile.
fn steps(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    lines.filter_map(|line| line.split_once(STEP).map(|(_, step)| step.to_owned()))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Nothing to do by itself; what the other tests start.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    match role.as_str() {
        "chain" => chain(&open(&place)),
        "one" => one(&open(&place)),
        "builder" => builder(&open(&place), &place),
        "user" => user(&open(&place)),
        "collector" => collector(&open(&place)),
        "holder" => holder(&open(&place)),
        "full" => full(&place),
        other => panic!("unknown role {other}"),
    }
}

/// Builds an item of a directory with files, unless it is there, and says whether it built.
fn build(store: &LocalStore, item: &StorePath, inputs: &[StorePath]) -> Result<bool, StoreError> {
    build_files(store, item, inputs, 8)
}

fn build_files(
    store: &LocalStore,
    item: &StorePath,
    inputs: &[StorePath],
    files: usize,
) -> Result<bool, StoreError> {
    if store.is_valid(item)? {
        return Ok(false);
    }
    let lock = store.lock_item(item, || true)?;
    if store.is_valid(item)? {
        return Ok(false);
    }
    let tree = store.work_dir("out")?;
    fs::create_dir(tree.join("deep")).map_err(|source| io(&tree, source))?;
    for count in 0..files {
        let file = tree.join(format!("deep/{count}"));
        let text: String =
            inputs.iter().map(|input| format!("{}\n", store.local_path(input).display())).collect();
        fs::write(&file, text.repeat(50)).map_err(|source| io(&file, source))?;
    }
    let how = Registration { candidates: inputs.iter().cloned().collect(), ..Registration::default() };
    store.register_output(&Staged { lock: &lock, tree: &tree, fixed: None }, &how)?;
    Ok(true)
}

fn io(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io { action: "write", path: path.to_owned(), source }
}

/// Items that each refer to the one before, and texts; small ones, so that most of the time is spent registering.
fn chain(store: &LocalStore) {
    let name = std::env::var(CHAIN).unwrap();
    let mut last: Vec<StorePath> = Vec::new();
    for count in 0..60 {
        println!("{STEP}{count}");
        let item = path(&format!("{name}-{count}"));
        store.protect([&item]).unwrap();
        build_files(store, &item, &last, 1).unwrap();
        store
            .add_text(&format!("text-{name}-{count}"), item.as_str().as_bytes(), &[item.clone()].into())
            .unwrap();
        last = vec![item];
    }
    store.set_root("chain", &last[0]).unwrap();
}

#[test]
fn kill_9_leaves_only_garbage_and_the_work_can_be_completed() {
    let place = Place::new();
    let mut valid = 0;
    for round in 0..25u64 {
        let mut child = place.child("chain").env(CHAIN, format!("r{round}")).spawn().unwrap();
        let _last = steps(&mut child).nth(1 + round as usize % 4);
        // Another moment of the step in each round.
        std::thread::sleep(std::time::Duration::from_micros(round * 29 % 700));
        kill(child);
        let store = place.store();
        let report = store.verify(round == 24).unwrap();
        let wrong: Vec<&Problem> =
            report.problems.iter().filter(|problem| !matches!(problem, Problem::Unregistered(_))).collect();
        assert!(wrong.is_empty(), "round {round}: {wrong:?}");
        assert!(report.items > valid, "what was valid stays valid, and the round has made something");
        valid = report.items;
    }
    let done = place.child("chain").env(CHAIN, "r24").status().unwrap();
    assert!(done.success());
    let store = place.store();
    let kept = store.closure([&path("r24-59")]).unwrap();
    assert_eq!(kept.len(), 60);
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!(report.kept, 60, "neither texts nor broken chains are reachable from the root");
    assert!(store.verify(true).unwrap().problems.is_empty());
    let count = |name: &str| fs::read_dir(store.var_dir().join(name)).unwrap().count();
    assert_eq!(
        (count("tmp"), count("sessions"), count("locks")),
        (1, 1, 0),
        "only this process's session is left"
    );
    assert_eq!(fs::read_dir(store.local_dir()).unwrap().count(), 60);
}

/// Builds one item after a signal, so that who traces it sees every system call of the registration.
fn one(store: &LocalStore) {
    let item = path(&std::env::var(CHAIN).unwrap());
    store.protect([&item]).unwrap();
    signal::raise(Signal::SIGUSR1).unwrap();
    build_files(store, &item, &[], 1).unwrap();
}

/// Kills a child at the `count`th stop, before or after a system call; says whether it was still there.
///
/// The test harness may run the role in a thread of its own, so all threads are traced, and the one that gives the signal
/// is followed.
fn killed_at(place: &Place, name: &str, count: usize) -> bool {
    let mut command = place.child("one");
    command.env(CHAIN, name).stdout(Stdio::null());
    // Safe: asking to be traced is a single system call.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
    let child = Pid::from_raw(command.spawn().unwrap().id().cast_signed());
    // Only what this thread traces: other tests have children too.
    let wait = || waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap();
    assert_eq!(wait(), WaitStatus::Stopped(child, Signal::SIGTRAP), "it stops at the exec");
    // A kill of this process takes the child along.
    ptrace::setoptions(child, ptrace::Options::PTRACE_O_EXITKILL | ptrace::Options::PTRACE_O_TRACECLONE)
        .unwrap();
    ptrace::cont(child, None).unwrap();
    let thread = loop {
        match wait() {
            WaitStatus::Stopped(thread, Signal::SIGUSR1) => break thread,
            WaitStatus::Stopped(thread, _) | WaitStatus::PtraceEvent(thread, _, _) => {
                ptrace::cont(thread, None).unwrap();
            }
            other => panic!("{other:?}"),
        }
    };
    let mut stops = 0;
    let mut running = thread;
    while stops < count {
        if running == thread { ptrace::syscall(thread, None) } else { ptrace::cont(running, None) }.unwrap();
        running = loop {
            match wait() {
                // A thread that begins another is stopped as for a signal.
                WaitStatus::Stopped(stopped, _) | WaitStatus::PtraceEvent(stopped, _, _) => break stopped,
                WaitStatus::Exited(gone, code) if gone == child => {
                    assert_eq!(code, 0, "the child fails by itself");
                    return false;
                }
                WaitStatus::Exited(..) => {}
                other => panic!("{other:?}"),
            }
        };
        stops += usize::from(running == thread);
    }
    signal::kill(child, Signal::SIGKILL).unwrap();
    while wait() != WaitStatus::Signaled(child, Signal::SIGKILL, false) {}
    true
}

#[test]
fn a_kill_at_any_system_call_leaves_a_whole_item_or_none() {
    let place = Place::new();
    let store = place.store();
    let (mut none, mut whole) = (0, 0);
    for count in 0.. {
        let name = format!("at-{count}");
        let item = path(&name);
        let killed = killed_at(&place, &name, count);
        let wrong = store.verify(false).unwrap().problems;
        assert!(
            wrong.iter().all(|problem| matches!(problem, Problem::Unregistered(_))),
            "{count}: {wrong:?}"
        );
        if store.is_valid(&item).unwrap() {
            whole += 1
        } else {
            none += 1
        }
        build_files(&store, &item, &[], 1).unwrap();
        assert!(store.local_path(&item).join("deep/0").exists());
        if !killed {
            break;
        }
    }
    // Some calls come after the item is valid: giving up the lock, and the end of the process.
    assert!(none > 50 && whole > 1, "{none} times none, {whole} times whole");
    assert!(store.verify(true).unwrap().problems.is_empty());
    drop(store);
    let store = place.store();
    assert_eq!(store.gc(GcOptions::default()).unwrap().kept, 0);
    assert_eq!(fs::read_dir(store.local_dir()).unwrap().count(), 0);
    assert_eq!(fs::read_dir(store.var_dir().join("sessions")).unwrap().count(), 1);
}

/// Builds 40 items over three levels and notes each that it built.
fn builder(store: &LocalStore, place: &Path) {
    let mut log = OpenOptions::new().append(true).create(true).open(place.join("built")).unwrap();
    let mut low: Vec<StorePath> = Vec::new();
    for count in 0..40 {
        let item = path(&format!("shared-{count}"));
        let inputs =
            if count < 20 { Vec::new() } else { vec![low[count - 20].clone(), low[count / 2].clone()] };
        store.protect(inputs.iter().chain([&item])).unwrap();
        if build(store, &item, &inputs).unwrap() {
            log.write_all(format!("{}\n", item.name()).as_bytes()).unwrap();
        }
        low.push(item);
    }
}

#[test]
fn many_at_once_build_each_item_once() {
    let place = Place::new();
    let children: Vec<Child> = (0..6).map(|_| place.child("builder").spawn().unwrap()).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let mut built: BTreeMap<String, usize> = BTreeMap::new();
    for line in fs::read_to_string(place.0.join("built")).unwrap().lines() {
        *built.entry(line.to_owned()).or_default() += 1;
    }
    assert_eq!(built.len(), 40);
    assert!(built.values().all(|count| *count == 1), "{built:?}");
    let store = place.store();
    assert!(store.verify(true).unwrap().problems.is_empty());
    assert_eq!(store.items().unwrap().len(), 40);
}

/// Builds items again and again that nothing but this process keeps, and looks at them.
fn user(store: &LocalStore) {
    for count in 0..60 {
        let low = path(&format!("low-{}", count % 3));
        let high = path(&format!("high-{count}"));
        store.protect([&low, &high]).unwrap();
        build(store, &low, &[]).unwrap();
        build(store, &high, std::slice::from_ref(&low)).unwrap();
        for item in [&low, &high] {
            assert!(store.is_valid(item).unwrap(), "{item} was collected");
            let place = store.local_path(item).join("deep/0");
            assert!(place.exists(), "{} was deleted", place.display());
        }
        println!("{STEP}{count}");
    }
}

fn collector(store: &LocalStore) {
    loop {
        store.gc(GcOptions::default()).unwrap();
        println!("{STEP}collected");
    }
}

#[test]
fn a_collector_takes_nothing_that_is_in_use() {
    let place = Place::new();
    place.store();
    let mut collector = place.child("collector").spawn().unwrap();
    let mut collections = steps(&mut collector);
    collections.next().unwrap();
    let drain = std::thread::spawn(move || collections.count());
    // One after the other, too: what dead users leave is garbage for the collector while the next one builds.
    for _ in 0..2 {
        let users: Vec<Child> = (0..3).map(|_| place.child("user").spawn().unwrap()).collect();
        for user in users {
            let output = user.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
    }
    kill(collector);
    assert!(drain.join().unwrap() > 0, "it collected meanwhile");
    let store = place.store();
    let wrong = store.verify(true).unwrap().problems;
    assert!(wrong.iter().all(|problem| matches!(problem, Problem::Unregistered(_))), "{wrong:?}");
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!(report.kept, 0);
    assert!(store.verify(true).unwrap().problems.is_empty());
    assert_eq!(fs::read_dir(store.local_dir()).unwrap().count(), 0);
}

/// Holds a lock and unfinished work until it is killed.
fn holder(store: &LocalStore) {
    let item = path("held");
    let _lock = store.lock_item(&item, || true).unwrap();
    let work = store.work_dir("unfinished").unwrap();
    fs::create_dir(work.join("closed")).unwrap();
    fs::write(work.join("closed/file"), "x").unwrap();
    fs::set_permissions(work.join("closed"), std::os::unix::fs::PermissionsExt::from_mode(0o555)).unwrap();
    println!("{STEP}{}", work.display());
    std::thread::park();
}

#[test]
fn what_a_dead_process_held_is_free_and_what_it_left_is_removed() {
    let place = Place::new();
    let store = place.store();
    let mut child = place.child("holder").spawn().unwrap();
    let work = PathBuf::from(steps(&mut child).next().unwrap());
    let mut asked = 0;
    let waiting = || {
        asked += 1;
        asked < 3
    };
    let error = store.lock_item(&path("held"), waiting).unwrap_err();
    assert!(matches!(error, StoreError::Interrupted { path } if path.name() == "held"));
    assert_eq!(asked, 3);
    assert_eq!(store.gc(GcOptions::default()).unwrap().leftovers, 0, "it lives");
    assert!(work.join("closed/file").exists());
    kill(child);
    let lock = store.lock_item(&path("held"), || false).unwrap();
    drop(lock);
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!(report.leftovers, 1);
    assert!(report.freed > 0 && !work.exists());
}

#[test]
fn a_tree_that_is_left_at_the_place_of_an_item_is_replaced() {
    let place = Place::new();
    let store = place.store();
    let item = path("item");
    let stray = store.local_path(&item);
    fs::create_dir(&stray).unwrap();
    fs::write(stray.join("half"), "").unwrap();
    assert!(matches!(store.info(&item), Err(StoreError::NotValid { .. })));
    assert!(build(&store, &item, &[]).unwrap());
    assert!(!stray.join("half").exists() && stray.join("deep/0").exists());
    assert!(store.verify(true).unwrap().problems.is_empty());
}

#[test]
fn an_output_that_no_item_may_hold_is_refused_and_the_store_is_as_before() {
    let place = Place::new();
    let store = place.store();
    let register = |name: &str, make: &dyn Fn(&Path)| {
        let lock = store.lock_item(&path(name), || true).unwrap();
        let tree = store.work_dir("out").unwrap();
        make(&tree.join("odd"));
        let staged = Staged { lock: &lock, tree: &tree, fixed: None };
        store.register_output(&staged, &Registration::default()).unwrap_err().to_string()
    };
    let setuid = register("setuid", &|path| {
        fs::write(path, "x").unwrap();
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    });
    assert_eq!(setuid, "`odd` of `setuid` is setuid, which no store item may be");
    let socket = register("socket", &|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap()));
    assert_eq!(socket, "`odd` of `socket` is a socket, which no store item may hold");
    let nothing = {
        let lock = store.lock_item(&path("nothing"), || true).unwrap();
        let tree = store.work_path("out").unwrap();
        let staged = Staged { lock: &lock, tree: &tree, fixed: None };
        store.register_output(&staged, &Registration::default()).unwrap_err().to_string()
    };
    assert_eq!(nothing, format!("output `{}` was not made", path("nothing")));
    assert!(store.items().unwrap().is_empty());
    assert!(store.verify(true).unwrap().problems.is_empty());
}

/// Fills a small file system, in a namespace of its own, and goes on after making room. Each size breaks at another step.
fn full(place: &Path) {
    let mount = place.join("m");
    fs::create_dir(&mount).unwrap();
    for size in 0..12 {
        let options =
            format!("size={}k,nr_inodes={}", 400 + size * 12, if size % 3 == 2 { 160 + size } else { 4000 });
        let options = std::ffi::CString::new(options).unwrap();
        let flags = rustix::mount::MountFlags::empty();
        rustix::mount::mount("none", &mount, "tmpfs", flags, Some(options.as_c_str())).unwrap();
        let store = open(&mount);
        let mut made: Vec<StorePath> = Vec::new();
        let error = loop {
            let item = path(&format!("item-{}", made.len()));
            match build(&store, &item, &made) {
                Ok(_) => made.push(item),
                Err(error) => break error,
            }
            assert!(made.len() < 1000, "the disk never gets full");
        };
        let StoreError::Io { source, .. } = &error else { panic!("{error:?}") };
        assert_eq!(source.kind(), std::io::ErrorKind::StorageFull, "{error}");
        let wrong = store.verify(true).unwrap().problems;
        assert!(wrong.iter().all(|problem| matches!(problem, Problem::Unregistered(_))), "{wrong:?}");
        assert_eq!(store.items().unwrap(), made.iter().cloned().collect::<BTreeSet<_>>());
        drop(store);
        let ballast = mount.join("ballast");
        fs::create_dir(&ballast).ok();
        let more = |count: usize| fs::write(ballast.join(count.to_string()), [0; 4096]).is_ok();
        assert!((0..).take_while(|count| more(*count)).count() < 1000);
        assert!(
            (1000..).take_while(|count| fs::File::create(ballast.join(count.to_string())).is_ok()).count()
                < 9000
        );
        let store = open(&mount);
        let report = store.gc(GcOptions::default()).unwrap();
        assert_eq!((report.kept, report.deleted.len()), (0, made.len()), "a full disk can be tidied");
        remove_tree(&ballast).unwrap();
        assert!(build(&store, &path("item-0"), &[]).unwrap());
        assert!(store.verify(true).unwrap().problems.is_empty());
        drop(store);
        rustix::mount::unmount(&mount, rustix::mount::UnmountFlags::DETACH).unwrap();
        println!("{STEP}{}", made.len());
    }
}

#[test]
fn a_full_disk_leaves_the_store_intact() {
    let place = Place::new();
    let can = Command::new("unshare").args(["--user", "--map-root-user", "--mount", "true"]).output();
    if !can.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("\n*** SKIPPED: no user namespace to mount a small file system in: {can:?}");
        return;
    }
    let child = place.child("full");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]).arg(child.get_program()).args(child.get_args());
    let output = command.env(ROLE, "full").env(PLACE, &place.0).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.matches(STEP).count(), 12, "{text}");
}
