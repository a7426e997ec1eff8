//! Why an index of Python packages could not be asked, or what it answered not be used.
//!
//! Addresses are shown without user names and passwords, whoever wrote them there.

use std::io;
use std::path::PathBuf;

use crate::fetch::Mismatch;

/// What can go wrong with an index and its files.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PypiError {
    /// Nobody said where the index is.
    #[error("no index of Python packages is configured, and no installed pip could tell its default")]
    NoIndex,
    /// The configuration switches indexes off.
    #[error("`no-index` is set in pip's configuration")]
    SwitchedOff,
    /// A configuration file cannot be read.
    #[error("cannot read `{}`: {reason}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A setting has no usable value.
    #[error("`{value}`, which {setting} says, is no address: {reason}")]
    Address {
        /// The value, redacted.
        value: String,
        /// Where it was set.
        setting: String,
        /// Why.
        reason: String,
    },
    /// The file of certificates cannot be used.
    #[error("cannot use the certificates `{}`: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The index has no project of that name.
    #[error("there is no Python project `{name}` on {}", indexes.join(", "))]
    UnknownProject {
        /// The name, normalised.
        name: String,
        /// The indexes asked, redacted.
        indexes: Vec<String>,
    },
    /// The project has no such file.
    #[error("the index has no file `{file}` of `{project}`")]
    NoFile {
        /// The project.
        project: String,
        /// The file.
        file: String,
    },
    /// The server answered with an error.
    #[error("{url}: {}", crate::fetch::status_text(*code))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status code.
        code: u16,
    },
    /// The server wants to be left alone for longer than is worth waiting.
    #[error("{url}: the server asks to come back in {seconds} s (status {code})")]
    Busy {
        /// The address.
        url: String,
        /// The HTTP status code.
        code: u16,
        /// The pause it asks for.
        seconds: u64,
    },
    /// No answer came, or not all of it.
    #[error("{url}: {reason}")]
    Transfer {
        /// The address.
        url: String,
        /// What the HTTP client or the system says.
        reason: String,
    },
    /// The answer is larger than anything sensible.
    #[error("{url}: more than {limit} bytes, which is not read")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// What should be a page of an index is something else.
    #[error("{url} is no page of an index: {reason}")]
    Page {
        /// The address.
        url: String,
        /// What it is.
        reason: String,
    },
    /// The content has another digest than the index says.
    #[error("wrong hash for {url}\n{mismatch}")]
    WrongHash {
        /// The address.
        url: String,
        /// The two digests.
        mismatch: Box<Mismatch>,
    },
    /// Something is needed that is not in the cache, and the network may not be used.
    #[error("{url} is not in the cache")]
    Offline {
        /// The address.
        url: String,
    },
    /// A file of a project cannot be understood.
    #[error("`{file}`: {reason}")]
    Content {
        /// The file, or the member of an archive.
        file: String,
        /// Why.
        reason: String,
    },
    /// The cache could not be written.
    #[error("cannot write the cache `{}`: {reason}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// Ctrl-C.
    #[error("stopped")]
    Stopped,
}

impl PypiError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            PypiError::NoIndex => "set `index-url` in `~/.config/pip/pip.conf` (`pip config set global.index-url \
                 ADDRESS`), `PIP_INDEX_URL`, or give `--index-url`"
                .into(),
            PypiError::SwitchedOff => "unset it, or give `--index-url`".into(),
            PypiError::Status { code: 401 | 403 | 407, .. } => {
                "credentials come from the index's address in pip's configuration, or from `~/.netrc`".into()
            }
            PypiError::Transfer { reason, .. } if reason.contains("ertificate") || reason.contains("UnknownIssuer") => {
                "name your site's certificates in `PIP_CERT`, `cert` of pip.conf, or `SSL_CERT_FILE`".into()
            }
            PypiError::Transfer { .. } => {
                "check the network; behind a proxy set `https_proxy`; what was read before can be used with `--offline`"
                    .into()
            }
            PypiError::Offline { .. } => "leave out `--offline` once, to fill the cache".into(),
            PypiError::Page { .. } => {
                "the address of an index ends where the names of projects follow, often in `/simple`".into()
            }
            PypiError::Busy { .. } => "try again later; what was read so far is in the cache".into(),
            _ => return None,
        })
    }

    /// Whether the thing asked for does not exist, as against not being reachable.
    pub fn is_absent(&self) -> bool {
        matches!(
            self,
            PypiError::UnknownProject { .. }
                | PypiError::NoFile { .. }
                | PypiError::Status { code: 404 | 410, .. }
        )
    }

    /// A file of a project cannot be understood.
    pub fn content(file: impl Into<String>, reason: impl ToString) -> PypiError {
        PypiError::Content { file: file.into(), reason: reason.to_string() }
    }

    pub(super) fn cache(path: &std::path::Path, error: &io::Error) -> PypiError {
        PypiError::Cache { path: path.to_owned(), reason: error.to_string() }
    }
}
