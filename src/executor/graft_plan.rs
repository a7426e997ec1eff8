//! Which grafts are needed, from what built items refer to.
//!
//! An item is grafted when it refers to one that is replaced, directly or through others; nothing else is copied. So the plan
//! can only be made when the items are there. Where the name of the replacement has another length, a link of the old length
//! stands between, for references are rewritten in place.
//!
//! Invariant: equal items and replacements give equal grafts, whoever plans them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use thiserror::Error;

use super::{ExecutorError, graft::GRAFT};
use crate::{
    derivation::OutputName,
    graph::{Extension, GraphError, HashedGraph, NodeId, Piece, Template, Text},
    store::{LocalStore, StoreError},
    store_path::StorePath,
};

/// Why grafts cannot be planned.
#[derive(Debug, Error)]
pub enum GraftError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The derivation of a graft is wrong.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A replacement needs what is to be grafted with it.
    #[error("grafts depend on each other in a cycle: {}", names.join(" → "))]
    Cycle {
        /// The items of the cycle, in order.
        names: Vec<String>,
    },
    /// An output that is referred to is missing in the replacement.
    #[error("`{old}` is to be replaced by `{new}`, which has no output `{output}`")]
    NoSuchOutput {
        /// The item that is replaced.
        old: String,
        /// What replaces it.
        new: String,
        /// The output.
        output: OutputName,
    },
}

impl From<GraftError> for ExecutorError {
    fn from(error: GraftError) -> Self {
        match error {
            GraftError::Store(error) => ExecutorError::Store(error),
            error => ExecutorError::Graft(Box::new(error)),
        }
    }
}

/// An output of a derivation of the graph.
pub type Place = (NodeId, OutputName);

/// What is replaced, by the paths of outputs.
#[derive(Debug, Default)]
pub struct Replacements {
    by_path: BTreeMap<StorePath, Place>,
}

/// What takes the place of an item.
#[derive(Clone)]
struct New {
    place: Place,
    path: StorePath,
}

impl Replacements {
    /// From pairs of derivations, each with the one that replaces it. Of several for one derivation, the last counts.
    pub fn new(graph: &HashedGraph, pairs: &[(NodeId, NodeId)]) -> Self {
        let mut by_path = BTreeMap::new();
        for (old, new) in pairs {
            for (output, path) in graph.node(*old).outputs() {
                // What replaces itself, because nothing but the record differs, is no replacement.
                if graph.node(*new).output(output.as_str()) != Some(path) {
                    by_path.insert(path.clone(), (*new, output.clone()));
                }
            }
        }
        Replacements { by_path }
    }

    /// Whether nothing is replaced.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// The outputs that directly replace items of the closure of some.
    ///
    /// # Errors
    /// [`GraftError::NoSuchOutput`] where the replacement lacks one.
    pub fn needed(
        &self,
        graph: &HashedGraph,
        store: &LocalStore,
        roots: &[StorePath],
    ) -> Result<BTreeSet<Place>, GraftError> {
        let mut needed = BTreeSet::new();
        for path in store.closure(roots)? {
            if let Some((id, output)) = self.by_path.get(&path) {
                replacing(graph, &path, *id, output)?;
                needed.insert((*id, output.clone()));
            }
        }
        Ok(needed)
    }
}

/// Adds the grafts to the graph that items need, and says which output takes the place of each that changes.
///
/// The items, the replacements that they [need](Replacements::needed) and what those need must be valid.
pub fn plan_grafts(
    graph: &mut HashedGraph,
    replacements: &Replacements,
    store: &LocalStore,
    roots: &[StorePath],
) -> Result<BTreeMap<StorePath, Place>, GraftError> {
    let order = order(graph, replacements, store, roots)?;
    let mut grafting = Grafting {
        places: HashMap::new(),
        system: replacements.by_path.values().next().map_or_else(String::new, |(id, _)| {
            graph.node(*id).derivation.system.as_utf8().unwrap_or_default().to_owned()
        }),
        extension: Extension::new(graph),
        changed: BTreeMap::new(),
    };
    grafting.find_places();
    for (path, needs) in order {
        let new = match replacements.by_path.get(&path) {
            Some(place) => Some(grafting.replace(&path, place)?),
            None => grafting.copy(&path, &needs)?,
        };
        grafting.changed.extend(new.map(|new| (path, new)));
    }
    let changed = grafting.changed;
    let found = |root: &StorePath| Some((root.clone(), changed.get(root)?.place.clone()));
    Ok(roots.iter().filter_map(found).collect())
}

/// The state of planning.
struct Grafting<'a> {
    /// Where items come from.
    places: HashMap<StorePath, Place>,
    system: String,
    extension: Extension<'a>,
    changed: BTreeMap<StorePath, New>,
}

impl Grafting<'_> {
    fn find_places(&mut self) {
        for (id, node) in self.extension.graph().nodes() {
            for (output, path) in node.outputs() {
                self.places.entry(path.clone()).or_insert_with(|| (id, output.clone()));
            }
        }
    }

    /// What takes the place of an item that is replaced: the replacement or its graft, or a link to it.
    fn replace(&mut self, path: &StorePath, place: &Place) -> Result<New, GraftError> {
        let by = self.extension.graph().node(place.0).output(place.1.as_str()).cloned();
        let by = by.expect("the order was made with it");
        let new = self.changed.get(&by).cloned().unwrap_or_else(|| New { place: place.clone(), path: by });
        if new.path.as_str().len() == path.as_str().len() {
            return Ok(new);
        }
        self.add(path, [("target", piece(&new.place).into())])
    }

    /// The copy of an item with other references; nothing where none changes.
    fn copy(&mut self, path: &StorePath, needs: &BTreeSet<StorePath>) -> Result<Option<New>, GraftError> {
        let moved: Vec<_> = needs.iter().filter_map(|old| Some((old, self.changed.get(old)?))).collect();
        if moved.is_empty() {
            return Ok(None);
        }
        let origin = |path: &StorePath| self.places.get(path).map_or(Piece::Source(path.clone()), piece);
        let from = lines(moved.iter().map(|(old, _)| origin(old)));
        let to = lines(moved.iter().map(|(_, new)| piece(&new.place)));
        let item = origin(path).into();
        self.add(path, [("item", item), ("from", from), ("to", to)]).map(Some)
    }

    /// Adds a graft that is named like the item whose place it takes.
    fn add<const N: usize>(
        &mut self,
        instead_of: &StorePath,
        env: [(&str, Text); N],
    ) -> Result<New, GraftError> {
        let mut template = Template::new(instead_of.name(), self.system.as_str(), GRAFT);
        template.env = env.into_iter().map(|(name, text)| (name.into(), text)).collect();
        let id = self.extension.add(template)?;
        let path = self.extension.graph().node(id).output("out").expect("a graft has this output").clone();
        Ok(New { place: (id, OutputName::out()), path })
    }
}

fn piece((id, output): &Place) -> Piece {
    Piece::Output(*id, output.clone())
}

fn lines(pieces: impl Iterator<Item = Piece>) -> Text {
    let mut text = Text::new();
    for (number, piece) in pieces.enumerate() {
        if number > 0 {
            text.push(Piece::Literal("\n".into()));
        }
        text.push(piece);
    }
    text
}

/// All items that matter with what their grafts need, each after those.
fn order(
    graph: &HashedGraph,
    replacements: &Replacements,
    store: &LocalStore,
    roots: &[StorePath],
) -> Result<Vec<(StorePath, BTreeSet<StorePath>)>, GraftError> {
    enum Step {
        Enter(StorePath),
        Leave(StorePath, BTreeSet<StorePath>),
    }
    let mut order = Vec::new();
    let mut entered: BTreeSet<StorePath> = BTreeSet::new();
    let mut open: Vec<StorePath> = Vec::new();
    let mut steps: Vec<Step> = roots.iter().rev().cloned().map(Step::Enter).collect();
    while let Some(step) = steps.pop() {
        match step {
            Step::Leave(path, needs) => {
                open.pop();
                order.push((path, needs));
            }
            Step::Enter(path) if entered.insert(path.clone()) => {
                let needs: BTreeSet<StorePath> = match replacements.by_path.get(&path) {
                    Some((id, output)) => [replacing(graph, &path, *id, output)?].into(),
                    None => {
                        let references = store.info(&path)?.references;
                        references.into_iter().filter(|reference| *reference != path).collect()
                    }
                };
                open.push(path.clone());
                steps.push(Step::Leave(path, needs.clone()));
                steps.extend(needs.into_iter().map(Step::Enter));
            }
            Step::Enter(path) => {
                if let Some(first) = open.iter().position(|one| *one == path) {
                    let cycle = open.iter().skip(first).chain([&path]);
                    let names = cycle.map(|path| format!("`{}`", path.name())).collect();
                    return Err(GraftError::Cycle { names });
                }
            }
        }
    }
    Ok(order)
}

fn replacing(
    graph: &HashedGraph,
    path: &StorePath,
    id: NodeId,
    output: &OutputName,
) -> Result<StorePath, GraftError> {
    let new = graph.node(id);
    new.output(output.as_str()).cloned().ok_or_else(|| GraftError::NoSuchOutput {
        old: path.name().to_owned(),
        new: new.derivation.name.to_string(),
        output: output.clone(),
    })
}
