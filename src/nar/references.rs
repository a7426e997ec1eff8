//! Finding which store items a stream of bytes refers to.
//!
//! A reference is the 32-digit hash part of a candidate, anywhere, with or without a store directory before it. A window
//! of 32 bytes is looked at from its end: the last byte that is no base-32 digit rules out every window that covers it, so
//! binary data is passed over in steps of up to 32 bytes. In runs of digits a small filter stands before the table.
//! Source of the idea: Nix, `src/libstore/references.cc`.

use std::collections::{BTreeSet, HashMap};

use rustc_hash::FxBuildHasher;

use crate::{
    hash::is_base32,
    store_path::{HASH_LENGTH, StorePath},
};

type Key = [u8; HASH_LENGTH];

const DIGITS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0usize;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; `byte` is below 256")]
        {
            table[byte] = is_base32(byte as u8);
        }
        byte += 1;
    }
    table
};

/// Looks for the hash parts of candidates in all that is pushed through it.
#[derive(Debug)]
pub struct ReferenceScanner {
    missing: HashMap<Key, StorePath, FxBuildHasher>,
    found: BTreeSet<StorePath>,
    filter: Vec<bool>,
    /// The last 31 bytes at most, which a hash part may begin in.
    tail: Vec<u8>,
}

impl ReferenceScanner {
    /// A scanner for these items.
    pub fn new<'a>(candidates: impl IntoIterator<Item = &'a StorePath>) -> Self {
        let mut missing: HashMap<Key, StorePath, FxBuildHasher> = HashMap::default();
        let mut candidates = candidates.into_iter().peekable();
        let mut filter = vec![false; if candidates.peek().is_some() { 1 << 16 } else { 0 }];
        for path in candidates {
            if let Ok(key) = Key::try_from(path.hash_part().as_bytes()) {
                if let Some(mark) = filter.get_mut(mark_of(&key)) {
                    *mark = true;
                }
                missing.insert(key, path.clone());
            }
        }
        Self { missing, found: BTreeSet::new(), filter, tail: Vec::new() }
    }

    /// Looks at the next bytes.
    pub fn push(&mut self, data: &[u8]) {
        if self.missing.is_empty() {
            return;
        }
        let overlap = HASH_LENGTH - 1;
        if !self.tail.is_empty() {
            let mut seam = std::mem::take(&mut self.tail);
            seam.extend_from_slice(data.get(..overlap).unwrap_or(data));
            self.search(&seam);
            seam.drain(..seam.len().saturating_sub(overlap));
            self.tail = seam;
        }
        if data.len() >= overlap {
            self.search(data);
            self.tail.clear();
            self.tail.extend_from_slice(data.get(data.len() - overlap..).unwrap_or_default());
        } else if self.tail.is_empty() {
            self.tail.extend_from_slice(data);
        }
    }

    /// The items found.
    pub fn finish(self) -> BTreeSet<StorePath> {
        self.found
    }

    fn search(&mut self, data: &[u8]) {
        let mut start = 0;
        // Bytes before this are known to be digits back to `start`.
        let mut known = 0;
        while let Some(window) = data.get(start..start + HASH_LENGTH) {
            let unknown = window.get(known..).unwrap_or_default();
            if let Some(last) = unknown.iter().rposition(|byte| !is_digit(*byte)) {
                start += known + last + 1;
                known = 0;
                continue;
            }
            self.look_up(window);
            start += 1;
            known = HASH_LENGTH - 1;
        }
    }

    #[inline]
    fn look_up(&mut self, window: &[u8]) {
        let Some(key) = window.first_chunk::<HASH_LENGTH>() else { return };
        if self.filter.get(mark_of(key)).copied().unwrap_or(false)
            && let Some(path) = self.missing.remove(key)
        {
            self.found.insert(path);
        }
    }
}

#[inline]
fn is_digit(byte: u8) -> bool {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(false)
}

/// The place of a hash part in the filter, from its first four digits.
#[inline]
fn mark_of(key: &Key) -> usize {
    let [a, b, c, d, ..] = *key;
    (u32::from_le_bytes([a, b, c, d]).wrapping_mul(0x9E37_79B1) >> 16) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> StorePath {
        StorePath::parse(text).unwrap()
    }

    #[test]
    fn every_position_and_every_cut_is_seen() {
        let one = path("0c6kzph7l0dcbfmjap64f0czdafn3b7x-one");
        let two = path("1c6kzph7l0dcbfmjap64f0czdafn3b7x-two");
        for before in ["", "e", "0000000", "0c6kzph7l0dcbfmjap64f0czdafn3b7", "/nix/store/"] {
            let text = format!("{before}{}0\u{0}", one.hash_part());
            for cut in 0..=text.len() {
                for second in cut..=text.len() {
                    let mut scanner = ReferenceScanner::new([&one, &two]);
                    scanner.push(&text.as_bytes()[..cut]);
                    scanner.push(&text.as_bytes()[cut..second]);
                    scanner.push(&text.as_bytes()[second..]);
                    assert_eq!(scanner.finish(), [one.clone()].into(), "{text:?} cut at {cut} and {second}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let one = path("0c6kzph7l0dcbfmjap64f0czdafn3b7x-one");
        let mut scanner = ReferenceScanner::new([&one]);
        scanner.push(b"0c6kzph7l0dcbfmjap64f0czdafn3b7");
        scanner.push(b"e");
        scanner.push(b"0c6kzph7l0dcbfmjap64f0czdafn3b7");
        assert!(scanner.finish().is_empty());
    }
}
