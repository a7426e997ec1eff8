//! Quasi-quotation, nested to any level (R7RS 4.2.8).
//!
//! What does not contain an `unquote` of its own level stays a constant.

use crate::{
    core_form::Core,
    datum::{Datum, DatumKind},
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure};

impl Expander<'_> {
    pub(super) fn quasiquote(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let [template] = arguments else {
            return Err(ExpandError::BadSyntax {
                form: "quasiquote",
                span: form.span,
                expected: "`(quasiquote datum)`",
            }
            .into());
        };
        self.quasi(template, 0, env)
    }

    /// Returns the operand if the list is `(word operand)`.
    fn operand<'d>(&self, items: &'d [Datum], word: &str, env: &Env) -> Option<&'d Datum> {
        match items {
            [head, operand] if self.is_word(head, word, env) => Some(operand),
            _ => None,
        }
    }

    fn quasi(&mut self, template: &Datum, level: usize, env: &Env) -> Result<Core, Failure> {
        if !self.stack.has_room() {
            return Err(ExpandError::TooDeep { span: template.span }.into());
        }
        match &template.kind {
            DatumKind::List(items) => {
                if let Some(operand) = self.operand(items, "unquote", env) {
                    return if level == 0 {
                        self.expression(operand, env)
                    } else {
                        self.wrapped(template, operand, "unquote", level - 1, env)
                    };
                }
                if let Some(operand) = self.operand(items, "quasiquote", env) {
                    return self.wrapped(template, operand, "quasiquote", level + 1, env);
                }
                if let Some(operand) = self.operand(items, "unquote-splicing", env)
                    && level > 0
                {
                    return self.wrapped(template, operand, "unquote-splicing", level - 1, env);
                }
                self.quasi_list(items, None, level, env, template.span)
            }
            DatumKind::Dotted(items, tail) => self.quasi_list(items, Some(tail), level, env, template.span),
            DatumKind::Vector(items) => {
                let list = self.quasi_list(items, None, level, env, template.span)?;
                Ok(match list {
                    Core::Const(list) => Core::Const(Value::vector(list.list_to_vec().unwrap_or_default())),
                    list => self.native_call("list->vector", vec![list], template.span),
                })
            }
            _ => Ok(Core::Const(Value::from_datum(&self.world.aliases.strip(template)))),
        }
    }

    fn wrapped(
        &mut self,
        template: &Datum,
        operand: &Datum,
        word: &str,
        level: usize,
        env: &Env,
    ) -> Result<Core, Failure> {
        let inner = self.quasi(operand, level, env)?;
        let list = self.cons(inner, Core::Const(Value::Nil), template.span);
        Ok(self.cons(Core::Const(Value::Symbol(Symbol::new(word))), list, template.span))
    }

    fn cons(&self, car: Core, cdr: Core, span: Span) -> Core {
        self.prepend(vec![car], cdr, span)
    }

    /// Returns the list of items before a rest; constants stay one constant.
    fn prepend(&self, mut items: Vec<Core>, rest: Core, span: Span) -> Core {
        let mut rest = rest;
        while matches!((items.last(), &rest), (Some(Core::Const(_)), Core::Const(_))) {
            if let (Some(Core::Const(item)), Core::Const(tail)) = (items.pop(), rest) {
                rest = Core::Const(Value::cons(item, tail));
            } else {
                rest = Core::Const(Value::Nil);
            }
        }
        match items.len() {
            0 => rest,
            1 => {
                items.push(rest);
                self.native_call("cons", items, span)
            }
            _ => {
                items.push(rest);
                self.native_call("cons*", items, span)
            }
        }
    }

    fn quasi_list(
        &mut self,
        items: &[Datum],
        tail: Option<&Datum>,
        level: usize,
        env: &Env,
        span: Span,
    ) -> Result<Core, Failure> {
        // `(a unquote b)`, as `(a . ,b)` may also be written.
        if tail.is_none()
            && items.len() > 2
            && let Some((before, [word, operand])) = items.split_at_checked(items.len() - 2)
            && self.is_word(word, "unquote", env)
        {
            let unquoted =
                Datum { kind: DatumKind::List(vec![word.clone(), operand.clone()]), span: operand.span };
            return self.quasi_list(before, Some(&unquoted), level, env, span);
        }
        let mut result = match tail {
            Some(tail) => self.quasi(tail, level, env)?,
            None => Core::Const(Value::Nil),
        };
        let mut run: Vec<Core> = Vec::new();
        for item in items.iter().rev() {
            let splice = match &item.kind {
                DatumKind::List(parts) if level == 0 => self.operand(parts, "unquote-splicing", env),
                _ => None,
            };
            let Some(operand) = splice else {
                run.push(self.quasi(item, level, env)?);
                continue;
            };
            run.reverse();
            let rest = self.prepend(std::mem::take(&mut run), result, span);
            let list = self.expression(operand, env)?;
            result = match rest {
                Core::Const(Value::Nil) => list,
                rest => Core::call_const(
                    Value::Native(&crate::natives::lists::SPLICE),
                    vec![list, rest],
                    item.span,
                ),
            };
        }
        run.reverse();
        Ok(self.prepend(run, result, span))
    }
}
