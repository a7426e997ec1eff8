//! Equality and the kinds of values.

use crate::{
    equal,
    native::{Context, Native, Raise},
    print,
    procedure::PromiseState,
    symbol::Symbol,
    value::Value,
};

use super::{
    arguments::{boolean, get, text},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("eq?", 0, None, "Whether all arguments are the same object; numbers and characters compare by value.",
        ("(eq? 'a 'a)", "#t"), |_, a| chain(a, equal::eqv)),
    row("eqv?", 0, None, "Whether all arguments are the same object, or equal numbers or characters of the same kind.",
        ("(eqv? 2 2.0)", "#f"), |_, a| chain(a, equal::eqv)),
    row("equal?", 0, None, "Whether all arguments have the same structure.",
        ("(equal? '(1 \"a\") (list 1 \"a\"))", "#t"), |_, a| chain(a, equal::equal)),
    row("not", 1, Some(1), "Whether it is `#f`.", ("(not 1)", "#f"), |_, a| boolean(!get(a, 0).is_true())),
    row("->bool", 1, Some(1), "`#f` for `#f`, else `#t`.", ("(->bool 1)", "#t"), |_, a| boolean(get(a, 0).is_true())),
    row("boolean?", 1, Some(1), "Whether it is `#t`, `#f` or `#nil`.", ("(boolean? '())", "#f"),
        |_, a| boolean(matches!(get(a, 0), Value::Bool(_) | Value::LispNil))),
    row("null?", 1, Some(1), "Whether it is the empty list.", ("(null? '())", "#t"), |_, a| boolean(get(a, 0).is_null())),
    row("pair?", 1, Some(1), "Whether it is a pair, as every list but the empty one.", ("(pair? '(1))", "#t"),
        |_, a| boolean(matches!(get(a, 0), Value::Pair(_)))),
    row("list?", 1, Some(1), "Whether it is a proper list.", ("(list? '(1 . 2))", "#f"), |_, a| boolean(is_list(get(a, 0)))),
    row("proper-list?", 1, Some(1), "Whether it is a proper list.", ("(proper-list? '(1 2))", "#t"), |_, a| boolean(is_list(get(a, 0)))),
    row("dotted-list?", 1, Some(1), "Whether it ends in something other than the empty list.", ("(dotted-list? '(1 . 2))", "#t"),
        |_, a| boolean(!is_list(get(a, 0)))),
    row("symbol?", 1, Some(1), "Whether it is a symbol.", ("(symbol? 'a)", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Symbol(_)))),
    row("keyword?", 1, Some(1), "Whether it is a keyword.", ("(keyword? #:a)", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Keyword(_)))),
    row("string?", 1, Some(1), "Whether it is a string.", ("(string? \"a\")", "#t"), |_, a| boolean(matches!(get(a, 0), Value::String(_)))),
    row("char?", 1, Some(1), "Whether it is a character.", ("(char? #\\a)", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Char(_)))),
    row("vector?", 1, Some(1), "Whether it is a vector.", ("(vector? #(1))", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Vector(_)))),
    row("bytevector?", 1, Some(1), "Whether it is a bytevector.", ("(bytevector? #vu8(1))", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Bytes(_)))),
    row("procedure?", 1, Some(1), "Whether it can be called.", ("(procedure? car)", "#t"), |_, a| boolean(get(a, 0).is_procedure())),
    row("promise?", 1, Some(1), "Whether it was made by `delay`.", ("(promise? (delay 1))", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Promise(_)))),
    row("promise-forced?", 1, Some(1), "Whether a promise was forced.", ("(promise-forced? (delay 1))", "#f"), promise_forced),
    row("parameter?", 1, Some(1), "Whether it was made by `make-parameter`.", ("(parameter? (make-parameter 1))", "#t"),
        |_, a| boolean(matches!(get(a, 0), Value::Parameter(_)))),
    row("record?", 1, Some(1), "Whether it is a record.", ("(record? 1)", "#f"), |_, a| boolean(matches!(get(a, 0), Value::Record(_)))),
    row("record-type-descriptor?", 1, Some(1), "Whether it is the type of records.", ("(record-type-descriptor? 1)", "#f"),
        |_, a| boolean(matches!(get(a, 0), Value::RecordType(_)))),
    row("gexp?", 1, Some(1), "Whether it is staged code.", ("(gexp? #~(+ 1 2))", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Gexp(_)))),
    row("unspecified?", 1, Some(1), "Whether it is what effects return.", ("(unspecified? (if #f #f))", "#t"),
        |_, a| boolean(matches!(get(a, 0), Value::Unspecified))),
    row("eof-object?", 1, Some(1), "Whether it is the end of a port.", ("(eof-object? (eof-object))", "#t"), |_, a| boolean(matches!(get(a, 0), Value::Eof))),
    row("eof-object", 0, Some(0), "The object that stands for the end of a port.", ("(eof-object? (eof-object))", "#t"), |_, _| Ok(Value::Eof)),
    row("%wrong-type", 4, Some(4), "Raises the error of an argument of the wrong kind: the procedure, the position, what was wanted, what was given.",
        ("(catch #t (lambda () (%wrong-type \"f\" 1 \"a list\" 5)) (lambda (key . rest) key))", "wrong-type-arg"), raise_wrong_type),
    row("object->string", 1, Some(2), "The text of a value: as `write` shows it, or as the given `display` does.",
        ("(object->string '(a \"b\"))", "\"(a \\\"b\\\")\""), object_to_string),
];

fn chain(arguments: &[Value], same: fn(&Value, &Value) -> bool) -> Result<Value, Raise> {
    let pairs = arguments.iter().zip(arguments.iter().skip(1));
    boolean(pairs.into_iter().all(|(a, b)| same(a, b)))
}

fn is_list(value: &Value) -> bool {
    let mut rest = value;
    while let Value::Pair(pair) = rest {
        rest = &pair.cdr;
    }
    rest.is_null()
}

fn promise_forced(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match get(arguments, 0) {
        Value::Promise(promise) => boolean(matches!(*promise.state.borrow(), PromiseState::Done(_))),
        actual => Err(crate::native::wrong_type("promise-forced?", 0, "a promise", actual)),
    }
}

fn raise_wrong_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    // The names are those of the prelude's procedures and few, so that they may be kept.
    let kept = |index| {
        crate::native::expect_string("%wrong-type", arguments, index).map(|text| Symbol::new(text).as_str())
    };
    Err(Raise::WrongType {
        procedure: kept(0)?,
        position: super::arguments::size("%wrong-type", arguments, 1)?,
        expected: kept(2)?,
        actual: get(arguments, 3).clone(),
    })
}

fn object_to_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let displayed = matches!(get(arguments, 1), Value::Native(native) if native.name == "%display")
        || matches!(get(arguments, 1), Value::Closure(c) if c.name().is_some_and(|name| name.as_str() == "display"));
    let value = get(arguments, 0);
    text(if displayed { print::display(value) } else { print::write(value) })
}
