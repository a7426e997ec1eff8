//! Text to data.
//!
//! ```text
//! text ──logos──► raw tokens ──balance──► tokens ──lalrpop──► data
//!     (token.rs)        (tokens.rs, atom.rs)      (grammar.lalrpop)
//! ```
//!
//! The tokens that the grammar sees are always balanced: `tokens.rs` matches the parentheses, because it alone knows
//! lines and columns and so can say which one is missing. Invariant: any text gives a result; every error of a file is
//! reported in one run; no datum nests deeper than [`MAX_DEPTH`], so code that walks data may recurse.

mod atom;
mod build;
mod error;
pub mod outline;
mod string;
mod token;
mod tokens;

use crate::{
    datum::{Datum, DatumKind},
    diagnostic::Diagnostic,
    span::FileId,
};

use build::Builder;
use error::ReadError;
use tokens::Tokens;

#[cfg(test)]
pub(crate) use atom::number_datum;
pub(crate) use atom::reads_as_symbol;
pub(crate) use string::CHARACTER_NAMES;
pub(crate) use token::{Raw, is_directive};
pub(crate) use tokens::PREFIXES;

#[allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction, unused, dead_code)]
mod grammar {
    lalrpop_util::lalrpop_mod!(generated, "/reader/grammar.rs");
    pub(super) use generated::FileParser;
}

/// How deep data may nest.
pub const MAX_DEPTH: usize = 1_000;

/// Reads all data of a text.
///
/// What could be read is returned next to the errors, so that tools can work on half-written files.
///
/// # Examples
/// ```
/// use hpcl_lang::{reader::read, span::FileId};
/// let (data, errors) = read(FileId(0), "(name \"hello\") ; comment");
/// assert_eq!((data.len(), errors.len()), (1, 0));
/// let (_, errors) = read(FileId(0), "(name \"hello\"");
/// assert_eq!(errors[0].message, "this `(` is never closed");
/// ```
pub fn read(file: FileId, text: &str) -> (Vec<Datum>, Vec<Diagnostic>) {
    if u32::try_from(text.len()).is_err() {
        return (Vec::new(), vec![ReadError::FileTooLarge.diagnostic(file)]);
    }
    let (data, errors) = match attempt(file, text, false) {
        (_, Outcome::Unclosed) => {
            let (data, outcome) = attempt(file, text, true);
            (data, outcome.errors())
        }
        (data, outcome) => (data, outcome.errors()),
    };
    (data, errors.iter().map(|error| error.diagnostic(file)).collect())
}

/// Whether an input typed so far can be read, be it with errors: every list, string and comment in it is closed.
///
/// # Examples
/// ```
/// use hpcl_lang::reader::is_complete;
/// assert!(is_complete("(list 1 2)"));
/// assert!(!is_complete("(list 1"));
/// assert!(!is_complete("\"open"));
/// ```
pub fn is_complete(text: &str) -> bool {
    match attempt(FileId(0), text, false) {
        (_, Outcome::Unclosed) => false,
        (_, Outcome::Done(errors)) => !errors
            .iter()
            .any(|error| matches!(error, ReadError::EndlessString { .. } | ReadError::EndlessComment { .. })),
    }
}

/// A token of a text that need not be readable.
pub struct TextToken {
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The kinds of tokens, for tools that only look at nesting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenKind {
    /// `(`, `[`, `#(`.
    Open,
    /// `)`, `]`.
    Close,
    /// An abbreviation, `#;`.
    Prefix,
    /// Anything else.
    Atom,
}

/// Returns the tokens of a text without its comments.
pub fn tokens(text: &str) -> impl Iterator<Item = TextToken> {
    use logos::Logos;
    Raw::lexer(text).spanned().map(|(raw, span)| {
        let kind = match raw {
            Ok(Raw::Open | Raw::OpenVector | Raw::OpenBytes) => TokenKind::Open,
            Ok(Raw::Close) => TokenKind::Close,
            Ok(Raw::Prefix | Raw::DatumComment) => TokenKind::Prefix,
            _ => TokenKind::Atom,
        };
        TextToken { kind, start: span.start, end: span.end }
    })
}

/// Returns the first form of a text, or nothing when it does not end in it.
pub fn first_form(text: &str) -> Option<&str> {
    let mut depth = 0usize;
    let end = tokens(text).find_map(|token| {
        match token.kind {
            TokenKind::Open => depth += 1,
            TokenKind::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        (depth == 0).then_some(token.end)
    });
    text.get(..end?)
}

/// Whether a form is a list that begins with that symbol.
pub fn heads(form: &Datum, name: &str) -> bool {
    let DatumKind::List(items) = &form.kind else { return false };
    matches!(items.first().map(|head| &head.kind), Some(DatumKind::Symbol(head)) if head.as_str() == name)
}

enum Outcome {
    /// Parentheses are missing: where, is found by a second pass that trusts the indentation.
    Unclosed,
    Done(Vec<ReadError>),
}

impl Outcome {
    fn errors(self) -> Vec<ReadError> {
        match self {
            Outcome::Unclosed => Vec::new(),
            Outcome::Done(errors) => errors,
        }
    }
}

fn attempt(file: FileId, text: &str, trust_indentation: bool) -> (Vec<Datum>, Outcome) {
    let mut tokens = Tokens::new(text, trust_indentation);
    let mut builder = Builder::new(file);
    // The grammar recovers from every error by itself; what it cannot recover from was already recorded.
    let data = grammar::FileParser::new().parse(&mut builder, &mut tokens).unwrap_or_default();
    if tokens.unclosed() && !trust_indentation {
        return (data, Outcome::Unclosed);
    }
    let cut_short = tokens.cut_short();
    let mut errors = tokens.into_errors();
    let of_grammar = builder.into_errors().into_iter();
    // Where reading stopped, what an abbreviation belongs to was not looked at.
    errors.extend(
        of_grammar.filter(|error| !(cut_short && matches!(error, ReadError::NothingAfterPrefix { .. }))),
    );
    errors.sort_by_key(ReadError::start);
    (data, Outcome::Done(errors))
}

#[cfg(test)]
mod tests;
