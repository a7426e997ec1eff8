//! Small operations on files that the store is made of.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, ErrorKind, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use super::StoreError;

/// Makes a directory and those above it.
pub(super) fn make_directory(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(StoreError::io("create", path))
}

/// Writes a whole file so that others see the old one or the new one, never a part. `draft` is on the same file system.
pub(super) fn write_by_rename(draft: &Path, to: &Path, bytes: &[u8], sync: bool) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(draft)?;
        file.write_all(bytes)?;
        if sync {
            file.sync_all()?;
        }
        fs::rename(draft, to)
    };
    write().map_err(|source| {
        // What is left of the draft is of no use; a full disk is glad of the room.
        let _ = fs::remove_file(draft);
        StoreError::Io { action: "write", path: to.to_owned(), source }
    })
}

/// Checks, in a directory where a store is about to be made, that its file system can hold one.
pub(super) fn probe_file_system(directory: &Path) -> Result<(), StoreError> {
    let place = |name: &str| directory.join(format!(".probe-{name}-{}", std::process::id()));
    let (link, upper, lower) = (place("link"), place("CASE"), place("case"));
    let lacks = |lacks| StoreError::BadFileSystem { path: directory.to_owned(), lacks };
    let found = match std::os::unix::fs::symlink("target", &link) {
        Err(source) if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::Unsupported) => {
            Err(lacks("has no symbolic links"))
        }
        made => made.map_err(StoreError::io("create", &link)).and_then(|()| {
            fs::write(&upper, "").map_err(StoreError::io("create", &upper))?;
            if exists(&lower)? { Err(lacks("folds case: `A` and `a` are one file")) } else { Ok(()) }
        }),
    };
    for probe in [link, upper] {
        let _ = fs::remove_file(probe);
    }
    found
}

/// Forces all of a file system's pending writes to the disk.
pub(super) fn sync_file_system(inside: &Path) -> Result<(), StoreError> {
    let sync = || rustix::fs::syncfs(File::open(inside)?).map_err(io::Error::from);
    sync().map_err(StoreError::io("write to the disk all of", inside))
}

/// Makes an entry of a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("write to the disk", path))
}

/// Whether something is at a path; a symlink counts even when it leads nowhere.
pub(super) fn exists(path: &Path) -> Result<bool, StoreError> {
    match path.symlink_metadata() {
        Ok(_) => Ok(true),
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(false),
        Err(source) => Err(StoreError::Io { action: "look at", path: path.to_owned(), source }),
    }
}

/// Renames a tree to a place where nothing is. A read-only directory must be writable for that moment, since its `..`
/// changes; it is read-only again at the new place.
pub(super) fn move_tree(from: &Path, to: &Path) -> Result<(), StoreError> {
    let moved = || -> io::Result<()> {
        let metadata = from.symlink_metadata()?;
        let locked = metadata.is_dir() && metadata.mode() & 0o200 == 0;
        if locked {
            fs::set_permissions(from, Permissions::from_mode(metadata.mode() & 0o7777 | 0o200))?;
        }
        fs::rename(from, to)?;
        if locked {
            fs::set_permissions(to, metadata.permissions())?;
        }
        Ok(())
    };
    moved().map_err(StoreError::io("move into place", to))
}

/// The bytes of all files below a directory, or of a file; what cannot be looked at counts nothing.
pub fn bytes_below(path: &Path) -> u64 {
    let files = walkdir::WalkDir::new(path).into_iter().flatten();
    files.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}

/// Removes a tree, read-only directories included, and gives the bytes that it took on the disk. Nothing there is fine.
///
/// Never follows a symlink.
pub fn remove_tree(path: &Path) -> io::Result<u64> {
    let metadata = match path.symlink_metadata() {
        Ok(metadata) => metadata,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(source),
    };
    let mut freed = metadata.blocks() * 512;
    if !metadata.is_dir() {
        // The other names of a hard-linked file keep its blocks.
        freed = if metadata.nlink() > 1 { 0 } else { freed };
        ignore_missing(fs::remove_file(path))?;
        return Ok(freed);
    }
    if metadata.mode() & 0o700 != 0o700 {
        ignore_missing(fs::set_permissions(path, Permissions::from_mode(0o700)))?;
    }
    for entry in path.read_dir()? {
        freed += remove_tree(&entry?.path())?;
    }
    ignore_missing(fs::remove_dir(path))?;
    Ok(freed)
}

fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(source) if source.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Room on a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Usage {
    /// Bytes, in whole blocks.
    pub bytes: u64,
    /// Files, directories and symlinks.
    pub inodes: u64,
}

impl Usage {
    /// Whether this is at least as much of both.
    pub fn covers(self, other: Usage) -> bool {
        self.bytes >= other.bytes && self.inodes >= other.inodes
    }

    /// What is missing to reach the other.
    pub fn missing_to(self, other: Usage) -> Usage {
        Usage {
            bytes: other.bytes.saturating_sub(self.bytes),
            inodes: other.inodes.saturating_sub(self.inodes),
        }
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.bytes += other.bytes;
        self.inodes += other.inodes;
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Usage>>(parts: I) -> Usage {
        parts.fold(Usage::default(), |mut sum, part| {
            sum += part;
            sum
        })
    }
}

/// What a tree takes on the disk. Of a file that has other names too, each name counts its share of the bytes, and no inode.
pub(super) fn disk_usage(path: &Path) -> io::Result<Usage> {
    let metadata = path.symlink_metadata()?;
    if !metadata.is_dir() && metadata.nlink() > 1 {
        return Ok(Usage { bytes: metadata.blocks() * 512 / metadata.nlink(), inodes: 0 });
    }
    let mut total = Usage { bytes: metadata.blocks() * 512, inodes: 1 };
    if metadata.is_dir() {
        for entry in path.read_dir()? {
            total += disk_usage(&entry?.path())?;
        }
    }
    Ok(total)
}

/// What is free on the file system of a directory for an ordinary user. Some file systems do not count inodes: then as many as can be.
pub(super) fn available(path: &Path) -> Result<Usage, StoreError> {
    let found = rustix::fs::statvfs(path)
        .map_err(|source| StoreError::io("ask for the free room of", path)(source.into()))?;
    let inodes = if found.f_files == 0 { u64::MAX } else { found.f_favail };
    Ok(Usage { bytes: found.f_bavail.saturating_mul(found.f_frsize), inodes })
}
