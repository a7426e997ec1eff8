//! The directories in which builds work, used again and again.
//!
//! Making and removing directories costs more than a trivial build: ext4, for one, searches for inodes that were not deleted
//! within the last seconds. So after a build its directory is emptied and kept for the next one, as long as it is as it was made:
//! `build/`, `store/` and `tmp/`, all empty, all with their usual mode.
//!
//! Invariant: a directory that is handed out holds nothing of an earlier build.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::BuildError;
use crate::store::{LocalStore, remove_tree};

const PARTS: [&str; 3] = ["build", "store", "tmp"];
// Not the group's: a set-group-id bit of the parent would be inherited, and could not be copied inside.
const MODE: u32 = 0o755;

/// The directories of one store that are free.
#[derive(Debug)]
pub(super) struct ScratchPool<'a> {
    store: &'a LocalStore,
    free: Mutex<Vec<PathBuf>>,
}

impl<'a> ScratchPool<'a> {
    pub(super) fn new(store: &'a LocalStore) -> Self {
        ScratchPool { store, free: Mutex::default() }
    }

    /// A directory for one build: without symbolic links in its path, and with its parts.
    pub(super) fn take(&self) -> Result<PathBuf, BuildError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(directory) = free {
            return Ok(directory);
        }
        let directory = self.store.work_dir("build")?;
        let directory = fs::canonicalize(&directory).map_err(BuildError::io("resolve", directory))?;
        for part in PARTS {
            let part = directory.join(part);
            make(&part).map_err(BuildError::io("create", &part))?;
        }
        Ok(directory)
    }

    /// Takes a directory back, emptied; removes it when that does not work.
    pub(super) fn give_back(&self, directory: PathBuf) {
        if empty(&directory).is_ok() {
            self.free.lock().unwrap_or_else(PoisonError::into_inner).push(directory);
        } else {
            let _ = remove_tree(&directory);
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(MODE).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

fn empty(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if !PARTS.iter().any(|part| entry.file_name() == *part) {
            remove_tree(&entry.path())?;
        }
    }
    for part in PARTS {
        let part = directory.join(part);
        let metadata = part.symlink_metadata()?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if metadata.permissions().mode() & 0o7777 != MODE {
            fs::set_permissions(&part, Permissions::from_mode(MODE))?;
        }
        for entry in fs::read_dir(&part)? {
            remove_tree(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreConfig;

    #[test]
    fn nothing_of_a_build_is_left_for_the_next() {
        let base = tempfile::tempdir().unwrap();
        let store = LocalStore::open(StoreConfig::at(base.path()).unwrap()).unwrap();
        let pool = ScratchPool::new(&store);
        let first = pool.take().unwrap();
        fs::create_dir_all(first.join("build/a/b")).unwrap();
        fs::write(first.join("tmp/file"), "x").unwrap();
        fs::write(first.join("extra"), "x").unwrap();
        for closed in ["build/a", "store", "build"] {
            fs::set_permissions(first.join(closed), Permissions::from_mode(0o500)).unwrap();
        }
        pool.give_back(first.clone());
        let second = pool.take().unwrap();
        assert_eq!(first, second);
        let left: Vec<_> = walkdir::WalkDir::new(&second).into_iter().map(|entry| entry.unwrap()).collect();
        assert_eq!(left.len(), 1 + PARTS.len(), "{left:?}");
        for part in PARTS {
            assert_eq!(fs::metadata(second.join(part)).unwrap().permissions().mode() & 0o7777, MODE);
        }
        let third = pool.take().unwrap();
        assert_ne!(second, third);
        fs::remove_dir(third.join("build")).unwrap();
        fs::write(third.join("build"), "a file").unwrap();
        pool.give_back(third.clone());
        assert!(!third.exists(), "what is not as it was made is removed");
    }
}
