//! The hpcl language: text → value, or diagnostics.
//!
//! ```text
//! text ──read──► datum ──expand──► core form ──compile──► chunk ──run──► value
//! ```
//!
//! A small, pure, lazy-at-the-top-level Scheme. This crate does no I/O and knows no package and no store: sources come
//! from a host, which may also add native procedures. Invariant: no input makes it panic or overflow the
//! machine's stack.

pub mod code;
mod compile;
pub mod core_form;
pub mod datum;
pub mod diagnostic;
pub mod equal;
pub mod expand;
pub mod format;
pub mod host;
pub mod inspect;
pub mod interpreter;
pub mod module;
pub mod native;
pub mod natives;
pub mod number;
pub mod posix_regex;
pub mod print;
pub mod procedure;
mod quoted;
pub mod reader;
pub mod record;
mod release;
pub mod render;
pub mod source;
pub mod span;
pub mod suggest;
pub mod symbol;
pub mod table;
pub mod value;
pub mod vm;

pub use interpreter::Interpreter;
