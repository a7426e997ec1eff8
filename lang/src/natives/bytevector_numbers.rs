//! Numbers in several bytes of a bytevector (R6RS libraries, chapter 2).

use num_bigint::{BigInt, Sign};

use crate::{
    native::{Native, Raise, wrong_type},
    number::Numeric,
    value::Value,
};

use super::{
    arguments::{bytes, get, out_of_range, size},
    bytevectors::value,
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("bytevector-s8-ref", 2, Some(2), "The byte at a position, with a sign.", ("(bytevector-s8-ref #vu8(255) 0)", "-1"), |_, a| fixed("bytevector-s8-ref", a, 1, true)),
    row("bytevector-u16-ref", 3, Some(3), "The number in two bytes from a position on, in the order `(endianness little)` or `big`.", ("(bytevector-u16-ref #vu8(1 2) 0 'little)", "513"), |_, a| fixed("bytevector-u16-ref", a, 2, false)),
    row("bytevector-s16-ref", 3, Some(3), "The number with a sign in two bytes from a position on, in an order.", ("(bytevector-s16-ref #vu8(255 254) 0 'big)", "-2"), |_, a| fixed("bytevector-s16-ref", a, 2, true)),
    row("bytevector-u32-ref", 3, Some(3), "The number in four bytes from a position on, in an order.", ("(bytevector-u32-ref #vu8(0 0 1 0) 0 'big)", "256"), |_, a| fixed("bytevector-u32-ref", a, 4, false)),
    row("bytevector-s32-ref", 3, Some(3), "The number with a sign in four bytes from a position on, in an order.", ("(bytevector-s32-ref #vu8(254 255 255 255) 0 'little)", "-2"), |_, a| fixed("bytevector-s32-ref", a, 4, true)),
    row("bytevector-u64-ref", 3, Some(3), "The number in eight bytes from a position on, in an order.", ("(bytevector-u64-ref #vu8(1 0 0 0 0 0 0 0) 0 'little)", "1"), |_, a| fixed("bytevector-u64-ref", a, 8, false)),
    row("bytevector-s64-ref", 3, Some(3), "The number with a sign in eight bytes from a position on, in an order.", ("(bytevector-s64-ref #vu8(255 255 255 255 255 255 255 255) 0 'big)", "-1"), |_, a| fixed("bytevector-s64-ref", a, 8, true)),
    row("bytevector-u16-native-ref", 2, Some(2), "The number in two bytes from a position on.", ("(bytevector-u16-native-ref #vu8(1 2) 0)", "513"), |_, a| native("bytevector-u16-native-ref", a, 2, false)),
    row("bytevector-s16-native-ref", 2, Some(2), "The number with a sign in two bytes from a position on.", ("(bytevector-s16-native-ref #vu8(255 255) 0)", "-1"), |_, a| native("bytevector-s16-native-ref", a, 2, true)),
    row("bytevector-u32-native-ref", 2, Some(2), "The number in four bytes from a position on.", ("(bytevector-u32-native-ref #vu8(1 0 0 0) 0)", "1"), |_, a| native("bytevector-u32-native-ref", a, 4, false)),
    row("bytevector-s32-native-ref", 2, Some(2), "The number with a sign in four bytes from a position on.", ("(bytevector-s32-native-ref #vu8(255 255 255 255) 0)", "-1"), |_, a| native("bytevector-s32-native-ref", a, 4, true)),
    row("bytevector-u64-native-ref", 2, Some(2), "The number in eight bytes from a position on.", ("(bytevector-u64-native-ref #vu8(1 0 0 0 0 0 0 0) 0)", "1"), |_, a| native("bytevector-u64-native-ref", a, 8, false)),
    row("bytevector-s64-native-ref", 2, Some(2), "The number with a sign in eight bytes from a position on.", ("(bytevector-s64-native-ref #vu8(255 255 255 255 255 255 255 255) 0)", "-1"), |_, a| native("bytevector-s64-native-ref", a, 8, true)),
    row("bytevector-uint-ref", 4, Some(4), "The number in so many bytes from a position on, in an order.", ("(bytevector-uint-ref #vu8(1 0 0) 0 'big 3)", "65536"), |_, a| sized("bytevector-uint-ref", a, false)),
    row("bytevector-sint-ref", 4, Some(4), "The number with a sign in so many bytes from a position on, in an order.", ("(bytevector-sint-ref #vu8(255 255 255) 0 'big 3)", "-1"), |_, a| sized("bytevector-sint-ref", a, true)),
    row("bytevector->uint-list", 3, Some(3), "The numbers in so many bytes each, in an order.", ("(bytevector->uint-list #vu8(1 0 2 0) 'little 2)", "(1 2)"), |_, a| list("bytevector->uint-list", a, false)),
    row("bytevector->sint-list", 3, Some(3), "The numbers with a sign in so many bytes each, in an order.", ("(bytevector->sint-list #vu8(255 255 2 0) 'little 2)", "(-1 2)"), |_, a| list("bytevector->sint-list", a, true)),
    row("uint-list->bytevector", 3, Some(3), "The bytevector of numbers in so many bytes each, in an order.", ("(uint-list->bytevector '(1 256) 'big 2)", "#vu8(0 1 1 0)"), |_, a| from_list("uint-list->bytevector", a, false)),
    row("sint-list->bytevector", 3, Some(3), "The bytevector of numbers with a sign in so many bytes each, in an order.", ("(sint-list->bytevector '(1 -2) 'big 2)", "#vu8(0 1 255 254)"), |_, a| from_list("sint-list->bytevector", a, true)),
    row("bytevector-ieee-single-ref", 3, Some(3), "The floating-point number in four bytes from a position on, in an order.", ("(bytevector-ieee-single-ref #vu8(63 128 0 0) 0 'big)", "1.0"), |_, a| float("bytevector-ieee-single-ref", a, 4)),
    row("bytevector-ieee-double-ref", 3, Some(3), "The floating-point number in eight bytes from a position on, in an order.", ("(bytevector-ieee-double-ref #vu8(63 240 0 0 0 0 0 0) 0 'big)", "1.0"), |_, a| float("bytevector-ieee-double-ref", a, 8)),
];

/// Returns the bytes from a position on.
fn field<'a>(procedure: &'static str, arguments: &'a [Value], width: usize) -> Result<&'a [u8], Raise> {
    let all = bytes(procedure, arguments, 0)?;
    let position = size(procedure, arguments, 1)?;
    let end = position.checked_add(width);
    end.and_then(|end| all.get(position..end)).ok_or_else(|| out_of_range(procedure, position, all.len()))
}

/// Whether the first byte is the highest.
fn big_first(procedure: &'static str, arguments: &[Value], index: usize) -> Result<bool, Raise> {
    match get(arguments, index) {
        Value::Symbol(name) if name.as_str() == "big" => Ok(true),
        Value::Symbol(name) if name.as_str() == "little" => Ok(false),
        actual => Err(wrong_type(procedure, index, "`big` or `little`", actual)),
    }
}

fn number(field: &[u8], big: bool, signed: bool) -> Value {
    let n = match (big, signed) {
        (true, true) => BigInt::from_signed_bytes_be(field),
        (false, true) => BigInt::from_signed_bytes_le(field),
        (true, false) => BigInt::from_bytes_be(Sign::Plus, field),
        (false, false) => BigInt::from_bytes_le(Sign::Plus, field),
    };
    Numeric::from_big(n).into_value()
}

fn fixed(procedure: &'static str, arguments: &[Value], width: usize, signed: bool) -> Result<Value, Raise> {
    let big = width == 1 || big_first(procedure, arguments, 2)?;
    Ok(number(field(procedure, arguments, width)?, big, signed))
}

fn native(procedure: &'static str, arguments: &[Value], width: usize, signed: bool) -> Result<Value, Raise> {
    Ok(number(field(procedure, arguments, width)?, false, signed))
}

/// Returns how many bytes a number has, at least one.
fn width(procedure: &'static str, arguments: &[Value], index: usize) -> Result<usize, Raise> {
    match size(procedure, arguments, index)? {
        0 => Err(wrong_type(procedure, index, "a positive integer", get(arguments, index))),
        width => Ok(width),
    }
}

fn sized(procedure: &'static str, arguments: &[Value], signed: bool) -> Result<Value, Raise> {
    let width = width(procedure, arguments, 3)?;
    Ok(number(field(procedure, arguments, width)?, big_first(procedure, arguments, 2)?, signed))
}

fn list(procedure: &'static str, arguments: &[Value], signed: bool) -> Result<Value, Raise> {
    let all = bytes(procedure, arguments, 0)?;
    let big = big_first(procedure, arguments, 1)?;
    let width = width(procedure, arguments, 2)?;
    if all.len() % width != 0 {
        return Err(out_of_range(procedure, all.len(), all.len()));
    }
    Ok(Value::list(all.chunks(width).map(|field| number(field, big, signed)).collect::<Vec<_>>()))
}

fn from_list(procedure: &'static str, arguments: &[Value], signed: bool) -> Result<Value, Raise> {
    let numbers = get(arguments, 0);
    let items =
        numbers.list_to_vec().ok_or_else(|| wrong_type(procedure, 0, "a list of integers", numbers))?;
    let big = big_first(procedure, arguments, 1)?;
    let width = width(procedure, arguments, 2)?;
    let mut made = Vec::new();
    for item in &items {
        let wrong = || wrong_type(procedure, 0, "a list of integers of that many bytes", item);
        let n = match Numeric::from_value(item) {
            Some(Numeric::Int(n)) => BigInt::from(n),
            Some(Numeric::Big(n)) => n,
            _ => return Err(wrong()),
        };
        made.extend(field_of(&n, width, big, signed).ok_or_else(wrong)?);
    }
    Ok(value(made))
}

/// Returns a number in so many bytes, if it fits.
fn field_of(n: &BigInt, width: usize, big: bool, signed: bool) -> Option<Vec<u8>> {
    let negative = n.sign() == Sign::Minus;
    if negative && !signed {
        return None;
    }
    let mut low_first = if signed { n.to_signed_bytes_le() } else { n.to_bytes_le().1 };
    if low_first.len() > width {
        return None;
    }
    low_first.resize(width, if negative { 0xff } else { 0 });
    if big {
        low_first.reverse();
    }
    Some(low_first)
}

fn float(procedure: &'static str, arguments: &[Value], width: usize) -> Result<Value, Raise> {
    let mut low_first = field(procedure, arguments, width)?.to_vec();
    if big_first(procedure, arguments, 2)? {
        low_first.reverse();
    }
    let double = low_first.first_chunk::<8>().map(|bytes| f64::from_le_bytes(*bytes));
    let single = || low_first.first_chunk::<4>().map_or(0.0, |bytes| f64::from(f32::from_le_bytes(*bytes)));
    Ok(Value::Float(double.unwrap_or_else(single)))
}
