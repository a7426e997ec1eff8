//! What installing asks of an evaluation: plans of what is new, and the derivation of a profile of store items.

use hpcl_lang::{print, symbol::Symbol, value::Value};

use super::{Evaluation, EvaluationError, evaluation::library};
use crate::{graph::NodeId, lower::DerivationValue, profile};

/// An output of a package that is to be in a profile, not built yet.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The package's name.
    pub name: String,
    /// Its version, or nothing.
    pub version: String,
    /// The output.
    pub output: String,
    /// Its derivation.
    pub node: NodeId,
    /// Its search paths, each as it is written.
    pub search_paths: Vec<String>,
    /// Its properties, each as it is written.
    pub properties: Vec<String>,
    /// What it brings along.
    pub propagated: Vec<Planned>,
}

/// What is to take the place of an entry.
#[derive(Clone, Debug)]
pub enum Upgrade {
    /// This, which may be the same.
    To(Box<Planned>),
    /// No package has the name any more, or none that has the output.
    Unknown,
    /// There are only older versions.
    Older,
}

impl Evaluation {
    /// Returns what manifest entries are to be in a profile.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn plan(&mut self, entries: &Value) -> Result<Vec<Planned>, EvaluationError> {
        let rows = self.call_in(&library("stored-profiles"), "entries->plan", vec![entries.clone()])?;
        Ok(rows.list_to_vec().unwrap_or_default().iter().filter_map(planned).collect())
    }

    /// Returns for each entry of a profile what is to take its place now, with its transformations and those that are added.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn upgrades(
        &mut self,
        entries: &[&profile::Entry],
        added: &[(&'static str, String)],
    ) -> Result<Vec<Upgrade>, EvaluationError> {
        let rows = Value::list(entries.iter().map(|entry| row(entry)).collect::<Vec<_>>());
        let added = options(added.iter().map(|(name, value)| (*name, value.as_str())));
        let found = self.call_in(&library("stored-profiles"), "upgrade-plan", vec![rows, added])?;
        let upgrade = |value: &Value| match value {
            Value::Symbol(name) if name.as_str() == "older" => Upgrade::Older,
            value => planned(value).map_or(Upgrade::Unknown, |planned| Upgrade::To(Box::new(planned))),
        };
        Ok(found.list_to_vec().unwrap_or_default().iter().map(upgrade).collect())
    }

    /// Returns the derivation of the profile of a manifest, with what the hooks make.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn stored_profile(
        &mut self,
        manifest: &profile::Manifest,
        hooks: &[&str],
    ) -> Result<NodeId, EvaluationError> {
        let text = manifest.to_text(&|item| item.canonical());
        let mut entries = manifest.transitive();
        if hooks.contains(&profile::PYTHON_MODULES) {
            // Of two files of one name the first is taken.
            let is_python =
                |entry: &&profile::Entry| entry.search_paths.iter().any(|path| path.contains("PYTHONPATH\""));
            entries.sort_by_key(is_python);
        }
        let items = entries.into_iter().map(|entry| Value::string(entry.item.canonical()));
        let paths = self.expression(&format!("'({})", manifest.search_path_texts().join(" ")))?;
        let arguments = vec![
            Value::string(text),
            Value::list(items.collect::<Vec<_>>()),
            paths,
            Value::list(hooks.iter().map(|hook| Value::Symbol(Symbol::new(hook))).collect::<Vec<_>>()),
        ];
        let value = self.call_in(&library("stored-profiles"), "stored-profile", arguments)?;
        let node = value.as_foreign::<DerivationValue>().map(|drv| drv.node);
        Ok(node.expect("`stored-profile` returns a derivation"))
    }

    /// Returns the forms of a file that evaluates to a manifest of the same packages as a profile's.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn manifest_code(&mut self, manifest: &profile::Manifest) -> Result<Vec<String>, EvaluationError> {
        let rows = Value::list(manifest.entries.iter().map(row).collect::<Vec<_>>());
        let forms = self.call_in(&library("stored-profiles"), "manifest->code", vec![rows])?;
        Ok(forms.list_to_vec().unwrap_or_default().iter().map(print::write).collect())
    }
}

/// An entry as the language takes it: (name version output transformations).
fn row(entry: &profile::Entry) -> Value {
    let saved = entry.transformations();
    Value::list(vec![
        Value::string(entry.name.clone()),
        Value::string(entry.version.clone()),
        Value::string(entry.output.clone()),
        options(saved.iter().map(|(name, value)| (name.as_str(), value.as_str()))),
    ])
}

/// Transformations as the language takes them.
fn options<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::list(
        pairs.map(|(name, value)| Value::cons(Value::symbol(name), Value::string(value))).collect::<Vec<_>>(),
    )
}

fn planned(row: &Value) -> Option<Planned> {
    let parts = row.list_to_vec()?;
    let [name, version, output, drv, paths, properties, propagated] = parts.as_slice() else { return None };
    let written = |value: &Value| value.list_to_vec().unwrap_or_default().iter().map(print::write).collect();
    Some(Planned {
        name: name.as_str()?.to_owned(),
        version: version.as_str()?.to_owned(),
        output: output.as_str()?.to_owned(),
        node: drv.as_foreign::<DerivationValue>()?.node,
        search_paths: written(paths),
        properties: written(properties),
        propagated: propagated.list_to_vec()?.iter().map(planned).collect::<Option<_>>()?,
    })
}
