//! Digests and their encodings: base-16, Nix's base-32, SRI.
//!
//! A [`Digest`] is an algorithm with exactly as many bytes as it has; it is checked once, in the constructor. Every text
//! that any of Nix, Guix or a checksum file uses for a digest is read by [`Digest::parse`], and the three that we write
//! are methods. Invariant: two digests are equal when algorithm and bytes are equal, whatever text they came from.

mod encoding;
pub mod git_object;
mod hasher;

use std::fmt;

pub use encoding::{base32_decode, base32_encode, is_base32};
pub use hasher::Hasher;

/// A hash algorithm that a fixed output may be pinned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-1: 20 bytes. Read for old pins; never chosen by us.
    Sha1,
    /// SHA-256: 32 bytes. What everything of ours uses.
    Sha256,
    /// SHA-512: 64 bytes.
    Sha512,
}

impl Algorithm {
    /// The number of bytes in a digest.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    /// The name that Nix and SRI use: `sha1`, `sha256`, `sha512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm with this name.
    pub fn parse(name: &str) -> Result<Self, HashError> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            _ => Err(HashError::UnknownAlgorithm { name: name.to_owned() }),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The algorithm's name is none of ours.
    #[error("unknown hash algorithm `{name}`, expected `sha1`, `sha256` or `sha512`")]
    UnknownAlgorithm {
        /// The name as written.
        name: String,
    },
    /// The digits fit no encoding of this algorithm.
    #[error("`{text}` is not a {algorithm} digest in base-16, base-32 or base-64")]
    BadDigits {
        /// The text as written.
        text: String,
        /// The algorithm that was expected.
        algorithm: Algorithm,
    },
    /// A bare digest whose length fits no algorithm.
    #[error("`{text}` is not a digest: its length fits no hash algorithm")]
    UnknownLength {
        /// The text as written.
        text: String,
    },
    /// The number of bytes is not the algorithm's.
    #[error("a {algorithm} digest has {} bytes, not {found}", algorithm.size())]
    BadSize {
        /// The algorithm.
        algorithm: Algorithm,
        /// The number of bytes given.
        found: usize,
    },
}

/// An algorithm and the bytes that it gave.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

impl Digest {
    /// The digest with these bytes; an error when their number is not the algorithm's.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, HashError> {
        if bytes.len() != algorithm.size() {
            return Err(HashError::BadSize { algorithm, found: bytes.len() });
        }
        let mut all = [0; 64];
        for (to, from) in all.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(Self { algorithm, bytes: all })
    }

    /// The digest of `data`.
    pub fn of(algorithm: Algorithm, data: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(data);
        hasher.finish()
    }

    /// The SHA-256 digest of `data`.
    pub fn sha256(data: &[u8]) -> Self {
        Self::of(Algorithm::Sha256, data)
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The bytes, as many as the algorithm has.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.size()).expect("no algorithm has more than 64 bytes")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sri())
    }
}

/// Displays as SRI (`sha256-…=`), the form that users paste.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sri())
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_sri())
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
