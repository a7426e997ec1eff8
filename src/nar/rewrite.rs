//! Replacing one store directory by another of equal length, in a stream.
//!
//! Only whole occurrences count, also those that lie across two buffers: what could be the beginning of one is held back
//! until the rest arrives. Everything else is passed through without a copy, at the speed of a SIMD search (memchr). Length
//! for length, so offsets, sizes and archives' framing stay as they are.

use std::io::{self, Read, Write};

use memchr::memmem::Finder;

/// From one text to another of equal length; the plan, without a stream's state.
#[derive(Clone, Debug)]
pub struct Rewriter {
    finder: Finder<'static>,
    to: Vec<u8>,
}

impl Rewriter {
    /// Replaces `from` by `to`; nothing when their lengths differ or are zero.
    pub fn new(from: &str, to: &str) -> Option<Self> {
        let fits = from.len() == to.len() && !from.is_empty();
        fits.then(|| Self { finder: Finder::new(from).into_owned(), to: to.as_bytes().to_vec() })
    }

    fn from(&self) -> &[u8] {
        self.finder.needle()
    }

    /// The plan that finds what this one writes, and leaves it.
    pub(super) fn to_itself(&self) -> Self {
        Self { finder: Finder::new(&self.to).into_owned(), to: self.to.clone() }
    }

    /// Whether nothing can change.
    pub(super) fn is_identity(&self) -> bool {
        self.from() == self.to
    }

    /// Replaces every occurrence in a buffer that is whole.
    pub fn rewrite(&self, bytes: &mut [u8]) {
        if self.is_identity() {
            return;
        }
        let mut rest = bytes;
        while let Some(at) = self.finder.find(rest) {
            let (_, tail) = rest.split_at_mut(at);
            let (occurrence, after) = tail.split_at_mut(self.to.len());
            occurrence.copy_from_slice(&self.to);
            rest = after;
        }
    }

    /// The length of the longest end of `bytes` that an occurrence could begin with, less than a whole one.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let from = self.from();
        let longest = bytes.len().min(from.len() - 1);
        (1..=longest)
            .rev()
            .find(|length| bytes.ends_with(from.get(..*length).unwrap_or_default()))
            .unwrap_or(0)
    }
}

/// A copy of the bytes with every occurrence replaced.
pub fn replace_all(rewriter: &Rewriter, bytes: &[u8]) -> Vec<u8> {
    let mut copy = bytes.to_vec();
    rewriter.rewrite(&mut copy);
    copy
}

/// A sink that rewrites what passes. [`finish`](Self::finish) it, or what is held back is lost.
#[derive(Debug)]
pub struct RewriteWriter<'a, W> {
    rewriter: &'a Rewriter,
    inner: W,
    /// How many bytes at the beginning of an occurrence have been seen and held back.
    held: usize,
    /// How many occurrences have been replaced.
    count: u64,
}

impl<'a, W: Write> RewriteWriter<'a, W> {
    /// Rewrites into `inner`.
    pub fn new(rewriter: &'a Rewriter, inner: W) -> Self {
        Self { rewriter, inner, held: 0, count: 0 }
    }

    /// How many occurrences have been found so far. One that is held back is not whole, so nothing is missing at the end.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Writes what is held back and gives the inner sink.
    pub fn finish(mut self) -> io::Result<W> {
        self.release(0)?;
        Ok(self.inner)
    }

    /// Lets go of all but the last `keep` bytes held.
    fn release(&mut self, keep: usize) -> io::Result<()> {
        let free =
            self.rewriter.from().get(..self.held - keep).expect("less than a whole occurrence is held");
        self.inner.write_all(free)?;
        self.held = keep;
        Ok(())
    }

    fn push(&mut self, mut data: &[u8]) -> io::Result<()> {
        let from = self.rewriter.from();
        while self.held > 0 {
            let wanted = from.get(self.held..).expect("less than a whole occurrence is held");
            if let Some(after) = data.strip_prefix(wanted) {
                self.inner.write_all(&self.rewriter.to)?;
                self.count += 1;
                self.held = 0;
                data = after;
            } else if wanted.starts_with(data) {
                self.held += data.len();
                return Ok(());
            } else {
                // Not this one; perhaps another that begins later in what is held.
                let held = from.get(1..self.held).unwrap_or_default();
                let keep = self.rewriter.open_end(held);
                self.release(keep)?;
            }
        }
        while let Some(at) = self.rewriter.finder.find(data) {
            let (before, rest) = data.split_at(at);
            self.inner.write_all(before)?;
            self.inner.write_all(&self.rewriter.to)?;
            self.count += 1;
            data = rest.get(from.len()..).unwrap_or_default();
        }
        self.held = self.rewriter.open_end(data);
        self.inner.write_all(data.get(..data.len() - self.held).unwrap_or_default())
    }
}

impl<W: Write> Write for RewriteWriter<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.push(data)?;
        Ok(data.len())
    }

    /// Does not flush what is held back.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A source that rewrites what is read from it.
#[derive(Debug)]
pub struct RewriteReader<'a, R> {
    writer: Option<RewriteWriter<'a, Vec<u8>>>,
    inner: R,
    ready: Vec<u8>,
    at: usize,
    chunk: Vec<u8>,
}

impl<'a, R: Read> RewriteReader<'a, R> {
    /// Rewrites what comes from `inner`.
    pub fn new(rewriter: &'a Rewriter, inner: R) -> Self {
        let writer = Some(RewriteWriter::new(rewriter, Vec::new()));
        Self { writer, inner, ready: Vec::new(), at: 0, chunk: vec![0; 64 * 1024] }
    }
}

impl<R: Read> Read for RewriteReader<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.at == self.ready.len() {
            let Some(writer) = &mut self.writer else { return Ok(0) };
            self.ready.clear();
            self.at = 0;
            let count = match self.inner.read(&mut self.chunk) {
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            std::mem::swap(&mut self.ready, &mut writer.inner);
            if count > 0 {
                writer.write_all(self.chunk.get(..count).unwrap_or_default())?;
                std::mem::swap(&mut self.ready, &mut writer.inner);
            } else if let Some(mut writer) = self.writer.take() {
                std::mem::swap(&mut self.ready, &mut writer.inner);
                self.ready = writer.finish()?;
            }
        }
        let rest = self.ready.get(self.at..).unwrap_or_default();
        let count = rest.len().min(to.len());
        for (to, from) in to.iter_mut().zip(rest) {
            *to = *from;
        }
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through_writer(rewriter: &Rewriter, pieces: &[&[u8]]) -> Vec<u8> {
        let mut writer = RewriteWriter::new(rewriter, Vec::new());
        pieces.iter().for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap()
    }

    /// Gives its bytes one piece at a time.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(to.len());
            to[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn texts_of_different_lengths_are_no_plan() {
        assert!(Rewriter::new("/a", "/bc").is_none() && Rewriter::new("", "").is_none());
    }

    proptest! {
        /// `/a/a/b` overlaps with itself, so that giving up one beginning must find the next.
        #[test]
        fn cuts_do_not_matter(text in "[/ab]{0,60}", cut in prop::collection::vec(1usize..9, 1..20)) {
            let rewriter = Rewriter::new("/a/a/b", "/x/y/z").unwrap();
            let expected = text.replace("/a/a/b", "/x/y/z").into_bytes();
            prop_assert_eq!(replace_all(&rewriter, text.as_bytes()), &expected[..]);
            let mut rest = text.as_bytes();
            let mut pieces = Vec::new();
            for length in cut.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at((*length).min(rest.len()));
                pieces.push(piece);
                rest = after;
            }
            prop_assert_eq!(through_writer(&rewriter, &pieces), &expected[..]);
            let mut read = Vec::new();
            RewriteReader::new(&rewriter, Pieces(text.as_bytes(), cut[0])).read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, expected);
        }
    }
}
