//! Calls, and the procedures in Rust that have an instruction of their own.

use std::rc::Rc;

use crate::{
    code::Op,
    core_form::{Core, Var},
    native::Native,
    span::Span,
    value::Value,
};

use super::{Compiler, Emitted, function::Place};

fn count(arguments: &[Core]) -> u32 {
    u32::try_from(arguments.len()).unwrap_or(u32::MAX)
}

/// Returns the integer if the expression is one that fits an instruction.
pub(super) fn small_int(core: &Core) -> Option<i32> {
    match core {
        Core::Const(Value::Int(n)) => i32::try_from(*n).ok(),
        _ => None,
    }
}

/// Returns what a sum or difference adds to its first argument, if it fits an instruction.
fn plus(native: &Native, second: &Core) -> Option<i32> {
    let n = small_int(second)?;
    match native.name {
        "+" => Some(n),
        "-" => n.checked_neg(),
        _ => None,
    }
}

impl Compiler<'_> {
    /// Returns the frame's place of an expression that is a plain local variable.
    pub(super) fn slot(&mut self, core: &Core) -> Option<u32> {
        match core {
            Core::Local(var) if !self.in_cell(*var) => match self.place(*var) {
                Place::Slot(slot) => Some(slot),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn emit_call(
        &mut self,
        procedure: &Core,
        arguments: &[Core],
        span: Span,
        tail: bool,
    ) -> Emitted {
        match procedure {
            Core::Const(Value::Native(native)) => return self.emit_native(native, arguments, span, tail),
            Core::Local(var) => match self.place(*var) {
                Place::Label(label) => return self.emit_jump(label, arguments),
                Place::This if !self.in_cell(*var) => return self.emit_call_this(arguments, span, tail),
                _ => {}
            },
            Core::Global(global, _) if self.function().own == Some(Rc::as_ptr(global)) => {
                return self.emit_call_this(arguments, span, tail);
            }
            Core::Global(global, _) => {
                self.emit_arguments(arguments)?;
                let (index, n) = (self.function().global(global), count(arguments));
                let op = if tail { Op::TailCallGlobal(index, n) } else { Op::CallGlobal(index, n) };
                return self.emit_marked(op, span);
            }
            // `((lambda (x) body) value)`
            Core::Lambda(lambda)
                if lambda.required.len() == arguments.len()
                    && lambda.optional.is_empty()
                    && lambda.keys.is_empty()
                    && lambda.rest.is_none() =>
            {
                return self.emit_inlined(&lambda.required, arguments, &lambda.body, tail);
            }
            _ => {}
        }
        self.emit_arguments(arguments)?;
        let n = count(arguments);
        if !tail && let Some(slot) = self.slot(procedure) {
            return self.emit_marked(Op::CallLocal(slot, n), span);
        }
        self.emit_value(procedure)?;
        let op = if tail { Op::TailCall(n) } else { Op::Call(n) };
        self.emit_marked(op, span)
    }

    fn emit_call_this(&mut self, arguments: &[Core], span: Span, tail: bool) -> Emitted {
        let n = count(arguments);
        if tail {
            self.emit_arguments(arguments)?;
            return self.emit_marked(Op::TailCallThis(n), span);
        }
        if let Some((last, before)) = arguments.split_last()
            && let Some((slot, sum)) = self.local_plus(last)
            && let Ok(slot) = u16::try_from(slot)
        {
            self.emit_arguments(before)?;
            self.emit_op(Op::CallThisPlus(slot, sum, n));
            self.emit_value(last)?;
        } else {
            self.emit_arguments(arguments)?;
        }
        self.emit_marked(Op::CallThis(n), span)
    }

    /// Returns the place and the integer of a sum, or difference, of a plain local variable and an integer.
    fn local_plus(&mut self, core: &Core) -> Option<(u32, i32)> {
        let Core::Call(procedure, arguments, _) = core else { return None };
        let (Core::Const(Value::Native(native)), [first, second]) = (&**procedure, arguments.as_slice())
        else {
            return None;
        };
        Some((self.slot(first)?, plus(native, second)?))
    }

    fn emit_arguments(&mut self, arguments: &[Core]) -> Emitted {
        arguments.iter().try_for_each(|argument| self.emit_value(argument))
    }

    fn emit_marked(&mut self, op: Op, span: Span) -> Emitted {
        let at = self.emit_op(op);
        self.function().mark(at, span);
        Ok(())
    }

    fn emit_inlined(&mut self, vars: &[Var], arguments: &[Core], body: &Core, tail: bool) -> Emitted {
        let base = self.function().depth;
        self.emit_arguments(arguments)?;
        for (slot, var) in (base..).zip(vars) {
            if self.in_cell(*var) {
                self.emit_op(Op::Box(slot));
            }
            self.function().bind(*var, slot);
        }
        self.emit(body, tail)?;
        self.leave(base, tail);
        Ok(())
    }

    fn emit_jump(&mut self, label: usize, arguments: &[Core]) -> Emitted {
        self.emit_arguments(arguments)?;
        let n = u16::try_from(arguments.len()).unwrap_or(u16::MAX);
        let function = self.function();
        let Some((base, start)) = function.labels.get(label).map(|label| (label.base, label.start)) else {
            return Ok(());
        };
        let target = start.map_or(0, |start| u32::try_from(start).unwrap_or(u32::MAX));
        let at = function.emit(Op::Loop(n, base, target));
        if let Some(label) = function.labels.get_mut(label)
            && start.is_none()
        {
            label.jumps.push(at);
        }
        // What follows is never reached, but must find the stack as after any expression.
        function.depth = function.depth - u32::from(n) + 1;
        Ok(())
    }

    fn emit_native(
        &mut self,
        native: &'static Native,
        arguments: &[Core],
        span: Span,
        tail: bool,
    ) -> Emitted {
        let (least, most) = native.arity;
        let fits = arguments.len() >= least && most.is_none_or(|most| arguments.len() <= most);
        if !fits {
            self.emit_arguments(arguments)?;
            self.emit_const(&Value::Native(native));
            let n = count(arguments);
            self.emit_marked(Op::Call(n), span)?;
        } else if !self.emit_instruction(native, arguments, span, tail)? {
            self.emit_arguments(arguments)?;
            let index = self.function().native(native);
            self.emit_marked(Op::CallNative(index, count(arguments)), span)?;
        }
        if tail {
            self.emit_op(Op::Return);
        }
        Ok(())
    }

    /// Emits the instruction of a procedure that has one.
    fn emit_instruction(
        &mut self,
        native: &'static Native,
        arguments: &[Core],
        span: Span,
        tail: bool,
    ) -> Result<bool, crate::expand::ExpandError> {
        match (native.name, arguments) {
            ("car" | "cdr", [argument]) => {
                let car = native.name == "car";
                match self.slot(argument) {
                    Some(slot) => {
                        let op = if car { Op::LocalCar(slot) } else { Op::LocalCdr(slot) };
                        self.emit_marked(op, span)?;
                    }
                    None => {
                        self.emit_value(argument)?;
                        self.emit_marked(if car { Op::Car } else { Op::Cdr }, span)?;
                    }
                }
                Ok(true)
            }
            ("+" | "-", [first, second]) if let Some(n) = plus(native, second) => {
                match self.slot(first) {
                    Some(slot) => self.emit_marked(Op::LocalAddInt(slot, n), span)?,
                    None => {
                        self.emit_value(first)?;
                        self.emit_marked(Op::AddInt(n), span)?;
                    }
                }
                Ok(true)
            }
            ("+" | "-" | "*", [first, rest @ ..]) if !rest.is_empty() => {
                let op = match native.name {
                    "+" => Op::Add,
                    "-" => Op::Sub,
                    _ => Op::Mul,
                };
                self.emit_value(first)?;
                for (index, argument) in rest.iter().enumerate() {
                    self.emit_value(argument)?;
                    if tail && index + 1 == rest.len() && native.name == "+" {
                        self.emit_op(Op::ReturnSum);
                    }
                    self.emit_marked(op, span)?;
                }
                Ok(true)
            }
            (name, arguments) => {
                let Some(op) = instruction(name, arguments.len()) else { return Ok(false) };
                self.emit_arguments(arguments)?;
                self.emit_marked(op, span)?;
                Ok(true)
            }
        }
    }
}

/// Returns the instruction of a procedure with so many arguments.
fn instruction(name: &str, arguments: usize) -> Option<Op> {
    Some(match (name, arguments) {
        ("cons", 2) => Op::Cons,
        ("reverse" | "reverse!", 1) => Op::Reverse,
        ("append" | "append!", 2) => Op::Append,
        ("not", 1) => Op::Not,
        ("null?", 1) => Op::IsNull,
        ("pair?", 1) => Op::IsPair,
        ("eq?" | "eqv?", 2) => Op::IsEq,
        ("<", 2) => Op::Less,
        ("<=", 2) => Op::LessEq,
        (">", 2) => Op::Greater,
        (">=", 2) => Op::GreaterEq,
        ("=", 2) => Op::NumEq,
        _ => return None,
    })
}
