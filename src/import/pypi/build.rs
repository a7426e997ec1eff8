//! What a source distribution needs to be built, read from its files: nothing of it is run.
//!
//! `[build-system] requires` (PEP 518), the dependencies of hatchling's hooks, `setup_requires`, and what backends ask for at run time and
//! is known: ninja for meson-python, CMake and ninja for scikit-build-core, what a backend of the project's own asks for (`hooks`), and what the tables of
//! channels say (`native`). Tools that channels have as programs are no Python packages here.

use super::native::{self, Natives};
use super::provided::Channel;
use super::{hooks, texts};
use crate::crates::Crate;
use crate::pypi::Source;

/// What a build needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// Python packages, as written.
    pub requires: Vec<String>,
    /// Those of them that its pyproject.toml does not name, by normalised name, with the place.
    pub asked: Vec<(String, String)>,
    /// Programs, by the names of their packages in channels.
    pub tools: Vec<String>,
    /// Whether it compiles Rust.
    pub rust: bool,
    /// The crates that it compiles.
    pub crates: Vec<Crate>,
    /// The dependencies of native code that its build files name, with the place.
    pub libraries: Vec<(String, String)>,
    /// What the tables of channels say of it.
    pub native: native::Project,
    /// What is wrong with its build files.
    pub remark: Option<String>,
}

impl Build {
    /// Takes in what parts in Rust are made of; an error is why it cannot be built with what the channels have.
    pub fn complete(&mut self, source: &Source, channel: &Channel) -> Result<(), String> {
        let missing = self.native.inputs.iter().find(|name| channel.package(name).is_none());
        let rust = channel.rust().filter(|_| self.rust);
        if let Some(missing) = missing.map(String::as_str).or((self.rust && rust.is_none()).then_some("Rust"))
        {
            return Err(format!("its build needs {missing}, which no channel has"));
        }
        let Some(rust) = rust else { return Ok(()) };
        self.crates = super::rust::crates(source, rust)?;
        self.tools.push("rust".to_owned());
        for name in self.crates.iter().map(|known| &known.name) {
            if let Some(package) = channel.natives().package_of_crate(name)
                && !self.libraries.iter().any(|(known, _)| known == package)
            {
                self.libraries.push((package.to_owned(), format!("its Cargo.lock has {name}")));
            }
        }
        Ok(())
    }
}

/// Requirements that are programs of the channels.
const TOOLS: [(&str, Option<&str>); 4] =
    [("cmake", Some("cmake")), ("ninja", Some("ninja")), ("patchelf", None), ("pkgconf", Some("pkgconf"))];

/// Reads a source distribution's build files.
pub fn of_source(project: &str, source: &Source, natives: &Natives) -> Build {
    let native = natives.project(project).cloned().unwrap_or_default();
    let mut build = Build { tools: native.native_inputs.clone(), native, ..Build::default() };
    let text = source.text("pyproject.toml");
    let table: toml::Table = match text.map(toml::from_str) {
        Some(Ok(table)) => table,
        Some(Err(error)) => {
            build.remark = Some(format!("its pyproject.toml is not well-formed: {}", error.message()));
            toml::Table::new()
        }
        None => toml::Table::new(),
    };
    let system = table.get("build-system").and_then(toml::Value::as_table);
    let backend = system.and_then(|system| system.get("build-backend")?.as_str()).unwrap_or("setuptools");
    let mut requires = system.map(|system| texts(system.get("requires"))).unwrap_or_default();
    if system.is_none_or(|system| !system.contains_key("requires")) {
        requires.push("setuptools".to_owned());
    }
    if let Some(hatch) = table.get("tool").and_then(|tool| tool.get("hatch")) {
        hook_dependencies(hatch.get("build"), &mut requires);
        hook_dependencies(
            hatch.get("build").and_then(|build| build.get("targets")?.get("wheel")),
            &mut requires,
        );
    }
    if let Some(setup) = source.text("setup.cfg") {
        requires.extend(setup_requires(setup));
    }
    let starts = |name: &str| backend.split(['.', ':']).next() == Some(name);
    if starts("mesonpy") {
        build.tools.push("ninja".to_owned());
    }
    if starts("scikit_build_core") {
        build.tools.extend(["cmake".to_owned(), "ninja".to_owned()]);
    }
    let own: Vec<String> = texts(system.and_then(|system| system.get("backend-path")));
    let asked = hook_requirements(&own, source).into_iter().map(|text| (text, "its backend asks for it"));
    let known = build.native.requires.iter().map(|text| (text.clone(), "its build is known to need it"));
    for (text, place) in asked.chain(known).collect::<Vec<_>>() {
        let name = name_of(&text);
        if !requires.iter().any(|given| name_of(given) == name) {
            build.asked.push((name, place.to_owned()));
        }
        requires.push(text);
    }
    for text in requires {
        let name = name_of(&text);
        match TOOLS.iter().find(|(tool, _)| *tool == name) {
            Some((_, Some(tool))) => build.tools.push((*tool).to_owned()),
            Some((_, None)) => {}
            None => {
                build.rust |= matches!(name.as_str(), "maturin" | "setuptools-rust" | "puccinialin");
                if !build.requires.contains(&text) {
                    build.requires.push(text);
                }
            }
        }
    }
    build.rust |= starts("maturin");
    build.libraries = libraries(&build.native, source, natives);
    build.tools.sort_unstable();
    build.tools.dedup();
    build
}

/// The normalised name that a requirement begins with.
fn name_of(requirement: &str) -> String {
    let name = requirement.trim().split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next();
    crate::pypi::normalized(name.unwrap_or_default())
}

/// What the hooks of a backend in the project itself ask for.
fn hook_requirements(backend_path: &[String], source: &Source) -> Vec<String> {
    let is_below = |file: &str, folder: &str| match folder.trim_start_matches("./").trim_end_matches('/') {
        "" | "." => true,
        folder => file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
    };
    let own = source.backends.iter().filter(|(file, _)| backend_path.iter().any(|path| is_below(file, path)));
    own.flat_map(|(_, text)| hooks::requirements(text)).collect()
}

/// The libraries that a build is known to need, or that its files look for.
fn libraries(known: &native::Project, source: &Source, natives: &Natives) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut add = |package: &str, place: &str| {
        if !found.iter().any(|(known, _)| *known == package) {
            found.push((package.to_owned(), place.to_owned()));
        }
    };
    for package in known.inputs.iter().chain(&known.optional_inputs) {
        add(package, "its build looks for it");
    }
    let calls = [
        ("meson.build", r#"\bdependency\(\s*'([^']+)'"#),
        ("CMakeLists.txt", r"(?i)\bfind_package\(\s*([A-Za-z0-9_.-]+)"),
    ];
    for (file, pattern) in calls {
        let call = regex::Regex::new(pattern).expect("it was tested");
        for name in source.text(file).into_iter().flat_map(|text| call.captures_iter(text)) {
            let name = name.get(1).map_or("", |name| name.as_str()).to_lowercase();
            if let Some(package) = natives.package_of_word(&name) {
                add(package, &format!("its {file} looks for it"));
            }
        }
    }
    found
}

/// The dependencies of hatchling's hooks below a table.
fn hook_dependencies(table: Option<&toml::Value>, requires: &mut Vec<String>) {
    let hooks = table.and_then(|table| table.get("hooks")?.as_table());
    for hook in hooks.into_iter().flat_map(toml::Table::values) {
        requires.extend(texts(hook.get("dependencies")));
    }
}

/// `setup_requires` of the section `[options]` of a setup.cfg.
fn setup_requires(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut inside, mut listing) = (false, false);
    for line in text.lines() {
        if let Some(section) = line.trim().strip_prefix('[') {
            (inside, listing) = (section.starts_with("options]"), false);
        } else if inside && !line.starts_with([' ', '\t']) {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            listing = key.trim() == "setup_requires";
            if listing {
                found.extend(value.split(';').map(str::trim).map(str::to_owned));
            }
        } else if listing {
            found.push(line.trim().to_owned());
        }
    }
    found.retain(|text| !text.is_empty() && !text.starts_with('#'));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_source(project: &str, source: &Source) -> Build {
        super::of_source(project, source, &native::bundled())
    }

    fn source(files: &[(&str, &str)]) -> Source {
        let texts = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Source { texts, ..Source::default() }
    }

    #[test]
    fn requirements_of_builds_are_found() {
        let pyproject = "[build-system]\nrequires = ['hatchling>=1', 'cmake>3', 'patchelf']\nbuild-backend = 'hatchling.build'\n\
                         [tool.hatch.build.hooks.jupyter-builder]\ndependencies = ['hatch-jupyter-builder>=0.5']\n\
                         [tool.hatch.build.targets.wheel.hooks.x]\ndependencies = ['y']\n";
        let build = of_source("a", &source(&[("pyproject.toml", pyproject)]));
        assert_eq!(build.requires, ["hatchling>=1", "hatch-jupyter-builder>=0.5", "y"]);
        assert_eq!(build.tools, ["cmake"]);
        let old = of_source(
            "a",
            &source(&[(
                "setup.cfg",
                "[options]\nsetup_requires =\n  cffi>=1\n  b\nx = 1\n[c]\nsetup_requires = d\n",
            )]),
        );
        assert_eq!(old.requires, ["setuptools", "cffi>=1", "b"]);
        let meson = "[build-system]\nrequires = ['meson-python']\nbuild-backend = 'mesonpy'\n";
        let build = of_source(
            "a",
            &source(&[("pyproject.toml", meson), ("meson.build", "x = dependency('hdf5', required: true)")]),
        );
        assert_eq!(
            (build.tools, build.libraries),
            (vec!["ninja".to_owned()], vec![("hdf5".to_owned(), "its meson.build looks for it".to_owned())])
        );
        assert!(
            of_source("a", &source(&[("pyproject.toml", "[build-system]\nrequires=['maturin>=1']")])).rust
        );
        assert!(of_source("a", &source(&[("pyproject.toml", "[build-system")])).remark.is_some());
    }

    #[test]
    fn backends_in_the_project_and_tables_ask_for_more() {
        let pyproject =
            "[build-system]\nrequires = ['setuptools']\nbuild-backend = 'own'\nbackend-path = ['./conf/']\n";
        let hook =
            "def get_requires_for_build_wheel(settings=None):\n    return ['Cython>=3', 'setuptools>=70']\n";
        let mut source = source(&[("pyproject.toml", pyproject)]);
        source.backends.insert("conf/own.py".to_owned(), hook.to_owned());
        source.backends.insert("config/other.py".to_owned(), hook.replace("Cython", "wrong"));
        let build = of_source("a", &source);
        assert_eq!(build.requires, ["setuptools", "Cython>=3", "setuptools>=70"]);
        assert_eq!(build.asked, [("cython".to_owned(), "its backend asks for it".to_owned())]);
        source.texts.clear();
        assert!(of_source("a", &source).asked.is_empty(), "no backend-path, no backend of its own");
        let known = of_source("mpi4py", &source);
        assert_eq!(known.asked, [("cython".to_owned(), "its build is known to need it".to_owned())]);
        assert_eq!(known.libraries, [("mpi".to_owned(), "its build looks for it".to_owned())]);
        assert_eq!(of_source("h5py", &source).native.environment["HDF5_DIR"], "{hdf5}");
    }
}
