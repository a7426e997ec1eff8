//! Reads recipes that were written by an import, so that the file is its own lock.

use hpcl_lang::{
    datum::{Datum, DatumKind, list, named, string, symbol},
    reader,
    span::FileId,
};

use super::ImportError;

/// What a recipe says of where it comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The project, as its authors spell it.
    pub project: String,
    /// The version.
    pub version: String,
    /// The SHA-256 of its source, as written.
    pub sha256: String,
    /// What the user asked for when it was imported, if it was.
    pub requested: Option<String>,
    /// Whether it is made from a wheel.
    pub wheel: bool,
    /// Requirements of its build.
    pub build: Vec<String>,
    /// Requirements at run time.
    pub run_time: Vec<String>,
}

/// The recipes of a file that were imported from the index of Python packages.
pub fn written(file: &str, text: &str) -> Result<Vec<Written>, ImportError> {
    let (data, errors) = reader::read(FileId(0), text);
    if !errors.is_empty() {
        return Err(ImportError::Input {
            file: file.to_owned(),
            reason: "it cannot be read; `hpcl fmt` says where".to_owned(),
        });
    }
    Ok(data.iter().filter_map(of_definition).collect())
}

fn of_definition(datum: &Datum) -> Option<Written> {
    let ("define-public" | "define", rest) = named(datum)? else { return None };
    let ("package", fields) = named(rest.last()?)? else { return None };
    let field = |wanted: &str| fields.iter().filter_map(named).find(|(name, _)| *name == wanted)?.1.first();
    let mut found = Written { version: string(field("version")?)?, ..Written::default() };
    found.sha256 = base32(field("source")?).unwrap_or_default();
    let properties = list(list(field("properties")?)?.get(1)?)?;
    for property in properties {
        match &property.kind {
            DatumKind::Dotted(front, value) => match (symbol(front.first()?)?.as_str(), &value.kind) {
                ("upstream-name", DatumKind::String(text)) => found.project = text.to_string(),
                ("requested", DatumKind::String(text)) => found.requested = Some(text.to_string()),
                ("wheel?", DatumKind::Bool(wheel)) => found.wheel = *wheel,
                _ => {}
            },
            DatumKind::List(items) if symbol(items.first()?)?.as_str() == "requirements" => {
                for part in items.iter().skip(1).filter_map(named) {
                    let texts = part.1.iter().filter_map(string).collect();
                    match part.0 {
                        "build" => found.build = texts,
                        "run-time" => found.run_time = texts,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (!found.project.is_empty()).then_some(found)
}

/// The text in `(base32 …)` inside a form.
fn base32(datum: &Datum) -> Option<String> {
    let items = list(datum)?;
    if let Some(("base32", rest)) = named(datum) {
        return string(rest.first()?);
    }
    items.iter().find_map(base32)
}
