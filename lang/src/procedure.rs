//! Procedures and what else the machine makes at run time.
//!
//! A [`Closure`] is code and the values it captured; variables that `set!` changes are captured as
//! [`Value::Cell`]. A [`Primitive`] is carried out by the machine itself, since it calls other procedures. A
//! [`Procedure`] is any other thing that can be called.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::{
    code::Proto, equal::Equality, record::RecordType, release::release, symbol::Symbol, table::Table,
    value::Value,
};

/// A procedure written in the language.
pub struct Closure {
    /// Its code.
    pub proto: Rc<Proto>,
    /// What it captured. Procedures that were defined together share it.
    pub environment: Rc<Environment>,
}

/// What procedures captured.
#[derive(Default)]
pub struct Environment {
    /// The values.
    pub values: Box<[Value]>,
    /// The code of all procedures of the group; empty where there is only one.
    pub group: Box<[Rc<Proto>]>,
}

/// A dynamic parameter.
pub struct Parameter {
    /// Its value outside of any `parameterize`.
    pub value: RefCell<Value>,
    /// What `parameterize` applies to new values.
    pub converter: Option<Value>,
}

/// A delayed expression.
pub struct Promise {
    /// What is known of it.
    pub state: RefCell<PromiseState>,
}

/// What is known of a promise.
pub enum PromiseState {
    /// Not forced yet: a procedure without arguments.
    Delayed(Value),
    /// Being forced.
    Running(Value),
    /// Forced.
    Done(Value),
}

/// A procedure that is neither plain code nor a constant one.
pub enum Procedure {
    /// `case-lambda`: the first closure that takes the arguments.
    Case(Vec<Rc<Closure>>),
    /// A procedure that remembers its results.
    Memo(Memo),
    /// Leaves the call of `call/ec` that made it.
    Escape(Escape),
    /// Makes a record from its eager fields in the order of the places given.
    Constructor(Rc<RecordType>, Vec<usize>),
    /// Whether a value is a record of the type.
    Predicate(Rc<RecordType>),
    /// Returns a field.
    Accessor(Rc<RecordType>, usize),
    /// Changes a field.
    Modifier(Rc<RecordType>, usize),
}

/// A procedure that remembers its results.
pub struct Memo {
    /// The procedure.
    pub procedure: Value,
    /// How arguments are compared.
    pub equality: Equality,
    /// The results by the list of arguments; [`Value::Absent`] while one is being computed.
    pub results: RefCell<Table>,
}

/// A way out of a call.
pub struct Escape {
    /// Tells the calls apart.
    pub id: u64,
    /// Whether the call is still going on.
    pub live: Cell<bool>,
}

/// Procedures that the machine carries out itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Primitive {
    /// `(apply f a … list)`
    Apply,
    /// `(call-with-values producer consumer)`
    CallWithValues,
    /// `(values …)`
    Values,
    /// `(force promise)`
    Force,
    /// `(dynamic-wind before thunk after)`
    DynamicWind,
    /// `(with-exception-handler handler thunk [#:unwind? #f])`
    WithExceptionHandler,
    /// `(raise object)`
    Raise,
    /// `(raise-continuable object)`
    RaiseContinuable,
    /// `(%guard handler thunk)`: calls the handler with the object after leaving the thunk.
    Guard,
    /// `(%reraise object)`: raises again what a guard did not take, with its first place and trace.
    Reraise,
    /// `(catch key thunk handler [pre-unwind])`
    Catch,
    /// `(call-with-escape-continuation f)`, also `call/ec` and `call/cc`, which is for escaping only.
    CallEscape,
    /// `(%with-parameters parameters values thunk)`
    WithParameters,
    /// `(make-parameter value [converter])`
    MakeParameter,
    /// `(%memoize f)`, by `equal?`
    Memoize,
    /// `(%memoizeq f)`, by `eq?`
    MemoizeIdentity,
    /// `(%module-ref module-name name)`
    ModuleRef,
}

impl Closure {
    /// Returns the name it was defined with.
    pub fn name(&self) -> Option<Symbol> {
        self.proto.name
    }
}

impl Primitive {
    /// All of them.
    pub const ALL: [Primitive; 17] = [
        Primitive::Apply,
        Primitive::CallWithValues,
        Primitive::Values,
        Primitive::Force,
        Primitive::DynamicWind,
        Primitive::WithExceptionHandler,
        Primitive::Raise,
        Primitive::RaiseContinuable,
        Primitive::Guard,
        Primitive::Reraise,
        Primitive::Catch,
        Primitive::CallEscape,
        Primitive::WithParameters,
        Primitive::MakeParameter,
        Primitive::Memoize,
        Primitive::MemoizeIdentity,
        Primitive::ModuleRef,
    ];

    /// Returns its names in the language, the usual one first.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Primitive::Apply => &["apply"],
            Primitive::CallWithValues => &["call-with-values"],
            Primitive::Values => &["values"],
            Primitive::Force => &["force"],
            Primitive::DynamicWind => &["dynamic-wind"],
            Primitive::WithExceptionHandler => &["with-exception-handler"],
            Primitive::Raise => &["raise", "raise-exception"],
            Primitive::RaiseContinuable => &["raise-continuable"],
            Primitive::Guard => &["%guard"],
            Primitive::Reraise => &["%reraise"],
            Primitive::Catch => &["catch", "with-throw-handler"],
            Primitive::CallEscape => {
                &["call-with-escape-continuation", "call/ec", "call/cc", "call-with-current-continuation"]
            }
            Primitive::WithParameters => &["%with-parameters"],
            Primitive::MakeParameter => &["make-parameter"],
            Primitive::Memoize => &["%memoize"],
            Primitive::MemoizeIdentity => &["%memoizeq"],
            Primitive::ModuleRef => &["%module-ref"],
        }
    }

    /// Returns its usual name.
    pub fn name(self) -> &'static str {
        self.names().first().copied().unwrap_or("")
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        for value in &mut self.values {
            release(std::mem::replace(value, Value::Nil));
        }
    }
}

impl Drop for Memo {
    fn drop(&mut self) {
        release(std::mem::replace(&mut self.procedure, Value::Nil));
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        match std::mem::replace(self.state.get_mut(), PromiseState::Done(Value::Nil)) {
            PromiseState::Delayed(value) | PromiseState::Running(value) | PromiseState::Done(value) => {
                release(value);
            }
        }
    }
}
