//! What editors and people at the keyboard ask of programs: their format, names, documentation and places.
//!
//! Nothing here evaluates more than it has to, and nothing writes. `cli` speaks the protocols; this module knows the language.

mod analysis;
mod channel_list;
mod documentation;
mod format;
mod host;
mod syntax;

pub use analysis::{
    Analysis, Candidate, CandidateKind, Outline, Place, Problem, declared_module, describe, outline,
};
pub use channel_list::{ChannelForms, channel_forms};
pub use format::{Formatted, format_text};
pub use host::OpenModules;
pub use hpcl_lang::suggest::closest;
