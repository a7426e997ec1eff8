//! Run-time values.
//!
//! Sixteen bytes, reference-counted, immutable on the evaluation side. Values belong to one interpreter and one
//! thread; what leaves it (derivations, build requests) is plain data. Lists are chains of [`Pair`]s whose
//! destruction is iterative, so that a list of any length can be dropped.

use std::{any::Any, cell::RefCell, fmt, rc::Rc};

use crate::{
    datum::Datum,
    native::Native,
    number::Number,
    procedure::{Closure, Parameter, Primitive, Procedure, Promise},
    record::{Record, RecordType},
    release::release,
    span::Span,
    symbol::Symbol,
};

/// A run-time value.
#[derive(Clone)]
pub enum Value {
    /// The empty list.
    Nil,
    /// What effects return.
    Unspecified,
    /// An optional argument or field that was not given.
    Absent,
    /// The end of a port.
    Eof,
    /// A boolean.
    Bool(bool),
    /// An exact integer that fits in 64 bits.
    Int(i64),
    /// An inexact number.
    Float(f64),
    /// Any other exact number, never one that fits in `Int`.
    Number(Rc<Number>),
    /// A character.
    Char(char),
    /// A symbol.
    Symbol(Symbol),
    /// A keyword, without `#:`.
    Keyword(Symbol),
    /// A string.
    String(Rc<Box<str>>),
    /// A cons cell.
    Pair(Rc<Pair>),
    /// A vector.
    Vector(Rc<Items>),
    /// A bytevector.
    Bytes(Rc<Vec<u8>>),
    /// A procedure written in the language.
    Closure(Rc<Closure>),
    /// A procedure written in Rust.
    Native(&'static Native),
    /// A procedure that the machine itself carries out: `apply`, `force`, `dynamic-wind`.
    Primitive(Primitive),
    /// A procedure made at run time that is not a plain closure: an accessor, an escape, a memoised procedure.
    Procedure(Rc<Procedure>),
    /// A dynamic parameter; calling it returns its value.
    Parameter(Rc<Parameter>),
    /// A delayed expression.
    Promise(Rc<Promise>),
    /// Several values.
    Values(Rc<Items>),
    /// A record.
    Record(Rc<Record>),
    /// A record type.
    RecordType(Rc<RecordType>),
    /// Staged code.
    Gexp(Rc<Gexp>),
    /// A hash table; only the builder side may change one.
    Table(Rc<RefCell<Table>>),
    /// A variable that `set!` changes; only the builder side has any. Never seen by programs.
    Cell(Rc<RefCell<Value>>),
    /// A value that the host defined.
    Foreign(Rc<dyn_foreign::Boxed>),
}

/// A cons cell.
pub struct Pair {
    /// The first part.
    pub car: Value,
    /// The rest.
    pub cdr: Value,
}

/// Staged code (Guix: gexp): a template and the values it refers to.
pub struct Gexp {
    /// The code as written. `(ungexp …)` forms of this level are replaced by `(%reference N)` datums.
    pub template: Rc<Datum>,
    /// The references, in the order of their numbers.
    pub references: Vec<GexpReference>,
    /// What `with-imported-modules` attached: the value of its first operand, else the empty list.
    pub modules: Value,
    /// What `with-extensions` attached: the value of its first operand, else the empty list.
    pub extensions: Value,
    /// Where it was written.
    pub span: Option<Span>,
}

/// What an `#$`, `#+`, `#$@` or `#+@` stands for.
pub struct GexpReference {
    /// The value, or `None` for `#$output`.
    pub value: Option<Value>,
    /// The output's name: `out` unless written.
    pub output: Symbol,
    /// Whether it was `#+`: for the build machine.
    pub native: bool,
    /// Whether its elements are spliced (`#$@`).
    pub splice: bool,
}

/// The elements of a vector, or several values; destroyed without recursion.
#[derive(Default)]
pub struct Items(Vec<Value>);

impl From<Vec<Value>> for Items {
    fn from(items: Vec<Value>) -> Self {
        Items(items)
    }
}

impl std::ops::Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.0
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.0.drain(..).for_each(release);
    }
}

impl Drop for Gexp {
    fn drop(&mut self) {
        for reference in &mut self.references {
            if let Some(value) = reference.value.take() {
                release(value);
            }
        }
    }
}

/// The contents of a hash table: keys in the order of insertion, found by `equal?`.
pub type Table = crate::table::Table;

/// A value defined by the host: it has a type name for messages and compares by identity.
pub trait Foreign: Any {
    /// For messages and for printing: `#<derivation hello-2.10>`.
    fn describe(&self) -> String;
    /// For downcasting.
    fn as_any(&self) -> &dyn Any;
    /// When it is raised: the key by which `catch` takes it.
    fn key(&self) -> &'static str {
        "misc-error"
    }
}

/// A thin pointer to a [`Foreign`], to keep [`Value`] at sixteen bytes.
pub mod dyn_foreign {
    /// The allocation behind [`super::Value::Foreign`].
    pub struct Boxed(pub Box<dyn super::Foreign>);
}

impl Value {
    /// Returns a string.
    pub fn string(text: impl Into<Box<str>>) -> Value {
        Value::String(Rc::new(text.into()))
    }

    /// Returns the symbol of that name.
    pub fn symbol(name: &str) -> Value {
        Value::Symbol(Symbol::new(name))
    }

    /// Returns a cons cell.
    pub fn cons(car: Value, cdr: Value) -> Value {
        Value::Pair(Rc::new(Pair { car, cdr }))
    }

    /// Returns a proper list.
    pub fn list(items: impl IntoIterator<Item = Value, IntoIter: DoubleEndedIterator>) -> Value {
        Value::list_with_tail(items, Value::Nil)
    }

    /// Returns a vector.
    pub fn vector(items: Vec<Value>) -> Value {
        Value::Vector(Rc::new(Items::from(items)))
    }

    /// Returns several values; one alone stays as it is.
    pub fn values(mut items: Vec<Value>) -> Value {
        match items.len() {
            1 => items.pop().unwrap_or(Value::Unspecified),
            _ => Value::Values(Rc::new(Items::from(items))),
        }
    }

    /// Whether it can be called.
    pub fn is_procedure(&self) -> bool {
        matches!(
            self,
            Value::Closure(_)
                | Value::Native(_)
                | Value::Primitive(_)
                | Value::Procedure(_)
                | Value::Parameter(_)
        )
    }

    /// Returns a list that ends in `tail`.
    pub fn list_with_tail(
        items: impl IntoIterator<Item = Value, IntoIter: DoubleEndedIterator>,
        tail: Value,
    ) -> Value {
        items.into_iter().rev().fold(tail, |tail, item| Value::cons(item, tail))
    }

    /// Returns a value of the host's.
    pub fn foreign(value: impl Foreign) -> Value {
        Value::Foreign(Rc::new(dyn_foreign::Boxed(Box::new(value))))
    }

    /// Returns the host's value when it is of that type.
    pub fn as_foreign<T: Foreign>(&self) -> Option<&T> {
        match self {
            Value::Foreign(boxed) => boxed.0.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether it counts as true: all but `#f`.
    pub fn is_true(&self) -> bool {
        !matches!(self, Value::Bool(false))
    }

    /// Returns the text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of a proper list; `None` for anything else.
    pub fn list_to_vec(&self) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        let mut rest = self;
        loop {
            match rest {
                Value::Nil => return Some(items),
                Value::Pair(pair) => {
                    items.push(pair.car.clone());
                    rest = &pair.cdr;
                }
                _ => return None,
            }
        }
    }

    /// Names the kind of value, with its article, for messages: `a string`.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "the empty list",
            Value::Unspecified => "an unspecified value",
            Value::Absent => "an absent argument",
            Value::Eof => "the end-of-file object",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Number(_) | Value::Float(_) => "a number",
            Value::Char(_) => "a character",
            Value::Symbol(_) => "a symbol",
            Value::Keyword(_) => "a keyword",
            Value::String(_) => "a string",
            Value::Pair(_) => "a pair",
            Value::Vector(_) => "a vector",
            Value::Bytes(_) => "a bytevector",
            Value::Closure(_) | Value::Native(_) | Value::Primitive(_) | Value::Procedure(_) => "a procedure",
            Value::Parameter(_) => "a parameter",
            Value::Promise(_) => "a promise",
            Value::Values(_) => "several values",
            Value::Record(_) => "a record",
            Value::RecordType(_) => "a record type",
            Value::Gexp(_) => "staged code",
            Value::Table(_) => "a hash table",
            Value::Cell(_) => "a variable",
            Value::Foreign(_) => "a host object",
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        release(std::mem::replace(&mut self.car, Value::Nil));
        let mut rest = std::mem::replace(&mut self.cdr, Value::Nil);
        while let Value::Pair(pair) = rest {
            match Rc::try_unwrap(pair) {
                Ok(mut owned) => {
                    release(std::mem::replace(&mut owned.car, Value::Nil));
                    rest = std::mem::replace(&mut owned.cdr, Value::Nil);
                }
                Err(_) => return,
            }
        }
        release(rest);
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::print::write(self))
    }
}
