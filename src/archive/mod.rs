//! Unpacks tar archives and Debian packages, whatever their compression.
//!
//! The kind of a file is told by its first bytes, never by its name, because downloads are named after their hash. Entries
//! stream from the file to the directory; nothing is held in memory or written twice. Archives come from strangers, so that
//! an entry can write only below the target directory (see `tree`), owners are ignored, and of the mode only the executable
//! bit is kept. By default all times are set to 1, so that the same archive always gives the same tree.

mod ar;
mod compression;
mod tree;

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

pub use compression::{Compression, decompress};
use tree::Tree;
pub use tree::Unpacked;

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The archive could not be opened, or its content not be read or decompressed.
    #[error("cannot read archive `{}`", archive.display())]
    Read {
        /// The archive.
        archive: PathBuf,
        /// The reason, also that of a decompressor.
        source: io::Error,
    },
    /// A file or directory could not be made.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is of no kind that can be unpacked.
    #[error("`{}` is not an archive of a known kind (tar, optionally with gzip, xz, bzip2 or zstd; Debian package)", archive.display())]
    Unknown {
        /// The file.
        archive: PathBuf,
    },
    /// A Debian package without a member `data.tar`.
    #[error("Debian package `{}` has no member `data.tar`", archive.display())]
    NoData {
        /// The package.
        archive: PathBuf,
    },
    /// An entry would be written outside the target directory.
    #[error("entry `{}` of archive `{}` leads out of the target directory", entry.display(), archive.display())]
    Escape {
        /// The archive.
        archive: PathBuf,
        /// The entry's path or link target.
        entry: PathBuf,
    },
    /// An entry is a device, a pipe, or of another kind that is not unpacked.
    #[error("entry `{}` of archive `{}` is {kind}, which is not unpacked", entry.display(), archive.display())]
    Special {
        /// The archive.
        archive: PathBuf,
        /// The entry's path.
        entry: PathBuf,
        /// What it is.
        kind: &'static str,
    },
}

type Result<T> = std::result::Result<T, ArchiveError>;

/// Which modification times the unpacked files get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// All the same: seconds since 1970.
    Fixed(i64),
    /// Those of the archive.
    Kept,
}

impl Default for Times {
    fn default() -> Self {
        Times::Fixed(1)
    }
}

/// Unpacks a tar archive or Debian package into a directory, which is made when it is not there.
pub fn unpack_archive(archive: &Path, directory: &Path) -> Result<Unpacked> {
    unpack_with(archive, directory, Times::default())
}

/// As [`unpack_archive`], with a choice of times.
pub fn unpack_with(archive: &Path, directory: &Path, times: Times) -> Result<Unpacked> {
    let read = |source| ArchiveError::Read { archive: archive.to_owned(), source };
    let mut file = open(archive)?;
    if file.fill_buf().map_err(read)?.starts_with(ar::MAGIC) {
        return unpack_deb_from(file, archive, directory, times);
    }
    let mut content = decompress(file).map_err(read)?;
    let mut start = Vec::new();
    content.by_ref().take(BLOCK).read_to_end(&mut start).map_err(read)?;
    if !is_tar_header(&start) {
        return Err(ArchiveError::Unknown { archive: archive.to_owned() });
    }
    unpack_tar(Cursor::new(start).chain(content), archive, directory, times)
}

/// Unpacks the files of a Debian package (its member `data.tar`) into a directory.
pub fn unpack_deb(archive: &Path, directory: &Path) -> Result<Unpacked> {
    unpack_deb_from(open(archive)?, archive, directory, Times::default())
}

/// Whether [`unpack_archive`] knows what to do with the file.
pub fn is_archive(path: &Path) -> Result<bool> {
    let read = |source| ArchiveError::Read { archive: path.to_owned(), source };
    let mut file = open(path)?;
    if file.fill_buf().map_err(read)?.starts_with(ar::MAGIC) {
        return Ok(ar::find_member(file, "debian-binary").is_ok_and(|member| member.is_some()));
    }
    let mut start = Vec::new();
    // A file that merely begins like a compressed one is none.
    let intact = decompress(file).and_then(|content| content.take(BLOCK).read_to_end(&mut start)).is_ok();
    Ok(intact && is_tar_header(&start))
}

const BLOCK: u64 = 512;

fn open(archive: &Path) -> Result<BufReader<File>> {
    let file =
        File::open(archive).map_err(|source| ArchiveError::Read { archive: archive.to_owned(), source })?;
    Ok(BufReader::with_capacity(1 << 16, file))
}

fn unpack_deb_from(
    file: BufReader<File>,
    archive: &Path,
    directory: &Path,
    times: Times,
) -> Result<Unpacked> {
    let read = |source| ArchiveError::Read { archive: archive.to_owned(), source };
    let member = ar::find_member(file, "data.tar").map_err(read)?;
    let member = member.ok_or_else(|| ArchiveError::NoData { archive: archive.to_owned() })?;
    unpack_tar(decompress(member).map_err(read)?, archive, directory, times)
}

fn unpack_tar(content: impl Read, archive: &Path, directory: &Path, times: Times) -> Result<Unpacked> {
    let read = |source| ArchiveError::Read { archive: archive.to_owned(), source };
    fs::create_dir_all(directory)
        .map_err(|source| ArchiveError::Write { path: directory.to_owned(), source })?;
    let mut tree = Tree::new(archive, directory, times)?;
    let mut tar = tar::Archive::new(content);
    for entry in tar.entries().map_err(read)? {
        tree.add(&mut entry.map_err(read)?)?;
    }
    tree.finish()
}

/// Whether a block is the header of a tar entry, by its checksum; an archive may also be empty (zeros only).
fn is_tar_header(block: &[u8]) -> bool {
    if block.len() as u64 != BLOCK {
        return false;
    }
    let field = block.get(148..156).unwrap_or_default();
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    let without = sum - field.iter().map(|b| u32::from(*b)).sum::<u32>() + 8 * u32::from(b' ');
    let digits = std::str::from_utf8(field).unwrap_or("").trim_matches(['\0', ' ']);
    sum == 0 || u32::from_str_radix(digits, 8) == Ok(without)
}

#[cfg(test)]
mod tests;
