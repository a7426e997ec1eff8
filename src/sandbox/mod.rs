//! Rootless isolation for builds: a fresh root, no network, fixed names and numbers, nothing of the host.
//!
//! A build sees the closure of its inputs read-only, a writable store directory into which it creates its outputs, `/build`,
//! `/tmp`, a minimal `/dev` and its own `/proc`; it is user 1000 on `localhost` and cannot make setuid files or
//! extended attributes. Everything works for an ordinary user and for root alike, through one user namespace.
//!
//! The parts, in the order in which a build passes through them: [`spawn`] forks into new namespaces, [`enter`]
//! builds the root and switches to it, [`confine`] gives up every privilege, and [`supervise`] is process 1, which outlives
//! the builder just long enough to end what it left behind. All of it happens in one process image: no `exec`, so
//! nothing of the host need be visible inside.
//!
//! Invariant: between `spawn` and `confine` no code of a package runs.

mod confine;
mod error;
mod namespace;
mod probe;
mod root;
mod seccomp;
mod supervise;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use confine::confine;
pub use error::SandboxError;
pub use namespace::{Isolation, spawn};
pub use probe::{Missing, Probe, available, probe};
pub use root::enter;
pub use supervise::{Ended, Supervised, supervise};

/// The user and group number that a build sees as its own.
pub const INSIDE_ID: u32 = 1000;

/// One directory or file of the host, shown at a path of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The path on the host; it must exist.
    pub host: PathBuf,
    /// The absolute path inside the sandbox.
    pub inside: PathBuf,
}

/// A symbolic link made inside the sandbox, such as `/bin/sh`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The absolute path of the link.
    pub at: PathBuf,
    /// What it points to.
    pub to: PathBuf,
}

/// All that makes one sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    /// An existing directory of the host over which the new root is mounted (nothing is written to the directory itself).
    pub root: PathBuf,
    /// Binds that the build may write to, made first: the store's scratch directory, `/build`, `/tmp`.
    pub writable: Vec<Bind>,
    /// Binds that the build may only read: the closure of its inputs.
    pub read_only: Vec<Bind>,
    /// Links made in the new root.
    pub links: Vec<Link>,
    /// The host name inside.
    pub hostname: String,
    /// Whether the host's network is visible. Only for fixed-output derivations.
    pub network: bool,
    /// The working directory inside.
    pub directory: PathBuf,
}

impl SandboxSpec {
    /// A sandbox with nothing in it but the fixed parts, working in `/`.
    pub fn new(root: impl Into<PathBuf>) -> SandboxSpec {
        SandboxSpec {
            root: root.into(),
            writable: Vec::new(),
            read_only: Vec::new(),
            links: Vec::new(),
            hostname: "localhost".into(),
            network: false,
            directory: "/".into(),
        }
    }

    /// Adds a bind that may be written to.
    #[must_use]
    pub fn writable(mut self, host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> SandboxSpec {
        self.writable.push(Bind { host: host.into(), inside: inside.into() });
        self
    }

    /// Adds a bind that may only be read.
    #[must_use]
    pub fn read_only(mut self, host: impl Into<PathBuf>, inside: impl Into<PathBuf>) -> SandboxSpec {
        self.read_only.push(Bind { host: host.into(), inside: inside.into() });
        self
    }
}
