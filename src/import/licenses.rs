//! Licences: from SPDX expressions, classifiers and loose words to the names that recipes use.
//!
//! The names and their SPDX identifiers are those of the library's own `licenses.hpcl`, so that there is one table.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

/// SPDX identifiers (in lower case) and the names of the library.
static NAMES: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let row = Regex::new(r#"\(define (\S+) \(known "[^"]*" "([^"]+)"\)\)"#).expect("it was tested");
    let mut names = HashMap::new();
    for found in row.captures_iter(include_str!("../../stdlib/licenses.hpcl")) {
        let part = |index| found.get(index).map_or("", |part| part.as_str());
        names.entry(part(2).to_lowercase()).or_insert_with(|| part(1).to_owned());
    }
    names
});

/// Ends of classifiers and loose words, in lower case, and what they mean.
const WORDS: [(&str, &str); 40] = [
    ("mit license", "expat"),
    ("the mit license", "expat"),
    ("expat", "expat"),
    ("mit", "expat"),
    ("bsd license", "bsd-3"),
    ("bsd", "bsd-3"),
    ("new bsd", "bsd-3"),
    ("modified bsd", "bsd-3"),
    ("new bsd license", "bsd-3"),
    ("modified bsd license", "bsd-3"),
    ("3-clause bsd license", "bsd-3"),
    ("bsd 3-clause license", "bsd-3"),
    ("bsd 3-clause", "bsd-3"),
    ("3-clause bsd", "bsd-3"),
    ("simplified bsd", "bsd-2"),
    ("bsd 2-clause", "bsd-2"),
    ("bsd 2-clause license", "bsd-2"),
    ("apache software license", "asl2.0"),
    ("apache license 2.0", "asl2.0"),
    ("apache license, version 2.0", "asl2.0"),
    ("apache license version 2.0", "asl2.0"),
    ("apache 2.0", "asl2.0"),
    ("apache 2", "asl2.0"),
    ("apache", "asl2.0"),
    ("isc license (iscl)", "isc"),
    ("isc license", "isc"),
    ("python software foundation license", "psfl"),
    ("psf", "psfl"),
    ("psfl", "psfl"),
    ("mozilla public license 2.0 (mpl 2.0)", "mpl2.0"),
    ("mpl 2.0", "mpl2.0"),
    ("gnu general public license v2 or later (gplv2+)", "gpl2+"),
    ("gnu general public license v3 or later (gplv3+)", "gpl3+"),
    ("gnu general public license v3 (gplv3)", "gpl3"),
    ("gnu lesser general public license v2 or later (lgplv2+)", "lgpl2.1+"),
    ("gnu lesser general public license v3 or later (lgplv3+)", "lgpl3+"),
    ("zope public license", "zpl2.1"),
    ("zpl 2.1", "zpl2.1"),
    ("the unlicense (unlicense)", "unlicense"),
    ("public domain", "public-domain"),
];

/// The expression of the library for a licence, as far as it is told: an SPDX expression, classifiers, loose words.
pub fn license_expression(spdx: Option<&str>, classifiers: &[String], words: Option<&str>) -> Option<String> {
    if let Some(found) = spdx.and_then(of_spdx) {
        return Some(found);
    }
    if let Some(found) = words
        .filter(|words| words.len() < 100)
        .and_then(|words| of_words(words).map(|name| prefixed(&[name])).or_else(|| of_spdx(words)))
    {
        return Some(found);
    }
    let mut names: Vec<String> = Vec::new();
    for classifier in classifiers.iter().filter(|classifier| classifier.starts_with("License ::")) {
        if let Some(name) = classifier.rsplit("::").next().and_then(of_words)
            && !names.contains(&name)
        {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| prefixed(&names))
}

fn of_words(words: &str) -> Option<String> {
    let words = words.trim().trim_end_matches('.').to_lowercase();
    WORDS.iter().find(|(known, _)| *known == words).map(|(_, name)| (*name).to_owned())
}

/// The names in an SPDX expression; all must be known.
fn of_spdx(text: &str) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    let mut words =
        text.split(|c: char| c.is_whitespace() || c == '(' || c == ')').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match word {
            "AND" | "OR" | "and" | "or" => continue,
            // An exception allows more, and has no name here.
            "WITH" | "with" => {
                words.next();
                continue;
            }
            _ => {}
        }
        let id = word.to_lowercase();
        let plain = id.strip_suffix('+').map(|id| format!("{id}-or-later"));
        let alike = [Some(id.clone()), plain, Some(format!("{id}-only"))];
        let name = alike.into_iter().flatten().find_map(|id| NAMES.get(&id))?;
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    (!names.is_empty()).then(|| prefixed(&names))
}

fn prefixed(names: &[String]) -> String {
    match names {
        [name] => format!("license:{name}"),
        names => format!(
            "(list {})",
            names.iter().map(|name| format!("license:{name}")).collect::<Vec<_>>().join(" ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_named_as_the_library_does() {
        let spdx = |text: &str| license_expression(Some(text), &[], None);
        assert_eq!(spdx("MIT").as_deref(), Some("license:expat"));
        assert_eq!(
            spdx("Apache-2.0 OR BSD-3-Clause").as_deref(),
            Some("(list license:asl2.0 license:bsd-3)")
        );
        assert_eq!(
            spdx("(GPL-3.0-or-later WITH GCC-exception-3.1) AND Zlib").as_deref(),
            Some("(list license:gpl3+ license:zlib)")
        );
        assert_eq!(spdx("LicenseRef-Own"), None);
        let classifiers = ["License :: OSI Approved :: BSD License".to_owned(), "Topic :: x".to_owned()];
        assert_eq!(
            license_expression(None, &classifiers, Some("see LICENSE")).as_deref(),
            Some("license:bsd-3")
        );
        assert_eq!(license_expression(None, &[], Some("BSD-2-Clause")).as_deref(), Some("license:bsd-2"));
        assert_eq!(license_expression(None, &[], Some("my own")), None);
    }
}
