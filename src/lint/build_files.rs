//! Whether a source's build files name a package's inputs.
//!
//! The files that say what a program is built with (`configure.ac`, `CMakeLists.txt`, `meson.build`, …) are searched for each
//! input's name and for usual other spellings of it. What is named nowhere may be needed all the same, through another input
//! or a phase; so this is a question and no verdict.

use std::{fs, path::Path};

use super::Warning;
use crate::host::PackageFacts;

/// Files that say what a program is built with, by name or ending.
const NAMES: [&str; 19] = [
    "configure",
    "configure.ac",
    "configure.in",
    "CMakeLists.txt",
    "meson.build",
    "setup.py",
    "setup.cfg",
    "pyproject.toml",
    "Makefile",
    "Makefile.am",
    "Makefile.in",
    "makefile",
    "GNUmakefile",
    "SConstruct",
    "wscript",
    "Cargo.toml",
    "README",
    "README.md",
    "INSTALL",
];
const ENDINGS: [&str; 5] = [".cmake", ".m4", ".mk", ".pc.in", ".pro"];
/// No file is read beyond that.
const MOST: u64 = 8 << 20;

/// The texts of a source's build files, in lower case.
#[derive(Debug)]
pub struct BuildFiles(Vec<String>);

impl BuildFiles {
    /// Reads those of an unpacked source; nothing when it has none.
    pub fn read(tree: &Path) -> Option<BuildFiles> {
        let is_build_file =
            |name: &str| NAMES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending));
        let mut texts = Vec::new();
        for entry in walkdir::WalkDir::new(tree).sort_by_file_name().into_iter().flatten() {
            let small = || entry.metadata().is_ok_and(|metadata| metadata.len() <= MOST);
            if entry.file_type().is_file() && is_build_file(&entry.file_name().to_string_lossy()) && small() {
                let bytes = fs::read(entry.path()).unwrap_or_default();
                texts.push(String::from_utf8_lossy(&bytes).to_lowercase());
            }
        }
        (!texts.is_empty()).then_some(BuildFiles(texts))
    }

    /// The inputs that no file names.
    pub fn unnamed(&self, facts: &PackageFacts) -> Vec<Warning> {
        let inputs = facts.inputs.iter().filter(|(kind, _, name)| kind == "inputs" && !name.is_empty());
        inputs
            .filter(|(_, _, name)| {
                !spellings(name).iter().any(|text| self.0.iter().any(|file| file.contains(text)))
            })
            .map(|(_, _, name)| {
                Warning::new("build-files", "inputs", format!("no build file of the source names `{name}`"))
            })
            .collect()
    }
}

/// How build files may write a package's name.
fn spellings(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let mut all = vec![name.clone(), plain.to_owned()];
    for prefix in ["lib", "python-", "perl-", "r-", "gnu-"] {
        all.extend(plain.strip_prefix(prefix).map(str::to_owned));
    }
    let known = match plain {
        "openmpi" | "mpich" => &["mpi"][..],
        "openblas" | "lapack" => &["blas", "lapack"],
        "zlib" => &["libz", "-lz", "zlib"],
        "bzip" => &["bz2"],
        "xz" => &["lzma"],
        "openssl" => &["ssl", "crypto"],
        "ncurses" => &["curses"],
        _ => &[],
    };
    all.extend(known.iter().map(|text| (*text).to_owned()));
    // Two letters are found everywhere.
    all.retain(|text| text.len() > 2);
    all
}

#[cfg(test)]
mod tests {
    use super::{super::tests::facts, *};

    #[test]
    fn inputs_are_looked_for_in_build_files() {
        let place = tempfile::tempdir().unwrap();
        assert!(BuildFiles::read(place.path()).is_none());
        fs::create_dir(place.path().join("src")).unwrap();
        fs::write(place.path().join("src/CMakeLists.txt"), "find_package(MPI)\nfind_package(HDF5)").unwrap();
        fs::write(place.path().join("main.c"), "#include <zlib.h>").unwrap();
        let files = BuildFiles::read(place.path()).unwrap();
        let input = |name: &str| ("inputs".to_owned(), name.to_owned(), name.to_owned());
        let facts = facts(|facts| facts.inputs = vec![input("openmpi"), input("hdf5"), input("zlib")]);
        let found = files.unnamed(&facts);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "no build file of the source names `zlib`");
    }
}
