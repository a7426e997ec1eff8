//! Which parts of a sandbox this kernel grants, and the switch that forbids what is missing.
//!
//! Distributions forbid user namespaces in three different files below `/proc/sys`; containers forbid single mounts. Each
//! part is tried in a throw-away child, since only trying tells.
//!
//! Invariant: the child makes system calls only (no allocation), so probing is safe from a process with threads.

use std::{fs, io};

use nix::libc;

use super::{INSIDE_ID, Isolation, namespace::clone};

/// A part that is missing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The part, such as `user namespaces`.
    pub part: &'static str,
    /// The switch that forbids it and its remedy, or the kernel's answer.
    pub reason: String,
}

/// What the kernel grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Probe {
    /// The parts that work.
    pub granted: Vec<&'static str>,
    /// The parts that do not.
    pub missing: Vec<Missing>,
}

const PARTS: [(&str, libc::c_int); 7] = [
    ("user namespaces", 0),
    ("mount namespaces", libc::CLONE_NEWNS),
    ("process namespaces", libc::CLONE_NEWPID),
    ("network namespaces", libc::CLONE_NEWNET),
    ("ipc namespaces", libc::CLONE_NEWIPC),
    ("host name namespaces", libc::CLONE_NEWUTS),
    ("cgroup namespaces", libc::CLONE_NEWCGROUP),
];

/// Tries every part on its own, for `hpcl doctor` and for the message that refuses a build.
pub fn probe() -> Probe {
    let mut found = Probe::default();
    let mut note = |part, outcome: Result<(), i32>| match outcome {
        Ok(()) => found.granted.push(part),
        Err(number) => {
            let error = io::Error::from_raw_os_error(number);
            found.missing.push(Missing { part, reason: refusal(&error) });
        }
    };
    for (part, flag) in PARTS {
        note(part, attempt(libc::CLONE_NEWUSER | flag, Mounts::None));
    }
    note("mounts in a user namespace", attempt(libc::CLONE_NEWUSER | libc::CLONE_NEWNS, Mounts::Root));
    note("a process file system of its own", attempt(Isolation::Full.flags(), Mounts::RootAndProcesses));
    found
}

/// Whether a whole sandbox works here: one try of everything. On failure, the parts that are missing.
pub fn available() -> Result<(), Vec<Missing>> {
    match attempt(Isolation::Full.flags(), Mounts::RootAndProcesses) {
        Ok(()) => Ok(()),
        Err(number) => {
            let mut missing = probe().missing;
            if missing.is_empty() {
                let reason = refusal(&io::Error::from_raw_os_error(number));
                missing.push(Missing { part: "all namespaces at once", reason });
            }
            Err(missing)
        }
    }
}

/// Names the switch that explains a refusal by the kernel, with its remedy; else repeats the kernel's answer.
pub(super) fn refusal(error: &io::Error) -> String {
    for (file, forbidding, remedy) in SWITCHES {
        let value = fs::read_to_string(file).unwrap_or_default();
        if value.trim() == forbidding {
            return format!("`{file}` is {forbidding} ({remedy})");
        }
    }
    if error.raw_os_error() == Some(libc::ENOSPC) {
        return "the limit in `/proc/sys/user/max_user_namespaces` is used up".into();
    }
    format!("the kernel says: {error}")
}

const SWITCHES: [(&str, &str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0", "the administrator can set it to 15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0", "the administrator can set it to 1"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "the administrator can set it to 0 or give hpcl an AppArmor profile with `userns`",
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mounts {
    None,
    Root,
    RootAndProcesses,
}

/// Clones a child with these namespaces, which tries the mounts and exits with the number of the first error.
fn attempt(flags: libc::c_int, mounts: Mounts) -> Result<(), i32> {
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let maps = [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/uid_map", format!("{INSIDE_ID} {user} 1")),
        (c"/proc/self/gid_map", format!("{INSIDE_ID} {group} 1")),
    ];
    let child = clone(flags).map_err(|error| error.raw_os_error().unwrap_or(libc::EPERM))?;
    if child == 0 {
        let code = match try_inside(&maps, mounts) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error(),
        };
        // SAFETY: `_exit` has no preconditions, and the parent's exit handlers must not run in the copy.
        unsafe { libc::_exit(code) }
    }
    let mut status = 0;
    loop {
        // SAFETY: `child` is a child of this process and `status` a valid place for the answer.
        let answer = unsafe { libc::waitpid(child, &raw mut status, 0) };
        if answer >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error.raw_os_error().unwrap_or(libc::ECHILD));
        }
    }
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, 0) => Ok(()),
        (true, number) => Err(number),
        (false, _) => Err(libc::EINTR),
    }
}

fn try_inside(maps: &[(&std::ffi::CStr, String)], mounts: Mounts) -> rustix::io::Result<()> {
    use rustix::{
        fs::{Mode, OFlags},
        mount::{MountFlags, MountPropagationFlags},
    };
    for (file, text) in maps {
        let file = rustix::fs::open(*file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
    }
    if mounts == Mounts::None {
        return Ok(());
    }
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change(c"/", private)?;
    rustix::mount::mount(c"tmpfs", c"/tmp", c"tmpfs", MountFlags::NOSUID | MountFlags::NODEV, None)?;
    if mounts == Mounts::RootAndProcesses {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        rustix::mount::mount(c"proc", c"/tmp", c"proc", flags, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_has_nothing_missing() {
        assert_eq!(available().is_ok(), probe().missing.is_empty());
    }

    #[test]
    fn a_refusal_names_the_kernels_answer_when_no_switch_explains_it() {
        let text = refusal(&io::Error::from_raw_os_error(libc::EPERM));
        assert!(text.contains("/proc/sys/") || text.contains("not permitted"), "{text}");
    }
}
