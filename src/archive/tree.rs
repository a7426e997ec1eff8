//! Writes the entries of an archive below one directory, and nowhere else.
//!
//! Names with `..` or a leading `/` are refused. Links are made as they are written, but nothing is ever written through
//! one that leads out: each directory on the way is checked once to be a directory, or a link to one inside. What exists is
//! replaced and not written into, so that a link of the same name is harmless.
//!
//! Invariant: every path in `checked` is a directory (or a link to one) that lies in the root; directories are never removed
//! again, so that it stays so.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use tar::EntryType;

use super::{ArchiveError, Result, Times};

/// What came out of an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Number of entries written.
    pub entries: u64,
    /// The names at the top of the tree, sorted. Sources usually have one directory there.
    pub top: BTreeSet<PathBuf>,
}

/// The tree that is being written.
pub(super) struct Tree<'a> {
    archive: &'a Path,
    root: PathBuf,
    times: Times,
    checked: HashSet<PathBuf>,
    /// Directories and their times, which are set last because each entry changes that of its directory.
    directories: Vec<(PathBuf, i64)>,
    unpacked: Unpacked,
}

impl<'a> Tree<'a> {
    /// A tree below `directory`, which exists.
    pub fn new(archive: &'a Path, directory: &Path, times: Times) -> Result<Tree<'a>> {
        let root = directory.canonicalize().map_err(|source| write_error(directory, source))?;
        let checked = HashSet::from([root.clone()]);
        Ok(Tree { archive, root, times, checked, directories: Vec::new(), unpacked: Unpacked::default() })
    }

    /// Writes one entry.
    pub fn add<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<()> {
        let read = |source| ArchiveError::Read { archive: self.archive.to_owned(), source };
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let name = entry.path().map_err(read)?.into_owned();
        let link = entry.link_name().map_err(read)?.map(|path| path.into_owned());
        let mode = entry.header().mode().unwrap_or(0o644);
        let time = match self.times {
            Times::Fixed(time) => time,
            Times::Kept => entry.header().mtime().map_or(1, |time| i64::try_from(time).unwrap_or(1)),
        };
        let Some((relative, path)) = self.place(&name)? else { return Ok(()) };
        if let Some(Component::Normal(top)) = relative.components().next() {
            self.unpacked.top.insert(PathBuf::from(top));
        }
        match kind {
            EntryType::Directory => self.add_directory(path, time)?,
            // Archives of before 1988 mark a directory by a slash alone.
            EntryType::Regular if name.as_os_str().as_bytes().ends_with(b"/") => {
                self.add_directory(path, time)?
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                self.add_file(entry, &path, mode)?;
                set_time(&path, time)?;
            }
            EntryType::Symlink => {
                self.clear(&path)?;
                symlink(link.unwrap_or_default(), &path).map_err(|source| write_error(&path, source))?;
                set_time(&path, time)?;
            }
            EntryType::Link => self.add_hard_link(&link.unwrap_or_default(), &path)?,
            other => return Err(self.special(name, other)),
        }
        self.unpacked.entries += 1;
        Ok(())
    }

    /// Sets the times of the directories and tells what was written.
    pub fn finish(self) -> Result<Unpacked> {
        for (path, time) in &self.directories {
            set_time(path, *time)?;
        }
        Ok(self.unpacked)
    }

    /// Where an entry goes, relative and absolute, with the directories above it made; `None` for the root.
    fn place(&mut self, name: &Path) -> Result<Option<(PathBuf, PathBuf)>> {
        let mut parts = Vec::new();
        for component in name.components() {
            match component {
                Component::Normal(part) => parts.push(part),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(self.escape(name));
                }
            }
        }
        let Some((last, above)) = parts.split_last() else { return Ok(None) };
        let mut directory = self.root.clone();
        for part in above {
            directory.push(part);
            self.enter(&directory, name)?;
        }
        Ok(Some((parts.iter().collect(), directory.join(last))))
    }

    /// Makes sure that a path is a directory inside the root; its parent is already known to be one.
    fn enter(&mut self, directory: &Path, name: &Path) -> Result<()> {
        if self.checked.contains(directory) {
            return Ok(());
        }
        let failed = |source| write_error(directory, source);
        match fs::symlink_metadata(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_directory(directory)?;
                self.directories
                    .push((directory.to_owned(), if let Times::Fixed(time) = self.times { time } else { 1 }));
            }
            Err(error) => return Err(failed(error)),
            Ok(found) if found.is_symlink() => {
                let target = directory.canonicalize().map_err(failed)?;
                if !target.starts_with(&self.root) {
                    return Err(self.escape(name));
                }
                if !target.is_dir() {
                    return Err(failed(io::ErrorKind::NotADirectory.into()));
                }
                // Not remembered: the link may be replaced by a later entry.
                return Ok(());
            }
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(failed(io::ErrorKind::NotADirectory.into())),
        }
        self.checked.insert(directory.to_owned());
        Ok(())
    }

    fn add_directory(&mut self, path: PathBuf, time: i64) -> Result<()> {
        self.enter(&path, &path)?;
        if self.checked.contains(&path) {
            self.directories.push((path, time));
        }
        Ok(())
    }

    fn add_file(&self, content: &mut impl Read, path: &Path, mode: u32) -> Result<()> {
        self.clear(path)?;
        let failed = |source| write_error(path, source);
        let mode = if mode & 0o111 == 0 { 0o644 } else { 0o755 };
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            // Read and written apart, so that a damaged archive and a full disk are told apart.
            let count = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(ArchiveError::Read { archive: self.archive.to_owned(), source }),
            };
            io::Write::write_all(&mut file, buffer.get(..count).unwrap_or_default()).map_err(failed)?;
        }
        // The mode at creation is subject to the umask.
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode)).map_err(failed)
    }

    fn add_hard_link(&mut self, target: &Path, path: &Path) -> Result<()> {
        let Some((_, existing)) = self.place(target)? else { return Err(self.escape(target)) };
        if existing == path {
            return Ok(());
        }
        self.clear(path)?;
        // Does not follow a link at its end: `linkat` without flags.
        fs::hard_link(&existing, path).map_err(|source| write_error(path, source))
    }

    /// Removes the file or link that is in the way.
    fn clear(&self, path: &Path) -> Result<()> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_dir() => fs::remove_file(path).map_err(|source| write_error(path, source)),
            _ => Ok(()),
        }
    }

    fn escape(&self, entry: &Path) -> ArchiveError {
        ArchiveError::Escape { archive: self.archive.to_owned(), entry: entry.to_owned() }
    }

    fn special(&self, entry: PathBuf, kind: EntryType) -> ArchiveError {
        let kind = match kind {
            EntryType::Block | EntryType::Char => "a device",
            EntryType::Fifo => "a named pipe",
            _ => "of an unknown kind",
        };
        ArchiveError::Special { archive: self.archive.to_owned(), entry, kind }
    }
}

fn make_directory(path: &Path) -> Result<()> {
    let failed = |source| write_error(path, source);
    fs::DirBuilder::new().mode(0o755).create(path).map_err(failed)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(failed)
}

/// Sets access and modification time, of a link itself too.
fn set_time(path: &Path, seconds: i64) -> Result<()> {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let times = Timestamps { last_access: time, last_modification: time };
    let name: &OsStr = path.as_os_str();
    utimensat(CWD, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(|error| write_error(path, error.into()))
}

fn write_error(path: &Path, source: io::Error) -> ArchiveError {
    ArchiveError::Write { path: path.to_owned(), source }
}
