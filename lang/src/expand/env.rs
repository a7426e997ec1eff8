//! What names mean where.
//!
//! A [`Scope`] holds the names of one binding form; scopes are linked outwards and end at a module. Hygiene is
//! by renaming: a name that a macro's template introduces becomes an *alias*, a fresh name that remembers the original
//! and the macro's own [`Env`]. Looking up an alias first looks for a binding of the alias itself (the macro
//! introduced that binder too), then for the original where the macro was defined. Quoting turns
//! aliases back into the names they stand for.

use std::{cell::RefCell, rc::Rc};

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::{
    core_form::Var,
    datum::{Datum, DatumKind},
    module::ModuleId,
    reader::MAX_DEPTH,
    span::Span,
    symbol::Symbol,
};

use super::{ExpandError, macros::Macro};

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
    /// Inside is the procedure of a macro that is defined there.
    Transformer(Env),
    /// Inside, that name repeats what stands before it in patterns and templates.
    Ellipsis(Symbol),
}

/// What a name means inside of scopes.
#[derive(Clone)]
pub(crate) enum Local {
    /// A variable.
    Variable(Var),
    /// A macro.
    Macro(Rc<Macro>),
    /// A variable of a `syntax-case` pattern, and how many ellipses it is under.
    Pattern(Var, usize),
    /// A constant, such as the accessor of a record type defined in a body.
    Constant(crate::value::Value),
}

/// A name that a macro's template introduced.
pub(crate) struct Alias {
    /// What it was in the template; may itself be an alias.
    pub original: Symbol,
    expansion: Rc<Expansion>,
}

/// One expansion of a macro: the names that its templates introduced.
pub(crate) struct Expansion {
    env: Env,
    names: RefCell<FxHashMap<Symbol, Symbol>>,
}

/// The use of a procedural macro that is being expanded.
pub(crate) struct Use {
    /// The macro's name.
    pub name: Symbol,
    /// The whole form.
    pub span: Span,
    /// Where the form stands.
    pub env: Env,
    /// The name at the head of the form.
    pub head: Option<Symbol>,
    expansions: Vec<Rc<Expansion>>,
}

/// All aliases of an interpreter.
#[derive(Default)]
pub(crate) struct Aliases {
    all: Vec<Alias>,
    /// The use of a procedural macro that is being expanded, if any.
    pub current: Option<Use>,
    /// How many parts the expansions of the definition at work have had so far.
    pub expanded: usize,
    /// How many they may have, if it is not the usual number.
    pub most: Option<usize>,
}

impl Alias {
    /// Returns the place where the macro was defined.
    pub fn env(&self) -> &Env {
        &self.expansion.env
    }
}

impl Expansion {
    /// Returns an expansion of a macro that was defined there.
    pub fn new(env: Env) -> Rc<Self> {
        Rc::new(Expansion { env, names: RefCell::default() })
    }
}

impl Use {
    /// Returns the use of a macro by a form.
    pub fn new(name: Symbol, form: &Datum, env: &Env) -> Self {
        Use { name, span: form.span, env: env.clone(), head: head(form), expansions: Vec::new() }
    }
}

/// Returns the first name in a form, going into its first part.
pub(crate) fn head(form: &Datum) -> Option<Symbol> {
    match &form.kind {
        DatumKind::Symbol(name) => Some(*name),
        DatumKind::List(items) | DatumKind::Dotted(items, _) | DatumKind::Vector(items) => {
            items.iter().find_map(head)
        }
        _ => None,
    }
}

impl Aliases {
    /// Returns a fresh alias.
    pub fn fresh(&mut self, original: Symbol, env: Env) -> Symbol {
        self.add(original, Expansion::new(env))
    }

    fn add(&mut self, original: Symbol, expansion: Rc<Expansion>) -> Symbol {
        let index = u32::try_from(self.all.len()).unwrap_or(u32::MAX >> 1);
        self.all.push(Alias { original, expansion });
        Symbol::alias(index)
    }

    /// Returns the alias of a name in an expansion.
    pub fn rename(&mut self, name: Symbol, expansion: &Rc<Expansion>) -> Symbol {
        if let Some(renamed) = expansion.names.borrow().get(&name) {
            return *renamed;
        }
        let renamed = self.add(name, expansion.clone());
        expansion.names.borrow_mut().insert(name, renamed);
        renamed
    }

    /// Returns the alias of a name that a template of the procedural macro at work introduces; without one, the name.
    pub fn introduce(&mut self, name: Symbol, env: &Env) -> Symbol {
        let Some(current) = &mut self.current else { return name };
        let known = current.expansions.iter().find(|expansion| expansion.env.same(env)).cloned();
        let expansion = known.unwrap_or_else(|| {
            let expansion = Expansion::new(env.clone());
            current.expansions.push(expansion.clone());
            expansion
        });
        self.rename(name, &expansion)
    }

    /// Returns the name that would have been written where another was: introduced by the same expansions.
    pub fn written_like(&mut self, context: Symbol, name: Symbol) -> Symbol {
        let mut expansions = Vec::new();
        let mut context = context;
        while let Some(alias) = self.get(context) {
            expansions.push(alias.expansion.clone());
            context = alias.original;
        }
        expansions.iter().rev().fold(name, |name, expansion| self.rename(name, expansion))
    }

    /// Returns what is known of an alias.
    pub fn get(&self, name: Symbol) -> Option<&Alias> {
        name.alias_index().and_then(|index| self.all.get(index as usize))
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

impl Aliases {
    /// Counts what the use of a macro became, which may neither nest too deeply nor go on without end.
    pub fn count(&mut self, expanded: &Datum, name: Symbol, span: Span) -> Result<(), ExpandError> {
        let Some(parts) = parts_within(expanded, MAX_DEPTH) else {
            return Err(ExpandError::TooDeep { span });
        };
        self.expanded += parts;
        let most = self.most.unwrap_or_else(|| crate::vm::Limits::default().parts);
        if self.expanded > most { Err(ExpandError::Endless { name, span }) } else { Ok(()) }
    }
}

/// Returns the number of parts of a datum, if it nests at most that deep.
pub(super) fn parts_within(datum: &Datum, depth: usize) -> Option<usize> {
    let depth = depth.checked_sub(1)?;
    let all = |items: &[Datum]| items.iter().try_fold(1, |sum, item| Some(sum + parts_within(item, depth)?));
    match &datum.kind {
        DatumKind::List(items) | DatumKind::Vector(items) => all(items),
        DatumKind::Dotted(items, tail) => Some(all(items)? + parts_within(tail, depth)?),
        _ => Some(1),
    }
}

impl Env {
    /// Returns the environment of a module's top level.
    pub fn top(module: ModuleId) -> Self {
        Env { module, scope: None }
    }

    /// Whether it is the same place.
    fn same(&self, other: &Env) -> bool {
        self.module == other.module
            && match (&self.scope, &other.scope) {
                (None, None) => true,
                (Some(ours), Some(theirs)) => Rc::ptr_eq(ours, theirs),
                _ => false,
            }
    }

    /// Returns the place where a macro is defined whose transformer stands here.
    pub fn of_templates(&self) -> Env {
        let found = self.mark(|mark| match mark {
            Mark::Transformer(env) => Some(env.clone()),
            _ => None,
        });
        found.unwrap_or_else(|| Env::top(self.module))
    }

    /// Returns the name that repeats what stands before it in patterns and templates.
    pub fn ellipsis(&self) -> Symbol {
        let found = self.mark(|mark| match mark {
            Mark::Ellipsis(name) => Some(*name),
            _ => None,
        });
        found.unwrap_or_else(|| Symbol::new("..."))
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

/// Whether two names mean the same: the same local binding, or no local binding and the same original name.
pub(crate) fn same_binding(
    left: Symbol,
    left_env: &Env,
    right: Symbol,
    right_env: &Env,
    aliases: &Aliases,
) -> bool {
    match (local_of(left, left_env, aliases), local_of(right, right_env, aliases)) {
        (None, None) => aliases.original(left) == aliases.original(right),
        (Some(Local::Variable(a)), Some(Local::Variable(b)))
        | (Some(Local::Pattern(a, _)), Some(Local::Pattern(b, _))) => a == b,
        (Some(Local::Macro(a)), Some(Local::Macro(b))) => Rc::ptr_eq(&a, &b),
        _ => false,
    }
}

/// Returns the local binding of a name, following aliases.
pub(crate) fn local_of(name: Symbol, env: &Env, aliases: &Aliases) -> Option<Local> {
    let (mut name, mut env) = (name, env);
    loop {
        if let Some(local) = env.local(name) {
            return Some(local);
        }
        let alias = aliases.get(name)?;
        (name, env) = (alias.original, alias.env());
    }
}
