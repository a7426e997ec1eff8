//! Syntax as a value: what the procedures of macros take apart and put together.
//!
//! A piece of the program is wrapped, with its places and its aliases, in a [`Syntax`]; templates make lists and
//! vectors of such pieces. Invariant: what is wrapped nests at most as deep as what the reader reads.

use std::any::Any;

use crate::{
    datum::{Datum, DatumKind},
    reader::MAX_DEPTH,
    span::Span,
    symbol::Symbol,
    value::{Foreign, Value},
};

use super::{
    env::{Aliases, Env, parts_within},
    macros::{Rules, mentioned},
};

/// A piece of a program.
pub(crate) struct Syntax {
    /// The piece.
    pub datum: Datum,
}

/// A clause's pattern.
pub(crate) struct Pattern {
    /// How literals and ellipses are told.
    pub rules: Rules,
    /// The pattern.
    pub pattern: Datum,
    /// Its variables, each with the number of ellipses it is under.
    pub variables: Vec<(Symbol, usize)>,
}

/// A template, whose variables' values are given when it is filled in.
pub(crate) struct Template {
    /// The template.
    pub template: Datum,
    /// Its variables, each with the number of ellipses it is under.
    pub variables: Vec<(Symbol, usize)>,
    /// The name that repeats what stands before it.
    pub ellipsis: Symbol,
    /// Where the names stand that it introduces.
    pub env: Env,
}

/// The transformer of a name that may be assigned to: what `make-variable-transformer` makes.
pub(crate) struct VariableTransformer(pub Value);

impl Foreign for Syntax {
    fn describe(&self) -> String {
        match &self.datum.kind {
            DatumKind::Symbol(name) if name.alias_index().is_none() => format!("#<syntax {name}>"),
            DatumKind::Symbol(_) => "#<syntax of a name>".to_owned(),
            DatumKind::List(_) | DatumKind::Dotted(..) | DatumKind::Vector(_) => "#<syntax (…)>".to_owned(),
            _ => format!("#<syntax {}>", crate::print::write_datum(&self.datum)),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for Pattern {
    fn describe(&self) -> String {
        "#<pattern>".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for Template {
    fn describe(&self) -> String {
        "#<template>".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for VariableTransformer {
    fn describe(&self) -> String {
        "#<variable-transformer>".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns a piece of a program as a value.
pub(crate) fn wrap(datum: Datum) -> Value {
    Value::foreign(Syntax { datum })
}

/// Returns the name of an identifier; `None` for any other value.
pub(crate) fn identifier(value: &Value) -> Option<Symbol> {
    match value.as_foreign::<Syntax>()?.datum.kind {
        DatumKind::Symbol(name) => Some(name),
        _ => None,
    }
}

/// Returns the form that a value stands for; what is not wrapped takes the place given, and its symbols go through a
/// function. `None` if some part is no syntax and cannot be written down, or it nests too deeply.
pub(crate) fn to_form(value: &Value, span: Span, symbol: &mut dyn FnMut(Symbol) -> Symbol) -> Option<Datum> {
    to_form_within(value, span, symbol, MAX_DEPTH)
}

fn to_form_within(
    value: &Value,
    span: Span,
    symbol: &mut dyn FnMut(Symbol) -> Symbol,
    depth: usize,
) -> Option<Datum> {
    let inner = depth.checked_sub(1)?;
    let kind = match value {
        Value::Foreign(_) => {
            let datum = &value.as_foreign::<Syntax>()?.datum;
            return parts_within(datum, depth).map(|_| datum.clone());
        }
        Value::Symbol(name) => DatumKind::Symbol(symbol(*name)),
        Value::Pair(_) => {
            let mut items = Vec::new();
            let mut rest = value;
            while let Value::Pair(pair) = rest {
                items.push(to_form_within(&pair.car, span, symbol, inner)?);
                rest = &pair.cdr;
            }
            let tail = match rest {
                Value::Nil | Value::LispNil => None,
                tail => Some(to_form_within(tail, span, symbol, inner)?),
            };
            return Some(super::macros::list_with_tail(items, tail, span));
        }
        Value::Vector(items) => DatumKind::Vector(
            items.iter().map(|item| to_form_within(item, span, symbol, inner)).collect::<Option<_>>()?,
        ),
        other => return other.to_datum(span),
    };
    Some(Datum { kind, span })
}

/// The variables of a template with their values: syntax, or lists of it under so many ellipses; the innermost last.
type Scope = Vec<(Symbol, Value, usize)>;

/// Fills in a template.
pub(crate) struct Filling<'a> {
    /// The template.
    pub template: &'a Template,
    /// The names that macros introduced.
    pub aliases: &'a mut Aliases,
    /// The place that its own parts take.
    pub span: Span,
}

impl Filling<'_> {
    /// Returns the filled-in template, or the name whose ellipses do not fit.
    pub fn fill(&mut self, values: &[Value]) -> Result<Value, Symbol> {
        let template = self.template;
        let mut scope: Scope = template
            .variables
            .iter()
            .zip(values)
            .map(|((name, depth), value)| (*name, value.clone(), *depth))
            .collect();
        self.part(&template.template, &mut scope, false)
    }

    fn is_ellipsis(&self, datum: &Datum) -> bool {
        matches!(datum.kind, DatumKind::Symbol(name) if self.aliases.original(name) == self.template.ellipsis)
    }

    fn part(&mut self, part: &Datum, scope: &mut Scope, verbatim: bool) -> Result<Value, Symbol> {
        match &part.kind {
            DatumKind::Symbol(name) => match scope.iter().rev().find(|(other, ..)| other == name) {
                Some((_, value, 0)) => Ok(value.clone()),
                Some(_) => Err(*name),
                None => {
                    let introduced = self.aliases.introduce(*name, &self.template.env);
                    Ok(wrap(Datum { kind: DatumKind::Symbol(introduced), span: self.span }))
                }
            },
            DatumKind::List(items) => {
                if let [dots, escaped] = items.as_slice()
                    && !verbatim
                    && self.is_ellipsis(dots)
                {
                    return self.part(escaped, scope, true);
                }
                Ok(Value::list(self.sequence(items, scope, verbatim)?))
            }
            DatumKind::Dotted(items, tail) => {
                let items = self.sequence(items, scope, verbatim)?;
                let tail = self.part(tail, scope, verbatim)?;
                Ok(Value::list_with_tail(items, tail))
            }
            DatumKind::Vector(items) => Ok(Value::vector(self.sequence(items, scope, verbatim)?)),
            other => Ok(wrap(Datum { kind: other.clone(), span: self.span })),
        }
    }

    fn sequence(&mut self, items: &[Datum], scope: &mut Scope, verbatim: bool) -> Result<Vec<Value>, Symbol> {
        let mut out = Vec::with_capacity(items.len());
        let mut rest = items.iter().peekable();
        while let Some(item) = rest.next() {
            let mut depth = 0;
            while !verbatim && rest.peek().is_some_and(|next| self.is_ellipsis(next)) {
                rest.next();
                depth += 1;
            }
            self.repeat(item, depth, scope, verbatim, &mut out)?;
        }
        Ok(out)
    }

    fn repeat(
        &mut self,
        item: &Datum,
        depth: usize,
        scope: &mut Scope,
        verbatim: bool,
        out: &mut Vec<Value>,
    ) -> Result<(), Symbol> {
        let Some(inner) = depth.checked_sub(1) else {
            out.push(self.part(item, scope, verbatim)?);
            return Ok(());
        };
        let mut names = Vec::new();
        mentioned(item, inner, &|part| self.is_ellipsis(part), &mut names);
        let mut columns: Vec<(Symbol, Vec<Value>, usize)> = Vec::new();
        for (name, under) in &names {
            let found = scope.iter().rev().find(|(other, ..)| other == name);
            if let Some((_, value, deep)) = found
                && deep > under
                && !columns.iter().any(|(other, ..)| other == name)
            {
                columns.push((*name, value.list_to_vec().ok_or(*name)?, deep - 1));
            }
        }
        let Some(count) = columns.iter().map(|(_, values, _)| values.len()).max() else {
            return Err(names.first().map_or_else(|| Symbol::new("..."), |(name, _)| *name));
        };
        let height = scope.len();
        for round in 0..count {
            for (name, values, deep) in &columns {
                scope.push((*name, values.get(round).ok_or(*name)?.clone(), *deep));
            }
            self.repeat(item, inner, scope, verbatim, out)?;
            scope.truncate(height);
        }
        Ok(())
    }
}
