//! Procedures written in Rust.
//!
//! A native is a documented function and one row in its topic's table. It never calls back into the
//! language: higher-order procedures are written in the language (`stdlib/`), so that recursion stays on the
//! interpreter's own stack. Natives of the host reach its state through [`Context::host`].

use std::any::Any;

use crate::{diagnostic::Diagnostic, source::SourceMap, value::Value};

/// Where a procedure may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Pure: everywhere.
    Both,
    /// Only while recipes are evaluated.
    Evaluation,
    /// Only inside a build: it reads or changes the world.
    Builder,
}

/// A procedure written in Rust: one row of a table.
pub struct Native {
    /// Its name in the language.
    pub name: &'static str,
    /// Fewest and most arguments; `None` for any number.
    pub arity: (usize, Option<usize>),
    /// Where it may be used.
    pub side: Side,
    /// What it does; shapes, units, errors.
    pub doc: &'static str,
    /// `("(string-length \"abc\")", "3")`: shown in the documentation and run as its test; empty where it has effects.
    pub example: (&'static str, &'static str),
    /// The function.
    pub function: NativeFn,
}

/// A row of a table: for both sides, without an example.
pub(crate) const fn row(
    name: &'static str,
    least: usize,
    most: Option<usize>,
    doc: &'static str,
    function: NativeFn,
) -> Native {
    Native { name, arity: (least, most), side: Side::Both, doc, example: ("", ""), function }
}

/// The signature of natives. The number of arguments was checked.
pub type NativeFn = fn(&mut Context<'_>, &[Value]) -> Result<Value, Raise>;

/// What a native can reach.
pub struct Context<'a> {
    /// The host's state, for the natives that the host added.
    pub host: &'a mut dyn Any,
    /// The texts that were read.
    pub sources: &'a SourceMap,
    /// The names that macros introduced.
    pub(crate) names: &'a mut crate::expand::Aliases,
    /// The computation at work, whose hash tables may be filled.
    pub(crate) epoch: u64,
}

/// An error without a place; the interpreter adds the place and the trace.
#[derive(Clone, Debug)]
pub enum Raise {
    /// An argument of the wrong kind.
    WrongType {
        /// The procedure.
        procedure: &'static str,
        /// The argument's position, from 1.
        position: usize,
        /// What was wanted: `a string`.
        expected: &'static str,
        /// What was given.
        actual: Value,
    },
    /// A value outside of what is allowed.
    Invalid {
        /// A stable code.
        code: &'static str,
        /// The message.
        message: String,
        /// What to do next.
        hints: Vec<String>,
    },
    /// An error that knows its places.
    Placed(Box<Diagnostic>),
    /// A value thrown by the program (`raise`, `throw`, `error`).
    Thrown(Value),
    /// The program asked to stop with that exit code (`exit`).
    Exit(i32),
}

impl Raise {
    /// Returns an error with a message and the general code `E0400`.
    pub fn message(message: impl Into<String>) -> Raise {
        Raise::Invalid { code: "E0400", message: message.into(), hints: Vec::new() }
    }
}

/// Returns the text of the string at a position (from 0).
///
/// # Errors
/// [`Raise::WrongType`] when it is absent or not a string.
pub fn expect_string<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
) -> Result<&'a str, Raise> {
    let actual = arguments.get(index).unwrap_or(&Value::Absent);
    actual.as_str().ok_or_else(|| wrong_type(procedure, index, "a string", actual))
}

/// Returns the integer at a position (from 0).
///
/// # Errors
/// [`Raise::WrongType`] when it is absent or not an exact integer of 64 bits.
pub fn expect_int(procedure: &'static str, arguments: &[Value], index: usize) -> Result<i64, Raise> {
    match arguments.get(index).unwrap_or(&Value::Absent) {
        Value::Int(n) => Ok(*n),
        actual => Err(wrong_type(procedure, index, "an exact integer", actual)),
    }
}

/// Returns the elements of the proper list at a position (from 0).
///
/// # Errors
/// [`Raise::WrongType`] when it is absent or not a proper list.
pub fn expect_list(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Vec<Value>, Raise> {
    let actual = arguments.get(index).unwrap_or(&Value::Absent);
    actual.list_to_vec().ok_or_else(|| wrong_type(procedure, index, "a list", actual))
}

/// Returns the elements, all strings, of the proper list at a position (from 0).
///
/// # Errors
/// [`Raise::WrongType`] when it is absent or anything else.
pub fn expect_strings(
    procedure: &'static str,
    arguments: &[Value],
    index: usize,
) -> Result<Vec<String>, Raise> {
    expect_list(procedure, arguments, index)?
        .iter()
        .map(|item| {
            item.as_str()
                .map(str::to_owned)
                .ok_or_else(|| wrong_type(procedure, index, "a list of strings", item))
        })
        .collect()
}

/// Returns a [`Raise::WrongType`]; `index` counts from 0.
pub fn wrong_type(procedure: &'static str, index: usize, expected: &'static str, actual: &Value) -> Raise {
    Raise::WrongType { procedure, position: index + 1, expected, actual: actual.clone() }
}
