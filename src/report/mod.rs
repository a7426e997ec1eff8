//! What the user sees: failures, exit codes, tables, progress.
//!
//! Everything that is not a result goes to standard error, through here. Colours follow the terminal and `NO_COLOR`.

pub mod exit_code;
mod failure;
mod indexing;
mod progress;
pub mod quantity;
mod summary;

pub use crate::executor::chain;
pub use failure::{Failure, color};
pub use indexing::indexing;
pub use progress::Progress;
pub use summary::{code_of, print_plan, summary_text};
