//! The fork into new namespaces.
//!
//! One `clone` makes the user, mount, pid, ipc, uts, cgroup and (unless the network is wanted) network namespaces and the
//! first process in them. That process is number 1 of its pid namespace: when it ends, the kernel ends all others.
//! It maps the caller's user and group to 1000: number 0 would make tar and cp try to change owners, and fail.
//!
//! Invariant: the process is killed when its parent dies, whatever kills the parent.

use std::{fs, io};

use nix::libc;
use rustix::process::{Signal, set_parent_process_death_signal};

use super::{INSIDE_ID, SandboxError, probe, supervise::guarded};

/// How a build is kept apart from its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// All namespaces.
    Full,
    /// All namespaces but that of the network.
    WithNetwork,
    /// A plain process: the user asked for builds without a sandbox.
    None,
}

impl Isolation {
    /// The namespaces as `clone` flags.
    pub(super) fn flags(self) -> libc::c_int {
        let apart = libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP;
        match self {
            Isolation::Full => apart | libc::CLONE_NEWNET,
            Isolation::WithNetwork => apart,
            Isolation::None => 0,
        }
    }
}

/// Forks a child with the given isolation, which runs `body` and ends with the code it returns. `body` is told whether
/// the child could map its user.
///
/// The caller must be single-threaded: the child is a copy of this process that goes on using its memory.
/// Answers the child's process number. Without isolation the child becomes the reaper of its descendants instead.
pub fn spawn(
    isolation: Isolation,
    body: impl FnOnce(Result<(), SandboxError>) -> i32,
) -> Result<i32, SandboxError> {
    // Read before the fork: inside the new namespace both are the overflow number until the maps are written.
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let child = clone(isolation.flags())
        .map_err(|source| SandboxError::Namespaces { reason: probe::refusal(&source), source })?;
    if child != 0 {
        return Ok(child);
    }
    let code = guarded(|| body(set_up(isolation, user, group)));
    // SAFETY: `_exit` has no preconditions; the parent's exit handlers must not run in the copy.
    unsafe { libc::_exit(code) }
}

/// `clone(2)` with no new stack, which is `fork` with namespaces. Answers 0 in the child.
pub(super) fn clone(flags: libc::c_int) -> io::Result<i32> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without CLONE_VM and with a null stack this is `fork`: the child gets a copy of the address space. All pointer
    // arguments are null, so their order, which differs between architectures, does not matter.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) };
    if child < 0 { Err(io::Error::last_os_error()) } else { Ok(i32::try_from(child).unwrap_or(i32::MAX)) }
}

fn set_up(isolation: Isolation, user: u32, group: u32) -> Result<(), SandboxError> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(SandboxError::step("follow the parent"))?;
    if isolation == Isolation::None {
        let own = rustix::process::getpid();
        return rustix::process::set_child_subreaper(Some(own)).map_err(SandboxError::step("adopt orphans"));
    }
    let map = |file: &'static str, text: String| {
        fs::write(file, text).map_err(|source| SandboxError::Map { file, source })
    };
    // Kernels before 3.19 have no such file and do not ask for it.
    map("/proc/self/setgroups", "deny".into())?;
    map("/proc/self/uid_map", format!("{INSIDE_ID} {user} 1"))?;
    map("/proc/self/gid_map", format!("{INSIDE_ID} {group} 1"))
}
