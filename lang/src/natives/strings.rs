//! Strings: making, taking apart, joining, changing case.
//!
//! Strings are UTF-8 and positions count characters; for text in ASCII, the usual case, a position is found at once.

use std::ops::Range;

use crate::{
    native::{Context, Native, Raise, expect_list, expect_string, wrong_type},
    value::Value,
};

use super::{
    arguments::{boolean, character, get, given, int, new_size, out_of_range, range, size, text},
    chars, row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("string-append", 0, None, "The strings, one after the other.", ("(string-append \"a\" \"b\" \"c\")", "\"abc\""), append),
    row("string-append/shared", 0, None, "The strings, one after the other.", ("(string-append/shared \"a\" \"b\")", "\"ab\""), append),
    row("string-concatenate", 1, Some(1), "The strings of a list, one after the other.", ("(string-concatenate '(\"a\" \"b\"))", "\"ab\""), concatenate),
    row("string", 0, None, "The string of the characters.", ("(string #\\a #\\b)", "\"ab\""), string),
    row("make-string", 1, Some(2), "A string of so many times a character, a space unless given.", ("(make-string 3 #\\x)", "\"xxx\""), make_string),
    row("string-length", 1, Some(1), "The number of characters.", ("(string-length \"né\")", "2"), |_, a| Ok(int(length(expect_string("string-length", a, 0)?)))),
    row("string-null?", 1, Some(1), "Whether it is the empty string.", ("(string-null? \"\")", "#t"), |_, a| boolean(expect_string("string-null?", a, 0)?.is_empty())),
    row("string-ref", 2, Some(2), "The character at a position.", ("(string-ref \"abc\" 1)", "#\\b"), string_ref),
    row("substring", 2, Some(3), "The part from a position to before another.", ("(substring \"hello\" 1 3)", "\"el\""), |_, a| part("substring", a)),
    row("substring/shared", 2, Some(3), "The part from a position to before another.", ("(substring/shared \"hello\" 3)", "\"lo\""), |_, a| part("substring/shared", a)),
    row("substring/copy", 2, Some(3), "The part from a position to before another.", ("(substring/copy \"hello\" 3)", "\"lo\""), |_, a| part("substring/copy", a)),
    row("string-copy", 1, Some(3), "The string, or the part from a position to before another.", ("(string-copy \"hello\" 1)", "\"ello\""), |_, a| part("string-copy", a)),
    row("string->list", 1, Some(3), "The characters.", ("(string->list \"ab\")", "(#\\a #\\b)"), string_to_list),
    row("list->string", 1, Some(1), "The string of a list of characters.", ("(list->string '(#\\a #\\b))", "\"ab\""), |_, a| list_to_string("list->string", a, false)),
    row("reverse-list->string", 1, Some(1), "The string of a list of characters in reverse.", ("(reverse-list->string '(#\\a #\\b))", "\"ba\""),
        |_, a| list_to_string("reverse-list->string", a, true)),
    row("string->vector", 1, Some(3), "The characters.", ("(string->vector \"ab\")", "#(#\\a #\\b)"),
        |_, a| Ok(Value::vector(slice("string->vector", a, 0, 1)?.chars().map(Value::Char).collect()))),
    row("vector->string", 1, Some(1), "The string of a vector of characters.", ("(vector->string #(#\\a #\\b))", "\"ab\""), vector_to_string),
    row("string-join", 1, Some(3), "The strings of a list with a delimiter, a space unless given, between them (`infix`, `strict-infix`), before (`prefix`) or after (`suffix`) each.",
        ("(string-join '(\"a\" \"b\") \", \")", "\"a, b\""), join),
    row("string-reverse", 1, Some(3), "The characters in reverse.", ("(string-reverse \"abc\")", "\"cba\""),
        |_, a| changed("string-reverse", a, |part| part.chars().rev().collect())),
    row("string-upcase", 1, Some(3), "With upper-case letters.", ("(string-upcase \"abc\")", "\"ABC\""),
        |_, a| changed("string-upcase", a, |part| part.chars().map(chars::upcase).collect())),
    row("string-downcase", 1, Some(3), "With lower-case letters.", ("(string-downcase \"ABC\")", "\"abc\""),
        |_, a| changed("string-downcase", a, |part| part.chars().map(chars::downcase).collect())),
    row("string-foldcase", 1, Some(1), "As it is compared without regard to case.", ("(string-foldcase \"ABC\")", "\"abc\""),
        |_, a| changed("string-foldcase", a, |part| part.chars().map(chars::downcase).collect())),
    row("string-capitalize", 1, Some(3), "With an upper-case letter at the beginning of each word.", ("(string-capitalize \"hello wORLD\")", "\"Hello World\""),
        |_, a| changed("string-capitalize", a, capitalize)),
    row("string-titlecase", 1, Some(3), "With an upper-case letter at the beginning of each word.", ("(string-titlecase \"hello world\")", "\"Hello World\""),
        |_, a| changed("string-titlecase", a, capitalize)),
    row("string-repeat", 2, Some(2), "The string so many times.", ("(string-repeat \"ab\" 2)", "\"abab\""), repeat),
];

/// The longest string that a procedure makes, in bytes.
const LONGEST: usize = 1 << 30;

/// Returns the number of characters.
pub(super) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Returns the byte position of a character; the length for the position after the last one.
pub(super) fn byte_position(text: &str, position: usize) -> usize {
    if text.is_ascii() {
        return position.min(text.len());
    }
    text.char_indices().nth(position).map_or(text.len(), |(at, _)| at)
}

/// Returns the byte range of a range of characters.
pub(super) fn byte_range(text: &str, characters: Range<usize>) -> Range<usize> {
    let start = byte_position(text, characters.start);
    let rest = text.get(start..).unwrap_or("");
    start..start + byte_position(rest, characters.end - characters.start)
}

/// Returns the part of the string at `index` that the optional range at `from` selects.
pub(super) fn slice<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
    from: usize,
) -> Result<&'a str, Raise> {
    let whole = expect_string(procedure, arguments, index)?;
    if !given(arguments, from) {
        return Ok(whole);
    }
    let selected = range(procedure, arguments, from, length(whole))?;
    Ok(whole.get(byte_range(whole, selected)).unwrap_or(""))
}

fn too_long(procedure: &'static str) -> Raise {
    Raise::message(format!("`{procedure}`: the string would be longer than {LONGEST} bytes"))
}

fn append(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut size = 0;
    for index in 0..arguments.len() {
        size += expect_string("string-append", arguments, index)?.len();
    }
    if size > LONGEST {
        return Err(too_long("string-append"));
    }
    let mut whole = String::with_capacity(size);
    whole.extend(arguments.iter().filter_map(Value::as_str));
    text(whole)
}

fn concatenate(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    text(crate::native::expect_strings("string-concatenate", arguments, 0)?.concat())
}

fn string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    text(
        (0..arguments.len())
            .map(|index| character("string", arguments, index))
            .collect::<Result<String, _>>()?,
    )
}

fn make_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let filler = if given(arguments, 1) { character("make-string", arguments, 1)? } else { ' ' };
    text(std::iter::repeat_n(filler, new_size("make-string", arguments, 0)?).collect::<String>())
}

fn repeat(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let piece = expect_string("string-repeat", arguments, 0)?;
    let times = size("string-repeat", arguments, 1)?;
    if piece.len().checked_mul(times).is_none_or(|size| size > LONGEST) {
        return Err(too_long("string-repeat"));
    }
    text(piece.repeat(times))
}

fn string_ref(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = expect_string("string-ref", arguments, 0)?;
    let position = size("string-ref", arguments, 1)?;
    let found = whole.get(byte_position(whole, position)..).and_then(|rest| rest.chars().next());
    found.map(Value::Char).ok_or_else(|| out_of_range("string-ref", position, length(whole)))
}

fn part(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    if !given(arguments, 1) {
        expect_string(procedure, arguments, 0)?;
        return Ok(get(arguments, 0).clone());
    }
    text(slice(procedure, arguments, 0, 1)?)
}

fn string_to_list(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let part = slice("string->list", arguments, 0, 1)?;
    Ok(part.chars().rev().fold(Value::Nil, |rest, c| Value::cons(Value::Char(c), rest)))
}

fn characters<'a>(procedure: &'static str, items: impl Iterator<Item = &'a Value>) -> Result<String, Raise> {
    items
        .map(|item| match item {
            Value::Char(c) => Ok(*c),
            other => Err(wrong_type(procedure, 0, "characters only", other)),
        })
        .collect()
}

fn list_to_string(procedure: &'static str, arguments: &[Value], reversed: bool) -> Result<Value, Raise> {
    let items = expect_list(procedure, arguments, 0)?;
    text(if reversed {
        characters(procedure, items.iter().rev())?
    } else {
        characters(procedure, items.iter())?
    })
}

fn vector_to_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    text(characters("vector->string", super::arguments::vector("vector->string", arguments, 0)?.iter())?)
}

fn join(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let items = crate::native::expect_strings("string-join", arguments, 0)?;
    let delimiter = if given(arguments, 1) { expect_string("string-join", arguments, 1)? } else { " " };
    let grammar = if given(arguments, 2) {
        super::arguments::symbol("string-join", arguments, 2)?.as_str()
    } else {
        "infix"
    };
    let size = items.iter().map(|item| item.len() + delimiter.len()).sum::<usize>();
    if size > LONGEST {
        return Err(too_long("string-join"));
    }
    match grammar {
        "infix" => text(items.join(delimiter)),
        "strict-infix" if items.is_empty() => {
            Err(Raise::message("`string-join`: `strict-infix` needs a list that is not empty"))
        }
        "strict-infix" => text(items.join(delimiter)),
        "suffix" => text(items.iter().flat_map(|item| [item, delimiter]).collect::<String>()),
        "prefix" => text(items.iter().flat_map(|item| [delimiter, item]).collect::<String>()),
        _ => Err(wrong_type(
            "string-join",
            2,
            "`infix`, `strict-infix`, `suffix` or `prefix`",
            get(arguments, 2),
        )),
    }
}

fn changed(procedure: &'static str, arguments: &[Value], change: fn(&str) -> String) -> Result<Value, Raise> {
    text(change(slice(procedure, arguments, 0, 1)?))
}

fn capitalize(part: &str) -> String {
    let mut inside = false;
    part.chars()
        .map(|c| {
            let changed = if inside { chars::downcase(c) } else { chars::upcase(c) };
            inside = c.is_alphabetic();
            changed
        })
        .collect()
}
