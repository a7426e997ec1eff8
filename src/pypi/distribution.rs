//! What the files of a project hold: metadata, and what a source distribution says of its build.
//!
//! Metadata are asked for the cheapest way first: separate (PEP 658, also where it is not advertised), then a ranged read of a wheel's
//! directory and member, then the whole file. Sources are streamed and hashed; nothing is unpacked or run. Archives come from
//! strangers: sizes and numbers of members are limited, and names that lead out of the archive are refused.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use ureq::http::header::{CONTENT_RANGE, RANGE};
use url::Url;

use super::error::PypiError;
use super::index::Index;
use super::metadata::Metadata;
use super::netrc::redacted;
use super::simple::File;
use super::web::COMPRESSED;
use super::zip::{self, Member};
use crate::archive;
use crate::fetch::Mismatch;
use crate::hash::{Algorithm, Digest, Hasher};

/// The largest metadata that are read.
const LARGEST_METADATA: u64 = 32 << 20;
/// The largest file that is read as a whole for its metadata.
const LARGEST_FILE: u64 = 1 << 30;
/// The most that an archive may unpack to, and the most members that it may have.
const LARGEST_CONTENT: u64 = 4 << 30;
const MOST_MEMBERS: usize = 500_000;
/// The largest member of a source distribution that is read.
const LARGEST_MEMBER: u64 = 16 << 20;
/// What defines a hook of a build backend, and the largest and the most files with it that are read.
const BACKEND_HOOK: &str = "def get_requires_for_build_wheel";
const LARGEST_BACKEND: u64 = 256 << 10;
const MOST_BACKENDS: usize = 20;
/// After so many answers that there are no separate metadata a server is not asked for them any more unless it advertises them.
const PATIENCE: u32 = 3;

/// What is of interest in a source distribution: the texts at its root, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// `PKG-INFO`, `pyproject.toml`, `setup.py`, `setup.cfg`, `meson.build`, `CMakeLists.txt`, where they are there.
    pub texts: BTreeMap<String, String>,
    /// `requires.txt` of its `*.egg-info`.
    pub requires: Option<String>,
    /// Every `Cargo.lock`, by its path below the root.
    pub locks: BTreeMap<String, String>,
    /// The version of Rust that a `Cargo.toml` asks for, by its path below the root.
    pub rust_versions: BTreeMap<String, String>,
    /// The Python files that define hooks of build backends, by path.
    pub backends: BTreeMap<String, String>,
    /// Whether it has files in Rust, Fortran, C++, C or Cython: the endings.
    pub languages: Vec<String>,
}

impl Source {
    /// A text at the root.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }
}

/// What is in a wheel besides its metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WheelContent {
    /// The names of libraries that it brings along in a directory `*.libs`.
    pub libraries: Vec<String>,
}

/// Which servers have no separate metadata.
#[derive(Debug, Default)]
pub struct Experience {
    without: Mutex<BTreeMap<String, u32>>,
}

impl Experience {
    fn is_hopeless(&self, url: &Url) -> bool {
        let without = self.without.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        without.get(url.host_str().unwrap_or_default()).is_some_and(|count| *count >= PATIENCE)
    }

    fn note(&self, url: &Url, has: bool) {
        let mut without = self.without.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = without.entry(url.host_str().unwrap_or_default().to_owned()).or_default();
        *count = if has { 0 } else { *count + 1 };
    }
}

impl Index {
    /// The metadata of a wheel.
    pub fn wheel_metadata(&self, file: &File, experience: &Experience) -> Result<Metadata, PypiError> {
        self.cached("metadata", file, || {
            if file.metadata.is_some() || !experience.is_hopeless(&file.url) {
                match self.separate_metadata(file) {
                    Ok(metadata) => {
                        experience.note(&file.url, true);
                        return Ok(metadata);
                    }
                    Err(error) if error.is_absent() || matches!(error, PypiError::Status { .. }) => {
                        experience.note(&file.url, false);
                    }
                    Err(error) => return Err(error),
                }
            }
            let (members, mut wheel) = self.wheel_members(file)?;
            let name = members.iter().find(|member| is_metadata(&member.name));
            let name = name.ok_or_else(|| PypiError::content(&file.name, "it has no `METADATA`"))?;
            let content = wheel.content(name)?;
            Metadata::parse(&file.name, &content)
        })
    }

    /// What a wheel brings along.
    pub fn wheel_content(&self, file: &File) -> Result<WheelContent, PypiError> {
        self.cached("wheels", file, || {
            let (members, _) = self.wheel_members(file)?;
            let library = |member: Member| {
                let (folder, name) = member.name.rsplit_once('/')?;
                folder.ends_with(".libs").then(|| name.to_owned())
            };
            Ok(WheelContent { libraries: members.into_iter().filter_map(library).collect() })
        })
    }

    /// What a source distribution says.
    pub fn source(&self, file: &File) -> Result<Source, PypiError> {
        self.cached("sources-3", file, || {
            if file.name.ends_with(".zip") {
                let bytes = self.whole(file)?;
                return of_zip(&bytes).map_err(|reason| PypiError::content(&file.name, reason));
            }
            let answer = self.open_file(file)?;
            let digest = file.digest();
            let algorithm = digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
            let mut input = Hashing { inner: answer.take(LARGEST_FILE), hasher: Hasher::new(algorithm) };
            let read = of_tar(&mut input);
            // What follows the archive's end counts for the digest.
            let drained = std::io::copy(&mut input, &mut std::io::sink());
            let (Ok(source), Ok(_)) = (&read, &drained) else {
                let error = read.err().or_else(|| drained.err().map(|error| error.to_string()));
                return Err(PypiError::content(&file.name, error.unwrap_or_default()));
            };
            check(&file.url, digest, input.hasher.finish())?;
            Ok(source.clone())
        })
    }

    /// Answers from the cache, by the file's digest, or asks and keeps.
    fn cached<T: Serialize + serde::de::DeserializeOwned>(
        &self,
        kind: &str,
        file: &File,
        ask: impl FnOnce() -> Result<T, PypiError>,
    ) -> Result<T, PypiError> {
        let place = self.cache().zip(file.digest.as_deref());
        if let Some(found) = place.and_then(|(cache, digest)| cache.entry(kind, digest)) {
            return Ok(found);
        }
        if self.is_offline() && file.url.scheme() != "file" {
            return Err(PypiError::Offline { url: redacted(&file.url) });
        }
        let found = ask()?;
        if let Some((cache, digest)) = place {
            cache.keep_entry(kind, digest, &found)?;
        }
        Ok(found)
    }

    fn separate_metadata(&self, file: &File) -> Result<Metadata, PypiError> {
        let mut url = file.url.clone();
        url.set_path(&format!("{}.metadata", file.url.path()));
        let (bytes, answer) = self.web().read(&url, &[COMPRESSED], LARGEST_METADATA)?;
        if answer.status != 200 {
            return Err(PypiError::Status { url: redacted(&url), code: answer.status });
        }
        if let Some(expected) = file.metadata_digest() {
            check(&url, Some(expected), Digest::of(expected.algorithm(), &bytes))?;
        }
        Metadata::parse(&format!("{}.metadata", file.name), &bytes)
    }

    fn wheel_members(&self, file: &File) -> Result<(Vec<Member>, Wheel<'_>), PypiError> {
        let range = format!("bytes=-{}", zip::TAIL);
        let (tail, answer) = self.web().read(&file.url, &[(RANGE, &range)], LARGEST_FILE)?;
        let length = match answer.status {
            206 => answer
                .headers
                .get(CONTENT_RANGE)
                .and_then(|value| value.to_str().ok()?.rsplit_once('/')?.1.parse::<u64>().ok()),
            200 => Some(tail.len() as u64),
            // Some servers know ranges, but not from the end.
            416 | 501 => None,
            code => return Err(PypiError::Status { url: redacted(&file.url), code }),
        };
        let (tail, length) = match length.filter(|length| *length >= tail.len() as u64) {
            Some(length) => (tail, length),
            None => {
                let whole = self.whole(file)?;
                let length = whole.len() as u64;
                (whole, length)
            }
        };
        if tail.len() as u64 == length {
            check_bytes(file, &tail)?;
        }
        let mut wheel = Wheel { index: self, file: file.clone(), length, tail: Vec::new() };
        let members = zip::members(length, &tail, &mut |from, count| wheel.read(from, count));
        let members = members.map_err(|reason| PypiError::content(&file.name, reason))?;
        wheel.tail = tail;
        Ok((members, wheel))
    }

    fn whole(&self, file: &File) -> Result<Vec<u8>, PypiError> {
        let (bytes, answer) = self.web().read(&file.url, &[], LARGEST_FILE)?;
        if answer.status != 200 {
            return Err(PypiError::Status { url: redacted(&file.url), code: answer.status });
        }
        check_bytes(file, &bytes)?;
        Ok(bytes)
    }

    fn open_file(&self, file: &File) -> Result<Box<dyn Read + Send>, PypiError> {
        let answer = self.web().open(&file.url, &[])?;
        match answer.status {
            200 => Ok(answer.body),
            code => Err(PypiError::Status { url: redacted(&file.url), code }),
        }
    }
}

fn check_bytes(file: &File, bytes: &[u8]) -> Result<(), PypiError> {
    match file.digest() {
        Some(expected) => check(&file.url, Some(expected), Digest::of(expected.algorithm(), bytes)),
        None => Ok(()),
    }
}

fn check(url: &Url, expected: Option<Digest>, actual: Digest) -> Result<(), PypiError> {
    match expected {
        Some(expected) if expected != actual => {
            let mismatch = Box::new(Mismatch { expected, actual });
            Err(PypiError::WrongHash { url: redacted(url), mismatch })
        }
        _ => Ok(()),
    }
}

fn is_metadata(name: &str) -> bool {
    name.split_once('/').is_some_and(|(folder, rest)| folder.ends_with(".dist-info") && rest == "METADATA")
}

/// A wheel that is read in part.
struct Wheel<'a> {
    index: &'a Index,
    file: File,
    length: u64,
    tail: Vec<u8>,
}

impl Wheel<'_> {
    fn content(&mut self, member: &Member) -> Result<Vec<u8>, PypiError> {
        let (length, name) = (self.length, self.file.name.clone());
        zip::content(member, length, &mut |from, count| self.read(from, count))
            .map_err(|reason| PypiError::content(name, reason))
    }

    fn read(&mut self, from: u64, count: u64) -> Result<Vec<u8>, String> {
        let to = from.saturating_add(count).min(self.length);
        let first = self.length - self.tail.len() as u64;
        if let Some(at) = from.checked_sub(first) {
            return Ok(self.tail.get(at as usize..(to - first) as usize).unwrap_or_default().to_vec());
        }
        let range = format!("bytes={from}-{}", to.saturating_sub(1));
        let (bytes, answer) = self
            .index
            .web()
            .read(&self.file.url, &[(RANGE, &range)], LARGEST_FILE)
            .map_err(|error| error.to_string())?;
        match answer.status {
            206 => Ok(bytes),
            200 => Ok(bytes.get(from as usize..to as usize).unwrap_or_default().to_vec()),
            code => Err(crate::fetch::status_text(code)),
        }
    }
}

/// Reads and hashes.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Takes in what is of interest, file by file.
#[derive(Default)]
struct Reader {
    source: Source,
    root: Option<String>,
    members: usize,
    total: u64,
}

impl Reader {
    /// Looks at a member; says whether its content is wanted.
    fn wants(&mut self, name: &str, size: u64) -> Result<bool, String> {
        self.members += 1;
        self.total = self.total.saturating_add(size);
        if self.members > MOST_MEMBERS || self.total > LARGEST_CONTENT {
            return Err(format!(
                "it unpacks to more than {MOST_MEMBERS} files or {} GB: it looks like a trap",
                LARGEST_CONTENT >> 30
            ));
        }
        if name.starts_with('/') || name.split('/').any(|part| part == "..") {
            return Err(format!("its member `{name}` leads out of the archive"));
        }
        let name = name.trim_start_matches("./");
        let (root, rest) = name.split_once('/').unwrap_or((name, ""));
        if self.root.is_none() && !root.is_empty() {
            self.root = Some(root.to_owned());
        }
        let ending = rest.rsplit_once('.').map_or("", |(_, ending)| ending);
        let kinds = ["rs", "f90", "f", "cpp", "cc", "cxx", "c", "pyx"];
        if kinds.contains(&ending) && !self.source.languages.iter().any(|known| known == ending) {
            self.source.languages.push(ending.to_owned());
        }
        let wanted = Some(root) == self.root.as_deref() && (is_text(rest) || is_requires(rest));
        let wanted = wanted || matches!(rest.rsplit('/').next(), Some("Cargo.lock" | "Cargo.toml"));
        let wanted = wanted || may_be_backend(rest, size);
        if wanted && size > LARGEST_MEMBER {
            return Err(format!("its member `{name}` has {size} bytes, which is not read"));
        }
        Ok(wanted)
    }

    fn take(&mut self, name: &str, content: &[u8]) {
        let text = String::from_utf8_lossy(content).into_owned();
        let rest = name.trim_start_matches("./").split_once('/').map_or("", |(_, rest)| rest);
        match rest.rsplit('/').next() {
            Some("Cargo.lock") => drop(self.source.locks.insert(rest.to_owned(), text.clone())),
            Some("Cargo.toml") => {
                let version = rust_version(&text).map(|version| (rest.to_owned(), version));
                self.source.rust_versions.extend(version);
            }
            _ => {}
        }
        if is_requires(rest) {
            self.source.requires = Some(text);
        } else if is_text(rest) {
            self.source.texts.insert(rest.to_owned(), text);
        } else if rest.ends_with(".py")
            && text.contains(BACKEND_HOOK)
            && self.source.backends.len() < MOST_BACKENDS
        {
            self.source.backends.insert(rest.to_owned(), text);
        }
    }

    fn finish(mut self) -> Result<Source, String> {
        if self.members == 0 {
            return Err("it is empty".to_owned());
        }
        self.source.languages.sort();
        Ok(self.source)
    }
}

fn is_text(name: &str) -> bool {
    matches!(
        name,
        "PKG-INFO" | "pyproject.toml" | "setup.py" | "setup.cfg" | "meson.build" | "CMakeLists.txt"
    )
}

/// Whether a file may define the hooks of a backend in the project itself: in Python, not deep below the root, and not large.
fn may_be_backend(name: &str, size: u64) -> bool {
    name.ends_with(".py") && name.split('/').count() <= 4 && size <= LARGEST_BACKEND
}

/// The version of Rust that a manifest asks for; its edition may be what does.
fn rust_version(text: &str) -> Option<String> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let workspace = table.get("workspace").and_then(|it| it.get("package"));
    let tables = [table.get("package"), workspace];
    let field = |name: &str| {
        let found = tables.iter().flatten().filter_map(|table| table.get(name)?.as_str());
        found.map(str::to_owned).collect::<Vec<_>>()
    };
    let edition = field("edition").iter().any(|edition| edition == "2024").then(|| "1.85".to_owned());
    // Of a package and a workspace in one file the workspace is asked for more by its other members.
    field("rust-version").pop().or(edition)
}

fn is_requires(name: &str) -> bool {
    name.split('/')
        .rev()
        .take(2)
        .collect::<Vec<_>>()
        .get(1)
        .is_some_and(|folder| folder.ends_with(".egg-info"))
        && name.ends_with("/requires.txt")
        && name.split('/').count() <= 3
}

fn of_tar(input: &mut dyn Read) -> Result<Source, String> {
    let text = |error: std::io::Error| error.to_string();
    let input = archive::decompress(BufReader::with_capacity(1 << 16, input)).map_err(text)?;
    // Headers are cheap to multiply: what is skipped counts too.
    let mut archive = tar::Archive::new(input.take(LARGEST_CONTENT + 1));
    let mut reader = Reader::default();
    for entry in archive.entries().map_err(text)? {
        let mut entry = entry.map_err(text)?;
        if entry.header().entry_type() == tar::EntryType::XGlobalHeader {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if reader.wants(&name, entry.size())? {
            let mut content = Vec::new();
            entry.by_ref().take(LARGEST_MEMBER).read_to_end(&mut content).map_err(text)?;
            reader.take(&name, &content);
        }
    }
    reader.finish()
}

fn of_zip(bytes: &[u8]) -> Result<Source, String> {
    let mut read = |from: u64, count: u64| {
        let to = from.saturating_add(count).min(bytes.len() as u64);
        Ok(bytes.get(from as usize..to as usize).unwrap_or_default().to_vec())
    };
    let length = bytes.len() as u64;
    let mut reader = Reader::default();
    for member in zip::members(length, bytes, &mut read)? {
        if reader.wants(&member.name, member.size)? {
            let content = zip::content(&member, length, &mut read)?;
            reader.take(&member.name, &content);
        }
    }
    reader.finish()
}

#[cfg(test)]
#[path = "distribution_tests.rs"]
mod tests;
