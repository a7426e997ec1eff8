//! The process from which builds are forked.
//!
//! A build needs a single-threaded process with the interpreter in it. Starting one per build costs an `exec`, dynamic
//! linking and the interpreter's prelude; so `hpcl` starts itself once, as `hpcl __build`, and that process forks each build into its
//! namespaces. It keeps no state: per build it gets a socket to the executor and the writing end of the log, forks, and forgets.
//!
//! Protocol: on the control socket (descriptor 0), one byte and two descriptors per message: `J` and the ends of the
//! jobserver's pipe, or the isolation and (channel, log). On the channel, to the build: the length of a [`BuildOrder`] as
//! 8 bytes, then its JSON; back: a [`Report`] as JSON, then the end of file. Closing the channel cancels the build.
//!
//! Invariant: when the executor dies, however it dies, its sockets close and every build ends.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};

use super::{BuilderJob, Jobserver};
use crate::sandbox::{Isolation, SandboxSpec, Supervised};

/// What a forked build is told: where to live and what to run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildOrder {
    /// The sandbox; its paths are unused without isolation.
    pub spec: SandboxSpec,
    /// The staged code.
    pub job: BuilderJob,
}

/// What a forked build answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Report {
    /// The builder ran and ended.
    Ended(Supervised),
    /// The sandbox could not be made.
    NotStarted(String),
}

/// The executor's side: starts the process and orders builds from it.
#[derive(Debug)]
pub struct Zygote {
    child: Child,
    control: Mutex<UnixStream>,
}

/// The variables of the user that the process keeps: a build could read them in `/proc`, so only what starting needs.
const KEPT: [&str; 2] = ["LD_LIBRARY_PATH", "RUST_BACKTRACE"];

const JOBSERVER: u8 = b'J';
const FULL: u8 = b'F';
const WITH_NETWORK: u8 = b'N';
const NONE: u8 = b'0';

impl Zygote {
    /// Starts `program __build`.
    ///
    /// The calling thread must outlive the zygote: the kernel ends it with the thread.
    pub fn start(program: &Path, jobserver: &Jobserver) -> io::Result<Zygote> {
        let (mine, theirs) = UnixStream::pair()?;
        let kept = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let child = Command::new(program)
            .arg("__build")
            .env_clear()
            .envs(kept)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        let (read, write) = jobserver.ends();
        send(&mine, JOBSERVER, [read, write])?;
        Ok(Zygote { child, control: Mutex::new(mine) })
    }

    /// Forks a build, gives it its order, and answers the channel on which it will report.
    pub fn order(&self, isolation: Isolation, order: &BuildOrder, log: impl AsFd) -> io::Result<UnixStream> {
        let (mut mine, theirs) = UnixStream::pair()?;
        let kind = match isolation {
            Isolation::Full => FULL,
            Isolation::WithNetwork => WITH_NETWORK,
            Isolation::None => NONE,
        };
        let control = self.control.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        send(&control, kind, [theirs.as_fd(), log.as_fd()])?;
        drop(control);
        drop(theirs);
        let text = serde_json::to_vec(order)?;
        mine.write_all(&(text.len() as u64).to_ne_bytes())?;
        mine.write_all(&text)?;
        Ok(mine)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        // It ends at the end of file of its control socket; builds still running end with their channels.
        if let Ok(control) = self.control.lock() {
            let _ = control.shutdown(std::net::Shutdown::Both);
        }
        let _ = self.child.wait();
    }
}

/// What one message of the control socket asks for.
pub(super) enum Request {
    /// Keep the jobserver's ends for all builds.
    Jobserver(OwnedFd, OwnedFd),
    /// Fork a build.
    Build {
        /// How it is kept apart.
        isolation: Isolation,
        /// Where its order comes from and its report goes to.
        channel: UnixStream,
        /// Its standard output and error.
        log: OwnedFd,
    },
}

/// Reads the next request; nothing at the end of file.
pub(super) fn receive(control: &UnixStream) -> io::Result<Option<Request>> {
    let mut kind = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        match recvmsg(control, &mut [IoSliceMut::new(&mut kind)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if got.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten();
    let (Some(first), Some(second)) = (descriptors.next(), descriptors.next()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a message without descriptors"));
    };
    let isolation = match kind {
        [JOBSERVER] => return Ok(Some(Request::Jobserver(first, second))),
        [FULL] => Isolation::Full,
        [WITH_NETWORK] => Isolation::WithNetwork,
        _ => Isolation::None,
    };
    Ok(Some(Request::Build { isolation, channel: first.into(), log: second }))
}

/// Reads the order of a build from its channel.
pub(super) fn read_order(channel: &mut impl Read) -> io::Result<BuildOrder> {
    let mut length = [0; 8];
    channel.read_exact(&mut length)?;
    let mut text = Vec::new();
    channel.take(u64::from_ne_bytes(length)).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn send(control: &UnixStream, kind: u8, descriptors: [BorrowedFd<'_>; 2]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(control, &[IoSlice::new(&[kind])], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_descriptors_arrive() {
        let (mine, theirs) = UnixStream::pair().unwrap();
        let (mut channel, far) = UnixStream::pair().unwrap();
        let (mut log, log_write) = io::pipe().unwrap();
        send(&mine, FULL, [far.as_fd(), log_write.as_fd()]).unwrap();
        drop((far, log_write, mine));
        let Some(Request::Build { isolation, channel: mut theirs_channel, log: theirs_log }) =
            receive(&theirs).unwrap()
        else {
            panic!("a build was ordered");
        };
        assert_eq!(isolation, Isolation::Full);
        std::fs::File::from(theirs_log).write_all(b"line").unwrap();
        theirs_channel.write_all(b"report").unwrap();
        drop(theirs_channel);
        let mut text = String::new();
        log.read_to_string(&mut text).unwrap();
        channel.read_to_string(&mut text).unwrap();
        assert_eq!(text, "linereport");
        assert!(receive(&theirs).unwrap().is_none(), "the end of file");
    }
}
