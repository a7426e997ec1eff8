//! Reading files of a commit, and writing its whole tree into a directory.
//!
//! A tree is written beside its place and renamed; its files are read-only, so that what is there is what the commit
//! says. Submodules are empty directories, as `git checkout`
//! leaves them.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt, symlink},
    },
    path::Path,
};

use gix::{bstr::ByteSlice, objs::tree::EntryKind};

use super::{CommitId, GitError, Repository};

impl Repository {
    /// Returns a file of a commit, or nothing if there is none of that name.
    ///
    /// # Errors
    /// [`GitError::NoCommit`], [`GitError::Object`].
    pub fn file(&self, id: CommitId, path: &str) -> Result<Option<Vec<u8>>, GitError> {
        let damaged = || self.damaged(id, path);
        let tree = self.tree(id)?;
        let Some(entry) = tree.lookup_entry_by_path(path).map_err(|_| damaged())? else { return Ok(None) };
        if !entry.mode().is_blob() {
            return Ok(None);
        }
        let mut object = entry.object().map_err(|_| damaged())?;
        Ok(Some(std::mem::take(&mut object.data)))
    }

    /// Returns the files at the top of a commit with that ending, sorted by name.
    ///
    /// # Errors
    /// As [`Repository::file`].
    pub fn files_ending(&self, id: CommitId, ending: &str) -> Result<Vec<(String, Vec<u8>)>, GitError> {
        let damaged = || self.damaged(id, ending);
        let mut found = Vec::new();
        for entry in self.tree(id)?.iter() {
            let entry = entry.map_err(|_| damaged())?;
            let name = entry.filename().to_str_lossy().into_owned();
            if entry.mode().is_blob() && name.ends_with(ending) {
                let mut object = entry.object().map_err(|_| damaged())?;
                found.push((name, std::mem::take(&mut object.data)));
            }
        }
        Ok(found)
    }

    /// Writes the tree of a commit to a directory that is not there yet, or is the same tree already.
    ///
    /// # Errors
    /// [`GitError::Write`] and as [`Repository::file`].
    pub fn export(&self, id: CommitId, directory: &Path) -> Result<(), GitError> {
        if directory.is_dir() {
            return Ok(());
        }
        let failed = |source| GitError::Write { path: directory.to_owned(), source };
        let parent = directory.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed)?;
        let draft = tempfile::Builder::new().prefix(".tree-").tempdir_in(parent).map_err(failed)?;
        let root = draft.path().join("tree");
        self.write_tree(id, &self.tree(id)?, &root)?;
        match fs::rename(&root, directory) {
            // Another process was faster.
            Err(_) if directory.is_dir() => remove_tree(&root),
            done => done,
        }
        .map_err(failed)
    }

    fn tree(&self, id: CommitId) -> Result<gix::Tree<'_>, GitError> {
        let absent = |_| GitError::NoCommit { url: self.url.clone(), commit: id.to_string() };
        let commit = self.inner.find_commit(id.0).map_err(absent)?;
        commit.tree().map_err(|_| self.damaged(id, "tree"))
    }

    fn damaged(&self, id: CommitId, path: &str) -> GitError {
        GitError::Object { url: self.url.clone(), commit: id.to_string(), path: path.to_owned() }
    }

    fn write_tree(&self, id: CommitId, tree: &gix::Tree<'_>, to: &Path) -> Result<(), GitError> {
        fs::create_dir(to).map_err(|source| GitError::Write { path: to.to_owned(), source })?;
        for entry in tree.iter() {
            let entry = entry.map_err(|_| self.damaged(id, "tree"))?;
            let name = entry.filename();
            // No tree that git makes has such names; one made by hand must not write elsewhere.
            if name.is_empty() || name == "." || name == ".." || name.contains(&b'/') || name == ".git" {
                return Err(self.damaged(id, &name.to_str_lossy()));
            }
            let path = to.join(OsStr::from_bytes(name));
            let object = || entry.object().map_err(|_| self.damaged(id, &name.to_str_lossy()));
            let written = match entry.mode().kind() {
                EntryKind::Tree => {
                    let inner = object()?.try_into_tree().map_err(|_| self.damaged(id, "tree"))?;
                    self.write_tree(id, &inner, &path)?;
                    Ok(())
                }
                EntryKind::Blob => write_file(&path, &object()?.data, 0o444),
                EntryKind::BlobExecutable => write_file(&path, &object()?.data, 0o555),
                EntryKind::Link => symlink(OsStr::from_bytes(&object()?.data), &path),
                EntryKind::Commit => fs::create_dir(&path),
            };
            written.map_err(|source| GitError::Write { path: path.clone(), source })?;
        }
        Ok(())
    }
}

fn write_file(path: &Path, data: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    io::Write::write_all(&mut file, data)?;
    // The user's mask may have taken permissions.
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Removes a tree.
///
/// # Errors
/// When a directory cannot be changed.
pub(crate) fn remove_tree(root: &Path) -> io::Result<()> {
    fs::remove_dir_all(root)
}
