//! Symbols, numbers, and what begins with `#`.
//!
//! What begins like a number and is none is a symbol (`1+`, `-`, `...`), as in Guile. Characters that only look right (a
//! no-break space, curly quotes) are errors: they come from copying out of a web page, and nothing else would tell.

use crate::{
    datum::DatumKind,
    number::{self, Numeric, ParseError},
};

use super::error::ReadError;

/// What is wrong with an atom, before its place is known.
pub(super) enum AtomError {
    TooLong,
    /// A character that does not belong there, at an offset.
    Character(usize, char),
}

impl AtomError {
    /// Adds the place.
    pub(super) fn into_error(self, text: &str, start: u32) -> ReadError {
        let offset = |n: usize| start + u32::try_from(n).unwrap_or(0);
        match self {
            AtomError::TooLong => ReadError::NumberTooLong { start, end: offset(text.len()) },
            AtomError::Character(at, character) => ReadError::StrayCharacter {
                character,
                start: offset(at),
                end: offset(at + character.len_utf8()),
            },
        }
    }
}

/// Returns the number that an atom is; `None` when it is a symbol.
pub(super) fn atom(text: &str) -> Result<Option<DatumKind>, AtomError> {
    let bytes = text.as_bytes();
    let may_be_number = matches!(
        bytes,
        [b'0'..=b'9', ..] | [b'+' | b'-', b'0'..=b'9' | b'.' | b'i' | b'n', ..] | [b'.', b'0'..=b'9', ..]
    );
    if may_be_number {
        match number::parse(text, 10) {
            Ok(number) => return Ok(Some(number_datum(number))),
            Err(ParseError::TooLong) => return Err(AtomError::TooLong),
            Err(ParseError::NotANumber) => {}
        }
    }
    check_characters(text)?;
    Ok(None)
}

/// Returns the datum of a number.
pub(crate) fn number_datum(number: Numeric) -> DatumKind {
    match number {
        Numeric::Int(n) => DatumKind::Int(n),
        Numeric::Big(n) => DatumKind::BigInt(Box::new(n)),
        Numeric::Rational(q) => DatumKind::Rational(Box::new(q)),
        Numeric::Float(x) => DatumKind::Float(x),
    }
}

/// Whether the reader takes a name, written as it stands, for that symbol.
pub(crate) fn reads_as_symbol(name: &str) -> bool {
    let delimiter =
        |c: char| matches!(c, ' ' | '\t' | '\r' | '\n' | '\x0c' | '(' | ')' | '[' | ']' | '"' | ';');
    name == "#nil"
        || !name.is_empty()
            && name != "."
            && !name.starts_with(['\'', '`', ',', '#'])
            && !name.contains(delimiter)
            && matches!(atom(name), Ok(None))
}

/// Refuses control characters, odd spaces and curly quotes.
pub(super) fn check_characters(text: &str) -> Result<(), AtomError> {
    if text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(());
    }
    let stray = |c: &(usize, char)| {
        c.1.is_control()
            || c.1.is_whitespace()
            || matches!(c.1, '\u{200b}' | '\u{2060}' | '\u{feff}' | '“' | '”' | '‘' | '’')
    };
    text.char_indices().find(stray).map_or(Ok(()), |(at, character)| Err(AtomError::Character(at, character)))
}

/// Returns what a token that begins with `#` is.
pub(super) fn hash(text: &str, start: u32, end: u32) -> Result<DatumKind, ReadError> {
    match text {
        "#t" | "#true" => return Ok(DatumKind::Bool(true)),
        "#f" | "#false" => return Ok(DatumKind::Bool(false)),
        "#nil" => return Ok(DatumKind::Symbol(crate::quoted::nil())),
        _ => {}
    }
    if matches!(
        text.as_bytes().get(1),
        Some(b'x' | b'X' | b'o' | b'O' | b'b' | b'B' | b'd' | b'D' | b'e' | b'E' | b'i' | b'I')
    ) {
        return match number::parse(text, 10) {
            Ok(number) => Ok(number_datum(number)),
            Err(ParseError::TooLong) => Err(ReadError::NumberTooLong { start, end }),
            Err(ParseError::NotANumber) => Err(ReadError::BadNumber { text: text.to_owned(), start, end }),
        };
    }
    Err(ReadError::UnknownHash { text: text.to_owned(), start, end })
}
