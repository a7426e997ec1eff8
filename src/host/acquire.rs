//! Sources that transformations name and whose hash nobody wrote down: they are fetched while packages are evaluated.
//!
//! Files come by the fetcher, with its mirrors and proxies, into the user's cache, by name of their address; what lies on this machine
//! is used where it lies. The result is a local file, so derivations depend on its content and not on where it came from.
//! Invariant: only what a user asks for by a transformation comes this way; recipes have hashes.

use std::{
    cell::{Cell, OnceCell},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::HostError;
use crate::{
    channel::{cleaning, place},
    executor::chain,
    fetch::{Download, Fetcher, file_path},
    git::{Repository, Wanted},
    hash::Digest,
    import::Target,
    upstream::{Package, Upstream},
};

/// The glibc that wheels must run with: the oldest, since sources are looked for.
const OLDEST_GLIBC: u64 = 17;

/// Which commit of a repository.
#[derive(Clone, Copy, Debug)]
pub enum Revision<'a> {
    /// What the repository itself puts first.
    Head,
    /// The newest of a branch.
    Branch(&'a str),
    /// The one of that name, whole or its beginning, or that a tag names.
    Commit(&'a str),
}

/// Says what is being fetched.
pub type Told = Box<dyn Fn(&str)>;

/// Fetches what evaluation asks for.
#[derive(Default)]
pub struct Acquirer {
    fetcher: OnceCell<Fetcher>,
    used: Cell<bool>,
    /// Is told of each transfer.
    pub told: Option<Told>,
}

impl Acquirer {
    /// Whether it was asked for anything, so that the same evaluation may come to something else tomorrow.
    pub fn was_used(&self) -> bool {
        self.used.get()
    }

    /// Returns a file of this machine with the content at an address.
    ///
    /// # Errors
    /// [`HostError::Acquire`].
    pub fn file(&self, url: &str) -> Result<PathBuf, HostError> {
        self.used.set(true);
        if let Some(path) = file_path(url) {
            return Ok(path);
        }
        let failed = |reason: String| HostError::Acquire { what: url.to_owned(), reason };
        let directory = cached("downloads", url).ok_or_else(no_home).map_err(failed)?;
        let name = url.split(['?', '#']).next().unwrap_or(url).rsplit('/').next().unwrap_or_default();
        let name = if name.is_empty() { "download" } else { name };
        let file = directory.join(name);
        if !file.is_file() {
            self.tell(&format!("fetching {url}"));
            std::fs::create_dir_all(&directory).map_err(|error| failed(error.to_string()))?;
            let download =
                Download { name: name.to_owned(), urls: vec![url.to_owned()], expected: None, cargo: None };
            self.fetcher()?
                .fetch(&download, &file, &mut |_| ControlFlow::Continue(()))
                .map_err(|error| failed(chain(&error)))?;
        }
        Ok(file)
    }

    /// Returns the newest version of a package that its authors released; of one of Python's, for that version of Python.
    ///
    /// # Errors
    /// [`HostError::Newest`].
    pub fn newest(&self, package: &Package, python: Option<&str>) -> Result<String, HostError> {
        self.used.set(true);
        let target = python.and_then(|version| Target::new(version, OLDEST_GLIBC));
        self.tell(&format!("looking for versions of {}", package.name));
        let found = Upstream::new(self.fetcher()?.clone(), target).newest(package, None);
        Ok(found.map_err(|source| HostError::Newest { package: package.name.clone(), source })?.version)
    }

    /// Returns a directory of this machine with the files of a commit of a repository.
    ///
    /// # Errors
    /// [`HostError::Acquire`].
    pub fn checkout(&self, url: &str, revision: &Revision<'_>) -> Result<PathBuf, HostError> {
        self.used.set(true);
        let failed = |reason: String| HostError::Acquire { what: url.to_owned(), reason };
        let cache = place::cache().ok_or_else(no_home).map_err(failed)?;
        let repository = self.repository(url, &cache, revision)?;
        let id = match revision {
            Revision::Head => repository.branch(None).map_err(|error| failed(chain(&error)))?,
            Revision::Branch(name) => repository.branch(Some(name)).map_err(|error| failed(chain(&error)))?,
            Revision::Commit(name) => repository
                .tag(name)
                .or_else(|| repository.abbreviated(name))
                .ok_or_else(|| failed(format!("it has neither a commit nor a tag `{name}`")))?,
        };
        let directory = cache.join("checkouts").join(format!("source-{id}"));
        cleaning::note_use(&directory);
        repository.export(id, &directory).map_err(|error| failed(chain(&error)))?;
        Ok(directory)
    }

    /// The copy of a repository, with all that is new unless it has the commit already, which never changes.
    fn repository(&self, url: &str, cache: &Path, revision: &Revision<'_>) -> Result<Repository, HostError> {
        let failed = |error| HostError::Acquire { what: url.to_owned(), reason: chain(&error) };
        let repository = Repository::open(url, &cache.join("git")).map_err(failed)?;
        let known = match revision {
            Revision::Commit(name) => repository.abbreviated(name).is_some(),
            Revision::Branch(_) | Revision::Head => false,
        };
        if repository.is_remote() && !known {
            self.tell(&format!("fetching {url}"));
            repository.fetch(self.fetcher()?.agent(), url, Wanted::All).map_err(failed)?;
        }
        Ok(repository)
    }

    fn fetcher(&self) -> Result<&Fetcher, HostError> {
        if let Some(fetcher) = self.fetcher.get() {
            return Ok(fetcher);
        }
        let made = Fetcher::of_host()
            .map_err(|error| HostError::Acquire { what: "sources".to_owned(), reason: chain(&error) })?;
        Ok(self.fetcher.get_or_init(|| made))
    }

    fn tell(&self, text: &str) {
        if let Some(told) = &self.told {
            told(text);
        }
    }
}

/// A directory of the user's cache for what an address has.
fn cached(kind: &str, url: &str) -> Option<PathBuf> {
    let digest = Digest::sha256(url.as_bytes()).to_base32();
    Some(place::cache()?.join(kind).join(digest.get(..20).unwrap_or(&digest)))
}

fn no_home() -> String {
    "neither `XDG_CACHE_HOME` nor `HOME` is set, so there is no place for it".to_owned()
}
