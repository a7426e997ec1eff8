//! What differs in two derivations themselves, apart from what follows from their inputs.
//!
//! Paths of the store stand in texts as characters of a private plane while they are compared: one character for both
//! members of a pair. Afterwards they are shown by name, as `<zlib-1.3>`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use litemap::LiteMap;
use serde::Serialize;

use super::{Lookup, same_outputs};
use crate::{
    derivation::{Bytes, Derivation},
    store_path::{StoreDir, StorePath},
};

/// The first of the characters that stand for paths: a private plane with room for 65,534 of them.
const FIRST: u32 = 0xF_0000;
/// The number of base-32 digits before an item's name.
const DIGITS: usize = 32;

/// One difference. Texts show the paths of the store by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Own {
    /// The name.
    Name {
        /// The old one.
        old: String,
        /// The new one.
        new: String,
    },
    /// What comes out: names of outputs, or the promised hash of a fixed one.
    Outputs {
        /// The old ones.
        old: String,
        /// The new ones.
        new: String,
    },
    /// An input that only one has; both, when one stands in the other's place.
    Input {
        /// The old one.
        old: Option<StorePath>,
        /// The new one.
        new: Option<StorePath>,
    },
    /// A text or file that is read as it is.
    Source {
        /// The old one.
        old: Option<StorePath>,
        /// The new one.
        new: Option<StorePath>,
    },
    /// A variable of the environment; also `system`, `builder` and `arguments`.
    Variable {
        /// Its name.
        name: String,
        /// The old value.
        old: Option<String>,
        /// The new value.
        new: Option<String>,
    },
}

/// What a comparison of two derivations gives.
pub(super) struct Compared {
    pub own: Vec<Own>,
    /// Inputs in each other's place whose outputs differ.
    pub inputs: Vec<(StorePath, StorePath)>,
}

/// The paths of one side: their characters and the names behind those.
#[derive(Default)]
struct Side {
    /// By the digits of the hash: the whole base name and the character.
    characters: HashMap<String, (String, char)>,
    names: HashMap<char, String>,
}

impl Side {
    fn put(&mut self, path: &StorePath, character: char) {
        self.characters.insert(path.hash_part().to_owned(), (path.to_string(), character));
        self.names.insert(character, path.name().to_owned());
    }

    /// The text with characters in the place of the paths that are known.
    fn hidden(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let start = format!("{}/", StoreDir::CANONICAL.as_str());
        let mut parts = text.split(start.as_str());
        let mut hidden = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let known = part.get(..DIGITS).and_then(|digits| self.characters.get(digits));
            match known.and_then(|(base, character)| Some((part.strip_prefix(base.as_str())?, character))) {
                Some((rest, character)) => {
                    hidden.push(*character);
                    hidden.push_str(rest);
                }
                None => {
                    hidden.push_str(&start);
                    hidden.push_str(part);
                }
            }
        }
        hidden
    }

    /// The text with names in the place of the characters.
    fn shown(&self, hidden: &str) -> String {
        let mut shown = String::with_capacity(hidden.len());
        for character in hidden.chars() {
            match self.names.get(&character) {
                Some(name) => {
                    shown.push('<');
                    shown.push_str(name);
                    shown.push('>');
                }
                None => shown.push(character),
            }
        }
        shown
    }
}

/// Both sides, and the characters that are taken.
#[derive(Default)]
struct Sides {
    old: Side,
    new: Side,
    taken: u32,
}

impl Sides {
    fn character(&mut self) -> char {
        self.taken += 1;
        // Past the plane's end paths share a character: a difference between them would not be seen.
        char::from_u32(FIRST + self.taken.min(0xFFFD)).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn put(&mut self, old: Option<&StorePath>, new: Option<&StorePath>) {
        let character = self.character();
        if let Some(path) = old {
            self.old.put(path, character);
        }
        if let Some(path) = new {
            self.new.put(path, character);
        }
    }

    /// The texts when they differ, as they are shown.
    fn different(&self, old: &[u8], new: &[u8]) -> Option<(String, String)> {
        let (old, new) = (self.old.hidden(old), self.new.hidden(new));
        (old != new).then(|| (self.old.shown(&old), self.new.shown(&new)))
    }
}

/// Compares two derivations.
pub(super) fn compare(old: &Derivation, new: &Derivation, lookup: &Lookup<'_>) -> Compared {
    let mut sides = Sides::default();
    let mut own = Vec::new();
    let mut inputs = Vec::new();
    if old.name != new.name {
        own.push(Own::Name { old: old.name.to_string(), new: new.name.to_string() });
    }
    let (old_outputs, new_outputs) = (outputs(old), outputs(new));
    if old_outputs != new_outputs {
        own.push(Own::Outputs { old: old_outputs, new: new_outputs });
    }
    let (old_drvs, new_drvs) = (keys(&old.input_drvs), keys(&new.input_drvs));
    for (one, other) in paired(&old_drvs, &new_drvs, &order(old, lookup), &order(new, lookup)) {
        let of = |path: Option<&StorePath>| path.and_then(lookup);
        put_outputs(&mut sides, of(one.as_ref()).as_ref(), of(other.as_ref()).as_ref());
        match (one, other) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) if base(&one) == base(&other) => {
                let same = match (lookup(&one), lookup(&other)) {
                    (Some(old), Some(new)) => same_outputs(&old, &new),
                    _ => false,
                };
                if !same {
                    inputs.push((one, other));
                }
            }
            (one, other) => own.push(Own::Input { old: one, new: other }),
        }
    }
    let nowhere = BTreeMap::new();
    for (one, other) in paired(&old.input_srcs, &new.input_srcs, &nowhere, &nowhere) {
        sides.put(one.as_ref(), other.as_ref());
        if one != other {
            own.push(Own::Source { old: one, new: other });
        }
    }
    own.extend(variables(old, new, &sides));
    Compared { own, inputs }
}

/// The variables that differ, without the outputs', and what is like a variable.
fn variables(old: &Derivation, new: &Derivation, sides: &Sides) -> Vec<Own> {
    let joined = |args: &[Bytes]| args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>().join("\n");
    let (old_args, new_args) = (joined(&old.args), joined(&new.args));
    let mut found = Vec::new();
    let pairs: [(&str, &[u8], &[u8]); 3] = [
        ("system", old.system.as_ref(), new.system.as_ref()),
        ("builder", old.builder.as_ref(), new.builder.as_ref()),
        ("arguments", old_args.as_bytes(), new_args.as_bytes()),
    ];
    for (name, one, other) in pairs {
        if let Some((one, other)) = sides.different(one, other) {
            found.push(Own::Variable { name: name.to_owned(), old: Some(one), new: Some(other) });
        }
    }
    let names: BTreeSet<&Bytes> = old.env.keys().chain(new.env.keys()).collect();
    for name in names {
        let text = name.to_string();
        if old.outputs.contains_key(text.as_str()) || new.outputs.contains_key(text.as_str()) {
            continue;
        }
        let (one, other) = match (old.env.get(name), new.env.get(name)) {
            (Some(one), Some(other)) => match sides.different(one.as_ref(), other.as_ref()) {
                Some((one, other)) => (Some(one), Some(other)),
                None => continue,
            },
            (one, other) => (
                one.map(|value| sides.old.shown(&sides.old.hidden(value.as_ref()))),
                other.map(|value| sides.new.shown(&sides.new.hidden(value.as_ref()))),
            ),
        };
        found.push(Own::Variable { name: text, old: one, new: other });
    }
    found
}

/// Gives the outputs of two derivations in each other's place their characters, output by output.
fn put_outputs(sides: &mut Sides, old: Option<&Arc<Derivation>>, new: Option<&Arc<Derivation>>) {
    let of = |one: Option<&Arc<Derivation>>| one.map(|drv| drv.outputs.clone()).unwrap_or_default();
    let (old, new) = (of(old), of(new));
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    for name in names {
        sides.put(old.get(name).map(|output| &output.path), new.get(name).map(|output| &output.path));
    }
}

fn keys<V>(map: &LiteMap<StorePath, V>) -> BTreeSet<StorePath> {
    map.keys().cloned().collect()
}

/// The names of the outputs, or the promise of a fixed one.
fn outputs(derivation: &Derivation) -> String {
    match derivation.fixed() {
        Some(fixed) => format!("{} {}", fixed.algorithm_text(), fixed.digest.to_base32()),
        None => derivation.outputs.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(" "),
    }
}

/// Where each input is first mentioned: of inputs with the same name, those in the same place are a pair.
fn order(derivation: &Derivation, lookup: &Lookup<'_>) -> BTreeMap<StorePath, usize> {
    let text: Vec<u8> = derivation.env.values().flat_map(|value| value.iter().copied()).collect();
    let place = |path: &StorePath| {
        let input = lookup(path)?;
        input
            .outputs
            .values()
            .filter_map(|one| memchr::memmem::find(&text, one.path.as_str().as_bytes()))
            .min()
    };
    let place = |path: &StorePath| (path.clone(), place(path).unwrap_or(usize::MAX));
    derivation.input_drvs.keys().map(place).collect()
}

/// A name without its version and what comes after it: `zlib-1.3` and `zlib-1.3.1` give the same.
fn base(path: &StorePath) -> String {
    let name = path.name();
    let digit = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    let versions = name.match_indices(['-', '_']).find(|(at, _)| name.get(at + 1..).is_some_and(digit));
    let kind = if path.is_drv() { ".drv" } else { "" };
    match versions.and_then(|(at, _)| name.get(..at)) {
        Some(base) => format!("{base}{kind}"),
        None => name.to_owned(),
    }
}

/// Puts paths into pairs: those that both have, then those of one whole name, then of one name in other versions, then the only
/// ones left; what has no partner comes alone.
fn paired(
    old: &BTreeSet<StorePath>,
    new: &BTreeSet<StorePath>,
    old_order: &BTreeMap<StorePath, usize>,
    new_order: &BTreeMap<StorePath, usize>,
) -> Vec<(Option<StorePath>, Option<StorePath>)> {
    let mut pairs: Vec<_> =
        old.intersection(new).map(|path| (Some(path.clone()), Some(path.clone()))).collect();
    let sorted = |paths: Vec<&StorePath>, order: &BTreeMap<StorePath, usize>| {
        let mut paths: Vec<StorePath> = paths.into_iter().cloned().collect();
        paths.sort_by_key(|path| order.get(path).copied().unwrap_or(usize::MAX));
        paths
    };
    let mut old_left = sorted(old.difference(new).collect(), old_order);
    let mut new_left = sorted(new.difference(old).collect(), new_order);
    let keys: [fn(&StorePath) -> String; 2] = [|path| path.name().to_owned(), base];
    for key in keys {
        let mut rest = Vec::new();
        for one in old_left {
            match new_left.iter().position(|other| key(&one) == key(other)) {
                Some(at) => pairs.push((Some(one), Some(new_left.remove(at)))),
                None => rest.push(one),
            }
        }
        old_left = rest;
    }
    if let ([_], [_]) = (old_left.as_slice(), new_left.as_slice()) {
        pairs.push((old_left.pop(), new_left.pop()));
    }
    pairs.extend(old_left.into_iter().map(|path| (Some(path), None)));
    pairs.extend(new_left.into_iter().map(|path| (None, Some(path))));
    pairs
}
