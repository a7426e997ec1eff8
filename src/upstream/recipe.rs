//! Puts another version into the text of a recipe: its version, its hash, and what names the version literally.
//!
//! Only strings are replaced; all else, comments and layout, stays as it was written.

use hpcl_lang::{
    datum::{Datum, DatumKind, list, symbol},
    reader,
    span::{FileId, Span},
};

use super::version::at_version;
use crate::hash::{Algorithm, Digest};

/// What becomes what.
#[derive(Debug, Clone)]
pub struct Change {
    /// The versions.
    pub version: (String, String),
    /// The hashes of the source.
    pub hash: (Digest, Digest),
    /// The commits, of a source that names one.
    pub commit: Option<(String, String)>,
}

/// Why a recipe was not changed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RecipeError {
    /// The file has an error.
    #[error("it cannot be read; `hpcl fmt` says where")]
    Syntax,
    /// There is no definition at the place.
    #[error("there is no definition at line {0}")]
    NoDefinition(u32),
    /// It names the crates of its `Cargo.lock`, which a new version has others of.
    #[error("its `#:crates` belong to the version that it has; `hpcl import pypi --update FILE` renews both")]
    Crates,
    /// Something is computed, or comes from another package.
    #[error("the {0} is not written in the definition")]
    NotWritten(&'static str),
}

/// The text of a file whose definition at a line, from 1, has another version.
///
/// # Errors
/// [`RecipeError`].
pub fn at_change(text: &str, line: u32, change: &Change) -> Result<String, RecipeError> {
    let (data, errors) = reader::read(FileId(0), text);
    if !errors.is_empty() {
        return Err(RecipeError::Syntax);
    }
    let skipped = line.saturating_sub(1) as usize;
    let start: usize = text.split_inclusive('\n').take(skipped).map(str::len).sum();
    let end = start + text.get(start..).and_then(|rest| rest.lines().next()).map_or(0, str::len);
    let covers = |span: &Span| (span.start as usize) <= end && (span.end as usize) > start;
    let definition = data.iter().find(|datum| covers(&datum.span));
    let definition = definition.ok_or(RecipeError::NoDefinition(line))?;
    let written = text.get(definition.span.start as usize..definition.span.end as usize).unwrap_or_default();
    if written.contains("#:crates") {
        return Err(RecipeError::Crates);
    }
    let mut edits = Edits { change, found: Vec::new(), version: false, hash: false };
    edits.visit(definition, &[]);
    if !edits.version {
        return Err(RecipeError::NotWritten("version"));
    }
    if !edits.hash {
        return Err(RecipeError::NotWritten("hash of the source"));
    }
    edits.found.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, new) in &edits.found {
        text.replace_range(span.start as usize..span.end as usize, &format!("\"{new}\""));
    }
    Ok(text)
}

struct Edits<'a> {
    change: &'a Change,
    found: Vec<(Span, String)>,
    version: bool,
    hash: bool,
}

impl Edits<'_> {
    /// Looks at a form inside forms whose heads are given, the innermost last.
    fn visit(&mut self, datum: &Datum, heads: &[&str]) {
        match &datum.kind {
            DatumKind::String(text) => self.string(datum.span, text, heads),
            DatumKind::List(items) => {
                let head = items.first().and_then(symbol).map(|name| name.as_str());
                let heads: Vec<&str> = heads.iter().copied().chain(head).collect();
                // What replaces this package, or is inherited by another, has a version of its own.
                let is_other = |item: &Datum| {
                    let head = list(item).and_then(|items| symbol(items.first()?));
                    head.is_some_and(|head| matches!(head.as_str(), "replacement" | "properties"))
                };
                items.iter().filter(|item| !is_other(item)).for_each(|item| self.visit(item, &heads));
            }
            DatumKind::Dotted(items, tail) => {
                items.iter().for_each(|item| self.visit(item, heads));
                self.visit(tail, heads);
            }
            DatumKind::Vector(items) => items.iter().for_each(|item| self.visit(item, heads)),
            _ => {}
        }
    }

    fn string(&mut self, span: Span, text: &str, heads: &[&str]) {
        let Change { version: (old, new), hash: (old_hash, new_hash), commit } = self.change;
        let head = heads.last().copied().unwrap_or_default();
        if text == old && head == "version" {
            self.version = true;
            self.found.push((span, new.clone()));
        } else if let Some((_, new)) = commit.as_ref().filter(|(old, _)| text == old) {
            self.found.push((span, new.clone()));
        } else if decoded(text, old_hash.algorithm(), head).as_ref() == Some(old_hash) {
            self.hash = true;
            self.found.push((span, encoded_as(text, new_hash, head)));
        } else if heads.iter().any(|head| matches!(*head, "source" | "origin" | "uri" | "commit"))
            && let Some(other) = at_version(text, old, new)
        {
            self.found.push((span, other));
        }
    }
}

/// The digest that a text in a form says.
fn decoded(text: &str, algorithm: Algorithm, head: &str) -> Option<Digest> {
    match head {
        "base64" => Digest::parse(&format!("{}-{text}", algorithm.name())).ok(),
        _ => Digest::parse_as(algorithm, text).ok(),
    }
}

/// A digest, written as another one is.
fn encoded_as(text: &str, digest: &Digest, head: &str) -> String {
    let sri = digest.to_sri();
    if head == "base64" {
        return sri.split_once('-').map_or(sri.clone(), |(_, value)| value.to_owned());
    }
    if text.contains('-') {
        return sri;
    }
    match text.len() {
        length if length == digest.to_base16().len() => digest.to_base16(),
        _ => digest.to_base32(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Change {
        Change {
            version: ("1.2.0".into(), "1.10.0".into()),
            hash: (Digest::sha256(b"old"), Digest::sha256(b"new")),
            commit: Some(("a".repeat(40), "b".repeat(40))),
        }
    }

    #[test]
    fn only_what_names_the_version_changes() {
        let (old, new) = (Digest::sha256(b"old"), Digest::sha256(b"new"));
        let text = |version: &str, uri: &str, hash: &str, commit: &str| {
            format!(
                r#"(define other "1.2.0")   ; stays
(define-public tool
  (package
    (name "tool")   ;a remark
    (version "{version}")
    (source (origin (uri (list "https://x/{uri}/tool.tgz" (string-append "mirror://" version)))
                    (commit "{commit}")
                    (sha256 (base32 "{hash}"))))
    (synopsis "What 1.2.0 was")
    (properties '((old "1.2.0")))))
"#
            )
        };
        let before = text("1.2.0", "v1.2", &old.to_base32(), &"a".repeat(40));
        for line in [2, 3, 5, 10] {
            let after = at_change(&before, line, &change()).unwrap();
            assert_eq!(after, text("1.10.0", "v1.2", &new.to_base32(), &"b".repeat(40)));
        }
        let named = text("1.2.0", "1.2.0/tool_1_2_0", &old.to_base16(), "x");
        let wanted = text("1.10.0", "1.10.0/tool_1_10_0", &new.to_base16(), "x");
        assert_eq!(at_change(&named, 3, &change()).unwrap(), wanted);
        assert_eq!(at_change(&before, 1, &change()), Err(RecipeError::NotWritten("version")));
        assert_eq!(at_change(&before, 40, &change()), Err(RecipeError::NoDefinition(40)));
        assert_eq!(at_change("(", 1, &change()), Err(RecipeError::Syntax));
        let rust = before.replace("(synopsis", "(arguments (list #:crates '(\"a 1.0.0 0f\"))) (synopsis");
        assert_eq!(at_change(&rust, 3, &change()), Err(RecipeError::Crates));
        let other = text("1.2.0", "v1.2", &new.to_base32(), "x");
        assert_eq!(at_change(&other, 3, &change()), Err(RecipeError::NotWritten("hash of the source")));
    }

    #[test]
    fn hashes_keep_their_spelling() {
        let digest = Digest::sha256(b"new");
        let value = digest.to_sri();
        let value = value.strip_prefix("sha256-").unwrap();
        for (spelling, head, wanted) in [
            (Digest::sha256(b"old").to_sri(), "content-hash", digest.to_sri()),
            (Digest::sha256(b"old").to_sri().replace("sha256-", ""), "base64", value.to_owned()),
            (Digest::sha256(b"old").to_base16(), "base16", digest.to_base16()),
        ] {
            let text = format!("(define-public a (package (version \"1.2.0\") ({head} \"{spelling}\")))");
            let after = at_change(&text, 1, &change()).unwrap();
            assert!(after.contains(&format!("({head} \"{wanted}\")")), "{after}");
        }
    }
}
