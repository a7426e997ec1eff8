//! Symbols and keywords.

use crate::{
    native::{Context, Native, Raise, expect_string, wrong_type},
    symbol::Symbol,
    value::Value,
};

use super::{
    arguments::{get, symbol, text},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("symbol->string", 1, Some(1), "The name.", ("(symbol->string 'a)", "\"a\""), |_, a| text(symbol("symbol->string", a, 0)?.as_str())),
    row("string->symbol", 1, Some(1), "The symbol of that name.", ("(string->symbol \"a b\")", "#{a b}#"), |_, a| Ok(Value::symbol(expect_string("string->symbol", a, 0)?))),
    row("string->uninterned-symbol", 1, Some(1), "The symbol of that name.", ("(string->uninterned-symbol \"a\")", "a"),
        |_, a| Ok(Value::symbol(expect_string("string->uninterned-symbol", a, 0)?))),
    row("symbol-append", 0, None, "The symbol whose name is the names, one after the other.", ("(symbol-append 'a 'b)", "ab"), append),
    row("symbol<?", 0, None, "Whether each name comes before the next.", ("(symbol<? 'a 'b)", "#t"), less),
    row("keyword->symbol", 1, Some(1), "The symbol of a keyword's name.", ("(keyword->symbol #:a)", "a"), |_, a| Ok(Value::Symbol(keyword("keyword->symbol", a)?))),
    row("symbol->keyword", 1, Some(1), "The keyword of a symbol's name.", ("(symbol->keyword 'a)", "#:a"), |_, a| Ok(Value::Keyword(symbol("symbol->keyword", a, 0)?))),
    row("keyword->string", 1, Some(1), "A keyword's name.", ("(keyword->string #:a)", "\"a\""), |_, a| text(keyword("keyword->string", a)?.as_str())),
    row("string->keyword", 1, Some(1), "The keyword of that name.", ("(string->keyword \"a\")", "#:a"), |_, a| Ok(Value::Keyword(Symbol::new(expect_string("string->keyword", a, 0)?)))),
];

fn keyword(procedure: &'static str, arguments: &[Value]) -> Result<Symbol, Raise> {
    match get(arguments, 0) {
        Value::Keyword(name) => Ok(*name),
        actual => Err(wrong_type(procedure, 0, "a keyword", actual)),
    }
}

fn append(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut name = String::new();
    for index in 0..arguments.len() {
        name.push_str(symbol("symbol-append", arguments, index)?.as_str());
    }
    Ok(Value::symbol(&name))
}

fn less(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let names: Vec<_> =
        (0..arguments.len()).map(|index| symbol("symbol<?", arguments, index)).collect::<Result<_, _>>()?;
    Ok(Value::Bool(names.iter().zip(names.iter().skip(1)).all(|(a, b)| a.as_str() < b.as_str())))
}
