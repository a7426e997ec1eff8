//! The interpreter: the one entrance to the language.

use std::sync::Arc;

use crate::{
    diagnostic::{Diagnostic, TraceEntry},
    expand::Failure,
    host::{Host, ModuleName},
    module::{Binding, ModuleId, PRELUDE_MODULE, State, TopForm, World, prelude_files},
    native::Side,
    reader,
    source::SourceMap,
    span::Span,
    symbol::Symbol,
    value::Value,
    vm::{Limits, Machine},
};

/// An interpreter: modules, a machine, and the host around them.
pub struct Interpreter {
    pub(crate) machine: Machine,
    pub(crate) programs: u32,
}

/// A definition of a module, without its value.
#[derive(Clone, Debug)]
pub struct DefinitionInfo {
    /// The name.
    pub name: Symbol,
    /// Where the name is written.
    pub span: Span,
    /// Whether the module exports it.
    pub exported: bool,
    /// Whether it is a macro.
    pub is_macro: bool,
}

type Outcome<T> = Result<T, Vec<Diagnostic>>;

fn unwrap_failure<T>(result: Result<T, Failure>) -> Outcome<T> {
    result.map_err(|failure| failure.0)
}

/// Moves errors whose only known place is inside of the prelude to the form that led there.
fn out_of_prelude(mut errors: Vec<Diagnostic>, form: Span) -> Vec<Diagnostic> {
    let inside = |span: Span| (span.file.0 as usize) < prelude_files().len();
    for (span, words) in errors.iter_mut().filter_map(|error| error.primary.as_mut()) {
        if inside(*span) {
            (*span, *words) = (form, "in this form".to_owned());
        }
    }
    errors
}

impl Interpreter {
    /// Returns an interpreter of one side.
    pub fn new(side: Side, host: Box<dyn Host>) -> Self {
        Interpreter { machine: Machine::new(World::new(side, host)), programs: 0 }
    }

    /// Sets how far programs may go.
    pub fn set_limits(&mut self, limits: Limits) {
        self.machine.limits = limits;
        self.machine.world.limits = limits;
        self.machine.world.aliases.most = Some(limits.parts);
    }

    /// Sets what ends a running program when it becomes true: `E0452`, which nothing in the program can handle.
    pub fn set_interrupt(&mut self, interrupt: Arc<std::sync::atomic::AtomicBool>) {
        self.machine.interrupt = Some(interrupt);
    }

    /// Returns the texts that were read.
    pub fn sources(&self) -> &SourceMap {
        &self.machine.world.sources
    }

    /// Returns the host if it is of that type.
    pub fn try_host_mut<T: Host>(&mut self) -> Option<&mut T> {
        self.machine.world.host.as_any_mut().downcast_mut()
    }

    /// Returns the host.
    ///
    /// # Panics
    /// If the interpreter was made with a host of another type.
    pub fn host_mut<T: Host>(&mut self) -> &mut T {
        self.try_host_mut().expect("the caller made the interpreter with a host of this type")
    }

    /// Returns the exit code if the last program asked to stop with `exit`.
    pub fn exit_code(&self) -> Option<i32> {
        self.machine.exit
    }

    /// Runs the top-level forms of a text in a fresh module and returns the value of the last one. While recipes
    /// are evaluated, definitions are evaluated when first used; on the builder side, in order.
    ///
    /// # Errors
    /// What is wrong with the text, or what went wrong.
    pub fn run_program(
        &mut self,
        file_name: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
    ) -> Outcome<Value> {
        self.programs += 1;
        let name = ModuleName::parse(&format!("program {}", self.programs)).expect("it has two parts");
        let id = self.machine.world.add_module(name.clone());
        self.machine.world.import_for_programs(id);
        let outcome = self.run_in(id, file_name.into(), text.into());
        let declared = self.machine.world.module(id).name.clone();
        if declared != name {
            self.machine.world.register(declared, id);
        }
        outcome
    }

    /// Runs the forms of a text in a module, which is made if there is none of that name, and returns the value of the
    /// last one. Definitions replace former ones.
    ///
    /// # Errors
    /// What is wrong with the text, or what went wrong.
    pub fn eval(
        &mut self,
        module: &ModuleName,
        file_name: impl Into<Arc<str>>,
        text: impl Into<Arc<str>>,
    ) -> Outcome<Value> {
        let id = match self.machine.world.known_module(module).map_err(|failure| failure.0)? {
            Some(PRELUDE_MODULE) | None => {
                let id = self.machine.world.add_module(module.clone());
                self.machine.world.register(module.clone(), id);
                self.machine.world.import_for_programs(id);
                id
            }
            Some(id) => id,
        };
        let module = self.machine.world.module_mut(id);
        (module.open, module.replaceable) = (true, true);
        self.machine.world.redefining = true;
        let outcome = self.run_in(id, file_name.into(), text.into());
        self.machine.world.redefining = false;
        outcome
    }

    fn run_in(&mut self, id: ModuleId, file_name: Arc<str>, text: Arc<str>) -> Outcome<Value> {
        self.machine.exit = None;
        let world = &mut self.machine.world;
        let file = world.sources.add(file_name, text.clone());
        let (data, errors) = reader::read(file, &text);
        if !errors.is_empty() {
            return Err(errors);
        }
        let first_form = world.module(id).forms.len();
        let first_import = world.module(id).imports.len();
        unwrap_failure(world.scan(id, data))?;
        let declared = world.module(id).name.clone();
        if unwrap_failure(world.known_module(&declared)).ok().flatten().is_none() {
            world.register(declared, id);
        }
        unwrap_failure(world.check_imports(id, first_import))?;
        unwrap_failure(world.expand_pending(id))?;
        let in_order = world.side() == Side::Builder;
        let mut last = Value::Unspecified;
        for form in self.machine.world.program(id, first_form) {
            match form {
                TopForm::Definition(global) => {
                    if let State::Duplicate(first, second) = &*global.state.borrow() {
                        let spans = (*first, *second);
                        let error = crate::expand::ExpandError::Duplicate { name: global.name, spans };
                        return Err(vec![error.diagnostic()]);
                    }
                    if in_order {
                        unwrap_failure(self.machine.force(&global))?;
                    }
                    last = Value::Unspecified;
                }
                TopForm::Expression(datum) => {
                    let value = unwrap_failure(self.machine.evaluate(id, &datum));
                    let placed = value.map_err(|errors| out_of_prelude(errors, datum.span));
                    last = placed.map_err(|errors| called_from(errors, datum.span))?;
                }
                TopForm::Pending(_) => {}
            }
        }
        Ok(last)
    }

    /// Returns the value of a name in a module, evaluating its definition if need be.
    ///
    /// # Errors
    /// When there is no such module or name, or what went wrong.
    pub fn module_value(&mut self, module: &ModuleName, name: Symbol) -> Outcome<Value> {
        let world = &mut self.machine.world;
        let id = unwrap_failure(world.find_module(module, None))?;
        match unwrap_failure(world.lookup(id, name))? {
            Some(Binding::Variable(global)) => unwrap_failure(self.machine.force(&global)),
            Some(Binding::Constant(value)) => Ok(value),
            Some(_) => Err(vec![Diagnostic::new("E0306", format!("`{name}` is a macro, not a value"))]),
            None => {
                let message = format!("`{name}` is not bound in module `{module}`");
                let names = world.module(id).table.keys().map(|name| name.as_str());
                let similar = crate::suggest::closest(name.as_str(), names);
                let diagnostic = Diagnostic::new("E0330", message);
                Err(vec![match similar {
                    Some(other) => diagnostic.hint(format!("did you mean `{other}`?")),
                    None => diagnostic,
                }])
            }
        }
    }

    /// Calls a procedure.
    ///
    /// # Errors
    /// What went wrong.
    pub fn call(&mut self, procedure: &Value, arguments: Vec<Value>) -> Outcome<Value> {
        unwrap_failure(self.machine.call(procedure, arguments))
    }

    /// Returns the names that a module exports, without evaluating anything.
    ///
    /// # Errors
    /// When there is no such module or it cannot be read.
    pub fn exports(&mut self, module: &ModuleName) -> Outcome<Vec<Symbol>> {
        let world = &mut self.machine.world;
        let id = unwrap_failure(world.find_module(module, None))?;
        unwrap_failure(world.expand_pending(id))?;
        let module = world.module(id);
        let mut names: Vec<Symbol> = module.exports.keys().copied().collect();
        if module.exports_all {
            names.extend(module.table.keys().filter(|name| name.alias_index().is_none()));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Returns what a module defines, in the order of the text, without evaluating anything.
    ///
    /// # Errors
    /// When there is no such module or it cannot be read.
    pub fn definitions(&mut self, module: &ModuleName) -> Outcome<Vec<DefinitionInfo>> {
        let world = &mut self.machine.world;
        let id = unwrap_failure(world.find_module(module, None))?;
        unwrap_failure(world.expand_pending(id))?;
        let module = world.module(id);
        let mut found = Vec::new();
        let exported: rustc_hash::FxHashSet<Symbol> =
            module.exports.values().map(|(inside, _)| *inside).collect();
        for (name, binding) in &module.table {
            let (span, is_macro) = match binding {
                Binding::Variable(global) if name.alias_index().is_none() => (global.span, false),
                Binding::Syntax(form) => (form.span, true),
                Binding::UnreadSyntax(file, form) => {
                    (Span::new(*file, form.start as usize, form.end as usize), true)
                }
                _ => continue,
            };
            let exported = module.exports_all || exported.contains(name);
            found.push(DefinitionInfo { name: *name, span, exported, is_macro });
        }
        found.sort_by_key(|info| (info.span.start, info.name.as_str()));
        Ok(found)
    }
}

/// Adds the top-level expression to the traces that do not show its file: a tail call leaves no frame.
pub(crate) fn called_from(mut errors: Vec<Diagnostic>, span: Span) -> Vec<Diagnostic> {
    for error in &mut errors {
        let shown = |place: Option<Span>| place.is_some_and(|place| place.file == span.file);
        let primary = error.primary.as_ref().map(|(place, _)| *place);
        if !shown(primary) && !error.trace.iter().any(|entry| shown(entry.span)) {
            error.trace.push(TraceEntry { span: Some(span), text: "in this expression".to_owned() });
        }
    }
    errors
}
