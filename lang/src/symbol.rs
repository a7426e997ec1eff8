//! Interned names.
//!
//! A [`Symbol`] is four bytes, compares as an integer, and is valid in every thread: files are read in
//! parallel. The table only grows and its strings live as long as the process.

use std::sync::{OnceLock, RwLock};

use rustc_hash::FxHashMap;

/// An interned name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

/// Marks the names that the expander made for one use of a macro.
const ALIAS: u32 = 1 << 31;

#[derive(Default)]
struct Interner {
    ids: FxHashMap<&'static str, u32>,
    names: Vec<&'static str>,
}

fn interner() -> &'static RwLock<Interner> {
    static INTERNER: OnceLock<RwLock<Interner>> = OnceLock::new();
    INTERNER.get_or_init(RwLock::default)
}

impl Symbol {
    /// Interns a name.
    pub fn new(name: &str) -> Self {
        if let Some(&id) = read().ids.get(name) {
            return Symbol(id);
        }
        let mut table = interner().write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(&id) = table.ids.get(name) {
            return Symbol(id);
        }
        let id = u32::try_from(table.names.len()).unwrap_or(u32::MAX);
        let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
        table.names.push(name);
        table.ids.insert(name, id);
        Symbol(id)
    }

    /// Returns the name number `index` that the expander made; it is never interned.
    pub(crate) fn alias(index: u32) -> Self {
        Symbol(index | ALIAS)
    }

    /// Returns the number of a name that the expander made.
    pub(crate) fn alias_index(self) -> Option<u32> {
        (self.0 & ALIAS != 0).then_some(self.0 & !ALIAS)
    }

    /// Returns the name.
    pub fn as_str(self) -> &'static str {
        read().names.get(self.0 as usize).copied().unwrap_or("")
    }
}

fn read() -> std::sync::RwLockReadGuard<'static, Interner> {
    interner().read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl std::fmt::Debug for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Symbol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
