//! From declared channels to commits in use: fetch, choose, check, export, and the same for what they depend on.
//!
//! Nothing here changes what is in use: the result is a list of [`Instance`]s for a generation to hold. Repositories and exported trees
//! lie in the user's cache and are made again when they are missing there. Invariant: the directory of an instance with a commit
//! holds that commit's tree, and if the channel has an introduction, all that leads to it was signed by those who might.

use std::path::{Path, PathBuf};

use super::{
    authenticate::{self, AuthenticationError},
    cleaning,
    declared::Declared,
    generation::Instance,
    metadata::{self, Metadata},
    place,
};
use crate::fetch::FetchError;
use crate::git::{self, CommitId, GitError, Repository, Wanted};

/// Makes the client for repositories on other machines, when there is one to be asked.
pub type Agents<'a> = &'a dyn Fn() -> Result<ureq::Agent, FetchError>;

/// The address of the channels that hpcl brings along.
pub const BUNDLED: &str = "bundled:";

/// Errors of bringing channels up to date.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// There is no place for repositories.
    #[error("neither `XDG_CACHE_HOME` nor `HOME` says where channels are kept")]
    NoPlace,
    /// The directory of a channel does not exist.
    #[error("channel `{name}`: there is nothing at `{path}`")]
    Nothing {
        /// The channel.
        name: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// Nothing can be fetched from other machines.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its repository cannot be used.
    #[error("channel `{name}`")]
    Git {
        /// The channel.
        name: String,
        /// Why.
        source: GitError,
    },
    /// It has no `channel.hpcl`.
    #[error("channel `{name}` has no `channel.hpcl` at the root of {place}")]
    NoMetadata {
        /// The channel.
        name: String,
        /// Its commit or directory.
        place: String,
    },
    /// Its `channel.hpcl` is wrong.
    #[error("channel `{name}`: `{file}` is wrong: {reason}")]
    Metadata {
        /// The channel.
        name: String,
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// Two channels have the same name.
    #[error("two channels are called `{name}`: `{first}` and `{second}`")]
    Twice {
        /// The name.
        name: String,
        /// The address of one.
        first: String,
        /// The address of the other.
        second: String,
    },
    /// Channels depend on each other.
    #[error("channels depend on each other: {}", chain.join(" → "))]
    Cycle {
        /// Their names; the last is the first.
        chain: Vec<String>,
    },
    /// The new commit does not follow the one in use.
    #[error("channel `{name}` went back: commit {new} does not follow {old}, which is in use")]
    Downgrade {
        /// The channel.
        name: String,
        /// The commit in use.
        old: String,
        /// The new one.
        new: String,
    },
    /// Not all commits are signed by those who may.
    #[error("channel `{name}` cannot be trusted")]
    Untrusted {
        /// The channel.
        name: String,
        /// Why.
        source: Box<AuthenticationError>,
    },
}

/// What is worth telling on the way.
#[derive(Debug)]
pub enum Notice<'a> {
    /// A channel is fetched.
    Fetching {
        /// The channel.
        name: &'a str,
        /// From where.
        url: &'a str,
    },
    /// An address does not answer, and another one is asked.
    Failed {
        /// The channel.
        name: &'a str,
        /// Why.
        error: &'a GitError,
    },
    /// Nobody says who may sign a channel.
    Unsigned {
        /// The channel.
        name: &'a str,
    },
}

/// How channels are brought up to date.
pub struct Update<'a> {
    /// The client for repositories on other machines.
    pub agent: Agents<'a>,
    /// The channels in use.
    pub former: &'a [Instance],
    /// Whether a commit may be put to use that does not follow the former one.
    pub allow_downgrades: bool,
    /// Is told what happens.
    pub tell: &'a dyn Fn(Notice<'_>),
}

/// A channel to be looked at, and the names of those that it is for.
struct Task {
    declared: Declared,
    chain: Vec<String>,
}

impl Update<'_> {
    /// Brings channels up to date.
    ///
    /// # Errors
    /// [`UpdateError`]; nothing that is in use has changed then.
    pub fn run(&self, declared: &[Declared]) -> Result<Vec<Instance>, UpdateError> {
        let mut found: Vec<Instance> = Vec::new();
        let task = |declared: &Declared| Task { declared: declared.clone(), chain: Vec::new() };
        let mut tasks: std::collections::VecDeque<Task> = declared.iter().map(task).collect();
        while let Some(Task { declared, chain }) = tasks.pop_front() {
            if declared.url == BUNDLED {
                continue;
            }
            if chain.contains(&declared.name) {
                let start = chain.iter().position(|name| *name == declared.name).unwrap_or(0);
                let mut chain = chain.get(start..).unwrap_or_default().to_vec();
                chain.push(declared.name);
                return Err(UpdateError::Cycle { chain });
            }
            if let Some(other) = found.iter().find(|instance| instance.declared.name == declared.name) {
                // What the user declares goes before what a channel says of what it needs.
                if chain.is_empty() || other.needed_by.is_some() && other.declared.url != declared.url {
                    let (first, second) = (other.declared.url.clone(), declared.url);
                    return Err(UpdateError::Twice { name: declared.name, first, second });
                }
                continue;
            }
            let (mut instance, metadata) = self.channel(&declared)?;
            instance.needed_by = chain.last().cloned();
            let mut chain = chain;
            chain.push(declared.name);
            let needed = |dependency: Declared| Task { declared: dependency, chain: chain.clone() };
            tasks.extend(metadata.dependencies.into_iter().map(needed));
            found.push(instance);
        }
        Ok(found)
    }

    fn channel(&self, declared: &Declared) -> Result<(Instance, Metadata), UpdateError> {
        let name = &declared.name;
        if let Some(path) = git::local_path(&declared.url) {
            if !path.exists() {
                return Err(UpdateError::Nothing { name: name.clone(), path });
            }
            if !git::is_repository(&path) {
                let metadata = read_metadata(name, &path, &format!("`{}`", path.display()))?;
                return Ok((instance_of(declared, None, &metadata), metadata));
            }
        }
        let failed = |source| UpdateError::Git { name: name.clone(), source };
        let repository = Repository::open(&declared.url, &repositories()?).map_err(failed)?;
        let former = self
            .former
            .iter()
            .find(|instance| instance.declared.name == *name && instance.declared.commit.is_some());
        let commit = self.commit(declared, &repository, former)?;
        let old = former.and_then(|former| CommitId::parse(former.declared.commit.as_deref()?));
        match &declared.introduction {
            Some(introduction) => {
                let known =
                    former.filter(|former| former.declared.introduction.as_ref() == Some(introduction));
                let known = known.and(old);
                authenticate::check(&repository, introduction, known, commit).map_err(|source| {
                    UpdateError::Untrusted { name: name.clone(), source: Box::new(source) }
                })?;
            }
            None if repository.is_remote() => (self.tell)(Notice::Unsigned { name }),
            None => {}
        }
        if let Some(old) = old.filter(|_| !self.allow_downgrades)
            && !repository.is_ancestor(old, commit)
        {
            let (old, new) = (old.to_string(), commit.to_string());
            return Err(UpdateError::Downgrade { name: name.clone(), old, new });
        }
        let directory = checkout(name, commit)?;
        repository.export(commit, &directory).map_err(failed)?;
        let metadata = read_metadata(name, &directory, &format!("commit {commit}"))?;
        Ok((instance_of(declared, Some(commit), &metadata), metadata))
    }

    /// Returns the commit that is wanted, fetched if need be.
    fn commit(
        &self,
        declared: &Declared,
        repository: &Repository,
        former: Option<&Instance>,
    ) -> Result<CommitId, UpdateError> {
        let failed = |source| UpdateError::Git { name: declared.name.clone(), source };
        let wanted = declared.commit.as_deref();
        // A commit that is here never changes.
        if let Some(id) = wanted.and_then(|commit| repository.abbreviated(commit)) {
            return Ok(id);
        }
        let keys = "keyring";
        let mirrors =
            declared.mirrors.iter().chain(former.iter().flat_map(|former| &former.declared.mirrors));
        let mut addresses: Vec<&str> = vec![&declared.url];
        addresses.extend(mirrors.map(String::as_str));
        addresses.dedup();
        let mut outcome = Ok(());
        let mut addresses = addresses.into_iter().filter(|_| repository.is_remote()).peekable();
        while let Some(address) = addresses.next() {
            (self.tell)(Notice::Fetching { name: &declared.name, url: address });
            let agent = (self.agent)()?;
            let what = match wanted {
                Some(_) => Wanted::All,
                None => Wanted::Branch(declared.branch.as_deref(), keys),
            };
            outcome = repository.fetch(&agent, address, what);
            match &outcome {
                Ok(()) => break,
                // The last one is the verb's error.
                Err(error) if addresses.peek().is_some() => {
                    (self.tell)(Notice::Failed { name: &declared.name, error });
                }
                Err(_) => {}
            }
        }
        outcome.map_err(failed)?;
        match wanted {
            Some(commit) => repository.abbreviated(commit).ok_or_else(|| {
                failed(GitError::NoCommit { url: declared.url.clone(), commit: commit.to_owned() })
            }),
            None => repository.branch(declared.branch.as_deref()).map_err(failed),
        }
    }
}

impl Instance {
    /// Returns the directory that has its modules; its tree is exported again if it is not there.
    ///
    /// # Errors
    /// When that needs what cannot be fetched.
    pub fn modules(&self, agent: Agents<'_>) -> Result<PathBuf, UpdateError> {
        let root = match &self.declared.commit {
            Some(commit) => {
                let id = CommitId::parse(commit).ok_or_else(|| UpdateError::Git {
                    name: self.declared.name.clone(),
                    source: GitError::NoCommit { url: self.declared.url.clone(), commit: commit.clone() },
                })?;
                let root = checkout(&self.declared.name, id)?;
                cleaning::note_use(&root);
                if !root.is_dir() {
                    let update = Update { agent, former: &[], allow_downgrades: true, tell: &|_| {} };
                    update.channel(&self.declared)?;
                }
                root
            }
            None => {
                let path = git::local_path(&self.declared.url).unwrap_or_default();
                if !path.is_dir() {
                    return Err(UpdateError::Nothing { name: self.declared.name.clone(), path });
                }
                path
            }
        };
        Ok(if self.directory.is_empty() { root } else { root.join(&self.directory) })
    }

    /// Where its exported tree is, or would be, if it is of a commit.
    pub fn checkout(&self) -> Option<PathBuf> {
        checkout(&self.declared.name, CommitId::parse(self.declared.commit.as_ref()?)?).ok()
    }

    /// Opens its repository, if it has one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn repository(&self) -> Result<Option<Repository>, UpdateError> {
        if self.declared.commit.is_none() {
            return Ok(None);
        }
        let failed = |source| UpdateError::Git { name: self.declared.name.clone(), source };
        Repository::open(&self.declared.url, &repositories()?).map(Some).map_err(failed)
    }
}

fn instance_of(declared: &Declared, commit: Option<CommitId>, metadata: &Metadata) -> Instance {
    let mut mirrors = declared.mirrors.clone();
    mirrors.extend(metadata.mirrors.iter().filter(|url| **url != declared.url).cloned());
    mirrors.dedup();
    Instance {
        pinned: declared.commit.is_some(),
        declared: Declared { commit: commit.map(|id| id.to_string()), mirrors, ..declared.clone() },
        directory: metadata.directory.clone(),
        edition: metadata.edition,
        needed_by: None,
        news: metadata.news.clone(),
    }
}

/// Reads what the channel in a directory says of itself.
fn read_metadata(name: &str, root: &Path, place: &str) -> Result<Metadata, UpdateError> {
    for file in [metadata::FILE, metadata::GUIX_FILE] {
        let wrong =
            |reason: String| UpdateError::Metadata { name: name.to_owned(), file: file.to_owned(), reason };
        match std::fs::read(root.join(file)) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8".to_owned()))?;
                return metadata::parse(file, &text).map_err(wrong);
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(wrong(error.to_string())),
        }
    }
    Err(UpdateError::NoMetadata { name: name.to_owned(), place: place.to_owned() })
}

fn repositories() -> Result<PathBuf, UpdateError> {
    Ok(place::cache().ok_or(UpdateError::NoPlace)?.join("git"))
}

fn checkout(name: &str, commit: CommitId) -> Result<PathBuf, UpdateError> {
    Ok(checkouts().ok_or(UpdateError::NoPlace)?.join(format!("{name}-{commit}")))
}

/// The folder of exported trees, which nobody changes.
pub fn checkouts() -> Option<PathBuf> {
    Some(place::cache()?.join("checkouts"))
}
