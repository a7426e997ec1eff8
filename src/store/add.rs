//! Adding what is not built: texts and sources.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{LocalStore, Registration, StoreError, normalise::normalise, unpack};
use crate::{
    hash::{Algorithm, Digest},
    nar::{Scan, scan},
    store_path::{ContentMethod, StoreDir, StorePath, fixed_output_path, source_path, text_path},
};

impl LocalStore {
    /// Adds a text, given in canonical form, that refers to these items, which must be valid.
    pub fn add_text(
        &self,
        name: &str,
        contents: &[u8],
        references: &BTreeSet<StorePath>,
    ) -> Result<StorePath, StoreError> {
        let contents = self.to_canonical(contents);
        let path = text_path(&StoreDir::CANONICAL, name, &Digest::sha256(&contents), references)?;
        self.add(&path, "text", references, || {
            let tree = self.work_path("text")?;
            let mut file = fs::File::create(&tree).map_err(StoreError::io("create", &tree))?;
            file.write_all(&self.to_local(&contents)).map_err(StoreError::io("write", &tree))?;
            let found = self.examine(&tree, &path, &BTreeSet::new())?;
            Ok((tree, found))
        })?;
        Ok(path)
    }

    /// Adds a copy of a file or directory as a source called `name`.
    pub fn add_tree(&self, name: &str, tree: &Path) -> Result<StorePath, StoreError> {
        // Most sources are there already; reading is cheaper than copying.
        let path = self.source_path(name, tree)?;
        self.protect([&path])?;
        if self.is_valid(&path)? {
            return Ok(path);
        }
        // The copy is what counts: the original may change under our eyes.
        let copy = self.work_path("source")?;
        let made = unpack::copy(tree, &copy, &self.to_canonical).and_then(|found| {
            normalise(&copy, name, self.group())?;
            if found.foreign {
                self.localise(&copy, &found.references)?;
            }
            let path = source_path(&StoreDir::CANONICAL, name, &found.digest, &BTreeSet::new())?;
            self.add(&path, "source", &BTreeSet::new(), || Ok((copy.clone(), found)))?;
            Ok(path)
        });
        // Nothing is there after a success; after an error the rest is of no use, and the first error counts.
        let _ = super::remove_tree(&copy);
        made
    }

    /// Adds bytes as a fixed output with the given method, such as a file generated at evaluation.
    pub fn add_fixed_file(&self, name: &str, contents: &[u8]) -> Result<StorePath, StoreError> {
        let digest = Digest::sha256(contents);
        let path = fixed_output_path(&StoreDir::CANONICAL, name, ContentMethod::Flat, &digest)?;
        self.add(&path, "fixed:sha256", &BTreeSet::new(), || {
            let tree = self.work_path("file")?;
            fs::write(&tree, contents).map_err(StoreError::io("write", &tree))?;
            let found = self.examine(&tree, &path, &BTreeSet::new())?;
            Ok((tree, found))
        })?;
        Ok(path)
    }

    /// Adds a copy of a downloaded file with that SHA-256 as the fixed output that it would be.
    pub fn add_download(&self, name: &str, file: &Path, digest: &Digest) -> Result<StorePath, StoreError> {
        let path = fixed_output_path(&StoreDir::CANONICAL, name, ContentMethod::Flat, digest)?;
        self.add(&path, "fixed:sha256", &BTreeSet::new(), || {
            let tree = self.work_path("file")?;
            fs::copy(file, &tree).map_err(StoreError::io("write", &tree))?;
            let found = self.examine(&tree, &path, &BTreeSet::new())?;
            Ok((tree, found))
        })?;
        Ok(path)
    }

    /// The path that a tree would have as a source called `name`.
    pub fn source_path(&self, name: &str, tree: &Path) -> Result<StorePath, StoreError> {
        let digest = self.hash_tree(tree)?;
        Ok(source_path(&StoreDir::CANONICAL, name, &digest, &BTreeSet::new())?)
    }

    /// Makes an item valid unless it is. `make` gives the tree and what it was [found](Self::examine) to be.
    fn add(
        &self,
        path: &StorePath,
        content: &str,
        references: &BTreeSet<StorePath>,
        make: impl FnOnce() -> Result<(PathBuf, Scan), StoreError>,
    ) -> Result<(), StoreError> {
        self.protect([path])?;
        if self.is_valid(path)? {
            return Ok(());
        }
        let lock = self.lock_item(path, || true)?;
        if self.is_valid(path)? {
            return Ok(());
        }
        for reference in references {
            if !self.is_valid(reference)? {
                return Err(StoreError::MissingReference {
                    path: path.clone(),
                    reference: reference.clone(),
                });
            }
        }
        let (tree, found) = make()?;
        let how = Registration { sandboxed: true, ..Registration::default() };
        let scan = Scan { references: references.clone(), ..found };
        let info = self.describe(path, scan, Some(content.to_owned()), &how);
        let installed = self.install(&lock, &tree, &info);
        if installed.is_err() {
            let _ = super::remove_tree(&tree);
        }
        installed
    }
}

/// The digest and size of an archive, as a check on what was added; for tests and `hpcl hash`.
impl LocalStore {
    /// Hash and size of any tree's archive, in canonical form.
    pub fn scan_tree(&self, tree: &Path, algorithm: Algorithm) -> Result<(Digest, u64), StoreError> {
        let found = scan(tree, algorithm, &self.to_canonical, [])?;
        Ok((found.digest, found.size))
    }
}
