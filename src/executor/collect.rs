//! Attends to one running build: takes its output, watches the clocks, waits for its report.
//!
//! One `poll` over the log, the channel to the build and the cancel descriptor. To end a build early the writing side of
//! the channel is closed; its first process then kills everything, reports and ends, so there is one way out for all cases:
//! both ends of file.
//!
//! Invariant: when `attend` returns, no process of the build is alive.

use std::{
    io::{self, Read},
    net::Shutdown,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

use nix::libc;

use super::{
    BuildError, Cancel,
    log::{LogEvent, LogWriter},
    zygote::Report,
};
use crate::sandbox::{Ended, Supervised};

/// How long a build may take and be silent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Limits {
    pub timeout: Option<Duration>,
    pub max_silent: Option<Duration>,
}

/// Attends to a build until it and all its processes have ended; answers what it used, or why it failed.
pub(super) fn attend(
    mut channel: UnixStream,
    mut output: io::PipeReader,
    log: &mut LogWriter,
    limits: Limits,
    cancel: &Cancel,
    on: &mut dyn FnMut(LogEvent<'_>),
) -> (Option<Supervised>, Result<(), BuildError>) {
    let started = Instant::now();
    let mut heard = started;
    let mut stopped: Option<BuildError> = None;
    let mut report = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let (mut log_open, mut channel_open) = (true, true);
    while log_open || channel_open {
        let wait = if stopped.is_some() { None } else { next_limit(limits, started, heard) };
        let ready = poll(
            [
                log_open.then(|| output.as_fd()),
                channel_open.then(|| channel.as_fd()),
                stopped.is_none().then(|| cancel.descriptor()),
            ],
            wait,
        );
        let [log_ready, channel_ready, cancelled] = match ready {
            Ok(ready) => ready,
            Err(source) => {
                let _ = channel.shutdown(Shutdown::Both);
                return (None, Err(BuildError::Io { action: "wait for", path: "the build".into(), source }));
            }
        };
        if log_ready {
            match output.read(&mut buffer) {
                Ok(0) => log_open = false,
                Ok(count) => {
                    heard = Instant::now();
                    let piece = buffer.get(..count).unwrap_or_default();
                    // A log that cannot be written stops the build: it would go on unseen.
                    if let Err(error) = log.write(piece, on)
                        && stopped.is_none()
                    {
                        stop(&channel, &mut stopped, error);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => log_open = false,
            }
        }
        if channel_ready {
            match channel.read(&mut buffer) {
                Ok(0) | Err(_) => channel_open = false,
                Ok(count) => report.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            }
        }
        if stopped.is_none() {
            if cancelled {
                stop(&channel, &mut stopped, BuildError::Cancelled);
            } else if let Some(error) = expired(limits, started, heard) {
                stop(&channel, &mut stopped, error);
            }
        }
    }
    let report: Option<Report> = serde_json::from_slice(&report).ok();
    let used = match &report {
        Some(Report::Ended(supervised)) => Some(*supervised),
        _ => None,
    };
    (used, stopped.map_or_else(|| verdict(report), Err))
}

fn verdict(report: Option<Report>) -> Result<(), BuildError> {
    match report {
        Some(Report::Ended(supervised)) => match supervised.ended {
            Ended::Code(0) => Ok(()),
            Ended::Code(code) => Err(BuildError::Exit { code }),
            Ended::Signal(signal) => Err(BuildError::Signal { signal }),
            Ended::Cancelled => Err(BuildError::Cancelled),
        },
        Some(Report::NotStarted(reason)) => Err(BuildError::NotStarted { reason }),
        None => Err(BuildError::Lost),
    }
}

fn stop(channel: &UnixStream, stopped: &mut Option<BuildError>, why: BuildError) {
    let _ = channel.shutdown(Shutdown::Write);
    *stopped = Some(why);
}

fn expired(limits: Limits, started: Instant, heard: Instant) -> Option<BuildError> {
    let over = |limit: Option<Duration>, since: Instant| limit.filter(|limit| since.elapsed() >= *limit);
    if let Some(limit) = over(limits.timeout, started) {
        return Some(BuildError::Timeout { limit });
    }
    over(limits.max_silent, heard).map(|limit| BuildError::Silent { limit })
}

fn next_limit(limits: Limits, started: Instant, heard: Instant) -> Option<Duration> {
    let left =
        |limit: Option<Duration>, since: Instant| limit.map(|limit| limit.saturating_sub(since.elapsed()));
    [left(limits.timeout, started), left(limits.max_silent, heard)].into_iter().flatten().min()
}

/// Waits until one of the descriptors is readable or closed, or the time is up.
fn poll<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    wait: Option<Duration>,
) -> io::Result<[bool; N]> {
    // A negative descriptor is skipped by the kernel.
    let mut watched = descriptors.map(|descriptor| libc::pollfd {
        fd: descriptor.map_or(-1, |descriptor| descriptor.as_raw_fd()),
        events: libc::POLLIN,
        revents: 0,
    });
    // Rounded up, so that the limit has passed when it returns.
    let wait = wait.map_or(-1, |wait| i32::try_from(wait.as_millis() + 1).unwrap_or(i32::MAX));
    // SAFETY: the array holds N valid `pollfd`s and outlives the call.
    let ready = unsafe { libc::poll(watched.as_mut_ptr(), N as libc::nfds_t, wait) };
    if ready < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
        return Ok([false; N]);
    }
    Ok(watched.map(|one| one.revents != 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn report(supervised: Supervised) -> Vec<u8> {
        serde_json::to_vec(&Report::Ended(supervised)).unwrap()
    }

    const ENDED: Supervised = Supervised { ended: Ended::Code(0), cpu_seconds: 0.0, max_rss: 0 };

    fn run(
        limits: Limits,
        cancel: &Cancel,
        build: impl FnOnce(UnixStream, io::PipeWriter) + Send,
    ) -> Result<(), BuildError> {
        let directory = tempfile::tempdir().unwrap();
        let (mine, theirs) = UnixStream::pair().unwrap();
        let (read, write) = io::pipe().unwrap();
        let mut log = LogWriter::new(directory.path().join("log"));
        std::thread::scope(|scope| {
            scope.spawn(move || build(theirs, write));
            attend(mine, read, &mut log, limits, cancel, &mut |_| {}).1
        })
    }

    #[test]
    fn success_needs_a_report() {
        let cancel = Cancel::new().unwrap();
        let good = run(Limits::default(), &cancel, |mut channel, mut log| {
            log.write_all(b"text\n").unwrap();
            channel.write_all(&report(ENDED)).unwrap();
        });
        good.unwrap();
        let lost = run(Limits::default(), &cancel, |_, _| {});
        assert!(matches!(lost, Err(BuildError::Lost)));
        let failed = run(Limits::default(), &cancel, |mut channel, _| {
            channel.write_all(&report(Supervised { ended: Ended::Code(3), ..ENDED })).unwrap();
        });
        assert!(matches!(failed, Err(BuildError::Exit { code: 3 })));
    }

    /// A build that ends only when its channel is closed.
    fn endless(mut channel: UnixStream, _log: io::PipeWriter) {
        let mut rest = Vec::new();
        channel.read_to_end(&mut rest).unwrap();
        channel.write_all(&report(Supervised { ended: Ended::Cancelled, ..ENDED })).unwrap();
    }

    #[test]
    fn limits_and_cancelling_end_a_build() {
        let cancel = Cancel::new().unwrap();
        let soon = Some(Duration::from_millis(1));
        let slow = run(Limits { timeout: soon, max_silent: None }, &cancel, endless);
        assert!(matches!(slow, Err(BuildError::Timeout { .. })));
        let silent = run(Limits { timeout: None, max_silent: soon }, &cancel, endless);
        assert!(matches!(silent, Err(BuildError::Silent { .. })));
        cancel.cancel();
        assert!(matches!(run(Limits::default(), &cancel, endless), Err(BuildError::Cancelled)));
    }
}
