//! Collecting templates into a graph.

use std::sync::Arc;

use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;

use super::{GraphError, HashedGraph, NodeId, Outputs, Piece, Template, cycle, hashing};
use crate::{
    derivation::{DerivationError, OutputName},
    store_path::StoreDir,
};

/// A graph under construction. Edges go from a derivation to what it needs.
#[derive(Debug)]
pub struct GraphBuilder {
    directory: StoreDir,
    graph: DiGraph<Node, ()>,
}

#[derive(Debug)]
enum Node {
    Reserved(Arc<str>),
    Defined(Box<Template>),
}

impl Default for GraphBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl GraphBuilder {
    /// An empty graph in the canonical store.
    pub fn new() -> Self {
        Self::in_directory(StoreDir::CANONICAL)
    }

    /// An empty graph in any store directory, for comparing with another implementation.
    pub fn in_directory(directory: StoreDir) -> Self {
        Self { directory, graph: DiGraph::new() }
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the node at that position, when there is one.
    pub fn node_at(&self, index: usize) -> Option<NodeId> {
        (index < self.graph.node_count()).then(|| id_of(NodeIndex::new(index)))
    }

    /// Adds a node. What it refers to must have been added or reserved.
    pub fn add_node(&mut self, template: Template) -> NodeId {
        let index = self.graph.add_node(Node::Defined(Box::new(template)));
        id_of(index)
    }

    /// Adds a node whose template follows with [`define`](Self::define), so that others can refer to it already.
    pub fn reserve(&mut self, name: impl Into<Arc<str>>) -> NodeId {
        id_of(self.graph.add_node(Node::Reserved(name.into())))
    }

    /// Gives a reserved node its template; an error when it has one.
    pub fn define(&mut self, id: NodeId, template: Template) -> Result<(), GraphError> {
        match self.graph.node_weight_mut(NodeIndex::new(id.index())) {
            Some(node @ Node::Reserved(_)) => {
                *node = Node::Defined(Box::new(template));
                Ok(())
            }
            Some(Node::Defined(first)) => Err(GraphError::Redefined { name: Arc::clone(&first.name) }),
            None => Err(GraphError::Undefined { name: template.name }),
        }
    }

    /// The template of a node that has been defined.
    pub fn template(&self, id: NodeId) -> Option<&Template> {
        match self.graph.node_weight(NodeIndex::new(id.index())) {
            Some(Node::Defined(template)) => Some(template),
            _ => None,
        }
    }

    /// Turns every template into a derivation with paths.
    pub fn hash(self) -> Result<HashedGraph, GraphError> {
        let mut graph: DiGraph<Template, ()> =
            DiGraph::with_capacity(self.graph.node_count(), self.graph.node_count() * 4);
        let (nodes, _) = self.graph.into_nodes_edges();
        for node in nodes {
            match node.weight {
                Node::Defined(template) => graph.add_node(*template),
                Node::Reserved(name) => return Err(GraphError::Undefined { name }),
            };
        }
        connect(&mut graph)?;
        let levels = cycle::levels(&graph)?;
        hashing::hash(&self.directory, graph, &levels)
    }
}

pub(super) fn id_of(index: NodeIndex) -> NodeId {
    NodeId(u32::try_from(index.index()).expect("petgraph counts nodes in 32 bits"))
}

/// Checks every template against those that it refers to and adds the edges, one for each pair.
fn connect(graph: &mut DiGraph<Template, ()>) -> Result<(), GraphError> {
    let templates: Vec<&Template> = graph.node_weights().collect();
    // Of several errors the first counts, so results are gathered before they are looked at.
    let inputs: Vec<Result<Vec<NodeIndex>, GraphError>> =
        templates.par_iter().with_min_len(64).map(|template| inputs_of(template, &templates)).collect();
    for (user, inputs) in inputs.into_iter().enumerate() {
        for input in inputs? {
            graph.add_edge(NodeIndex::new(user), input, ());
        }
    }
    Ok(())
}

/// What a template refers to, each once; checks that the outputs are there.
fn inputs_of(template: &Template, templates: &[&Template]) -> Result<Vec<NodeIndex>, GraphError> {
    check(template)?;
    let mut inputs = Vec::new();
    for piece in template.pieces() {
        let (input, output) = match piece {
            Piece::Output(id, output) => {
                let missing = || GraphError::Undefined { name: format!("node {}", id.index()).into() };
                inputs.push(NodeIndex::new(id.index()));
                (*templates.get(id.index()).ok_or_else(missing)?, output)
            }
            Piece::OwnOutput(output) => (template, output),
            Piece::Literal(_) | Piece::Source(_) => continue,
        };
        if !input.has_output(output) {
            return Err(GraphError::NoSuchOutput {
                user: Arc::clone(&template.name),
                input: Arc::clone(&input.name),
                output: output.clone(),
            });
        }
    }
    inputs.sort_unstable();
    inputs.dedup();
    Ok(inputs)
}

/// Checks a template's outputs by themselves.
pub(super) fn check(template: &Template) -> Result<(), GraphError> {
    let out = [OutputName::out()];
    let outputs = match &template.outputs {
        Outputs::Named(names) => names.as_slice(),
        Outputs::Fixed(_) => &out,
    };
    if outputs.is_empty() {
        return Err(DerivationError::NoOutputs { name: template.name.to_string() }.into());
    }
    let mut sorted: Vec<&str> = outputs.iter().map(OutputName::as_str).collect();
    sorted.sort_unstable();
    if let Some(output) = first_duplicate(&sorted) {
        let output = output.to_owned();
        return Err(DerivationError::DuplicateOutput { name: template.name.to_string(), output }.into());
    }
    Ok(())
}

fn first_duplicate<'a>(sorted: &[&'a str]) -> Option<&'a str> {
    sorted.windows(2).find_map(|pair| match pair {
        [before, after] if before == after => Some(*after),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        derivation::FixedHash,
        graph::Text,
        hash::Digest,
        store_path::{ContentMethod, StorePath},
    };

    fn template(name: &str, needs: &[NodeId]) -> Template {
        let text: Text = needs.iter().map(|id| Piece::Output(*id, OutputName::out())).collect();
        let mut made = Template::new(name, "x86_64-linux", "builtin:hpcl-1");
        made.env.push(("needs".into(), text));
        made
    }

    fn source() -> StorePath {
        StorePath::parse("0c6kzph7l0dcbfmjap64f0czdafn3b7x-source").unwrap()
    }

    #[test]
    fn references_become_inputs() {
        let mut builder = GraphBuilder::new();
        let low = builder.add_node(template("low", &[]));
        let extra = builder.add_node(template("extra", &[]));
        let mut top = template("top", &[low]);
        top.env.push(("source".into(), vec![Piece::Literal("file ".into()), Piece::Source(source())].into()));
        top.env.push(("self".into(), Piece::OwnOutput(OutputName::out()).into()));
        top.extra_inputs.push(Piece::Output(extra, OutputName::out()));
        let top = builder.add_node(top);
        let graph = builder.hash().unwrap();
        let drv = &graph.node(top).derivation;
        let path = |id| graph.node(id).path.clone();
        assert_eq!(drv.input_drvs.keys().cloned().collect::<Vec<_>>(), {
            let mut expected = vec![path(low), path(extra)];
            expected.sort();
            expected
        });
        assert_eq!(drv.env_str("needs").unwrap(), graph.node(low).output("out").unwrap().canonical());
        assert_eq!(drv.env_str("source").unwrap(), format!("file {}", source().canonical()));
        assert_eq!(drv.env_str("self").unwrap(), crate::derivation::placeholder("out"));
        assert_eq!(drv.env_str("out").unwrap(), graph.node(top).output("out").unwrap().canonical());
        assert_eq!(drv.input_srcs, [source()].into());
        assert_eq!(graph.requisites([top]), [low, extra, top]);
        assert_eq!((graph.users(low), graph.inputs(low)), (vec![top], vec![]));
        assert_eq!(graph.by_path(&path(top)), Some(top));
    }

    #[test]
    fn how_a_fixed_output_is_fetched_does_not_change_its_users() {
        let user_of = |url: &str| {
            let mut builder = GraphBuilder::new();
            let mut fetch = template("fetch", &[]);
            fetch.env.push(("urls".into(), url.into()));
            let digest = Digest::sha256(b"");
            fetch.outputs = Outputs::Fixed(FixedHash { method: ContentMethod::Flat, digest });
            let fetch = builder.add_node(fetch);
            let user = builder.add_node(template("user", &[fetch]));
            let graph = builder.hash().unwrap();
            (graph.node(user).output("out").cloned(), graph.node(user).path.clone())
        };
        let (first, second) = (user_of("a"), user_of("b"));
        assert_eq!(first.0, second.0, "the output is the same");
        assert_ne!(first.1, second.1, "the derivation is not");
    }

    #[test]
    fn a_cycle_names_its_nodes_in_order() {
        let mut builder = GraphBuilder::new();
        let leaf = builder.add_node(template("leaf", &[]));
        let a = builder.reserve("a");
        let c = builder.reserve("c");
        let b = builder.add_node(template("b", &[c, leaf]));
        builder.define(a, template("a", &[b])).unwrap();
        builder.define(c, template("c", &[a])).unwrap();
        builder.add_node(template("above", &[a]));
        let error = builder.hash().unwrap_err();
        assert_eq!(error.to_string(), "derivations depend on each other in a cycle: `a` → `b` → `c` → `a`");
        assert!(matches!(error, GraphError::Cycle { nodes, .. } if nodes == [a, b, c]));
    }

    #[test]
    fn a_node_that_needs_itself_is_a_cycle() {
        let mut builder = GraphBuilder::new();
        let a = builder.reserve("a");
        builder.define(a, template("a", &[a])).unwrap();
        assert!(matches!(builder.hash(), Err(GraphError::Cycle { nodes, .. }) if nodes == [a]));
    }

    #[test]
    fn wrong_templates_are_refused() {
        let hash_of = |change: &dyn Fn(&mut Template)| {
            let mut builder = GraphBuilder::new();
            let low = builder.add_node(template("low", &[]));
            let mut top = template("top", &[low]);
            change(&mut top);
            builder.add_node(top);
            builder.hash().map(|_| ()).unwrap_err()
        };
        let lib = OutputName::new("lib").unwrap();
        let low = NodeId(0);
        let missing = hash_of(&|top| top.extra_inputs.push(Piece::Output(low, lib.clone())));
        assert_eq!(missing.to_string(), "`top` uses output `lib` of `low`, which has no such output");
        assert!(matches!(
            hash_of(&|top| top.env.push(("own".into(), Piece::OwnOutput(lib.clone()).into()))),
            GraphError::NoSuchOutput { .. }
        ));
        assert!(matches!(
            hash_of(&|top| top.env.push(("out".into(), "".into()))),
            GraphError::DuplicateVariable { variable, .. } if variable.as_ref() == "out"
        ));
        assert!(matches!(
            hash_of(&|top| top.outputs = Outputs::Named(vec![])),
            GraphError::Derivation(DerivationError::NoOutputs { .. })
        ));
        assert!(matches!(
            hash_of(&|top| top.outputs = Outputs::Named(vec![lib.clone(), lib.clone()])),
            GraphError::Derivation(DerivationError::DuplicateOutput { .. })
        ));
        assert!(matches!(
            hash_of(&|top| top.name = "a b".into()),
            GraphError::Derivation(DerivationError::Name { .. })
        ));
        assert!(matches!(
            hash_of(&|top| top.extra_inputs.push(Piece::Output(NodeId(9), lib.clone()))),
            GraphError::Undefined { .. }
        ));
        let mut builder = GraphBuilder::new();
        builder.reserve("never");
        assert!(matches!(builder.hash(), Err(GraphError::Undefined { name }) if name.as_ref() == "never"));
        let mut builder = GraphBuilder::new();
        let id = builder.add_node(template("twice", &[]));
        assert!(matches!(builder.define(id, template("twice", &[])), Err(GraphError::Redefined { .. })));
    }

    #[test]
    fn a_long_chain_and_a_wide_level_hash_alike_every_time() {
        let hash = || {
            let mut builder = GraphBuilder::new();
            let wide: Vec<NodeId> =
                (0..200).map(|n| builder.add_node(template(&format!("wide-{n}"), &[]))).collect();
            let mut last = builder.add_node(template("top", &wide));
            for n in 0..2000 {
                last = builder.add_node(template(&format!("chain-{n}"), &[last]));
            }
            let graph = builder.hash().unwrap();
            assert_eq!(graph.requisites([last]).len(), 2201);
            graph.node(last).path.clone()
        };
        assert_eq!(hash(), hash());
    }
}
