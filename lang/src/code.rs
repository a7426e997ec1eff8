//! Compiled code.

use crate::symbol::Symbol;

/// The code of a procedure.
pub struct Proto {
    /// The name it was defined with.
    pub name: Option<Symbol>,
}
