//! Recipes from other places' packages: what they say of themselves, their requirements resolved, in the house format.
//!
//! An [`Importer`] turns names of another place into [`Recipe`]s; how recipes are written is the same for all. `pypi` has the simple index
//! of Python packages, `json` descriptions in JSON. A further place is one more file here and a verb in the command line.

pub mod json;
mod licenses;
mod pypi;
pub mod reading;
mod recipe;
mod requirement;
mod target;
mod words;

pub use licenses::license_expression;
pub use pypi::{
    Mode, NATIVE_TABLE, Natives, Options, Provided, PypiImporter, Root, Statistics, pins_of_lock,
    roots_of_file,
};
pub use recipe::{Imported, Origin, Recipe, Reference, file_text};
pub use requirement::Requirement;
pub use target::Target;

use crate::pypi::PypiError;

/// Makes recipes of what another place has.
pub trait Importer {
    /// What messages call the place.
    fn place(&self) -> &'static str;

    /// Recipes for what was asked for and all that it needs, dependencies first.
    fn import(&self) -> Result<Imported, ImportError>;
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The index.
    #[error(transparent)]
    Pypi(#[from] PypiError),
    /// A requirement of the user's cannot be read, or is for something that cannot be imported.
    #[error("{0}")]
    Request(String),
    /// No versions fit together.
    #[error("no versions fit together:\n{explanation}")]
    Conflict {
        /// Who asked for what, line by line.
        explanation: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A package can be had neither from source nor as a wheel.
    #[error("`{name}` {version} cannot be had: {reason}")]
    Unobtainable {
        /// The project.
        name: String,
        /// The version.
        version: String,
        /// Why.
        reason: String,
    },
    /// What was to be read is not what it should be.
    #[error("`{file}`: {reason}")]
    Input {
        /// The file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl ImportError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            ImportError::Pypi(error) => error.hint(),
            ImportError::Conflict { hint, .. } => hint.clone(),
            ImportError::Unobtainable { .. } => Some(
                "choose another version, as in `hpcl import pypi 'NAME<VERSION'`, or allow wheels".into(),
            ),
            _ => None,
        }
    }
}
