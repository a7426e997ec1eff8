//! Adding to a graph that is hashed already.
//!
//! Some derivations can only be written when others have been built: a graft depends on what its item refers to. They need
//! nodes of the graph and change none of them.

use std::collections::BTreeMap;

use super::{
    GraphError, HashedGraph, NodeId, Piece, Template, builder,
    hashing::{self, Done},
};
use crate::derivation::Modulo;

/// A graph that is being added to. What it computes of the graph's nodes it computes once.
pub struct Extension<'a> {
    graph: &'a mut HashedGraph,
    done: Vec<Option<Done>>,
}

impl<'a> Extension<'a> {
    /// Begins to add to a graph.
    pub fn new(graph: &'a mut HashedGraph) -> Self {
        Extension { graph, done: Vec::new() }
    }

    /// The graph so far.
    pub fn graph(&self) -> &HashedGraph {
        self.graph
    }

    /// Adds the derivation of a template that refers to nodes of the graph.
    ///
    /// # Errors
    /// As for a graph that is hashed as a whole.
    pub fn add(&mut self, template: Template) -> Result<NodeId, GraphError> {
        let mut inputs: Vec<NodeId> = Vec::new();
        for piece in template.pieces() {
            if let Piece::Output(id, output) = piece {
                if id.index() >= self.graph.len() {
                    return Err(GraphError::Undefined { name: format!("node {}", id.index()).into() });
                }
                let input = &self.graph.node(*id).derivation;
                if !input.outputs.contains_key(output) {
                    return Err(GraphError::NoSuchOutput {
                        user: template.name.clone(),
                        input: input.name.clone(),
                        output: output.clone(),
                    });
                }
                inputs.push(*id);
            }
        }
        builder::check(&template)?;
        inputs.sort_unstable();
        inputs.dedup();
        self.count(&inputs)?;
        let directory = self.graph.directory.clone();
        let done = hashing::node(&directory, template, &self.done)?;
        let id = self.graph.push(done.node.clone(), inputs);
        self.put(id, done);
        Ok(id)
    }

    /// Computes what nodes count as in the hashes of those that use them, from the bottom up.
    fn count(&mut self, nodes: &[NodeId]) -> Result<(), GraphError> {
        let directory = self.graph.directory.clone();
        for id in self.graph.requisites(nodes.iter().copied()) {
            if self.done.get(id.index()).is_some_and(Option::is_some) {
                continue;
            }
            let known: BTreeMap<_, Modulo> = self
                .graph
                .inputs(id)
                .into_iter()
                .filter_map(|input| self.done.get(input.index())?.as_ref())
                .map(|done| (done.node.path.clone(), done.modulo.clone()))
                .collect();
            let node = self.graph.node(id).clone();
            let modulo = node.derivation.modulo(&directory, &known)?;
            self.put(id, Done { node, modulo });
        }
        Ok(())
    }

    fn put(&mut self, id: NodeId, done: Done) {
        if self.done.len() <= id.index() {
            self.done.resize_with(id.index() + 1, || None);
        }
        if let Some(place) = self.done.get_mut(id.index()) {
            *place = Some(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        derivation::OutputName,
        graph::{GraphBuilder, Text},
    };

    fn template(name: &str, inputs: &[NodeId]) -> Template {
        let mut template = Template::new(name, "x86_64-linux", "builtin:hpcl-1");
        let text: Text = inputs.iter().map(|id| Piece::Output(*id, OutputName::out())).collect();
        template.env.push(("inputs".into(), text));
        template
    }

    #[test]
    fn what_is_added_is_what_the_whole_would_have() {
        let mut whole = GraphBuilder::new();
        let low = whole.add_node(template("low", &[]));
        let middle = whole.add_node(template("middle", &[low]));
        let high = whole.add_node(template("high", &[low, middle]));
        let top = whole.add_node(template("top", &[high, middle]));
        let whole = whole.hash().unwrap();

        let mut part = GraphBuilder::new();
        let low = part.add_node(template("low", &[]));
        let middle = part.add_node(template("middle", &[low]));
        let mut part = part.hash().unwrap();
        let mut extension = Extension::new(&mut part);
        let added = extension.add(template("high", &[low, middle])).unwrap();
        let above = extension.add(template("top", &[added, middle])).unwrap();
        assert_eq!(part.node(added).path, whole.node(high).path);
        assert_eq!(part.node(above).path, whole.node(top).path);
        assert_eq!(part.requisites([above]).len(), 4);
    }

    #[test]
    fn a_reference_to_what_is_not_there_is_an_error() {
        let mut graph = GraphBuilder::new();
        let low = graph.add_node(template("low", &[]));
        let mut graph = graph.hash().unwrap();
        let mut wrong = template("wrong", &[]);
        wrong.extra_inputs.push(Piece::Output(low, OutputName::new("lib").unwrap()));
        let error = Extension::new(&mut graph).add(wrong).unwrap_err();
        assert!(matches!(error, GraphError::NoSuchOutput { .. }), "{error}");
    }
}
