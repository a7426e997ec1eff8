//! What instructions do when their quick way does not apply.

use std::rc::Rc;

use crate::{
    code::Proto,
    module::Global,
    native::{Native, Raise},
    procedure::Environment,
    value::{Gexp, GexpReference, Value},
};

use super::{
    Machine, Registers,
    frame::{Fault, Flow, Frame},
    short,
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
            Some(Frame::Call(_, pc, _)) => *pc = short(at - 1),
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

    pub(super) fn environment(&mut self, count: usize, group: Box<[Rc<Proto>]>) -> Rc<Environment> {
        let start = self.stack.len() - count;
        Rc::new(Environment { values: self.stack.drain(start..).collect(), group })
    }

    pub(super) fn gexp(&mut self, proto: &Rc<Proto>, index: usize) -> Value {
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
