//! Lists that nobody else refers to, changed in place.
//!
//! On the evaluation side nothing is ever changed; but a pair with one reference, which the caller hands over, would be
//! destroyed while its copy is made. Nobody can tell whether the copy is the same memory. Pairs that others
//! refer to, and all that follow them, are copied.

use std::rc::Rc;

use crate::value::Value;

/// Returns the elements of a list in reverse.
///
/// # Errors
/// What was given, if it is no proper list.
pub(crate) fn reverse(list: Value) -> Result<Value, Value> {
    match turn(list, Value::Nil) {
        (reversed, Value::Nil) => Ok(reversed),
        (reversed, end) => Err(turn(reversed, end).0),
    }
}

/// Puts the elements of a list before another value, last first; returns it, and the list's end.
fn turn(list: Value, tail: Value) -> (Value, Value) {
    let (mut rest, mut done) = (list, tail);
    while let Value::Pair(mut pair) = rest {
        rest = std::mem::replace(&mut Rc::make_mut(&mut pair).cdr, done);
        done = Value::Pair(pair);
    }
    (done, rest)
}

/// Returns the elements of a list, followed by a tail.
///
/// # Errors
/// The list, or one of the same structure, if it is no proper one, and the tail.
pub(crate) fn append(mut list: Value, tail: Value) -> Result<Value, (Value, Value)> {
    let mut end = &mut list;
    while let Value::Pair(pair) = end {
        end = &mut Rc::make_mut(pair).cdr;
    }
    if end.is_null() {
        *end = tail;
        return Ok(list);
    }
    Err((list, tail))
}

/// Returns a copy of a list with another tail; `None` if it is no proper list.
pub(crate) fn copy_onto(list: &Value, tail: Value) -> Option<Value> {
    let mut copy = Value::Nil;
    let mut end = &mut copy;
    let mut rest = list;
    while let Value::Pair(pair) = rest {
        *end = Value::cons(pair.car.clone(), Value::Nil);
        let Value::Pair(last) = end else { return None };
        end = &mut Rc::make_mut(last).cdr;
        rest = &pair.cdr;
    }
    if !rest.is_null() {
        return None;
    }
    *end = tail;
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::{append, copy_onto, reverse};
    use crate::{print::write, value::Value};

    fn numbers(tail: Value) -> Value {
        Value::list_with_tail([1, 2, 3].map(Value::Int), tail)
    }

    #[test]
    fn what_somebody_refers_to_is_copied() {
        let tail = Value::list([Value::Int(8)]);
        let list = numbers(tail.clone());
        let kept = list.clone();
        assert_eq!(write(&reverse(list).unwrap()), "(8 3 2 1)");
        assert_eq!(write(&append(kept.clone(), Value::Int(9)).unwrap()), "(1 2 3 8 . 9)");
        assert_eq!(write(&copy_onto(&kept, Value::Nil).unwrap()), "(1 2 3 8)");
        assert_eq!((write(&kept), write(&tail)), ("(1 2 3 8)".to_owned(), "(8)".to_owned()));
    }

    #[test]
    fn a_list_of_one_owner_is_reused() {
        let list = numbers(Value::Nil);
        let Value::Pair(first) = &list else { panic!() };
        let first = std::rc::Rc::as_ptr(first);
        let list = append(reverse(list).unwrap(), Value::Nil).unwrap();
        let Value::Pair(last) =
            super::super::lists::Pairs { rest: &list }.last().cloned().map(Value::Pair).unwrap()
        else {
            panic!()
        };
        assert_eq!(std::rc::Rc::as_ptr(&last), first);
    }

    #[test]
    fn an_improper_list_is_given_back() {
        assert_eq!(write(&reverse(numbers(Value::Int(4))).unwrap_err()), "(1 2 3 . 4)");
        assert_eq!(write(&append(numbers(Value::Int(4)), Value::Nil).unwrap_err().0), "(1 2 3 . 4)");
        assert!(copy_onto(&numbers(Value::Int(4)), Value::Nil).is_none());
    }
}
