//! Putting a tree into local form.
//!
//! A build's output is in local form already. What comes from outside (a source, a download) may hold the canonical
//! directory; on disk that must be the local one, so that an item has the same bytes here whether it was built, fetched or
//! restored from an archive. Files are changed in place, which equal lengths allow.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, PermissionsExt},
    },
    path::Path,
};

use super::{
    LocalStore, StoreError,
    normalise::{set_times, writable},
};
use crate::{
    nar::{Rewriter, replace_all},
    store_path::StorePath,
};

impl LocalStore {
    /// Replaces the canonical directory by the local ones in all of a normalised tree that refers to these items.
    pub(super) fn localise(&self, path: &Path, references: &BTreeSet<StorePath>) -> Result<(), StoreError> {
        Localiser { to_local: self.local_rewriter(references) }.node(path)
    }
}

struct Localiser {
    to_local: Rewriter,
}

impl Localiser {
    fn node(&self, path: &Path) -> Result<(), StoreError> {
        let kind = path.symlink_metadata().map_err(StoreError::io("look at", path))?.file_type();
        if kind.is_dir() {
            for entry in path.read_dir().map_err(StoreError::io("list", path))? {
                self.node(&entry.map_err(StoreError::io("list", path))?.path())?;
            }
            Ok(())
        } else if kind.is_symlink() {
            self.link(path).map_err(StoreError::io("relocate", path))
        } else {
            self.file(path).map_err(StoreError::io("relocate", path))
        }
    }

    fn link(&self, path: &Path) -> io::Result<()> {
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

    fn file(&self, path: &Path) -> io::Result<()> {
        let places = occurrences(&self.to_local, &mut File::open(path)?)?;
        if places.is_empty() {
            return Ok(());
        }
        let before = path.metadata()?.permissions();
        fs::set_permissions(path, Permissions::from_mode(before.mode() | 0o200))?;
        let file = OpenOptions::new().write(true).open(path)?;
        for (place, directory) in places {
            file.write_all_at(&directory, place)?;
        }
        fs::set_permissions(path, before)?;
        set_times(path)
    }
}

/// Where the canonical directory stands in a file, and what it becomes there.
fn occurrences(to_local: &Rewriter, file: &mut File) -> io::Result<Vec<(u64, Vec<u8>)>> {
    let window = to_local.window();
    let mut places = Vec::new();
    let mut buffer = Vec::new();
    let mut start = 0u64;
    loop {
        let read = Read::by_ref(file).take(1 << 20).read_to_end(&mut buffer)?;
        let found = to_local.replacements(&buffer);
        // What lies so near the end that not all of its window is here comes again with the next piece.
        let decided = if read == 0 { buffer.len() } else { buffer.len().saturating_sub(window - 1) };
        places.extend(
            found.into_iter().filter(|(at, _)| *at < decided).map(|(at, to)| (start + at as u64, to)),
        );
        if read == 0 {
            return Ok(places);
        }
        buffer.drain(..decided);
        start += decided as u64;
    }
}
