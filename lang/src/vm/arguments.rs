//! Arranging the arguments of a call as the callee's frame wants them.

use std::rc::Rc;

use crate::{code::Arity, diagnostic::Diagnostic, procedure::Closure, suggest::closest, value::Value};

use super::{Machine, Registers, error, frame::Fault};

impl Machine {
    /// Makes a closure run whose arguments are on top of the stack; the level that waits was pushed before.
    pub(super) fn enter(&mut self, closure: Rc<Closure>, count: usize) -> Result<(), Fault> {
        if closure.proto.plain {
            if closure.proto.arity.required != count {
                return Err(error::wrong_arity(&Value::Closure(closure), count).into());
            }
        } else {
            self.arrange(&closure, count)?;
        }
        let base = self.stack.len() - closure.proto.arity.places();
        self.registers = Registers { closure, pc: 0, base };
        self.check_limits()
    }

    /// Checks that the program may go on.
    pub(super) fn check_limits(&mut self) -> Result<(), Fault> {
        self.steps = self.steps.saturating_sub(1);
        if self.steps == 0 {
            self.next_slice()?;
        }
        if self.frames.len() > self.limits.depth || self.stack.len() > self.limits.values {
            let diagnostic = Diagnostic::new("E0451", "calls are nested too deeply")
                .hint("does a recursion never end? a call in tail position needs no space");
            return Err(diagnostic.into());
        }
        Ok(())
    }

    /// Goes on for another slice of steps, if the program may.
    fn next_slice(&mut self) -> Result<(), Fault> {
        let interrupt = self.interrupt.as_ref();
        if interrupt.is_some_and(|interrupt| interrupt.load(std::sync::atomic::Ordering::Relaxed)) {
            return Err(Diagnostic::new("E0452", "the evaluation was interrupted").into());
        }
        if self.later_steps == 0 {
            return Err(Diagnostic::new("E0450", "the program took more steps than it may").into());
        }
        self.steps = self.later_steps.min(super::SLICE);
        self.later_steps -= self.steps;
        Ok(())
    }

    fn arrange(&mut self, closure: &Rc<Closure>, count: usize) -> Result<(), Fault> {
        let arity = &closure.proto.arity;
        let wrong = || Fault::from(error::wrong_arity(&Value::Closure(closure.clone()), count));
        if count < arity.required {
            return Err(wrong());
        }
        let start = self.stack.len() - count;
        if arity.keys.is_empty() {
            let positional = arity.required + arity.optional;
            if count > positional {
                if !arity.rest {
                    return Err(wrong());
                }
                let rest: Vec<Value> = self.stack.drain(start + positional..).collect();
                self.stack.push(Value::list(rest));
                return Ok(());
            }
            for _ in count..positional {
                self.stack.push(Value::Absent);
            }
            if arity.rest {
                self.stack.push(Value::Nil);
            }
            return Ok(());
        }
        // Optional arguments end at the first keyword.
        let mut given = self.stack.split_off(start + arity.required).into_iter().peekable();
        for _ in 0..arity.optional {
            match given.peek() {
                Some(Value::Keyword(_)) | None => self.stack.push(Value::Absent),
                Some(_) => self.stack.extend(given.next()),
            }
        }
        let others: Vec<Value> = given.collect();
        let keys = keywords(closure, &others)?;
        self.stack.extend(keys);
        if arity.rest {
            self.stack.push(Value::list(others));
        }
        Ok(())
    }
}

/// Returns the value of each keyword, absent where it is not among the arguments.
fn keywords(closure: &Rc<Closure>, others: &[Value]) -> Result<Vec<Value>, Fault> {
    let arity: &Arity = &closure.proto.arity;
    let name = closure.name().map_or_else(|| "the procedure".to_owned(), |name| format!("`{name}`"));
    let wrong = |code, message| Diagnostic::new(code, message).label(closure.proto.span, "defined here");
    let mut values = vec![Value::Absent; arity.keys.len()];
    let mut rest = others.iter();
    while let Some(keyword) = rest.next() {
        let Value::Keyword(symbol) = keyword else {
            if arity.rest {
                continue;
            }
            let given = error::with_value(keyword);
            let message = format!("{name} takes keyword arguments here, but {given} was given");
            return Err(wrong("E0406", message).into());
        };
        let index = arity.keys.iter().position(|key| key == symbol);
        if index.is_none() && !arity.allow_other_keys {
            let mut diagnostic = wrong("E0407", format!("{name} takes no argument `#:{symbol}`"));
            if let Some(other) = closest(symbol.as_str(), arity.keys.iter().map(|key| key.as_str())) {
                diagnostic = diagnostic.hint(format!("did you mean `#:{other}`?"));
            }
            return Err(diagnostic.into());
        }
        let Some(value) = rest.next() else {
            return Err(wrong("E0408", format!("{name}: no value follows `#:{symbol}`")).into());
        };
        if let Some(slot) = index.and_then(|index| values.get_mut(index)) {
            *slot = value.clone();
        }
    }
    Ok(values)
}
