//! The bytes of archives on their way to files, by several threads.
//!
//! An archive that comes has a thread that reads it (which mostly is decompression), one for its hash and one for the files; a
//! tree that is copied one that reads and hashes, and one that writes. Memory is flat: a thread is only so far ahead of another.

use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use super::StoreError;
use crate::{
    hash::{Algorithm, Digest, Hasher},
    nar::{NarError, RewriteReader, Rewriter, Scan, restore, scan_and_pass},
};

/// Archives of that size have a thread each for decompression, for the hash, and for the files.
const IN_THREADS: u64 = 4 << 20;
/// What the threads pass on at once: small enough for a core's cache.
const CHUNK: usize = 256 << 10;
/// How many chunks one thread may be ahead of another.
const AHEAD: usize = 16;

/// Restores an archive of about `size` bytes at `tree`, rewritten, and gives its hash and true size, which nothing was compared with.
pub(super) fn unpack(
    archive: impl Read,
    size: u64,
    to_local: &Rewriter,
    tree: &Path,
) -> Result<(Digest, u64), StoreError> {
    if size < IN_THREADS { in_one(archive, to_local, tree) } else { in_threads(archive, to_local, tree) }
}

fn in_one(archive: impl Read, to_local: &Rewriter, tree: &Path) -> Result<(Digest, u64), StoreError> {
    let hashed = Hashed { inner: archive, hasher: Hasher::new(Algorithm::Sha256), size: 0 };
    let mut archive = BufReader::with_capacity(CHUNK, hashed);
    restore(&mut RewriteReader::new(to_local, &mut archive), tree)?;
    // What an archive says behind its end counts too.
    io::copy(&mut archive, &mut io::sink()).map_err(NarError::Archive)?;
    let hashed = archive.into_inner();
    Ok((hashed.hasher.finish(), hashed.size))
}

/// Archives a tree into a copy of it at `to`, which a thread of its own writes, and gives what a [scan](scan_and_pass) of it finds.
pub(super) fn copy(from: &Path, to: &Path, rewriter: &Rewriter) -> Result<Scan, StoreError> {
    let (send, chunks) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
    thread::scope(|scope| {
        let write = move || restore(&mut Chunks::new(chunks), to);
        let write = thread::Builder::new().spawn_scoped(scope, write);
        let write = write.map_err(StoreError::io("start a thread for", to))?;
        let pass = move |bytes: &[u8]| {
            send.send(Arc::new(bytes.to_vec())).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        };
        let found = scan_and_pass(from, Algorithm::Sha256, rewriter, [], pass);
        let written = write.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(match (found, written) {
            // The reason why nothing more could be passed on.
            (Err(NarError::Write(_)), Err(error)) => Err(error),
            (found, Ok(())) => found,
            (Ok(_), Err(error)) => Err(error),
            (Err(error), Err(_)) => Err(error),
        }?)
    })
}

/// The same with a thread for the hash and one for the files; this one reads, which mostly is decompression.
fn in_threads(mut archive: impl Read, to_local: &Rewriter, tree: &Path) -> Result<(Digest, u64), StoreError> {
    let (to_hash, hashed) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
    let (to_write, written) = sync_channel::<Arc<Vec<u8>>>(AHEAD);
    let hash = move || {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        hashed.iter().for_each(|chunk| hasher.update(&chunk));
        hasher.finish()
    };
    let write = move || restore(&mut RewriteReader::new(to_local, Chunks::new(written)), tree);
    thread::scope(|scope| {
        let start = |error| StoreError::io("start a thread for", tree)(error);
        let hash = thread::Builder::new().spawn_scoped(scope, hash).map_err(start)?;
        let write = thread::Builder::new().spawn_scoped(scope, write).map_err(start)?;
        let mut size = 0;
        let read: io::Result<()> = loop {
            let mut chunk = Vec::with_capacity(CHUNK);
            match archive.by_ref().take(CHUNK as u64).read_to_end(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(count) => size += count as u64,
                Err(error) => break Err(error),
            }
            let chunk = Arc::new(chunk);
            // A thread that ended early has a reason, which it gives below.
            if to_hash.send(Arc::clone(&chunk)).and_then(|()| to_write.send(chunk)).is_err() {
                break Ok(());
            }
        };
        drop((to_hash, to_write));
        let written = write.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let digest = hash.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        read.map_err(NarError::Archive)?;
        written?;
        Ok((digest, size))
    })
}

/// A source that is hashed and counted as it is read.
struct Hashed<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(to)?;
        self.hasher.update(to.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }
}

/// What another thread passes on, as a source.
struct Chunks {
    from: Receiver<Arc<Vec<u8>>>,
    chunk: Arc<Vec<u8>>,
    at: usize,
}

impl Chunks {
    fn new(from: Receiver<Arc<Vec<u8>>>) -> Self {
        Self { from, chunk: Arc::default(), at: 0 }
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len()
            && let Ok(next) = self.from.recv()
        {
            (self.chunk, self.at) = (next, 0);
        }
        Ok(self.chunk.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl Read for Chunks {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
        Ok(count)
    }
}
