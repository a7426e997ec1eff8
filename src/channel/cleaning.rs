//! Removes from a user's cache what nobody has used for long and what can be made again without asking another machine.
//!
//! That is: exported trees of commits, except those of a generation of pulled channels, indexes and answers. Copies of repositories
//! stay, since the originals may be gone. Invariant: a directory leaves its place by a rename before its files are deleted, so
//! that nobody ever finds half of one.

use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    generation::{GenerationError, Generations},
    place,
};
use crate::store::{bytes_below, remove_tree};

/// How long something is kept that is not used.
pub const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// How exactly uses are noted.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What was, or would be, removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// How many trees and files.
    pub entries: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Notes that an exported tree is used; a failure is as if it were not.
pub fn note_use(directory: &Path) {
    let now = SystemTime::now();
    if last_use(directory).is_some_and(|used| now.duration_since(used).is_ok_and(|age| age > DAY)) {
        let _ = fs::File::open(directory).and_then(|file| file.set_modified(now));
    }
}

/// Removes from the user's cache what was not used for [`UNUSED`]; with `dry_run` it only looks.
///
/// # Errors
/// [`GenerationError`] when the generations of channels cannot be read, since it is not known then what they need. What cannot be
/// removed stays.
pub fn clean(dry_run: bool) -> Result<Cleaned, GenerationError> {
    let Some(cache) = place::cache() else { return Ok(Cleaned::default()) };
    let generations = Generations::of_user()?;
    let mut needed = HashSet::new();
    for number in generations.numbers() {
        needed.extend(generations.get(number)?.channels.iter().filter_map(|instance| instance.checkout()));
    }
    let mut cleaned = Cleaned::default();
    for folder in ["checkouts", "index", "answers"].map(|name| cache.join(name)) {
        for path in unused(&folder, SystemTime::now()) {
            if needed.contains(&path) {
                continue;
            }
            let bytes = bytes_below(&path);
            if dry_run || remove(&path).is_ok() {
                cleaned.entries += 1;
                cleaned.bytes += bytes;
            }
        }
    }
    Ok(cleaned)
}

fn unused(folder: &Path, now: SystemTime) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_old = |path: &PathBuf| {
        last_use(path).and_then(|used| now.duration_since(used).ok()).is_some_and(|age| age > UNUSED)
    };
    entries.filter(is_old).collect()
}

/// When a file was last read, where the file system notes that, or else written; when a tree's use was last noted.
fn last_use(path: &Path) -> Option<SystemTime> {
    let metadata = fs::symlink_metadata(path).ok()?;
    // Looking at a directory is reading it.
    let read = metadata.accessed().ok().filter(|_| metadata.is_file());
    read.max(metadata.modified().ok())
}

fn remove(path: &Path) -> io::Result<()> {
    if !path.is_dir() {
        return fs::remove_file(path);
    }
    let parent = path.parent().unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new().prefix(".old-").tempdir_in(parent)?;
    let moved = aside.path().join("tree");
    fs::rename(path, &moved)?;
    remove_tree(&moved).map(|_| ())
}
