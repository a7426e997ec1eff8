//! Exceptions: what handlers get for errors that are not values raised by the program.

use std::any::Any;

use crate::{
    diagnostic::Diagnostic,
    symbol::Symbol,
    value::{Foreign, Value},
};

/// An error as a value.
pub struct Exception {
    /// The key by which `catch` takes it: `misc-error`, `wrong-type-arg`.
    pub key: Symbol,
    /// The message, if it was made by `error` or by the machine.
    pub message: Option<Box<str>>,
    /// The arguments of `error` after the message, or those of `throw` after the key.
    pub irritants: Vec<Value>,
    /// What to show if nothing handles it.
    pub diagnostic: Option<Diagnostic>,
    /// The parts of a condition; none for what the machine, `error` and `throw` raise.
    pub(crate) parts: Vec<super::condition::Part>,
}

impl Exception {
    /// Returns an exception with a key and what belongs to it.
    pub fn keyed(key: Symbol, irritants: Vec<Value>) -> Value {
        Value::foreign(Exception { key, message: None, irritants, diagnostic: None, parts: Vec::new() })
    }

    /// Returns one line that says what is wrong.
    pub fn text(&self) -> String {
        let shown = self.irritants.iter().map(crate::print::summary).collect::<Vec<_>>().join(" ");
        match &self.message {
            Some(message) if shown.is_empty() => message.to_string(),
            Some(message) => format!("{} {shown}", message.trim_end()),
            None if !self.parts.is_empty() => super::condition::summary(&self.parts),
            None if shown.is_empty() => format!("`{}` was thrown", self.key),
            None => format!("`{}` was thrown: {shown}", self.key),
        }
    }

    /// Returns the arguments of a handler of `catch`, after the key. As in Guile, those of errors are the
    /// procedure, a message with directives, what they stand for, and more data.
    pub fn handler_arguments(&self) -> Vec<Value> {
        match &self.message {
            None => self.irritants.clone(),
            Some(message) => {
                let directives = " ~S".repeat(self.irritants.len());
                vec![
                    Value::Bool(false),
                    Value::string(format!("{message}{directives}")),
                    Value::list(self.irritants.clone()),
                    Value::Bool(false),
                ]
            }
        }
    }
}

impl Foreign for Exception {
    fn describe(&self) -> String {
        format!("#<exception {}: {}>", self.key, self.text())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the key by which `catch` takes a raised value.
pub(super) fn key_of(value: &Value) -> Symbol {
    match value {
        Value::Foreign(foreign) => match value.as_foreign::<Exception>() {
            Some(exception) => exception.key,
            None => Symbol::new(foreign.0.key()),
        },
        _ => Symbol::new("%exception"),
    }
}

/// Returns the key of an error with that code.
pub(super) fn key_of_code(code: &str) -> &'static str {
    match code {
        "E0401" => "wrong-type-arg",
        "E0402" => "wrong-number-of-args",
        "E0330" => "unbound-variable",
        "E0430" => "match-error",
        _ => "misc-error",
    }
}
