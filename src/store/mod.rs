//! The store on disk.
//!
//! The file system is the database (design, decision 7). Beside the store directory lies `var`:
//!
//! ```text
//! store/HASH-NAME           content, in local form, read-only, times 1
//! var/store.json            format and path that the store was made with
//! var/items/HASH-NAME.json  metadata; the item is valid when this exists
//! var/locks/HASH-NAME.lock  held by who makes the item
//! var/gc.lock               shared: protecting items; exclusive: collecting garbage
//! var/optimise.lock         held by who makes equal files one
//! var/sessions/ID           held by a running process; lists the items that it uses
//! var/tmp/ID/               that process's unfinished work
//! var/roots/  var/profiles/ links that keep closures alive
//! var/log/                  build logs
//! ```
//!
//! **Registering.** Content is made in `var/tmp`, checked, renamed into `store`, and last the metadata is renamed into
//! `var/items`. So at any moment, `kill -9` included, an item is either valid and whole or not valid; what was left behind
//! is removed by whoever makes the item next, under its lock, or by `gc`.
//!
//! **Garbage.** A process writes the items that it uses into its session file *before* it looks whether they are valid, under
//! the shared garbage lock. The collector holds that lock alone while it reads roots and sessions and makes the dead items
//! invalid; deleting their content comes afterwards. A session whose file nobody holds is dead. All locks are `flock`s, which
//! die with their owner.
//!
//! Invariant: whatever is valid has valid references.

mod add;
mod compare;
mod config;
mod derivations;
mod error;
mod files;
mod gc;
mod import;
mod item;
mod localise;
mod lock;
mod normalise;
mod optimise;
mod register;
mod relocate;
mod repair;
mod roots;
mod session;
mod verify;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

pub use compare::Difference;
pub use config::StoreConfig;
pub use error::StoreError;
pub use files::{Usage, remove_tree};
pub use gc::{GcOptions, GcReport};
pub use import::StagedImport;
pub use item::ItemInfo;
pub use lock::ItemLock;
pub use optimise::OptimiseReport;
pub use register::{Registration, Staged};
pub use relocate::RelocateReport;
pub use roots::{Root, RootKind};
pub use verify::{Problem, VerifyReport};

use crate::{
    nar::{Rewriter, replace_all},
    store_path::{CANONICAL_STORE, StorePath},
};
use session::Session;

/// The format of the store's directories and metadata.
const FORMAT: u32 = 1;

/// What `var/store.json` says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Description {
    format: u32,
    store: String,
}

/// A store in a directory of this machine's file systems. Any number of processes and threads may use it at once.
#[derive(Debug)]
pub struct LocalStore {
    config: StoreConfig,
    var: PathBuf,
    to_canonical: Rewriter,
    to_local: Rewriter,
    session: Mutex<Option<Session>>,
}

impl LocalStore {
    /// Opens the store, making its directories where they are missing.
    pub fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let rewriter =
            |from, to| Rewriter::new(from, to).expect("a configured store is as long as the canonical one");
        let store = Self {
            var: config.var_dir(),
            to_canonical: rewriter(&config.store, CANONICAL_STORE),
            to_local: rewriter(CANONICAL_STORE, &config.store),
            session: Mutex::new(None),
            config,
        };
        store.prepare()?;
        Ok(store)
    }

    fn prepare(&self) -> Result<(), StoreError> {
        let description = self.var.join("store.json");
        let text = match std::fs::read_to_string(&description) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                for path in ["items", "locks", "sessions", "tmp", "roots/links", "profiles", "log"] {
                    files::make_directory(&self.var.join(path))?;
                }
                files::make_directory(self.local_dir())?;
                let made = Description { format: FORMAT, store: self.config.store.clone() };
                let text = serde_json::to_string(&made).expect("a description is JSON");
                // Two processes may make the same store at once; they write the same.
                let draft = self.var.join(format!("store.json.{}", std::process::id()));
                files::write_by_rename(&draft, &description, text.as_bytes(), false)?;
                text
            }
            Err(source) => return Err(StoreError::Io { action: "read", path: description, source }),
        };
        let found: Description = serde_json::from_str(&text)
            .map_err(|source| StoreError::Metadata { path: description.clone(), source })?;
        let path = self.local_dir().to_owned();
        if found.format != FORMAT {
            return Err(StoreError::Format { path, found: found.format, known: FORMAT });
        }
        if found.store != self.config.store {
            return Err(StoreError::Moved { path, made: found.store });
        }
        Ok(())
    }

    /// How the store was opened.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// The store directory on this machine; as long as the canonical one.
    pub fn local_dir(&self) -> &Path {
        self.config.store_dir()
    }

    /// The directory of all that is not content.
    pub fn var_dir(&self) -> &Path {
        &self.var
    }

    /// The directory of build logs.
    pub fn log_dir(&self) -> PathBuf {
        self.var.join("log")
    }

    /// The directory whose links, at any depth, are roots: profiles and their generations.
    pub fn profiles_dir(&self) -> PathBuf {
        self.var.join("profiles")
    }

    /// Where an item lies, or would lie, on this machine.
    pub fn local_path(&self, path: &StorePath) -> PathBuf {
        self.local_dir().join(path.as_str())
    }

    /// The item that a local path lies in, and the rest of the path.
    pub fn item_of(&self, local: &Path) -> Option<(StorePath, PathBuf)> {
        let inside = local.strip_prefix(self.local_dir()).ok()?;
        let mut parts = inside.components();
        let item = StorePath::parse(parts.next()?.as_os_str().to_str()?).ok()?;
        Some((item, parts.as_path().to_owned()))
    }

    /// Bytes with the canonical store directory replaced by the local one.
    pub fn to_local(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        replace_all(&self.to_local, bytes.as_ref())
    }

    /// Bytes with the local store directory replaced by the canonical one.
    pub fn to_canonical(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        replace_all(&self.to_canonical, bytes.as_ref())
    }

    /// The plan behind [`to_canonical`](Self::to_canonical), for streams.
    pub fn canonical_rewriter(&self) -> &Rewriter {
        &self.to_canonical
    }

    /// The plan behind [`to_local`](Self::to_local), for streams.
    pub fn local_rewriter(&self) -> &Rewriter {
        &self.to_local
    }
}
