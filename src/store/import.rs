//! Taking archives from elsewhere into the store: what a binary cache or another store has.
//!
//! In two steps, so that archives can be unpacked in any order and at once: [`LocalStore::stage`] restores and checks a
//! tree, [`LocalStore::import`] makes it an item when all that it refers to is valid. The archive is canonical; on the way it is
//! hashed as it comes and rewritten into local form, in one pass.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::PathBuf,
};

use super::{ItemInfo, LocalStore, StoreError, normalise::normalise, remove_tree};
use crate::{
    hash::{Algorithm, Digest, Hasher},
    nar::{NarError, RewriteReader, restore},
};

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
        let mut checked = Checked {
            // One byte more than promised tells that there are more.
            inner: archive.take(info.nar_size.saturating_add(1)),
            hasher: Hasher::new(Algorithm::Sha256),
            size: 0,
        };
        let restored = restore(&mut RewriteReader::new(&to_local, &mut checked), &tree)
            .map_err(StoreError::from)
            // What an archive says behind its end counts too.
            .and_then(|()| {
                io::copy(&mut checked, &mut io::sink())
                    .map_err(|source| StoreError::from(NarError::Archive(source)))
            })
            .and_then(|_| checked.verdict(&info))
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

/// A source that is hashed and counted as it is read.
struct Checked<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(to)?;
        self.hasher.update(to.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
}

impl<R> Checked<R> {
    fn verdict(self, info: &ItemInfo) -> Result<(), StoreError> {
        if self.size != info.nar_size {
            return Err(StoreError::WrongSize {
                path: info.path.clone(),
                expected: info.nar_size,
                actual: self.size,
            });
        }
        let actual = self.hasher.finish();
        if actual != info.nar_hash {
            let (expected, actual): (Box<Digest>, Box<Digest>) = (info.nar_hash.into(), actual.into());
            return Err(StoreError::HashMismatch { path: info.path.clone(), expected, actual });
        }
        Ok(())
    }
}
