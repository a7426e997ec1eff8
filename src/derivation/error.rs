//! What can be wrong with a derivation.

use crate::{
    hash::HashError,
    store_path::{StorePath, StorePathError},
};

/// Why a derivation, or its text, is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DerivationError {
    /// The name cannot stand in a store path.
    #[error("derivation `{name}` has a name that no store item may have")]
    Name {
        /// The derivation's name.
        name: String,
        /// What is wrong with it.
        source: StorePathError,
    },
    /// An output's name cannot stand in a store path.
    #[error("`{name}` cannot name an output")]
    OutputName {
        /// The output's name.
        name: String,
    },
    /// There is no output.
    #[error("derivation `{name}` has no output")]
    NoOutputs {
        /// The derivation's name.
        name: String,
    },
    /// The same output stands twice.
    #[error("derivation `{name}` declares output `{output}` twice")]
    DuplicateOutput {
        /// The derivation's name.
        name: String,
        /// The output.
        output: String,
    },
    /// A fixed output beside others, or under another name than `out`.
    #[error("derivation `{name}` has a fixed output, which must be its only one and be called `out`")]
    FixedOutput {
        /// The derivation's name.
        name: String,
    },
    /// No platform or no builder.
    #[error("derivation `{name}` has an empty {what}")]
    Empty {
        /// The derivation's name.
        name: String,
        /// `system` or `builder`.
        what: &'static str,
    },
    /// The path written for an output is not the one computed.
    #[error("output `{output}` of derivation `{name}` has path `{found}`, but its hash gives `{expected}`")]
    OutputPath {
        /// The derivation's name.
        name: String,
        /// The output.
        output: String,
        /// The path as written.
        found: StorePath,
        /// The path that the hash gives.
        expected: StorePath,
    },
    /// The environment does not hold the output's path.
    #[error("the environment of derivation `{name}` does not have the path of output `{output}`")]
    OutputEnv {
        /// The derivation's name.
        name: String,
        /// The output.
        output: String,
    },
    /// The hash of an input derivation is not known.
    #[error("derivation `{name}` has input `{input}`, which is not known")]
    UnknownInput {
        /// The derivation's name.
        name: String,
        /// The input derivation.
        input: StorePath,
    },
    /// An output of an input that it does not have.
    #[error("derivation `{name}` uses output `{output}` of `{input}`, which has no such output")]
    UnknownInputOutput {
        /// The derivation's name.
        name: String,
        /// The input derivation.
        input: StorePath,
        /// The output that it does not have.
        output: String,
    },
    /// The text is not an ATerm derivation.
    #[error("the text of derivation `{name}` is wrong at byte {offset}: expected {expected}")]
    Syntax {
        /// The derivation's name.
        name: String,
        /// Where, in bytes from the start.
        offset: usize,
        /// What ought to stand there.
        expected: &'static str,
    },
    /// A list in the text is not sorted or has duplicates.
    #[error("the text of derivation `{name}` has `{item}` out of order among its {list}")]
    Unsorted {
        /// The derivation's name.
        name: String,
        /// The list.
        list: &'static str,
        /// The first item that is not greater than the one before.
        item: String,
    },
    /// A path in the text is not a path of this store.
    #[error("the text of derivation `{name}` has a wrong path")]
    Path {
        /// The derivation's name.
        name: String,
        /// What is wrong with it.
        source: StorePathError,
    },
    /// A hash in the text is none.
    #[error("the text of derivation `{name}` has a wrong hash")]
    Hash {
        /// The derivation's name.
        name: String,
        /// What is wrong with it.
        source: HashError,
    },
}
