//! Stores that a group of trusted peers keeps together.
//!
//! All directories of such a store are the group's, writable for it, and setgid so that what is made in them is the group's too; what
//! each member writes must be writable for the group, which the umask decides. So `init` sets the directories, opening checks both, and
//! says what to do where one is wrong: a lock that a peer cannot take would make him wait for ever.
//!
//! Items stay read-only and belong to who made them. Only he, or root, can delete the content of a directory that nobody may write; so
//! when a peer's item dies, a collection makes it invalid and renames its content to `.dead-…`, and its owner's next collection
//! deletes that.

use std::{
    fs::{self, Permissions},
    io::{self, ErrorKind},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{LocalStore, StoreConfig, StoreError, files};
use crate::store_path::StorePath;

/// What the group needs of a directory: all rights, and setgid.
const DIRECTORY: u32 = 0o2770;
/// The beginning of the names of dead content that waits for its owner.
pub(super) const DEAD: &str = ".dead-";

impl LocalStore {
    /// The id of the group that keeps this store, if one does.
    pub fn group(&self) -> Option<u32> {
        self.group
    }

    /// Makes a store that a group keeps, or makes an own store one.
    ///
    /// # Errors
    /// When the store is not this user's, or he is not in the group, or the umask is wrong.
    pub fn init_group(config: StoreConfig, group: u32) -> Result<LocalStore, StoreError> {
        check_umask(config.store_dir())?;
        // The directories are made with the group's rights from the beginning.
        let mut store = LocalStore::without_layers(config.clone())?;
        let above = store.local_dir().parent().unwrap_or(Path::new("/")).to_owned();
        let alone = store.garbage_lock(true)?;
        let set = |path: &Path, mode: u32| -> io::Result<()> {
            if path.metadata()?.gid() != group {
                chown(path, None, Some(group))?;
            }
            fs::set_permissions(path, Permissions::from_mode(mode))
        };
        set(&above, 0o2775).map_err(StoreError::io("give to the group", &above))?;
        set(store.local_dir(), 0o2775).map_err(StoreError::io("give to the group", store.local_dir()))?;
        for entry in WalkDir::new(&store.var).into_iter().filter_entry(|entry| {
            // What lies in there is the content of unfinished work, or will never be written again.
            let hidden = [store.var.join("tmp"), store.var.join("kept")];
            !hidden.iter().any(|hidden| entry.path().parent() == Some(hidden))
        }) {
            let entry = entry.map_err(|error| StoreError::io("list", &store.var)(error.into()))?;
            let path = entry.path();
            let mode = match entry.file_type() {
                kind if kind.is_dir() => 0o2775,
                kind if kind.is_file() => 0o664,
                _ => continue,
            };
            set(path, mode).map_err(StoreError::io("give to the group", path))?;
        }
        drop(alone);
        store.describe_as(Some(group))?;
        store.group = Some(group);
        store.check_group()?;
        Ok(store)
    }

    /// Checks that what is made in a group's store is of use to the group.
    pub(super) fn check_group(&self) -> Result<(), StoreError> {
        let Some(group) = self.group else { return Ok(()) };
        let wrong = |path: &Path, reason: String| {
            Err(StoreError::GroupStore { store: self.local_dir().to_owned(), path: path.to_owned(), reason })
        };
        for path in [self.local_dir().to_owned()]
            .into_iter()
            .chain(["items", "locks", "sessions", "tmp", "roots"].map(|name| self.var.join(name)))
        {
            let metadata = path.metadata().map_err(StoreError::io("look at", &path))?;
            if metadata.gid() != group {
                return wrong(&path, format!("belongs to group {} and not to {group}", metadata.gid()));
            }
            if metadata.mode() & DIRECTORY != DIRECTORY {
                let mode = metadata.mode() & 0o7777;
                return wrong(
                    &path,
                    format!("has mode {mode:04o} and not 2775: it must be setgid and writable for the group"),
                );
            }
        }
        let mine = rustix::process::geteuid().is_root()
            || rustix::process::getegid().as_raw() == group
            || rustix::process::getgroups().is_ok_and(|groups| groups.iter().any(|id| id.as_raw() == group));
        if !mine {
            return Err(StoreError::NotInGroup { store: self.local_dir().to_owned(), group });
        }
        check_umask(self.local_dir())
    }

    /// Renames dead content that another user owns out of the way, to be deleted by him.
    pub(super) fn leave_to_owner(&self, tree: &Path) -> Result<(), StoreError> {
        let name = tree.file_name().unwrap_or_default().to_string_lossy();
        for attempt in 0u32.. {
            let grave = self.local_dir().join(format!("{DEAD}{attempt}-{name}"));
            if !files::exists(&grave)? {
                return fs::rename(tree, &grave).map_err(StoreError::io("move out of the way", tree));
            }
        }
        Ok(())
    }

    /// Removes what is at an item's own place, where nothing valid is.
    pub(super) fn clear_place(&self, path: &StorePath) -> Result<(), StoreError> {
        let place = self.own_path(path);
        match files::remove_tree(&place) {
            Ok(_) => Ok(()),
            Err(source) if source.kind() == ErrorKind::PermissionDenied && self.group.is_some() => {
                self.leave_to_owner(&place)
            }
            Err(source) => Err(StoreError::Io { action: "remove", path: place, source }),
        }
    }

    /// Dead content that waits for its owner, and is this user's.
    pub(super) fn own_dead(&self) -> Result<Vec<PathBuf>, StoreError> {
        if self.group.is_none() {
            return Ok(Vec::new());
        }
        let directory = self.local_dir();
        let me = rustix::process::geteuid();
        let mut found = Vec::new();
        for entry in directory.read_dir().map_err(StoreError::io("list", directory))? {
            let entry = entry.map_err(StoreError::io("list", directory))?;
            let mine = || entry.metadata().is_ok_and(|found| me.is_root() || found.uid() == me.as_raw());
            if entry.file_name().to_string_lossy().starts_with(DEAD) && mine() {
                found.push(entry.path());
            }
        }
        Ok(found)
    }

    /// Whether somebody else owns a tree of a group's store, so that only he can delete it.
    pub(super) fn is_a_peers(&self, tree: &Path) -> bool {
        let me = rustix::process::geteuid();
        self.group.is_some()
            && !me.is_root()
            && tree.symlink_metadata().is_ok_and(|found| found.uid() != me.as_raw())
    }
}

/// Checks that the group may write what this process makes.
fn check_umask(store: &Path) -> Result<(), StoreError> {
    // `umask` itself cannot be asked without being changed, which other threads would notice.
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    match umask.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()) {
        Some(umask) if umask & 0o070 != 0 => Err(StoreError::GroupUmask { store: store.to_owned(), umask }),
        _ => Ok(()),
    }
}
