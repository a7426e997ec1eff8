//! Where the files of a cache lie, when that is neither a directory here nor a web server.

use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use super::CacheError;
use crate::hash::{Algorithm, Digest, Hasher};

/// A place that holds the files of a cache, by names such as `nar/HASH.nar.zst`.
pub(super) trait Place: fmt::Debug + Send + Sync {
    /// A small file; nothing when it is not there.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CacheError>;

    /// Writes a file of any size to a sink.
    fn fetch(&self, name: &str, to: &mut dyn Write) -> Result<(), CacheError>;

    /// The names of all `.narinfo` files.
    fn list(&self) -> Result<Vec<String>, CacheError>;

    /// Takes files from a directory, in this order, so that readers meanwhile find each whole or not at all.
    fn write(&self, directory: &Path, names: &[String]) -> Result<(), CacheError>;

    /// Whether whoever names this place is its owner, so that no signature is needed.
    fn is_own(&self) -> bool {
        false
    }
}

/// Fetches a file of a place, and checks its hash.
pub(super) fn fetch_checked(
    place: &dyn Place,
    url: &str,
    name: &str,
    expected: Option<Digest>,
    file: &Path,
) -> Result<(), CacheError> {
    let open = File::create(file).map_err(CacheError::file("write", file))?;
    let algorithm = expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
    let mut sink = Hashed { inner: open, hasher: Hasher::new(algorithm) };
    place.fetch(name, &mut sink)?;
    let actual = sink.hasher.finish();
    match expected {
        Some(expected) if expected != actual => Err(CacheError::WrongFile {
            url: format!("{url}/{name}"),
            expected: expected.into(),
            actual: actual.into(),
        }),
        _ => Ok(()),
    }
}

struct Hashed {
    inner: File,
    hasher: Hasher,
}

impl Write for Hashed {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(data.get(..count).unwrap_or_default());
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies exactly so many bytes.
pub(super) fn copy_exactly(from: &mut dyn Read, to: &mut dyn Write, size: u64) -> io::Result<()> {
    let copied = io::copy(&mut from.take(size), to)?;
    if copied == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
