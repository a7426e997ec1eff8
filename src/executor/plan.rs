//! What is to be done: which derivations are there, which are fetched, which are built.
//!
//! The walk starts at the wanted outputs and goes below a derivation only when one of its outputs that somebody needs is not
//! valid: what only the builds of valid items needed is not looked at. It goes in waves, so that each wave's outputs
//! are protected from garbage collection with one write before they are looked at.
//!
//! Invariant: `fetch`, `graft` and `build` each hold a derivation after all of the same list that it needs.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::{ExecutorError, graft::GRAFT};
use crate::{
    derivation::{Derivation, OutputName},
    graph::{HashedGraph, NodeId},
    store::LocalStore,
    store_path::StorePath,
};

/// The builder of derivations that only fetch.
pub(super) const FETCHURL: &str = "builtin:fetchurl";

/// The builder that checks a commit of a git repository out.
pub(super) const FETCHGIT: &str = "builtin:fetchgit";

/// Fewer derivations are looked at one after the other.
const AT_ONCE: usize = 32;

/// A derivation of the graph and the outputs of it that are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The derivation.
    pub id: NodeId,
    /// The outputs.
    pub outputs: BTreeSet<OutputName>,
}

/// The work and what is there already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Derivations looked at whose needed outputs are valid.
    pub present: Vec<NodeId>,
    /// Derivations that only fetch a file.
    pub fetch: Vec<NodeId>,
    /// Derivations that replace references in an item.
    pub graft: Vec<NodeId>,
    /// Derivations that are built.
    pub build: Vec<NodeId>,
    /// Wanted derivations that are valid and are built again for comparison; also in `build`.
    pub check: BTreeSet<NodeId>,
    /// For each derivation of `fetch`, `graft` and `build`, which others of them it needs.
    pub needs: BTreeMap<NodeId, Vec<NodeId>>,
}

impl Plan {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.fetch.is_empty() && self.graft.is_empty() && self.build.is_empty()
    }

    /// All derivations of the work.
    pub fn work(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.fetch.iter().chain(&self.graft).chain(&self.build).copied()
    }
}

/// Plans how to make the wanted outputs valid; with `check`, wanted derivations that are valid are built again.
pub fn plan(
    graph: &HashedGraph,
    wanted: &[Wanted],
    store: &LocalStore,
    check: bool,
) -> Result<Plan, ExecutorError> {
    plan_after(graph, wanted, store, check, &BTreeSet::new())
}

/// Plans what is left to do when some items will have come from caches.
pub fn plan_after(
    graph: &HashedGraph,
    wanted: &[Wanted],
    store: &LocalStore,
    check: bool,
    coming: &BTreeSet<StorePath>,
) -> Result<Plan, ExecutorError> {
    let mut plan = Plan::default();
    let mut needed: BTreeMap<NodeId, BTreeSet<OutputName>> = BTreeMap::new();
    let mut todo: BTreeSet<NodeId> = BTreeSet::new();
    let mut wave: BTreeMap<NodeId, BTreeSet<OutputName>> = BTreeMap::new();
    for one in wanted {
        wave.entry(first(graph, one.id)).or_default().extend(one.outputs.iter().cloned());
    }
    let roots: BTreeSet<NodeId> = wave.keys().copied().collect();
    while !wave.is_empty() {
        let mut fresh = Vec::new();
        for (id, outputs) in std::mem::take(&mut wave) {
            let known = needed.entry(id).or_default();
            let more: Vec<_> = outputs.into_iter().filter(|output| known.insert(output.clone())).collect();
            if !more.is_empty() {
                fresh.push((id, more));
            }
        }
        let paths: Vec<&StorePath> = fresh
            .iter()
            .flat_map(|(id, outputs)| outputs.iter().filter_map(|output| path_of(graph, *id, output)))
            .collect();
        store.protect(paths)?;
        // Each is a question to the file system.
        let valid: Vec<bool> = fresh
            .par_iter()
            .with_min_len(AT_ONCE)
            .map(|(id, outputs)| all_valid(graph, store, coming, *id, outputs))
            .collect::<Result<_, _>>()?;
        for ((id, _), valid) in fresh.into_iter().zip(valid) {
            let builtin = is_builtin(&graph.node(id).derivation);
            let again = check && roots.contains(&id) && !builtin;
            if valid && again {
                plan.check.insert(id);
            }
            if (!valid || again) && todo.insert(id) {
                descend(graph, id, &mut wave)?;
            }
        }
    }
    plan.check.retain(|id| todo.contains(id));
    plan.present = needed.keys().filter(|id| !todo.contains(id)).copied().collect();
    let needs = |id: &NodeId| {
        let inputs = graph.node(*id).derivation.input_drvs.keys();
        let inputs = inputs.filter_map(|input| graph.by_path(input)).filter(|input| todo.contains(input));
        let mut needs: Vec<NodeId> = inputs.collect();
        needs.sort_unstable();
        (*id, needs)
    };
    let all: Vec<NodeId> = todo.iter().copied().collect();
    let all: Vec<_> = all.par_iter().with_min_len(AT_ONCE).map(needs).collect();
    plan.needs = all.into_iter().collect();
    for id in in_order(&plan.needs) {
        let builder = &graph.node(id).derivation.builder;
        let list = if *builder == FETCHURL || *builder == FETCHGIT {
            &mut plan.fetch
        } else if *builder == GRAFT {
            &mut plan.graft
        } else {
            &mut plan.build
        };
        list.push(id);
    }
    Ok(plan)
}

/// Whether these outputs of a derivation are valid, or will have come from caches.
fn all_valid(
    graph: &HashedGraph,
    store: &LocalStore,
    coming: &BTreeSet<StorePath>,
    id: NodeId,
    outputs: &[OutputName],
) -> Result<bool, ExecutorError> {
    for output in outputs {
        let path = path_of(graph, id, output).ok_or_else(|| ExecutorError::NoSuchOutput {
            name: graph.node(id).derivation.name.to_string(),
            output: output.clone(),
        })?;
        if !coming.contains(path) && !store.is_valid(path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a derivation is realised in this process.
fn is_builtin(derivation: &Derivation) -> bool {
    [FETCHURL, FETCHGIT, GRAFT].iter().any(|builtin| derivation.builder == *builtin)
}

fn path_of<'a>(graph: &'a HashedGraph, id: NodeId, output: &OutputName) -> Option<&'a StorePath> {
    graph.node(id).derivation.outputs.get(output).map(|output| &output.path)
}

/// Of nodes that came to the same derivation, the one that is worked on.
fn first(graph: &HashedGraph, id: NodeId) -> NodeId {
    graph.by_path(&graph.node(id).path).unwrap_or(id)
}

fn descend(
    graph: &HashedGraph,
    id: NodeId,
    wave: &mut BTreeMap<NodeId, BTreeSet<OutputName>>,
) -> Result<(), ExecutorError> {
    let derivation = &graph.node(id).derivation;
    for (input, outputs) in &derivation.input_drvs {
        let input = graph.by_path(input).ok_or_else(|| ExecutorError::NotInGraph {
            name: derivation.name.to_string(),
            input: input.clone(),
        })?;
        wave.entry(input).or_default().extend(outputs.iter().cloned());
    }
    Ok(())
}

/// The keys, each after all that it needs.
fn in_order(needs: &BTreeMap<NodeId, Vec<NodeId>>) -> Vec<NodeId> {
    let mut order = Vec::with_capacity(needs.len());
    let mut seen = FxHashSet::default();
    let mut stack: Vec<(NodeId, bool)> = needs.keys().rev().map(|id| (*id, false)).collect();
    while let Some((id, done)) = stack.pop() {
        if done {
            order.push(id);
        } else if seen.insert(id) {
            stack.push((id, true));
            stack.extend(needs.get(&id).into_iter().flatten().map(|need| (*need, false)));
        }
    }
    order
}

/// Checks that every source of the work is in the store: who evaluated the graph adds them.
pub(super) fn check_sources(
    graph: &HashedGraph,
    plan: &Plan,
    store: &LocalStore,
) -> Result<(), ExecutorError> {
    let sources: BTreeSet<&StorePath> =
        plan.work().flat_map(|id| &graph.node(id).derivation.input_srcs).collect();
    store.protect(sources.iter().copied())?;
    for source in sources {
        if !store.is_valid(source)? {
            return Err(ExecutorError::MissingSource { path: source.clone() });
        }
    }
    Ok(())
}
