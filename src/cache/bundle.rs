//! A cache in one file, for clusters without a network.
//!
//! A bundle is a tar archive:
//!
//! ```text
//! hpcl-bundle.json          format, roots
//! nix-cache-info            and what else a cache directory holds
//! HASH.narinfo
//! nar/FILEHASH.nar.zst
//! recipes/…                 manifests and channels, as they were
//! ```
//!
//! It is written and read as a stream, so that it also goes through a pipe to another machine. The same closure gives the same
//! bundle, byte for byte.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::{CACHE_INFO, CacheError};
use crate::store_path::StorePath;

/// The first file of a bundle.
const INDEX: &str = "hpcl-bundle.json";
/// Where the recipes are in it.
const RECIPES: &str = "recipes";
/// The format of bundles.
const FORMAT: u32 = 1;

/// What a bundle is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleIndex {
    format: u32,
    /// The items that were asked for; the others are what they need.
    pub roots: Vec<StorePath>,
}

impl BundleIndex {
    /// An index of these items.
    pub fn new(roots: Vec<StorePath>) -> BundleIndex {
        BundleIndex { format: FORMAT, roots }
    }
}

/// Writes a cache directory and recipes, which are files and directories, as a bundle.
pub fn write_bundle(
    index: &BundleIndex,
    cache: &Path,
    recipes: &[PathBuf],
    to: impl Write,
) -> Result<(), CacheError> {
    let failed = |path: &Path| CacheError::file("bundle", path);
    let mut tar = tar::Builder::new(to);
    let text = serde_json::to_vec(index).expect("an index is JSON");
    append(&mut tar, Path::new(INDEX), text.len() as u64, text.as_slice()).map_err(failed(cache))?;
    let mut add = |place: &Path, file: &Path| -> Result<(), CacheError> {
        let size = file.metadata().map_err(failed(file))?.len();
        append(&mut tar, place, size, File::open(file).map_err(failed(file))?).map_err(failed(file))
    };
    for (inside, file) in files_below(cache)? {
        add(&inside, &file)?;
    }
    for (number, recipe) in recipes.iter().enumerate() {
        let name = recipe.file_name().map_or_else(|| number.to_string().into(), ToOwned::to_owned);
        let place = Path::new(RECIPES).join(name);
        if recipe.is_dir() {
            for (inside, file) in files_below(recipe)? {
                add(&place.join(inside), &file)?;
            }
        } else {
            add(&place, recipe)?;
        }
    }
    let mut to = tar.into_inner().map_err(failed(cache))?;
    to.flush().map_err(failed(cache))
}

/// Unpacks a bundle into a directory, which then is a cache with `recipes/` beside it.
pub fn read_bundle(from: impl Read, directory: &Path) -> Result<BundleIndex, CacheError> {
    let damaged = |source: io::Error| CacheError::Bundle { reason: source.to_string() };
    let mut index = None;
    let mut cache = false;
    for entry in tar::Archive::new(from).entries().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?.into_owned();
        let first = name.components().next();
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let known = first.is_some_and(|part| {
            [RECIPES, "nar", CACHE_INFO, INDEX].map(str::as_ref).contains(&part.as_os_str())
        }) || name.extension().is_some_and(|ending| ending == "narinfo")
            && name.components().count() == 1;
        let is_index = name.as_os_str() == INDEX;
        if index.is_none() && !is_index {
            return Err(CacheError::Bundle { reason: format!("it does not begin with `{INDEX}`") });
        }
        if !plain || !known || !entry.header().entry_type().is_file() || (is_index && index.is_some()) {
            let reason = format!("`{}` has no place in one", name.display());
            return Err(CacheError::Bundle { reason });
        }
        if is_index {
            let found: BundleIndex =
                serde_json::from_reader(&mut entry).map_err(|error| damaged(error.into()))?;
            if found.format != FORMAT {
                let reason = format!("its format is {}, this hpcl knows {FORMAT}", found.format);
                return Err(CacheError::Bundle { reason });
            }
            index = Some(found);
            continue;
        }
        cache |= name.as_os_str() == CACHE_INFO;
        let place = directory.join(&name);
        let error = || CacheError::file("write", &place);
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(error())?;
        }
        let mut file = File::create(&place).map_err(error())?;
        let size = entry.size();
        let copied = io::copy(&mut entry, &mut file).map_err(error())?;
        if copied != size {
            return Err(CacheError::Bundle { reason: format!("it ends within `{}`", name.display()) });
        }
    }
    match index {
        Some(index) if cache || index.roots.is_empty() => Ok(index),
        _ => Err(CacheError::Bundle { reason: "it ends before its first item".to_owned() }),
    }
}

/// Where the recipes of an unpacked bundle are, if it has some.
pub fn bundled_recipes(directory: &Path) -> Option<PathBuf> {
    let place = directory.join(RECIPES);
    place.is_dir().then_some(place)
}

/// The regular files below a directory, sorted, hidden ones left out; each with its path from there.
fn files_below(directory: &Path) -> Result<Vec<(PathBuf, PathBuf)>, CacheError> {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    let mut found = Vec::new();
    for entry in WalkDir::new(directory).sort_by_file_name().into_iter().filter_entry(visible) {
        let entry = entry.map_err(|error| CacheError::file("list", directory)(error.into()))?;
        if entry.path().is_file()
            && let Ok(inside) = entry.path().strip_prefix(directory)
        {
            found.push((inside.to_owned(), entry.path().to_owned()));
        }
    }
    Ok(found)
}

fn append(tar: &mut tar::Builder<impl Write>, place: &Path, size: u64, data: impl Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(1);
    tar.append_data(&mut header, place, data)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, data) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            // `append_data` refuses names such as `../x`; a forger would not.
            let field = header.as_gnu_mut().unwrap();
            field.name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            tar.append(&header, *data).unwrap();
        }
        tar.into_inner().unwrap()
    }

    #[test]
    fn what_is_no_bundle_is_refused_with_the_reason() {
        let index: &[u8] = br#"{"format":1,"roots":["0c2zmdbqjpz8pdmz9qf5wbzx6f4k3hpl-x"]}"#;
        let good: (&str, &[u8]) = (INDEX, index);
        let newer: &[u8] = br#"{"format":9,"roots":[]}"#;
        let whole = tar_of(&[good, (CACHE_INFO, b"StoreDir: x"), ("recipes/a", &[b'x'; 2000])]);
        let cases: [(Vec<u8>, &str); 8] = [
            (tar_of(&[("README", b"hello")]), "it does not begin with `hpcl-bundle.json`"),
            (tar_of(&[good, ("nar/../../evil", b"x")]), "`nar/../../evil` has no place in one"),
            (tar_of(&[good, ("/etc/evil", b"x")]), "`/etc/evil` has no place in one"),
            (tar_of(&[good, ("evil", b"x")]), "`evil` has no place in one"),
            (tar_of(&[good, good]), "`hpcl-bundle.json` has no place in one"),
            (tar_of(&[(INDEX, newer)]), "its format is 9, this hpcl knows 1"),
            (tar_of(&[good]), "it ends before its first item"),
            (whole.get(..whole.len() - 3000).unwrap().to_vec(), "it ends within `recipes/a`"),
        ];
        for (bytes, reason) in cases {
            let place = tempfile::tempdir().unwrap();
            let inside = place.path().join("inside");
            fs::create_dir(&inside).unwrap();
            let error = read_bundle(bytes.as_slice(), &inside).unwrap_err().to_string();
            assert!(error.contains(reason), "{reason}: {error}");
            assert_eq!(place.path().read_dir().unwrap().count(), 1, "nothing outside");
        }
        assert!(read_bundle(&b"no tar at all"[..], Path::new("/nonexistent")).is_err());
    }
}
