//! Taking archives from elsewhere into the store: what a binary cache or another store has.
//!
//! In two steps, so that archives can be unpacked in any order and at once: [`LocalStore::stage`] restores and checks a
//! tree, [`LocalStore::import`] makes it an item when all that it refers to is valid. The archive is canonical; on the way it is
//! hashed as it comes and rewritten into local form, in one pass; a large one by several threads.

use std::{collections::BTreeMap, io::Read, path::PathBuf};

use super::{ItemInfo, LocalStore, StoreError, normalise::normalise, remove_tree, unpack::unpack};
use crate::hash::Digest;

/// A tree that was unpacked and checked, and is not yet an item. Dropping it leaves it to the garbage collector.
#[derive(Debug)]
pub struct StagedImport {
    info: ItemInfo,
    tree: PathBuf,
}

impl StagedImport {
    /// What it is to become.
    pub fn info(&self) -> &ItemInfo {
        &self.info
    }

    pub(super) fn into_parts(self) -> (ItemInfo, PathBuf) {
        (self.info, self.tree)
    }
}

impl LocalStore {
    /// Unpacks a canonical archive, which must have the promised hash and size.
    pub fn stage(&self, mut info: ItemInfo, archive: impl Read) -> Result<StagedImport, StoreError> {
        info.layers = BTreeMap::new();
        self.sort_by_layer(&info.references, &mut info.layers);
        let to_local = self.local_rewriter(&info.references);
        let tree = self.work_path("import")?;
        // One byte more than promised tells that there are more.
        let archive = archive.take(info.nar_size.saturating_add(1));
        let restored = unpack(archive, info.nar_size, &to_local, &tree)
            .and_then(|(digest, size)| check(&info, digest, size))
            .and_then(|()| normalise(&tree, info.path.name(), self.group()));
        match restored {
            Ok(()) => Ok(StagedImport { info, tree }),
            Err(error) => {
                // The first error counts; the garbage collector takes what cannot be removed.
                let _ = remove_tree(&tree);
                Err(error)
            }
        }
    }

    /// Makes a staged tree a valid item. All that it refers to must be valid. One that has become valid meanwhile stays as it is.
    pub fn import(&self, staged: StagedImport) -> Result<(), StoreError> {
        let StagedImport { info, tree } = staged;
        let lock = self.lock_item(&info.path, || true)?;
        for reference in info.references.iter().filter(|reference| **reference != info.path) {
            self.protect([reference])?;
            if !self.is_valid(reference)? {
                let _ = remove_tree(&tree);
                return Err(StoreError::MissingReference {
                    path: info.path.clone(),
                    reference: reference.clone(),
                });
            }
        }
        self.install(&lock, &tree, &info)
    }
}

/// Compares what came with what was promised.
fn check(info: &ItemInfo, digest: Digest, size: u64) -> Result<(), StoreError> {
    if size != info.nar_size {
        return Err(StoreError::WrongSize { path: info.path.clone(), expected: info.nar_size, actual: size });
    }
    if digest != info.nar_hash {
        let (expected, actual): (Box<Digest>, Box<Digest>) = (info.nar_hash.into(), digest.into());
        return Err(StoreError::HashMismatch { path: info.path.clone(), expected, actual });
    }
    Ok(())
}
