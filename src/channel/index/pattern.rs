//! What a user searches for: POSIX regular expressions, letters in either case.

use hpcl_lang::posix_regex::{Flags, PatternError, PosixRegex};
use regex::{Regex, RegexBuilder};

/// A word or regular expression that is searched for.
pub struct Pattern {
    regex: PosixRegex,
    /// The length of the text that every match is, and what finds it quickly, where it is plain.
    plain: Option<(usize, Regex)>,
}

impl Pattern {
    /// Reads a regular expression.
    ///
    /// # Errors
    /// [`PatternError`] when it is malformed.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let regex = PosixRegex::new(text, Flags { ignore_case: true, ..Flags::default() })?;
        let is_plain = !text.is_empty() && regex::escape(text).replace("\\-", "-") == text;
        let plain = is_plain.then(|| {
            let mut builder = RegexBuilder::new(text);
            // What is not ASCII has other pairs of letters.
            builder
                .case_insensitive(true)
                .unicode(!text.is_ascii())
                .build()
                .ok()
                .map(|regex| (text.len(), regex))
        });
        Ok(Pattern { regex, plain: plain.flatten() })
    }

    /// Returns what finds the texts that may match, and the length of what it looks for.
    pub(super) fn quick(&self) -> Option<(usize, &Regex)> {
        self.plain.as_ref().map(|(length, regex)| (*length, regex))
    }

    /// Returns the score of a text: five for a match of all of it, one for each other match.
    pub fn score(&self, text: &str) -> u32 {
        let whole = |range: &std::ops::Range<usize>| if range.len() == text.len() { 5 } else { 1 };
        self.matches(text).iter().map(whole).sum()
    }

    /// Returns where a text matches.
    pub fn matches(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        if let Some((_, plain)) = &self.plain {
            return plain.find_iter(text).map(|found| found.range()).collect();
        }
        if !self.regex.is_match(text) {
            return Vec::new();
        }
        self.regex
            .find_all(text)
            .into_iter()
            .filter_map(|groups| groups.into_iter().next().flatten())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words_and_expressions_count_alike() {
        for (pattern, text, score) in [
            ("mpi", "Open MPI, an mpi", 2),
            ("mpi", "MPI", 5),
            ("^mpi", "mpi mpi", 1),
            ("mp[i]", "mpi mpi", 2),
            ("a|ab", "ab", 5),
            ("c++", "cc", 5),
            ("python-", "python-numpy", 1),
            ("x", "abc", 0),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().score(text), score, "{pattern} in {text}");
        }
        assert!(Pattern::new("(").is_err());
    }
}
