//! What a profile has to have made beside the union of its packages: directories of what they brought, databases.
//!
//! The code is `stdlib/build/profile-hooks.hpcl`; here is found out for which hooks the items have something. Invariant: the answer is a
//! function of the items' content, so that a profile's derivation is one of its items.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A hook: its name, the directory it reads, what ends the names of files in it, and the program of the profile that it needs.
struct Hook {
    name: &'static str,
    directory: &'static str,
    endings: &'static [&'static str],
    program: Option<&'static str>,
}

/// The hook that leaves out what a Python brings itself where another version of it is there; it needs the Python to be the last.
pub const PYTHON_MODULES: &str = "python-modules";

const HOOKS: [Hook; 5] = [
    Hook { name: "info-directory", directory: "share/info", endings: &[".info"], program: None },
    Hook {
        name: "certificate-bundle",
        directory: "etc/ssl/certs",
        endings: &[".pem", ".crt"],
        program: None,
    },
    Hook { name: "manual-database", directory: "share/man", endings: &[""], program: Some("bin/mandb") },
    Hook {
        name: "font-directories",
        directory: "share/fonts",
        endings: &[""],
        program: Some("bin/mkfontscale"),
    },
    Hook {
        name: "glib-schemas",
        directory: "share/glib-2.0/schemas",
        endings: &[".gschema.xml"],
        program: Some("bin/glib-compile-schemas"),
    },
];

/// Returns the hooks that have something to do for items, sorted.
pub fn hooks(items: &[PathBuf]) -> Vec<&'static str> {
    let wanted = |hook: &&Hook| {
        let has_program =
            hook.program.is_none_or(|program| items.iter().any(|item| item.join(program).exists()));
        has_program && items.iter().any(|item| has_files(&item.join(hook.directory), hook.endings))
    };
    let mut found: Vec<&str> = HOOKS.iter().filter(wanted).map(|hook| hook.name).collect();
    if has_modules_twice(items) {
        found.push(PYTHON_MODULES);
    }
    found.sort_unstable();
    found
}

/// Whether an item has modules of the same names as those that come with the Python among the items.
fn has_modules_twice(items: &[PathBuf]) -> bool {
    items.iter().filter(|item| item.join("bin/python3").exists()).any(|python| {
        let versions = names(&python.join("lib"));
        versions.iter().filter(|name| name.starts_with("python3.")).any(|version| {
            let modules = |item: &PathBuf| names(&item.join("lib").join(version).join("site-packages"));
            let own = modules(python);
            let others = items.iter().filter(|item| *item != python);
            others.flat_map(modules).any(|name| own.contains(&name) && !name.ends_with(".txt"))
        })
    })
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn has_files(directory: &Path, endings: &[&str]) -> bool {
    // The bundle of all certificates is what the hook makes.
    let ends =
        |name: &str| name != "ca-certificates.crt" && endings.iter().any(|ending| name.ends_with(ending));
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.file_name().to_str().is_some_and(ends))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_something_to_do_is_run() {
        let place = tempfile::tempdir().unwrap();
        let item = |name: &str, files: &[&str]| {
            let item = place.path().join(name);
            std::fs::create_dir(&item).unwrap();
            for file in files {
                std::fs::create_dir_all(item.join(file).parent().unwrap()).unwrap();
                std::fs::write(item.join(file), "").unwrap();
            }
            item
        };
        let plain = item("plain", &["bin/x", "share/info/dir", "share/glib-2.0/schemas/a.gschema.xml"]);
        let texts = item("texts", &["share/info/a.info"]);
        let glib = item("glib", &["bin/glib-compile-schemas"]);
        assert_eq!(hooks(std::slice::from_ref(&plain)), [""; 0]);
        assert_eq!(hooks(&[plain.clone(), texts]), ["info-directory"]);
        assert_eq!(hooks(&[plain, glib]), ["glib-schemas"]);
        let own = "lib/python3.11/site-packages/pip/x.py";
        let python = item("python", &["bin/python3", own]);
        let module = item("module", &["lib/python3.11/site-packages/other/x.py"]);
        let pip = item("pip", &[own]);
        assert_eq!(hooks(&[python.clone(), module.clone()]), [""; 0]);
        assert_eq!(hooks(&[module, pip, python]), ["python-modules"]);
    }
}
