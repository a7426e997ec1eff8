//! What files the directories of channels hold, and whether they are what they were.
//!
//! A [`Stamp`] is what the kernel says of a file without reading it. A file that was changed so shortly before it was looked at
//! that its next change could leave the same stamp gets none, and is read again the next time. Names that begin with a
//! dot are left out.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize};

use crate::hash::{Digest, Hasher};

/// How long ago a file must have been changed for its stamp to be trusted.
const SETTLED: Duration = Duration::from_millis(1500);

/// What the kernel says of a file: the same as long as its content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Stamp {
    /// Returns the stamp of a file or directory.
    pub fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }

    /// Returns the stamp of what is at a path, if there is something.
    pub fn at(path: &Path) -> Option<Stamp> {
        std::fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
    }

    /// Returns the stamp of what is at a path, unless it may be changed once more without changing its stamp.
    pub fn settled_at(path: &Path) -> Option<Stamp> {
        Stamp::at(path)?.settled(SystemTime::now())
    }

    /// Returns the number of bytes.
    pub fn size(self) -> u64 {
        self.size
    }

    /// Returns the stamp unless the file may be changed once more without changing it.
    fn settled(self, now: SystemTime) -> Option<Stamp> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let latest = since.saturating_sub(SETTLED);
        let latest = (i64::try_from(latest.as_secs()).unwrap_or(0), i64::from(latest.subsec_nanos()));
        (self.modified < latest && self.changed < latest).then_some(self)
    }
}

/// A module's file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileRecord {
    /// The path, below one of the directories.
    pub path: PathBuf,
    /// What it looked like; `None` if that cannot be trusted.
    pub stamp: Option<Stamp>,
    /// The SHA-256 of its content.
    pub hash: [u8; 32],
    /// Whether nobody changes it: it is of a commit's tree.
    pub fixed: bool,
}

/// The files of some directories.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tree {
    /// The modules, sorted by path within each directory.
    pub files: Vec<FileRecord>,
    /// The folders with their stamps.
    pub folders: Vec<(PathBuf, Option<Stamp>)>,
    /// A hash of the names of all files.
    pub names: [u8; 32],
}

impl Tree {
    /// Looks through directories, some of which nobody changes. What a former tree knows of files that were not changed is
    /// not read again.
    ///
    /// # Errors
    /// When a module's file cannot be read.
    pub fn read(directories: &[PathBuf], fixed: &[PathBuf], former: &Tree) -> std::io::Result<Tree> {
        use rayon::prelude::*;
        let now = SystemTime::now();
        let mut tree = Tree::default();
        let mut names = Hasher::new(crate::hash::Algorithm::Sha256);
        let mut found = Vec::new();
        for directory in directories {
            let fixed = fixed.contains(directory);
            let walk = walkdir::WalkDir::new(directory).follow_links(true).sort_by_file_name().into_iter();
            for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_hidden(entry.path())).flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                let stamp = Stamp::of(&metadata);
                if metadata.is_dir() {
                    if fixed {
                        continue;
                    }
                    tree.folders.push((entry.into_path(), stamp.settled(now)));
                    continue;
                }
                names.update(entry.path().as_os_str().as_encoded_bytes());
                names.update(b"\0");
                if is_module(entry.path()) {
                    found.push((entry.into_path(), stamp, fixed));
                }
            }
        }
        let known: rustc_hash::FxHashMap<&Path, &FileRecord> =
            former.files.iter().map(|file| (file.path.as_path(), file)).collect();
        let read = |(path, stamp, fixed): (PathBuf, Stamp, bool)| {
            let hash = match known.get(path.as_path()) {
                Some(file) if file.stamp == Some(stamp) => file.hash,
                _ => digest(&std::fs::read(&path)?),
            };
            let stamp = if fixed { Some(stamp) } else { stamp.settled(now) };
            Ok(FileRecord { path, stamp, hash, fixed })
        };
        tree.files = found.into_par_iter().map(read).collect::<std::io::Result<_>>()?;
        tree.names = bytes(&names.finish());
        Ok(tree)
    }

    /// Whether nothing was added or removed, as far as the folders say.
    pub fn has_same_folders(&self) -> bool {
        self.folders.iter().all(|(path, stamp)| stamp.is_some() && Stamp::at(path) == *stamp)
    }

    /// Returns for each file whether it is what it was.
    pub fn unchanged(&self) -> Vec<bool> {
        let same =
            |file: &FileRecord| file.fixed || file.stamp.is_some() && Stamp::at(&file.path) == file.stamp;
        self.files.iter().map(same).collect()
    }

    /// Whether the files have the same names and contents as those of another tree.
    pub fn has_content_of(&self, other: &Tree) -> bool {
        let content = |tree: &Tree| -> Vec<(PathBuf, [u8; 32])> {
            tree.files.iter().map(|file| (file.path.clone(), file.hash)).collect()
        };
        self.names == other.names && content(self) == content(other)
    }
}

/// Returns the SHA-256 of bytes.
pub fn digest(content: &[u8]) -> [u8; 32] {
    bytes(&Digest::sha256(content))
}

fn bytes(digest: &Digest) -> [u8; 32] {
    digest.bytes().try_into().unwrap_or_default()
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "hpcl" || ending == "scm")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn old(path: &Path) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)).unwrap();
    }

    #[test]
    fn changes_of_content_and_of_names_are_seen() {
        let place = tempfile::tempdir().unwrap();
        let directories = [place.path().to_owned()];
        std::fs::write(place.path().join("a.scm"), "(define-public a 1)").unwrap();
        let first = Tree::read(&directories, &[], &Tree::default()).unwrap();
        assert_eq!(first.files.len(), 1);
        std::fs::write(place.path().join("a.scm"), "(define-public a 2)").unwrap();
        old(&place.path().join("a.scm"));
        let second = Tree::read(&directories, &[], &first).unwrap();
        assert!(!second.has_content_of(&first));
        std::fs::write(place.path().join("a.patch"), "").unwrap();
        let third = Tree::read(&directories, &[], &second).unwrap();
        assert!(!third.has_content_of(&second), "a file that is no module counts by its name");
        assert!(Tree::read(&directories, &[], &third).unwrap().has_content_of(&third));
    }

    #[test]
    fn a_file_changed_just_now_is_not_trusted() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("a.scm"), "1").unwrap();
        let tree = Tree::read(&[place.path().to_owned()], &[], &Tree::default()).unwrap();
        assert_eq!(tree.unchanged(), [false]);
        assert!(!tree.has_same_folders());
    }
}
