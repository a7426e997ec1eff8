//! What a build sees inside the sandbox, and what it may not do there.
//!
//! Each test runs itself again in a process of its own, single-threaded (`--test-threads=1`), which enters a sandbox and makes the
//! checks there, in the same process image: nothing of the host is needed inside. Where the kernel forbids namespaces
//! the tests say so loudly and pass; `HPCL_REQUIRE_SANDBOX=1` turns that into a failure.

// Helpers outside test functions may fail loudly too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsRawFd,
    os::unix::{
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink},
        net::UnixStream,
    },
    path::Path,
    process::Command,
};

use hpcl::sandbox::{Ended, Isolation, SandboxSpec, Supervised, confine, enter, spawn, supervise};
use nix::libc;

const INSIDE: &str = "HPCL_TEST_INSIDE";

/// Whether sandboxes work here; says so when they do not.
fn available(test: &str) -> bool {
    let Err(missing) = hpcl::sandbox::available() else { return true };
    let reasons: Vec<_> = missing.iter().map(|one| format!("{}: {}", one.part, one.reason)).collect();
    eprintln!("SKIPPED {test}: no sandbox here: {}", reasons.join("; "));
    assert!(std::env::var_os("HPCL_REQUIRE_SANDBOX").is_none(), "a sandbox is required");
    false
}

/// Runs `check` in a sandbox; `test` is the name of the calling test.
fn inside(test: &str, isolation: Isolation, spec: impl FnOnce(&Path) -> SandboxSpec, check: fn()) {
    let ended = supervised(test, isolation, spec, check);
    if let Some(supervised) = ended {
        assert_eq!(supervised.ended, Ended::Code(0), "the checks inside failed");
    }
}

fn supervised(
    test: &str,
    isolation: Isolation,
    spec: impl FnOnce(&Path) -> SandboxSpec,
    check: fn(),
) -> Option<Supervised> {
    if std::env::var_os(INSIDE).is_none() {
        if !available(test) {
            return None;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--test-threads=1", "--nocapture"])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    let spec = spec(scratch.path());
    let (mut mine, theirs) = UnixStream::pair().unwrap();
    let held = mine.as_raw_fd();
    spawn(isolation, move |set_up| {
        set_up.unwrap();
        nix::unistd::close(held).unwrap();
        if isolation != Isolation::None {
            enter(&spec).unwrap();
        }
        let supervised = supervise(&theirs, isolation, || {
            if let Err(error) = confine(isolation) {
                eprintln!("{}", error.chain());
                return 1;
            }
            match std::panic::catch_unwind(check) {
                Ok(()) => 0,
                Err(_) => 101,
            }
        });
        (&theirs).write_all(serde_json::to_string(&supervised.unwrap()).unwrap().as_bytes()).unwrap();
        0
    })
    .unwrap();
    let mut report = String::new();
    mine.read_to_string(&mut report).unwrap();
    Some(serde_json::from_str(&report).unwrap())
}

fn plain(scratch: &Path) -> SandboxSpec {
    let build = scratch.join("build");
    fs::create_dir(&build).unwrap();
    let mut spec = SandboxSpec::new("/tmp").writable(build, "/build");
    spec.directory = "/build".into();
    spec
}

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> Option<i32> {
    result.expect_err("it must fail").raw_os_error()
}

fn names(directory: &str) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn nothing_of_the_host_is_visible() {
    inside("nothing_of_the_host_is_visible", Isolation::Full, plain, || {
        assert_eq!(names("/"), ["build", "dev", "etc", "proc"]);
        assert_eq!(names("/etc"), ["group", "hosts", "passwd"]);
        let devices = names("/dev");
        for device in &devices {
            let expected = [
                "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
                "urandom", "zero",
            ];
            assert!(expected.contains(&device.as_str()), "/dev/{device}");
        }
        fs::write("/dev/null", "gone").unwrap();
        fs::write("/dev/shm/x", "shared").unwrap();
    });
}

#[test]
fn the_root_and_inputs_are_read_only_and_the_rest_is_writable() {
    let spec = |scratch: &Path| {
        for name in ["store", "input", "tmp"] {
            fs::create_dir(scratch.join(name)).unwrap();
        }
        fs::write(scratch.join("input/file"), "text").unwrap();
        fs::write(scratch.join("single"), "alone").unwrap();
        symlink("/nowhere", scratch.join("link")).unwrap();
        let mut spec = plain(scratch)
            .writable(scratch.join("store"), "/a/deep/store")
            .writable(scratch.join("tmp"), "/tmp")
            .read_only(scratch.join("input"), "/a/deep/store/input")
            .read_only(scratch.join("single"), "/a/deep/store/single")
            .read_only(scratch.join("link"), "/a/deep/store/link");
        spec.links.push(hpcl::sandbox::Link { at: "/bin/sh".into(), to: "/a/deep/store/input/file".into() });
        spec
    };
    inside("the_root_and_inputs_are_read_only_and_the_rest_is_writable", Isolation::Full, spec, || {
        assert_eq!(std::env::current_dir().unwrap(), Path::new("/build"));
        assert_eq!(kind(fs::write("/x", "")), Some(libc::EROFS));
        assert_eq!(kind(fs::write("/etc/passwd", "")), Some(libc::EROFS));
        assert_eq!(kind(fs::write("/a/deep/store/input/file", "")), Some(libc::EROFS));
        assert_eq!(kind(fs::write("/a/deep/store/input/new", "")), Some(libc::EROFS));
        assert_eq!(kind(fs::write("/a/deep/store/single", "")), Some(libc::EROFS));
        assert_eq!(fs::read_to_string("/a/deep/store/single").unwrap(), "alone");
        assert_eq!(fs::read_to_string("/bin/sh").unwrap(), "text");
        assert_eq!(fs::read_link("/a/deep/store/link").unwrap(), Path::new("/nowhere"));
        for place in ["/build/x", "/tmp/x", "/a/deep/store/out"] {
            fs::write(place, "mine").unwrap();
            assert_eq!(fs::metadata(place).unwrap().mode() & 0o7777, 0o644);
        }
    });
}

#[test]
fn the_user_and_the_host_have_fixed_names() {
    inside("the_user_and_the_host_have_fixed_names", Isolation::Full, plain, || {
        assert_eq!(rustix::process::getuid().as_raw(), 1000);
        assert_eq!(rustix::process::getgid().as_raw(), 1000);
        let names = rustix::system::uname();
        assert_eq!(names.nodename().to_str(), Ok("localhost"));
        assert_eq!(names.domainname().to_str(), Ok("(none)"));
        assert!(fs::read_to_string("/etc/passwd").unwrap().contains("hpcl:x:1000:1000"));
        assert_eq!(fs::read_to_string("/proc/self/personality").unwrap().trim(), "00040000");
        let status = fs::read_to_string("/proc/self/status").unwrap();
        for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1"] {
            assert!(status.contains(line), "{status}");
        }
    });
}

#[test]
fn there_is_no_network_but_a_loopback() {
    inside("there_is_no_network_but_a_loopback", Isolation::Full, plain, || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(kind(TcpStream::connect("192.0.2.1:80")), Some(libc::ENETUNREACH));
        assert_eq!(fs::read_to_string("/proc/net/dev").unwrap().lines().count(), 3);
    });
}

#[test]
fn other_processes_are_invisible() {
    inside("other_processes_are_invisible", Isolation::Full, plain, || {
        let processes: Vec<_> =
            names("/proc").into_iter().filter_map(|name| name.parse::<i32>().ok()).collect();
        // process 1 supervises, 2 is the builder
        assert_eq!(processes, [1, 2]);
        assert_eq!(std::process::id(), 2);
        let kill = nix::sys::signal::kill(nix::unistd::Pid::from_raw(1), nix::sys::signal::Signal::SIGKILL);
        assert_eq!(kill, Ok(()));
        assert_eq!(rustix::process::getppid().map(|pid| pid.as_raw_pid()), Some(1), "process 1 is immune");
    });
}

#[test]
fn ordinary_modes_work_and_set_id_bits_do_not() {
    inside("ordinary_modes_work_and_set_id_bits_do_not", Isolation::Full, plain, || {
        let mode = |path: &str| fs::metadata(path).unwrap().mode() & 0o7777;
        let chmod = |path: &str, bits| fs::set_permissions(path, fs::Permissions::from_mode(bits));
        fs::write("/build/file", "").unwrap();
        for bits in [0o755, 0o444, 0o600, 0o1777, 0o000] {
            chmod("/build/file", bits).unwrap();
            assert_eq!(mode("/build/file"), bits);
        }
        for bits in [0o4755, 0o2755, 0o6755] {
            assert_eq!(kind(chmod("/build/file", bits)), Some(libc::EPERM));
            let made =
                OpenOptions::new().write(true).create(true).truncate(false).mode(bits).open("/build/made");
            assert_eq!(kind(made), Some(libc::EPERM), "open with {bits:o}");
            // SAFETY: the path is a C string.
            let node = unsafe { libc::mknod(c"/build/node".as_ptr(), libc::S_IFREG | bits, 0) };
            assert_eq!((node, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { libc::mknod(c"/build/fifo".as_ptr(), libc::S_IFIFO | 0o644, 0) }, 0);
        let usual =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o777).open("/build/usual");
        usual.unwrap();
        assert_eq!(mode("/build/usual"), 0o755, "the mask is 022");
        let value = b"v";
        // SAFETY: the pointers are valid for the lengths given.
        let attribute = unsafe {
            libc::setxattr(c"/build/usual".as_ptr(), c"user.x".as_ptr(), value.as_ptr().cast(), 1, 0)
        };
        assert_eq!((attribute, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::ENOTSUP)));
    });
}

#[test]
fn processes_left_behind_are_ended() {
    for isolation in [Isolation::Full, Isolation::None] {
        let supervised = supervised("processes_left_behind_are_ended", isolation, plain, || {
            // SAFETY: the process is single-threaded.
            if unsafe { nix::unistd::fork() }.unwrap().is_child() {
                rustix::process::setsid().unwrap();
                // SAFETY: as above.
                let _ = unsafe { nix::unistd::fork() }.unwrap();
                std::thread::sleep(std::time::Duration::from_secs(1000));
            }
        });
        let Some(supervised) = supervised else { return };
        // Reaching this line at all shows that the sleepers are gone: they held the channel open.
        assert_eq!(supervised.ended, Ended::Code(0));
    }
}

#[test]
fn closing_the_channel_cancels() {
    const TEST: &str = "closing_the_channel_cancels";
    if std::env::var_os(INSIDE).is_none() {
        if available(TEST) {
            let status = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", TEST, "--test-threads=1", "--nocapture"])
                .env(INSIDE, "1")
                .status();
            assert!(status.unwrap().success());
        }
        return;
    }
    let (mine, theirs) = UnixStream::pair().unwrap();
    let (mut alive, held) = io::pipe().unwrap();
    let other = mine.as_raw_fd();
    let child = spawn(Isolation::Full, move |set_up| {
        set_up.unwrap();
        // the copy of the executor's end would keep the channel open
        nix::unistd::close(other).unwrap();
        let supervised = supervise(&theirs, Isolation::Full, || {
            std::thread::sleep(std::time::Duration::from_secs(1000));
            0
        });
        i32::from(supervised.unwrap().ended != Ended::Cancelled)
    })
    .unwrap();
    drop(held);
    drop(mine);
    let mut rest = Vec::new();
    alive.read_to_end(&mut rest).unwrap();
    let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
    assert_eq!(status, nix::sys::wait::WaitStatus::Exited(nix::unistd::Pid::from_raw(child), 0));
}
