//! Raising: from a fault to the handler that takes it.

use crate::{diagnostic::Diagnostic, expand::Failure, native::Raise, symbol::Symbol, value::Value};

use super::{
    Machine, error,
    exception::{Exception, key_of, key_of_code},
    frame::{Fault, Flow, Frame, Mark, Then},
};

/// What a handler does.
enum Action {
    /// It is called where the value was raised.
    Call(Value),
    /// It is called after leaving, with these arguments.
    Leave(Value, u32, Vec<Value>),
}

impl Machine {
    /// Hands a fault to the innermost handler that takes it.
    ///
    /// # Errors
    /// The diagnostics when there is none.
    pub(super) fn handle(&mut self, fault: Fault) -> Result<Result<Flow, Fault>, Failure> {
        let (value, diagnostic) = match fault {
            Fault::Raise(Raise::Exit(code)) => {
                self.exit = Some(code);
                let message = format!("the program exited with {code}");
                return Err(Diagnostic::new("E0499", message).into());
            }
            Fault::Raise(Raise::Thrown(value)) => {
                let (diagnostic, words) = error::describe(&Raise::Thrown(value.clone()));
                (Some(value), self.locate(diagnostic, words))
            }
            Fault::Raise(raise) => {
                let (diagnostic, words) = error::describe(&raise);
                (None, self.locate(diagnostic, words))
            }
            Fault::Again(value, diagnostic) => (Some(value), *diagnostic),
            Fault::Diagnostics(mut all) => {
                let rest = all.split_off(1.min(all.len()));
                let first = all.pop().unwrap_or_else(|| Diagnostic::new("E0400", "something went wrong"));
                let first = self.locate(first, "here");
                if is_limit(&first) || !self.has_handler() {
                    let mut all = vec![first];
                    all.extend(rest);
                    return Err(Failure(all));
                }
                (None, first)
            }
        };
        let value = value.unwrap_or_else(|| {
            Value::foreign(Exception {
                key: Symbol::new(key_of_code(diagnostic.code)),
                message: Some(diagnostic.message.clone().into()),
                irritants: Vec::new(),
                diagnostic: Some(diagnostic.clone()),
                parts: Vec::new(),
            })
        });
        let Some((index, action)) = self.handler_for(&value) else {
            return Err(diagnostic.into());
        };
        self.caught = Some((value.clone(), diagnostic.clone()));
        Ok(match action {
            Action::Leave(handler, height, arguments) => {
                self.unwind(index, height, Then::Call(handler, arguments))
            }
            Action::Call(handler) => {
                // What the handler returns would go to the level that raised.
                let waiting = super::Registers {
                    closure: self.registers.closure.clone(),
                    pc: self.registers.pc,
                    base: self.registers.base,
                };
                self.push_call(waiting);
                let fault = Some(Box::new(diagnostic));
                self.frames.push(Frame::Mark(Mark::Handling { below: index, fault }));
                self.apply_to(handler, vec![value])
            }
        })
    }

    pub(super) fn raise_continuable(&mut self, value: Value) -> Result<Flow, Fault> {
        match self.handler_for(&value) {
            Some((index, Action::Call(handler))) => {
                self.frames.push(Frame::Mark(Mark::Handling { below: index, fault: None }));
                self.apply_to(handler, vec![value])
            }
            _ => Err(Raise::Thrown(value).into()),
        }
    }

    fn has_handler(&self) -> bool {
        self.frames
            .iter()
            .any(|frame| matches!(frame, Frame::Mark(Mark::Handler(_) | Mark::Guard { .. } | Mark::Catch(_))))
    }

    /// Finds the innermost active handler that takes a value, and its level.
    fn handler_for(&self, value: &Value) -> Option<(usize, Action)> {
        let mut index = self.frames.len();
        while let Some(below) = index.checked_sub(1) {
            index = below;
            let Some(Frame::Mark(mark)) = self.frames.get(index) else { continue };
            match mark {
                Mark::Handling { below, .. } => index = *below,
                Mark::Handler(handler) => return Some((index, Action::Call(handler.clone()))),
                Mark::Guard { handler, height } => {
                    let handler = match handler {
                        Value::Pair(typed) if !super::condition::is_of(value, &typed.car) => continue,
                        Value::Pair(typed) => &typed.cdr,
                        handler => handler,
                    };
                    return Some((index, Action::Leave(handler.clone(), *height, vec![value.clone()])));
                }
                Mark::Catch(catch) => {
                    let key = key_of(value);
                    let all = matches!(catch.key, Value::Bool(true));
                    if !all && !matches!(catch.key, Value::Symbol(wanted) if wanted == key) {
                        continue;
                    }
                    let mut arguments = vec![Value::Symbol(key)];
                    match value.as_foreign::<Exception>() {
                        Some(exception) => arguments.extend(exception.handler_arguments()),
                        None => arguments.push(value.clone()),
                    }
                    return Some((index, Action::Leave(catch.handler.clone(), catch.height, arguments)));
                }
                _ => {}
            }
        }
        None
    }
}

/// Whether a limit was reached, which no handler takes.
fn is_limit(diagnostic: &Diagnostic) -> bool {
    matches!(diagnostic.code, "E0450" | "E0451" | "E0452")
}
