//! Binary caches: what others have built, as plain files in Nix's layout.
//!
//! ```text
//! nix-cache-info            StoreDir, Priority
//! HASH.narinfo              what the cache says of an item
//! nar/FILEHASH.nar.zst      its archive, in canonical form
//! ```
//!
//! Reading ([`Cache`]) goes through `fetch`, so a directory, a web server and a mirror are the same; other machines and object stores
//! are read and written as [`Place`](place::Place)s. [`substitute`] looks up
//! what a graph wants, takes what a trusted key vouches for, and leaves the rest to be built. [`push`] writes a closure into a
//! directory, which any web server can serve. [`write_bundle`] makes one file of it. [`Publisher`] serves
//! a store as if it were a cache.
//!
//! Invariant: nothing becomes an item whose archive does not have the hash that a trusted signature covers.

mod bundle;
mod key;
mod narinfo;
mod place;
mod publish;
mod push;
mod remote;
mod s3;
mod s3_http;
mod ssh;
mod ssh_place;
mod substitute;

use std::{io, path::PathBuf};

pub use bundle::{BundleIndex, bundled_recipes, read_bundle, write_bundle};
pub use key::{PublicKey, SecretKey, Signature, TrustedKeys, trusted_keys_path};
pub use narinfo::{Compression, NarInfo};
pub use publish::Publisher;
pub use push::{Push, Pushed, list, list_remote, push, push_remote, sign};
pub use remote::{Cache, is_remote};
pub use ssh::{RemoteStore, SshHost};
pub use substitute::{Note, Plan, Substituter, ask_all};

use crate::{fetch::FetchError, hash::Digest, store::StoreError, store_path::StorePath};

/// The file that makes a directory a cache.
const CACHE_INFO: &str = "nix-cache-info";

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A key's name has a colon, a blank or nothing in it.
    #[error("`{name}` cannot name a key: it must be printable characters without blanks and colons")]
    Name {
        /// The name.
        name: String,
    },
    /// A file of keys cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else. What it holds is not shown.
    #[error("`{}` is not a secret key (`NAME:BASE64`, 64 bytes)", path.display())]
    NotSecret {
        /// The file.
        path: PathBuf,
    },
    /// A line of a file of public keys is something else.
    #[error("`{}`: line {line} is not a public key", path.display())]
    NotPublic {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Why a `.narinfo` cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NarInfoError {
    /// A line without a colon.
    #[error("line {line} is no field")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// A field that must be there.
    #[error("field `{field}` is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field that may be there once.
    #[error("field `{field}` stands there twice")]
    Twice {
        /// The field.
        field: &'static str,
    },
    /// A field with a value that it cannot have.
    #[error("field `{field}` cannot be `{value}`")]
    Value {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// Why a cache or one of its items cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The place is no cache.
    #[error("`{url}` is not a binary cache: it has no `nix-cache-info`")]
    NoCache {
        /// The address.
        url: String,
    },
    /// The cache is for another store directory.
    #[error("binary cache `{url}` is for stores at `{directory}`, not for hpcl's")]
    OtherStore {
        /// The address.
        url: String,
        /// The directory that it is for.
        directory: String,
    },
    /// What the cache says of an item cannot be understood.
    #[error("what binary cache `{url}` says of `{path}` cannot be understood")]
    NarInfo {
        /// The address.
        url: String,
        /// The item.
        path: StorePath,
        /// Why.
        source: NarInfoError,
    },
    /// The cache answers with another item.
    #[error("asked for `{path}`, binary cache `{url}` answers with `{other}`")]
    OtherItem {
        /// The address.
        url: String,
        /// What was asked for.
        path: StorePath,
        /// What came.
        other: StorePath,
    },
    /// The file of an archive cannot be fetched, or is not what the cache says.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The archive cannot be taken into the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The archive cannot be decompressed.
    #[error("cannot decompress the archive of `{path}`")]
    Decompress {
        /// The item.
        path: StorePath,
        /// Why.
        source: io::Error,
    },
    /// A file of the cache cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no bundle, or a damaged one.
    #[error("this is not a bundle of hpcl's, or it is damaged: {reason}")]
    Bundle {
        /// What is wrong with it.
        reason: String,
    },
    /// Another machine cannot be reached, or what was asked of it failed.
    #[error("copying with `{host}` failed: {reason}")]
    Ssh {
        /// The machine.
        host: String,
        /// Why.
        reason: String,
    },
    /// An object store refuses, or cannot be reached.
    #[error("binary cache `{url}`: {reason}")]
    ObjectStore {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// A file of a cache is not what the cache says.
    #[error("`{url}` has the wrong hash: expected `{expected}`, got `{actual}`")]
    WrongFile {
        /// The file's address.
        url: String,
        /// What the cache says.
        expected: Box<Digest>,
        /// What came.
        actual: Box<Digest>,
    },
    /// An item that was built without isolation is not given to others unasked.
    #[error("`{path}` was built without a sandbox")]
    NotSandboxed {
        /// The item.
        path: StorePath,
    },
    /// The item in the store is not what was registered.
    #[error("`{path}` is damaged: its archive has hash `{actual}`, registered is `{expected}`")]
    Damaged {
        /// The item.
        path: StorePath,
        /// The registered hash.
        expected: Box<Digest>,
        /// The hash that it has.
        actual: Box<Digest>,
    },
}

impl CacheError {
    fn file(action: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> CacheError + use<> {
        let path = path.to_owned();
        move |source| CacheError::File { action, path, source }
    }
}
