//! What must hold of a derivation beside its syntax.

use super::{Derivation, DerivationError};
use crate::store_path::{StoreDir, StorePath, check_name, fixed_output_path};

impl Derivation {
    /// Checks all that can be checked without the inputs: names, outputs, builder, environment, fixed paths.
    pub fn validate(&self) -> Result<(), DerivationError> {
        self.validate_in(&StoreDir::CANONICAL)
    }

    /// Checks a derivation of any store directory.
    pub fn validate_in(&self, directory: &StoreDir) -> Result<(), DerivationError> {
        let name = || self.name.to_string();
        check_name(&self.name).map_err(|source| DerivationError::Name { name: name(), source })?;
        if self.outputs.is_empty() {
            return Err(DerivationError::NoOutputs { name: name() });
        }
        for (what, value) in [("system", &self.system), ("builder", &self.builder)] {
            if value.is_empty() {
                return Err(DerivationError::Empty { name: name(), what });
            }
        }
        let any_fixed = self.outputs.values().any(|output| output.fixed.is_some());
        if any_fixed && (self.outputs.len() != 1 || !self.outputs.contains_key("out")) {
            return Err(DerivationError::FixedOutput { name: name() });
        }
        if let Some(fixed) = self.fixed() {
            let expected = fixed_output_path(directory, &self.name, fixed.method, &fixed.digest)
                .map_err(|source| DerivationError::Name { name: name(), source })?;
            self.check_output("out", &expected)?;
        }
        for (output, entry) in &self.outputs {
            let path = directory.join(&entry.path);
            if self.env.get(output.as_str().as_bytes()).is_none_or(|value| *value != *path) {
                return Err(DerivationError::OutputEnv { name: name(), output: output.to_string() });
            }
        }
        Ok(())
    }

    fn check_output(&self, output: &str, expected: &StorePath) -> Result<(), DerivationError> {
        match self.outputs.get(output) {
            Some(entry) if entry.path != *expected => Err(DerivationError::OutputPath {
                name: self.name.to_string(),
                output: output.to_owned(),
                found: entry.path.clone(),
                expected: expected.clone(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;
    use crate::store_path::ContentMethod;

    fn broken(change: impl FnOnce(&mut Derivation)) -> DerivationError {
        let mut drv = super::super::tests::sample();
        assert_eq!(drv.validate(), Ok(()));
        change(&mut drv);
        drv.validate().unwrap_err()
    }

    #[test]
    fn each_rule_is_kept() {
        let fixed = Some(FixedHash { method: ContentMethod::Flat, digest: Digest::sha256(b"") });
        let other = super::super::tests::sample().input_srcs.first().unwrap().clone();
        assert!(matches!(broken(|drv| drv.name = "a/b".into()), DerivationError::Name { .. }));
        assert!(matches!(broken(|drv| drv.outputs.clear()), DerivationError::NoOutputs { .. }));
        assert!(matches!(
            broken(|drv| drv.builder = "".into()),
            DerivationError::Empty { what: "builder", .. }
        ));
        assert!(matches!(broken(|drv| drv.env.clear()), DerivationError::OutputEnv { .. }));
        assert!(matches!(
            broken(|drv| drv.outputs.get_mut("out").unwrap().fixed = fixed),
            DerivationError::OutputPath { .. }
        ));
        assert!(matches!(
            broken(|drv| {
                let output = Output { path: other, fixed };
                drv.outputs.insert(OutputName::new("lib").unwrap(), output);
            }),
            DerivationError::FixedOutput { .. }
        ));
    }
}
