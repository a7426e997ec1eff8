//! Synopses and descriptions: out of summaries and README files, in the style of recipes.
//!
//! A synopsis is short, begins with a capital and no article, and does not end in a period. A description is the first paragraph of prose,
//! without badges, headings and links, in Texinfo.

use std::sync::LazyLock;

use regex::Regex;

/// The longest synopsis.
const SYNOPSIS: usize = 78;
/// The longest description.
const DESCRIPTION: usize = 480;
/// Where lines of descriptions end.
const LINE: usize = 92;

/// A synopsis out of a summary.
pub fn synopsis(name: &str, summary: &str) -> String {
    let mut text = collapsed(summary);
    if let Some(end) = text.find(". ") {
        text.truncate(end);
    }
    let trimmed = text.trim_end_matches(['.', '!', ' ', ',', ';', ':']).to_owned();
    let mut text = trimmed;
    let lower = text.to_lowercase();
    for between in [" is an ", " is a ", " is the ", " - ", ": ", " – ", " -- ", " is "] {
        if lower.starts_with(&format!("{}{between}", name.to_lowercase())) {
            text = text.get(name.len() + between.len()..).unwrap_or_default().to_owned();
            break;
        }
    }
    loop {
        let word = ["a ", "an ", "the "].into_iter().find(|article| text.to_lowercase().starts_with(article));
        let Some(article) = word else { break };
        text = text.get(article.len()..).unwrap_or_default().trim_start().to_owned();
    }
    let own = format!("{} ", name.to_lowercase());
    if text.to_lowercase().starts_with(&own) {
        text = format!("Package of {text}");
    }
    while text.chars().count() > SYNOPSIS {
        match text.rsplit_once(' ') {
            Some((front, _)) => text = front.trim_end_matches([',', ';', ':', '.', ' ']).to_owned(),
            None => text = text.chars().take(SYNOPSIS).collect(),
        }
    }
    for ending in [" and", " or", " for", " of", " the", " a", " to", " with", " in"] {
        if let Some(front) = text.strip_suffix(ending) {
            text = front.to_owned();
        }
    }
    let text = escaped(&capital(text.trim_matches(['"', '\'', '`', '*', ' '])));
    if text.is_empty() { format!("Python package {name}") } else { text.replace(['™', '®'], "") }
}

/// A description out of a README, else out of the summary.
pub fn description(name: &str, readme: &str, summary: &str) -> String {
    let found = paragraphs(readme)
        .into_iter()
        .find(|text| text.len() >= 50 && text.contains(' ') && text.ends_with(['.', '!']));
    let text = found.unwrap_or_else(|| {
        let summary = collapsed(summary);
        let summary = summary.trim_end_matches('.');
        match summary {
            "" => format!("This package provides the Python package {name}."),
            summary => format!("{}.", marked(summary)),
        }
    });
    let text = capital(&shortened(&text)).replace(['™', '®'], "");
    wrapped(&text)
}

static MARKUP: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"<[^>]*>", ""),
        (r"!\[[^\]]*\]\([^)]*\)", ""),
        (r"\[([^\]]+)\]\([^)]*\)", "$1"),
        (r"\[([^\]]+)\]\[[^\]]*\]", "$1"),
        (r"`([^`<]+?)\s*<[^`]*>`_+", "$1"),
        (r":[a-z:]+:`~?([^`]+)`", "\u{1}$1\u{2}"),
        (r"``([^`]+)``", "\u{1}$1\u{2}"),
        (r"`([^`]+)`_+", "$1"),
        (r"`([^`]+)`", "\u{1}$1\u{2}"),
        (r"\*\*([^*]+)\*\*", "$1"),
        (r"\*([^*\s][^*]*)\*", "$1"),
        (r"\b__([^_]+)__\b", "$1"),
        (r"\|[A-Za-z][^|]*\|_?", ""),
        (r"\b([A-Za-z0-9]+)_(\s|[.,;)])", "$1$2"),
    ]
    .into_iter()
    .map(|(pattern, with)| (Regex::new(pattern).expect("it was tested"), with))
    .collect()
});

/// The paragraphs of prose of a README, without markup.
fn paragraphs(readme: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    let text = readme.replace("\r\n", "\n");
    for block in text.split("\n\n").take(60) {
        let fences = block.lines().filter(|line| line.trim_start().starts_with("```")).count();
        let inside = fenced;
        fenced ^= fences % 2 == 1;
        let first = block.trim_start_matches('\n');
        let no_prose = first
            .starts_with([' ', '\t', '#', '|', '>', '+', '-', '*', '=', '~', '.', ':', '<', '$', '%'])
            || first.starts_with("[!")
            || first.starts_with("![")
            || block.lines().any(|line| is_underline(line) || is_link_target(line));
        if inside || fences > 0 || no_prose {
            continue;
        }
        let text = marked(&collapsed(block));
        if !text.contains("http") && text.chars().next().is_some_and(char::is_alphanumeric) {
            found.push(text);
        }
    }
    found
}

fn is_underline(line: &str) -> bool {
    let line = line.trim();
    line.len() >= 3
        && line
            .chars()
            .next()
            .is_some_and(|first| "=-~^\"*#".contains(first) && line.chars().all(|c| c == first))
}

fn is_link_target(line: &str) -> bool {
    line.starts_with('[') && line.contains("]: ")
}

/// Text in Texinfo.
fn marked(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, with) in MARKUP.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    let text = escaped(&text).replace('\u{1}', "@code{").replace('\u{2}', "}");
    collapsed(&text.replace('`', "'").replace("''", "\"")).replace(" .", ".").replace(" ,", ",")
}

fn escaped(text: &str) -> String {
    text.replace('@', "@@").replace('{', "@{").replace('}', "@}").replace('`', "'").replace("''", "\"")
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) if first.is_lowercase() => first.to_uppercase().chain(rest).collect(),
        _ => text.to_owned(),
    }
}

/// As many sentences as there is room for; the first is always there, cut if it must.
fn shortened(text: &str) -> String {
    if text.len() <= DESCRIPTION {
        return text.to_owned();
    }
    let mut end = DESCRIPTION;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let front = text.get(..end).unwrap_or(text);
    let sentence =
        front.rmatch_indices(". ").map(|(at, _)| at).find(|at| front.get(..*at).is_some_and(balanced));
    match sentence {
        Some(at) => format!("{}.", front.get(..at).unwrap_or_default()),
        None => {
            let words =
                front.rmatch_indices(' ').map(|(at, _)| at).find(|at| front.get(..*at).is_some_and(balanced));
            let front = front.get(..words.unwrap_or(0)).unwrap_or_default();
            format!("{}.", front.trim_end_matches([',', ';', ':', '.', ' ']))
        }
    }
}

fn balanced(text: &str) -> bool {
    text.matches("@code{").count() == text.matches('}').count() - text.matches("@}").count()
}

fn wrapped(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= LINE => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synopses_are_short_noun_phrases() {
        for (summary, wanted) in [
            (
                "A simple framework for building complex web applications.",
                "Simple framework for building complex web applications",
            ),
            ("flask is a framework", "Framework"),
            ("the Foo. And more.", "Foo"),
            ("", "Python package flask"),
            ("uses {braces} and @", "Uses @{braces@} and @@"),
        ] {
            assert_eq!(synopsis("flask", summary), wanted);
        }
        let long = synopsis("x", &"word ".repeat(40));
        assert!(long.chars().count() < 80 && long.ends_with("word"));
    }

    #[test]
    fn descriptions_are_the_first_prose() {
        let readme = "[![badge](https://b.example)](x)\n\nTitle\n=====\n\n<div align=x>\n\n\
                      Flask is a *lightweight* [WSGI](https://w.example) framework. It has ``flask.run`` and {braces}, quickly.\n\nMore.\n";
        assert_eq!(
            description("flask", readme, "x"),
            "Flask is a lightweight WSGI framework. It has @code{flask.run} and @{braces@}, quickly."
        );
        assert_eq!(
            description(
                "a",
                "```\ncode that is long enough to be taken for prose, is it not.\n```",
                "does things"
            ),
            "Does things."
        );
        assert_eq!(description("a", "", ""), "This package provides the Python package a.");
        let long = description(
            "a",
            &format!("{} end of it.", "A sentence of words that is quite long. ".repeat(20)),
            "",
        );
        assert!(
            long.len() <= DESCRIPTION
                && long.ends_with("long.")
                && long.lines().all(|line| line.len() <= LINE)
        );
    }
}
