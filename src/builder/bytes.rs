//! Bytes as strings of the language, and back.
//!
//! File names, file contents and the environment are bytes; strings of the language are Unicode. Text that is valid
//! UTF-8 stays as it is. Any other byte B (0x80 to 0xFF) is carried as the private character U+10FF00 + B, and turned
//! back into that byte on the way out. A genuine character of that small range is carried byte by byte, so that
//! `encode(decode(bytes)) == bytes` holds for all bytes.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::{Path, PathBuf},
};

/// The character that carries byte `0x00` would be this one; only 0x80 to 0xFF are used.
const BASE: u32 = 0x10_FF00;

/// The first two bytes of every character from U+10F000 on; cheap test for text that needs care.
const RARE: &[u8] = &[0xF4, 0x8F];

/// Turns bytes into a string; lossless.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if memchr::memmem::find(bytes, RARE).is_none() => Cow::Borrowed(text),
        _ => Cow::Owned(decode_slowly(bytes)),
    }
}

fn decode_slowly(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_carrier(c) {
                let mut buffer = [0; 4];
                c.encode_utf8(&mut buffer).bytes().for_each(|byte| text.push(carrier(byte)));
            } else {
                text.push(c);
            }
        }
        chunk.invalid().iter().for_each(|&byte| text.push(carrier(byte)));
    }
    text
}

/// Turns a string into bytes: the inverse of [`decode`].
pub fn encode(text: &str) -> Cow<'_, [u8]> {
    if memchr::memmem::find(text.as_bytes(), RARE).is_none() {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_carrier(c) {
            bytes.push((u32::from(c) & 0xFF) as u8);
        } else {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(bytes)
}

/// Turns a file name into a string.
pub fn path_text(path: &Path) -> String {
    decode(path.as_os_str().as_bytes()).into_owned()
}

/// Turns a string into a file name.
pub fn text_path(text: &str) -> PathBuf {
    PathBuf::from(text_os(text))
}

/// Turns a string of the operating system into a string.
pub fn os_text(text: &OsStr) -> String {
    decode(text.as_bytes()).into_owned()
}

/// Turns a string into one of the operating system.
pub fn text_os(text: &str) -> OsString {
    OsString::from_vec(encode(text).into_owned())
}

fn is_carrier(c: char) -> bool {
    (BASE + 0x80..=BASE + 0xFF).contains(&u32::from(c))
}

fn carrier(byte: u8) -> char {
    char::from_u32(BASE + u32::from(byte)).expect("U+10FF00 to U+10FFFF are characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf8_is_kept() {
        assert_eq!(decode("naïve λ".as_bytes()), "naïve λ");
        assert_eq!(&*encode("naïve λ"), "naïve λ".as_bytes());
    }

    #[test]
    fn any_bytes_survive() {
        let latin1 = b"caf\xE9 \xFF\xFE\x80";
        assert_eq!(&*encode(&decode(latin1)), latin1);
        assert_eq!(decode(latin1).chars().count(), latin1.len());
        let carriers = "a\u{10FFE9}b\u{10FF80}".as_bytes();
        assert_eq!(&*encode(&decode(carriers)), carriers);
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        assert_eq!(&*encode(&decode(&all)), &all[..]);
    }
}
