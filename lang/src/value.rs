//! Run-time values.
//!
//! Sixteen bytes, reference-counted, immutable on the evaluation side. Values belong to one interpreter and one
//! thread; what leaves it (derivations, build requests) is plain data. Lists are chains of [`Pair`]s whose
//! destruction is iterative, so that a list of any length can be dropped.

use std::{
    any::Any,
    cell::RefCell,
    fmt,
    mem::{MaybeUninit, forget},
    rc::Rc,
};

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

/// A run-time value. Those up to [`Value::Primitive`] are plain: they own nothing.
///
/// The kind takes a whole word, so that a value is two words that are written and read as such (see `Words`).
#[repr(u64)]
pub enum Value {
    /// The empty list.
    Nil,
    /// `#nil`, false and the empty list of Emacs Lisp: false in conditions, and the end of a list (see [`Value::is_null`]).
    LispNil,
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
    /// A character.
    Char(char),
    /// A symbol.
    Symbol(Symbol),
    /// A keyword, without `#:`.
    Keyword(Symbol),
    /// A procedure written in Rust.
    Native(&'static Native),
    /// A procedure that the machine itself carries out: `apply`, `force`, `dynamic-wind`.
    Primitive(Primitive),
    /// A cons cell.
    Pair(Rc<Pair>),
    /// A procedure written in the language.
    Closure(Rc<Closure>),
    /// A string.
    String(Rc<Box<str>>),
    /// Any other exact number, never one that fits in `Int`.
    Number(Rc<Number>),
    /// A vector.
    Vector(Rc<Items>),
    /// A bytevector.
    Bytes(Rc<Vec<u8>>),
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

/// The two words of a value that is on its way from one place to another.
///
/// They are read one by one: after two writes of a word each, one read of both would wait until the processor has
/// written them back.
#[derive(Clone, Copy)]
pub(crate) struct Words(MaybeUninit<u64>, MaybeUninit<u64>);

impl Words {
    /// Returns the words of the value at a place, which is still there.
    ///
    /// # Safety
    /// There is a value. One of it and what becomes of the words must be forgotten, or counted.
    #[inline(always)]
    pub unsafe fn at(place: *const Value) -> Words {
        let words = place.cast::<MaybeUninit<u64>>();
        // SAFETY: a value is two words, which may be uninitialised in part. The reads are volatile to stay two.
        unsafe { Words(words.read_volatile(), words.add(1).read_volatile()) }
    }

    /// Returns the words of a value.
    #[inline(always)]
    pub fn of(value: Value) -> Words {
        // SAFETY: a value is two words.
        unsafe { std::mem::transmute(value) }
    }

    /// Puts the value at a place that holds none.
    ///
    /// # Safety
    /// The place may be written to, and these words become a value once.
    #[inline(always)]
    pub unsafe fn put(self, place: *mut Value) {
        let words = place.cast::<MaybeUninit<u64>>();
        // SAFETY: a value is two words.
        unsafe {
            words.write(self.0);
            words.add(1).write(self.1);
        }
    }

    /// Returns the value.
    ///
    /// # Safety
    /// These words become a value once.
    #[inline(always)]
    pub unsafe fn into_value(self) -> Value {
        const { assert!(size_of::<Value>() == 16 && align_of::<Value>() == 8) };
        // SAFETY: they were those of a value.
        unsafe { std::mem::transmute(self) }
    }
}

/// A cons cell.
#[derive(Clone)]
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

impl Clone for Value {
    #[inline]
    fn clone(&self) -> Self {
        self.count();
        // SAFETY: the new reference is counted.
        unsafe { Words::at(self).into_value() }
    }
}

impl Value {
    /// Whether it owns nothing: it may be copied and forgotten.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        matches!(
            self,
            Value::Nil
                | Value::LispNil
                | Value::Unspecified
                | Value::Absent
                | Value::Eof
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Float(_)
                | Value::Char(_)
                | Value::Symbol(_)
                | Value::Keyword(_)
                | Value::Native(_)
                | Value::Primitive(_)
        )
    }

    /// Counts another reference to what it refers to.
    #[inline(always)]
    pub(crate) fn count(&self) {
        match self {
            plain if plain.is_plain() => {}
            Value::Pair(shared) => forget(shared.clone()),
            Value::Closure(shared) => forget(shared.clone()),
            Value::String(shared) => forget(shared.clone()),
            shared => shared.count_other(),
        }
    }

    #[inline(never)]
    fn count_other(&self) {
        match self {
            Value::Nil
            | Value::LispNil
            | Value::Unspecified
            | Value::Absent
            | Value::Eof
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Char(_)
            | Value::Symbol(_)
            | Value::Keyword(_)
            | Value::Native(_)
            | Value::Primitive(_) => {}
            Value::Pair(shared) => forget(shared.clone()),
            Value::Closure(shared) => forget(shared.clone()),
            Value::String(shared) => forget(shared.clone()),
            Value::Number(shared) => forget(shared.clone()),
            Value::Vector(shared) => forget(shared.clone()),
            Value::Bytes(shared) => forget(shared.clone()),
            Value::Procedure(shared) => forget(shared.clone()),
            Value::Parameter(shared) => forget(shared.clone()),
            Value::Promise(shared) => forget(shared.clone()),
            Value::Values(shared) => forget(shared.clone()),
            Value::Record(shared) => forget(shared.clone()),
            Value::RecordType(shared) => forget(shared.clone()),
            Value::Gexp(shared) => forget(shared.clone()),
            Value::Table(shared) => forget(shared.clone()),
            Value::Cell(shared) => forget(shared.clone()),
            Value::Foreign(shared) => forget(shared.clone()),
        }
    }

    /// Returns a string.
    pub fn string(text: impl Into<Box<str>>) -> Value {
        Value::String(Rc::new(text.into()))
    }

    /// Returns the symbol of that name.
    pub fn symbol(name: &str) -> Value {
        Value::Symbol(Symbol::new(name))
    }

    /// Returns a cons cell.
    #[inline]
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

    /// Whether it counts as true: all but `#f` and `#nil`.
    #[inline]
    pub fn is_true(&self) -> bool {
        !matches!(self, Value::Bool(false) | Value::LispNil)
    }

    /// Whether it is the end of a proper list: `()` or `#nil`.
    #[inline]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Nil | Value::LispNil)
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
                Value::Nil | Value::LispNil => return Some(items),
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
            Value::LispNil => "`#nil`",
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
        if !self.car.is_plain() {
            release(std::mem::replace(&mut self.car, Value::Nil));
        }
        if self.cdr.is_plain() {
            return;
        }
        let mut rest = std::mem::replace(&mut self.cdr, Value::Nil);
        while let Value::Pair(mut pair) = rest {
            let Some(owned) = Rc::get_mut(&mut pair) else { return };
            rest = std::mem::replace(&mut owned.cdr, Value::Nil);
            if !owned.car.is_plain() {
                release(std::mem::replace(&mut owned.car, Value::Nil));
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
