//! What a build backend that is part of the project asks for when it is called, read from its text: it is not run.
//!
//! PEP 517 lets a backend name more requirements by `get_requires_for_build_wheel`. Those of projects' own backends mostly return a
//! list of strings, added to what setuptools says. The lists in that function's body that hold nothing but strings count, if every
//! string reads as a requirement; not those below an `if`, whose condition only a run would tell. What is computed otherwise stays
//! unknown: for that there are the tables of channels.

use crate::import::Requirement;

/// The name of the hook; a file without it is of no interest.
const HOOK: &str = "def get_requires_for_build_wheel";

/// The requirements in the hook of a backend's text, each once.
pub fn requirements(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (at, _) in text.match_indices(HOOK) {
        for list in lists(&body(text, at)) {
            if list.iter().all(|text| Requirement::parse(text).is_ok()) {
                found.extend(list);
            }
        }
    }
    let mut unique: Vec<String> = Vec::new();
    found.into_iter().for_each(|text| {
        if !unique.contains(&text) {
            unique.push(text);
        }
    });
    unique
}

/// The lines of a definition that begins there: what is indented deeper, behind the signature.
fn body(text: &str, at: usize) -> String {
    let (before, rest) = text.split_at(at);
    let indent = before.rsplit('\n').next().unwrap_or_default().len();
    let mut lines = rest.lines();
    let mut body = String::new();
    // The signature may go over several lines, and close where it began.
    for line in lines.by_ref() {
        if line.trim_end().ends_with(':') || line.contains("):") || line.contains("]:") {
            break;
        }
    }
    for line in lines {
        let deep = line.len() - line.trim_start().len() > indent;
        // What is in brackets may be indented as it likes.
        if !deep && !line.trim().is_empty() && !line.trim_start().starts_with(['#', ']', ')', '}']) {
            break;
        }
        body.push_str(line);
        body.push('\n');
    }
    unconditional(&body)
}

/// The lines of a body without the blocks of conditions, which are indented deeper than the line that begins them.
fn unconditional(body: &str) -> String {
    let indent_of = |line: &str| line.len() - line.trim_start().len();
    let mut kept = String::new();
    let mut skipped: Option<usize> = None;
    for line in body.lines() {
        if line.trim().is_empty() || skipped.is_some_and(|indent| indent_of(line) > indent) {
            continue;
        }
        let start = line.trim_start();
        skipped = ["if ", "if(", "elif ", "else:"]
            .iter()
            .any(|word| start.starts_with(word))
            .then_some(indent_of(line));
        if skipped.is_none() {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The displays of lists (and sets and tuples) in a text of Python that hold only strings.
fn lists(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '#' => rest = rest.find('\n').and_then(|end| rest.get(end..)).unwrap_or_default(),
            '"' | '\'' => rest = string(rest).map_or("", |(_, rest)| rest),
            _ => {
                let front = text.get(..text.len() - rest.len()).unwrap_or_default();
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                if c == '[' && !is_subscripted(front.trim_end()) {
                    found.extend(strings(rest));
                }
            }
        }
    }
    found
}

/// Whether a bracket behind that text takes a part of something: behind a name that is no keyword, a string, or a bracket that closes.
fn is_subscripted(front: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let name = front.rsplit(|c: char| !is_name(c)).next().unwrap_or_default();
    let keyword = ["return", "yield", "else", "in", "and", "or"].contains(&name);
    front.ends_with(|c: char| is_name(c) || matches!(c, ')' | ']' | '"' | '\'')) && !keyword
}

/// The strings up to the bracket that closes, if there is nothing else.
fn strings(text: &str) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = text;
    let mut joined = false;
    loop {
        rest = rest.trim_start();
        match rest.chars().next()? {
            ']' => return (!found.is_empty()).then_some(found),
            ',' => {
                joined = false;
                rest = rest.get(1..)?;
            }
            '#' => rest = rest.find('\n').and_then(|end| rest.get(end..))?,
            '"' | '\'' => {
                let (value, after) = string(rest)?;
                match found.last_mut().filter(|_| joined) {
                    Some(last) => last.push_str(&value),
                    None => found.push(value),
                }
                joined = true;
                rest = after;
            }
            _ => return None,
        }
    }
}

/// A string at the beginning of a text, and what follows. Escapes but those of quotes are left as they are.
fn string(text: &str) -> Option<(String, &str)> {
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| text.starts_with(quote))?;
    let mut value = String::new();
    let mut rest = text.get(quote.len()..)?;
    loop {
        if let Some(after) = rest.strip_prefix(quote) {
            return Some((value, after));
        }
        let c = rest.chars().next()?;
        rest = rest.get(c.len_utf8()..)?;
        if c == '\\' {
            let next = rest.chars().next()?;
            rest = rest.get(next.len_utf8()..)?;
            value.push(next);
        } else {
            value.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_requirements_are_found() {
        let text = r#"
from setuptools import build_meta

def get_requires_for_build_wheel(
    config_settings: dict[str, str] | None = None,
) -> list[str]:
    """Asks for ["nothing"] more."""
    pure = config_settings["pure-python"] in ["true", 1]
    deps = [] if pure else [
        'Cython ~= 3.1; python_version >= "3.12"',  # ["no"]
        "Cython; python_"
        "version < '3.12'",
    ]
    if pure:
        deps += ["conditional"]
    else:
        deps.extend(["not this"])
    deps += ["expandvars"]
    return build_meta.get_requires_for_build_wheel(config_settings) + deps

def get_requires_for_build_sdist(settings):
    return ["other"]
"#;
        assert_eq!(
            requirements(text),
            [r#"Cython ~= 3.1; python_version >= "3.12""#, "Cython; python_version < '3.12'", "expandvars"]
        );
        let plain = "class B:\n    def get_requires_for_build_wheel(self, c=None):\n        return['a>=1', 'b', 'a>=1']\n    x = ['c']\n";
        assert_eq!(requirements(plain), ["a>=1", "b"]);
    }

    #[test]
    fn what_is_no_requirement_does_not_count() {
        let hook = |line: &str| requirements(&format!("def get_requires_for_build_wheel(c):\n  {line}\n"));
        for line in [
            "return ['not a requirement']",
            "return [name]",
            "return ['a', name]",
            "x['a']",
            "f()['a']",
            "return ['a",
            "return [\"a\\",
            "# ['a']",
            "return []",
        ] {
            assert!(hook(line).is_empty(), "{line}");
        }
        assert!(requirements("def get_requires_for_build_wheel").is_empty());
        assert_eq!(hook("return base(c) + ['a']"), ["a"]);
    }
}
