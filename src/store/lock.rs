//! Locks between processes and threads.
//!
//! `flock` on a file of its own, so that a lock vanishes with its owner, however that ends. An item's lock file is removed on
//! release; whoever locked a file that is no longer at its path tries again with the one that is. Where that does not work, or not between
//! machines, locks are files with a [lease](super::lease).

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::{
    LocalStore, StoreError,
    lease::{self, LeaseLock},
};
use crate::store_path::StorePath;

/// How often a waiting process looks again: often at first, for short builds.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// The right to make one item; given up when dropped.
#[derive(Debug)]
pub struct ItemLock {
    path: StorePath,
    /// A lock file that is removed when the lock is given up.
    file: Option<PathBuf>,
    _held: Held,
}

/// A lock on a file of the store.
#[derive(Debug)]
pub(super) enum Held {
    /// The kernel's.
    Kernel { _file: File },
    /// One with a lease, where the kernel's do not do.
    Lease { _lock: LeaseLock },
}

impl ItemLock {
    /// The item.
    pub fn path(&self) -> &StorePath {
        &self.path
    }
}

impl Drop for ItemLock {
    fn drop(&mut self) {
        // A file that cannot be removed does no harm: it is locked by nobody.
        if let Some(file) = &self.file {
            let _ = fs::remove_file(file);
        }
    }
}

impl LocalStore {
    /// Takes the right to make an item, waiting for whoever has it.
    ///
    /// The item is [protected](Self::protect) first. While waiting, `waiting` is called again and again; when it says
    /// `false`, waiting ends with [`StoreError::Interrupted`]. Afterwards look again whether the item is valid: whoever had
    /// the lock has probably made it.
    pub fn lock_item(
        &self,
        path: &StorePath,
        mut waiting: impl FnMut() -> bool,
    ) -> Result<ItemLock, StoreError> {
        self.protect([path])?;
        let file = self.var.join("locks").join(format!("{path}.lock"));
        if self.unshared_locks().is_some() {
            let lease = self.lease(&file, &mut waiting)?;
            let lock = lease.ok_or_else(|| StoreError::Interrupted { path: path.clone() })?;
            return Ok(ItemLock { path: path.clone(), file: None, _held: Held::Lease { _lock: lock } });
        }
        let mut pause = SHORTEST_WAIT;
        loop {
            let opened = open(&file)?;
            match opened.try_lock() {
                Ok(()) if is_at(&opened, &file)? => {
                    let held = Held::Kernel { _file: opened };
                    return Ok(ItemLock { path: path.clone(), file: Some(file), _held: held });
                }
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    if !waiting() {
                        return Err(StoreError::Interrupted { path: path.clone() });
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST_WAIT);
                }
                Err(TryLockError::Error(source)) if source.kind() == ErrorKind::Interrupted => {}
                Err(TryLockError::Error(source)) => return Err(no_locks(&file, source)),
            }
        }
    }

    /// Takes several locks in an order in which no two processes can wait for each other.
    pub fn lock_items(
        &self,
        paths: &BTreeSet<StorePath>,
        mut waiting: impl FnMut() -> bool,
    ) -> Result<Vec<ItemLock>, StoreError> {
        self.protect(paths)?;
        paths.iter().map(|path| self.lock_item(path, &mut waiting)).collect()
    }

    /// Takes the garbage lock, shared or alone, waiting for others.
    pub(super) fn garbage_lock(&self, alone: bool) -> Result<Held, StoreError> {
        self.file_lock("gc.lock", alone)
    }

    /// Takes the lock on a file of `var`, shared or alone, waiting for others.
    pub(super) fn file_lock(&self, name: &str, alone: bool) -> Result<Held, StoreError> {
        let path = self.var.join(name);
        if self.unshared_locks().is_some()
            && let Some(lock) = self.lease(&path, &mut || true)?
        {
            return Ok(Held::Lease { _lock: lock });
        }
        let file = open(&path)?;
        loop {
            match if alone { file.lock() } else { file.lock_shared() } {
                Ok(()) => return Ok(Held::Kernel { _file: file }),
                Err(source) if source.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(no_locks(&path, source)),
            }
        }
    }

    fn lease(&self, file: &Path, waiting: &mut dyn FnMut() -> bool) -> Result<Option<LeaseLock>, StoreError> {
        let place = file.with_extension("lease");
        LeaseLock::take(place.clone(), waiting).map_err(StoreError::io("lock", place))
    }

    /// Why locks of the kernel do not do here, if so: the store then uses slower ones, with leases.
    pub fn unshared_locks(&self) -> Option<&str> {
        self.unshared_locks.as_deref()
    }

    /// Finds out whether the kernel's locks do.
    pub(super) fn probe_locks(&self) -> Option<String> {
        if let Some(reason) = lease::unshared_locks(&self.var) {
            return Some(reason);
        }
        // What cannot be opened, as in a store that is read-only, is not locked either.
        let file = open(&self.var.join("gc.lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::Error(error)) if lease::means_no_locks(&error) => {
                Some(format!("locking fails: {error}"))
            }
            _ => None,
        }
    }

    /// Removes lock files that nobody holds.
    pub(super) fn remove_stale_locks(&self) -> Result<(), StoreError> {
        if self.unshared_locks().is_some() {
            // Whoever wants one takes it over when its lease has run out.
            return Ok(());
        }
        let directory = self.var.join("locks");
        for entry in directory.read_dir().map_err(StoreError::io("list", &directory))? {
            let path = entry.map_err(StoreError::io("list", &directory))?.path();
            remove_if_free(&path)?;
        }
        Ok(())
    }
}

/// Removes a lock file when nobody holds it, and says whether it did.
pub(super) fn remove_if_free(path: &Path) -> Result<bool, StoreError> {
    // Over NFS, only a file open for writing can be locked alone.
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(StoreError::Io { action: "open", path: path.to_owned(), source }),
    };
    match file.try_lock() {
        Ok(()) if is_at(&file, path)? => {
            fs::remove_file(path).map_err(StoreError::io("remove", path))?;
            Ok(true)
        }
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(no_locks(path, source)),
    }
}

pub(super) fn no_locks(path: &Path, source: io::Error) -> StoreError {
    StoreError::NoLocks { path: path.to_owned(), source }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let options = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    options().map_err(StoreError::io("open", path))
}

/// Whether an open file is still the one at its path.
fn is_at(file: &File, path: &Path) -> Result<bool, StoreError> {
    let opened = file.metadata().map_err(StoreError::io("look at", path))?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (opened.dev(), opened.ino())),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Io { action: "look at", path: path.to_owned(), source }),
    }
}
