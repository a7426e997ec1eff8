//! Why a crate's file cannot be found.

use std::path::PathBuf;

/// What can go wrong with registries and their settings.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// Nobody said where crates are.
    #[error("no registry of crates is configured, and no installed cargo could tell its default")]
    NoRegistry,
    /// A configuration file of cargo's cannot be read.
    #[error("cannot read cargo's configuration `{}`: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting has no usable value.
    #[error("{setting} {reason}")]
    Setting {
        /// The setting and its place.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The registry does not say where its files are.
    #[error("the registry {index} does not tell where its crates are: {reason}")]
    Index {
        /// The address of the index.
        index: String,
        /// Why.
        reason: String,
    },
    /// The address in a recipe is no crate's.
    #[error("`{path}` is not `NAME/NAME-VERSION.crate`")]
    Name {
        /// What follows `mirror://crates/`.
        path: String,
    },
}

impl RegistryError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            RegistryError::NoRegistry => Some(
                "name one in hpcl's settings:\n  [mirrors]\n  crates = [\"sparse+https://registry.example/index/\"]\nor in \
                 `~/.cargo/config.toml`, or install cargo, which has a default"
                    .into(),
            ),
            RegistryError::Index { reason, .. } if reason.contains("denied") => {
                Some("a registry's token is read from `~/.cargo/credentials.toml` and `CARGO_REGISTRIES_NAME_TOKEN`".into())
            }
            RegistryError::Index { .. } => {
                Some("check the network, and `[source]` in cargo's configuration; behind a proxy set `https_proxy`".into())
            }
            _ => None,
        }
    }
}
