//! From templates to derivations, one level after the other, the nodes of a level in parallel.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;
use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;

use super::{GraphError, HashedGraph, HashedNode, NodeId, Outputs, Piece, Template, Text};
use crate::{
    derivation::{Derivation, Modulo, Output, OutputName, placeholder},
    store_path::{StoreDir, StorePath},
};

/// A level of fewer nodes is hashed on this thread: handing them out costs more than it saves.
const PARALLEL_FROM: usize = 16;

/// A node while the graph is being hashed.
struct Done {
    node: HashedNode,
    modulo: Modulo,
}

pub(super) fn hash(
    directory: &StoreDir,
    graph: DiGraph<Template, ()>,
    levels: &[Vec<NodeIndex>],
) -> Result<HashedGraph, GraphError> {
    let shape = graph.map(|_, _| (), |_, ()| ());
    let mut templates: Vec<Option<Template>> =
        graph.into_nodes_edges().0.into_iter().map(|node| Some(node.weight)).collect();
    let mut done: Vec<Option<Done>> = Vec::new();
    done.resize_with(templates.len(), || None);
    for level in levels {
        let mut take = |index: &NodeIndex| {
            let template = templates.get_mut(index.index()).and_then(Option::take);
            (index.index(), template.expect("each node is in one level"))
        };
        // Moved out, so that freeing the templates is done in parallel too.
        let level: Vec<(usize, Template)> = level.iter().map(&mut take).collect();
        let one = |(index, template): (usize, Template)| {
            node(directory, &template, &done).map(|made| (index, made))
        };
        // Of several errors the first counts, so results are gathered before they are looked at.
        let made: Vec<Result<_, GraphError>> = if level.len() < PARALLEL_FROM {
            level.into_iter().map(one).collect()
        } else {
            level.into_par_iter().with_min_len(PARALLEL_FROM / 2).map(one).collect()
        };
        for one in made {
            let (index, node) = one?;
            *done.get_mut(index).expect("one place for each node") = Some(node);
        }
    }
    let nodes = done.into_iter().map(|one| one.expect("the levels hold every node").node).collect();
    Ok(HashedGraph::new(shape, nodes))
}

/// The derivation of one template, whose inputs are done.
fn node(directory: &StoreDir, template: &Template, done: &[Option<Done>]) -> Result<Done, GraphError> {
    let mut inputs =
        Inputs { directory, done, drvs: BTreeMap::new(), by_path: Vec::new(), srcs: BTreeSet::new() };
    let builder = inputs.render(&template.builder);
    let args = template.args.iter().map(|arg| inputs.render(arg)).collect();
    let env =
        template.env.iter().map(|(name, text)| (BString::from(name.as_ref()), inputs.render(text))).collect();
    let mut ignored = BString::default();
    for piece in &template.extra_inputs {
        inputs.piece(piece, &mut ignored);
    }
    // A path that stands where the real one is computed; any valid one will do.
    let unknown = StorePath::from_parts(&[0; 20], &template.name).map_err(|source| {
        crate::derivation::DerivationError::Name { name: template.name.to_string(), source }
    })?;
    let outputs = match &template.outputs {
        Outputs::Named(names) => {
            names.iter().map(|name| (name.clone(), Output { path: unknown.clone(), fixed: None })).collect()
        }
        Outputs::Fixed(fixed) => [(OutputName::out(), Output { path: unknown, fixed: Some(*fixed) })].into(),
    };
    let Inputs { drvs, mut by_path, srcs, .. } = inputs;
    by_path.sort_unstable_by_key(|(path, _)| *path);
    let mut derivation = Derivation {
        name: template.name.clone(),
        outputs,
        input_drvs: drvs,
        input_srcs: srcs,
        system: template.system.as_ref().into(),
        builder,
        args,
        env,
    };
    let (modulo, path) = derivation.complete(directory, |path| {
        let at = by_path.binary_search_by_key(&path, |(known, _)| *known).ok()?;
        by_path.get(at).map(|(_, modulo)| *modulo)
    })?;
    derivation.validate_in(directory)?;
    Ok(Done { node: HashedNode { path, derivation: derivation.into() }, modulo })
}

/// The inputs of one node, gathered while its texts are written out.
struct Inputs<'a> {
    directory: &'a StoreDir,
    done: &'a [Option<Done>],
    drvs: BTreeMap<StorePath, BTreeSet<OutputName>>,
    by_path: Vec<(&'a StorePath, &'a Modulo)>,
    srcs: BTreeSet<StorePath>,
}

impl Inputs<'_> {
    fn render(&mut self, text: &Text) -> BString {
        let mut to = BString::default();
        for piece in text.pieces() {
            self.piece(piece, &mut to);
        }
        to
    }

    fn piece(&mut self, piece: &Piece, to: &mut BString) {
        match piece {
            Piece::Literal(text) => to.extend_from_slice(text.as_bytes()),
            Piece::OwnOutput(name) => to.extend_from_slice(placeholder(name.as_str()).as_bytes()),
            Piece::Source(path) => {
                self.path(path, to);
                if !self.srcs.contains(path) {
                    self.srcs.insert(path.clone());
                }
            }
            Piece::Output(id, name) => {
                let input = self.input(*id);
                let output =
                    input.node.derivation.outputs.get(name).expect("checked when the edges were added");
                self.path(&output.path, to);
                match self.drvs.get_mut(&input.node.path) {
                    Some(outputs) => {
                        if !outputs.contains(name) {
                            outputs.insert(name.clone());
                        }
                    }
                    None => {
                        self.drvs.insert(input.node.path.clone(), [name.clone()].into());
                        self.by_path.push((&input.node.path, &input.modulo));
                    }
                }
            }
        }
    }

    fn path(&self, path: &StorePath, to: &mut BString) {
        to.extend_from_slice(self.directory.as_str().as_bytes());
        to.push(b'/');
        to.extend_from_slice(path.as_str().as_bytes());
    }
}

impl<'a> Inputs<'a> {
    fn input(&self, id: NodeId) -> &'a Done {
        let done: &'a [Option<Done>] = self.done;
        done.get(id.index()).and_then(Option::as_ref).expect("what a node needs is in a lower level")
    }
}
