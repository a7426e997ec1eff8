//! Git repositories: fetching them, and reading commits and trees, by gix.
//!
//! What is on this machine is read where it lies; what is elsewhere is kept as a bare repository in the user's cache and
//! fetched into it, over HTTP by the same client as downloads, over ssh by the system's program. gix changes its
//! interface with each minor version; all of it is behind this module. Invariant: a repository's objects are only read
//! after git's own hash of them was checked by whoever wrote them, and a tree is exported whole or not at all.

mod error;
mod export;
mod http;
mod openpgp;
mod packet;
mod signature;
mod ssh_signature;
mod swhid;

use std::{
    collections::{BinaryHeap, HashSet},
    fmt,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix::{bstr::ByteSlice, remote::fetch::Tags};

pub use error::GitError;
pub use openpgp::{PublicKey, public_keys};
pub use signature::{SignatureError, Signer, verify};
pub use swhid::swhid;

/// The name of a commit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommitId(gix::ObjectId);

impl CommitId {
    /// Reads forty hexadecimal digits.
    pub fn parse(text: &str) -> Option<CommitId> {
        gix::ObjectId::from_hex(text.as_bytes()).ok().map(CommitId)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is needed of a commit.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// The commits that it follows.
    pub parents: Vec<CommitId>,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// The first line of its message.
    pub summary: String,
    /// The signature, as it stands in the commit.
    pub signature: Option<Vec<u8>>,
    /// What the signature is of: the commit without it.
    pub signed: Vec<u8>,
}

/// A repository.
pub struct Repository {
    inner: gix::Repository,
    url: String,
    remote: bool,
}

/// What to fetch.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// A branch, or the remote's own choice, and the branch that has keys.
    Branch(Option<&'a str>, &'a str),
    /// All branches and tags, and what the remote puts first.
    All,
}

/// The directory that an address names, if it names one of this machine.
pub fn local_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").unwrap_or(url);
    path.starts_with('/').then(|| PathBuf::from(path))
}

fn is_http(url: &str) -> bool {
    url.starts_with("http:") || url.starts_with("https:")
}

/// What runs `ssh`: git's own setting, or the program with the options that other connections of ours have.
fn ssh_command() -> String {
    std::env::var("GIT_SSH_COMMAND").unwrap_or_else(|_| {
        let options = std::env::var("HPCL_SSH_OPTIONS").unwrap_or_default();
        format!("ssh {options}").trim_end().to_owned()
    })
}

/// Whether a directory is a repository, bare or with a work tree.
pub fn is_repository(directory: &Path) -> bool {
    directory.join(".git").exists()
        || (directory.join("HEAD").is_file() && directory.join("objects").is_dir())
}

impl Repository {
    /// Opens the repository at an address: on this machine, or the copy of it in a cache, which is made if there is none.
    ///
    /// # Errors
    /// [`GitError::NoRepository`], [`GitError::Cache`].
    pub fn open(url: &str, cache: &Path) -> Result<Repository, GitError> {
        // What a repository of another user says in its settings is not obeyed.
        let options = || {
            gix::open::Options::isolated().config_overrides([format!("core.sshCommand={}", ssh_command())])
        };
        if let Some(path) = local_path(url) {
            let inner = gix::open_opts(&path, options()).map_err(|source| match is_repository(&path) {
                true => GitError::Damaged { path: path.clone(), source: boxed(source) },
                false => GitError::NoRepository { path: path.clone() },
            })?;
            return Ok(Repository { inner, url: url.to_owned(), remote: false });
        }
        let name = crate::hash::Digest::sha256(url.as_bytes()).to_base32();
        let path = cache.join(name.get(..32).unwrap_or(&name));
        let failed = |source| GitError::Cache { path: path.clone(), source };
        let inner = match gix::open_opts(&path, options()) {
            Ok(inner) => inner,
            Err(_) => {
                // A copy that cannot be opened is as good as none.
                let _ = std::fs::remove_dir_all(&path);
                std::fs::create_dir_all(&path).map_err(|error| failed(boxed(error)))?;
                gix::init_bare(&path).map_err(|error| failed(boxed(error)))?;
                gix::open_opts(&path, options()).map_err(|error| failed(boxed(error)))?
            }
        };
        Ok(Repository { inner, url: url.to_owned(), remote: true })
    }

    /// Whether fetching asks another machine.
    pub fn is_remote(&self) -> bool {
        self.remote
    }

    /// Fetches what is new, from the repository's own address or from another that has the same. Nothing is to be done for
    /// one of this machine.
    ///
    /// # Errors
    /// [`GitError::Fetch`], with the reason.
    pub fn fetch(&self, agent: &ureq::Agent, from: &str, wanted: Wanted<'_>) -> Result<(), GitError> {
        if !self.remote {
            return Ok(());
        }
        let refspecs = match wanted {
            Wanted::Branch(branch, keys) => vec![
                match branch {
                    Some(branch) => format!("+refs/heads/{branch}:refs/heads/{branch}"),
                    None => "+HEAD:refs/hpcl/HEAD".to_owned(),
                },
                format!("+refs/heads/{keys}:refs/heads/{keys}"),
            ],
            Wanted::All => ["+HEAD:refs/hpcl/HEAD", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
                .map(str::to_owned)
                .to_vec(),
        };
        self.receive(agent, from, &refspecs, None, &AtomicBool::new(false))
            .map_err(|source| GitError::Fetch { url: from.to_owned(), source })
    }

    /// Fetches one revision, a commit, tag or branch, without its history where the server allows that, and returns its commit.
    ///
    /// # Errors
    /// [`GitError::Fetch`], [`GitError::NoCommit`].
    pub fn fetch_one(
        &self,
        agent: &ureq::Agent,
        revision: &str,
        stop: &AtomicBool,
    ) -> Result<CommitId, GitError> {
        let find = || match CommitId::parse(revision) {
            Some(id) => self.has(id).then_some(id),
            None => self
                .tag(revision)
                .or_else(|| self.reference(&format!("refs/heads/{revision}")))
                .or_else(|| self.abbreviated(revision)),
        };
        if self.remote {
            let narrow = match CommitId::parse(revision) {
                Some(id) => format!("+{id}:refs/hpcl/wanted"),
                None => format!("+refs/tags/{revision}:refs/tags/{revision}"),
            };
            let _ = self.receive(agent, &self.url, &[narrow], Some(1), stop);
            if let Some(id) = find() {
                return Ok(id);
            }
            let all = ["+HEAD:refs/hpcl/HEAD", "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            self.receive(agent, &self.url, &all.map(str::to_owned), None, stop)
                .map_err(|source| GitError::Fetch { url: self.url.clone(), source })?;
        }
        find().ok_or_else(|| GitError::NoCommit { url: self.url.clone(), commit: revision.to_owned() })
    }

    fn receive(
        &self,
        agent: &ureq::Agent,
        from: &str,
        refspecs: &[String],
        depth: Option<u32>,
        interrupt: &AtomicBool,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        use gix::remote::{Direction, ref_map};
        let options = ref_map::Options::default();
        let progress = gix::progress::Discard;
        let shallow = match depth.and_then(std::num::NonZeroU32::new) {
            Some(depth) => gix::remote::fetch::Shallow::DepthAtRemote(depth),
            None => gix::remote::fetch::Shallow::NoChange,
        };
        let remote = self.remote(from, refspecs)?;
        // Nobody is asked for a password: whoever needs one uses ssh.
        if is_http(from) {
            let transport = http::transport(agent.clone(), from)?;
            let connection = remote.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
            connection
                .prepare_fetch(progress, options)?
                .with_shallow(shallow)
                .receive(gix::progress::Discard, interrupt)?;
        } else {
            let connection = remote.connect(Direction::Fetch)?.with_credentials(|_| Ok(None));
            connection
                .prepare_fetch(progress, options)?
                .with_shallow(shallow)
                .receive(gix::progress::Discard, interrupt)?;
        }
        Ok(())
    }

    fn remote(
        &self,
        from: &str,
        refspecs: &[String],
    ) -> Result<gix::Remote<'_>, Box<dyn std::error::Error + Send + Sync>> {
        let specs = refspecs.iter().map(|spec| spec.as_str());
        let remote = self.inner.remote_at(from)?.with_fetch_tags(Tags::None);
        Ok(remote.with_refspecs(specs, gix::remote::Direction::Fetch)?)
    }

    /// Returns the names of the tags that the remote has now; no objects are fetched.
    ///
    /// # Errors
    /// [`GitError::Fetch`].
    pub fn remote_tags(&self, agent: &ureq::Agent) -> Result<Vec<String>, GitError> {
        self.listed_tags(agent).map_err(|source| GitError::Fetch { url: self.url.clone(), source })
    }

    fn listed_tags(
        &self,
        agent: &ureq::Agent,
    ) -> Result<Vec<String>, Box<dyn std::error::Error + Send + Sync>> {
        use gix::remote::{Direction, ref_map};
        let remote = self.remote(&self.url, &["+refs/tags/*:refs/tags/*".to_owned()])?;
        let (options, progress) = (ref_map::Options::default(), gix::progress::Discard);
        let (found, _) = if is_http(&self.url) {
            let transport = http::transport(agent.clone(), &self.url)?;
            let connection = remote.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
            connection.ref_map(progress, options)?
        } else {
            remote.connect(Direction::Fetch)?.with_credentials(|_| Ok(None)).ref_map(progress, options)?
        };
        let names = found.remote_refs.iter().map(|reference| reference.unpack().0);
        Ok(names
            .filter_map(|name| name.to_str().ok()?.strip_prefix("refs/tags/").map(str::to_owned))
            .collect())
    }

    /// Returns the commit at the head of a branch; without a name, of the one that the repository puts first.
    ///
    /// # Errors
    /// [`GitError::NoBranch`].
    pub fn branch(&self, name: Option<&str>) -> Result<CommitId, GitError> {
        let found = match name {
            Some(name) => self.reference(&format!("refs/heads/{name}")),
            None if self.remote => self.reference("refs/hpcl/HEAD"),
            None => self.reference("HEAD"),
        };
        found.ok_or_else(|| GitError::NoBranch {
            url: self.url.clone(),
            branch: name.unwrap_or("HEAD").to_owned(),
            others: self.branches(),
        })
    }

    fn reference(&self, name: &str) -> Option<CommitId> {
        let mut reference = self.inner.try_find_reference(name).ok()??;
        reference.peel_to_id().ok().map(|id| CommitId(id.detach()))
    }

    fn branches(&self) -> Vec<String> {
        let Ok(platform) = self.inner.references() else { return Vec::new() };
        let Ok(branches) = platform.local_branches() else { return Vec::new() };
        branches.flatten().map(|branch| branch.name().shorten().to_string()).collect()
    }

    /// Returns the names of the tags, sorted.
    pub fn tags(&self) -> Vec<String> {
        let Ok(platform) = self.inner.references() else { return Vec::new() };
        let Ok(tags) = platform.tags() else { return Vec::new() };
        tags.flatten().map(|tag| tag.name().shorten().to_string()).collect()
    }

    /// Returns the commit that a tag names.
    pub fn tag(&self, name: &str) -> Option<CommitId> {
        self.reference(&format!("refs/tags/{name}"))
    }

    /// Whether a commit is here.
    pub fn has(&self, id: CommitId) -> bool {
        self.inner.find_commit(id.0).is_ok()
    }

    /// Returns the one commit whose name begins so, if there is one.
    pub fn abbreviated(&self, text: &str) -> Option<CommitId> {
        if let Some(id) = CommitId::parse(text) {
            return self.has(id).then_some(id);
        }
        let prefix = gix::hash::Prefix::from_hex(text).ok()?;
        let found = self.inner.objects.lookup_prefix(prefix, None).ok()??.ok()?;
        self.inner.find_commit(found).ok()?;
        Some(CommitId(found))
    }

    /// Returns a commit.
    ///
    /// # Errors
    /// [`GitError::NoCommit`].
    pub fn commit(&self, id: CommitId) -> Result<Commit, GitError> {
        let absent = || GitError::NoCommit { url: self.url.clone(), commit: id.to_string() };
        let commit = self.inner.find_commit(id.0).map_err(|_| absent())?;
        let (signature, signed) = signature::split(&commit.data);
        Ok(Commit {
            id,
            parents: commit.parent_ids().map(|parent| CommitId(parent.detach())).collect(),
            time: commit.time().map_err(|_| absent())?.seconds,
            summary: commit
                .message_raw_sloppy()
                .lines()
                .next()
                .unwrap_or_default()
                .to_str_lossy()
                .into_owned(),
            signature,
            signed,
        })
    }

    /// Whether one commit is another or comes before it. What cannot be read comes before nothing.
    pub fn is_ancestor(&self, old: CommitId, new: CommitId) -> bool {
        let mut seen = HashSet::from([new]);
        let mut next = BinaryHeap::from([(0, new)]);
        while let Some((_, id)) = next.pop() {
            if id == old {
                return true;
            }
            let Ok(commit) = self.inner.find_commit(id.0) else { continue };
            let time = commit.time().map_or(0, |time| time.seconds);
            next.extend(
                commit
                    .parent_ids()
                    .map(|id| CommitId(id.detach()))
                    .filter(|id| seen.insert(*id))
                    .map(|id| (time, id)),
            );
        }
        false
    }

    /// Returns the commits that lead to one, without those that lead to any of the others; the oldest first, each after its
    /// parents.
    ///
    /// # Errors
    /// [`GitError::NoCommit`].
    pub fn between(&self, others: &[CommitId], id: CommitId) -> Result<Vec<Commit>, GitError> {
        let mut known: HashSet<CommitId> = HashSet::new();
        let mut stack: Vec<CommitId> = others.iter().copied().filter(|id| self.has(*id)).collect();
        while let Some(id) = stack.pop() {
            if known.insert(id) {
                stack.extend(self.parents(id)?);
            }
        }
        let mut sorted = Vec::new();
        let mut stack = vec![(id, false)];
        while let Some((id, done)) = stack.pop() {
            if done {
                sorted.push(self.commit(id)?);
            } else if known.insert(id) {
                stack.push((id, true));
                stack.extend(self.parents(id)?.into_iter().map(|parent| (parent, false)));
            }
        }
        Ok(sorted)
    }

    fn parents(&self, id: CommitId) -> Result<Vec<CommitId>, GitError> {
        let absent = |_| GitError::NoCommit { url: self.url.clone(), commit: id.to_string() };
        let commit = self.inner.find_commit(id.0).map_err(absent)?;
        Ok(commit.parent_ids().map(|id| CommitId(id.detach())).collect())
    }
}

fn boxed(error: impl std::error::Error + Send + Sync + 'static) -> Box<dyn std::error::Error + Send + Sync> {
    Box::new(error)
}
