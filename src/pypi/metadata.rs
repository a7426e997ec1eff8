//! Core metadata of a distribution (`METADATA`, `PKG-INFO`): header fields as in mail, then a description.
//!
//! Field names are compared without case; a line that begins with white space goes on with the field before it. Header fields
//! must be UTF-8, since versions and requirements come from them; in the description what is not UTF-8 is replaced.

use serde::{Deserialize, Serialize};

use super::error::PypiError;

/// What a distribution says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The version of the format, as written.
    pub metadata_version: String,
    /// The project's name, as written.
    pub name: String,
    /// The version, as written.
    pub version: String,
    /// The requirements at run time, as written.
    pub requires_dist: Vec<String>,
    /// The versions of Python that it is for, as written.
    pub requires_python: Option<String>,
    /// The extras that it has.
    pub provides_extra: Vec<String>,
    /// The fields that only a build knows (of source distributions).
    pub dynamic: Vec<String>,
    /// One line on what it is.
    pub summary: Option<String>,
    /// More on it.
    pub description: String,
    /// Where to read about it.
    pub home_page: Option<String>,
    /// Other addresses, each with its label.
    pub project_urls: Vec<(String, String)>,
    /// The licence in any words.
    pub license: Option<String>,
    /// The licence as an SPDX expression.
    pub license_expression: Option<String>,
    /// The classifiers.
    pub classifiers: Vec<String>,
}

impl Metadata {
    /// Reads metadata; `file` is what messages call it.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Metadata, PypiError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (head, body) = split(bytes);
        let head = std::str::from_utf8(head).map_err(|error| {
            PypiError::content(file, format!("not UTF-8 at byte {}", error.valid_up_to()))
        })?;
        let mut metadata =
            Metadata { description: String::from_utf8_lossy(body).into_owned(), ..Metadata::default() };
        for (name, value) in fields(head) {
            metadata.set(&name, value);
        }
        if metadata.name.is_empty() || metadata.version.is_empty() {
            return Err(PypiError::content(file, "it lacks `Name` or `Version`, so it is no metadata"));
        }
        Ok(metadata)
    }

    fn set(&mut self, name: &str, value: String) {
        if value.is_empty() || value == "UNKNOWN" {
            return;
        }
        match name {
            "metadata-version" => self.metadata_version = value,
            "name" => self.name = value,
            "version" => self.version = value,
            "requires-dist" => self.requires_dist.push(value),
            "requires-python" => self.requires_python = Some(value),
            "provides-extra" => self.provides_extra.push(value),
            "dynamic" => self.dynamic.push(value.to_lowercase()),
            "summary" => self.summary = Some(value),
            // Older metadata have it in the header, each line behind seven spaces and a bar.
            "description" => {
                let lines: Vec<&str> =
                    value.lines().map(|line| line.trim_start_matches("       |")).collect();
                self.description = lines.join("\n");
            }
            "home-page" => self.home_page = Some(value),
            "project-url" => {
                if let Some((label, url)) = value.split_once(',') {
                    self.project_urls.push((label.trim().to_owned(), url.trim().to_owned()));
                }
            }
            "license" => self.license = Some(value),
            "license-expression" => self.license_expression = Some(value),
            "classifier" => self.classifiers.push(value),
            _ => {}
        }
    }

    /// Whether its requirements hold for every build of it: always for wheels; for sources from version 2.2 of the format on, unless
    /// they are called dynamic.
    pub fn is_static(&self) -> bool {
        let version: Vec<u32> =
            self.metadata_version.split('.').filter_map(|part| part.parse().ok()).collect();
        version >= vec![2, 2]
            && !self.dynamic.iter().any(|field| field == "requires-dist" || field == "provides-extra")
    }
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let find = |end: &[u8]| memchr::memmem::find(bytes, end).map(|at| (at, at + end.len()));
    let end = [find(b"\n\n"), find(b"\r\n\r\n")].into_iter().flatten().min();
    match end {
        Some((at, behind)) => (bytes.get(..at).unwrap_or(bytes), bytes.get(behind..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

fn fields(head: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = found.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            found.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

/// Reads the requirements of an `*.egg-info/requires.txt` as metadata would have them.
///
/// Sections are `[extra]`, `[:marker]` or `[extra:marker]`.
pub fn requirements_of_egg(text: &str) -> Vec<String> {
    let mut condition = String::new();
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let (extra, marker) = section.split_once(':').unwrap_or((section, ""));
            let mut parts = Vec::new();
            if !marker.trim().is_empty() {
                parts.push(if extra.is_empty() {
                    marker.trim().to_owned()
                } else {
                    format!("({})", marker.trim())
                });
            }
            if !extra.is_empty() {
                parts.push(format!("extra == \"{extra}\""));
            }
            condition = parts.join(" and ");
        } else if condition.is_empty() {
            found.push(line.to_owned());
        } else {
            let space = if line.contains('@') { " " } else { "" };
            found.push(format!("{line}{space}; {condition}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read() {
        let text = "Metadata-Version: 2.1\nName: a\nVersion: 1.0\nLicense: MIT\n        and more\nRequires-Dist: b>1; extra == 'x'\n\
                    requires-dist: c\nProject-URL: Home, https://a.example\nKeywords: UNKNOWN\n\nText\n\nmore \u{e9}\n";
        let read = Metadata::parse("METADATA", text.as_bytes()).unwrap();
        assert_eq!(read.requires_dist, ["b>1; extra == 'x'", "c"]);
        assert_eq!(read.description, "Text\n\nmore \u{e9}\n");
        assert_eq!(read.project_urls, [("Home".to_owned(), "https://a.example".to_owned())]);
        assert!(!read.is_static());
        let newer = text.replace("2.1", "2.4");
        assert!(Metadata::parse("METADATA", newer.as_bytes()).unwrap().is_static());
        let dynamic = newer.replace("Name:", "Dynamic: Requires-Dist\nName:");
        assert!(!Metadata::parse("METADATA", dynamic.as_bytes()).unwrap().is_static());
    }

    #[test]
    fn bad_metadata_are_refused() {
        let error = Metadata::parse("a.whl", b"Name: a\xff\nVersion: 1\n\nx").unwrap_err().to_string();
        assert_eq!(error, "`a.whl`: not UTF-8 at byte 7");
        assert!(
            Metadata::parse("a.whl", b"Name: a\nVersion: 1\n\n\xff")
                .unwrap()
                .description
                .contains('\u{fffd}')
        );
        assert!(Metadata::parse("a.whl", b"<html>").unwrap_err().to_string().contains("lacks `Name`"));
    }

    #[test]
    fn sections_of_eggs_become_markers() {
        let text = "a>=1\n\n[:python_version < \"3\"]\nb\n\n[x]\nc\n\n[x:sys_platform == \"win32\"]\nd\n";
        assert_eq!(
            requirements_of_egg(text),
            [
                "a>=1",
                "b; python_version < \"3\"",
                "c; extra == \"x\"",
                "d; (sys_platform == \"win32\") and extra == \"x\""
            ]
        );
    }
}
