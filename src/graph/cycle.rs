//! Sorting a graph into levels, or saying which nodes form a cycle.
//!
//! A node's level is one more than the highest level of what it needs, so that the nodes of one level can be hashed at
//! the same time. Kahn's algorithm; linear in nodes and edges. What it cannot place lies on a cycle or above one.

use std::sync::Arc;

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
};

use super::{GraphError, Template, builder::id_of};

/// The nodes by level, those without inputs first.
pub(super) fn levels(graph: &DiGraph<Template, ()>) -> Result<Vec<Vec<NodeIndex>>, GraphError> {
    let mut missing: Vec<usize> = graph
        .node_indices()
        .map(|node| graph.neighbors_directed(node, Direction::Outgoing).count())
        .collect();
    let mut level: Vec<NodeIndex> =
        graph.node_indices().zip(&missing).filter(|(_, count)| **count == 0).map(|(node, _)| node).collect();
    let mut levels = Vec::new();
    let mut placed = 0;
    while !level.is_empty() {
        placed += level.len();
        let mut next = Vec::new();
        for node in &level {
            for user in graph.neighbors_directed(*node, Direction::Incoming) {
                let count = missing.get_mut(user.index()).expect("one count for each node");
                *count -= 1;
                if *count == 0 {
                    next.push(user);
                }
            }
        }
        // The order inside a level carries no meaning; sorted, it is the same in every run.
        next.sort_unstable();
        levels.push(std::mem::replace(&mut level, next));
    }
    if placed == graph.node_count() { Ok(levels) } else { Err(find(graph, &missing)) }
}

/// A cycle among the nodes that still miss something: from any of them, following needs that are missing too must come
/// back to a node already seen.
fn find(graph: &DiGraph<Template, ()>, missing: &[usize]) -> GraphError {
    let unplaced = |node: &NodeIndex| missing.get(node.index()).is_some_and(|count| *count > 0);
    let mut path: Vec<NodeIndex> = Vec::new();
    let mut position = std::collections::HashMap::new();
    let mut at = graph.node_indices().find(unplaced);
    while let Some(node) = at {
        if let Some(start) = position.insert(node, path.len()) {
            path.drain(..start);
            break;
        }
        path.push(node);
        at = graph.neighbors_directed(node, Direction::Outgoing).filter(unplaced).min();
    }
    // Start at the node that was added first, so that the message does not depend on where the search began.
    if let Some(first) = path.iter().enumerate().min_by_key(|(_, node)| **node).map(|(index, _)| index) {
        path.rotate_left(first);
    }
    let name = |node: &NodeIndex| graph.node_weight(*node).map(|template| Arc::clone(&template.name));
    GraphError::Cycle {
        nodes: path.iter().map(|node| id_of(*node)).collect(),
        names: path.iter().filter_map(name).collect(),
    }
}
