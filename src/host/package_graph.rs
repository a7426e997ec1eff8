//! The graph of packages as recipes write it, before derivations: for `hpcl graph`.
//!
//! A package is told from others by its identity: two variants of one name are two nodes.

use std::{collections::HashMap, rc::Rc};

use hpcl_lang::value::Value;

use super::{Evaluation, EvaluationError};

/// A package and what it depends on.
#[derive(Clone, Debug)]
pub struct PackageNode {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The packages that it depends on, by their positions, each once.
    pub inputs: Vec<usize>,
    /// Whether it was asked for.
    pub root: bool,
}

impl Evaluation {
    /// Returns the packages of manifest entries and all that they depend on; with `implicit`, also what build systems add.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn package_graph(
        &mut self,
        entries: &Value,
        implicit: bool,
    ) -> Result<Vec<PackageNode>, EvaluationError> {
        let roots = self.call("entries->packages", vec![entries.clone()])?.list_to_vec().unwrap_or_default();
        let mut known: HashMap<usize, usize> = HashMap::new();
        let mut packages: Vec<Value> = Vec::new();
        for root in roots {
            place(root, &mut known, &mut packages);
        }
        let count = packages.len();
        let mut nodes = Vec::new();
        while let Some(package) = packages.get(nodes.len()).cloned() {
            let row = self.call("package->node", vec![package, Value::Bool(implicit)])?;
            let parts = row.list_to_vec().unwrap_or_default();
            let text = |at: usize| parts.get(at).and_then(Value::as_str).unwrap_or_default().to_owned();
            let mut inputs = Vec::new();
            for input in parts.get(2).and_then(Value::list_to_vec).unwrap_or_default() {
                if let Some(at) = place(input, &mut known, &mut packages).filter(|at| !inputs.contains(at)) {
                    inputs.push(at);
                }
            }
            let root = nodes.len() < count;
            nodes.push(PackageNode { name: text(0), version: text(1), inputs, root });
        }
        Ok(nodes)
    }
}

/// The position of a package, which is added when it is new. It stays alive, so that its address stays its own.
fn place(package: Value, known: &mut HashMap<usize, usize>, packages: &mut Vec<Value>) -> Option<usize> {
    let Value::Record(record) = &package else { return None };
    let address = Rc::as_ptr(record).addr();
    Some(*known.entry(address).or_insert_with(|| {
        packages.push(package);
        packages.len() - 1
    }))
}
