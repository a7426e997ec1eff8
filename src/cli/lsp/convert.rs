//! Between the program's bytes and paths and the protocol's UTF-16 positions and URIs.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use lsp_types::{Position, Range, Uri};

/// Returns the position of a byte.
pub fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count();
    let column: usize = before.rsplit('\n').next().unwrap_or("").chars().map(char::len_utf16).sum();
    Position { line: number(line), character: number(column) }
}

/// Returns the byte of a position; beyond the end of a line, that end.
pub fn offset(text: &str, position: Position) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text.get(start..).and_then(|rest| rest.find('\n')) {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let mut left = position.character as usize;
    let line = text.get(start..).and_then(|rest| rest.split('\n').next()).unwrap_or("");
    for (at, c) in line.char_indices() {
        if left < c.len_utf16() {
            return start + at;
        }
        left -= c.len_utf16();
    }
    start + line.len()
}

/// Returns the range of two bytes.
pub fn range(text: &str, (start, end): (usize, usize)) -> Range {
    Range { start: position(text, start), end: position(text, end) }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Returns the path of a `file:` URI.
pub fn path(uri: &Uri) -> Option<PathBuf> {
    let rest = uri.as_str().strip_prefix("file://")?;
    let rest = rest.get(rest.find('/')?..)?;
    let mut bytes = Vec::with_capacity(rest.len());
    let mut input = rest.bytes();
    while let Some(byte) = input.next() {
        if byte == b'%' {
            let digits = [input.next()?, input.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

/// Returns the URI of an absolute path.
pub fn uri(path: &Path) -> Option<Uri> {
    let mut text = String::from("file://");
    for byte in path.to_str()?.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Uri::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf16() {
        let text = "a\nλ𝄞x\n";
        for (at, line, character) in [(0, 0, 0), (2, 1, 0), (4, 1, 1), (8, 1, 3), (9, 1, 4), (10, 2, 0)] {
            assert_eq!(position(text, at), Position { line, character });
            assert_eq!(offset(text, Position { line, character }), at);
        }
        assert_eq!(offset(text, Position { line: 1, character: 99 }), 9);
        assert_eq!(offset(text, Position { line: 9, character: 0 }), text.len());
    }

    #[test]
    fn paths_and_uris_correspond() {
        let odd = Path::new("/tmp/a b/λ.hpcl");
        let there = uri(odd).unwrap();
        assert_eq!(there.as_str(), "file:///tmp/a%20b/%CE%BB.hpcl");
        assert_eq!(path(&there).unwrap(), odd);
        assert_eq!(path(&Uri::from_str("untitled:1").unwrap()), None);
    }
}
