//! What the channels have of Python's packages, and the tools and libraries that builds may need.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::Version;

use super::native::Natives;
use crate::import::recipe::Reference;
use crate::pypi::normalized;

/// A package of a channel.
#[derive(Debug, Clone)]
pub struct Provided {
    /// The name of its recipe.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The name that its authors use.
    pub upstream_name: String,
    /// The module, as written.
    pub module: String,
    /// The variable.
    pub variable: String,
}

/// The packages of the channels that imports can refer to.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    /// Python's, by normalised name.
    python: BTreeMap<String, (Version, Reference)>,
    /// All, by name.
    all: BTreeMap<String, Reference>,
    /// What native code in Python projects needs of them.
    natives: Natives,
    /// The version of their Rust.
    rust: Option<String>,
}

impl Channel {
    /// Sorts what the channels have: the first of a name counts. Without `use_python` no Python package is among them.
    pub fn new(packages: &[Provided], natives: Natives, use_python: bool) -> Channel {
        let mut channel = Channel { natives, ..Channel::default() };
        for package in packages {
            let reference =
                Reference { variable: package.variable.clone(), module: Some(package.module.clone()) };
            if package.name == "rust" && channel.rust.is_none() {
                channel.rust = Some(package.version.clone());
            }
            channel.all.entry(package.name.clone()).or_insert_with(|| reference.clone());
            let Some(short) = package.name.strip_prefix("python-").filter(|_| use_python) else { continue };
            let Ok(version) = Version::from_str(&package.version) else { continue };
            let upstream = normalized(&package.upstream_name);
            // A recipe without another upstream name may be of `NAME` or of `python-NAME`.
            let names = match upstream.is_empty() || upstream == package.name {
                true => vec![normalized(short), package.name.clone()],
                false => vec![upstream],
            };
            for name in names {
                channel.python.entry(name).or_insert_with(|| (version.clone(), reference.clone()));
            }
        }
        channel
    }

    /// Takes a project out.
    pub fn forget(&mut self, project: &str) {
        self.python.remove(project);
    }

    /// The version that they have of a project.
    pub fn version(&self, project: &str) -> Option<&Version> {
        self.python.get(project).map(|(version, _)| version)
    }

    /// How recipes refer to a project that they have.
    pub fn python(&self, project: &str) -> Option<&Reference> {
        self.python.get(project).map(|(_, reference)| reference)
    }

    /// How recipes refer to another package.
    pub fn package(&self, name: &str) -> Option<&Reference> {
        self.all.get(name)
    }

    /// What native code in Python projects needs of them.
    pub fn natives(&self) -> &Natives {
        &self.natives
    }

    /// The version of Rust that they have.
    pub fn rust(&self) -> Option<&str> {
        self.rust.as_deref()
    }

    /// The normalised names of the projects that they have.
    pub fn projects(&self) -> impl Iterator<Item = &str> {
        self.python.keys().map(String::as_str)
    }
}
