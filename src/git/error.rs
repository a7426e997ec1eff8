//! What can go wrong with a repository.

use std::{io, path::PathBuf};

/// An error of a repository.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// There is no repository at that path.
    #[error("`{path}` is not a git repository")]
    NoRepository {
        /// The path.
        path: PathBuf,
    },
    /// A repository of this machine cannot be read.
    #[error("the git repository `{path}` cannot be read")]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The copy in the cache can be neither read nor made.
    #[error("cannot keep a copy of the repository at `{path}`")]
    Cache {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing could be fetched.
    #[error("cannot fetch `{url}`")]
    Fetch {
        /// The address.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such branch.
    #[error("`{url}` has no branch `{branch}`{}", known(others))]
    NoBranch {
        /// The address.
        url: String,
        /// The branch.
        branch: String,
        /// Those that are known.
        others: Vec<String>,
    },
    /// There is no such commit.
    #[error("`{url}` has no commit `{commit}`")]
    NoCommit {
        /// The address.
        url: String,
        /// The commit.
        commit: String,
    },
    /// An object is missing or damaged.
    #[error("commit `{commit}` of `{url}` has no readable `{path}`")]
    Object {
        /// The address.
        url: String,
        /// The commit.
        commit: String,
        /// What of it.
        path: String,
    },
    /// A tree cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn known(branches: &[String]) -> String {
    match branches {
        [] => String::new(),
        some => {
            let names: Vec<String> = some.iter().take(5).map(|name| format!("`{name}`")).collect();
            format!(", only {}{}", names.join(", "), if some.len() > 5 { " and others" } else { "" })
        }
    }
}
