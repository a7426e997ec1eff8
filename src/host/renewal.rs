//! Which definitions a change of files can have changed, so that an index is renewed by evaluating only these.
//!
//! What is compared are the hashes of top-level forms. From the names whose forms are others, further ones are reached by text: a form that has
//! such a name as a word may be another, and so may what names it in turn. A name that is the same by chance costs an evaluation,
//! no more. Where a package's form names another only in fields that are evaluated when asked for (`inputs` and the like), the package's record may be
//! another, and the package is not: whoever depends on it shows its name and version alone. That matters to forms that take packages apart
//! (`inherit`, `package-inputs`) and to those that are no plain packages.
//!
//! Forms that look packages up by texts are taken to be others each time. A change of modules that Guix's implementation or our channels
//! have names for, of a file that has no outline, or of much at once, gives up: then all is evaluated. Invariant: a definition
//! that is not named here is what it was.

use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;
use hpcl_lang::host::{Defines, ModuleOutline, Outlined};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::indexing::form_start;
use crate::channel::{
    IndexEntry, PackageRecord,
    index::{
        shape,
        stored::{Stored, form_hashes},
        tree::Tree,
    },
};

/// Words of forms that find packages in ways that the text does not tell.
const OPAQUE: [&str; 10] = [
    "specification->package",
    "specification->package+output",
    "find-packages-by-name",
    "find-best-packages-by-name",
    "fold-packages",
    "all-packages",
    "module-ref",
    "resolve-interface",
    "resolve-module",
    "string->symbol",
];
/// Roots of modules that all recipes use.
const COMMON: [&str; 4] = ["guix", "hpcl", "core", "hpc"];

/// What is to be done with a file's module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Todo {
    /// Whether the file is another, or new.
    pub changed: bool,
    /// Whether all its definitions are to be evaluated.
    pub all: bool,
    /// Those that are.
    pub names: FxHashSet<String>,
}

/// Tells where a file was.
pub(super) type Was = Box<dyn Fn(&Path) -> Option<PathBuf>>;

/// What a former index knows that still holds.
pub(super) struct Former {
    /// What each file's module exports, where that is known.
    pub exports: Vec<Option<Vec<String>>>,
    /// The definitions.
    pub entries: Vec<IndexEntry>,
    /// The packages.
    pub packages: Vec<PackageRecord>,
}

/// What is needed to take over what a former index knows.
pub(super) struct Kept<'a> {
    pub tree: &'a Tree,
    pub texts: &'a [String],
    pub outlines: &'a [Option<ModuleOutline>],
    pub todo: &'a [Todo],
}

impl Kept<'_> {
    /// Takes over what still holds, with places as they are now.
    pub(super) fn of(
        &self,
        former: &Stored,
        was: &dyn Fn(&Path) -> Option<PathBuf>,
        order: &dyn Fn(&str) -> Option<usize>,
    ) -> Option<Former> {
        let mut places: FxHashMap<String, usize> = FxHashMap::default();
        for (at, file) in self.tree.files.iter().enumerate() {
            places.extend(was(&file.path).map(|old| (old.display().to_string(), at)));
        }
        let exports = self.tree.files.iter().zip(self.todo).map(|(file, todo)| {
            if todo.changed || todo.all {
                None
            } else {
                was(&file.path).and_then(|old| former.former_exports(&old))
            }
        });
        let exports = exports.collect();
        let gone: FxHashSet<String> =
            former.tree().files.iter().map(|file| file.path.display().to_string()).collect();
        let mut lines: FxHashMap<usize, FxHashMap<String, (usize, usize)>> = FxHashMap::default();
        let mut moved = |variable: &str, location: &mut (String, usize, usize)| -> bool {
            let Some(at) = places.get(&location.0).copied() else {
                // Those that come with the program stay; files that are gone take theirs along.
                return !gone.contains(location.0.as_str());
            };
            let (Some(todo), Some(file)) = (self.todo.get(at), self.tree.files.get(at)) else { return false };
            if todo.all || todo.names.contains(variable) {
                return false;
            }
            location.0 = file.path.display().to_string();
            if todo.changed {
                let known = lines.entry(at).or_insert_with(|| self.lines(at));
                let Some((line, column)) = known.get(variable) else { return false };
                (location.1, location.2) = (*line, *column);
            }
            true
        };
        let mut entries = former.entries()?;
        entries.retain_mut(|entry| moved(entry.variable.as_str(), &mut entry.location));
        let mut orders: FxHashMap<String, Option<usize>> = FxHashMap::default();
        for entry in &mut entries {
            let module = entry.module.to_string();
            let order = *orders.entry(module).or_insert_with_key(|module| order(module));
            entry.order = u32::try_from(order?).ok()?;
        }
        let mut packages = match former.listing() {
            Some(listing) => listing.all_records()?,
            None => Vec::new(),
        };
        packages.retain_mut(|package| moved(&package.variable, &mut package.location));
        Some(Former { exports, entries, packages })
    }

    /// Where the definitions of a file begin: line and column.
    fn lines(&self, at: usize) -> FxHashMap<String, (usize, usize)> {
        let mut lines = FxHashMap::default();
        let (Some(text), Some(Some(outline))) = (self.texts.get(at), self.outlines.get(at)) else {
            return lines;
        };
        let (mut line, mut counted) = (1, 0);
        for form in &outline.forms {
            let Outlined::Definition(_, name, name_at) = &form.what else { continue };
            let start = form_start(text, form.form.start + name_at);
            line += text.get(counted..start).map_or(0, |between| between.matches('\n').count());
            counted = start;
            let begin = text.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let column = text.get(begin..start).map_or(0, |before| before.chars().count()) + 1;
            lines.insert(name.to_string(), (line, column));
        }
        lines
    }
}

/// How a name may be another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Change {
    /// What is in fields that are evaluated when asked for.
    Record,
    /// All of it.
    Value,
}

struct File<'a> {
    text: &'a str,
    outline: &'a ModuleOutline,
    /// What imported names may have before them, where that does not end with a colon.
    prefixes: Vec<&'a str>,
    /// Whether imported names may be others in any way.
    renames: bool,
    /// Names that the module exports and that no form of its outline defines.
    hidden: Vec<String>,
}

/// Returns what is to be done for each file of a tree, given an index of former files, and where a file was then.
pub(super) fn todo(
    tree: &Tree,
    texts: &[String],
    outlines: &[Option<ModuleOutline>],
    former: &Stored,
    was: &dyn Fn(&Path) -> Option<PathBuf>,
    module_name: &dyn Fn(&Path) -> Option<String>,
) -> Option<Vec<Todo>> {
    let mut todo: Vec<Todo> = vec![Todo::default(); tree.files.len()];
    let mut seeds: FxHashMap<String, Change> = FxHashMap::default();
    let mut modules: Vec<String> = Vec::new();
    let mut seen: FxHashSet<PathBuf> = FxHashSet::default();
    let mut bytes = 0;
    for (at, file) in tree.files.iter().enumerate() {
        let (old, state) = (was(&file.path), todo.get_mut(at)?);
        if let Some(old) = old.as_ref().filter(|old| former.has(old)) {
            seen.insert(old.clone());
            if former.holds(old, &file.hash) {
                continue;
            }
        }
        state.changed = true;
        bytes += texts.get(at)?.len();
        let name = module_name(&file.path)?;
        if COMMON.iter().any(|root| name.starts_with(&format!("({root} "))) {
            return None;
        }
        let outline = outlines.get(at)?.as_ref()?;
        match old.filter(|old| former.has(old)) {
            Some(old) => {
                let (before, hashes, exports) = former.former_forms(&old)?;
                let now = form_hashes(outline, texts.get(at)?);
                if others(&before, &hashes) != others(outline, &now) {
                    state.all = true;
                    let names = defined(&before).chain(defined(outline)).chain(exports);
                    seeds.extend(names.map(|name| (name, Change::Value)));
                } else {
                    let (before, now) = (by_name(&before, &hashes), by_name(outline, &now));
                    let names =
                        before.keys().chain(now.keys()).filter(|name| before.get(*name) != now.get(*name));
                    for name in names {
                        state.names.insert(name.clone());
                        seeds.insert(name.clone(), Change::Value);
                    }
                }
            }
            None => {
                state.all = true;
                modules.push(name);
                seeds.extend(defined(outline).map(|name| (name, Change::Value)));
            }
        }
    }
    // Much at once is faster done anew.
    if bytes > texts.iter().map(String::len).sum::<usize>() / 4 {
        return None;
    }
    for gone in former.tree().files.iter().filter(|file| !seen.contains(&file.path)) {
        let (before, _, exports) = former.former_forms(&gone.path)?;
        seeds.extend(defined(&before).chain(exports).map(|name| (name, Change::Value)));
        // Who imported it is known by its name alone, which is that of the file.
        modules.push(gone.path.file_stem()?.to_str()?.to_owned());
    }
    let files = files(tree, texts, outlines, former, was)?;
    imported(&files, &modules, &mut todo, &mut seeds)?;
    spread(&files, &mut todo, seeds)?;
    Some(todo)
}

fn files<'a>(
    tree: &Tree,
    texts: &'a [String],
    outlines: &'a [Option<ModuleOutline>],
    former: &Stored,
    was: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Option<Vec<File<'a>>> {
    static EMPTY: ModuleOutline = ModuleOutline { forms: Vec::new() };
    let mut files = Vec::with_capacity(tree.files.len());
    for (at, file) in tree.files.iter().enumerate() {
        let text = texts.get(at)?;
        let outline = outlines.get(at)?.as_ref().unwrap_or(&EMPTY);
        let exports = was(&file.path).and_then(|old| former.former_exports(&old)).unwrap_or_default();
        let known: FxHashSet<String> = defined(outline).collect();
        files.push(File {
            text,
            outline,
            prefixes: prefixes(text),
            renames: text.matches("#:renamer").count() > text.matches("symbol-prefix-proc").count(),
            hidden: exports.into_iter().filter(|name| !known.contains(name)).collect(),
        });
    }
    Some(files)
}

/// What imports a module that came or went is another as a whole.
fn imported(
    files: &[File<'_>],
    modules: &[String],
    todo: &mut [Todo],
    seeds: &mut FxHashMap<String, Change>,
) -> Option<()> {
    if modules.is_empty() {
        return Some(());
    }
    let search = AhoCorasick::new(modules).ok()?;
    for (file, todo) in files.iter().zip(todo) {
        let mut heads = file.outline.forms.iter().filter_map(|form| match &form.what {
            Outlined::Other(_) => file.text.get(form.form.start as usize..form.form.end as usize),
            Outlined::Definition(..) => None,
        });
        if !todo.all && heads.any(|text| search.is_match(text)) {
            todo.all = true;
            seeds.extend(
                defined(file.outline).chain(file.hidden.iter().cloned()).map(|name| (name, Change::Value)),
            );
        }
    }
    Some(())
}

/// A place where a name that may be another stands.
struct Hit {
    file: usize,
    form: usize,
    at: usize,
    end: usize,
    name: usize,
}

/// Follows names from form to form.
fn spread(files: &[File<'_>], todo: &mut [Todo], seeds: FxHashMap<String, Change>) -> Option<()> {
    let mut known: FxHashMap<String, Change> = FxHashMap::default();
    let mut next: Vec<(String, Change)> = seeds.into_iter().collect();
    let mut first = true;
    let total: usize = files.iter().map(|file| file.outline.forms.len()).sum();
    while !next.is_empty() || first {
        next.retain(|(name, change)| known.get(name).is_none_or(|known| known < change));
        next.sort();
        next.dedup_by(|b, a| {
            a.0 == b.0 && {
                a.1 = a.1.max(b.1);
                true
            }
        });
        known.extend(next.iter().cloned());
        // Much at once is faster done anew.
        if known.len() > total / 3 + 100 {
            return None;
        }
        let mut words: Vec<&str> = next.iter().map(|(name, _)| name.as_str()).collect();
        let opaque_from = words.len();
        if first {
            words.extend(OPAQUE);
        }
        first = false;
        if words.is_empty() {
            break;
        }
        let hits = hits(files, &words)?;
        let mut found: Vec<(String, Change)> = Vec::new();
        for hit in hits {
            let change = next.get(hit.name).map_or(Change::Value, |(_, change)| *change);
            let opaque = hit.name >= opaque_from;
            one(files.get(hit.file)?, todo.get_mut(hit.file)?, &hit, change, opaque, &mut found)?;
        }
        next = found;
    }
    Some(())
}

fn one(
    file: &File<'_>,
    todo: &mut Todo,
    hit: &Hit,
    change: Change,
    opaque: bool,
    found: &mut Vec<(String, Change)>,
) -> Option<()> {
    let form = file.outline.forms.get(hit.form)?;
    let start = form.form.start as usize;
    let text = file.text.get(start..form.form.end as usize)?;
    match &form.what {
        // It stands in its own definition too, which was looked at when the name came up.
        Outlined::Definition(_, name, _) if file.text.get(hit.at..hit.end) == Some(name.as_str()) => {}
        Outlined::Definition(Defines::Macro, name, _) => found.push((name.to_string(), Change::Value)),
        Outlined::Definition(_, name, _) => {
            let shape = shape(text).filter(|_| !opaque);
            let becomes = match shape {
                Some(shape) if change == Change::Record && !shape.takes_apart => return Some(()),
                Some(_) if change == Change::Record => Change::Record,
                Some(shape) if shape.lazy.iter().any(|lazy| lazy.contains(&(hit.at - start))) => {
                    Change::Record
                }
                _ => Change::Value,
            };
            todo.names.insert(name.to_string());
            found.push((name.to_string(), becomes));
        }
        Outlined::Other(_) => {
            let head =
                text.get(1..).unwrap_or_default().split(|c: char| c.is_whitespace() || c == ')').next();
            if matches!(head, Some("define-module" | "use-modules" | "export" | "re-export")) {
                // `(inside . outside)`: the same under another name.
                let rest = file.text.get(hit.end..).unwrap_or_default().trim_start();
                let alias =
                    rest.strip_prefix(". ").map(|rest| rest.trim_start().split([')', ' ', '\n']).next());
                found.extend(alias.flatten().map(|alias| (alias.to_owned(), change)));
            } else {
                todo.all = true;
                found.extend(file.hidden.iter().map(|name| (name.clone(), Change::Value)));
            }
        }
    }
    Some(())
}

/// Finds words in all files.
fn hits(files: &[File<'_>], words: &[&str]) -> Option<Vec<Hit>> {
    let search = AhoCorasick::builder().match_kind(aho_corasick::MatchKind::Standard).build(words).ok()?;
    let in_file = |(at, file): (usize, &File<'_>)| -> Vec<Hit> {
        let bytes = file.text.as_bytes();
        let mut found = Vec::new();
        for hit in search.find_overlapping_iter(file.text) {
            let before = hit.start().checked_sub(1).and_then(|at| bytes.get(at));
            let after = bytes.get(hit.end());
            let opens = before.is_none_or(|byte| !is_word(*byte) || *byte == b':')
                || file.renames
                || file.prefixes.iter().any(|prefix| {
                    file.text.get(..hit.start()).is_some_and(|before| before.ends_with(prefix))
                });
            if !opens || after.is_some_and(|byte| is_word(*byte)) {
                continue;
            }
            let form = file.outline.forms.partition_point(|form| form.form.start as usize <= hit.start());
            let Some(form) = form.checked_sub(1) else { continue };
            if file.outline.forms.get(form).is_none_or(|form| hit.end() > form.form.end as usize) {
                continue;
            }
            found.push(Hit {
                file: at,
                form,
                at: hit.start(),
                end: hit.end(),
                name: hit.pattern().as_usize(),
            });
        }
        found
    };
    Some(files.par_iter().enumerate().flat_map_iter(in_file).collect())
}

/// What a text says that names are imported with.
fn prefixes(text: &str) -> Vec<&str> {
    let after = |word: &'static str| {
        text.match_indices(word).filter_map(move |(at, _)| {
            let rest = text.get(at + word.len()..)?.trim_start().trim_start_matches('\'');
            rest.split(|c: char| c.is_whitespace() || c == ')').next()
        })
    };
    let mut found: Vec<&str> = after("#:prefix").chain(after("symbol-prefix-proc")).collect();
    found.retain(|prefix| !prefix.is_empty() && !prefix.ends_with(':'));
    found.sort_unstable();
    found.dedup();
    found
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$%&*/:<=>?^_~+-.@".contains(&byte) || byte >= 0x80
}

pub(super) fn defined(outline: &ModuleOutline) -> impl Iterator<Item = String> + '_ {
    outline.forms.iter().filter_map(|form| match &form.what {
        Outlined::Definition(_, name, _) => Some(name.to_string()),
        Outlined::Other(_) => None,
    })
}

fn by_name(outline: &ModuleOutline, hashes: &[u64]) -> FxHashMap<String, Vec<u64>> {
    let mut all: FxHashMap<String, Vec<u64>> = FxHashMap::default();
    for (form, hash) in outline.forms.iter().zip(hashes) {
        if let Outlined::Definition(_, name, _) = &form.what {
            all.entry(name.to_string()).or_default().push(*hash);
        }
    }
    all
}

/// The hashes of forms that define nothing by themselves.
fn others(outline: &ModuleOutline, hashes: &[u64]) -> Vec<u64> {
    let other = outline.forms.iter().zip(hashes).filter(|(form, _)| matches!(form.what, Outlined::Other(_)));
    other.map(|(_, hash)| *hash).collect()
}
