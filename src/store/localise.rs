//! Putting a tree into local form.
//!
//! A build's output is in local form already. What comes from outside (a source, a download) may hold the canonical
//! directory; on disk that must be the local one, so that an item has the same bytes here whether it was built, fetched or
//! restored from an archive. Files are changed in place, which equal lengths allow.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt},
    },
    path::Path,
};

use memchr::memmem;

use super::{
    LocalStore, StoreError,
    normalise::{set_times, writable},
};
use crate::{nar::replace_all, store_path::CANONICAL_STORE};

impl LocalStore {
    /// Replaces the canonical directory by the local one in all of a normalised tree.
    pub(super) fn localise(&self, path: &Path) -> Result<(), StoreError> {
        let kind = path.symlink_metadata().map_err(StoreError::io("look at", path))?.file_type();
        if kind.is_dir() {
            for entry in path.read_dir().map_err(StoreError::io("list", path))? {
                self.localise(&entry.map_err(StoreError::io("list", path))?.path())?;
            }
            Ok(())
        } else if kind.is_symlink() {
            self.localise_link(path).map_err(StoreError::io("relocate", path))
        } else {
            self.localise_file(path).map_err(StoreError::io("relocate", path))
        }
    }

    fn localise_link(&self, path: &Path) -> io::Result<()> {
        let target = path.read_link()?;
        let local = replace_all(&self.to_local, target.as_os_str().as_bytes());
        if local == target.as_os_str().as_bytes() {
            return Ok(());
        }
        let replace = || {
            fs::remove_file(path)?;
            std::os::unix::fs::symlink(OsStr::from_bytes(&local), path)?;
            set_times(path)
        };
        match path.parent() {
            Some(parent) => writable(parent, replace),
            None => replace(),
        }
    }

    fn localise_file(&self, path: &Path) -> io::Result<()> {
        let places = occurrences(&mut File::open(path)?)?;
        if places.is_empty() {
            return Ok(());
        }
        let before = path.metadata()?.permissions();
        fs::set_permissions(path, Permissions::from_mode(before.mode() | 0o200))?;
        let file = OpenOptions::new().write(true).open(path)?;
        for place in places {
            file.write_all_at(self.config.store.as_bytes(), place)?;
        }
        fs::set_permissions(path, before)?;
        set_times(path)
    }
}

/// Where the canonical directory stands in a file.
fn occurrences(file: &mut File) -> io::Result<Vec<u64>> {
    let finder = memmem::Finder::new(CANONICAL_STORE);
    let keep = CANONICAL_STORE.len() - 1;
    let mut places = Vec::new();
    let mut buffer = Vec::new();
    let mut start = 0u64;
    loop {
        let read = Read::by_ref(file).take(1 << 20).read_to_end(&mut buffer)?;
        // The directory begins with the only `/hpcl/` in it, so occurrences cannot overlap.
        places.extend(finder.find_iter(&buffer).map(|at| start + at as u64));
        if read == 0 {
            return Ok(places);
        }
        let done = buffer.len().saturating_sub(keep);
        buffer.drain(..done);
        start += done as u64;
    }
}
