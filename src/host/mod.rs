//! The evaluation side's host: gives the language its modules and the natives that know derivations and channels.
//!
//! It collects the symbolic derivation graph and the sources (texts and local files) that it refers to while recipes
//! are evaluated; nothing is written anywhere. Invariant: the result depends on the files read alone.

mod acquire;
mod answers;
mod builder_modules;
mod channels;
mod error;
mod evaluation;
mod facts;
mod indexing;
mod interactive;
mod json;
mod natives;
mod package_graph;
mod profiles;
mod renewal;

use std::{
    any::Any,
    cell::{OnceCell, RefCell},
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
};

use hpcl_lang::{
    host::{Host, ModuleName, ModuleSource, OutlinedModule},
    native::{Context, Native, Raise},
    symbol::Symbol,
    value::Value,
};

use acquire::Acquirer;
pub use acquire::Told;
pub use answers::Question;
use builder_modules::{BuilderModule, builder_name, imported_modules};
pub use channels::absolute;
pub use error::HostError;
pub use evaluation::{Entry, Evaluated, Evaluation, EvaluationError, Request, input_is_complete};
pub use facts::{Checked, PackageFacts};
pub use indexing::{Keeper, Level, Progress};
pub use interactive::USER_MODULE;
pub use json::json;
pub use package_graph::PackageNode;
pub use profiles::{Planned, Upgrade};

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{
    channel::{Channels, Exports, Index, index::stored::Stored},
    graph::{GraphBuilder, NodeId},
    hash::Digest,
    store_path::{self, StoreDir, StorePath},
};

/// What a source in the graph is made of, for the moment when it has to be in the store.
#[derive(Clone, Debug)]
pub enum SourceContent {
    /// A text without references.
    Text(String),
    /// A file or directory of this machine.
    Local(PathBuf),
}

/// The state behind the evaluation side's natives.
pub struct EvaluationHost {
    channels: Channels,
    /// Whether it evaluates packages to make an index of them.
    indexing: bool,
    index: RefCell<Option<Rc<Index>>>,
    kept: OnceCell<Option<Rc<Stored>>>,
    exported: FxHashMap<ModuleName, Option<FxHashSet<Symbol>>>,
    /// Whether files may change while it is used: texts are read when modules are loaded.
    pub interactive: bool,
    /// Whether programs have the names that lists of channels use.
    lists_channels: bool,
    /// Fetches sources that have no hash.
    acquirer: Acquirer,
    /// Is told while an index is made.
    pub progress: Option<Progress>,
    /// Is told what the user should know.
    pub warning: Option<fn(&str)>,
    warned: BTreeSet<String>,
    exports: OnceCell<Exports>,
    /// The graph so far.
    pub graph: GraphBuilder,
    /// The sources that the graph refers to.
    pub sources: BTreeMap<StorePath, SourceContent>,
    /// Derivations and the packages that are to replace them by grafts, not lowered yet.
    pub replacements: Vec<(NodeId, Value)>,
    builder_modules: BTreeMap<ModuleName, Option<BuilderModule>>,
    /// The directory that relative local files are relative to.
    pub base_directory: PathBuf,
}

impl EvaluationHost {
    /// Returns a host over those channels; relative local files are looked up in `base_directory`.
    pub fn new(channels: Channels, base_directory: PathBuf) -> Self {
        EvaluationHost {
            channels,
            indexing: false,
            index: RefCell::new(None),
            kept: OnceCell::new(),
            exported: FxHashMap::default(),
            interactive: false,
            lists_channels: false,
            acquirer: Acquirer::default(),
            progress: None,
            warning: None,
            warned: BTreeSet::new(),
            exports: OnceCell::new(),
            graph: GraphBuilder::new(),
            sources: BTreeMap::new(),
            replacements: Vec::new(),
            builder_modules: BTreeMap::new(),
            base_directory,
        }
    }

    /// Returns the channels.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Returns a host for evaluating packages to make an index of them, which uses none itself.
    fn for_indexing(channels: Channels, base_directory: PathBuf) -> Self {
        EvaluationHost { indexing: true, ..EvaluationHost::new(channels, base_directory) }
    }

    /// Returns the index of packages, read or made at the first call.
    ///
    /// # Errors
    /// [`HostError::Channel`] or [`HostError::Index`] when a recipe cannot be read.
    pub fn index(&self) -> Result<Rc<Index>, HostError> {
        if let Some(index) = &*self.index.borrow() {
            return Ok(index.clone());
        }
        // The bundled channels are looked through faster than a file is read.
        let index = if self.indexing || self.channels.directories().is_empty() {
            Index::scan(&self.channels)?
        } else {
            let keeper = Keeper::new(&self.channels);
            Index::kept(Rc::new(keeper.ensure(Level::Names, self.progress.as_ref())?))
        };
        let index = Rc::new(index);
        *self.index.borrow_mut() = Some(index.clone());
        Ok(index)
    }

    /// Tells the user something, once.
    fn warn(&mut self, text: &str) {
        if let Some(warning) = self.warning
            && self.warned.insert(text.to_owned())
        {
            warning(text);
        }
    }

    /// Asks the index something; one that turns out to be damaged is made anew.
    ///
    /// # Errors
    /// As [`EvaluationHost::index`].
    pub fn ask_index<T>(&self, ask: impl Fn(&Index) -> Option<T>) -> Result<T, HostError> {
        if let Some(answer) = ask(&*self.index()?) {
            return Ok(answer);
        }
        Keeper::new(&self.channels).discard();
        *self.index.borrow_mut() = None;
        let damaged = || HostError::Index { source: std::io::ErrorKind::InvalidData.into() };
        ask(&*self.index()?).ok_or_else(damaged)
    }

    /// Returns the index that was kept, be it of former files.
    fn kept(&self) -> Option<&Rc<Stored>> {
        if self.indexing || self.channels.directories().is_empty() {
            return None;
        }
        self.kept.get_or_init(|| Keeper::new(&self.channels).open().map(Rc::new)).as_ref()
    }
}

impl Host for EvaluationHost {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        self.channels.module_source(name).map_err(|error| crate::executor::chain(&error))
    }

    fn module_outline(&mut self, name: &ModuleName) -> Option<OutlinedModule> {
        let kept = self.kept()?;
        let mut found = kept.outline(&self.channels.in_directories(name.parts())?)?;
        if self.interactive {
            let text = (found.text)()?;
            found.text = Arc::new(move || Some(text.clone()));
        }
        Some(found)
    }

    fn may_export(&mut self, module: &ModuleName, name: Symbol) -> Option<bool> {
        if let Some(known) = self.exported.get(module) {
            return known.as_ref().map(|names| names.contains(&name));
        }
        let kept = self.kept().filter(|kept| kept.is_fresh() && !self.interactive).cloned();
        let names = kept.and_then(|kept| kept.exports(&self.channels.in_directories(module.parts())?));
        let found = names.as_ref().map(|names| names.contains(&name));
        self.exported.insert(module.clone(), names);
        found
    }

    fn canonical_module(&mut self, name: &ModuleName) -> Option<ModuleName> {
        self.channels.canonical(name)
    }

    fn program_imports(&self) -> Vec<ModuleName> {
        let channels = if self.lists_channels { &["channels"][..] } else { &[] };
        ["packages", "gexp", "profiles", "specifications", "transformations"]
            .iter()
            .chain(channels)
            .filter_map(|name| ModuleName::parse(&format!("(hpcl {name})")))
            .collect()
    }

    fn exporters(&mut self, name: &str) -> Vec<ModuleName> {
        self.exports.get_or_init(|| Exports::scan(&self.channels)).of(name)
    }

    fn module_names(&mut self) -> Vec<ModuleName> {
        self.exports.get_or_init(|| Exports::scan(&self.channels)).modules().to_vec()
    }

    fn missing_module(&mut self, name: &ModuleName) -> Option<String> {
        let [root, family, wanted] = name.parts() else { return None };
        if !matches!(root.as_str(), "guix" | "hpcl") || family.as_str() != "build-system" {
            return None;
        }
        let known = self.module_names();
        let mut systems: Vec<String> = known
            .iter()
            .filter_map(|module| match module.parts() {
                [_, kind, system] if kind.as_str() == "build-system" => Some(format!("`{system}`")),
                _ => None,
            })
            .collect();
        systems.sort();
        systems.dedup();
        Some(format!(
            "this is a build system that hpcl does not have: there are {}; a channel or a directory (`-L DIR`) with \
             `guix/build-system/{wanted}.scm` and what it uses brings it",
            systems.join(", ")
        ))
    }

    fn natives(&self) -> Vec<&'static [Native]> {
        natives::TABLES.to_vec()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Returns the host behind a native's context.
fn host<'a>(context: &'a mut Context<'_>) -> Result<&'a mut EvaluationHost, Raise> {
    context
        .host
        .downcast_mut::<EvaluationHost>()
        .ok_or_else(|| Raise::message("this procedure is only available while recipes are evaluated"))
}

/// Adds a text to the sources and returns its path.
fn text_source(host: &mut EvaluationHost, name: &str, contents: &str) -> Result<StorePath, HostError> {
    let digest = Digest::sha256(contents.as_bytes());
    let path = store_path::text_path(&StoreDir::CANONICAL, name, &digest, &BTreeSet::new())
        .map_err(|source| HostError::Name { name: name.to_owned(), source })?;
    host.sources.insert(path.clone(), SourceContent::Text(contents.to_owned()));
    Ok(path)
}
