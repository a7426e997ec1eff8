//! What the language asks of the program around it.
//!
//! The crate does no I/O: the texts of modules and the procedures that reach the world come from a [`Host`].

use std::{any::Any, sync::Arc};

use crate::{native::Native, symbol::Symbol};

pub use crate::{
    module::{Defines, ModuleName, ModuleOutline, Outlined, OutlinedForm},
    source::ReadText,
};

/// The program around an interpreter.
pub trait Host: Any {
    /// Returns the text of a module, or `None` when the host has no module of that name.
    ///
    /// # Errors
    /// A message when there is one that cannot be read.
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String>;

    /// Returns a module without its text, where the host keeps the outline of that text. It is asked for before the text.
    fn module_outline(&mut self, name: &ModuleName) -> Option<OutlinedModule> {
        let _ = name;
        None
    }

    /// Whether a module that is not loaded exports a name, if the host knows: so that it need not be loaded to find out
    /// that it does not.
    fn may_export(&mut self, module: &ModuleName, name: Symbol) -> Option<bool> {
        let _ = (module, name);
        None
    }

    /// Returns the name under which a module is known, when it differs: `(guix x)` may stand for `(hpcl x)`.
    fn canonical_module(&mut self, name: &ModuleName) -> Option<ModuleName> {
        let _ = name;
        None
    }

    /// Returns the procedures that the host adds to the base environment.
    fn natives(&self) -> Vec<&'static [Native]> {
        Vec::new()
    }

    /// Returns the names of modules that export a name, for hints.
    fn exporters(&mut self, name: &str) -> Vec<ModuleName> {
        let _ = name;
        Vec::new()
    }

    /// Returns the names of the modules that there are, for hints.
    fn module_names(&mut self) -> Vec<ModuleName> {
        Vec::new()
    }

    /// Returns a hint for a module that there is not.
    fn missing_module(&mut self, _name: &ModuleName) -> Option<String> {
        None
    }

    /// Returns the modules that a program has in scope without importing them, such as a manifest's.
    fn program_imports(&self) -> Vec<ModuleName> {
        Vec::new()
    }

    /// Returns itself, for [`crate::native::Context::host`].
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

/// The text of a module.
#[derive(Clone, Debug)]
pub struct ModuleSource {
    /// The file's name, as shown to the user.
    pub file: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// A module whose text is read when a definition in it is needed.
pub struct OutlinedModule {
    /// The file's name, as shown to the user.
    pub file: Arc<str>,
    /// The outline of its text.
    pub outline: ModuleOutline,
    /// Returns the whole text, or nothing if it is not the text of the outline any more.
    pub text: ReadText,
}

/// A host without modules and without procedures: for tests and for the language alone.
#[derive(Default, Debug)]
pub struct EmptyHost;

impl Host for EmptyHost {
    fn module_source(&mut self, _name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        Ok(None)
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
