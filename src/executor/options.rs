//! How to realise: parallelism, isolation, patience, and what to do with failures.

use std::{path::PathBuf, time::Duration};

/// The user's choices.
#[derive(Debug, Clone)]
pub struct Options {
    /// Builds at the same time, at least 1.
    pub max_jobs: usize,
    /// Processors for all builds together, at least 1.
    pub cores: u32,
    /// Downloads at the same time, at least 1.
    pub max_fetches: usize,
    /// Whether the first failure stops all other work.
    pub fail_fast: bool,
    /// Whether the directory of a failed build is kept.
    pub keep_failed: bool,
    /// Whether wanted outputs that are there are built again and compared.
    pub check: bool,
    /// Whether a build that `check` asks for repairs what is damaged.
    pub repair: bool,
    /// Whether builds run in a sandbox; without one their results are marked.
    pub sandbox: bool,
    /// The longest that a build may take.
    pub timeout: Option<Duration>,
    /// The longest that a build may print nothing.
    pub max_silent: Option<Duration>,
    /// The program that is started as `PROGRAM __build`: hpcl itself.
    pub program: PathBuf,
}

impl Options {
    /// The defaults: all processors of this machine that this process may use.
    pub fn new(program: impl Into<PathBuf>) -> Options {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Options {
            max_jobs: processors,
            cores: u32::try_from(processors).unwrap_or(1),
            max_fetches: 8,
            fail_fast: false,
            keep_failed: false,
            check: false,
            repair: false,
            sandbox: true,
            timeout: None,
            max_silent: None,
            program: program.into(),
        }
    }
}
