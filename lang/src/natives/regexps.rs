//! Regular expressions: POSIX extended syntax, the longest of the leftmost matches ([`crate::posix_regex`]).
//!
//! Expressions that are given as strings are kept compiled. Positions in matches count characters.

use std::{any::Any, cell::RefCell, ops::Range, rc::Rc};

use rustc_hash::FxHashMap;

use crate::{
    native::{Context, Native, Raise, expect_string, wrong_type},
    posix_regex::{Flags, Groups, PosixRegex},
    value::{Foreign, Value},
};

use super::{
    arguments::{boolean, get, given, int, out_of_range, size, text},
    row,
    strings::{byte_position, length},
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("make-regexp", 1, None, "Compiles an expression, with the flags `regexp/icase`, `regexp/newline`, `regexp/basic`, `regexp/extended`.",
        ("(regexp? (make-regexp \"a+\"))", "#t"), make),
    row("regexp?", 1, Some(1), "Whether it is a compiled expression.", ("(regexp? \"a\")", "#f"), |_, a| boolean(get(a, 0).as_foreign::<Regexp>().is_some())),
    row("regexp-exec", 2, Some(4), "The first match of a compiled expression, from a position on, or `#f`.", ("(match:substring (regexp-exec (make-regexp \"b+\") \"abbc\"))", "\"bb\""), |_, a| first("regexp-exec", a)),
    row("string-match", 2, Some(4), "The first match of an expression, from a position on, or `#f`.", ("(match:substring (string-match \"[0-9]+\" \"abc42\"))", "\"42\""), |_, a| first("string-match", a)),
    row("list-matches", 2, Some(3), "All matches of an expression.", ("(map match:substring (list-matches \"[a-z]\" \"a1b2\"))", "(\"a\" \"b\")"), all),
    row("regexp-quote", 1, Some(1), "The expression that matches just this text.", ("(regexp-quote \"a.b\")", "\"a\\\\.b\""), quote),
    row("regexp-match?", 1, Some(1), "Whether it is a match.", ("(regexp-match? (string-match \"a\" \"a\"))", "#t"), |_, a| boolean(get(a, 0).as_foreign::<Match>().is_some())),
    row("match:substring", 1, Some(2), "The text that matched, or that of a group, `#f` for a group that took no part.", ("(match:substring (string-match \"a(b)?\" \"a\") 1)", "#f"), substring),
    row("match:start", 1, Some(2), "Where the match, or that of a group, begins.", ("(match:start (string-match \"b\" \"ab\"))", "1"), |_, a| edge("match:start", a, |r| r.start)),
    row("match:end", 1, Some(2), "Where the match, or that of a group, ends.", ("(match:end (string-match \"b\" \"ab\"))", "2"), |_, a| edge("match:end", a, |r| r.end)),
    row("match:prefix", 1, Some(1), "The text before the match.", ("(match:prefix (string-match \"b\" \"abc\"))", "\"a\""), |_, a| { let m = expect_match("match:prefix", a, 0)?; text(m.text.get(..m.whole().start).unwrap_or("")) }),
    row("match:suffix", 1, Some(1), "The text after the match.", ("(match:suffix (string-match \"b\" \"abc\"))", "\"c\""), |_, a| { let m = expect_match("match:suffix", a, 0)?; text(m.text.get(m.whole().end..).unwrap_or("")) }),
    row("match:string", 1, Some(1), "The whole text.", ("(match:string (string-match \"b\" \"abc\"))", "\"abc\""), |_, a| text(&*expect_match("match:string", a, 0)?.text)),
    row("match:count", 1, Some(1), "The number of groups, the whole match included.", ("(match:count (string-match \"(a)(b)\" \"ab\"))", "3"), |_, a| Ok(int(expect_match("match:count", a, 0)?.groups.len()))),
    row("regexp-substitute", 2, None, "A text out of a match: strings, numbers of groups, `pre` and `post` for what is around it. The first argument is `#f`.",
        ("(regexp-substitute #f (string-match \"b\" \"abc\") 'pre \"[\" 0 \"]\" 'post)", "\"a[b]c\""), substitute),
];

/// A compiled expression as a value.
pub struct Regexp(pub Rc<PosixRegex>);

impl Foreign for Regexp {
    fn describe(&self) -> String {
        format!("#<regexp {}>", self.0.pattern())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A match as a value.
struct Match {
    text: Rc<str>,
    groups: Groups,
}

impl Match {
    fn whole(&self) -> Range<usize> {
        self.groups.first().cloned().flatten().unwrap_or(0..0)
    }
}

impl Foreign for Match {
    fn describe(&self) -> String {
        format!("#<regexp-match {}>", self.text.get(self.whole()).unwrap_or(""))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the compiled form of an expression; compiled ones are kept.
///
/// # Errors
/// [`Raise`] when it is malformed.
pub fn compiled(pattern: &str, flags: Flags) -> Result<Rc<PosixRegex>, Raise> {
    const KEPT: usize = 256;
    thread_local! {
        static CACHE: RefCell<FxHashMap<(String, Flags), Rc<PosixRegex>>> = RefCell::default();
    }
    CACHE.with_borrow_mut(|cache| {
        let key = (pattern.to_owned(), flags);
        if let Some(regex) = cache.get(&key) {
            return Ok(Rc::clone(regex));
        }
        let regex = Rc::new(PosixRegex::new(pattern, flags).map_err(|error| Raise::Invalid {
            code: "E0414",
            message: error.to_string(),
            hints: vec!["write `[.]` or `\\\\.` for a character that is special".to_owned()],
        })?);
        if cache.len() >= KEPT {
            cache.clear();
        }
        cache.insert(key, Rc::clone(&regex));
        Ok(regex)
    })
}

/// The bits of the flags, as the prelude names them.
fn flags(procedure: &'static str, arguments: &[Value], from: usize) -> Result<Flags, Raise> {
    let mut bits = 0;
    for index in from..arguments.len() {
        bits |= size(procedure, arguments, index)?;
    }
    Ok(Flags { ignore_case: bits & 2 != 0, newline: bits & 4 != 0, basic: bits & 8 != 0 })
}

fn make(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let regex = compiled(expect_string("make-regexp", arguments, 0)?, flags("make-regexp", arguments, 1)?)?;
    Ok(Value::foreign(Regexp(regex)))
}

/// Returns the expression that an argument is: compiled, or a string.
fn expect_regexp(procedure: &'static str, arguments: &[Value]) -> Result<Rc<PosixRegex>, Raise> {
    match get(arguments, 0) {
        Value::String(pattern) => compiled(pattern, Flags::default()),
        actual => actual
            .as_foreign::<Regexp>()
            .map(|regexp| Rc::clone(&regexp.0))
            .ok_or_else(|| wrong_type(procedure, 0, "a regular expression", actual)),
    }
}

fn first(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let regex = expect_regexp(procedure, arguments)?;
    let whole = expect_string(procedure, arguments, 1)?;
    let start = if given(arguments, 2) { size(procedure, arguments, 2)? } else { 0 };
    if start > length(whole) {
        return Err(out_of_range(procedure, start, length(whole)));
    }
    // As with Guile, `^` matches where the search begins.
    let offset = byte_position(whole, start);
    let part = whole.get(offset..).unwrap_or("");
    let Some(groups) = regex.find_at(part, 0) else { return Ok(Value::Bool(false)) };
    let groups = groups.into_iter().map(|group| group.map(|r| r.start + offset..r.end + offset)).collect();
    Ok(Value::foreign(Match { text: whole.into(), groups }))
}

fn all(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let regex = expect_regexp("list-matches", arguments)?;
    let whole: Rc<str> = expect_string("list-matches", arguments, 1)?.into();
    let matches = regex.find_all(&whole).into_iter();
    Ok(Value::list(
        matches.map(|groups| Value::foreign(Match { text: Rc::clone(&whole), groups })).collect::<Vec<_>>(),
    ))
}

fn quote(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut quoted = String::new();
    for c in expect_string("regexp-quote", arguments, 0)?.chars() {
        if r".[]\*+?(){}|^$".contains(c) {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    text(quoted)
}

fn expect_match<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
) -> Result<&'a Match, Raise> {
    let actual = get(arguments, index);
    actual.as_foreign().ok_or_else(|| wrong_type(procedure, index, "a match", actual))
}

fn group(procedure: &'static str, arguments: &[Value]) -> Result<Option<Range<usize>>, Raise> {
    let found = expect_match(procedure, arguments, 0)?;
    let number = if given(arguments, 1) { size(procedure, arguments, 1)? } else { 0 };
    let groups = found.groups.len();
    found.groups.get(number).cloned().ok_or_else(|| {
        Raise::message(format!(
            "`{procedure}`: there is no group {number}; the expression has {}",
            groups - 1
        ))
    })
}

fn substring(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let range = group("match:substring", arguments)?;
    let found = expect_match("match:substring", arguments, 0)?;
    Ok(range.and_then(|range| found.text.get(range)).map_or(Value::Bool(false), Value::string))
}

fn edge(
    procedure: &'static str,
    arguments: &[Value],
    edge: fn(&Range<usize>) -> usize,
) -> Result<Value, Raise> {
    let range = group(procedure, arguments)?;
    let found = expect_match(procedure, arguments, 0)?;
    let position = range.and_then(|range| found.text.get(..edge(&range))).map(length);
    Ok(position.map_or(Value::Bool(false), int))
}

fn substitute(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    if get(arguments, 0).is_true() {
        return Err(Raise::message(
            "`regexp-substitute`: the first argument is `#f`; write the result to a port yourself",
        ));
    }
    let found = expect_match("regexp-substitute", arguments, 1)?;
    let whole = found.whole();
    let mut out = String::new();
    for index in 2..arguments.len() {
        let piece = match get(arguments, index) {
            Value::String(text) => Some(&***text),
            Value::Symbol(name) if name.as_str() == "pre" => found.text.get(..whole.start),
            Value::Symbol(name) if name.as_str() == "post" => found.text.get(whole.end..),
            Value::Int(_) => {
                let number = size("regexp-substitute", arguments, index)?;
                found.groups.get(number).cloned().flatten().and_then(|range| found.text.get(range))
            }
            actual => {
                return Err(wrong_type(
                    "regexp-substitute",
                    index,
                    "a string, a group's number, `pre` or `post`",
                    actual,
                ));
            }
        };
        out.push_str(piece.unwrap_or(""));
    }
    text(out)
}
