//! The part of the base environment that is written in the language (`stdlib/prelude/`).
//!
//! An interpreter starts in every build, so that reading all of the prelude each time would cost more than the build's
//! own code. The files keep to one rule, which a test holds: every top-level form begins in the first column with
//! `(define`, and nothing else begins there but comments. So the forms and their names are found by looking
//! at line starts, and a form is read when its name is first used.

use std::sync::{Arc, OnceLock};

use crate::{datum::Datum, reader, span::FileId, symbol::Symbol};

/// The number of the module that holds the prelude.
pub(crate) const PRELUDE_MODULE: super::ModuleId = super::ModuleId(0);

/// The files of both sides, then those of the builder side, by name.
const FILES: &[(&str, &str)] = &[
    ("<prelude>/lists.hpcl", include_str!("../../../stdlib/prelude/lists.hpcl")),
    ("<prelude>/procedures.hpcl", include_str!("../../../stdlib/prelude/procedures.hpcl")),
    ("<prelude>/conditions.hpcl", include_str!("../../../stdlib/prelude/conditions.hpcl")),
    ("<prelude>/equality.hpcl", include_str!("../../../stdlib/prelude/equality.hpcl")),
    ("<prelude>/srfi.hpcl", include_str!("../../../stdlib/prelude/srfi.hpcl")),
    ("<prelude>/optargs.hpcl", include_str!("../../../stdlib/prelude/optargs.hpcl")),
    ("<prelude>/strings.hpcl", include_str!("../../../stdlib/prelude/strings.hpcl")),
    ("<prelude>/guile.hpcl", include_str!("../../../stdlib/prelude/guile.hpcl")),
    ("<prelude>/vhash.hpcl", include_str!("../../../stdlib/prelude/vhash.hpcl")),
    (
        "<prelude>/builder/compatibility.hpcl",
        include_str!("../../../stdlib/prelude/builder/compatibility.hpcl"),
    ),
    ("<prelude>/builder/files.hpcl", include_str!("../../../stdlib/prelude/builder/files.hpcl")),
    ("<prelude>/builder/ports.hpcl", include_str!("../../../stdlib/prelude/builder/ports.hpcl")),
    ("<prelude>/builder/processes.hpcl", include_str!("../../../stdlib/prelude/builder/processes.hpcl")),
];

/// Whether a file is for the builder side only.
pub(crate) fn for_builder(file: usize) -> bool {
    FILES.get(file).is_some_and(|(name, _)| name.starts_with("<prelude>/builder/"))
}

/// A top-level form of the prelude.
pub(crate) struct PreludeForm {
    /// The file's place in the list of files, and its number in every interpreter.
    pub file: usize,
    /// Where the form begins.
    pub start: usize,
    /// Where the form ends.
    pub end: usize,
    /// What it defines.
    pub name: Symbol,
    /// Whether it defines a macro.
    pub is_macro: bool,
}

/// Returns the prelude's files.
pub(crate) fn files() -> &'static [(Arc<str>, Arc<str>)] {
    static SHARED: OnceLock<Vec<(Arc<str>, Arc<str>)>> = OnceLock::new();
    SHARED.get_or_init(|| FILES.iter().map(|(name, text)| (Arc::from(*name), Arc::from(*text))).collect())
}

/// Returns the forms of the prelude.
pub(crate) fn forms() -> &'static [PreludeForm] {
    static FORMS: OnceLock<Vec<PreludeForm>> = OnceLock::new();
    FORMS.get_or_init(|| {
        let mut forms = Vec::new();
        for (file, (_, text)) in FILES.iter().enumerate() {
            scan(file, text, &mut forms);
        }
        forms
    })
}

fn scan(file: usize, text: &str, forms: &mut Vec<PreludeForm>) {
    let mut position = 0;
    let first = forms.len();
    for line in text.split_inclusive('\n') {
        if line.starts_with('(') || line.starts_with(';') {
            if let Some(last) = forms.get_mut(first..).and_then(<[PreludeForm]>::last_mut)
                && last.end == usize::MAX
            {
                last.end = position;
            }
            if let Some((name, is_macro)) = defined_name(line) {
                let (start, name) = (position, Symbol::new(name));
                forms.push(PreludeForm { file, start, end: usize::MAX, name, is_macro });
            }
        }
        position += line.len();
    }
    if let Some(last) = forms.last_mut() {
        last.end = last.end.min(position);
    }
}

/// Returns the name that a form defines whose first line this is, and whether it is a macro's.
fn defined_name(line: &str) -> Option<(&str, bool)> {
    let (head, rest) = line.strip_prefix('(')?.split_once(' ')?;
    let rest = rest.trim_start().trim_start_matches('(');
    let name = rest.split([' ', ')', '\n', '\t']).next().filter(|name| !name.is_empty())?;
    match head {
        "define" | "define*" | "define-public" | "define*-public" => Some((name, false)),
        "define-syntax" | "define-syntax-rule" => Some((name, true)),
        _ => None,
    }
}

/// Reads a form of the prelude.
pub(crate) fn read(index: usize) -> Option<Datum> {
    let form = forms().get(index)?;
    let (_, text) = FILES.get(form.file)?;
    let file = FileId(u32::try_from(form.file).ok()?);
    let (data, _) = reader::read(file, text.get(form.start..form.end)?);
    let mut datum = data.into_iter().next()?;
    reader::outline::shift(&mut datum, u32::try_from(form.start).ok()?);
    Some(datum)
}

#[cfg(test)]
mod tests {
    use super::{FILES, forms, read};
    use crate::{datum::DatumKind, reader, span::FileId};

    #[test]
    fn looking_at_line_starts_finds_what_the_reader_finds() {
        for (index, (name, text)) in FILES.iter().enumerate() {
            let (data, errors) = reader::read(FileId(0), text);
            assert!(errors.is_empty(), "{name}: {errors:?}");
            let ours = forms().iter().filter(|form| form.file == index).count();
            assert_eq!(
                ours,
                data.len(),
                "{name} has forms that do not begin in the first column with a definition"
            );
        }
        for (index, form) in forms().iter().enumerate() {
            let datum = read(index).expect("it is there");
            let DatumKind::List(items) = &datum.kind else { panic!("{} is no list", form.name) };
            let named = match &items[1].kind {
                DatumKind::List(parts) => parts[0].kind.clone(),
                DatumKind::Dotted(parts, _) => parts[0].kind.clone(),
                other => other.clone(),
            };
            assert_eq!(named, DatumKind::Symbol(form.name));
        }
    }

    #[test]
    fn no_name_is_defined_twice() {
        let mut names: Vec<_> = forms().iter().map(|form| form.name.as_str()).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
