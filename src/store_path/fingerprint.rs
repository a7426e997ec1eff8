//! Nix's fingerprints: from what an item is to what it is called.
//!
//! A path's hash is SHA-256 over `TYPE:sha256:BASE16:STOREDIR:NAME`, folded to 20 bytes by XOR. The type and the inner
//! digest depend on the item:
//!
//! | item | type | inner digest |
//! |---|---|---|
//! | text with references | `text:REF:REF…`, sorted | SHA-256 of the contents |
//! | source, or a recursive SHA-256 fixed output | `source:REF:REF…` | SHA-256 of the NAR |
//! | any other fixed output | `output:out` | SHA-256 of `fixed:out:[r:]ALGO:BASE16:` |
//! | output of a derivation | `output:NAME` | the derivation's hash modulo |
//!
//! Source: Nix, `src/libstore/store-api.cc` (the comment "Store paths have the following form"), checked by
//! `tests/formats.rs` against a real Nix.

use std::collections::BTreeSet;

use super::{StoreDir, StorePath, StorePathError};
use crate::hash::{Algorithm, Digest};

/// What a fixed output's digest is taken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContentMethod {
    /// The bytes of a single, non-executable file.
    Flat,
    /// The NAR of the whole tree.
    Recursive,
}

impl ContentMethod {
    /// `r:` before the algorithm's name for a recursive digest, nothing for a flat one.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Flat => "",
            Self::Recursive => "r:",
        }
    }
}

/// The path of a text item with these contents and references.
pub fn text_path(
    directory: &StoreDir,
    name: &str,
    contents: &Digest,
    references: &BTreeSet<StorePath>,
) -> Result<StorePath, StorePathError> {
    text_path_of_sorted(directory, name, contents, references)
}

/// Like [`text_path`], for references that are sorted already.
pub(crate) fn text_path_of_sorted<'a>(
    directory: &StoreDir,
    name: &str,
    contents: &Digest,
    references: impl IntoIterator<Item = &'a StorePath>,
) -> Result<StorePath, StorePathError> {
    make(directory, &typed("text", directory, references), contents, name)
}

/// The path of a source tree whose NAR has this SHA-256 digest.
pub fn source_path(
    directory: &StoreDir,
    name: &str,
    nar: &Digest,
    references: &BTreeSet<StorePath>,
) -> Result<StorePath, StorePathError> {
    make(directory, &typed("source", directory, references), nar, name)
}

/// The path of a fixed output.
pub fn fixed_output_path(
    directory: &StoreDir,
    name: &str,
    method: ContentMethod,
    digest: &Digest,
) -> Result<StorePath, StorePathError> {
    if method == ContentMethod::Recursive && digest.algorithm() == Algorithm::Sha256 {
        return make(directory, "source", digest, name);
    }
    let inner = format!("fixed:out:{}{}:{}:", method.prefix(), digest.algorithm(), digest.to_base16());
    make(directory, "output:out", &Digest::sha256(inner.as_bytes()), name)
}

/// The path of output `output` of the derivation called `name` with this hash modulo.
pub fn output_path(
    directory: &StoreDir,
    name: &str,
    output: &str,
    modulo: &Digest,
) -> Result<StorePath, StorePathError> {
    let kind = format!("output:{output}");
    if output == "out" {
        make(directory, &kind, modulo, name)
    } else {
        make(directory, &kind, modulo, &format!("{name}-{output}"))
    }
}

fn typed<'a>(
    kind: &str,
    directory: &StoreDir,
    references: impl IntoIterator<Item = &'a StorePath>,
) -> String {
    let mut text = kind.to_owned();
    for reference in references {
        text.push(':');
        text.push_str(directory.as_str());
        text.push('/');
        text.push_str(reference.as_str());
    }
    text
}

fn make(directory: &StoreDir, kind: &str, inner: &Digest, name: &str) -> Result<StorePath, StorePathError> {
    let fingerprint = [kind, ":sha256:", &inner.to_base16(), ":", directory.as_str(), ":", name].concat();
    let whole = Digest::sha256(fingerprint.as_bytes());
    let mut folded = [0u8; 20];
    for chunk in whole.bytes().chunks(20) {
        for (to, from) in folded.iter_mut().zip(chunk) {
            *to ^= from;
        }
    }
    StorePath::from_parts(&folded, name)
}
