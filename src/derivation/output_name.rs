//! The name of a derivation's output.

use std::{borrow::Borrow, fmt, sync::Arc};

use super::DerivationError;

/// The name of an output: `out`, `lib`, `doc`. What may stand in a store path's name may stand in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputName(Arc<str>);

impl OutputName {
    /// Checks and makes a name.
    pub fn new(name: &str) -> Result<Self, DerivationError> {
        // `drv` is Nix's: `#drv` in its own output specifiers.
        if name == "drv" || crate::store_path::check_name(name).is_err() {
            return Err(DerivationError::OutputName { name: name.to_owned() });
        }
        Ok(Self(name.into()))
    }

    /// The usual output, `out`.
    pub fn out() -> Self {
        Self("out".into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for OutputName {
    fn default() -> Self {
        Self::out()
    }
}

impl Borrow<str> for OutputName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for OutputName {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for OutputName {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}
