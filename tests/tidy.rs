//! The house rules that a machine keeps: layer arrows, file sizes, headers, tested modules, no registry's host name.
//!
//! Each rule lists every place that breaks it. Reasons for exceptions stand beside them in this file.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Layers of `src/`, top to bottom; an arrow may only go down or stay within a layer.
const LAYERS: [(&str, &[&str]); 4] = [
    ("interface", &["cli", "report"]),
    ("domain", &["builder", "channel", "editor", "host", "import", "lint", "lower", "profile", "upstream"]),
    (
        "mechanism",
        &["archive", "cache", "crates", "elf", "executor", "fetch", "git", "pypi", "sandbox", "store"],
    ),
    ("model", &["derivation", "graph", "hash", "nar", "store_path"]),
];

/// Files that may be longer than 600 lines, each with its reason.
const LONG_FILES: [(&str, &str); 0] = [];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(root().join(folder)).sort_by_file_name().into_iter().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == ending) {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    found
}

fn rust_files() -> Vec<(String, String)> {
    ["src", "lang/src", "tests", "lang/tests", "benches", "lang/benches"]
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .collect()
}

fn check(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}:\n  {}", broken.join("\n  "));
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, modules)| modules.contains(&module))
}

#[test]
fn arrows_go_down_only() {
    let mut broken = Vec::new();
    for (file, text) in files("src", "rs") {
        let Some(own) = Path::new(&file)
            .components()
            .nth(1)
            .and_then(|part| layer_of(part.as_os_str().to_str()?.trim_end_matches(".rs")))
        else {
            continue;
        };
        let production = text.split("#[cfg(test)]").next().unwrap_or("");
        for (number, line) in production.lines().enumerate() {
            for name in crate_modules(production, number, line) {
                if layer_of(&name).is_some_and(|used| used < own) {
                    broken.push(format!("{file}:{}: {} uses `{name}`", number + 1, LAYERS[own].0));
                }
            }
            if own != 1 && line.contains("hpcl_lang") && !line.trim_start().starts_with("//") {
                broken.push(format!("{file}:{}: only the domain layer uses the language", number + 1));
            }
        }
    }
    check("layer arrows", broken);
}

/// The modules named after `crate::` on a line, or on the lines of a `use crate::{…}` block that begins there.
fn crate_modules(text: &str, number: usize, line: &str) -> Vec<String> {
    let mut names: Vec<String> = line
        .split("crate::")
        .skip(1)
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>())
        .filter(|name| !name.is_empty())
        .collect();
    if line.trim_end().ends_with("use crate::{") {
        for inner in text.lines().skip(number + 1).take_while(|inner| !inner.starts_with('}')) {
            let trimmed = inner.trim_start();
            if inner.len() - trimmed.len() == 4 {
                names.push(trimmed.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
            }
        }
    } else if let Some(rest) = line.split("use crate::{").nth(1) {
        names
            .extend(rest.split([',', '}', ' ', ':', ';']).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    names
}

#[test]
fn the_builder_side_library_imports_nothing_from_the_evaluation_side() {
    let mut broken = Vec::new();
    for (file, text) in files("stdlib/build", "hpcl") {
        for line in text.lines().filter(|line| line.contains("(hpcl ") && !line.trim_start().starts_with(';'))
        {
            if !line.contains("(hpcl build") {
                broken.push(format!("{file}: {}", line.trim()));
            }
        }
    }
    check("imports of stdlib/build", broken);
}

#[test]
fn files_are_short() {
    let all = rust_files().into_iter().chain(files("stdlib", "hpcl")).chain(files("channels", "hpcl"));
    let broken = all
        .filter(|(file, text)| text.lines().count() > 600 && !LONG_FILES.iter().any(|(name, _)| name == file))
        .map(|(file, text)| format!("{file}: {} lines", text.lines().count()))
        .collect();
    check("more than 600 lines without a reason", broken);
}

#[test]
fn files_open_with_what_they_are() {
    let mut broken: Vec<String> =
        rust_files().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(file, _)| file).collect();
    let recipes = files("stdlib", "hpcl").into_iter().chain(files("channels", "hpcl"));
    broken.extend(recipes.filter(|(_, text)| !text.starts_with(";;;")).map(|(file, _)| file));
    check("files without a header", broken);
}

#[test]
fn nothing_is_left_to_do_later() {
    let words = ["todo!(", "unimplemented!(", "dbg!(", "#[ignore", "TODO", "FIXME", "XXX"];
    let mut broken = Vec::new();
    for (file, text) in rust_files().into_iter().filter(|(file, _)| file != "tests/tidy.rs") {
        for word in words.iter().filter(|word| text.contains(**word)) {
            broken.push(format!("{file}: {word}"));
        }
    }
    check("left for later", broken);
}

#[test]
fn no_registry_is_named() {
    let names = [
        "py|pi.org",
        "python|hosted",
        "deb.|debian",
        "security.|debian",
        "snapshot.|debian",
        "npm|js.org",
        "cra|tes.io",
    ];
    let names: Vec<String> = names.iter().map(|name| name.replace('|', "")).collect();
    let mut broken = Vec::new();
    let folders = ["src", "lang", "stdlib", "channels", "tests", "examples", "docs", "benches", ".ci"];
    for folder in folders {
        for entry in walkdir::WalkDir::new(root().join(folder)).into_iter().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            for name in names.iter().filter(|name| text.contains(*name)) {
                broken.push(format!("{}: {name}", entry.path().display()));
            }
        }
    }
    check("registry hosts", broken);
}

#[test]
fn every_library_module_has_a_test() {
    let tests: String = files("tests", "rs")
        .into_iter()
        .chain(files("tests", "hpcl"))
        .chain(files("lang/tests", "hpcl"))
        .map(|(_, text)| text)
        .collect();
    let mut broken = Vec::new();
    for (file, _) in
        files("stdlib", "hpcl").into_iter().filter(|(file, _)| !file.starts_with("stdlib/prelude/"))
    {
        let parts = file.trim_start_matches("stdlib/").trim_end_matches(".hpcl").replace('/', " ");
        if !tests.contains(&format!("(hpcl {parts})")) && !tests.contains(&format!("(guix {parts})")) {
            broken.push(file);
        }
    }
    check("library modules that no test imports", broken);
}

#[test]
fn modules_of_src_have_a_layer() {
    let text = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let mut seen: BTreeMap<&str, bool> = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            seen.insert(name, layer_of(name).is_some());
        }
    }
    let broken = seen.iter().filter(|(_, known)| !**known).map(|(name, _)| (*name).to_owned()).collect();
    check("modules without a layer", broken);
}
