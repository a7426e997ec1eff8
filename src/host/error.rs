//! Errors of the evaluation side's host, and how they are raised in the language.

use std::path::PathBuf;

use hpcl_lang::native::Raise;

use crate::{
    channel::ChannelError, derivation::DerivationError, hash::HashError, store_path::StorePathError,
    upstream::UpstreamError,
};

/// Errors of natives that reach beyond values.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A channel could not be read.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The files of channels cannot be looked through.
    #[error("cannot look through the files of the channels")]
    Index {
        /// Why.
        source: std::io::Error,
    },
    /// A name cannot be that of a store item.
    #[error("`{name}` cannot be the name of a store item")]
    Name {
        /// The name.
        name: String,
        /// Why.
        source: StorePathError,
    },
    /// A name cannot be that of an output.
    #[error("`{name}` cannot be the name of an output")]
    Output {
        /// The name.
        name: String,
        /// Why.
        source: DerivationError,
    },
    /// Text that is not a digest.
    #[error("`{text}` is not a hash")]
    Hash {
        /// The text.
        text: String,
        /// Why.
        source: HashError,
    },
    /// A local file cannot be read.
    #[error("cannot read the local file `{path}`")]
    LocalFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A local file or directory cannot be hashed.
    #[error("cannot hash the local file `{path}`")]
    LocalTree {
        /// The file.
        path: PathBuf,
        /// Why.
        source: crate::nar::NarError,
    },
    /// A source that a transformation names cannot be fetched.
    #[error("cannot fetch `{what}`: {reason}")]
    Acquire {
        /// Its address.
        what: String,
        /// Why.
        reason: String,
    },
    /// It is not known which version of a package is the newest.
    #[error("cannot tell the newest version of `{package}`")]
    Newest {
        /// The package.
        package: String,
        /// Why.
        source: UpstreamError,
    },
    /// A builder-side module does not exist.
    #[error("there is no builder-side module `{name}`")]
    NoBuilderModule {
        /// The module's name.
        name: String,
    },
    /// A value that cannot be written into staged code.
    #[error("{kind} cannot be part of staged code: `{value}`")]
    NotStageable {
        /// What it is, with its article.
        kind: &'static str,
        /// How it is written.
        value: String,
    },
}

impl HostError {
    fn code(&self) -> &'static str {
        match self {
            HostError::Channel(_) | HostError::Index { .. } => "E0701",
            HostError::Name { .. } | HostError::Output { .. } => "E0702",
            HostError::Hash { .. } => "E0703",
            HostError::LocalFile { .. } | HostError::LocalTree { .. } => "E0704",
            HostError::Newest { source: UpstreamError::NoPlace { .. }, .. } => "E0653",
            HostError::Acquire { .. } | HostError::Newest { .. } => "E0707",
            HostError::NoBuilderModule { .. } => "E0705",
            HostError::NotStageable { .. } => "E0706",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            HostError::Hash { .. } => {
                vec!["a SHA-256 hash has 52 characters in base-32 and 64 in base-16; `hpcl hash FILE` prints it".into()]
            }
            HostError::Name { .. } | HostError::Output { .. } => {
                vec!["names have letters, digits and `+-._?=`, and do not begin with a dot".into()]
            }
            HostError::NotStageable { .. } => {
                vec!["strings, symbols, numbers, lists, packages and other staged code can".into()]
            }
            HostError::NoBuilderModule { .. } => {
                vec!["builder-side modules are named `(hpcl build …)` and lie in `stdlib/build/`".into()]
            }
            HostError::Newest { source, .. } => source.hint().into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

impl From<HostError> for Raise {
    fn from(error: HostError) -> Raise {
        Raise::Invalid { code: error.code(), message: crate::executor::chain(&error), hints: error.hints() }
    }
}
