//! Macros: `syntax-rules` and `identifier-syntax`.
//!
//! Matching and instantiation follow R7RS 4.3.2 (nested ellipses, elements after an ellipsis, dotted tails,
//! vectors, `(... ...)`, a custom ellipsis). A name that the template introduces becomes one fresh alias for each
//! expansion; everything introduced takes the place of the macro's use, which is what the user wrote.

use std::{borrow::Cow, rc::Rc};

use smallvec::SmallVec;

use crate::{
    datum::{Datum, DatumKind},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    env::{Aliases, Env, Expansion, same_binding},
    error::{ExpandError, TemplateFault},
    record::RecordSpec,
    syntax_parameter::SyntaxParameter,
    transform::Transformer,
};
use crate::module::ModuleId;

/// A macro.
pub(crate) enum Macro {
    /// Rules of patterns and templates.
    Rules(Rules),
    /// A name that stands for an expression.
    Identifier(Rules),
    /// A procedure from syntax to syntax.
    Procedure(Transformer),
    /// The constructor of a record type.
    Record(Rc<RecordSpec>),
    /// A macro whose meaning `syntax-parameterize` changes.
    Parameter(SyntaxParameter),
    /// The record being made, such as `this-package`.
    This(ModuleId, Symbol),
}

/// The rules of a macro.
pub(crate) struct Rules {
    /// Its name, for messages.
    pub name: Symbol,
    /// Where it was defined.
    pub env: Env,
    ellipsis: Symbol,
    literals: Vec<Symbol>,
    rules: Vec<(Datum, Datum)>,
    /// Whether the first element of a pattern is matched too.
    whole: bool,
}

enum Bound<'a> {
    One(Cow<'a, Datum>),
    /// The rounds of an ellipsis, and how many ellipses the variable is under.
    Many(Vec<Matches<'a>>, usize),
}

type Matches<'a> = SmallVec<[(Symbol, Bound<'a>); 4]>;

/// Returns the items and the tail of a list; `None` for what is no list.
fn parts(datum: &Datum) -> Option<(&[Datum], Option<&Datum>)> {
    match &datum.kind {
        DatumKind::List(items) => Some((items, None)),
        DatumKind::Dotted(items, tail) => Some((items, Some(tail))),
        _ => None,
    }
}

/// Returns a list with a tail, in normal form.
pub(crate) fn list_with_tail(mut items: Vec<Datum>, tail: Option<Datum>, span: Span) -> Datum {
    let kind = match tail {
        None => DatumKind::List(items),
        Some(Datum { kind: DatumKind::List(more), .. }) => {
            items.extend(more);
            DatumKind::List(items)
        }
        Some(Datum { kind: DatumKind::Dotted(more, tail), .. }) => {
            items.extend(more);
            DatumKind::Dotted(items, tail)
        }
        Some(tail) if items.is_empty() => return tail,
        Some(tail) => DatumKind::Dotted(items, Box::new(tail)),
    };
    Datum { kind, span }
}

impl Rules {
    /// Parses `(syntax-rules [ellipsis] (literal …) (pattern template) …)`.
    pub fn parse(name: Symbol, form: &Datum, env: &Env, aliases: &Aliases) -> Result<Rules, ExpandError> {
        let bad_at = |span| ExpandError::BadSyntax {
            form: "syntax-rules",
            span,
            expected: "`(syntax-rules (literal …) (pattern template) …)`, each pattern a list: `(_ argument …)`",
        };
        let bad = || bad_at(form.span);
        let DatumKind::List(items) = &form.kind else { return Err(bad()) };
        let mut rest = items.get(1..).ok_or_else(bad)?;
        let mut ellipsis = env.ellipsis();
        if let Some(Datum { kind: DatumKind::Symbol(custom), .. }) = rest.first() {
            ellipsis = aliases.original(*custom);
            rest = rest.get(1..).unwrap_or(&[]);
        }
        let (literals, rules) = rest.split_first().ok_or_else(bad)?;
        let DatumKind::List(literals) = &literals.kind else { return Err(bad()) };
        let literals = literals
            .iter()
            .map(|item| match item.kind {
                DatumKind::Symbol(symbol) => Ok(symbol),
                _ => Err(bad()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        // Guile takes a documentation string before the rules.
        let documented = matches!(rules.first(), Some(Datum { kind: DatumKind::String(_), .. }));
        let rules = rules
            .iter()
            .skip(usize::from(documented))
            .map(|rule| match &rule.kind {
                DatumKind::List(pair) => match pair.as_slice() {
                    [pattern, template] | [pattern, _, template] if parts(pattern).is_some() => {
                        Ok((pattern.clone(), template.clone()))
                    }
                    _ => Err(bad_at(rule.span)),
                },
                _ => Err(bad_at(rule.span)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let rules = Rules { name, env: env.clone(), ellipsis, literals, rules, whole: false };
        rules.check(aliases)?;
        Ok(rules)
    }

    /// Checks that no variable stands twice in a pattern.
    pub fn check(&self, aliases: &Aliases) -> Result<(), ExpandError> {
        self.rules.iter().try_for_each(|(pattern, _)| self.check_pattern(pattern, aliases))
    }

    /// Checks that no variable stands twice in a pattern.
    pub fn check_pattern(&self, pattern: &Datum, aliases: &Aliases) -> Result<(), ExpandError> {
        let mut variables = Vec::new();
        match parts(pattern) {
            Some((items, tail)) if !self.whole => {
                let rest = items.get(1..).unwrap_or(&[]).iter().chain(tail);
                rest.for_each(|item| self.variables(item, aliases, 0, &mut variables));
            }
            _ => self.variables(pattern, aliases, 0, &mut variables),
        }
        for (index, (name, _)) in variables.iter().enumerate() {
            if variables.iter().take(index).any(|(other, _)| other == name) {
                let mut places = Vec::new();
                pattern.places_of(*name, &mut places);
                if let [first, second, ..] = places.get(places.len().saturating_sub(2)..).unwrap_or(&[]) {
                    let name = aliases.original(*name);
                    return Err(ExpandError::TwiceInPattern { name, spans: (*first, *second) });
                }
            }
        }
        Ok(())
    }

    /// Returns the rules with a single rule: `(define-syntax-rule (name . pattern) template)`.
    pub fn single(name: Symbol, pattern: Datum, template: Datum, env: &Env) -> Rules {
        Rules {
            name,
            env: env.clone(),
            ellipsis: Symbol::new("..."),
            literals: Vec::new(),
            rules: vec![(pattern, template)],
            whole: false,
        }
    }

    /// Parses `(identifier-syntax expression)` or `(identifier-syntax (id expression) …)`.
    pub fn parse_identifier(name: Symbol, form: &Datum, env: &Env) -> Result<Rules, ExpandError> {
        let bad = || ExpandError::BadSyntax {
            form: "identifier-syntax",
            span: form.span,
            expected: "`(identifier-syntax expression)`",
        };
        let DatumKind::List(items) = &form.kind else { return Err(bad()) };
        let template = match items.get(1..).unwrap_or(&[]) {
            [template] => template.clone(),
            [first, ..] => match &first.kind {
                DatumKind::List(clause) => clause.get(1).cloned().ok_or_else(bad)?,
                _ => return Err(bad()),
            },
            [] => return Err(bad()),
        };
        let pattern = Datum { kind: DatumKind::Symbol(Symbol::new("_")), span: form.span };
        let mut rules = Rules::single(name, pattern, template, env);
        rules.whole = true;
        Ok(rules)
    }

    /// Returns the rules that match the patterns of a `syntax-case` form.
    pub fn for_patterns(env: Env, literals: Vec<Symbol>, ellipsis: Symbol) -> Rules {
        let name = Symbol::new("syntax-case");
        Rules { name, env, ellipsis, literals, rules: Vec::new(), whole: true }
    }

    /// Returns the variables of a pattern, each with the number of ellipses it is under.
    pub fn pattern_variables(&self, pattern: &Datum, aliases: &Aliases) -> Vec<(Symbol, usize)> {
        let mut variables = Vec::new();
        self.variables(pattern, aliases, 0, &mut variables);
        variables
    }

    /// Matches a form; returns the values of the pattern's variables, in their order, if it fits.
    pub fn values(
        &self,
        pattern: &Datum,
        variables: &[(Symbol, usize)],
        form: &Datum,
        env: &Env,
        aliases: &Aliases,
    ) -> Option<Vec<Value>> {
        let mut matches = Matches::new();
        self.matches(pattern, form, env, aliases, &mut matches).then(|| {
            let value = |name: &Symbol| find(&[&matches], *name).map(|bound| bound.value(*name));
            variables.iter().map(|(name, _)| value(name).unwrap_or(Value::Nil)).collect()
        })
    }

    /// Expands a use of the macro.
    pub fn expand(&self, form: &Datum, env: &Env, aliases: &mut Aliases) -> Result<Datum, ExpandError> {
        for (pattern, template) in &self.rules {
            let mut matches = Matches::new();
            let matched = if self.whole {
                self.matches(pattern, form, env, aliases, &mut matches)
            } else {
                self.matches_arguments(pattern, form, env, aliases, &mut matches)
            };
            if matched {
                let expansion = Expansion::new(self.env.clone());
                let mut instance = Instance { rules: self, aliases, expansion, span: form.span };
                let expanded = instance.template(template, &[&matches])?;
                aliases.count(&expanded, aliases.original(self.name), form.span)?;
                return Ok(expanded);
            }
        }
        Err(ExpandError::NoRuleMatches {
            name: aliases.original(self.name),
            span: form.span,
            patterns: self.rules.iter().map(|(pattern, _)| pattern.span).collect(),
        })
    }

    /// Expands a use of an identifier macro at the head of a form or alone.
    pub fn expand_identifier(
        &self,
        span: Span,
        env: &Env,
        aliases: &mut Aliases,
    ) -> Result<Datum, ExpandError> {
        let form = Datum { kind: DatumKind::Symbol(self.name), span };
        self.expand(&form, env, aliases)
    }

    fn matches_arguments<'a>(
        &self,
        pattern: &Datum,
        form: &'a Datum,
        env: &Env,
        aliases: &Aliases,
        out: &mut Matches<'a>,
    ) -> bool {
        let (Some((pattern, pattern_tail)), Some((form, form_tail))) = (parts(pattern), parts(form)) else {
            return false;
        };
        let (Some(pattern), Some(form)) = (pattern.get(1..), form.get(1..)) else { return false };
        self.match_list((pattern, pattern_tail), (form, form_tail), env, aliases, out)
    }

    fn is_ellipsis(&self, datum: &Datum, aliases: &Aliases) -> bool {
        match datum.kind {
            DatumKind::Symbol(name) => {
                !self.literals.contains(&name) && aliases.original(name) == self.ellipsis
            }
            _ => false,
        }
    }

    fn matches<'a>(
        &self,
        pattern: &Datum,
        form: &'a Datum,
        env: &Env,
        aliases: &Aliases,
        out: &mut Matches<'a>,
    ) -> bool {
        match &pattern.kind {
            DatumKind::Symbol(name) if self.literals.contains(name) => match form.kind {
                DatumKind::Symbol(given) => same_binding(*name, &self.env, given, env, aliases),
                _ => false,
            },
            DatumKind::Symbol(name) => {
                if aliases.original(*name).as_str() != "_" {
                    out.push((*name, Bound::One(Cow::Borrowed(form))));
                }
                true
            }
            DatumKind::List(_) | DatumKind::Dotted(..) => match (parts(pattern), parts(form)) {
                (Some(pattern), Some(form)) => self.match_list(pattern, form, env, aliases, out),
                _ => false,
            },
            DatumKind::Vector(items) => match &form.kind {
                DatumKind::Vector(given) => self.match_list((items, None), (given, None), env, aliases, out),
                _ => false,
            },
            other => *other == form.kind,
        }
    }

    fn match_list<'a>(
        &self,
        (pattern, pattern_tail): (&[Datum], Option<&Datum>),
        (form, form_tail): (&'a [Datum], Option<&'a Datum>),
        env: &Env,
        aliases: &Aliases,
        out: &mut Matches<'a>,
    ) -> bool {
        let ellipsis = pattern.iter().skip(1).position(|item| self.is_ellipsis(item, aliases));
        let Some(repeated) = ellipsis else {
            if form.len() < pattern.len() {
                return false;
            }
            let (front, back) = form.split_at(pattern.len());
            return pattern.iter().zip(front).all(|(p, f)| self.matches(p, f, env, aliases, out))
                && self.match_tail(pattern_tail, back, form_tail, env, aliases, out);
        };
        let (before, rest) = pattern.split_at(repeated);
        let after = rest.get(2..).unwrap_or(&[]);
        let Some(count) = form.len().checked_sub(before.len() + after.len()) else { return false };
        let (front, rest_form) = form.split_at(before.len());
        let (middle, back) = rest_form.split_at(count);
        let (back, extra) = back.split_at(after.len());
        if !before.iter().zip(front).all(|(p, f)| self.matches(p, f, env, aliases, out)) {
            return false;
        }
        let Some(inner) = rest.first() else { return false };
        let mut rounds = Vec::with_capacity(middle.len());
        for item in middle {
            let mut round = Matches::new();
            if !self.matches(inner, item, env, aliases, &mut round) {
                return false;
            }
            rounds.push(round);
        }
        let mut variables = Vec::new();
        self.variables(inner, aliases, 1, &mut variables);
        if let [(only, depth)] = variables.as_slice() {
            out.push((*only, Bound::Many(rounds, *depth)));
        } else {
            for (variable, depth) in variables {
                let column = rounds.iter().map(|round| pick(round, variable)).collect();
                out.push((variable, Bound::Many(column, depth)));
            }
        }
        after.iter().zip(back).all(|(p, f)| self.matches(p, f, env, aliases, out))
            && self.match_tail(pattern_tail, extra, form_tail, env, aliases, out)
    }

    fn match_tail<'a>(
        &self,
        pattern: Option<&Datum>,
        items: &'a [Datum],
        tail: Option<&'a Datum>,
        env: &Env,
        aliases: &Aliases,
        out: &mut Matches<'a>,
    ) -> bool {
        match (pattern, items, tail) {
            (None, [], None) => true,
            (None, ..) => false,
            (Some(pattern), [], Some(tail)) => self.matches(pattern, tail, env, aliases, out),
            (Some(pattern), items, tail) => {
                let span = items.first().map_or(pattern.span, |item| item.span);
                let rest = list_with_tail(items.to_vec(), tail.cloned(), span);
                match pattern.kind {
                    DatumKind::Symbol(name) if !self.literals.contains(&name) => {
                        if aliases.original(name).as_str() != "_" {
                            out.push((name, Bound::One(Cow::Owned(rest))));
                        }
                        true
                    }
                    _ => false,
                }
            }
        }
    }

    /// Finds the variables of a pattern, each with the number of ellipses it is under.
    fn variables(&self, pattern: &Datum, aliases: &Aliases, depth: usize, out: &mut Vec<(Symbol, usize)>) {
        let each = |items: &[Datum], out: &mut Vec<(Symbol, usize)>| {
            for (position, item) in items.iter().enumerate() {
                let dots = items.get(position + 1).is_some_and(|next| self.is_ellipsis(next, aliases));
                self.variables(item, aliases, depth + usize::from(dots), out);
            }
        };
        match &pattern.kind {
            DatumKind::Symbol(name)
                if !self.literals.contains(name)
                    && !self.is_ellipsis(pattern, aliases)
                    && aliases.original(*name).as_str() != "_" =>
            {
                out.push((*name, depth));
            }
            DatumKind::List(items) | DatumKind::Vector(items) => each(items, out),
            DatumKind::Dotted(items, tail) => {
                each(items, out);
                self.variables(tail, aliases, depth, out);
            }
            _ => {}
        }
    }
}

/// Copies one variable of a round.
fn pick<'a>(round: &Matches<'a>, variable: Symbol) -> Matches<'a> {
    round.iter().filter(|(name, _)| *name == variable).map(|(name, bound)| (*name, bound.copy())).collect()
}

impl<'a> Bound<'a> {
    /// Returns what a pattern's variable stands for in a procedural macro: syntax, or lists of it.
    fn value(&self, name: Symbol) -> Value {
        match self {
            Bound::One(datum) => super::syntax::wrap(datum.clone().into_owned()),
            Bound::Many(rounds, _) => {
                let each = |round: &Matches<'a>| find(&[round], name).map(|bound| bound.value(name));
                Value::list(rounds.iter().filter_map(each).collect::<Vec<_>>())
            }
        }
    }

    fn copy(&self) -> Bound<'a> {
        match self {
            Bound::One(datum) => Bound::One(datum.clone()),
            Bound::Many(rounds, depth) => Bound::Many(
                rounds
                    .iter()
                    .map(|round| round.iter().map(|(name, bound)| (*name, bound.copy())).collect())
                    .collect(),
                *depth,
            ),
        }
    }
}

struct Instance<'r, 'x> {
    rules: &'r Rules,
    aliases: &'x mut Aliases,
    expansion: Rc<Expansion>,
    span: Span,
}

impl Instance<'_, '_> {
    fn template(&mut self, template: &Datum, scopes: &[&Matches<'_>]) -> Result<Datum, ExpandError> {
        let kind = match &template.kind {
            DatumKind::Symbol(name) => match find(scopes, *name) {
                Some(Bound::One(datum)) => return Ok(datum.clone().into_owned()),
                Some(Bound::Many(..)) => {
                    let fault = TemplateFault::TooFew(self.aliases.original(*name));
                    return Err(self.fault(fault, template));
                }
                None => DatumKind::Symbol(self.rename(*name)),
            },
            DatumKind::List(items) => {
                if let [dots, escaped] = items.as_slice()
                    && self.rules.is_ellipsis(dots, self.aliases)
                {
                    return self.verbatim(escaped, scopes);
                }
                DatumKind::List(self.sequence(items, scopes)?)
            }
            DatumKind::Dotted(items, tail) => {
                let items = self.sequence(items, scopes)?;
                let tail = self.template(tail, scopes)?;
                return Ok(list_with_tail(items, Some(tail), self.span));
            }
            DatumKind::Vector(items) => DatumKind::Vector(self.sequence(items, scopes)?),
            other => other.clone(),
        };
        Ok(Datum { kind, span: self.span })
    }

    fn sequence(&mut self, items: &[Datum], scopes: &[&Matches<'_>]) -> Result<Vec<Datum>, ExpandError> {
        let mut out = Vec::with_capacity(items.len());
        let mut rest = items.iter().peekable();
        while let Some(item) = rest.next() {
            let mut depth = 0;
            while rest.peek().is_some_and(|next| self.rules.is_ellipsis(next, self.aliases)) {
                rest.next();
                depth += 1;
            }
            if depth == 0 {
                out.push(self.template(item, scopes)?);
            } else {
                self.repeat(item, depth, scopes, &mut out)?;
            }
        }
        Ok(out)
    }

    fn repeat(
        &mut self,
        item: &Datum,
        depth: usize,
        scopes: &[&Matches<'_>],
        out: &mut Vec<Datum>,
    ) -> Result<(), ExpandError> {
        if depth == 0 {
            out.push(self.template(item, scopes)?);
            return Ok(());
        }
        let mut names = Vec::new();
        mentioned(item, depth - 1, &|part| self.rules.is_ellipsis(part, self.aliases), &mut names);
        let columns: Vec<(Symbol, &Vec<Matches<'_>>)> = names
            .iter()
            .filter_map(|(name, inner)| match find(scopes, *name) {
                Some(Bound::Many(rounds, deep)) if deep > inner => Some((*name, rounds)),
                _ => None,
            })
            .collect();
        let Some(count) = columns.iter().map(|(_, rounds)| rounds.len()).max() else {
            return Err(self.fault(TemplateFault::NothingRepeated, item));
        };
        if columns.iter().any(|(_, rounds)| rounds.len() != count) {
            let each = |(name, rounds): &(Symbol, &Vec<_>)| (self.aliases.original(*name), rounds.len());
            return Err(self.fault(TemplateFault::Unequal(columns.iter().map(each).collect()), item));
        }
        for round in 0..count {
            let mut inner: Vec<&Matches<'_>> = Vec::with_capacity(scopes.len() + columns.len());
            inner.extend(columns.iter().filter_map(|(_, rounds)| rounds.get(round)));
            inner.extend(scopes);
            self.repeat(item, depth - 1, &inner, out)?;
        }
        Ok(())
    }

    /// `(... template)`: the ellipsis inside stands for itself.
    fn verbatim(&mut self, template: &Datum, scopes: &[&Matches<'_>]) -> Result<Datum, ExpandError> {
        let many = |this: &mut Self, items: &[Datum]| {
            items.iter().map(|item| this.verbatim(item, scopes)).collect::<Result<Vec<_>, _>>()
        };
        let kind = match &template.kind {
            DatumKind::Symbol(_) => return self.template(template, scopes),
            DatumKind::List(items) => DatumKind::List(many(self, items)?),
            DatumKind::Vector(items) => DatumKind::Vector(many(self, items)?),
            DatumKind::Dotted(items, tail) => {
                let items = many(self, items)?;
                let tail = self.verbatim(tail, scopes)?;
                return Ok(list_with_tail(items, Some(tail), self.span));
            }
            other => other.clone(),
        };
        Ok(Datum { kind, span: self.span })
    }

    fn rename(&mut self, name: Symbol) -> Symbol {
        self.aliases.rename(name, &self.expansion)
    }

    fn fault(&self, fault: TemplateFault, part: &Datum) -> ExpandError {
        ExpandError::Template { fault, part: Some(part.span), span: self.span }
    }
}

fn find<'m, 'a>(scopes: &[&'m Matches<'a>], name: Symbol) -> Option<&'m Bound<'a>> {
    scopes.iter().find_map(|matches| matches.iter().find(|(n, _)| *n == name).map(|(_, bound)| bound))
}

/// Finds the names of a template, each with the number of ellipses that follow it inside.
pub(super) fn mentioned(
    template: &Datum,
    depth: usize,
    is_ellipsis: &dyn Fn(&Datum) -> bool,
    out: &mut Vec<(Symbol, usize)>,
) {
    let each = |items: &[Datum], out: &mut Vec<(Symbol, usize)>| {
        for (position, item) in items.iter().enumerate() {
            let after = items.get(position + 1..).unwrap_or(&[]);
            let dots = after.iter().take_while(|next| is_ellipsis(next)).count();
            mentioned(item, depth + dots, is_ellipsis, out);
        }
    };
    match &template.kind {
        DatumKind::Symbol(name) => out.push((*name, depth)),
        DatumKind::List(items) | DatumKind::Vector(items) => each(items, out),
        DatumKind::Dotted(items, tail) => {
            each(items, out);
            mentioned(tail, depth, is_ellipsis, out);
        }
        _ => {}
    }
}
