//! "Did you mean …?"
//!
//! One function for all phases: the known name that is the fewest edits away (Damerau-Levenshtein with adjacent
//! swaps), when it is near enough to be a slip and not another word.

use crate::host::ModuleName;

/// Returns the known name that a wrong one was likely meant to be; the first of equals.
///
/// # Examples
/// ```
/// use hpcl_lang::suggest::closest;
/// assert_eq!(closest("pacakge", ["origin", "package"]), Some("package"));
/// assert_eq!(closest("zzz", ["origin", "package"]), None);
/// ```
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong_chars: Vec<char> = wrong.chars().take(100).collect();
    let limit = match wrong_chars.len() {
        0..=4 => 1,
        5..=8 => 2,
        n => n / 3,
    };
    known
        .into_iter()
        .filter(|name| *name != wrong && name.chars().count().abs_diff(wrong_chars.len()) <= limit)
        .map(|name| (distance(&wrong_chars, name), name))
        .filter(|(distance, name)| *distance <= limit && *distance < name.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Returns the module that a wrong name was likely meant to be. Where names have as many parts, each part must be a slip of the other's:
/// `(guix build-system meson)` is no slip of `(hpcl build-system python)`, long as both are.
pub fn closest_module<'a>(
    wrong: &ModuleName,
    known: impl IntoIterator<Item = &'a ModuleName>,
) -> Option<String> {
    let near = |wrong: &str, other: &str| {
        wrong == other || (wrong == "guix" && other == "hpcl") || closest(wrong, [other]).is_some()
    };
    let may_be_meant = |other: &&ModuleName| {
        let (wrong, other) = (wrong.parts(), other.parts());
        wrong.len() != other.len()
            || wrong.iter().zip(other).all(|(wrong, other)| near(wrong.as_str(), other.as_str()))
    };
    let names: Vec<String> = known.into_iter().filter(may_be_meant).map(ToString::to_string).collect();
    closest(&wrong.to_string(), names.iter().map(String::as_str)).map(str::to_owned)
}

fn distance(a: &[char], b: &str) -> usize {
    let b: Vec<char> = b.chars().take(200).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (cell(&last, j) + usize::from(x != y)).min(cell(&last, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(cell(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_words_are_not() {
        let names = ["package", "native-inputs", "inputs", "cons", "car", "cdr"];
        assert_eq!(closest("native-input", names), Some("native-inputs"));
        assert_eq!(closest("natvie-inputs", names), Some("native-inputs"));
        assert_eq!(closest("input", names), Some("inputs"));
        assert_eq!(closest("cosn", names), Some("cons"));
        assert_eq!(closest("x", names), None);
        assert_eq!(closest("lambda", names), None);
        assert_eq!(closest("", names), None);
    }
}
