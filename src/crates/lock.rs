//! `Cargo.lock`: the crates that a program is made of.
//!
//! The versions 1 to 4 of the format are known; the first keeps checksums in a table of their own. Every crate of a registry has a
//! SHA-256; what comes from a repository has none and cannot be a fixed input.

use std::collections::BTreeSet;

use toml::{Table, Value};

/// The newest version of the format that is known.
const NEWEST: i64 = 4;

/// A crate of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of its file, in base-16.
    pub checksum: String,
}

/// The crates of registries that a `Cargo.lock` names, sorted, or why they cannot all be had: the end of a sentence on that file.
pub fn crates_of_lock(text: &str) -> Result<Vec<Crate>, String> {
    let table: Table =
        toml::from_str(text).map_err(|error| format!("is not well-formed: {}", error.message()))?;
    if let Some(version) = table.get("version").and_then(Value::as_integer).filter(|it| *it > NEWEST) {
        return Err(format!("is in version {version} of its format, of which {NEWEST} is the newest known"));
    }
    let packages = table.get("package").and_then(Value::as_array).ok_or("names no packages")?;
    let mut found = BTreeSet::new();
    let mut registry: Option<&str> = None;
    for package in packages {
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            return Err("has a package without a name or a version".to_owned());
        };
        // Without a source it is part of the project.
        let Some(source) = field("source") else { continue };
        if !source.starts_with("registry+") && !source.starts_with("sparse+") {
            let kind = source.split_once('+').map_or(source, |(kind, _)| kind);
            return Err(format!("takes `{name}` from {kind}, not from a registry"));
        }
        if registry.is_some_and(|known| known != source) {
            return Err(format!("takes `{name}` from another registry than other crates"));
        }
        registry = Some(source);
        let old = format!("checksum {name} {version} ({source})");
        let checksum = field("checksum").or_else(|| table.get("metadata")?.get(&old)?.as_str());
        let checksum = checksum.ok_or_else(|| format!("has no checksum of `{name}`"))?;
        let plain = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let hexadecimal = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if !plain(name, "_-") || !plain(version, ".+-") {
            return Err(format!("names `{name}` {version}, which is no crate"));
        }
        if checksum.len() != 64 || !checksum.chars().all(hexadecimal) {
            return Err(format!("has `{checksum}` for the SHA-256 of `{name}`"));
        }
        found.insert(Crate {
            name: name.to_owned(),
            version: version.to_owned(),
            checksum: checksum.to_owned(),
        });
    }
    Ok(found.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, more: &str) -> String {
        format!("[[package]]\nname = '{name}'\nversion = '1.0.0'\n{more}\n")
    }

    #[test]
    fn crates_of_registries_are_found_in_old_and_new_files() {
        let sum = "0f".repeat(32);
        let registry = "source = 'registry+https://r.example/index'";
        let new = format!(
            "version = 4\n{}{}{}",
            package("own", ""),
            package("b", &format!("{registry}\nchecksum = '{sum}'")),
            package("a", &format!("{registry}\nchecksum = '{sum}'"))
        );
        let crates = crates_of_lock(&new).unwrap();
        let names: Vec<&str> = crates.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let old = format!(
            "{}[metadata]\n\"checksum a 1.0.0 (registry+https://r.example/index)\" = '{sum}'\n",
            package("a", registry)
        );
        assert_eq!(crates_of_lock(&old).unwrap(), crates[..1]);
    }

    #[test]
    fn what_cannot_be_had_is_named() {
        let sum = "0f".repeat(32);
        let registry = |host: &str, sum: &str| format!("source = 'registry+{host}'\nchecksum = '{sum}'");
        for (text, wanted) in [
            ("[[package]".to_owned(), "is not well-formed"),
            ("version = 9".to_owned(), "is in version 9"),
            (String::new(), "names no packages"),
            (package("a", "source = 'git+https://h.example/a#00'"), "takes `a` from git"),
            (package("a", "source = 'registry+h'"), "no checksum of `a`"),
            (package("a", &registry("h", "../x")), "has `../x` for the SHA-256"),
            (package("../a", &registry("h", &sum)), "which is no crate"),
            (
                package("a", &registry("h", &sum)) + &package("b", &registry("g", &sum)),
                "`b` from another registry",
            ),
        ] {
            let error = crates_of_lock(&text).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
