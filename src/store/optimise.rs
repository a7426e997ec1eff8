//! Saving room: equal files of the store become one, with several names.
//!
//! Items are normalised, so that two files with the same bytes and the same mode are the same in everything. Files are
//! compared by size first, then by hash, and linked over each other by rename: at any moment each name leads to a whole file.
//! A garbage collector that runs meanwhile may take either of two files; then they are left alone.

use std::{
    collections::HashMap,
    fs,
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{LocalStore, StoreError, Usage, normalise::writable};
use crate::{
    hash::{Algorithm, Digest, Hasher},
    store_path::StorePath,
};

/// What making files one did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptimiseReport {
    /// How many files the items have, each name counted.
    pub files: usize,
    /// How many of them became, or would become, another name of an equal file.
    pub linked: usize,
    /// What that saves.
    pub saved: Usage,
}

/// What equal files have in common: size, mode, file system.
type Kind = (u64, u32, u64);

/// A file of an item.
struct Candidate {
    path: PathBuf,
    bytes: u64,
    inode: u64,
    links: u64,
}

impl LocalStore {
    /// Makes equal files of valid items one. With `dry_run`, only says what that would save.
    ///
    /// # Errors
    /// When items cannot be listed or read. File systems without hard links, and files with too many names, are left as they are.
    pub fn optimise(&self, dry_run: bool) -> Result<OptimiseReport, StoreError> {
        let items: Vec<StorePath> = self.items()?.into_iter().collect();
        // They stay for as long as we look at them.
        self.protect(&items)?;
        let files: Vec<(Kind, Candidate)> =
            items.par_iter().flat_map_iter(|item| files_of(&self.own_path(item))).collect();
        let mut report = OptimiseReport { files: files.len(), ..OptimiseReport::default() };
        let mut alike: HashMap<Kind, Vec<Candidate>> = HashMap::new();
        for (kind, file) in files {
            alike.entry(kind).or_default().push(file);
        }
        alike.retain(|_, files| files.len() > 1);
        let alike: Vec<Vec<Candidate>> = alike.into_values().collect();
        let equal: Vec<Vec<Candidate>> = alike
            .into_par_iter()
            .map(equal_files)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        // Only one at a time may make a directory writable and read-only again.
        let _alone = self.file_lock("optimise.lock", true)?;
        for files in equal {
            let mut files = files.into_iter();
            let Some(mut kept) = files.next() else { continue };
            for file in files.filter(|file| file.inode != kept.inode).collect::<Vec<_>>() {
                if dry_run || self.replace_by_link(&file.path, &kept.path)? {
                    report.linked += 1;
                    // Its other names, if it has some, still hold the file.
                    if file.links == 1 {
                        report.saved += Usage { bytes: file.bytes, inodes: 1 };
                    }
                } else {
                    // One with too many names gives its place to the next.
                    kept = file;
                }
            }
        }
        Ok(report)
    }

    /// Makes `path` another name of `kept`; whether that was possible.
    fn replace_by_link(&self, path: &Path, kept: &Path) -> Result<bool, StoreError> {
        let draft = self.work_path("link")?;
        let linked = fs::hard_link(kept, &draft).and_then(|()| {
            let replace = || fs::rename(&draft, path);
            match path.parent() {
                // An item that is one file lies in the store directory itself, which is writable and has times of its own.
                Some(parent) if parent != self.local_dir() => writable(parent, replace),
                _ => replace(),
            }
        });
        let Err(source) = linked else { return Ok(true) };
        let _ = fs::remove_file(&draft);
        let harmless = [
            ErrorKind::NotFound,
            ErrorKind::TooManyLinks,
            ErrorKind::Unsupported,
            ErrorKind::PermissionDenied,
        ];
        if harmless.contains(&source.kind()) { Ok(false) } else { Err(StoreError::io("link", path)(source)) }
    }
}

/// Of files alike in size and mode, those that are equal: in each list, first the one with the most names.
fn equal_files(mut files: Vec<Candidate>) -> Result<Vec<Vec<Candidate>>, StoreError> {
    // So that a second run finds nothing to do.
    files.sort_by(|one, other| (other.links, &one.path).cmp(&(one.links, &other.path)));
    if files.iter().all(|file| files.first().is_some_and(|first| first.inode == file.inode)) {
        return Ok(Vec::new());
    }
    let mut hashes: HashMap<u64, Digest> = HashMap::new();
    let mut equal: HashMap<Digest, Vec<Candidate>> = HashMap::new();
    for file in files {
        let digest = match hashes.get(&file.inode) {
            Some(digest) => *digest,
            None => match hash(&file.path) {
                Ok(digest) => digest,
                // Collected meanwhile.
                Err(source) if source.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(StoreError::io("read", &file.path)(source)),
            },
        };
        hashes.insert(file.inode, digest);
        equal.entry(digest).or_default().push(file);
    }
    let mut equal: Vec<Vec<Candidate>> = equal.into_values().filter(|files| files.len() > 1).collect();
    equal.sort_by(|one, other| one.first().map(|file| &file.path).cmp(&other.first().map(|file| &file.path)));
    Ok(equal)
}

/// The regular files of a tree. What cannot be read is left out: `verify` is who tells.
fn files_of(tree: &Path) -> impl Iterator<Item = (Kind, Candidate)> + use<> {
    WalkDir::new(tree).into_iter().flatten().filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        let candidate = Candidate {
            bytes: metadata.blocks() * 512,
            inode: metadata.ino(),
            links: metadata.nlink(),
            path: entry.into_path(),
        };
        metadata.is_file().then_some(((metadata.len(), metadata.mode(), metadata.dev()), candidate))
    })
}

fn hash(path: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}
