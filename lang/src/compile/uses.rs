//! How variables are used: which are free, and which local procedures are only called in tail position.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::core_form::{Core, Lambda, RecordField, Var};

/// Calls a function with each direct part of an expression, and whether it is in tail position.
pub(super) fn each_part<'c>(core: &'c Core, visit: &mut dyn FnMut(&'c Core, bool)) {
    match core {
        Core::Const(_) | Core::Local(_) | Core::Global(..) => {}
        Core::SetLocal(_, value) | Core::SetGlobal(_, value) => visit(value, false),
        Core::If(test, then, otherwise) => {
            visit(test, false);
            visit(then, true);
            visit(otherwise, true);
        }
        Core::Lambda(lambda) | Core::Delay(lambda) => each_lambda_part(lambda, visit),
        Core::CaseLambda(lambdas) => lambdas.iter().for_each(|lambda| each_lambda_part(lambda, visit)),
        Core::Call(procedure, arguments, _) => {
            visit(procedure, false);
            arguments.iter().for_each(|argument| visit(argument, false));
        }
        Core::Let(bindings, body) | Core::Letrec(bindings, body) => {
            bindings.iter().for_each(|(_, value)| visit(value, false));
            visit(body, true);
        }
        Core::Seq(forms) => {
            if let Some((last, before)) = forms.split_last() {
                before.iter().for_each(|form| visit(form, false));
                visit(last, true);
            }
        }
        Core::Gexp(form) => {
            form.references
                .iter()
                .filter_map(|part| part.value.as_ref())
                .for_each(|value| visit(value, false));
        }
        Core::Record(form) => form.fields.iter().for_each(|field| {
            if let RecordField::Value(value) = field {
                visit(value, false);
            }
        }),
    }
}

fn each_lambda_part<'c>(lambda: &'c Lambda, visit: &mut dyn FnMut(&'c Core, bool)) {
    lambda.optional.iter().for_each(|(_, default)| visit(default, false));
    lambda.keys.iter().for_each(|(_, _, default)| visit(default, false));
    visit(&lambda.body, false);
}

/// Collects the variables that an expression mentions out of a set.
pub(super) fn mentions(core: &Core, among: &FxHashSet<Var>, found: &mut FxHashSet<Var>) {
    match core {
        Core::Local(var) | Core::SetLocal(var, _) if among.contains(var) => {
            found.insert(*var);
        }
        Core::Gexp(form) => {
            found.extend([form.modules, form.extensions].into_iter().flatten().filter(|v| among.contains(v)));
        }
        Core::Record(form) => found.extend(form.parent.into_iter().filter(|v| among.contains(v))),
        _ => {}
    }
    each_part(core, &mut |part, _| mentions(part, among, found));
}

/// Whether a `letrec` of one plain procedure can become a jump: it is only called, with the right number of
/// arguments, in tail position, and not inside of another procedure that stays one.
pub(super) fn is_label(var: Var, lambda: &Lambda, body: &Core, known: &mut FxHashMap<Var, bool>) -> bool {
    if let Some(answer) = known.get(&var) {
        return *answer;
    }
    let plain = lambda.optional.is_empty()
        && lambda.keys.is_empty()
        && lambda.rest.is_none()
        && u16::try_from(lambda.required.len()).is_ok();
    let arity = lambda.required.len();
    let answer = plain
        && only_tail_called(body, var, arity, true, known)
        && only_tail_called(&lambda.body, var, arity, true, known);
    known.insert(var, answer);
    answer
}

fn only_tail_called(
    core: &Core,
    var: Var,
    arity: usize,
    tail: bool,
    known: &mut FxHashMap<Var, bool>,
) -> bool {
    match core {
        Core::Local(other) => *other != var,
        Core::SetLocal(other, _) if *other == var => false,
        Core::Call(procedure, arguments, _) => {
            let arguments_fine =
                arguments.iter().all(|argument| only_tail_called(argument, var, arity, false, known));
            match &**procedure {
                Core::Local(other) if *other == var => tail && arguments.len() == arity && arguments_fine,
                // `((lambda (x) body) value)` is compiled in place.
                Core::Lambda(lambda) if lambda.required.len() == arguments.len() && lambda.rest.is_none() => {
                    arguments_fine && only_tail_called(&lambda.body, var, arity, tail, known)
                }
                other => arguments_fine && only_tail_called(other, var, arity, false, known),
            }
        }
        Core::Letrec(bindings, body) => {
            if let [(inner, Core::Lambda(lambda))] = bindings.as_slice()
                && is_label(*inner, lambda, body, known)
            {
                return only_tail_called(&lambda.body, var, arity, tail, known)
                    && only_tail_called(body, var, arity, tail, known);
            }
            bindings.iter().all(|(_, value)| only_tail_called(value, var, arity, false, known))
                && only_tail_called(body, var, arity, tail, known)
        }
        Core::Gexp(form) if form.modules == Some(var) || form.extensions == Some(var) => false,
        Core::Record(form) if form.parent == Some(var) => false,
        Core::If(test, then, otherwise) => {
            // Long chains of choices are followed without recursion.
            let mut current = (test, then, otherwise);
            loop {
                let (test, then, otherwise) = current;
                if !only_tail_called(test, var, arity, false, known)
                    || !only_tail_called(then, var, arity, tail, known)
                {
                    return false;
                }
                match &**otherwise {
                    Core::If(test, then, next) => current = (test, then, next),
                    last => return only_tail_called(last, var, arity, tail, known),
                }
            }
        }
        other => {
            let mut fine = true;
            each_part(other, &mut |part, last| {
                fine = fine && only_tail_called(part, var, arity, tail && last, known);
            });
            fine
        }
    }
}
