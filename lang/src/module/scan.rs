//! Scanning: what the top-level forms of a module define, without evaluating anything.

use std::rc::Rc;

use crate::{
    datum::{Datum, DatumKind},
    expand::{Env, ExpandError, Failure, Local, Macro, list_form, record},
    reader::outline,
    span::{FileId, Span},
    symbol::Symbol,
};

use super::{
    Binding, Defines, Definition, Global, Import, ModuleId, ModuleOutline, Outlined, OutlinedForm,
    PendingForm, Special, State, TopForm, World, world::Denotation,
};

/// The most expansions of a top-level form, one of the result of the other.
const MOST_EXPANSIONS: u32 = 10_000;

impl World {
    /// Takes in the forms of a module.
    pub fn scan(&mut self, id: ModuleId, data: Vec<Datum>) -> Result<(), Failure> {
        if let Some(first) = data.first() {
            self.of_files.insert(first.span.file, id);
        }
        for datum in data {
            self.scan_form(id, datum)?;
        }
        Ok(())
    }

    /// Takes in the outline of a module's text: definitions are noted and read when they are needed.
    pub fn scan_outline(
        &mut self,
        id: ModuleId,
        file: FileId,
        outline: ModuleOutline,
    ) -> Result<(), Failure> {
        self.of_files.insert(file, id);
        for OutlinedForm { form, what } in outline.forms {
            let (defines, name, name_start) = match what {
                Outlined::Definition(defines, name, name_start) => (defines, name, name_start),
                Outlined::Other(Some(text)) => {
                    let datum = outline::read_slice(file, &text, form);
                    let datum = datum.map_or_else(|_| self.read_form(file, form), Ok)?;
                    self.scan_form(id, datum)?;
                    continue;
                }
                Outlined::Other(None) => {
                    let datum = self.read_form(file, form)?;
                    self.scan_form(id, datum)?;
                    continue;
                }
            };
            let start = form.start as usize + name_start as usize;
            let span = Span::new(file, start, start + name.as_str().len());
            match defines {
                Defines::Macro => {
                    let module = self.module_mut(id);
                    module.table.insert(name, Binding::UnreadSyntax(file, form));
                    module.cache.clear();
                }
                Defines::Private | Defines::Public => {
                    if defines == Defines::Public {
                        self.module_mut(id).exports.insert(name, (name, span));
                    }
                    let definition = Definition::Unread(file, form);
                    self.define(id, name, span, State::Defined(Rc::new(definition)));
                }
            }
        }
        Ok(())
    }

    fn scan_form(&mut self, id: ModuleId, form: Datum) -> Result<(), Failure> {
        let DatumKind::List(items) = &form.kind else { return self.expression(id, form) };
        let Some(Datum { kind: DatumKind::Symbol(head), .. }) = items.first() else {
            return self.expression(id, form);
        };
        let special = if self.module(id).table.contains_key(head) {
            None
        } else {
            Special::named(self.aliases.original(*head))
        };
        let Some(special) = special else {
            let module = self.module_mut(id);
            let index = module.pending.len();
            module.pending.push(PendingForm::Waiting(Rc::new(form), module.generation));
            module.forms.push(TopForm::Pending(index));
            return Ok(());
        };
        match special {
            Special::DefineModule => self.module_mut(id).declare(&form),
            Special::UseModules => {
                for spec in items.iter().skip(1) {
                    let import = Import::parse(spec)?;
                    let module = self.module_mut(id);
                    module.imports.push(import);
                    module.cache.clear();
                }
                Ok(())
            }
            Special::Export | Special::ReExport => {
                let names =
                    Datum { kind: DatumKind::List(items.get(1..).unwrap_or(&[]).to_vec()), span: form.span };
                self.module_mut(id).export(&names).ok_or_else(|| {
                    ExpandError::BadSyntax {
                        form: "export", span: form.span, expected: "`(export name …)`"
                    }
                    .into()
                })
            }
            Special::Begin | Special::EvalWhen => {
                let skip = if special == Special::Begin { 1 } else { 2 };
                let items = items.iter().skip(skip).cloned().collect();
                self.scan(id, items)
            }
            Special::Define | Special::DefineStar => self.scan_define(id, form, false),
            Special::DefinePublic | Special::DefineStarPublic => self.scan_define(id, form, true),
            Special::DefineSyntax
            | Special::DefineSyntaxRule
            | Special::DefineSyntaxPublic
            | Special::DefineSyntaxParameter => {
                let (name, _) = crate::expand::macro_parts(&form)?;
                if special == Special::DefineSyntaxPublic {
                    self.module_mut(id).exports.insert(name, (name, form.span));
                }
                let module = self.module_mut(id);
                module.table.insert(name, Binding::Syntax(Rc::new(form)));
                module.cache.clear();
                Ok(())
            }
            Special::DefineValues => self.scan_define_values(id, &form),
            Special::DefineRecordType => {
                let definition = record::parse_plain(&form, &self.aliases)?;
                for (name, value, span) in definition {
                    self.define(id, name, span, State::Value(value));
                }
                Ok(())
            }
            Special::DefineRecordTypeStar => self.scan_record_type(id, &form),
            _ => self.expression(id, form),
        }
    }

    fn expression(&mut self, id: ModuleId, form: Datum) -> Result<(), Failure> {
        self.module_mut(id).forms.push(TopForm::Expression(Rc::new(form)));
        Ok(())
    }

    fn scan_define(&mut self, id: ModuleId, form: Datum, public: bool) -> Result<(), Failure> {
        let (name, span) = crate::expand::defined_name(&form)?;
        if public {
            self.module_mut(id).exports.insert(name, (name, span));
        }
        self.define(id, name, span, State::Defined(Rc::new(Definition::Form(Rc::new(form)))));
        Ok(())
    }

    /// Adds a definition to a module.
    pub fn define(&mut self, id: ModuleId, name: Symbol, span: Span, state: State) {
        let redefining = self.redefining;
        let module = self.module_mut(id);
        module.cache.remove(&name);
        if let Some(Binding::Variable(old)) = module.table.get(&name) {
            let unbound = matches!(*old.state.borrow(), State::Unbound);
            if !unbound && !redefining {
                *old.state.borrow_mut() = State::Duplicate(old.span, span);
                return;
            }
            // Code that was compiled already refers to the old binding: it takes on the new meaning.
            let old = old.clone();
            *old.state.borrow_mut() = state;
            module.forms.push(TopForm::Definition(old));
            return;
        }
        let global = Global::new(name, id, span, state);
        module.table.insert(name, Binding::Variable(global.clone()));
        module.forms.push(TopForm::Definition(global));
    }

    fn scan_define_values(&mut self, id: ModuleId, form: &Datum) -> Result<(), Failure> {
        let (formals, expression) = crate::expand::define_values_parts(form)?;
        let (names, rest) = crate::expand::formals(&formals)?;
        let hidden = self.aliases.fresh(Symbol::new("values"), Env::top(id));
        let span = form.span;
        let symbol = |name| Datum { kind: DatumKind::Symbol(name), span };
        let (call, list, lambda) =
            (self.base_name("call-with-values"), self.base_name("list"), self.base_name("lambda"));
        let thunk = list_form(vec![symbol(lambda), list_form(Vec::new(), span), expression], span);
        let all = list_form(vec![symbol(call), thunk, symbol(list)], span);
        self.define(id, hidden, span, State::Defined(Rc::new(Definition::Expression(Rc::new(all)))));
        for (index, (name, name_span)) in names.iter().enumerate() {
            let list_ref = self.base_name("list-ref");
            let place = Datum { kind: DatumKind::Int(i64::try_from(index).unwrap_or(0)), span };
            let value = list_form(vec![symbol(list_ref), symbol(hidden), place], span);
            self.define(
                id,
                *name,
                *name_span,
                State::Defined(Rc::new(Definition::Expression(Rc::new(value)))),
            );
        }
        if let Some((name, name_span)) = rest {
            let tail = self.base_name("list-tail");
            let place = Datum { kind: DatumKind::Int(i64::try_from(names.len()).unwrap_or(0)), span };
            let value = list_form(vec![symbol(tail), symbol(hidden), place], span);
            self.define(id, name, name_span, State::Defined(Rc::new(Definition::Expression(Rc::new(value)))));
        }
        Ok(())
    }

    fn scan_record_type(&mut self, id: ModuleId, form: &Datum) -> Result<(), Failure> {
        let parsed = record::parse_extended(form, id, &self.aliases)?;
        for (name, value, span) in parsed.values {
            self.define(id, name, span, State::Value(value));
        }
        for helper in parsed.helpers {
            let hidden = self.aliases.fresh(helper.field, Env::top(id));
            let global = Global::new(hidden, id, helper.span, State::Defined(Rc::new(helper.definition)));
            if let Some(field) = parsed.spec.fields.get(helper.index) {
                let _ = field.slot(helper.role).set(global);
            }
        }
        let module = self.module_mut(id);
        module
            .table
            .insert(parsed.spec.constructor, Binding::Macro(Rc::new(Macro::Record(parsed.spec.clone()))));
        if let Some(this) = parsed.spec.this {
            module.table.insert(this, Binding::Macro(Rc::new(Macro::This(id, this))));
        }
        module.cache.clear();
        Ok(())
    }

    /// Finds out what the forms are that may be uses of macros.
    pub fn expand_pending(&mut self, id: ModuleId) -> Result<(), Failure> {
        if self.module(id).expanding {
            return Ok(());
        }
        self.module_mut(id).expanding = true;
        let mut result = Ok(());
        let mut index = 0;
        while result.is_ok()
            && let Some(form) = self.module(id).pending.get(index)
        {
            if let PendingForm::Waiting(form, generation) = form {
                let (form, generation) = (form.clone(), *generation);
                if generation > MOST_EXPANSIONS {
                    result = Err(endless(&self.aliases, &form));
                    break;
                }
                if generation == 0 {
                    self.aliases.expanded = 0;
                }
                self.module_mut(id).generation = generation + 1;
                result = self.expand_top(id, &form).map(|forms| {
                    if let Some(slot) = self.module_mut(id).pending.get_mut(index) {
                        *slot = PendingForm::Resolved(forms);
                    }
                });
            }
            index += 1;
        }
        let module = self.module_mut(id);
        module.expanding = false;
        module.generation = 0;
        result
    }

    fn expand_top(&mut self, id: ModuleId, form: &Rc<Datum>) -> Result<Vec<TopForm>, Failure> {
        let env = Env::top(id);
        let DatumKind::List(items) = &form.kind else { return Ok(vec![TopForm::Expression(form.clone())]) };
        let Some(Datum { kind: DatumKind::Symbol(head), .. }) = items.first() else {
            return Ok(vec![TopForm::Expression(form.clone())]);
        };
        let rules = match self.denote(*head, &env)? {
            Denotation::Top(Binding::Macro(rules)) | Denotation::Local(Local::Macro(rules)) => rules,
            _ => return Ok(vec![TopForm::Expression(form.clone())]),
        };
        let Some(expanded) = self.expand_use(&rules, form, &env)? else {
            return Ok(vec![TopForm::Expression(form.clone())]);
        };
        let before = std::mem::take(&mut self.module_mut(id).forms);
        let scanned = self.scan_form(id, expanded);
        let produced = std::mem::replace(&mut self.module_mut(id).forms, before);
        scanned?;
        Ok(produced)
    }

    /// Returns the forms that a program runs, in order, from a place in its list.
    pub fn program(&self, id: ModuleId, from: usize) -> Vec<TopForm> {
        let module = self.module(id);
        let mut todo: Vec<TopForm> = module.forms.get(from..).unwrap_or(&[]).to_vec();
        todo.reverse();
        let mut forms = Vec::new();
        while let Some(form) = todo.pop() {
            match form {
                TopForm::Pending(index) => {
                    if let Some(PendingForm::Resolved(inner)) = module.pending.get(index) {
                        todo.extend(inner.iter().rev().cloned());
                    }
                }
                other => forms.push(other),
            }
        }
        forms
    }
}

fn endless(aliases: &crate::expand::Aliases, form: &Datum) -> Failure {
    match crate::expand::head(form) {
        Some(name) => ExpandError::Endless { name: aliases.original(name), span: form.span }.into(),
        None => ExpandError::TooDeep { span: form.span }.into(),
    }
}
