//! What arguments of natives are expected to be.
//!
//! Complements [`crate::native`]: each function returns the argument in its Rust form, or a [`Raise`] that names the procedure,
//! the position and what was wanted.

use std::{ops::Range, rc::Rc};

use crate::{
    native::{Raise, wrong_type},
    number::{ArithmeticError, Numeric},
    symbol::Symbol,
    value::{Items, Value},
};

/// Returns the argument at a position, [`Value::Absent`] where there is none.
pub fn get(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&Value::Absent)
}

/// Whether an optional argument was given.
pub fn given(arguments: &[Value], index: usize) -> bool {
    !matches!(get(arguments, index), Value::Absent)
}

/// Returns a number.
///
/// # Errors
/// [`Raise::WrongType`].
pub fn number(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Numeric, Raise> {
    let actual = get(arguments, index);
    Numeric::from_value(actual).ok_or_else(|| wrong_type(procedure, index, "a number", actual))
}

/// Returns a number of elements, a position or the like.
///
/// # Errors
/// [`Raise::WrongType`] for what is no exact integer that is zero or more.
pub fn size(procedure: &'static str, arguments: &[Value], index: usize) -> Result<usize, Raise> {
    match get(arguments, index) {
        Value::Int(n) if *n >= 0 => usize::try_from(*n).map_err(|_| too_large(procedure)),
        actual => Err(wrong_type(procedure, index, "an exact integer that is not negative", actual)),
    }
}

/// The most elements of what a native makes out of nothing.
const MOST: usize = 1 << 27;

/// Returns the size of something that the procedure will make.
///
/// # Errors
/// As [`size`], and when it is absurdly large.
pub fn new_size(procedure: &'static str, arguments: &[Value], index: usize) -> Result<usize, Raise> {
    let size = size(procedure, arguments, index)?;
    if size > MOST { Err(too_large(procedure)) } else { Ok(size) }
}

fn too_large(procedure: &'static str) -> Raise {
    Raise::message(format!("`{procedure}`: too large: at most {MOST} elements can be made at once"))
}

/// Returns a character.
///
/// # Errors
/// [`Raise::WrongType`].
pub fn character(procedure: &'static str, arguments: &[Value], index: usize) -> Result<char, Raise> {
    match get(arguments, index) {
        Value::Char(c) => Ok(*c),
        actual => Err(wrong_type(procedure, index, "a character", actual)),
    }
}

/// Returns a symbol.
///
/// # Errors
/// [`Raise::WrongType`].
pub fn symbol(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Symbol, Raise> {
    match get(arguments, index) {
        Value::Symbol(name) => Ok(*name),
        actual => Err(wrong_type(procedure, index, "a symbol", actual)),
    }
}

/// Returns a vector.
///
/// # Errors
/// [`Raise::WrongType`].
pub fn vector<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
) -> Result<&'a Rc<Items>, Raise> {
    match get(arguments, index) {
        Value::Vector(items) => Ok(items),
        actual => Err(wrong_type(procedure, index, "a vector", actual)),
    }
}

/// Returns a bytevector.
///
/// # Errors
/// [`Raise::WrongType`].
pub fn bytes<'a>(procedure: &'static str, arguments: &'a [Value], index: usize) -> Result<&'a [u8], Raise> {
    match get(arguments, index) {
        Value::Bytes(bytes) => Ok(bytes),
        actual => Err(wrong_type(procedure, index, "a bytevector", actual)),
    }
}

/// Returns the range of optional `start` and `end` arguments, the first of which is at `index`.
///
/// # Errors
/// When they are no positions, in the wrong order or beyond `length`.
pub fn range(
    procedure: &'static str,
    arguments: &[Value],
    index: usize,
    length: usize,
) -> Result<Range<usize>, Raise> {
    let start = if given(arguments, index) { size(procedure, arguments, index)? } else { 0 };
    let end = match get(arguments, index + 1) {
        Value::Absent | Value::Bool(false) => length,
        _ => size(procedure, arguments, index + 1)?,
    };
    if start > end || end > length {
        return Err(Raise::message(format!(
            "`{procedure}`: the range {start} to {end} is not within a length of {length}"
        )));
    }
    Ok(start..end)
}

/// Returns an error of arithmetic with the procedure's name.
pub fn arithmetic(procedure: &'static str, error: ArithmeticError) -> Raise {
    Raise::message(format!("`{procedure}`: {error}"))
}

/// Returns an error for a position outside of something.
pub fn out_of_range(procedure: &'static str, position: impl std::fmt::Display, length: usize) -> Raise {
    Raise::message(match length {
        0 => format!("`{procedure}`: there is no position {position}: it is empty"),
        1 => format!("`{procedure}`: there is no position {position}: the only one is 0"),
        length => format!("`{procedure}`: there is no position {position}: they go from 0 to {}", length - 1),
    })
}

/// Returns a string of the language.
pub fn text(text: impl Into<Box<str>>) -> Result<Value, Raise> {
    Ok(Value::string(text))
}

/// Returns a boolean of the language.
pub fn boolean(truth: bool) -> Result<Value, Raise> {
    Ok(Value::Bool(truth))
}

/// Returns a length or position of the language.
pub fn int(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
