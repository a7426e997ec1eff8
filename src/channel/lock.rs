//! Lock files: the channels in use, and the derivations and sources that something evaluates to with them.
//!
//! ```json
//! { "format": 1, "program": "0.1.0", "bundled": "sha256-…", "channels": [ … ],
//!   "derivations": { "…-openmpi-4.1.4.drv": "openmpi-4.1.4" }, "sources": { "…": { "hash": "…", "urls": [ … ] } },
//!   "check": "sha256-…" }
//! ```
//!
//! `check` is the hash of all the rest, so that a file that was changed by hand is told from one that was made. Invariant: whatever
//! evaluates to derivations of a lock alone is what was locked, bit for bit.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::generation::Instance;
use crate::{
    graph::{HashedGraph, NodeId},
    hash::Digest,
};

/// The number of the files' format.
const FORMAT: u32 = 1;

/// What a lock file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    format: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The hash of the bundled channels and the library.
    pub bundled: String,
    /// The channels.
    pub channels: Vec<Instance>,
    /// All derivations, by their paths' base names, with their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub derivations: BTreeMap<String, String>,
    /// What is downloaded, by the names of the derivations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<String, Source>,
    #[serde(default)]
    check: String,
}

/// Something that is downloaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its hash.
    pub hash: String,
    /// Where it is looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// Errors of lock files.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read.
    #[error("cannot read the lock file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no lock file.
    #[error("`{path}` is no lock file that this hpcl reads")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// It has another format.
    #[error("the lock file `{path}` has format {format}, and this hpcl reads format {FORMAT}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// It was changed by hand.
    #[error("the lock file `{path}` is not as it was written: it was changed by hand or is damaged")]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// A derivation that is not the one that was locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Its name.
    pub name: String,
    /// What is another about it.
    pub what: String,
}

impl Lock {
    /// Returns a lock of channels alone.
    pub fn of_channels(channels: &[Instance]) -> Lock {
        Lock {
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            bundled: super::bundled_hash().to_sri(),
            channels: channels.to_vec(),
            derivations: BTreeMap::new(),
            sources: BTreeMap::new(),
            check: String::new(),
        }
    }

    /// Adds all derivations of a graph.
    pub fn add(&mut self, graph: &HashedGraph) {
        for (id, node) in graph.nodes() {
            let name = node.derivation.name.to_string();
            if let Some(source) = source_of(graph, id) {
                self.sources.insert(name.clone(), source);
            }
            self.derivations.insert(node.path.to_string(), name);
        }
    }

    /// Returns the text of the file.
    pub fn to_text(&self) -> String {
        let whole = Lock { check: self.digest(), ..self.clone() };
        serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
    }

    fn digest(&self) -> String {
        let bare = Lock { check: String::new(), ..self.clone() };
        Digest::sha256(&serde_json::to_vec(&bare).unwrap_or_default()).to_sri()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`LockError`].
    pub fn read(path: &Path) -> Result<Lock, LockError> {
        let owned = || path.to_owned();
        let bytes = std::fs::read(path).map_err(|source| LockError::Read { path: owned(), source })?;
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let malformed = |source| LockError::Malformed { path: owned(), source };
        let Head { format } = serde_json::from_slice(&bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(LockError::Format { path: owned(), format });
        }
        let lock: Lock = serde_json::from_slice(&bytes).map_err(malformed)?;
        if lock.check != lock.digest() {
            return Err(LockError::Changed { path: owned() });
        }
        Ok(lock)
    }

    /// Returns what of a graph is not as it was locked: those derivations whose inputs all are, for they explain the rest.
    pub fn drift(&self, graph: &HashedGraph) -> Vec<Drift> {
        let is_locked = |id: NodeId| self.derivations.contains_key(&graph.node(id).path.to_string());
        let others = graph.nodes().map(|(id, _)| id).filter(|id| !is_locked(*id));
        others
            .filter(|id| graph.inputs(*id).into_iter().all(is_locked))
            .map(|id| self.explain(graph, id))
            .collect()
    }

    fn explain(&self, graph: &HashedGraph, id: NodeId) -> Drift {
        let name = graph.node(id).derivation.name.to_string();
        let locked = self.sources.get(&name);
        let what = match (source_of(graph, id), locked) {
            (Some(now), Some(then)) if now.hash != then.hash => {
                format!("its hash is {}, and {} was locked", now.hash, then.hash)
            }
            (Some(_), Some(_)) => "it is downloaded from other addresses or in another way".to_owned(),
            _ if self.derivations.values().any(|known| *known == name) => {
                "it is built in another way".to_owned()
            }
            _ => match self.other_version(&name) {
                Some(other) => format!("`{other}` was locked"),
                None => "nothing of that name was locked".to_owned(),
            },
        };
        Drift { name, what }
    }

    /// A locked derivation whose name is the same up to the version.
    fn other_version(&self, name: &str) -> Option<&str> {
        let stem = |name: &str| {
            let end = name.match_indices('-').find(|(at, _)| {
                name.get(at + 1..)
                    .is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()))
            });
            name.get(..end.map_or(name.len(), |(at, _)| at)).unwrap_or(name).to_owned()
        };
        let wanted = stem(name);
        self.derivations.values().map(String::as_str).find(|known| stem(known) == wanted)
    }

    /// Whether the program has the bundled channels that were locked.
    pub fn has_same_bundled(&self) -> bool {
        self.bundled == super::bundled_hash().to_sri()
    }
}

fn source_of(graph: &HashedGraph, id: NodeId) -> Option<Source> {
    let derivation = &graph.node(id).derivation;
    let hash = derivation.fixed()?.digest.to_sri();
    let urls = derivation.env_str("urls").unwrap_or_default().lines().map(str::to_owned).collect();
    Some(Source { hash, urls })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_by_hand_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("hpcl.lock");
        let lock = Lock::of_channels(&[]);
        std::fs::write(&path, lock.to_text()).unwrap();
        assert_eq!(Lock::read(&path).unwrap().bundled, lock.bundled);
        std::fs::write(&path, lock.to_text().replace("\"program\": \"", "\"program\": \"9")).unwrap();
        assert!(matches!(Lock::read(&path), Err(LockError::Changed { .. })));
        std::fs::write(&path, "{\"format\": 2}").unwrap();
        assert!(matches!(Lock::read(&path), Err(LockError::Format { format: 2, .. })));
        std::fs::write(&path, "no").unwrap();
        assert!(matches!(Lock::read(&path), Err(LockError::Malformed { .. })));
    }
}
