//! What can go wrong while a sandbox is made: the step, the path and the kernel's answer.

use std::{io, path::PathBuf};

use thiserror::Error;

/// A sandbox could not be made.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The kernel refused the new namespaces.
    #[error("cannot create the namespaces of a build: {reason}")]
    Namespaces {
        /// The switch that forbids them, or the kernel's answer.
        reason: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A file below `/proc/self` that maps user or group numbers could not be written.
    #[error("cannot map the user: writing `{file}` failed")]
    Map {
        /// The file.
        file: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A mount failed.
    #[error("cannot mount {what} at `{at}` in the sandbox")]
    Mount {
        /// What was to be mounted.
        what: String,
        /// Where.
        at: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A directory, file or link of the new root could not be made.
    #[error("cannot make `{path}` in the sandbox")]
    Make {
        /// The path inside the sandbox.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// What is to be shown inside does not exist on the host.
    #[error("`{path}` is an input of the build but is not there")]
    NoInput {
        /// The path on the host.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another step failed.
    #[error("cannot {step} in the sandbox")]
    Step {
        /// What was tried, as a verb phrase.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl SandboxError {
    /// Makes the function that wraps an I/O error of one step.
    pub(super) fn step<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> SandboxError {
        move |error| SandboxError::Step { step, source: error.into() }
    }

    /// The whole chain of causes in one line, for a pipe that carries only text.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        text
    }
}
