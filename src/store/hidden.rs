//! Finding store paths that rewriting does not reach: inside compressed files.
//!
//! Paths are rewritten where they stand as text. In a compressed manual page, a Java archive, a Python wheel or a compressed debug
//! section they stand as something else, so that they keep the directory of the store that the item was built in: wrong in every
//! other store, and no reference for the garbage collector. Nothing can be done about it but to tell: when a build's output is
//! registered its compressed files are read, and those that hold a store's directory are named in its metadata.
//!
//! Known are gzip, xz, bzip2 and zstd streams (also around a tar archive), members of zip archives (the stored ones too: rewriting them
//! breaks their checksum), and compressed sections of ELF files. What is compressed inside of that is not looked at.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use memchr::memmem::Finder;
use rayon::prelude::*;
use walkdir::WalkDir;

use super::LocalStore;
use crate::{
    archive::{Compression, decompress},
    store_path::CANONICAL_STORE,
};

/// A compressed file may stand for any amount of zeros; what comes after this many bytes is not read.
const LIMIT: u64 = 4 << 30;
/// So many files are looked at by one thread.
const FEW: usize = 64;
/// The most that is read of a zip archive's directory.
const ZIP_DIRECTORY: u64 = 64 << 20;
/// The flag of a compressed section, and the size of an ELF file's header and of a section's.
const SHF_COMPRESSED: u64 = 0x800;
const ELF_HEADER: usize = 64;
const SECTION_HEADER: usize = 64;

impl LocalStore {
    /// The files of a tree, with the member where they have some, that hold a store directory in compressed form; sorted.
    ///
    /// What is no archive although it begins like one is passed over.
    pub fn hidden_paths(&self, tree: &Path) -> Vec<String> {
        let stores = self.layers().chain([self.local_dir(), Path::new(CANONICAL_STORE)]);
        let finders: Vec<Finder<'static>> =
            stores.map(|store| Finder::new(store.as_os_str().as_encoded_bytes()).into_owned()).collect();
        let search = Search { finders };
        let files: Vec<PathBuf> = WalkDir::new(tree)
            .into_iter()
            .flatten()
            .filter(|entry| entry.file_type().is_file())
            .map(walkdir::DirEntry::into_path)
            .collect();
        let members = |file: &PathBuf| {
            let inside = file.strip_prefix(tree).unwrap_or(file).display().to_string();
            let inside = if inside.is_empty() { ".".to_owned() } else { inside };
            let members = search.file(file).unwrap_or_default().into_iter();
            members.map(
                move |member| if member.is_empty() { inside.clone() } else { format!("{inside}: {member}") },
            )
        };
        // For a few files other threads are not worth waking.
        let mut found: Vec<String> = if files.len() < FEW {
            files.iter().flat_map(members).collect()
        } else {
            files.par_iter().flat_map_iter(members).collect()
        };
        found.sort();
        found
    }
}

struct Search {
    finders: Vec<Finder<'static>>,
}

impl Search {
    /// The members of a file that hold a store directory; an empty name for the file as a whole.
    fn file(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut file = File::open(path)?;
        let mut start = [0; 6];
        let count = file.read(&mut start)?;
        let start = start.get(..count).unwrap_or_default();
        if Compression::detect(start).is_some() {
            file.seek(SeekFrom::Start(0))?;
            let whole = self.is_in(decompress(BufReader::with_capacity(1 << 16, file))?)?;
            return Ok(if whole { vec![String::new()] } else { Vec::new() });
        }
        match start {
            [b'P', b'K', 3, 4, ..] => self.zip(&file),
            [0x7f, b'E', b'L', b'F', 2, 1] => self.elf(&file),
            _ => Ok(Vec::new()),
        }
    }

    fn is_in(&self, content: impl Read) -> io::Result<bool> {
        let mut content = content.take(LIMIT);
        let keep = CANONICAL_STORE.len() - 1;
        let mut buffer = Vec::new();
        loop {
            let read = content.by_ref().take(1 << 18).read_to_end(&mut buffer)?;
            if self.finders.iter().any(|finder| finder.find(&buffer).is_some()) {
                return Ok(true);
            }
            if read == 0 {
                return Ok(false);
            }
            buffer.drain(..buffer.len().saturating_sub(keep));
        }
    }

    fn zip(&self, file: &File) -> io::Result<Vec<String>> {
        let size = file.metadata()?.len();
        let tail_at = size.saturating_sub(22 + 0xffff);
        let tail = read_at(file, tail_at, size - tail_at)?;
        let Some(end) = memchr::memmem::rfind(&tail, b"PK\x05\x06").and_then(|at| tail.get(at..)) else {
            return Ok(Vec::new());
        };
        let (length, offset) = (number(end, 12, 4), number(end, 16, 4));
        let directory = read_at(file, offset, length.min(ZIP_DIRECTORY))?;
        let mut found = Vec::new();
        let mut rest = directory.as_slice();
        while rest.starts_with(b"PK\x01\x02") {
            let names = [28, 30, 32].map(|at| usize::try_from(number(rest, at, 2)).unwrap_or(0));
            let [name, extra, comment] = names;
            let text = String::from_utf8_lossy(rest.get(46..46 + name).unwrap_or_default()).into_owned();
            let (method, packed, at) = (number(rest, 10, 2), number(rest, 20, 4), number(rest, 42, 4));
            let local = read_at(file, at, 30)?;
            let content = at + 30 + number(&local, 26, 2) + number(&local, 28, 2);
            let packed = Section { file, at: content, end: content + packed };
            let holds = match method {
                0 => self.is_in(packed),
                8 => self.is_in(flate2::read::DeflateDecoder::new(packed)),
                _ => Ok(false),
            };
            // A damaged member says nothing of the others.
            if holds.unwrap_or(false) {
                found.push(text);
            }
            rest = rest.get(46 + name + extra + comment..).unwrap_or_default();
        }
        Ok(found)
    }

    fn elf(&self, file: &File) -> io::Result<Vec<String>> {
        let header = read_at(file, 0, ELF_HEADER as u64)?;
        let (at, count, names) = (number(&header, 40, 8), number(&header, 60, 2), number(&header, 62, 2));
        let table = read_at(file, at, count * SECTION_HEADER as u64)?;
        let sections: Vec<&[u8]> = table.chunks_exact(SECTION_HEADER).collect();
        let name_of = |section: &[u8]| -> io::Result<String> {
            let names = usize::try_from(names).ok().and_then(|names| sections.get(names));
            let start = names.map_or(0, |names| number(names, 24, 8)) + number(section, 0, 4);
            let name = read_at(file, start, 64)?;
            Ok(String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned())
        };
        let mut found = Vec::new();
        for section in sections.iter().filter(|section| number(section, 8, 8) & SHF_COMPRESSED != 0) {
            let (at, size) = (number(section, 24, 8), number(section, 32, 8));
            let kind = number(&read_at(file, at, 4)?, 0, 4);
            let packed = Section { file, at: at + 24, end: at.saturating_add(size) };
            let holds = match kind {
                1 => self.is_in(flate2::read::ZlibDecoder::new(packed)),
                2 => zstd::stream::read::Decoder::new(packed).and_then(|content| self.is_in(content)),
                _ => Ok(false),
            };
            if holds.unwrap_or(false) {
                found.push(name_of(section)?);
            }
        }
        Ok(found)
    }
}

/// A part of a file.
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(to.len());
        let count = self.file.read_at(to.get_mut(..left).unwrap_or_default(), self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// As many of these bytes as there are.
fn read_at(file: &File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    Section { file, at, end: at.saturating_add(length) }.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A little-endian number; zero where the bytes end before it.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::store::StoreConfig;

    fn deflated(text: &[u8], raw: bool) -> Vec<u8> {
        let level = flate2::Compression::best();
        if raw {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(text).unwrap();
            return encoder.finish().unwrap();
        }
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A zip archive of members: name, method, packed bytes.
    fn zip(members: &[(&str, u8, Vec<u8>)]) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (name, method, packed) in members {
            let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
            let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
            let length = [u8::try_from(name.len()).unwrap(), 0];
            let common =
                [&[20, 0, 0, 0, *method, 0, 0, 0, 0, 0, 0, 0, 0, 0], &size[..], &size, &length, &[0, 0]]
                    .concat();
            bytes.extend([b"PK\x03\x04", &common[..], name.as_bytes(), packed].concat());
            directory.extend([b"PK\x01\x02\x14\x00", &common[..], &[0; 10], &at, name.as_bytes()].concat());
        }
        let at = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let size = u32::try_from(directory.len()).unwrap().to_le_bytes();
        bytes.extend([&directory[..], b"PK\x05\x06", &[0; 8], &size, &at, &[0, 0]].concat());
        bytes
    }

    /// An ELF file with one section called `.debug_str`.
    fn elf(content: &[u8], kind: u8) -> Vec<u8> {
        let mut section = vec![kind, 0, 0, 0];
        section.resize(24, 0);
        section.extend_from_slice(content);
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1];
        bytes.resize(ELF_HEADER, 0);
        let names = b"\0.debug_str\0";
        bytes.extend_from_slice(names);
        bytes.extend_from_slice(&section);
        let table = bytes.len() as u64;
        let header = |name: u8, flags: u64, at: u64, size: u64| {
            let mut header = vec![name, 0, 0, 0, 1, 0, 0, 0];
            header.extend([flags.to_le_bytes(), [0; 8], at.to_le_bytes(), size.to_le_bytes()].concat());
            header.resize(SECTION_HEADER, 0);
            header
        };
        bytes.extend(header(1, SHF_COMPRESSED, (ELF_HEADER + names.len()) as u64, section.len() as u64));
        bytes.extend(header(0, 0, ELF_HEADER as u64, names.len() as u64));
        bytes[40..48].copy_from_slice(&table.to_le_bytes());
        bytes[60] = 2;
        bytes[62] = 1;
        bytes
    }

    #[test]
    fn every_kind_of_compression_is_looked_into() {
        let place = tempfile::tempdir().unwrap();
        let store = LocalStore::open(StoreConfig::at(place.path()).unwrap()).unwrap();
        let tree = place.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let text = format!("{}see {}/x for more", "-".repeat(300_000), store.local_dir().display());
        let harmless = b"nothing of a store".to_vec();
        let write = |name: &str, bytes: &[u8]| fs::write(tree.join(name), bytes).unwrap();
        for (name, text) in [("page.1", text.as_bytes()), ("other.1", &harmless)] {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text).unwrap();
            write(&format!("{name}.gz"), &gzip.finish().unwrap());
            let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
            xz.write_all(text).unwrap();
            write(&format!("{name}.xz"), &xz.finish().unwrap());
            let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            bzip2.write_all(text).unwrap();
            write(&format!("{name}.bz2"), &bzip2.finish().unwrap());
            write(&format!("{name}.zst"), &zstd::encode_all(text, 1).unwrap());
        }
        let members = [
            ("harmless", 8, deflated(&harmless, true)),
            ("deflated", 8, deflated(text.as_bytes(), true)),
            ("stored", 0, text.as_bytes().to_vec()),
        ];
        write("a.jar", &zip(&members));
        write("debug", &elf(&deflated(text.as_bytes(), false), 1));
        write("debug-zstd", &elf(&zstd::encode_all(text.as_bytes(), 1).unwrap(), 2));
        write("debug-harmless", &elf(&deflated(&harmless, false), 1));
        write("plain", text.as_bytes());
        let canonical = format!("{CANONICAL_STORE}/x");
        write("canonical.zst", &zstd::encode_all(canonical.as_bytes(), 1).unwrap());
        // What begins like an archive and is none.
        for (name, start) in [
            ("x.gz", &b"\x1f\x8b\x08\0\0\0"[..]),
            ("x.zip", b"PK\x03\x04PK\x05\x06\xff\xff"),
            ("x", b"\x7fELF\x02\x01\xff"),
        ] {
            write(name, &[start, &[0xff; 200]].concat());
        }
        assert_eq!(
            store.hidden_paths(&tree),
            [
                "a.jar: deflated",
                "a.jar: stored",
                "canonical.zst",
                "debug-zstd: .debug_str",
                "debug: .debug_str",
                "page.1.bz2",
                "page.1.gz",
                "page.1.xz",
                "page.1.zst"
            ]
        );
    }
}
