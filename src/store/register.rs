//! Taking finished trees into the store.
//!
//! The steps, each of which may be the last: normalise the tree; hash it in canonical form while looking for references;
//! check what was promised; rename it into `store`; rename its metadata into `var/items`. What `kill -9` leaves is either a
//! valid item or garbage.
//!
//! A loss of power is another matter: a rename may reach the disk before the content does. Forcing every item to the disk
//! costs more than most builds, so by default it is not done; `hpcl verify --contents` finds what a loss of power took.
//! With [`durable`](super::StoreConfig::durable) (`HPCL_STORE_SYNC=1`), the file system is synchronised before the metadata
//! appears, and the metadata after it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::SystemTime,
};

use super::{ItemInfo, ItemLock, LocalStore, StoreError, files, normalise::normalise};
use crate::{
    derivation::FixedHash,
    hash::{Algorithm, Digest},
    nar::{Scan, hash_file, scan},
    store_path::{ContentMethod, StorePath},
};

/// A finished tree that is to become an item.
#[derive(Debug)]
pub struct Staged<'a> {
    /// The right to make the item.
    pub lock: &'a ItemLock,
    /// The tree; on the store's file system, best in a [`work_dir`](LocalStore::work_dir). It is gone afterwards.
    pub tree: &'a Path,
    /// What it must hash to, for a fixed output.
    pub fixed: Option<FixedHash>,
}

/// How items came to be.
#[derive(Clone, Debug, Default)]
pub struct Registration {
    /// The items that may be referred to: the closure of the inputs. The staged items themselves are added.
    pub candidates: BTreeSet<StorePath>,
    /// The derivation that was built.
    pub deriver: Option<StorePath>,
    /// Whether it was built in a complete sandbox.
    pub sandboxed: bool,
    /// The name of the log in the log directory.
    pub log: Option<String>,
}

impl LocalStore {
    /// Makes one tree a valid item; see [`register_outputs`](Self::register_outputs).
    pub fn register_output(&self, staged: &Staged<'_>, how: &Registration) -> Result<ItemInfo, StoreError> {
        let made = self.register_outputs(std::slice::from_ref(staged), how)?;
        Ok(made.into_iter().next().expect("one item for each tree"))
    }

    /// Makes all outputs of a build valid items, or none: when one is wrong, an error is given before any is registered.
    ///
    /// An item that has become valid meanwhile stays as it is. The result is in the order of `staged`.
    pub fn register_outputs(
        &self,
        staged: &[Staged<'_>],
        how: &Registration,
    ) -> Result<Vec<ItemInfo>, StoreError> {
        let mut candidates = how.candidates.clone();
        candidates.extend(staged.iter().map(|one| one.lock.path().clone()));
        let mut infos = BTreeMap::new();
        for one in staged {
            let scan = self.examine(one.tree, one.lock.path(), &candidates)?;
            if let Some(fixed) = &one.fixed {
                self.check_fixed(one, fixed, &scan)?;
            }
            let content = one.fixed.map(|fixed| format!("fixed:{}", fixed.algorithm_text()));
            let mut info = self.describe(one.lock.path(), scan, content, how);
            // What is fixed is a download: it comes from where nobody knows a store.
            if one.fixed.is_none() {
                info.hidden = self.hidden_paths(one.tree);
            }
            infos.insert(one.lock.path().clone(), info);
        }
        let order = reference_order(&infos)?;
        for path in &order {
            let info = infos.get(path).expect("the order is of these");
            for reference in &info.references {
                if !infos.contains_key(reference) && !self.is_valid(reference)? {
                    return Err(StoreError::MissingReference {
                        path: path.clone(),
                        reference: reference.clone(),
                    });
                }
            }
        }
        for path in order {
            let one = staged.iter().find(|one| *one.lock.path() == path).expect("the order is of these");
            let info = infos.get(&path).expect("the order is of these");
            self.install(one.lock, one.tree, info)?;
        }
        staged.iter().map(|one| self.info(one.lock.path())).collect()
    }

    /// Normalises a tree, puts it into local form and gives its canonical hash and references.
    pub(super) fn examine(
        &self,
        tree: &Path,
        path: &StorePath,
        candidates: &BTreeSet<StorePath>,
    ) -> Result<Scan, StoreError> {
        if !files::exists(tree)? {
            return Err(StoreError::NotMade { path: path.clone() });
        }
        normalise(tree, path.name(), self.group())?;
        let scan = scan(tree, Algorithm::Sha256, &self.to_canonical, candidates)?;
        if scan.foreign {
            self.localise(tree, &scan.references)?;
        }
        Ok(scan)
    }

    fn check_fixed(&self, one: &Staged<'_>, fixed: &FixedHash, scan: &Scan) -> Result<(), StoreError> {
        let path = || one.lock.path().clone();
        let algorithm = fixed.digest.algorithm();
        let actual = match fixed.method {
            ContentMethod::Flat => {
                let metadata = one.tree.symlink_metadata().map_err(StoreError::io("look at", one.tree))?;
                let runs = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o111 != 0;
                if !metadata.is_file() || runs {
                    return Err(StoreError::NotFlat { path: path() });
                }
                hash_file(one.tree, algorithm, &self.to_canonical)?
            }
            ContentMethod::Recursive if algorithm == Algorithm::Sha256 => scan.digest,
            ContentMethod::Recursive => self::scan(one.tree, algorithm, &self.to_canonical, [])?.digest,
        };
        if actual != fixed.digest {
            return Err(StoreError::HashMismatch {
                path: path(),
                expected: fixed.digest.into(),
                actual: actual.into(),
            });
        }
        match scan.references.first() {
            Some(reference) => Err(StoreError::FixedReference { path: path(), reference: reference.clone() }),
            None => Ok(()),
        }
    }

    pub(super) fn describe(
        &self,
        path: &StorePath,
        scan: Scan,
        content: Option<String>,
        how: &Registration,
    ) -> ItemInfo {
        let layers = self.layers_in(&scan);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        ItemInfo {
            path: path.clone(),
            nar_hash: scan.digest,
            nar_size: scan.size,
            references: scan.references,
            deriver: how.deriver.clone(),
            content,
            sandboxed: how.sandboxed,
            layers,
            hidden: Vec::new(),
            registered: now.map(|since| since.as_secs()).unwrap_or(0),
            log: how.log.clone(),
        }
    }

    /// Renames a normalised tree to its place and makes it valid. Removes what a dead owner left there.
    pub(super) fn install(&self, lock: &ItemLock, tree: &Path, info: &ItemInfo) -> Result<(), StoreError> {
        let path = lock.path();
        if self.is_valid(path)? {
            return files::remove_tree(tree).map(|_| ()).map_err(StoreError::io("remove", tree));
        }
        let place = self.own_path(path);
        if !info.layers.is_empty() {
            self.remember(info.layers.keys())?;
        }
        self.clear_place(path)?;
        if self.config.durable {
            files::sync_file_system(tree)?;
        }
        files::move_tree(tree, &place)?;
        if self.config.durable {
            files::sync_directory(self.local_dir())?;
        }
        let text = serde_json::to_vec_pretty(info).expect("metadata is JSON");
        let file = self.info_file(path);
        files::write_by_rename(&self.work_path("metadata")?, &file, &text, self.config.durable)?;
        if self.config.durable {
            files::sync_directory(&self.var.join("items"))?;
        }
        Ok(())
    }
}

/// The items, each after those of them that it refers to.
fn reference_order(infos: &BTreeMap<StorePath, ItemInfo>) -> Result<Vec<StorePath>, StoreError> {
    let mut order: Vec<StorePath> = Vec::new();
    while order.len() < infos.len() {
        let waits = |info: &ItemInfo| {
            let others = info.references.iter().filter(|reference| **reference != info.path);
            others
                .filter(|reference| infos.contains_key(*reference))
                .any(|reference| !order.contains(reference))
        };
        let left: Vec<&ItemInfo> = infos.values().filter(|info| !order.contains(&info.path)).collect();
        let ready: Vec<StorePath> =
            left.iter().filter(|info| !waits(info)).map(|info| info.path.clone()).collect();
        if ready.is_empty() {
            return Err(StoreError::OutputCycle {
                paths: left.into_iter().map(|info| info.path.clone()).collect(),
            });
        }
        order.extend(ready);
    }
    Ok(order)
}

/// The digest that a tree has in this store, in canonical form: what `hpcl hash` shows.
impl LocalStore {
    /// SHA-256 of the archive of any tree, in canonical form.
    pub fn hash_tree(&self, tree: &Path) -> Result<Digest, StoreError> {
        Ok(scan(tree, Algorithm::Sha256, &self.to_canonical, [])?.digest)
    }
}
