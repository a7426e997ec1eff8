//! Choice and control: `if`, `cond`, `case`, `and`, `or`, `begin`, `guard`, `delay`, `assert`, `set!` …

use crate::{
    core_form::{Core, Lambda, Var},
    datum::{Datum, DatumKind},
    diagnostic::Diagnostic,
    module::{Binding, Denotation},
    native::{Native, Side},
    procedure::Primitive,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, Macro, env::Local, list_items};

fn bad(form: &'static str, span: Span, expected: &'static str) -> Failure {
    ExpandError::BadSyntax { form, span, expected }.into()
}

/// What a clause of `cond` does.
enum Arm {
    /// `(test)`
    Test,
    /// `(test expression …)`
    Body(Core),
    /// `(test => receiver)`
    Receiver(Core),
    /// `(generator guard => receiver)`
    Guarded(Core, Core),
}

impl Expander<'_> {
    pub(super) fn quote(&mut self, form: &Datum, arguments: &[Datum]) -> Result<Core, Failure> {
        match arguments {
            [datum] => Ok(Core::Const(Value::from_datum(&self.world.aliases.strip(datum)))),
            _ => Err(bad("quote", form.span, "`(quote datum)`")),
        }
    }

    pub(super) fn if_form(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        match arguments {
            [test, then] => {
                let test = self.expression(test, env)?;
                Ok(Core::choose(test, self.expression_named(then, env, name)?, Core::unspecified()))
            }
            [test, then, otherwise] => {
                let test = self.expression(test, env)?;
                let then = self.expression_named(then, env, name)?;
                Ok(Core::choose(test, then, self.expression_named(otherwise, env, name)?))
            }
            _ => Err(bad("if", form.span, "`(if test then else)`")),
        }
    }

    pub(super) fn begin(&mut self, forms: &[Datum], env: &Env) -> Result<Core, Failure> {
        Ok(Core::seq(self.expressions(forms, env)?))
    }

    /// Expands expressions of which the last gives the value; none give an unspecified one.
    fn sequence(&mut self, forms: &[Datum], env: &Env, span: Span) -> Result<Core, Failure> {
        if forms.is_empty() { Ok(Core::unspecified()) } else { self.body(forms, env, span) }
    }

    pub(super) fn when(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        negated: bool,
    ) -> Result<Core, Failure> {
        let Some((test, body)) = arguments.split_first() else {
            return Err(if negated {
                bad("unless", form.span, "`(unless test expression …)`")
            } else {
                bad("when", form.span, "`(when test expression …)`")
            });
        };
        let test = self.expression(test, env)?;
        let body = self.sequence(body, env, form.span)?;
        Ok(if negated {
            Core::choose(test, Core::unspecified(), body)
        } else {
            Core::choose(test, body, Core::unspecified())
        })
    }

    /// Binds a value to a variable for the rest.
    pub(super) fn bind_once(
        &mut self,
        value: Core,
        rest: impl FnOnce(&mut Self, Var) -> Result<Core, Failure>,
    ) -> Result<Core, Failure> {
        if let Core::Local(var) = value {
            return rest(self, var);
        }
        let var = self.fresh(Symbol::new("value"));
        let rest = rest(self, var)?;
        Ok(Core::Let(vec![(var, value)], Box::new(rest)))
    }

    pub(super) fn cond(&mut self, clauses: &[Datum], env: &Env) -> Result<Core, Failure> {
        self.cond_or_else(clauses, env, Core::unspecified())
    }

    fn cond_or_else(&mut self, clauses: &[Datum], env: &Env, otherwise: Core) -> Result<Core, Failure> {
        let wrong = |span| bad("cond", span, "`(cond (test expression …) … (else expression …))`");
        let mut arms: Vec<(Core, Arm, Span)> = Vec::new();
        let mut result = otherwise;
        for (index, clause) in clauses.iter().enumerate() {
            let Some((test, body)) = list_items(clause).and_then(<[Datum]>::split_first) else {
                return Err(wrong(clause.span));
            };
            if self.is_word(test, "else", env) {
                if index + 1 != clauses.len() || body.is_empty() {
                    let message = if body.is_empty() {
                        "`else` needs an expression"
                    } else {
                        "`else` must be the last clause"
                    };
                    return Err(ExpandError::Other {
                        message: message.to_owned(),
                        span: clause.span,
                        hint: None,
                    }
                    .into());
                }
                result = self.sequence(body, env, clause.span)?;
                break;
            }
            let test = self.expression(test, env)?;
            let arm = match body {
                [] => Arm::Test,
                [arrow, receiver] if self.is_word(arrow, "=>", env) => {
                    Arm::Receiver(self.expression(receiver, env)?)
                }
                [guard, arrow, receiver] if self.is_word(arrow, "=>", env) => {
                    // SRFI 61: `(generator guard => receiver)`.
                    Arm::Guarded(self.expression(guard, env)?, self.expression(receiver, env)?)
                }
                body => Arm::Body(self.sequence(body, env, clause.span)?),
            };
            arms.push((test, arm, clause.span));
        }
        for (test, arm, span) in arms.into_iter().rev() {
            result = self.cond_arm(test, arm, span, result)?;
        }
        Ok(result)
    }

    fn cond_arm(&mut self, test: Core, arm: Arm, span: Span, rest: Core) -> Result<Core, Failure> {
        if let Arm::Body(body) = arm {
            return Ok(Core::choose(test, body, rest));
        }
        self.bind_once(test, |this, var| {
            let value = Core::Local(var);
            Ok(match arm {
                Arm::Body(_) | Arm::Test => Core::choose(Core::Local(var), value, rest),
                Arm::Receiver(receiver) => {
                    let call = Core::Call(Box::new(receiver), vec![value], span);
                    Core::choose(Core::Local(var), call, rest)
                }
                Arm::Guarded(guard, receiver) => {
                    let list = this.fresh(Symbol::new("values"));
                    let producer = Lambda::simple(None, span, Vec::new(), value);
                    let collector = this.world.base.constant(Symbol::new("list")).cloned();
                    let wrapped = Core::call_const(
                        Value::Primitive(Primitive::CallWithValues),
                        vec![
                            Core::Lambda(Box::new(producer)),
                            Core::Const(collector.unwrap_or(Value::Unspecified)),
                        ],
                        span,
                    );
                    let apply = |f| {
                        let arguments = vec![f, Core::Local(list)];
                        Core::call_const(Value::Primitive(Primitive::Apply), arguments, span)
                    };
                    let choice = Core::choose(apply(guard), apply(receiver), rest);
                    Core::Let(vec![(list, wrapped)], Box::new(choice))
                }
            })
        })
    }

    pub(super) fn case(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let wrong = |span| bad("case", span, "`(case key ((datum …) expression …) … (else expression …))`");
        let Some((key, clauses)) = arguments.split_first() else { return Err(wrong(form.span)) };
        let key = self.expression(key, env)?;
        self.bind_once(key, |this, var| {
            let mut arms = Vec::new();
            let mut last = Core::unspecified();
            for (index, clause) in clauses.iter().enumerate() {
                let Some((data, body)) = list_items(clause).and_then(<[Datum]>::split_first) else {
                    return Err(wrong(clause.span));
                };
                let is_else = this.is_word(data, "else", env);
                let body = match body {
                    [arrow, receiver] if this.is_word(arrow, "=>", env) => {
                        let receiver = this.expression(receiver, env)?;
                        Core::Call(Box::new(receiver), vec![Core::Local(var)], clause.span)
                    }
                    body => this.sequence(body, env, clause.span)?,
                };
                if is_else {
                    if index + 1 != clauses.len() {
                        return Err(wrong(clause.span));
                    }
                    last = body;
                    break;
                }
                let Some(data) = list_items(data) else { return Err(wrong(data.span)) };
                let values: Vec<Value> =
                    data.iter().map(|datum| Value::from_datum(&this.world.aliases.strip(datum))).collect();
                let test = match values.as_slice() {
                    [only] => this.native_call(
                        "eqv?",
                        vec![Core::Local(var), Core::Const(only.clone())],
                        clause.span,
                    ),
                    _ => this.native_call(
                        "memv",
                        vec![Core::Local(var), Core::Const(Value::list(values))],
                        clause.span,
                    ),
                };
                arms.push((test, body));
            }
            Ok(arms.into_iter().rev().fold(last, |rest, (test, body)| Core::choose(test, body, rest)))
        })
    }

    pub(super) fn and(&mut self, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let mut parts = self.expressions(arguments, env)?;
        let Some(last) = parts.pop() else { return Ok(Core::Const(Value::Bool(true))) };
        Ok(parts
            .into_iter()
            .rev()
            .fold(last, |rest, test| Core::choose(test, rest, Core::Const(Value::Bool(false)))))
    }

    pub(super) fn or(&mut self, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let mut parts = self.expressions(arguments, env)?;
        let Some(mut result) = parts.pop() else { return Ok(Core::Const(Value::Bool(false))) };
        for test in parts.into_iter().rev() {
            let rest = result;
            result =
                self.bind_once(test, |_, var| Ok(Core::choose(Core::Local(var), Core::Local(var), rest)))?;
        }
        Ok(result)
    }

    /// `(and-let* ((name value) (test) name …) body …)`
    pub(super) fn and_let(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let wrong = |span| bad("and-let*", span, "`(and-let* ((name value) (test) …) body …)`");
        let Some((clauses, body)) = arguments.split_first() else { return Err(wrong(form.span)) };
        let clauses = list_items(clauses).ok_or_else(|| wrong(clauses.span))?;
        let Some((clause, rest)) = clauses.split_first() else {
            return if body.is_empty() {
                Ok(Core::Const(Value::Bool(true)))
            } else {
                self.body(body, env, form.span)
            };
        };
        let mut remaining = vec![super::list_form(rest.to_vec(), form.span)];
        remaining.extend(body.iter().cloned());
        let last = rest.is_empty() && body.is_empty();
        let (name, value) = match &clause.kind {
            DatumKind::Symbol(_) => (None, clause),
            DatumKind::List(parts) => match parts.as_slice() {
                [test] => (None, test),
                [Datum { kind: DatumKind::Symbol(name), .. }, value] => (Some(*name), value),
                _ => return Err(wrong(clause.span)),
            },
            _ => return Err(wrong(clause.span)),
        };
        let value = self.expression(value, env)?;
        if last {
            return Ok(value);
        }
        let var = self.fresh(name.unwrap_or(Symbol::new("test")));
        let inner = name.map_or_else(|| env.clone(), |name| env.binding(name, var));
        let rest = self.and_let(form, &remaining, &inner)?;
        let choice = Core::choose(Core::Local(var), rest, Core::Const(Value::Bool(false)));
        Ok(Core::Let(vec![(var, value)], Box::new(choice)))
    }

    /// `(cond-expand (feature body …) …)`
    pub(super) fn cond_expand(
        &mut self,
        form: &Datum,
        clauses: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        for clause in clauses {
            let Some((requirement, body)) = list_items(clause).and_then(<[Datum]>::split_first) else {
                return Err(bad("cond-expand", form.span, "`(cond-expand (feature expression …) …)`"));
            };
            if self.has_feature(requirement) {
                return self.sequence(body, env, clause.span);
            }
        }
        Ok(Core::unspecified())
    }

    fn has_feature(&self, requirement: &Datum) -> bool {
        match &requirement.kind {
            DatumKind::Symbol(name) => {
                matches!(
                    self.world.aliases.original(*name).as_str(),
                    "else" | "hpcl" | "guile" | "guile-2" | "guile-3" | "srfi-1"
                )
            }
            DatumKind::List(items) => {
                let head = items.first().map(|head| &head.kind);
                let rest = items.get(1..).unwrap_or(&[]);
                match head {
                    Some(DatumKind::Symbol(head)) => match self.world.aliases.original(*head).as_str() {
                        "and" => rest.iter().all(|item| self.has_feature(item)),
                        "or" => rest.iter().any(|item| self.has_feature(item)),
                        "not" => !rest.iter().any(|item| self.has_feature(item)),
                        _ => false,
                    },
                    _ => false,
                }
            }
            _ => false,
        }
    }

    pub(super) fn delay(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let [expression] = arguments else { return Err(bad("delay", form.span, "`(delay expression)`")) };
        let mut body = self.expression(expression, env)?;
        if self.head_name(form) != "delay" {
            body = Core::call_const(Value::Primitive(Primitive::Force), vec![body], form.span);
        }
        Ok(Core::Delay(Box::new(Lambda::simple(None, form.span, Vec::new(), body))))
    }

    /// `(guard (name clause …) body …)`
    pub(super) fn guard(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let wrong = || bad("guard", form.span, "`(guard (name (test expression …) …) body …)`");
        let Some((spec, body)) = arguments.split_first().filter(|(_, body)| !body.is_empty()) else {
            return Err(wrong());
        };
        let Some([Datum { kind: DatumKind::Symbol(name), .. }, clauses @ ..]) = list_items(spec) else {
            return Err(wrong());
        };
        let thunk = self.thunk_of(body, env, form.span)?;
        let var = self.fresh(*name);
        let inner = env.binding(*name, var);
        let reraise =
            Core::call_const(Value::Primitive(Primitive::Reraise), vec![Core::Local(var)], form.span);
        let handler = self.cond_or_else(clauses, &inner, reraise)?;
        let handler = Core::Lambda(Box::new(Lambda::simple(None, form.span, vec![var], handler)));
        Ok(Core::call_const(Value::Primitive(Primitive::Guard), vec![handler, thunk], form.span))
    }

    pub(super) fn false_if_exception(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let Some((expression, _)) = arguments.split_first() else {
            return Err(bad("false-if-exception", form.span, "`(false-if-exception expression)`"));
        };
        let thunk = self.thunk_of(std::slice::from_ref(expression), env, form.span)?;
        let var = self.fresh(Symbol::new("exception"));
        let no = Core::Const(Value::Bool(false));
        let handler = Core::Lambda(Box::new(Lambda::simple(None, form.span, vec![var], no)));
        Ok(Core::call_const(Value::Primitive(Primitive::Guard), vec![handler, thunk], form.span))
    }

    /// `(let/ec name body …)`
    pub(super) fn let_escape(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let [Datum { kind: DatumKind::Symbol(name), .. }, body @ ..] = arguments else {
            return Err(bad("let/ec", form.span, "`(let/ec name body …)`"));
        };
        let var = self.fresh(*name);
        let body = self.body(body, &env.binding(*name, var).nested(), form.span)?;
        let receiver = Core::Lambda(Box::new(Lambda::simple(None, form.span, vec![var], body)));
        Ok(Core::call_const(Value::Primitive(Primitive::CallEscape), vec![receiver], form.span))
    }

    pub(super) fn assert(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let Some((expression, _)) = arguments.split_first() else {
            return Err(bad("assert", form.span, "`(assert expression)`"));
        };
        let written = Value::from_datum(&self.world.aliases.strip(expression));
        let test = self.expression(expression, env)?;
        let complain: &'static Native = &crate::vm::natives::ASSERTION;
        let failed = Core::call_const(Value::Native(complain), vec![Core::Const(written)], expression.span);
        Ok(Core::choose(test, Core::unspecified(), failed))
    }

    pub(super) fn set(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let [Datum { kind: DatumKind::Symbol(name), span }, value] = arguments else {
            return Err(bad("set!", form.span, "`(set! name value)`"));
        };
        let plain = self.world.aliases.original(*name);
        if let Denotation::Local(Local::Macro(found)) | Denotation::Top(Binding::Macro(found)) =
            self.world.denote(*name, env)?
            && let Macro::Procedure(transformer) = &*found
            && transformer.variable
        {
            let expanded = super::transform(self.world, transformer, form, env)?;
            return self.expression(&expanded, env);
        }
        if self.world.side() != Side::Builder {
            return Err(ExpandError::Mutation { name: plain, span: form.span }.into());
        }
        let value = self.expression(value, env)?;
        match self.world.denote(*name, env)? {
            Denotation::Local(Local::Variable(var)) if var.0 < self.first_var => {
                Err(self.other_phase(*name, *span))
            }
            Denotation::Local(Local::Variable(var)) => {
                if let Some(info) = self.vars.get_mut(var.0 as usize) {
                    info.mutated = true;
                }
                Ok(Core::SetLocal(var, Box::new(value)))
            }
            Denotation::Top(Binding::Variable(global)) => Ok(Core::SetGlobal(global, Box::new(value))),
            Denotation::Unbound(name, module) => {
                let locals = env.names();
                let diagnostic: Diagnostic = crate::module::unbound(self.world, name, module, &locals, *span);
                Err(diagnostic.into())
            }
            _ => Err(ExpandError::Other {
                message: format!("`{plain}` cannot be changed"),
                span: *span,
                hint: Some("only variables can".to_owned()),
            }
            .into()),
        }
    }
}
