//! Versions in the names of files, directories and tags.
//!
//! Authors write `1.2.3` also as `1_2_3` or `1-2-3`, and put releases of a series into a directory that is called `1.2`.
//! Invariant: a version is found whole only: `1.2` is no part of `11.2` nor of `1.25`, and `2` none of `tool2`.

/// What separates the numbers of a version.
const SEPARATORS: [char; 3] = ['.', '_', '-'];

/// A name with a place for a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    after: String,
    separator: char,
}

impl Pattern {
    /// The pattern of a name that has a version.
    pub fn of(name: &str, version: &str) -> Option<Pattern> {
        SEPARATORS.iter().find_map(|&separator| {
            let spelt = spelled(version, separator);
            let at = places(name, &spelt).next()?;
            let (before, rest) = name.split_at(at);
            let after = rest.get(spelt.len()..)?;
            Some(Pattern { before: before.to_owned(), after: after.to_owned(), separator })
        })
    }

    /// The pattern of a name that has the first two numbers of a version.
    pub fn of_series(name: &str, version: &str) -> Option<Pattern> {
        Pattern::of(name, &series(version)?)
    }

    /// The version that another name has in that place: numbers only, so no candidate for a release.
    pub fn version_in(&self, name: &str) -> Option<String> {
        let middle = name.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        let mut numbers = middle.split(self.separator);
        let are_numbers =
            numbers.all(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()));
        are_numbers.then(|| middle.replace(self.separator, "."))
    }

    /// The name with another version.
    pub fn with(&self, version: &str) -> String {
        format!("{}{}{}", self.before, spelled(version, self.separator), self.after)
    }
}

/// A text with one version instead of another, in all of its spellings, directories of series included; nothing if it does not name
/// the version.
pub fn at_version(text: &str, old: &str, new: &str) -> Option<String> {
    let mut found = text.to_owned();
    let mut known: Vec<String> = Vec::new();
    for separator in SEPARATORS {
        let spelt = spelled(old, separator);
        if !known.contains(&spelt) {
            found = replaced(&found, &spelt, &spelled(new, separator));
            known.push(spelt);
        }
    }
    if found == text {
        return None;
    }
    if let (Some(old), Some(new)) = (series(old), series(new)) {
        for before in ["/", "/v"] {
            found = found.replace(&format!("{before}{old}/"), &format!("{before}{new}/"));
        }
    }
    Some(found)
}

/// Whether a text names a version, in any spelling.
pub fn names(text: &str, version: &str) -> bool {
    Pattern::of(text, version).is_some()
}

fn spelled(version: &str, separator: char) -> String {
    version.replace('.', &separator.to_string())
}

/// The first two numbers of a version that has more.
fn series(version: &str) -> Option<String> {
    let mut numbers = version.splitn(3, '.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    numbers.next().map(|_| format!("{major}.{minor}"))
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut end = 0;
    for at in places(text, old) {
        found.push_str(text.get(end..at).unwrap_or_default());
        found.push_str(new);
        end = at + old.len();
    }
    found.push_str(text.get(end..).unwrap_or_default());
    found
}

/// Where a version stands that is not part of another one.
fn places<'a>(text: &'a str, version: &'a str) -> impl Iterator<Item = usize> {
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    // A lone number may belong to a name: `tool2`.
    let is_lone = version.chars().all(|c| c.is_ascii_digit());
    let matches = if version.is_empty() { "".match_indices("x") } else { text.match_indices(version) };
    matches.map(|(at, _)| at).filter(move |at| {
        let before = text.get(..*at).unwrap_or_default();
        let after = text.get(at + version.len()..).unwrap_or_default();
        let mut reversed = before.chars().rev();
        let last = reversed.next();
        let is_longer = last == Some('.') && is_digit(reversed.next());
        let is_of_name = is_lone && last.is_some_and(|c| c.is_alphabetic() && c != 'v');
        let starts = !is_digit(last) && !is_longer && !is_of_name;
        let mut following = after.chars();
        let first = following.next();
        starts && !is_digit(first) && !(first == Some('.') && is_digit(following.next()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_places_for_versions() {
        for (name, version, other, found) in [
            ("tool-1.2.tar.gz", "1.2", "tool-1.10.tar.gz", Some("1.10")),
            ("tool-1.2.tar.gz", "1.2", "tool-2.0rc1.tar.gz", None),
            ("tool-1.2.tar.gz", "1.2", "tool-1.2.tar.xz", None),
            ("boost_1_85_0.tar.gz", "1.85.0", "boost_1_86_0.tar.gz", Some("1.86.0")),
            ("v5.0.6", "5.0.6", "v5.0.7", Some("5.0.7")),
            ("v5.0.6", "5.0.6", "w5.0.7", None),
            ("tool2-2.tgz", "2", "tool2-3.tgz", Some("3")),
        ] {
            let pattern = Pattern::of(name, version).unwrap();
            assert_eq!(pattern.version_in(other).as_deref(), found, "{name} {other}");
            assert_eq!(pattern.with(version), name);
        }
        assert_eq!(Pattern::of("tool-11.2.tar.gz", "1.2"), None);
        assert_eq!(Pattern::of("tool-1.2.3.tar.gz", "1.2"), None);
        assert_eq!(Pattern::of("tool", ""), None);
        assert_eq!(Pattern::of_series("v5.0", "5.0.6").unwrap().with("5.1"), "v5.1");
        assert_eq!(Pattern::of_series("v5.0", "5.0"), None);
    }

    #[test]
    fn addresses_get_other_versions() {
        for (old, new, text, wanted) in [
            ("1.2", "1.10", "a/1.2/b-1.2.tgz", Some("a/1.10/b-1.10.tgz")),
            ("1.2.3", "2.0.1", "https://x/v1.2/b_1_2_3.tgz", Some("https://x/v2.0/b_2_0_1.tgz")),
            ("1", "11", "tool1-1.tgz", Some("tool1-11.tgz")),
            ("1.2", "1.3", "tool-11.2.tgz", None),
            ("1.2", "1.3", "plain.tgz", None),
        ] {
            assert_eq!(at_version(text, old, new).as_deref(), wanted, "{text}");
        }
    }
}
