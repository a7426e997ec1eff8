//! From text to a number, for the reader and for `string->number`.
//!
//! ```text
//! number  = { "#x" | "#o" | "#b" | "#d" | "#e" | "#i" } real
//! real    = [sign] ( digits [ "/" digits ] | decimal ) | sign ( "inf.0" | "nan.0" )
//! decimal = ( digits [ "." [digits] ] | "." digits ) [ ("e"|"s"|"f"|"d"|"l") [sign] digits ]     radix 10 only
//! ```
//! What does not match is no number (a symbol, to the reader). Reading an integer takes time that grows with the square
//! of its length, hence the limit on digits.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Num, Pow, Zero};

use super::Numeric;

/// The most digits of a number in text.
const MAX_DIGITS: usize = 100_000;
/// The largest power of ten of an exact number with a decimal exponent.
const MAX_EXPONENT: i64 = 10_000;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It does not have the form of one.
    #[error("not a number")]
    NotANumber,
    /// It has the form of one, and is too long.
    #[error("a number has at most 100000 digits")]
    TooLong,
}

/// Parses a number; `radix` holds unless the text begins with another.
///
/// # Errors
/// [`ParseError`] says whether it is no number or too long a one.
pub fn parse(text: &str, radix: u32) -> Result<Numeric, ParseError> {
    let (mut rest, mut radix, mut exact) = (text, radix, None);
    while let Some(prefixed) = rest.strip_prefix('#') {
        match prefixed.bytes().next().map(|b| b.to_ascii_lowercase()) {
            Some(b'x') => radix = 16,
            Some(b'o') => radix = 8,
            Some(b'b') => radix = 2,
            Some(b'd') => radix = 10,
            Some(b'e') => exact = Some(true),
            Some(b'i') => exact = Some(false),
            _ => return Err(ParseError::NotANumber),
        }
        rest = prefixed.get(1..).unwrap_or("");
    }
    let (negative, signed, body) = match rest.as_bytes().first() {
        Some(b'-') => (true, true, rest.get(1..).unwrap_or("")),
        Some(b'+') => (false, true, rest.get(1..).unwrap_or("")),
        _ => (false, false, rest),
    };
    let value = if signed && body == "inf.0" {
        Numeric::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
    } else if signed && body == "nan.0" {
        Numeric::Float(f64::NAN)
    } else if let Some((numerator, denominator)) = body.split_once('/') {
        let (n, d) = (digits(numerator, radix)?, digits(denominator, radix)?);
        if d.is_zero() {
            return Err(ParseError::NotANumber);
        }
        Numeric::from_rational(BigRational::new(if negative { -n } else { n }, d))
    } else if is_digits(body, radix) {
        integer(body, radix, negative)?
    } else if radix == 10 {
        decimal(body, negative, exact == Some(true))?
    } else {
        return Err(ParseError::NotANumber);
    };
    Ok(match exact {
        Some(true) => value.to_exact().map_err(|_| ParseError::NotANumber)?,
        Some(false) => Numeric::Float(value.to_f64()),
        None => value,
    })
}

fn is_digits(text: &str, radix: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(radix))
}

fn integer(body: &str, radix: u32, negative: bool) -> Result<Numeric, ParseError> {
    if body.len() <= 18
        && let Ok(n) = i64::from_str_radix(body, radix)
    {
        return Ok(Numeric::Int(if negative { -n } else { n }));
    }
    let n = digits(body, radix)?;
    Ok(Numeric::from_big(if negative { -n } else { n }))
}

fn digits(text: &str, radix: u32) -> Result<BigInt, ParseError> {
    if !is_digits(text, radix) {
        return Err(ParseError::NotANumber);
    }
    if text.len() > MAX_DIGITS {
        return Err(ParseError::TooLong);
    }
    BigInt::from_str_radix(text, radix).map_err(|_| ParseError::NotANumber)
}

fn decimal(body: &str, negative: bool, exact: bool) -> Result<Numeric, ParseError> {
    let (mantissa, exponent) =
        match body.find(|c: char| matches!(c.to_ascii_lowercase(), 'e' | 's' | 'f' | 'd' | 'l')) {
            Some(at) => (body.get(..at).unwrap_or(""), Some(body.get(at + 1..).unwrap_or(""))),
            None => (body, None),
        };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let power = exponent.map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    if (whole.is_empty() && fraction.is_empty())
        || !all_digits(whole)
        || !all_digits(fraction)
        || power.is_some_and(|p| p.is_empty() || !all_digits(p))
    {
        return Err(ParseError::NotANumber);
    }
    if body.len() > MAX_DIGITS {
        return Err(ParseError::TooLong);
    }
    if exact {
        let exponent: i64 = exponent.map_or(Ok(0), str::parse).map_err(|_| ParseError::TooLong)?;
        if exponent.abs() > MAX_EXPONENT {
            return Err(ParseError::TooLong);
        }
        let n = digits(&format!("{whole}{fraction}"), 10)?;
        let scale = exponent - i64::try_from(fraction.len()).unwrap_or(0);
        let ten = BigInt::from(10).pow(scale.unsigned_abs());
        let q = if scale >= 0 { BigRational::from(n * ten) } else { BigRational::new(n, ten) };
        return Ok(Numeric::from_rational(if negative { -q } else { q }));
    }
    let text = format!("{whole}.{fraction}e{}", exponent.unwrap_or("0"));
    let x: f64 = text.parse().map_err(|_| ParseError::NotANumber)?;
    Ok(Numeric::Float(if negative { -x } else { x }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::to_text;

    fn shown(text: &str) -> String {
        parse(text, 10).map_or_else(|e| format!("{e:?}"), |n| to_text(&n, 10))
    }

    #[test]
    fn every_form_of_number_is_read() {
        let cases = [
            ("0", "0"),
            ("-17", "-17"),
            ("+17", "17"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
            ("-9223372036854775808", "-9223372036854775808"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("#xff", "255"),
            ("#XFF", "255"),
            ("#o17", "15"),
            ("#b-101", "-5"),
            ("#e1.5", "3/2"),
            ("#i1/4", "0.25"),
            ("#x#e10", "16"),
            ("6/4", "3/2"),
            ("4/2", "2"),
            ("1.5", "1.5"),
            (".5", "0.5"),
            ("1.", "1.0"),
            ("1e3", "1000.0"),
            ("1.5e-7", "1.5e-7"),
            ("-inf.0", "-inf.0"),
            ("+nan.0", "+nan.0"),
            ("#e1e3", "1000"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "", "+", "-", "...", "1+", "-1+", "1/0", "1/", "e5", "1e", "1.2.3", "#", "#x", "#xg", "inf.0",
            "0x10", "٣",
        ] {
            assert_eq!(shown(text), "NotANumber", "{text}");
        }
        assert_eq!(shown(&"9".repeat(MAX_DIGITS + 1)), "TooLong");
        assert_eq!(shown("#e1e999999999999"), "TooLong");
    }
}
