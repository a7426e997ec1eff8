//! Parsed expressions.
//!
//! A [`Datum`] is what the reader makes of text: plain data with a span on every node, `Send`, without a
//! reference into the interpreter. Abbreviations are read as lists (`'x` as `(quote x)`, `#~x` as
//! `(gexp x)`, `#$x` as `(ungexp x)`, `#$@x` as `(ungexp-splicing x)`, `#+x` as `(ungexp-native x)`,
//! `#+@x` as `(ungexp-native-splicing x)`; `#$pkg:out` as `(ungexp pkg "out")`, `#$output:lib` as
//! `(ungexp output "lib")`).

use num_bigint::BigInt;
use num_rational::BigRational;

use crate::{span::Span, symbol::Symbol};

/// A parsed expression and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Datum {
    /// What it is.
    pub kind: DatumKind,
    /// Where it stands.
    pub span: Span,
}

/// The kinds of parsed expressions.
#[derive(Clone, Debug, PartialEq)]
pub enum DatumKind {
    /// `#t`, `#f`.
    Bool(bool),
    /// An exact integer that fits in 64 bits.
    Int(i64),
    /// A larger exact integer.
    BigInt(Box<BigInt>),
    /// An exact rational that is not an integer.
    Rational(Box<BigRational>),
    /// An inexact number.
    Float(f64),
    /// A character.
    Char(char),
    /// A string.
    String(Box<str>),
    /// A symbol.
    Symbol(Symbol),
    /// A keyword; the name is without `#:`.
    Keyword(Symbol),
    /// A proper list; the empty list is `()`.
    List(Vec<Datum>),
    /// `(a b . c)`: at least one element, then the tail, which is neither a list nor dotted.
    Dotted(Vec<Datum>, Box<Datum>),
    /// `#(a b)`.
    Vector(Vec<Datum>),
    /// `#vu8(1 2)`.
    Bytes(Vec<u8>),
}

impl Datum {
    /// Adds the places where a symbol stands inside of it, in order.
    pub(crate) fn places_of(&self, name: Symbol, out: &mut Vec<Span>) {
        match &self.kind {
            DatumKind::Symbol(symbol) if *symbol == name => out.push(self.span),
            DatumKind::List(items) | DatumKind::Vector(items) => {
                items.iter().for_each(|item| item.places_of(name, out));
            }
            DatumKind::Dotted(items, tail) => {
                items.iter().for_each(|item| item.places_of(name, out));
                tail.places_of(name, out);
            }
            _ => {}
        }
    }
}

/// The items of a proper list.
pub fn list(datum: &Datum) -> Option<&[Datum]> {
    match &datum.kind {
        DatumKind::List(items) => Some(items),
        _ => None,
    }
}

/// A symbol.
pub fn symbol(datum: &Datum) -> Option<Symbol> {
    match datum.kind {
        DatumKind::Symbol(name) => Some(name),
        _ => None,
    }
}

/// The text of a string.
pub fn string(datum: &Datum) -> Option<String> {
    match &datum.kind {
        DatumKind::String(text) => Some(text.to_string()),
        _ => None,
    }
}

/// The symbol that a list begins with, and what follows it.
pub fn named(datum: &Datum) -> Option<(&'static str, &[Datum])> {
    let (first, rest) = list(datum)?.split_first()?;
    Some((symbol(first)?.as_str(), rest))
}
