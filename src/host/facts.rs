//! What a package's recipe says, for checks of it: fields as plain data, evaluated one package at a time.

use serde::Deserialize;

use super::{Evaluation, EvaluationError, json};
use crate::lower::DerivationValue;

/// A package's fields.
#[derive(Clone, Debug, Deserialize)]
pub struct PackageFacts {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The synopsis.
    pub synopsis: String,
    /// The description.
    pub description: String,
    /// The names of licences; `?` for what is none.
    pub licenses: Vec<String>,
    /// The home page.
    pub home_page: String,
    /// `origin`, `none` or `other`.
    pub source: String,
    /// The addresses of the source.
    pub urls: Vec<String>,
    /// The name of the source's file.
    pub file_name: String,
    /// The hash of the source: algorithm and hexadecimal digits, as in `sha256:…`; empty when it has none.
    pub hash: String,
    /// The address of the source's repository, and the commit or tag; empty when it is none.
    pub repository: (String, String),
    /// The names of patches.
    pub patches: Vec<String>,
    /// The inputs: which field, the label, the package's name.
    pub inputs: Vec<(String, String, String)>,
    /// Whether the arguments say `#:tests? #t`.
    pub tests: bool,
    /// What the package propagates, itself included, in two versions: the name and both.
    pub collisions: Vec<(String, String, String)>,
    /// File, line and column of the definition.
    pub location: (String, u32, u32),
}

/// A package that is to be checked.
#[derive(Debug)]
pub struct Checked {
    /// What its recipe says.
    pub facts: PackageFacts,
    /// Its derivation, or what is wrong with it.
    pub derivation: Result<crate::graph::NodeId, EvaluationError>,
}

impl Evaluation {
    /// Returns what the recipes of manifest entries say.
    ///
    /// # Errors
    /// [`EvaluationError::Language`] when a field cannot be evaluated; what is wrong with a derivation is part of the result.
    pub fn facts(&mut self, entries: &hpcl_lang::value::Value) -> Result<Vec<Checked>, EvaluationError> {
        let packages = self.call("entries->packages", vec![entries.clone()])?;
        let mut found = Vec::new();
        for package in packages.list_to_vec().unwrap_or_default() {
            let row = json(&self.call("package->facts", vec![package.clone()])?);
            let derivation = self.call("item->derivation", vec![package]).map(|drv| {
                drv.as_foreign::<DerivationValue>()
                    .map(|drv| drv.node)
                    .expect("`item->derivation` returns one")
            });
            let facts = serde_json::from_value(row).map_err(|error| EvaluationError::Language {
                rendered: format!("a package has a field of a wrong kind: {error}"),
            })?;
            found.push(Checked { facts, derivation });
        }
        Ok(found)
    }
}
