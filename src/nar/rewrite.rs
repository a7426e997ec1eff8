//! Replacing store directories by others of equal length, in a stream.
//!
//! Only whole occurrences count, also those that lie across two buffers: what could be the beginning of one is held back
//! until the rest arrives. Everything else is passed through without a copy, at the speed of a SIMD search (memchr). Length
//! for length, so offsets, sizes and archives' framing stay as they are.
//!
//! Where items lie in several directories (a store with layers below it), several texts become one on the way out, and on the way in
//! the hash part behind the directory says which one it becomes.

use std::{
    collections::HashMap,
    io::{self, BufRead, Read, Write},
    sync::Arc,
};

use memchr::memmem::Finder;
use rustc_hash::FxBuildHasher;

use crate::store_path::HASH_LENGTH;

/// Directories for the items with these hash parts.
pub type Places = HashMap<[u8; HASH_LENGTH], Arc<str>, FxBuildHasher>;

/// From texts to another of equal length; the plan, without a stream's state.
#[derive(Clone, Debug)]
pub struct Rewriter {
    finders: Vec<Finder<'static>>,
    to: Vec<u8>,
    places: Arc<Places>,
    length: usize,
}

/// An occurrence in a buffer: where it begins, which of the texts it is, and what it becomes.
struct Hit<'a> {
    at: usize,
    which: usize,
    to: &'a [u8],
}

impl Rewriter {
    /// Replaces `from` by `to`; nothing when their lengths differ or are zero.
    pub fn new(from: &str, to: &str) -> Option<Self> {
        Self::many([from], to)
    }

    /// Replaces each of several texts by `to`; nothing when their lengths differ or are zero.
    pub fn many<'a>(from: impl IntoIterator<Item = &'a str>, to: &str) -> Option<Self> {
        let finders: Vec<Finder<'static>> =
            from.into_iter().map(|from| Finder::new(from).into_owned()).collect();
        let fits = finders.iter().all(|finder| finder.needle().len() == to.len());
        (fits && !to.is_empty() && !finders.is_empty()).then(|| Self {
            finders,
            to: to.as_bytes().to_vec(),
            places: Arc::default(),
            length: to.len(),
        })
    }

    /// The plan that puts these items elsewhere; nothing when a directory has another length.
    pub fn with_places(&self, places: Places) -> Option<Self> {
        let fits = places.values().all(|place| place.len() == self.length);
        fits.then(|| Self { places: Arc::new(places), ..self.clone() })
    }

    /// The plan that finds also what this one writes, as its last text, and leaves that.
    pub(super) fn with_itself(&self) -> Self {
        let finders = self.finders.iter().cloned().chain([Finder::new(&self.to).into_owned()]).collect();
        Self { finders, ..self.clone() }
    }

    /// Whether nothing can change.
    pub(super) fn is_identity(&self) -> bool {
        self.places.is_empty() && self.finders.iter().all(|finder| finder.needle() == self.to)
    }

    /// Replaces every occurrence in a buffer that is whole.
    pub fn rewrite(&self, bytes: &mut [u8]) {
        if self.is_identity() {
            return;
        }
        for (at, to) in self.replacements(bytes) {
            if let Some(place) = bytes.get_mut(at..at + to.len()) {
                place.copy_from_slice(&to);
            }
        }
    }

    /// Where something is replaced in a buffer that is whole, and by what.
    pub fn replacements(&self, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let mut search = Search::new(self, bytes);
        std::iter::from_fn(|| search.next(true)).map(|hit| (hit.at, hit.to.to_vec())).collect()
    }

    /// The bytes behind an occurrence that say what it becomes: a slash and a hash part.
    fn ahead(&self) -> usize {
        if self.places.is_empty() { 0 } else { 1 + HASH_LENGTH }
    }

    /// How many bytes decide about an occurrence.
    pub fn window(&self) -> usize {
        self.length + self.ahead()
    }

    /// What an occurrence before these bytes becomes.
    fn target(&self, behind: &[u8]) -> &[u8] {
        let hash = behind.strip_prefix(b"/").and_then(|rest| rest.first_chunk::<HASH_LENGTH>());
        hash.and_then(|hash| self.places.get(hash)).map_or(&self.to, |place| place.as_bytes())
    }

    /// The length of the longest end of `bytes` that an occurrence could begin with, less than a whole one.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let longest = bytes.len().min(self.length - 1);
        let open = |length: usize| {
            self.finders
                .iter()
                .any(|finder| bytes.ends_with(finder.needle().get(..length).unwrap_or_default()))
        };
        (1..=longest).rev().find(|length| open(*length)).unwrap_or(0)
    }
}

/// The occurrences in a buffer, from left to right. Each text is looked for once.
struct Search<'a> {
    rewriter: &'a Rewriter,
    bytes: &'a [u8],
    /// Where the next occurrence may begin.
    from: usize,
    /// Where each of the texts occurs next, as far as that is known.
    next: Vec<Option<usize>>,
    /// Where an occurrence begins whose target is open.
    open: Option<usize>,
}

impl<'a> Search<'a> {
    fn new(rewriter: &'a Rewriter, bytes: &'a [u8]) -> Self {
        let next = rewriter.finders.iter().map(|finder| finder.find(bytes)).collect();
        Self { rewriter, bytes, from: 0, next, open: None }
    }

    /// The next occurrence. When more bytes may follow, none whose target is still open.
    fn next(&mut self, last: bool) -> Option<Hit<'a>> {
        for (finder, next) in self.rewriter.finders.iter().zip(&mut self.next) {
            if next.is_some_and(|at| at < self.from) {
                let rest = self.bytes.get(self.from..).unwrap_or_default();
                *next = finder.find(rest).map(|at| at + self.from);
            }
        }
        let found = self.next.iter().enumerate().filter_map(|(which, at)| Some(((*at)?, which)));
        let (at, which) = found.min()?;
        let end = at + self.rewriter.length;
        let behind = self.bytes.get(end..).unwrap_or_default();
        if !last && behind.len() < self.rewriter.ahead() {
            self.open = Some(at);
            return None;
        }
        self.from = end;
        Some(Hit { at, which, to: self.rewriter.target(behind) })
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
    /// What may be the beginning of an occurrence, or one whose target is open.
    held: Vec<u8>,
    /// How many occurrences of each text have been replaced.
    counts: Vec<u64>,
}

impl<'a, W: Write> RewriteWriter<'a, W> {
    /// Rewrites into `inner`.
    pub fn new(rewriter: &'a Rewriter, inner: W) -> Self {
        Self { rewriter, inner, held: Vec::new(), counts: vec![0; rewriter.finders.len()] }
    }

    /// How many occurrences of each text have been replaced so far.
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Writes what is held back and gives the inner sink, with the count of each text.
    pub fn finish(mut self) -> io::Result<(W, Vec<u64>)> {
        let held = std::mem::take(&mut self.held);
        self.pass(&held, true)?;
        Ok((self.inner, self.counts))
    }

    /// Writes a buffer, rewritten, up to what is still open; gives how much was written.
    fn pass(&mut self, data: &[u8], last: bool) -> io::Result<usize> {
        let mut search = Search::new(self.rewriter, data);
        let mut written = 0;
        while let Some(hit) = search.next(last) {
            self.inner.write_all(data.get(written..hit.at).unwrap_or_default())?;
            self.inner.write_all(hit.to)?;
            if let Some(count) = self.counts.get_mut(hit.which) {
                *count += 1;
            }
            written = hit.at + self.rewriter.length;
        }
        let open = || data.len() - self.rewriter.open_end(data.get(written..).unwrap_or_default());
        let done = if last { data.len() } else { search.open.unwrap_or_else(open) };
        self.inner.write_all(data.get(written..done).unwrap_or_default())?;
        Ok(done)
    }

    fn push(&mut self, data: &[u8]) -> io::Result<()> {
        let window = self.rewriter.window();
        if self.held.is_empty() {
            let done = self.pass(data, false)?;
            self.held.extend_from_slice(data.get(done..).unwrap_or_default());
            return Ok(());
        }
        // Enough of the new data to decide about all that begins in what is held.
        let mut seam = std::mem::take(&mut self.held);
        let before = seam.len();
        let (near, rest) = data.split_at(data.len().min(window));
        seam.extend_from_slice(near);
        let done = self.pass(&seam, false)?;
        if rest.is_empty() {
            self.held.extend_from_slice(seam.get(done..).unwrap_or_default());
            return Ok(());
        }
        // All that begins in what was held is decided, so `done` lies in the new data.
        self.push(data.get(done - before..).unwrap_or_default())
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
}

impl<'a, R: BufRead> RewriteReader<'a, R> {
    /// Rewrites what comes from `inner`.
    pub fn new(rewriter: &'a Rewriter, inner: R) -> Self {
        Self { writer: Some(RewriteWriter::new(rewriter, Vec::new())), inner, ready: Vec::new(), at: 0 }
    }
}

impl<R: BufRead> BufRead for RewriteReader<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.ready.len() {
            let Some(writer) = &mut self.writer else { return Ok(&[]) };
            let data = match self.inner.fill_buf() {
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let count = data.len();
            self.ready.clear();
            self.at = 0;
            // What is written takes the room of what has been read.
            std::mem::swap(&mut self.ready, &mut writer.inner);
            if count > 0 {
                writer.write_all(data)?;
                std::mem::swap(&mut self.ready, &mut writer.inner);
                self.inner.consume(count);
            } else if let Some(writer) = self.writer.take() {
                self.ready = writer.finish()?.0;
            }
        }
        Ok(self.ready.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl<R: BufRead> Read for RewriteReader<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(to)?;
        self.consume(count);
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
        writer.finish().unwrap().0
    }

    #[test]
    fn texts_of_different_lengths_are_no_plan() {
        assert!(Rewriter::new("/a", "/bc").is_none() && Rewriter::new("", "").is_none());
    }

    const HASH: &str = "0c6kzph7l0dcbfmjap64f0czdafn3b7x";

    #[test]
    fn the_hash_part_says_which_directory() {
        let places: Places =
            [(*HASH.as_bytes().first_chunk().unwrap(), "/site/".into())].into_iter().collect();
        let in_layers = Rewriter::new("/canon", "/local").unwrap().with_places(places.clone()).unwrap();
        let back = Rewriter::many(["/local", "/site/"], "/canon").unwrap();
        let text = format!("a/canon/{HASH}-x/canon/{HASH}/canon/1{HASH}/canon/ca/canon");
        let local = format!("a/site//{HASH}-x/site//{HASH}/local/1{HASH}/local/ca/local");
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let whole = text.as_bytes();
                let pieces = [&whole[..cut], &whole[cut..second], &whole[second..]];
                assert_eq!(String::from_utf8(through_writer(&in_layers, &pieces)).unwrap(), local);
            }
        }
        assert_eq!(replace_all(&in_layers, text.as_bytes()), local.as_bytes());
        assert_eq!(replace_all(&back, local.as_bytes()), text.as_bytes());
        let mut writer = RewriteWriter::new(&back, Vec::new());
        writer.write_all(local.as_bytes()).unwrap();
        assert_eq!(writer.finish().unwrap().1, [3, 2], "each text is counted");
        let long = [(*HASH.as_bytes().first_chunk().unwrap(), "/longer".into())].into_iter().collect();
        assert!(Rewriter::new("/canon", "/local").unwrap().with_places(long).is_none());
    }

    proptest! {
        #[test]
        fn several_texts_become_one(text in "[/abc]{0,60}", cut in 1usize..9) {
            let rewriter = Rewriter::many(["/a/a/b", "/a/b/c"], "/x/y/z").unwrap();
            let mut expected = String::new();
            let mut rest = text.as_str();
            while let Some(next) = rest.chars().next() {
                if rest.starts_with("/a/a/b") || rest.starts_with("/a/b/c") {
                    expected.push_str("/x/y/z");
                    rest = &rest[6..];
                } else {
                    expected.push(next);
                    rest = &rest[1..];
                }
            }
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(through_writer(&rewriter, &pieces), expected.as_bytes());
        }

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
            let pieces = io::BufReader::with_capacity(cut[0], text.as_bytes());
            RewriteReader::new(&rewriter, pieces).read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, expected);
        }
    }
}
