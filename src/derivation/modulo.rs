//! The hash modulo, and from it the output paths.
//!
//! An output's path may not depend on how its fixed-output inputs are fetched, only on what they are. So a derivation is
//! hashed *modulo* them: a fixed output counts as SHA-256 of `fixed:out:[r:]ALGO:BASE16:PATH`; any other derivation as
//! SHA-256 of its text with each input's path replaced by that input's hash modulo. Its outputs' paths come from the same
//! text with the outputs' own paths masked. Source: Nix, `src/libstore/derivations.cc`, `hashDerivationModulo`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Derivation, DerivationError, FixedHash, OutputName,
    write::{Tail, hashed_inputs_text, inputs_text, outputs_text},
};
use crate::{
    hash::{Algorithm, Digest, Hasher},
    store_path::{StoreDir, StorePath, fixed_output_path, output_path},
};

/// What a derivation counts as in the hashes of those that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modulo {
    /// The hash, in base 16, which all outputs share.
    hash: String,
    outputs: Vec<OutputName>,
}

/// The text that stands for an output's own path where the path is not known yet: Nix's placeholder.
pub fn placeholder(output: &str) -> String {
    format!("/{}", Digest::sha256(format!("nix-output:{output}").as_bytes()).to_base32())
}

impl Derivation {
    /// Computes every output's path and puts it into `outputs` and `env`; gives what this derivation counts as.
    ///
    /// `inputs` must have every input derivation. The paths and values that stood there before do not matter.
    pub fn fill_outputs(
        &mut self,
        directory: &StoreDir,
        inputs: &BTreeMap<StorePath, Modulo>,
    ) -> Result<Modulo, DerivationError> {
        self.complete(directory, |path| inputs.get(path)).map(|(modulo, _)| modulo)
    }

    /// Computes all that follows from a derivation: its outputs' paths, what it counts as, its own path.
    pub(crate) fn complete<'a>(
        &mut self,
        directory: &StoreDir,
        inputs: impl Fn(&StorePath) -> Option<&'a Modulo>,
    ) -> Result<(Modulo, StorePath), DerivationError> {
        let name = Arc::clone(&self.name);
        let name_error = |source| DerivationError::Name { name: name.to_string(), source };
        // Masked means there but empty, so the names must be there.
        for output in self.outputs.keys() {
            self.env.entry(output.as_str().into()).or_default();
        }
        let tail = self.tail(directory);
        let modulo = if let Some(fixed) = self.fixed().copied() {
            let path =
                fixed_output_path(directory, &name, fixed.method, &fixed.digest).map_err(name_error)?;
            self.set_output(directory, &OutputName::out(), path);
            self.fixed_modulo(directory, &fixed)
        } else {
            let hashed = self.hashed_inputs(inputs)?;
            let masked = sections(&outputs_text(directory, &self.outputs, true), &hashed, &tail, None);
            for output in self.outputs.keys().cloned().collect::<Vec<_>>() {
                let path = output_path(directory, &name, output.as_str(), &masked).map_err(name_error)?;
                self.set_output(directory, &output, path);
            }
            self.counted(&sections(
                &outputs_text(directory, &self.outputs, false),
                &hashed,
                &tail,
                Some(self),
            ))
        };
        let outputs = outputs_text(directory, &self.outputs, false);
        let text = sections(&outputs, &inputs_text(directory, &self.input_drvs), &tail, Some(self));
        Ok((modulo, self.path_of_text(directory, &text)?))
    }

    /// What a derivation with known output paths counts as in the hashes of those that use it.
    pub fn modulo(
        &self,
        directory: &StoreDir,
        inputs: &BTreeMap<StorePath, Modulo>,
    ) -> Result<Modulo, DerivationError> {
        if let Some(fixed) = self.fixed() {
            return Ok(self.fixed_modulo(directory, fixed));
        }
        let hashed = self.hashed_inputs(|path| inputs.get(path))?;
        let outputs = outputs_text(directory, &self.outputs, false);
        Ok(self.counted(&sections(&outputs, &hashed, &self.tail(directory), Some(self))))
    }

    fn fixed_modulo(&self, directory: &StoreDir, fixed: &FixedHash) -> Modulo {
        let path =
            self.outputs.values().next().map(|output| directory.join(&output.path)).unwrap_or_default();
        let text = format!("fixed:out:{}:{}:{path}", fixed.algorithm_text(), fixed.digest.to_base16());
        self.counted(&Digest::sha256(text.as_bytes()))
    }

    fn counted(&self, hash: &Digest) -> Modulo {
        Modulo { hash: hash.to_base16(), outputs: self.outputs.keys().cloned().collect() }
    }

    fn set_output(&mut self, directory: &StoreDir, output: &OutputName, path: StorePath) {
        self.env.insert(output.as_str().into(), directory.join(&path).into());
        if let Some(entry) = self.outputs.get_mut(output) {
            entry.path = path;
        }
    }

    /// The list of inputs by their hashes; two inputs with one hash are one.
    fn hashed_inputs<'a>(
        &self,
        inputs: impl Fn(&StorePath) -> Option<&'a Modulo>,
    ) -> Result<Vec<u8>, DerivationError> {
        let mut hashes: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (path, outputs) in &self.input_drvs {
            let unknown =
                || DerivationError::UnknownInput { name: self.name.to_string(), input: path.clone() };
            let modulo = inputs(path).ok_or_else(unknown)?;
            if let Some(output) = outputs.iter().find(|output| !modulo.outputs.contains(output)) {
                return Err(DerivationError::UnknownInputOutput {
                    name: self.name.to_string(),
                    input: path.clone(),
                    output: output.to_string(),
                });
            }
            hashes.entry(&modulo.hash).or_default().extend(outputs.iter().map(OutputName::as_str));
        }
        Ok(hashed_inputs_text(&hashes))
    }
}

/// The digest of a text in sections.
fn sections(outputs: &[u8], inputs: &[u8], tail: &Tail, values: Option<&Derivation>) -> Digest {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(outputs);
    hasher.update(inputs);
    tail.each(values, |part| hasher.update(part));
    hasher.finish()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The hash of an imaginary input with outputs `lib` and `out`.
    pub(crate) fn two_outputs() -> Modulo {
        let outputs = ["lib", "out"].map(|name| OutputName::new(name).unwrap()).to_vec();
        Modulo { hash: Digest::sha256(b"input").to_base16(), outputs }
    }

    #[test]
    fn the_placeholder_is_nix_s() {
        // `builtins.placeholder "out"`
        assert_eq!(placeholder("out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
    }

    #[test]
    fn an_input_or_an_output_that_is_not_known_is_an_error() {
        let mut drv = super::super::tests::sample();
        let path = drv.input_drvs.keys().next().unwrap().clone();
        let error = drv.fill_outputs(&StoreDir::CANONICAL, &BTreeMap::new()).unwrap_err();
        assert!(matches!(error, DerivationError::UnknownInput { input, .. } if input == path));
        let only_out = Modulo { outputs: vec![OutputName::out()], ..two_outputs() };
        let error = drv.fill_outputs(&StoreDir::CANONICAL, &[(path, only_out)].into()).unwrap_err();
        assert!(matches!(error, DerivationError::UnknownInputOutput { output, .. } if output == "lib"));
    }

    #[test]
    fn filling_twice_changes_nothing() {
        let mut drv = super::super::tests::sample();
        let before = drv.clone();
        let inputs = [(drv.input_drvs.keys().next().unwrap().clone(), two_outputs())].into();
        let modulo = drv.fill_outputs(&StoreDir::CANONICAL, &inputs).unwrap();
        assert_eq!(drv, before);
        assert_eq!(drv.modulo(&StoreDir::CANONICAL, &inputs), Ok(modulo));
    }
}
