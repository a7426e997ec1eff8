//! The graph of derivations, hashed in parallel.
//!
//! Evaluation makes [`Template`]s: derivations whose strings are pieces ([`Text`]), some of them references to other
//! nodes' outputs or to sources. No store path is a string before the hash is known, so a reference cannot be lost or
//! forged: a node's inputs *are* the references in its texts. [`GraphBuilder`] collects the templates in a petgraph,
//! [`GraphBuilder::hash`] turns them all into derivations with paths, level by level with rayon, in time linear in nodes
//! and references.
//!
//! Invariant: a [`HashedGraph`] has no cycle, and every input of each derivation is a node of it or a source.

mod builder;
mod cycle;
mod extend;
mod hashed;
mod hashing;
mod text;

pub use builder::GraphBuilder;
pub use extend::Extension;
pub use hashed::{HashedGraph, HashedNode};
pub use text::{Piece, Text};

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    derivation::{DerivationError, FixedHash, OutputName},
    store_path::StorePath,
};

/// A node of one graph; given by the [`GraphBuilder`], valid in the [`HashedGraph`] made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// The position, counted from 0 in the order of adding.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What comes out of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outputs {
    /// Named outputs whose paths come from the inputs; at least one.
    Named(Vec<OutputName>),
    /// The one output `out`, whose content is known beforehand.
    Fixed(FixedHash),
}

/// A derivation whose references are still symbolic.
#[derive(Clone, Debug)]
pub struct Template {
    /// The name, which goes into the store paths.
    pub name: Arc<str>,
    /// The platform it is built on.
    pub system: Arc<str>,
    /// What runs.
    pub builder: Text,
    /// The builder's arguments.
    pub args: Vec<Text>,
    /// The environment, without the outputs, which are added.
    pub env: Vec<(Arc<str>, Text)>,
    /// What comes out.
    pub outputs: Outputs,
    /// Inputs that no text mentions.
    pub extra_inputs: Vec<Piece>,
}

impl Template {
    /// A template with one output `out`, no arguments and an empty environment.
    pub fn new(name: impl Into<Arc<str>>, system: impl Into<Arc<str>>, builder: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            system: system.into(),
            builder: builder.into(),
            args: Vec::new(),
            env: Vec::new(),
            outputs: Outputs::Named(vec![OutputName::out()]),
            extra_inputs: Vec::new(),
        }
    }

    /// All pieces, in texts and beside them.
    pub fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let texts =
            std::iter::once(&self.builder).chain(&self.args).chain(self.env.iter().map(|(_, text)| text));
        texts.flat_map(Text::pieces).chain(&self.extra_inputs)
    }

    /// Whether it has this output.
    pub fn has_output(&self, name: &OutputName) -> bool {
        match &self.outputs {
            Outputs::Named(names) => names.contains(name),
            Outputs::Fixed(_) => name.as_str() == "out",
        }
    }
}

/// Why a graph cannot be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Derivations that need each other; each needs the next, the last the first.
    #[error("derivations depend on each other in a cycle: {}", cycle_text(names))]
    Cycle {
        /// The nodes of the cycle, in order.
        nodes: Vec<NodeId>,
        /// Their names.
        names: Vec<Arc<str>>,
    },
    /// A reserved node was never defined.
    #[error("derivation `{name}` is referred to but was never defined")]
    Undefined {
        /// The name given when it was reserved.
        name: Arc<str>,
    },
    /// A node was defined twice.
    #[error("derivation `{name}` is defined twice")]
    Redefined {
        /// The name of the first definition.
        name: Arc<str>,
    },
    /// A reference to an output that the derivation does not have.
    #[error("`{user}` uses output `{output}` of `{input}`, which has no such output")]
    NoSuchOutput {
        /// The derivation with the reference.
        user: Arc<str>,
        /// The derivation referred to.
        input: Arc<str>,
        /// The output that it does not have.
        output: OutputName,
    },
    /// The same name stands twice in the environment, or is an output's.
    #[error("derivation `{name}` sets `{variable}` twice in its environment, or it is the name of an output")]
    DuplicateVariable {
        /// The derivation.
        name: Arc<str>,
        /// The variable.
        variable: Arc<str>,
    },
    /// A derivation that is wrong by itself.
    #[error(transparent)]
    Derivation(#[from] DerivationError),
}

fn cycle_text(names: &[Arc<str>]) -> String {
    let mut text = String::new();
    for name in names.iter().chain(names.first()) {
        if !text.is_empty() {
            text.push_str(" → ");
        }
        text.push('`');
        text.push_str(name);
        text.push('`');
    }
    text
}

/// The sources that a set of texts refers to.
pub fn sources_of<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> BTreeSet<StorePath> {
    pieces
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Source(path) => Some(path.clone()),
            _ => None,
        })
        .collect()
}
