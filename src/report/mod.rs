//! What the user sees: failures, exit codes, tables, progress.
//!
//! Everything that is not a result goes to standard error, through here. Colours follow the terminal and `NO_COLOR`.

pub mod exit_code;
mod failure;
pub mod size;

pub use failure::{Failure, chain, color};
