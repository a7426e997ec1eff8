//! The main loop.
//!
//! Instructions that only touch the stack are carried out here; whatever may call, evaluate or fail in a more than plain
//! way stores the registers and leaves the loop, which its caller enters again. The loop holds the stacks as a
//! [`View`] and a [`Room`], and the running procedure as a pointer that owns a reference.
//!
//! Why no instruction is checked when it is carried out:
//!
//! - *Code.* `compile::verify` has looked at each procedure's code, in every build: places, entries of tables and jumps are there, values
//!   that are taken are there, and the frame never holds more than `Proto::height`. The code stays as long as the procedure, of which
//!   `closure`, a waiting frame, or, where that says `None`, the frame's successor owns a reference.
//! - *Room.* A procedure begins only where its whole frame has room, and one more level: `enters!`, or `open` after a slower
//!   call. Nothing grows a stack while the loop holds it; `outside!` puts both back and takes them out anew.
//! - *Values.* What lies below the top is initialised and owned once. Words that were read from a place are put in one other, and
//!   the place counts as empty from then on. Dropping a value runs no program, and procedures in Rust do not see the stacks.
//! - *Natives* get as many arguments as they take: the compiler checked those of `CallNative`, `accepts` does for others.

use std::rc::Rc;

use crate::{
    code::Op,
    module::State,
    native::Native,
    natives::reuse,
    procedure::{Closure, Environment},
    value::{Value, Words},
};

use super::{
    Machine, Registers,
    frame::{Fault, Flow, Frame},
    slow::{self, accepts, content, same, set_content},
    view::{Room, View, captured, discard, proto_of},
};

impl Machine {
    /// Runs from the registers until something leaves the loop.
    pub(super) fn run(&mut self) -> Result<Flow, Fault> {
        // SAFETY: see the head of this file.
        unsafe { self.run_code() }
    }

    /// Stores what the loop holds.
    ///
    /// # Safety
    /// The loop ends: the reference that `closure` owns moves to the registers.
    #[cold]
    #[inline(never)]
    unsafe fn suspend(&mut self, room: &Room, view: &View, closure: *const Closure, pc: *const Op) {
        let base = self.close(room, view);
        // SAFETY: `pc` is within the code of `closure`, which owns a reference.
        unsafe {
            let pc = pc.offset_from(proto_of(closure).code.as_ptr()).cast_unsigned();
            self.registers = Registers { closure: Rc::from_raw(closure), pc, base };
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm per instruction")]
    unsafe fn run_code(&mut self) -> Result<Flow, Fault> {
        // SAFETY: see `run`.
        unsafe {
            let mut closure = Rc::into_raw(self.registers.closure.clone());
            let mut room = Room::new();
            let mut view = View { top: room.bottom, base: room.bottom };
            self.open(&mut room, &mut view, self.registers.base, proto_of(closure).height);
            let mut pc = proto_of(closure).code.as_ptr().add(self.registers.pc);
            // Leaves the loop with the registers, and what else it holds, stored.
            macro_rules! leave {
                ($flow:expr) => {{
                    self.suspend(&room, &view, closure, pc);
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
            macro_rules! early {
                ($content:expr) => {
                    match $content {
                        Some(value) => value,
                        None => leave!(Err(self.too_early())),
                    }
                };
            }
            // Does something with the machine, its stacks put back meanwhile.
            macro_rules! outside {
                ($work:expr) => {{
                    let base = self.close(&room, &view);
                    let result = $work;
                    self.open(&mut room, &mut view, base, proto_of(closure).height);
                    result
                }};
            }
            // A procedure in Rust stands in where an instruction's quick way does not apply.
            macro_rules! fallback {
                ($native:ident, $count:expr) => {{
                    push!(check!(outside!(self.stand_in(self.inline.$native, $count))));
                }};
            }
            macro_rules! arithmetic {
                ($native:ident, $checked:ident, $op:tt) => {{
                    let (left, right) = (view.nth(2), view.nth(1));
                    match (&*left, &*right) {
                        (Value::Int(a), Value::Int(b)) if let Some(n) = a.$checked(*b) => {
                            left.write(Value::Int(n));
                            view.top = right;
                        }
                        (Value::Float(a), Value::Float(b)) => {
                            left.write(Value::Float(a $op b));
                            view.top = right;
                        }
                        _ => fallback!($native, 2),
                    }
                }};
            }
            macro_rules! part {
                ($part:ident) => {{
                    let place = view.nth(1);
                    if let Value::Pair(pair) = &*place {
                        pair.$part.count();
                        let words = Words::at(&pair.$part);
                        discard(place);
                        words.put(place);
                    } else {
                        fallback!($part, 1);
                    }
                }};
            }
            macro_rules! local_part {
                ($part:ident, $slot:expr) => {
                    match &*view.local($slot) {
                        Value::Pair(pair) => view.copy(&pair.$part),
                        other => {
                            view.copy(other);
                            fallback!($part, 1);
                        }
                    }
                };
            }
            macro_rules! compare {
                ($native:ident, $op:tt) => {{
                    let (left, right) = (view.nth(2), view.nth(1));
                    if let (Value::Int(a), Value::Int(b)) = (&*left, &*right) {
                        left.write(Value::Bool(a $op b));
                        view.top = right;
                    } else {
                        fallback!($native, 2);
                    }
                }};
            }
            macro_rules! push {
                ($value:expr) => {{
                    let value = $value;
                    view.push(value);
                }};
            }
            macro_rules! answer {
                ($is:expr, $count:expr) => {{
                    let is = $is;
                    view.drop_top($count);
                    view.push(Value::Bool(is));
                }};
            }
            macro_rules! jump {
                ($distance:expr) => {
                    pc = pc.byte_offset($distance.cast_signed() as isize)
                };
            }
            macro_rules! jump_unless {
                ($holds:expr, $distance:expr) => {
                    if !$holds {
                        jump!($distance);
                    }
                };
            }
            macro_rules! jump_unless_top {
                ($holds:expr, $distance:expr) => {{
                    jump_unless!($holds, $distance);
                    view.drop_top(1);
                }};
            }
            macro_rules! compare_jump {
                ($native:ident, $op:tt, $target:expr) => {{
                    let (left, right) = (view.nth(2), view.nth(1));
                    let holds = if let (Value::Int(a), Value::Int(b)) = (&*left, &*right) {
                        view.top = left;
                        a $op b
                    } else {
                        check!(outside!(self.stand_in(self.inline.$native, 2))).is_true()
                    };
                    jump_unless!(holds, $target);
                }};
            }
            macro_rules! compare_local_jump {
                ($native:ident, $op:tt, $slot:expr, $n:expr, $target:expr) => {{
                    let place = view.local($slot.into());
                    let holds = if let Value::Int(a) = &*place {
                        *a $op i64::from($n)
                    } else {
                        let operands = [(*place).clone(), Value::Int(i64::from($n))];
                        let holds = outside!({
                            self.stack.extend(operands);
                            self.stand_in(self.inline.$native, 2)
                        });
                        check!(holds).is_true()
                    };
                    jump_unless!(holds, $target);
                }};
            }
            // Whether a procedure can be entered at once.
            macro_rules! enters {
                ($callee:expr, $count:expr) => {
                    (&*$callee.proto).takes == $count && view.has_room(&room) && self.steps > 1
                };
            }
            // Begins the procedure whose reference `closure` is, with the topmost values.
            macro_rules! start {
                ($count:expr) => {{
                    pc = proto_of(closure).code.as_ptr();
                    view.set_base($count);
                    self.steps -= 1;
                }};
            }
            // Begins a procedure whose reference is owned, with the topmost values.
            macro_rules! begin {
                ($callee:expr, $count:expr) => {{
                    closure = $callee;
                    start!($count);
                }};
            }
            macro_rules! wait {
                ($waiting:expr) => {{
                    room.frames.write(Frame::Call($waiting, pc, room.place(view.base) as u32));
                    room.frames = room.frames.add(1);
                }};
            }
            // Calls a procedure that something else owns.
            macro_rules! call_borrowed {
                ($callee:expr, $count:expr) => {{
                    let callee = Rc::as_ptr($callee);
                    if std::ptr::eq(callee, closure) {
                        wait!(None);
                        start!($count);
                    } else {
                        Rc::increment_strong_count(callee);
                        wait!(Some(Rc::from_raw(closure)));
                        begin!(callee, $count);
                    }
                }};
            }
            // Ends the running procedure, which another one replaces.
            macro_rules! replace {
                () => {
                    match &mut *room.frames.sub(1) {
                        Frame::Call(waiting @ None, ..) => *waiting = Some(Rc::from_raw(closure)),
                        _ => drop(Rc::from_raw(closure)),
                    }
                };
            }
            macro_rules! tail_call_borrowed {
                ($callee:expr, $count:expr) => {{
                    let callee = Rc::as_ptr($callee);
                    view.move_down(0, $count);
                    if std::ptr::eq(callee, closure) {
                        start!($count);
                    } else {
                        Rc::increment_strong_count(callee);
                        replace!();
                        begin!(callee, $count);
                    }
                }};
            }
            // Calls a procedure in Rust with the topmost values, which it takes.
            macro_rules! native {
                ($native:expr, $count:expr) => {{
                    let native: &'static Native = $native;
                    let arguments = std::slice::from_raw_parts(view.nth($count), $count as usize);
                    let mut context = self.world.context();
                    let result = (native.function)(&mut context, arguments);
                    view.drop_top($count);
                    check!(result)
                }};
            }
            macro_rules! give_back {
                ($value:expr) => {{
                    let words: Words = $value;
                    view.drop_to(view.base);
                    go_back!(words);
                }};
            }
            // The same after the frame was dropped.
            macro_rules! go_back {
                ($words:expr) => {{
                    let words: Words = $words;
                    let frame = room.frames.sub(1);
                    match &*frame {
                        Frame::Call(waiting, at, from) => {
                            room.frames = frame;
                            let (at, from) = (*at, *from);
                            if let Some(waiting) = std::ptr::read(waiting) {
                                drop(Rc::from_raw(closure));
                                closure = Rc::into_raw(waiting);
                            }
                            pc = at;
                            view.base = room.bottom.add(from as usize);
                            view.put(words);
                        }
                        Frame::Mark(_) => leave!(Ok(Flow::Return(words.into_value()))),
                    }
                }};
            }
            loop {
                // Each arm reads the operands itself: no register is taken by those that it does not have.
                let op = &*pc;
                pc = pc.add(1);
                debug_assert!(
                    room.holds(&view, proto_of(closure).height),
                    "the compiler counted the values of a frame wrongly"
                );
                match *op {
                    Op::Local(slot) => view.copy(&*view.local(slot)),
                    Op::Take(slot) => {
                        let words = view.take(slot);
                        view.put(words);
                    }
                    Op::Const(index) => {
                        view.copy(proto_of(closure).constants.get_unchecked(index as usize));
                    }
                    Op::Int(n) => view.push(Value::Int(i64::from(n))),
                    Op::Nil => view.push(Value::Nil),
                    Op::Bool(b) => view.push(Value::Bool(b)),
                    Op::Unspecified => view.push(Value::Unspecified),
                    Op::Capture(index) => view.copy(captured(closure, index)),
                    Op::LocalCell(slot) => push!(early!(content(&*view.local(slot)))),
                    Op::CaptureCell(index) => push!(early!(content(captured(closure, index)))),
                    Op::SetLocalCell(slot) => set_content(&*view.local(slot), view.pop()),
                    Op::SetCaptureCell(index) => set_content(captured(closure, index), view.pop()),
                    Op::Box(slot) => {
                        let place = view.local(slot);
                        place.write(Value::Cell(Rc::new(place.read().into())));
                    }
                    Op::SetLocal(slot) => {
                        let words = view.pop_words();
                        discard(view.local(slot));
                        words.put(view.local(slot));
                    }
                    Op::Global(index) => {
                        let global = proto_of(closure).globals.get_unchecked(index as usize);
                        match &*global.state.as_ptr() {
                            State::Value(value) => view.copy(value),
                            _ => {
                                let global = global.clone();
                                leave!(self.need_at_previous(&global));
                            }
                        }
                    }
                    Op::SetGlobal(index) => {
                        let value = view.pop();
                        super::global::set(proto_of(closure).globals.get_unchecked(index as usize), value);
                    }
                    Op::This => {
                        Rc::increment_strong_count(closure);
                        view.push(Value::Closure(Rc::from_raw(closure)));
                    }
                    Op::Sibling(index) => view.push(slow::sibling(&*closure, index)),
                    Op::Closure(index, captures) => {
                        let proto = proto_of(closure).protos.get_unchecked(index as usize).clone();
                        let environment = if captures == 0 {
                            self.nothing.clone()
                        } else {
                            let values = view.pop_many(captures);
                            Rc::new(Environment { values, group: Box::default() })
                        };
                        view.push(Value::Closure(Rc::new(Closure { proto, environment })));
                    }
                    Op::Pop => view.drop_top(1),
                    Op::Slide(count) => {
                        let words = view.pop_words();
                        view.drop_top(count);
                        view.put(words);
                    }
                    Op::Jump(target) => jump!(target),
                    Op::JumpIfFalse(target) => jump_unless_top!((*view.nth(1)).is_true(), target),
                    Op::JumpIfTrue(target) => jump_unless_top!(!(*view.nth(1)).is_true(), target),
                    Op::JumpUnlessAbsent(slot, target) => {
                        jump_unless!(matches!(&*view.local(slot), Value::Absent), target);
                    }
                    Op::Loop(count, slot, target) => {
                        view.move_down(slot, count.into());
                        jump!(target);
                        if self.steps > 1 {
                            self.steps -= 1;
                        } else {
                            leave!(self.check_limits().map(|()| Flow::Run));
                        }
                    }
                    Op::CallGlobal(index, count) => {
                        let global = proto_of(closure).globals.get_unchecked(index as usize);
                        match &*global.state.as_ptr() {
                            State::Value(Value::Closure(callee)) if enters!(callee, count) => {
                                call_borrowed!(callee, count);
                            }
                            _ => {
                                leave!(self.call_global(index as usize, count as usize, false));
                            }
                        }
                    }
                    Op::TailCallGlobal(index, count) => {
                        let global = proto_of(closure).globals.get_unchecked(index as usize);
                        match &*global.state.as_ptr() {
                            State::Value(Value::Closure(callee)) if enters!(callee, count) => {
                                tail_call_borrowed!(callee, count);
                            }
                            _ => {
                                leave!(self.call_global(index as usize, count as usize, true));
                            }
                        }
                    }
                    Op::CallLocal(slot, count) => match &*view.local(slot) {
                        Value::Closure(callee) if enters!(callee, count) => call_borrowed!(callee, count),
                        Value::Native(native) if accepts(native, count as usize) => {
                            push!(native!(native, count));
                        }
                        callee => {
                            let callee = callee.clone();
                            leave!(self.call_slowly(callee, count as usize, false));
                        }
                    },
                    Op::CallThis(count) => {
                        if enters!(&*closure, count) {
                            wait!(None);
                            start!(count);
                        } else {
                            leave!(self.call_this(count as usize, false));
                        }
                    }
                    Op::CallThisPlus(slot, n, count) => {
                        if let Value::Int(a) = &*view.local(slot.into())
                            && let Some(sum) = a.checked_add(i64::from(n))
                            && enters!(&*closure, count)
                        {
                            view.push(Value::Int(sum));
                            pc = pc.add(2);
                            wait!(None);
                            start!(count);
                        }
                    }
                    Op::TailCallThis(count) => {
                        if enters!(&*closure, count) {
                            view.move_down(0, count);
                            start!(count);
                        } else {
                            leave!(self.call_this(count as usize, true));
                        }
                    }
                    Op::Call(count) => match view.pop() {
                        Value::Closure(callee) if enters!(callee, count) => {
                            let callee = Rc::into_raw(callee);
                            wait!(Some(Rc::from_raw(closure)));
                            begin!(callee, count);
                        }
                        Value::Native(native) if accepts(native, count as usize) => {
                            push!(native!(native, count));
                        }
                        callee => {
                            leave!(self.call_slowly(callee, count as usize, false));
                        }
                    },
                    Op::TailCall(count) => match view.pop() {
                        Value::Closure(callee) if enters!(callee, count) => {
                            let callee = Rc::into_raw(callee);
                            view.move_down(0, count);
                            replace!();
                            begin!(callee, count);
                        }
                        Value::Native(native) if accepts(native, count as usize) => {
                            push!(native!(native, count));
                            give_back!(view.pop_words());
                        }
                        callee => {
                            leave!(self.call_slowly(callee, count as usize, true));
                        }
                    },
                    Op::CallNative(index, count) => {
                        push!(native!(*proto_of(closure).natives.get_unchecked(index as usize), count));
                    }
                    Op::Return => give_back!(view.pop_words()),
                    Op::ReturnSum => {
                        if let (Value::Int(a), Value::Int(b)) = (&*view.nth(2), &*view.nth(1))
                            && let Some(sum) = a.checked_add(*b)
                        {
                            view.top = view.nth(2);
                            give_back!(Words::of(Value::Int(sum)));
                        }
                    }
                    Op::ReturnLocal(slot) => {
                        let words = view.drop_all_but(slot);
                        go_back!(words);
                    }
                    Op::Group(..) | Op::CaseClosure(_) | Op::Promise | Op::Gexp(_) | Op::Record(_) => {
                        check!(outside!(self.make(*op, proto_of(closure))));
                    }
                    Op::Car => part!(car),
                    Op::Cdr => part!(cdr),
                    Op::LocalCar(slot) => local_part!(car, slot),
                    Op::LocalCdr(slot) => local_part!(cdr, slot),
                    Op::Cons => {
                        let cdr = view.pop();
                        let car = view.pop();
                        view.push(Value::cons(car, cdr));
                    }
                    Op::Reverse => match reuse::reverse(view.pop()) {
                        Ok(value) => view.push(value),
                        Err(value) => {
                            view.push(value);
                            fallback!(reverse, 1);
                        }
                    },
                    Op::Append => {
                        let (tail, list) = (view.pop(), view.pop());
                        match reuse::append(list, tail) {
                            Ok(value) => view.push(value),
                            Err((list, tail)) => {
                                view.push(list);
                                view.push(tail);
                                fallback!(append, 2);
                            }
                        }
                    }
                    Op::Not => answer!(!(*view.nth(1)).is_true(), 1),
                    Op::IsNull => answer!((*view.nth(1)).is_null(), 1),
                    Op::IsPair => answer!(matches!(&*view.nth(1), Value::Pair(_)), 1),
                    Op::IsEq => answer!(same(&*view.nth(2), &*view.nth(1)), 2),
                    Op::Add => arithmetic!(add, checked_add, +),
                    Op::Sub => arithmetic!(sub, checked_sub, -),
                    Op::Mul => arithmetic!(mul, checked_mul, *),
                    Op::Less => compare!(less, <),
                    Op::LessEq => compare!(less_eq, <=),
                    Op::Greater => compare!(greater, >),
                    Op::GreaterEq => compare!(greater_eq, >=),
                    Op::NumEq => compare!(num_eq, ==),
                    Op::AddInt(n) => {
                        let place = view.nth(1);
                        match &*place {
                            Value::Int(a) if let Some(sum) = a.checked_add(i64::from(n)) => {
                                place.write(Value::Int(sum));
                            }
                            _ => {
                                push!(check!(outside!(self.add_int(n))));
                            }
                        }
                    }
                    Op::LocalAddInt(slot, n) => match &*view.local(slot) {
                        Value::Int(a) if let Some(sum) = a.checked_add(i64::from(n)) => {
                            view.push(Value::Int(sum));
                        }
                        other => {
                            view.push(other.clone());
                            push!(check!(outside!(self.add_int(n))));
                        }
                    },
                    Op::JumpUnlessNull(target) => {
                        jump_unless_top!((*view.nth(1)).is_null(), target)
                    }
                    Op::JumpUnlessPair(target) => {
                        jump_unless_top!(matches!(&*view.nth(1), Value::Pair(_)), target)
                    }
                    Op::JumpUnlessLocalNull(slot, target) => {
                        jump_unless!((*view.local(slot)).is_null(), target);
                    }
                    Op::JumpUnlessLocalPair(slot, target) => {
                        jump_unless!(matches!(&*view.local(slot), Value::Pair(_)), target);
                    }
                    Op::JumpUnlessLess(target) => compare_jump!(less, <, target),
                    Op::JumpUnlessLessEq(target) => compare_jump!(less_eq, <=, target),
                    Op::JumpUnlessGreater(target) => compare_jump!(greater, >, target),
                    Op::JumpUnlessGreaterEq(target) => compare_jump!(greater_eq, >=, target),
                    Op::JumpUnlessNumEq(target) => compare_jump!(num_eq, ==, target),
                    Op::JumpUnlessEq(target) => {
                        jump_unless!(same(&*view.nth(2), &*view.nth(1)), target);
                        view.drop_top(2);
                    }
                    Op::JumpUnlessLocalLessInt(slot, n, target) => {
                        compare_local_jump!(less, <, slot, n, target);
                    }
                    Op::JumpUnlessLocalNumEqInt(slot, n, target) => {
                        compare_local_jump!(num_eq, ==, slot, n, target);
                    }
                }
            }
        }
    }
}
