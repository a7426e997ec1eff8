//! Comparing strings, by the numbers of their characters.

use std::cmp::Ordering;

use crate::{
    native::{Context, Native, Raise, expect_string},
    value::Value,
};

use super::{
    arguments::{boolean, int, new_size},
    row,
    strings::slice,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("string=?", 0, None, "Whether all are the same.", ("(string=? \"a\" \"a\")", "#t"), |_, a| all("string=?", a, false, Ordering::is_eq)),
    row("string<?", 0, None, "Whether each comes before the next.", ("(string<? \"a\" \"b\" \"c\")", "#t"), |_, a| all("string<?", a, false, Ordering::is_lt)),
    row("string>?", 0, None, "Whether each comes after the next.", ("(string>? \"b\" \"a\")", "#t"), |_, a| all("string>?", a, false, Ordering::is_gt)),
    row("string<=?", 0, None, "Whether none comes after the next.", ("(string<=? \"a\" \"a\")", "#t"), |_, a| all("string<=?", a, false, Ordering::is_le)),
    row("string>=?", 0, None, "Whether none comes before the next.", ("(string>=? \"a\" \"b\")", "#f"), |_, a| all("string>=?", a, false, Ordering::is_ge)),
    row("string-ci=?", 0, None, "Whether all are the same but for case.", ("(string-ci=? \"a\" \"A\")", "#t"), |_, a| all("string-ci=?", a, true, Ordering::is_eq)),
    row("string-ci<?", 0, None, "Whether each comes before the next, but for case.", ("(string-ci<? \"a\" \"B\")", "#t"), |_, a| all("string-ci<?", a, true, Ordering::is_lt)),
    row("string-ci>?", 0, None, "Whether each comes after the next, but for case.", ("(string-ci>? \"b\" \"A\")", "#t"), |_, a| all("string-ci>?", a, true, Ordering::is_gt)),
    row("string-ci<=?", 0, None, "Whether none comes after the next, but for case.", ("(string-ci<=? \"a\" \"A\")", "#t"), |_, a| all("string-ci<=?", a, true, Ordering::is_le)),
    row("string-ci>=?", 0, None, "Whether none comes before the next, but for case.", ("(string-ci>=? \"a\" \"A\")", "#t"), |_, a| all("string-ci>=?", a, true, Ordering::is_ge)),
    row("string=", 2, Some(6), "Whether two strings, or parts of them, are the same.", ("(string= \"abc\" \"xbc\" 1 3 1 3)", "#t"), |_, a| parts("string=", a, Ordering::is_eq)),
    row("string<>", 2, Some(6), "Whether two strings, or parts of them, differ.", ("(string<> \"a\" \"b\")", "#t"), |_, a| parts("string<>", a, Ordering::is_ne)),
    row("string<", 2, Some(6), "Whether one string, or a part of it, comes before the other.", ("(string< \"a\" \"b\")", "#t"), |_, a| parts("string<", a, Ordering::is_lt)),
    row("string>", 2, Some(6), "Whether one string, or a part of it, comes after the other.", ("(string> \"a\" \"b\")", "#f"), |_, a| parts("string>", a, Ordering::is_gt)),
    row("string<=", 2, Some(6), "Whether one string, or a part of it, does not come after the other.", ("(string<= \"a\" \"a\")", "#t"), |_, a| parts("string<=", a, Ordering::is_le)),
    row("string>=", 2, Some(6), "Whether one string, or a part of it, does not come before the other.", ("(string>= \"a\" \"b\")", "#f"), |_, a| parts("string>=", a, Ordering::is_ge)),
    row("string-ci=", 2, Some(6), "Whether two strings, or parts of them, are the same but for case.", ("(string-ci= \"ab\" \"AB\")", "#t"), |_, a| folded("string-ci=", a, Ordering::is_eq)),
    row("string-ci<", 2, Some(6), "Whether one string, or a part of it, comes before the other, but for case.", ("(string-ci< \"a\" \"B\")", "#t"), |_, a| folded("string-ci<", a, Ordering::is_lt)),
    row("string-ci>", 2, Some(6), "Whether one string, or a part of it, comes after the other, but for case.", ("(string-ci> \"a\" \"B\")", "#f"), |_, a| folded("string-ci>", a, Ordering::is_gt)),
    row("string-hash", 1, Some(2), "A number that equal strings have in common, less than a bound if given; the same on every machine.", ("(< (string-hash \"a\" 10) 10)", "#t"), hash),
];

fn all(
    procedure: &'static str,
    arguments: &[Value],
    fold: bool,
    holds: fn(Ordering) -> bool,
) -> Result<Value, Raise> {
    let mut result = true;
    if arguments.len() == 1 {
        expect_string(procedure, arguments, 0)?;
    }
    for index in 1..arguments.len() {
        let (a, b) =
            (expect_string(procedure, arguments, index - 1)?, expect_string(procedure, arguments, index)?);
        let order = if fold {
            a.chars().map(super::chars::downcase).cmp(b.chars().map(super::chars::downcase))
        } else {
            a.cmp(b)
        };
        result = result && holds(order);
    }
    boolean(result)
}

fn parts(procedure: &'static str, arguments: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, Raise> {
    boolean(holds(slice(procedure, arguments, 0, 2)?.cmp(slice(procedure, arguments, 1, 4)?)))
}

fn folded(procedure: &'static str, arguments: &[Value], holds: fn(Ordering) -> bool) -> Result<Value, Raise> {
    let (a, b) = (slice(procedure, arguments, 0, 2)?, slice(procedure, arguments, 1, 4)?);
    boolean(holds(a.chars().map(super::chars::downcase).cmp(b.chars().map(super::chars::downcase))))
}

fn hash(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let bound = if arguments.len() > 1 { new_size("string-hash", arguments, 1)?.max(1) } else { 1 << 30 };
    let code = expect_string("string-hash", arguments, 0)?
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |code, byte| (code ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    Ok(int(usize::try_from(code % bound as u64).unwrap_or(0)))
}
