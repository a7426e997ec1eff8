//! From values of the language to the derivation graph.
//!
//! The language side (`stdlib/gexp.hpcl`, `stdlib/packages.hpcl`) decides what a package lowers to; here values become the
//! graph's texts, in which every path is still a symbol: the number of a node and an output, or a source. Invariant: the
//! text of staged code is a function of the code alone, so that equal code gives equal hashes.

mod code;
mod text;

pub use code::{code_of_gexp, datum_of_value};
pub use text::{CodeText, DerivationValue, PathText, has_paths, resolve, text_of_value};
