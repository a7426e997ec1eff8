//! Making damaged items whole again.
//!
//! The content of an item follows from its registered hash, so it does not matter where a new copy comes from, a build or a
//! cache that nobody vouches for: it has that hash or it is refused. Metadata are not touched, and at any moment the damaged
//! content or the new one is at the item's place.

use std::{collections::BTreeSet, path::Path};

use super::{ItemLock, LocalStore, StagedImport, StoreError, files};
use crate::{
    hash::{Algorithm, Digest},
    nar::scan,
    store_path::StorePath,
};

impl LocalStore {
    /// Whether an item has the content that was registered.
    fn is_whole(&self, path: &StorePath, expected: &Digest) -> Result<bool, StoreError> {
        let place = self.local_path(path);
        if !files::exists(&place)? {
            return Ok(false);
        }
        // What cannot be read is damaged too.
        Ok(scan(&place, Algorithm::Sha256, &self.to_canonical, [])
            .is_ok_and(|found| found.digest == *expected))
    }

    /// Puts a tree in the place of an item's content when that is damaged; whether it was. The tree must have the registered hash.
    pub fn repair(&self, lock: &ItemLock, tree: &Path) -> Result<bool, StoreError> {
        let path = lock.path();
        if self.is_in_layer(path) {
            return Err(StoreError::InLayer { path: self.local_path(path) });
        }
        let info = self.info(path)?;
        let actual = self.examine(tree, path, &BTreeSet::new())?.digest;
        if actual != info.nar_hash {
            let (expected, actual) = (info.nar_hash.into(), actual.into());
            return Err(StoreError::HashMismatch { path: path.clone(), expected, actual });
        }
        if self.is_whole(path, &info.nar_hash)? {
            return Ok(false);
        }
        let place = self.own_path(path);
        let damaged = self.work_path("damaged")?;
        if files::exists(&place)? {
            files::move_tree(&place, &damaged)?;
        }
        files::move_tree(tree, &place)?;
        if self.config.durable {
            files::sync_file_system(self.local_dir())?;
        }
        // What cannot be removed goes with the next collection.
        let _ = files::remove_tree(&damaged);
        Ok(true)
    }

    /// Repairs an item with what a cache has of it; whether it was damaged.
    pub fn repair_import(&self, staged: StagedImport) -> Result<bool, StoreError> {
        let (info, tree) = staged.into_parts();
        let lock = self.lock_item(&info.path, || true)?;
        let repaired = self.repair(&lock, &tree);
        if !matches!(repaired, Ok(true)) {
            let _ = files::remove_tree(&tree);
        }
        repaired
    }
}
