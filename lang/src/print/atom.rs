//! Strings, characters and symbols as the reader takes them.

use crate::reader::{CHARACTER_NAMES, reads_as_symbol};

/// Appends a string with quotes and escapes. Only control characters, `"` and `\` are escaped.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Appends a character: `#\a`, `#\newline`.
pub fn write_char(character: char, out: &mut String) {
    out.push_str("#\\");
    match CHARACTER_NAMES.iter().find(|(_, known)| *known == character) {
        Some((name, _)) => out.push_str(name),
        None if character.is_control() || character.is_whitespace() || is_invisible(character) => {
            out.push_str(&format!("x{:x}", u32::from(character)));
        }
        None => out.push(character),
    }
}

fn is_invisible(c: char) -> bool {
    // Combining marks and format characters would attach to the backslash or not show.
    matches!(u32::from(c), 0x300..=0x36f | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff)
}

/// Appends a symbol, as `#{…}#` where it would not read back otherwise.
pub fn write_symbol(name: &str, out: &mut String) {
    if reads_as_symbol(name) {
        out.push_str(name);
    } else {
        write_extended(name, out);
    }
}

/// Appends a keyword.
pub fn write_keyword(name: &str, out: &mut String) {
    out.push_str("#:");
    if reads_as_keyword(name) {
        out.push_str(name);
    } else {
        write_extended(name, out);
    }
}

fn reads_as_keyword(name: &str) -> bool {
    !name.starts_with('#') && reads_as_symbol(&format!("k{name}")) && !name.is_empty()
}

fn write_extended(name: &str, out: &mut String) {
    out.push_str("#{");
    for c in name.chars() {
        match c {
            '\\' | '}' => out.push_str(&format!("\\x{:x};", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\x{:x};", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push_str("}#");
}
