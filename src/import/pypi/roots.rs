//! What to import: requirements on the command line, and the files that other tools keep them in.
//!
//! `requirements.txt` (with `-r` and `-c` inside), `pyproject.toml`, `uv.lock` and `pylock.toml` (PEP 751). Lock files pin every version.

use std::path::Path;

use super::texts;
use crate::import::{ImportError, Requirement, requirement::repaired};

/// Something that was asked for.
#[derive(Debug, Clone)]
pub struct Root {
    /// The requirement.
    pub requirement: Requirement,
    /// Whether the user named it, as against a file that lists everything.
    pub named: bool,
}

impl Root {
    /// A root as users write it: a requirement, or `NAME@VERSION`.
    pub fn parse(text: &str) -> Result<Root, ImportError> {
        let text = match text.split_once('@') {
            Some((name, version))
                if !version.contains(':') && !version.starts_with(' ') && !name.contains(['=', '<', '>']) =>
            {
                format!("{name}=={version}")
            }
            _ => text.to_owned(),
        };
        let requirement = Requirement::parse(&text).map_err(ImportError::Request)?;
        Ok(Root { requirement, named: true })
    }
}

/// The requirements of a file, and the constraints in it.
pub fn roots_of_file(path: &Path) -> Result<(Vec<Root>, Vec<Requirement>), ImportError> {
    let mut found = (Vec::new(), Vec::new());
    read(path, &mut found, 0)?;
    Ok(found)
}

type Found = (Vec<Root>, Vec<Requirement>);

fn read(path: &Path, found: &mut Found, depth: usize) -> Result<(), ImportError> {
    let bad = |reason: String| ImportError::Input { file: path.display().to_string(), reason };
    if depth > 20 {
        return Err(bad("files that name each other".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if !name.ends_with(".toml") && !name.ends_with(".lock") {
        return requirements_txt(path, &text, found, depth);
    }
    let table: toml::Table = toml::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let texts = if name == "uv.lock" {
        uv_lock(&table)
    } else if name.starts_with("pylock.") {
        pylock(&table)
    } else {
        project(&table)
    };
    for text in texts.ok_or_else(|| bad("it lists no requirements".to_owned()))? {
        let requirement = Requirement::parse(&text).map_err(bad)?;
        found.0.push(Root { requirement, named: name == "pyproject.toml" });
    }
    Ok(())
}

fn requirements_txt(path: &Path, text: &str, found: &mut Found, depth: usize) -> Result<(), ImportError> {
    let bad = |number: usize, reason: String| ImportError::Input {
        file: path.display().to_string(),
        reason: format!("line {number}: {reason}"),
    };
    let beside = |name: &str| path.parent().unwrap_or(Path::new(".")).join(name.trim());
    let mut whole = String::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        if let Some(front) = line.strip_suffix('\\') {
            whole.push_str(front);
            continue;
        }
        whole.push_str(line);
        let line = std::mem::take(&mut whole);
        let line = line.split(" #").next().unwrap_or_default().trim();
        // Hashes are the index's.
        let line = line.split(" --hash").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let option = |names: [&str; 2]| {
            names
                .into_iter()
                .find_map(|name| line.strip_prefix(name))
                .map(|rest| rest.trim_start_matches('='))
        };
        if let Some(other) = option(["--requirement", "-r"]) {
            read(&beside(other), found, depth + 1)?;
        } else if let Some(other) = option(["--constraint", "-c"]) {
            let mut inner = Found::default();
            read(&beside(other), &mut inner, depth + 1)?;
            found.1.extend(inner.0.into_iter().map(|root| root.requirement));
            found.1.extend(inner.1);
        } else if option(["--editable", "-e"]).is_some() || line.starts_with(['.', '/']) {
            return Err(bad(number, "a directory is no project of an index".to_owned()));
        } else if !line.starts_with('-') {
            let requirement = Requirement::parse(line).map_err(|reason| bad(number, reason))?;
            found.0.push(Root { requirement, named: true });
        }
    }
    Ok(())
}

fn project(table: &toml::Table) -> Option<Vec<String>> {
    let project = table.get("project")?.as_table()?;
    Some(texts(project.get("dependencies")))
}

/// Everything that a lock of PEP 751 has from an index.
fn pylock(table: &toml::Table) -> Option<Vec<String>> {
    let packages = table.get("packages")?.as_array()?;
    let pinned = |package: &toml::Value| {
        let (name, version) = (package.get("name")?.as_str()?, package.get("version")?.as_str()?);
        let marker = package.get("marker").and_then(toml::Value::as_str);
        Some(with_marker(&format!("{name}=={version}"), marker))
    };
    Some(packages.iter().filter_map(pinned).collect())
}

/// What the projects of a lock of uv need, each in the version that is locked.
fn uv_lock(table: &toml::Table) -> Option<Vec<String>> {
    let packages = table.get("package")?.as_array()?;
    let text =
        |package: &toml::Value, key: &str| package.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let from_index =
        |package: &&toml::Value| package.get("source").is_some_and(|source| source.get("registry").is_some());
    let version_of = |name: &str| {
        let mut versions = packages
            .iter()
            .filter(from_index)
            .filter(|package| text(package, "name").as_deref() == Some(name));
        let only = versions.next().and_then(|package| text(package, "version"));
        only.filter(|_| versions.next().is_none())
    };
    let mut found = Vec::new();
    for own in packages.iter().filter(|package| !from_index(package)) {
        for dependency in own.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten() {
            let Some(name) = text(dependency, "name") else { continue };
            let extras = texts(dependency.get("extra"));
            let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
            let version = text(dependency, "version")
                .or_else(|| version_of(&name))
                .map(|version| format!("=={version}"));
            let requirement = format!("{name}{extras}{}", version.unwrap_or_default());
            found.push(with_marker(&requirement, text(dependency, "marker").as_deref()));
        }
    }
    Some(found)
}

/// Every version that a lock pins, as constraints.
pub fn pins_of_lock(path: &Path) -> Vec<Requirement> {
    let table = std::fs::read_to_string(path).ok().and_then(|text| toml::from_str::<toml::Table>(&text).ok());
    let packages =
        table.as_ref().and_then(|table| table.get("package").or_else(|| table.get("packages"))?.as_array());
    let mut found: Vec<Requirement> = Vec::new();
    let mut twice: Vec<String> = Vec::new();
    for package in packages.into_iter().flatten() {
        let pair = package
            .get("name")
            .and_then(toml::Value::as_str)
            .zip(package.get("version").and_then(toml::Value::as_str));
        let local = package.get("source").is_some_and(|source| source.get("registry").is_none());
        let Some(Ok(pin)) =
            pair.filter(|_| !local).map(|(name, version)| Requirement::parse(&format!("{name}=={version}")))
        else {
            continue;
        };
        if found.iter().any(|known| known.name == pin.name) {
            twice.push(pin.name.clone());
        }
        found.push(pin);
    }
    // Of what is locked in several versions, markers choose: that is left to the requirements.
    found.retain(|pin| !twice.contains(&pin.name));
    found
}

fn with_marker(requirement: &str, marker: Option<&str>) -> String {
    match marker {
        Some(marker) => format!("{} ; {marker}", repaired(requirement)),
        None => requirement.to_owned(),
    }
}
