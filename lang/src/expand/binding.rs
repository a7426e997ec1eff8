//! Local variables: `let`, `let*`, `letrec`, `let-values`, `receive`, `let-syntax`, `parameterize`.

use crate::{
    core_form::{Core, Lambda, Var},
    datum::{Datum, DatumKind},
    module::Special,
    procedure::Primitive,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, MacroSource, env::Local, formals, list_form, list_items};

fn bad(form: &'static str, span: Span) -> Failure {
    let expected = match form {
        "let" => "`(let ((name value) …) body …)` or `(let loop ((name value) …) body …)`",
        "let*" => "`(let* ((name value) …) body …)`",
        "letrec" => "`(letrec ((name value) …) body …)`",
        "let-values" => "`(let-values (((name …) expression) …) body …)`",
        "receive" => "`(receive (name …) expression body …)`",
        "let-syntax" => "`(let-syntax ((name (syntax-rules …)) …) body …)`",
        _ => "`(parameterize ((parameter value) …) body …)`",
    };
    ExpandError::BadSyntax { form, span, expected }.into()
}

/// Parses `((name value) …)`.
fn pairs<'d>(datum: &'d Datum, form: &'static str) -> Result<Vec<(&'d Datum, &'d Datum)>, Failure> {
    let items = list_items(datum).ok_or_else(|| bad(form, datum.span))?;
    items
        .iter()
        .map(|item| match list_items(item) {
            Some([name, value]) => Ok((name, value)),
            _ => Err(bad(form, item.span)),
        })
        .collect()
}

fn symbol(datum: &Datum, form: &'static str) -> Result<Symbol, Failure> {
    match datum.kind {
        DatumKind::Symbol(name) => Ok(name),
        _ => Err(bad(form, datum.span)),
    }
}

/// Splits the bindings of a form from its body, which is not empty.
fn split<'d>(
    form: &Datum,
    arguments: &'d [Datum],
    name: &'static str,
) -> Result<(&'d Datum, &'d [Datum]), Failure> {
    match arguments.split_first() {
        Some((bindings, body)) if !body.is_empty() => Ok((bindings, body)),
        _ => Err(bad(name, form.span)),
    }
}

/// Returns the arguments of a form with other bindings.
fn with_bindings(bindings: Datum, body: &[Datum]) -> Vec<Datum> {
    std::iter::once(bindings).chain(body.iter().cloned()).collect()
}

impl Expander<'_> {
    pub(super) fn let_form(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "let")?;
        if let DatumKind::Symbol(name) = first.kind {
            return self.named_let(form, name, body, env);
        }
        if let Some(rewritten) = self.values_bindings(first, env) {
            return self.let_values(form, &with_bindings(rewritten, body), env, Special::LetValues);
        }
        let inner = env.nested();
        let mut bindings = Vec::new();
        for (name, value) in pairs(first, "let")? {
            let name_symbol = symbol(name, "let")?;
            let core = self.expression_named(value, env, Some(name_symbol))?;
            if inner.bound_here(name_symbol) {
                return Err(ExpandError::Other {
                    message: format!("`{}` is bound twice", self.world.aliases.original(name_symbol)),
                    span: name.span,
                    hint: Some("use `let*` to bind a name again in terms of itself".to_owned()),
                }
                .into());
            }
            let var = self.fresh(name_symbol);
            bindings.push((var, core));
            inner.bind(name_symbol, Local::Variable(var));
        }
        let body = self.body(body, &inner, form.span)?;
        Ok(Core::Let(bindings, Box::new(body)))
    }

    fn named_let(&mut self, form: &Datum, name: Symbol, rest: &[Datum], env: &Env) -> Result<Core, Failure> {
        let (bindings, body) = split(form, rest, "let")?;
        let outer = env.nested();
        let inner = outer.nested();
        let mut variables = Vec::new();
        let mut values = Vec::new();
        for (variable, value) in pairs(bindings, "let")? {
            values.push(self.expression(value, env)?);
            let variable = symbol(variable, "let")?;
            let var = self.fresh(variable);
            inner.bind(variable, Local::Variable(var));
            variables.push(var);
        }
        let loop_var = self.fresh(name);
        outer.bind(name, Local::Variable(loop_var));
        // The scope of the arguments was made inside of that of the name, so that either may shadow.
        let body = self.body(body, &inner, form.span)?;
        let plain = self.world.aliases.original(name);
        let lambda = Lambda::simple(Some(plain), form.span, variables, body);
        Ok(Core::Letrec(
            vec![(loop_var, Core::Lambda(Box::new(lambda)))],
            Box::new(Core::Call(Box::new(Core::Local(loop_var)), values, form.span)),
        ))
    }

    pub(super) fn let_star(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "let*")?;
        if let Some(rewritten) = self.values_bindings(first, env) {
            return self.let_values(form, &with_bindings(rewritten, body), env, Special::LetStarValues);
        }
        let mut scope = env.clone();
        let mut bindings = Vec::new();
        for (name, value) in pairs(first, "let*")? {
            let name = symbol(name, "let*")?;
            let core = self.expression_named(value, &scope, Some(name))?;
            let var = self.fresh(name);
            bindings.push((var, core));
            scope = scope.binding(name, var);
        }
        let body = self.body(body, &scope.nested(), form.span)?;
        Ok(Core::Let(bindings, Box::new(body)))
    }

    pub(super) fn letrec(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "letrec")?;
        if let Some(rewritten) = self.values_bindings(first, env) {
            return self.letrec_values(form, &rewritten, body, env);
        }
        let inner = env.nested();
        let pairs = pairs(first, "letrec")?;
        let mut variables: Vec<Var> = Vec::new();
        for (name, _) in &pairs {
            let name = symbol(name, "letrec")?;
            let var = self.fresh(name);
            inner.bind(name, Local::Variable(var));
            variables.push(var);
        }
        let mut bindings = Vec::new();
        for (var, (name, value)) in variables.into_iter().zip(pairs) {
            let name = symbol(name, "letrec")?;
            bindings.push((var, self.expression_named(value, &inner, Some(name))?));
        }
        let body = self.body(body, &inner, form.span)?;
        Ok(Core::Letrec(bindings, Box::new(body)))
    }

    /// Returns the bindings of a form as those of `let-values`, if one takes several values as SRFI 71 has it, and the module imports
    /// that: `(a b expression)` or `((values a . rest) expression)`.
    fn values_bindings(&self, bindings: &Datum, env: &Env) -> Option<Datum> {
        let items = list_items(bindings)?;
        let is_values = |datum: &Datum| match &datum.kind {
            DatumKind::List(parts) => parts.first().is_some_and(|head| self.is_word(head, "values", env)),
            DatumKind::Dotted(parts, _) => {
                parts.first().is_some_and(|head| self.is_word(head, "values", env))
            }
            _ => false,
        };
        let takes_several = |item: &Datum| match list_items(item) {
            Some([names, _]) => is_values(names),
            Some([_, .., _]) => true,
            _ => false,
        };
        let imports = &self.world.module(env.module).imports;
        if !items.iter().any(takes_several)
            || !imports.iter().any(|import| import.name.to_string() == "(srfi srfi-71)")
        {
            return None;
        }
        let rewritten = items.iter().map(|item| {
            let [names @ .., expression] = list_items(item)? else { return None };
            let names = match names {
                [only] if is_values(only) => match &only.kind {
                    DatumKind::Dotted(parts, rest) if parts.len() == 1 => (**rest).clone(),
                    DatumKind::Dotted(parts, rest) => {
                        let kind = DatumKind::Dotted(parts.iter().skip(1).cloned().collect(), rest.clone());
                        Datum { kind, span: only.span }
                    }
                    DatumKind::List(parts) => list_form(parts.iter().skip(1).cloned().collect(), only.span),
                    _ => return None,
                },
                names => list_form(names.to_vec(), item.span),
            };
            Some(list_form(vec![names, expression.clone()], item.span))
        });
        Some(list_form(rewritten.collect::<Option<_>>()?, bindings.span))
    }

    /// `letrec` whose bindings may take several values: they become definitions, which may refer to one another.
    fn letrec_values(
        &mut self,
        form: &Datum,
        bindings: &Datum,
        body: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let word = |name: &str, span| Datum { kind: DatumKind::Symbol(Symbol::new(name)), span };
        let mut definitions = Vec::new();
        for item in list_items(bindings).unwrap_or_default() {
            let [names, expression] = list_items(item).unwrap_or_default() else {
                return Err(bad("letrec", item.span));
            };
            let parts = vec![word("define-values", item.span), names.clone(), expression.clone()];
            definitions.push(list_form(parts, item.span));
        }
        definitions.extend(body.iter().cloned());
        self.body(&definitions, &env.nested(), form.span)
    }

    pub(super) fn let_values(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        special: Special,
    ) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "let-values")?;
        let sequential = special == Special::LetStarValues;
        let mut scope = env.nested();
        let mut bindings = Vec::new();
        for (names, expression) in pairs(first, "let-values")? {
            let from = if sequential { scope.clone() } else { env.clone() };
            let core = self.expression(expression, &from)?;
            let (names, rest) = formals(names)?;
            if sequential {
                scope = scope.nested();
            }
            self.bind_formals(&names, rest, core, &scope, form.span, &mut bindings);
        }
        let body = self.body(body, &scope.nested(), form.span)?;
        Ok(Core::Let(bindings, Box::new(body)))
    }

    fn bind_formals(
        &mut self,
        names: &[super::define::Named],
        rest: Option<super::define::Named>,
        core: Core,
        scope: &Env,
        span: Span,
        bindings: &mut Vec<(Var, Core)>,
    ) {
        let mut bind = |name: Symbol| {
            let var = self.fresh(name);
            scope.bind(name, Local::Variable(var));
            var
        };
        let vars: Vec<Var> = names.iter().map(|(name, _)| bind(*name)).collect();
        let rest = rest.map(|(name, _)| bind(name));
        match (vars.as_slice(), rest) {
            ([only], None) => bindings.push((*only, core)),
            _ => self.bind_values(vars, rest, core, span, bindings),
        }
    }

    pub(super) fn receive(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let [names, expression, body @ ..] = arguments else { return Err(bad("receive", form.span)) };
        if body.is_empty() {
            return Err(bad("receive", form.span));
        }
        let core = self.expression(expression, env)?;
        let (names, rest) = formals(names)?;
        let scope = env.nested();
        let mut bindings = Vec::new();
        self.bind_formals(&names, rest, core, &scope, form.span, &mut bindings);
        let body = self.body(body, &scope.nested(), form.span)?;
        Ok(Core::Let(bindings, Box::new(body)))
    }

    pub(super) fn let_syntax(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "let-syntax")?;
        // Both forms see the new macros from their templates, which only differs where a macro shadows another one.
        let inner = env.nested();
        for (name, source) in pairs(first, "let-syntax")? {
            let name = symbol(name, "let-syntax")?;
            let rules = self.world.local_macro(name, MacroSource::Transformer(source.clone()), &inner)?;
            inner.bind(name, Local::Macro(rules));
        }
        self.body(body, &inner, form.span)
    }

    pub(super) fn parameterize(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let (first, body) = split(form, arguments, "parameterize")?;
        let mut parameters = Vec::new();
        let mut values = Vec::new();
        for (parameter, value) in pairs(first, "parameterize")? {
            parameters.push(self.expression(parameter, env)?);
            values.push(self.expression(value, env)?);
        }
        let body = self.thunk_of(body, env, form.span)?;
        if parameters.is_empty() {
            return Ok(Core::Call(Box::new(body), Vec::new(), form.span));
        }
        let parameters = self.native_call("list", parameters, form.span);
        let values = self.native_call("list", values, form.span);
        Ok(Core::call_const(
            Value::Primitive(Primitive::WithParameters),
            vec![parameters, values, body],
            form.span,
        ))
    }

    /// Expands a body as a procedure without arguments.
    pub(super) fn thunk_of(&mut self, body: &[Datum], env: &Env, span: Span) -> Result<Core, Failure> {
        let body = self.body(body, &env.nested(), span)?;
        Ok(Core::Lambda(Box::new(Lambda::simple(None, span, Vec::new(), body))))
    }
}
