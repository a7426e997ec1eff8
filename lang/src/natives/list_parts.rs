//! Parts of lists and pairs, by position.

use crate::{
    native::{Context, Native, Raise, expect_list, wrong_type},
    value::Value,
};

use super::{
    arguments::{get, out_of_range, size},
    lists::Pairs,
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("car", 1, Some(1), "The first part of a pair.", ("(car '(1 2))", "1"), |_, a| path("car", a, "a")),
    row("cdr", 1, Some(1), "The second part of a pair: the rest of a list.", ("(cdr '(1 2))", "(2)"), |_, a| path("cdr", a, "d")),
    row("caar", 1, Some(1), "`car` of `car`.", ("(caar '((1) 2))", "1"), |_, a| path("caar", a, "aa")),
    row("cadr", 1, Some(1), "`car` of `cdr`: the second element.", ("(cadr '(1 2))", "2"), |_, a| path("cadr", a, "da")),
    row("cdar", 1, Some(1), "`cdr` of `car`.", ("(cdar '((1 . 3) 2))", "3"), |_, a| path("cdar", a, "ad")),
    row("cddr", 1, Some(1), "`cdr` of `cdr`.", ("(cddr '(1 2 3))", "(3)"), |_, a| path("cddr", a, "dd")),
    row("caaar", 1, Some(1), "`car` of `caar`.", ("(caaar '(((1))))", "1"), |_, a| path("caaar", a, "aaa")),
    row("caadr", 1, Some(1), "`car` of `cadr`.", ("(caadr '(1 (2)))", "2"), |_, a| path("caadr", a, "daa")),
    row("cadar", 1, Some(1), "`car` of `cdar`.", ("(cadar '((1 2)))", "2"), |_, a| path("cadar", a, "ada")),
    row("caddr", 1, Some(1), "The third element.", ("(caddr '(1 2 3))", "3"), |_, a| path("caddr", a, "dda")),
    row("cdaar", 1, Some(1), "`cdr` of `caar`.", ("(cdaar '(((1 . 2))))", "2"), |_, a| path("cdaar", a, "aad")),
    row("cdadr", 1, Some(1), "`cdr` of `cadr`.", ("(cdadr '(1 (2 . 3)))", "3"), |_, a| path("cdadr", a, "dad")),
    row("cddar", 1, Some(1), "`cdr` of `cdar`.", ("(cddar '((1 2 . 3)))", "3"), |_, a| path("cddar", a, "add")),
    row("cdddr", 1, Some(1), "`cdr` of `cddr`.", ("(cdddr '(1 2 3 4))", "(4)"), |_, a| path("cdddr", a, "ddd")),
    row("caaaar", 1, Some(1), "`car` of `caaar`.", ("(caaaar '((((1 . 2) . 2) . 2) . 2))", "1"), |_, a| path("caaaar", a, "aaaa")),
    row("caaadr", 1, Some(1), "`car` of `caadr`.", ("(caaadr '(2 . (((1 . 2) . 2) . 2)))", "1"), |_, a| path("caaadr", a, "daaa")),
    row("caadar", 1, Some(1), "`car` of `cadar`.", ("(caadar '((2 . ((1 . 2) . 2)) . 2))", "1"), |_, a| path("caadar", a, "adaa")),
    row("caaddr", 1, Some(1), "`car` of `caddr`.", ("(caaddr '(2 . (2 . ((1 . 2) . 2))))", "1"), |_, a| path("caaddr", a, "ddaa")),
    row("cadaar", 1, Some(1), "`car` of `cdaar`.", ("(cadaar '(((2 . (1 . 2)) . 2) . 2))", "1"), |_, a| path("cadaar", a, "aada")),
    row("cadadr", 1, Some(1), "`car` of `cdadr`.", ("(cadadr '(2 . ((2 . (1 . 2)) . 2)))", "1"), |_, a| path("cadadr", a, "dada")),
    row("caddar", 1, Some(1), "`car` of `cddar`.", ("(caddar '((2 . (2 . (1 . 2))) . 2))", "1"), |_, a| path("caddar", a, "adda")),
    row("cdaaar", 1, Some(1), "`cdr` of `caaar`.", ("(cdaaar '((((2 . 1) . 2) . 2) . 2))", "1"), |_, a| path("cdaaar", a, "aaad")),
    row("cdaadr", 1, Some(1), "`cdr` of `caadr`.", ("(cdaadr '(2 . (((2 . 1) . 2) . 2)))", "1"), |_, a| path("cdaadr", a, "daad")),
    row("cdadar", 1, Some(1), "`cdr` of `cadar`.", ("(cdadar '((2 . ((2 . 1) . 2)) . 2))", "1"), |_, a| path("cdadar", a, "adad")),
    row("cdaddr", 1, Some(1), "`cdr` of `caddr`.", ("(cdaddr '(2 . (2 . ((2 . 1) . 2))))", "1"), |_, a| path("cdaddr", a, "ddad")),
    row("cddaar", 1, Some(1), "`cdr` of `cdaar`.", ("(cddaar '(((2 . (2 . 1)) . 2) . 2))", "1"), |_, a| path("cddaar", a, "aadd")),
    row("cddadr", 1, Some(1), "`cdr` of `cdadr`.", ("(cddadr '(2 . ((2 . (2 . 1)) . 2)))", "1"), |_, a| path("cddadr", a, "dadd")),
    row("cdddar", 1, Some(1), "`cdr` of `cddar`.", ("(cdddar '((2 . (2 . (2 . 1))) . 2))", "1"), |_, a| path("cdddar", a, "addd")),
    row("cadddr", 1, Some(1), "The fourth element.", ("(cadddr '(1 2 3 4))", "4"), |_, a| path("cadddr", a, "ddda")),
    row("cddddr", 1, Some(1), "The rest after the fourth element.", ("(cddddr '(1 2 3 4 5))", "(5)"), |_, a| path("cddddr", a, "dddd")),
    row("first", 1, Some(1), "The first element.", ("(first '(1 2))", "1"), |_, a| nth("first", a, 0)),
    row("second", 1, Some(1), "The second element.", ("(second '(1 2))", "2"), |_, a| nth("second", a, 1)),
    row("third", 1, Some(1), "The third element.", ("(third '(1 2 3))", "3"), |_, a| nth("third", a, 2)),
    row("fourth", 1, Some(1), "The fourth element.", ("(fourth '(1 2 3 4))", "4"), |_, a| nth("fourth", a, 3)),
    row("fifth", 1, Some(1), "The fifth element.", ("(fifth '(1 2 3 4 5))", "5"), |_, a| nth("fifth", a, 4)),
    row("sixth", 1, Some(1), "The sixth element.", ("(sixth '(1 2 3 4 5 6))", "6"), |_, a| nth("sixth", a, 5)),
    row("seventh", 1, Some(1), "The seventh element.", ("(seventh '(1 2 3 4 5 6 7))", "7"), |_, a| nth("seventh", a, 6)),
    row("eighth", 1, Some(1), "The eighth element.", ("(eighth '(1 2 3 4 5 6 7 8))", "8"), |_, a| nth("eighth", a, 7)),
    row("ninth", 1, Some(1), "The ninth element.", ("(ninth '(1 2 3 4 5 6 7 8 9))", "9"), |_, a| nth("ninth", a, 8)),
    row("tenth", 1, Some(1), "The tenth element.", ("(tenth '(1 2 3 4 5 6 7 8 9 10))", "10"), |_, a| nth("tenth", a, 9)),
    row("list-ref", 2, Some(2), "The element at a position.", ("(list-ref '(a b) 1)", "b"), |_, a| nth("list-ref", a, size("list-ref", a, 1)?)),
    row("list-tail", 2, Some(2), "The rest after so many elements.", ("(list-tail '(1 2 3) 2)", "(3)"), |_, a| tail("list-tail", a)),
    row("list-cdr-ref", 2, Some(2), "The rest after so many elements.", ("(list-cdr-ref '(1 2 3) 2)", "(3)"), |_, a| tail("list-cdr-ref", a)),
    row("drop", 2, Some(2), "The rest after so many elements.", ("(drop '(1 2 3) 1)", "(2 3)"), |_, a| tail("drop", a)),
    row("list-head", 2, Some(2), "The first so many elements.", ("(list-head '(1 2 3) 2)", "(1 2)"), |_, a| head("list-head", a)),
    row("take", 2, Some(2), "The first so many elements.", ("(take '(1 2 3) 2)", "(1 2)"), |_, a| head("take", a)),
    row("take!", 2, Some(2), "The first so many elements; nothing is changed.", ("(take! (list 1 2 3) 2)", "(1 2)"), |_, a| head("take!", a)),
    row("take-right", 2, Some(2), "The last so many elements.", ("(take-right '(1 2 3) 2)", "(2 3)"), |_, a| right("take-right", a, true)),
    row("drop-right", 2, Some(2), "All but the last so many elements.", ("(drop-right '(1 2 3) 2)", "(1)"), |_, a| right("drop-right", a, false)),
    row("drop-right!", 2, Some(2), "All but the last so many elements; nothing is changed.", ("(drop-right! (list 1 2 3) 2)", "(1)"), |_, a| right("drop-right!", a, false)),
    row("split-at", 2, Some(2), "Two values: the first so many elements, and the rest.", ("(call-with-values (lambda () (split-at '(1 2 3) 1)) list)", "((1) (2 3))"), split_at),
    row("last", 1, Some(1), "The last element.", ("(last '(1 2 3))", "3"), |_, a| Ok(last(a, "last")?.0)),
    row("last-pair", 1, Some(1), "The last pair.", ("(last-pair '(1 2 . 3))", "(2 . 3)"), |_, a| Ok(last(a, "last-pair")?.1)),
    row("sublist", 3, Some(3), "The elements from a position to before another.", ("(sublist '(a b c d) 1 3)", "(b c)"), sublist),
];

/// Follows `a` to the first and `d` to the second part of pairs.
fn path(procedure: &'static str, arguments: &[Value], steps: &str) -> Result<Value, Raise> {
    let mut value = get(arguments, 0);
    for step in steps.bytes() {
        let Value::Pair(pair) = value else {
            return Err(wrong_type(procedure, 0, wanted(steps), get(arguments, 0)));
        };
        value = if step == b'a' { &pair.car } else { &pair.cdr };
    }
    Ok(value.clone())
}

/// Says what has such a part; the steps are in the order in which they are taken.
fn wanted(steps: &str) -> &'static str {
    match steps {
        "a" | "d" => "a pair",
        "da" | "dd" => "a list with at least 2 elements",
        "dda" | "ddd" => "a list with at least 3 elements",
        "ddda" | "dddd" => "a list with at least 4 elements",
        "aa" | "ad" => "a list whose first element is a pair",
        _ => "a list that has this part",
    }
}

fn nth(procedure: &'static str, arguments: &[Value], position: usize) -> Result<Value, Raise> {
    let whole = get(arguments, 0);
    if !matches!(whole, Value::Pair(_) | Value::Nil | Value::LispNil) {
        return Err(wrong_type(procedure, 0, "a list", whole));
    }
    match (Pairs { rest: whole }).nth(position) {
        Some(pair) => Ok(pair.car.clone()),
        None => Err(too_short(procedure, whole, position)),
    }
}

fn too_short(procedure: &'static str, list: &Value, position: usize) -> Raise {
    out_of_range(procedure, position, Pairs { rest: list }.count())
}

fn tail(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let (whole, count) = (get(arguments, 0), size(procedure, arguments, 1)?);
    let mut pairs = Pairs { rest: whole };
    if pairs.by_ref().take(count).count() < count {
        return Err(fewer(procedure, whole, count));
    }
    Ok(pairs.rest.clone())
}

fn fewer(procedure: &'static str, list: &Value, count: usize) -> Raise {
    let actual = Pairs { rest: list }.count();
    Raise::message(format!("`{procedure}`: the list has {actual} elements, not {count}"))
}

fn head(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let (whole, count) = (get(arguments, 0), size(procedure, arguments, 1)?);
    let items: Vec<Value> = Pairs { rest: whole }.take(count).map(|pair| pair.car.clone()).collect();
    if items.len() < count { Err(fewer(procedure, whole, count)) } else { Ok(Value::list(items)) }
}

fn right(procedure: &'static str, arguments: &[Value], take: bool) -> Result<Value, Raise> {
    let (whole, count) = (get(arguments, 0), size(procedure, arguments, 1)?);
    let length = Pairs { rest: whole }.count();
    let Some(before) = length.checked_sub(count) else { return Err(fewer(procedure, whole, count)) };
    let mut pairs = Pairs { rest: whole };
    let items: Vec<Value> = pairs.by_ref().take(before).map(|pair| pair.car.clone()).collect();
    Ok(if take { pairs.rest.clone() } else { Value::list(items) })
}

fn split_at(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::values(vec![head("split-at", arguments)?, tail("split-at", arguments)?]))
}

fn last(arguments: &[Value], procedure: &'static str) -> Result<(Value, Value), Raise> {
    let whole = get(arguments, 0);
    match (Pairs { rest: whole }).last() {
        Some(pair) => Ok((pair.car.clone(), Value::Pair(pair.clone()))),
        None => Err(wrong_type(procedure, 0, "a list that is not empty", whole)),
    }
}

fn sublist(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let items = expect_list("sublist", arguments, 0)?;
    let range = super::arguments::range("sublist", arguments, 1, items.len())?;
    Ok(Value::list(items.get(range).unwrap_or(&[]).to_vec()))
}
