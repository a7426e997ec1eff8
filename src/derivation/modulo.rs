//! The hash modulo, and from it the output paths.
//!
//! An output's path may not depend on how its fixed-output inputs are fetched, only on what they are. So a derivation is
//! hashed *modulo* them: a fixed output counts as SHA-256 of `fixed:out:[r:]ALGO:BASE16:PATH`; any other derivation as
//! SHA-256 of its text with each input's path replaced by that input's hash modulo. Its outputs' paths come from the same
//! text with the outputs' own paths masked. Source: Nix, `src/libstore/derivations.cc`, `hashDerivationModulo`.

use std::collections::{BTreeMap, BTreeSet};

use super::{Derivation, DerivationError, OutputName, write::Inputs};
use crate::{
    hash::Digest,
    store_path::{StoreDir, StorePath, fixed_output_path, output_path},
};

/// What a derivation counts as in the hashes of those that use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modulo {
    /// The hash, in base 16, which all outputs share.
    hash: String,
    outputs: BTreeSet<OutputName>,
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
        self.fill_outputs_with(directory, |path| inputs.get(path))
    }

    /// Like [`fill_outputs`](Self::fill_outputs), with any source of the inputs' hashes.
    pub(crate) fn fill_outputs_with<'a>(
        &mut self,
        directory: &StoreDir,
        inputs: impl Fn(&StorePath) -> Option<&'a Modulo>,
    ) -> Result<Modulo, DerivationError> {
        let name_error = |name: &str| {
            let name = name.to_owned();
            move |source| DerivationError::Name { name, source }
        };
        if let Some(fixed) = self.fixed().copied() {
            let path = fixed_output_path(directory, &self.name, fixed.method, &fixed.digest)
                .map_err(name_error(&self.name))?;
            self.set_output(directory, &OutputName::out(), path);
            return self.modulo_with(directory, inputs);
        }
        // Masked means there but empty, so the names must be there.
        for output in self.outputs.keys() {
            self.env.entry(output.as_str().into()).or_default();
        }
        let hashes = self.input_hashes(inputs)?;
        let masked = Digest::sha256(&self.write(directory, true, &Inputs::Hashes(&hashes)));
        for output in self.outputs.keys().cloned().collect::<Vec<_>>() {
            let path = output_path(directory, &self.name, output.as_str(), &masked)
                .map_err(name_error(&self.name))?;
            self.set_output(directory, &output, path);
        }
        Ok(self.counted(&self.write(directory, false, &Inputs::Hashes(&hashes))))
    }

    /// What a derivation with known output paths counts as in the hashes of those that use it.
    pub fn modulo(
        &self,
        directory: &StoreDir,
        inputs: &BTreeMap<StorePath, Modulo>,
    ) -> Result<Modulo, DerivationError> {
        self.modulo_with(directory, |path| inputs.get(path))
    }

    fn modulo_with<'a>(
        &self,
        directory: &StoreDir,
        inputs: impl Fn(&StorePath) -> Option<&'a Modulo>,
    ) -> Result<Modulo, DerivationError> {
        if let (Some(fixed), Some(output)) = (self.fixed(), self.outputs.values().next()) {
            let text = format!(
                "fixed:out:{}:{}:{}",
                fixed.algorithm_text(),
                fixed.digest.to_base16(),
                directory.join(&output.path)
            );
            return Ok(self.counted(text.as_bytes()));
        }
        let hashes = self.input_hashes(inputs)?;
        Ok(self.counted(&self.write(directory, false, &Inputs::Hashes(&hashes))))
    }

    fn counted(&self, text: &[u8]) -> Modulo {
        Modulo { hash: Digest::sha256(text).to_base16(), outputs: self.outputs.keys().cloned().collect() }
    }

    fn set_output(&mut self, directory: &StoreDir, output: &OutputName, path: StorePath) {
        self.env.insert(output.as_str().into(), directory.join(&path).into());
        if let Some(entry) = self.outputs.get_mut(output) {
            entry.path = path;
        }
    }

    /// The inputs by their hashes; two inputs with one hash are one.
    fn input_hashes<'a>(
        &self,
        inputs: impl Fn(&StorePath) -> Option<&'a Modulo>,
    ) -> Result<BTreeMap<String, BTreeSet<OutputName>>, DerivationError> {
        let mut hashes: BTreeMap<String, BTreeSet<OutputName>> = BTreeMap::new();
        for (path, outputs) in &self.input_drvs {
            let unknown =
                || DerivationError::UnknownInput { name: self.name.to_string(), input: path.clone() };
            let modulo = inputs(path).ok_or_else(unknown)?;
            if let Some(output) = outputs.difference(&modulo.outputs).next() {
                return Err(DerivationError::UnknownInputOutput {
                    name: self.name.to_string(),
                    input: path.clone(),
                    output: output.to_string(),
                });
            }
            hashes.entry(modulo.hash.clone()).or_default().extend(outputs.iter().cloned());
        }
        Ok(hashes)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The hash of an imaginary input with outputs `lib` and `out`.
    pub(crate) fn two_outputs() -> Modulo {
        let outputs = ["lib", "out"].map(|name| OutputName::new(name).unwrap()).into();
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
        let only_out = Modulo { outputs: [OutputName::out()].into(), ..two_outputs() };
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
