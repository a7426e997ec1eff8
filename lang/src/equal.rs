//! `eq?`, `eqv?` and `equal?`, and the hashes that agree with them.
//!
//! `equal?` compares with a list of pending pairs instead of recursion, so that the depth of values does not
//! matter. Hashes look at a bounded part of a value.

use std::{
    hash::{Hash, Hasher},
    rc::Rc,
};

use rustc_hash::FxHasher;

use crate::value::Value;

/// How keys are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Equality {
    /// By identity.
    Eq,
    /// By identity, numbers by exactness and value.
    Eqv,
    /// By structure.
    Equal,
}

impl Equality {
    /// Whether two values are the same in this sense.
    pub fn holds(self, left: &Value, right: &Value) -> bool {
        match self {
            Equality::Eq | Equality::Eqv => eqv(left, right),
            Equality::Equal => equal(left, right),
        }
    }
}

/// `eqv?`; also serves as `eq?`.
pub fn eqv(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Nil, Value::Nil)
        | (Value::LispNil, Value::LispNil)
        | (Value::Unspecified, Value::Unspecified)
        | (Value::Absent, Value::Absent)
        | (Value::Eof, Value::Eof) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Number(a), Value::Number(b)) => a == b,
        (Value::Char(a), Value::Char(b)) => a == b,
        (Value::Symbol(a), Value::Symbol(b)) | (Value::Keyword(a), Value::Keyword(b)) => a == b,
        (Value::Native(a), Value::Native(b)) => std::ptr::eq(*a, *b),
        (Value::Primitive(a), Value::Primitive(b)) => a == b,
        (Value::String(a), Value::String(b)) => Rc::ptr_eq(a, b) || (a.is_empty() && b.is_empty()),
        _ => identity(left).is_some_and(|a| identity(right) == Some(a)),
    }
}

/// `equal?`.
pub fn equal(left: &Value, right: &Value) -> bool {
    let mut pending: Vec<(&Value, &Value)> = Vec::new();
    let (mut left, mut right) = (left, right);
    loop {
        match (left, right) {
            (Value::Pair(a), Value::Pair(b)) => {
                if !Rc::ptr_eq(a, b) {
                    pending.push((&a.cdr, &b.cdr));
                    (left, right) = (&a.car, &b.car);
                    continue;
                }
            }
            (Value::String(a), Value::String(b)) if a == b => {}
            (Value::Bytes(a), Value::Bytes(b)) if a == b => {}
            (Value::Vector(a), Value::Vector(b)) | (Value::Values(a), Value::Values(b)) => {
                if a.len() != b.len() {
                    return false;
                }
                pending.extend(a.iter().zip(b.iter()));
            }
            _ if eqv(left, right) => {}
            _ => return false,
        }
        match pending.pop() {
            Some(next) => (left, right) = next,
            None => return true,
        }
    }
}

/// Returns the address of what a value points to.
pub(crate) fn identity(value: &Value) -> Option<usize> {
    Some(match value {
        Value::String(rc) => Rc::as_ptr(rc).addr(),
        Value::Pair(rc) => Rc::as_ptr(rc).addr(),
        Value::Vector(rc) | Value::Values(rc) => Rc::as_ptr(rc).addr(),
        Value::Bytes(rc) => Rc::as_ptr(rc).addr(),
        Value::Closure(rc) => Rc::as_ptr(rc).addr(),
        Value::Procedure(rc) => Rc::as_ptr(rc).addr(),
        Value::Parameter(rc) => Rc::as_ptr(rc).addr(),
        Value::Promise(rc) => Rc::as_ptr(rc).addr(),
        Value::Record(rc) => Rc::as_ptr(rc).addr(),
        Value::RecordType(rc) => Rc::as_ptr(rc).addr(),
        Value::Gexp(rc) => Rc::as_ptr(rc).addr(),
        Value::Table(rc) => Rc::as_ptr(rc).addr(),
        Value::Cell(rc) => Rc::as_ptr(rc).addr(),
        Value::Foreign(rc) => Rc::as_ptr(rc).addr(),
        _ => return None,
    })
}

/// Returns a hash that agrees with an equality.
pub fn hash(value: &Value, equality: Equality) -> u64 {
    let mut hasher = FxHasher::default();
    let mut budget = 64;
    feed(value, equality, &mut hasher, &mut budget);
    hasher.finish()
}

fn feed(value: &Value, equality: Equality, hasher: &mut FxHasher, budget: &mut u32) {
    if *budget == 0 {
        return;
    }
    *budget -= 1;
    std::mem::discriminant(value).hash(hasher);
    match value {
        Value::Bool(b) => b.hash(hasher),
        Value::Int(n) => n.hash(hasher),
        Value::Float(n) => n.to_bits().hash(hasher),
        Value::Number(n) => n.hash(hasher),
        Value::Char(c) => c.hash(hasher),
        Value::Symbol(name) | Value::Keyword(name) => name.hash(hasher),
        Value::Native(native) => native.name.hash(hasher),
        Value::String(text) if equality == Equality::Equal || text.is_empty() => text.hash(hasher),
        Value::Bytes(bytes) if equality == Equality::Equal => bytes.hash(hasher),
        Value::Pair(_) if equality == Equality::Equal => {
            let mut rest = value;
            while let Value::Pair(pair) = rest
                && *budget > 0
            {
                feed(&pair.car, equality, hasher, budget);
                rest = &pair.cdr;
            }
            if !matches!(rest, Value::Pair(_)) {
                feed(rest, equality, hasher, budget);
            }
        }
        Value::Vector(items) | Value::Values(items) if equality == Equality::Equal => {
            for item in items.iter() {
                feed(item, equality, hasher, budget);
            }
        }
        other => identity(other).hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::{Equality, equal, eqv, hash};
    use crate::value::Value;

    #[test]
    fn equal_compares_structure_and_hash_agrees() {
        let make = || Value::list([Value::string("a"), Value::vector(vec![Value::Int(1)]), Value::Nil]);
        assert!(equal(&make(), &make()));
        assert!(!eqv(&make(), &make()));
        assert_eq!(hash(&make(), Equality::Equal), hash(&make(), Equality::Equal));
        assert!(!equal(&Value::Int(1), &Value::Float(1.0)));
    }

    #[test]
    fn depth_does_not_matter() {
        let deep = || (0..200_000).fold(Value::Nil, |inner, _| Value::list([inner]));
        assert!(equal(&deep(), &deep()));
    }
}
