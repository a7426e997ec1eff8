//! Which modules export a name: for the hint of a name that is not bound, and for editors.
//!
//! Nothing is evaluated: files that have the name as a word are read, and their declarations and `define-public` forms looked
//! at. It is only asked when something is wrong already.

use hpcl_lang::{
    datum::{Datum, DatumKind},
    host::ModuleName,
    reader,
    span::FileId,
};
use rayon::prelude::*;

use super::{Channels, ModuleFile};

/// The keywords of `define-module` that export the names after them.
const EXPORTS: [&str; 4] = ["export", "re-export", "export-syntax", "replace"];

impl Channels {
    /// Returns the modules that export a name, sorted; channels that cannot be read have none.
    pub fn exporters(&self, name: &str) -> Vec<ModuleName> {
        let mut modules = self.recipe_modules().unwrap_or_default();
        modules.extend(super::library_modules());
        let mut found: Vec<ModuleName> = modules
            .par_iter()
            .filter(|module| module.text.contains(name) && exports(module, name))
            .map(|module| module.name.clone())
            .collect();
        found.sort_by_key(ToString::to_string);
        found.dedup();
        found
    }

    /// Returns the names of all modules on the evaluation side, sorted.
    pub fn module_names(&self) -> Vec<ModuleName> {
        let mut modules = self.recipe_modules().unwrap_or_default();
        modules.extend(super::library_modules());
        let mut names: Vec<ModuleName> = modules.into_iter().map(|module| module.name).collect();
        names.sort_by_key(ToString::to_string);
        names.dedup();
        names
    }
}

fn exports(module: &ModuleFile, name: &str) -> bool {
    let (forms, _) = reader::read(FileId(0), &module.text);
    forms.iter().any(|form| exported_by(form, name))
}

/// Whether a top-level form exports a name.
fn exported_by(form: &Datum, name: &str) -> bool {
    let DatumKind::List(items) = &form.kind else { return false };
    let is = |datum: &Datum| matches!(datum.kind, DatumKind::Symbol(symbol) if symbol.as_str() == name);
    let among = |datum: &Datum| matches!(&datum.kind, DatumKind::List(names) if names.iter().any(is));
    match items.first().map(|head| &head.kind) {
        Some(DatumKind::Symbol(head)) => match head.as_str() {
            "define-module" => items.iter().zip(items.iter().skip(1)).any(|(key, names)| {
                matches!(key.kind, DatumKind::Keyword(key) if EXPORTS.contains(&key.as_str())) && among(names)
            }),
            "export" | "re-export" | "export-syntax" => items.iter().skip(1).any(is),
            "define-public" | "define*-public" | "define-syntax-public" => {
                items.get(1).is_some_and(|target| {
                    is(target)
                        || matches!(&target.kind, DatumKind::List(parts) | DatumKind::Dotted(parts, _)
                        if parts.first().is_some_and(is))
                })
            }
            _ => false,
        },
        _ => false,
    }
}
