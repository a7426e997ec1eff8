//! Procedures: `lambda`, `lambda*`, `case-lambda`, `cut`, memoised ones.
//!
//! ```text
//! (lambda* (required … [#:optional var | (var default) …] [#:key var | (var default) | (var default #:keyword) …
//!           [#:allow-other-keys]] [#:rest var | . var]) body …)
//! ```

use crate::{
    core_form::{Core, Lambda, Var},
    datum::{Datum, DatumKind},
    module::{Binding, Denotation, Special},
    procedure::Primitive,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, env::Local, list_form, list_items};

#[derive(PartialEq)]
enum Section {
    Required,
    Optional,
    Key,
    Rest,
}

impl Expander<'_> {
    pub(super) fn lambda(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
        special: Special,
    ) -> Result<Core, Failure> {
        let Some((formals, body)) = arguments.split_first().filter(|(_, body)| !body.is_empty()) else {
            return Err(ExpandError::BadSyntax {
                form: if special == Special::LambdaStar { "lambda*" } else { "lambda" },
                span: form.span,
                expected: "`(lambda (argument …) body …)`",
            }
            .into());
        };
        self.procedure(formals, body, form.span, env, name, special)
    }

    /// Expands a procedure.
    pub(super) fn procedure(
        &mut self,
        formals: &Datum,
        body: &[Datum],
        span: Span,
        env: &Env,
        name: Option<Symbol>,
        special: Special,
    ) -> Result<Core, Failure> {
        let (lambda, inner) = self.arguments(formals, span, env, name, special == Special::LambdaStar)?;
        // A string before the body is documentation.
        let body = match body {
            [Datum { kind: DatumKind::String(_), .. }, rest @ ..] if !rest.is_empty() => rest,
            _ => body,
        };
        let body = self.body(body, &inner, span)?;
        Ok(Core::Lambda(Box::new(Lambda { body, ..lambda })))
    }

    fn bind_argument(&mut self, datum: &Datum, env: &Env) -> Result<(Symbol, Var), Failure> {
        let DatumKind::Symbol(name) = datum.kind else {
            return Err(ExpandError::Other {
                message: "the name of an argument must be a symbol".to_owned(),
                span: datum.span,
                hint: None,
            }
            .into());
        };
        let var = self.fresh(name);
        Ok((name, self.bound(name, var, env, datum.span)?))
    }

    fn bound(&mut self, name: Symbol, var: Var, env: &Env, span: Span) -> Result<Var, Failure> {
        if env.bound_here(name) {
            let name = self.world.aliases.original(name);
            return Err(ExpandError::Other {
                message: format!("argument `{name}` is named twice"),
                span,
                hint: None,
            }
            .into());
        }
        env.bind(name, Local::Variable(var));
        Ok(var)
    }

    fn arguments(
        &mut self,
        formals: &Datum,
        span: Span,
        env: &Env,
        name: Option<Symbol>,
        star: bool,
    ) -> Result<(Lambda, Env), Failure> {
        let name = name.map(|name| self.world.aliases.original(name));
        let mut lambda = Lambda::simple(name, span, Vec::new(), Core::unspecified());
        let inner = env.nested();
        let (items, tail) = match &formals.kind {
            DatumKind::List(items) => (items.as_slice(), None),
            DatumKind::Dotted(items, tail) => (items.as_slice(), Some(&**tail)),
            _ => (&[][..], Some(formals)),
        };
        let mut section = Section::Required;
        for item in items {
            if star && let DatumKind::Keyword(keyword) = item.kind {
                section = match keyword.as_str() {
                    "optional" => Section::Optional,
                    "key" => Section::Key,
                    "rest" => Section::Rest,
                    "allow-other-keys" => {
                        lambda.allow_other_keys = true;
                        section
                    }
                    _ => return Err(self.bad_argument(item).into()),
                };
                continue;
            }
            match section {
                Section::Required => lambda.required.push(self.bind_argument(item, &inner)?.1),
                Section::Optional => {
                    let (variable, default, _) = self.optional_parts(item)?;
                    let default = self.default(default, &inner)?;
                    let (_, var) = self.bind_argument(variable, &inner)?;
                    lambda.optional.push((var, default));
                }
                Section::Key => {
                    let (variable, default, keyword) = self.optional_parts(item)?;
                    let default = self.default(default, &inner)?;
                    let (symbol, var) = self.bind_argument(variable, &inner)?;
                    let keyword = keyword.unwrap_or_else(|| self.world.aliases.original(symbol));
                    lambda.keys.push((keyword, var, default));
                }
                Section::Rest => lambda.rest = Some(self.bind_argument(item, &inner)?.1),
            }
        }
        if let Some(tail) = tail {
            lambda.rest = Some(self.bind_argument(tail, &inner)?.1);
        }
        Ok((lambda, inner))
    }

    fn default(&mut self, default: Option<&Datum>, env: &Env) -> Result<Core, Failure> {
        match default {
            Some(default) => self.expression(default, env),
            None => Ok(Core::Const(Value::Bool(false))),
        }
    }

    fn optional_parts<'d>(
        &self,
        item: &'d Datum,
    ) -> Result<(&'d Datum, Option<&'d Datum>, Option<Symbol>), Failure> {
        match &item.kind {
            DatumKind::Symbol(_) => Ok((item, None, None)),
            DatumKind::List(parts) => match parts.as_slice() {
                [variable] => Ok((variable, None, None)),
                [variable, default] => Ok((variable, Some(default), None)),
                [variable, default, Datum { kind: DatumKind::Keyword(keyword), .. }] => {
                    Ok((variable, Some(default), Some(*keyword)))
                }
                _ => Err(self.bad_argument(item).into()),
            },
            _ => Err(self.bad_argument(item).into()),
        }
    }

    fn bad_argument(&self, item: &Datum) -> ExpandError {
        ExpandError::BadSyntax {
            form: "lambda*",
            span: item.span,
            expected: "`(lambda* (argument … #:optional (name default) … #:key (name default) … #:rest name) body …)`",
        }
    }

    pub(super) fn case_lambda(
        &mut self,
        form: &Datum,
        clauses: &[Datum],
        env: &Env,
        name: Option<Symbol>,
        special: Special,
    ) -> Result<Core, Failure> {
        let special = if special == Special::CaseLambdaStar { Special::LambdaStar } else { Special::Lambda };
        let mut lambdas = Vec::with_capacity(clauses.len());
        for clause in clauses {
            let Some([formals, body @ ..]) = list_items(clause).filter(|items| items.len() > 1) else {
                return Err(ExpandError::BadSyntax {
                    form: "case-lambda",
                    span: form.span,
                    expected: "`(case-lambda ((argument …) body …) …)`",
                }
                .into());
            };
            if let Core::Lambda(lambda) = self.procedure(formals, body, clause.span, env, name, special)? {
                lambdas.push(*lambda);
            }
        }
        Ok(Core::CaseLambda(lambdas))
    }

    pub(super) fn memo_lambda(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
        identity: bool,
    ) -> Result<Core, Failure> {
        let lambda = self.lambda(form, arguments, env, name, Special::Lambda)?;
        let primitive = if identity { Primitive::MemoizeIdentity } else { Primitive::Memoize };
        Ok(Core::call_const(Value::Primitive(primitive), vec![lambda], form.span))
    }

    /// `(cut f <> a <...>)`; `cute` evaluates the other operands once.
    pub(super) fn cut(
        &mut self,
        form: &Datum,
        items: &[Datum],
        env: &Env,
        once: bool,
    ) -> Result<Core, Failure> {
        let bad = || ExpandError::BadSyntax {
            form: if once { "cute" } else { "cut" },
            span: form.span,
            expected: "`(cut procedure argument-or-<> … [<...>])`",
        };
        if items.is_empty() {
            return Err(bad().into());
        }
        if let Some(datum) = self.cut_of_macro(form, items, env)? {
            return self.expression(&datum, env);
        }
        let mut slots = Vec::new();
        let mut rest = None;
        let mut parts = Vec::new();
        let mut bindings = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if self.is_word(item, "<>", env) {
                let var = self.fresh(Symbol::new("slot"));
                slots.push(var);
                parts.push(Core::Local(var));
            } else if self.is_word(item, "<...>", env) && index + 1 == items.len() {
                rest = Some(self.fresh(Symbol::new("slots")));
            } else {
                let core = self.expression(item, env)?;
                if once && !matches!(core, Core::Const(_) | Core::Local(_) | Core::Global(..)) {
                    let var = self.fresh(Symbol::new("operand"));
                    bindings.push((var, core));
                    parts.push(Core::Local(var));
                } else {
                    parts.push(core);
                }
            }
        }
        let body = match rest {
            Some(rest) => {
                parts.push(Core::Local(rest));
                Core::call_const(Value::Primitive(Primitive::Apply), parts, form.span)
            }
            None => {
                let arguments = parts.split_off(1.min(parts.len()));
                let procedure = parts.pop().ok_or_else(bad)?;
                Core::Call(Box::new(procedure), arguments, form.span)
            }
        };
        let mut lambda = Lambda::simple(None, form.span, slots, body);
        lambda.rest = rest;
        let lambda = Core::Lambda(Box::new(lambda));
        Ok(if bindings.is_empty() { lambda } else { Core::Let(bindings, Box::new(lambda)) })
    }

    /// Returns `(lambda (slot …) (macro … slot …))` where the operator of a `cut` is a macro or a form.
    fn cut_of_macro(&mut self, form: &Datum, items: &[Datum], env: &Env) -> Result<Option<Datum>, Failure> {
        let Some(Datum { kind: DatumKind::Symbol(head), .. }) = items.first() else { return Ok(None) };
        let is_macro = matches!(
            self.world.denote(*head, env)?,
            Denotation::Top(Binding::Macro(_) | Binding::Special(_)) | Denotation::Local(Local::Macro(_))
        );
        if !is_macro {
            return Ok(None);
        }
        let mut slots = Vec::new();
        let mut call = Vec::new();
        for item in items {
            if self.is_word(item, "<>", env) {
                let slot = self.world.aliases.fresh(Symbol::new("slot"), env.clone());
                slots.push(Datum { kind: DatumKind::Symbol(slot), span: item.span });
                call.push(Datum { kind: DatumKind::Symbol(slot), span: item.span });
            } else {
                call.push(item.clone());
            }
        }
        let lambda = self.world.base_name("lambda");
        let lambda = Datum { kind: DatumKind::Symbol(lambda), span: form.span };
        let (slots, call) = (list_form(slots, form.span), list_form(call, form.span));
        Ok(Some(list_form(vec![lambda, slots, call], form.span)))
    }
}
