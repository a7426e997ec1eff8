//! What can go wrong in the store.

use std::{io, path::PathBuf};

use crate::{
    derivation::DerivationError,
    hash::Digest,
    nar::NarError,
    store_path::{StorePath, StorePathError},
};

/// Why the store cannot do what it was asked. The store is intact after any of them.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The padded path cannot be as long as the canonical one.
    #[error(
        "`{}` is too long for a store: it has {} bytes, at most {limit} leave room for `/hpcl/store`",
        base.display(),
        base.as_os_str().len()
    )]
    TooLong {
        /// The directory that the store was to be put into.
        base: PathBuf,
        /// The most bytes that it may have.
        limit: usize,
    },
    /// The directory cannot be the beginning of paths in scripts, `PATH` and build systems.
    #[error("`{}` cannot hold a store: {reason}", base.display())]
    BadBase {
        /// The directory that the store was to be put into.
        base: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// None of `HPCL_STORE`, `XDG_DATA_HOME` and `HOME` is set.
    #[error("there is no place for the store: none of `HPCL_STORE`, `XDG_DATA_HOME` and `HOME` is set")]
    NoPlace,
    /// The store was made for another path; its files hold that path.
    #[error("the store at `{}` was made as `{made}`; its files refer to that path", path.display())]
    Moved {
        /// Where it is now.
        path: PathBuf,
        /// Where it was made.
        made: String,
    },
    /// A store below this one cannot be read.
    #[error("the store `{}`, a layer below yours, cannot be read", layer.display())]
    LayerGone {
        /// Its store directory.
        layer: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What lies in a layer is never written.
    #[error("`{}` lies in a layer below your store, where nothing is changed", path.display())]
    InLayer {
        /// The item.
        path: PathBuf,
    },
    /// A group's store has a directory that is not as the group needs it.
    #[error("`{}` of the group's store `{}` {reason}", path.display(), store.display())]
    GroupStore {
        /// The store.
        store: PathBuf,
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is kept by a group that this user is not in.
    #[error("the store `{}` is kept by group {group}, which you are not in", store.display())]
    NotInGroup {
        /// The store.
        store: PathBuf,
        /// The group.
        group: u32,
    },
    /// What this process makes could not be used by the group.
    #[error("the umask is {umask:04o}, so that the group which keeps the store `{}` could not use what you make", store.display())]
    GroupUmask {
        /// The store.
        store: PathBuf,
        /// The umask.
        umask: u32,
    },
    /// The file system lacks what items are made of.
    #[error("the file system of `{}` cannot hold a store: it {lacks}", path.display())]
    BadFileSystem {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        lacks: &'static str,
    },
    /// A newer hpcl made the store.
    #[error("the store at `{}` has format {found}; this hpcl knows format {known}", path.display())]
    Format {
        /// The store.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The only format that we know.
        known: u32,
    },
    /// The operating system refuses.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file system has no locks that work between processes.
    #[error("the file system of `{}` has no working locks, which the store needs", path.display())]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Other processes use a store that is to go.
    #[error("other processes use the store at `{}`", path.display())]
    InUse {
        /// The store.
        path: PathBuf,
    },
    /// Waiting for another process was given up on request.
    #[error("gave up waiting for another process that works on `{path}`")]
    Interrupted {
        /// The item.
        path: StorePath,
    },
    /// The item is not in the store.
    #[error("`{path}` is not in the store")]
    NotValid {
        /// The item.
        path: StorePath,
    },
    /// The item's metadata cannot be understood.
    #[error("the metadata of a store item in `{}` is damaged", path.display())]
    Metadata {
        /// The metadata's file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file with the setuid or setgid bit, or with capabilities.
    #[error("`{}` of `{path}` is {what}, which no store item may be", file.display())]
    Privileged {
        /// The item.
        path: String,
        /// The file in it.
        file: PathBuf,
        /// `setuid`, `setgid` or `given capabilities`.
        what: &'static str,
    },
    /// A socket, pipe or device.
    #[error("`{}` of `{path}` is a {kind}, which no store item may hold", file.display())]
    Special {
        /// The item.
        path: String,
        /// The file in it.
        file: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The output was not made.
    #[error("output `{path}` was not made")]
    NotMade {
        /// The output.
        path: StorePath,
    },
    /// A fixed output is something else than was promised.
    #[error("`{path}` has the wrong hash: expected `{}`, got `{}`", expected.to_base32(), actual.to_base32())]
    HashMismatch {
        /// The output.
        path: StorePath,
        /// What was promised.
        expected: Box<Digest>,
        /// What came.
        actual: Box<Digest>,
    },
    /// An archive is longer or shorter than promised.
    #[error("the archive of `{path}` has {actual} bytes or more instead of {expected}")]
    WrongSize {
        /// The item.
        path: StorePath,
        /// The promised size.
        expected: u64,
        /// How many bytes came, at most one more than promised.
        actual: u64,
    },
    /// A flat fixed output must be a plain file.
    #[error("`{path}` has a flat hash, so it must be a file that is not executable")]
    NotFlat {
        /// The output.
        path: StorePath,
    },
    /// A fixed output that refers to the store would not be fixed.
    #[error("fixed output `{path}` refers to `{reference}`, but it may not refer to the store")]
    FixedReference {
        /// The output.
        path: StorePath,
        /// What it refers to.
        reference: StorePath,
    },
    /// Outputs of one derivation that refer to each other.
    #[error("outputs refer to each other in a cycle: {}", paths.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", "))]
    OutputCycle {
        /// The outputs.
        paths: Vec<StorePath>,
    },
    /// An item may only refer to items that are there.
    #[error("`{path}` refers to `{reference}`, which is not in the store")]
    MissingReference {
        /// The item.
        path: StorePath,
        /// What it refers to.
        reference: StorePath,
    },
    /// A root's link would replace something else.
    #[error("`{}` is there already and is not a link into the store", link.display())]
    LinkTaken {
        /// The link.
        link: PathBuf,
    },
    /// A name that cannot be a root's.
    #[error("`{name}` cannot name a root: it must be a plain file name")]
    RootName {
        /// The name.
        name: String,
    },
    /// A tree cannot be archived.
    #[error(transparent)]
    Nar(NarError),
    /// A name cannot be a store item's.
    #[error(transparent)]
    Path(#[from] StorePathError),
    /// A derivation is wrong.
    #[error(transparent)]
    Derivation(#[from] DerivationError),
}

impl StoreError {
    /// For `map_err`: what was tried, on which file.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}

impl From<NarError> for StoreError {
    fn from(error: NarError) -> Self {
        match error {
            // A file of the store: what can be done about a full disk and the like is the same.
            NarError::Create { path, source } => Self::Io { action: "create", path, source },
            other => Self::Nar(other),
        }
    }
}
