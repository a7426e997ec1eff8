//! The evaluation side's host: gives the language its modules and the natives that know derivations and channels.
//!
//! It collects the symbolic derivation graph and the sources (texts and local files) that it refers to while recipes
//! are evaluated; nothing is written anywhere. Invariant: the result depends on the files read alone.

mod error;
mod evaluation;
mod interactive;
mod json;
mod natives;

use std::{
    any::Any,
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use hpcl_lang::{
    host::{Host, ModuleName, ModuleSource},
    native::{Context, Native, Raise},
    symbol::Symbol,
};

pub use error::HostError;
pub use evaluation::{Entry, Evaluated, Evaluation, EvaluationError, Request, input_is_complete};
pub use interactive::USER_MODULE;
pub use json::json;

use crate::{
    channel::{self, Channels, Exports, Index},
    graph::GraphBuilder,
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
    index: OnceCell<Index>,
    exports: OnceCell<Exports>,
    /// The graph so far.
    pub graph: GraphBuilder,
    /// The sources that the graph refers to.
    pub sources: BTreeMap<StorePath, SourceContent>,
    builder_modules: BTreeMap<ModuleName, BuilderModule>,
    /// The directory that relative local files are relative to.
    pub base_directory: PathBuf,
}

#[derive(Clone)]
struct BuilderModule {
    path: StorePath,
    imports: Vec<ModuleName>,
}

impl EvaluationHost {
    /// Returns a host over those channels; relative local files are looked up in `base_directory`.
    pub fn new(channels: Channels, base_directory: PathBuf) -> Self {
        EvaluationHost {
            channels,
            index: OnceCell::new(),
            exports: OnceCell::new(),
            graph: GraphBuilder::new(),
            sources: BTreeMap::new(),
            builder_modules: BTreeMap::new(),
            base_directory,
        }
    }

    /// Returns the channels.
    pub fn channels(&self) -> &Channels {
        &self.channels
    }

    /// Returns the index of packages, read at the first call.
    ///
    /// # Errors
    /// [`HostError::Channel`] when a recipe cannot be read.
    pub fn index(&self) -> Result<&Index, HostError> {
        if self.index.get().is_none() {
            let scanned = Index::scan(&self.channels)?;
            let _ = self.index.set(scanned);
        }
        Ok(self.index.get_or_init(Index::default))
    }
}

impl Host for EvaluationHost {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        self.channels.module_source(name).map_err(|error| crate::executor::chain(&error))
    }

    fn canonical_module(&mut self, name: &ModuleName) -> Option<ModuleName> {
        self.channels.canonical(name)
    }

    fn program_imports(&self) -> Vec<ModuleName> {
        ["packages", "gexp", "profiles", "specifications", "transformations"]
            .into_iter()
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

/// Returns the closure of builder-side modules with their paths in the store, sorted by name.
fn imported_modules(
    host: &mut EvaluationHost,
    names: Vec<ModuleName>,
) -> Result<BTreeMap<ModuleName, StorePath>, HostError> {
    let mut found = BTreeMap::new();
    let mut left = names;
    while let Some(name) = left.pop() {
        let name = builder_name(&name);
        if found.contains_key(&name) {
            continue;
        }
        let module = builder_module(host, &name)?;
        left.extend(module.imports);
        found.insert(name, module.path);
    }
    Ok(found)
}

/// Returns `(hpcl build x)` for `(guix build x)`.
fn builder_name(name: &ModuleName) -> ModuleName {
    if name.root().as_str() == "guix" { name.with_root(Symbol::new("hpcl")) } else { name.clone() }
}

fn builder_module(host: &mut EvaluationHost, name: &ModuleName) -> Result<BuilderModule, HostError> {
    if let Some(known) = host.builder_modules.get(name) {
        return Ok(known.clone());
    }
    let source = channel::builder_module(name)
        .or(host.channels.module_source(name)?)
        .ok_or_else(|| HostError::NoBuilderModule { name: name.to_string() })?;
    let parts: Vec<&str> = name.parts().iter().skip(1).map(|part| part.as_str()).collect();
    let path = text_source(host, &format!("{}.hpcl", parts.join("-")), &source.text)?;
    let imports = channel::imports(&source.text)
        .into_iter()
        .map(|import| builder_name(&import))
        .filter(|import| import.parts().get(1).is_some_and(|part| part.as_str() == "build"))
        .collect();
    let module = BuilderModule { path, imports };
    host.builder_modules.insert(name.clone(), module.clone());
    Ok(module)
}
