//! Looking at a program without running it for its result: what an editor shows while it is written.
//!
//! [`Interpreter::check`] finds as much of what is wrong as it can, where running a program stops at the first error.
//! The other procedures answer what a name means in a module. Invariant: nothing here evaluates more than the limits
//! given, and nothing is evaluated of a program that does not expand.

use std::{rc::Rc, sync::Arc};

use crate::{
    diagnostic::Diagnostic,
    expand::{Env, ExpandError, Expander, Failure, Macro},
    host::ModuleName,
    interpreter::Interpreter,
    module::{
        Binding, Definition, Global, ModuleId, Noted, PRELUDE_MODULE, SPECIALS, State, TopForm, unbound,
    },
    native::Native,
    print::write_core,
    reader,
    span::{FileId, Span},
    symbol::Symbol,
    value::Value,
    vm::Limits,
};

/// What was found in a program.
pub struct Checked {
    /// The module that it is; a program without `define-module` has a name of its own.
    pub module: ModuleName,
    /// The file.
    pub file: FileId,
    /// What is wrong, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameKind {
    /// A definition.
    Variable,
    /// A procedure written in Rust.
    Native,
    /// A macro.
    Macro,
    /// A form of the language.
    Form,
}

/// What a name means in a module.
pub struct Meaning {
    /// What it is.
    pub kind: NameKind,
    /// Where it is defined; unknown for natives and forms.
    pub span: Option<Span>,
    /// The procedure in Rust that it is.
    pub native: Option<&'static Native>,
}

/// The number of steps after which no further definition is evaluated, in units of the limit of one.
const ROUNDS: u64 = 20;

impl Interpreter {
    /// Reads a program and expands all of it; if nothing is wrong so far, evaluates each definition and expression as far
    /// as the limits allow.
    pub fn check(
        &mut self,
        file_name: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
        limits: Limits,
    ) -> Checked {
        let text = text.into();
        self.programs += 1;
        let name = ModuleName::parse(&format!("program {}", self.programs)).expect("it has two parts");
        let world = &mut self.machine.world;
        let file = world.sources.add(file_name, text.clone());
        let (data, mut diagnostics) = reader::read(file, &text);
        let readable = diagnostics.is_empty();
        let id = world.add_module(name.clone());
        let declares = data.iter().any(|form| crate::reader::heads(form, "define-module"));
        if !declares {
            world.import_for_programs(id);
        }
        let mut note = |result: Result<(), Failure>| {
            if let Err(failure) = result {
                diagnostics.extend(failure.0);
            }
        };
        note(world.scan(id, data));
        let module = world.module(id).name.clone();
        world.register(module.clone(), id);
        for index in 0..world.module(id).imports.len() {
            note(world.check_import(id, index));
        }
        note(world.expand_pending(id));
        if readable {
            diagnostics.extend(self.expand_all(id));
        }
        diagnostics
            .retain(|diagnostic| diagnostic.primary.as_ref().is_none_or(|(span, _)| span.file == file));
        if diagnostics.is_empty() {
            diagnostics = self.evaluate_all(id, limits);
        }
        diagnostics
            .sort_by_key(|found| found.primary.as_ref().map(|(span, _)| (span.file != file, span.start)));
        diagnostics.dedup();
        Checked { module, file, diagnostics }
    }

    fn expand_all(&mut self, id: ModuleId) -> Vec<Diagnostic> {
        let world = &mut self.machine.world;
        let mut diagnostics = Vec::new();
        world.noted = Some(Vec::new());
        for form in world.program(id, 0) {
            let mut expander = Expander::new(world);
            let result = match &form {
                TopForm::Definition(global) => {
                    let state = match &*global.state.borrow() {
                        State::Defined(definition) => Ok(definition.clone()),
                        State::Duplicate(first, second) => {
                            Err(Some(ExpandError::Duplicate { name: global.name, spans: (*first, *second) }))
                        }
                        _ => Err(None),
                    };
                    match state {
                        Ok(definition) => expander.definition(global, &definition).map(|_| ()),
                        Err(Some(duplicate)) => Err(duplicate.into()),
                        Err(None) => Ok(()),
                    }
                }
                TopForm::Expression(datum) => expander.expression(datum, &Env::top(id)).map(|_| ()),
                TopForm::Pending(_) => Ok(()),
            };
            if let Err(failure) = result {
                diagnostics.extend(failure.0);
            }
        }
        for noted in world.noted.take().unwrap_or_default() {
            match noted {
                Noted::Other(diagnostic) => diagnostics.push(diagnostic),
                Noted::Unbound(name, module, span, locals) => {
                    // A definition further down, or one that a macro makes, may have bound it since.
                    if !matches!(world.lookup(module, name), Ok(Some(_))) {
                        diagnostics.push(unbound(world, name, module, &locals, span));
                    }
                }
            }
        }
        diagnostics
    }

    fn evaluate_all(&mut self, id: ModuleId, limits: Limits) -> Vec<Diagnostic> {
        let former = self.machine.limits;
        self.machine.limits = limits;
        let mut left = limits.steps.saturating_mul(ROUNDS);
        let mut diagnostics = Vec::new();
        for form in self.machine.world.program(id, 0) {
            if left < limits.steps {
                break;
            }
            let result = match form {
                TopForm::Definition(global) => self.machine.force(&global),
                TopForm::Expression(datum) => self
                    .machine
                    .evaluate(id, &datum)
                    .map_err(|failure| Failure(crate::interpreter::called_from(failure.0, datum.span))),
                TopForm::Pending(_) => continue,
            };
            left = left.saturating_sub(limits.steps.saturating_sub(self.machine.steps_left()));
            if let Err(failure) = result {
                // What a limit cut short may be right.
                diagnostics
                    .extend(failure.0.into_iter().filter(|error| !matches!(error.code, "E0450" | "E0451")));
            }
        }
        self.machine.limits = former;
        diagnostics
    }

    /// Returns what the expressions of a text come to in a module that is there, one a line; definitions are shown as the
    /// value that they get.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn expand(
        &mut self,
        module: &ModuleName,
        file_name: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
    ) -> Result<String, Vec<Diagnostic>> {
        let text = text.into();
        let world = &mut self.machine.world;
        let id = world.find_module(module, None).map_err(|failure| failure.0)?;
        let file = world.sources.add(file_name, text.clone());
        let (data, errors) = reader::read(file, &text);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut lines = Vec::new();
        for datum in data {
            let span = datum.span;
            let mut expander = Expander::new(world);
            let defines = ["define", "define-public", "define*", "define*-public"];
            let core = if defines.iter().any(|head| reader::heads(&datum, head)) {
                let global = Global::new(Symbol::new("definition"), id, span, State::Unbound);
                expander.definition(&global, &Definition::Form(Rc::new(datum)))
            } else {
                expander.expression(&datum, &Env::top(id))
            };
            lines.push(write_core(&core.map_err(|failure| failure.0)?, &expander.vars));
        }
        Ok(lines.join("\n"))
    }

    /// Returns all names that may be used in a module, sorted: its own, imported ones, and those of the language.
    pub fn names_in_scope(&mut self, module: &ModuleName) -> Vec<(&'static str, NameKind)> {
        let world = &mut self.machine.world;
        let Ok(Some(id)) = world.known_module(module) else { return Vec::new() };
        let mut names: Vec<(&'static str, NameKind)> =
            SPECIALS.iter().map(|(name, _)| (*name, NameKind::Form)).collect();
        names.extend(world.base.names().map(|name| (name.as_str(), NameKind::Native)));
        for own in [PRELUDE_MODULE, id] {
            names.extend(world.module(own).table.iter().filter_map(|(name, binding)| {
                let unbound = matches!(binding, Binding::Variable(global) if matches!(*global.state.borrow(), State::Unbound));
                (!unbound && name.alias_index().is_none()).then(|| (name.as_str(), kind_of(binding)))
            }));
        }
        for index in 0..world.module(id).imports.len() {
            let Some(import) = world.module(id).imports.get(index) else { continue };
            let (name, span) = (import.name.clone(), import.span);
            let Ok(target) = world.find_module(&name, Some(span)) else { continue };
            let Some(import) = world.module(id).imports.get(index) else { continue };
            let target = world.module(target);
            let exported =
                target.exports.iter().map(|(outside, (inside, _))| (*outside, target.table.get(inside)));
            for (outside, binding) in exported {
                let kind = binding.map_or(NameKind::Variable, kind_of);
                names.extend(import.inside_names(outside).into_iter().map(|inside| (inside.as_str(), kind)));
            }
        }
        names.retain(|(name, _)| !name.is_empty() && !name.starts_with(' '));
        names.sort_unstable_by_key(|(name, kind)| (*name, *kind as u8));
        names.dedup_by_key(|(name, _)| *name);
        names
    }

    /// Returns what a name means in a module.
    pub fn meaning(&mut self, module: &ModuleName, name: &str) -> Option<Meaning> {
        let world = &mut self.machine.world;
        let id = world.known_module(module).ok()??;
        match world.lookup(id, Symbol::new(name)).ok()?? {
            Binding::Variable(global) => Some(of_global(&global)),
            Binding::Constant(Value::Native(native)) => {
                Some(Meaning { kind: NameKind::Native, span: None, native: Some(native) })
            }
            Binding::Constant(_) => Some(Meaning { kind: NameKind::Native, span: None, native: None }),
            Binding::Syntax(form) => {
                Some(Meaning { kind: NameKind::Macro, span: Some(form.span), native: None })
            }
            Binding::Macro(found) => {
                let span = match &*found {
                    Macro::Record(spec) => spec.record_type.span,
                    _ => None,
                };
                Some(Meaning { kind: NameKind::Macro, span, native: None })
            }
            Binding::UnreadSyntax(file, form) => {
                let span = Span::new(file, form.start as usize, form.end as usize);
                Some(Meaning { kind: NameKind::Macro, span: Some(span), native: None })
            }
            Binding::PreludeSyntax(_) => Some(Meaning { kind: NameKind::Macro, span: None, native: None }),
            Binding::Special(_) => Some(Meaning { kind: NameKind::Form, span: None, native: None }),
        }
    }

    /// Returns the fields of the record that a constructor makes, if the name is that of one in the module.
    pub fn record_fields(&mut self, module: &ModuleName, constructor: &str) -> Option<Vec<Symbol>> {
        let world = &mut self.machine.world;
        let id = world.known_module(module).ok()??;
        match world.lookup(id, Symbol::new(constructor)).ok()?? {
            Binding::Macro(found) => match &*found {
                Macro::Record(spec) => Some(spec.record_type.fields.iter().map(|field| field.name).collect()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the names of the modules that a module imports, in order.
    pub fn imports_of(&mut self, module: &ModuleName) -> Vec<ModuleName> {
        let world = &mut self.machine.world;
        match world.known_module(module) {
            Ok(Some(id)) => world.module(id).imports.iter().map(|import| import.name.clone()).collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the source file of a module, loading it if need be.
    pub fn module_file(&mut self, module: &ModuleName) -> Option<FileId> {
        let world = &mut self.machine.world;
        let id = world.known_module(module).ok()??;
        let found = world.module(id);
        let in_table = found.table.values().find_map(|binding| match binding {
            Binding::Variable(global) => Some(global.span.file),
            Binding::Syntax(form) => Some(form.span.file),
            _ => None,
        });
        found.span.map(|span| span.file).or(in_table)
    }
}

fn of_global(global: &Rc<Global>) -> Meaning {
    Meaning { kind: NameKind::Variable, span: Some(global.span), native: None }
}

fn kind_of(binding: &Binding) -> NameKind {
    match binding {
        Binding::Variable(_) => NameKind::Variable,
        Binding::Constant(_) => NameKind::Native,
        Binding::Special(_) => NameKind::Form,
        _ => NameKind::Macro,
    }
}
