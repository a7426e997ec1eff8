//! Making a tree into what a store item is, and refusing what none can be.
//!
//! Files become 0444 or, when their owner may run them, 0555; directories 0555; all times 1; owner and group this process's;
//! extended attributes go. What an archive cannot hold or what would be a danger to others is refused with the file's name:
//! setuid and setgid files, file capabilities, sockets, pipes, devices. A file that has another name outside the tree is
//! copied first, so that nothing outside changes. (A setgid bit on a directory only passes a group on, and goes quietly.)

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, Metadata, Permissions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt, lchown},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD};

use super::StoreError;
use crate::nar::{TIMES, kind_name};

/// Normalises the tree at `root`, which is or becomes the item `item`, and gives it to a group, if one keeps the store.
pub(super) fn normalise(root: &Path, item: &str, group: Option<u32>) -> Result<(), StoreError> {
    let mut walk = Walk {
        item,
        root,
        // Safe: asking for one's own ids cannot fail.
        owner: (
            rustix::process::geteuid().as_raw(),
            group.unwrap_or_else(|| rustix::process::getegid().as_raw()),
        ),
        linked: HashMap::new(),
    };
    walk.node(root)?;
    for links in std::mem::take(&mut walk.linked).into_values() {
        let everywhere = (links.paths.len() as u64) == links.count;
        if !everywhere {
            links.paths.iter().try_for_each(|path| unlink(path, root))?;
        }
        // Names of one file need it once.
        for path in links.paths.iter().take(if everywhere { 1 } else { usize::MAX }) {
            walk.settle(path, &path.symlink_metadata().map_err(StoreError::io("look at", path))?)?;
        }
    }
    Ok(())
}

/// Gives the file at `path` a copy of its own instead of one that has other names.
fn unlink(path: &Path, root: &Path) -> Result<(), StoreError> {
    let copy = path.with_file_name(".hpcl-unlinked");
    let replace = || {
        let _ = fs::remove_file(&copy);
        fs::copy(path, &copy)?;
        fs::rename(&copy, path)
    };
    // The tree itself lies in a directory that stays as it is.
    let done = match path.parent() {
        Some(parent) if path != root => writable(parent, replace),
        _ => replace(),
    };
    done.map_err(StoreError::io("copy", path))
}

/// Does something in a directory that may be read-only, and leaves it with the store's times.
pub(super) fn writable(directory: &Path, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let before = directory.symlink_metadata()?.permissions();
    fs::set_permissions(directory, Permissions::from_mode(before.mode() | 0o700))?;
    let done = act();
    fs::set_permissions(directory, before)?;
    set_times(directory)?;
    done
}

/// Sets all times of a file, or of a symlink itself, to 1.
pub(super) fn set_times(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::utimensat(CWD, path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The names, inside the tree, of a file that has several. It is settled once all are known: it may have others outside.
struct Links {
    count: u64,
    paths: Vec<PathBuf>,
}

struct Walk<'a> {
    item: &'a str,
    root: &'a Path,
    owner: (u32, u32),
    linked: HashMap<(u64, u64), Links>,
}

impl Walk<'_> {
    fn node(&mut self, path: &Path) -> Result<(), StoreError> {
        let metadata = path.symlink_metadata().map_err(StoreError::io("look at", path))?;
        let kind = metadata.file_type();
        if kind.is_file() {
            let forbidden = match metadata.mode() {
                mode if mode & 0o4000 != 0 => Some("setuid"),
                mode if mode & 0o2000 != 0 => Some("setgid"),
                _ => None,
            };
            if let Some(what) = forbidden {
                return Err(self.privileged(path, what));
            }
            if metadata.nlink() > 1 {
                let links = self.linked.entry((metadata.dev(), metadata.ino()));
                let links = links.or_insert(Links { count: metadata.nlink(), paths: Vec::new() });
                links.paths.push(path.to_owned());
                return Ok(());
            }
        } else if !kind.is_dir() && !kind.is_symlink() {
            let (path, file) = (self.item.to_owned(), self.inside(path));
            return Err(StoreError::Special { path, file, kind: kind_name(kind) });
        }
        if kind.is_dir() {
            if metadata.mode() & 0o700 != 0o700 {
                set_mode(path, 0o700)?;
            }
            for entry in path.read_dir().map_err(StoreError::io("list", path))? {
                self.node(&entry.map_err(StoreError::io("list", path))?.path())?;
            }
        }
        self.settle(path, &metadata)
    }

    /// Gives a file, a symlink or a directory whose entries are settled the owner, attributes, mode and times of the store.
    fn settle(&self, path: &Path, metadata: &Metadata) -> Result<(), StoreError> {
        let kind = metadata.file_type();
        if (metadata.uid(), metadata.gid()) != self.owner {
            lchown(path, Some(self.owner.0), Some(self.owner.1))
                .map_err(StoreError::io("take over", path))?;
        }
        if !kind.is_symlink() {
            let mode = wanted_mode(metadata);
            let had_attributes = self.attributes(path, metadata)?;
            if metadata.mode() & 0o7777 != mode || kind.is_dir() || had_attributes {
                set_mode(path, mode)?;
            }
        }
        if kind.is_dir() || !has_times(metadata) {
            set_times(path).map_err(StoreError::io("set the times of", path))?;
        }
        Ok(())
    }

    /// Removes extended attributes, if there are any: whoever does that must be allowed to write. Refuses capabilities.
    fn attributes(&self, path: &Path, metadata: &Metadata) -> Result<bool, StoreError> {
        let mut names = [0u8; 4096];
        let length = match rustix::fs::llistxattr(path, &mut names[..]) {
            Ok(0) | Err(rustix::io::Errno::OPNOTSUPP) => return Ok(false),
            Ok(length) => length,
            Err(source) => return Err(StoreError::io("look at the attributes of", path)(source.into())),
        };
        set_mode(path, metadata.mode() & 0o777 | 0o600)?;
        for name in names.get(..length).unwrap_or_default().split(|byte| *byte == 0) {
            match name {
                // The system's own label; it cannot be removed.
                b"" | b"security.selinux" => {}
                b"security.capability" => return Err(self.privileged(path, "given capabilities")),
                name => rustix::fs::lremovexattr(path, OsStr::from_bytes(name))
                    .or_else(|error| if error == rustix::io::Errno::NODATA { Ok(()) } else { Err(error) })
                    .map_err(|source| StoreError::io("remove an attribute of", path)(source.into()))?,
            }
        }
        Ok(true)
    }

    fn privileged(&self, path: &Path, what: &'static str) -> StoreError {
        StoreError::Privileged { path: self.item.to_owned(), file: self.inside(path), what }
    }

    /// The file's path inside the item; `.` for the item itself.
    fn inside(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(self.root) {
            Ok(inside) if !inside.as_os_str().is_empty() => inside.to_owned(),
            _ => PathBuf::from("."),
        }
    }
}

fn has_times(metadata: &Metadata) -> bool {
    let times = [metadata.atime(), metadata.atime_nsec(), metadata.mtime(), metadata.mtime_nsec()];
    times == [1, 0, 1, 0]
}

fn wanted_mode(metadata: &Metadata) -> u32 {
    if metadata.is_dir() || metadata.mode() & 0o100 != 0 { 0o555 } else { 0o444 }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), StoreError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(StoreError::io("set the mode of", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().mode() & 0o7777
    }

    #[test]
    fn modes_and_times_become_the_store_s() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("closed")).unwrap();
        fs::write(tree.join("closed/file"), "x").unwrap();
        fs::write(tree.join("run"), "x").unwrap();
        symlink("/nowhere", tree.join("link")).unwrap();
        set_mode(&tree.join("run"), 0o710).unwrap();
        set_mode(&tree.join("closed/file"), 0o000).unwrap();
        set_mode(&tree.join("closed"), 0o2000).unwrap();
        normalise(&tree, "item", None).unwrap();
        for (path, expected) in [("", 0o555), ("closed", 0o555), ("closed/file", 0o444), ("run", 0o555)] {
            assert_eq!(mode(&tree.join(path)), expected, "{path}");
        }
        for path in ["", "closed", "closed/file", "run", "link"] {
            assert_eq!(tree.join(path).symlink_metadata().unwrap().mtime(), 1, "{path}");
        }
        crate::store::remove_tree(&tree).unwrap();
    }

    #[test]
    fn attributes_go_even_from_what_nobody_may_write() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), "x").unwrap();
        match rustix::fs::lsetxattr(tree.join("file"), "user.note", b"n", rustix::fs::XattrFlags::empty()) {
            Err(rustix::io::Errno::OPNOTSUPP) => {
                return eprintln!("SKIPPED attributes: this file system has none");
            }
            set => set.unwrap(),
        }
        set_mode(&tree.join("file"), 0o444).unwrap();
        normalise(&tree, "item", None).unwrap();
        let mut names = [0u8; 100];
        let length = rustix::fs::llistxattr(tree.join("file"), &mut names[..]).unwrap();
        assert!(!String::from_utf8_lossy(&names[..length]).contains("user.note"));
        assert_eq!(mode(&tree.join("file")), 0o444);
        crate::store::remove_tree(&tree).unwrap();
    }

    #[test]
    fn what_no_item_may_hold_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        let refused = |make: &dyn Fn(&Path)| {
            let tree = place.path().join("tree");
            fs::create_dir_all(tree.join("bin")).unwrap();
            make(&tree.join("bin/odd"));
            let error = normalise(&tree, "item", None).unwrap_err().to_string();
            crate::store::remove_tree(&tree).unwrap();
            error
        };
        let with_mode = |mode: u32| {
            move |path: &Path| {
                fs::write(path, "x").unwrap();
                set_mode(path, mode).unwrap();
            }
        };
        assert_eq!(refused(&with_mode(0o4755)), "`bin/odd` of `item` is setuid, which no store item may be");
        assert_eq!(refused(&with_mode(0o2755)), "`bin/odd` of `item` is setgid, which no store item may be");
        assert_eq!(
            refused(&|path| drop(std::os::unix::net::UnixListener::bind(path).unwrap())),
            "`bin/odd` of `item` is a socket, which no store item may hold"
        );
        let fifo = |path: &Path| {
            let kind = rustix::fs::FileType::Fifo;
            rustix::fs::mknodat(CWD, path, kind, rustix::fs::Mode::RUSR, 0).unwrap();
        };
        assert_eq!(refused(&fifo), "`bin/odd` of `item` is a named pipe, which no store item may hold");
    }

    #[test]
    fn a_file_with_a_name_outside_stays_as_it_is_there() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let outside = place.path().join("outside");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("both"), "x").unwrap();
        fs::hard_link(tree.join("both"), tree.join("twin")).unwrap();
        fs::write(&outside, "y").unwrap();
        fs::set_permissions(&outside, Permissions::from_mode(0o640)).unwrap();
        fs::hard_link(&outside, tree.join("inside")).unwrap();
        normalise(&tree, "item", None).unwrap();
        assert_ne!(outside.metadata().unwrap().ino(), tree.join("inside").metadata().unwrap().ino());
        assert_eq!(
            (mode(&tree.join("inside")), fs::read(tree.join("inside")).unwrap()),
            (0o444, b"y".to_vec())
        );
        let before = outside.metadata().unwrap();
        assert_eq!(
            (mode(&outside), before.mtime() > 1),
            (0o640, true),
            "what is outside keeps its mode and times"
        );
        assert_eq!(tree.join("both").metadata().unwrap().nlink(), 2);
        assert_eq!((mode(&tree.join("twin")), tree.join("twin").metadata().unwrap().mtime()), (0o444, 1));
        crate::store::remove_tree(&tree).unwrap();
    }
}
