//! Lists: making, measuring, joining, searching.

use std::rc::Rc;

use crate::{
    equal,
    native::{Context, Native, Raise, expect_list, wrong_type},
    number::Numeric,
    value::{Pair, Value},
};

use super::{
    arguments::{get, given, int, new_size, number},
    reuse::copy_onto,
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("cons", 2, Some(2), "The pair of both.", ("(cons 1 '(2))", "(1 2)"), |_, a| Ok(Value::cons(get(a, 0).clone(), get(a, 1).clone()))),
    row("xcons", 2, Some(2), "The pair of both, exchanged.", ("(xcons '(2) 1)", "(1 2)"), |_, a| Ok(Value::cons(get(a, 1).clone(), get(a, 0).clone()))),
    row("list", 0, None, "The list of the arguments.", ("(list 1 2)", "(1 2)"), |_, a| Ok(Value::list(a.to_vec()))),
    row("cons*", 1, None, "The list of the arguments, the last of which is its tail.", ("(cons* 1 2 '(3))", "(1 2 3)"), |_, a| cons_star(a)),
    row("list*", 1, None, "The list of the arguments, the last of which is its tail.", ("(list* 1 '(2))", "(1 2)"), |_, a| cons_star(a)),
    row("make-list", 1, Some(2), "A list of so many times the same.", ("(make-list 2 'a)", "(a a)"), make_list),
    row("length", 1, Some(1), "The number of elements of a proper list.", ("(length '(a b))", "2"), |_, a| length("length", a)),
    row("length+", 1, Some(1), "The number of elements; `#f` for what is no proper list.", ("(length+ '(a . b))", "#f"),
        |_, a| Ok(length("length+", a).unwrap_or(Value::Bool(false)))),
    row("append", 0, None, "The elements of the lists; the last may be anything.", ("(append '(1) '(2) '(3 . 4))", "(1 2 3 . 4)"), |_, a| append("append", a)),
    row("append!", 0, None, "The elements of the lists; nothing is changed.", ("(append! (list 1) '(2))", "(1 2)"), |_, a| append("append!", a)),
    row("concatenate", 1, Some(1), "The elements of the lists of a list.", ("(concatenate '((1) (2 3)))", "(1 2 3)"),
        |_, a| append("concatenate", &expect_list("concatenate", a, 0)?)),
    row("reverse", 1, Some(1), "The elements in reverse.", ("(reverse '(1 2 3))", "(3 2 1)"), |_, a| reverse("reverse", a, Value::Nil)),
    row("reverse!", 1, Some(1), "The elements in reverse; nothing is changed.", ("(reverse! (list 1 2))", "(2 1)"), |_, a| reverse("reverse!", a, Value::Nil)),
    row("append-reverse", 2, Some(2), "The elements of the first in reverse, followed by the second.", ("(append-reverse '(2 1) '(3))", "(1 2 3)"),
        |_, a| reverse("append-reverse", a, get(a, 1).clone())),
    row("list-copy", 1, Some(1), "The list; lists do not change, so it is the same.", ("(list-copy '(1 2))", "(1 2)"), |_, a| Ok(get(a, 0).clone())),
    row("iota", 1, Some(3), "So many numbers, from 0 and by 1 unless given.", ("(iota 3 1)", "(1 2 3)"), iota),
    row("memq", 2, Some(2), "The rest of the list from the first element that is the same object, or `#f`.", ("(memq 'b '(a b c))", "(b c)"), |_, a| member("memq", a, equal::eqv)),
    row("memv", 2, Some(2), "The rest of the list from the first element that is the same object or number, or `#f`.", ("(memv 2 '(1 2))", "(2)"), |_, a| member("memv", a, equal::eqv)),
    row("%member", 2, Some(2), "The rest of the list from the first element of the same structure, or `#f`.", ("(%member \"b\" '(\"a\" \"b\"))", "(\"b\")"),
        |_, a| member("member", a, equal::equal)),
    row("delq", 2, Some(2), "The list without what is the same object.", ("(delq 'a '(a b a))", "(b)"), |_, a| delete("delq", a, equal::eqv)),
    row("delv", 2, Some(2), "The list without what is the same object or number.", ("(delv 1 '(1 2))", "(2)"), |_, a| delete("delv", a, equal::eqv)),
    row("%delete", 2, Some(2), "The list without what has the same structure.", ("(%delete \"a\" '(\"a\" \"b\"))", "(\"b\")"), |_, a| delete("delete", a, equal::equal)),
    row("%delete-duplicates", 1, Some(1), "The list with only the first of elements of the same structure.", ("(%delete-duplicates '(1 2 1))", "(1 2)"), delete_duplicates),
];

fn cons_star(arguments: &[Value]) -> Result<Value, Raise> {
    match arguments.split_last() {
        Some((tail, items)) => Ok(Value::list_with_tail(items.to_vec(), tail.clone())),
        None => Ok(Value::Nil),
    }
}

fn make_list(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let item = if given(arguments, 1) { get(arguments, 1).clone() } else { Value::Unspecified };
    let size = new_size("make-list", arguments, 0)?;
    Ok((0..size).fold(Value::Nil, |rest, _| Value::cons(item.clone(), rest)))
}

/// Returns an iterator over the pairs of a list, and lets the end be looked at.
pub(super) struct Pairs<'a> {
    /// What follows.
    pub(super) rest: &'a Value,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = &'a Rc<Pair>;

    fn next(&mut self) -> Option<&'a Rc<Pair>> {
        let Value::Pair(pair) = self.rest else { return None };
        self.rest = &pair.cdr;
        Some(pair)
    }
}

/// Returns an error unless a list that was walked ended properly.
pub(super) fn expect_end(
    procedure: &'static str,
    index: usize,
    pairs: &Pairs<'_>,
    whole: &Value,
) -> Result<(), Raise> {
    if pairs.rest.is_null() { Ok(()) } else { Err(wrong_type(procedure, index, "a list", whole)) }
}

fn length(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let whole = get(arguments, 0);
    let mut pairs = Pairs { rest: whole };
    let count = pairs.by_ref().count();
    expect_end(procedure, 0, &pairs, whole)?;
    Ok(int(count))
}

/// `,@`: the elements of a list before what follows them.
pub static SPLICE: Native =
    row(",@", 2, Some(2), "The elements of a list before another one.", ("", ""), |_, a| append(",@", a));

fn append(procedure: &'static str, lists: &[Value]) -> Result<Value, Raise> {
    let Some((last, before)) = lists.split_last() else { return Ok(Value::Nil) };
    let mut result = last.clone();
    for index in (0..before.len()).rev() {
        let list = get(before, index);
        result = copy_onto(list, result).ok_or_else(|| wrong_type(procedure, index, "a list", list))?;
    }
    Ok(result)
}

fn reverse(procedure: &'static str, arguments: &[Value], tail: Value) -> Result<Value, Raise> {
    let whole = get(arguments, 0);
    let mut pairs = Pairs { rest: whole };
    let result = pairs.by_ref().fold(tail, |rest, pair| Value::cons(pair.car.clone(), rest));
    expect_end(procedure, 0, &pairs, whole)?;
    Ok(result)
}

fn iota(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let count = new_size("iota", arguments, 0)?;
    let start = if given(arguments, 1) { number("iota", arguments, 1)? } else { Numeric::Int(0) };
    let step = if given(arguments, 2) { number("iota", arguments, 2)? } else { Numeric::Int(1) };
    let mut items = Vec::with_capacity(count);
    for index in 0..count {
        let index = Numeric::Int(i64::try_from(index).unwrap_or(i64::MAX));
        let item = index.times(step.clone()).and_then(|offset| start.clone().plus(offset));
        items.push(item.map_err(|error| super::arguments::arithmetic("iota", error))?.into_value());
    }
    Ok(Value::list(items))
}

fn member(
    procedure: &'static str,
    arguments: &[Value],
    same: fn(&Value, &Value) -> bool,
) -> Result<Value, Raise> {
    let (wanted, whole) = (get(arguments, 0), get(arguments, 1));
    let mut pairs = Pairs { rest: whole };
    match pairs.find(|pair| same(wanted, &pair.car)) {
        Some(pair) => Ok(Value::Pair(Rc::clone(pair))),
        None => expect_end(procedure, 1, &pairs, whole).map(|()| Value::Bool(false)),
    }
}

fn delete(
    procedure: &'static str,
    arguments: &[Value],
    same: fn(&Value, &Value) -> bool,
) -> Result<Value, Raise> {
    let wanted = get(arguments, 0);
    let mut items = expect_list(procedure, arguments, 1)?;
    let before = items.len();
    items.retain(|item| !same(wanted, item));
    Ok(if items.len() == before { get(arguments, 1).clone() } else { Value::list(items) })
}

fn delete_duplicates(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut seen = crate::table::Table::new(equal::Equality::Equal);
    let mut kept = Vec::new();
    for item in expect_list("delete-duplicates", arguments, 0)? {
        if seen.insert(item.clone(), Value::Bool(true)).is_none() {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}
