//! Bytes as text: base 16, Nix's base 32, RFC 4648's base 32 and base 64.
//!
//! Nix's base 32 has digits without `e o t u` and puts the last bits first: digit `n` from the end holds bits `5n` to
//! `5n + 4` of the bytes as a little-endian number.

use crate::{
    native::{Native, Raise, expect_string},
    value::Value,
};

use super::{
    arguments::{bytes, text},
    bytevectors::value,
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("base16-string->bytevector", 1, Some(1), "The bytes of hexadecimal digits.", ("(base16-string->bytevector \"00ff\")", "#vu8(0 255)"),
        |_, a| decoded("base16-string->bytevector", a, base16)),
    row("bytevector->base16-string", 1, Some(1), "The hexadecimal digits of bytes.", ("(bytevector->base16-string #vu8(0 255))", "\"00ff\""),
        |_, a| text(bytes("bytevector->base16-string", a, 0)?.iter().map(|b| format!("{b:02x}")).collect::<String>())),
    row("nix-base32-string->bytevector", 1, Some(1), "The bytes of Nix's base-32 digits.", ("(nix-base32-string->bytevector \"0l\")", "#vu8(20)"),
        |_, a| decoded("nix-base32-string->bytevector", a, nix_base32)),
    row("bytevector->nix-base32-string", 1, Some(1), "Nix's base-32 digits of bytes.", ("(bytevector->nix-base32-string #vu8(20))", "\"0l\""),
        |_, a| text(to_nix_base32(bytes("bytevector->nix-base32-string", a, 0)?))),
    row("base32-string->bytevector", 1, Some(1), "The bytes of RFC 4648's base-32 digits.", ("(base32-string->bytevector \"mfra\")", "#vu8(97 98)"),
        |_, a| decoded("base32-string->bytevector", a, |t| packed(t, RFC32, 5))),
    row("base64-decode", 1, Some(1), "The bytes of base-64 digits.", ("(base64-decode \"YWI=\")", "#vu8(97 98)"),
        |_, a| decoded("base64-decode", a, |t| packed(t, BASE64, 6))),
    row("base64-encode", 1, Some(1), "The base-64 digits of bytes.", ("(base64-encode #vu8(97 98))", "\"YWI=\""), |_, a| text(to_base64(bytes("base64-encode", a, 0)?))),
];

const NIX32: &str = "0123456789abcdfghijklmnpqrsvwxyz";
const RFC32: &str = "abcdefghijklmnopqrstuvwxyz234567";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What is wrong with digits: the place in the text, or the length.
type Wrong = Option<usize>;

fn decoded(
    procedure: &'static str,
    arguments: &[Value],
    decode: fn(&str) -> Result<Vec<u8>, Wrong>,
) -> Result<Value, Raise> {
    let digits = expect_string(procedure, arguments, 0)?;
    decode(digits).map(value).map_err(|wrong| {
        let reason = match wrong
            .and_then(|at| digits.get(at..).and_then(|rest| rest.chars().next()).map(|c| (at, c)))
        {
            Some((at, c)) => format!("`{c}` at position {at} is no digit of this base"),
            None => format!("its {} digits do not make whole bytes", digits.len()),
        };
        Raise::Invalid {
            code: "E0413",
            message: format!("`{digits}` is not valid: {reason}"),
            hints: vec!["copy the hash again; it may be cut or have a letter too many".to_owned()],
        }
    })
}

fn digit(alphabet: &str, byte: u8) -> Option<u32> {
    alphabet.bytes().position(|known| known == byte).and_then(|n| u32::try_from(n).ok())
}

fn base16(text: &str) -> Result<Vec<u8>, Wrong> {
    let nibbles: Vec<u8> = text
        .bytes()
        .enumerate()
        .map(|(at, b)| char::from(b).to_digit(16).and_then(|n| u8::try_from(n).ok()).ok_or(Some(at)))
        .collect::<Result<_, _>>()?;
    if !nibbles.len().is_multiple_of(2) {
        return Err(None);
    }
    Ok(nibbles.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect())
}

/// Decodes Nix's base 32.
fn nix_base32(text: &str) -> Result<Vec<u8>, Wrong> {
    let mut bytes = vec![0u8; text.len() * 5 / 8];
    for (n, (at, c)) in text.bytes().enumerate().rev().enumerate() {
        let value = digit(NIX32, c).ok_or(Some(at))? << (n * 5 % 8);
        let low = n * 5 / 8;
        for (place, part) in [(low, value & 0xff), (low + 1, value >> 8)] {
            match bytes.get_mut(place) {
                Some(byte) => *byte |= u8::try_from(part).unwrap_or(0),
                None if part != 0 => return Err(None),
                None => {}
            }
        }
    }
    if (bytes.len() * 8).div_ceil(5) == text.len() { Ok(bytes) } else { Err(None) }
}

fn to_nix_base32(bytes: &[u8]) -> String {
    let length = (bytes.len() * 8).div_ceil(5);
    let byte = |at: usize| u32::from(bytes.get(at).copied().unwrap_or(0));
    (0..length)
        .rev()
        .filter_map(|n| {
            let (low, shift) = (n * 5 / 8, n * 5 % 8);
            let value = (byte(low) | byte(low + 1) << 8) >> shift & 31;
            NIX32.as_bytes().get(value as usize).map(|b| char::from(*b))
        })
        .collect()
}

/// Decodes digits of so many bits, the first bits first; `=` at the end is padding.
fn packed(text: &str, alphabet: &str, width: u32) -> Result<Vec<u8>, Wrong> {
    let (mut bytes, mut pending, mut bits) = (Vec::new(), 0u32, 0);
    for (at, c) in text.trim_end_matches('=').bytes().enumerate() {
        let c = if width == 5 { c.to_ascii_lowercase() } else { c };
        pending = pending << width | digit(alphabet, c).ok_or(Some(at))?;
        bits += width;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(pending >> bits & 0xff).unwrap_or(0));
            pending &= (1 << bits) - 1;
        }
    }
    if bits >= width || pending != 0 { Err(None) } else { Ok(bytes) }
}

fn to_base64(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let group = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let sextet = group >> (18 - 6 * n) & 63;
            let known = BASE64.as_bytes().get(sextet as usize).map_or('=', |b| char::from(*b));
            shown.push(if n as usize > chunk.len() { '=' } else { known });
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hash_of_nothing_is_as_nix_shows_it() {
        let hash = base16("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855").unwrap();
        let shown = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        assert_eq!(to_nix_base32(&hash), shown);
        assert_eq!(nix_base32(shown), Ok(hash));
        assert_eq!(nix_base32(&shown[1..]), Err(None));
        assert_eq!(nix_base32("0e"), Err(Some(1)));
        assert_eq!(nix_base32("zz"), Err(None));
        assert_eq!(nix_base32("é"), Err(Some(1)));
        assert_eq!(base16("abc"), Err(None));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(nix_base32(&to_nix_base32(&bytes)), Ok(bytes.clone()));
            prop_assert_eq!(packed(&to_base64(&bytes), BASE64, 6), Ok(bytes));
        }
    }
}
