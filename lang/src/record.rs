//! Records: values with named fields.
//!
//! A record type is compared by identity. Fields are `eager` (the value itself), `thunked` (a closure of the
//! record, called at each access) or `delayed` (a promise, forced once). Records are immutable; a field that has a
//! modifier (builder side) holds a [`Value::Cell`]. Each record remembers where it was written.

use std::rc::Rc;

use crate::{release::release, span::Span, symbol::Symbol, value::Value};

/// The type of a record.
pub struct RecordType {
    /// Its name, with its angle brackets if it was written with them.
    pub name: Symbol,
    /// Its fields, in order.
    pub fields: Vec<Field>,
    /// Where it was defined.
    pub span: Option<Span>,
}

/// A field of a record type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// Its name.
    pub name: Symbol,
    /// When its value is computed.
    pub kind: FieldKind,
    /// Whether `inherit` leaves it out.
    pub innate: bool,
    /// Whether it has a modifier.
    pub mutable: bool,
}

/// When a field's value is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// When the record is made.
    Eager,
    /// At each access; it may refer to the record.
    Thunked,
    /// At the first access.
    Delayed,
}

/// A record.
pub struct Record {
    /// Its type.
    pub record_type: Rc<RecordType>,
    /// The fields as stored: values, closures of the record, promises or cells, as [`Field`] says.
    pub fields: Vec<Value>,
    /// Where it was made.
    pub span: Option<Span>,
}

impl RecordType {
    /// Returns the name without angle brackets, for messages.
    pub fn plain_name(&self) -> &'static str {
        let name = self.name.as_str();
        name.strip_prefix('<').and_then(|n| n.strip_suffix('>')).unwrap_or(name)
    }

    /// Returns the place of a field.
    pub fn index_of(&self, name: Symbol) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}

impl Record {
    /// Returns a field that is neither thunked nor delayed; `None` for any other.
    pub fn eager(&self, name: Symbol) -> Option<Value> {
        let index = self.record_type.index_of(name)?;
        if self.record_type.fields.get(index)?.kind != FieldKind::Eager {
            return None;
        }
        match self.fields.get(index)? {
            Value::Cell(cell) => Some(cell.borrow().clone()),
            value => Some(value.clone()),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.fields.drain(..).for_each(release);
    }
}
