//! One evaluation: from what a user names to a hashed graph of derivations.
//!
//! Holds the interpreter; verbs ask it for entries (what a profile would hold), for values, and at the end for the
//! [`Evaluated`] graph, which knows nothing of the language any more. Invariant: language errors leave here as rendered
//! diagnostics.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use hpcl_lang::{
    diagnostic::{Diagnostic, TraceEntry},
    host::ModuleName,
    interpreter::Interpreter,
    native::Side,
    print, render,
    source::SourceMap,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{EvaluationHost, HostError, Progress, SourceContent};
use crate::{
    channel::{
        Channels,
        lock::{Drift, Lock},
    },
    graph::{GraphError, HashedGraph, NodeId},
    lower::DerivationValue,
    profile::SearchPath,
    store_path::StorePath,
};

/// Errors of an evaluation.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The program is wrong; the text is the rendered diagnostics.
    #[error("{rendered}")]
    Language {
        /// All diagnostics, ready to print.
        rendered: String,
    },
    /// A file named by the user cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that should list channels has another value.
    #[error("the value of `{path}` is no list of channels")]
    NoChannels {
        /// The file.
        path: PathBuf,
    },
    /// What was evaluated is not what was locked.
    #[error("this is not what was locked: {}", drifted(drifts, *other_bundled))]
    Drift {
        /// What is another.
        drifts: Vec<Drift>,
        /// Whether the bundled channels are others.
        other_bundled: bool,
    },
    /// A channel cannot be read.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The graph cannot be hashed.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

fn drifted(drifts: &[Drift], other_bundled: bool) -> String {
    const SHOWN: usize = 5;
    let mut lines: Vec<String> =
        drifts.iter().take(SHOWN).map(|drift| format!("\n  `{}`: {}", drift.name, drift.what)).collect();
    if drifts.len() > SHOWN {
        lines.push(format!("\n  and {} more", drifts.len() - SHOWN));
    }
    if other_bundled {
        lines.push(
            "\n  it was locked with another hpcl, whose bundled channels and library were others".to_owned(),
        );
    }
    lines.concat()
}

/// What the user named, in the terms of the library.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Files whose last value is a manifest, a package or a list of packages.
    pub files: Vec<PathBuf>,
    /// Expressions of the same kind.
    pub expressions: Vec<String>,
    /// Package specifications.
    pub specifications: Vec<String>,
    /// Transformations: option and value.
    pub transformations: Vec<(&'static str, String)>,
    /// Whether the environment to build the packages is wanted, and not the packages.
    pub development: bool,
    /// Whether packages' replacements are not looked at.
    pub no_grafts: bool,
}

/// A package that was asked for.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The package's name.
    pub name: String,
    /// Its version, or nothing.
    pub version: String,
    /// The output asked for.
    pub output: String,
    /// Its derivation.
    pub node: NodeId,
}

/// A hashed graph and what is needed to realise it.
pub struct Evaluated {
    /// The graph.
    pub graph: HashedGraph,
    /// Texts and local files that the graph refers to.
    pub sources: BTreeMap<StorePath, SourceContent>,
    /// Derivations of packages that have a replacement, and those of the replacements.
    pub replacements: Vec<(NodeId, NodeId)>,
    /// Whether it depends on what repositories and servers have today.
    pub acquired: bool,
}

/// One evaluation.
pub struct Evaluation {
    pub(super) interpreter: Interpreter,
    color: bool,
    grafts: bool,
    lock: Option<Lock>,
    providers: BTreeMap<String, String>,
}

impl Evaluation {
    /// Returns an evaluation over those channels. Relative local files are looked up in `base_directory`; `color` says
    /// how diagnostics are rendered.
    pub fn new(channels: Channels, base_directory: PathBuf, color: bool) -> Self {
        let host = EvaluationHost::new(channels, base_directory);
        Evaluation {
            interpreter: Interpreter::new(Side::Evaluation, Box::new(host)),
            color,
            grafts: true,
            lock: None,
            providers: BTreeMap::new(),
        }
    }

    /// Sets what all derivations must be among.
    pub fn require(&mut self, lock: Lock) {
        self.lock = Some(lock);
    }

    /// Evaluates a file.
    ///
    /// # Errors
    /// [`EvaluationError::Read`] and [`EvaluationError::Language`].
    pub fn file(&mut self, path: &Path) -> Result<Value, EvaluationError> {
        let read = |source| EvaluationError::Read { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(read)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            read(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!("it is not UTF-8: {}", error.utf8_error()),
            ))
        })?;
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.interpreter.host_mut::<EvaluationHost>().base_directory = parent.to_owned();
        }
        let value = self.interpreter.run_program(path.display().to_string(), text);
        self.checked(value)
    }

    /// Evaluates an expression in a module that has the library's usual names.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn expression(&mut self, text: &str) -> Result<Value, EvaluationError> {
        let value = self.interpreter.run_program("<command line>", format!("{text}\n"));
        self.checked(value)
    }

    /// Returns how a value is written.
    pub fn write(&self, value: &Value) -> String {
        print::write(value)
    }

    /// Returns how the interactive loop shows a value; nothing for an unspecified one.
    pub fn shown(&self, value: &Value) -> Option<String> {
        (!matches!(value, Value::Unspecified)).then(|| print::write(value))
    }

    /// Whether a value stands for packages or derivations.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn denotes_packages(&mut self, value: &Value) -> Result<bool, EvaluationError> {
        Ok(self.call("denotes-packages?", vec![value.clone()])?.is_true())
    }

    /// Returns the manifest entries of what the user named.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn entries(&mut self, request: &Request) -> Result<Value, EvaluationError> {
        let mut values = Vec::new();
        for path in &request.files {
            values.push(self.file(path)?);
        }
        for text in &request.expressions {
            values.push(self.expression(text)?);
        }
        self.entries_of(values, request)
    }

    /// Returns the manifest entries of values that were evaluated before, and of the request's specifications.
    ///
    /// # Errors
    /// [`EvaluationError`].
    pub fn entries_of(&mut self, values: Vec<Value>, request: &Request) -> Result<Value, EvaluationError> {
        let specifications: Vec<Value> =
            request.specifications.iter().map(|text| Value::string(text.clone())).collect();
        let options: Vec<Value> = request
            .transformations
            .iter()
            .map(|(name, value)| (*name, value.clone()))
            .chain(self.providers.iter().map(|(name, provider)| {
                // The version that interfaces have: a package that has the name of one is another matter.
                ("with-input", format!("{name}@interface={provider}"))
            }))
            .map(|(name, value)| Value::cons(Value::symbol(name), Value::string(value)))
            .collect();
        let arguments = vec![Value::list(values), Value::list(specifications), Value::list(options)];
        self.grafts = !request.no_grafts;
        let mut entries = self.call("values->entries", arguments)?;
        if self.grafts {
            entries = self.call("replaced-entries", vec![entries])?;
        }
        if request.development { self.call("development-entries", vec![entries]) } else { Ok(entries) }
    }

    /// Returns the derivations of manifest entries.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn derivations(&mut self, entries: &Value) -> Result<Vec<Entry>, EvaluationError> {
        let rows = self.call("entries->derivations", vec![entries.clone()])?;
        Ok(rows.list_to_vec().unwrap_or_default().iter().filter_map(entry).collect())
    }

    /// Returns the derivation of the profile that holds manifest entries.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn profile(&mut self, entries: &Value) -> Result<NodeId, EvaluationError> {
        let value = self.call("entries->profile", vec![entries.clone()])?;
        Ok(value
            .as_foreign::<DerivationValue>()
            .map(|drv| drv.node)
            .expect("`entries->profile` returns a derivation"))
    }

    /// Returns the search paths of a profile that holds manifest entries.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn search_paths(&mut self, entries: &Value) -> Result<Vec<SearchPath>, EvaluationError> {
        let rows = self.call("entries->search-paths", vec![entries.clone()])?;
        Ok(rows.list_to_vec().unwrap_or_default().iter().filter_map(search_path).collect())
    }

    /// Returns the package that a specification names.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn package(&mut self, specification: &str) -> Result<Value, EvaluationError> {
        let module = library("specifications");
        self.call_in(&module, "specification->package", vec![Value::string(specification)])
    }

    /// Hashes the whole graph.
    ///
    /// # Errors
    /// [`EvaluationError::Graph`]; [`EvaluationError::Language`] of packages' replacements; [`EvaluationError::Drift`].
    pub fn finish(mut self) -> Result<Evaluated, EvaluationError> {
        let replacements = self.replacements()?;
        let host = self.interpreter.host_mut::<EvaluationHost>();
        let graph = std::mem::take(&mut host.graph).hash()?;
        if let Some(lock) = &self.lock {
            let drifts = lock.drift(&graph);
            if !drifts.is_empty() {
                return Err(EvaluationError::Drift { drifts, other_bundled: !lock.has_same_bundled() });
            }
        }
        let sources = std::mem::take(&mut host.sources);
        Ok(Evaluated { graph, sources, replacements, acquired: host.acquirer.was_used() })
    }

    /// Lowers the replacements of the packages in the graph, and of those that come with them.
    fn replacements(&mut self) -> Result<Vec<(NodeId, NodeId)>, EvaluationError> {
        let mut pairs = Vec::new();
        while self.grafts {
            let noted = std::mem::take(&mut self.interpreter.host_mut::<EvaluationHost>().replacements);
            if noted.is_empty() {
                break;
            }
            for (old, package) in noted {
                let new = self.call("replacement->derivation", vec![package])?;
                pairs.extend(new.as_foreign::<DerivationValue>().map(|new| (old, new.node)));
            }
        }
        Ok(pairs)
    }

    /// Sets what is told what the user should know.
    pub fn tell_warnings(&mut self, warning: fn(&str)) {
        self.interpreter.host_mut::<EvaluationHost>().warning = Some(warning);
    }

    /// Sets what is told while an index is made, which may take seconds.
    pub fn tell_progress(&mut self, progress: Progress) {
        self.interpreter.host_mut::<EvaluationHost>().progress = Some(progress);
    }

    /// Sets which packages provide interfaces where nothing else is asked for.
    pub fn prefer(&mut self, providers: BTreeMap<String, String>) {
        self.providers = providers;
    }

    /// Sets what is told when a source that has no hash is fetched.
    pub fn tell_fetches(&mut self, told: super::Told) {
        self.interpreter.host_mut::<EvaluationHost>().acquirer.told = Some(told);
    }

    pub(super) fn call(&mut self, name: &str, arguments: Vec<Value>) -> Result<Value, EvaluationError> {
        self.call_in(&library("command-line"), name, arguments)
    }

    pub(super) fn call_in(
        &mut self,
        module: &ModuleName,
        name: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, EvaluationError> {
        let procedure = self.interpreter.module_value(module, Symbol::new(name));
        let procedure = self.checked(procedure)?;
        let value = self.interpreter.call(&procedure, arguments);
        self.checked(value)
    }

    pub(super) fn checked<T>(&self, result: Result<T, Vec<Diagnostic>>) -> Result<T, EvaluationError> {
        let sources = self.interpreter.sources();
        result.map_err(|diagnostics| {
            let shown: Vec<Diagnostic> =
                diagnostics.into_iter().map(|diagnostic| blame_the_user(diagnostic, sources)).collect();
            EvaluationError::Language { rendered: render::render(&shown, sources, self.color) }
        })
    }
}

/// Whether an interactive input can be read, be it with errors: all its parentheses and strings are closed.
pub fn input_is_complete(text: &str) -> bool {
    hpcl_lang::reader::is_complete(text)
}

/// Moves the place of an error that the library raised to the nearest line that the user wrote, and leaves the
/// library's own calls out of the trace.
fn blame_the_user(mut diagnostic: Diagnostic, sources: &SourceMap) -> Diagnostic {
    let in_library = |span: Span| {
        sources
            .get(span.file)
            .is_some_and(|source| source.name.starts_with("stdlib/") || source.name.starts_with("<prelude>"))
    };
    let own = |entry: &TraceEntry| entry.span.is_some_and(|span| !in_library(span));
    if diagnostic.primary.as_ref().is_some_and(|(span, _)| in_library(*span)) {
        let nearest = diagnostic.trace.iter().find(|entry| own(entry)).cloned();
        let place = nearest.as_ref().and_then(|entry| entry.span);
        diagnostic.primary = place.zip(nearest).map(|(span, entry)| {
            (span, if entry.text.starts_with("for ") { entry.text } else { "here".to_owned() })
        });
        diagnostic.trace.retain(|entry| own(entry) && entry.span != place);
    } else if diagnostic.primary.is_some() || diagnostic.trace.iter().any(own) {
        diagnostic.trace.retain(own);
    }
    diagnostic
}

pub(super) fn library(name: &str) -> ModuleName {
    ModuleName::new(vec![Symbol::new("hpcl"), Symbol::new(name)]).expect("a module name has parts")
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.list_to_vec()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
}

fn entry(row: &Value) -> Option<Entry> {
    let parts = row.list_to_vec()?;
    let [name, version, output, drv] = parts.as_slice() else { return None };
    Some(Entry {
        name: name.as_str()?.to_owned(),
        version: version.as_str()?.to_owned(),
        output: output.as_str()?.to_owned(),
        node: drv.as_foreign::<DerivationValue>()?.node,
    })
}

fn search_path(row: &Value) -> Option<SearchPath> {
    let parts = row.list_to_vec()?;
    let [variable, files, separator, kind, _pattern] = parts.as_slice() else { return None };
    Some(SearchPath {
        variable: variable.as_str()?.to_owned(),
        files: strings(files)?,
        separator: separator.as_str().map(str::to_owned),
        directories: !matches!(kind, Value::Symbol(name) if name.as_str() == "regular"),
    })
}
