//! How the realisation of a derivation ended.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{BuildError, Kept};
use crate::{graph::NodeId, store_path::StorePath};

/// The end of one derivation's work.
#[derive(Debug)]
pub enum BuildResult {
    /// It was made, and its outputs are valid.
    Realised(Done),
    /// Another process made it while this one waited.
    AlreadyThere,
    /// It failed.
    Failed(Box<Failed>),
    /// What it needs failed, so it was not tried.
    DependencyFailed {
        /// The name of the derivation that failed.
        dependency: String,
    },
    /// It was stopped, or not begun, because everything was to stop.
    Cancelled,
}

impl BuildResult {
    /// Whether the outputs are valid now.
    pub fn is_success(&self) -> bool {
        matches!(self, BuildResult::Realised(_) | BuildResult::AlreadyThere)
    }
}

/// A success and its cost.
#[derive(Debug, Clone, Default)]
pub struct Done {
    /// The outputs registered, in the derivation's order.
    pub outputs: Vec<StorePath>,
    /// Time on the clock.
    pub elapsed: Duration,
    /// Processor time of all its processes, in seconds.
    pub cpu_seconds: f64,
    /// The largest resident set of one process, in bytes.
    pub max_rss: u64,
    /// Bytes received, for a fetch.
    pub received: u64,
    /// The compressed log, if anything was printed.
    pub log: Option<PathBuf>,
}

/// A failure with all that helps to understand it.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: BuildError,
    /// The phase in which it happened, for a build that has phases.
    pub phase: Option<String>,
    /// The last lines that it printed, oldest first.
    pub last_lines: Vec<String>,
    /// The compressed log, if anything was printed.
    pub log: Option<PathBuf>,
    /// The directory that was kept, if asked for.
    pub kept: Option<Kept>,
    /// Whether the disk on which it was built has no room left.
    pub disk_full: bool,
    /// Time on the clock until it failed.
    pub elapsed: Duration,
}

impl From<BuildError> for Failed {
    fn from(error: BuildError) -> Self {
        Failed {
            error,
            phase: None,
            last_lines: Vec::new(),
            log: None,
            kept: None,
            disk_full: false,
            elapsed: Duration::ZERO,
        }
    }
}

impl From<BuildError> for Box<Failed> {
    fn from(error: BuildError) -> Self {
        Box::new(error.into())
    }
}

impl From<BuildError> for BuildResult {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Cancelled => BuildResult::Cancelled,
            error => BuildResult::Failed(error.into()),
        }
    }
}

/// What `realise` did.
#[derive(Debug, Default)]
pub struct Summary {
    /// The end of every derivation that was planned.
    pub results: BTreeMap<NodeId, BuildResult>,
    /// Derivations built, or built again for comparison.
    pub built: usize,
    /// Items grafted.
    pub grafted: usize,
    /// Files fetched.
    pub fetched: usize,
    /// Bytes received for them.
    pub received: u64,
    /// Time on the clock.
    pub elapsed: Duration,
    /// Whether a signal ended it.
    pub interrupted: bool,
}

impl Summary {
    /// The failures, in the order of the graph.
    pub fn failures(&self) -> impl Iterator<Item = (NodeId, &Failed)> {
        self.results.iter().filter_map(|(id, result)| match result {
            BuildResult::Failed(failed) => Some((*id, failed.as_ref())),
            _ => None,
        })
    }

    /// Whether everything that was planned is valid now.
    pub fn is_success(&self) -> bool {
        self.results.values().all(BuildResult::is_success)
    }
}
