//! The main loop.
//!
//! Instructions that only touch the stack are carried out here; whatever may call, evaluate or fail in a more than plain
//! way stores the registers and leaves the loop, which its caller enters again.
#![allow(
    clippy::indexing_slicing,
    reason = "the compiler guarantees every place, jump and table index of an instruction (see `code`)"
)]

use std::rc::Rc;

use crate::{
    code::{Op, Proto},
    module::State,
    native::{Native, Raise},
    procedure::{Closure, Procedure, Promise, PromiseState},
    value::Value,
};

use super::{
    Machine, Registers, error,
    frame::{Fault, Flow, Frame},
    short,
};

impl Machine {
    /// Runs from the registers until something leaves the loop.
    pub(super) fn run(&mut self) -> Result<Flow, Fault> {
        let mut closure = self.registers.closure.clone();
        let mut pc = self.registers.pc;
        let mut base = self.registers.base;
        // Leaves the loop with the registers stored.
        macro_rules! leave {
            ($flow:expr) => {{
                self.registers = Registers { closure, pc, base };
                return $flow;
            }};
        }
        macro_rules! check {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(error) => leave!(Err(Fault::from(error))),
                }
            };
        }
        // A procedure in Rust stands in where an instruction's quick way does not apply.
        macro_rules! fallback {
            ($native:ident, $count:expr) => {{
                let value = check!(self.stand_in(self.inline.$native, $count));
                self.stack.push(value);
            }};
        }
        macro_rules! arithmetic {
            ($native:ident, $checked:ident, $op:tt) => {{
                let top = self.stack.len() - 1;
                match (&self.stack[top - 1], &self.stack[top]) {
                    (Value::Int(a), Value::Int(b)) if let Some(n) = a.$checked(*b) => {
                        self.stack.pop();
                        self.stack[top - 1] = Value::Int(n);
                    }
                    (Value::Float(a), Value::Float(b)) => {
                        let n = a $op b;
                        self.stack.pop();
                        self.stack[top - 1] = Value::Float(n);
                    }
                    _ => fallback!($native, 2),
                }
            }};
        }
        macro_rules! compare {
            ($native:ident, $op:tt) => {{
                let top = self.stack.len() - 1;
                if let (Value::Int(a), Value::Int(b)) = (&self.stack[top - 1], &self.stack[top]) {
                    let holds = a $op b;
                    self.stack.pop();
                    self.stack[top - 1] = Value::Bool(holds);
                } else {
                    fallback!($native, 2);
                }
            }};
        }
        macro_rules! compare_jump {
            ($native:ident, $op:tt, $target:expr) => {{
                let top = self.stack.len() - 1;
                let holds = if let (Value::Int(a), Value::Int(b)) = (&self.stack[top - 1], &self.stack[top]) {
                    let holds = a $op b;
                    self.stack.truncate(top - 1);
                    holds
                } else {
                    check!(self.stand_in(self.inline.$native, 2)).is_true()
                };
                if !holds {
                    pc = $target as usize;
                }
            }};
        }
        // Begins the callee; the level that waits was pushed before.
        macro_rules! begin {
            ($callee:expr, $count:expr) => {{
                closure = $callee;
                pc = 0;
                base = self.stack.len() - $count as usize;
                self.steps = self.steps.saturating_sub(1);
                if self.steps == 0
                    || self.frames.len() > self.limits.depth
                    || self.stack.len() > self.limits.values
                {
                    leave!(self.check_limits().map(|()| Flow::Run));
                }
            }};
        }
        macro_rules! call {
            ($callee:expr, $count:expr) => {{
                let callee = $callee;
                let waiting = std::mem::replace(&mut closure, callee.clone());
                self.frames.push(Frame::Call(waiting, short(pc), short(base)));
                begin!(callee, $count);
            }};
        }
        macro_rules! tail_call {
            ($callee:expr, $count:expr) => {{
                let callee = $callee;
                self.move_down(base, $count as usize);
                begin!(callee, $count);
            }};
        }
        loop {
            let op = closure.proto.code[pc];
            pc += 1;
            match op {
                Op::Local(slot) => {
                    let value = self.stack[base + slot as usize].clone();
                    self.stack.push(value);
                }
                Op::Const(index) => self.stack.push(closure.proto.constants[index as usize].clone()),
                Op::Int(n) => self.stack.push(Value::Int(i64::from(n))),
                Op::Nil => self.stack.push(Value::Nil),
                Op::Bool(b) => self.stack.push(Value::Bool(b)),
                Op::Unspecified => self.stack.push(Value::Unspecified),
                Op::Capture(index) => self.stack.push(closure.environment.values[index as usize].clone()),
                Op::LocalCell(slot) => {
                    let content = check!(content(&self.stack[base + slot as usize]));
                    self.stack.push(content);
                }
                Op::CaptureCell(index) => {
                    let content = check!(content(&closure.environment.values[index as usize]));
                    self.stack.push(content);
                }
                Op::SetLocalCell(slot) => {
                    let value = self.pop();
                    set_content(&self.stack[base + slot as usize], value);
                }
                Op::SetCaptureCell(index) => {
                    let value = self.pop();
                    set_content(&closure.environment.values[index as usize], value);
                }
                Op::Box(slot) => {
                    let place = &mut self.stack[base + slot as usize];
                    let value = std::mem::replace(place, Value::Nil);
                    *place = Value::Cell(Rc::new(value.into()));
                }
                Op::SetLocal(slot) => {
                    let value = self.pop();
                    self.stack[base + slot as usize] = value;
                }
                Op::Global(index) => {
                    let global = &closure.proto.globals[index as usize];
                    let known = match &*global.state.borrow() {
                        State::Value(value) => Some(value.clone()),
                        _ => None,
                    };
                    match known {
                        Some(value) => self.stack.push(value),
                        None => {
                            let global = global.clone();
                            self.registers = Registers { closure, pc, base };
                            return self.need_at_previous(&global);
                        }
                    }
                }
                Op::SetGlobal(index) => {
                    let value = self.pop();
                    super::global::set(&closure.proto.globals[index as usize], value);
                }
                Op::This => self.stack.push(Value::Closure(closure.clone())),
                Op::Sibling(index) => {
                    let sibling = sibling(&closure, index);
                    self.stack.push(Value::Closure(Rc::new(sibling)));
                }
                Op::Closure(index, captures) => {
                    let proto = closure.proto.protos[index as usize].clone();
                    let environment = if captures == 0 {
                        self.nothing.clone()
                    } else {
                        self.environment(captures as usize, Box::default())
                    };
                    self.stack.push(Value::Closure(Rc::new(Closure { proto, environment })));
                }
                Op::Group(first, count, captures) => {
                    let group: Box<[Rc<Proto>]> =
                        closure.proto.protos[first as usize..][..usize::from(count)].into();
                    let environment = self.environment(captures as usize, group.clone());
                    for proto in group {
                        let member = Closure { proto, environment: environment.clone() };
                        self.stack.push(Value::Closure(Rc::new(member)));
                    }
                }
                Op::CaseClosure(count) => {
                    let start = self.stack.len() - count as usize;
                    let clauses = self.stack.drain(start..).filter_map(|value| match value {
                        Value::Closure(clause) => Some(clause),
                        _ => None,
                    });
                    let case = Procedure::Case(clauses.collect());
                    self.stack.push(Value::Procedure(Rc::new(case)));
                }
                Op::Pop => drop(self.stack.pop()),
                Op::Slide(count) => {
                    let value = self.pop();
                    let keep = self.stack.len() - count as usize;
                    self.stack.truncate(keep);
                    self.stack.push(value);
                }
                Op::Jump(target) => pc = target as usize,
                Op::JumpIfFalse(target) => {
                    if matches!(self.stack.pop(), Some(Value::Bool(false))) {
                        pc = target as usize;
                    }
                }
                Op::JumpIfTrue(target) => {
                    if !matches!(self.stack.pop(), Some(Value::Bool(false))) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessAbsent(slot, target) => {
                    if !matches!(self.stack[base + slot as usize], Value::Absent) {
                        pc = target as usize;
                    }
                }
                Op::Loop(count, slot, target) => {
                    self.move_down(base + slot as usize, usize::from(count));
                    pc = target as usize;
                    self.steps = self.steps.saturating_sub(1);
                    if self.steps == 0 {
                        leave!(self.check_limits().map(|()| Flow::Run));
                    }
                }
                Op::CallGlobal(index, count) => {
                    let callee = match &*closure.proto.globals[index as usize].state.borrow() {
                        State::Value(Value::Closure(callee))
                            if callee.proto.plain && callee.proto.arity.required == count as usize =>
                        {
                            Some(callee.clone())
                        }
                        _ => None,
                    };
                    match callee {
                        Some(callee) => call!(callee, count),
                        None => {
                            self.registers = Registers { closure, pc, base };
                            return self.call_global(index as usize, count as usize, false);
                        }
                    }
                }
                Op::TailCallGlobal(index, count) => {
                    let callee = match &*closure.proto.globals[index as usize].state.borrow() {
                        State::Value(Value::Closure(callee))
                            if callee.proto.plain && callee.proto.arity.required == count as usize =>
                        {
                            Some(callee.clone())
                        }
                        _ => None,
                    };
                    match callee {
                        Some(callee) => tail_call!(callee, count),
                        None => {
                            self.registers = Registers { closure, pc, base };
                            return self.call_global(index as usize, count as usize, true);
                        }
                    }
                }
                Op::CallThis(count) => {
                    if closure.proto.plain && closure.proto.arity.required == count as usize {
                        call!(closure.clone(), count);
                    } else {
                        let callee = Value::Closure(closure.clone());
                        self.registers = Registers { closure, pc, base };
                        return self.call_slowly(callee, count as usize, false);
                    }
                }
                Op::TailCallThis(count) => {
                    if closure.proto.plain && closure.proto.arity.required == count as usize {
                        tail_call!(closure.clone(), count);
                    } else {
                        let callee = Value::Closure(closure.clone());
                        self.registers = Registers { closure, pc, base };
                        return self.call_slowly(callee, count as usize, true);
                    }
                }
                Op::Call(count) => match self.pop() {
                    Value::Closure(callee)
                        if callee.proto.plain && callee.proto.arity.required == count as usize =>
                    {
                        call!(callee, count);
                    }
                    Value::Native(native) if accepts(native, count as usize) => {
                        let value = check!(self.native(native, count as usize));
                        self.stack.push(value);
                    }
                    callee => {
                        self.registers = Registers { closure, pc, base };
                        return self.call_slowly(callee, count as usize, false);
                    }
                },
                Op::TailCall(count) => match self.pop() {
                    Value::Closure(callee)
                        if callee.proto.plain && callee.proto.arity.required == count as usize =>
                    {
                        tail_call!(callee, count);
                    }
                    callee => {
                        self.registers = Registers { closure, pc, base };
                        return self.call_slowly(callee, count as usize, true);
                    }
                },
                Op::CallNative(index, count) => {
                    let native = closure.proto.natives[index as usize];
                    let value = check!(self.native(native, count as usize));
                    self.stack.push(value);
                }
                Op::Return => {
                    let value = self.pop();
                    self.stack.truncate(base);
                    match self.frames.pop() {
                        Some(Frame::Call(waiting, at, from)) => {
                            closure = waiting;
                            pc = at as usize;
                            base = from as usize;
                            self.stack.push(value);
                        }
                        Some(frame) => {
                            self.frames.push(frame);
                            leave!(Ok(Flow::Return(value)));
                        }
                        None => leave!(Ok(Flow::Done(value))),
                    }
                }
                Op::Promise => {
                    let thunk = self.pop();
                    let promise = Promise { state: PromiseState::Delayed(thunk).into() };
                    self.stack.push(Value::Promise(Rc::new(promise)));
                }
                Op::Gexp(index) => {
                    let proto = closure.proto.clone();
                    let gexp = self.gexp(&proto, index as usize);
                    self.stack.push(gexp);
                }
                Op::Record(index) => {
                    let proto = closure.proto.clone();
                    let record = check!(self.record(&proto, index as usize));
                    self.stack.push(record);
                }
                Op::Car => {
                    let top = self.stack.len() - 1;
                    if let Value::Pair(pair) = &self.stack[top] {
                        let car = pair.car.clone();
                        self.stack[top] = car;
                    } else {
                        fallback!(car, 1);
                    }
                }
                Op::Cdr => {
                    let top = self.stack.len() - 1;
                    if let Value::Pair(pair) = &self.stack[top] {
                        let cdr = pair.cdr.clone();
                        self.stack[top] = cdr;
                    } else {
                        fallback!(cdr, 1);
                    }
                }
                Op::LocalCar(slot) => {
                    if let Value::Pair(pair) = &self.stack[base + slot as usize] {
                        let car = pair.car.clone();
                        self.stack.push(car);
                    } else {
                        let value = self.stack[base + slot as usize].clone();
                        self.stack.push(value);
                        fallback!(car, 1);
                    }
                }
                Op::LocalCdr(slot) => {
                    if let Value::Pair(pair) = &self.stack[base + slot as usize] {
                        let cdr = pair.cdr.clone();
                        self.stack.push(cdr);
                    } else {
                        let value = self.stack[base + slot as usize].clone();
                        self.stack.push(value);
                        fallback!(cdr, 1);
                    }
                }
                Op::Cons => {
                    let cdr = self.pop();
                    let car = self.pop();
                    self.stack.push(Value::cons(car, cdr));
                }
                Op::Not => {
                    let value = self.pop();
                    self.stack.push(Value::Bool(!value.is_true()));
                }
                Op::IsNull => {
                    let value = self.pop();
                    self.stack.push(Value::Bool(matches!(value, Value::Nil)));
                }
                Op::IsPair => {
                    let value = self.pop();
                    self.stack.push(Value::Bool(matches!(value, Value::Pair(_))));
                }
                Op::IsEq => {
                    let right = self.pop();
                    let left = self.pop();
                    self.stack.push(Value::Bool(crate::equal::eqv(&left, &right)));
                }
                Op::Add => arithmetic!(add, checked_add, +),
                Op::Sub => arithmetic!(sub, checked_sub, -),
                Op::Mul => arithmetic!(mul, checked_mul, *),
                Op::Less => compare!(less, <),
                Op::LessEq => compare!(less_eq, <=),
                Op::Greater => compare!(greater, >),
                Op::GreaterEq => compare!(greater_eq, >=),
                Op::NumEq => compare!(num_eq, ==),
                Op::AddInt(n) => {
                    let top = self.stack.len() - 1;
                    match &self.stack[top] {
                        Value::Int(a) if let Some(sum) = a.checked_add(i64::from(n)) => {
                            self.stack[top] = Value::Int(sum);
                        }
                        _ => {
                            let value = check!(self.add_int(n));
                            self.stack.push(value);
                        }
                    }
                }
                Op::LocalAddInt(slot, n) => match &self.stack[base + slot as usize] {
                    Value::Int(a) if let Some(sum) = a.checked_add(i64::from(n)) => {
                        self.stack.push(Value::Int(sum));
                    }
                    other => {
                        let other = other.clone();
                        self.stack.push(other);
                        let value = check!(self.add_int(n));
                        self.stack.push(value);
                    }
                },
                Op::JumpUnlessNull(target) => {
                    if !matches!(self.stack.pop(), Some(Value::Nil)) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessPair(target) => {
                    if !matches!(self.stack.pop(), Some(Value::Pair(_))) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessLocalNull(slot, target) => {
                    if !matches!(self.stack[base + slot as usize], Value::Nil) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessLocalPair(slot, target) => {
                    if !matches!(self.stack[base + slot as usize], Value::Pair(_)) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessLess(target) => compare_jump!(less, <, target),
                Op::JumpUnlessNumEq(target) => compare_jump!(num_eq, ==, target),
                Op::JumpUnlessEq(target) => {
                    let right = self.pop();
                    let left = self.pop();
                    if !crate::equal::eqv(&left, &right) {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessLocalLessInt(slot, n, target) => {
                    let place = base + usize::from(slot);
                    let holds = if let Value::Int(a) = &self.stack[place] {
                        *a < i64::from(n)
                    } else {
                        let value = self.stack[place].clone();
                        self.stack.extend([value, Value::Int(i64::from(n))]);
                        check!(self.stand_in(self.inline.less, 2)).is_true()
                    };
                    if !holds {
                        pc = target as usize;
                    }
                }
                Op::JumpUnlessLocalNumEqInt(slot, n, target) => {
                    let place = base + usize::from(slot);
                    let holds = if let Value::Int(a) = &self.stack[place] {
                        *a == i64::from(n)
                    } else {
                        let value = self.stack[place].clone();
                        self.stack.extend([value, Value::Int(i64::from(n))]);
                        check!(self.stand_in(self.inline.num_eq, 2)).is_true()
                    };
                    if !holds {
                        pc = target as usize;
                    }
                }
            }
        }
    }

    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Unspecified)
    }

    /// Moves the topmost values down to a place and drops what is between.
    pub(super) fn move_down(&mut self, to: usize, count: usize) {
        let from = self.stack.len() - count;
        if from > to {
            for index in 0..count {
                self.stack.swap(to + index, from + index);
            }
            self.stack.truncate(to + count);
        }
    }

    /// Calls a procedure in Rust with the topmost values, which it takes.
    pub(super) fn native(&mut self, native: &'static Native, count: usize) -> Result<Value, Raise> {
        let start = self.stack.len() - count;
        let mut context = self.world.context();
        let result = (native.function)(&mut context, &self.stack[start..]);
        self.stack.truncate(start);
        result
    }
}

/// Whether a procedure in Rust takes so many arguments.
pub(super) fn accepts(native: &Native, count: usize) -> bool {
    let (least, most) = native.arity;
    count >= least && most.is_none_or(|most| count <= most)
}

fn sibling(closure: &Rc<Closure>, index: u32) -> Closure {
    let proto = closure.environment.group[index as usize].clone();
    Closure { proto, environment: closure.environment.clone() }
}

fn content(cell: &Value) -> Result<Value, Fault> {
    match cell {
        Value::Cell(cell) => match &*cell.borrow() {
            Value::Absent => Err(error::too_early().into()),
            value => Ok(value.clone()),
        },
        value => Ok(value.clone()),
    }
}

fn set_content(cell: &Value, value: Value) {
    if let Value::Cell(cell) = cell {
        drop(cell.replace(value));
    }
}
