//! The stand-in for the builder: scenarios by name, run inside the sandbox.

use std::{
    fs,
    io::{self, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use hpcl::executor::BuilderJob;

/// Runs the scenario that `code` names; answers the builder's exit code.
pub fn run(job: &BuilderJob) -> i32 {
    let out = PathBuf::from(&job.outputs[0].1);
    let inputs = job.env.iter().find(|(name, _)| name == "inputs").map_or("", |(_, value)| value);
    match job.code.as_str() {
        "ok" => directory(&out, inputs),
        "slow" => {
            sleep(Duration::from_millis(300));
            directory(&out, inputs);
            fs::write(out.join("count"), "built\n").unwrap();
        }
        "environment" => {
            directory(&out, inputs);
            let lines: String = job.env.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
            fs::write(out.join("environment"), lines).unwrap();
        }
        "take a token" => {
            use std::os::fd::BorrowedFd;
            // SAFETY: 3 and 4 are the jobserver's, open in every build.
            let (read, write) = unsafe { (BorrowedFd::borrow_raw(3), BorrowedFd::borrow_raw(4)) };
            let mut token = [0];
            assert_eq!(rustix::io::read(read, &mut token), Ok(1));
            assert_eq!(rustix::io::write(write, &token), Ok(1));
            directory(&out, inputs);
        }
        "fail" => {
            say(b"@phase build start\none\ntwo\nthree\n");
            return 3;
        }
        "half" => {
            directory(&out, inputs);
            fs::write(job.build_dir.join("work"), "unfinished").unwrap();
            return 1;
        }
        "sleep" => sleep(Duration::from_secs(1000)),
        "flood" => {
            let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
            for _ in 0..100 << 10 {
                say(&line);
            }
            directory(&out, inputs);
        }
        "leave processes" => {
            directory(&out, inputs);
            // SAFETY: the process is single-threaded.
            if unsafe { nix::unistd::fork() }.unwrap().is_child() {
                rustix::process::setsid().unwrap();
                // SAFETY: as above.
                let _ = unsafe { nix::unistd::fork() }.unwrap();
                sleep(Duration::from_secs(1000));
            }
        }
        "write outside" => {
            let input = Path::new(inputs.trim());
            for place in [Path::new("/x"), Path::new("/etc/passwd"), Path::new("/usr/x"), &input.join("x")] {
                assert!(fs::write(place, "x").is_err(), "{}", place.display());
            }
            // its own, which goes away with it
            fs::write("/tmp/hpcl-test-outside", "x").unwrap();
            fs::write(job.store_dir.join("not-an-output"), "x").unwrap();
            directory(&out, inputs);
        }
        "setuid" => {
            directory(&out, inputs);
            let file = out.join("file");
            if let Err(error) = fs::set_permissions(file, fs::Permissions::from_mode(0o4755)) {
                say(format!("chmod: {error}\n").as_bytes());
                return 1;
            }
        }
        "socket" => {
            directory(&out, inputs);
            std::env::set_current_dir(&out).unwrap();
            drop(UnixListener::bind("s").unwrap());
        }
        "fill the disk" => {
            directory(&out, inputs);
            let mut file = fs::File::create(out.join("big")).unwrap();
            while let Ok(()) = file.write_all(&[1; 1 << 16]) {}
            say(b"cc: error: No space left on device\n");
            return 1;
        }
        "random" => {
            directory(&out, inputs);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            fs::write(out.join("file"), now.as_nanos().to_string()).unwrap();
        }
        "nothing" => {}
        other => panic!("no scenario {other}"),
    }
    0
}

fn directory(out: &Path, inputs: &str) {
    fs::create_dir(out).unwrap();
    fs::write(out.join("file"), inputs).unwrap();
}

fn say(text: &[u8]) {
    io::stdout().write_all(text).unwrap();
    io::stdout().flush().unwrap();
}
