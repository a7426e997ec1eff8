//! Parts of strings: by number of characters, by padding, by trimming, by splitting.

use crate::{
    native::{Context, Native, Raise, expect_int, expect_string},
    value::Value,
};

use super::{
    arguments::{character, given, int, new_size, out_of_range, size, text},
    char_sets::Matcher,
    row,
    strings::{byte_position, length, slice},
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("string-take", 2, Some(2), "The first characters.", ("(string-take \"hello\" 2)", "\"he\""), |_, a| split_at("string-take", a, |n, _| n, true)),
    row("string-drop", 2, Some(2), "All but the first characters.", ("(string-drop \"hello\" 2)", "\"llo\""), |_, a| split_at("string-drop", a, |n, _| n, false)),
    row("string-take-right", 2, Some(2), "The last characters.", ("(string-take-right \"hello\" 2)", "\"lo\""), |_, a| split_at("string-take-right", a, |n, length| length - n, false)),
    row("string-drop-right", 2, Some(2), "All but the last characters.", ("(string-drop-right \"hello\" 2)", "\"hel\""), |_, a| split_at("string-drop-right", a, |n, length| length - n, true)),
    row("string-pad", 2, Some(5), "The last characters, with spaces or a given character before them to make so many.", ("(string-pad \"7\" 3 #\\0)", "\"007\""), |_, a| pad("string-pad", a, true)),
    row("string-pad-right", 2, Some(5), "The first characters, with spaces or a given character after them to make so many.", ("(string-pad-right \"ab\" 3)", "\"ab \""), |_, a| pad("string-pad-right", a, false)),
    row("%string-trim", 1, Some(4), "Without the white space, or what else matches, at the beginning.", ("(%string-trim \"  a \")", "\"a \""), |c, a| trim(c, "string-trim", a, true, false)),
    row("%string-trim-right", 1, Some(4), "Without the white space, or what else matches, at the end.", ("(%string-trim-right \"a/\" #\\/)", "\"a\""), |c, a| trim(c, "string-trim-right", a, false, true)),
    row("%string-trim-both", 1, Some(4), "Without the white space, or what else matches, at both ends.", ("(%string-trim-both \"  a \")", "\"a\""), |c, a| trim(c, "string-trim-both", a, true, true)),
    row("%string-split", 2, Some(2), "The parts between the characters that match.", ("(%string-split \"a:b::c\" #\\:)", "(\"a\" \"b\" \"\" \"c\")"), split),
    row("%string-tokenize", 1, Some(4), "The longest parts whose characters match, all but white space unless given.", ("(%string-tokenize \" a  bc \")", "(\"a\" \"bc\")"), tokenize),
    row("string-replace", 2, Some(6), "The first string with the part from a position to before another replaced by the second string.",
        ("(string-replace \"hello\" \"ipp\" 1 4)", "\"hippo\""), replace),
    row("string-replace-substring", 3, Some(3), "The string with every occurrence of the second replaced by the third.", ("(string-replace-substring \"a-b-c\" \"-\" \"+\")", "\"a+b+c\""), replace_substring),
    row("xsubstring", 2, Some(3), "The part from a position to before another of the string repeated without end both ways.", ("(xsubstring \"abc\" 2 7)", "\"cabca\""), repeated_part),
    row("string-head", 2, Some(2), "The first characters.", ("(string-head \"hello\" 2)", "\"he\""), |_, a| split_at("string-head", a, |n, _| n, true)),
    row("string-tail", 2, Some(2), "All but the first characters.", ("(string-tail \"hello\" 2)", "\"llo\""), |_, a| split_at("string-tail", a, |n, _| n, false)),
];

fn split_at(
    procedure: &'static str,
    arguments: &[Value],
    position: fn(usize, usize) -> usize,
    before: bool,
) -> Result<Value, Raise> {
    let whole = expect_string(procedure, arguments, 0)?;
    let (number, length) = (size(procedure, arguments, 1)?, length(whole));
    if number > length {
        return Err(Raise::message(format!(
            "`{procedure}`: the string has {length} characters, not {number}"
        )));
    }
    let (head, tail) = whole.split_at(byte_position(whole, position(number, length)));
    text(if before { head } else { tail })
}

fn pad(procedure: &'static str, arguments: &[Value], left: bool) -> Result<Value, Raise> {
    let part = slice(procedure, arguments, 0, 3)?;
    let wanted = new_size(procedure, arguments, 1)?;
    let filler = if given(arguments, 2) { character(procedure, arguments, 2)? } else { ' ' };
    let length = length(part);
    if length >= wanted {
        let (head, _) = part.split_at(byte_position(part, wanted));
        let (_, tail) = part.split_at(byte_position(part, length - wanted));
        return text(if left { tail } else { head });
    }
    let filling: String = std::iter::repeat_n(filler, wanted - length).collect();
    text(if left { filling + part } else { format!("{part}{filling}") })
}

fn trim(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    left: bool,
    right: bool,
) -> Result<Value, Raise> {
    let mut part = slice(procedure, arguments, 0, 2)?;
    if !given(arguments, 1) {
        let part = if left { part.trim_start() } else { part };
        return text(if right { part.trim_end() } else { part });
    }
    let matcher = Matcher::expect(procedure, arguments, 1)?;
    while left
        && let Some(first) = part.chars().next()
        && matcher.matches(context, first)?
    {
        part = part.get(first.len_utf8()..).unwrap_or("");
    }
    while right
        && let Some(last) = part.chars().next_back()
        && matcher.matches(context, last)?
    {
        part = part.get(..part.len() - last.len_utf8()).unwrap_or("");
    }
    text(part)
}

fn split(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = expect_string("string-split", arguments, 0)?;
    let matcher = Matcher::expect("string-split", arguments, 1)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, c) in whole.char_indices() {
        if matcher.matches(context, c)? {
            parts.push(Value::string(whole.get(from..at).unwrap_or("")));
            from = at + c.len_utf8();
        }
    }
    parts.push(Value::string(whole.get(from..).unwrap_or("")));
    Ok(Value::list(parts))
}

fn tokenize(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = slice("string-tokenize", arguments, 0, 2)?;
    let matcher =
        if given(arguments, 1) { Some(Matcher::expect("string-tokenize", arguments, 1)?) } else { None };
    let mut parts = Vec::new();
    let mut current = String::new();
    for c in whole.chars() {
        let inside = match &matcher {
            Some(matcher) => matcher.matches(context, c)?,
            None => !c.is_whitespace(),
        };
        if inside {
            current.push(c);
        } else if !current.is_empty() {
            parts.push(Value::string(std::mem::take(&mut current)));
        }
    }
    if !current.is_empty() {
        parts.push(Value::string(current));
    }
    Ok(Value::list(parts))
}

fn replace(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = expect_string("string-replace", arguments, 0)?;
    let other = slice("string-replace", arguments, 1, 4)?;
    let range = super::arguments::range("string-replace", arguments, 2, length(whole))?;
    let bytes = super::strings::byte_range(whole, range);
    let (before, after) = (whole.get(..bytes.start).unwrap_or(""), whole.get(bytes.end..).unwrap_or(""));
    text(format!("{before}{other}{after}"))
}

fn replace_substring(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = expect_string("string-replace-substring", arguments, 0)?;
    let wanted = expect_string("string-replace-substring", arguments, 1)?;
    let replacement = expect_string("string-replace-substring", arguments, 2)?;
    if wanted.is_empty() {
        return Err(Raise::message("`string-replace-substring`: the string to replace is empty"));
    }
    text(whole.replace(wanted, replacement))
}

fn repeated_part(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let characters: Vec<char> = expect_string("xsubstring", arguments, 0)?.chars().collect();
    let start = expect_int("xsubstring", arguments, 1)?;
    let length = i64::try_from(characters.len()).unwrap_or(i64::MAX);
    let end = if given(arguments, 2) {
        expect_int("xsubstring", arguments, 2)?
    } else {
        start.saturating_add(length)
    };
    if length == 0 || end < start {
        return Err(out_of_range("xsubstring", end, characters.len()));
    }
    new_size("xsubstring", &[Value::Int(end.saturating_sub(start))], 0)?;
    let at =
        |position: i64| usize::try_from(position.rem_euclid(length)).ok().and_then(|n| characters.get(n));
    text((start..end).filter_map(at).collect::<String>())
}

/// Returns a position as a value; `#f` for none.
pub(super) fn position(found: Option<usize>) -> Value {
    found.map_or(Value::Bool(false), int)
}
