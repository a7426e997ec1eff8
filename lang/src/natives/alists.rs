//! Association lists: lists of (key . value).

use crate::{
    equal,
    native::{Native, Raise, expect_list, wrong_type},
    value::{Pair, Value},
};

use super::{
    arguments::get,
    lists::{Pairs, expect_end},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("assq", 2, Some(2), "The first pair whose key is the same object, or `#f`.", ("(assq 'b '((a . 1) (b . 2)))", "(b . 2)"), |_, a| entry("assq", a, 0, 1, equal::eqv)),
    row("assv", 2, Some(2), "The first pair whose key is the same object or number, or `#f`.", ("(assv 2 '((1 . a) (2 . b)))", "(2 . b)"), |_, a| entry("assv", a, 0, 1, equal::eqv)),
    row("%assoc", 2, Some(2), "The first pair whose key has the same structure, or `#f`.", ("(%assoc \"b\" '((\"b\" . 2)))", "(\"b\" . 2)"), |_, a| entry("assoc", a, 0, 1, equal::equal)),
    row("assq-ref", 2, Some(2), "What a key stands for, found as the same object, or `#f`.", ("(assq-ref '((a . 1)) 'a)", "1"), |_, a| value("assq-ref", a, equal::eqv)),
    row("assv-ref", 2, Some(2), "What a key stands for, found as the same object or number, or `#f`.", ("(assv-ref '((1 . a)) 1)", "a"), |_, a| value("assv-ref", a, equal::eqv)),
    row("assoc-ref", 2, Some(2), "What a key stands for, found by structure, or `#f`.", ("(assoc-ref '((\"a\" . 1)) \"a\")", "1"), |_, a| value("assoc-ref", a, equal::equal)),
    row("assq-set!", 3, Some(3), "The list in which a key stands for a value; nothing is changed.", ("(assq-set! '((a . 1) (b . 2)) 'a 3)", "((a . 3) (b . 2))"), |_, a| set("assq-set!", a, equal::eqv)),
    row("assv-set!", 3, Some(3), "The list in which a key stands for a value; nothing is changed.", ("(assv-set! '() 1 2)", "((1 . 2))"), |_, a| set("assv-set!", a, equal::eqv)),
    row("assoc-set!", 3, Some(3), "The list in which a key stands for a value; nothing is changed.", ("(assoc-set! '((\"a\" . 1)) \"a\" 2)", "((\"a\" . 2))"), |_, a| set("assoc-set!", a, equal::equal)),
    row("assq-remove!", 2, Some(2), "The list without a key's first pair; nothing is changed.", ("(assq-remove! '((a . 1) (b . 2)) 'a)", "((b . 2))"), |_, a| remove("assq-remove!", a, equal::eqv)),
    row("assv-remove!", 2, Some(2), "The list without a key's first pair; nothing is changed.", ("(assv-remove! '((1 . 1)) 1)", "()"), |_, a| remove("assv-remove!", a, equal::eqv)),
    row("assoc-remove!", 2, Some(2), "The list without a key's first pair; nothing is changed.", ("(assoc-remove! '((\"a\" . 1)) \"a\")", "()"), |_, a| remove("assoc-remove!", a, equal::equal)),
    row("%alist-delete", 2, Some(2), "The list without a key's pairs, found by structure.", ("(%alist-delete \"a\" '((\"a\" . 1) (\"b\" . 2)))", "((\"b\" . 2))"), |_, a| delete("alist-delete", a)),
    row("acons", 3, Some(3), "The list with another pair before it.", ("(acons 'a 1 '())", "((a . 1))"),
        |_, a| Ok(Value::cons(Value::cons(get(a, 0).clone(), get(a, 1).clone()), get(a, 2).clone()))),
    row("alist-copy", 1, Some(1), "The list; lists do not change, so it is the same.", ("(alist-copy '((a . 1)))", "((a . 1))"), |_, a| Ok(get(a, 0).clone())),
];

type Same = fn(&Value, &Value) -> bool;

/// Returns the first entry of a key. Elements that are no pairs are skipped, as Guile's `assoc-ref` does.
fn find<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    key: usize,
    list: usize,
    same: Same,
) -> Result<Option<(&'a Value, &'a Pair)>, Raise> {
    let (wanted, whole) = (get(arguments, key), get(arguments, list));
    let mut pairs = Pairs { rest: whole };
    for pair in pairs.by_ref() {
        if let Value::Pair(entry) = &pair.car
            && same(wanted, &entry.car)
        {
            return Ok(Some((&pair.car, entry)));
        }
    }
    expect_end(procedure, list, &pairs, whole).map(|()| None)
}

fn entry(
    procedure: &'static str,
    arguments: &[Value],
    key: usize,
    list: usize,
    same: Same,
) -> Result<Value, Raise> {
    Ok(find(procedure, arguments, key, list, same)?.map_or(Value::Bool(false), |(entry, _)| entry.clone()))
}

fn value(procedure: &'static str, arguments: &[Value], same: Same) -> Result<Value, Raise> {
    // As in Guile, what is no list has no entries: recipes ask with whatever a field holds.
    if !matches!(get(arguments, 0), Value::Pair(_) | Value::Nil | Value::LispNil) {
        return Ok(Value::Bool(false));
    }
    Ok(find(procedure, arguments, 1, 0, same)?.map_or(Value::Bool(false), |(_, pair)| pair.cdr.clone()))
}

fn place(items: &[Value], key: &Value, same: Same) -> Option<usize> {
    items.iter().position(|item| matches!(item, Value::Pair(entry) if same(key, &entry.car)))
}

fn set(procedure: &'static str, arguments: &[Value], same: Same) -> Result<Value, Raise> {
    let mut items = expect_list(procedure, arguments, 0)?;
    let entry = Value::cons(get(arguments, 1).clone(), get(arguments, 2).clone());
    match place(&items, get(arguments, 1), same).and_then(|at| items.get_mut(at)) {
        Some(old) => *old = entry,
        None => return Ok(Value::cons(entry, get(arguments, 0).clone())),
    }
    Ok(Value::list(items))
}

fn remove(procedure: &'static str, arguments: &[Value], same: Same) -> Result<Value, Raise> {
    let mut items = expect_list(procedure, arguments, 0)?;
    if let Some(at) = place(&items, get(arguments, 1), same) {
        items.remove(at);
    }
    Ok(Value::list(items))
}

fn delete(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let key = get(arguments, 0);
    let items = expect_list(procedure, arguments, 1)?;
    if let Some(other) = items.iter().find(|item| !matches!(item, Value::Pair(_))) {
        return Err(wrong_type(procedure, 1, "a list of pairs", other));
    }
    Ok(Value::list(
        items
            .into_iter()
            .filter(|item| !matches!(item, Value::Pair(entry) if equal::equal(key, &entry.car)))
            .collect::<Vec<_>>(),
    ))
}
