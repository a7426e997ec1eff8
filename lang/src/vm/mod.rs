//! The machine that runs code.
//!
//! Values and frames lie on two stacks of the machine's own, so that recursion is limited by memory alone and
//! ends in a diagnostic. Natives never call back; what must call procedures is a [`Primitive`] and works with
//! frames. A definition is expanded, compiled and run when an instruction first needs its value, after which the
//! instruction is carried out again.
//!
//! [`Primitive`]: crate::procedure::Primitive

mod apply;
mod arguments;
pub(crate) mod condition;
mod control;
mod error;
mod exception;
mod frame;
mod global;
mod handler;
pub mod natives;
mod nested;
mod run;
mod slow;
mod view;

use std::rc::Rc;

use crate::{
    code::{Arity, Op, Proto},
    diagnostic::Diagnostic,
    expand::Failure,
    module::{Global, ModuleId, World},
    native::Native,
    procedure::{Closure, Environment, Parameter},
    span::{FileId, Span},
    symbol::Symbol,
    value::Value,
};

pub use exception::Exception;
use frame::{Fault, Flow, Frame, Mark};
pub(crate) use nested::nested;

/// How far a program may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most nested calls.
    pub depth: usize,
    /// The most values on the stack.
    pub values: usize,
    /// The most calls and turns of loops.
    pub steps: u64,
    /// The most parts of forms that the macros of one definition may make.
    pub parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { depth: 10_000_000, values: 64_000_000, steps: u64::MAX, parts: 4_000_000 }
    }
}

/// What is running.
struct Registers {
    closure: Rc<Closure>,
    pc: usize,
    base: usize,
}

/// The procedures in Rust behind the instructions, for the cases that these leave out.
struct Inline {
    car: Option<&'static Native>,
    reverse: Option<&'static Native>,
    append: Option<&'static Native>,
    cdr: Option<&'static Native>,
    add: Option<&'static Native>,
    sub: Option<&'static Native>,
    mul: Option<&'static Native>,
    less: Option<&'static Native>,
    less_eq: Option<&'static Native>,
    greater: Option<&'static Native>,
    greater_eq: Option<&'static Native>,
    num_eq: Option<&'static Native>,
}

/// The machine.
pub(crate) struct Machine {
    /// The modules.
    pub world: World,
    /// How far a program may go.
    pub limits: Limits,
    /// The exit code once the program asked to stop.
    pub exit: Option<i32>,
    stack: Vec<Value>,
    frames: Vec<Frame>,
    registers: Registers,
    /// Values that `parameterize` gives.
    dynamics: Vec<(Rc<Parameter>, Value)>,
    /// Values below this place do not count: a definition does not depend on who needs it first.
    floor: usize,
    steps: u64,
    /// Steps beyond these: the program pauses between slices to look for an interruption.
    later_steps: u64,
    /// Ends the program when it is true.
    pub interrupt: Option<std::sync::Arc<std::sync::atomic::AtomicBool>>,
    inline: Inline,
    nothing: Rc<Environment>,
    escapes: u64,
    /// What was last handed to a handler, with its diagnostic, for raising it again.
    caught: Option<(Value, Diagnostic)>,
}

/// How many steps a program takes between two looks for an interruption.
const SLICE: u64 = 100_000;

fn idle() -> Rc<Closure> {
    let span = Span { file: FileId(0), start: 0, end: 0 };
    let proto = Proto {
        name: None,
        span,
        arity: Arity::default(),
        plain: true,
        takes: 0,
        height: 1,
        captures: 0,
        code: Box::new([Op::Unspecified, Op::Return]),
        spans: Box::default(),
        early: Box::default(),
        constants: Box::default(),
        globals: Box::default(),
        natives: Box::default(),
        protos: Box::default(),
        gexps: Box::default(),
        records: Box::default(),
    };
    Rc::new(Closure { proto: Rc::new(proto), environment: Rc::default() })
}

/// Returns a place or height as frames keep it.
fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

impl Machine {
    /// Returns a machine for a world.
    pub fn new(world: World) -> Self {
        let native = |name: &str| match world.base.constant(Symbol::new(name)) {
            Some(Value::Native(native)) => Some(*native),
            _ => None,
        };
        let inline = Inline {
            car: native("car"),
            reverse: native("reverse"),
            append: native("append"),
            cdr: native("cdr"),
            add: native("+"),
            sub: native("-"),
            mul: native("*"),
            less: native("<"),
            less_eq: native("<="),
            greater: native(">"),
            greater_eq: native(">="),
            num_eq: native("="),
        };
        Machine {
            world,
            limits: Limits::default(),
            exit: None,
            stack: Vec::new(),
            frames: Vec::new(),
            registers: Registers { closure: idle(), pc: 0, base: 0 },
            dynamics: Vec::new(),
            floor: 0,
            steps: u64::MAX,
            later_steps: 0,
            interrupt: None,
            inline,
            nothing: Rc::default(),
            escapes: 0,
            caught: None,
        }
    }

    /// Calls a procedure.
    pub fn call(&mut self, procedure: &Value, arguments: Vec<Value>) -> Result<Value, Failure> {
        self.start();
        let count = arguments.len();
        self.stack.extend(arguments);
        let flow = self.apply(procedure.clone(), count);
        self.finish(flow)
    }

    /// Returns a definition's value.
    pub fn force(&mut self, global: &Rc<Global>) -> Result<Value, Failure> {
        if let Some(value) = global.value() {
            return Ok(value);
        }
        self.start();
        let flow = self.need(global, false);
        self.finish(flow)
    }

    /// Expands, compiles and runs an expression at a module's top level.
    pub fn evaluate(&mut self, module: ModuleId, datum: &crate::datum::Datum) -> Result<Value, Failure> {
        let mut expander = crate::expand::Expander::new(&mut self.world);
        let core = expander.expression(datum, &crate::expand::Env::top(module))?;
        let proto = crate::compile::compile(&core, &expander.vars, None, datum.span)?;
        self.evaluate_code(proto)
    }

    /// Runs the code of a procedure without arguments.
    pub fn evaluate_code(&mut self, proto: Rc<Proto>) -> Result<Value, Failure> {
        let closure = Closure { proto, environment: self.nothing.clone() };
        self.call(&Value::Closure(Rc::new(closure)), Vec::new())
    }

    /// Returns how many steps the last program left of its limit.
    pub fn steps_left(&self) -> u64 {
        self.steps.saturating_add(self.later_steps)
    }

    fn start(&mut self) {
        self.stack.clear();
        self.frames.clear();
        self.dynamics.clear();
        self.floor = 0;
        self.steps = self.limits.steps.min(SLICE);
        self.later_steps = self.limits.steps - self.steps;
        self.frames.push(Frame::Mark(Mark::Boundary));
    }

    fn finish(&mut self, flow: Result<Flow, Fault>) -> Result<Value, Failure> {
        let result = self.drive(flow);
        self.abandon(0);
        self.stack.clear();
        self.registers = Registers { closure: idle(), pc: 0, base: 0 };
        self.caught = None;
        result
    }

    /// Runs until the machine is done, handing faults to handlers.
    fn drive(&mut self, mut flow: Result<Flow, Fault>) -> Result<Value, Failure> {
        loop {
            flow = match flow {
                Ok(Flow::Done(value)) => return Ok(value),
                Ok(Flow::Return(value)) => self.give_back(value),
                Ok(Flow::Run) => self.run(),
                Err(fault) => self.handle(fault)?,
            };
        }
    }
}
