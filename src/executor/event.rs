//! What happens while derivations are realised, for whoever shows it.
//!
//! Invariant: every `Started` is followed by exactly one `Finished` of the same id, whatever happens.

use super::{BuildResult, Plan};
use crate::{graph::NodeId, store_path::StorePath};

/// What is done with a derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Its file is fetched.
    Fetch,
    /// It is built.
    Build,
    /// References in it are replaced.
    Graft,
    /// It is built again and compared with what is there.
    Check,
}

/// One thing that happened. Events come from several threads at once; those of one id come in order.
#[derive(Debug)]
pub enum Event<'a> {
    /// All that will be done is known.
    Planned(&'a Plan),
    /// Work on a derivation began.
    Started {
        /// The derivation.
        id: NodeId,
        /// Its name.
        name: &'a str,
        /// What is done.
        action: Action,
    },
    /// Another process works on the same derivation; this one waits for it.
    Waiting {
        /// The derivation.
        id: NodeId,
        /// Its name.
        name: &'a str,
    },
    /// The builder entered a phase.
    Phase {
        /// The derivation.
        id: NodeId,
        /// The phase.
        phase: &'a str,
    },
    /// The builder printed a line; markers of phases are left out.
    Line {
        /// The derivation.
        id: NodeId,
        /// Its name.
        name: &'a str,
        /// The line, without its end.
        line: &'a str,
    },
    /// An output holds store paths in compressed form, where rewriting does not reach them.
    Hidden {
        /// The output.
        path: &'a StorePath,
        /// Its files, with the member where they have some.
        files: &'a [String],
    },
    /// A part of a file arrived.
    Received {
        /// The derivation.
        id: NodeId,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all, where the server says.
        total: Option<u64>,
    },
    /// Work ended, or never began because of others.
    Finished {
        /// The derivation.
        id: NodeId,
        /// Its name.
        name: &'a str,
        /// What was done.
        action: Action,
        /// How it ended.
        result: &'a BuildResult,
    },
}

/// Takes events; called from several threads.
pub trait Observer: Sync {
    /// Takes one event. It should return soon: the build waits.
    fn observe(&self, event: Event<'_>);
}

/// Takes no interest.
#[derive(Debug, Clone, Copy)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _: Event<'_>) {}
}
