//! Finding packages by name without evaluating all recipes.
//!
//! What a text alone tells is found by [`scan`]: a public definition whose value is a `package` form with a literal name.
//! What only evaluation tells is kept in the user's cache with all else that is known of a directory's packages
//! ([`stored`]), for as long as no file below the directories ([`tree`]) is another. Invariant: an index never misses a
//! package; before evaluation it may name too many.

pub mod listing;
pub mod pattern;
mod scan;
pub mod stored;
pub mod tree;

use std::rc::Rc;

use hpcl_lang::{host::ModuleName, symbol::Symbol};
use serde::{Deserialize, Serialize};

use self::stored::Stored;
use super::{ChannelError, Channels};

pub use self::scan::{Shape, imports, literal_name, shape};

/// A public definition that is, or may be, a package.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The module.
    #[serde(with = "module")]
    pub module: ModuleName,
    /// The variable.
    #[serde(with = "symbol")]
    pub variable: Symbol,
    /// The package's name, where it is known.
    pub name: Option<String>,
    /// The package's version, where it is known.
    pub version: Option<String>,
    /// The file, line and column of the definition, from 1.
    pub location: (String, usize, usize),
    /// The place of its module among all.
    pub order: u32,
}

/// What is known of a package without evaluating it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageRecord {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The name that its authors use.
    pub upstream_name: String,
    /// The outputs.
    pub outputs: Vec<String>,
    /// One line on what it is.
    pub synopsis: String,
    /// More on it.
    pub description: String,
    /// The names of its licences.
    pub license: String,
    /// Where to read about it.
    pub home_page: String,
    /// The packages that it is made from, each `NAME@VERSION` or `NAME@VERSION:OUTPUT`.
    pub dependencies: Vec<String>,
    /// The systems that it is for.
    pub systems: Vec<String>,
    /// The name of the package to take instead, if any.
    pub superseded: Option<String>,
    /// Whether it is not to be shown.
    pub hidden: bool,
    /// The module, as written: `(gnu packages mpi)`.
    pub module: String,
    /// The variable.
    pub variable: String,
    /// The file, line and column of the definition, from 1.
    pub location: (String, usize, usize),
}

/// All packages of the channels.
#[derive(Clone, Default)]
pub struct Index {
    scanned: Vec<IndexEntry>,
    stored: Option<Rc<Stored>>,
}

impl Index {
    /// Reads the recipe modules of the channels.
    ///
    /// # Errors
    /// [`ChannelError`] when a file cannot be read. Syntax errors are left to evaluation, which shows them.
    pub fn scan(channels: &Channels) -> Result<Index, ChannelError> {
        Ok(Index { scanned: scan::channels(channels)?, stored: None })
    }

    /// Returns the index that was kept, whose names are all that there are.
    pub fn kept(stored: Rc<Stored>) -> Index {
        Index { scanned: Vec::new(), stored: Some(stored) }
    }

    /// Returns the definitions that are known to be packages of that name; nothing if what was kept is damaged.
    pub fn candidates(&self, name: &str) -> Option<Vec<IndexEntry>> {
        match &self.stored {
            Some(stored) => stored.named(name),
            None => {
                let named = self.scanned.iter().filter(|entry| entry.name.as_deref() == Some(name));
                Some(named.cloned().collect())
            }
        }
    }

    /// Returns the definitions that may be packages of any name.
    pub fn unnamed(&self) -> Vec<IndexEntry> {
        self.scanned.iter().filter(|entry| entry.name.is_none()).cloned().collect()
    }

    /// Returns all entries in the order of modules and definitions; nothing if what was kept is damaged.
    pub fn entries(&self) -> Option<Vec<IndexEntry>> {
        match &self.stored {
            Some(stored) => stored.entries(),
            None => Some(self.scanned.clone()),
        }
    }

    /// Returns known names that are close to what was typed, the closest first, at most three; nothing if what was kept is
    /// damaged.
    pub fn similar(&self, name: &str) -> Option<Vec<String>> {
        let kept = match &self.stored {
            Some(stored) => stored.names()?,
            None => Vec::new(),
        };
        let scanned = self.scanned.iter().filter_map(|entry| entry.name.as_deref());
        let mut names: Vec<&str> = kept.iter().map(String::as_str).chain(scanned).collect();
        names.sort_unstable();
        names.dedup();
        let mut found: Vec<String> = Vec::new();
        while found.len() < 3 {
            let left = names.iter().copied().filter(|known| !found.iter().any(|other| other == known));
            match hpcl_lang::suggest::closest(name, left) {
                Some(near) => found.push(near.to_owned()),
                None => break,
            }
        }
        Some(found)
    }
}

/// How the name of a module is kept: as it is written.
mod module {
    use hpcl_lang::host::ModuleName;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(name: &ModuleName, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(name)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ModuleName, D::Error> {
        let text = String::deserialize(from)?;
        ModuleName::parse(&text).ok_or_else(|| D::Error::custom("no module's name"))
    }
}

/// How a symbol is kept: by its name.
mod symbol {
    use hpcl_lang::symbol::Symbol;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(name: &Symbol, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(name.as_str())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Symbol, D::Error> {
        Ok(Symbol::new(&String::deserialize(from)?))
    }
}
