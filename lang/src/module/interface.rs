//! Module interfaces: `define-module`, `use-modules`, `export`.
//!
//! ```text
//! (define-module NAME #:use-module SPEC #:autoload NAME (ID …) #:export (ID …) #:re-export (ID …) …)
//! SPEC = NAME | (NAME #:select (ID | (OUTSIDE . INSIDE) …) #:hide (ID …) #:prefix ID #:renamer (symbol-prefix-proc 'ID))
//! ```

use crate::{
    datum::{Datum, DatumKind},
    expand::{ExpandError, Failure},
    span::Span,
    symbol::Symbol,
};

use super::{Module, ModuleName, Target};

/// An import of a module.
pub(crate) struct Import {
    /// The module's name.
    pub name: ModuleName,
    /// Where the import is written.
    pub span: Span,
    /// The names taken, outside and inside; all when `None`.
    pub select: Option<Vec<(Symbol, Symbol, Span)>>,
    /// The names left out.
    pub hide: Vec<Symbol>,
    /// What is put before each name.
    pub prefix: Option<Symbol>,
    /// Where it leads, once known.
    pub target: Target,
}

impl Import {
    /// Returns the exported name that an inside name stands for, if this import can provide it.
    pub fn outside_name(&self, inside: Symbol) -> Option<Symbol> {
        let bare = match self.prefix {
            None => inside,
            Some(prefix) => Symbol::new(inside.as_str().strip_prefix(prefix.as_str())?),
        };
        if self.hide.contains(&bare) {
            return None;
        }
        match &self.select {
            None => Some(bare),
            Some(names) => {
                names.iter().find(|(_, inside, _)| *inside == bare).map(|(outside, _, _)| *outside)
            }
        }
    }

    /// Returns the names under which this import provides an exported name.
    pub fn inside_names(&self, outside: Symbol) -> Vec<Symbol> {
        let named = |bare: Symbol| match self.prefix {
            None => bare,
            Some(prefix) => Symbol::new(&format!("{prefix}{bare}")),
        };
        match &self.select {
            _ if self.hide.contains(&outside) => Vec::new(),
            None => vec![named(outside)],
            Some(names) => {
                names.iter().filter(|(from, _, _)| *from == outside).map(|(_, to, _)| named(*to)).collect()
            }
        }
    }

    /// Parses the specification of an import.
    pub fn parse(spec: &Datum) -> Result<Import, ExpandError> {
        let bad = || ExpandError::BadSyntax {
            form: "use-modules",
            span: spec.span,
            expected: "`(module name)` or `((module name) #:select (name …) #:hide (name …) #:prefix prefix)`",
        };
        let DatumKind::List(items) = &spec.kind else { return Err(bad()) };
        let mut import = match items.first() {
            Some(Datum { kind: DatumKind::List(_), .. }) => {
                let name = items.first().and_then(ModuleName::from_datum).ok_or_else(bad)?;
                Import::all(name, spec.span)
            }
            _ => return Ok(Import::all(ModuleName::from_datum(spec).ok_or_else(bad)?, spec.span)),
        };
        let mut options = items.iter().skip(1);
        while let Some(option) = options.next() {
            let DatumKind::Keyword(keyword) = option.kind else { return Err(bad()) };
            let value = options.next().ok_or_else(bad)?;
            match keyword.as_str() {
                "select" => import.select = Some(selection(value).ok_or_else(bad)?),
                "hide" => {
                    import.hide =
                        selection(value).ok_or_else(bad)?.into_iter().map(|(name, ..)| name).collect();
                }
                "prefix" => match value.kind {
                    DatumKind::Symbol(prefix) => import.prefix = Some(prefix),
                    _ => return Err(bad()),
                },
                "renamer" => import.prefix = Some(renamer_prefix(value).ok_or_else(bad)?),
                "version" => {}
                _ => return Err(unknown_option(option, "an import", IMPORT_OPTIONS)),
            }
        }
        Ok(import)
    }

    /// Imports everything that a module exports.
    pub(super) fn all(name: ModuleName, span: Span) -> Self {
        Import { name, span, select: None, hide: Vec::new(), prefix: None, target: Target::new() }
    }
}

const IMPORT_OPTIONS: &[&str] = &["select", "hide", "prefix", "renamer", "version"];
const MODULE_OPTIONS: &[&str] = &[
    "use-module",
    "autoload",
    "export",
    "export-syntax",
    "re-export",
    "re-export-syntax",
    "replace",
    "pure",
    "duplicates",
    "version",
];

fn unknown_option(option: &Datum, of: &str, known: &[&str]) -> ExpandError {
    let DatumKind::Keyword(keyword) = option.kind else {
        return ExpandError::Other {
            message: format!("an option of {of} is a keyword"),
            span: option.span,
            hint: None,
        };
    };
    let hint = match crate::suggest::closest(keyword.as_str(), known.iter().copied()) {
        Some(other) => format!("did you mean `#:{other}`?"),
        None => format!(
            "there are {}",
            known.iter().map(|name| format!("`#:{name}`")).collect::<Vec<_>>().join(", ")
        ),
    };
    ExpandError::Other {
        message: format!("{of} has no option `#:{keyword}`"),
        span: option.span,
        hint: Some(hint),
    }
}

/// Parses `(a (b . c) …)`.
fn selection(datum: &Datum) -> Option<Vec<(Symbol, Symbol, Span)>> {
    let DatumKind::List(items) = &datum.kind else { return None };
    items
        .iter()
        .map(|item| match &item.kind {
            DatumKind::Symbol(name) => Some((*name, *name, item.span)),
            DatumKind::Dotted(outside, inside) => match (outside.as_slice(), &inside.kind) {
                ([Datum { kind: DatumKind::Symbol(outside), .. }], DatumKind::Symbol(inside)) => {
                    Some((*outside, *inside, item.span))
                }
                _ => None,
            },
            _ => None,
        })
        .collect()
}

/// Parses `(symbol-prefix-proc 'prefix)`.
fn renamer_prefix(datum: &Datum) -> Option<Symbol> {
    let DatumKind::List(items) = &datum.kind else { return None };
    match items.as_slice() {
        [Datum { kind: DatumKind::Symbol(head), .. }, Datum { kind: DatumKind::List(quoted), .. }]
            if head.as_str() == "symbol-prefix-proc" =>
        {
            match quoted.get(1)?.kind {
                DatumKind::Symbol(prefix) => Some(prefix),
                _ => None,
            }
        }
        _ => None,
    }
}

impl Module {
    /// Takes in a `define-module` form.
    pub(super) fn declare(&mut self, form: &Datum) -> Result<(), Failure> {
        let bad = |span| ExpandError::BadSyntax {
            form: "define-module",
            span,
            expected: "`(define-module (name …) #:use-module (…) #:export (…))`",
        };
        let DatumKind::List(items) = &form.kind else { return Err(bad(form.span).into()) };
        let name = items.get(1).ok_or_else(|| bad(form.span))?;
        self.name = ModuleName::from_datum(name).ok_or_else(|| bad(name.span))?;
        self.span = Some(form.span);
        self.exports_all = false;
        let mut options = items.iter().skip(2);
        while let Some(option) = options.next() {
            let DatumKind::Keyword(keyword) = option.kind else { return Err(bad(option.span).into()) };
            if matches!(keyword.as_str(), "pure" | "no-backtrace") {
                continue;
            }
            let value = options.next().ok_or_else(|| bad(option.span))?;
            match keyword.as_str() {
                "use-module" | "use-syntax" => self.imports.push(Import::parse(value)?),
                "autoload" => {
                    let names = options.next().and_then(selection).ok_or_else(|| bad(value.span))?;
                    let mut import = Import::parse(value)?;
                    import.select = Some(names);
                    self.imports.push(import);
                }
                "export"
                | "export!"
                | "export-syntax"
                | "re-export"
                | "re-export-syntax"
                | "replace"
                | "re-export-and-replace" => self.export(value).ok_or_else(|| bad(value.span))?,
                "version" | "duplicates" | "declarative?" | "filename" => {}
                _ => return Err(unknown_option(option, "`define-module`", MODULE_OPTIONS).into()),
            }
        }
        Ok(())
    }

    /// Exports the names of a list.
    pub(super) fn export(&mut self, names: &Datum) -> Option<()> {
        // In `#:export ((inside . outside))` the inside name comes first, as in Guile.
        for (inside, outside, span) in selection(names)? {
            self.exports.insert(outside, (inside, span));
        }
        Some(())
    }
}
