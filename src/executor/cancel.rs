//! Stopping everything: by the user's signal, or after a failure when asked to.
//!
//! One pipe whose writing end is closed to cancel. Its reading end becomes readable for everybody at once and for good,
//! so each worker waits for it beside the build's own descriptors. A first Ctrl-C (or SIGTERM, SIGHUP) cancels in good
//! order; a second one ends the program where it stands, which the store survives too.
//!
//! Invariant: cancelling never loses a wake-up, however late the waiter comes.

use std::{
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsFd, BorrowedFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    SigId,
    consts::{SIGHUP, SIGINT, SIGTERM},
};

/// Exit code after Ctrl-C, as shells have it.
const INTERRUPTED: i32 = 130;

/// Tells all who hold it to stop.
#[derive(Debug)]
pub struct Cancel {
    flag: AtomicBool,
    read: PipeReader,
    write: Mutex<Option<PipeWriter>>,
}

impl Cancel {
    /// Nothing cancelled yet.
    pub fn new() -> io::Result<Cancel> {
        let (read, write) = io::pipe()?;
        Ok(Cancel { flag: AtomicBool::new(false), read, write: Mutex::new(Some(write)) })
    }

    /// Tells everybody to stop.
    pub fn cancel(&self) {
        self.flag.store(true, Ordering::SeqCst);
        self.write.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether to stop.
    pub fn cancelled(&self) -> bool {
        self.flag.load(Ordering::SeqCst)
    }

    /// The flag itself, for those who look at it between steps.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// A descriptor that becomes readable when everybody is to stop.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

/// While it lives, signals that ask the program to end cancel instead.
#[derive(Debug)]
pub struct SignalWatch {
    hooks: Vec<SigId>,
    caught: PipeReader,
    stop: Option<PipeWriter>,
}

impl SignalWatch {
    /// Catches the signals; [`watch`](Self::watch) must run in a thread.
    pub fn new() -> io::Result<SignalWatch> {
        let (caught, write) = io::pipe()?;
        let seen = Arc::new(AtomicBool::new(false));
        let mut hooks = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order: the first signal finds the flag unset, the second one set.
            hooks.push(signal_hook::flag::register_conditional_shutdown(
                signal,
                INTERRUPTED,
                Arc::clone(&seen),
            )?);
            hooks.push(signal_hook::flag::register(signal, Arc::clone(&seen))?);
            hooks.push(signal_hook::low_level::pipe::register(signal, write.try_clone()?)?);
        }
        Ok(SignalWatch { hooks, caught, stop: Some(write) })
    }

    /// Waits for a signal and then cancels; answers whether one came before [`stop`](Self::stop).
    pub fn watch(caught: &PipeReader, cancel: &Cancel) -> bool {
        let mut byte = [0];
        loop {
            match io::Read::read(&mut &*caught, &mut byte) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(1) if byte != [STOP] => {
                    cancel.cancel();
                    return true;
                }
                _ => return false,
            }
        }
    }

    /// Where signals arrive.
    pub fn caught(&self) -> &PipeReader {
        &self.caught
    }

    /// Ends the watching.
    pub fn stop(&mut self) {
        if let Some(mut stop) = self.stop.take() {
            let _ = io::Write::write_all(&mut stop, &[STOP]);
        }
    }
}

/// What `stop` writes; signal-hook writes `X`.
const STOP: u8 = b'.';

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.stop();
        for hook in self.hooks.drain(..) {
            signal_hook::low_level::unregister(hook);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cancelling_is_seen_by_flag_and_descriptor() {
        let cancel = Cancel::new().unwrap();
        assert!(!cancel.cancelled());
        cancel.cancel();
        cancel.cancel();
        assert!(cancel.cancelled());
        assert_eq!(io::Read::read(&mut &cancel.read, &mut [0]).unwrap(), 0, "the end of file, at once");
    }

    #[test]
    fn a_watch_without_a_signal_ends_quietly() {
        let cancel = Cancel::new().unwrap();
        let mut watch = SignalWatch::new().unwrap();
        watch.stop();
        assert!(!SignalWatch::watch(watch.caught(), &cancel));
        assert!(!cancel.cancelled());
    }
}
