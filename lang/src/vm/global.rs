//! Definitions at their first use, and leaving levels without returning to them.

use std::rc::Rc;

use crate::{
    diagnostic::Diagnostic,
    expand::{ExpandError, Expander},
    module::{Binding, Global, State, unbound},
    native::Side,
    procedure::{Closure, Procedure, PromiseState},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Machine, Registers, error,
    frame::{Fault, Flow, Frame, Mark},
    short,
};

impl Machine {
    /// Begins to evaluate a definition. With `again`, the registers are at the instruction that wants it, which is carried
    /// out again once the value is there; else the value is returned.
    pub(super) fn need(&mut self, global: &Rc<Global>, again: bool) -> Result<Flow, Fault> {
        let definition = match &*global.state.borrow() {
            State::Value(value) => {
                return Ok(if again { Flow::Run } else { Flow::Return(value.clone()) });
            }
            State::Defined(definition) => Some(definition.clone()),
            State::Running(_) => return Err(self.cycle(global).into()),
            State::Duplicate(first, second) => {
                let error = ExpandError::Duplicate { name: global.name, spans: (*first, *second) };
                return Err(error.diagnostic().into());
            }
            State::Unbound => None,
        };
        let Some(definition) = definition else { return self.need_unbound(global, again) };
        let mut expander = Expander::new(&mut self.world);
        let core = expander.definition(global, &definition)?;
        // Where nothing changes definitions, a procedure knows that its name means itself.
        let world = &expander.world;
        let fixed = world.side() == Side::Evaluation && !world.module(global.module).replaceable;
        let own = if fixed { Some(&**global) } else { None };
        let proto = crate::compile::compile_definition(&core, &expander.vars, None, global.span, own)
            .map_err(|error| Fault::from(error.diagnostic()))?;
        *global.state.borrow_mut() = State::Running(definition);
        let closure = Rc::new(Closure { proto, environment: self.nothing.clone() });
        let running = Registers { closure, pc: 0, base: self.stack.len() };
        let waiting = std::mem::replace(&mut self.registers, running);
        if again {
            self.push_call(waiting);
        }
        let mark = Mark::Global { global: global.clone(), floor: short(self.floor), again };
        self.frames.push(Frame::Mark(mark));
        self.world.epochs.begin();
        self.floor = self.dynamics.len();
        self.check_limits()?;
        Ok(Flow::Run)
    }

    /// A name that meant nothing when it was compiled may have been defined or imported since.
    fn need_unbound(&mut self, global: &Rc<Global>, again: bool) -> Result<Flow, Fault> {
        match self.world.lookup(global.module, global.name)? {
            Some(Binding::Variable(found)) if !Rc::ptr_eq(&found, global) => match found.value() {
                Some(value) => {
                    set(global, value);
                    self.need(global, again)
                }
                // The instruction finds the value at its next turn.
                None => self.need(&found, again),
            },
            Some(Binding::Constant(value)) => {
                set(global, value);
                self.need(global, again)
            }
            _ => {
                let span = self.place().unwrap_or(global.span);
                let span = self.name_in(span, self.world.aliases.original(global.name));
                Err(unbound(&mut self.world, global.name, global.module, &[], span).into())
            }
        }
    }

    /// Narrows the place of a call to the name that is called.
    fn name_in(&self, span: Span, name: Symbol) -> Span {
        let text = self.world.sources.slice(span);
        let head = text.get(1..).and_then(|inside| inside.strip_prefix(name.as_str()));
        if !text.starts_with(['(', '['])
            || !head.is_some_and(|rest| rest.starts_with([' ', ')', ']', '\n', '\t']))
        {
            return span;
        }
        let start = span.start + 1;
        let end = start + u32::try_from(name.as_str().len()).unwrap_or(0);
        Span { start, end, ..span }
    }

    pub(super) fn push_call(&mut self, registers: Registers) {
        let pc = registers.closure.proto.code.as_ptr().wrapping_add(registers.pc);
        self.frames.push(Frame::Call(Some(registers.closure), pc, short(registers.base)));
    }

    /// Returns where the running instruction was written.
    pub(super) fn place(&self) -> Option<Span> {
        self.registers.closure.proto.span_at(self.registers.pc.saturating_sub(1))
    }

    fn cycle(&self, global: &Rc<Global>) -> Diagnostic {
        let mut cycle = Vec::new();
        for frame in self.frames.iter().rev() {
            if let Frame::Mark(Mark::Global { global: other, .. }) = frame {
                cycle.push(other.clone());
                if Rc::ptr_eq(other, global) {
                    break;
                }
            }
        }
        cycle.reverse();
        error::value_cycle(&cycle)
    }

    /// Leaves all levels above a number of them, without calling anything.
    pub(super) fn abandon(&mut self, target: usize) {
        while self.frames.len() > target {
            if let Some(Frame::Mark(mark)) = self.frames.pop() {
                self.leave(mark);
            }
        }
    }

    /// Undoes what a mark stands for.
    pub(super) fn leave(&mut self, mark: Mark) {
        match mark {
            Mark::Global { global, floor, .. } => {
                self.world.epochs.end();
                self.floor = floor as usize;
                let mut state = global.state.borrow_mut();
                if let State::Running(definition) = &*state {
                    let definition = definition.clone();
                    *state = State::Defined(definition);
                }
            }
            Mark::Promise(promise) => {
                self.world.epochs.end();
                let mut state = promise.state.borrow_mut();
                if let PromiseState::Running(thunk) = &*state {
                    let thunk = thunk.clone();
                    *state = PromiseState::Delayed(thunk);
                }
            }
            Mark::Memo(memo) => {
                self.world.epochs.end();
                if let Procedure::Memo(known) = &*memo.0 {
                    known.results.borrow_mut().remove(&memo.1);
                }
            }
            Mark::Parameters(count) => {
                self.dynamics.truncate(self.dynamics.len().saturating_sub(count));
            }
            Mark::Escape { escape, .. } => {
                if let Procedure::Escape(escape) = &*escape {
                    escape.live.set(false);
                }
            }
            _ => {}
        }
    }
}

/// Sets a definition's value.
pub(super) fn set(global: &Global, value: Value) {
    drop(global.state.replace(State::Value(value)));
}
