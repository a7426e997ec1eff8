//! `match` and its family.
//!
//! A clause becomes a chain of tests; where one fails, a local procedure without arguments goes on with the next clause.
//! All these calls are in tail position, so that the compiler makes jumps of them.

use crate::{
    core_form::{Core, Lambda, Var},
    datum::{Datum, DatumKind},
    module::Special,
    native::Native,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Env, ExpandError, Expander, Failure,
    env::Local,
    list_items,
    pattern::{Pattern, Sequence, Variables},
};

type Then<'t> = Box<dyn FnOnce(&mut Expander<'_>) -> Core + 't>;

fn bad(span: Span) -> Failure {
    ExpandError::BadSyntax { form: "match", span, expected: "`(match value (pattern expression …) …)`" }
        .into()
}

impl Expander<'_> {
    pub(super) fn match_form(
        &mut self,
        special: Special,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        if Self::takes_arguments(special) {
            let var = self.fresh(Symbol::new("value"));
            let body = self.clauses(var, arguments, env, form.span)?;
            let star = special == Special::MatchLambdaStar;
            let required = if star { Vec::new() } else { vec![var] };
            let mut lambda = Lambda::simple(name, form.span, required, body);
            lambda.rest = star.then_some(var);
            return Ok(Core::Lambda(Box::new(lambda)));
        }
        let Some((first, rest)) = arguments.split_first() else { return Err(bad(form.span)) };
        if special == Special::MatchLetrec {
            return self.match_letrec(form, first, rest, env);
        }
        if special == Special::Match {
            let value = self.expression(first, env)?;
            return self.bind_once(value, |this, var| this.clauses(var, rest, env, form.span));
        }
        if let (Special::MatchLet, DatumKind::Symbol(name)) = (special, &first.kind) {
            return self.named_match_let(form, *name, rest, env);
        }
        let bindings = list_items(first).ok_or_else(|| bad(first.span))?;
        if special == Special::MatchLet {
            let mut values = Vec::new();
            let mut todo = Vec::new();
            for binding in bindings {
                let Some([pattern, value]) = list_items(binding) else { return Err(bad(binding.span)) };
                let core = self.expression(value, env)?;
                let var = self.fresh(Symbol::new("value"));
                values.push((var, core));
                todo.push((var, pattern));
            }
            let body = self.match_all(&todo, rest, env, form.span)?;
            return Ok(Core::Let(values, Box::new(body)));
        }
        let Some((binding, more)) = bindings.split_first() else { return self.body(rest, env, form.span) };
        let Some([pattern, value]) = list_items(binding) else { return Err(bad(binding.span)) };
        let value = self.expression(value, env)?;
        let more = super::list_form(more.to_vec(), first.span);
        self.bind_once(value, |this, var| {
            this.one_pattern(var, pattern, env, form.span, |this, inner| {
                let mut arguments = vec![more];
                arguments.extend(rest.iter().cloned());
                this.match_form(special, form, &arguments, inner, name)
            })
        })
    }

    /// `(match-let loop ((pattern value) …) body …)`
    fn named_match_let(
        &mut self,
        form: &Datum,
        name: Symbol,
        rest: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let Some((first, body)) = rest.split_first() else { return Err(bad(form.span)) };
        let (mut variables, mut values, mut todo) = (Vec::new(), Vec::new(), Vec::new());
        for binding in list_items(first).ok_or_else(|| bad(first.span))? {
            let Some([pattern, value]) = list_items(binding) else { return Err(bad(binding.span)) };
            values.push(self.expression(value, env)?);
            let var = self.fresh(Symbol::new("value"));
            variables.push(var);
            todo.push((var, pattern));
        }
        let again = self.fresh(name);
        let inner = env.binding(name, again);
        let body = self.match_all(&todo, body, &inner, form.span)?;
        let plain = self.world.aliases.original(name);
        let lambda = Lambda::simple(Some(plain), form.span, variables, body);
        Ok(Core::Letrec(
            vec![(again, Core::Lambda(Box::new(lambda)))],
            Box::new(Core::Call(Box::new(Core::Local(again)), values, form.span)),
        ))
    }

    /// `(match-letrec ((pattern value) …) body …)`: the values see the variables of all patterns.
    fn match_letrec(
        &mut self,
        form: &Datum,
        first: &Datum,
        body: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let inner = env.nested();
        let mut parsed = Vec::new();
        for binding in list_items(first).ok_or_else(|| bad(first.span))? {
            let Some([pattern, value]) = list_items(binding) else { return Err(bad(binding.span)) };
            let mut variables = Variables::default();
            let pattern = self.pattern(pattern, &inner, &mut variables)?;
            let mut outer = Vec::new();
            for (name, _) in &variables.names {
                let var = self.fresh(*name);
                inner.bind(*name, Local::Variable(var));
                outer.push(var);
            }
            parsed.push((pattern, variables, outer, value));
        }
        let mut bindings = Vec::new();
        for (pattern, variables, outer, value) in parsed {
            let (var, all) = (self.fresh(Symbol::new("value")), self.fresh(Symbol::new("values")));
            bindings.push((var, self.expression(value, &inner)?));
            let fail = self.fresh(Symbol::new("fail"));
            let each = variables.names.iter().map(|(_, var)| Core::Local(*var)).collect();
            let found = self.native_call("vector", each, form.span);
            let code = self.test(pattern, var, fail, form.span, Box::new(|_| found));
            let no_match = own_call(&crate::vm::natives::NO_FIT, vec![Core::Local(var)], form.span);
            bindings.push((all, with_fail(fail, no_match, code, form.span)));
            for (index, var) in outer.into_iter().enumerate() {
                let place = Core::Const(Value::Int(i64::try_from(index).unwrap_or(0)));
                bindings
                    .push((var, self.native_call("vector-ref", vec![Core::Local(all), place], form.span)));
            }
        }
        let body = self.body(body, &inner.nested(), form.span)?;
        Ok(Core::Letrec(bindings, Box::new(body)))
    }

    fn match_all(
        &mut self,
        todo: &[(Var, &Datum)],
        body: &[Datum],
        env: &Env,
        span: Span,
    ) -> Result<Core, Failure> {
        match todo.split_first() {
            None => self.body(body, env, span),
            Some(((var, pattern), rest)) => self
                .one_pattern(*var, pattern, env, span, |this, inner| this.match_all(rest, body, inner, span)),
        }
    }

    /// Matches a value with one pattern; where it does not fit, that is an error.
    fn one_pattern(
        &mut self,
        value: Var,
        pattern: &Datum,
        env: &Env,
        span: Span,
        then: impl FnOnce(&mut Self, &Env) -> Result<Core, Failure>,
    ) -> Result<Core, Failure> {
        let no_match = own_call(&crate::vm::natives::NO_FIT, vec![Core::Local(value)], pattern.span);
        let mut variables = Variables::default();
        let parsed = self.pattern(pattern, env, &mut variables)?;
        let inner = scope(env, &variables);
        let body = then(self, &inner)?;
        let fail = self.fresh(Symbol::new("fail"));
        let code = self.test(parsed, value, fail, span, Box::new(|_| body));
        Ok(with_fail(fail, no_match, code, span))
    }

    fn clauses(&mut self, value: Var, clauses: &[Datum], env: &Env, span: Span) -> Result<Core, Failure> {
        let mut arms = Vec::new();
        for clause in clauses {
            let Some([pattern, body @ ..]) = list_items(clause) else { return Err(bad(clause.span)) };
            let mut variables = Variables::default();
            let parsed = self.pattern(pattern, env, &mut variables)?;
            let inner = scope(env, &variables);
            let fail = self.fresh(Symbol::new("fail"));
            // `(pattern (=> name) body …)`: calling the name goes on with the next clause.
            let mut body = body;
            if let [arrow, rest @ ..] = body
                && let Some([word, Datum { kind: DatumKind::Symbol(name), .. }]) = list_items(arrow)
                && self.is_word(word, "=>", env)
            {
                inner.bind(*name, Local::Variable(fail));
                body = rest;
            }
            if body.is_empty() {
                return Err(bad(clause.span));
            }
            let body = self.body(body, &inner.nested(), clause.span)?;
            arms.push((parsed, fail, body, clause.span));
        }
        let mut result = no_match(value, span);
        for (parsed, fail, body, clause_span) in arms.into_iter().rev() {
            let code = self.test(parsed, value, fail, clause_span, Box::new(|_| body));
            result = with_fail(fail, result, code, clause_span);
        }
        Ok(result)
    }

    /// Returns code that goes on with `then` if the value fits, else calls `fail`.
    fn test(&mut self, pattern: Pattern, value: Var, fail: Var, span: Span, then: Then<'_>) -> Core {
        let failed = || Core::Call(Box::new(Core::Local(fail)), Vec::new(), span);
        match pattern {
            Pattern::Any => then(self),
            Pattern::Bind(var) => {
                let rest = then(self);
                Core::Let(vec![(var, Core::Local(value))], Box::new(rest))
            }
            Pattern::Same(var) => {
                let same = self.native_call("equal?", vec![Core::Local(value), Core::Local(var)], span);
                Core::choose(same, then(self), failed())
            }
            Pattern::Literal(literal) => {
                let how = match literal {
                    Value::Nil => {
                        let test = self.native_call("null?", vec![Core::Local(value)], span);
                        return Core::choose(test, then(self), failed());
                    }
                    Value::Symbol(_)
                    | Value::Int(_)
                    | Value::Bool(_)
                    | Value::Keyword(_)
                    | Value::Char(_) => "eqv?",
                    _ => "equal?",
                };
                let same = self.native_call(how, vec![Core::Local(value), Core::Const(literal)], span);
                Core::choose(same, then(self), failed())
            }
            Pattern::And(patterns) => self.test_all(patterns, value, fail, span, then),
            Pattern::Or(patterns, variables) => self.test_any(patterns, variables, value, fail, span, then),
            Pattern::Not(inner) => {
                let rest = then(self);
                let otherwise = self.fresh(Symbol::new("fail"));
                let code = self.test(*inner, value, otherwise, span, Box::new(|_| failed()));
                with_fail(otherwise, rest, code, span)
            }
            Pattern::Predicate(predicate, patterns) => {
                let test = Core::Call(Box::new(predicate), vec![Core::Local(value)], span);
                let rest = self.test_all(patterns, value, fail, span, then);
                Core::choose(test, rest, failed())
            }
            Pattern::Apply(procedure, inner) => {
                let var = self.fresh(Symbol::new("value"));
                let result = Core::Call(Box::new(procedure), vec![Core::Local(value)], span);
                let rest = self.test(*inner, var, fail, span, then);
                Core::Let(vec![(var, result)], Box::new(rest))
            }
            Pattern::Record(record_type, fields) => {
                let rest = self.test_fields(fields, 0, value, fail, span, then);
                let test =
                    own_call(&crate::vm::natives::RECORD_IS, vec![Core::Local(value), record_type], span);
                Core::choose(test, rest, failed())
            }
            Pattern::Vector(sequence) => {
                let list = self.fresh(Symbol::new("elements"));
                let elements = self.native_call("vector->list", vec![Core::Local(value)], span);
                let rest = self.test_sequence(sequence, list, fail, span, then);
                let test = self.native_call("vector?", vec![Core::Local(value)], span);
                Core::choose(test, Core::Let(vec![(list, elements)], Box::new(rest)), failed())
            }
            Pattern::List(sequence) => self.test_sequence(sequence, value, fail, span, then),
        }
    }

    fn test_all(
        &mut self,
        patterns: Vec<Pattern>,
        value: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let mut rest = patterns.into_iter();
        match rest.next() {
            None => then(self),
            Some(first) => {
                let rest: Vec<Pattern> = rest.collect();
                self.test(
                    first,
                    value,
                    fail,
                    span,
                    Box::new(move |this| this.test_all(rest, value, fail, span, then)),
                )
            }
        }
    }

    fn test_any(
        &mut self,
        patterns: Vec<Pattern>,
        variables: Vec<Var>,
        value: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let join = self.fresh(Symbol::new("fits"));
        let copies: Vec<Var> = variables.iter().map(|_| self.fresh(Symbol::new("value"))).collect();
        let rest = then(self);
        let bindings = variables.iter().zip(&copies).map(|(var, copy)| (*var, Core::Local(*copy))).collect();
        let body = Core::Let(bindings, Box::new(rest));
        let lambda = Lambda::simple(None, span, copies, body);
        let mut result = Core::Call(Box::new(Core::Local(fail)), Vec::new(), span);
        for pattern in patterns.into_iter().rev() {
            let next = self.fresh(Symbol::new("fail"));
            let values = variables.iter().map(|var| Core::Local(*var)).collect();
            let fits = Core::Call(Box::new(Core::Local(join)), values, span);
            let code = self.test(pattern, value, next, span, Box::new(|_| fits));
            result = with_fail(next, result, code, span);
        }
        Core::Letrec(vec![(join, Core::Lambda(Box::new(lambda)))], Box::new(result))
    }

    fn test_fields(
        &mut self,
        fields: Vec<Pattern>,
        index: i64,
        value: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let mut rest = fields.into_iter();
        let Some(first) = rest.next() else { return then(self) };
        let rest: Vec<Pattern> = rest.collect();
        let var = self.fresh(Symbol::new("field"));
        let place = Core::Const(Value::Int(index));
        let field = own_call(&crate::vm::natives::RECORD_FIELD, vec![Core::Local(value), place], span);
        let code = self.test(
            first,
            var,
            fail,
            span,
            Box::new(move |this| this.test_fields(rest, index + 1, value, fail, span, then)),
        );
        Core::Let(vec![(var, field)], Box::new(code))
    }

    fn test_sequence(
        &mut self,
        sequence: Sequence,
        value: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let Sequence { mut before, repeated, after, tail } = sequence;
        let failed = || Core::Call(Box::new(Core::Local(fail)), Vec::new(), span);
        if !before.is_empty() {
            let first = before.remove(0);
            let rest = Sequence { before, repeated, after, tail };
            let (car, cdr) = (self.fresh(Symbol::new("first")), self.fresh(Symbol::new("rest")));
            let code = self.test(
                first,
                car,
                fail,
                span,
                Box::new(move |this| this.test_sequence(rest, cdr, fail, span, then)),
            );
            let bindings = vec![
                (car, self.native_call("car", vec![Core::Local(value)], span)),
                (cdr, self.native_call("cdr", vec![Core::Local(value)], span)),
            ];
            let test = self.native_call("pair?", vec![Core::Local(value)], span);
            return Core::choose(test, Core::Let(bindings, Box::new(code)), failed());
        }
        match (repeated, tail) {
            (None, None) => {
                let test = self.native_call("null?", vec![Core::Local(value)], span);
                Core::choose(test, then(self), failed())
            }
            (None, Some(tail)) => self.test(*tail, value, fail, span, then),
            (Some((inner, least, variables)), tail) => {
                self.test_repeated(*inner, least, variables, after, tail, value, fail, span, then)
            }
        }
    }

    /// The elements of an ellipsis: as many as leave enough for what follows.
    #[allow(clippy::too_many_arguments, reason = "the parts of one pattern and of one test")]
    fn test_repeated(
        &mut self,
        inner: Pattern,
        least: usize,
        variables: Vec<Var>,
        after: Vec<Pattern>,
        tail: Option<Box<Pattern>>,
        value: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let int = |n: usize| Core::Const(Value::Int(i64::try_from(n).unwrap_or(i64::MAX)));
        let count = self.fresh(Symbol::new("count"));
        let (middle, rest) = (self.fresh(Symbol::new("middle")), self.fresh(Symbol::new("rest")));
        let pairs = own_call(
            &crate::vm::natives::REPEATABLE,
            vec![Core::Local(value), int(after.len()), int(least), Core::Const(Value::Bool(tail.is_none()))],
            span,
        );
        let following = Sequence { before: after, repeated: None, after: Vec::new(), tail };
        let last: Then<'_> = Box::new(move |this| this.test_sequence(following, rest, fail, span, then));
        let code = match inner {
            Pattern::Any => last(self),
            Pattern::Bind(var) => {
                let code = last(self);
                Core::Let(vec![(var, Core::Local(middle))], Box::new(code))
            }
            inner => self.test_elements(inner, variables, middle, fail, span, last),
        };
        let bindings = vec![
            (
                middle,
                own_call(&crate::vm::natives::LIST_HEAD, vec![Core::Local(value), Core::Local(count)], span),
            ),
            (
                rest,
                own_call(&crate::vm::natives::LIST_TAIL, vec![Core::Local(value), Core::Local(count)], span),
            ),
        ];
        let choice = Core::choose(
            Core::Local(count),
            Core::Let(bindings, Box::new(code)),
            Core::Call(Box::new(Core::Local(fail)), Vec::new(), span),
        );
        Core::Let(vec![(count, pairs)], Box::new(choice))
    }

    /// Matches each element and collects what the variables are bound to.
    fn test_elements(
        &mut self,
        inner: Pattern,
        variables: Vec<Var>,
        elements: Var,
        fail: Var,
        span: Span,
        then: Then<'_>,
    ) -> Core {
        let turn = self.fresh(Symbol::new("elements"));
        let (items, item) = (self.fresh(Symbol::new("items")), self.fresh(Symbol::new("item")));
        let lists: Vec<Var> = variables.iter().map(|_| self.fresh(Symbol::new("collected"))).collect();
        let mut done = Vec::new();
        for (var, list) in variables.iter().zip(&lists) {
            done.push((*var, self.native_call("reverse", vec![Core::Local(*list)], span)));
        }
        let rest = then(self);
        let done = Core::Let(done, Box::new(rest));
        let mut next = vec![self.native_call("cdr", vec![Core::Local(items)], span)];
        for (var, list) in variables.iter().zip(&lists) {
            next.push(self.native_call("cons", vec![Core::Local(*var), Core::Local(*list)], span));
        }
        let again = Core::Call(Box::new(Core::Local(turn)), next, span);
        let each = self.test(inner, item, fail, span, Box::new(|_| again));
        let first = self.native_call("car", vec![Core::Local(items)], span);
        let body = Core::choose(
            self.native_call("null?", vec![Core::Local(items)], span),
            done,
            Core::Let(vec![(item, first)], Box::new(each)),
        );
        let mut starts = vec![Core::Local(elements)];
        starts.extend(lists.iter().map(|_| Core::Const(Value::Nil)));
        let parameters = std::iter::once(items).chain(lists).collect();
        let lambda = Lambda::simple(None, span, parameters, body);
        Core::Letrec(
            vec![(turn, Core::Lambda(Box::new(lambda)))],
            Box::new(Core::Call(Box::new(Core::Local(turn)), starts, span)),
        )
    }
}

fn scope(env: &Env, variables: &Variables) -> Env {
    let inner = env.nested();
    for (name, var) in &variables.names {
        inner.bind(*name, Local::Variable(*var));
    }
    inner
}

/// Binds `fail` to going on with `otherwise` inside of `code`.
fn with_fail(fail: Var, otherwise: Core, code: Core, span: Span) -> Core {
    let lambda = Lambda::simple(None, span, Vec::new(), otherwise);
    Core::Letrec(vec![(fail, Core::Lambda(Box::new(lambda)))], Box::new(code))
}

fn own_call(native: &'static Native, arguments: Vec<Core>, span: Span) -> Core {
    Core::call_const(Value::Native(native), arguments, span)
}

fn no_match(value: Var, span: Span) -> Core {
    own_call(&crate::vm::natives::NO_MATCH, vec![Core::Local(value)], span)
}
