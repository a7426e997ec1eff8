//! The file that a download is gathered in, hashed as it grows.
//!
//! It lies beside the destination with `.part` at the end of its name and outlives an interrupted download, so that the next one goes on
//! where it ended. Invariant: `hasher` has seen exactly the bytes of the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::hash::{Algorithm, Digest, Hasher};

/// A partial download.
pub(super) struct Part {
    path: PathBuf,
    file: File,
    algorithm: Algorithm,
    hasher: Hasher,
    length: u64,
    /// Whether some of the bytes came from elsewhere than the address being read.
    pub mixed: bool,
}

impl Part {
    /// Opens the part of a destination, with what an earlier download left when `resume` is set.
    pub fn open(destination: &Path, algorithm: Algorithm, resume: bool) -> io::Result<Part> {
        let mut name = destination.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(!resume).open(&path)?;
        let mut part =
            Part { path, file, algorithm, hasher: Hasher::new(algorithm), length: 0, mixed: false };
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = part.file.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            part.hasher.update(buffer.get(..count).unwrap_or_default());
            part.length += count as u64;
        }
        part.mixed = part.length > 0;
        Ok(part)
    }

    /// Number of bytes so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends bytes.
    pub fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.write_all(data)?;
        self.hasher.update(data);
        self.length += data.len() as u64;
        Ok(())
    }

    /// Throws away what is there.
    pub fn reset(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.hasher = Hasher::new(self.algorithm);
        self.length = 0;
        self.mixed = false;
        Ok(())
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Makes the part the destination.
    pub fn finish(self, destination: &Path) -> io::Result<()> {
        fs::rename(&self.path, destination)
    }

    /// Removes the file.
    pub fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}
