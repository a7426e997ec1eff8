//! Finding out about all packages of the channels by evaluating them, once for each state of the files.
//!
//! What is found goes into the user's cache ([`stored`]); while no file below the directories changes, every later process
//! reads it there. Modules are shared out among threads, each with an interpreter of its own, since values do not
//! leave a thread. A definition that cannot be evaluated keeps the name that its text tells, so that asking for it
//! shows what is wrong.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hpcl_lang::{
    host::{ModuleName, ModuleOutline},
    interpreter::{DefinitionInfo, Interpreter},
    native::Side,
    span::Span,
    symbol::Symbol,
    value::Value,
};
use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    EvaluationHost, HostError,
    evaluation::library,
    renewal::{self, Kept, Todo, Was},
};
use crate::channel::{
    Channels, IndexEntry, PackageRecord,
    index::{
        listing::Listing,
        literal_name,
        stored::{self, Findings, ModuleRecord, Stored},
        tree::{FileRecord, Stamp, Tree},
    },
};

/// Tells how many modules of how many are done.
pub type Progress = Arc<dyn Fn(usize, usize) + Send + Sync>;

/// The number of the file's format and of what is put into it.
const FORMAT: u32 = 4;
/// The stack of a thread that evaluates.
const STACK: usize = 64 << 20;
/// The most threads: each holds most of what all packages share.
const MOST_THREADS: usize = 4;

/// How much is to be known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// The names and versions of packages.
    Names,
    /// What is shown of packages as well.
    Packages,
}

/// Where the index of some channels is kept.
#[derive(Clone)]
pub struct Keeper {
    channels: Channels,
    directories: Vec<PathBuf>,
    path: Option<PathBuf>,
    key: String,
    /// That of the same channels at other commits.
    before: Option<Box<Keeper>>,
}

/// What a thread found in a module.
struct Found {
    module: usize,
    exports: Option<Vec<Symbol>>,
    entries: Vec<IndexEntry>,
    /// With the place of the package itself, which is the same for all variables that have it as their value.
    packages: Vec<((String, u32), PackageRecord)>,
}

impl Keeper {
    /// Returns the keeper of the index of channels.
    pub fn new(channels: &Channels) -> Keeper {
        let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        // Results show the paths as the user wrote them.
        let directories = channels.directories().to_vec();
        let mut key = format!("{FORMAT} {} {}\n", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
        let program = std::env::current_exe().ok().and_then(|path| Stamp::at(&path));
        key.push_str(&format!("{program:?}\n"));
        let mut named = Vec::new();
        for directory in &directories {
            named.extend([directory.clone(), real(directory)]);
        }
        let path = stored::path(&named, &key);
        named.iter().for_each(|directory| key.push_str(&format!("{}\n", directory.display())));
        Keeper { channels: channels.clone(), directories, path, key, before: None }
    }

    /// Says what the same channels were before, in the same order: an index of these is renewed where there is none of
    /// those.
    #[must_use]
    pub fn after(mut self, before: &Channels) -> Keeper {
        self.before = Some(Box::new(Keeper::new(before)));
        self
    }

    /// Returns the index that is kept, be it of former files.
    pub fn open(&self) -> Option<Stored> {
        Stored::open(self.path.as_ref()?, &self.key)
    }

    /// Returns the stamp of the index that is kept, if it is of the files as they are.
    pub(super) fn fresh(&self) -> Option<Stamp> {
        let stamp = Stamp::at(self.path.as_ref()?)?;
        (self.open()?.is_fresh() && Stamp::at(self.path.as_ref()?) == Some(stamp)).then_some(stamp)
    }

    /// Returns what the index depends on beside the files.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns where the index is kept.
    pub(super) fn place(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Returns an index of the files as they are, made now if there is none.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn ensure(&self, level: Level, progress: Option<&Progress>) -> Result<Stored, HostError> {
        let usable = |stored: &Stored| stored.is_fresh() && (level == Level::Names || stored.has_packages());
        if let Some(stored) = self.open().filter(usable) {
            return Ok(stored);
        }
        // One process makes it, the others wait; where locks do not work, each makes its own.
        let lock = self.lock();
        let former = self.open();
        if let Some(stored) = former.filter(usable) {
            return Ok(stored);
        }
        let index = |source| HostError::Index { source };
        let former = self.open();
        let nothing = Tree::default();
        let tree = Tree::read(
            &self.directories,
            self.channels.fixed(),
            former.as_ref().map_or(&nothing, Stored::tree),
        )
        .map_err(index)?;
        if let (Some(path), Some(former)) = (&self.path, &former)
            && former.tree().has_content_of(&tree)
            && (level == Level::Names || former.has_packages())
            && former.restamp(path, &self.key, tree.clone())
            && let Some(stored) = self.open().map(Stored::trusted)
        {
            return Ok(stored);
        }
        let findings = self.look(tree, level, progress).map_err(index)?;
        let bytes = findings.encode(&self.key).map_err(index)?;
        let stored = self.path.as_ref().and_then(|path| {
            stored::put(path, &bytes).ok()?;
            self.open()
        });
        drop(lock);
        match stored {
            Some(stored) => Ok(stored.trusted()),
            // Without a cache it is good for this process.
            None => Stored::unkept(&bytes, &self.key).map(Stored::trusted).map_err(index),
        }
    }

    /// Asks the listing of the files as they are something; an index that turns out to be damaged is made anew.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn list<T>(
        &self,
        progress: Option<&Progress>,
        ask: impl Fn(&Listing<'_>) -> Option<T>,
    ) -> Result<T, HostError> {
        let of = |stored: Stored| stored.listing().and_then(|listing| ask(&listing));
        if let Some(answer) = of(self.ensure(Level::Packages, progress)?) {
            return Ok(answer);
        }
        self.discard();
        let damaged = || HostError::Index { source: std::io::ErrorKind::InvalidData.into() };
        of(self.ensure(Level::Packages, progress)?).ok_or_else(damaged)
    }

    /// Removes what is kept, because it turned out to be damaged.
    pub fn discard(&self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }

    fn lock(&self) -> Option<std::fs::File> {
        let path = self.path.as_ref()?;
        std::fs::create_dir_all(path.parent()?).ok()?;
        let file = std::fs::File::create(path.with_extension("lock")).ok()?;
        file.lock().ok()?;
        Some(file)
    }

    /// Evaluates all packages, or those that can have changed since a former index was made.
    fn look(&self, tree: Tree, level: Level, progress: Option<&Progress>) -> std::io::Result<Findings> {
        let texts = texts(&tree)?;
        let known = self.open();
        let kept = |file: &FileRecord| {
            let known = known.as_ref().filter(|known| known.holds(&file.path, &file.hash));
            known.and_then(|known| known.former_outline(&file.path))
        };
        let mut outlines: Vec<Option<ModuleOutline>> = tree.files.iter().map(kept).collect();
        outlines.par_iter_mut().zip(&texts).for_each(|(outline, text)| {
            if outline.is_none() {
                *outline = ModuleOutline::of(text);
            }
        });
        let (recipes, others) = self.modules(&tree);
        let order = |name: &str| {
            recipes.iter().find(|recipe| recipe.name.to_string() == name).map(|recipe| recipe.order)
        };
        let renewed = self.former(level, known).and_then(|(former, was)| {
            let name = |path: &Path| self.channels.module_of_file(path).map(|name| name.to_string());
            let todo = renewal::todo(&tree, &texts, &outlines, &former, &was, &name)?;
            let kept = Kept { tree: &tree, texts: &texts, outlines: &outlines, todo: &todo };
            let former = kept.of(&former, &was, &order)?;
            Some((todo, former))
        });
        let todo = renewed.as_ref().map(|(todo, _)| todo.as_slice());
        let is_wanted = |recipe: &Recipe| match todo {
            None => true,
            Some(todo) => {
                todo.get(recipe.order).is_some_and(|todo| todo.changed || todo.all || !todo.names.is_empty())
            }
        };
        let wanted: Vec<&Recipe> = recipes.iter().filter(|recipe| is_wanted(recipe)).collect();
        let others: Vec<&Recipe> = others.iter().filter(|other| is_wanted(other)).collect();
        let evaluated = self.evaluate(&wanted, &others, (&tree, &outlines, todo), level, progress)?;
        let mut modules: Vec<ModuleRecord> = outlines
            .into_par_iter()
            .zip(&texts)
            .map(|(outline, text)| {
                let hashes =
                    outline.as_ref().map(|outline| stored::form_hashes(outline, text)).unwrap_or_default();
                ModuleRecord { outline, hashes, exports: None }
            })
            .collect();
        let (mut entries, mut packages) = (Vec::new(), Vec::new());
        if let Some((_, former)) = renewed {
            for (module, exports) in modules.iter_mut().zip(former.exports) {
                module.exports = exports.map(|names| names.iter().map(|name| Symbol::new(name)).collect());
            }
            (entries, packages) = (former.entries, former.packages);
        }
        let mut seen = FxHashSet::default();
        for found in evaluated {
            if let Some(module) = modules.get_mut(found.module) {
                module.exports = found.exports;
            }
            entries.extend(found.entries);
            packages.extend(found.packages.into_iter().filter_map(|((file, start), package)| {
                seen.insert((file, start, package.name.clone(), package.version.clone())).then_some(package)
            }));
        }
        let packages = (level == Level::Packages).then_some(packages);
        Ok(Findings { tree, modules, entries, packages })
    }

    /// Returns an index of former files that can be renewed, and what tells where a file was then.
    fn former(&self, level: Level, own: Option<Stored>) -> Option<(Stored, Was)> {
        let usable = |stored: &Stored| level == Level::Names || stored.has_packages();
        if let Some(own) = own.filter(usable) {
            return Some((own, Box::new(|path: &Path| Some(path.to_owned()))));
        }
        let before = self.before.as_ref()?;
        let stored = before.open().filter(usable)?;
        if before.directories.len() != self.directories.len() {
            return None;
        }
        let pairs: Vec<(PathBuf, PathBuf)> =
            self.directories.iter().cloned().zip(before.directories.iter().cloned()).collect();
        let was = move |path: &Path| {
            pairs.iter().find_map(|(now, then)| path.strip_prefix(now).ok().map(|rest| then.join(rest)))
        };
        Some((stored, Box::new(was)))
    }

    /// Evaluates modules in several threads.
    fn evaluate(
        &self,
        recipes: &[&Recipe],
        others: &[&Recipe],
        (tree, outlines, todo): (&Tree, &[Option<ModuleOutline>], Option<&[Todo]>),
        level: Level,
        progress: Option<&Progress>,
    ) -> std::io::Result<Vec<Found>> {
        let total = recipes.len();
        let done = AtomicUsize::new(0);
        let tell = || {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = progress {
                progress(done, total);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let shares = shares(recipes, tree, threads);
        let worker = |share: &[&Recipe], others: &[&Recipe]| {
            let mut worker = Worker::new(self.channels.clone());
            let mut found: Vec<Found> = Vec::new();
            for recipe in share {
                let part = todo.and_then(|todo| todo.get(recipe.order)).filter(|todo| !todo.all);
                let outline = outlines.get(recipe.order).and_then(Option::as_ref);
                found.push(worker.module(recipe, level, part.zip(outline)));
                tell();
            }
            found.extend(others.iter().map(|other| worker.exports_only(other)));
            // Dropping all values one by one would take longer than the rest of the process.
            std::mem::forget(worker);
            found
        };
        let worker = &worker;
        let found: std::io::Result<Vec<Vec<Found>>> = std::thread::scope(|scope| {
            let start = |(number, share): (usize, &Range<usize>)| {
                let share = recipes.get(share.clone()).unwrap_or(&[]);
                let others = if number == 0 { others } else { &[] };
                let builder = std::thread::Builder::new().stack_size(STACK);
                builder.spawn_scoped(scope, move || worker(share, others))
            };
            let handles = shares.iter().enumerate().map(start).collect::<std::io::Result<Vec<_>>>()?;
            let ended = || std::io::Error::other("a thread that evaluates packages ended before its time");
            handles.into_iter().map(|handle| handle.join().map_err(|_| ended())).collect()
        });
        let mut found: Vec<Found> = found?.into_iter().flatten().collect();
        found.sort_by_key(|found| found.module);
        Ok(found)
    }

    /// Returns the modules that hold recipes, and the others of the tree.
    fn modules(&self, tree: &Tree) -> (Vec<Recipe>, Vec<Recipe>) {
        let mut recipes = Vec::new();
        let mut others = Vec::new();
        let mut taken = FxHashSet::default();
        for (order, file) in tree.files.iter().enumerate() {
            let Some(name) = self.channels.module_of_file(&file.path) else { continue };
            // What another directory or our own library hides is not this module.
            if self.channels.in_directories(name.parts()).as_deref() != Some(file.path.as_path()) {
                continue;
            }
            let recipe = Recipe { order, name };
            taken.insert(recipe.name.clone());
            if crate::channel::holds_recipes(&recipe.name) {
                recipes.push(recipe)
            } else {
                others.push(recipe)
            }
        }
        let bundled = crate::channel::bundled_modules().into_iter().filter(|name| !taken.contains(name));
        recipes.extend(bundled.enumerate().map(|(at, name)| Recipe { order: tree.files.len() + at, name }));
        (recipes, others)
    }
}

/// Reads the texts of a tree's modules. What is no text is empty: evaluation says what is wrong with it.
fn texts(tree: &Tree) -> std::io::Result<Vec<String>> {
    let read = |file: &FileRecord| match std::fs::read(&file.path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).unwrap_or_default()),
        Err(error) => {
            let reason = format!("cannot read `{}`: {error}", file.path.display());
            Err(std::io::Error::new(error.kind(), reason))
        }
    };
    tree.files.par_iter().map(read).collect()
}

/// A module to look at.
struct Recipe {
    order: usize,
    name: ModuleName,
}

/// Shares modules out in runs of about the same number of bytes: neighbours use the same packages.
fn shares(recipes: &[&Recipe], tree: &Tree, threads: usize) -> Vec<Range<usize>> {
    let size = |recipe: &Recipe| {
        let stamp = tree.files.get(recipe.order).and_then(|file| file.stamp);
        stamp.map_or(10_000, crate::channel::index::tree::Stamp::size)
    };
    let sizes: Vec<u64> = recipes.iter().map(|recipe| size(recipe)).collect();
    let each = sizes.iter().sum::<u64>() / threads.max(1) as u64 + 1;
    let mut shares = Vec::new();
    let mut begin = 0;
    let mut sum = 0;
    for (at, size) in sizes.iter().enumerate() {
        sum += size;
        if sum >= each {
            shares.push(begin..at + 1);
            begin = at + 1;
            sum = 0;
        }
    }
    shares.push(begin..recipes.len());
    shares
}

/// An interpreter that looks at modules.
struct Worker {
    interpreter: Interpreter,
    describe: Option<Value>,
    fields: FxHashMap<&'static str, usize>,
}

impl Worker {
    fn new(channels: Channels) -> Worker {
        let host = EvaluationHost::for_indexing(channels, PathBuf::from("."));
        let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(host));
        let describe =
            interpreter.module_value(&library("command-line"), Symbol::new("package->record")).ok();
        Worker { interpreter, describe, fields: FxHashMap::default() }
    }

    fn exports_only(&mut self, recipe: &Recipe) -> Found {
        let exports = self.interpreter.exports(&recipe.name).ok();
        Found { module: recipe.order, exports, entries: Vec::new(), packages: Vec::new() }
    }

    /// Looks at a module, or at a part of it: what is to be done, and what its text defines.
    fn module(&mut self, recipe: &Recipe, level: Level, part: Option<(&Todo, &ModuleOutline)>) -> Found {
        let mut found = self.exports_only(recipe);
        let mut definitions = self.interpreter.definitions(&recipe.name).unwrap_or_default();
        if let Some((todo, outline)) = part {
            let outlined: FxHashSet<String> = renewal::defined(outline).collect();
            definitions.retain(|definition| {
                let name = definition.name.as_str();
                // What macros define in a file that is another has other places.
                todo.names.contains(name) || (todo.changed && !outlined.contains(name))
            });
        }
        for definition in definitions.iter().filter(|definition| definition.exported && !definition.is_macro)
        {
            self.definition(recipe, definition, level, &mut found);
        }
        found
    }

    fn definition(&mut self, recipe: &Recipe, definition: &DefinitionInfo, level: Level, found: &mut Found) {
        let value = self.interpreter.module_value(&recipe.name, definition.name);
        let (name, version) = match &value {
            Ok(value) => match self.name_and_version(value) {
                Some(known) => known,
                None => return,
            },
            Err(_) => match self.written_name(definition.span) {
                Some(name) => (name, None),
                None => return,
            },
        };
        let entry = IndexEntry {
            module: recipe.name.clone(),
            variable: definition.name,
            name: Some(name),
            version,
            location: self.location(definition.span),
            order: u32::try_from(recipe.order).unwrap_or(u32::MAX),
        };
        if level == Level::Packages
            && let Ok(Value::Record(record)) = &value
            && let Some(package) = value.as_ref().ok().and_then(|value| self.package(value, &entry))
        {
            let place = record.span.unwrap_or(definition.span);
            let file = self.interpreter.sources().get(place.file).map_or("", |source| &*source.name);
            found.packages.push(((file.to_owned(), place.start), package));
        }
        found.entries.push(entry);
    }

    /// Returns the name and the version of a value that is a package.
    fn name_and_version(&mut self, value: &Value) -> Option<(String, Option<String>)> {
        let Value::Record(record) = value else { return None };
        if record.record_type.plain_name() != "package" {
            return None;
        }
        let mut text = |name: &'static str| {
            let known = self.fields.get(name).copied();
            let index = known.or_else(|| record.record_type.index_of(Symbol::new(name)))?;
            self.fields.insert(name, index);
            record.fields.get(index)?.as_str().map(str::to_owned)
        };
        Some((text("name")?, text("version")))
    }

    /// Returns the name that a definition's text gives, where it cannot be evaluated.
    fn written_name(&self, span: Span) -> Option<String> {
        let text = self.interpreter.sources().get(span.file)?.text().clone();
        literal_name(text.get(form_start(&text, span.start)..)?)
    }

    fn location(&self, span: Span) -> (String, usize, usize) {
        let sources = self.interpreter.sources();
        let Some(source) = sources.get(span.file) else { return (String::new(), 1, 1) };
        let start = u32::try_from(form_start(source.text(), span.start)).unwrap_or(span.start);
        let (line, column) = sources.position(Span { start, ..span });
        (source.name.to_string(), line, column)
    }

    fn package(&mut self, value: &Value, entry: &IndexEntry) -> Option<PackageRecord> {
        let describe = self.describe.clone()?;
        let rows = self.interpreter.call(&describe, vec![value.clone()]).ok()?.list_to_vec()?;
        let text = |index: usize| -> String {
            rows.get(index).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let texts = |index: usize| -> Vec<String> {
            let items = rows.get(index).and_then(Value::list_to_vec).unwrap_or_default();
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        };
        Some(PackageRecord {
            name: text(0),
            version: text(1),
            outputs: texts(2),
            synopsis: text(3),
            description: text(4),
            license: text(5),
            home_page: text(6),
            dependencies: texts(7),
            systems: texts(8),
            superseded: rows.get(9).and_then(Value::as_str).map(str::to_owned),
            hidden: rows.get(10).is_some_and(Value::is_true),
            upstream_name: text(11),
            module: entry.module.to_string(),
            variable: entry.variable.to_string(),
            location: entry.location.clone(),
        })
    }
}

/// Returns where the form begins whose name begins there, if they are on one line.
pub(super) fn form_start(text: &str, name: u32) -> usize {
    let name = name as usize;
    let line = text.get(..name).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    match text.get(line..name) {
        Some(before) if before.starts_with('(') => line,
        _ => name,
    }
}

#[cfg(test)]
#[path = "indexing_tests.rs"]
mod tests;
