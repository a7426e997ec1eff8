//! Vectors, which do not change.

use crate::{
    native::{Context, Native, Raise, expect_list},
    value::Value,
};

use super::{
    arguments::{get, given, int, new_size, out_of_range, range, size, vector},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("vector", 0, None, "The vector of the arguments.", ("(vector 1 2)", "#(1 2)"), |_, a| Ok(Value::vector(a.to_vec()))),
    row("make-vector", 1, Some(2), "A vector of so many times the same.", ("(make-vector 2 'a)", "#(a a)"), make),
    row("vector-length", 1, Some(1), "The number of elements.", ("(vector-length #(a b))", "2"), |_, a| Ok(int(vector("vector-length", a, 0)?.len()))),
    row("vector-ref", 2, Some(2), "The element at a position.", ("(vector-ref #(a b) 1)", "b"), reference),
    row("vector->list", 1, Some(3), "The elements, or those from a position to before another.", ("(vector->list #(1 2 3) 1)", "(2 3)"), |_, a| Ok(Value::list(part("vector->list", a)?))),
    row("list->vector", 1, Some(1), "The vector of a list's elements.", ("(list->vector '(1 2))", "#(1 2)"), |_, a| Ok(Value::vector(expect_list("list->vector", a, 0)?))),
    row("vector-copy", 1, Some(3), "The vector, or the part from a position to before another.", ("(vector-copy #(1 2 3) 1)", "#(2 3)"), |_, a| Ok(Value::vector(part("vector-copy", a)?))),
    row("subvector", 3, Some(3), "The part from a position to before another.", ("(subvector #(1 2 3) 0 2)", "#(1 2)"), |_, a| Ok(Value::vector(part("subvector", a)?))),
    row("vector-append", 0, None, "The elements of the vectors.", ("(vector-append #(1) #(2))", "#(1 2)"), append),
];

fn make(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let item = if given(arguments, 1) { get(arguments, 1).clone() } else { Value::Unspecified };
    Ok(Value::vector(vec![item; new_size("make-vector", arguments, 0)?]))
}

fn reference(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let items = vector("vector-ref", arguments, 0)?;
    let position = size("vector-ref", arguments, 1)?;
    items.get(position).cloned().ok_or_else(|| out_of_range("vector-ref", position, items.len()))
}

fn part(procedure: &'static str, arguments: &[Value]) -> Result<Vec<Value>, Raise> {
    let items = vector(procedure, arguments, 0)?;
    let range = range(procedure, arguments, 1, items.len())?;
    Ok(items.get(range).unwrap_or(&[]).to_vec())
}

fn append(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut items = Vec::new();
    for index in 0..arguments.len() {
        items.extend_from_slice(vector("vector-append", arguments, index)?);
    }
    Ok(Value::vector(items))
}
