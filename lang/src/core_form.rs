//! Expanded expressions.
//!
//! What remains once macros and the surface forms are gone: variables are numbers that are unique within
//! a definition, globals are the bindings themselves, and every form that can fail knows its place.

use std::rc::Rc;

use crate::{datum::Datum, module::Global, record::RecordType, span::Span, symbol::Symbol, value::Value};

/// The name of the hidden procedures that give several values to a form that binds them, such as `receive`.
pub const VALUES: &str = " values";

/// A variable of a definition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Var(pub u32);

/// What is known of a variable.
#[derive(Clone, Copy, Debug)]
pub struct VarInfo {
    /// Its name.
    pub name: Symbol,
    /// Whether `set!` changes it.
    pub mutated: bool,
}

/// An expanded expression.
pub enum Core {
    /// A constant.
    Const(Value),
    /// The value of a variable.
    Local(Var),
    /// The value of a module's definition.
    Global(Rc<Global>, Span),
    /// Changes a variable.
    SetLocal(Var, Box<Core>),
    /// Changes a module's definition.
    SetGlobal(Rc<Global>, Box<Core>),
    /// A choice.
    If(Box<Core>, Box<Core>, Box<Core>),
    /// A procedure.
    Lambda(Box<Lambda>),
    /// A procedure that chooses by the number of arguments.
    CaseLambda(Vec<Lambda>),
    /// A call.
    Call(Box<Core>, Vec<Core>, Span),
    /// Variables, bound in order.
    Let(Vec<(Var, Core)>, Box<Core>),
    /// Variables that may refer to one another, bound in order.
    Letrec(Vec<(Var, Core)>, Box<Core>),
    /// Expressions in order; the value of the last; never empty.
    Seq(Vec<Core>),
    /// A promise of the body of a procedure without arguments.
    Delay(Box<Lambda>),
    /// Staged code.
    Gexp(Box<GexpForm>),
    /// A new record.
    Record(Box<RecordForm>),
}

/// A procedure.
pub struct Lambda {
    /// The name it is known under.
    pub name: Option<Symbol>,
    /// Where it was written.
    pub span: Span,
    /// The arguments that must be given.
    pub required: Vec<Var>,
    /// The arguments that may be left out, with what they are then; scoped in order.
    pub optional: Vec<(Var, Core)>,
    /// The arguments given by keyword, with what they are when left out; scoped in order after the optional ones.
    pub keys: Vec<(Symbol, Var, Core)>,
    /// The list of other arguments.
    pub rest: Option<Var>,
    /// Whether unknown keywords are ignored.
    pub allow_other_keys: bool,
    /// The body.
    pub body: Core,
}

/// Staged code with the expressions whose values it refers to.
pub struct GexpForm {
    /// The code, references numbered.
    pub template: Rc<Datum>,
    /// The references.
    pub references: Vec<GexpPart>,
    /// The value of `with-imported-modules` around it.
    pub modules: Option<Var>,
    /// The value of `with-extensions` around it.
    pub extensions: Option<Var>,
    /// Where it was written.
    pub span: Span,
}

/// A reference of staged code.
pub struct GexpPart {
    /// The expression, `None` for `#$output`.
    pub value: Option<Core>,
    /// The output's name.
    pub output: Symbol,
    /// Whether it is for the build machine.
    pub native: bool,
    /// Whether its elements are spliced.
    pub splice: bool,
}

/// A new record: a value for each field in order.
pub struct RecordForm {
    /// The type.
    pub record_type: Rc<RecordType>,
    /// The stored value of each field.
    pub fields: Vec<RecordField>,
    /// The record whose fields are inherited, already evaluated.
    pub parent: Option<Var>,
    /// Where it was written.
    pub span: Span,
}

/// Where a field's stored value comes from.
pub enum RecordField {
    /// An expression.
    Value(Core),
    /// The same field of the parent.
    Inherited,
}

impl Core {
    /// The constant that effects return.
    pub fn unspecified() -> Core {
        Core::Const(Value::Unspecified)
    }

    /// Returns the expressions in order.
    pub fn seq(mut forms: Vec<Core>) -> Core {
        match forms.len() {
            0 => Core::unspecified(),
            1 => forms.pop().unwrap_or_else(Core::unspecified),
            _ => Core::Seq(forms),
        }
    }

    /// Returns a call of a constant procedure.
    pub fn call_const(procedure: Value, arguments: Vec<Core>, span: Span) -> Core {
        Core::Call(Box::new(Core::Const(procedure)), arguments, span)
    }

    /// Returns a choice.
    pub fn choose(test: Core, then: Core, otherwise: Core) -> Core {
        Core::If(Box::new(test), Box::new(then), Box::new(otherwise))
    }
}

impl Lambda {
    /// Returns a procedure whose arguments are all required.
    pub fn simple(name: Option<Symbol>, span: Span, required: Vec<Var>, body: Core) -> Lambda {
        Lambda {
            name,
            span,
            required,
            optional: Vec::new(),
            keys: Vec::new(),
            rest: None,
            allow_other_keys: false,
            body,
        }
    }
}
