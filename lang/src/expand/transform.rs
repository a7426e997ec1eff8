//! Procedural macros: their procedures are evaluated by the machine while forms are expanded.
//!
//! A procedure sees the definitions of its module and of what that imports, evaluated on demand like anywhere else, but no
//! variable around it. What its templates introduce is renamed for each use as `syntax-rules` does.

use crate::{
    datum::Datum, diagnostic::TraceEntry, module::World, span::Span, symbol::Symbol, value::Value, vm::nested,
};

use super::{
    Env, ExpandError, Expander, Failure,
    env::{Mark, Use},
    stack::Nesting,
    syntax,
};

/// A macro that is a procedure.
pub(crate) struct Transformer {
    /// Its name, for messages.
    pub name: Symbol,
    /// The procedure.
    pub procedure: Value,
    /// Whether `set!` of its name is a use of it.
    pub variable: bool,
}

/// Evaluates the right side of a macro's definition.
pub(crate) fn evaluate_transformer(
    world: &mut World,
    name: Symbol,
    source: &Datum,
    env: &Env,
) -> Result<Transformer, Failure> {
    // What stands on the right may use the macro itself.
    let _nesting = Nesting::begin();
    let inside =
        Env::top(env.module).marked(Mark::Transformer(env.clone())).marked(Mark::Ellipsis(env.ellipsis()));
    let mut expander = Expander::for_transformer(world);
    let core = expander.expression(source, &inside)?;
    let proto = crate::compile::compile(&core, &expander.vars, Some(name), source.span)?;
    world.epochs.begin();
    let value = nested(world, |machine| machine.evaluate_code(proto));
    world.epochs.end();
    let value = value?;
    let (procedure, variable) = match value.as_foreign::<syntax::VariableTransformer>() {
        Some(syntax::VariableTransformer(procedure)) => (procedure.clone(), true),
        None => (value, false),
    };
    if !procedure.is_procedure() {
        return Err(ExpandError::Other {
            message: format!(
                "the macro `{}` is defined by {}, not by a procedure",
                world.aliases.original(name),
                procedure.kind()
            ),
            span: source.span,
            hint: Some(
                "macros are written with `syntax-rules`, `identifier-syntax` or `(lambda (form) (syntax-case form …))`"
                    .to_owned(),
            ),
        }
        .into());
    }
    Ok(Transformer { name, procedure, variable })
}

/// Returns what the use of a procedural macro expands to.
pub(crate) fn transform(
    world: &mut World,
    transformer: &Transformer,
    form: &Datum,
    env: &Env,
) -> Result<Datum, Failure> {
    let name = world.aliases.original(transformer.name);
    let used = Use::new(name, form, env);
    let before = world.aliases.current.replace(used);
    let argument = syntax::wrap(form.clone());
    let result = nested(world, |machine| machine.call(&transformer.procedure, vec![argument]));
    world.aliases.current = before;
    let value = result.map_err(|failure| during(failure, name, form.span))?;
    output(world, &value, name, form.span)
}

/// Returns the form that a macro's procedure returned.
fn output(world: &mut World, value: &Value, name: Symbol, span: Span) -> Result<Datum, Failure> {
    match syntax::to_form(value, span, &mut |symbol| symbol) {
        Some(form) => {
            world.aliases.count(&form, name, span)?;
            Ok(form)
        }
        _ => Err(ExpandError::Other {
            message: format!("the macro `{name}` returned {}, which is no form", described(value)),
            span,
            hint: Some("the procedure of a macro returns syntax: `#'(…)` or `` #`(…) ``".to_owned()),
        }
        .into()),
    }
}

fn described(value: &Value) -> &'static str {
    match value {
        Value::Pair(_) | Value::Vector(_) => "something with a part that is neither syntax nor a datum",
        other => other.kind(),
    }
}

fn during(mut failure: Failure, name: Symbol, span: Span) -> Failure {
    for diagnostic in &mut failure.0 {
        if diagnostic.primary.as_ref().is_none_or(|(place, _)| *place != span) {
            let text = format!("in the expansion of this use of macro `{name}`");
            diagnostic.trace.push(TraceEntry { span: Some(span), text });
        }
    }
    failure
}
