//! What the interactive loop asks of an evaluation.

use std::sync::{Arc, atomic::AtomicBool};

use hpcl_lang::{host::ModuleName, value::Value};

use super::{Evaluation, EvaluationError, EvaluationHost};

/// The module of a prompt; a name that is none stands for the user's own.
fn named(module: &str) -> ModuleName {
    let own = || ModuleName::parse(USER_MODULE).expect("the name has two parts");
    ModuleName::parse(module).unwrap_or_else(own)
}

/// The module that a prompt begins in.
pub const USER_MODULE: &str = "(hpcl user)";

impl Evaluation {
    /// Evaluates one input of the interactive loop in a module; definitions stay.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn interactive(&mut self, module: &str, text: &str) -> Result<Value, EvaluationError> {
        self.interpreter.host_mut::<EvaluationHost>().interactive = true;
        let module = &named(module);
        let value = self.interpreter.eval(module, "<input>", text);
        self.checked(value)
    }

    /// Returns what the expressions of a text come to once macros and surface forms are gone, one a line.
    ///
    /// # Errors
    /// [`EvaluationError::Language`].
    pub fn expanded(&mut self, module: &str, text: &str) -> Result<String, EvaluationError> {
        // The module is there once something was evaluated in it.
        self.interactive(module, "")?;
        let expanded = self.interpreter.expand(&named(module), "<input>", text);
        self.checked(expanded)
    }

    /// Returns what is said of a name in a module.
    pub fn describe(&mut self, module: &str, name: &str) -> Option<String> {
        let _ = self.interactive(module, "");
        crate::editor::describe(&mut self.interpreter, &named(module), name)
    }

    /// Returns the names that may be used in a module, sorted.
    pub fn names(&mut self, module: &str) -> Vec<&'static str> {
        let _ = self.interactive(module, "");
        self.interpreter.names_in_scope(&named(module)).into_iter().map(|(name, _)| name).collect()
    }

    /// Whether there is a module of that name; loads it.
    pub fn has_module(&mut self, module: &str) -> bool {
        ModuleName::parse(module).is_some_and(|module| self.interpreter.module_file(&module).is_some())
    }

    /// Sets what ends an evaluation when it becomes true.
    pub fn set_interrupt(&mut self, interrupt: Arc<AtomicBool>) {
        self.interpreter.set_interrupt(interrupt);
    }
}
