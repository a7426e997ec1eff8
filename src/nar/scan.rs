//! Hash, size and references of a tree, in one pass over it.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
    path::Path,
};

use super::{NarError, ReferenceScanner, RewriteWriter, Rewriter, dump};
use crate::{
    hash::{Algorithm, Digest, Hasher},
    store_path::StorePath,
};

/// Small writes are gathered to this size; larger ones pass by.
const BUFFER: usize = 128 * 1024;

/// What one pass over a tree gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The digest of the archive, in the form that the rewriter makes.
    pub digest: Digest,
    /// The length of the archive.
    pub size: u64,
    /// Which of the candidates stand in the tree.
    pub references: BTreeSet<StorePath>,
    /// Whether the tree held what the rewriter writes already, before any rewriting.
    pub foreign: bool,
    /// Which of the rewriter's texts stood in the tree.
    pub texts: Vec<bool>,
}

/// Archives the tree at `path`, rewritten, without keeping the archive.
pub fn scan<'a>(
    path: &Path,
    algorithm: Algorithm,
    rewriter: &Rewriter,
    candidates: impl IntoIterator<Item = &'a StorePath>,
) -> Result<Scan, NarError> {
    scan_and_pass(path, algorithm, rewriter, candidates, |_| Ok(()))
}

/// The same, and the archive, not rewritten, is given to `pass` in pieces.
pub fn scan_and_pass<'a>(
    path: &Path,
    algorithm: Algorithm,
    rewriter: &Rewriter,
    candidates: impl IntoIterator<Item = &'a StorePath>,
    pass: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Scan, NarError> {
    let sink = Sink { hasher: Hasher::new(algorithm), size: 0, scanner: ReferenceScanner::new(candidates) };
    // What is right already stays, but is counted.
    let counting = rewriter.with_itself();
    let both = Passing { pass, inner: RewriteWriter::new(&counting, sink) };
    let mut buffered = BufWriter::with_capacity(BUFFER, both);
    dump(path, &mut buffered)?;
    let writer = buffered.into_inner().map_err(|error| NarError::Write(error.into_error()))?.inner;
    let (sink, counts) = writer.finish().map_err(NarError::Write)?;
    let mut texts: Vec<bool> = counts.into_iter().map(|count| count > 0).collect();
    let right = texts.pop().unwrap_or(false);
    let foreign = right && !rewriter.is_identity();
    let references = sink.scanner.finish();
    Ok(Scan { digest: sink.hasher.finish(), size: sink.size, references, foreign, texts })
}

/// The digest of a single file's bytes, rewritten, which a flat fixed output promises.
pub fn hash_file(path: &Path, algorithm: Algorithm, rewriter: &Rewriter) -> Result<Digest, NarError> {
    let hash = || -> io::Result<Digest> {
        let mut file = std::fs::File::open(path)?;
        let mut writer = RewriteWriter::new(rewriter, Hasher::new(algorithm));
        let mut buffer = vec![0; BUFFER];
        loop {
            match io::Read::read(&mut file, &mut buffer) {
                Ok(0) => return Ok(writer.finish()?.0.finish()),
                Ok(count) => writer.write_all(buffer.get(..count).unwrap_or_default())?,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(source),
            }
        }
    };
    hash().map_err(|source| NarError::Read { path: path.to_owned(), source })
}

/// Shows what is written to somebody else first.
struct Passing<P, W> {
    pass: P,
    inner: W,
}

impl<P: FnMut(&[u8]) -> io::Result<()>, W: Write> Write for Passing<P, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        (self.pass)(data)?;
        self.inner.write_all(data)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

struct Sink {
    hasher: Hasher,
    size: u64,
    scanner: ReferenceScanner,
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.hasher.update(data);
        self.scanner.push(data);
        self.size += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn one_pass_sees_through_the_rewriting() {
        let place = tempfile::tempdir().unwrap();
        let item = StorePath::parse("0c6kzph7l0dcbfmjap64f0czdafn3b7x-item").unwrap();
        let other = StorePath::parse("1c6kzph7l0dcbfmjap64f0czdafn3b7x-other").unwrap();
        let make = |name: &str, store: &str| {
            let tree = place.path().join(name);
            fs::create_dir(&tree).unwrap();
            fs::write(tree.join("file"), format!("{}{store}/x", "-".repeat(300_000))).unwrap();
            symlink(format!("{store}/{item}"), tree.join("link")).unwrap();
            tree
        };
        let (canonical, local) = (make("canonical", "/canonical/store"), make("local", "/home/abcd/store"));
        let scan_of = |tree: &Path, from: &str| {
            let rewriter = Rewriter::new(from, "/canonical/store").unwrap();
            scan(tree, Algorithm::Sha256, &rewriter, [&item, &other]).unwrap()
        };
        let expected = scan_of(&canonical, "/canonical/store");
        assert!(!expected.foreign, "canonical is what is expected here");
        assert!(scan_of(&canonical, "/home/abcd/store").foreign);
        assert_eq!(expected.references, [item.clone()].into());
        assert_eq!(expected.texts, [true]);
        assert_eq!(scan_of(&local, "/home/abcd/store"), expected);
        assert_ne!(scan_of(&local, "/canonical/store").digest, expected.digest);
        let mut archive = Vec::new();
        dump(&canonical, &mut archive).unwrap();
        assert_eq!((expected.digest, expected.size), (Digest::sha256(&archive), archive.len() as u64));
        let rewriter = Rewriter::new("/home/abcd/store", "/canonical/store").unwrap();
        let flat = hash_file(&local.join("file"), Algorithm::Sha256, &rewriter).unwrap();
        assert_eq!(flat, Digest::sha256(&fs::read(canonical.join("file")).unwrap()));
    }

    #[test]
    fn a_socket_is_refused_by_name() {
        let place = tempfile::tempdir().unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(place.path().join("talk")).unwrap();
        let rewriter = Rewriter::new("/a", "/b").unwrap();
        let error = scan(place.path(), Algorithm::Sha256, &rewriter, []).unwrap_err();
        assert!(error.to_string().ends_with("talk` is a socket, which no store item may hold"), "{error}");
    }
}
