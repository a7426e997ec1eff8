//! Where a user's store lies.
//!
//! The store directory must be exactly as long as the canonical one, so the directory above it is padded:
//! `BASE/hpcl____/store`. What is not content (metadata, locks, roots, logs) lies beside it in `BASE/hpcl____/var`. The base
//! is `$HPCL_STORE`, else `$XDG_DATA_HOME`, else `~/.local/share`; `HPCL_STORE` may also name a whole store directory of the
//! right length. The path is taken as written, without resolving symlinks, because it is what ends up in files.

use std::{
    env,
    path::{Component, Path, PathBuf},
};

use super::StoreError;
use crate::store_path::CANONICAL_STORE;

/// The name of the directory above the store, before padding.
const STEM: &str = "/hpcl";
/// The variable that lists the bases of the layers, separated by `:`.
const LAYERS: &str = "HPCL_STORE_LAYERS";
/// The store directory's own name.
const STORE: &str = "/store";
/// The most bytes that the base may have.
const BASE_LIMIT: usize = CANONICAL_STORE.len() - STEM.len() - STORE.len();

/// Where a store lies and how careful it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// The store directory, as long as the canonical one.
    pub(super) store: String,
    /// Whether content is forced to the disk before an item becomes valid; see the module `register`.
    pub durable: bool,
    /// The store directories of the layers below it, in the order of looking.
    pub(super) layers: Vec<String>,
}

impl StoreConfig {
    /// The store that the environment asks for.
    pub fn from_env() -> Result<Self, StoreError> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = set("HPCL_STORE")
            .or_else(|| set("XDG_DATA_HOME").filter(|path| path.is_absolute()))
            .or_else(|| set("HOME").map(|home| home.join(".local/share")))
            .ok_or(StoreError::NoPlace)?;
        let durable = env::var_os("HPCL_STORE_SYNC").is_some_and(|value| !value.is_empty() && value != "0");
        let mut config = Self { durable, ..Self::at(&base)? };
        if let Some(layers) = env::var_os(LAYERS) {
            config.set_layers(env::split_paths(&layers).filter(|path| !path.as_os_str().is_empty()))?;
        }
        Ok(config)
    }

    /// Whether the environment says which layers there are, be it none.
    pub fn names_layers() -> bool {
        env::var_os(LAYERS).is_some()
    }

    /// Puts the store on others, given as the environment gives it, in the order of looking.
    pub fn set_layers(&mut self, bases: impl IntoIterator<Item = PathBuf>) -> Result<(), StoreError> {
        let stores = bases.into_iter().map(|base| Ok(Self::at(&base)?.store));
        self.layers = stores.collect::<Result<_, StoreError>>()?;
        // Who keeps the site's store has it among the layers too, by the site's settings.
        self.layers.retain(|layer| *layer != self.store);
        Ok(())
    }

    /// The store in this base directory, or the store directory itself when the path has its length and ends in `/store`.
    pub fn at(base: &Path) -> Result<Self, StoreError> {
        let bad = |reason| StoreError::BadBase { base: base.to_owned(), reason };
        let text = base.to_str().ok_or_else(|| bad("its path is not UTF-8"))?;
        if !base.is_absolute() {
            return Err(bad("its path is not absolute"));
        }
        if base.components().any(|part| part == Component::ParentDir) {
            return Err(bad("its path has `..` in it"));
        }
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "/._-+@%=,~^".contains(c));
        if text.contains(odd) {
            return Err(bad(
                "build systems and scripts cannot live with blanks, colons or special characters in it",
            ));
        }
        // Without `//`, `/./` and a slash at the end.
        let clean: PathBuf = base.components().collect();
        let clean = clean.to_str().unwrap_or(text);
        if clean.len() == CANONICAL_STORE.len() && clean.ends_with(STORE) {
            return Ok(Self { store: clean.to_owned(), durable: false, layers: Vec::new() });
        }
        let clean = if clean == "/" { "" } else { clean };
        let padding = BASE_LIMIT
            .checked_sub(clean.len())
            .ok_or_else(|| StoreError::TooLong { base: base.to_owned(), limit: BASE_LIMIT })?;
        let store = format!("{clean}{STEM}{}{STORE}", "_".repeat(padding));
        Ok(Self { store, durable: false, layers: Vec::new() })
    }

    /// Whether a directory, given as the environment gives it, is among the layers.
    pub fn has_layer(&self, base: &Path) -> bool {
        Self::at(base).is_ok_and(|layer| self.layers.contains(&layer.store))
    }

    /// The store directory.
    pub fn store_dir(&self) -> &Path {
        Path::new(&self.store)
    }

    /// The directory of all that is not content.
    pub fn var_dir(&self) -> PathBuf {
        self.store_dir().with_file_name("var")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_base_that_fits_is_padded_to_the_canonical_length() {
        for length in 1..=BASE_LIMIT {
            let base = format!("/{}", "b".repeat(length - 1));
            let config = StoreConfig::at(Path::new(&base)).unwrap();
            assert_eq!(config.store.len(), CANONICAL_STORE.len(), "{}", config.store);
            assert_eq!(
                StoreConfig::at(config.store_dir()).unwrap(),
                config,
                "the whole path means the same store"
            );
        }
        let long = format!("/{}", "b".repeat(BASE_LIMIT));
        let error = StoreConfig::at(Path::new(&long)).unwrap_err();
        assert!(error.to_string().contains("it has 49 bytes, at most 48"), "{error}");
    }

    #[test]
    fn a_clean_path_is_used() {
        let config = StoreConfig::at(Path::new("/home//me/./data/")).unwrap();
        assert!(config.store.starts_with("/home/me/data/hpcl___"), "{}", config.store);
        assert!(config.var_dir().ends_with("var"));
        for bad in ["relative", "/a/../b", "/with blank", "/with:colon", "/quo'te"] {
            assert!(matches!(StoreConfig::at(Path::new(bad)), Err(StoreError::BadBase { .. })), "{bad}");
        }
    }
}
