//! Names of store items and how they are computed.
//!
//! A store item is called `HASH-NAME`: 32 digits of Nix's base-32 and a name of 1 to 211 characters from
//! `A-Z a-z 0-9 + - . _ ? =` that does not begin with a dot. [`StorePath`] holds that base name and is checked in the
//! constructor. It never holds a directory: in the model everything lies in the canonical store ([`CANONICAL_STORE`]),
//! and where an item lies on this disk is the store's business.
//!
//! Invariant: equal inputs give equal paths on every machine, because the fingerprints name the canonical directory only.

mod fingerprint;

use std::{fmt, sync::Arc};

pub(crate) use fingerprint::text_path_of_sorted;
pub use fingerprint::{ContentMethod, fixed_output_path, output_path, source_path, text_path};

use crate::hash::is_base32;

/// The canonical store directory: what is hashed, cached and packed. A local store's path is exactly as long.
pub const CANONICAL_STORE: &str = "/hpcl/fixed-length-prefix-that-relocates-by-rewriting/store";

/// The number of base-32 digits in a store path.
pub const HASH_LENGTH: usize = 32;

/// The longest name of a store item.
pub const NAME_LENGTH: usize = 211;

/// A store directory for computing paths: the canonical one, except when comparing with another store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreDir(std::borrow::Cow<'static, str>);

impl StoreDir {
    /// The canonical store directory.
    pub const CANONICAL: Self = Self(std::borrow::Cow::Borrowed(CANONICAL_STORE));

    /// Any other directory, such as `/nix/store`.
    pub fn other(directory: impl Into<String>) -> Self {
        Self(std::borrow::Cow::Owned(directory.into()))
    }

    /// The directory as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full path of an item in this directory.
    pub fn join(&self, path: &StorePath) -> String {
        let mut whole = String::with_capacity(self.0.len() + 1 + path.0.len());
        whole.push_str(&self.0);
        whole.push('/');
        whole.push_str(&path.0);
        whole
    }
}

impl Default for StoreDir {
    fn default() -> Self {
        Self::CANONICAL
    }
}

/// Why a text is not the name of a store item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorePathError {
    /// There is no `HASH-` before the name.
    #[error("`{text}` is not a store path: it does not begin with 32 base-32 digits and `-`")]
    BadHash {
        /// The text as written.
        text: String,
    },
    /// The name is empty, too long or begins with a dot.
    #[error("`{name}` cannot name a store item: it must have 1 to 211 characters and not begin with `.`")]
    BadName {
        /// The name as written.
        name: String,
    },
    /// The name has a character outside the alphabet.
    #[error("`{name}` cannot name a store item: `{character}` is not among A-Z a-z 0-9 + - . _ ? =")]
    BadCharacter {
        /// The name as written.
        name: String,
        /// The first wrong character.
        character: char,
    },
    /// The path does not lie directly in the store directory.
    #[error("`{text}` is not in the store `{directory}`")]
    NotInStore {
        /// The path as written.
        text: String,
        /// The store directory.
        directory: String,
    },
}

/// The validated base name of a store item: `HASH-NAME`.
///
/// ```
/// use hpcl::store_path::StorePath;
/// let path = StorePath::parse("0c6kzph7l0dcbfmjap64f0czdafn3b7x-hello-2.12.1")?;
/// assert_eq!(path.name(), "hello-2.12.1");
/// assert!(path.canonical().starts_with("/hpcl/"));
/// # Ok::<(), hpcl::store_path::StorePathError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(Arc<str>);

impl StorePath {
    /// Reads a base name `HASH-NAME`.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        let (hash, rest) = text
            .split_at_checked(HASH_LENGTH)
            .ok_or_else(|| StorePathError::BadHash { text: text.to_owned() })?;
        let name = rest.strip_prefix('-').filter(|_| hash.bytes().all(is_base32));
        check_name(name.ok_or_else(|| StorePathError::BadHash { text: text.to_owned() })?)?;
        Ok(Self(text.into()))
    }

    /// Reads a full path directly in `directory`.
    pub fn parse_in(directory: &StoreDir, text: &str) -> Result<Self, StorePathError> {
        match text.strip_prefix(directory.as_str()).and_then(|rest| rest.strip_prefix('/')) {
            Some(base) => Self::parse(base),
            None => Err(StorePathError::NotInStore {
                text: text.to_owned(),
                directory: directory.as_str().to_owned(),
            }),
        }
    }

    /// Reads a full canonical path.
    pub fn parse_canonical(text: &str) -> Result<Self, StorePathError> {
        Self::parse_in(&StoreDir::CANONICAL, text)
    }

    /// The path with this 20-byte hash; the name is checked.
    pub(crate) fn from_parts(hash: &[u8; 20], name: &str) -> Result<Self, StorePathError> {
        check_name(name)?;
        let mut text = crate::hash::base32_encode(hash);
        text.reserve_exact(1 + name.len());
        text.push('-');
        text.push_str(name);
        Ok(Self(text.into()))
    }

    /// The whole base name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 32 digits.
    pub fn hash_part(&self) -> &str {
        self.0.get(..HASH_LENGTH).expect("checked in the constructor")
    }

    /// The name behind the hash.
    pub fn name(&self) -> &str {
        self.0.get(HASH_LENGTH + 1..).expect("checked in the constructor")
    }

    /// Whether it names a derivation file.
    pub fn is_drv(&self) -> bool {
        self.0.ends_with(".drv")
    }

    /// The full path in the canonical store.
    pub fn canonical(&self) -> String {
        StoreDir::CANONICAL.join(self)
    }
}

/// Whether a text can name a store item.
pub fn check_name(name: &str) -> Result<(), StorePathError> {
    if name.is_empty() || name.len() > NAME_LENGTH || name.starts_with('.') {
        return Err(StorePathError::BadName { name: name.to_owned() });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_' | '?' | '=');
    match name.chars().find(|c| !allowed(*c)) {
        Some(character) => Err(StorePathError::BadCharacter { name: name.to_owned(), character }),
        None => Ok(()),
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for StorePath {
    type Err = StorePathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl serde::Serialize for StorePath {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for StorePath {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "0c6kzph7l0dcbfmjap64f0czdafn3b7x";

    #[test]
    fn the_canonical_directory_has_the_length_of_the_design() {
        assert_eq!(CANONICAL_STORE.len(), 59);
    }

    #[test]
    fn a_path_reads_back() {
        let text = format!("{HASH}-a+b_c.d?e=f-1");
        let path = StorePath::parse(&text).unwrap();
        assert_eq!((path.hash_part(), path.name()), (HASH, "a+b_c.d?e=f-1"));
        assert_eq!(StorePath::parse_canonical(&path.canonical()), Ok(path.clone()));
        assert_eq!(serde_json::to_string(&path).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<StorePath>(&format!("\"{text}\"")).unwrap(), path);
    }

    #[test]
    fn wrong_names_are_refused() {
        for (name, wrong) in
            [("", "BadName"), (".x", "BadName"), ("a/b", "BadCharacter"), ("ä", "BadCharacter")]
        {
            let error = StorePath::parse(&format!("{HASH}-{name}")).unwrap_err();
            assert!(format!("{error:?}").starts_with(wrong), "{name}: {error:?}");
        }
        assert!(StorePath::parse(&format!("{HASH}-{}", "n".repeat(211))).is_ok());
        assert!(StorePath::parse(&format!("{HASH}-{}", "n".repeat(212))).is_err());
        for text in
            ["", "short", HASH, "ec6kzph7l0dcbfmjap64f0czdafn3b7x-e", "0c6kzph7l0dcbfmjap64f0czdafn3b7xx-"]
        {
            assert!(matches!(StorePath::parse(text), Err(StorePathError::BadHash { .. })), "{text}");
        }
        assert!(StorePath::parse_canonical(&format!("/nix/store/{HASH}-a")).is_err());
        assert!(StorePath::parse_canonical(&format!("{CANONICAL_STORE}/{HASH}-a/b")).is_err());
    }
}
