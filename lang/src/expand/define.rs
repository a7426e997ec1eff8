//! The parts of definitions.

use crate::{
    core_form::Core,
    datum::{Datum, DatumKind},
    module::Special,
    span::Span,
    symbol::Symbol,
};

use super::{Env, ExpandError, Expander, Failure, list_items};

/// How a macro is given.
pub(crate) enum MacroSource {
    /// By a pattern and a template.
    Rule(Datum, Datum),
    /// By an expression such as `(syntax-rules …)`.
    Transformer(Datum),
}

/// Returns the name of a `define` form and its place; `(define ((f a) b) …)` defines `f`.
pub(crate) fn defined_name(form: &Datum) -> Result<(Symbol, Span), ExpandError> {
    let bad = || ExpandError::BadSyntax {
        form: "define",
        span: form.span,
        expected: "`(define name value)` or `(define (name argument …) body …)`",
    };
    let items = list_items(form).ok_or_else(bad)?;
    let mut target = items.get(1).ok_or_else(bad)?;
    loop {
        match &target.kind {
            DatumKind::Symbol(name) => return Ok((*name, target.span)),
            DatumKind::List(parts) | DatumKind::Dotted(parts, _) => target = parts.first().ok_or_else(bad)?,
            _ => return Err(bad()),
        }
    }
}

/// Returns the name and the source of a macro's definition.
pub(crate) fn macro_parts(form: &Datum) -> Result<(Symbol, MacroSource), ExpandError> {
    let bad = || ExpandError::BadSyntax {
        form: "define-syntax",
        span: form.span,
        expected: "`(define-syntax name (syntax-rules …))` or `(define-syntax-rule (name . pattern) template)`",
    };
    match list_items(form).ok_or_else(bad)? {
        [_, Datum { kind: DatumKind::Symbol(name), .. }, transformer] => {
            Ok((*name, MacroSource::Transformer(transformer.clone())))
        }
        [_, pattern, template] | [_, pattern, Datum { kind: DatumKind::String(_), .. }, template] => {
            let name = match &pattern.kind {
                DatumKind::List(parts) | DatumKind::Dotted(parts, _) => parts.first(),
                _ => None,
            };
            match name.map(|name| &name.kind) {
                Some(DatumKind::Symbol(name)) => {
                    Ok((*name, MacroSource::Rule(pattern.clone(), template.clone())))
                }
                _ => Err(bad()),
            }
        }
        _ => Err(bad()),
    }
}

/// Returns the variables and the expression of a `define-values` form.
pub(crate) fn define_values_parts(form: &Datum) -> Result<(Datum, Datum), ExpandError> {
    match list_items(form) {
        Some([_, formals, expression]) => Ok((formals.clone(), expression.clone())),
        _ => Err(ExpandError::BadSyntax {
            form: "define-values",
            span: form.span,
            expected: "`(define-values (name …) expression)`",
        }),
    }
}

/// A name and its place.
pub(crate) type Named = (Symbol, Span);

/// Parses `(a b)`, `(a . rest)` or `rest`.
pub(crate) fn formals(datum: &Datum) -> Result<(Vec<Named>, Option<Named>), ExpandError> {
    let name = |datum: &Datum| match datum.kind {
        DatumKind::Symbol(name) => Ok((name, datum.span)),
        _ => Err(ExpandError::Other {
            message: "a variable is a symbol".to_owned(),
            span: datum.span,
            hint: None,
        }),
    };
    match &datum.kind {
        DatumKind::List(items) => Ok((items.iter().map(name).collect::<Result<_, _>>()?, None)),
        DatumKind::Dotted(items, tail) => {
            Ok((items.iter().map(name).collect::<Result<_, _>>()?, Some(name(tail)?)))
        }
        _ => Ok((Vec::new(), Some(name(datum)?))),
    }
}

impl Expander<'_> {
    /// Expands the value of a `define` form; returns its name with it.
    pub(super) fn define_form_value(&mut self, form: &Datum, env: &Env) -> Result<(Symbol, Core), Failure> {
        let (name, _) = defined_name(form)?;
        let star =
            matches!(self.special_of(form, env)?, Some(Special::DefineStar | Special::DefineStarPublic));
        let special = if star { Special::LambdaStar } else { Special::Lambda };
        let bad = || ExpandError::BadSyntax {
            form: "define",
            span: form.span,
            expected: "`(define name value)` or `(define (name argument …) body …)`",
        };
        let items = list_items(form).ok_or_else(bad)?;
        let target = items.get(1).ok_or_else(bad)?;
        let body = items.get(2..).unwrap_or(&[]);
        let core = match (&target.kind, body) {
            (DatumKind::Symbol(_), [value]) => self.expression_named(value, env, Some(name))?,
            // `(define name "documentation" value)` does not exist; `(define name)` leaves it unspecified.
            (DatumKind::Symbol(_), []) => Core::unspecified(),
            // As in Guix, a public definition may have a body.
            (DatumKind::Symbol(_), body)
                if matches!(self.special_of(form, env)?, Some(Special::DefinePublic)) =>
            {
                self.body(body, env, form.span)?
            }
            (DatumKind::Symbol(_), _) => return Err(bad().into()),
            _ => self.curried(form, target, body, env, name, special)?,
        };
        Ok((name, core))
    }

    fn curried(
        &mut self,
        form: &Datum,
        target: &Datum,
        body: &[Datum],
        env: &Env,
        name: Symbol,
        special: Special,
    ) -> Result<Core, Failure> {
        let bad = || ExpandError::BadSyntax {
            form: "define",
            span: form.span,
            expected: "`(define (name argument …) body …)`",
        };
        let (head, arguments) = match &target.kind {
            DatumKind::List(parts) => {
                let (head, rest) = parts.split_first().ok_or_else(bad)?;
                (head, super::list_form(rest.to_vec(), target.span))
            }
            DatumKind::Dotted(parts, tail) => {
                let (head, rest) = parts.split_first().ok_or_else(bad)?;
                (head, super::macros::list_with_tail(rest.to_vec(), Some((**tail).clone()), target.span))
            }
            _ => return Err(bad().into()),
        };
        if matches!(head.kind, DatumKind::Symbol(_)) {
            return self.procedure(&arguments, body, form.span, env, Some(name), special);
        }
        // `(define ((f a) b) body)`: `f` returns a procedure.
        let lambda = if special == Special::LambdaStar { "lambda*" } else { "lambda" };
        let mut inner = vec![arguments];
        inner.extend(body.iter().cloned());
        let inner = self.base_form(lambda, inner, form.span);
        self.curried(form, head, std::slice::from_ref(&inner), env, name, special)
    }
}
