//! Recipes from descriptions in JSON, with the fields that Guix's importer knows.
//!
//! ```json
//! {"name": "hello", "version": "2.12", "source": {"uri": "mirror://gnu/hello/hello-2.12.tar.gz", "sha256": {"base32": "…"}},
//!  "build-system": "gnu", "native-inputs": ["pkgconf"], "home-page": "…", "synopsis": "…", "description": "…", "license": "GPL-3.0-or-later"}
//! ```
//! One description or a list of them; `inputs` are names of packages of channels or of the same file.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    ImportError, Imported, Importer, Origin, Provided, Recipe, Reference, license_expression, recipe::quoted,
    words,
};
use crate::hash::Digest;

/// Makes recipes of a text in JSON.
pub struct JsonImporter {
    /// What messages call the text.
    pub file: String,
    /// The text.
    pub text: String,
    /// What the channels have.
    pub packages: Vec<Provided>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Descriptions {
    Many(Vec<Description>),
    One(Box<Description>),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Description {
    name: String,
    version: String,
    source: Option<Source>,
    build_system: String,
    #[serde(default)]
    native_inputs: Vec<String>,
    #[serde(default)]
    inputs: Vec<String>,
    #[serde(default)]
    propagated_inputs: Vec<String>,
    home_page: Option<String>,
    #[serde(default)]
    synopsis: String,
    #[serde(default)]
    description: String,
    license: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    uri: String,
    sha256: Hash,
    #[serde(default)]
    method: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Hash {
    Text(String),
    Base32 { base32: String },
}

impl Importer for JsonImporter {
    fn place(&self) -> &'static str {
        "JSON"
    }

    fn import(&self) -> Result<Imported, ImportError> {
        let bad = |reason: String| ImportError::Input { file: self.file.clone(), reason };
        // Read twice, since a choice between two forms says nothing of what is wrong with either.
        let value: serde_json::Value =
            serde_json::from_str(&self.text).map_err(|error| bad(error.to_string()))?;
        let list = match value.is_array() {
            true => serde_json::from_value::<Vec<Description>>(value).map(Descriptions::Many),
            false => serde_json::from_value::<Description>(value).map(|one| Descriptions::One(Box::new(one))),
        };
        let list = match list.map_err(|error| bad(error.to_string()))? {
            Descriptions::Many(list) => list,
            Descriptions::One(one) => vec![*one],
        };
        let own: BTreeSet<String> = list.iter().map(|description| description.name.clone()).collect();
        let recipes =
            list.into_iter().map(|description| self.recipe(description, &own)).collect::<Result<_, _>>()?;
        Ok(Imported { recipes, notes: Vec::new() })
    }
}

impl JsonImporter {
    fn recipe(&self, description: Description, own: &BTreeSet<String>) -> Result<Recipe, ImportError> {
        let name = description.name.clone();
        let bad = |reason: String| ImportError::Input {
            file: self.file.clone(),
            reason: format!("`{name}`: {reason}"),
        };
        let references = |names: &[String]| -> Result<Vec<(Reference, Option<String>)>, ImportError> {
            names.iter().map(|wanted| Ok((self.reference(wanted, own).map_err(bad)?, None))).collect()
        };
        let origin = match &description.source {
            None => None,
            Some(source) => {
                if source.method.as_deref().is_some_and(|method| method != "url-fetch") {
                    return Err(bad("only sources of the method `url-fetch` are imported".to_owned()));
                }
                let hash = match &source.sha256 {
                    Hash::Text(text) | Hash::Base32 { base32: text } => text,
                };
                let digest = Digest::parse(&format!("sha256:{}", hash.trim_start_matches("sha256:")));
                let digest = digest.map_err(|error| bad(format!("the hash of its source: {error}")))?;
                Some(Origin { uri: address(&source.uri, &description.version), sha256: digest.to_base32() })
            }
        };
        let system = description.build_system.trim_end_matches("-build-system").to_owned();
        if !system.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
            return Err(bad(format!("`{system}` is no build system")));
        }
        let license = match &description.license {
            None => ("#f".to_owned(), None),
            Some(text) => match license_expression(Some(text), &[], Some(text)) {
                Some(expression) => (expression, None),
                None => ("#f".to_owned(), Some(format!("it says: {text}"))),
            },
        };
        Ok(Recipe {
            variable: description.name.clone(),
            name: description.name,
            version: description.version,
            origin,
            build_system: (format!("{system}-build-system"), format!("(hpcl build-system {system})")),
            native_inputs: references(&description.native_inputs)?,
            inputs: references(&description.inputs)?,
            propagated_inputs: references(&description.propagated_inputs)?,
            home_page: description.home_page,
            synopsis: words::synopsis(&name, &description.synopsis),
            description: words::description(&name, &description.description, &description.synopsis),
            license,
            ..Recipe::default()
        })
    }

    fn reference(&self, wanted: &str, own: &BTreeSet<String>) -> Result<Reference, String> {
        if own.contains(wanted) {
            return Ok(Reference { variable: wanted.to_owned(), module: None });
        }
        let found = self.packages.iter().find(|package| package.name == wanted);
        found
            .map(|package| Reference {
                variable: package.variable.clone(),
                module: Some(package.module.clone()),
            })
            .ok_or_else(|| {
                let names = self.packages.iter().map(|package| package.name.as_str());
                match crate::editor::closest(wanted, names) {
                    Some(near) => format!("its input `{wanted}` is no package; did you mean `{near}`?"),
                    None => format!("its input `{wanted}` is no package"),
                }
            })
    }
}

/// An expression for an address that names the version.
fn address(uri: &str, version: &str) -> String {
    match uri.split_once(version).filter(|_| !version.is_empty()) {
        Some((front, back)) if !back.contains(version) && !front.is_empty() && !back.is_empty() => {
            format!("(string-append {} version {})", quoted(front), quoted(back))
        }
        _ => quoted(uri),
    }
}
