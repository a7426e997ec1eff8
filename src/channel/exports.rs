//! Which modules export a name: for the hint of a name that is not bound, and for editors.
//!
//! Nothing is evaluated and little is parsed: the forms that begin a line and declare or define something public. Made once,
//! when something is wrong for the first time.

use hpcl_lang::{
    datum::{Datum, DatumKind},
    host::ModuleName,
    reader,
    span::FileId,
};
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{Channels, ModuleFile};

/// The keywords of `define-module` that export the names after them.
const EXPORTS: [&str; 4] = ["export", "re-export", "export-syntax", "replace"];

/// The public names of all modules on the evaluation side.
#[derive(Debug, Default)]
pub struct Exports {
    modules: Vec<ModuleName>,
    names: FxHashMap<String, Vec<usize>>,
}

impl Exports {
    /// Looks through the channels; those that cannot be read have none.
    pub fn scan(channels: &Channels) -> Exports {
        let mut files = channels.recipe_modules().unwrap_or_default();
        files.extend(super::library_modules());
        files.sort_by_cached_key(|file| file.name.to_string());
        let exported: Vec<Vec<String>> = files.par_iter().map(|file| public_names(&file.text)).collect();
        let mut names: FxHashMap<String, Vec<usize>> = FxHashMap::default();
        for (index, exported) in exported.into_iter().enumerate() {
            for name in exported {
                let modules = names.entry(name).or_default();
                if modules.last() != Some(&index) {
                    modules.push(index);
                }
            }
        }
        Exports { modules: files.into_iter().map(|ModuleFile { name, .. }| name).collect(), names }
    }

    /// Returns the modules that export a name, sorted.
    pub fn of(&self, name: &str) -> Vec<ModuleName> {
        let found = self.names.get(name).map_or(&[][..], Vec::as_slice);
        found.iter().filter_map(|index| self.modules.get(*index).cloned()).collect()
    }

    /// Returns the names of all modules, sorted.
    pub fn modules(&self) -> &[ModuleName] {
        &self.modules
    }
}

/// The names that a module's text exports.
fn public_names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let starts = std::iter::once(0).chain(memchr::memmem::find_iter(text.as_bytes(), "\n(").map(|at| at + 1));
    for form in starts.filter_map(|start| text.get(start..)) {
        let head = form.get(1..).unwrap_or("").split([' ', '\n', '(']).next().unwrap_or("");
        match head {
            "define-public" | "define*-public" | "define-syntax-public" => {
                let rest = form.get(1 + head.len()..).unwrap_or("").trim_start_matches([' ', '\n', '(']);
                found.extend(rest.split([' ', '\n', ')']).next().map(str::to_owned));
            }
            "define-module" | "export" | "re-export" | "export-syntax" => declared(head, form, &mut found),
            _ => {}
        }
    }
    found
}

/// Adds the names that the declaration at the beginning of a text exports.
fn declared(head: &str, text: &str, found: &mut Vec<String>) {
    let (data, _) = reader::read(FileId(0), reader::first_form(text).unwrap_or(text));
    let Some(DatumKind::List(items)) = data.first().map(|form| &form.kind) else { return };
    let mut add = |names: &[Datum]| {
        found.extend(names.iter().filter_map(|name| match &name.kind {
            DatumKind::Symbol(name) => Some(name.to_string()),
            // `(inside . outside)`
            DatumKind::Dotted(_, outside) => match outside.kind {
                DatumKind::Symbol(name) => Some(name.to_string()),
                _ => None,
            },
            _ => None,
        }));
    };
    if head != "define-module" {
        return add(items.get(1..).unwrap_or(&[]));
    }
    for (key, names) in items.iter().zip(items.iter().skip(1)) {
        if let (DatumKind::Keyword(key), DatumKind::List(names)) = (&key.kind, &names.kind)
            && EXPORTS.contains(&key.as_str())
        {
            add(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_export_are_seen() {
        let text = "(define-module (a b)\n  #:use-module (c)\n  #:export (one ;a comment (\n            two\n            (in . out))\n  #:re-export (three))\n\
             (define-public four 4)\n(define-public (five x) x)\n(define*-public (six #:key a) a)\n(define seven 7)\n(export eight nine)\n\
             \"(define-public ten)\"\n";
        assert_eq!(
            public_names(text),
            ["one", "two", "out", "three", "four", "five", "six", "eight", "nine"]
        );
    }

    #[test]
    fn the_library_and_the_bundled_channels_are_known() {
        let exports = Exports::scan(&Channels::default());
        let shown = |name: &str| exports.of(name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown("cmake-build-system"), ["(hpcl build-system cmake)"]);
        assert_eq!(shown("openmpi"), ["(hpc mpi)"]);
        assert_eq!(shown("no-such-name"), [""; 0]);
        assert!(exports.modules().iter().any(|module| module.to_string() == "(hpcl packages)"));
    }
}
