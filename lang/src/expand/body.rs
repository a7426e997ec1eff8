//! Bodies: definitions and expressions, in any order.
//!
//! The heads of all forms are expanded first, so that every name of the body is known before any value is expanded. Values
//! are bound in order and may refer to one another, as in `letrec*`.

use crate::{
    core_form::{Core, Var},
    datum::{Datum, DatumKind},
    module::{Binding, Special},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Env, ExpandError, Expander, Failure, Macro, define_values_parts, defined_name, env::Local, formals,
    list_items, macro_parts, record,
};
use crate::module::Denotation;

enum Item {
    Define(Var, Datum),
    Values(Vec<Var>, Option<Var>, Datum),
    Expression(Datum),
}

impl Expander<'_> {
    /// Expands a body.
    pub(super) fn body(&mut self, forms: &[Datum], env: &Env, span: Span) -> Result<Core, Failure> {
        if let [only] = forms
            && !self.may_define(only, env)?
        {
            return self.expression(only, env);
        }
        let env = env.nested();
        let mut items = Vec::new();
        for form in forms {
            self.collect(form, &env, &mut items)?;
        }
        let mut bindings = Vec::new();
        let mut tail = Vec::new();
        let defines = items.iter().any(|item| !matches!(item, Item::Expression(_)));
        for item in items {
            if !matches!(item, Item::Expression(_)) {
                // Expressions before a definition are bound to variables that nothing refers to.
                for effect in tail.drain(..) {
                    let var = self.fresh(Symbol::new("effect"));
                    bindings.push((var, effect));
                }
            }
            match item {
                Item::Define(var, form) => {
                    let (_, core) = self.define_form_value(&form, &env)?;
                    bindings.push((var, core));
                }
                Item::Values(vars, rest, expression) => {
                    let core = self.expression(&expression, &env)?;
                    self.bind_values(vars, rest, core, span, &mut bindings);
                }
                Item::Expression(form) => tail.push(self.expression(&form, &env)?),
            }
        }
        if tail.is_empty() {
            if !defines {
                return Err(
                    ExpandError::Other { message: "a body is empty".to_owned(), span, hint: None }.into()
                );
            }
            tail.push(Core::unspecified());
        }
        let body = Core::seq(tail);
        Ok(if bindings.is_empty() { body } else { Core::Letrec(bindings, Box::new(body)) })
    }

    /// Whether a form could be a definition.
    fn may_define(&mut self, form: &Datum, env: &Env) -> Result<bool, Failure> {
        let Some([Datum { kind: DatumKind::Symbol(head), .. }, ..]) = list_items(form) else {
            return Ok(false);
        };
        Ok(match self.world.denote(*head, env)? {
            Denotation::Top(Binding::Special(special)) => {
                is_definition(special) || matches!(special, Special::Begin)
            }
            Denotation::Top(Binding::Macro(rules)) | Denotation::Local(Local::Macro(rules)) => {
                matches!(*rules, Macro::Rules(_) | Macro::Procedure(_))
            }
            _ => false,
        })
    }

    fn collect(&mut self, form: &Datum, env: &Env, items: &mut Vec<Item>) -> Result<(), Failure> {
        let Some([Datum { kind: DatumKind::Symbol(head), .. }, rest @ ..]) = list_items(form) else {
            items.push(Item::Expression(form.clone()));
            return Ok(());
        };
        let special = match self.world.denote(*head, env)? {
            Denotation::Top(Binding::Special(special)) => special,
            Denotation::Top(Binding::Macro(rules)) | Denotation::Local(Local::Macro(rules)) => {
                if !self.stack.has_room() {
                    return Err(self.too_deep(form, env));
                }
                return match self.world.expand_use(&rules, form, env)? {
                    Some(expanded) => self.collect(&expanded, env, items),
                    None => {
                        items.push(Item::Expression(form.clone()));
                        Ok(())
                    }
                };
            }
            _ => {
                items.push(Item::Expression(form.clone()));
                return Ok(());
            }
        };
        match special {
            Special::Begin => {
                if rest.is_empty() {
                    items.push(Item::Expression(form.clone()));
                }
                for inner in rest {
                    self.collect(inner, env, items)?;
                }
            }
            Special::Define | Special::DefineStar | Special::DefinePublic | Special::DefineStarPublic => {
                let (name, name_span) = defined_name(form)?;
                self.check_unique(name, name_span, env)?;
                let var = self.fresh(name);
                env.bind(name, Local::Variable(var));
                items.push(Item::Define(var, form.clone()));
            }
            Special::DefineValues => {
                let (names, expression) = define_values_parts(form)?;
                let (names, rest) = formals(&names)?;
                let bind = |this: &mut Self, name: Symbol| {
                    let var = this.fresh(name);
                    env.bind(name, Local::Variable(var));
                    var
                };
                let vars = names.iter().map(|(name, _)| bind(self, *name)).collect();
                let rest = rest.map(|(name, _)| bind(self, name));
                items.push(Item::Values(vars, rest, expression));
            }
            Special::DefineSyntax
            | Special::DefineSyntaxRule
            | Special::DefineSyntaxPublic
            | Special::DefineSyntaxParameter => {
                let (name, _) = macro_parts(form)?;
                let rules = self.world.macro_of_form(form, env)?;
                env.bind(name, Local::Macro(rules));
            }
            Special::DefineRecordType => {
                for (name, value, _) in record::parse_plain(form, &self.world.aliases)? {
                    env.bind(name, Local::Constant(value));
                }
            }
            Special::DefineRecordTypeStar => {
                return Err(ExpandError::Other {
                    message: "`define-record-type*` stands at the top level of a module".to_owned(),
                    span: form.span,
                    hint: None,
                }
                .into());
            }
            _ => items.push(Item::Expression(form.clone())),
        }
        Ok(())
    }

    fn check_unique(&self, name: Symbol, span: Span, env: &Env) -> Result<(), Failure> {
        if !env.bound_here(name) {
            return Ok(());
        }
        let name = self.world.aliases.original(name);
        Err(ExpandError::Other {
            message: format!("`{name}` is defined twice in one body"),
            span,
            hint: None,
        }
        .into())
    }

    /// Binds the values of an expression to variables.
    pub(super) fn bind_values(
        &mut self,
        vars: Vec<Var>,
        rest: Option<Var>,
        expression: Core,
        span: Span,
        bindings: &mut Vec<(Var, Core)>,
    ) {
        use crate::{core_form::Lambda, procedure::Primitive};
        let all = self.fresh(Symbol::new("values"));
        let named = Some(Symbol::new(crate::core_form::VALUES));
        let producer = Core::Lambda(Box::new(Lambda::simple(named, span, Vec::new(), expression)));
        let mut consumer = Lambda::simple(named, span, Vec::new(), Core::unspecified());
        let copies: Vec<Var> = vars.iter().map(|_| self.fresh(Symbol::new("value"))).collect();
        consumer.required.clone_from(&copies);
        let tail = self.fresh(Symbol::new("rest"));
        if rest.is_some() {
            consumer.rest = Some(tail);
        }
        let mut parts: Vec<Core> = copies.iter().map(|var| Core::Local(*var)).collect();
        if rest.is_some() {
            parts.push(Core::Local(tail));
        }
        consumer.body = self.native_call("vector", parts, span);
        let consumer = Core::Lambda(Box::new(consumer));
        let call =
            Core::call_const(Value::Primitive(Primitive::CallWithValues), vec![producer, consumer], span);
        bindings.push((all, call));
        for (index, var) in vars.into_iter().chain(rest).enumerate() {
            let place = Core::Const(Value::Int(i64::try_from(index).unwrap_or(0)));
            let value = self.native_call("vector-ref", vec![Core::Local(all), place], span);
            bindings.push((var, value));
        }
    }

    /// Returns a call of a procedure of the base environment.
    pub(super) fn native_call(&self, name: &str, arguments: Vec<Core>, span: Span) -> Core {
        let procedure = self.world.base.constant(Symbol::new(name)).cloned().unwrap_or(Value::Unspecified);
        Core::call_const(procedure, arguments, span)
    }
}

fn is_definition(special: Special) -> bool {
    matches!(
        special,
        Special::Define
            | Special::DefineStar
            | Special::DefinePublic
            | Special::DefineStarPublic
            | Special::DefineValues
            | Special::DefineSyntax
            | Special::DefineSyntaxPublic
            | Special::DefineSyntaxRule
            | Special::DefineSyntaxParameter
            | Special::DefineRecordType
            | Special::DefineRecordTypeStar
    )
}
