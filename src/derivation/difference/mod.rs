//! Why two derivations are not the same: what differs in them, and in what they need, down to the causes.
//!
//! Inputs of both are put into pairs by their names; a pair whose outputs differ is compared in its turn. Before texts are
//! compared, the paths of pairs are made equal in them, so that what remains is a derivation's own difference and not what
//! follows from its inputs'. A pair with no different pair below it is a root cause.
//!
//! Invariant: a pair is compared once, however many derivations need it.

mod own;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use serde::Serialize;

pub use own::Own;

use super::Derivation;
use crate::store_path::StorePath;

/// Finds derivations by their paths.
pub type Lookup<'a> = dyn Fn(&StorePath) -> Option<Arc<Derivation>> + 'a;

/// Two derivations that stand in each other's place and are not the same.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// The derivation on the old side.
    pub old: StorePath,
    /// The derivation on the new side.
    pub new: StorePath,
    /// What differs in the derivations themselves.
    pub own: Vec<Own>,
    /// The pairs of their inputs that differ, by position.
    pub below: Vec<usize>,
    /// The pair through which it was found first.
    pub above: Option<usize>,
    /// Whether one of both is not known, so that they were not compared.
    pub unknown: bool,
}

/// All pairs that differ, the one asked about first, each after the one through which it was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Difference {
    /// The pairs.
    pub pairs: Vec<Pair>,
}

impl Difference {
    /// Compares two derivations and what they need. There is no pair when their outputs are the same.
    pub fn of(old: &StorePath, new: &StorePath, lookup: &Lookup<'_>) -> Difference {
        let mut difference = Difference::default();
        difference.add(old, new, lookup);
        difference
    }

    /// Compares two more derivations; those compared before are known.
    pub fn add(&mut self, old: &StorePath, new: &StorePath, lookup: &Lookup<'_>) {
        let mut known: HashMap<(StorePath, StorePath), usize> = self
            .pairs
            .iter()
            .enumerate()
            .map(|(at, pair)| ((pair.old.clone(), pair.new.clone()), at))
            .collect();
        if old == new || known.contains_key(&(old.clone(), new.clone())) {
            return;
        }
        if let (Some(old), Some(new)) = (lookup(old), lookup(new))
            && same_outputs(&old, &new)
        {
            return;
        }
        let mut queue = VecDeque::new();
        self.put(old.clone(), new.clone(), None, &mut known, &mut queue);
        while let Some(at) = queue.pop_front() {
            let Some(pair) = self.pairs.get(at) else { continue };
            let (Some(old), Some(new)) = (lookup(&pair.old), lookup(&pair.new)) else {
                self.set(at, Vec::new(), Vec::new(), true);
                continue;
            };
            let compared = own::compare(&old, &new, lookup);
            let below = compared
                .inputs
                .into_iter()
                .map(|(old, new)| self.put(old, new, Some(at), &mut known, &mut queue))
                .collect();
            self.set(at, compared.own, below, false);
        }
    }

    fn put(
        &mut self,
        old: StorePath,
        new: StorePath,
        above: Option<usize>,
        known: &mut HashMap<(StorePath, StorePath), usize>,
        queue: &mut VecDeque<usize>,
    ) -> usize {
        *known.entry((old.clone(), new.clone())).or_insert_with(|| {
            let at = self.pairs.len();
            self.pairs.push(Pair { old, new, own: Vec::new(), below: Vec::new(), above, unknown: false });
            queue.push_back(at);
            at
        })
    }

    fn set(&mut self, at: usize, own: Vec<Own>, below: Vec<usize>, unknown: bool) {
        if let Some(pair) = self.pairs.get_mut(at) {
            (pair.own, pair.below, pair.unknown) = (own, below, unknown);
        }
    }

    /// The pairs with nothing different below them, those that explain most first; with each the number of pairs that
    /// are different because of it.
    pub fn causes(&self) -> Vec<(usize, usize)> {
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); self.pairs.len()];
        for (at, pair) in self.pairs.iter().enumerate() {
            for below in &pair.below {
                if let Some(users) = above.get_mut(*below) {
                    users.push(at);
                }
            }
        }
        let explained = |at: usize| {
            let mut seen = BTreeSet::new();
            let mut stack = vec![at];
            while let Some(next) = stack.pop() {
                stack.extend(above.get(next).into_iter().flatten().filter(|user| seen.insert(**user)));
            }
            seen.len()
        };
        let leaves = self.pairs.iter().enumerate().filter(|(_, pair)| pair.below.is_empty());
        let mut causes: Vec<(usize, usize)> = leaves.map(|(at, _)| (at, explained(at))).collect();
        causes.sort_by_key(|(at, explained)| (std::cmp::Reverse(*explained), *at));
        causes
    }

    /// The pairs from the one asked about to this one.
    pub fn chain(&self, at: usize) -> Vec<&Pair> {
        let next = |pair: &&Pair| pair.above.and_then(|above| self.pairs.get(above));
        let mut chain: Vec<&Pair> = std::iter::successors(self.pairs.get(at), next).collect();
        chain.reverse();
        chain
    }

    /// The first pair with this derivation on the new side.
    pub fn of_new(&self, new: &StorePath) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.new == *new)
    }
}

/// Whether two derivations come to the same store items.
pub fn same_outputs(old: &Derivation, new: &Derivation) -> bool {
    old.outputs.len() == new.outputs.len()
        && old.outputs.iter().zip(&new.outputs).all(|((_, old), (_, new))| old.path == new.path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        derivation::OutputName,
        graph::{GraphBuilder, HashedGraph, NodeId, Piece, Template, Text},
    };

    /// `top` needs `mid` and `low`, `mid` needs `low`.
    fn graph(low_flag: &str, top_extra: bool) -> (HashedGraph, NodeId) {
        let mut graph = GraphBuilder::new();
        let text = |label: &str, needs: &[NodeId]| {
            let mut text = Text::from(format!("(build {label}"));
            for id in needs {
                text.push_str(" \"");
                text.push(Piece::Output(*id, OutputName::out()));
                text.push_str("/lib\"");
            }
            text.push_str(")");
            text
        };
        let mut node = |name: &str, code: Text| {
            let mut template = Template::new(name, "x86_64-linux", "builtin:hpcl-1");
            template.env.push(("code".into(), code));
            graph.add_node(template)
        };
        let low = node("low-1", text(&format!("#:tests? {low_flag}"), &[]));
        let mid = node("mid-1", text("mid", &[low]));
        let mut needs = vec![mid, low];
        if top_extra {
            needs.push(node("extra-2", text("extra", &[])));
        }
        let top = node("top-1", text("top", &needs));
        (graph.hash().unwrap(), top)
    }

    fn difference(old: &(HashedGraph, NodeId), new: &(HashedGraph, NodeId)) -> Difference {
        let find = |path: &StorePath| {
            [&old.0, &new.0]
                .iter()
                .find_map(|graph| graph.by_path(path).map(|id| Arc::clone(&graph.node(id).derivation)))
        };
        Difference::of(&old.0.node(old.1).path, &new.0.node(new.1).path, &find)
    }

    #[test]
    fn the_cause_is_found_below_and_nothing_else_is_blamed() {
        let (old, new) = (graph("#t", false), graph("#f", false));
        let found = difference(&old, &new);
        assert_eq!(found.pairs.len(), 3);
        assert_eq!(found.causes(), [(2, 2)], "`low` explains `mid` and `top`");
        let names: Vec<&str> = found.chain(2).iter().map(|pair| pair.new.name()).collect();
        assert_eq!(names, ["top-1.drv", "low-1.drv"], "the shortest way");
        assert!(found.pairs[0].own.is_empty() && found.pairs[1].own.is_empty(), "{found:?}");
        let expected = Own::Variable {
            name: "code".into(),
            old: Some("(build #:tests? #t)".into()),
            new: Some("(build #:tests? #f)".into()),
        };
        assert_eq!(found.pairs[2].own, [expected]);
        assert!(difference(&old, &graph("#t", false)).pairs.is_empty());
    }

    #[test]
    fn an_input_that_only_one_has_is_named() {
        let found = difference(&graph("#t", false), &graph("#t", true));
        assert_eq!(found.pairs.len(), 1);
        let own = &found.pairs[0].own;
        assert!(
            matches!(&own[0], Own::Input { old: None, new: Some(new) } if new.name() == "extra-2.drv"),
            "{own:?}"
        );
        let Own::Variable { new: Some(new), .. } = &own[1] else { panic!("{own:?}") };
        assert_eq!(new, "(build top \"<mid-1>/lib\" \"<low-1>/lib\" \"<extra-2>/lib\")");
    }

    #[test]
    fn what_is_not_known_is_not_compared() {
        let (old, new) = (graph("#t", false), graph("#f", false));
        let only_new =
            |path: &StorePath| new.0.by_path(path).map(|id| Arc::clone(&new.0.node(id).derivation));
        let found = Difference::of(&old.0.node(old.1).path, &new.0.node(new.1).path, &only_new);
        assert!(found.pairs.len() == 1 && found.pairs[0].unknown);
    }
}
