//! Errors of realising: of the whole ([`ExecutorError`]) and of one derivation ([`BuildError`]).

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{derivation::OutputName, sandbox::Missing, store::StoreError, store_path::StorePath};

/// Nothing could be begun.
#[derive(Debug, Error)]
pub enum ExecutorError {
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An output was wanted that the derivation does not have.
    #[error("`{name}` has no output `{output}`")]
    NoSuchOutput {
        /// The derivation.
        name: String,
        /// The output.
        output: OutputName,
    },
    /// A derivation needs one that is not in the graph.
    #[error("`{name}` needs `{input}`, which is not in the graph")]
    NotInGraph {
        /// The derivation.
        name: String,
        /// What it needs.
        input: StorePath,
    },
    /// A source file of a derivation was never put into the store.
    #[error("`{path}` is a source of a build but is not in the store")]
    MissingSource {
        /// The source.
        path: StorePath,
    },
    /// This machine allows no sandbox.
    #[error("this machine does not allow sandboxed builds: {}", reasons(missing))]
    NoSandbox {
        /// The parts that are missing, with reasons.
        missing: Vec<Missing>,
    },
    /// Built again without a sandbox, a valid item would be overwritten.
    #[error(
        "building again to compare needs the sandbox: without it the item in the store would be overwritten"
    )]
    CheckWithoutSandbox,
    /// Grafts cannot be planned.
    #[error(transparent)]
    Graft(Box<super::GraftError>),
    /// The process that forks builds, or something else of the machinery, could not be made.
    #[error("cannot {what}")]
    Machinery {
        /// What was tried.
        what: String,
        /// The reason.
        source: io::Error,
    },
}

impl ExecutorError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ExecutorError::NoSandbox { .. } => Some(
                "`--no-sandbox` builds without isolation; what is built so is marked, since it may depend on this machine"
                    .into(),
            ),
            _ => None,
        }
    }
}

/// The parts with their reasons, each reason once: what forbids user namespaces forbids all others.
fn reasons(missing: &[Missing]) -> String {
    let mut told: Vec<&str> = Vec::new();
    let mut text = Vec::new();
    for Missing { part, reason } in missing {
        if !told.contains(&reason.as_str()) {
            told.push(reason);
            text.push(format!("no {part}: {reason}"));
        }
    }
    text.join("; ")
}

/// Why one derivation could not be realised.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The builder ended with a code other than 0.
    #[error("the builder failed with exit code {code}")]
    Exit {
        /// The code.
        code: i32,
    },
    /// A signal ended the builder.
    #[error("the builder was ended by signal {signal}{}", if *signal == 9 { " (out of memory?)" } else { "" })]
    Signal {
        /// The signal.
        signal: i32,
    },
    /// The time for the whole build was up.
    #[error("the build took longer than {} s", limit.as_secs())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The build printed nothing for too long.
    #[error("the build printed nothing for {} s", limit.as_secs())]
    Silent {
        /// The limit.
        limit: Duration,
    },
    /// The sandbox could not be made.
    #[error("{reason}")]
    NotStarted {
        /// The whole chain of causes.
        reason: String,
    },
    /// The first process of the build ended without a word.
    #[error("the build's supervising process was killed")]
    Lost,
    /// The builder ended well but made no such output.
    #[error("the builder did not make output `{output}`")]
    MissingOutput {
        /// The output.
        output: OutputName,
    },
    /// The store did not take what the build made, or could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file could not be fetched.
    #[error(transparent)]
    Fetch(#[from] crate::fetch::FetchError),
    /// What was fetched could not be unpacked.
    #[error(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
    /// Built again, an output came out different.
    #[error("output `{output}` is not reproducible: {first} differs")]
    Different {
        /// The output.
        output: OutputName,
        /// The first file that differs, and how.
        first: String,
        /// Where the other result was kept.
        kept: PathBuf,
    },
    /// A derivation for a builder that hpcl does not have.
    #[error("unknown builder `{builder}`")]
    UnknownBuilder {
        /// The builder.
        builder: String,
    },
    /// The derivation lacks something, or has it in a form that cannot be used.
    #[error("the derivation's `{variable}` {problem}")]
    BadDerivation {
        /// The environment variable.
        variable: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The log could not be written.
    #[error("cannot write the log `{path}`")]
    Log {
        /// The log.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file of the build's surroundings could not be made or read.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Everything was to stop.
    #[error("stopped")]
    Cancelled,
}

impl BuildError {
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> BuildError {
        let path = path.into();
        move |source| BuildError::Io { action, path, source }
    }

    /// Whether a second build came out different.
    pub fn is_difference(&self) -> bool {
        matches!(self, BuildError::Different { .. })
    }

    /// Whether it failed for want of room on a disk, as far as the error itself says.
    pub fn is_disk_full(&self) -> bool {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(io) = error.downcast_ref::<io::Error>()
                && matches!(io.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

/// A message with those of its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
