//! What native code in Python projects needs and their metadata do not say: the tables `python/native.toml` of channels.
//!
//! The bundled one says what may stand there. For a project or a library that several tables have, the first counts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::import::ImportError;

/// Where channels have their tables.
pub const NATIVE_TABLE: &str = "python/native.toml";

/// Libraries and projects, by package and by normalised name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Natives {
    #[serde(default)]
    libraries: BTreeMap<String, Library>,
    #[serde(default)]
    projects: BTreeMap<String, Project>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Library {
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    crates: Vec<String>,
}

/// What the build of a project needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Project {
    /// Packages that it cannot be built without.
    pub inputs: Vec<String>,
    /// Packages that it uses if they are there.
    pub optional_inputs: Vec<String>,
    /// Packages whose programs its build runs.
    pub native_inputs: Vec<String>,
    /// Python packages that its build needs beside those in its pyproject.toml.
    pub requires: Vec<String>,
    /// Settings of its backend: a key and its values.
    pub configure_flags: Vec<Vec<String>>,
    /// Variables of its build; `{PACKAGE}` is the directory of an input.
    pub environment: BTreeMap<String, String>,
    /// The reason for flags and environment.
    pub because: Option<String>,
}

impl Natives {
    /// Reads tables, given by the names of their files and their texts.
    ///
    /// # Errors
    /// [`ImportError::Input`] when one is not well-formed.
    pub fn read(tables: &[(String, String)]) -> Result<Natives, ImportError> {
        let mut all = Natives::default();
        for (file, text) in tables {
            let failed = |reason: String| ImportError::Input { file: file.clone(), reason };
            let table: Natives = toml::from_str(text).map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                failed(format!("line {}: {}", before.matches('\n').count() + 1, error.message().trim()))
            })?;
            for (name, project) in table.projects {
                if crate::pypi::normalized(&name) != name {
                    let normal = crate::pypi::normalized(&name);
                    return Err(failed(format!("the project `{name}` must be written `{normal}`")));
                }
                if project.configure_flags.iter().any(|flag| flag.len() < 2) {
                    return Err(failed(format!("a setting of `{name}` needs a key and a value")));
                }
                all.projects.entry(name).or_insert(project);
            }
            for (package, library) in table.libraries {
                all.libraries.entry(package).or_insert(library);
            }
        }
        Ok(all)
    }

    /// What a project needs.
    pub fn project(&self, name: &str) -> Option<&Project> {
        self.projects.get(name)
    }

    /// The package with the library that build files call so.
    pub fn package_of_word(&self, word: &str) -> Option<&str> {
        self.package(|library| library.words.iter().any(|known| known == word))
    }

    /// The package with a library that a wheel brings along, as `libhdf5-2a3b4c5d.so.310` or `libz.so.1`.
    pub fn package_of_file(&self, file: &str) -> Option<&str> {
        let stem = file.split(".so").next()?;
        let stem = stem.rsplit_once('-').filter(|(_, hash)| hash.len() >= 6).map_or(stem, |(stem, _)| stem);
        self.package(|library| library.files.iter().any(|known| known == stem))
    }

    /// The package with the library that a crate is made for.
    pub fn package_of_crate(&self, name: &str) -> Option<&str> {
        self.package(|library| library.crates.iter().any(|known| known == name))
    }

    fn package(&self, is_it: impl Fn(&Library) -> bool) -> Option<&str> {
        self.libraries.iter().find(|(_, library)| is_it(library)).map(|(package, _)| package.as_str())
    }
}

#[cfg(test)]
pub(super) fn bundled() -> Natives {
    let text = crate::channel::bundled_file(NATIVE_TABLE).expect("it is in the channels");
    let text = String::from_utf8(text.to_vec()).unwrap();
    Natives::read(&[(NATIVE_TABLE.to_owned(), text)]).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_their_words_and_files() {
        let natives = bundled();
        assert_eq!(natives.package_of_file("libhdf5-2a3b4c5d.so.310.5.1"), Some("hdf5"));
        assert_eq!(natives.package_of_file("libz.so.1"), Some("zlib"));
        assert_eq!(natives.package_of_crate("openssl-sys"), Some("openssl"));
        assert_eq!(natives.package_of_file("libgfortran-040039e1.so.5.0.0"), None);
        assert_eq!(natives.package_of_word("lapack"), Some("openblas"));
    }

    #[test]
    fn the_first_table_counts_and_mistakes_are_shown() {
        let read = |texts: &[&str]| {
            let tables: Vec<_> = texts.iter().map(|text| ("t.toml".to_owned(), (*text).to_owned())).collect();
            Natives::read(&tables)
        };
        let both = read(&["[projects.a]\ninputs = ['x']", "[projects.a]\nrequires = ['y']\n[projects.b]"]);
        let both = both.unwrap();
        assert_eq!(both.project("a").map(|a| (a.inputs.join(" "), a.requires.len())), Some(("x".into(), 0)));
        assert!(both.project("b").is_some() && both.project("c").is_none());
        for (text, wanted) in [
            ("\n[projects.a]\ninput = ['x']", "`t.toml`: line 3: unknown field `input`"),
            ("[projects.A_b]", "must be written `a-b`"),
            ("[projects.a]\nconfigure-flags = [['x']]", "needs a key and a value"),
            ("[projects.a", "line 1: "),
        ] {
            let error = read(&[text]).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
