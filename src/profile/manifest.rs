//! What a profile holds, as it is written in its file `manifest`: Guix's format, version 4.
//!
//! ```text
//! (manifest (version 4) (packages ((NAME VERSION OUTPUT PATH (propagated-inputs (ENTRY …))
//!                                   (search-paths (SPEC …)) (properties (PROPERTY …))) …)))
//! ```
//!
//! It is enough to change the profile without the recipes that it was made from: what is not asked for stays what it is. Search
//! paths and properties are kept as data of the language; the field of an entry may be absent. Paths are canonical in memory and
//! local on disk.

use std::{collections::BTreeSet, fmt::Write as _, path::Path};

use hpcl_lang::{
    datum::{Datum, DatumKind, list, string, symbol},
    print, reader,
    span::FileId,
    symbol::Symbol,
};

use super::SearchPath;
use crate::store_path::StorePath;

/// The version of the format.
const VERSION: i64 = 4;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{path}` is not the manifest of a profile: {reason}")]
pub struct ManifestError {
    /// The file.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// An output of a package in a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The output.
    pub output: String,
    /// The item.
    pub item: StorePath,
    /// What it brings along.
    pub propagated: Vec<Entry>,
    /// Its search paths, each as it is written.
    pub search_paths: Vec<String>,
    /// Its properties, each as it is written.
    pub properties: Vec<String>,
}

/// What a profile holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What was asked for.
    pub entries: Vec<Entry>,
}

impl Entry {
    /// Returns `NAME@VERSION`, with the output where it is not the usual one.
    pub fn full_name(&self) -> String {
        let version = if self.version.is_empty() { String::new() } else { format!("@{}", self.version) };
        let output = if self.output == "out" { String::new() } else { format!(":{}", self.output) };
        format!("{}{version}{output}", self.name)
    }

    /// Returns the transformations that it was made with, as (option, value) pairs.
    pub fn transformations(&self) -> Vec<(String, String)> {
        let pair = |datum: &Datum| match &datum.kind {
            DatumKind::Dotted(items, value) => Some((symbol(items.first()?)?.to_string(), string(value)?)),
            _ => None,
        };
        let of = |property: &String| {
            let datum = read_one(property)?;
            let items = list(&datum)?;
            (symbol(items.first()?)?.as_str() == "transformations")
                .then(|| items.iter().skip(1).filter_map(pair).collect::<Vec<_>>())
        };
        self.properties.iter().find_map(of).unwrap_or_default()
    }

    /// Whether it is the same output of a package of the same name as another.
    pub fn is_same_place(&self, other: &Entry) -> bool {
        self.name == other.name && self.output == other.output
    }
}

impl Manifest {
    /// Reads the text of a manifest; `item` returns the item that a path on this disk is.
    ///
    /// # Errors
    /// [`ManifestError`] when it is none.
    pub fn parse(
        path: &Path,
        text: &str,
        item: &impl Fn(&str) -> Option<StorePath>,
    ) -> Result<Manifest, ManifestError> {
        let wrong =
            |reason: &str| ManifestError { path: path.display().to_string(), reason: reason.to_owned() };
        let (data, errors) = reader::read(FileId(0), text);
        if !errors.is_empty() {
            return Err(wrong("it cannot be read"));
        }
        let items = data.first().and_then(list).ok_or_else(|| wrong("it has no list"))?;
        if items.first().and_then(symbol).map(Symbol::as_str) != Some("manifest") {
            return Err(wrong("it does not begin with `(manifest`; `hpcl install` makes profiles that do"));
        }
        let version =
            field(items, "version").and_then(|value| match value.first().map(|datum| &datum.kind) {
                Some(DatumKind::Int(number)) => Some(*number),
                _ => None,
            });
        if version != Some(VERSION) {
            return Err(wrong("its version is not 4"));
        }
        let rows = field(items, "packages").and_then(|rest| list(rest.first()?));
        let entries = rows.unwrap_or_default().iter().map(|row| entry(row, item)).collect::<Option<Vec<_>>>();
        Ok(Manifest {
            entries: entries.ok_or_else(|| wrong("one of its packages is not described as it should be"))?,
        })
    }

    /// Writes it with the paths that `place` gives.
    pub fn to_text(&self, place: &impl Fn(&StorePath) -> String) -> String {
        let mut text = format!("(manifest\n (version {VERSION})\n (packages\n  (");
        for (number, entry) in self.entries.iter().enumerate() {
            if number > 0 {
                text.push_str("\n   ");
            }
            write_entry(&mut text, entry, place);
        }
        text.push_str(")))\n");
        text
    }

    /// Returns all entries, those that others bring along too, each item once.
    pub fn transitive(&self) -> Vec<&Entry> {
        fn add<'a>(entries: &'a [Entry], seen: &mut BTreeSet<&'a StorePath>, found: &mut Vec<&'a Entry>) {
            for entry in entries {
                if seen.insert(&entry.item) {
                    found.push(entry);
                    add(&entry.propagated, seen, found);
                }
            }
        }
        let mut found = Vec::new();
        add(&self.entries, &mut BTreeSet::new(), &mut found);
        found
    }

    /// Returns the search paths of all entries as they are written, each once.
    pub fn search_path_texts(&self) -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let all = self.transitive().into_iter().flat_map(|entry| &entry.search_paths).map(String::as_str);
        all.filter(|text| seen.insert(*text)).collect()
    }

    /// Returns the search paths of all entries, programs first.
    pub fn search_paths(&self) -> Vec<SearchPath> {
        let mut paths = vec![SearchPath::programs()];
        for path in self.search_path_texts().into_iter().filter_map(|text| search_path(&read_one(text)?)) {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
        paths
    }

    /// Returns the first two different items that would be at one place, each with what brings it along.
    pub fn clash(&self) -> Option<Clash> {
        fn walk<'a>(
            entries: &'a [Entry],
            through: &mut Vec<&'a Entry>,
            seen: &mut Vec<(&'a Entry, Vec<String>)>,
        ) -> Option<Clash> {
            for entry in entries {
                let way: Vec<String> = through.iter().map(|user| user.full_name()).collect();
                match seen.iter().find(|(other, _)| other.is_same_place(entry)) {
                    Some((other, _)) if other.item == entry.item => continue,
                    Some((other, first)) => {
                        return Some(Clash {
                            one: (other.full_name(), other.item.clone(), first.clone()),
                            other: (entry.full_name(), entry.item.clone(), way),
                        });
                    }
                    None => seen.push((entry, way)),
                }
                through.push(entry);
                let found = walk(&entry.propagated, through, seen);
                through.pop();
                if found.is_some() {
                    return found;
                }
            }
            None
        }
        walk(&self.entries, &mut Vec::new(), &mut Vec::new())
    }
}

/// Two items that cannot be in one profile: the name, the item, and what it is brought along by, from the outside in.
#[derive(Debug, PartialEq, Eq)]
pub struct Clash {
    /// The one.
    pub one: (String, StorePath, Vec<String>),
    /// The other.
    pub other: (String, StorePath, Vec<String>),
}

fn write_entry(text: &mut String, entry: &Entry, place: &impl Fn(&StorePath) -> String) {
    let quoted = |part: &str| print::write(&hpcl_lang::value::Value::string(part));
    let (name, version, output) = (quoted(&entry.name), quoted(&entry.version), quoted(&entry.output));
    let _ = write!(text, "({name} {version} {output} {}", quoted(&place(&entry.item)));
    if !entry.propagated.is_empty() {
        text.push_str(" (propagated-inputs (");
        entry.propagated.iter().for_each(|inner| write_entry(text, inner, place));
        text.push_str("))");
    }
    for (name, data) in [("search-paths", &entry.search_paths), ("properties", &entry.properties)] {
        if !data.is_empty() {
            let _ = write!(text, " ({name} ({}))", data.join(" "));
        }
    }
    text.push(')');
}

fn entry(row: &Datum, item: &impl Fn(&str) -> Option<StorePath>) -> Option<Entry> {
    let parts = list(row)?;
    let text = |at: usize| string(parts.get(at)?);
    let data = |name: &str| -> &[Datum] {
        field(parts, name).and_then(|rest| list(rest.first()?)).unwrap_or_default()
    };
    let written = |name: &str| data(name).iter().map(print::write_datum).collect();
    Some(Entry {
        name: text(0)?,
        version: text(1)?,
        output: text(2)?,
        item: item(&text(3)?)?,
        propagated: data("propagated-inputs").iter().map(|row| entry(row, item)).collect::<Option<_>>()?,
        search_paths: written("search-paths"),
        properties: written("properties"),
    })
}

/// Reads a search path: `(VARIABLE (FILE …) SEPARATOR TYPE PATTERN)`.
fn search_path(datum: &Datum) -> Option<SearchPath> {
    let parts = list(datum)?;
    Some(SearchPath {
        variable: string(parts.first()?)?,
        files: list(parts.get(1)?)?.iter().filter_map(string).collect(),
        separator: parts.get(2).and_then(string),
        directories: parts.get(3).and_then(symbol).map(Symbol::as_str) != Some("regular"),
    })
}

fn read_one(text: &str) -> Option<Datum> {
    reader::read(FileId(0), text).0.into_iter().next()
}

/// What follows the name in the list among `items` that begins with it.
fn field<'a>(items: &'a [Datum], name: &str) -> Option<&'a [Datum]> {
    let named = |datum: &&Datum| {
        list(datum).and_then(|inner| symbol(inner.first()?)).is_some_and(|symbol| symbol.as_str() == name)
    };
    items.iter().find(named).and_then(list).and_then(|inner| inner.get(1..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> StorePath {
        StorePath::parse(&format!("0c6kzph7l0dcbfmjap64f0czdafn3b7x-{name}")).unwrap()
    }

    fn plain(name: &str, version: &str) -> Entry {
        Entry {
            name: name.into(),
            version: version.into(),
            output: "out".into(),
            item: item(&format!("{name}-{version}")),
            propagated: Vec::new(),
            search_paths: Vec::new(),
            properties: Vec::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut mpi = plain("openmpi", "4.1.4");
        mpi.propagated = vec![plain("hwloc", "2.9"), Entry { output: "lib".into(), ..plain("hwloc", "2.9") }];
        mpi.search_paths = vec![r#"("C_INCLUDE_PATH" ("include") ":" directory #f)"#.into()];
        mpi.properties = vec![
            r#"(transformations (with-input . "a=b\"c") (without-tests . "x"))"#.into(),
            "(other 1)".into(),
        ];
        let manifest = Manifest { entries: vec![mpi, plain("hello", "2.10")] };
        let text = manifest.to_text(&|item| format!("/store/{item}"));
        let of = |path: &str| StorePath::parse(path.strip_prefix("/store/")?).ok();
        let again = Manifest::parse(Path::new("manifest"), &text, &of).unwrap();
        assert_eq!(again, manifest, "{text}");
        let first = again.entries.first().unwrap();
        let options = [("with-input".into(), "a=b\"c".into()), ("without-tests".into(), "x".into())];
        assert_eq!(first.transformations(), options);
        assert_eq!(again.search_paths().last().unwrap().variable, "C_INCLUDE_PATH");
        assert_eq!(again.transitive().len(), 3, "equal items are counted once");
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let none = |_: &str| None;
        for text in [
            "",
            "hello 1 out\n",
            "(manifest (version 3) (packages ()))",
            "(manifest",
            "(manifest (version 4) (packages ((1))))",
        ] {
            assert!(Manifest::parse(Path::new("m"), text, &none).is_err(), "{text}");
        }
        assert!(Manifest::parse(Path::new("m"), "(manifest (version 4) (packages ()))", &none).is_ok());
    }

    #[test]
    fn different_items_of_one_name_clash_also_below_others() {
        let mut one = plain("a", "1");
        one.propagated = vec![plain("lib", "1")];
        let mut other = plain("b", "1");
        other.propagated = vec![plain("lib", "2")];
        let clash = Manifest { entries: vec![one.clone(), other] }.clash().unwrap();
        assert_eq!((clash.one.0.as_str(), clash.one.2), ("lib@1", vec!["a@1".to_owned()]));
        assert_eq!((clash.other.0.as_str(), clash.other.2), ("lib@2", vec!["b@1".to_owned()]));
        let mut same = plain("c", "1");
        same.propagated = vec![plain("lib", "1")];
        assert_eq!(Manifest { entries: vec![one, same] }.clash(), None);
    }
}
