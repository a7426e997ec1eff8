//! Complete build descriptions in Nix's ATerm.
//!
//! A [`Derivation`] says everything about a build: what it may read (`input_drvs`, `input_srcs`), what runs (`builder`,
//! `args`, `env`) and what comes out (`outputs`). Its text is Nix's ATerm, byte for byte, so its store path and the paths
//! of its outputs are Nix's too; see [`text`](Derivation::to_aterm) and [`modulo`](Derivation::modulo). Strings are bytes:
//! what is not UTF-8 in a foreign derivation survives.
//!
//! Invariant: all containers are ordered, so a derivation has one text.

mod bytes;
pub mod difference;
mod error;
mod modulo;
mod output_name;
mod parse;
mod validate;
mod write;

use std::{collections::BTreeSet, sync::Arc};

use bstr::BStr;
use litemap::LiteMap;

pub use bytes::Bytes;
pub use error::DerivationError;
pub use modulo::{Modulo, placeholder};
pub use output_name::OutputName;

use crate::{
    hash::Digest,
    store_path::{ContentMethod, StoreDir, StorePath, text_path_of_sorted},
};

/// A fixed output's promise: what is hashed, and what the hash must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedHash {
    /// What the digest is taken of.
    pub method: ContentMethod,
    /// The digest that the output must have.
    pub digest: Digest,
}

impl FixedHash {
    /// Nix's name of method and algorithm: `sha256`, `r:sha256`.
    pub fn algorithm_text(&self) -> String {
        format!("{}{}", self.method.prefix(), self.digest.algorithm())
    }
}

/// One output of a derivation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it goes.
    pub path: StorePath,
    /// What it must hash to, for a fixed output.
    pub fixed: Option<FixedHash>,
}

/// A complete, hashed build description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// The name, which is not in the text but in the path: `NAME.drv`.
    pub name: Arc<str>,
    /// The outputs by name; at least one.
    pub outputs: LiteMap<OutputName, Output>,
    /// The derivations whose outputs are inputs, with the outputs used.
    pub input_drvs: LiteMap<StorePath, BTreeSet<OutputName>>,
    /// The inputs that are no derivation's output.
    pub input_srcs: BTreeSet<StorePath>,
    /// The platform it is built on, such as `x86_64-linux`.
    pub system: Bytes,
    /// The program, or `builtin:NAME`.
    pub builder: Bytes,
    /// The program's arguments.
    pub args: Vec<Bytes>,
    /// The environment; holds each output's path under the output's name.
    pub env: LiteMap<Bytes, Bytes>,
}

impl Derivation {
    /// A value of the environment.
    pub fn env(&self, name: &str) -> Option<&BStr> {
        self.env.get(name.as_bytes()).map(|value| &**value)
    }

    /// A value of the environment that is text.
    pub fn env_str(&self, name: &str) -> Option<&str> {
        self.env.get(name.as_bytes()).and_then(Bytes::as_utf8)
    }

    /// The promise of the only output, for a fixed-output derivation.
    pub fn fixed(&self) -> Option<&FixedHash> {
        let mut outputs = self.outputs.values();
        match (outputs.next(), outputs.next()) {
            (Some(output), None) => output.fixed.as_ref(),
            _ => None,
        }
    }

    /// Everything that the text refers to: input derivations and input sources.
    pub fn references(&self) -> BTreeSet<StorePath> {
        self.input_drvs.keys().chain(&self.input_srcs).cloned().collect()
    }

    /// The store path of the derivation itself, in the canonical store.
    pub fn path(&self) -> Result<StorePath, DerivationError> {
        self.path_in(&StoreDir::CANONICAL)
    }

    /// The store path of the derivation itself, in any store directory.
    pub fn path_in(&self, directory: &StoreDir) -> Result<StorePath, DerivationError> {
        self.path_of_text(directory, &Digest::sha256(&self.to_aterm_in(directory)))
    }

    /// The store path, when the digest of the text is known.
    fn path_of_text(&self, directory: &StoreDir, text: &Digest) -> Result<StorePath, DerivationError> {
        let name = format!("{}.drv", self.name);
        let mut references: Vec<&StorePath> = self.input_drvs.keys().chain(&self.input_srcs).collect();
        references.sort_unstable();
        text_path_of_sorted(directory, &name, text, references)
            .map_err(|source| DerivationError::Name { name: self.name.to_string(), source })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A derivation with one of everything.
    pub(crate) fn sample() -> Derivation {
        let path =
            |name: &str| StorePath::parse(&format!("0c6kzph7l0dcbfmjap64f0czdafn3b7x-{name}")).unwrap();
        let out = OutputName::new("out").unwrap();
        let mut drv = Derivation {
            name: "sample".into(),
            outputs: [(out.clone(), Output { path: path("sample"), fixed: None })].into_iter().collect(),
            input_drvs: [(path("a.drv"), [out, OutputName::new("lib").unwrap()].into())]
                .into_iter()
                .collect(),
            input_srcs: [path("source")].into(),
            system: "x86_64-linux".into(),
            builder: "builtin:hpcl-1".into(),
            args: vec!["-c".into(), "say \"hi\"\n\t\\".into()],
            env: [
                ("ä".into(), Bytes::from(&b"\xff\0\r"[..])),
                ("out".into(), path("sample").canonical().into()),
            ]
            .into_iter()
            .collect(),
        };
        let inputs = [(path("a.drv"), modulo::tests::two_outputs())].into();
        drv.fill_outputs(&StoreDir::CANONICAL, &inputs).unwrap();
        drv
    }
}
