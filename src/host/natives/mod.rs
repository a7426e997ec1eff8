//! The natives of the evaluation side, by topic.

mod acquire;
mod channel;
mod derivation;
mod files;
mod staged;

use hpcl_lang::native::Native;

/// All tables.
pub const TABLES: [&[Native]; 5] =
    [acquire::TABLE, derivation::TABLE, staged::TABLE, files::TABLE, channel::TABLE];
