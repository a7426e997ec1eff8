//! Whether a build made the same again.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::{LocalStore, StoreError};
use crate::store_path::StorePath;

/// The first difference between two trees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The file, inside the item; `.` for the item itself.
    pub file: PathBuf,
    /// What differs, in words.
    pub what: String,
}

impl LocalStore {
    /// Compares a newly built tree with the valid item. The tree is normalised and stays where it is.
    pub fn compare(&self, path: &StorePath, tree: &Path) -> Result<Option<Difference>, StoreError> {
        let known = self.info(path)?;
        if self.examine(tree, path, &BTreeSet::new())?.digest == known.nar_hash {
            return Ok(None);
        }
        let place = self.local_path(path);
        let found = differ(&place, tree, Path::new("")).map_err(StoreError::io("compare", &place))?;
        // Equal on disk but not to the hash: the item has been damaged since.
        Ok(Some(found.unwrap_or_else(|| Difference {
            file: PathBuf::from("."),
            what: "the item in the store no longer has its registered hash".to_owned(),
        })))
    }
}

fn differ(old: &Path, new: &Path, inside: &Path) -> io::Result<Option<Difference>> {
    let (one, other) = (old.symlink_metadata()?, new.symlink_metadata()?);
    let file = if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside.to_owned() };
    let because = |what: String| Ok(Some(Difference { file: file.clone(), what }));
    if kind(&one) != kind(&other) {
        return because(format!("was {}, now is {}", kind(&one), kind(&other)));
    }
    if one.is_symlink() {
        let (one, other) = (old.read_link()?, new.read_link()?);
        if one != other {
            return because(format!("pointed to `{}`, now points to `{}`", one.display(), other.display()));
        }
        return Ok(None);
    }
    if one.is_file() {
        let place = first_difference(old, new)?;
        if one.len() != other.len() {
            let (was, is) = (one.len(), other.len());
            return because(format!(
                "had {was} bytes, now has {is}; they differ from byte {}",
                place.unwrap_or(was.min(is))
            ));
        }
        return place.map_or(Ok(None), |place| because(format!("differs from byte {place}")));
    }
    let names = |path: &Path| -> io::Result<BTreeSet<_>> {
        path.read_dir()?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    };
    let (one, other) = (names(old)?, names(new)?);
    for name in one.union(&other) {
        let file = inside.join(name);
        let what = match (one.contains(name), other.contains(name)) {
            (true, false) => "is no longer there",
            (false, true) => "was not there",
            _ => match differ(&old.join(name), &new.join(name), &file)? {
                Some(found) => return Ok(Some(found)),
                None => continue,
            },
        };
        return Ok(Some(Difference { file, what: what.to_owned() }));
    }
    Ok(None)
}

fn kind(metadata: &std::fs::Metadata) -> &'static str {
    match metadata.file_type() {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_symlink() => "a symlink",
        _ if metadata.permissions().mode() & 0o100 != 0 => "an executable file",
        _ => "a file",
    }
}

/// The first byte at which two files differ, before the shorter one ends.
fn first_difference(old: &Path, new: &Path) -> io::Result<Option<u64>> {
    let (mut old, mut new) = (BufReader::new(File::open(old)?), BufReader::new(File::open(new)?));
    let mut place = 0;
    loop {
        let (one, other) = (old.fill_buf()?, new.fill_buf()?);
        let length = one.len().min(other.len());
        if length == 0 {
            return Ok(None);
        }
        if let Some(at) = one.iter().zip(other).position(|(one, other)| one != other) {
            return Ok(Some(place + at as u64));
        }
        place += length as u64;
        old.consume(length);
        new.consume(length);
    }
}
