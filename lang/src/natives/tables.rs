//! Hash tables. While recipes are evaluated, only the computation that made a table may change it (`module::epoch`).

use std::{cell::RefCell, rc::Rc};

use crate::{
    equal::{self, Equality},
    module::ALWAYS,
    native::{Context, Native, Raise, expect_list, wrong_type},
    table::Table,
    value::Value,
};

use super::{
    arguments::{boolean, get, given, int, size},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("hash-table?", 1, Some(1), "Whether it is a hash table.", ("(hash-table? 1)", "#f"), |_, a| boolean(matches!(get(a, 0), Value::Table(_)))),
    row("make-hash-table", 0, None, "An empty hash table with keys compared by `equal?`.", ("(hash-table-count (make-hash-table))", "0"), |c, _| Ok(new(c, Equality::Equal))),
    row("make-equal-hashtable", 0, Some(1), "An empty hash table with keys compared by `equal?`.", ("(hash-table-count (make-equal-hashtable))", "0"), |c, _| Ok(new(c, Equality::Equal))),
    row("make-eq-hashtable", 0, Some(1), "An empty hash table with keys compared by identity.", ("(hash-table-count (make-eq-hashtable))", "0"), |c, _| Ok(new(c, Equality::Eq))),
    row("alist->hash-table", 1, None, "The hash table of an association list; the first pair of a key counts.", ("(hash-ref (alist->hash-table '((a . 1) (a . 2))) 'a)", "1"), |c, a| from_alist(c, a)),
    row("hash-ref", 2, Some(3), "What a key stands for, found by structure, or a default, `#f` unless given.", ("(hash-ref (alist->hash-table '((\"a\" . 1))) \"a\")", "1"), |_, a| reference("hash-ref", a)),
    row("hashq-ref", 2, Some(3), "What a key stands for, or a default, `#f` unless given.", ("(hashq-ref (alist->hash-table '((a . 1))) 'b 0)", "0"), |_, a| reference("hashq-ref", a)),
    row("hashv-ref", 2, Some(3), "What a key stands for, or a default, `#f` unless given.", ("(hashv-ref (alist->hash-table '((1 . 2))) 1)", "2"), |_, a| reference("hashv-ref", a)),
    row("hash-table-ref/default", 3, Some(3), "What a key stands for, or the default.", ("(hash-table-ref/default (alist->hash-table '()) 'a 0)", "0"), |_, a| reference("hash-table-ref/default", a)),
    row("hash-get-handle", 2, Some(2), "The pair of a key and what it stands for, or `#f`.", ("(hash-get-handle (alist->hash-table '((a . 1))) 'a)", "(a . 1)"), |_, a| handle("hash-get-handle", a)),
    row("hash-table-exists?", 2, Some(2), "Whether the table has a key.", ("(hash-table-exists? (alist->hash-table '((a . 1))) 'a)", "#t"),
        |_, a| boolean(table("hash-table-exists?", a)?.borrow().get(get(a, 1)).is_some())),
    row("%hash-table-size", 1, Some(1), "The number of keys.", ("(%hash-table-size (alist->hash-table '((a . 1))))", "1"), |_, a| Ok(int(table("hash-table-size", a)?.borrow().len()))),
    row("hash-table->alist", 1, Some(1), "The keys and what they stand for, in the order in which they came.", ("(hash-table->alist (alist->hash-table '((b . 1) (a . 2))))", "((b . 1) (a . 2))"),
        |_, a| Ok(Value::list(table("hash-table->alist", a)?.borrow().iter().map(|(k, v)| Value::cons(k.clone(), v.clone())).collect::<Vec<_>>()))),
    row("hash-table-keys", 1, Some(1), "The keys, in the order in which they came.", ("(hash-table-keys (alist->hash-table '((b . 1) (a . 2))))", "(b a)"),
        |_, a| Ok(Value::list(table("hash-table-keys", a)?.borrow().iter().map(|(k, _)| k.clone()).collect::<Vec<_>>()))),
    row("hash-table-values", 1, Some(1), "What the keys stand for, in the order in which they came.", ("(hash-table-values (alist->hash-table '((b . 1) (a . 2))))", "(1 2)"),
        |_, a| Ok(Value::list(table("hash-table-values", a)?.borrow().iter().map(|(_, v)| v.clone()).collect::<Vec<_>>()))),
    row("hash-table-count", 1, Some(1), "The number of keys.", ("(hash-table-count (make-hash-table))", "0"), |_, a| Ok(int(table("hash-table-count", a)?.borrow().len()))),
    row("hash-set!", 3, Some(3), "Makes a key stand for a value.", ("(let ((t (make-hash-table))) (hash-set! t 'a 1) (hash-ref t 'a))", "1"), |c, a| set(c, "hash-set!", a)),
    row("hashq-set!", 3, Some(3), "Makes a key stand for a value.", ("(let ((t (make-hash-table))) (hashq-set! t 'a 1) (hashq-ref t 'a))", "1"), |c, a| set(c, "hashq-set!", a)),
    row("hashv-set!", 3, Some(3), "Makes a key stand for a value.", ("(let ((t (make-hash-table))) (hashv-set! t 1 2) (hashv-ref t 1))", "2"), |c, a| set(c, "hashv-set!", a)),
    row("hash-table-set!", 3, Some(3), "Makes a key stand for a value.", ("(let ((t (make-hash-table))) (hash-table-set! t 1 2) (hash-ref t 1))", "2"), |c, a| set(c, "hash-table-set!", a)),
    row("hash-remove!", 2, Some(2), "Removes a key.", ("(let ((t (make-hash-table))) (hash-set! t 'a 1) (hash-remove! t 'a) (hash-ref t 'a))", "#f"), |c, a| remove(c, "hash-remove!", a)),
    row("hashq-remove!", 2, Some(2), "Removes a key.", ("(let ((t (make-hash-table))) (hashq-set! t 'a 1) (hashq-remove! t 'a) (hashq-ref t 'a))", "#f"), |c, a| remove(c, "hashq-remove!", a)),
    row("hash-table-delete!", 2, Some(2), "Removes a key.", ("(let ((t (make-hash-table))) (hash-set! t 1 2) (hash-table-delete! t 1) (hash-ref t 1))", "#f"), |c, a| remove(c, "hash-table-delete!", a)),
    row("hash-clear!", 1, Some(1), "Removes all keys.", ("(let ((t (make-hash-table))) (hash-set! t 1 2) (hash-clear! t) (hash-table-count t))", "0"),
        |c, a| { changeable(c, "hash-clear!", a)?.borrow_mut().clear(); Ok(Value::Unspecified) }),
    row("hash", 2, Some(2), "A number less than the second that values of the same structure have in common.", ("(< (hash \"a\" 100) 100)", "#t"), |_, a| hash("hash", a, Equality::Equal)),
    row("%value-hash", 1, Some(1), "A number that values of the same structure have in common.", ("(= (%value-hash '(1 \"a\")) (%value-hash (list 1 \"a\")))", "#t"),
        |_, a| Ok(int(usize::try_from(equal::hash(get(a, 0), Equality::Equal) >> 2).unwrap_or(0)))),
];

fn new(context: &Context<'_>, equality: Equality) -> Value {
    let mut made = Table::new(equality);
    made.epoch = context.epoch;
    Value::Table(Rc::new(RefCell::new(made)))
}

fn table<'a>(procedure: &'static str, arguments: &'a [Value]) -> Result<&'a RefCell<Table>, Raise> {
    match get(arguments, 0) {
        Value::Table(table) => Ok(table),
        actual => Err(wrong_type(procedure, 0, "a hash table", actual)),
    }
}

/// Returns a table that the computation at work may change.
fn changeable<'a>(
    context: &Context<'_>,
    procedure: &'static str,
    arguments: &'a [Value],
) -> Result<&'a RefCell<Table>, Raise> {
    let table = table(procedure, arguments)?;
    let owner = table.borrow().epoch;
    if owner != ALWAYS && owner != context.epoch {
        return Err(Raise::Invalid {
            code: "E0305",
            message: format!("`{procedure}`: this hash table cannot change any more"),
            hints: vec![
                "evaluation is pure: a table may be filled only while the definition that makes it is evaluated".to_owned(),
            ],
        });
    }
    Ok(table)
}

fn from_alist(context: &Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut made = Table::new(Equality::Equal);
    made.epoch = context.epoch;
    for item in expect_list("alist->hash-table", arguments, 0)? {
        match &item {
            Value::Pair(entry) if made.get(&entry.car).is_none() => {
                made.insert(entry.car.clone(), entry.cdr.clone());
            }
            Value::Pair(_) => {}
            other => return Err(wrong_type("alist->hash-table", 0, "a list of pairs", other)),
        }
    }
    Ok(Value::Table(Rc::new(RefCell::new(made))))
}

fn reference(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let default = if given(arguments, 2) { get(arguments, 2) } else { &Value::Bool(false) };
    Ok(table(procedure, arguments)?.borrow().get(get(arguments, 1)).unwrap_or(default).clone())
}

fn handle(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let found = table(procedure, arguments)?.borrow().get(get(arguments, 1)).cloned();
    Ok(found.map_or(Value::Bool(false), |value| Value::cons(get(arguments, 1).clone(), value)))
}

fn set(context: &Context<'_>, procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let old = changeable(context, procedure, arguments)?
        .borrow_mut()
        .insert(get(arguments, 1).clone(), get(arguments, 2).clone());
    // Dropped after the borrow: a value may hold the table itself.
    drop(old);
    Ok(get(arguments, 2).clone())
}

fn remove(context: &Context<'_>, procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let old = changeable(context, procedure, arguments)?.borrow_mut().remove(get(arguments, 1));
    Ok(old.unwrap_or(Value::Bool(false)))
}

fn hash(procedure: &'static str, arguments: &[Value], equality: Equality) -> Result<Value, Raise> {
    let bound = size(procedure, arguments, 1)?.max(1);
    Ok(int(usize::try_from(equal::hash(get(arguments, 0), equality) % bound as u64).unwrap_or(0)))
}
