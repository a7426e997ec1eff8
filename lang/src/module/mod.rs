//! Modules: tables of definitions that are evaluated when first used.
//!
//! A module is loaded (read and scanned, nothing evaluated) at the first reference into it. Scanning finds what each
//! top-level form defines; a form headed by a name that is no definition may be the use of a macro and waits until a
//! name is looked up in vain. So imports may be cyclic, and whether a name is a macro is known before
//! anything runs. A definition is expanded, compiled and run at its first use.

mod absent;
mod base;
mod epoch;
mod error;
mod interface;
mod name;
mod outline;
mod prelude;
mod scan;
mod world;

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
};

use rustc_hash::FxHashMap;

pub(crate) use self::{
    base::{Base, SPECIALS, Special},
    epoch::{ALWAYS, Epochs},
    error::unbound,
    interface::Import,
    prelude::{PRELUDE_MODULE, files as prelude_files, read as read_prelude},
    world::{Denotation, Noted, World},
};
pub use self::{
    name::ModuleName,
    outline::{Defines, ModuleOutline, Outlined, OutlinedForm},
};
use crate::{
    datum::Datum,
    expand::Macro,
    reader,
    span::{FileId, Span},
    symbol::Symbol,
    value::Value,
};

/// The number of a module within an interpreter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ModuleId(pub u32);

/// The definition of a name in a module.
pub struct Global {
    /// Its name.
    pub name: Symbol,
    /// Its module.
    pub module: ModuleId,
    /// Where its name is written.
    pub span: Span,
    /// What is known of its value.
    pub state: RefCell<State>,
}

/// What is known of a definition's value.
pub enum State {
    /// The value.
    Value(Value),
    /// Not evaluated yet.
    Defined(Rc<Definition>),
    /// Being evaluated.
    Running(Rc<Definition>),
    /// Referred to, but not defined so far.
    Unbound,
    /// Defined twice, at these places.
    Duplicate(Span, Span),
}

/// How a definition is written.
pub enum Definition {
    /// A whole form: `(define (f x) …)`.
    Form(Rc<Datum>),
    /// The expression alone.
    Expression(Rc<Datum>),
    /// The default of a record's field, as a procedure of the record if it is named, else without arguments.
    Default(Rc<Datum>, Option<Symbol>),
    /// A form of the prelude that is not read yet.
    Prelude(usize),
    /// A whole form that is not read yet.
    Unread(FileId, reader::outline::Form),
}

/// What a name means at the top level.
#[derive(Clone)]
pub(crate) enum Binding {
    /// A definition.
    Variable(Rc<Global>),
    /// A procedure of the base environment, or another constant.
    Constant(Value),
    /// A macro whose definition was not looked at yet: a whole `define-syntax` or `define-syntax-rule` form.
    Syntax(Rc<Datum>),
    /// A macro of the prelude that is not read yet.
    PreludeSyntax(usize),
    /// A macro whose definition is not read yet.
    UnreadSyntax(FileId, reader::outline::Form),
    /// A macro.
    Macro(Rc<Macro>),
    /// A form of the language.
    Special(Special),
}

/// A module.
pub(crate) struct Module {
    /// Its name.
    pub name: ModuleName,
    /// Where its interface is declared.
    pub span: Option<Span>,
    /// What it defines.
    pub table: FxHashMap<Symbol, Binding>,
    /// What it imports, in order.
    pub imports: Vec<Import>,
    /// The names it exports: outside name → inside name and where that is said.
    pub exports: FxHashMap<Symbol, (Symbol, Span)>,
    /// Whether it exports all that it defines.
    pub exports_all: bool,
    /// Whether names that mean nothing yet may be defined later: it is a program or a prompt.
    pub open: bool,
    /// Whether definitions may be replaced by later ones.
    pub replaceable: bool,
    /// Whether it stands for the base environment: `(srfi srfi-1)`.
    pub is_base: bool,
    /// Its forms that are not plain declarations, in order.
    pub forms: Vec<TopForm>,
    /// The forms that may be uses of macros.
    pub pending: Vec<PendingForm>,
    /// Whether the pending forms are being expanded.
    pub expanding: bool,
    /// The number of expansions that led to the form being scanned.
    pub generation: u32,
    /// Names that were looked up beyond the table.
    pub cache: FxHashMap<Symbol, Binding>,
}

/// A form that a program runs.
#[derive(Clone)]
pub(crate) enum TopForm {
    /// A definition.
    Definition(Rc<Global>),
    /// An expression.
    Expression(Rc<Datum>),
    /// A form that may be the use of a macro: resolved to what stands at that index of `pending`.
    Pending(usize),
}

/// A form that may be the use of a macro.
pub(crate) enum PendingForm {
    /// Not looked at yet; with the number of expansions that led to it.
    Waiting(Rc<Datum>, u32),
    /// What it turned out to be.
    Resolved(Vec<TopForm>),
}

impl Module {
    fn new(name: ModuleName) -> Self {
        Module {
            name,
            span: None,
            table: FxHashMap::default(),
            imports: Vec::new(),
            exports: FxHashMap::default(),
            exports_all: true,
            open: false,
            replaceable: false,
            is_base: false,
            forms: Vec::new(),
            pending: Vec::new(),
            expanding: false,
            generation: 0,
            cache: FxHashMap::default(),
        }
    }
}

impl Global {
    pub(crate) fn new(name: Symbol, module: ModuleId, span: Span, state: State) -> Rc<Self> {
        Rc::new(Global { name, module, span, state: RefCell::new(state) })
    }

    /// Returns the value if it is known.
    pub fn value(&self) -> Option<Value> {
        match &*self.state.borrow() {
            State::Value(value) => Some(value.clone()),
            _ => None,
        }
    }
}

/// Where an import leads once it is known.
pub(crate) type Target = OnceCell<Option<ModuleId>>;
