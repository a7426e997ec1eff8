//! Bytevectors, which do not change.

use std::rc::Rc;

use crate::{
    native::{Context, Native, Raise, expect_list, wrong_type},
    value::Value,
};

use super::{
    arguments::{boolean, bytes, get, given, int, new_size, out_of_range, range, size, text},
    row,
    strings::slice,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("bytevector", 0, None, "The bytevector of the integers from 0 to 255.", ("(bytevector 1 2)", "#vu8(1 2)"), |_, a| made("bytevector", a)),
    row("u8-list->bytevector", 1, Some(1), "The bytevector of a list's integers from 0 to 255.", ("(u8-list->bytevector '(1 2))", "#vu8(1 2)"), |_, a| from_list(a)),
    row("make-bytevector", 1, Some(2), "A bytevector of so many times the same, 0 unless given.", ("(make-bytevector 2 7)", "#vu8(7 7)"), make),
    row("bytevector-length", 1, Some(1), "The number of bytes.", ("(bytevector-length #vu8(1 2))", "2"), |_, a| Ok(int(bytes("bytevector-length", a, 0)?.len()))),
    row("bytevector-u8-ref", 2, Some(2), "The byte at a position.", ("(bytevector-u8-ref #vu8(1 2) 1)", "2"), |_, a| byte(a)),
    row("bytevector->u8-list", 1, Some(1), "The bytes.", ("(bytevector->u8-list #vu8(1 2))", "(1 2)"),
        |_, a| Ok(Value::list(bytes("bytevector->u8-list", a, 0)?.iter().map(|b| Value::Int(i64::from(*b))).collect::<Vec<_>>()))),
    row("bytevector-copy", 1, Some(3), "The bytevector, or the part from a position to before another.", ("(bytevector-copy #vu8(1 2 3) 1)", "#vu8(2 3)"), |_, a| Ok(value(part("bytevector-copy", a)?.to_vec()))),
    row("bytevector-append", 0, None, "The bytes of the bytevectors.", ("(bytevector-append #vu8(1) #vu8(2))", "#vu8(1 2)"), append),
    row("bytevector=?", 2, Some(2), "Whether both have the same bytes.", ("(bytevector=? #vu8(1) #vu8(1))", "#t"), |_, a| boolean(bytes("bytevector=?", a, 0)? == bytes("bytevector=?", a, 1)?)),
    row("string->utf8", 1, Some(3), "The bytes of a text in UTF-8.", ("(string->utf8 \"é\")", "#vu8(195 169)"), |_, a| Ok(value(slice("string->utf8", a, 0, 1)?.as_bytes().to_vec()))),
    row("utf8->string", 1, Some(3), "The text of bytes in UTF-8.", ("(utf8->string #vu8(195 169))", "\"é\""), utf8_to_string),
    row("string->bytevector", 1, Some(2), "The bytes of a text in an encoding: `utf-8`, the default, or `iso-8859-1`.", ("(string->bytevector \"a\" \"utf-8\")", "#vu8(97)"), encode),
    row("bytevector->string", 1, Some(2), "The text of bytes in an encoding: `utf-8`, the default, or `iso-8859-1`.", ("(bytevector->string #vu8(233) \"iso-8859-1\")", "\"é\""), decode),
    row("native-endianness", 0, Some(0), "The order of bytes in numbers: `little`.", ("(native-endianness)", "little"), |_, _| Ok(Value::symbol("little"))),
];

/// Returns a bytevector.
pub(super) fn value(bytes: Vec<u8>) -> Value {
    Value::Bytes(Rc::new(bytes))
}

fn made(procedure: &'static str, items: &[Value]) -> Result<Value, Raise> {
    let byte = |(index, item): (usize, &Value)| match item {
        Value::Int(n) if u8::try_from(*n).is_ok() => Ok(u8::try_from(*n).unwrap_or(0)),
        other => Err(wrong_type(procedure, index, "an integer from 0 to 255", other)),
    };
    Ok(value(items.iter().enumerate().map(byte).collect::<Result<_, _>>()?))
}

fn from_list(arguments: &[Value]) -> Result<Value, Raise> {
    const NAME: &str = "u8-list->bytevector";
    let byte = |item: &Value| match item {
        Value::Int(n) => {
            u8::try_from(*n).map_err(|_| wrong_type(NAME, 0, "a list of integers from 0 to 255", item))
        }
        other => Err(wrong_type(NAME, 0, "a list of integers from 0 to 255", other)),
    };
    Ok(value(expect_list(NAME, arguments, 0)?.iter().map(byte).collect::<Result<_, _>>()?))
}

fn make(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let filler = match get(arguments, 1) {
        Value::Absent => 0,
        Value::Int(n @ -128..=255) => u8::try_from(n.rem_euclid(256)).unwrap_or(0),
        actual => return Err(wrong_type("make-bytevector", 1, "an integer from -128 to 255", actual)),
    };
    Ok(value(vec![filler; new_size("make-bytevector", arguments, 0)?]))
}

fn byte(arguments: &[Value]) -> Result<Value, Raise> {
    const NAME: &str = "bytevector-u8-ref";
    let all = bytes(NAME, arguments, 0)?;
    let position = size(NAME, arguments, 1)?;
    let found = all.get(position).ok_or_else(|| out_of_range(NAME, position, all.len()))?;
    Ok(Value::Int(i64::from(*found)))
}

fn part<'a>(procedure: &'static str, arguments: &'a [Value]) -> Result<&'a [u8], Raise> {
    let all = bytes(procedure, arguments, 0)?;
    let range = range(procedure, arguments, 1, all.len())?;
    Ok(all.get(range).unwrap_or(&[]))
}

fn append(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut whole = Vec::new();
    for index in 0..arguments.len() {
        whole.extend_from_slice(bytes("bytevector-append", arguments, index)?);
    }
    Ok(value(whole))
}

fn utf8_to_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let part = part("utf8->string", arguments)?;
    text(
        std::str::from_utf8(part)
            .map_err(|_| Raise::message("`utf8->string`: the bytes are not valid UTF-8"))?,
    )
}

/// Returns whether the encoding is UTF-8; the other one is ISO-8859-1.
fn is_utf8(procedure: &'static str, arguments: &[Value]) -> Result<bool, Raise> {
    if !given(arguments, 1) {
        return Ok(true);
    }
    match crate::native::expect_string(procedure, arguments, 1)?.to_ascii_lowercase().as_str() {
        "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(true),
        "iso-8859-1" | "latin-1" | "latin1" => Ok(false),
        other => Err(Raise::message(format!(
            "`{procedure}`: the encoding `{other}` is not known; `utf-8` and `iso-8859-1` are"
        ))),
    }
}

fn encode(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let part = crate::native::expect_string("string->bytevector", arguments, 0)?;
    if is_utf8("string->bytevector", arguments)? {
        return Ok(value(part.as_bytes().to_vec()));
    }
    let byte = |c: char| {
        u8::try_from(u32::from(c))
            .map_err(|_| Raise::message(format!("`string->bytevector`: `{c}` is not in ISO-8859-1")))
    };
    Ok(value(part.chars().map(byte).collect::<Result<_, _>>()?))
}

fn decode(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let all = bytes("bytevector->string", arguments, 0)?;
    if is_utf8("bytevector->string", arguments)? {
        return text(
            std::str::from_utf8(all)
                .map_err(|_| Raise::message("`bytevector->string`: the bytes are not valid UTF-8"))?,
        );
    }
    text(all.iter().map(|b| char::from(*b)).collect::<String>())
}
