//! Frames: what the machine does with a value that is returned.

use std::rc::Rc;

use crate::{
    code::Op,
    diagnostic::Diagnostic,
    module::Global,
    native::Raise,
    procedure::{Closure, Parameter, Procedure, Promise},
    value::Value,
};

/// One level of the machine's own stack of calls.
pub(super) enum Frame {
    /// Goes on in a procedure: the procedure, its next instruction, its place on the value stack. `None` is the
    /// procedure that runs when this level is the topmost one: a call of itself has no reference to count.
    Call(Option<Rc<Closure>>, *const Op, u32),
    /// Does something with the value.
    Mark(Mark),
}

/// What is done with a returned value, or when the level is left in another way.
pub(super) enum Mark {
    /// Hands it to Rust.
    Boundary,
    /// It is a definition's value. With `again`, the instruction that wanted it is carried out again.
    Global { global: Rc<Global>, floor: u32, again: bool },
    /// It is a promise's value.
    Promise(Rc<Promise>),
    /// It is what a procedure returns for these arguments.
    Memo(Box<(Rc<Procedure>, Value)>),
    /// So many parameters get their former values.
    Parameters(usize),
    /// It is passed to a procedure, several values as several arguments.
    Consumer(Value),
    /// Calls a procedure of no argument, then returns the value. Also when the level is left in another way.
    Wind { after: Value, height: u32 },
    /// The first procedure of `dynamic-wind` has returned: calls the second one, then the third.
    WindStart(Box<(Value, Value)>),
    /// Drops the returned value and returns this one.
    Instead(Value),
    /// A handler that is called where something is raised.
    Handler(Value),
    /// A handler that is called after leaving.
    Guard { handler: Value, height: u32 },
    /// A handler for a key, called after leaving.
    Catch(Box<Catch>),
    /// While a handler runs, only the handlers below that level are active. With a diagnostic, it must not return.
    Handling { below: usize, fault: Option<Box<Diagnostic>> },
    /// The end of an escape.
    Escape { escape: Rc<Procedure>, height: u32 },
    /// Goes on with leaving levels.
    Unwinding(Box<Unwinding>),
    /// The converter of a parameter has returned: goes on with the others.
    Converting(Box<Converting>),
    /// Makes a parameter of the value.
    NewParameter(Value),
}

/// A handler for a key.
pub(super) struct Catch {
    /// The key, or `#t` for all.
    pub key: Value,
    /// The handler.
    pub handler: Value,
    /// The height of the value stack.
    pub height: u32,
}

/// Levels are being left.
pub(super) struct Unwinding {
    /// How many levels stay.
    pub target: usize,
    /// The height of the value stack then.
    pub height: u32,
    /// What comes then.
    pub then: Then,
}

/// What comes after leaving levels.
pub(super) enum Then {
    /// Returns a value.
    Return(Value),
    /// Calls a procedure.
    Call(Value, Vec<Value>),
}

/// Parameters are getting new values.
pub(super) struct Converting {
    /// Parameters with their new values.
    pub done: Vec<(Rc<Parameter>, Value)>,
    /// The parameter whose value is being converted.
    pub current: Rc<Parameter>,
    /// Those that remain, last first.
    pub todo: Vec<(Rc<Parameter>, Value)>,
    /// What is called with all of them.
    pub thunk: Value,
}

/// Why a program cannot go on.
pub(super) enum Fault {
    /// A native's error, or a value raised by the program.
    Raise(Raise),
    /// An error with its diagnostics; never empty.
    Diagnostics(Vec<Diagnostic>),
    /// A value that is raised again, with its first diagnostic.
    Again(Value, Box<Diagnostic>),
}

impl From<Raise> for Fault {
    fn from(raise: Raise) -> Self {
        Fault::Raise(raise)
    }
}

impl From<crate::expand::Failure> for Fault {
    fn from(failure: crate::expand::Failure) -> Self {
        Fault::Diagnostics(failure.0)
    }
}

impl From<Diagnostic> for Fault {
    fn from(diagnostic: Diagnostic) -> Self {
        Fault::Diagnostics(vec![diagnostic])
    }
}

/// What comes next after something was called or returned.
pub(super) enum Flow {
    /// The registers say.
    Run,
    /// This value is returned to the topmost level.
    Return(Value),
    /// The machine is done.
    Done(Value),
}
