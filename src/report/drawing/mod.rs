//! Graphs as text and as pictures: dot, JSON, SVG, and one HTML file for looking around in large ones.
//!
//! Nodes come in the order in which they were found, edges lead to what a node needs; both decide the picture alone, so that
//! the same graph is always drawn the same.

mod bars;
mod html;
mod layout;
mod svg;

use std::{collections::VecDeque, fmt::Write as _};

use serde::Serialize;

pub use bars::{Bar, bar, bars_svg};
pub use html::html;
pub use svg::svg;

/// A node of a picture.
#[derive(Clone, Debug, Serialize)]
pub struct Node {
    /// What tells it from all others.
    pub id: String,
    /// What is written on it.
    pub label: String,
    /// Whether it was asked for.
    pub root: bool,
    /// Whether it is a download, whose content is known beforehand.
    pub fixed: bool,
}

/// An edge, by positions of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// What needs.
    pub from: usize,
    /// What is needed.
    pub to: usize,
}

/// A graph to be shown.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Drawing {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The edges.
    pub edges: Vec<Edge>,
}

impl Drawing {
    /// The positions that each node's edges lead to.
    pub fn successors(&self) -> Vec<Vec<usize>> {
        let mut below = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            if let Some(list) = below.get_mut(edge.from) {
                list.push(edge.to);
            }
        }
        below
    }

    /// A shortest way from a root to a node that is meant, by positions.
    pub fn path(&self, is_meant: impl Fn(&Node) -> bool) -> Option<Vec<usize>> {
        let below = self.successors();
        let mut from: Vec<Option<usize>> = vec![None; self.nodes.len()];
        let roots = self.nodes.iter().enumerate().filter(|(_, node)| node.root).map(|(at, _)| at);
        let mut queue: VecDeque<usize> = roots.collect();
        let mut seen: Vec<bool> = self.nodes.iter().map(|node| node.root).collect();
        while let Some(at) = queue.pop_front() {
            if self.nodes.get(at).is_some_and(&is_meant) {
                let before = |at: &usize| from.get(*at).copied().flatten();
                let mut path: Vec<usize> = std::iter::successors(Some(at), before).collect();
                path.reverse();
                return Some(path);
            }
            for next in below.get(at).into_iter().flatten() {
                if let Some(seen) = seen.get_mut(*next).filter(|seen| !**seen) {
                    *seen = true;
                    if let Some(from) = from.get_mut(*next) {
                        *from = Some(at);
                    }
                    queue.push_back(*next);
                }
            }
        }
        None
    }

    /// The graph in the language of Graphviz's `dot`.
    pub fn dot(&self, name: &str) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut text = format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box];\n", quoted(name));
        let id = |at: usize| self.nodes.get(at).map(|node| quoted(&node.id)).unwrap_or_default();
        for node in &self.nodes {
            let style = match (node.root, node.fixed) {
                (true, _) => ", style=bold",
                (_, true) => ", style=dashed",
                _ => "",
            };
            let _ = writeln!(text, "  {} [label={}{style}];", quoted(&node.id), quoted(&node.label));
        }
        for edge in &self.edges {
            let _ = writeln!(text, "  {} -> {};", id(edge.from), id(edge.to));
        }
        text.push_str("}\n");
        text
    }
}

/// A text as XML and HTML write it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drawing of nodes that are called by their positions.
    pub(super) fn drawing(count: usize, edges: &[(usize, usize)]) -> Drawing {
        let node =
            |at: usize| Node { id: format!("n{at}"), label: format!("n{at}"), root: at == 0, fixed: false };
        let edges = edges.iter().map(|(from, to)| Edge { from: *from, to: *to }).collect();
        Drawing { nodes: (0..count).map(node).collect(), edges }
    }

    #[test]
    fn a_way_is_a_shortest_one() {
        let drawing = drawing(5, &[(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]);
        assert_eq!(drawing.path(|node| node.id == "n4"), Some(vec![0, 3, 4]));
        assert_eq!(drawing.path(|node| node.id == "n9"), None);
        assert!(drawing.dot("x").contains("\"n0\" -> \"n3\";"));
    }
}
