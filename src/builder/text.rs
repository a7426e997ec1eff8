//! The native half of `substitute*`: line-wise replacement in files of any bytes.
//!
//! The macro (`stdlib/build/utils.hpcl`) computes replacements in the language, and natives do not call back. So
//! [`Substitution`] walks the lines: `%substitute-next!` stops at the first pattern that matches in the line at hand and
//! returns its number and groups, `%substitute-reply!` takes the replacements and goes on with the next pattern on the
//! resulting line. Lines without a match never reach the language.
//!
//! As with POSIX `regexec` on a whole line: a line has its newline, `.` matches it, `$` is the very end, matches are
//! the leftmost longest.

use std::{any::Any, cell::RefCell, fs, ops::Range, path::PathBuf, rc::Rc};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_list, expect_string, expect_strings, wrong_type},
    natives::regexps::{Regexp, compiled},
    posix_regex::{Flags, PosixRegex},
    value::{Foreign, Value},
};

use super::{
    bytes,
    condition::{SystemError, row},
    files::replace_content,
    world::expect_path,
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("%pattern", 1, Some(1), "Compiles a POSIX extended regular expression for `substitute*`.", pattern),
    row("%substitute-open", 2, Some(2), "Opens a file for substitution with a list of patterns.", open),
    row(
        "%substitute-next!",
        1,
        Some(1),
        "Goes to the next match: `(PATTERN-NUMBER (GROUP …) …)`, `#f` at the end.",
        next,
    ),
    row("%substitute-reply!", 2, Some(2), "Replaces the matches at hand by strings.", reply),
    row(
        "%substitute-close!",
        1,
        Some(1),
        "Writes the file if anything changed; returns whether it did.",
        close,
    ),
];

/// A file in the course of substitution.
pub struct Substitution {
    path: PathBuf,
    patterns: Vec<Rc<PosixRegex>>,
    walk: RefCell<Walk>,
}

/// Where a substitution is.
struct Walk {
    text: String,
    /// Where the next line begins in `text`.
    ahead: usize,
    /// What was decided.
    done: String,
    /// The line at hand, changed by the patterns before `pattern`.
    line: String,
    pattern: usize,
    matches: Vec<Range<usize>>,
    changed: bool,
    ended: bool,
}

impl Foreign for Substitution {
    fn describe(&self) -> String {
        format!("#<substitution in {}>", bytes::path_text(&self.path))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Walk {
    fn new(text: String) -> Walk {
        let mut walk = Walk {
            done: String::with_capacity(text.len()),
            text,
            ahead: 0,
            line: String::new(),
            pattern: 0,
            matches: Vec::new(),
            changed: false,
            ended: false,
        };
        walk.take_line();
        walk
    }

    /// Makes the next line the one at hand.
    fn take_line(&mut self) {
        self.done.push_str(&self.line);
        self.pattern = 0;
        let rest = self.text.get(self.ahead..).unwrap_or_default();
        let line = rest.split_inclusive('\n').next().unwrap_or_default();
        self.ahead += line.len();
        self.line.clear();
        self.line.push_str(line);
        self.ended = line.is_empty();
    }

    /// Goes to the next pattern that matches; the groups of each match.
    fn next(&mut self, patterns: &[Rc<PosixRegex>]) -> Option<(usize, Vec<Value>)> {
        while !self.ended {
            while let Some(pattern) = patterns.get(self.pattern) {
                if !pattern.is_match(&self.line) {
                    self.pattern += 1;
                    continue;
                }
                let text = |range: Option<Range<usize>>| {
                    range.and_then(|range| self.line.get(range)).map_or(Value::Bool(false), Value::string)
                };
                let found = pattern.find_all(&self.line);
                self.matches = found.iter().filter_map(|groups| groups.first().cloned().flatten()).collect();
                let groups =
                    found.into_iter().map(|groups| Value::list(groups.into_iter().map(text))).collect();
                return Some((self.pattern, groups));
            }
            self.take_line();
        }
        None
    }

    fn reply(&mut self, replacements: &[String]) {
        let mut line = String::with_capacity(self.line.len());
        let mut end = 0;
        for (range, replacement) in self.matches.iter().zip(replacements) {
            line.push_str(self.line.get(end..range.start).unwrap_or_default());
            line.push_str(replacement);
            end = range.end;
        }
        line.push_str(self.line.get(end..).unwrap_or_default());
        self.changed |= line != self.line;
        self.line = line;
        self.pattern += 1;
    }
}

fn pattern(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    if arguments.first().is_some_and(|value| value.as_foreign::<Regexp>().is_some()) {
        return Ok(arguments.first().cloned().unwrap_or(Value::Absent));
    }
    let text = expect_string("substitute*", arguments, 0)?;
    Ok(Value::foreign(Regexp(compiled(text, Flags::default())?)))
}

fn open(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "substitute*", arguments, 0)?;
    let patterns = expect_list("substitute*", arguments, 1)?
        .iter()
        .map(|value| value.as_foreign().map(|Regexp(regex)| regex.clone()))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| {
            wrong_type("substitute*", 1, "a list of patterns", arguments.get(1).unwrap_or(&Value::Absent))
        })?;
    let content = fs::read(&path).map_err(|error| SystemError::raise("substitute*", &path, &error))?;
    let walk = RefCell::new(Walk::new(bytes::decode(&content).into_owned()));
    Ok(Value::foreign(Substitution { path, patterns, walk }))
}

fn expect_substitution(arguments: &[Value]) -> Result<&Substitution, Raise> {
    let actual = arguments.first().unwrap_or(&Value::Absent);
    actual.as_foreign().ok_or_else(|| wrong_type("substitute*", 0, "a substitution", actual))
}

fn next(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let substitution = expect_substitution(arguments)?;
    Ok(match substitution.walk.borrow_mut().next(&substitution.patterns) {
        Some((number, groups)) => {
            Value::cons(Value::Int(i64::try_from(number).unwrap_or(i64::MAX)), Value::list(groups))
        }
        None => Value::Bool(false),
    })
}

fn reply(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let substitution = expect_substitution(arguments)?;
    let replacements = expect_strings("substitute*", arguments, 1)?;
    substitution.walk.borrow_mut().reply(&replacements);
    Ok(Value::Unspecified)
}

fn close(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let substitution = expect_substitution(arguments)?;
    let walk = substitution.walk.borrow();
    if walk.changed {
        replace_content(&substitution.path, &bytes::encode(&walk.done), false)
            .map_err(|error| SystemError::raise("substitute*", &substitution.path, &error))?;
    }
    Ok(Value::Bool(walk.changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Clause<'a> = (&'a str, &'a dyn Fn(&[Value]) -> String);

    fn substitute(text: &str, clauses: &[Clause]) -> String {
        let patterns: Vec<_> =
            clauses.iter().map(|(text, _)| compiled(text, Flags::default()).unwrap()).collect();
        let mut walk = Walk::new(text.to_owned());
        while let Some((number, groups)) = walk.next(&patterns) {
            let replies: Vec<_> =
                groups.iter().map(|groups| clauses[number].1(&groups.list_to_vec().unwrap())).collect();
            walk.reply(&replies);
        }
        walk.done
    }

    #[test]
    fn clauses_apply_in_order_to_each_line() {
        let text = "prefix = /usr\nbin = /usr/bin\n";
        let out = substitute(text, &[("/usr", &|_| "/store".into()), ("/store/bin", &|_| "here".into())]);
        assert_eq!(out, "prefix = /store\nbin = here\n");
    }

    #[test]
    fn groups_and_several_matches() {
        let out = substitute(
            "a1 b22\n",
            &[("([a-z])([0-9]+)", &|groups| {
                format!("{}{}", groups[2].as_str().unwrap(), groups[1].as_str().unwrap())
            })],
        );
        assert_eq!(out, "1a 22b\n");
    }

    #[test]
    fn dot_takes_the_newline_and_dollar_does_not_match_before_it() {
        assert_eq!(substitute("one\ntwo\nthree\n", &[("^t.*", &|_| String::new())]), "one\n");
        assert_eq!(substitute("one\n", &[("one$", &|_| "two".into())]), "one\n");
        assert_eq!(substitute("one", &[("one$", &|_| "two".into())]), "two");
        assert_eq!(substitute("", &[("^", &|_| "x".into())]), "");
    }

    #[test]
    fn bytes_that_are_not_text_are_kept() {
        let text = bytes::decode(b"caf\xE9 x \xFF\n").into_owned();
        assert_eq!(&*bytes::encode(&substitute(&text, &[("x", &|_| "y".into())])), b"caf\xE9 y \xFF\n");
    }
}
