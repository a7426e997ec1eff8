//! From a file tree to an archive.

use std::{
    fs::{File, FileType},
    io::{self, Read, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use super::{
    MAGIC, NarError,
    write::{padding, string, strings},
};
use crate::hash::{Algorithm, Digest, Hasher};

/// How much of a file is read at once.
const BUFFER: usize = 256 * 1024;

/// Writes the archive of the file, symlink or directory at `path`.
///
/// The sink gets small writes; give it a buffer. Memory is flat in the size of the files.
pub fn dump(path: &Path, to: &mut impl Write) -> Result<(), NarError> {
    dump_without(path, to, &|_| false)
}

/// As [`dump`], without the entries whose names `skip` says yes to.
pub fn dump_without(path: &Path, to: &mut impl Write, skip: &dyn Fn(&[u8]) -> bool) -> Result<(), NarError> {
    let kind = path.symlink_metadata().map_err(|source| read_error(path, source))?.file_type();
    string(to, MAGIC).map_err(NarError::Write)?;
    Dump { to, buffer: Vec::new(), skip }.node(path, kind)
}

/// The SHA-256 digest of the archive of a tree as it stands, with nothing rewritten: what a source on this machine is
/// called by.
pub fn hash_tree(path: &Path) -> Result<Digest, NarError> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    dump(path, &mut hasher)?;
    Ok(hasher.finish())
}

struct Dump<'a, W> {
    to: &'a mut W,
    buffer: Vec<u8>,
    skip: &'a dyn Fn(&[u8]) -> bool,
}

impl<W: Write> Dump<'_, W> {
    fn node(&mut self, path: &Path, kind: FileType) -> Result<(), NarError> {
        if kind.is_dir() {
            self.directory(path)
        } else if kind.is_symlink() {
            let target = path.read_link().map_err(|source| read_error(path, source))?;
            let target = target.as_os_str().as_bytes();
            self.strings(&[b"(", b"type", b"symlink", b"target", target, b")"])
        } else if kind.is_file() {
            self.file(path)
        } else {
            Err(NarError::Unsupported { path: path.to_owned(), kind: kind_name(kind) })
        }
    }

    fn directory(&mut self, path: &Path) -> Result<(), NarError> {
        let mut entries = Vec::new();
        for entry in path.read_dir().map_err(|source| read_error(path, source))? {
            let entry = entry.map_err(|source| read_error(path, source))?;
            let kind = entry.file_type().map_err(|source| read_error(&entry.path(), source))?;
            let name = entry.file_name().into_vec();
            if !(self.skip)(&name) {
                entries.push((name, kind));
            }
        }
        entries.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        self.strings(&[b"(", b"type", b"directory"])?;
        for (name, kind) in entries {
            self.strings(&[b"entry", b"(", b"name", &name, b"node"])?;
            self.node(&path.join(std::ffi::OsStr::from_bytes(&name)), kind)?;
            self.strings(&[b")"])?;
        }
        self.strings(&[b")"])
    }

    fn file(&mut self, path: &Path) -> Result<(), NarError> {
        let error = |source| read_error(path, source);
        let mut file = open(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        self.strings(&[b"(", b"type", b"regular"])?;
        if metadata.mode() & 0o100 != 0 {
            self.strings(&[b"executable", b""])?;
        }
        self.strings(&[b"contents"])?;
        let size = metadata.len();
        self.to.write_all(&size.to_le_bytes()).map_err(NarError::Write)?;
        self.buffer.resize(BUFFER, 0);
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
            let room = self.buffer.get_mut(..wanted).expect("not more than the buffer");
            let count = match file.read(room) {
                Ok(0) => return Err(NarError::Changed { path: path.to_owned() }),
                Ok(count) => count,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(error(source)),
            };
            self.to.write_all(room.get(..count).unwrap_or_default()).map_err(NarError::Write)?;
            left -= count as u64;
        }
        padding(self.to, size).map_err(NarError::Write)?;
        self.strings(&[b")"])
    }

    fn strings(&mut self, all: &[&[u8]]) -> Result<(), NarError> {
        strings(self.to, all).map_err(NarError::Write)
    }
}

/// Opens a regular file, but not what somebody put in its place meanwhile.
fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    File::options().read(true).custom_flags(flags.bits() as i32).open(path)
}

fn read_error(path: &Path, source: io::Error) -> NarError {
    NarError::Read { path: path.to_owned(), source }
}

/// What a special file is, in words.
pub(crate) fn kind_name(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_block_device() || kind.is_char_device() {
        "device"
    } else {
        "special file"
    }
}
