//! Adding what is not built: texts and sources.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write as _},
    path::Path,
};

use super::{LocalStore, Registration, StoreError, normalise::normalise};
use crate::{
    hash::{Algorithm, Digest},
    nar::{Scan, scan},
    store_path::{ContentMethod, StoreDir, StorePath, fixed_output_path, source_path, text_path},
};

/// Says which files of a tree are taken; called with paths inside the tree.
pub type Filter<'a> = &'a dyn Fn(&Path, &fs::Metadata) -> bool;

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
            Ok(tree)
        })?;
        Ok(path)
    }

    /// Adds a copy of a file or directory as a source called `name`.
    pub fn add_tree(&self, name: &str, tree: &Path) -> Result<StorePath, StoreError> {
        self.add_filtered(name, tree, None)
    }

    /// Adds a copy of the parts of a directory that a filter takes as a source called `name`.
    pub fn add_filtered(
        &self,
        name: &str,
        tree: &Path,
        filter: Option<Filter<'_>>,
    ) -> Result<StorePath, StoreError> {
        if filter.is_none() {
            // Most sources are there already; reading is cheaper than copying.
            let path = self.source_path(name, tree)?;
            self.protect([&path])?;
            if self.is_valid(&path)? {
                return Ok(path);
            }
        }
        // The copy is what counts: the original may change under our eyes.
        let copy = self.work_path("source")?;
        let made = self.copy(tree, tree, &copy, filter).and_then(|()| {
            normalise(&copy, name, self.group())?;
            let path = self.source_path(name, &copy)?;
            self.add(&path, "source", &BTreeSet::new(), || Ok(copy.clone()))?;
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
            Ok(tree)
        })?;
        Ok(path)
    }

    /// The path that a tree would have as a source called `name`.
    pub fn source_path(&self, name: &str, tree: &Path) -> Result<StorePath, StoreError> {
        let digest = self.hash_tree(tree)?;
        Ok(source_path(&StoreDir::CANONICAL, name, &digest, &BTreeSet::new())?)
    }

    /// Makes an item valid unless it is. `make` gives the tree.
    fn add(
        &self,
        path: &StorePath,
        content: &str,
        references: &BTreeSet<StorePath>,
        make: impl FnOnce() -> Result<std::path::PathBuf, StoreError>,
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
        let tree = make()?;
        let how = Registration { sandboxed: true, ..Registration::default() };
        let installed = self.examine(&tree, path, &BTreeSet::new()).and_then(|found| {
            let scan = Scan { references: references.clone(), ..found };
            let info = self.describe(path, scan, Some(content.to_owned()), &how);
            self.install(&lock, &tree, &info)
        });
        if installed.is_err() {
            let _ = super::remove_tree(&tree);
        }
        installed
    }

    /// Copies what the filter takes. Modes matter only as far as who may run a file; sockets and the like are refused by
    /// name when the copy is archived, so they are an error here.
    fn copy(
        &self,
        root: &Path,
        from: &Path,
        to: &Path,
        filter: Option<Filter<'_>>,
    ) -> Result<(), StoreError> {
        let metadata = from.symlink_metadata().map_err(StoreError::io("read", from))?;
        let inside = from.strip_prefix(root).unwrap_or(from);
        if from != root && filter.is_some_and(|takes| !takes(inside, &metadata)) {
            return Ok(());
        }
        let kind = metadata.file_type();
        if kind.is_dir() {
            fs::create_dir(to).map_err(StoreError::io("create", to))?;
            for entry in from.read_dir().map_err(StoreError::io("list", from))? {
                let name = entry.map_err(StoreError::io("list", from))?.file_name();
                self.copy(root, &from.join(&name), &to.join(&name), filter)?;
            }
            return Ok(());
        }
        let copied: io::Result<()> = if kind.is_symlink() {
            from.read_link().and_then(|target| std::os::unix::fs::symlink(target, to))
        } else if kind.is_file() {
            fs::copy(from, to).map(|_| ())
        } else {
            let (path, file) = (root.display().to_string(), inside.to_owned());
            return Err(StoreError::Special { path, file, kind: crate::nar::kind_name(kind) });
        };
        copied.map_err(StoreError::io("copy", from))
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
