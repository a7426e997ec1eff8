//! Checks of what is written about a package for its users.

use super::Warning;
use crate::host::PackageFacts;

pub(super) fn name(facts: &PackageFacts, found: &mut Vec<Warning>) {
    if facts.name.contains('_') {
        found.push(Warning::new("name", "name", "name should use hyphens instead of underscores"));
    }
    if facts.name.chars().any(|c| c.is_ascii_uppercase()) {
        found.push(Warning::new("name", "name", "name should be in lower case"));
    }
}

pub(super) fn synopsis(facts: &PackageFacts, found: &mut Vec<Warning>) {
    let text = facts.synopsis.as_str();
    let mut add = |message: &str| found.push(Warning::new("synopsis", "synopsis", message));
    if text.is_empty() {
        return add("synopsis should not be empty");
    }
    if text.ends_with('.') && !text.ends_with("etc.") {
        add("no period allowed at the end of the synopsis");
    }
    if ["a ", "an ", "the "].iter().any(|article| starts_with_word(text, article)) {
        add("no article allowed at the beginning of the synopsis");
    }
    if text.chars().count() >= 80 {
        add("synopsis should be less than 80 characters long");
    }
    if !begins_well(text) {
        add("synopsis should start with an upper-case letter or digit");
    }
    if text.trim() != text {
        add("synopsis should not begin or end with space");
    }
    let name = format!("{} ", facts.name.to_lowercase());
    if facts.name.len() > 1 && text.to_lowercase().starts_with(&name) {
        add("synopsis should not start with the package name");
    }
}

pub(super) fn description(facts: &PackageFacts, found: &mut Vec<Warning>) {
    let text = facts.description.as_str();
    let mut add = |message: String| found.push(Warning::new("description", "description", message));
    if text.trim().is_empty() {
        return add("description should not be empty".to_owned());
    }
    if !begins_well(text)
        && !text.starts_with('@')
        && !text.to_lowercase().starts_with(&facts.name.to_lowercase())
    {
        add("description should start with an upper-case letter or digit".to_owned());
    }
    if text.trim() != text {
        add("description should not begin or end with space".to_owned());
    }
    if !text.trim_end().ends_with(['.', '!', '?', '}', ')', ':'])
        && !text.trim_end().ends_with("@end itemize")
    {
        let ends = text.trim_end().lines().last().is_some_and(|line| line.trim_start().starts_with("@end "));
        if !ends {
            add("description should end with a sentence's end".to_owned());
        }
    }
    if text.contains(['™', '®']) {
        add("description should not contain trademark signs".to_owned());
    }
    if text.contains("``") || text.contains("''") || text.contains('`') {
        add("use @code{…} or @command{…} instead of quotes".to_owned());
    }
    if let Some(problem) = texinfo_problem(text) {
        add(format!("Texinfo markup in description is invalid: {problem}"));
    }
}

/// What is wrong with braces and blocks of a text in Texinfo.
fn texinfo_problem(text: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut depth = 0_usize;
    for line in text.lines() {
        let trimmed = line.trim();
        let block = |kinds: &[&str]| -> Option<&str> {
            let word = trimmed.strip_prefix('@')?.split_whitespace().next()?;
            kinds.contains(&word).then(|| trimmed.get(1..=word.len())).flatten()
        };
        if let Some(kind) = block(&["itemize", "enumerate", "table", "example", "quotation"]) {
            open.push(kind);
        } else if let Some(kind) = trimmed.strip_prefix("@end ") {
            match open.pop() {
                Some(last) if last == kind.trim() => {}
                Some(last) => return Some(format!("`@{last}` ends with `@end {kind}`")),
                None => return Some(format!("`@end {kind}` ends nothing")),
            }
        }
    }
    let mut before = ' ';
    for character in text.chars() {
        match character {
            '{' if before != '@' => depth += 1,
            '}' if before != '@' => match depth.checked_sub(1) {
                Some(less) => depth = less,
                None => return Some("a `}` closes nothing; `@}` writes the sign".to_owned()),
            },
            _ => {}
        }
        // Of `@@` the second begins no command.
        before = if before == '@' && character == '@' { ' ' } else { character };
    }
    match (depth, open.last()) {
        (0, None) => None,
        (0, Some(kind)) => Some(format!("`@{kind}` has no `@end {kind}`")),
        _ => Some("a `{` is not closed".to_owned()),
    }
}

pub(super) fn license(facts: &PackageFacts, found: &mut Vec<Warning>) {
    if facts.licenses.is_empty() {
        found.push(Warning::new("license", "license", "there is no licence"));
    }
    if facts.licenses.iter().any(|license| license == "?") {
        found.push(Warning::new(
            "license",
            "license",
            "invalid license field: use those of `(guix licenses)`",
        ));
    }
}

pub(super) fn home_page(facts: &PackageFacts, found: &mut Vec<Warning>) {
    let page = facts.home_page.as_str();
    let mut add = |message: String| found.push(Warning::new("home-page", "home-page", message));
    if page.is_empty() {
        return add("there is no home page".to_owned());
    }
    let rest = page.strip_prefix("https://").or_else(|| page.strip_prefix("http://"));
    match rest {
        None => add(format!("invalid home page URL: `{page}`")),
        Some(rest) if rest.is_empty() || page.contains(char::is_whitespace) => {
            add(format!("invalid home page URL: `{page}`"));
        }
        Some(_) => {}
    }
}

fn begins_well(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_uppercase() || c.is_numeric() || !c.is_alphabetic())
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::found, *};

    #[test]
    fn synopses_and_descriptions_have_a_style() {
        for (synopsis, count) in [
            ("", 1),
            ("A solver", 1),
            ("solver of systems.", 3),
            ("Solver", 0),
            ("Solver for all", 1),
            ("3D viewer", 0),
        ] {
            let checkers = found(|facts| synopsis.clone_into(&mut facts.synopsis));
            assert_eq!(checkers, vec!["synopsis"; count], "{synopsis}");
        }
        for (description, count) in [
            ("", 1),
            ("Solves.", 0),
            ("solver solves.", 0),
            ("this solves", 2),
            ("Solves ``fast''.", 1),
            ("Solves @code{a.", 1),
            ("Solves:\n@itemize\n@item a\n@end itemize", 0),
            ("Solves:\n@itemize\n@item a.", 1),
            ("An address is a@@b, a brace @{.", 0),
        ] {
            let checkers = found(|facts| description.clone_into(&mut facts.description));
            assert_eq!(checkers, vec!["description"; count], "{description}");
        }
        assert_eq!(texinfo_problem("}"), Some("a `}` closes nothing; `@}` writes the sign".into()));
    }

    #[test]
    fn licences_and_home_pages_are_there() {
        assert_eq!(found(|facts| facts.licenses.clear()), ["license"]);
        assert_eq!(found(|facts| facts.licenses = vec!["?".into()]), ["license"]);
        assert_eq!(found(|facts| facts.home_page = "example.org".into()), ["home-page"]);
    }
}
