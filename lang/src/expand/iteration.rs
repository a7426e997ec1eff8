//! Loops: `do` and `while`. Both become local procedures that call themselves.

use crate::{
    core_form::{Core, Lambda},
    datum::{Datum, DatumKind},
    procedure::Primitive,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, env::Local, list_items};

impl Expander<'_> {
    /// `(do ((name start [step]) …) (test result …) body …)`
    pub(super) fn do_loop(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let wrong = || -> Failure {
            ExpandError::BadSyntax {
                form: "do",
                span: form.span,
                expected: "`(do ((name start step) …) (test result …) expression …)`",
            }
            .into()
        };
        let [specs, end, body @ ..] = arguments else { return Err(wrong()) };
        let specs = list_items(specs).ok_or_else(wrong)?;
        let (test, results) = list_items(end).and_then(<[Datum]>::split_first).ok_or_else(wrong)?;
        let inner = env.nested();
        let mut variables = Vec::new();
        let mut starts = Vec::new();
        let mut steps = Vec::new();
        for spec in specs {
            let Some([Datum { kind: DatumKind::Symbol(name), .. }, start, step @ ..]) = list_items(spec)
            else {
                return Err(wrong());
            };
            starts.push(self.expression(start, env)?);
            let var = self.fresh(*name);
            inner.bind(*name, Local::Variable(var));
            variables.push(var);
            match step {
                [] => steps.push(None),
                [step] => steps.push(Some(step)),
                _ => return Err(wrong()),
            }
        }
        let loop_var = self.fresh(Symbol::new("do"));
        let test = self.expression(test, &inner)?;
        let results = self.expressions(results, &inner)?;
        let mut body = self.expressions(body, &inner)?;
        let mut next = Vec::new();
        for (var, step) in variables.iter().zip(steps) {
            next.push(match step {
                Some(step) => self.expression(step, &inner)?,
                None => Core::Local(*var),
            });
        }
        body.push(Core::Call(Box::new(Core::Local(loop_var)), next, form.span));
        let body = Core::choose(test, Core::seq(results), Core::seq(body));
        let lambda = Lambda::simple(Some(Symbol::new("do")), form.span, variables, body);
        Ok(Core::Letrec(
            vec![(loop_var, Core::Lambda(Box::new(lambda)))],
            Box::new(Core::Call(Box::new(Core::Local(loop_var)), starts, form.span)),
        ))
    }

    /// `(while test body …)`, with `(break)` and `(continue)`.
    pub(super) fn while_loop(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let Some((test, body)) = arguments.split_first() else {
            return Err(ExpandError::BadSyntax {
                form: "while",
                span: form.span,
                expected: "`(while test expression …)`",
            }
            .into());
        };
        let escape = |this: &mut Self, name: &str, outer: &Env| {
            let var = this.fresh(Symbol::new(name));
            (var, outer.binding(Symbol::new(name), var))
        };
        let (leave, env) = escape(self, "break", env);
        let (skip, inner) = escape(self, "continue", &env);
        let loop_var = self.fresh(Symbol::new("while"));
        let test = self.expression(test, &env)?;
        let mut turn = self.expressions(body, &inner)?;
        turn.push(Core::unspecified());
        let call_escape = |var, body| {
            let receiver = Lambda::simple(None, form.span, vec![var], body);
            Core::call_const(
                Value::Primitive(Primitive::CallEscape),
                vec![Core::Lambda(Box::new(receiver))],
                form.span,
            )
        };
        let uses_continue = body.iter().any(|datum| mentions(datum, "continue"));
        let turn = if uses_continue { call_escape(skip, Core::seq(turn)) } else { Core::seq(turn) };
        let again = Core::Call(Box::new(Core::Local(loop_var)), Vec::new(), form.span);
        let body = Core::choose(test, Core::Seq(vec![turn, again]), Core::unspecified());
        let lambda = Lambda::simple(Some(Symbol::new("while")), form.span, Vec::new(), body);
        let start = Core::Call(Box::new(Core::Local(loop_var)), Vec::new(), form.span);
        let whole = Core::Letrec(vec![(loop_var, Core::Lambda(Box::new(lambda)))], Box::new(start));
        Ok(call_escape(leave, whole))
    }
}

fn mentions(datum: &Datum, word: &str) -> bool {
    match &datum.kind {
        DatumKind::Symbol(name) => name.as_str() == word,
        DatumKind::List(items) | DatumKind::Vector(items) => items.iter().any(|item| mentions(item, word)),
        DatumKind::Dotted(items, tail) => {
            items.iter().any(|item| mentions(item, word)) || mentions(tail, word)
        }
        _ => false,
    }
}
