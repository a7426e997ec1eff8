//! A graph with every path known.

use std::{collections::HashMap, sync::Arc};

use petgraph::{
    Direction,
    graph::{DiGraph, NodeIndex},
};

use super::{NodeId, builder::id_of};
use crate::{
    derivation::{Derivation, OutputName},
    store_path::{StoreDir, StorePath},
};

/// A derivation in the graph.
#[derive(Clone, Debug)]
pub struct HashedNode {
    /// The path of the derivation itself.
    pub path: StorePath,
    /// The derivation, with its outputs' paths.
    pub derivation: Arc<Derivation>,
}

impl HashedNode {
    /// The path of an output.
    pub fn output(&self, name: &str) -> Option<&StorePath> {
        self.derivation.outputs.get(name).map(|output| &output.path)
    }

    /// All outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&OutputName, &StorePath)> {
        self.derivation.outputs.iter().map(|(name, output)| (name, &output.path))
    }
}

/// A graph of derivations with every path known. Edges go from a derivation to what it needs.
///
/// Two nodes may have the same path: their templates came to the same derivation.
#[derive(Debug)]
pub struct HashedGraph {
    pub(super) directory: StoreDir,
    graph: DiGraph<(), ()>,
    nodes: Vec<HashedNode>,
    by_path: HashMap<StorePath, NodeId>,
}

impl HashedGraph {
    pub(super) fn new(directory: StoreDir, graph: DiGraph<(), ()>, nodes: Vec<HashedNode>) -> Self {
        let mut by_path = HashMap::with_capacity(nodes.len());
        for (index, node) in nodes.iter().enumerate() {
            by_path.entry(node.path.clone()).or_insert(id_of(NodeIndex::new(index)));
        }
        Self { directory, graph, nodes, by_path }
    }

    /// Adds a node that needs those before it.
    pub(super) fn push(&mut self, node: HashedNode, inputs: impl IntoIterator<Item = NodeId>) -> NodeId {
        let index = self.graph.add_node(());
        for input in inputs {
            self.graph.add_edge(index, NodeIndex::new(input.index()), ());
        }
        self.by_path.entry(node.path.clone()).or_insert(id_of(index));
        self.nodes.push(node);
        id_of(index)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node.
    ///
    /// # Panics
    /// When the id comes from another graph.
    pub fn node(&self, id: NodeId) -> &HashedNode {
        self.nodes.get(id.index()).expect("an id of this graph")
    }

    /// The node whose derivation has this path; of several, the first.
    pub fn by_path(&self, path: &StorePath) -> Option<NodeId> {
        self.by_path.get(path).copied()
    }

    /// All nodes, in the order of adding.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &HashedNode)> {
        self.nodes.iter().enumerate().map(|(index, node)| (id_of(NodeIndex::new(index)), node))
    }

    /// What a node needs directly, in the order of ids.
    pub fn inputs(&self, id: NodeId) -> Vec<NodeId> {
        self.neighbours(id, Direction::Outgoing)
    }

    /// What needs a node directly, in the order of ids.
    pub fn users(&self, id: NodeId) -> Vec<NodeId> {
        self.neighbours(id, Direction::Incoming)
    }

    /// The roots and all that they need, each after what it needs.
    pub fn requisites(&self, roots: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let mut order = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let mut stack: Vec<(NodeId, bool)> = roots.into_iter().map(|id| (id, false)).collect();
        stack.reverse();
        while let Some((id, done)) = stack.pop() {
            if done {
                order.push(id);
                continue;
            }
            let seen = seen.get_mut(id.index()).expect("an id of this graph");
            if std::mem::replace(seen, true) {
                continue;
            }
            stack.push((id, true));
            stack.extend(self.inputs(id).into_iter().rev().map(|input| (input, false)));
        }
        order
    }

    fn neighbours(&self, id: NodeId, direction: Direction) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> =
            self.graph.neighbors_directed(NodeIndex::new(id.index()), direction).map(id_of).collect();
        ids.sort_unstable();
        ids
    }
}
