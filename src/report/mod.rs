//! What the user sees: failures, exit codes, tables, progress.
//!
//! Everything that is not a result goes to standard error, through here. Colours follow the terminal and `NO_COLOR`.

mod difference;
pub mod drawing;
pub mod exit_code;
mod failure;
mod indexing;
mod pager;
mod progress;
pub mod quantity;
mod record;
mod summary;
pub mod texinfo;

pub use crate::executor::chain;
pub use difference::{drv_name, in_short, write_causes};
pub use failure::{Failure, color, warning};
pub use indexing::indexing;
pub use pager::{columns, page, shows_color};
pub use progress::Progress;
pub use record::{json_record, location, write_record};
pub use summary::{code_of, summary_text, totals};
