//! Strings, characters and `#{…}#` symbols.
//!
//! Escapes are Guile's: `\n \t \r \f \v \a \b \0 \\ \" \| \( \xHH \uHHHH \UHHHHHH`, and a backslash at the end of a line
//! joins it with the next one, whose indentation stays. A carriage return before a line end is dropped.

use crate::{datum::DatumKind, symbol::Symbol};

use super::error::ReadError;

/// Names of characters; the first name of each is the one that is written.
pub(crate) const CHARACTER_NAMES: [(&str, char); 38] = [
    ("nul", '\0'),
    ("null", '\0'),
    ("soh", '\x01'),
    ("stx", '\x02'),
    ("etx", '\x03'),
    ("eot", '\x04'),
    ("enq", '\x05'),
    ("ack", '\x06'),
    ("alarm", '\x07'),
    ("bel", '\x07'),
    ("backspace", '\x08'),
    ("bs", '\x08'),
    ("tab", '\t'),
    ("ht", '\t'),
    ("newline", '\n'),
    ("linefeed", '\n'),
    ("nl", '\n'),
    ("lf", '\n'),
    ("vtab", '\x0b'),
    ("vt", '\x0b'),
    ("page", '\x0c'),
    ("np", '\x0c'),
    ("ff", '\x0c'),
    ("return", '\r'),
    ("cr", '\r'),
    ("so", '\x0e'),
    ("si", '\x0f'),
    ("dle", '\x10'),
    ("can", '\x18'),
    ("escape", '\x1b'),
    ("esc", '\x1b'),
    ("altmode", '\x1b'),
    ("space", ' '),
    ("sp", ' '),
    ("delete", '\x7f'),
    ("del", '\x7f'),
    ("rubout", '\x7f'),
    ("nbsp", '\u{a0}'),
];

/// Reads the inside of a string, which begins at `start`.
///
/// # Errors
/// All its wrong escapes.
pub(super) fn string(inside: &str, start: u32) -> Result<Box<str>, Vec<ReadError>> {
    if !inside.contains(['\\', '\r']) {
        return Ok(inside.into());
    }
    let mut text = String::with_capacity(inside.len());
    let mut errors = Vec::new();
    let mut rest = inside;
    while let Some(at) = rest.find(['\\', '\r']) {
        text.push_str(rest.get(..at).unwrap_or(""));
        let from = rest.get(at..).unwrap_or("");
        let taken = if from.starts_with('\r') {
            if !from.starts_with("\r\n") {
                text.push('\r');
            }
            1
        } else {
            match escape(from) {
                Ok((Some(character), taken)) => {
                    text.push(character);
                    taken
                }
                Ok((None, taken)) => taken,
                Err(taken) => {
                    let begin = start + u32::try_from(inside.len() - from.len()).unwrap_or(0);
                    let end = begin + u32::try_from(taken).unwrap_or(0);
                    let escape = from.get(..taken).unwrap_or("").to_owned();
                    errors.push(ReadError::UnknownEscape { escape, start: begin, end });
                    taken
                }
            }
        };
        rest = from.get(taken..).unwrap_or("");
    }
    text.push_str(rest);
    if errors.is_empty() { Ok(text.into()) } else { Err(errors) }
}

/// Reads an escape; returns the character, if any, and its length, or the length of a wrong one.
fn escape(text: &str) -> Result<(Option<char>, usize), usize> {
    let Some(letter) = text.chars().nth(1) else { return Err(1) };
    let simple = |character| Ok((Some(character), 2));
    match letter {
        'n' => simple('\n'),
        't' => simple('\t'),
        'r' => simple('\r'),
        'f' => simple('\x0c'),
        'v' => simple('\x0b'),
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        '0' => simple('\0'),
        '\\' | '"' | '|' | '(' => simple(letter),
        '\n' => Ok((None, 2)),
        '\r' if text.get(2..).is_some_and(|rest| rest.starts_with('\n')) => Ok((None, 3)),
        'x' => hexadecimal(text, 2),
        'u' => hexadecimal(text, 4),
        'U' => hexadecimal(text, 6),
        other => Err(1 + other.len_utf8()),
    }
}

fn hexadecimal(text: &str, digits: usize) -> Result<(Option<char>, usize), usize> {
    let code = text.get(2..2 + digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
    let character = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
    character.map(|character| (Some(character), 2 + digits)).ok_or(2)
}

/// Reads a character with its `#\`.
pub(super) fn character(text: &str) -> Option<DatumKind> {
    let name = text.strip_prefix("#\\")?;
    let mut characters = name.chars();
    let first = characters.next()?;
    if characters.next().is_none() {
        return Some(DatumKind::Char(first));
    }
    if let Some((_, character)) = CHARACTER_NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Some(DatumKind::Char(*character));
    }
    let code = if let Some(hex) = name.strip_prefix(['x', 'u', 'U']) {
        u32::from_str_radix(hex.strip_prefix('+').unwrap_or(hex), 16).ok()
    } else if name.bytes().all(|b| matches!(b, b'0'..=b'7')) {
        u32::from_str_radix(name, 8).ok()
    } else {
        None
    };
    code.and_then(char::from_u32).map(DatumKind::Char)
}

/// Reads the inside of `#{…}#`, which begins at `start`.
pub(super) fn extended_symbol(inside: &str, start: u32) -> Result<Symbol, ReadError> {
    let mut name = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some((before, from)) = rest.split_once('\\') {
        name.push_str(before);
        let escaped = from.strip_prefix('x').and_then(|hex| hex.split_once(';'));
        let character =
            escaped.and_then(|(hex, _)| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        let Some((character, (_, after))) = character.zip(escaped) else {
            let begin = start + u32::try_from(inside.len() - from.len() - 1).unwrap_or(0);
            return Err(ReadError::UnknownEscape { escape: "\\".to_owned(), start: begin, end: begin + 1 });
        };
        name.push(character);
        rest = after;
    }
    name.push_str(rest);
    Ok(Symbol::new(&name))
}
