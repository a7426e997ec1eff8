//! The index that the installed pip uses when nothing is configured.
//!
//! No index's address is written in this program. pip has one in its own files (`pip/_internal/models/index.py`); that of the first
//! pip found is taken: beside the interpreters of `PATH`, in the user's site directory, in the usual system places. Shims (pyenv and
//! the like) do not lead to an interpreter's files, so at last `python3` itself is asked where its pip is.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use url::Url;

/// The default index of the installed pip.
pub(super) fn default_index(environment: &dyn Fn(&str) -> Option<String>) -> Option<Url> {
    let folders = places(environment);
    folders.iter().find_map(|folder| of_pip(&folder.join("pip"))).or_else(|| of_pip(&asked()?))
}

/// The index that a pip in a directory has.
fn of_pip(pip: &Path) -> Option<Url> {
    let text = std::fs::read_to_string(pip.join("_internal/models/index.py")).ok()?;
    let line = Regex::new(r#"(?m)^PyPI\s*=\s*PackageIndex\(\s*["']([^"']+)["']"#).expect("it was tested");
    Url::parse(line.captures(&text)?.get(1)?.as_str()).ok()?.join("simple/").ok()
}

/// Directories in which a `pip` may be.
fn places(environment: &dyn Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let mut libraries = Vec::new();
    for folder in environment("PATH").unwrap_or_default().split(':').filter(|folder| folder.starts_with('/'))
    {
        for program in ["python3", "python"] {
            if let Ok(program) = Path::new(folder).join(program).canonicalize()
                && let Some(prefix) = program.parent().and_then(Path::parent)
            {
                libraries.push(prefix.join("lib"));
            }
        }
    }
    libraries.extend(environment("HOME").map(|home| Path::new(&home).join(".local/lib")));
    libraries.extend(["/usr/lib", "/usr/local/lib"].map(PathBuf::from));
    let mut found = Vec::new();
    for library in libraries {
        let mut versions: Vec<PathBuf> = std::fs::read_dir(&library)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| {
                path.file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| name.starts_with("python3"))
            })
            .collect();
        versions.sort();
        for version in versions {
            found.extend([version.join("site-packages"), version.join("dist-packages")]);
        }
    }
    found
}

/// Where `python3` says its pip is.
fn asked() -> Option<PathBuf> {
    let program = "import os, pip; print(os.path.dirname(pip.__file__))";
    let output = Command::new("python3").args(["-I", "-c", program]).stdin(Stdio::null()).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(path.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_read_from_pips_own_file() {
        let home = tempfile::tempdir().unwrap();
        let models = home.path().join("lib/python3.9/site-packages/pip/_internal/models");
        std::fs::create_dir_all(&models).unwrap();
        std::fs::create_dir(home.path().join("bin")).unwrap();
        std::fs::write(home.path().join("bin/python3"), "").unwrap();
        let text = "class PackageIndex:\n    pass\n\nPyPI = PackageIndex(\n    \"https://index.example/\", file_storage_domain=\"f\"\n)\n";
        std::fs::write(models.join("index.py"), text).unwrap();
        let path = home.path().join("bin").display().to_string();
        let environment = |name: &str| (name == "PATH").then(|| path.clone());
        assert_eq!(default_index(&environment).unwrap().as_str(), "https://index.example/simple/");
    }
}
