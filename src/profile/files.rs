//! What files the store's items hold, for finding the package that has one.
//!
//! Items never change, so that what was seen of one is kept in the user's cache: a new search reads the new items only. The
//! file is written beside and renamed; what is damaged is as good as absent.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use crate::{
    channel::index::stored,
    store::{LocalStore, StoreError},
    store_path::StorePath,
};

/// The number of the file's format.
const FORMAT: u32 = 1;
/// The directories of an item that are looked through.
const FOLDERS: [&str; 9] = ["bin", "sbin", "lib", "lib64", "libexec", "include", "share", "etc", "fonts"];

/// The files of some items.
#[derive(Default, Serialize, Deserialize)]
pub struct StoreFiles {
    format: u32,
    items: Vec<(String, String)>,
}

impl StoreFiles {
    /// Looks through the items of a store and the layers below it; what is known of them already is not read again.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn of(store: &LocalStore, cache: Option<&Path>) -> Result<StoreFiles, StoreError> {
        let path = cache.map(|cache| place(cache, store));
        let known = path.as_ref().and_then(|path| postcard::from_bytes(&std::fs::read(path).ok()?).ok());
        let known = known.filter(|known: &StoreFiles| known.format == FORMAT).unwrap_or_default();
        let items: BTreeSet<StorePath> = store.all_items()?;
        let wanted: Vec<&StorePath> = items.iter().filter(|item| may_be_package(item)).collect();
        let mut texts: FxHashMap<String, String> = known.items.into_iter().collect();
        let new: Vec<&StorePath> =
            wanted.iter().copied().filter(|item| !texts.contains_key(&item.to_string())).collect();
        let is_same = new.is_empty() && texts.len() == wanted.len();
        let read: Vec<(String, String)> =
            new.par_iter().map(|item| (item.to_string(), files_of(&store.local_path(item)))).collect();
        texts.extend(read);
        let text = |item: &&StorePath| {
            let name = item.to_string();
            texts.remove(&name).map(|text| (name, text))
        };
        let files = StoreFiles { format: FORMAT, items: wanted.iter().filter_map(text).collect() };
        if let (Some(path), false) = (path, is_same)
            && let Ok(bytes) = postcard::to_stdvec(&files)
        {
            // Without it, the next search takes as long as this one.
            let _ = stored::put(&path, &bytes);
        }
        Ok(files)
    }

    /// Returns the files, relative to their items, that are meant.
    pub fn find(&self, is_meant: impl Fn(&str) -> bool + Sync) -> Vec<(StorePath, PathBuf)> {
        let of = |(item, text): &(String, String)| -> Vec<(StorePath, PathBuf)> {
            let Ok(item) = StorePath::parse(item) else { return Vec::new() };
            let found = text.lines().filter(|line| is_meant(line));
            found.map(|line| (item.clone(), PathBuf::from(line))).collect()
        };
        self.items.par_iter().flat_map_iter(of).collect()
    }
}

fn place(cache: &Path, store: &LocalStore) -> PathBuf {
    let digest = crate::hash::Digest::sha256(store.local_dir().as_os_str().as_encoded_bytes()).to_base32();
    cache.join("files").join(digest.get(..16).unwrap_or(&digest))
}

/// Whether an item may be a package's output: no derivation, profile, archive or patch.
fn may_be_package(item: &StorePath) -> bool {
    const OTHERS: [&str; 8] = [".drv", "-profile", ".patch", ".gz", ".xz", ".bz2", ".deb", ".hpcl"];
    let name = item.name();
    name != "profile" && !OTHERS.iter().any(|ending| name.ends_with(ending))
}

/// Returns the files of an item, one a line.
fn files_of(item: &Path) -> String {
    let mut text = String::new();
    for folder in FOLDERS {
        for entry in walkdir::WalkDir::new(item.join(folder)).sort_by_file_name().into_iter().flatten() {
            let inside = entry.path().strip_prefix(item).ok().and_then(Path::to_str);
            if let Some(inside) =
                inside.filter(|inside| !entry.file_type().is_dir() && !inside.contains('\n'))
            {
                text.push_str(inside);
                text.push('\n');
            }
        }
    }
    text
}
