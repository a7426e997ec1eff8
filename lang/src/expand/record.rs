//! Record types: `define-record-type` (SRFI 9) and `define-record-type*` (Guix's records).
//!
//! ```text
//! (define-record-type* <thing> thing make-thing thing? [this-thing]
//!   (field getter [(default EXPR)] [(thunked)] [(delayed)] [(innate)] [(sanitize PROC)] [(type PREDICATE "a string")]) …)
//! (thing (inherit EXPR) (field EXPR) …)
//! ```
//!
//! The constructor is a macro; its fields are scoped like `let*`. Types, accessors and predicates are values as soon as
//! the form is scanned. Defaults, sanitizers and predicates become hidden definitions of the type's module, so that
//! they are evaluated when first needed and mean what they mean there.

use std::{cell::OnceCell, rc::Rc};

use crate::{
    core_form::{Core, Lambda, RecordField, RecordForm, Var},
    datum::{Datum, DatumKind},
    module::{Definition, Global, ModuleId, Noted},
    native::Native,
    procedure::{Procedure, Promise, PromiseState},
    record::{Field, FieldKind, RecordType},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Aliases, Env, ExpandError, Expander, Failure,
    env::{Local, Mark},
    list_form,
};

/// What the constructor's macro knows of a type.
pub(crate) struct RecordSpec {
    /// The type.
    pub record_type: Rc<RecordType>,
    /// The constructor's name.
    pub constructor: Symbol,
    /// The name of the record being made.
    pub this: Option<Symbol>,
    /// The module that defines it.
    pub module: ModuleId,
    /// The fields in order.
    pub fields: Vec<FieldSpec>,
}

/// What the constructor's macro knows of a field.
pub(crate) struct FieldSpec {
    name: Symbol,
    default: Default,
    expected: Option<Box<str>>,
    default_global: OnceCell<Rc<Global>>,
    predicate: OnceCell<Rc<Global>>,
    sanitizer: OnceCell<Rc<Global>>,
}

enum Default {
    None,
    Constant(Value),
    Computed,
}

/// What a hidden definition is for.
#[derive(Clone, Copy)]
pub(crate) enum Role {
    /// The default.
    Default,
    /// The predicate.
    Predicate,
    /// The sanitizer.
    Sanitizer,
}

/// A hidden definition.
pub(crate) struct Helper {
    /// The field's name.
    pub field: Symbol,
    /// The field's place.
    pub index: usize,
    /// What it is for.
    pub role: Role,
    /// The definition.
    pub definition: Definition,
    /// Where it is written.
    pub span: Span,
}

/// What a `define-record-type*` form defines.
pub(crate) struct Extended {
    /// For the constructor.
    pub spec: Rc<RecordSpec>,
    /// The names with their values.
    pub values: Vec<(Symbol, Value, Span)>,
    /// The hidden definitions.
    pub helpers: Vec<Helper>,
}

impl FieldSpec {
    /// Returns the place of a hidden definition.
    pub fn slot(&self, role: Role) -> &OnceCell<Rc<Global>> {
        match role {
            Role::Default => &self.default_global,
            Role::Predicate => &self.predicate,
            Role::Sanitizer => &self.sanitizer,
        }
    }
}

fn symbol_of(datum: &Datum) -> Option<Symbol> {
    match datum.kind {
        DatumKind::Symbol(name) => Some(name),
        _ => None,
    }
}

fn items_of(datum: &Datum) -> Option<&[Datum]> {
    match &datum.kind {
        DatumKind::List(items) => Some(items),
        _ => None,
    }
}

/// Parses `(define-record-type name constructor predicate field …)`.
pub(crate) fn parse_plain(
    form: &Datum,
    aliases: &Aliases,
) -> Result<Vec<(Symbol, Value, Span)>, ExpandError> {
    let bad = |span| ExpandError::BadSyntax {
        form: "define-record-type",
        span,
        expected: "`(define-record-type name (constructor field …) predicate (field accessor [modifier]) …)`",
    };
    let Some([_, name, constructor, predicate, fields @ ..]) = items_of(form) else {
        return Err(bad(form.span));
    };
    let type_name = symbol_of(name)
        .or_else(|| items_of(name).and_then(<[Datum]>::first).and_then(symbol_of))
        .ok_or_else(|| bad(name.span))?;
    let mut list = Vec::new();
    let mut procedures = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let parts = match &field.kind {
            DatumKind::Symbol(_) => std::slice::from_ref(field),
            DatumKind::List(parts) if parts.len() <= 3 => parts.as_slice(),
            _ => return Err(bad(field.span)),
        };
        let names = parts
            .iter()
            .map(|part| symbol_of(part).ok_or_else(|| bad(part.span)))
            .collect::<Result<Vec<_>, _>>()?;
        let field_name = names.first().copied().ok_or_else(|| bad(field.span))?;
        list.push(Field {
            name: aliases.original(field_name),
            kind: FieldKind::Eager,
            innate: false,
            mutable: names.len() == 3,
        });
        procedures.push((index, names, field.span));
    }
    let record_type =
        Rc::new(RecordType { name: aliases.original(type_name), fields: list, span: Some(form.span) });
    let all: Vec<usize> = (0..record_type.fields.len()).collect();
    let procedure = |procedure| Value::Procedure(Rc::new(procedure));
    let mut values = vec![(type_name, Value::RecordType(record_type.clone()), name.span)];
    match &constructor.kind {
        DatumKind::Bool(_) => {}
        DatumKind::Symbol(maker) => {
            let value = procedure(Procedure::Constructor(record_type.clone(), all));
            values.push((*maker, value, constructor.span));
        }
        DatumKind::List(parts) => {
            let mut names = parts.iter().map(symbol_of);
            let maker = names.next().flatten().ok_or_else(|| bad(constructor.span))?;
            let places = names
                .map(|field| record_type.index_of(aliases.original(field?)))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| bad(constructor.span))?;
            let value = procedure(Procedure::Constructor(record_type.clone(), places));
            values.push((maker, value, constructor.span));
        }
        _ => return Err(bad(constructor.span)),
    }
    if let Some(test) = symbol_of(predicate) {
        values.push((test, procedure(Procedure::Predicate(record_type.clone())), predicate.span));
    }
    for (index, names, span) in procedures {
        if let Some(getter) = names.get(1) {
            values.push((*getter, procedure(Procedure::Accessor(record_type.clone(), index)), span));
        }
        if let Some(setter) = names.get(2) {
            values.push((*setter, procedure(Procedure::Modifier(record_type.clone(), index)), span));
        }
    }
    Ok(values)
}

/// Parses a `define-record-type*` form.
pub(crate) fn parse_extended(
    form: &Datum,
    module: ModuleId,
    aliases: &Aliases,
) -> Result<Extended, ExpandError> {
    let bad = |span| ExpandError::BadSyntax {
        form: "define-record-type*",
        span,
        expected: "`(define-record-type* <type> constructor make-procedure predicate [this-identifier] (field getter option …) …)`",
    };
    let items = items_of(form).ok_or_else(|| bad(form.span))?;
    let names: Vec<(Symbol, Span)> =
        items.iter().skip(1).map_while(|item| symbol_of(item).map(|name| (name, item.span))).collect();
    let (type_name, constructor, maker, predicate, this) = match names.as_slice() {
        [a, b, c, d] => (*a, *b, *c, *d, None),
        [a, b, c, d, this] => (*a, *b, *c, *d, Some(this.0)),
        _ => return Err(bad(form.span)),
    };
    let mut list = Vec::new();
    let mut fields = Vec::new();
    let mut helpers = Vec::new();
    let mut getters = Vec::new();
    for (index, item) in items.iter().skip(1 + names.len()).enumerate() {
        let Some([name, getter, options @ ..]) = items_of(item) else { return Err(bad(item.span)) };
        let (Some(name), Some(getter)) = (symbol_of(name), symbol_of(getter)) else {
            return Err(bad(item.span));
        };
        let mut field =
            Field { name: aliases.original(name), kind: FieldKind::Eager, innate: false, mutable: false };
        for option in options {
            match items_of(option).and_then(<[Datum]>::first).and_then(symbol_of).map(Symbol::as_str) {
                Some("thunked") => field.kind = FieldKind::Thunked,
                Some("delayed") => field.kind = FieldKind::Delayed,
                Some("innate") => field.innate = true,
                _ => {}
            }
        }
        let mut spec = FieldSpec {
            name: field.name,
            default: Default::None,
            expected: None,
            default_global: OnceCell::new(),
            predicate: OnceCell::new(),
            sanitizer: OnceCell::new(),
        };
        let thunk_name =
            (field.kind == FieldKind::Thunked).then(|| this.unwrap_or(Symbol::new("this-record")));
        for option in options {
            let mut help = |role, definition| {
                helpers.push(Helper { field: field.name, index, role, definition, span: option.span });
            };
            let parts = items_of(option).ok_or_else(|| bad(option.span))?;
            let head = parts.first().and_then(symbol_of).map_or("", |name| aliases.original(name).as_str());
            match (head, parts.get(1..).unwrap_or(&[])) {
                ("thunked" | "delayed" | "innate", []) => {}
                ("default", [expression]) => match constant(expression, aliases) {
                    Some(value) => spec.default = Default::Constant(value),
                    None => {
                        spec.default = Default::Computed;
                        help(Role::Default, Definition::Default(Rc::new(expression.clone()), thunk_name));
                    }
                },
                ("sanitize", [procedure]) => {
                    help(Role::Sanitizer, Definition::Expression(Rc::new(procedure.clone())));
                }
                ("type", [predicate, Datum { kind: DatumKind::String(expected), .. }]) => {
                    spec.expected = Some(expected.clone());
                    help(Role::Predicate, Definition::Expression(Rc::new(predicate.clone())));
                }
                _ => return Err(bad(option.span)),
            }
        }
        list.push(field);
        fields.push(spec);
        getters.push((getter, index, item.span));
    }
    let record_type =
        Rc::new(RecordType { name: aliases.original(type_name.0), fields: list, span: Some(form.span) });
    let procedure = |procedure| Value::Procedure(Rc::new(procedure));
    let all = (0..record_type.fields.len()).collect();
    let mut values = vec![
        (type_name.0, Value::RecordType(record_type.clone()), type_name.1),
        (maker.0, procedure(Procedure::Constructor(record_type.clone(), all)), maker.1),
        (predicate.0, procedure(Procedure::Predicate(record_type.clone())), predicate.1),
    ];
    for (getter, index, span) in getters {
        values.push((getter, procedure(Procedure::Accessor(record_type.clone(), index)), span));
    }
    let spec = RecordSpec { record_type, constructor: constructor.0, this, module, fields };
    Ok(Extended { spec: Rc::new(spec), values, helpers })
}

/// Returns the value of an expression that is one already.
fn constant(datum: &Datum, aliases: &Aliases) -> Option<Value> {
    match &datum.kind {
        DatumKind::List(items) => match items.as_slice() {
            [head, quoted] if symbol_of(head).is_some_and(|h| aliases.original(h).as_str() == "quote") => {
                Some(Value::from_datum(&aliases.strip(quoted)))
            }
            _ => None,
        },
        DatumKind::Symbol(_) | DatumKind::Dotted(..) => None,
        _ => Some(Value::from_datum(datum)),
    }
}

fn settled(value: Value) -> Core {
    Core::Const(Value::Promise(Rc::new(Promise { state: PromiseState::Done(value).into() })))
}

/// Whether the clause of a form at a place is written as another one is: that does no harm in what inherits.
fn says_the_same(form: &Datum, first: Span, clause: &Datum) -> bool {
    let first = items_of(form).unwrap_or(&[]).iter().find(|other| other.span == first);
    first.is_some_and(|first| crate::print::write_datum(first) == crate::print::write_datum(clause))
}

impl Expander<'_> {
    /// Expands a use of a record type's constructor.
    pub(super) fn record(&mut self, spec: &Rc<RecordSpec>, form: &Datum, env: &Env) -> Result<Core, Failure> {
        let name = self.world.aliases.original(spec.constructor).as_str();
        let bad = |span| ExpandError::Other {
            message: format!("a clause of `{name}` is not a field and its value"),
            span,
            hint: Some("a clause is written `(field value)`".to_owned()),
        };
        let mut bindings: Vec<(Var, Core)> = Vec::new();
        let mut given: Vec<Option<(Var, Span)>> = vec![None; spec.fields.len()];
        let mut parent = None;
        let mut scope = env.clone();
        for clause in items_of(form).unwrap_or(&[]).iter().skip(1) {
            let Some([field, values @ ..]) = items_of(clause) else { return Err(bad(clause.span).into()) };
            let field_name = symbol_of(field).ok_or_else(|| bad(clause.span))?;
            let plain = self.world.aliases.original(field_name);
            let [value] = values else { return Err(bad(clause.span).into()) };
            if plain.as_str() == "inherit" && parent.is_none() {
                let var = self.fresh(plain);
                bindings.push((var, self.expression(value, &scope)?));
                parent = Some(var);
                continue;
            }
            let Some(index) = spec.record_type.index_of(plain) else {
                let error = ExpandError::UnknownField {
                    record: name,
                    field: plain,
                    span: field.span,
                    fields: spec.record_type.fields.iter().map(|f| f.name).collect(),
                };
                match &mut self.world.noted {
                    None => return Err(error.into()),
                    Some(noted) => noted.push(Noted::Other(error.diagnostic())),
                }
                continue;
            };
            if let Some(Some((_, first))) = given.get(index)
                && !(parent.is_some() && says_the_same(form, *first, clause))
            {
                let spans = (*first, clause.span);
                return Err(ExpandError::DuplicateField { record: name, field: plain, spans }.into());
            }
            let core = self.given_field(spec, index, value, &scope)?;
            let var = self.fresh(plain);
            bindings.push((var, core));
            if let Some(slot) = given.get_mut(index) {
                *slot = Some((var, clause.span));
            }
            let inner = scope.nested();
            inner.bind(field_name, Local::Variable(var));
            scope = inner;
        }
        let mut fields = Vec::with_capacity(spec.fields.len());
        let mut missing = Vec::new();
        for (index, field) in spec.fields.iter().enumerate() {
            let innate = spec.record_type.fields.get(index).is_some_and(|f| f.innate);
            match given.get(index) {
                Some(Some((var, _))) => fields.push(RecordField::Value(Core::Local(*var))),
                _ if parent.is_some() && !innate => fields.push(RecordField::Inherited),
                _ => match self.default_field(spec, index, form.span) {
                    Some(core) => fields.push(RecordField::Value(core)),
                    None => missing.push(field.name),
                },
            }
        }
        if !missing.is_empty() {
            return Err(ExpandError::MissingFields { record: name, fields: missing, span: form.span }.into());
        }
        let record = RecordForm { record_type: spec.record_type.clone(), fields, parent, span: form.span };
        Ok(Core::Let(bindings, Box::new(Core::Record(Box::new(record)))))
    }

    fn given_field(
        &mut self,
        spec: &RecordSpec,
        index: usize,
        value: &Datum,
        env: &Env,
    ) -> Result<Core, Failure> {
        let kind = spec.record_type.fields.get(index).map_or(FieldKind::Eager, |field| field.kind);
        match kind {
            FieldKind::Eager => {
                let core = self.expression_named(value, env, spec.fields.get(index).map(|f| f.name))?;
                Ok(self.checked(spec, index, core, value.span))
            }
            FieldKind::Thunked => {
                let this = spec.this.unwrap_or(Symbol::new("this-record"));
                let var = self.fresh(this);
                let inner = env.marked(Mark::This(spec.module, this, var));
                let core = self.expression(value, &inner)?;
                let core = self.checked(spec, index, core, value.span);
                match core {
                    Core::Const(constant) => Ok(settled(constant)),
                    body => Ok(self.thunk(spec, index, vec![var], body, value.span)),
                }
            }
            FieldKind::Delayed => {
                let core = self.expression(value, env)?;
                let core = self.checked(spec, index, core, value.span);
                match core {
                    Core::Const(constant) => Ok(settled(constant)),
                    body => Ok(Core::Delay(Box::new(Lambda::simple(None, value.span, Vec::new(), body)))),
                }
            }
        }
    }

    fn thunk(&self, spec: &RecordSpec, index: usize, this: Vec<Var>, body: Core, span: Span) -> Core {
        let name = spec.fields.get(index).map(|field| field.name);
        Core::Lambda(Box::new(Lambda::simple(name, span, this, body)))
    }

    fn default_field(&mut self, spec: &RecordSpec, index: usize, span: Span) -> Option<Core> {
        let field = spec.fields.get(index)?;
        let kind = spec.record_type.fields.get(index)?.kind;
        let raw = match &field.default {
            Default::None => return None,
            Default::Constant(value) => Core::Const(value.clone()),
            Default::Computed => Core::Global(field.default_global.get()?.clone(), span),
        };
        let computed = matches!(field.default, Default::Computed);
        let checks = field.sanitizer.get().is_some() || field.predicate.get().is_some();
        Some(match kind {
            FieldKind::Eager => {
                let value = if computed { Core::Call(Box::new(raw), Vec::new(), span) } else { raw };
                self.checked(spec, index, value, span)
            }
            FieldKind::Thunked if !checks => match raw {
                Core::Const(value) => settled(value),
                procedure => procedure,
            },
            FieldKind::Thunked => {
                let var = self.fresh(Symbol::new("this-record"));
                let value =
                    if computed { Core::Call(Box::new(raw), vec![Core::Local(var)], span) } else { raw };
                let body = self.checked(spec, index, value, span);
                self.thunk(spec, index, vec![var], body, span)
            }
            FieldKind::Delayed => {
                let value = if computed { Core::Call(Box::new(raw), Vec::new(), span) } else { raw };
                let body = self.checked(spec, index, value, span);
                Core::Delay(Box::new(Lambda::simple(None, span, Vec::new(), body)))
            }
        })
    }

    /// Applies a field's sanitizer and its predicate.
    fn checked(&mut self, spec: &RecordSpec, index: usize, value: Core, span: Span) -> Core {
        let Some(field) = spec.fields.get(index) else { return value };
        let value = match field.sanitizer.get() {
            Some(global) => Core::Call(Box::new(Core::Global(global.clone(), span)), vec![value], span),
            None => value,
        };
        let (Some(predicate), Some(expected)) = (field.predicate.get(), &field.expected) else {
            return value;
        };
        let wrong: &'static Native = &crate::vm::natives::WRONG_FIELD;
        let var = self.fresh(field.name);
        let test = Core::Call(Box::new(Core::Global(predicate.clone(), span)), vec![Core::Local(var)], span);
        let constructor = self.world.aliases.original(spec.constructor);
        let complain = Core::call_const(
            Value::Native(wrong),
            vec![
                Core::Const(Value::Symbol(constructor)),
                Core::Const(Value::Symbol(field.name)),
                Core::Const(Value::string(expected.clone())),
                Core::Local(var),
            ],
            span,
        );
        Core::Let(vec![(var, value)], Box::new(Core::choose(test, Core::Local(var), complain)))
    }

    /// Expands the name of the record being made.
    pub(super) fn this_record(
        &mut self,
        module: ModuleId,
        name: Symbol,
        span: Span,
        env: &Env,
    ) -> Result<Core, Failure> {
        let found = env.mark(|mark| match mark {
            Mark::This(m, n, var) if *m == module && *n == name => Some(*var),
            _ => None,
        });
        match found {
            Some(var) => Ok(Core::Local(var)),
            None => Err(ExpandError::Other {
                message: format!("`{name}` means nothing outside of a record's fields"),
                span,
                hint: Some(
                    "it may be used in fields that are computed at each access, such as `inputs` or `arguments`"
                        .to_owned(),
                ),
            }
            .into()),
        }
    }

    /// Expands a default as a procedure of the record, or without arguments.
    pub(crate) fn default_procedure(
        &mut self,
        expression: &Datum,
        this: Option<Symbol>,
        name: Symbol,
        env: &Env,
    ) -> Result<Core, Failure> {
        let (inner, required) = match this {
            Some(this) => {
                let var = self.fresh(this);
                (env.marked(Mark::This(env.module, this, var)), vec![var])
            }
            None => (env.clone(), Vec::new()),
        };
        let body = self.expression(expression, &inner)?;
        let name = self.world.aliases.original(name);
        Ok(Core::Lambda(Box::new(Lambda::simple(Some(name), expression.span, required, body))))
    }

    /// Returns the form `(head . items)` where the head means what it means in the base environment.
    pub(super) fn base_form(&mut self, head: &'static str, items: Vec<Datum>, span: Span) -> Datum {
        let mut all = vec![Datum { kind: DatumKind::Symbol(self.world.base_name(head)), span }];
        all.extend(items);
        list_form(all, span)
    }
}
