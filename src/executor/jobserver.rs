//! One pool of processor tokens for all builds: GNU make's jobserver.
//!
//! A pipe holds one byte per token. Every running `make` owns one token without asking and reads one for each further process, so
//! the pool starts with one token less than there are cores. When several builds run at once, each beyond the first owns
//! one implicitly; the executor takes that out of the pool for it. It never waits for a token: if none is there, the
//! build starts all the same and the debt is paid when a build ends. A build that was killed may have kept tokens;
//! so whenever no build runs, the pool is filled anew.
//!
//! The pipe form is used (`--jobserver-auth=R,W`), which every make since 4.2 understands, with R and W always 3 and 4, so
//! that no build can see how many files the executor has open.
//!
//! Invariant: with no build running, the pipe holds `cores - 1` bytes.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use rustix::fs::{Mode, OFlags};

/// The `MAKEFLAGS` of every build.
pub const MAKEFLAGS: &str = "-j --jobserver-auth=3,4";

const TOKEN: &[u8] = b"+";

/// The pool.
#[derive(Debug)]
pub struct Jobserver {
    read: PipeReader,
    write: PipeWriter,
    /// The same pipe opened once more, so that not waiting here does not change how make reads.
    poll: File,
    tokens: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    /// Builds that run without a token taken out for them.
    debt: usize,
}

/// A running build's share; returned when dropped.
#[derive(Debug)]
pub struct Share<'a>(&'a Jobserver);

impl Jobserver {
    /// A pool for that many cores, at least one.
    pub fn new(cores: u32) -> io::Result<Jobserver> {
        let (read, write) = io::pipe()?;
        let path = format!("/proc/self/fd/{}", read.as_raw_fd());
        let poll =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
        // More would not fit into the pipe, and no machine has more.
        let tokens = usize::try_from(cores).unwrap_or(1).clamp(1, 4096) - 1;
        let pool = Jobserver { read, write, poll: poll.into(), tokens, state: Mutex::default() };
        pool.refill()?;
        Ok(pool)
    }

    /// The ends of the pipe, for the process that forks builds.
    pub fn ends(&self) -> (BorrowedFd<'_>, BorrowedFd<'_>) {
        (self.read.as_fd(), self.write.as_fd())
    }

    /// Accounts for one more running build.
    pub fn join(&self) -> Share<'_> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.running > 0 && !self.take() {
            state.debt += 1;
        }
        state.running += 1;
        Share(self)
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running -= 1;
        if state.running == 0 {
            state.debt = 0;
            let _ = self.refill();
        } else if state.debt > 0 {
            state.debt -= 1;
        } else {
            let _ = (&self.write).write_all(TOKEN);
        }
    }

    fn take(&self) -> bool {
        matches!((&self.poll).read(&mut [0]), Ok(1))
    }

    fn refill(&self) -> io::Result<()> {
        while self.take() {}
        (&self.write).write_all(&TOKEN.repeat(self.tokens))
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Puts the ends of the pipe at descriptors 3 and 4 of this process and of all that it starts.
pub(super) fn install(read: OwnedFd, write: OwnedFd) -> io::Result<()> {
    // Out of the way first: the ends may have arrived at 4 and 3, where dropping them would close what is put there.
    let moved = [rustix::io::fcntl_dupfd_cloexec(&read, 10)?, rustix::io::fcntl_dupfd_cloexec(&write, 10)?];
    drop((read, write));
    for (end, number) in moved.iter().zip([3, 4]) {
        // SAFETY: `dup2` on descriptor numbers of our own: 3 and 4 are reserved for this in this process.
        if unsafe { nix::libc::dup2(end.as_raw_fd(), number) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Jobserver {
        fn available(&self) -> usize {
            let mut count = 0;
            while self.take() {
                count += 1;
            }
            (&self.write).write_all(&TOKEN.repeat(count)).unwrap();
            count
        }
    }

    #[test]
    fn each_build_beyond_the_first_takes_a_token() {
        let pool = Jobserver::new(4).unwrap();
        assert_eq!(pool.available(), 3);
        let first = pool.join();
        assert_eq!(pool.available(), 3);
        let second = pool.join();
        assert_eq!(pool.available(), 2);
        drop(first);
        assert_eq!(pool.available(), 3);
        drop(second);
        assert_eq!(pool.available(), 3);
    }

    #[test]
    fn an_empty_pool_delays_no_build_and_lost_tokens_come_back() {
        let pool = Jobserver::new(2).unwrap();
        let first = pool.join();
        assert!(pool.take(), "a make takes the only token and is killed with it");
        let second = pool.join();
        drop(first);
        assert_eq!(pool.available(), 0, "the debt is paid first");
        drop(second);
        assert_eq!(pool.available(), 1);
    }
}
