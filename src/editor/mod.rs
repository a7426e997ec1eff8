//! What editors and people at the keyboard ask of programs: their format, names, documentation and places.
//!
//! Nothing here evaluates more than it has to, and nothing writes. `cli` speaks the protocols; this module knows the language.

mod format;

pub use format::{Formatted, format_text};
