//! The code of one procedure while it is being emitted.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::{
    code::{Arity, GexpTemplate, Op, Proto, RecordTemplate, SMALL},
    core_form::Var,
    module::Global,
    native::Native,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{last_use::take_last_uses, verify::Code};

/// Where a variable is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the frame.
    Slot(u32),
    /// Among the captured values.
    Capture(u32),
    /// It is the running procedure.
    This,
    /// It is a procedure of the running one's group.
    Sibling(u32),
    /// It is no value but a place in the code.
    Label(usize),
}

/// A local procedure that became a place in the code.
pub(super) struct Label {
    /// The depth of the stack below its arguments.
    pub base: u32,
    /// Where its code begins, once emitted.
    pub start: Option<usize>,
    /// Jumps to it that were emitted before.
    pub jumps: Vec<usize>,
}

/// A procedure being emitted.
pub(super) struct Function {
    name: Option<Symbol>,
    span: Span,
    code: Vec<Op>,
    spans: Vec<(u32, Span)>,
    early: Vec<(u32, Symbol)>,
    constants: Vec<Value>,
    globals: Vec<Rc<Global>>,
    global_places: FxHashMap<*const Global, u32>,
    natives: Vec<&'static Native>,
    protos: Vec<Rc<Proto>>,
    gexps: Vec<GexpTemplate>,
    records: Vec<RecordTemplate>,
    places: FxHashMap<Var, Place>,
    /// The number of values in the frame.
    pub depth: u32,
    /// The most there were.
    height: u32,
    /// The number of values before each instruction.
    depths: Vec<u32>,
    /// What is captured, in order; shared by a group.
    pub captures: Vec<Var>,
    /// The variable that is the procedure itself.
    pub this: Option<Var>,
    /// The definition whose value is the procedure itself, for good.
    pub own: Option<*const Global>,
    /// The variables that are procedures of its group.
    pub siblings: Vec<Var>,
    /// Local procedures that became jumps.
    pub labels: Vec<Label>,
}

fn index(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Function {
    pub fn new(name: Option<Symbol>, span: Span) -> Self {
        Function {
            name,
            span,
            code: Vec::new(),
            spans: Vec::new(),
            early: Vec::new(),
            constants: Vec::new(),
            globals: Vec::new(),
            global_places: FxHashMap::default(),
            natives: Vec::new(),
            protos: Vec::new(),
            gexps: Vec::new(),
            records: Vec::new(),
            places: FxHashMap::default(),
            depth: 0,
            height: 0,
            depths: Vec::new(),
            captures: Vec::new(),
            this: None,
            own: None,
            siblings: Vec::new(),
            labels: Vec::new(),
        }
    }

    pub fn finish(mut self, arity: Arity) -> Proto {
        take_last_uses(&mut self.code, &self.depths);
        let places = arity.places();
        let plain = arity.optional == 0 && arity.keys.is_empty() && !arity.rest;
        let height = self.height.max(index(places));
        let code = Code {
            code: &self.code,
            depths: &self.depths,
            places: index(places),
            height,
            constants: self.constants.len(),
            globals: self.globals.len(),
            natives: &self.natives,
            protos: &self.protos,
            gexps: &self.gexps,
            records: &self.records,
        };
        assert_eq!(code.flaw(), None, "the compiler keeps to the rules of code: {:?}", self.code);
        self.make_relative();
        Proto {
            name: self.name,
            span: self.span,
            arity,
            plain,
            takes: if plain && height <= SMALL { index(places) } else { u32::MAX },
            height,
            captures: wanted(&self.code),
            code: self.code.into(),
            spans: self.spans.into(),
            early: self.early.into(),
            constants: self.constants.into(),
            globals: self.globals.into(),
            natives: self.natives.into(),
            protos: self.protos.into(),
            gexps: self.gexps.into(),
            records: self.records.into(),
        }
    }

    /// Makes the targets of jumps distances.
    fn make_relative(&mut self) {
        for (at, op) in self.code.iter_mut().enumerate() {
            if let Some(target) = op.target_mut() {
                let distance = i64::from(*target) - i64::from(index(at + 1));
                let bytes = distance * size_of::<Op>() as i64;
                *target = i32::try_from(bytes).expect("code is short enough").cast_unsigned();
            }
        }
    }

    /// Appends an instruction and follows its effect on the depth of the stack.
    pub fn emit(&mut self, op: Op) -> usize {
        let before = self.depth;
        self.depth = before.saturating_add_signed(effect(op));
        self.height = self.height.max(before).max(self.depth);
        self.depths.push(before);
        self.code.push(op);
        self.code.len() - 1
    }

    /// Remembers where an instruction was written.
    pub fn mark(&mut self, at: usize, span: Span) {
        self.spans.push((index(at), span));
    }

    /// Remembers which variable an instruction reads, maybe before it has its value.
    pub fn mark_early(&mut self, at: usize, name: Symbol) {
        self.early.push((index(at), name));
    }

    /// Returns the place of the next instruction, to which something will jump.
    pub fn here(&self) -> usize {
        self.code.len()
    }

    /// Lets jumps lead to the next instruction.
    pub fn patch_here(&mut self, jumps: &[usize]) {
        let target = index(self.here());
        for at in jumps {
            if let Some(to) = self.code.get_mut(*at).and_then(Op::target_mut) {
                *to = target;
            }
        }
    }

    pub fn constant(&mut self, value: Value) -> u32 {
        self.constants.push(value);
        index(self.constants.len() - 1)
    }

    pub fn global(&mut self, global: &Rc<Global>) -> u32 {
        let next = index(self.globals.len());
        let place = *self.global_places.entry(Rc::as_ptr(global)).or_insert(next);
        if place == next {
            self.globals.push(global.clone());
        }
        place
    }

    pub fn native(&mut self, native: &'static Native) -> u32 {
        if let Some(found) = self.natives.iter().position(|other| std::ptr::eq(*other, native)) {
            return index(found);
        }
        self.natives.push(native);
        index(self.natives.len() - 1)
    }

    pub fn proto(&mut self, proto: Proto) -> u32 {
        self.protos.push(Rc::new(proto));
        index(self.protos.len() - 1)
    }

    pub fn gexp(&mut self, template: GexpTemplate) {
        let values = template.parts.iter().filter(|part| part.has_value).count() + 2;
        self.gexps.push(template);
        let at = index(self.gexps.len() - 1);
        self.emit(Op::Gexp(at));
        self.depth = self.depth - index(values) + 1;
    }

    pub fn record(&mut self, template: RecordTemplate) {
        let values = template.given.iter().filter(|given| **given).count() + usize::from(template.inherits);
        let span = template.span;
        self.records.push(template);
        let place = index(self.records.len() - 1);
        let at = self.emit(Op::Record(place));
        self.mark(at, span);
        self.depth = self.depth + 1 - index(values);
    }

    /// Says where a variable is.
    pub fn bind(&mut self, var: Var, slot: u32) {
        self.places.insert(var, Place::Slot(slot));
    }

    /// Says that a variable is a place in the code.
    pub fn bind_label(&mut self, var: Var, base: u32) -> usize {
        self.labels.push(Label { base, start: None, jumps: Vec::new() });
        let label = self.labels.len() - 1;
        self.places.insert(var, Place::Label(label));
        label
    }

    /// Returns where a variable is; one of an outer procedure becomes a captured one.
    pub fn place(&mut self, var: Var) -> Place {
        if let Some(place) = self.places.get(&var) {
            return *place;
        }
        if self.this == Some(var) {
            return Place::This;
        }
        if let Some(found) = self.siblings.iter().position(|other| *other == var) {
            return Place::Sibling(index(found));
        }
        if let Some(found) = self.captures.iter().position(|other| *other == var) {
            return Place::Capture(index(found));
        }
        self.captures.push(var);
        Place::Capture(index(self.captures.len() - 1))
    }
}

/// Returns how many captured values code refers to.
fn wanted(code: &[Op]) -> u32 {
    let captured = code.iter().filter_map(|op| match op {
        Op::Capture(index) | Op::CaptureCell(index) | Op::SetCaptureCell(index) => Some(index + 1),
        _ => None,
    });
    captured.max().unwrap_or(0)
}

/// Returns by how much an instruction changes the depth of the stack where it does not leave the code.
pub(super) fn effect(op: Op) -> i32 {
    let signed = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    match op {
        Op::Const(_)
        | Op::Int(_)
        | Op::Nil
        | Op::Bool(_)
        | Op::Unspecified
        | Op::Local(_)
        | Op::Take(_)
        | Op::LocalCell(_)
        | Op::Capture(_)
        | Op::CaptureCell(_)
        | Op::Global(_)
        | Op::This
        | Op::Sibling(_)
        | Op::LocalAddInt(..)
        | Op::LocalCar(_)
        | Op::LocalCdr(_) => 1,
        Op::SetLocalCell(_)
        | Op::SetCaptureCell(_)
        | Op::SetGlobal(_)
        | Op::SetLocal(_)
        | Op::Pop
        | Op::JumpIfFalse(_)
        | Op::JumpIfTrue(_)
        | Op::JumpUnlessNull(_)
        | Op::JumpUnlessPair(_)
        | Op::Cons
        | Op::Append
        | Op::IsEq
        | Op::Add
        | Op::Sub
        | Op::Mul
        | Op::Less
        | Op::LessEq
        | Op::Greater
        | Op::GreaterEq
        | Op::NumEq => -1,
        Op::JumpUnlessLess(_)
        | Op::JumpUnlessLessEq(_)
        | Op::JumpUnlessGreater(_)
        | Op::JumpUnlessGreaterEq(_)
        | Op::JumpUnlessNumEq(_)
        | Op::JumpUnlessEq(_) => -2,
        Op::Closure(_, captures) => 1 - signed(captures),
        Op::Group(_, count, captures) => i32::from(count) - signed(captures),
        Op::CaseClosure(count) => 1 - signed(count),
        Op::Slide(count) => -signed(count),
        Op::Call(count) | Op::TailCall(count) => -signed(count),
        Op::CallGlobal(_, count)
        | Op::TailCallGlobal(_, count)
        | Op::CallLocal(_, count)
        | Op::CallThis(count)
        | Op::TailCallThis(count)
        | Op::CallNative(_, count) => 1 - signed(count),
        Op::Box(_)
        | Op::Jump(_)
        | Op::JumpUnlessAbsent(..)
        | Op::Loop(..)
        | Op::Return
        | Op::ReturnLocal(_)
        | Op::ReturnSum
        | Op::CallThisPlus(..)
        | Op::Reverse
        | Op::Promise
        | Op::Gexp(_)
        | Op::Record(_)
        | Op::Car
        | Op::Cdr
        | Op::Not
        | Op::IsNull
        | Op::IsPair
        | Op::AddInt(_)
        | Op::JumpUnlessLocalNull(..)
        | Op::JumpUnlessLocalPair(..)
        | Op::JumpUnlessLocalLessInt(..)
        | Op::JumpUnlessLocalNumEqInt(..) => 0,
    }
}
