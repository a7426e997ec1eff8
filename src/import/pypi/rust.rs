//! The parts of a project that are written in Rust: which crates they are made of, and whether the channels' Rust compiles them.
//!
//! What a build needs is known when its source distribution has a `Cargo.lock`, all crates of which come from one registry. The manifest is
//! where the configuration of maturin or setuptools-rust has it; the lock file belongs to the workspace around it.

use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};

use crate::crates::{Crate, crates_of_lock};
use crate::pypi::Source;

/// The crates that a source distribution's build needs, or why it cannot be built: a clause on it.
pub fn crates(source: &Source, rust: &str) -> Result<Vec<Crate>, String> {
    let locks = locks(source);
    if locks.is_empty() {
        return Err("its source distribution has no Cargo.lock, so that its crates are not known".to_owned());
    }
    let mut found = BTreeSet::new();
    for (path, text) in locks {
        found.extend(crates_of_lock(text).map_err(|reason| format!("its {path} {reason}"))?);
        let folder = path.strip_suffix("Cargo.lock").unwrap_or_default();
        let wanted = source
            .rust_versions
            .iter()
            .filter(|(manifest, _)| manifest.starts_with(folder))
            .max_by_key(|(_, version)| numbers(version));
        if let Some((_, wanted)) = wanted.filter(|(_, wanted)| numbers(wanted) > numbers(rust)) {
            return Err(format!("it needs Rust {wanted}, and the channels have {rust}"));
        }
    }
    Ok(found.into_iter().collect())
}

/// The lock files of what is built, by path.
fn locks(source: &Source) -> BTreeMap<&str, &str> {
    let mut found = BTreeMap::new();
    for manifest in manifests(source) {
        let mut folder = manifest.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            let path = format!("{folder}/Cargo.lock");
            if let Some((path, text)) = source.locks.get_key_value(&path) {
                found.insert(path.as_str(), text.as_str());
                break;
            }
        }
        if folder == manifest || !folder.contains('/') && found.is_empty() {
            found.extend(
                source.locks.get_key_value("Cargo.lock").map(|(path, text)| (path.as_str(), text.as_str())),
            );
        }
    }
    // A setup.py may say where it is, which is not known without running it.
    if found.is_empty() && source.locks.len() == 1 {
        found.extend(source.locks.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    }
    found
}

/// The paths of the manifests that the configuration names.
fn manifests(source: &Source) -> Vec<String> {
    let text = source.text("pyproject.toml").unwrap_or_default();
    let table: Table = toml::from_str(text).unwrap_or_default();
    let tool = |name: &str| table.get("tool").and_then(|tool| tool.get(name));
    let path = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut found: Vec<String> = Vec::new();
    found.extend(tool("maturin").and_then(|table| path(table, "manifest-path")));
    for kind in ["ext-modules", "bins"] {
        let modules = tool("setuptools-rust").and_then(|table| table.get(kind)?.as_array());
        found.extend(modules.into_iter().flatten().filter_map(|module| path(module, "path")));
    }
    if found.is_empty() {
        found.extend(["Cargo.toml", "rust/Cargo.toml"].map(str::to_owned));
    }
    for manifest in &mut found {
        let plain = manifest.split('/').filter(|part| !part.is_empty() && *part != ".");
        *manifest = plain.collect::<Vec<_>>().join("/");
    }
    found
}

/// The numbers of a version of Rust, to be compared.
fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap_or_default();
    let mut numbers: Vec<u64> = plain.split('.').map(|part| part.parse().unwrap_or_default()).collect();
    numbers.resize(3, 0);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = 'openssl-sys'\nversion = '0.9.1'\nsource = 'registry+r'\nchecksum = \
                        '0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f'\n";

    fn source(pyproject: &str, locks: &[&str], versions: &[(&str, &str)]) -> Source {
        Source {
            texts: [("pyproject.toml".to_owned(), pyproject.to_owned())].into(),
            locks: locks.iter().map(|path| ((*path).to_owned(), LOCK.to_owned())).collect(),
            rust_versions: versions.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            ..Source::default()
        }
    }

    #[test]
    fn the_lock_file_of_the_workspace_is_taken() {
        let paths = |pyproject: &str, files: &[&str]| {
            locks(&source(pyproject, files, &[])).into_keys().map(str::to_owned).collect::<Vec<_>>()
        };
        let deep = "[tool.maturin]\nmanifest-path = './src/rust/Cargo.toml'\n";
        assert_eq!(paths(deep, &["Cargo.lock", "test/Cargo.lock"]), ["Cargo.lock"]);
        assert_eq!(paths(deep, &["src/rust/Cargo.lock", "Cargo.lock"]), ["src/rust/Cargo.lock"]);
        assert_eq!(paths(deep, &["src/Cargo.lock"]), ["src/Cargo.lock"]);
        assert_eq!(paths("", &["Cargo.lock", "example/Cargo.lock"]), ["Cargo.lock"]);
        assert_eq!(paths("", &["rust/Cargo.lock"]), ["rust/Cargo.lock"]);
        assert_eq!(paths("", &["src/_x/Cargo.lock"]), ["src/_x/Cargo.lock"]);
        assert!(paths("", &["a/Cargo.lock", "b/Cargo.lock"]).is_empty());
        let two = "[[tool.setuptools-rust.ext-modules]]\npath = 'a/Cargo.toml'\n[[tool.setuptools-rust.bins]]\npath = 'b/Cargo.toml'\n";
        assert_eq!(paths(two, &["a/Cargo.lock", "b/Cargo.lock"]), ["a/Cargo.lock", "b/Cargo.lock"]);
    }

    #[test]
    fn what_the_channels_cannot_compile_is_said() {
        let found = crates(&source("", &["Cargo.lock"], &[("Cargo.toml", "1.85")]), "1.85.0").unwrap();
        assert_eq!(found.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["openssl-sys"]);
        let error = |source: &Source| crates(source, "1.85.0").unwrap_err();
        let newer = source("", &["Cargo.lock"], &[("Cargo.toml", "1.9"), ("a/Cargo.toml", "1.100")]);
        assert_eq!(error(&newer), "it needs Rust 1.100, and the channels have 1.85.0");
        assert!(error(&source("", &[], &[])).contains("no Cargo.lock"));
        let mut bad = source("", &["Cargo.lock"], &[]);
        bad.locks.insert("Cargo.lock".into(), "[[".into());
        assert!(error(&bad).starts_with("its Cargo.lock is not well-formed"), "{}", error(&bad));
    }
}
