//! Whether all commits of a channel were signed by those who might.
//!
//! As in Guix: the introduction names the first commit that is to be trusted and the key that signed it. Each later commit must be
//! signed by a key that *all its parents* authorise, in `authorized-keys` of `channel.hpcl` or in `.guix-authorizations`. What
//! came before the introduction is not looked at. OpenPGP keys are in the branch that `keyring-reference` names.

use std::collections::HashMap;

use super::{
    declared::Introduction,
    metadata::{self, Metadata, plain_signer},
};
use crate::git::{
    Commit, CommitId, GitError, PublicKey, Repository, SignatureError, Signer, public_keys, verify,
};

/// Why a channel is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticationError {
    /// The introduction's commit is no commit's name.
    #[error("its introduction names `{commit}`, which is no commit")]
    NoCommit {
        /// What stands there.
        commit: String,
    },
    /// A repository cannot be read.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The new commit does not come after the introduction.
    #[error("commit {commit} does not follow its introduction {introduction}")]
    Outside {
        /// The commit.
        commit: CommitId,
        /// The introduction.
        introduction: CommitId,
    },
    /// A commit has no signature.
    #[error("commit {commit} (\"{summary}\") is not signed")]
    Unsigned {
        /// The commit.
        commit: CommitId,
        /// What its message says.
        summary: String,
    },
    /// A signature is not good.
    #[error("the signature of commit {commit} (\"{summary}\") is not good")]
    Bad {
        /// The commit.
        commit: CommitId,
        /// What its message says.
        summary: String,
        /// Why.
        source: SignatureError,
    },
    /// A commit was signed by somebody who may not.
    #[error("commit {commit} (\"{summary}\") was signed by {signer}, who is not authorised")]
    NotAuthorized {
        /// The commit.
        commit: CommitId,
        /// What its message says.
        summary: String,
        /// The key.
        signer: String,
    },
    /// A commit does not say who may sign what follows it.
    #[error("commit {commit} does not say who may sign what follows it{reason}")]
    NoAuthorizations {
        /// The commit.
        commit: CommitId,
        /// What is wrong, if something is.
        reason: String,
    },
}

/// Checks all commits from the introduction, or from one that was checked before, to a commit.
///
/// # Errors
/// [`AuthenticationError`].
pub fn check(
    repository: &Repository,
    introduction: &Introduction,
    known: Option<CommitId>,
    commit: CommitId,
) -> Result<(), AuthenticationError> {
    let first = repository
        .abbreviated(&introduction.commit)
        .ok_or_else(|| AuthenticationError::NoCommit { commit: introduction.commit.clone() })?;
    if !repository.is_ancestor(first, commit) {
        return Err(AuthenticationError::Outside { commit, introduction: first });
    }
    // What leads to a commit that was checked was checked with it.
    let known = known.filter(|known| repository.has(*known) && repository.is_ancestor(first, *known));
    if known.is_some_and(|known| repository.is_ancestor(commit, known)) {
        return Ok(());
    }
    let mut checker =
        Checker { repository, keys: None, keyring: keyring(repository, commit), known: HashMap::new() };
    let authorized = vec![introduction.signer.clone()];
    checker.commit(&repository.commit(first)?, &[authorized])?;
    let others: Vec<CommitId> = std::iter::once(first).chain(known).collect();
    for commit in repository.between(&others, commit)? {
        let mut authorized = Vec::with_capacity(commit.parents.len());
        for parent in &commit.parents {
            authorized.push(checker.authorized_by(*parent)?);
        }
        checker.commit(&commit, &authorized)?;
    }
    Ok(())
}

/// The branch that has the OpenPGP keys of a channel.
fn keyring(repository: &Repository, commit: CommitId) -> String {
    metadata_of(repository, commit).ok().flatten().unwrap_or_default().keyring
}

fn metadata_of(repository: &Repository, commit: CommitId) -> Result<Option<Metadata>, String> {
    for file in [metadata::FILE, metadata::GUIX_FILE] {
        if let Some(text) = repository.file(commit, file).map_err(|error| error.to_string())? {
            return metadata::parse(file, &String::from_utf8_lossy(&text)).map(Some);
        }
    }
    Ok(None)
}

struct Checker<'a> {
    repository: &'a Repository,
    keyring: String,
    /// The keys of the channel, read when the first OpenPGP signature is seen.
    keys: Option<Vec<PublicKey>>,
    known: HashMap<CommitId, Vec<String>>,
}

impl Checker<'_> {
    /// Checks that a commit is signed by a key that is in each of the lists.
    fn commit(&mut self, commit: &Commit, authorized: &[Vec<String>]) -> Result<(), AuthenticationError> {
        let (id, summary) = (commit.id, || commit.summary.clone());
        let Some(signature) = &commit.signature else {
            return Err(AuthenticationError::Unsigned { commit: id, summary: summary() });
        };
        let keys = match &self.keys {
            Some(keys) => keys,
            None => {
                let keys = self.read_keys();
                self.keys.insert(keys)
            }
        };
        let signer = verify(signature, &commit.signed, keys).map_err(|source| AuthenticationError::Bad {
            commit: id,
            summary: summary(),
            source,
        })?;
        let may = |keys: &Vec<String>| keys.iter().any(|key| is_key(&signer, key));
        if authorized.is_empty() || !authorized.iter().all(may) {
            let signer = signer.to_string();
            return Err(AuthenticationError::NotAuthorized { commit: id, summary: summary(), signer });
        }
        Ok(())
    }

    fn read_keys(&self) -> Vec<PublicKey> {
        let Ok(head) = self.repository.branch(Some(&self.keyring)) else { return Vec::new() };
        let mut files = self.repository.files_ending(head, ".key").unwrap_or_default();
        files.extend(self.repository.files_ending(head, ".asc").unwrap_or_default());
        files.iter().flat_map(|(_, bytes)| public_keys(bytes)).collect()
    }

    fn authorized_by(&mut self, commit: CommitId) -> Result<Vec<String>, AuthenticationError> {
        if let Some(known) = self.known.get(&commit) {
            return Ok(known.clone());
        }
        let wrong =
            |reason: String| AuthenticationError::NoAuthorizations { commit, reason: format!(": {reason}") };
        let from_guix = match self.repository.file(commit, metadata::GUIX_KEYS)? {
            Some(text) => {
                let text = String::from_utf8_lossy(&text);
                Some(metadata::parse_authorizations(metadata::GUIX_KEYS, &text).map_err(wrong)?)
            }
            None => None,
        };
        let own =
            metadata_of(self.repository, commit).map_err(wrong)?.and_then(|metadata| metadata.authorized);
        let found = own
            .or(from_guix)
            .ok_or(AuthenticationError::NoAuthorizations { commit, reason: String::new() })?;
        self.known.insert(commit, found.clone());
        Ok(found)
    }
}

/// Whether a signature's key is the one that somebody named.
fn is_key(signer: &Signer, named: &str) -> bool {
    let named = plain_signer(named);
    match signer {
        Signer::OpenPgp { primary, signing } => named == *primary || named == *signing,
        Signer::Ssh { key } => named == *key,
    }
}
