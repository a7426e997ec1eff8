//! Compiled code.
//!
//! A procedure's frame is a stretch of the value stack: the arguments, then the local variables and the
//! temporaries in the order in which they were pushed. Operands of instructions are places in the frame, in the captured
//! values or in the tables of the [`Proto`]. Invariant, which the compiler keeps and the machine relies
//! on: every jump leads to an instruction of the same code, every place exists when it is used, and code
//! ends with a return, a tail call or a jump.

use std::rc::Rc;

use crate::{
    core_form::GexpPart, datum::Datum, module::Global, native::Native, record::RecordType, span::Span,
    symbol::Symbol, value::Value,
};

/// The code of a procedure.
pub struct Proto {
    /// The name it was defined with.
    pub name: Option<Symbol>,
    /// Where it was written.
    pub span: Span,
    /// Which arguments it takes.
    pub arity: Arity,
    /// Whether a call with exactly the required arguments needs no arranging.
    pub plain: bool,
    /// How many arguments such a call has; `u32::MAX` if every call needs arranging, or room for more than [`SMALL`] values.
    pub takes: u32,
    /// The most values that its frame holds, the arguments among them.
    pub height: u32,
    /// How many values its closures must have captured.
    pub captures: u32,
    /// The instructions.
    pub code: Box<[Op]>,
    /// Where the instructions that may fail were written, by their place, in order.
    pub spans: Box<[(u32, Span)]>,
    /// The variables read by instructions that may come before their values, by the instruction's place, in order.
    pub early: Box<[(u32, Symbol)]>,
    /// Constants.
    pub constants: Box<[Value]>,
    /// Definitions of modules.
    pub globals: Box<[Rc<Global>]>,
    /// Procedures in Rust.
    pub natives: Box<[&'static Native]>,
    /// Procedures inside of this one.
    pub protos: Box<[Rc<Proto>]>,
    /// Staged code.
    pub gexps: Box<[GexpTemplate]>,
    /// Records to make.
    pub records: Box<[RecordTemplate]>,
}

/// Which arguments a procedure takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arity {
    /// How many must be given.
    pub required: usize,
    /// How many more may be given.
    pub optional: usize,
    /// Those given by keyword.
    pub keys: Box<[Symbol]>,
    /// Whether other arguments are collected in a list.
    pub rest: bool,
    /// Whether unknown keywords are ignored.
    pub allow_other_keys: bool,
}

/// Staged code, without the values it refers to.
pub struct GexpTemplate {
    /// The code.
    pub template: Rc<Datum>,
    /// The references; each with a value takes one from the stack.
    pub parts: Box<[GexpSlot]>,
    /// Where it was written.
    pub span: Span,
}

/// A reference of staged code, without its value.
#[derive(Clone, Copy)]
pub struct GexpSlot {
    /// Whether it has a value: it is not `#$output`.
    pub has_value: bool,
    /// The output's name.
    pub output: Symbol,
    /// Whether it is for the build machine.
    pub native: bool,
    /// Whether its elements are spliced.
    pub splice: bool,
}

impl From<&GexpPart> for GexpSlot {
    fn from(part: &GexpPart) -> Self {
        GexpSlot {
            has_value: part.value.is_some(),
            output: part.output,
            native: part.native,
            splice: part.splice,
        }
    }
}

/// A record to make.
pub struct RecordTemplate {
    /// Its type.
    pub record_type: Rc<RecordType>,
    /// For each field, whether its value is on the stack; else it is the parent's.
    pub given: Box<[bool]>,
    /// Whether there is a parent: on the stack above the fields.
    pub inherits: bool,
    /// Where it was written.
    pub span: Span,
}

/// An instruction. `top` is the top of the stack; "pushes" and "pops" are of the value stack.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// Pushes a constant.
    Const(u32),
    /// Pushes an integer.
    Int(i32),
    /// Pushes the empty list.
    Nil,
    /// Pushes a boolean.
    Bool(bool),
    /// Pushes what effects return.
    Unspecified,
    /// Pushes the variable at a place of the frame.
    Local(u32),
    /// The same where nothing reads the variable afterwards: its place is left empty.
    Take(u32),
    /// Pushes the content of the cell at a place of the frame.
    LocalCell(u32),
    /// Pops into the cell at a place of the frame.
    SetLocalCell(u32),
    /// Wraps the variable at a place of the frame in a cell.
    Box(u32),
    /// Pushes a captured value.
    Capture(u32),
    /// Pushes the content of a captured cell.
    CaptureCell(u32),
    /// Pops into a captured cell.
    SetCaptureCell(u32),
    /// Pushes a definition's value, evaluating it at the first use.
    Global(u32),
    /// Pops into a definition.
    SetGlobal(u32),
    /// Pushes the running procedure.
    This,
    /// Pushes the procedure of the running one's group with that number.
    Sibling(u32),
    /// Pops captured values and pushes a procedure: the number of its code, how many values.
    Closure(u32, u32),
    /// Pops captured values and pushes a group of procedures: first code, how many, how many values.
    Group(u32, u16, u32),
    /// Pops so many procedures and pushes one that chooses among them.
    CaseClosure(u32),
    /// Pops the top.
    Pop,
    /// Drops values below the top.
    Slide(u32),
    /// Goes on elsewhere.
    Jump(u32),
    /// Pops; goes on elsewhere if it is false.
    JumpIfFalse(u32),
    /// Goes on elsewhere unless the variable at a place is absent.
    JumpUnlessAbsent(u32, u32),
    /// Pops into the variable at a place of the frame.
    SetLocal(u32),
    /// Moves the topmost values (how many) down to a place of the frame, drops what was above it, and goes on elsewhere.
    Loop(u16, u32, u32),
    /// Calls the top with so many arguments below it.
    Call(u32),
    /// The same in tail position.
    TailCall(u32),
    /// Calls a definition's value: the definition, how many arguments.
    CallGlobal(u32, u32),
    /// The same in tail position.
    TailCallGlobal(u32, u32),
    /// Calls the variable at a place: the place, how many arguments.
    CallLocal(u32, u32),
    /// Calls the running procedure.
    CallThis(u32),
    /// The same in tail position.
    TailCallThis(u32),
    /// Does what the next two do, a sum and a call of the running procedure with it as the last argument, if it is a small
    /// integer: the place of the variable, what is added, how many arguments.
    CallThisPlus(u16, i32, u32),
    /// Calls a procedure in Rust: its number, how many arguments.
    CallNative(u32, u32),
    /// Returns the top.
    Return,
    /// Returns the variable at a place.
    ReturnLocal(u32),
    /// Does what the next two do, a sum and its return, if both are small integers.
    ReturnSum,
    /// Pops a procedure and pushes a promise of its result.
    Promise,
    /// Pops the values of staged code and pushes it: its number.
    Gexp(u32),
    /// Pops the fields of a record and pushes it: its number.
    Record(u32),
    /// `car` of the top.
    Car,
    /// `cdr` of the top.
    Cdr,
    /// `cons` of the two topmost.
    Cons,
    /// `reverse` of the top.
    Reverse,
    /// `append` of the two topmost.
    Append,
    /// `not` of the top.
    Not,
    /// Whether the top is the empty list.
    IsNull,
    /// Whether the top is a pair.
    IsPair,
    /// Whether the two topmost are the same.
    IsEq,
    /// Sum of the two topmost.
    Add,
    /// Difference of the two topmost.
    Sub,
    /// Product of the two topmost.
    Mul,
    /// Whether the second is `<` the top.
    Less,
    /// Whether the second is `<=` the top.
    LessEq,
    /// Whether the second is `>` the top.
    Greater,
    /// Whether the second is `>=` the top.
    GreaterEq,
    /// Whether the two topmost are equal numbers.
    NumEq,
    /// The top plus an integer.
    AddInt(i32),
    /// The variable at a place plus an integer.
    LocalAddInt(u32, i32),
    /// `car` of the variable at a place.
    LocalCar(u32),
    /// `cdr` of the variable at a place.
    LocalCdr(u32),
    /// Pops; goes on elsewhere unless it is the empty list.
    JumpUnlessNull(u32),
    /// Pops; goes on elsewhere unless it is a pair.
    JumpUnlessPair(u32),
    /// Pops; goes on elsewhere if it is true.
    JumpIfTrue(u32),
    /// Goes on elsewhere unless the variable at a place is the empty list.
    JumpUnlessLocalNull(u32, u32),
    /// Goes on elsewhere unless the variable at a place is a pair.
    JumpUnlessLocalPair(u32, u32),
    /// Pops two; goes on elsewhere unless the second is `<` the top.
    JumpUnlessLess(u32),
    /// Pops two; goes on elsewhere unless the second is `<=` the top.
    JumpUnlessLessEq(u32),
    /// Pops two; goes on elsewhere unless the second is `>` the top.
    JumpUnlessGreater(u32),
    /// Pops two; goes on elsewhere unless the second is `>=` the top.
    JumpUnlessGreaterEq(u32),
    /// Pops two; goes on elsewhere unless they are equal numbers.
    JumpUnlessNumEq(u32),
    /// Pops two; goes on elsewhere unless they are the same.
    JumpUnlessEq(u32),
    /// Goes on elsewhere unless the variable at a place is `<` an integer.
    JumpUnlessLocalLessInt(u16, i32, u32),
    /// Goes on elsewhere unless the variable at a place is that integer.
    JumpUnlessLocalNumEqInt(u16, i32, u32),
}

impl Op {
    /// Returns the instruction with which this one may go on instead of the next. In finished code it is the distance from
    /// the next one in bytes, as a signed number.
    pub fn target(mut self) -> Option<u32> {
        self.target_mut().copied()
    }

    /// The same, to be set.
    pub fn target_mut(&mut self) -> Option<&mut u32> {
        match self {
            Op::Jump(target)
            | Op::JumpIfFalse(target)
            | Op::JumpIfTrue(target)
            | Op::JumpUnlessNull(target)
            | Op::JumpUnlessPair(target)
            | Op::JumpUnlessLess(target)
            | Op::JumpUnlessLessEq(target)
            | Op::JumpUnlessGreater(target)
            | Op::JumpUnlessGreaterEq(target)
            | Op::JumpUnlessNumEq(target)
            | Op::JumpUnlessEq(target)
            | Op::JumpUnlessAbsent(_, target)
            | Op::JumpUnlessLocalNull(_, target)
            | Op::JumpUnlessLocalPair(_, target)
            | Op::JumpUnlessLocalLessInt(_, _, target)
            | Op::JumpUnlessLocalNumEqInt(_, _, target)
            | Op::Loop(_, _, target) => Some(target),
            _ => None,
        }
    }
}

/// The most values of a small frame, for which a call makes sure of room without looking at how many they are.
pub const SMALL: u32 = 256;

impl Proto {
    /// Returns the number of the instruction to which a pointer into the code points.
    pub fn index_of(&self, op: *const Op) -> usize {
        (op.addr() - self.code.as_ptr().addr()) / size_of::<Op>()
    }

    /// Returns the variable that the instruction at a place reads, if that may come before its value.
    pub fn early_at(&self, place: usize) -> Option<Symbol> {
        let place = u32::try_from(place).ok()?;
        let index = self.early.binary_search_by_key(&place, |(at, _)| *at).ok()?;
        self.early.get(index).map(|(_, name)| *name)
    }

    /// Returns where the instruction at a place was written.
    pub fn span_at(&self, place: usize) -> Option<Span> {
        let place = u32::try_from(place).ok()?;
        let index = self.spans.binary_search_by_key(&place, |(at, _)| *at).ok()?;
        self.spans.get(index).map(|(_, span)| *span)
    }
}

impl Arity {
    /// Returns the number of places that arguments take in a frame.
    pub fn places(&self) -> usize {
        self.required + self.optional + self.keys.len() + usize::from(self.rest)
    }

    /// Says how many arguments are taken: `1 argument`, `2 to 3 arguments`.
    pub fn describe(&self) -> String {
        let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
        if self.rest || !self.keys.is_empty() {
            return format!("at least {} {}", self.required, plural(self.required));
        }
        match self.optional {
            0 if self.required == 0 => "no arguments".to_owned(),
            0 => format!("{} {}", self.required, plural(self.required)),
            _ => format!("{} to {} arguments", self.required, self.required + self.optional),
        }
    }
}
