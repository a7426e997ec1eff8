//! Destroying nested values without recursion.
//!
//! A value may nest as deep as memory allows, while the machine's stack is small. Every container of values hands
//! its elements to [`release`] when it is destroyed; past a fixed depth they wait in a list that the outermost
//! call empties.

use std::cell::{Cell, RefCell};

use crate::value::Value;

const DEEPEST: u32 = 64;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
}

/// Destroys a value that was part of another one.
pub(crate) fn release(value: Value) {
    if !nests(&value) {
        return;
    }
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth >= DEEPEST {
        let _ = WAITING.try_with(|waiting| waiting.borrow_mut().push(value));
        return;
    }
    let _ = DEPTH.try_with(|cell| cell.set(depth + 1));
    drop(value);
    if depth == 0 {
        while let Some(next) = WAITING.try_with(|waiting| waiting.borrow_mut().pop()).unwrap_or(None) {
            drop(next);
        }
    }
    let _ = DEPTH.try_with(|cell| cell.set(depth));
}

fn nests(value: &Value) -> bool {
    matches!(
        value,
        Value::Pair(_)
            | Value::Vector(_)
            | Value::Closure(_)
            | Value::Procedure(_)
            | Value::Parameter(_)
            | Value::Promise(_)
            | Value::Values(_)
            | Value::Record(_)
            | Value::Gexp(_)
            | Value::Table(_)
            | Value::Cell(_)
            | Value::Foreign(_)
    )
}

#[cfg(test)]
mod tests {
    use crate::value::Value;

    #[test]
    fn a_deep_value_is_destroyed_without_recursion() {
        let mut value = Value::Nil;
        for turn in 0..1_000_000 {
            value = if turn % 2 == 0 { Value::cons(value, Value::Nil) } else { Value::vector(vec![value]) };
        }
        drop(value);
    }
}
