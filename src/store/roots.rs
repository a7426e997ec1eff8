//! What keeps closures alive.
//!
//! | root | where |
//! |---|---|
//! | named | `var/roots/NAME`, a symlink to the item |
//! | link | any symlink of the user's, recorded in `var/roots/links/HASH.json` |
//! | profile | every symlink under `var/profiles` |
//! | session | what a running process uses |
//!
//! A link is dead when its directory can be read and the link is not in it, or is something else now. Where that cannot be
//! seen (a home that is not mounted, a directory without permission), the link counts with the target that it had when it
//! was last seen: an unreadable home is never a dead root.

use std::{
    collections::HashSet,
    fs,
    io::{self, ErrorKind},
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{LocalStore, StoreError, files};
use crate::{hash::Digest, store_path::StorePath};

/// How deep profiles may be nested, and how many links may lead to an item.
const DEPTH: usize = 16;

/// Where a root comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// Named in the store.
    Named,
    /// A symlink of the user's.
    Link,
    /// A profile or a generation of one.
    Profile,
    /// A running process.
    Session,
}

/// An item that is kept, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Root {
    /// Where it comes from.
    pub kind: RootKind,
    /// The symlink; for a session, the directory of sessions.
    pub link: PathBuf,
    /// The item.
    pub target: StorePath,
}

/// A user's link, as recorded.
#[derive(Serialize, Deserialize)]
struct Record {
    link: PathBuf,
    target: StorePath,
}

/// What a link is now.
enum Seen {
    Item(StorePath),
    Dead,
    Unknown,
}

impl LocalStore {
    /// Keeps an item under a name; replaces what had the name before.
    pub fn set_root(&self, name: &str, target: &StorePath) -> Result<(), StoreError> {
        self.protect([target])?;
        self.place_link(&self.named_root(name)?, target)
    }

    /// Removes a named root; nothing there is fine.
    pub fn remove_root(&self, name: &str) -> Result<(), StoreError> {
        remove_file(&self.named_root(name)?)
    }

    /// Makes, or moves, a user's symlink to an item, and keeps the item for as long as the link is there.
    ///
    /// Only a link into the store is ever replaced.
    pub fn add_root(&self, link: &Path, target: &StorePath) -> Result<(), StoreError> {
        self.protect([target])?;
        let link = std::path::absolute(link).map_err(StoreError::io("find", link))?;
        match link.symlink_metadata() {
            Ok(_) if matches!(self.see(&link), Seen::Item(_)) || self.points_inside(&link) => {}
            Ok(_) => return Err(StoreError::LinkTaken { link }),
            Err(source) if source.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(StoreError::Io { action: "look at", path: link, source }),
        }
        // The record comes first; the shared lock keeps a collector from seeing it before the link is there.
        let _shared = self.garbage_lock(false)?;
        self.record(&Record { link: link.clone(), target: target.clone() })?;
        self.place_link(&link, target)
    }

    /// Keeps the item of a user's symlink that cannot be seen now, as if it were there.
    pub(super) fn add_unseen_root(&self, link: &Path, target: &StorePath) -> Result<(), StoreError> {
        let _shared = self.garbage_lock(false)?;
        self.record(&Record { link: link.to_owned(), target: target.clone() })
    }

    /// All roots but those of sessions. Removes records of dead links when told to.
    pub fn roots(&self) -> Result<Vec<Root>, StoreError> {
        self.find_roots(false)
    }

    pub(super) fn find_roots(&self, tidy: bool) -> Result<Vec<Root>, StoreError> {
        let mut roots = Vec::new();
        let named = self.var.join("roots");
        for entry in list(&named)? {
            if let Seen::Item(target) = self.see(&entry) {
                roots.push(Root { kind: RootKind::Named, link: entry, target });
            }
        }
        for file in list(&named.join("links"))? {
            if file.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read(&file).map_err(StoreError::io("read", &file))?;
            let record: Record = serde_json::from_slice(&text)
                .map_err(|source| StoreError::Metadata { path: file.clone(), source })?;
            let target = match self.see(&record.link) {
                Seen::Item(target) if target != record.target && tidy => {
                    // Only for the day when the link cannot be read; on a full disk, the next collection does it.
                    let _ = self.record(&Record { link: record.link.clone(), target: target.clone() });
                    target
                }
                Seen::Item(target) => target,
                Seen::Unknown => record.target,
                Seen::Dead if tidy => {
                    remove_file(&file)?;
                    continue;
                }
                Seen::Dead => continue,
            };
            roots.push(Root { kind: RootKind::Link, link: record.link, target });
        }
        self.profile_roots(&self.profiles_dir(), 0, &mut roots)?;
        roots.sort();
        Ok(roots)
    }

    fn profile_roots(&self, directory: &Path, depth: usize, roots: &mut Vec<Root>) -> Result<(), StoreError> {
        for path in list(directory)? {
            let metadata = path.symlink_metadata().map_err(StoreError::io("look at", &path))?;
            if metadata.is_dir() && depth < DEPTH {
                self.profile_roots(&path, depth + 1, roots)?;
            } else if metadata.is_symlink()
                && let Seen::Item(target) = self.see(&path)
            {
                roots.push(Root { kind: RootKind::Profile, link: path, target });
            }
        }
        Ok(())
    }

    /// Roots that running processes hold; call it with the garbage lock held alone.
    pub(super) fn session_roots(&self, used: &HashSet<StorePath>) -> Vec<Root> {
        let link = self.var.join("sessions");
        used.iter()
            .map(|target| Root { kind: RootKind::Session, link: link.clone(), target: target.clone() })
            .collect()
    }

    fn named_root(&self, name: &str) -> Result<PathBuf, StoreError> {
        let plain = !name.is_empty() && name != "links" && !name.starts_with('.') && !name.contains('/');
        if !plain {
            return Err(StoreError::RootName { name: name.to_owned() });
        }
        Ok(self.var.join("roots").join(name))
    }

    /// Puts a symlink in place, whole, also over an older one.
    fn place_link(&self, link: &Path, target: &StorePath) -> Result<(), StoreError> {
        let parent = link.parent().unwrap_or(Path::new("/"));
        let name = format!(
            ".hpcl-link-{}-{}",
            std::process::id(),
            Digest::sha256(link.as_os_str().as_bytes()).to_base32()
        );
        let draft = parent.join(name);
        let place = || -> io::Result<()> {
            let _ = fs::remove_file(&draft);
            symlink(self.local_path(target), &draft)?;
            fs::rename(&draft, link)
        };
        place().map_err(|source| {
            let _ = fs::remove_file(&draft);
            StoreError::Io { action: "link", path: link.to_owned(), source }
        })
    }

    fn record(&self, record: &Record) -> Result<(), StoreError> {
        let name = format!("{}.json", Digest::sha256(record.link.as_os_str().as_bytes()).to_base32());
        let text = serde_json::to_vec(record)
            .map_err(|source| StoreError::Metadata { path: record.link.clone(), source })?;
        let place = self.var.join("roots/links").join(name);
        files::write_by_rename(&self.work_path("link")?, &place, &text, self.config.durable)
    }

    /// Whether a symlink's own target lies in this store, valid or not.
    pub(super) fn points_inside(&self, link: &Path) -> bool {
        link.read_link().is_ok_and(|target| self.item_of(&target).is_some())
    }

    /// Follows a link, and the links that it leads to, into the store.
    fn see(&self, link: &Path) -> Seen {
        let mut at = link.to_owned();
        for _ in 0..DEPTH {
            if let Some((item, _)) = self.item_of(&at) {
                return Seen::Item(item);
            }
            match at.read_link() {
                Ok(target) => at = at.parent().unwrap_or(Path::new("/")).join(target),
                // Not a symlink.
                Err(source) if source.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => {
                    return Seen::Dead;
                }
                Err(source) if source.kind() == ErrorKind::NotFound => {
                    let parent = at.parent().unwrap_or(Path::new("/"));
                    // A directory that is gone may be a file system that is not mounted.
                    return if parent.read_dir().is_ok() { Seen::Dead } else { Seen::Unknown };
                }
                Err(_) => return Seen::Unknown,
            }
        }
        Seen::Dead
    }
}

fn list(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let entries = match directory.read_dir() {
        Ok(entries) => entries,
        Err(source) if source.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(StoreError::Io { action: "list", path: directory.to_owned(), source }),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    paths.map_err(StoreError::io("list", directory))
}

fn remove_file(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(StoreError::Io { action: "remove", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
