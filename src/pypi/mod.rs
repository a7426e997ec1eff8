//! Indexes of Python packages: where they are, what they have, and the files themselves.
//!
//! The simple index alone is asked (PEP 503, 691), at the places that pip's own configuration names; nothing is run. No address of an
//! index is written here, and no credentials leave for another server than theirs. This part knows files and their
//! names; what packages require of each other is the importer's affair.

mod cache;
mod config;
mod default_index;
mod distribution;
mod error;
mod filename;
mod index;
mod ini;
mod metadata;
mod netrc;
mod simple;
mod web;
mod zip;

pub use cache::Cache;
pub use config::{Choice, Configuration};
pub use distribution::{Experience, Source, WheelContent};
pub use error::PypiError;
pub use filename::{FileName, Kind, Tags, is_valid_name, normalized};
pub use index::Index;
pub use metadata::{Metadata, requirements_of_egg};
pub use netrc::redacted;
pub use simple::File;
pub(crate) use web::certificates;
pub use web::{Answer, Web};
