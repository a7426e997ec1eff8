//! What was read from indexes, kept below the user's cache directory.
//!
//! ```text
//! pypi-1/pages/HASH-OF-ADDRESS       a page, with its validators and the time it was read
//! pypi-1/metadata/SHA-256            core metadata of the file with that digest
//! pypi-1/sources-3/SHA-256           what a source distribution says of its build
//! ```
//! Pages are asked for again after ten minutes, as pip and uv do; the rest is named by content and never gets old. The number is that
//! of the format. Invariant: files appear by rename; one that cannot be read counts as not there.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::PypiError;
use super::simple::File;
use crate::hash::Digest;

/// How long a page is used without asking.
const FRESH: Duration = Duration::from_secs(600);

/// A directory of what was read.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
}

/// A page of an index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page {
    /// Seconds since 1970 when the server last said that it is so.
    pub read: u64,
    /// The server's `ETag`.
    pub etag: Option<String>,
    /// The server's `Last-Modified`.
    pub modified: Option<String>,
    /// The files; `None` where the index has no such project.
    pub files: Option<Vec<File>>,
}

impl Page {
    /// A page that was read now.
    pub fn now(etag: Option<String>, modified: Option<String>, files: Option<Vec<File>>) -> Page {
        Page { read: now(), etag, modified, files }
    }

    /// Whether it may be used without asking.
    pub fn is_fresh(&self) -> bool {
        now().checked_sub(self.read).is_some_and(|age| age < FRESH.as_secs())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

impl Cache {
    /// The cache of this user: below `$XDG_CACHE_HOME` or `~/.cache`; `None` without a home.
    pub fn of_user() -> Option<Cache> {
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
        Some(Self::new(&base.join("hpcl")))
    }

    /// The cache in a directory.
    pub fn new(directory: &Path) -> Cache {
        Cache { directory: directory.join("pypi-1") }
    }

    /// The page at an address.
    pub fn page(&self, url: &Url) -> Option<Page> {
        self.load(&self.page_path(url))
    }

    /// Keeps a page.
    pub fn keep_page(&self, url: &Url, page: &Page) -> Result<(), PypiError> {
        self.keep(&self.page_path(url), page)
    }

    /// What is kept of a kind about some content.
    pub fn entry<T: DeserializeOwned>(&self, kind: &str, key: &str) -> Option<T> {
        self.load(&self.directory.join(kind).join(key))
    }

    /// Keeps something by its kind and the content that it is about.
    pub fn keep_entry<T: Serialize>(&self, kind: &str, key: &str, value: &T) -> Result<(), PypiError> {
        self.keep(&self.directory.join(kind).join(key), value)
    }

    fn page_path(&self, url: &Url) -> PathBuf {
        self.directory.join("pages").join(Digest::sha256(url.as_str().as_bytes()).to_base32())
    }

    fn load<T: DeserializeOwned>(&self, path: &Path) -> Option<T> {
        postcard::from_bytes(&std::fs::read(path).ok()?).ok()
    }

    fn keep<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), PypiError> {
        let failed = |error: std::io::Error| PypiError::cache(path, &error);
        let folder = path.parent().unwrap_or(&self.directory);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let bytes = postcard::to_stdvec(value).map_err(|error| failed(std::io::Error::other(error)))?;
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        std::io::Write::write_all(&mut draft, &bytes).map_err(failed)?;
        draft.persist(path).map(drop).map_err(|error| failed(error.error))
    }
}
