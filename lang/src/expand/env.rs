//! What names mean where.
//!
//! A [`Scope`] holds the names of one binding form; scopes are linked outwards and end at a module. Hygiene is
//! by renaming: a name that a macro's template introduces becomes an *alias*, a fresh name that remembers the original
//! and the macro's own [`Env`]. Looking up an alias first looks for a binding of the alias itself (the macro
//! introduced that binder too), then for the original where the macro was defined. Quoting turns
//! aliases back into the names they stand for.

use std::{cell::RefCell, rc::Rc};

use smallvec::SmallVec;

use crate::{
    core_form::Var,
    datum::{Datum, DatumKind},
    module::ModuleId,
    symbol::Symbol,
};

use super::macros::Macro;

/// Where a form stands: the scopes around it and its module.
#[derive(Clone)]
pub(crate) struct Env {
    /// The module at the end of the scopes.
    pub module: ModuleId,
    /// The innermost scope.
    pub scope: Option<Rc<Scope>>,
}

/// The names of one binding form.
pub(crate) struct Scope {
    parent: Option<Rc<Scope>>,
    entries: RefCell<SmallVec<[(Symbol, Local); 4]>>,
    mark: Option<Mark>,
}

impl Drop for Scope {
    fn drop(&mut self) {
        // Without recursion: scopes may be nested by the thousand.
        let mut parent = self.parent.take();
        while let Some(scope) = parent {
            parent = Rc::try_unwrap(scope).ok().and_then(|mut scope| scope.parent.take());
        }
    }
}

/// What a scope says besides names.
#[derive(Clone)]
pub(crate) enum Mark {
    /// The record being made, for the type defined in that module under that name.
    This(ModuleId, Symbol, Var),
    /// The modules that `with-imported-modules` attaches to the staged code inside.
    ImportedModules(Var),
    /// The extensions that `with-extensions` attaches.
    Extensions(Var),
}

/// What a name means inside of scopes.
#[derive(Clone)]
pub(crate) enum Local {
    /// A variable.
    Variable(Var),
    /// A macro.
    Macro(Rc<Macro>),
    /// A constant, such as the accessor of a record type defined in a body.
    Constant(crate::value::Value),
}

/// A name that a macro's template introduced.
pub(crate) struct Alias {
    /// What it was in the template; may itself be an alias.
    pub original: Symbol,
    /// Where the macro was defined.
    pub env: Env,
}

/// All aliases of an interpreter.
#[derive(Default)]
pub(crate) struct Aliases(Vec<Alias>);

impl Aliases {
    /// Returns a fresh alias.
    pub fn fresh(&mut self, original: Symbol, env: Env) -> Symbol {
        let index = u32::try_from(self.0.len()).unwrap_or(u32::MAX >> 1);
        self.0.push(Alias { original, env });
        Symbol::alias(index)
    }

    /// Returns what is known of an alias.
    pub fn get(&self, name: Symbol) -> Option<&Alias> {
        name.alias_index().and_then(|index| self.0.get(index as usize))
    }

    /// Returns the name as the user wrote it.
    pub fn original(&self, mut name: Symbol) -> Symbol {
        while let Some(alias) = self.get(name) {
            name = alias.original;
        }
        name
    }

    /// Returns the datum with all aliases turned back.
    pub fn strip(&self, datum: &Datum) -> Datum {
        let strip_all = |items: &[Datum]| items.iter().map(|item| self.strip(item)).collect();
        let kind = match &datum.kind {
            DatumKind::Symbol(name) => DatumKind::Symbol(self.original(*name)),
            DatumKind::List(items) => DatumKind::List(strip_all(items)),
            DatumKind::Dotted(items, tail) => DatumKind::Dotted(strip_all(items), Box::new(self.strip(tail))),
            DatumKind::Vector(items) => DatumKind::Vector(strip_all(items)),
            other => other.clone(),
        };
        Datum { kind, span: datum.span }
    }
}

impl Env {
    /// Returns the environment of a module's top level.
    pub fn top(module: ModuleId) -> Self {
        Env { module, scope: None }
    }

    /// Returns the environment inside of a new, empty scope.
    pub fn nested(&self) -> Self {
        self.with_mark(None)
    }

    /// Returns the environment inside of a scope with a mark.
    pub fn marked(&self, mark: Mark) -> Self {
        self.with_mark(Some(mark))
    }

    /// Returns the environment inside of a scope that binds one variable.
    pub fn binding(&self, name: Symbol, var: Var) -> Self {
        let env = self.nested();
        env.bind(name, Local::Variable(var));
        env
    }

    fn with_mark(&self, mark: Option<Mark>) -> Self {
        let scope = Scope { parent: self.scope.clone(), entries: RefCell::default(), mark };
        Env { module: self.module, scope: Some(Rc::new(scope)) }
    }

    /// Binds a name in the innermost scope; the last binding of a name counts.
    pub fn bind(&self, name: Symbol, local: Local) {
        if let Some(scope) = &self.scope {
            scope.entries.borrow_mut().push((name, local));
        }
    }

    /// Returns what the innermost scope itself binds the name to.
    pub fn bound_here(&self, name: Symbol) -> bool {
        self.scope.as_ref().is_some_and(|scope| scope.entries.borrow().iter().any(|(n, _)| *n == name))
    }

    /// Returns what the scopes bind exactly that name to.
    pub fn local(&self, name: Symbol) -> Option<Local> {
        let mut scope = self.scope.as_ref();
        while let Some(current) = scope {
            if let Some((_, local)) = current.entries.borrow().iter().rev().find(|(n, _)| *n == name) {
                return Some(local.clone());
            }
            scope = current.parent.as_ref();
        }
        None
    }

    /// Returns the innermost mark that the function accepts.
    pub fn mark<T>(&self, accept: impl Fn(&Mark) -> Option<T>) -> Option<T> {
        let mut scope = self.scope.as_ref();
        while let Some(current) = scope {
            if let Some(found) = current.mark.as_ref().and_then(&accept) {
                return Some(found);
            }
            scope = current.parent.as_ref();
        }
        None
    }

    /// Returns the names of the variables in scope, innermost first.
    pub fn names(&self) -> Vec<Symbol> {
        let mut names = Vec::new();
        let mut scope = self.scope.as_ref();
        while let Some(current) = scope {
            names.extend(current.entries.borrow().iter().map(|(name, _)| *name));
            scope = current.parent.as_ref();
        }
        names
    }
}
