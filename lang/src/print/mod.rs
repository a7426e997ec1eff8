//! Values and data as text.
//!
//! What is written reads back as the same datum, where it has a notation at all; the rest is shown as `#<…>`. Invariant: depth
//! costs memory only, so that no value overflows the machine's stack.

mod atom;
mod core;
mod datum;
mod value;

pub use atom::{write_char, write_keyword, write_string, write_symbol};
pub use core::write_core;
pub use datum::write_datum;
pub use value::{display, summary, write};
