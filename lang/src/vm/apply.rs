//! Calling any procedure, and returning to any level.

use std::rc::Rc;

use crate::{
    code::Op,
    diagnostic::Diagnostic,
    module::State,
    native::Raise,
    procedure::{Closure, Parameter, Procedure, Promise, PromiseState},
    record::{FieldKind, Record, RecordType},
    value::Value,
};

use super::{
    Machine, error,
    exception::Exception,
    frame::{Fault, Flow, Frame, Mark, Then},
    short,
    slow::accepts,
};

impl Machine {
    /// Calls a procedure with the topmost values, which it takes; the level that waits was pushed before.
    pub(super) fn apply(&mut self, callee: Value, count: usize) -> Result<Flow, Fault> {
        match callee {
            Value::Closure(closure) => self.enter(closure, count).map(|()| Flow::Run),
            Value::Native(native) => {
                if !accepts(native, count) {
                    return Err(error::wrong_arity(&Value::Native(native), count).into());
                }
                Ok(Flow::Return(self.native(native, count)?))
            }
            Value::Primitive(primitive) => {
                let start = self.stack.len() - count;
                let arguments = self.stack.split_off(start);
                self.primitive(primitive, arguments)
            }
            Value::Procedure(procedure) => self.apply_procedure(procedure, count),
            Value::Parameter(parameter) => {
                if count != 0 {
                    return Err(error::wrong_arity(&Value::Parameter(parameter), count).into());
                }
                Ok(Flow::Return(self.parameter(&parameter)))
            }
            other => Err(error::not_a_procedure(&other).into()),
        }
    }

    /// Calls a procedure with arguments that are not on the stack.
    pub(super) fn apply_to(&mut self, callee: Value, arguments: Vec<Value>) -> Result<Flow, Fault> {
        let count = arguments.len();
        self.stack.extend(arguments);
        self.apply(callee, count)
    }

    fn parameter(&self, parameter: &Rc<Parameter>) -> Value {
        let dynamic = self.dynamics.get(self.floor..).unwrap_or(&[]);
        match dynamic.iter().rev().find(|(other, _)| Rc::ptr_eq(other, parameter)) {
            Some((_, value)) => value.clone(),
            None => parameter.value.borrow().clone(),
        }
    }

    fn apply_procedure(&mut self, procedure: Rc<Procedure>, count: usize) -> Result<Flow, Fault> {
        let wrong = || -> Fault { error::wrong_arity(&Value::Procedure(procedure.clone()), count).into() };
        match &*procedure {
            Procedure::Case(clauses) => {
                let clause = clauses.iter().find(|clause| takes(clause, count)).cloned();
                match clause {
                    Some(clause) => self.enter(clause, count).map(|()| Flow::Run),
                    None => Err(wrong()),
                }
            }
            Procedure::Memo(_) => self.apply_memo(procedure, count),
            Procedure::Escape(escape) => {
                let start = self.stack.len() - count;
                let value = Value::values(self.stack.split_off(start));
                if !escape.live.get() {
                    return Err(Diagnostic::new("E0409", "this continuation's call has returned already")
                        .hint("continuations serve to leave a call, not to enter it again")
                        .into());
                }
                let end = self.frames.iter().rposition(|frame| {
                    matches!(frame, Frame::Mark(Mark::Escape { escape, .. }) if Rc::ptr_eq(escape, &procedure))
                });
                match (end, end.and_then(|end| self.frames.get(end))) {
                    (Some(end), Some(Frame::Mark(Mark::Escape { height, .. }))) => {
                        let height = *height;
                        self.unwind(end, height, Then::Return(value))
                    }
                    _ => {
                        Err(Diagnostic::new("E0409", "this continuation's call has returned already").into())
                    }
                }
            }
            Procedure::Constructor(record_type, places) => {
                if places.len() != count {
                    return Err(wrong());
                }
                let start = self.stack.len() - count;
                let arguments = self.stack.split_off(start);
                Ok(Flow::Return(construct(record_type, places, arguments)))
            }
            Procedure::Predicate(record_type) => {
                if count != 1 {
                    return Err(wrong());
                }
                let is = matches!(self.pop(), Value::Record(record) if Rc::ptr_eq(&record.record_type, record_type));
                Ok(Flow::Return(Value::Bool(is)))
            }
            Procedure::Accessor(record_type, index) => {
                if count != 1 {
                    return Err(wrong());
                }
                let value = self.pop();
                self.access(record_type, *index, &value)
            }
            Procedure::Modifier(record_type, index) => {
                if count != 2 {
                    return Err(wrong());
                }
                let (value, record) = (self.pop(), self.pop());
                let record = record_of(record_type, *index, &record)?;
                if let Some(Value::Cell(cell)) = record.fields.get(*index) {
                    drop(cell.replace(value));
                }
                Ok(Flow::Return(Value::Unspecified))
            }
        }
    }

    /// Returns a field of a record, computing it if it is lazy.
    pub(super) fn access(
        &mut self,
        record_type: &Rc<RecordType>,
        index: usize,
        value: &Value,
    ) -> Result<Flow, Fault> {
        let record = record_of(record_type, index, value)?;
        let kind = record_type.fields.get(index).map_or(FieldKind::Eager, |field| field.kind);
        let Some(stored) = record.fields.get(index) else { return Ok(Flow::Return(Value::Unspecified)) };
        match (kind, stored) {
            (FieldKind::Thunked, Value::Closure(thunk)) => {
                let thunk = thunk.clone();
                self.stack.push(value.clone());
                self.enter(thunk, 1).map(|()| Flow::Run)
            }
            (FieldKind::Thunked | FieldKind::Delayed, Value::Promise(promise)) => {
                let promise = promise.clone();
                self.force_promise(promise)
            }
            (_, Value::Cell(cell)) => Ok(Flow::Return(cell.borrow().clone())),
            (_, other) => Ok(Flow::Return(other.clone())),
        }
    }

    pub(super) fn force_promise(&mut self, promise: Rc<Promise>) -> Result<Flow, Fault> {
        let thunk = match &*promise.state.borrow() {
            PromiseState::Done(value) => return Ok(Flow::Return(value.clone())),
            PromiseState::Running(_) => {
                return Err(Diagnostic::new("E0410", "the value of a promise is needed to compute it").into());
            }
            PromiseState::Delayed(thunk) => thunk.clone(),
        };
        *promise.state.borrow_mut() = PromiseState::Running(thunk.clone());
        self.frames.push(Frame::Mark(Mark::Promise(promise)));
        self.world.epochs.begin();
        self.apply(thunk, 0)
    }

    fn apply_memo(&mut self, procedure: Rc<Procedure>, count: usize) -> Result<Flow, Fault> {
        let Procedure::Memo(memo) = &*procedure else { return Ok(Flow::Return(Value::Unspecified)) };
        let start = self.stack.len() - count;
        let key = Value::list(self.stack.get(start..).unwrap_or(&[]).to_vec());
        let known = memo.results.borrow().get(&key).cloned();
        match known {
            Some(Value::Absent) => {
                self.stack.truncate(start);
                Err(self.memo_cycle(&procedure, &key))
            }
            Some(value) => {
                self.stack.truncate(start);
                Ok(Flow::Return(value))
            }
            None => {
                memo.results.borrow_mut().insert(key.clone(), Value::Absent);
                let inner = memo.procedure.clone();
                self.frames.push(Frame::Mark(Mark::Memo(Box::new((procedure.clone(), key)))));
                self.world.epochs.begin();
                self.apply(inner, count)
            }
        }
    }

    /// A memoised procedure needs its own result: raises `memo-cycle` with the list of the arguments of
    /// the calls that are going on, outermost first.
    fn memo_cycle(&self, procedure: &Rc<Procedure>, key: &Value) -> Fault {
        let Procedure::Memo(this) = &**procedure else { return Raise::message("no memo").into() };
        let mut cycle = Vec::new();
        for frame in self.frames.iter().rev() {
            if let Frame::Mark(Mark::Memo(memo)) = frame
                && Rc::ptr_eq(&memo.0, procedure)
            {
                cycle.push(memo.1.clone());
                let same = memo.1.list_to_vec().zip(key.list_to_vec()).is_some_and(|(a, b)| {
                    a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| this.equality.holds(a, b))
                });
                if same {
                    break;
                }
            }
        }
        cycle.reverse();
        let shown = cycle.iter().map(crate::print::summary).collect::<Vec<_>>().join(" → ");
        let diagnostic =
            Diagnostic::new("E0411", format!("a memoised procedure needs its own result: {shown}"));
        Raise::Thrown(Value::foreign(Exception {
            key: crate::symbol::Symbol::new("memo-cycle"),
            message: None,
            irritants: vec![Value::list(cycle)],
            diagnostic: Some(diagnostic),
            parts: Vec::new(),
        }))
        .into()
    }

    /// Returns a value to the topmost level.
    pub(super) fn give_back(&mut self, value: Value) -> Result<Flow, Fault> {
        match self.frames.pop() {
            Some(Frame::Call(closure, pc, base)) => {
                self.go_on(closure, pc, base);
                self.stack.push(value);
                Ok(Flow::Run)
            }
            Some(Frame::Mark(mark)) => self.resume(mark, value),
            None => Ok(Flow::Done(value)),
        }
    }

    fn go_on(&mut self, closure: Option<Rc<Closure>>, pc: *const Op, base: u32) {
        let closure = closure.unwrap_or_else(|| self.registers.closure.clone());
        self.registers = super::Registers { pc: closure.proto.index_of(pc), closure, base: base as usize };
    }

    fn resume(&mut self, mark: Mark, value: Value) -> Result<Flow, Fault> {
        match mark {
            Mark::Boundary => Ok(Flow::Done(value)),
            Mark::Global { global, floor, again } => {
                self.world.epochs.end();
                self.floor = floor as usize;
                if matches!(*global.state.borrow(), State::Running(_)) {
                    super::global::set(&global, value.clone());
                }
                if !again {
                    return Ok(Flow::Return(value));
                }
                if let Some(Frame::Call(closure, pc, base)) = self.frames.pop() {
                    self.go_on(closure, pc, base);
                }
                Ok(Flow::Run)
            }
            Mark::Promise(promise) => {
                self.world.epochs.end();
                *promise.state.borrow_mut() = PromiseState::Done(value.clone());
                Ok(Flow::Return(value))
            }
            Mark::Memo(memo) => {
                self.world.epochs.end();
                if let Procedure::Memo(known) = &*memo.0 {
                    known.results.borrow_mut().insert(memo.1, value.clone());
                }
                Ok(Flow::Return(value))
            }
            Mark::Consumer(consumer) => match value {
                Value::Values(values) => self.apply_to(consumer, values.to_vec()),
                value => self.apply_to(consumer, vec![value]),
            },
            Mark::Wind { after, .. } => {
                self.frames.push(Frame::Mark(Mark::Instead(value)));
                self.apply(after, 0)
            }
            Mark::WindStart(rest) => {
                let (thunk, after) = *rest;
                let height = short(self.stack.len());
                self.frames.push(Frame::Mark(Mark::Wind { after, height }));
                self.apply(thunk, 0)
            }
            Mark::Instead(value) => Ok(Flow::Return(value)),
            Mark::Handling { fault, .. } => match fault {
                None => Ok(Flow::Return(value)),
                Some(diagnostic) => Err(Fault::Diagnostics(vec![
                    diagnostic.hint("the handler returned, but this error cannot be continued"),
                ])),
            },
            Mark::Unwinding(unwinding) => self.unwind(unwinding.target, unwinding.height, unwinding.then),
            Mark::Converting(state) => self.converted(*state, value),
            Mark::NewParameter(converter) => {
                let parameter = Parameter { value: value.into(), converter: Some(converter) };
                Ok(Flow::Return(Value::Parameter(Rc::new(parameter))))
            }
            mark @ (Mark::Parameters(_) | Mark::Escape { .. }) => {
                self.leave(mark);
                Ok(Flow::Return(value))
            }
            Mark::Handler(_) | Mark::Guard { .. } | Mark::Catch(_) => Ok(Flow::Return(value)),
        }
    }

    /// Leaves all levels above a number of them, calling what `dynamic-wind` wants called, then goes on.
    pub(super) fn unwind(&mut self, target: usize, height: u32, then: Then) -> Result<Flow, Fault> {
        while self.frames.len() > target {
            match self.frames.pop() {
                Some(Frame::Mark(Mark::Wind { after, height: here })) => {
                    self.stack.truncate(here as usize);
                    let rest = super::frame::Unwinding { target, height, then };
                    self.frames.push(Frame::Mark(Mark::Unwinding(Box::new(rest))));
                    return self.apply(after, 0);
                }
                Some(Frame::Mark(mark)) => self.leave(mark),
                _ => {}
            }
        }
        self.stack.truncate(height as usize);
        match then {
            Then::Return(value) => Ok(Flow::Return(value)),
            Then::Call(procedure, arguments) => self.apply_to(procedure, arguments),
        }
    }

    /// Makes the record of an instruction from the topmost values.
    pub(super) fn record(&mut self, proto: &crate::code::Proto, index: usize) -> Result<Value, Fault> {
        let Some(template) = proto.records.get(index) else { return Ok(Value::Unspecified) };
        let record_type = &template.record_type;
        let parent = if template.inherits { Some(self.pop()) } else { None };
        let parent = match &parent {
            Some(Value::Record(record)) if Rc::ptr_eq(&record.record_type, record_type) => {
                Some(record.clone())
            }
            Some(other) => {
                let (name, other) = (record_type.plain_name(), error::with_value(other));
                let message = format!(
                    "a record of type `{name}` can inherit only from one of the same type, not from {other}"
                );
                return Err(Diagnostic::new("E0421", message).into());
            }
            None => None,
        };
        let count = template.given.iter().filter(|given| **given).count();
        let start = self.stack.len() - count;
        let mut values = self.stack.drain(start..);
        let mut fields = Vec::with_capacity(template.given.len());
        for (place, given) in template.given.iter().enumerate() {
            let value = if *given {
                values.next()
            } else {
                parent.as_ref().and_then(|parent| parent.fields.get(place).cloned())
            };
            fields.push(value.unwrap_or(Value::Unspecified));
        }
        drop(values);
        let record = Record { record_type: record_type.clone(), fields, span: Some(template.span) };
        Ok(Value::Record(Rc::new(record)))
    }
}

fn takes(closure: &Closure, count: usize) -> bool {
    let arity = &closure.proto.arity;
    count >= arity.required
        && (arity.rest || !arity.keys.is_empty() || count <= arity.required + arity.optional)
}

fn construct(record_type: &Rc<RecordType>, places: &[usize], arguments: Vec<Value>) -> Value {
    let mut fields = vec![Value::Bool(false); record_type.fields.len()];
    for (place, value) in places.iter().zip(arguments) {
        if let Some(slot) = fields.get_mut(*place) {
            *slot = value;
        }
    }
    for (slot, field) in fields.iter_mut().zip(&record_type.fields) {
        let value = std::mem::replace(slot, Value::Nil);
        *slot = if field.mutable {
            Value::Cell(Rc::new(value.into()))
        } else if field.kind == FieldKind::Eager {
            value
        } else {
            // The plain constructor takes values also for lazy fields.
            Value::Promise(Rc::new(Promise { state: PromiseState::Done(value).into() }))
        };
    }
    Value::Record(Rc::new(Record { record_type: record_type.clone(), fields, span: None }))
}

fn record_of<'v>(record_type: &Rc<RecordType>, index: usize, value: &'v Value) -> Result<&'v Record, Fault> {
    match value {
        Value::Record(record) if Rc::ptr_eq(&record.record_type, record_type) => Ok(record),
        other => {
            let field = record_type.fields.get(index).map_or("", |field| field.name.as_str());
            let (name, other) = (record_type.plain_name(), error::with_value(other));
            let message =
                format!("the field `{field}` is one of {} `{name}`, not of {other}", error::article(name));
            Err(Diagnostic::new("E0422", message).into())
        }
    }
}
