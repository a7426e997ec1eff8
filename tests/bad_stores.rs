//! File systems that cannot hold a store, or no more of it: each is told with what to do.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use common::{Run, TestEnvironment, sandbox_or_skip, trivial_package};

/// Something mounted below a home; unmounted when dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Runs commands in the home, the last of which mounts something at `m`. None, loudly, where that cannot be had.
    fn new(user: &TestEnvironment, commands: &[&str], test: &str) -> Option<Mounted> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED {test}: only root can mount");
            return None;
        }
        let place = user.home().join("m");
        std::fs::create_dir(&place).unwrap();
        for command in commands {
            let mut shell = Command::new("sh");
            shell.args(["-c", command]).current_dir(user.home()).stdout(Stdio::null()).stderr(Stdio::null());
            if !shell.status().is_ok_and(|status| status.success()) {
                eprintln!("SKIPPED {test}: `{command}` fails on this machine");
                return None;
            }
        }
        Some(Mounted(place))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn hpcl(user: &TestEnvironment, base: &Path, arguments: &[&str]) -> Run {
    let mut command = user.command(arguments);
    command.env("HPCL_STORE", base);
    user.finish(command)
}

#[test]
fn a_file_system_without_symbolic_links_is_refused() {
    const TEST: &str = "a_file_system_without_symbolic_links_is_refused";
    let user = TestEnvironment::new();
    let commands =
        ["truncate -s 8M image", "PATH=$PATH:/sbin:/usr/sbin mkfs.vfat image", "mount -o loop image m"];
    let Some(mounted) = Mounted::new(&user, &commands, TEST) else { return };
    let error = hpcl(&user, &mounted.0, &["gc"]).failure(1);
    assert!(error.contains("cannot hold a store: it has no symbolic links"), "{error}");
    assert!(error.contains("hint: `HPCL_STORE` names another directory"), "{error}");
}

#[test]
fn a_file_system_that_folds_case_is_refused() {
    const TEST: &str = "a_file_system_that_folds_case_is_refused";
    let user = TestEnvironment::new();
    let commands = [
        "truncate -s 16M image",
        "PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -O casefold -E encoding=utf8 image",
        "mount -o loop image m",
        "mkdir m/s && PATH=$PATH:/sbin:/usr/sbin chattr +F m/s",
    ];
    let Some(mounted) = Mounted::new(&user, &commands, TEST) else { return };
    let error = hpcl(&user, &mounted.0.join("s"), &["gc"]).failure(1);
    assert!(error.contains("it folds case: `A` and `a` are one file"), "{error}");
}

#[test]
fn a_full_file_system_leaves_the_store_as_it_was() {
    const TEST: &str = "a_full_file_system_leaves_the_store_as_it_was";
    if !sandbox_or_skip(TEST) {
        return;
    }
    let user = TestEnvironment::new();
    let Some(mounted) = Mounted::new(&user, &["mount -t tmpfs -o size=2M none m"], TEST) else { return };
    std::fs::create_dir(user.home().join("big")).unwrap();
    std::fs::write(user.home().join("big/noise"), vec![7u8; 4 << 20]).unwrap();
    let package =
        trivial_package("\"copy\"", "#~(begin #$(local-file \"big\" #:recursive? #t) (mkdir #$output))");
    let modules = "(use-modules (guix packages) (guix gexp) (guix build-system trivial))";
    user.write("recipe.hpcl", &format!("{modules}\n{package}"));
    let error = hpcl(&user, &mounted.0, &["build", "-f", "recipe.hpcl"]);
    assert_ne!(error.code, 0);
    assert!(error.stderr.contains("No space left on device"), "{}", error.stderr);
    assert!(error.stderr.contains("hint: the store is as it was; `hpcl gc --free 5G`"), "{}", error.stderr);
    let verified = hpcl(&user, &mounted.0, &["verify"]);
    assert!(verified.stderr.contains("nothing is wrong"), "{}", verified.stderr);
}

#[test]
fn a_read_only_store_is_told_what_it_can_be() {
    const TEST: &str = "a_read_only_store_is_told_what_it_can_be";
    if !sandbox_or_skip(TEST) {
        return;
    }
    let user = TestEnvironment::new();
    let Some(mounted) = Mounted::new(&user, &["mount -t tmpfs none m"], TEST) else { return };
    let package = trivial_package("\"thing\"", "#~(mkdir #$output)");
    let modules = "(use-modules (guix packages) (guix gexp) (guix build-system trivial))";
    user.write("recipe.hpcl", &format!("{modules}\n{package}"));
    hpcl(&user, &mounted.0, &["build", "-f", "recipe.hpcl"]).success();
    assert!(Command::new("mount").args(["-o", "remount,ro"]).arg(&mounted.0).status().unwrap().success());
    for base in [mounted.0.clone(), mounted.0.join("new")] {
        let error = hpcl(&user, &base, &["build", "-f", "recipe.hpcl"]).failure(1);
        assert!(error.contains("Read-only file system"), "{error}");
        assert!(error.contains("can be a layer below your own: `HPCL_STORE_LAYERS`"), "{error}");
    }
    let mut layered = user.command(&["build", "-f", "recipe.hpcl"]);
    layered.env("HPCL_STORE_LAYERS", &mounted.0);
    assert!(user.finish(layered).success().contains("HOME/m/"), "and that is so");
}
