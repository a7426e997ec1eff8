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
//! var/layers.json           the layers that items refer to
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
//! invalid; deleting their content comes afterwards. A session whose file nobody holds is dead, one of another machine only when its
//! lease has run out as well. All locks are `flock`s, which
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
mod group;
mod hidden;
mod history;
mod import;
mod item;
mod layers;
mod lease;
mod localise;
mod lock;
mod normalise;
mod optimise;
mod register;
mod relocate;
mod repair;
mod roots;
mod session;
mod unpack;
mod verify;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Mutex,
};

pub use compare::Difference;
pub use config::StoreConfig;
pub use error::StoreError;
pub use files::{Usage, bytes_below, remove_tree};
pub use gc::{GcOptions, GcReport};
pub use history::History;
pub use import::StagedImport;
pub use item::ItemInfo;
pub use lease::renew_for as renew_lease_for;
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
use layers::Layers;
use session::Session;

/// The format of the store's directories and metadata.
const FORMAT: u32 = 1;

/// What `var/store.json` says.
#[derive(serde::Serialize, serde::Deserialize)]
struct Description {
    format: u32,
    store: String,
    /// The group that keeps the store together, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<u32>,
}

/// A store in a directory of this machine's file systems. Any number of processes and threads may use it at once.
#[derive(Debug)]
pub struct LocalStore {
    config: StoreConfig,
    var: PathBuf,
    group: Option<u32>,
    unshared_locks: Option<String>,
    layers: Layers,
    to_canonical: Rewriter,
    to_local: Rewriter,
    session: Mutex<Option<Session>>,
}

impl LocalStore {
    /// Opens the store, making its directories where they are missing.
    pub fn open(config: StoreConfig) -> Result<Self, StoreError> {
        let layers = Layers::open(&config)?;
        let store = Self::with_layers(config, layers)?;
        store.check_group()?;
        Ok(store)
    }

    /// Opens the store as if it had no layers, for what must work when one is gone.
    fn without_layers(config: StoreConfig) -> Result<Self, StoreError> {
        Self::with_layers(config, Layers::default())
    }

    fn with_layers(config: StoreConfig, layers: Layers) -> Result<Self, StoreError> {
        let as_long = "a configured store is as long as the canonical one";
        let below = layers.all.iter().map(|layer| layer.store.as_str());
        let stores = std::iter::once(config.store.as_str()).chain(below);
        let mut store = Self {
            group: None,
            unshared_locks: None,
            var: config.var_dir(),
            to_canonical: Rewriter::many(stores, CANONICAL_STORE).expect(as_long),
            to_local: Rewriter::new(CANONICAL_STORE, &config.store).expect(as_long),
            layers,
            session: Mutex::new(None),
            config,
        };
        store.prepare()?;
        store.unshared_locks = store.probe_locks();
        Ok(store)
    }

    /// Writes what the store says of itself.
    fn describe_as(&self, group: Option<u32>) -> Result<String, StoreError> {
        let made = Description { format: FORMAT, store: self.config.store.clone(), group };
        let text = serde_json::to_string(&made).expect("a description is JSON");
        // Two processes may make the same store at once; they write the same.
        let draft = self.var.join(format!("store.json.{}", std::process::id()));
        files::write_by_rename(&draft, &self.var.join("store.json"), text.as_bytes(), false)?;
        Ok(text)
    }

    fn prepare(&mut self) -> Result<(), StoreError> {
        let description = self.var.join("store.json");
        let text = match std::fs::read_to_string(&description) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => {
                for path in ["items", "locks", "sessions", "tmp", "roots/links", "profiles", "log"] {
                    files::make_directory(&self.var.join(path))?;
                }
                files::make_directory(self.local_dir())?;
                files::probe_file_system(&self.var)?;
                self.describe_as(None)?
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
        self.group = found.group;
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

    /// Where an item lies, or would lie, on this machine: here or in a layer.
    pub fn local_path(&self, path: &StorePath) -> PathBuf {
        self.directory_of(path).join(path.as_str())
    }

    /// Where an item lies, or would lie, in this store itself.
    pub fn own_path(&self, path: &StorePath) -> PathBuf {
        self.local_dir().join(path.as_str())
    }

    /// The item that a local path lies in, and the rest of the path.
    pub fn item_of(&self, local: &Path) -> Option<(StorePath, PathBuf)> {
        let inside = std::iter::once(self.local_dir())
            .chain(self.layers())
            .find_map(|directory| local.strip_prefix(directory).ok())?;
        let mut parts = inside.components();
        let item = StorePath::parse(parts.next()?.as_os_str().to_str()?).ok()?;
        Some((item, parts.as_path().to_owned()))
    }

    /// Bytes with the canonical store directory replaced by the local one, or by that of the layer in which an item lies.
    pub fn to_local(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        self.to_local_making(bytes, &BTreeSet::new())
    }

    /// Like [`to_local`](Self::to_local) for a build that makes these items here, wherever else they are.
    pub fn to_local_making(&self, bytes: impl AsRef<[u8]>, made: &BTreeSet<StorePath>) -> Vec<u8> {
        let mut named = self.named_in(bytes.as_ref());
        named.retain(|path| !made.contains(path));
        replace_all(&self.local_rewriter(&named), bytes.as_ref())
    }

    /// Bytes with the local store directory, and those of the layers, replaced by the canonical one.
    pub fn to_canonical(&self, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        replace_all(&self.to_canonical, bytes.as_ref())
    }

    /// The plan behind [`to_canonical`](Self::to_canonical), for streams.
    pub fn canonical_rewriter(&self) -> &Rewriter {
        &self.to_canonical
    }

    /// The plan that puts canonical content into local form when it refers to these items.
    fn local_rewriter<'a>(&self, references: impl IntoIterator<Item = &'a StorePath>) -> Rewriter {
        let places = self.layer_places(references);
        self.to_local.with_places(places).expect("a layer's store is as long as the canonical one")
    }
}
