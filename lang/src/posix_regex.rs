//! POSIX regular expressions, as Guile's `make-regexp` and Guix's `substitute*` take them.
//!
//! [`translate`] turns the extended (or basic) syntax of POSIX with glibc's extensions (`\w \s \b \< \>`) into the syntax of
//! the `regex` crate. Matches are the leftmost, and of those the longest, as POSIX wants: the crate finds the leftmost
//! match at once, and where alternatives or repeated groups could make it stop early, a second search from its beginning
//! finds the longest. Groups are those of the crate's preferred way to match that length, which differs from POSIX only where
//! several ways give the same length. Back-references (`\1`) are refused: they cannot be matched in linear time.

mod translate;

use std::{fmt, ops::Range};

use regex::{Regex, RegexBuilder};
use regex_automata::{
    Anchored, Input, MatchKind,
    nfa::thompson::{self, pikevm},
    util::syntax,
};

pub use translate::translate;

/// How a regular expression is read and matched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Flags {
    /// `regexp/basic`: `\(` groups and `(` is a character.
    pub basic: bool,
    /// `regexp/icase`: letters match without regard to case.
    pub ignore_case: bool,
    /// `regexp/newline`: `^` and `$` match at lines, and `.` does not match a line end.
    pub newline: bool,
}

/// Why a regular expression is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("in the regular expression `{pattern}`: {reason}")]
pub struct PatternError {
    /// The expression.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The byte ranges of a match and of its groups; the first is the whole match.
pub type Groups = Vec<Option<Range<usize>>>;

/// A compiled regular expression.
pub struct PosixRegex {
    pattern: String,
    regex: Regex,
    /// Finds the longest match, where the other may find a shorter one.
    longest: Option<pikevm::PikeVM>,
}

impl PosixRegex {
    /// Compiles a regular expression.
    ///
    /// # Errors
    /// [`PatternError`] when it is malformed or too large.
    ///
    /// # Examples
    /// ```
    /// use hpcl_lang::posix_regex::{Flags, PosixRegex};
    /// let regex = PosixRegex::new("a|ab", Flags::default()).unwrap();
    /// assert_eq!(regex.find("xab"), Some(1..3)); // the longest
    /// ```
    pub fn new(pattern: &str, flags: Flags) -> Result<PosixRegex, PatternError> {
        let error = |reason: String| PatternError { pattern: pattern.to_owned(), reason };
        let translated = translate(pattern, flags).map_err(error)?;
        let regex = RegexBuilder::new(&translated.text)
            .dot_matches_new_line(!flags.newline)
            .multi_line(flags.newline)
            .case_insensitive(flags.ignore_case)
            .build()
            .map_err(|failure| error(reason(&failure)))?;
        let longest = if translated.ambiguous {
            let syntax = syntax::Config::new()
                .dot_matches_new_line(!flags.newline)
                .multi_line(flags.newline)
                .case_insensitive(flags.ignore_case);
            let limits = thompson::Config::new().nfa_size_limit(Some(10 << 20));
            let machine = pikevm::Builder::new()
                .syntax(syntax)
                .thompson(limits)
                .configure(pikevm::Config::new().match_kind(MatchKind::All))
                .build(&translated.text)
                .map_err(|failure| error(failure.to_string()))?;
            Some(machine)
        } else {
            None
        };
        Ok(PosixRegex { pattern: pattern.to_owned(), regex, longest })
    }

    /// Returns the expression as written.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Returns the number of groups, without the whole match.
    pub fn group_count(&self) -> usize {
        self.regex.captures_len() - 1
    }

    /// Whether the text has a match.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns the leftmost longest match.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        self.find_at(text, 0)?.into_iter().next().flatten()
    }

    /// Returns the leftmost longest match that begins at a byte position or later; `^` is still the beginning of the text.
    pub fn find_at(&self, text: &str, start: usize) -> Option<Groups> {
        let Some(longest) = &self.longest else {
            let groups = self.regex.captures_at(text, start)?;
            return Some(groups.iter().map(|group| group.map(|m| m.range())).collect());
        };
        let begin = self.regex.find_at(text, start)?.start();
        let input = Input::new(text).range(begin..).anchored(Anchored::Yes);
        let (mut cache, mut found) = (longest.create_cache(), longest.create_captures());
        longest.captures(&mut cache, input, &mut found);
        found.is_match().then(|| found.iter().map(|group| group.map(|span| span.range())).collect())
    }

    /// Returns all matches that do not overlap. An empty match right after another match does not count.
    pub fn find_all(&self, text: &str) -> Vec<Groups> {
        let mut all = Vec::new();
        let (mut start, mut abuts) = (0, false);
        while start <= text.len() {
            let Some(groups) = self.find_at(text, start) else { break };
            let Some(whole) = groups.first().cloned().flatten() else { break };
            if whole.is_empty() && abuts && whole.start == start {
                start += text.get(start..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
                abuts = false;
                continue;
            }
            start = whole.end;
            abuts = true;
            all.push(groups);
        }
        all
    }
}

impl fmt::Debug for PosixRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PosixRegex({:?})", self.pattern)
    }
}

/// Returns the last line of the crate's message, which names the cause.
fn reason(failure: &regex::Error) -> String {
    let text = failure.to_string();
    let last = text.lines().last().unwrap_or(&text);
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
        let regex = PosixRegex::new(pattern, Flags::default()).unwrap();
        let groups = regex.find_at(text, 0)?;
        Some(groups.into_iter().map(|g| g.map(|r| text[r].to_owned())).collect())
    }

    fn groups(parts: &[&str]) -> Option<Vec<Option<String>>> {
        Some(parts.iter().map(|p| Some((*p).to_owned())).collect())
    }

    #[test]
    fn the_longest_of_the_leftmost_matches_is_found() {
        assert_eq!(found("a|ab", "ab"), groups(&["ab"]));
        assert_eq!(found("(a|ab)(c|bcd)", "xabcd"), groups(&["abcd", "a", "bcd"]));
        assert_eq!(found("(a?)(ab)?", "ab"), groups(&["ab", "", "ab"]));
        assert_eq!(found("x*", "axx"), groups(&[""]));
        assert_eq!(found("(foo|foobar)$", "foobar"), groups(&["foobar", "foobar"]));
        assert_eq!(found("lib(x|xy|xyz)[.]so", "libxy.so"), groups(&["libxy.so", "xy"]));
    }

    #[test]
    fn words_and_anchors_see_the_whole_text() {
        let regex = PosixRegex::new("^a|\\<b", Flags::default()).unwrap();
        assert_eq!(regex.find_all("aa ab b").len(), 2);
        assert_eq!(regex.find_at("aa", 1), None);
    }

    #[test]
    fn all_matches_are_those_of_guile() {
        let all = |pattern: &str, text: &str| -> Vec<Range<usize>> {
            let regex = PosixRegex::new(pattern, Flags::default()).unwrap();
            regex.find_all(text).into_iter().filter_map(|g| g[0].clone()).collect()
        };
        assert_eq!(all("x*", "axb"), [0..0, 1..2, 3..3]);
        assert_eq!(all("", "é"), [0..0, 2..2]);
        assert_eq!(all("a", "banana"), [1..2, 3..4, 5..6]);
    }

    #[test]
    fn flags_change_what_matches() {
        let matches =
            |pattern: &str, text: &str, flags: Flags| PosixRegex::new(pattern, flags).unwrap().is_match(text);
        let plain = Flags::default();
        assert!(matches("a.b", "a\nb", plain));
        assert!(!matches("a.b", "a\nb", Flags { newline: true, ..plain }));
        assert!(!matches("^b", "a\nb", plain));
        assert!(matches("^b", "a\nb", Flags { newline: true, ..plain }));
        assert!(!matches("a[^x]b", "a\nb", Flags { newline: true, ..plain }));
        assert!(matches("AB", "ab", Flags { ignore_case: true, ..plain }));
        assert!(matches(r"a\(b\)\{2\}(", "abb(", Flags { basic: true, ..plain }));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let error = |pattern: &str| PosixRegex::new(pattern, Flags::default()).unwrap_err().to_string();
        assert_eq!(error("(a"), "in the regular expression `(a`: a `(` is not closed");
        assert_eq!(error("[a"), "in the regular expression `[a`: a `[` is not closed");
        assert_eq!(
            error(r"(a)\1"),
            r"in the regular expression `(a)\1`: back-references such as `\1` are not supported"
        );
        assert_eq!(error("a{2,1}"), "in the regular expression `a{2,1}`: the repetition `{2,1}` is backward");
        assert_eq!(error("*a"), "in the regular expression `*a`: nothing stands before `*`");
        assert_eq!(error("[z-a]"), "in the regular expression `[z-a]`: the range `z-a` is backward");
        assert_eq!(error("a\\"), "in the regular expression `a\\`: it ends in a backslash");
        assert_eq!(
            error("[[:foo:]]"),
            "in the regular expression `[[:foo:]]`: `[:foo:]` is no class of characters"
        );
    }
}
