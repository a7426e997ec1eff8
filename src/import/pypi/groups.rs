//! Groups of requirements in a pyproject.toml (PEP 735), which may include each other.

use crate::pypi::normalized;

/// The requirements of the groups whose normalised name is wanted, as written.
pub fn requirements(pyproject: &str, wanted: impl Fn(&String) -> bool) -> Vec<String> {
    let table: toml::Table = toml::from_str(pyproject).unwrap_or_default();
    let Some(groups) = table.get("dependency-groups").and_then(toml::Value::as_table) else {
        return Vec::new();
    };
    let mut found: Vec<String> = Vec::new();
    let mut open: Vec<String> = groups.keys().map(|name| normalized(name)).filter(wanted).collect();
    let mut seen = open.clone();
    while let Some(name) = open.pop() {
        let members = groups.iter().filter(|(key, _)| normalized(key) == name);
        for member in members.filter_map(|(_, group)| group.as_array()).flatten() {
            let included = member.get("include-group").and_then(toml::Value::as_str).map(normalized);
            if let Some(text) = member.as_str().filter(|text| !found.iter().any(|known| known == text)) {
                found.push(text.to_owned());
            } else if let Some(other) = included.filter(|other| !seen.contains(other)) {
                seen.push(other.clone());
                open.push(other);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_include_each_other() {
        let text = "[dependency-groups]\nTests = ['a>=1', {include-group = 'More_x'}]\n\
                    more-x = ['b', 'a>=1', {include-group = 'tests'}]\ndocs = ['c']\n";
        assert_eq!(requirements(text, |name| name == "tests"), ["a>=1", "b"]);
        assert!(requirements(text, |name| name == "none").is_empty());
        assert!(requirements("not toml [", |_| true).is_empty());
        assert!(requirements("[dependency-groups]\ntests = 3", |_| true).is_empty());
    }
}
