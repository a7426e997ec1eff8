//! Giving things up: names, session, capabilities, address randomisation, and the system calls that a build may not make.
//!
//! Usually capabilities end with `exec`; the builder is never executed, so they are dropped by hand. With them it could
//! write to read-only files and change owners, and a build would depend on who runs it.
//!
//! Invariant: after `confine` the process and all its descendants have no capability and cannot gain one.

use std::{fs, io};

use nix::libc;
use nix::sys::personality::{self, Persona};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::{Isolation, SandboxError, seccomp};

/// Confines this process: called in the builder's own process, last before it runs.
///
/// Without isolation only that is done which needs no namespace and hinders no one: the mask of new files, no core files.
pub fn confine(isolation: Isolation) -> Result<(), SandboxError> {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    // Core files would end up in outputs.
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
    }
    if isolation == Isolation::None {
        return Ok(());
    }
    let persona = personality::get().map_err(SandboxError::step("read the personality"))?;
    personality::set(persona | Persona::ADDR_NO_RANDOMIZE)
        .map_err(SandboxError::step("fix the addresses of programs"))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(SandboxError::step("drop the capabilities"))?;
    set_no_new_privs(true).map_err(SandboxError::step("refuse new privileges"))?;
    seccomp::install().map_err(SandboxError::step("install the system call filter"))
}

/// Sets the host and domain name of the namespace.
pub(super) fn name_host(name: &str) -> Result<(), SandboxError> {
    rustix::system::sethostname(name.as_bytes()).map_err(SandboxError::step("set the host name"))?;
    rustix::system::setdomainname(b"(none)").map_err(SandboxError::step("set the domain name"))
}

/// Sets the flags of a network device, as in Linux's `sockios.h`; `libc` gives it another type with glibc than `ioctl` takes with musl.
const SET_FLAGS: libc::Ioctl = 0x8914;

/// Brings up the loopback device of an empty network namespace: test suites talk to themselves.
pub(super) fn raise_loopback() -> Result<(), SandboxError> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").map_err(SandboxError::step("open a socket"))?;
    // SAFETY: an all-zero `ifreq` is valid: it is plain data.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(b"lo") {
        *slot = libc::c_char::from_ne_bytes([*byte]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open, and `request` is a valid `ifreq` that outlives the call.
    let answer =
        unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(&socket), SET_FLAGS, &raw const request) };
    if answer < 0 {
        return Err(SandboxError::step("bring up the loopback device")(io::Error::last_os_error()));
    }
    Ok(())
}

/// The processes whose parent is this one, by `/proc`.
pub(super) fn children() -> Vec<i32> {
    if let Ok(list) = fs::read_to_string("/proc/thread-self/children") {
        return list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    }
    // Kernels without CONFIG_PROC_CHILDREN: look at everyone.
    let own = std::process::id().to_string();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // pid (name) state parent …; the name may hold anything, so start behind its last parenthesis
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(own.as_str())
        })
        .collect()
}
