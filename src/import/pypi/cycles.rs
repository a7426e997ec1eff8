//! Packages that need each other, and how that is ended.
//!
//! Where a build is part of the cycle, one package of it becomes a wheel, which needs no build. A cycle at run time alone is opened where it
//! is closed last: one package goes without what leads back, and those that use it name that themselves.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::{tarjan_scc, toposort};
use petgraph::graphmap::DiGraphMap;

use super::facts::{Facts, Key};
use super::plan::{Need, Plan, Planned};
use super::project::Mode;
use crate::import::ImportError;

/// Opens all cycles of a plan.
pub(super) fn break_cycles(plan: &mut Plan, facts: &Facts) -> Result<(), ImportError> {
    while let Some(cycle) = first_cycle(plan) {
        if !by_wheel(plan, facts, &cycle)? {
            by_leaving_out(plan, &cycle);
        }
    }
    Ok(())
}

/// All packages, each after what it needs; of several that may come next the first by name.
pub(super) fn ordered(plan: &Plan) -> Vec<&Planned> {
    let keys: Vec<&Key> = plan.packages.keys().collect();
    let graph = graph(plan, &keys);
    // Nothing is left out: a plan has no cycles any more.
    let order = toposort(&graph, None).unwrap_or_default();
    let mut depth: BTreeMap<usize, usize> = BTreeMap::new();
    for node in order.iter().rev() {
        let below =
            graph.neighbors(*node).filter_map(|next| depth.get(&next)).max().map_or(0, |deepest| deepest + 1);
        depth.insert(*node, below);
    }
    let mut sorted: Vec<(usize, usize)> = depth.into_iter().map(|(node, depth)| (depth, node)).collect();
    sorted.sort_unstable();
    sorted.into_iter().filter_map(|(_, node)| plan.packages.get(*keys.get(node)?)).collect()
}

/// An edge leads from a package to what it needs.
fn graph(plan: &Plan, keys: &[&Key]) -> DiGraphMap<usize, ()> {
    let numbers: BTreeMap<&Key, usize> =
        keys.iter().enumerate().map(|(number, key)| (*key, number)).collect();
    let mut graph = DiGraphMap::new();
    for (number, key) in keys.iter().enumerate() {
        graph.add_node(number);
        let Some(package) = plan.packages.get(*key) else { continue };
        for needed in own(package.native.iter().chain(&package.run_time)) {
            if let Some(other) = numbers.get(needed) {
                graph.add_edge(number, *other, ());
            }
        }
    }
    graph
}

fn own<'a>(needs: impl Iterator<Item = &'a Need>) -> impl Iterator<Item = &'a Key> {
    needs.filter_map(|need| match need {
        Need::Own(key) => Some(key),
        Need::Channel(_) => None,
    })
}

fn first_cycle(plan: &Plan) -> Option<BTreeSet<Key>> {
    let keys: Vec<&Key> = plan.packages.keys().collect();
    let graph = graph(plan, &keys);
    let parts = tarjan_scc(&graph).into_iter();
    let mut cycles: Vec<BTreeSet<Key>> = parts
        .filter(|part| part.len() > 1 || part.first().is_some_and(|node| graph.contains_edge(*node, *node)))
        .map(|part| part.into_iter().filter_map(|node| keys.get(node).map(|key| (*key).clone())).collect())
        .collect();
    cycles.sort();
    cycles.into_iter().next()
}

/// Makes a wheel of a package whose build is part of the cycle: of one that others need to be built if there is such, and of
/// one without native code rather than of others.
fn by_wheel(plan: &mut Plan, facts: &Facts, cycle: &BTreeSet<Key>) -> Result<bool, ImportError> {
    if facts.policy().mode == Mode::SourceOnly {
        return Ok(false);
    }
    let mut candidates: Vec<(bool, bool, Key)> = Vec::new();
    for key in cycle {
        let Some(package) = plan.packages.get(key) else { continue };
        if package.wheel || !own(package.native.iter()).any(|needed| cycle.contains(needed)) {
            continue;
        }
        let Some(wheel) = facts.release(key)?.and_then(|release| release.wheel) else { continue };
        let builds = |other: &Planned| other.key != *key && other.native.contains(&Need::Own(key.clone()));
        let tool = cycle.iter().filter_map(|other| plan.packages.get(other)).any(builds);
        candidates.push((!tool, !wheel.name.ends_with("-none-any.whl"), key.clone()));
    }
    candidates.sort();
    let Some((_, _, key)) = candidates.into_iter().next() else { return Ok(false) };
    let wheel = facts.release(&key)?.and_then(|release| release.wheel);
    if let (Some(package), Some(wheel)) = (plan.packages.get_mut(&key), wheel) {
        let others: Vec<&str> =
            cycle.iter().filter(|other| **other != key).map(|other| other.0.as_str()).collect();
        let reason = match others.as_slice() {
            [] => "it is built with itself".to_owned(),
            others => format!("it is built with what needs it: {}", others.join(", ")),
        };
        package.wheel = true;
        package.file = wheel;
        package.native.clear();
        package.build = super::build::Build::default();
        package.remarks.push(format!("a wheel: {reason}"));
        plan.notes.push(format!("{} {} is a wheel: {reason}", key.0, key.1));
    }
    Ok(true)
}

/// Takes one need at run time out of a cycle.
fn by_leaving_out(plan: &mut Plan, cycle: &BTreeSet<Key>) {
    // The edge that closes it, seen from the first by name.
    let found = cycle.iter().rev().find_map(|key| {
        let package = plan.packages.get(key)?;
        let needs = own(package.run_time.iter()).chain(own(package.native.iter()));
        needs.filter(|needed| cycle.contains(*needed)).min().map(|needed| (key.clone(), needed.clone()))
    });
    let Some((key, needed)) = found else { return };
    let need = Need::Own(needed.clone());
    if let Some(package) = plan.packages.get_mut(&key) {
        package.run_time.remove(&need);
        package.native.remove(&need);
        package.incomplete = true;
        package.remarks.push(format!("{} is left out: it needs this package", needed.0));
    }
    plan.notes.push(format!(
        "{} and {} need each other: the recipe of {} goes without {}",
        key.0, needed.0, key.0, needed.0
    ));
    for (other, package) in &mut plan.packages {
        if !cycle.contains(other) && package.run_time.contains(&Need::Own(key.clone())) {
            package.run_time.insert(need.clone());
        }
    }
}
