//! Derivations as store items.

use super::{LocalStore, StoreError};
use crate::{derivation::Derivation, store_path::StorePath};

impl LocalStore {
    /// Writes a derivation to its path. What it refers to must be valid.
    pub fn write_drv(&self, derivation: &Derivation) -> Result<StorePath, StoreError> {
        let name = format!("{}.drv", derivation.name);
        self.add_text(&name, &derivation.to_aterm(), &derivation.references())
    }

    /// Reads a derivation.
    pub fn read_drv(&self, path: &StorePath) -> Result<Derivation, StoreError> {
        if !self.is_valid(path)? {
            return Err(StoreError::NotValid { path: path.clone() });
        }
        let file = self.local_path(path);
        let text = std::fs::read(&file).map_err(StoreError::io("read", &file))?;
        let name = path.name().strip_suffix(".drv").unwrap_or(path.name());
        Ok(Derivation::parse(name, &self.to_canonical(text))?)
    }
}
