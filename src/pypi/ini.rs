//! The part of INI files that pip's configuration is written in, as Python's `RawConfigParser` reads it.
//!
//! Sections in brackets, `key = value` or `key: value`, comments in lines of their own, and values that go on in
//! indented lines. No interpolation.

use std::collections::BTreeMap;

/// Values by section and key; keys are in lower case with dashes.
pub(super) type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Reads a file; the error names the line.
pub(super) fn parse(text: &str) -> Result<Sections, String> {
    let mut sections = Sections::new();
    let mut section: Option<String> = None;
    let mut key: Option<String> = None;
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = |what: &str| Err(format!("line {}: {what}", number + 1));
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let indented = line.starts_with([' ', '\t']);
        let current = section.as_ref().and_then(|name| sections.get_mut(name));
        if let (true, Some(key), Some(current)) = (indented, &key, current) {
            let value = current.entry(key.clone()).or_default();
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let Some((name, _)) = rest.split_once(']') else { return bad("`[` without `]`") };
            sections.entry(name.to_owned()).or_default();
            (section, key) = (Some(name.to_owned()), None);
            continue;
        }
        let Some(current) = section.as_ref().and_then(|name| sections.get_mut(name)) else {
            return bad("a setting before the first `[section]`");
        };
        let Some((name, value)) = trimmed.split_once(['=', ':']) else {
            return bad("neither a section nor a setting");
        };
        let name = normal_key(name);
        current.insert(name.clone(), value.trim().to_owned());
        key = Some(name);
    }
    Ok(sections)
}

/// A key as pip compares them.
pub(super) fn normal_key(name: &str) -> String {
    name.trim().to_lowercase().replace('_', "-").trim_start_matches("--").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_pip_writes() {
        let text = "# c\n[global]\nindex-url = https://index.example/simple\nextra_index_url =\n    https://a.example/s\n\
                    \n    https://b.example/s\n[install]\n; c\nno-index: true\n";
        let sections = parse(text).unwrap();
        assert_eq!(sections["global"]["index-url"], "https://index.example/simple");
        assert_eq!(sections["global"]["extra-index-url"], "\nhttps://a.example/s\nhttps://b.example/s");
        assert_eq!(sections["install"]["no-index"], "true");
    }

    #[test]
    fn says_which_line_is_wrong() {
        assert_eq!(parse("x = 1").unwrap_err(), "line 1: a setting before the first `[section]`");
        assert_eq!(parse("[a]\nnonsense").unwrap_err(), "line 2: neither a section nor a setting");
        assert_eq!(parse("[a").unwrap_err(), "line 1: `[` without `]`");
    }
}
