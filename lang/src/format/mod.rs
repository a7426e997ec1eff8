//! The one format of programs.
//!
//! ```text
//! text ──tree.rs──► items with comments and line breaks ──layout.rs, rules.rs──► text
//! ```
//! Guix's conventions: Emacs's indentation, a field a line. White space is ours, line breaks are the author's unless a line
//! gets too long; comments stay. Invariants: the result reads as the same data, has the same comments, and
//! formatting it again changes nothing; a text for which that does not hold is refused.

mod layout;
mod rules;
mod tree;

use crate::{
    datum::{Datum, DatumKind},
    diagnostic::Diagnostic,
    reader,
    span::FileId,
};

use tree::{Item, Kind};

/// The column that code does not run over if it can be broken.
pub const WIDTH: usize = 100;

/// How often a text is laid out until it stays as it is.
const PASSES: usize = 8;

/// Why a text stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// It cannot be read.
    #[error("the text cannot be read")]
    Unreadable(Vec<Diagnostic>),
    /// A mistake of the formatter: what it made of the text is not the same program.
    #[error("the formatted text would not mean the same; this is a mistake of the formatter")]
    Unsure,
}

/// Returns a text in the one format.
///
/// # Errors
/// [`FormatError::Unreadable`] when the text cannot be read.
///
/// # Examples
/// ```
/// use hpcl_lang::{format::format, span::FileId};
/// let text = "(define-public a\n(package   (name \"a\") ; short\n\n\n (version \"1\")))";
/// assert_eq!(
///     format(FileId(0), text).unwrap(),
///     "(define-public a\n  (package\n    (name \"a\") ; short\n\n    (version \"1\")))\n"
/// );
/// ```
pub fn format(file: FileId, text: &str) -> Result<String, FormatError> {
    let (data, errors) = reader::read(file, text);
    if !errors.is_empty() {
        return Err(FormatError::Unreadable(errors));
    }
    let items = tree::parse(text);
    let mut done = layout::print(&items);
    for _ in 0..PASSES {
        let again = layout::print(&tree::parse(&done));
        if again == done {
            break;
        }
        done = again;
    }
    let (read, errors) = reader::read(file, &done);
    let same_data = errors.is_empty() && same(&data, &read);
    if same_data && comments(&items) == comments(&tree::parse(&done)) {
        Ok(done)
    } else {
        Err(FormatError::Unsure)
    }
}

/// Whether data are equal but for their places.
pub fn same(a: &[Datum], b: &[Datum]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_datum(a, b))
}

fn same_datum(a: &Datum, b: &Datum) -> bool {
    match (&a.kind, &b.kind) {
        (DatumKind::List(a), DatumKind::List(b)) | (DatumKind::Vector(a), DatumKind::Vector(b)) => same(a, b),
        (DatumKind::Dotted(a, end_a), DatumKind::Dotted(b, end_b)) => same(a, b) && same_datum(end_a, end_b),
        (DatumKind::Float(a), DatumKind::Float(b)) => a.to_bits() == b.to_bits(),
        (a, b) => a == b,
    }
}

/// Returns all comments in order.
pub fn comments_of(text: &str) -> Vec<String> {
    comments(&tree::parse(text)).into_iter().map(str::to_owned).collect()
}

fn comments<'s>(items: &[Item<'s>]) -> Vec<&'s str> {
    let mut found = Vec::new();
    for item in items {
        let mut item = item;
        while let Kind::Prefixed(_, inner) = &item.kind {
            item = inner;
        }
        match &item.kind {
            Kind::Comment(text) | Kind::Block(text) => found.push(*text),
            Kind::List(_, _, items) => found.extend(comments(items)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
