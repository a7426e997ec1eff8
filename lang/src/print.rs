//! Values as text.

use crate::value::Value;

/// Returns the value as it could be read back.
pub fn write(value: &Value) -> String {
    value.kind().to_owned()
}
