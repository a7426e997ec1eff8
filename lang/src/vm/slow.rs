//! What instructions do when their quick way does not apply.

use std::rc::Rc;

use crate::{
    code::{Op, Proto},
    module::Global,
    native::{Native, Raise},
    procedure::{Closure, Environment, Procedure, Promise, PromiseState},
    value::{Gexp, GexpReference, Value},
};

use super::{
    Machine, Registers, error,
    frame::{Fault, Flow, Frame},
};

impl Machine {
    #[cold]
    pub(super) fn stand_in(&mut self, native: Option<&'static Native>, count: usize) -> Result<Value, Raise> {
        match native {
            Some(native) => self.native(native, count),
            None => Err(Raise::message("this procedure is missing")),
        }
    }

    /// The top plus an integer; `-` is named where the program subtracts.
    #[cold]
    pub(super) fn add_int(&mut self, n: i32) -> Result<Value, Raise> {
        self.stack.push(Value::Int(i64::from(n).abs()));
        let native = if n < 0 { self.inline.sub } else { self.inline.add };
        self.stand_in(native, 2)
    }

    /// Begins the definition that the instruction before the registers wants.
    #[cold]
    pub(super) fn need_at_previous(&mut self, global: &Rc<Global>) -> Result<Flow, Fault> {
        // Errors are placed at the instruction; the level that waits carries it out again.
        let at = self.registers.pc;
        let frames = self.frames.len();
        let flow = self.need(global, true)?;
        match self.frames.get_mut(frames) {
            Some(Frame::Call(_, pc, _)) => *pc = pc.wrapping_sub(1),
            _ => self.registers.pc = at - 1,
        }
        Ok(flow)
    }

    #[cold]
    pub(super) fn call_global(&mut self, index: usize, count: usize, tail: bool) -> Result<Flow, Fault> {
        let Some(global) = self.registers.closure.proto.globals.get(index).cloned() else {
            return Err(Raise::message("this definition is missing").into());
        };
        match global.value() {
            Some(callee) => self.call_slowly(callee, count, tail),
            None => self.need_at_previous(&global),
        }
    }

    pub(super) fn call_slowly(&mut self, callee: Value, count: usize, tail: bool) -> Result<Flow, Fault> {
        if tail {
            self.move_down(self.registers.base, count);
            // Whoever waits for the same procedure needs its name once another one runs.
            if let Some(Frame::Call(waiting @ None, ..)) = self.frames.last_mut() {
                *waiting = Some(self.registers.closure.clone());
            }
        } else {
            let waiting = Registers {
                closure: self.registers.closure.clone(),
                pc: self.registers.pc,
                base: self.registers.base,
            };
            self.push_call(waiting);
        }
        self.apply(callee, count)
    }

    /// The instruction before the registers reads a variable that has no value yet.
    #[cold]
    pub(super) fn too_early(&self) -> Fault {
        error::too_early(self.registers.closure.proto.early_at(self.registers.pc.saturating_sub(1))).into()
    }

    /// Calls the running procedure.
    #[cold]
    pub(super) fn call_this(&mut self, count: usize, tail: bool) -> Result<Flow, Fault> {
        let callee = Value::Closure(self.registers.closure.clone());
        self.call_slowly(callee, count, tail)
    }

    /// Makes what an instruction wants of the topmost values.
    pub(super) fn make(&mut self, op: Op, proto: &Proto) -> Result<(), Fault> {
        let value = match op {
            Op::Group(first, count, captures) => {
                self.group(proto, first as usize, count.into(), captures as usize);
                return Ok(());
            }
            Op::CaseClosure(count) => self.case(count as usize),
            Op::Promise => {
                Value::Promise(Rc::new(Promise { state: PromiseState::Delayed(self.pop()).into() }))
            }
            Op::Gexp(index) => self.gexp(proto, index as usize),
            Op::Record(index) => self.record(proto, index as usize)?,
            _ => return Ok(()),
        };
        self.stack.push(value);
        Ok(())
    }

    fn group(&mut self, proto: &Proto, first: usize, count: usize, captures: usize) {
        let group: Box<[Rc<Proto>]> = proto.protos.iter().skip(first).take(count).cloned().collect();
        let start = self.stack.len() - captures;
        let values = self.stack.drain(start..).collect();
        let environment = Rc::new(Environment { values, group: group.clone() });
        for proto in group {
            let member = Closure { proto, environment: environment.clone() };
            self.stack.push(Value::Closure(Rc::new(member)));
        }
    }

    /// Makes a procedure that chooses among the topmost ones.
    fn case(&mut self, count: usize) -> Value {
        let start = self.stack.len() - count;
        let clauses = self.stack.drain(start..).filter_map(|value| match value {
            Value::Closure(clause) => Some(clause),
            _ => None,
        });
        Value::Procedure(Rc::new(Procedure::Case(clauses.collect())))
    }

    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Unspecified)
    }

    /// Moves the topmost values down to a place and drops what is between.
    pub(super) fn move_down(&mut self, to: usize, count: usize) {
        let from = self.stack.len() - count;
        if from > to {
            drop(self.stack.drain(to..from));
        }
    }

    /// Calls a procedure in Rust with the topmost values, which it takes.
    pub(super) fn native(&mut self, native: &'static Native, count: usize) -> Result<Value, Raise> {
        let start = self.stack.len() - count;
        let mut context = self.world.context();
        let result = (native.function)(&mut context, self.stack.get(start..).unwrap_or(&[]));
        self.stack.truncate(start);
        result
    }

    fn gexp(&mut self, proto: &Proto, index: usize) -> Value {
        let Some(template) = proto.gexps.get(index) else { return Value::Unspecified };
        let extensions = self.pop();
        let modules = self.pop();
        let count = template.parts.iter().filter(|part| part.has_value).count();
        let start = self.stack.len() - count;
        let mut values = self.stack.drain(start..);
        let references = template
            .parts
            .iter()
            .map(|part| GexpReference {
                value: if part.has_value { values.next() } else { None },
                output: part.output,
                native: part.native,
                splice: part.splice,
            })
            .collect();
        drop(values);
        let gexp = Gexp {
            template: template.template.clone(),
            references,
            modules,
            extensions,
            span: Some(template.span),
        };
        Value::Gexp(Rc::new(gexp))
    }
}

/// Whether a procedure in Rust takes so many arguments.
pub(super) fn accepts(native: &Native, count: usize) -> bool {
    let (least, most) = native.arity;
    count >= least && most.is_none_or(|most| count <= most)
}

/// Returns the procedure of a group with that number.
pub(super) fn sibling(closure: &Closure, index: u32) -> Value {
    let proto = closure.environment.group.get(index as usize).unwrap_or(&closure.proto).clone();
    Value::Closure(Rc::new(Closure { proto, environment: closure.environment.clone() }))
}

/// Returns the content of a variable's cell, if it has one by now.
pub(super) fn content(cell: &Value) -> Option<Value> {
    match cell {
        Value::Cell(cell) => match &*cell.borrow() {
            Value::Absent => None,
            value => Some(value.clone()),
        },
        value => Some(value.clone()),
    }
}

/// Changes the content of a variable's cell.
pub(super) fn set_content(cell: &Value, value: Value) {
    if let Value::Cell(cell) = cell {
        drop(cell.replace(value));
    }
}

/// Whether two values are the same; at once if they are symbols.
#[inline(always)]
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Symbol(a), Value::Symbol(b)) => a == b,
        _ => crate::equal::eqv(left, right),
    }
}
