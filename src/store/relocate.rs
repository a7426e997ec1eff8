//! Moving a whole store to another directory.
//!
//! Files hold their store's path, so a store cannot be moved by `mv`. Here each item goes through its canonical archive into
//! the new store, which checks its hash and writes it in its own form; then roots, profiles and logs follow, and last the old
//! store goes. Killed at any moment, both stores are whole, and the next run takes up where this one ended.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    io::{self, BufWriter, ErrorKind},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
};

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{ItemInfo, LocalStore, Root, RootKind, StagedImport, StoreError, files, gc::users_first};
use crate::{
    nar::{RewriteWriter, dump},
    store_path::StorePath,
};

/// Items that are copied at once, before they are registered.
const BATCH: usize = 64;

/// What a move did.
#[derive(Debug, Default)]
pub struct RelocateReport {
    /// The items that were copied; others were there already.
    pub copied: usize,
    /// The bytes of their archives.
    pub bytes: u64,
    /// The roots and profile links that were made.
    pub roots: usize,
    /// Links whose directories cannot be seen now. What they keep is kept; they themselves still lead into the old store.
    pub unseen: Vec<PathBuf>,
    /// What could not be copied, and why. Then the old store stays.
    pub failed: Vec<(StorePath, StoreError)>,
}

impl LocalStore {
    /// Copies all valid items, roots, profiles and logs into another store; with `remove`, deletes them here afterwards.
    ///
    /// # Errors
    /// When another process uses this store and `remove` is set, or files cannot be read or written. Damaged items are in the report.
    pub fn relocate(&self, to: &LocalStore, remove: bool) -> Result<RelocateReport, StoreError> {
        // Our own session must exist first: beginning it takes the lock that we are about to hold.
        self.work_path("relocate")?;
        let alone = remove.then(|| self.garbage_lock(true)).transpose()?;
        if remove && self.has_other_sessions()? {
            return Err(StoreError::InUse { path: self.local_dir().to_owned() });
        }
        let mut report = RelocateReport::default();
        let infos = self.readable(&mut report)?;
        let mut order = users_first(&infos, &HashSet::new());
        order.reverse();
        to.protect(&order)?;
        let mut missing = Vec::new();
        for path in order {
            if !to.is_valid(&path)? {
                missing.push(path);
            }
        }
        for batch in missing.chunks(BATCH) {
            let staged: Vec<Option<Result<StagedImport, StoreError>>> =
                batch.par_iter().map(|path| infos.get(path).map(|info| self.send(info, to))).collect();
            for (path, staged) in batch.iter().zip(staged) {
                let Some(staged) = staged else { continue };
                let bytes = staged.as_ref().map_or(0, |staged| staged.info().nar_size);
                match staged.and_then(|staged| to.import(staged)) {
                    Ok(()) => {
                        report.copied += 1;
                        report.bytes += bytes;
                    }
                    Err(error @ StoreError::Io { .. }) => return Err(error),
                    Err(error) => report.failed.push((path.clone(), error)),
                }
            }
        }
        self.copy_roots(to, &mut report)?;
        copy_files(&self.log_dir(), &to.log_dir())?;
        if report.failed.is_empty() && remove {
            self.remove_everything()?;
        }
        drop(alone);
        Ok(report)
    }

    /// The items with their metadata; those whose metadata cannot be read are reported.
    fn readable(&self, report: &mut RelocateReport) -> Result<BTreeMap<StorePath, ItemInfo>, StoreError> {
        let mut infos = BTreeMap::new();
        for path in self.items()? {
            match self.info(&path) {
                Ok(info) => {
                    infos.insert(path, info);
                }
                Err(error @ StoreError::Metadata { .. }) => report.failed.push((path, error)),
                Err(error) => return Err(error),
            }
        }
        Ok(infos)
    }

    /// Stages an item in another store.
    fn send(&self, info: &ItemInfo, to: &LocalStore) -> Result<StagedImport, StoreError> {
        let (reader, writer) = io::pipe().map_err(StoreError::io("make a pipe for", info.path.as_str()))?;
        thread::scope(|scope| {
            let sender = scope.spawn(move || -> Result<(), StoreError> {
                // Dumping writes many small strings.
                let rewriter = RewriteWriter::new(self.canonical_rewriter(), writer);
                let mut buffered = BufWriter::with_capacity(1 << 16, rewriter);
                dump(&self.own_path(&info.path), &mut buffered)?;
                let error = || StoreError::io("archive", self.own_path(&info.path));
                let rewriter = buffered.into_inner().map_err(|failed| error()(failed.into_error()))?;
                rewriter.finish().map(drop).map_err(error())
            });
            let staged = to.stage(info.clone(), reader);
            let sent = sender.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            match (staged, sent) {
                (Ok(staged), Ok(())) => Ok(staged),
                // A reader that gave up breaks the pipe; then its reason counts.
                (Err(error), Ok(()) | Err(StoreError::Io { .. })) => Err(error),
                (_, Err(error)) => Err(error),
            }
        })
    }

    /// Makes the roots and profiles of this store again in another one.
    fn copy_roots(&self, to: &LocalStore, report: &mut RelocateReport) -> Result<(), StoreError> {
        for Root { kind, link, target } in self.roots()? {
            if !to.is_valid(&target)? {
                continue;
            }
            match kind {
                RootKind::Named => {
                    let name = link.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                    to.set_root(name, &target)?;
                }
                // Its file system may not be mounted.
                RootKind::Link if link.parent().is_some_and(|folder| folder.read_dir().is_err()) => {
                    to.add_unseen_root(&link, &target)?;
                    report.unseen.push(link);
                }
                RootKind::Link => {
                    if self.points_inside(&link) {
                        fs::remove_file(&link).map_err(StoreError::io("replace", &link))?;
                    }
                    to.add_root(&link, &target)?;
                }
                RootKind::Profile => self.copy_profile_link(&link, to)?,
                RootKind::Session => continue,
            }
            report.roots += 1;
        }
        Ok(())
    }

    fn copy_profile_link(&self, link: &Path, to: &LocalStore) -> Result<(), StoreError> {
        let Ok(inside) = link.strip_prefix(self.profiles_dir()) else { return Ok(()) };
        let place = to.profiles_dir().join(inside);
        let target = link.read_link().map_err(StoreError::io("read", link))?;
        let target = match self.item_of(&target) {
            Some((item, rest)) if rest.as_os_str().is_empty() => to.local_path(&item),
            Some((item, rest)) => to.local_path(&item).join(rest),
            None => target,
        };
        if let Some(parent) = place.parent() {
            files::make_directory(parent)?;
        }
        match symlink(&target, &place) {
            Err(source) if source.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(StoreError::io("link", place)),
        }
    }

    /// Deletes the content, then what else there is. Metadata go first, so that no item is valid without its content.
    fn remove_everything(&self) -> Result<(), StoreError> {
        let gone =
            |path: PathBuf| files::remove_tree(&path).map(drop).map_err(StoreError::io("remove", &path));
        gone(self.var.join("items"))?;
        gone(self.local_dir().to_owned())?;
        gone(self.var.clone())?;
        // The padded directory above, unless something else is in it.
        if let Some(above) = self.local_dir().parent() {
            let _ = fs::remove_dir(above);
        }
        Ok(())
    }
}

/// Copies the files of a tree that are not there yet.
fn copy_files(from: &Path, to: &Path) -> Result<(), StoreError> {
    for entry in WalkDir::new(from) {
        let Ok(entry) = entry else { continue };
        let place = to.join(entry.path().strip_prefix(from).unwrap_or(entry.path()));
        if entry.file_type().is_dir() {
            files::make_directory(&place)?;
        } else if entry.file_type().is_file() && !files::exists(&place)? {
            fs::copy(entry.path(), &place).map(drop).map_err(StoreError::io("copy", &place))?;
        }
    }
    Ok(())
}
