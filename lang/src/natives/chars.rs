//! Characters.

use crate::{
    native::{Context, Native, Raise, expect_int},
    value::Value,
};

use super::{
    arguments::{boolean, character},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("char->integer", 1, Some(1), "The character's Unicode number.", ("(char->integer #\\A)", "65"),
        |_, a| Ok(Value::Int(i64::from(u32::from(character("char->integer", a, 0)?))))),
    row("integer->char", 1, Some(1), "The character of that Unicode number.", ("(integer->char 955)", "#\\λ"), integer_to_char),
    row("char-upcase", 1, Some(1), "The upper-case letter, when it is one character.", ("(char-upcase #\\a)", "#\\A"),
        |_, a| Ok(Value::Char(upcase(character("char-upcase", a, 0)?)))),
    row("char-downcase", 1, Some(1), "The lower-case letter, when it is one character.", ("(char-downcase #\\A)", "#\\a"),
        |_, a| Ok(Value::Char(downcase(character("char-downcase", a, 0)?)))),
    row("char-foldcase", 1, Some(1), "The letter as it is compared without regard to case.", ("(char-foldcase #\\A)", "#\\a"),
        |_, a| Ok(Value::Char(downcase(character("char-foldcase", a, 0)?)))),
    row("char-alphabetic?", 1, Some(1), "Whether it is a letter.", ("(char-alphabetic? #\\a)", "#t"),
        |_, a| boolean(character("char-alphabetic?", a, 0)?.is_alphabetic())),
    row("char-numeric?", 1, Some(1), "Whether it is a digit.", ("(char-numeric? #\\7)", "#t"),
        |_, a| boolean(character("char-numeric?", a, 0)?.is_numeric())),
    row("char-whitespace?", 1, Some(1), "Whether it is white space.", ("(char-whitespace? #\\space)", "#t"),
        |_, a| boolean(character("char-whitespace?", a, 0)?.is_whitespace())),
    row("char-upper-case?", 1, Some(1), "Whether it is an upper-case letter.", ("(char-upper-case? #\\a)", "#f"),
        |_, a| boolean(character("char-upper-case?", a, 0)?.is_uppercase())),
    row("char-lower-case?", 1, Some(1), "Whether it is a lower-case letter.", ("(char-lower-case? #\\a)", "#t"),
        |_, a| boolean(character("char-lower-case?", a, 0)?.is_lowercase())),
    row("char-is-both?", 1, Some(1), "Whether it is a letter that has case.", ("(char-is-both? #\\a)", "#t"),
        |_, a| boolean({ let c = character("char-is-both?", a, 0)?; c.is_lowercase() || c.is_uppercase() })),
    row("digit-value", 1, Some(1), "The value of a decimal digit, `#f` for anything else.", ("(digit-value #\\7)", "7"),
        |_, a| Ok(character("digit-value", a, 0)?.to_digit(10).map_or(Value::Bool(false), |d| Value::Int(i64::from(d))))),
    row("char=?", 0, None, "Whether all are the same.", ("(char=? #\\a #\\a)", "#t"), |_, a| compare("char=?", a, same, |x, y| x == y)),
    row("char<?", 0, None, "Whether each is less than the next.", ("(char<? #\\a #\\b)", "#t"), |_, a| compare("char<?", a, same, |x, y| x < y)),
    row("char>?", 0, None, "Whether each is greater than the next.", ("(char>? #\\a #\\b)", "#f"), |_, a| compare("char>?", a, same, |x, y| x > y)),
    row("char<=?", 0, None, "Whether none is greater than the next.", ("(char<=? #\\a #\\a)", "#t"), |_, a| compare("char<=?", a, same, |x, y| x <= y)),
    row("char>=?", 0, None, "Whether none is less than the next.", ("(char>=? #\\a #\\b)", "#f"), |_, a| compare("char>=?", a, same, |x, y| x >= y)),
    row("char-ci=?", 0, None, "Whether all are the same but for case.", ("(char-ci=? #\\a #\\A)", "#t"), |_, a| compare("char-ci=?", a, downcase, |x, y| x == y)),
    row("char-ci<?", 0, None, "Whether each is less than the next, but for case.", ("(char-ci<? #\\a #\\B)", "#t"), |_, a| compare("char-ci<?", a, downcase, |x, y| x < y)),
    row("char-ci>?", 0, None, "Whether each is greater than the next, but for case.", ("(char-ci>? #\\b #\\A)", "#t"), |_, a| compare("char-ci>?", a, downcase, |x, y| x > y)),
];

/// Returns the upper-case form when it is one character.
pub(super) fn upcase(c: char) -> char {
    let mut upper = c.to_uppercase();
    if upper.len() == 1 { upper.next().unwrap_or(c) } else { c }
}

/// Returns the lower-case form when it is one character.
pub(super) fn downcase(c: char) -> char {
    let mut lower = c.to_lowercase();
    if lower.len() == 1 { lower.next().unwrap_or(c) } else { c }
}

fn same(c: char) -> char {
    c
}

fn compare(
    procedure: &'static str,
    arguments: &[Value],
    fold: fn(char) -> char,
    holds: fn(char, char) -> bool,
) -> Result<Value, Raise> {
    let characters: Vec<char> = (0..arguments.len())
        .map(|index| character(procedure, arguments, index).map(fold))
        .collect::<Result<_, _>>()?;
    boolean(characters.iter().zip(characters.iter().skip(1)).all(|(a, b)| holds(*a, *b)))
}

fn integer_to_char(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let code = expect_int("integer->char", arguments, 0)?;
    let character = u32::try_from(code).ok().and_then(char::from_u32);
    character
        .map(Value::Char)
        .ok_or_else(|| Raise::message(format!("`integer->char`: {code} is the number of no character")))
}
