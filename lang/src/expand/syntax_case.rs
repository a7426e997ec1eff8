//! `syntax-case`, `with-syntax`, and the templates `#'` and `` #` ``.
//!
//! A clause becomes a call that matches and, if it fits, variables for what the pattern's variables stand for; a template
//! becomes a call that fills it in (R6RS libraries, chapter 12).

use crate::{
    core_form::{Core, Lambda, Var},
    datum::{Datum, DatumKind},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Env, ExpandError, Expander, Failure,
    env::{Local, local_of},
    list_form, list_items,
    macros::{Rules, list_with_tail},
    syntax::{Pattern, Template},
};

/// What a clause does when its pattern fits.
enum Then<'d> {
    /// An expression, perhaps after a test.
    Expression(Option<&'d Datum>, &'d Datum),
    /// A body.
    Body(&'d [Datum]),
}

/// What a clause was expanded to.
struct Clause {
    pattern: Value,
    variables: Vec<Var>,
    test: Option<Core>,
    then: Core,
}

/// A value in a template: the variable that stands for it, and whether it is a list to be spliced.
struct Inserted {
    name: Symbol,
    splice: bool,
    value: Core,
}

impl Expander<'_> {
    pub(super) fn syntax_case(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let bad = |span| -> Failure {
            let expected = "`(syntax-case form (literal …) (pattern [test] expression) …)`";
            ExpandError::BadSyntax { form: "syntax-case", span, expected }.into()
        };
        let [value, literals, clauses @ ..] = arguments else { return Err(bad(form.span)) };
        let literals = list_items(literals)
            .and_then(|items| {
                let name = |item: &Datum| match item.kind {
                    DatumKind::Symbol(name) => Some(name),
                    _ => None,
                };
                items.iter().map(name).collect::<Option<Vec<_>>>()
            })
            .ok_or_else(|| bad(literals.span))?;
        let value = self.expression(value, env)?;
        let mut expanded = Vec::new();
        for clause in clauses {
            let (pattern, then) = match list_items(clause) {
                Some([pattern, then]) => (pattern, Then::Expression(None, then)),
                Some([pattern, test, then]) => (pattern, Then::Expression(Some(test), then)),
                _ => return Err(bad(clause.span)),
            };
            expanded.push(self.syntax_clause(pattern, &then, &literals, env)?);
        }
        Ok(self.choose_clause(value, expanded, form.span))
    }

    pub(super) fn with_syntax(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let bad = |span| -> Failure {
            let expected = "`(with-syntax ((pattern expression) …) body …)`";
            ExpandError::BadSyntax { form: "with-syntax", span, expected }.into()
        };
        let [bindings, body @ ..] = arguments else { return Err(bad(form.span)) };
        if body.is_empty() {
            return Err(bad(form.span));
        }
        let mut patterns = Vec::new();
        let mut values = Vec::new();
        for binding in list_items(bindings).ok_or_else(|| bad(bindings.span))? {
            let Some([pattern, value]) = list_items(binding) else { return Err(bad(binding.span)) };
            patterns.push(pattern.clone());
            values.push(self.expression(value, env)?);
        }
        let pattern = list_form(patterns, bindings.span);
        let clause = self.syntax_clause(&pattern, &Then::Body(body), &[], env)?;
        let value = self.native_call("list", values, form.span);
        Ok(self.choose_clause(value, vec![clause], form.span))
    }

    fn syntax_clause(
        &mut self,
        pattern: &Datum,
        then: &Then<'_>,
        literals: &[Symbol],
        env: &Env,
    ) -> Result<Clause, Failure> {
        let rules = Rules::for_patterns(env.of_templates(), literals.to_vec(), env.ellipsis());
        rules.check_pattern(pattern, &self.world.aliases)?;
        let variables = rules.pattern_variables(pattern, &self.world.aliases);
        let inner = env.nested();
        let mut vars = Vec::new();
        for (name, depth) in &variables {
            if inner.bound_here(*name) {
                return Err(ExpandError::Other {
                    message: format!("`{}` is twice in one pattern", self.world.aliases.original(*name)),
                    span: pattern.span,
                    hint: None,
                }
                .into());
            }
            let var = self.fresh(*name);
            inner.bind(*name, Local::Pattern(var, *depth));
            vars.push(var);
        }
        let (test, then) = match then {
            Then::Expression(test, then) => {
                let test = test.map(|test| self.expression(test, &inner)).transpose()?;
                (test, self.expression(then, &inner)?)
            }
            Then::Body(body) => (None, self.body(body, &inner, pattern.span)?),
        };
        let pattern = Value::foreign(Pattern { rules, pattern: pattern.clone(), variables });
        Ok(Clause { pattern, variables: vars, test, then })
    }

    /// Returns the choice of the first clause that fits a value.
    fn choose_clause(&mut self, value: Core, clauses: Vec<Clause>, span: Span) -> Core {
        let given = self.fresh(Symbol::new("form"));
        let mut failed = vec![Core::Local(given)];
        failed.extend(clauses.iter().map(|clause| Core::Const(clause.pattern.clone())));
        let mut otherwise = self.native_call("%syntax-mismatch", failed, span);
        for clause in clauses.into_iter().rev() {
            let found = self.fresh(Symbol::new("found"));
            let matching = vec![Core::Const(clause.pattern), Core::Local(given)];
            let matching = self.native_call("%syntax-match", matching, span);
            let mut bindings = Vec::new();
            for (index, var) in clause.variables.into_iter().enumerate() {
                let place = Core::Const(Value::Int(i64::try_from(index).unwrap_or(0)));
                bindings.push((var, self.native_call("vector-ref", vec![Core::Local(found), place], span)));
            }
            let bind = |body: Core| match bindings.is_empty() {
                true => body,
                false => Core::Let(bindings, Box::new(body)),
            };
            otherwise = match clause.test {
                None => {
                    let choice = Core::choose(Core::Local(found), bind(clause.then), otherwise);
                    Core::Let(vec![(found, matching)], Box::new(choice))
                }
                Some(test) => {
                    let next = self.fresh(Symbol::new("next"));
                    let go_on = || Core::Call(Box::new(Core::Local(next)), Vec::new(), span);
                    let rest = Core::Lambda(Box::new(Lambda::simple(None, span, Vec::new(), otherwise)));
                    let tested = bind(Core::choose(test, clause.then, go_on()));
                    let choice = Core::choose(Core::Local(found), tested, go_on());
                    let choice = Core::Let(vec![(found, matching)], Box::new(choice));
                    Core::Let(vec![(next, rest)], Box::new(choice))
                }
            };
        }
        Core::Let(vec![(given, value)], Box::new(otherwise))
    }

    pub(super) fn syntax(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let [template] = arguments else {
            let expected = "`#'template`";
            return Err(ExpandError::BadSyntax { form: "syntax", span: form.span, expected }.into());
        };
        Ok(self.template(template, env, form.span))
    }

    fn template(&mut self, template: &Datum, env: &Env, span: Span) -> Core {
        let mut found = Vec::new();
        self.pattern_variables_of(template, env, &mut found);
        let variables = found.iter().map(|(name, _, depth)| (*name, *depth)).collect();
        let constant = Template {
            template: template.clone(),
            variables,
            ellipsis: env.ellipsis(),
            env: env.of_templates(),
        };
        let mut arguments = vec![Core::Const(Value::foreign(constant))];
        arguments.extend(found.into_iter().map(|(_, var, _)| Core::Local(var)));
        self.native_call("%syntax-fill", arguments, span)
    }

    fn pattern_variables_of(&self, template: &Datum, env: &Env, out: &mut Vec<(Symbol, Var, usize)>) {
        match &template.kind {
            DatumKind::Symbol(name) => {
                if !out.iter().any(|(other, ..)| other == name)
                    && let Some(Local::Pattern(var, depth)) = local_of(*name, env, &self.world.aliases)
                {
                    out.push((*name, var, depth));
                }
            }
            DatumKind::List(items) | DatumKind::Vector(items) => {
                items.iter().for_each(|item| self.pattern_variables_of(item, env, out));
            }
            DatumKind::Dotted(items, tail) => {
                items.iter().for_each(|item| self.pattern_variables_of(item, env, out));
                self.pattern_variables_of(tail, env, out);
            }
            _ => {}
        }
    }

    pub(super) fn quasisyntax(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let [template] = arguments else {
            let expected = "`` #`template ``";
            return Err(ExpandError::BadSyntax { form: "quasisyntax", span: form.span, expected }.into());
        };
        let mut inserted = Vec::new();
        let template = self.quasi_template(template, 0, env, &mut inserted)?;
        let inner = env.nested();
        let mut bindings = Vec::new();
        for Inserted { name, splice, value } in inserted {
            let var = self.fresh(name);
            inner.bind(name, Local::Pattern(var, usize::from(splice)));
            bindings.push((var, value));
        }
        let filled = self.template(&template, &inner, form.span);
        Ok(if bindings.is_empty() { filled } else { Core::Let(bindings, Box::new(filled)) })
    }

    /// Replaces what is inserted into a template by variables.
    fn quasi_template(
        &mut self,
        template: &Datum,
        level: usize,
        env: &Env,
        out: &mut Vec<Inserted>,
    ) -> Result<Datum, Failure> {
        let span = template.span;
        let (items, tail) = match &template.kind {
            DatumKind::List(items) => (items, None),
            DatumKind::Dotted(items, tail) => (items, Some(&**tail)),
            DatumKind::Vector(items) => {
                let items = self.quasi_items(items, level, env, out)?;
                return Ok(Datum { kind: DatumKind::Vector(items), span });
            }
            _ => return Ok(template.clone()),
        };
        if let ([word, operand], None) = (items.as_slice(), tail) {
            if self.is_word(word, "unsyntax", env) {
                return if level == 0 {
                    let value = self.expression(operand, env)?;
                    Ok(self.insert(false, value, span, out))
                } else {
                    let inner = self.quasi_template(operand, level - 1, env, out)?;
                    Ok(list_form(vec![word.clone(), inner], span))
                };
            }
            if self.is_word(word, "quasisyntax", env) {
                let inner = self.quasi_template(operand, level + 1, env, out)?;
                return Ok(list_form(vec![word.clone(), inner], span));
            }
        }
        // `(a . #,b)` reads as `(a unsyntax b)`.
        if let (Some((before, [word, operand])), None) =
            (items.split_at_checked(items.len().saturating_sub(2)), tail)
            && !before.is_empty()
            && self.is_word(word, "unsyntax", env)
        {
            let before = self.quasi_items(before, level, env, out)?;
            let last = list_form(vec![word.clone(), operand.clone()], operand.span);
            let last = self.quasi_template(&last, level, env, out)?;
            return Ok(list_with_tail(before, Some(last), span));
        }
        let items = self.quasi_items(items, level, env, out)?;
        let tail = tail.map(|tail| self.quasi_template(tail, level, env, out)).transpose()?;
        Ok(list_with_tail(items, tail, span))
    }

    fn quasi_items(
        &mut self,
        items: &[Datum],
        level: usize,
        env: &Env,
        out: &mut Vec<Inserted>,
    ) -> Result<Vec<Datum>, Failure> {
        let mut result = Vec::with_capacity(items.len());
        for item in items {
            let parts = list_items(item).unwrap_or(&[]);
            let Some((word, operands)) = parts.split_first() else {
                result.push(self.quasi_template(item, level, env, out)?);
                continue;
            };
            let splice = self.is_word(word, "unsyntax-splicing", env);
            if level == 0 && (splice || (operands.len() != 1 && self.is_word(word, "unsyntax", env))) {
                for operand in operands {
                    let mut value = self.expression(operand, env)?;
                    if splice {
                        value = self.native_call("%syntax-list", vec![value], operand.span);
                    }
                    result.push(self.insert(splice, value, operand.span, out));
                    if splice {
                        let dots = DatumKind::Symbol(env.ellipsis());
                        result.push(Datum { kind: dots, span: operand.span });
                    }
                }
            } else if splice {
                let mut inner = vec![word.clone()];
                inner.extend(self.quasi_items(operands, level - 1, env, out)?);
                result.push(list_form(inner, item.span));
            } else {
                result.push(self.quasi_template(item, level, env, out)?);
            }
        }
        Ok(result)
    }

    fn insert(&mut self, splice: bool, value: Core, span: Span, out: &mut Vec<Inserted>) -> Datum {
        let name = self.world.aliases.fresh(Symbol::new("inserted"), Env::top(crate::module::PRELUDE_MODULE));
        out.push(Inserted { name, splice, value });
        Datum { kind: DatumKind::Symbol(name), span }
    }
}
