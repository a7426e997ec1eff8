//! The first process of a sandbox: it forks the builder, buries orphans, and ends what the builder left behind.
//!
//! It waits for two things at once: the builder's end, and the closing of the channel to the executor, which means
//! "cancelled" or "the executor is dead". In both cases it kills every other process and waits until none is left, so that
//! whoever reads its report knows that nobody writes to the outputs any more.
//!
//! Invariant: when `supervise` returns in the parent, this process has no descendant.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        resource::{UsageWho, getrusage},
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use rustix::process::set_parent_process_death_signal;
use serde::{Deserialize, Serialize};

use super::{Isolation, confine};

/// How the builder ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// It returned or exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// The executor closed the channel.
    Cancelled,
}

/// The builder's end and what it used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Supervised {
    /// How it ended.
    pub ended: Ended,
    /// User and system time of all its processes, in seconds.
    pub cpu_seconds: f64,
    /// The largest resident set of any of its processes, in bytes.
    pub max_rss: u64,
}

/// Forks the builder, which runs `body` and exits with the code it returns, and waits for its end.
///
/// `channel` is a connected socket; when its other end is closed the builder is cancelled. `body` must not use it.
pub fn supervise(
    channel: &impl AsFd,
    isolation: Isolation,
    body: impl FnOnce() -> i32,
) -> io::Result<Supervised> {
    let mut children_ended = SigSet::empty();
    children_ended.add(Signal::SIGCHLD);
    children_ended.thread_block()?;
    let signals = SignalFd::with_flags(&children_ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    // SAFETY: this process is single-threaded (`spawn` demands it), so the copy may use all of its memory.
    let builder = match unsafe { fork() }? {
        ForkResult::Child => {
            drop(signals);
            let _ = set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            let _ = children_ended.thread_unblock();
            let code = guarded(body);
            // SAFETY: `_exit` has no preconditions; the parent's exit handlers must not run in the copy.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => child,
    };
    let ended = wait(channel, &signals, builder)?;
    end_all(isolation);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(Supervised {
        ended,
        cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
        max_rss: u64::try_from(usage.max_rss()).unwrap_or(0) * 1024,
    })
}

/// Runs the code of a forked process: a panic must not unwind into the parent's frames, of which this is a copy.
pub(super) fn guarded(body: impl FnOnce() -> i32) -> i32 {
    const PANICKED: i32 = 101;
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(PANICKED)
}

fn wait(channel: &impl AsFd, signals: &SignalFd, builder: Pid) -> io::Result<Ended> {
    loop {
        let mut watched = [
            libc::pollfd { fd: signals.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 },
            libc::pollfd { fd: channel.as_fd().as_raw_fd(), events: libc::POLLRDHUP, revents: 0 },
        ];
        // SAFETY: the array holds two valid `pollfd`s and outlives the call.
        let ready = unsafe { libc::poll(watched.as_mut_ptr(), 2, -1) };
        if ready < 0 && Errno::last() != Errno::EINTR {
            return Err(io::Error::last_os_error());
        }
        let _ = signals.read_signal();
        // One signal may stand for several ended children.
        while let Ok(status) = waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            match status {
                WaitStatus::Exited(pid, code) if pid == builder => return Ok(Ended::Code(code)),
                WaitStatus::Signaled(pid, signal, _) if pid == builder => {
                    return Ok(Ended::Signal(signal as i32));
                }
                WaitStatus::StillAlive => break,
                _ => {}
            }
        }
        let [_, closed] = watched;
        if closed.revents != 0 {
            return Ok(Ended::Cancelled);
        }
    }
}

/// Kills every descendant and waits for all of them.
fn end_all(isolation: Isolation) {
    loop {
        if isolation == Isolation::None {
            // Here -1 would be every process of the user. Grandchildren become children when their parent dies.
            for child in confine::children() {
                let _ = kill(Pid::from_raw(child), Signal::SIGKILL);
            }
        } else if std::process::id() == 1 {
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        if waitpid(None, None) == Err(Errno::ECHILD) {
            return;
        }
    }
}
