//! Crates of Rust: which ones a `Cargo.lock` names, and where the registry has their files.
//!
//! A crate is fetched by its name and version and checked by the SHA-256 of `Cargo.lock`; the registry is the one that cargo's own
//! configuration names on this machine. No registry's address is written here. cargo itself is not run.

mod carried;
mod config;
mod error;
mod lock;
mod registry;

pub use config::{Configuration, Place};
pub use error::RegistryError;
pub use lock::{Crate, crates_of_lock};
pub use registry::Registry;

/// The name and version in the file name `NAME-VERSION.crate`.
pub fn version_of_file<'a>(name: &str, file: &'a str) -> Option<&'a str> {
    let version = file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".crate")?;
    (!version.is_empty()).then_some(version)
}
