//! Metadata of items, and the questions that it answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::ErrorKind,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{LocalStore, StoreError, files};
use crate::{hash::Digest, store_path::StorePath};

/// What the store knows of a valid item. Written once, last, and never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemInfo {
    /// The item.
    pub path: StorePath,
    /// SHA-256 of the archive in canonical form.
    pub nar_hash: Digest,
    /// The archive's length in bytes.
    pub nar_size: u64,
    /// What it refers to, itself included when it does.
    pub references: BTreeSet<StorePath>,
    /// The derivation that it was made by, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deriver: Option<StorePath>,
    /// How its path follows from its content (`text`, `source`, `fixed:r:sha256`); nothing when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether it was built in a complete sandbox, or is no build's result.
    pub sandboxed: bool,
    /// The layers that its content names, each with the references that lie there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layers: BTreeMap<PathBuf, BTreeSet<StorePath>>,
    /// Files, with the member where they have some, that hold a store's directory in compressed form, where rewriting does not reach it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// When it was registered, in seconds since 1970.
    pub registered: u64,
    /// The name of its build log in the log directory, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

impl LocalStore {
    pub(super) fn info_file(&self, path: &StorePath) -> PathBuf {
        self.var.join("items").join(format!("{path}.json"))
    }

    /// Whether the item is in the store, whole.
    ///
    /// Before relying on it, [`protect`](Self::protect) the item: otherwise it may be collected the next moment.
    pub fn is_valid(&self, path: &StorePath) -> Result<bool, StoreError> {
        Ok(self.is_own(path)? || self.layers.info(path).is_some())
    }

    /// Whether the item is in this store itself, whatever layers have.
    pub fn is_own(&self, path: &StorePath) -> Result<bool, StoreError> {
        files::exists(&self.info_file(path))
    }

    /// What the store knows of a valid item.
    pub fn info(&self, path: &StorePath) -> Result<ItemInfo, StoreError> {
        let file = self.info_file(path);
        match fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|source| StoreError::Metadata { path: file, source })
            }
            Err(source) if source.kind() == ErrorKind::NotFound => {
                self.layers.info(path).ok_or_else(|| StoreError::NotValid { path: path.clone() })
            }
            Err(source) => Err(StoreError::Io { action: "read", path: file, source }),
        }
    }

    /// All valid items of this store itself, sorted.
    pub fn items(&self) -> Result<BTreeSet<StorePath>, StoreError> {
        let directory = self.var.join("items");
        let mut items = BTreeSet::new();
        for entry in directory.read_dir().map_err(StoreError::io("list", &directory))? {
            let name = entry.map_err(StoreError::io("list", &directory))?.file_name();
            let path = name.to_str().and_then(|name| name.strip_suffix(".json")).map(StorePath::parse);
            if let Some(Ok(path)) = path {
                items.insert(path);
            }
        }
        Ok(items)
    }

    /// The items and all that they refer to, directly or not.
    pub fn closure<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeSet<StorePath>, StoreError> {
        Ok(self.closure_info(roots)?.into_keys().collect())
    }

    /// The closure with what the store knows of each item.
    pub fn closure_info<'a>(
        &self,
        roots: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<BTreeMap<StorePath, ItemInfo>, StoreError> {
        let mut found = BTreeMap::new();
        let mut left: Vec<StorePath> = roots.into_iter().cloned().collect();
        while let Some(path) = left.pop() {
            if !found.contains_key(&path) {
                let info = self.info(&path)?;
                left.extend(
                    info.references.iter().filter(|reference| !found.contains_key(*reference)).cloned(),
                );
                found.insert(path, info);
            }
        }
        Ok(found)
    }

    /// The valid items that refer directly to this one, itself excluded. Reads the metadata of the whole store.
    pub fn referrers(&self, path: &StorePath) -> Result<BTreeSet<StorePath>, StoreError> {
        let mut found = BTreeSet::new();
        for item in self.items()? {
            // Collected meanwhile is as good as not referring.
            match self.info(&item) {
                Ok(info) if item != *path && info.references.contains(path) => {
                    found.insert(item);
                }
                Ok(_) | Err(StoreError::NotValid { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}
