//! The patterns of `match`, parsed.
//!
//! ```text
//! P = _ | name | literal | 'datum | (P …) | (P … . P) | (P … P ooo P …) | #(P …) | `Q
//!   | (? predicate P …) | (and P …) | (or P …) | (not P) | (= procedure P) | ($ type P …)
//! ooo = ... | ___ | ..K
//! ```

use crate::{
    core_form::{Core, Var},
    datum::{Datum, DatumKind},
    module::Special,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, list_form};

/// A parsed pattern.
pub(super) enum Pattern {
    /// Anything.
    Any,
    /// Anything, bound to a variable.
    Bind(Var),
    /// What a variable of the same clause is bound to.
    Same(Var),
    /// That datum.
    Literal(Value),
    /// A list.
    List(Sequence),
    /// A vector.
    Vector(Sequence),
    /// All of them.
    And(Vec<Pattern>),
    /// One of them; with the variables that they bind.
    Or(Vec<Pattern>, Vec<Var>),
    /// Not that.
    Not(Box<Pattern>),
    /// What a predicate is true for.
    Predicate(Core, Vec<Pattern>),
    /// What a procedure returns for it.
    Apply(Core, Box<Pattern>),
    /// A record of a type, with its fields.
    Record(Core, Vec<Pattern>),
}

/// Patterns for the elements of a list.
pub(super) struct Sequence {
    /// Before the repeated one.
    pub before: Vec<Pattern>,
    /// The repeated one, how often at least, and the variables that it binds.
    pub repeated: Option<(Box<Pattern>, usize, Vec<Var>)>,
    /// After the repeated one.
    pub after: Vec<Pattern>,
    /// The tail.
    pub tail: Option<Box<Pattern>>,
}

/// The variables of a clause.
#[derive(Default)]
pub(super) struct Variables {
    /// All of them, by name.
    pub names: Vec<(Symbol, Var)>,
    /// Those that are bound on the way to the place being parsed.
    bound: Vec<Var>,
}

impl Expander<'_> {
    /// Returns the least number of repetitions if the datum is an ellipsis.
    fn repetition(&self, datum: &Datum) -> Option<usize> {
        let DatumKind::Symbol(name) = datum.kind else { return None };
        match self.world.aliases.original(name).as_str() {
            "..." | "___" | "***" => Some(0),
            text => text.strip_prefix("..").and_then(|count| count.parse().ok()),
        }
    }

    /// Parses a pattern.
    pub(super) fn pattern(
        &mut self,
        datum: &Datum,
        env: &Env,
        variables: &mut Variables,
    ) -> Result<Pattern, Failure> {
        if !self.stack.has_room() {
            return Err(ExpandError::TooDeep { span: datum.span }.into());
        }
        match &datum.kind {
            DatumKind::Symbol(name) => Ok(self.pattern_name(*name, variables)),
            DatumKind::List(items) => match items.split_first() {
                Some((head, rest)) => self.pattern_form(datum, head, rest, env, variables),
                None => Ok(Pattern::Literal(Value::Nil)),
            },
            DatumKind::Dotted(items, tail) => {
                Ok(Pattern::List(self.sequence_pattern(items, Some(tail), env, variables)?))
            }
            DatumKind::Vector(items) => {
                Ok(Pattern::Vector(self.sequence_pattern(items, None, env, variables)?))
            }
            _ => Ok(Pattern::Literal(Value::from_datum(datum))),
        }
    }

    fn pattern_name(&mut self, name: Symbol, variables: &mut Variables) -> Pattern {
        if self.world.aliases.original(name).as_str() == "_" {
            return Pattern::Any;
        }
        let known = variables.names.iter().find(|(other, _)| *other == name).map(|(_, var)| *var);
        let var = match known {
            Some(var) if variables.bound.contains(&var) => return Pattern::Same(var),
            Some(var) => var,
            None => {
                let var = self.fresh(name);
                variables.names.push((name, var));
                var
            }
        };
        variables.bound.push(var);
        Pattern::Bind(var)
    }

    fn patterns(
        &mut self,
        data: &[Datum],
        env: &Env,
        variables: &mut Variables,
    ) -> Result<Vec<Pattern>, Failure> {
        data.iter().map(|datum| self.pattern(datum, env, variables)).collect()
    }

    fn pattern_form(
        &mut self,
        datum: &Datum,
        head: &Datum,
        rest: &[Datum],
        env: &Env,
        variables: &mut Variables,
    ) -> Result<Pattern, Failure> {
        let followed_by_ellipsis = rest.first().is_some_and(|next| self.repetition(next).is_some());
        let word = match head.kind {
            DatumKind::Symbol(name) if !followed_by_ellipsis => self.world.aliases.original(name).as_str(),
            _ => "",
        };
        match (word, rest) {
            ("quote", [quoted]) => Ok(Pattern::Literal(Value::from_datum(&self.world.aliases.strip(quoted)))),
            ("quasiquote", [quasi]) => {
                let plain = self.quasi_pattern(quasi, env);
                self.pattern(&plain, env, variables)
            }
            ("?", [predicate, rest @ ..]) => {
                let predicate = self.expression(predicate, env)?;
                Ok(Pattern::Predicate(predicate, self.patterns(rest, env, variables)?))
            }
            ("=", [procedure, inner]) => {
                let procedure = self.expression(procedure, env)?;
                Ok(Pattern::Apply(procedure, Box::new(self.pattern(inner, env, variables)?)))
            }
            ("$", [record_type, fields @ ..]) => {
                let record_type = self.expression(record_type, env)?;
                Ok(Pattern::Record(record_type, self.patterns(fields, env, variables)?))
            }
            ("?" | "=" | "$" | "not", []) => Err(ExpandError::BadSyntax {
                form: "match",
                span: datum.span,
                expected: match word {
                    "?" => "`(? predicate pattern …)`",
                    "=" => "`(= procedure pattern)`",
                    "$" => "`($ type pattern …)`",
                    _ => "`(not pattern)`",
                },
            }
            .into()),
            ("and", rest) => Ok(Pattern::And(self.patterns(rest, env, variables)?)),
            ("or", rest) => self.or_pattern(rest, env, variables),
            ("not", [inner]) => {
                let before = variables.bound.len();
                let inner = self.pattern(inner, env, variables)?;
                variables.bound.truncate(before);
                Ok(Pattern::Not(Box::new(inner)))
            }
            _ => {
                let DatumKind::List(items) = &datum.kind else { return Ok(Pattern::Any) };
                if let Some((before, tail)) = self.dotted_form(items) {
                    let tail = list_form(tail.to_vec(), datum.span);
                    return Ok(Pattern::List(self.sequence_pattern(before, Some(&tail), env, variables)?));
                }
                Ok(Pattern::List(self.sequence_pattern(items, None, env, variables)?))
            }
        }
    }

    /// Splits a list pattern before a form that stands in the place of its tail: `(a . (? string? b))` reads as one list.
    fn dotted_form<'a>(&self, items: &'a [Datum]) -> Option<(&'a [Datum], &'a [Datum])> {
        let at = (1..items.len()).find(|at| {
            let Some([head, next, ..]) = items.get(*at..) else { return false };
            let DatumKind::Symbol(name) = head.kind else { return false };
            self.repetition(next).is_none()
                && match self.world.aliases.original(name).as_str() {
                    "?" | "and" | "or" | "not" | "$" => true,
                    "quote" | "quasiquote" => at + 2 == items.len(),
                    "=" => at + 3 == items.len(),
                    _ => false,
                }
        })?;
        items.split_at_checked(at)
    }

    fn or_pattern(
        &mut self,
        alternatives: &[Datum],
        env: &Env,
        variables: &mut Variables,
    ) -> Result<Pattern, Failure> {
        let before = variables.bound.clone();
        let mut patterns = Vec::new();
        let mut bound: Vec<Var> = Vec::new();
        for alternative in alternatives {
            variables.bound.clone_from(&before);
            patterns.push(self.pattern(alternative, env, variables)?);
            for var in &variables.bound {
                if !before.contains(var) && !bound.contains(var) {
                    bound.push(*var);
                }
            }
        }
        variables.bound = before;
        variables.bound.extend(&bound);
        Ok(Pattern::Or(patterns, bound))
    }

    fn sequence_pattern(
        &mut self,
        items: &[Datum],
        tail: Option<&Datum>,
        env: &Env,
        variables: &mut Variables,
    ) -> Result<Sequence, Failure> {
        let dots = items.iter().position(|item| self.repetition(item).is_some());
        let Some(dots) = dots.filter(|dots| *dots > 0) else {
            let before = self.patterns(items, env, variables)?;
            let tail = tail.map(|tail| self.pattern(tail, env, variables)).transpose()?.map(Box::new);
            return Ok(Sequence { before, repeated: None, after: Vec::new(), tail });
        };
        let least = items.get(dots).and_then(|item| self.repetition(item)).unwrap_or(0);
        let before = self.patterns(items.get(..dots - 1).unwrap_or(&[]), env, variables)?;
        let bound = variables.bound.len();
        let inner = match items.get(dots - 1) {
            Some(inner) => self.pattern(inner, env, variables)?,
            None => Pattern::Any,
        };
        let collected = variables.bound.get(bound..).unwrap_or(&[]).to_vec();
        let after = items.get(dots + 1..).unwrap_or(&[]);
        if let Some(second) = after.iter().find(|item| self.repetition(item).is_some()) {
            return Err(ExpandError::Other {
                message: "a list pattern has two ellipses".to_owned(),
                span: second.span,
                hint: None,
            }
            .into());
        }
        let after = self.patterns(after, env, variables)?;
        let tail = tail.map(|tail| self.pattern(tail, env, variables)).transpose()?.map(Box::new);
        Ok(Sequence { before, repeated: Some((Box::new(inner), least, collected)), after, tail })
    }

    /// Returns the plain pattern that a quasi-quoted one stands for.
    fn quasi_pattern(&mut self, datum: &Datum, env: &Env) -> Datum {
        let span = datum.span;
        match &datum.kind {
            DatumKind::List(items) => {
                if let [word, inner] = items.as_slice()
                    && self.is_word(word, "unquote", env)
                {
                    return inner.clone();
                }
                // `(a . ,b)` reads as `(a unquote b)`.
                if let Some((before, [word, inner])) = items.split_at_checked(items.len().saturating_sub(2))
                    && self.is_word(word, "unquote", env)
                {
                    let items = before.iter().map(|item| self.quasi_pattern(item, env)).collect();
                    return super::macros::list_with_tail(items, Some(inner.clone()), span);
                }
                if let Some((last, before)) = items.split_last()
                    && let DatumKind::List(parts) = &last.kind
                    && let [word, inner] = parts.as_slice()
                    && self.is_word(word, "unquote-splicing", env)
                {
                    let items = before.iter().map(|item| self.quasi_pattern(item, env)).collect();
                    return super::macros::list_with_tail(items, Some(inner.clone()), span);
                }
                list_form(items.iter().map(|item| self.quasi_pattern(item, env)).collect(), span)
            }
            DatumKind::Dotted(items, tail) => {
                let items = items.iter().map(|item| self.quasi_pattern(item, env)).collect();
                let tail = self.quasi_pattern(tail, env);
                super::macros::list_with_tail(items, Some(tail), span)
            }
            DatumKind::Vector(items) => {
                let items = items.iter().map(|item| self.quasi_pattern(item, env)).collect();
                Datum { kind: DatumKind::Vector(items), span }
            }
            DatumKind::Symbol(_) if self.repetition(datum).is_none() => {
                self.base_form("quote", vec![datum.clone()], span)
            }
            _ => datum.clone(),
        }
    }

    /// Whether the form is one of the `match` family without a value: `match-lambda`.
    pub(super) fn takes_arguments(special: Special) -> bool {
        matches!(special, Special::MatchLambda | Special::MatchLambdaStar)
    }
}
