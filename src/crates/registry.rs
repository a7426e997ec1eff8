//! A registry: where it has the file of a crate.
//!
//! A sparse index says in its `config.json` at which address files lie (`dl`), with markers for name, version and checksum in it or a path
//! behind it, and whether it wants a token (`auth-required`). <https://doc.rust-lang.org/cargo/reference/registry-index.html>

use serde::Deserialize;

use super::config::{Configuration, Place};
use super::error::RegistryError;

/// The addresses of a registry's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// The address of files, with markers in it.
    template: String,
    /// Whether the token is to be sent.
    pub wants_token: bool,
}

/// `config.json` of an index.
#[derive(Deserialize)]
struct Index {
    dl: String,
    #[serde(default, rename = "auth-required")]
    auth_required: bool,
}

impl Registry {
    /// The registry at a place; `read` fetches `config.json` of a sparse index, or says why that cannot be.
    pub fn open(
        place: &Place,
        read: impl FnOnce(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Registry, RegistryError> {
        let index = match place {
            Place::Template(template) => {
                return Ok(Registry { template: template.clone(), wants_token: false });
            }
            Place::Directory(folder) => {
                let template = format!("file://{}/{{crate}}-{{version}}.crate", folder.display());
                return Ok(Registry { template, wants_token: false });
            }
            Place::Sparse(index) => index,
        };
        let shown = crate::pypi::redacted(index);
        let failed = |reason: String| RegistryError::Index { index: shown.clone(), reason };
        let content = read(&format!("{index}config.json")).map_err(failed)?;
        let found: Index = serde_json::from_slice(&content)
            .map_err(|error| failed(format!("its `config.json` is not what it should be ({error})")))?;
        let mut template = found.dl;
        if !template.contains('{') {
            template = format!("{}/{{crate}}/{{version}}/download", template.trim_end_matches('/'));
        }
        Ok(Registry { template, wants_token: found.auth_required })
    }

    /// The address of a crate's file.
    pub fn address(&self, name: &str, version: &str, checksum: &str) -> String {
        self.template
            .replace("{crate}", name)
            .replace("{version}", version)
            .replace("{prefix}", &prefix(name))
            .replace("{lowerprefix}", &prefix(&name.to_lowercase()))
            .replace("{sha256-checksum}", checksum)
    }
}

impl Configuration {
    /// The value of `Authorization` for a registry that wants one.
    pub fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(|token| token.0.clone())
    }
}

/// The directory of an index in which a crate has its file.
fn prefix(name: &str) -> String {
    let part = |from: usize, to: usize| name.get(from..to).unwrap_or_default();
    match name.len() {
        0..=2 => name.len().to_string(),
        3 => format!("3/{}", part(0, 1)),
        _ => format!("{}/{}", part(0, 2), part(2, 4)),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn sparse(config: &'static str) -> Result<Registry, RegistryError> {
        let place = Place::Sparse(Url::parse("https://me:secret@r.example/i/").unwrap());
        Registry::open(&place, |url| {
            assert_eq!(url, "https://me:secret@r.example/i/config.json");
            Ok(config.into())
        })
    }

    #[test]
    fn addresses_are_made_as_cargo_makes_them() {
        let plain = sparse("{\"dl\": \"https://f.example/api/\", \"api\": null}").unwrap();
        assert_eq!(plain.address("a-b", "1.0.0+x", "0f"), "https://f.example/api/a-b/1.0.0+x/download");
        let marked = sparse(
            "{\"dl\": \"https://f.example/{prefix}/{lowerprefix}/{crate}-{version}/{sha256-checksum}\", \"auth-required\": true}",
        )
        .unwrap();
        assert!(marked.wants_token && !plain.wants_token);
        assert_eq!(marked.address("Serde", "1.0.0", "0f"), "https://f.example/Se/rd/se/rd/Serde-1.0.0/0f");
        assert_eq!((prefix("a"), prefix("ab"), prefix("abc")), ("1".into(), "2".into(), "3/a".into()));
        let local = Registry::open(&Place::Directory("/srv/crates".into()), |_| Err(String::new())).unwrap();
        assert_eq!(local.address("a", "1.0.0", ""), "file:///srv/crates/a-1.0.0.crate");
    }

    #[test]
    fn an_index_that_is_none_is_named_without_its_secrets() {
        for config in ["<html>", "{}"] {
            let error = sparse(config).unwrap_err().to_string();
            assert!(error.contains("https://r.example/i/ does not tell"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
