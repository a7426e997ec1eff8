//! `hpcl diff`: why two packages, manifests, profiles or derivations are not the same.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::{Args, ValueHint};
use serde::Serialize;

use super::{
    Outcome, listing,
    options::{PackageOptions, RecipeOptions, TransformationOptions},
    realise, session,
};
use crate::{
    derivation::{Derivation, difference::Difference},
    host::{Evaluated, SourceContent},
    report::{self, Failure, exit_code},
    store::{History, LocalStore},
    store_path::StorePath,
};

/// Causes that are shown unless all are asked for.
const CAUSES: usize = 3;

/// Arguments of `hpcl diff`.
#[derive(Args)]
pub struct Arguments {
    /// A package, a manifest's file, an expression in parentheses, a profile, a store item or a derivation
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    old: String,
    /// What to compare it with; without, A with the transformations
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    new: Option<String>,
    /// Show all causes
    #[arg(long)]
    all: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipes: RecipeOptions,
    #[command(flatten)]
    transformations: TransformationOptions,
}

/// One side of the comparison.
struct Side {
    derivation: StorePath,
    evaluated: Option<Evaluated>,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    same: bool,
    old: &'a StorePath,
    new: &'a StorePath,
    /// Positions in `pairs`.
    causes: Vec<Cause>,
    #[serde(flatten)]
    difference: &'a Difference,
}

#[derive(Serialize)]
struct Cause {
    pair: usize,
    explains: usize,
}

/// Compares and prints.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.new.is_none() && arguments.transformations.pairs().is_empty() {
        return Err(Failure::new("there is nothing to compare with")
            .hint("name two things, or a package and a transformation such as `--without-tests=PACKAGE`")
            .code(exit_code::USAGE));
    }
    let store = realise::open_store()?;
    let history = store.history();
    let plain = TransformationOptions::default();
    let old = side(&arguments.old, &plain, arguments, &store, &history)?;
    let new = arguments.new.as_ref().unwrap_or(&arguments.old);
    let new = side(new, &arguments.transformations, arguments, &store, &history)?;
    let lookup = |path: &StorePath| {
        [&old, &new].iter().find_map(|side| of_graph(side, path)).or_else(|| history.find(path))
    };
    let difference = Difference::of(&old.derivation, &new.derivation, &lookup);
    let same = difference.pairs.is_empty();
    if arguments.json {
        let causes = difference.causes().into_iter().map(|(pair, explains)| Cause { pair, explains });
        listing::json(&Printed {
            same,
            old: &old.derivation,
            new: &new.derivation,
            causes: causes.collect(),
            difference: &difference,
        })?;
    } else {
        let mut text = String::new();
        if same {
            let note = if old.derivation == new.derivation { "" } else { ", though the derivations differ" };
            text.push_str(&format!("both give the same results{note}\n"));
        } else {
            text.push_str(&format!("- {}\n+ {}\n", old.derivation, new.derivation));
            let content = |path: &StorePath| source(path, [&old, &new], &store);
            let most = if arguments.all { usize::MAX } else { CAUSES };
            report::write_causes(&mut text, &difference, most, &content);
        }
        listing::page(&text)?;
    }
    Ok(ExitCode::from(if same { exit_code::SUCCESS } else { exit_code::DIFFERENT }))
}

fn of_graph(side: &Side, path: &StorePath) -> Option<Arc<Derivation>> {
    let graph = &side.evaluated.as_ref()?.graph;
    graph.by_path(path).map(|id| Arc::clone(&graph.node(id).derivation))
}

/// What an operand stands for.
fn side(
    text: &str,
    transformations: &TransformationOptions,
    arguments: &Arguments,
    store: &LocalStore,
    history: &History,
) -> Result<Side, Failure> {
    if let Some(item) = item(text, store) {
        return Ok(Side { derivation: deriver(&item, store, history)?, evaluated: None });
    }
    let mut packages = PackageOptions {
        recipes: arguments.recipes.clone(),
        transformations: transformations.clone(),
        ..PackageOptions::default()
    };
    if text.starts_with('(') {
        packages.expression.push(text.to_owned());
    } else if text.ends_with(".hpcl") || text.ends_with(".scm") || text.contains('/') {
        packages.manifest.push(PathBuf::from(text));
    } else {
        packages.packages.push(text.to_owned());
    }
    let (evaluated, wanted) = session::wanted(&packages)?;
    let [(id, _)] = wanted.as_slice() else {
        return Err(Failure::new(format!("`{text}` stands for {} packages", wanted.len()))
            .hint("compare manifests, whose profiles are one derivation each, or the packages one by one")
            .code(exit_code::USAGE));
    };
    Ok(Side { derivation: evaluated.graph.node(*id).path.clone(), evaluated: Some(evaluated) })
}

/// The store item that a text names: its path, its base name, a link that leads to it, or a derivation's path.
fn item(text: &str, store: &LocalStore) -> Option<StorePath> {
    let named = || StorePath::parse(text).or_else(|_| StorePath::parse_canonical(text)).ok();
    let inside = |path: &Path| store.item_of(path).map(|(item, _)| item);
    let linked = || inside(&std::fs::canonicalize(text).ok()?);
    named().or_else(|| inside(Path::new(text))).or_else(linked)
}

/// The derivation that an item was made by, which must be known.
fn deriver(item: &StorePath, store: &LocalStore, history: &History) -> Result<StorePath, Failure> {
    let path = if item.is_drv() { Some(item.clone()) } else { store.info(item)?.deriver };
    path.filter(|path| history.find(path).is_some()).ok_or_else(|| {
        Failure::new(format!("how `{item}` was made is not known here"))
            .hint("the derivations of the last runs that made something are kept; packages and manifests can always be compared")
    })
}

/// The text of a source, as far as it can be read.
fn source(path: &StorePath, sides: [&Side; 2], store: &LocalStore) -> Option<String> {
    let sources: [Option<&BTreeMap<StorePath, SourceContent>>; 2] =
        sides.map(|side| side.evaluated.as_ref().map(|evaluated| &evaluated.sources));
    match sources.iter().flatten().find_map(|sources| sources.get(path)) {
        Some(SourceContent::Text(text)) => Some(text.clone()),
        Some(SourceContent::Local(file)) => std::fs::read_to_string(file).ok(),
        None => std::fs::read_to_string(store.local_path(path)).ok(),
    }
}
