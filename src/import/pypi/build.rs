//! What a source distribution needs to be built, read from its files: nothing of it is run.
//!
//! `[build-system] requires` (PEP 518), the dependencies of hatchling's hooks, `setup_requires`, and what backends ask for at run time and
//! is known: ninja for meson-python, CMake and ninja for scikit-build-core. Tools that channels have as programs are no Python packages here.

use super::texts;
use crate::pypi::Source;

/// What a build needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// Python packages, as written.
    pub requires: Vec<String>,
    /// Programs, by the names of their packages in channels.
    pub tools: Vec<&'static str>,
    /// Whether it compiles Rust.
    pub rust: bool,
    /// The dependencies of native code that its build files name, with the place.
    pub libraries: Vec<(&'static str, String)>,
    /// What is wrong with its build files.
    pub remark: Option<String>,
}

/// Requirements that are programs of the channels.
const TOOLS: [(&str, Option<&str>); 4] =
    [("cmake", Some("cmake")), ("ninja", Some("ninja")), ("patchelf", None), ("pkgconf", Some("pkgconf"))];

/// Names under which build files (meson, CMake) and wheels' libraries know what channels have: the package, and words of either.
const LIBRARIES: &[(&str, &[&str], &[&str])] = &[
    ("hdf5", &["hdf5"], &["libhdf5", "libhdf5_hl"]),
    (
        "openblas",
        &["openblas", "blas", "lapack", "cblas"],
        &["libopenblas", "libopenblasp", "libscipy_openblas", "libscipy_openblas64_"],
    ),
    ("zlib", &["zlib"], &["libz"]),
    ("libffi", &["libffi"], &["libffi"]),
    ("openssl", &["openssl"], &["libssl", "libcrypto"]),
    ("openmpi", &["mpi"], &["libmpi"]),
    ("bzip2", &["bzip2"], &["libbz2"]),
    ("xz", &["liblzma", "lzma"], &["liblzma"]),
    ("zstd", &["zstd", "libzstd"], &["libzstd"]),
    ("lz4", &["lz4", "liblz4"], &["liblz4"]),
    ("libxml2", &["libxml2", "libxml-2.0"], &["libxml2"]),
    ("libxslt", &["libxslt"], &["libxslt", "libexslt"]),
    ("sqlite", &["sqlite3"], &["libsqlite3"]),
    ("libyaml", &["yaml-0.1"], &["libyaml", "libyaml-0"]),
    ("fftw", &["fftw3", "fftw"], &["libfftw3"]),
    ("hwloc", &["hwloc"], &["libhwloc"]),
    ("freetype", &["freetype", "freetype2"], &["libfreetype"]),
    ("libpng", &["libpng"], &["libpng16", "libpng"]),
    ("libjpeg-turbo", &["libjpeg", "jpeg"], &["libjpeg"]),
    ("qhull", &["qhull", "qhull_r"], &["libqhull", "libqhull_r"]),
    ("geos", &["geos"], &["libgeos", "libgeos_c"]),
    ("proj", &["proj"], &["libproj"]),
    ("netcdf-c", &["netcdf"], &["libnetcdf"]),
    ("zeromq", &["libzmq"], &["libzmq"]),
];

/// Projects whose builds look for a library in a way of their own.
const KNOWN: &[(&str, &str)] = &[
    ("cffi", "libffi"),
    ("cryptography", "openssl"),
    ("h5py", "hdf5"),
    ("lxml", "libxml2"),
    ("lxml", "libxslt"),
    ("mpi4py", "openmpi"),
    ("numpy", "openblas"),
    ("pyyaml", "libyaml"),
    ("pyzmq", "zeromq"),
    ("scipy", "openblas"),
    ("tables", "hdf5"),
];

/// Reads a source distribution's build files.
pub fn of_source(project: &str, source: &Source) -> Build {
    let mut build = Build::default();
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
        build.tools.push("ninja");
    }
    if starts("scikit_build_core") {
        build.tools.extend(["cmake", "ninja"]);
    }
    for text in requires {
        let name = crate::pypi::normalized(
            text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).next().unwrap_or_default(),
        );
        match TOOLS.iter().find(|(tool, _)| *tool == name) {
            Some((_, Some(tool))) => build.tools.push(tool),
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
    build.libraries = libraries(project, source);
    build.tools.sort_unstable();
    build.tools.dedup();
    build
}

/// The package of a channel that has a library that a wheel brings along, as `libhdf5-2a3b.so.310` or `libz.so.1`.
pub fn package_of_library(file: &str) -> Option<&'static str> {
    let stem = file.split(".so").next()?;
    let stem = stem.rsplit_once('-').filter(|(_, hash)| hash.len() >= 6).map_or(stem, |(stem, _)| stem);
    LIBRARIES.iter().find(|(_, _, names)| names.contains(&stem)).map(|(package, ..)| *package)
}

/// The libraries that build files look for.
fn libraries(project: &str, source: &Source) -> Vec<(&'static str, String)> {
    let mut found: Vec<(&'static str, String)> = Vec::new();
    let mut add = |package: &'static str, place: &str| {
        if !found.iter().any(|(known, _)| *known == package) {
            found.push((package, place.to_owned()));
        }
    };
    for (known, package) in KNOWN {
        if *known == project {
            add(package, "its build looks for it");
        }
    }
    let calls = [
        ("meson.build", r#"\bdependency\(\s*'([^']+)'"#),
        ("CMakeLists.txt", r"(?i)\bfind_package\(\s*([A-Za-z0-9_.-]+)"),
    ];
    for (file, pattern) in calls {
        let call = regex::Regex::new(pattern).expect("it was tested");
        for name in source.text(file).into_iter().flat_map(|text| call.captures_iter(text)) {
            let name = name.get(1).map_or("", |name| name.as_str()).to_lowercase();
            for (package, words, _) in LIBRARIES {
                if words.contains(&name.as_str()) {
                    add(package, &format!("its {file} looks for it"));
                }
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
            (vec!["ninja"], vec![("hdf5", "its meson.build looks for it".to_owned())])
        );
        assert!(
            of_source("a", &source(&[("pyproject.toml", "[build-system]\nrequires=['maturin>=1']")])).rust
        );
        assert!(of_source("a", &source(&[("pyproject.toml", "[build-system")])).remark.is_some());
    }

    #[test]
    fn libraries_of_wheels_are_known_by_their_files() {
        assert_eq!(package_of_library("libhdf5-2a3b4c5d.so.310.5.1"), Some("hdf5"));
        assert_eq!(package_of_library("libz.so.1"), Some("zlib"));
        assert_eq!(package_of_library("libgfortran-040039e1.so.5.0.0"), None);
    }
}
