//! The graph as text for Graphviz.

use std::fmt::Write as _;

use super::{HashedGraph, NodeId};

impl HashedGraph {
    /// The roots and all that they need, in the language of `dot`. Nodes are labelled with their names; those with the
    /// same derivation are drawn once.
    pub fn to_dot(&self, roots: impl IntoIterator<Item = NodeId>) -> String {
        let mut text = String::from("digraph derivations {\n  rankdir=LR;\n  node [shape=box];\n");
        for id in self.requisites(roots) {
            let node = self.node(id);
            if self.by_path(&node.path) != Some(id) {
                continue;
            }
            let style = if node.derivation.fixed().is_some() { ", style=dashed" } else { "" };
            let name = node.derivation.name.as_ref();
            // Names of store items hold nothing that would have to be escaped.
            writeln!(text, "  \"{}\" [label=\"{name}\"{style}];", node.path)
                .expect("a string takes everything");
            for input in node.derivation.input_drvs.keys() {
                writeln!(text, "  \"{}\" -> \"{input}\";", node.path).expect("a string takes everything");
            }
        }
        text.push_str("}\n");
        text
    }
}
