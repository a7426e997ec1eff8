//! From datum to value and back.

use std::{rc::Rc, sync::OnceLock};

use num_bigint::BigInt;

use crate::{
    datum::{Datum, DatumKind},
    number::Number,
    span::Span,
    symbol::Symbol,
    value::Value,
};

/// Returns the symbol that Guile's `#nil` is read as.
pub(crate) fn nil() -> Symbol {
    static NIL: OnceLock<Symbol> = OnceLock::new();
    *NIL.get_or_init(|| Symbol::new("#nil"))
}

impl Value {
    /// Returns the value that a quoted datum stands for.
    pub fn from_datum(datum: &Datum) -> Value {
        match &datum.kind {
            DatumKind::Bool(b) => Value::Bool(*b),
            DatumKind::Int(n) => Value::Int(*n),
            DatumKind::BigInt(n) => Value::Number(Rc::new(Number::Big((**n).clone()))),
            DatumKind::Rational(n) => Value::Number(Rc::new(Number::Ratio((**n).clone()))),
            DatumKind::Float(n) => Value::Float(*n),
            DatumKind::Char(c) => Value::Char(*c),
            DatumKind::String(text) => Value::string(text.clone()),
            DatumKind::Symbol(name) if *name == nil() => Value::LispNil,
            DatumKind::Symbol(name) => Value::Symbol(*name),
            DatumKind::Keyword(name) => Value::Keyword(*name),
            DatumKind::List(items) => Value::list(items.iter().map(Value::from_datum)),
            DatumKind::Dotted(items, tail) => {
                Value::list_with_tail(items.iter().map(Value::from_datum), Value::from_datum(tail))
            }
            DatumKind::Vector(items) => Value::vector(items.iter().map(Value::from_datum).collect()),
            DatumKind::Bytes(bytes) => Value::Bytes(Rc::new(bytes.clone())),
        }
    }

    /// Returns the datum that stands for a value, every part at the same place; `None` if some part of it cannot be
    /// written down, such as a procedure.
    pub fn to_datum(&self, span: Span) -> Option<Datum> {
        self.to_datum_within(span, crate::reader::MAX_DEPTH)
    }

    fn to_datum_within(&self, span: Span, depth: usize) -> Option<Datum> {
        let depth = depth.checked_sub(1)?;
        let kind = match self {
            Value::Nil => DatumKind::List(Vec::new()),
            Value::LispNil => DatumKind::Symbol(nil()),
            Value::Bool(b) => DatumKind::Bool(*b),
            Value::Int(n) => DatumKind::Int(*n),
            Value::Float(n) => DatumKind::Float(*n),
            Value::Number(number) => match &**number {
                Number::Big(n) => DatumKind::BigInt(Box::<BigInt>::new(n.clone())),
                Number::Ratio(n) => DatumKind::Rational(Box::new(n.clone())),
            },
            Value::Char(c) => DatumKind::Char(*c),
            Value::Symbol(name) => DatumKind::Symbol(*name),
            Value::Keyword(name) => DatumKind::Keyword(*name),
            Value::String(text) => DatumKind::String((**text).clone()),
            Value::Bytes(bytes) => DatumKind::Bytes((**bytes).clone()),
            Value::Vector(items) => DatumKind::Vector(
                items.iter().map(|item| item.to_datum_within(span, depth)).collect::<Option<_>>()?,
            ),
            Value::Pair(_) => {
                let mut items = Vec::new();
                let mut rest = self;
                while let Value::Pair(pair) = rest {
                    items.push(pair.car.to_datum_within(span, depth)?);
                    rest = &pair.cdr;
                }
                match rest {
                    Value::Nil | Value::LispNil => DatumKind::List(items),
                    tail => DatumKind::Dotted(items, Box::new(tail.to_datum_within(span, depth)?)),
                }
            }
            _ => return None,
        };
        Some(Datum { kind, span })
    }
}
