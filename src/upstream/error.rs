//! Why it is not known which version is the newest.

use crate::import::ImportError;

/// Why it is not known which version is the newest.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The recipe names no place, or none that names the version.
    #[error("the source of `{package}` has no address in which its version stands")]
    NoPlace {
        /// The package.
        package: String,
    },
    /// No place could be looked at.
    #[error("no place that has its versions answers:\n  {}", .failures.join("\n  "))]
    Failed {
        /// What each place said.
        failures: Vec<String>,
    },
}

impl UpstreamError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            UpstreamError::NoPlace { .. } => {
                Some("give the other source itself: `--with-source=PACKAGE@VERSION=FILE-OR-ADDRESS`".into())
            }
            UpstreamError::Failed { .. } => None,
        }
    }
}

/// What an index of Python packages said, in one line.
pub(super) fn line(error: &ImportError) -> String {
    error.to_string().replace('\n', " ")
}
