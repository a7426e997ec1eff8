//! The derivations that items of the store were made by, so that a later one can be compared with them.
//!
//! Each run that makes something writes all derivations of its graph into one file below `var/derivations`, since most of them are
//! alike and compress well together, and many small files cost a quota of inodes:
//!
//! ```text
//! file = (PATH SPACE LENGTH \n)* \n zstd(TEXT*)
//! ```
//!
//! Only the newest files are kept. Nothing depends on them: what cannot be read is as if it were not there.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::{LocalStore, StoreError, files};
use crate::{derivation::Derivation, hash::Digest, store_path::StorePath};

/// How many files are kept.
const KEPT: usize = 50;
/// How well they are compressed: it must not be noticed.
const LEVEL: i32 = 3;

/// The derivations of a file and the lengths of their texts.
type Head = Vec<(StorePath, usize)>;

/// Derivations of former runs, read when they are asked for.
#[derive(Debug)]
pub struct History {
    /// Files and the derivations in them that have not been read, the newest first.
    files: Vec<(PathBuf, Head)>,
    read: Mutex<HashMap<StorePath, Arc<Derivation>>>,
}

impl LocalStore {
    /// Keeps the derivations of a graph for later comparisons.
    pub fn keep_derivations<'a>(
        &self,
        derivations: impl IntoIterator<Item = (&'a StorePath, &'a Derivation)>,
    ) -> Result<(), StoreError> {
        let mut head = String::new();
        let mut body = Vec::new();
        for (path, derivation) in derivations {
            let text = derivation.to_aterm();
            head.push_str(&format!("{path} {}\n", text.len()));
            body.extend(text);
        }
        let directory = self.var.join("derivations");
        let name = Digest::sha256(head.as_bytes()).to_base32();
        let to = directory.join(&name);
        if head.is_empty() || files::exists(&to)? {
            return Ok(());
        }
        files::make_directory(&directory)?;
        head.push('\n');
        let mut bytes = head.into_bytes();
        bytes.extend(zstd::encode_all(body.as_slice(), LEVEL).map_err(StoreError::io("write", &to))?);
        let draft = directory.join(format!(".{name}-{}", std::process::id()));
        files::write_by_rename(&draft, &to, &bytes, false)?;
        for (_, old) in listed(&directory).into_iter().skip(KEPT) {
            // Another process may have removed it.
            let _ = fs::remove_file(old);
        }
        Ok(())
    }

    /// The derivations that were kept.
    pub fn history(&self) -> History {
        let with_head = |(_, path): (SystemTime, PathBuf)| {
            let head = head(&path)?;
            Some((path, head))
        };
        let files = listed(&self.var.join("derivations")).into_iter().filter_map(with_head).collect();
        History { files, read: Mutex::default() }
    }
}

impl History {
    /// The derivation at this path, if it was kept.
    pub fn find(&self, path: &StorePath) -> Option<Arc<Derivation>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = read.get(path) {
            return Some(Arc::clone(found));
        }
        for (file, _) in self.files.iter().filter(|(_, head)| head.iter().any(|(one, _)| one == path)) {
            read.extend(contents(file).unwrap_or_default());
            if let Some(found) = read.get(path) {
                return Some(Arc::clone(found));
            }
        }
        None
    }

    /// The derivations with this name, those of the newest run first.
    pub fn named(&self, name: &str) -> Vec<StorePath> {
        self.matching(|other| other == name)
    }

    /// The derivations whose name is this beginning and a version, those of the newest run first.
    pub fn beginning(&self, beginning: &str) -> Vec<StorePath> {
        let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        self.matching(|other| other.strip_prefix(beginning).is_some_and(digit))
    }

    fn matching(&self, is_meant: impl Fn(&str) -> bool) -> Vec<StorePath> {
        let mut found: Vec<StorePath> = Vec::new();
        for (path, _) in self.files.iter().flat_map(|(_, head)| head) {
            let name = path.name().strip_suffix(".drv").unwrap_or(path.name());
            if is_meant(name) && !found.contains(path) {
                found.push(path.clone());
            }
        }
        found
    }
}

/// The files of a directory, the newest first; drafts are none.
fn listed(directory: &Path) -> Vec<(SystemTime, PathBuf)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let drafts = |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .filter(drafts)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found
}

fn head(file: &Path) -> Option<Head> {
    read_head(&mut BufReader::new(fs::File::open(file).ok()?))
}

fn read_head(from: &mut impl BufRead) -> Option<Head> {
    let mut paths = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        match line.trim_end_matches('\n') {
            "" => return Some(paths),
            line => {
                let (path, length) = line.split_once(' ')?;
                paths.push((StorePath::parse(path).ok()?, length.parse().ok()?));
            }
        }
    }
}

fn contents(file: &Path) -> Option<Vec<(StorePath, Arc<Derivation>)>> {
    let mut from = BufReader::new(fs::File::open(file).ok()?);
    let paths = read_head(&mut from)?;
    let mut body = Vec::new();
    zstd::Decoder::new(from).ok()?.read_to_end(&mut body).ok()?;
    let mut rest = body.as_slice();
    let mut found = Vec::new();
    for (path, length) in paths {
        let (text, after) = rest.split_at_checked(length)?;
        rest = after;
        let derivation = Derivation::parse(path.name().strip_suffix(".drv")?, text).ok()?;
        found.push((path, Arc::new(derivation)));
    }
    Some(found)
}
