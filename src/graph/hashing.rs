//! From templates to derivations, one level after the other, the nodes of a level in parallel.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use litemap::LiteMap;
use petgraph::graph::{DiGraph, NodeIndex};
use rayon::prelude::*;

use super::{GraphError, HashedGraph, HashedNode, NodeId, Outputs, Piece, Template, Text};
use crate::{
    derivation::{Bytes, Derivation, DerivationError, Modulo, Output, OutputName, placeholder},
    store_path::{StoreDir, StorePath},
};

/// A level of fewer nodes is hashed on this thread: handing them out costs more than it saves.
const PARALLEL_FROM: usize = 16;

/// A node while the graph is being hashed.
pub(super) struct Done {
    pub(super) node: HashedNode,
    pub(super) modulo: Modulo,
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
        let one =
            |(index, template): (usize, Template)| node(directory, template, &done).map(|made| (index, made));
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
    Ok(HashedGraph::new(directory.clone(), shape, nodes))
}

/// The derivation of one template, whose inputs are done. Texts without references go over without a copy.
pub(super) fn node(
    directory: &StoreDir,
    template: Template,
    done: &[Option<Done>],
) -> Result<Done, GraphError> {
    let mut inputs =
        Inputs { directory, done, drvs: BTreeMap::new(), by_path: Vec::new(), srcs: BTreeSet::new() };
    let builder = inputs.render(template.builder);
    let args = template.args.into_iter().map(|arg| inputs.render(arg)).collect();
    let mut env: Vec<(Bytes, Bytes)> = Vec::with_capacity(template.env.len());
    for (name, text) in template.env {
        env.push((name.into(), inputs.render(text)));
    }
    for piece in template.extra_inputs {
        inputs.piece(piece, &mut Vec::new());
    }
    let name = template.name;
    // A path that stands where the real one is computed; any valid one will do.
    let unknown = StorePath::from_parts(&[0; 20], &name)
        .map_err(|source| DerivationError::Name { name: name.to_string(), source })?;
    let outputs = match template.outputs {
        Outputs::Named(names) => exact(
            names.len(),
            names.into_iter().map(|name| (name, Output { path: unknown.clone(), fixed: None })),
        ),
        Outputs::Fixed(fixed) => {
            exact(1, [(OutputName::out(), Output { path: unknown, fixed: Some(fixed) })])
        }
    };
    let Inputs { drvs, mut by_path, srcs, .. } = inputs;
    by_path.sort_unstable_by_key(|(path, _)| *path);
    let mut derivation = Derivation {
        env: environment(&name, env, &outputs)?,
        name,
        outputs,
        input_drvs: exact(drvs.len(), drvs),
        input_srcs: srcs,
        system: template.system.into(),
        builder,
        args,
    };
    let (modulo, path) = derivation.complete(directory, |path| {
        let at = by_path.binary_search_by_key(&path, |(known, _)| *known).ok()?;
        by_path.get(at).map(|(_, modulo)| *modulo)
    })?;
    derivation.validate_in(directory)?;
    Ok(Done { node: HashedNode { path, derivation: derivation.into() }, modulo })
}

/// The environment in order; no name may stand twice or be an output's.
fn environment(
    name: &Arc<str>,
    mut env: Vec<(Bytes, Bytes)>,
    outputs: &LiteMap<OutputName, Output>,
) -> Result<LiteMap<Bytes, Bytes>, GraphError> {
    env.sort_by(|one, other| one.0.cmp(&other.0));
    let twice = env.windows(2).find_map(|pair| match pair {
        [one, other] if one.0 == other.0 => one.0.as_utf8().map(Arc::from),
        _ => None,
    });
    // With room for the outputs, which are added once their paths are known.
    let env = exact(env.len() + outputs.len(), env);
    let output = || outputs.keys().find(|output| env.contains_key(output.as_str().as_bytes()));
    match twice.or_else(|| output().map(|output| output.as_str().into())) {
        Some(variable) => Err(GraphError::DuplicateVariable { name: Arc::clone(name), variable }),
        None => Ok(env),
    }
}

/// A map with no more room than asked for: of a hundred thousand derivations, what is spare is a third of the memory.
fn exact<K: Ord, V>(capacity: usize, entries: impl IntoIterator<Item = (K, V)>) -> LiteMap<K, V> {
    let mut map = LiteMap::with_capacity(capacity);
    for (key, value) in entries {
        map.insert(key, value);
    }
    map
}

/// The inputs of one node, gathered while its texts are written out.
struct Inputs<'a> {
    directory: &'a StoreDir,
    done: &'a [Option<Done>],
    drvs: BTreeMap<StorePath, BTreeSet<OutputName>>,
    by_path: Vec<(&'a StorePath, &'a Modulo)>,
    srcs: BTreeSet<StorePath>,
}

impl<'a> Inputs<'a> {
    fn render(&mut self, text: Text) -> Bytes {
        let mut pieces = text.into_pieces().into_iter();
        match (pieces.next(), pieces.len()) {
            (None, _) => Bytes::default(),
            (Some(Piece::Literal(text)), 0) => text.into(),
            (Some(first), _) => {
                let mut to = Vec::with_capacity(128 * (1 + pieces.len()));
                self.piece(first, &mut to);
                pieces.for_each(|piece| self.piece(piece, &mut to));
                to.into()
            }
        }
    }

    fn piece(&mut self, piece: Piece, to: &mut Vec<u8>) {
        match piece {
            Piece::Literal(text) => to.extend_from_slice(text.as_bytes()),
            Piece::OwnOutput(name) => to.extend_from_slice(placeholder(name.as_str()).as_bytes()),
            Piece::Source(path) => {
                self.path(&path, to);
                self.srcs.insert(path);
            }
            Piece::Output(id, name) => {
                let input = self.input(id);
                let output =
                    input.node.derivation.outputs.get(&name).expect("checked when the edges were added");
                self.path(&output.path, to);
                match self.drvs.get_mut(&input.node.path) {
                    Some(outputs) => {
                        outputs.insert(name);
                    }
                    None => {
                        self.drvs.insert(input.node.path.clone(), [name].into());
                        self.by_path.push((&input.node.path, &input.modulo));
                    }
                }
            }
        }
    }

    fn path(&self, path: &StorePath, to: &mut Vec<u8>) {
        to.extend_from_slice(self.directory.as_str().as_bytes());
        to.push(b'/');
        to.extend_from_slice(path.as_str().as_bytes());
    }

    fn input(&self, id: NodeId) -> &'a Done {
        let done: &'a [Option<Done>] = self.done;
        done.get(id.index()).and_then(Option::as_ref).expect("what a node needs is in a lower level")
    }
}
