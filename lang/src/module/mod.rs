//! Modules: tables of definitions that are evaluated when first used.

mod name;

pub use name::ModuleName;
