//! What the texts of recipes tell of packages.
//!
//! Each module is read once and its `define-public` forms are looked at: where the value is a `package` form with a
//! literal name, that name and the version are known at once; any other public definition is a candidate for every
//! name, since only its value can tell. Invariant: no package that a module itself defines is missed.

use hpcl_lang::{
    datum::{Datum, DatumKind, list, named, symbol},
    host::ModuleName,
    reader,
    source::SourceMap,
    span::FileId,
    symbol::Symbol,
};
use rayon::prelude::*;

use super::{ChannelError, Channels, IndexEntry};
use crate::channel::ModuleFile;

/// Reads the recipe modules of the channels.
pub fn channels(channels: &Channels) -> Result<Vec<IndexEntry>, ChannelError> {
    let modules = channels.recipe_modules()?;
    let entries: Vec<Vec<IndexEntry>> = modules.par_iter().enumerate().map(scan_module).collect();
    Ok(entries.concat())
}

/// Returns the package's name that the definition at the beginning of a text writes as a literal.
pub fn literal_name(text: &str) -> Option<String> {
    let (forms, _) = reader::read(FileId(0), reader::first_form(text)?);
    literal_field(package_form(list(forms.first()?)?.last()?)?, "name")
}

/// How the form of a plain package is written.
pub struct Shape {
    /// Where its fields are that are evaluated when they are asked for.
    pub lazy: Vec<std::ops::Range<usize>>,
    /// Whether it takes other packages apart.
    pub takes_apart: bool,
}

/// Returns the shape of a definition whose value is written as a `package` form; nothing of others.
pub fn shape(text: &str) -> Option<Shape> {
    const LAZY: [&str; 4] = ["arguments", "inputs", "native-inputs", "propagated-inputs"];
    let (forms, errors) = reader::read(FileId(0), text);
    let package = package_form(list(forms.first().filter(|_| errors.is_empty())?)?.last()?)?;
    let clauses =
        list(package)?.iter().filter(|clause| head(clause).is_some_and(|head| LAZY.contains(&head)));
    let lazy = clauses.map(|clause| clause.span.start as usize..clause.span.end as usize).collect();
    let apart = |(at, _): (usize, &str)| !text.get(..at).unwrap_or_default().ends_with("this-");
    let takes_apart = text.contains("inherit") || text.match_indices("package-").any(apart);
    Some(Shape { lazy, takes_apart })
}

/// Returns the modules that a text imports with `define-module` or `use-modules`.
pub fn imports(text: &str) -> Vec<ModuleName> {
    let mut sources = SourceMap::default();
    let file = sources.add("", text);
    let (forms, _) = reader::read(file, text);
    let mut found = Vec::new();
    for form in &forms {
        let items = list(form).unwrap_or_default();
        match head(form) {
            Some("define-module") => {
                let uses = items.iter().zip(items.iter().skip(1)).filter(
                    |(key, _)| matches!(&key.kind, DatumKind::Keyword(name) if name.as_str() == "use-module"),
                );
                found.extend(uses.filter_map(|(_, interface)| interface_module(interface)));
            }
            Some("use-modules") => found.extend(items.iter().skip(1).filter_map(interface_module)),
            _ => {}
        }
    }
    found
}

/// The module of `(a b)` or of `((a b) #:select …)`.
fn interface_module(interface: &Datum) -> Option<ModuleName> {
    let first = list(interface)?.first()?;
    ModuleName::from_datum(if list(first).is_some() { first } else { interface })
}

fn scan_module((order, module): (usize, &ModuleFile)) -> Vec<IndexEntry> {
    let mut sources = SourceMap::default();
    let file = sources.add(module.file.clone(), module.text.clone());
    let (forms, _) = reader::read(file, &module.text);
    let lines: Vec<usize> =
        std::iter::once(0).chain(module.text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let mut exported: Vec<Symbol> = Vec::new();
    forms.iter().filter(|form| head(form) == Some("define-module")).for_each(|form| {
        exported.extend(keyword_symbols(form, "export"));
    });
    forms
        .iter()
        .filter_map(|form| {
            let items = list(form)?;
            let variable = items.get(1).and_then(symbol)?;
            let public = match head(form)? {
                "define-public" => true,
                "define" => exported.contains(&variable),
                _ => false,
            };
            let value = items.last().filter(|_| public)?;
            let package = package_form(value);
            let may_be_package = package.is_some() || is_call(value);
            may_be_package.then(|| {
                let (line, column) = position(&lines, &module.text, form.span.start as usize);
                IndexEntry {
                    module: module.name.clone(),
                    variable,
                    name: package.and_then(|form| literal_field(form, "name")),
                    version: package.and_then(|form| literal_field(form, "version")),
                    location: (module.file.to_string(), line, column),
                    order: u32::try_from(order).unwrap_or(u32::MAX),
                }
            })
        })
        .collect()
}

/// Returns line and column, from 1, given where lines begin.
fn position(lines: &[usize], text: &str, at: usize) -> (usize, usize) {
    let line = lines.partition_point(|start| *start <= at);
    let start = line.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or(0);
    (line, text.get(start..at).map_or(0, |before| before.chars().count()) + 1)
}

/// Whether a definition's value could be a package at all: a call or a reference, not a lambda or a literal.
fn is_call(value: &Datum) -> bool {
    match &value.kind {
        DatumKind::Symbol(_) => true,
        DatumKind::List(_) => !matches!(
            head(value),
            Some(
                "lambda"
                    | "lambda*"
                    | "quote"
                    | "quasiquote"
                    | "list"
                    | "gexp"
                    | "make-parameter"
                    | "string-append"
            )
        ),
        _ => false,
    }
}

/// Returns the `package` form that a value is, looking through `let`, `let*` and `hidden-package`.
fn package_form(value: &Datum) -> Option<&Datum> {
    match head(value)? {
        "package" => Some(value),
        "let" | "let*" => package_form(list(value)?.last()?),
        _ => None,
    }
}

fn literal_field(form: &Datum, field: &str) -> Option<String> {
    list(form)?.iter().find(|clause| head(clause) == Some(field)).and_then(|clause| {
        match list(clause)?.get(1).map(|datum| &datum.kind) {
            Some(DatumKind::String(text)) => Some(text.to_string()),
            _ => None,
        }
    })
}

fn keyword_symbols(form: &Datum, keyword: &str) -> Vec<Symbol> {
    let items = list(form).unwrap_or_default();
    items
        .iter()
        .zip(items.iter().skip(1))
        .filter(|(key, _)| matches!(&key.kind, DatumKind::Keyword(name) if name.as_str() == keyword))
        .flat_map(|(_, value)| list(value).unwrap_or_default().iter().filter_map(symbol).collect::<Vec<_>>())
        .collect()
}

fn head(datum: &Datum) -> Option<&'static str> {
    named(datum).map(|(name, _)| name)
}
