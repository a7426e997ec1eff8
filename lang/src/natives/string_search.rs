//! Looking for characters and parts in strings.

use crate::{
    native::{Context, Native, Raise, expect_string},
    value::Value,
};

use super::{
    arguments::{boolean, int, text},
    char_sets::Matcher,
    row,
    string_parts::position,
    strings::{length, slice},
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("%string-index", 2, Some(4), "The position of the first character that matches, or `#f`.", ("(%string-index \"a-b-c\" #\\-)", "1"), |c, a| index(c, "string-index", a, true, false)),
    row("%string-index-right", 2, Some(4), "The position of the last character that matches, or `#f`.", ("(%string-index-right \"a-b-c\" #\\-)", "3"), |c, a| index(c, "string-index-right", a, true, true)),
    row("%string-skip", 2, Some(4), "The position of the first character that does not match, or `#f`.", ("(%string-skip \"  a\" #\\space)", "2"), |c, a| index(c, "string-skip", a, false, false)),
    row("%string-skip-right", 2, Some(4), "The position of the last character that does not match, or `#f`.", ("(%string-skip-right \"a//\" #\\/)", "0"), |c, a| index(c, "string-skip-right", a, false, true)),
    row("string-contains", 2, Some(6), "The position of the first occurrence of the second string, or `#f`.", ("(string-contains \"hello\" \"l\")", "2"), |_, a| contains("string-contains", a, |s| s.to_owned())),
    row("string-contains-ci", 2, Some(6), "The position of the first occurrence of the second string but for case, or `#f`.", ("(string-contains-ci \"Hello\" \"h\")", "0"),
        |_, a| contains("string-contains-ci", a, |s| s.chars().map(super::chars::downcase).collect())),
    row("string-search-forward", 3, Some(3), "The position of the first string in the second, from a position on, or `#f`.", ("(string-search-forward \"l\" \"hello\" 3)", "3"), search_forward),
    row("string-search-backward", 3, Some(3), "The position after the last occurrence of the first string in the second before a position, or `#f`.", ("(string-search-backward \"l\" \"hello\" 5)", "4"), search_backward),
    row("string-search-all", 2, Some(3), "The positions of the first string in the second.", ("(string-search-all \"l\" \"hello\")", "(2 3)"), search_all),
    row("string-prefix?", 2, Some(6), "Whether the second string begins with the first.", ("(string-prefix? \"he\" \"hello\")", "#t"), |_, a| affix("string-prefix?", a, |part, whole| whole.starts_with(part))),
    row("string-suffix?", 2, Some(6), "Whether the second string ends with the first.", ("(string-suffix? \"lo\" \"hello\")", "#t"), |_, a| affix("string-suffix?", a, |part, whole| whole.ends_with(part))),
    row("string-prefix-ci?", 2, Some(6), "Whether the second string begins with the first, but for case.", ("(string-prefix-ci? \"HE\" \"hello\")", "#t"),
        |_, a| affix("string-prefix-ci?", a, |part, whole| fold(whole).starts_with(&fold(part)))),
    row("string-suffix-ci?", 2, Some(6), "Whether the second string ends with the first, but for case.", ("(string-suffix-ci? \"LO\" \"hello\")", "#t"),
        |_, a| affix("string-suffix-ci?", a, |part, whole| fold(whole).ends_with(&fold(part)))),
    row("string-prefix-length", 2, Some(6), "How many characters both begin with.", ("(string-prefix-length \"abc\" \"abd\")", "2"), |_, a| common("string-prefix-length", a, false)),
    row("string-suffix-length", 2, Some(6), "How many characters both end with.", ("(string-suffix-length \"abc\" \"xbc\")", "2"), |_, a| common("string-suffix-length", a, true)),
    row("basename", 1, Some(2), "The last part of a file name, without the suffix if it has it.", ("(basename \"/a/b.c\" \".c\")", "\"b\""), basename),
    row("dirname", 1, Some(1), "A file name without its last part.", ("(dirname \"/a/b.c\")", "\"/a\""), dirname),
    row("absolute-file-name?", 1, Some(1), "Whether a file name begins with a slash.", ("(absolute-file-name? \"/a\")", "#t"), |_, a| boolean(expect_string("absolute-file-name?", a, 0)?.starts_with('/'))),
];

fn fold(part: &str) -> String {
    part.chars().map(super::chars::downcase).collect()
}

fn index(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    wanted: bool,
    right: bool,
) -> Result<Value, Raise> {
    let whole = expect_string(procedure, arguments, 0)?;
    let matcher = Matcher::expect(procedure, arguments, 1)?;
    let range = super::arguments::range(procedure, arguments, 2, length(whole))?;
    let mut found = None;
    for (position, c) in whole.chars().enumerate().skip(range.start).take(range.len()) {
        if matcher.matches(context, c)? == wanted {
            found = Some(position);
            if !right {
                break;
            }
        }
    }
    Ok(position(found))
}

/// Returns the position in characters of a byte offset in the string at `index`, whose range starts at `from`.
fn shifted(arguments: &[Value], from: usize, part: &str, byte: usize) -> usize {
    let before = part.get(..byte).map_or(0, length);
    match super::arguments::get(arguments, from) {
        Value::Int(start) => before + usize::try_from(*start).unwrap_or(0),
        _ => before,
    }
}

fn contains(procedure: &'static str, arguments: &[Value], fold: fn(&str) -> String) -> Result<Value, Raise> {
    let whole = fold(slice(procedure, arguments, 0, 2)?);
    let wanted = fold(slice(procedure, arguments, 1, 4)?);
    Ok(position(whole.find(&wanted).map(|byte| shifted(arguments, 2, &whole, byte))))
}

fn search_forward(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let wanted = expect_string("string-search-forward", arguments, 0)?;
    let part = slice("string-search-forward", arguments, 1, 2)?;
    Ok(position(part.find(wanted).map(|byte| shifted(arguments, 2, part, byte))))
}

fn search_backward(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let wanted = expect_string("string-search-backward", arguments, 0)?;
    let whole = expect_string("string-search-backward", arguments, 1)?;
    let end = super::arguments::size("string-search-backward", arguments, 2)?;
    let part = whole.get(..super::strings::byte_position(whole, end)).unwrap_or("");
    Ok(position(part.rfind(wanted).and_then(|byte| part.get(..byte + wanted.len())).map(length)))
}

fn search_all(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let wanted = expect_string("string-search-all", arguments, 0)?;
    let whole = expect_string("string-search-all", arguments, 1)?;
    let places = whole.char_indices().enumerate();
    let found =
        places.filter(|(_, (byte, _))| whole.get(*byte..).is_some_and(|rest| rest.starts_with(wanted)));
    Ok(Value::list(found.map(|(position, _)| int(position)).collect::<Vec<_>>()))
}

fn affix(
    procedure: &'static str,
    arguments: &[Value],
    holds: fn(&str, &str) -> bool,
) -> Result<Value, Raise> {
    boolean(holds(slice(procedure, arguments, 0, 2)?, slice(procedure, arguments, 1, 4)?))
}

fn common(procedure: &'static str, arguments: &[Value], end: bool) -> Result<Value, Raise> {
    let (a, b) = (slice(procedure, arguments, 0, 2)?, slice(procedure, arguments, 1, 4)?);
    let count = if end {
        a.chars().rev().zip(b.chars().rev()).take_while(|(x, y)| x == y).count()
    } else {
        a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count()
    };
    Ok(int(count))
}

fn basename(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("basename", arguments, 0)?;
    let trimmed = name.trim_end_matches('/');
    let last = trimmed.rsplit('/').next().unwrap_or("");
    let last = if last.is_empty() && !name.is_empty() { "/" } else { last };
    let suffix = if arguments.len() > 1 { expect_string("basename", arguments, 1)? } else { "" };
    text(last.strip_suffix(suffix).filter(|stem| !stem.is_empty()).unwrap_or(last))
}

fn dirname(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("dirname", arguments, 0)?;
    let trimmed = name.trim_end_matches('/');
    if trimmed.is_empty() {
        return text(if name.is_empty() { "." } else { "/" });
    }
    match trimmed.rsplit_once('/') {
        None => text("."),
        Some((parent, _)) => {
            let parent = parent.trim_end_matches('/');
            text(if parent.is_empty() { "/" } else { parent })
        }
    }
}
