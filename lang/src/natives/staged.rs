//! Staged code that is not written out: a reference whose output is computed.

use std::rc::Rc;

use crate::{
    datum::{Datum, DatumKind},
    native::{Context, Native, Raise, expect_string},
    span::{FileId, Span},
    symbol::Symbol,
    value::{Gexp, GexpReference, Value},
};

use super::{arguments::get, row};

/// The table of this topic.
pub static TABLE: &[Native] = &[REFERENCE];

/// What `(ungexp thing output)` with an expression for the output is expanded to.
pub const REFERENCE: Native = row(
    "%gexp-reference",
    2,
    Some(2),
    "Staged code that is one output of a thing, or of what is built where the thing is false.",
    ("(%gexp-reference #f \"doc\")", "#~#$output:doc"),
    reference,
);

fn reference(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let thing = get(arguments, 0);
    let output = Symbol::new(expect_string("ungexp", arguments, 1)?);
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let part = |kind| Datum { kind, span };
    let template = vec![part(DatumKind::Symbol(Symbol::new("%reference"))), part(DatumKind::Int(0))];
    let value = thing.is_true().then(|| thing.clone());
    Ok(Value::Gexp(Rc::new(Gexp {
        template: Rc::new(part(DatumKind::List(template))),
        references: vec![GexpReference { value, output, native: false, splice: false }],
        modules: Value::Nil,
        extensions: Value::Nil,
        span: None,
    })))
}
