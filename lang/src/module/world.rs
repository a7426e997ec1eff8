//! All modules of an interpreter, and looking names up in them.
//!
//! Order of meaning for a free name: the module's own definitions, the forms of the language, the imports (the
//! last import first), the prelude, the procedures in Rust. An import that selects names goes before the forms too.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::{
    datum::Datum,
    diagnostic::Diagnostic,
    expand::{Aliases, Env, ExpandError, Failure, Local, Macro},
    host::{Host, OutlinedModule},
    native::Side,
    reader,
    source::SourceMap,
    span::{FileId, Span},
    symbol::Symbol,
};

use super::{
    Base, Binding, Definition, Global, Module, ModuleId, ModuleName, ModuleOutline, PRELUDE_MODULE, Special,
    State, prelude,
};

/// Roots of module names that stand for the base environment unless the host has the module.
const BASE_ROOTS: &[&str] = &["srfi", "ice-9", "rnrs", "scheme", "guile", "system"];

/// All modules of an interpreter.
pub(crate) struct World {
    /// The texts that were read.
    pub sources: SourceMap,
    /// The program around.
    pub host: Box<dyn Host>,
    /// The base environment.
    pub base: Base,
    /// The modules by number.
    pub modules: Vec<Module>,
    /// The names that macros introduced.
    pub aliases: Aliases,
    by_name: FxHashMap<ModuleName, ModuleId>,
    base_names: FxHashMap<&'static str, Symbol>,
    looking: Vec<(ModuleId, Symbol)>,
    /// Whether a definition may replace another one, as at a prompt.
    pub redefining: bool,
    /// While a program is only looked at: what is wrong in it and would be an error at its use.
    pub noted: Option<Vec<Noted>>,
    /// More than the number of every variable that an expansion has made.
    pub next_var: u32,
    /// The computations whose tables may be filled.
    pub epochs: super::Epochs,
    /// The module whose forms a file has.
    pub of_files: FxHashMap<FileId, ModuleId>,
    /// Names in scope that resemble names that meant nothing.
    pub similar_locals: FxHashMap<(Symbol, ModuleId), Symbol>,
    /// How far the procedures of macros may go.
    pub limits: crate::vm::Limits,
}

/// Something wrong that does not end an expansion.
pub(crate) enum Noted {
    /// A name that meant nothing, with the variables in scope.
    Unbound(Symbol, ModuleId, Span, Vec<Symbol>),
    /// Something else.
    Other(Diagnostic),
}

/// What a name means.
pub(crate) enum Denotation {
    /// Something in a scope.
    Local(Local),
    /// Something at the top level.
    Top(Binding),
    /// Nothing.
    Unbound(Symbol, ModuleId),
}

impl World {
    /// Returns the world of a side: the prelude and nothing else.
    pub fn new(side: Side, host: Box<dyn Host>) -> Self {
        let natives = host.natives();
        let mut world = World::vacant(Base::new(side, &natives), host);
        for (name, text) in prelude::files() {
            world.sources.add(name.clone(), text.clone());
        }
        let name = ModuleName::parse("hpcl prelude").expect("it has parts");
        let mut module = Module::new(name);
        module.is_base = true;
        for (index, form) in prelude::forms().iter().enumerate() {
            if side != Side::Builder && prelude::for_builder(form.file) {
                continue;
            }
            let binding = if form.is_macro {
                Binding::PreludeSyntax(index)
            } else {
                let file = crate::span::FileId(u32::try_from(form.file).unwrap_or(0));
                let span = Span::new(file, form.start, form.end);
                let state = State::Defined(Rc::new(Definition::Prelude(index)));
                Binding::Variable(Global::new(form.name, PRELUDE_MODULE, span, state))
            };
            module.table.insert(form.name, binding);
        }
        world.modules.push(module);
        world
    }

    /// Returns a world without a module.
    fn vacant(base: Base, host: Box<dyn Host>) -> Self {
        World {
            sources: SourceMap::default(),
            host,
            base,
            modules: Vec::new(),
            aliases: Aliases::default(),
            by_name: FxHashMap::default(),
            base_names: FxHashMap::default(),
            looking: Vec::new(),
            redefining: false,
            noted: None,
            next_var: 0,
            epochs: super::Epochs::default(),
            of_files: FxHashMap::default(),
            similar_locals: FxHashMap::default(),
            limits: crate::vm::Limits::default(),
        }
    }

    /// Takes the world out of its place, which must be filled again.
    pub fn take(&mut self) -> World {
        let side = self.base.side;
        std::mem::replace(self, World::vacant(Base::empty(side), Box::new(crate::host::EmptyHost)))
    }

    /// Returns what the use of a macro expands to; `None` if the macro is of a kind that the expander carries out.
    pub fn expand_use(&mut self, found: &Macro, form: &Datum, env: &Env) -> Result<Option<Datum>, Failure> {
        match found {
            Macro::Rules(rules) => Ok(Some(rules.expand(form, env, &mut self.aliases)?)),
            Macro::Procedure(transformer) => crate::expand::transform(self, transformer, form, env).map(Some),
            _ => Ok(None),
        }
    }

    /// Returns what procedures in Rust can reach.
    pub fn context(&mut self) -> crate::native::Context<'_> {
        let epoch = match self.base.side {
            Side::Builder => super::ALWAYS,
            _ => self.epochs.current(),
        };
        crate::native::Context {
            host: self.host.as_any_mut(),
            sources: &self.sources,
            names: &mut self.aliases,
            epoch,
        }
    }

    /// Returns the side.
    pub fn side(&self) -> Side {
        self.base.side
    }

    /// Returns a module.
    pub fn module(&self, id: ModuleId) -> &Module {
        self.modules.get(id.0 as usize).expect("numbers of modules come from this list")
    }

    /// Returns a module to change it.
    pub fn module_mut(&mut self, id: ModuleId) -> &mut Module {
        self.modules.get_mut(id.0 as usize).expect("numbers of modules come from this list")
    }

    /// Adds an empty module.
    pub fn add_module(&mut self, name: ModuleName) -> ModuleId {
        let id = ModuleId(u32::try_from(self.modules.len()).unwrap_or(u32::MAX));
        self.modules.push(Module::new(name));
        id
    }

    /// Makes a module known under a name.
    pub fn register(&mut self, name: ModuleName, id: ModuleId) {
        self.by_name.insert(name, id);
    }

    /// Returns a name that means what it means in the base environment, whatever is around it.
    pub fn base_name(&mut self, name: &'static str) -> Symbol {
        if let Some(alias) = self.base_names.get(name) {
            return *alias;
        }
        let alias = self.aliases.fresh(Symbol::new(name), Env::top(PRELUDE_MODULE));
        self.base_names.insert(name, alias);
        alias
    }

    /// Returns the module of a name, loading it if need be.
    pub fn find_module(&mut self, name: &ModuleName, span: Option<Span>) -> Result<ModuleId, Failure> {
        if let Some(id) = self.known_module(name)? {
            return Ok(id);
        }
        let named = self.host.module_names();
        let similar = crate::suggest::closest_module(name, named.iter().chain(self.by_name.keys()));
        let mut hints: Vec<String> = similar.iter().map(|other| format!("did you mean `{other}`?")).collect();
        hints.extend(self.host.missing_module(name));
        Err(ExpandError::ModuleNotFound { name: name.clone(), span, hints }.into())
    }

    /// Returns the module of a name if there is one, loading it if need be.
    pub fn known_module(&mut self, name: &ModuleName) -> Result<Option<ModuleId>, Failure> {
        if let Some(id) = self.by_name.get(name) {
            return Ok(Some(*id));
        }
        if let Some(canonical) = self.host.canonical_module(name)
            && canonical != *name
        {
            let found = self.known_module(&canonical)?;
            return Ok(found.inspect(|id| self.register(name.clone(), *id)));
        }
        if let Some(OutlinedModule { file, outline, text }) = self.host.module_outline(name) {
            let file = self.sources.add_unread(file, text);
            return self.load_outline(name, file, outline).map(Some);
        }
        let source = self.host.module_source(name).map_err(|message| {
            Diagnostic::new("E0313", format!("module `{name}` cannot be read: {message}"))
        })?;
        if let Some(source) = source {
            return self.load(name, source.file, source.text).map(Some);
        }
        let root = name.root().as_str();
        if root == "guix" {
            let own = name.with_root(Symbol::new("hpcl"));
            let found = self.known_module(&own)?;
            return Ok(found.inspect(|id| self.register(name.clone(), *id)));
        }
        if BASE_ROOTS.contains(&root) {
            self.register(name.clone(), PRELUDE_MODULE);
            return Ok(Some(PRELUDE_MODULE));
        }
        Ok(None)
    }

    fn load(
        &mut self,
        name: &ModuleName,
        file: std::sync::Arc<str>,
        text: std::sync::Arc<str>,
    ) -> Result<ModuleId, Failure> {
        let file = self.sources.add(file, text.clone());
        if let Some(outline) = ModuleOutline::of(&text) {
            return self.load_outline(name, file, outline);
        }
        let (data, errors) = reader::read(file, &text);
        if !errors.is_empty() {
            return Err(Failure(errors));
        }
        self.load_with(name, |world, id| world.scan(id, data))
    }

    fn load_outline(
        &mut self,
        name: &ModuleName,
        file: FileId,
        outline: ModuleOutline,
    ) -> Result<ModuleId, Failure> {
        self.load_with(name, |world, id| world.scan_outline(id, file, outline))
    }

    fn load_with(
        &mut self,
        name: &ModuleName,
        scan: impl FnOnce(&mut Self, ModuleId) -> Result<(), Failure>,
    ) -> Result<ModuleId, Failure> {
        let id = self.add_module(name.clone());
        self.register(name.clone(), id);
        let redefining = std::mem::replace(&mut self.redefining, false);
        let scanned = scan(self, id);
        self.redefining = redefining;
        scanned.map(|()| id)
    }

    /// Reads a form of a text that was added.
    pub fn read_form(&self, file: FileId, form: reader::outline::Form) -> Result<Datum, Failure> {
        let source = self.sources.get(file);
        let text = source.map(|source| source.text().clone()).unwrap_or_default();
        if text.get(form.start as usize..form.end as usize).is_none() {
            let name = source.map(|source| source.name.clone()).unwrap_or_default();
            let message = format!("`{name}` cannot be read, or was changed while it was being evaluated");
            return Err(Diagnostic::new("E0313", message).into());
        }
        reader::outline::read_form(file, &text, form).map_err(Failure)
    }

    /// Returns what a name means in a place.
    pub fn denote(&mut self, name: Symbol, env: &Env) -> Result<Denotation, Failure> {
        let found = self.denote_plainly(name, env)?;
        match &found {
            Denotation::Local(Local::Macro(rules)) | Denotation::Top(Binding::Macro(rules)) => match &**rules
            {
                Macro::Parameter(parameter) => Ok(Denotation::Top(Binding::Macro(parameter.current()))),
                _ => Ok(found),
            },
            _ => Ok(found),
        }
    }

    /// Returns what a name means in a place; a syntax parameter is not replaced by its meaning.
    pub fn denote_plainly(&mut self, name: Symbol, env: &Env) -> Result<Denotation, Failure> {
        if let Some(local) = env.local(name) {
            return Ok(Denotation::Local(local));
        }
        let (mut name, mut module) = (name, env.module);
        while let Some(alias) = self.aliases.get(name) {
            if let Some(binding) = self.module(module).table.get(&name) {
                let binding = binding.clone();
                return self.settle(name, module, binding).map(Denotation::Top);
            }
            (name, module) = (alias.original, alias.env().module);
            if let Some(local) = alias.env().local(name) {
                return Ok(Denotation::Local(local));
            }
        }
        Ok(match self.lookup(module, name)? {
            Some(binding) => Denotation::Top(binding),
            None => Denotation::Unbound(name, module),
        })
    }

    /// Returns what a name that is no alias means at a module's top level.
    pub fn lookup(&mut self, id: ModuleId, name: Symbol) -> Result<Option<Binding>, Failure> {
        if let Some(binding) = self.own(id, name)? {
            return Ok(Some(binding));
        }
        if let Some(special) = Special::named(name)
            && !self.selected(id, name)
        {
            return Ok(Some(Binding::Special(special)));
        }
        if let Some(binding) = self.module(id).cache.get(&name) {
            return Ok(Some(binding.clone()));
        }
        if !self.module(id).pending.is_empty() && !self.module(id).expanding {
            self.expand_pending(id)?;
            if let Some(binding) = self.own(id, name)? {
                return Ok(Some(binding));
            }
        }
        let imported = self.imported(id, name);
        let found = match imported {
            Ok(Some(binding)) => Some(binding),
            Ok(None) => self.in_base(name)?,
            Err(failure) => match self.in_base(name)? {
                Some(binding) => Some(binding),
                None => return Err(failure),
            },
        };
        if let Some(binding) = &found {
            self.module_mut(id).cache.insert(name, binding.clone());
        }
        Ok(found)
    }

    /// Returns what a module itself defines.
    pub fn own(&mut self, id: ModuleId, name: Symbol) -> Result<Option<Binding>, Failure> {
        let Some(binding) = self.module(id).table.get(&name).cloned() else { return Ok(None) };
        if let Binding::Variable(global) = &binding
            && matches!(*global.state.borrow(), State::Unbound)
        {
            return Ok(None);
        }
        self.settle(name, id, binding).map(Some)
    }

    /// Looks at the definition of a macro if that was not done yet.
    fn settle(&mut self, name: Symbol, id: ModuleId, binding: Binding) -> Result<Binding, Failure> {
        let form = match binding {
            Binding::Syntax(form) => form,
            Binding::PreludeSyntax(index) => match prelude::read(index) {
                Some(form) => Rc::new(form),
                None => return Ok(Binding::PreludeSyntax(index)),
            },
            Binding::UnreadSyntax(file, form) => Rc::new(self.read_form(file, form)?),
            other => return Ok(other),
        };
        let settled = Binding::Macro(self.macro_of_form(&form, &Env::top(id))?);
        self.module_mut(id).table.insert(name, settled.clone());
        Ok(settled)
    }

    fn in_base(&mut self, name: Symbol) -> Result<Option<Binding>, Failure> {
        if let Some(binding) = self.own(PRELUDE_MODULE, name)? {
            return Ok(Some(binding));
        }
        Ok(self.base.constant(name).cloned().map(Binding::Constant))
    }

    fn selected(&self, id: ModuleId, name: Symbol) -> bool {
        self.module(id).imports.iter().any(|import| {
            (import.select.is_some() || import.prefix.is_some()) && import.outside_name(name).is_some()
        })
    }

    /// Returns what the imports of a module provide. A module that cannot be found is an error only if no other import
    /// provides the name.
    fn imported(&mut self, id: ModuleId, name: Symbol) -> Result<Option<Binding>, Failure> {
        let mut failure = None;
        for index in (0..self.module(id).imports.len()).rev() {
            let Some(import) = self.module(id).imports.get(index) else { continue };
            let Some(outside) = import.outside_name(name) else { continue };
            let target = match import.target.get() {
                Some(target) => *target,
                None => {
                    let (module, span) = (import.name.clone(), import.span);
                    if self.host.may_export(&module, outside) == Some(false) {
                        continue;
                    }
                    let target = self.find_module(&module, Some(span));
                    if let Some(import) = self.module(id).imports.get(index) {
                        let _ = import.target.set(target.as_ref().ok().copied());
                    }
                    match target {
                        Ok(target) => Some(target),
                        Err(error) => {
                            failure.get_or_insert(error);
                            None
                        }
                    }
                }
            };
            let Some(target) = target else { continue };
            // A module that stands for the base environment provides all of it; only what it has in Guile may hide what
            // other modules export. The rest is found after them anyway.
            if self.module(target).is_base
                && let Some(import) = self.module(id).imports.get(index)
                && import.select.is_none()
                && import.prefix.is_none()
                && !super::base::names_of(&import.name).contains(&outside.as_str())
            {
                continue;
            }
            if let Some(binding) = self.exported(target, outside)? {
                return Ok(Some(binding));
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// Returns what a module exports under a name.
    pub fn exported(&mut self, id: ModuleId, name: Symbol) -> Result<Option<Binding>, Failure> {
        if self.module(id).is_base {
            return Ok(match Special::named(name) {
                Some(special) => Some(Binding::Special(special)),
                None => self.in_base(name)?,
            });
        }
        if self.looking.contains(&(id, name)) {
            return Ok(None);
        }
        self.looking.push((id, name));
        let found = self.exported_inside(id, name);
        self.looking.pop();
        found
    }

    fn exported_inside(&mut self, id: ModuleId, name: Symbol) -> Result<Option<Binding>, Failure> {
        let mut inside = self.inside_name(id, name);
        if inside.is_none() && !self.module(id).pending.is_empty() && !self.module(id).expanding {
            self.expand_pending(id)?;
            inside = self.inside_name(id, name);
        }
        let Some(inside) = inside else { return Ok(None) };
        if let Some(binding) = self.own(id, inside)? {
            return Ok(Some(binding));
        }
        self.lookup(id, inside)
    }

    fn inside_name(&self, id: ModuleId, name: Symbol) -> Option<Symbol> {
        let module = self.module(id);
        if module.exports_all && module.table.contains_key(&name) {
            return Some(name);
        }
        module.exports.get(&name).map(|(inside, _)| *inside)
    }

    /// Opens a module for a program's forms and gives it what the host has in scope for programs.
    pub fn import_for_programs(&mut self, id: ModuleId) {
        let names = self.host.program_imports();
        let module = self.module_mut(id);
        module.open = true;
        let nowhere = Span::new(FileId(0), 0, 0);
        module.imports.extend(names.into_iter().map(|name| super::Import::all(name, nowhere)));
    }

    /// Checks that the imports of a module, from one on, lead to modules that export the names taken.
    pub fn check_imports(&mut self, id: ModuleId, from: usize) -> Result<(), Failure> {
        (from..self.module(id).imports.len()).try_for_each(|index| self.check_import(id, index))
    }

    /// Checks one import of a module.
    pub fn check_import(&mut self, id: ModuleId, index: usize) -> Result<(), Failure> {
        let Some(import) = self.module(id).imports.get(index) else { return Ok(()) };
        let (name, span) = (import.name.clone(), import.span);
        let selected: Vec<(Symbol, Span)> =
            import.select.iter().flatten().map(|(outside, _, span)| (*outside, *span)).collect();
        let target = self.find_module(&name, Some(span))?;
        for (outside, span) in selected {
            if self.exported(target, outside)?.is_none() {
                return Err(self.not_exported(target, outside, span).into());
            }
        }
        Ok(())
    }

    /// Returns the error for a name that a module does not export.
    pub fn not_exported(&self, id: ModuleId, name: Symbol, span: Span) -> ExpandError {
        let module = self.module(id);
        ExpandError::NotExported {
            name,
            module: module.name.clone(),
            span,
            exports: module.exports.keys().copied().collect(),
            defined: module.table.contains_key(&name),
        }
    }

    /// Returns the macro that a definition's form defines.
    pub fn macro_of_form(&mut self, form: &Datum, env: &Env) -> Result<Rc<Macro>, Failure> {
        let (name, source) = crate::expand::macro_parts(form)?;
        let found = self.local_macro(name, source, env)?;
        let head = crate::expand::head(form).map(|head| self.aliases.original(head));
        Ok(match head {
            Some(head) if head.as_str() == "define-syntax-parameter" => {
                Rc::new(Macro::Parameter(crate::expand::SyntaxParameter::new(found)))
            }
            _ => found,
        })
    }

    /// Returns the macro that a definition in a body defines.
    pub fn local_macro(
        &mut self,
        name: Symbol,
        source: crate::expand::MacroSource,
        env: &Env,
    ) -> Result<Rc<Macro>, Failure> {
        match source {
            crate::expand::MacroSource::Rule(pattern, template) => {
                let rules = crate::expand::Rules::single(name, pattern, template, env);
                rules.check(&self.aliases)?;
                Ok(Rc::new(Macro::Rules(rules)))
            }
            crate::expand::MacroSource::Transformer(rhs) => self.transformer(name, &rhs, env),
        }
    }

    fn transformer(&mut self, name: Symbol, rhs: &Datum, env: &Env) -> Result<Rc<Macro>, Failure> {
        use crate::{datum::DatumKind, expand::Rules};
        let head = match &rhs.kind {
            DatumKind::Symbol(other) => {
                if let Denotation::Local(Local::Macro(found)) | Denotation::Top(Binding::Macro(found)) =
                    self.denote(*other, env)?
                {
                    return Ok(found);
                }
                None
            }
            DatumKind::List(items) => match items.first() {
                Some(Datum { kind: DatumKind::Symbol(head), .. }) => Some(*head),
                _ => None,
            },
            _ => None,
        };
        let special = match head {
            Some(head) => self.denote(head, env)?,
            None => Denotation::Unbound(name, env.module),
        };
        if let Denotation::Top(Binding::Special(Special::WithEllipsis)) = special
            && let DatumKind::List(items) = &rhs.kind
            && let [_, Datum { kind: DatumKind::Symbol(ellipsis), .. }, inner] = items.as_slice()
        {
            let ellipsis = self.aliases.original(*ellipsis);
            return self.transformer(name, inner, &env.marked(crate::expand::Mark::Ellipsis(ellipsis)));
        }
        if let Some(head) = head
            && let Denotation::Top(Binding::Special(Special::SyntaxRules)) = special
        {
            return Ok(Rc::new(if self.aliases.original(head).as_str() == "syntax-rules" {
                Macro::Rules(Rules::parse(name, rhs, env, &self.aliases)?)
            } else {
                Macro::Identifier(Rules::parse_identifier(name, rhs, env)?)
            }));
        }
        Ok(Rc::new(Macro::Procedure(crate::expand::evaluate_transformer(self, name, rhs, env)?)))
    }
}
