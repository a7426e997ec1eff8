//! Why a file could not be fetched, address by address.
//!
//! A download is tried at several addresses, so an error is a list of [`Failure`]s; those with a cause of their own (a wrong hash, a
//! pinned file that left the archive, no mirror known) are variants, because the remedy differs.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::pins::PinError;
use super::settings::SettingsError;
use crate::archive::ArchiveError;
use crate::crates::RegistryError;
use crate::hash::Digest;
use crate::pypi::PypiError;

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The content is not the pinned one.
    #[error("wrong hash for `{name}` from {url}\n{mismatch}")]
    WrongHash {
        /// The file's name.
        name: String,
        /// Where the content came from.
        url: String,
        /// The two digests.
        mismatch: Box<Mismatch>,
        /// What went wrong at the other addresses.
        others: Vec<Failure>,
    },
    /// A pinned file is on none of the Debian mirrors any more.
    #[error("pinned file `{file}` is no longer on the Debian mirrors{}", list(failures))]
    Gone {
        /// The file's path in the archive.
        file: String,
        /// What each mirror answered.
        failures: Vec<Failure>,
    },
    /// The file lies on mirrors of which none is known.
    #[error("no mirror is known for `mirror://{mirror}`, which `{name}` comes from")]
    NoMirror {
        /// The file's name.
        name: String,
        /// The name in `mirror://NAME/…`.
        mirror: String,
        /// The settings file in which mirrors can be named.
        settings: Option<PathBuf>,
    },
    /// No address delivered the file.
    #[error("cannot fetch `{name}`{}", list(failures))]
    Failed {
        /// The file's name.
        name: String,
        /// What went wrong at each address, in the order of trying.
        failures: Vec<Failure>,
    },
    /// The index of Python packages cannot tell where the file is.
    #[error("cannot fetch `{name}`: {reason}")]
    Index {
        /// The file's name.
        name: String,
        /// Why.
        reason: Box<PypiError>,
    },
    /// No registry can tell where the crate is.
    #[error("cannot fetch `{name}`: {reason}")]
    Registry {
        /// The file's name.
        name: String,
        /// Why.
        reason: Box<RegistryError>,
    },
    /// The download has no address.
    #[error("there is no address to fetch `{name}` from")]
    NoAddress {
        /// The file's name.
        name: String,
    },
    /// The content could not be written to disk.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file being written.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The caller stopped the download.
    #[error("fetching `{name}` was stopped")]
    Stopped {
        /// The file's name.
        name: String,
    },
    /// The user's settings could not be read.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The index or the list of pins could not be understood.
    #[error(transparent)]
    Pins(#[from] PinError),
}

impl FetchError {
    /// What to do about it, for the report to show as a hint.
    pub fn hint(&self) -> Option<String> {
        match self {
            FetchError::WrongHash { .. } => {
                Some("if the new content is right, put the actual hash into the recipe; else the server is at fault".into())
            }
            FetchError::Gone { .. } => {
                Some("run `hpcl refresh-pins` to pin what the mirrors have now, or update hpcl".into())
            }
            FetchError::NoMirror { mirror, settings, .. } => {
                let file = settings.as_ref().map_or("the settings file".into(), |path| format!("`{}`", path.display()));
                let short = if mirror == "debian" { "debian" } else { "NAME" };
                Some(format!(
                    "add an address to {file}:\n  [mirrors]\n  {mirror} = [\"https://mirror.example.org/{short}\"]"
                ))
            }
            FetchError::Index { reason, .. } => reason.hint(),
            FetchError::Registry { reason, .. } => reason.hint(),
            FetchError::Failed { failures, .. } => failures.iter().any(|f| f.reason.is_network()).then(|| {
                "check the network; behind a proxy set `https_proxy`; nearer mirrors can be named under `[mirrors]` in \
                 the settings"
                    .into()
            }),
            _ => None,
        }
    }
}

/// The digest that was expected and the one that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// The pinned digest.
    pub expected: Digest,
    /// The content's digest.
    pub actual: Digest,
}

/// Two lines, each digest in base-32 (as recipes write it) and base-16 (as checksum files do).
impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = |digest: &Digest| format!("{} ({})", digest.to_base32(), digest.to_base16());
        write!(f, "  expected: {}\n  actual:   {}", both(&self.expected), both(&self.actual))
    }
}

fn list(failures: &[Failure]) -> String {
    failures.iter().map(|failure| format!("\n  {failure}")).collect()
}

/// What went wrong at one address.
#[derive(Debug)]
pub struct Failure {
    /// The address.
    pub url: String,
    /// What went wrong.
    pub reason: Reason,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.reason)?;
        if let Reason::Http { source } = &self.reason
            && let ureq::Error::Io(error) = &**source
        {
            return write!(f, ": {error}");
        }
        let mut cause = self.reason.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// Why one address did not deliver.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// The server answered with an error.
    #[error("{}", status_text(*code))]
    Status {
        /// The HTTP status code.
        code: u16,
    },
    /// No connection came about in time.
    #[error("no connection within {seconds} s")]
    ConnectTimeout {
        /// The limit.
        seconds: f32,
    },
    /// The server stopped sending.
    #[error("nothing received for {seconds} s")]
    Stalled {
        /// The limit.
        seconds: f32,
    },
    /// The connection ended before the whole content was there.
    #[error("connection ended after {received} of {total} bytes")]
    Truncated {
        /// Bytes received.
        received: u64,
        /// Bytes announced.
        total: u64,
    },
    /// The server answered a request for the rest of the file with another part of it.
    #[error("the server sent another part of the file than was asked for")]
    WrongRange,
    /// Any other trouble with the network, the protocol or certificates.
    #[error("the transfer failed")]
    Http {
        /// What the HTTP client says.
        source: Box<ureq::Error>,
    },
    /// A `file:` address cannot be read.
    #[error("cannot read the file")]
    File {
        /// The system's reason.
        source: io::Error,
    },
    /// The address begins with none of the schemes that can be fetched.
    #[error("only `https:`, `http:`, `file:` and `mirror:` addresses can be fetched")]
    Scheme,
    /// No server is known for a `mirror://` address.
    #[error("no server is known for `mirror://{mirror}`")]
    NoMirror {
        /// The name in `mirror://NAME/…`.
        mirror: String,
        /// The settings file in which servers can be named.
        settings: Option<PathBuf>,
    },
    /// The index of Python packages cannot tell where the file is.
    #[error("the index does not tell where it is")]
    Index {
        /// Why.
        source: Box<PypiError>,
    },
    /// No registry can tell where the crate is.
    #[error("no registry tells where it is")]
    Registry {
        /// Why.
        source: Box<RegistryError>,
    },
    /// A git repository does not deliver the commit.
    #[error("git cannot fetch it")]
    Repository {
        /// Why.
        source: Box<dyn Error + Send + Sync>,
    },
    /// An archive has not packed the tree.
    #[error("the archive has not packed it: {status}")]
    Unpacked {
        /// What it says.
        status: String,
    },
    /// What an archive sent cannot be unpacked.
    #[error("what it sent cannot be unpacked")]
    Archive {
        /// Why.
        source: Box<ArchiveError>,
    },
    /// The content has another digest than the pinned one.
    #[error("wrong hash, actual {}", mismatch.actual.to_base32())]
    WrongHash {
        /// The two digests.
        mismatch: Box<Mismatch>,
    },
}

impl Reason {
    /// Whether the same request may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        match self {
            Reason::Status { code } => matches!(code, 408 | 425 | 429 | 500..),
            _ => self.is_network() || matches!(self, Reason::WrongRange),
        }
    }

    /// Whether the network is to blame.
    pub fn is_network(&self) -> bool {
        use Reason::{ConnectTimeout, Http, Stalled, Truncated};
        matches!(self, ConnectTimeout { .. } | Http { .. } | Stalled { .. } | Truncated { .. })
    }

    /// Whether the server says that the file does not exist.
    pub fn is_absent(&self) -> bool {
        match self {
            Reason::Status { code } => matches!(code, 404 | 410),
            Reason::File { source } => source.kind() == io::ErrorKind::NotFound,
            Reason::Index { source } => source.is_absent(),
            _ => false,
        }
    }
}

/// What an HTTP status code means.
pub(crate) fn status_text(code: u16) -> String {
    match code {
        404 => "not found (404)".into(),
        410 => "gone (410)".into(),
        401 | 403 => format!("access denied ({code})"),
        429 => "too many requests (429)".into(),
        _ => format!("the server answered with status {code}"),
    }
}
