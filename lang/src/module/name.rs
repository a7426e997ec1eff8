//! Names of modules.
//!
//! A name is a list of symbols or integers, written `(hpcl build utils)`. It is never empty.

use std::{fmt, sync::Arc};

use crate::{
    datum::{Datum, DatumKind},
    symbol::Symbol,
};

/// The name of a module.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleName(Arc<[Symbol]>);

impl ModuleName {
    /// Returns the name made of these parts; `None` without any.
    pub fn new(parts: impl Into<Arc<[Symbol]>>) -> Option<Self> {
        let parts = parts.into();
        if parts.is_empty() { None } else { Some(ModuleName(parts)) }
    }

    /// Parses `(hpcl build utils)` or `hpcl build utils`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('(').and_then(|t| t.strip_suffix(')')).unwrap_or(text);
        if text.contains(['(', ')', '"', ';']) {
            return None;
        }
        ModuleName::new(text.split_whitespace().map(Symbol::new).collect::<Vec<_>>())
    }

    /// Returns the name that a datum spells: a list of symbols or integers.
    pub fn from_datum(datum: &Datum) -> Option<Self> {
        let DatumKind::List(items) = &datum.kind else { return None };
        let parts: Option<Vec<Symbol>> = items
            .iter()
            .map(|item| match &item.kind {
                DatumKind::Symbol(name) => Some(*name),
                DatumKind::Int(number) => Some(Symbol::new(&number.to_string())),
                _ => None,
            })
            .collect();
        ModuleName::new(parts?)
    }

    /// Returns its parts.
    pub fn parts(&self) -> &[Symbol] {
        &self.0
    }

    /// Returns the first part.
    pub fn root(&self) -> Symbol {
        self.0.first().copied().expect("a module name is never empty")
    }

    /// Returns the name with another first part.
    #[must_use]
    pub fn with_root(&self, root: Symbol) -> Self {
        let parts: Vec<Symbol> = std::iter::once(root).chain(self.0.iter().skip(1).copied()).collect();
        ModuleName(parts.into())
    }

    /// Returns the path of its file without an ending: `hpcl/build/utils`.
    pub fn path(&self) -> String {
        self.0.iter().map(|part| part.as_str()).collect::<Vec<_>>().join("/")
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({})", self.0.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(" "))
    }
}

impl fmt::Debug for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleName;

    #[test]
    fn a_name_is_parsed_and_printed() {
        let name = ModuleName::parse("(hpcl build utils)").unwrap();
        assert_eq!(name.to_string(), "(hpcl build utils)");
        assert_eq!(name.path(), "hpcl/build/utils");
        assert_eq!(ModuleName::parse("()"), None);
        assert_eq!(ModuleName::parse("(a (b))"), None);
    }
}
