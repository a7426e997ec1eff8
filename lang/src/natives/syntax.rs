//! Syntax: what the procedures of macros work with (R6RS libraries, chapter 12).

use crate::{
    datum::{Datum, DatumKind},
    diagnostic::Diagnostic,
    expand::{
        Env, ExpandError, TemplateFault, head, same_binding,
        syntax::{Filling, Pattern, Syntax, Template, VariableTransformer, identifier, to_form, wrap},
    },
    module::PRELUDE_MODULE,
    native::{Context, Native, Raise, Side, wrong_type},
    span::{FileId, Span},
    symbol::Symbol,
    value::Value,
};

use super::{arguments::get, row};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("syntax->datum", 1, Some(1), "The datum that syntax stands for, without what is known of its names.", ("(syntax->datum #'(a 1))", "(a 1)"), to_datum),
    row("datum->syntax", 2, None, "Syntax of a datum, whose symbols mean what they would where the first argument was written.", ("(identifier? (datum->syntax #'a 'b))", "#t"), from_datum),
    row("syntax?", 1, Some(1), "Whether it is syntax.", ("(syntax? #'a)", "#t"), |_, a| Ok(Value::Bool(get(a, 0).as_foreign::<Syntax>().is_some()))),
    row("identifier?", 1, Some(1), "Whether it is syntax that is a name.", ("(identifier? #'a)", "#t"), |_, a| Ok(Value::Bool(identifier(get(a, 0)).is_some()))),
    row("free-identifier=?", 2, Some(2), "Whether two names mean the same where the macro is used.", ("(free-identifier=? #'car #'car)", "#t"), free_identifier_eq),
    row("bound-identifier=?", 2, Some(2), "Whether a binding of one name would bind the other.", ("(bound-identifier=? #'a #'b)", "#f"),
        |_, a| Ok(Value::Bool(expect_identifier("bound-identifier=?", a, 0)? == expect_identifier("bound-identifier=?", a, 1)?))),
    row("generate-temporaries", 1, Some(1), "As many new names as the list is long.", ("(length (generate-temporaries #'(a b)))", "2"), temporaries),
    row("syntax-violation", 2, Some(4), "Refuses a use of a macro: who, a message, the form and the part that is wrong.", ("(false-if-exception (syntax-violation 'm \"no\" #'a))", "#f"), violation),
    row("syntax-source", 1, Some(1), "Where syntax was written, as an association list, or false.", ("(syntax-source #f)", "#f"), source),
    row("make-variable-transformer", 1, Some(1), "A transformer whose macro also takes `set!` of its name.", ("(procedure? (make-variable-transformer car))", "#f"),
        |_, a| Ok(Value::foreign(VariableTransformer(get(a, 0).clone())))),
];

/// What `syntax-case` and templates are expanded to.
#[rustfmt::skip]
pub static INTERNAL: &[Native] = &[
    internal("%syntax-match", "The values of a pattern's variables in a vector, or false.", matching),
    internal("%syntax-mismatch", "Says that no pattern fits.", mismatch),
    internal("%syntax-fill", "Fills in a template.", fill),
    internal("%syntax-list", "The list of the parts of syntax.", parts),
];

const fn internal(name: &'static str, doc: &'static str, function: crate::native::NativeFn) -> Native {
    Native { name, arity: (1, None), side: Side::Both, doc, example: ("", ""), function }
}

fn here(context: &Context<'_>) -> Span {
    let nowhere = Span { file: FileId(0), start: 0, end: 0 };
    context.names.current.as_ref().map_or(nowhere, |current| current.span)
}

fn form(
    procedure: &'static str,
    context: &Context<'_>,
    arguments: &[Value],
    index: usize,
) -> Result<Datum, Raise> {
    let value = get(arguments, index);
    to_form(value, here(context), &mut |name| name)
        .ok_or_else(|| wrong_type(procedure, index, "syntax, nested at most 1000 deep", value))
}

fn expect_identifier(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Symbol, Raise> {
    let value = get(arguments, index);
    identifier(value).ok_or_else(|| wrong_type(procedure, index, "an identifier", value))
}

fn to_datum(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let form = form("syntax->datum", context, arguments, 0)?;
    Ok(Value::from_datum(&context.names.strip(&form)))
}

/// A form has no context of its own: it is that of the first name in it, else of the head of the macro's use.
fn from_datum(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let used = context.names.current.as_ref().and_then(|current| current.head);
    let (like, span) = match (get(arguments, 0), get(arguments, 0).as_foreign::<Syntax>()) {
        (Value::Bool(false), _) => (None, here(context)),
        (_, Some(syntax)) => (head(&syntax.datum).or(used), syntax.datum.span),
        (other, None) => return Err(wrong_type("datum->syntax", 0, "syntax", other)),
    };
    let names = &mut *context.names;
    let mut symbol = |name| like.map_or(name, |like| names.written_like(like, name));
    let datum = get(arguments, 1);
    to_form(datum, span, &mut symbol)
        .map(wrap)
        .ok_or_else(|| wrong_type("datum->syntax", 1, "a datum, nested at most 1000 deep", datum))
}

fn free_identifier_eq(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let left = expect_identifier("free-identifier=?", arguments, 0)?;
    let right = expect_identifier("free-identifier=?", arguments, 1)?;
    let top = Env::top(PRELUDE_MODULE);
    let env = context.names.current.as_ref().map_or(&top, |current| &current.env);
    Ok(Value::Bool(same_binding(left, env, right, env, context.names)))
}

fn temporaries(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let form = form("generate-temporaries", context, arguments, 0)?;
    let DatumKind::List(items) = &form.kind else {
        return Err(wrong_type("generate-temporaries", 0, "a list", get(arguments, 0)));
    };
    let fresh = items.iter().map(|item| {
        let name = context.names.fresh(Symbol::new("t"), Env::top(PRELUDE_MODULE));
        wrap(Datum { kind: DatumKind::Symbol(name), span: item.span })
    });
    Ok(Value::list(fresh.collect::<Vec<_>>()))
}

fn violation(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let who = match get(arguments, 0) {
        Value::Symbol(name) => Some(name.to_string()),
        Value::String(text) => Some(text.to_string()),
        other => identifier(other).map(|name| context.names.original(name).to_string()),
    };
    let Some(message) = get(arguments, 1).as_str() else {
        return Err(wrong_type("syntax-violation", 1, "a string", get(arguments, 1)));
    };
    let message = match who {
        Some(who) => format!("`{who}`: {message}"),
        None => message.to_owned(),
    };
    let wrong = [3, 2].into_iter().find_map(|index| get(arguments, index).as_foreign::<Syntax>());
    let span = wrong.map_or_else(|| here(context), |syntax| syntax.datum.span);
    Err(Raise::Placed(Box::new(Diagnostic::new("E0307", message).at(span, "refused"))))
}

fn source(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(match get(arguments, 0).as_foreign::<Syntax>() {
        Some(syntax) => crate::vm::natives::location(syntax.datum.span, context.sources),
        None => Value::Bool(false),
    })
}

fn matching(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let form = form("syntax-case", context, arguments, 1)?;
    let Some(Pattern { rules, pattern, variables }) = get(arguments, 0).as_foreign::<Pattern>() else {
        return Ok(Value::Bool(false));
    };
    let env = context.names.current.as_ref().map_or(&rules.env, |current| &current.env);
    let values = rules.values(pattern, variables, &form, env, context.names);
    Ok(values.map_or(Value::Bool(false), Value::vector))
}

fn mismatch(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let patterns = arguments.iter().filter_map(|value| value.as_foreign::<Pattern>());
    let patterns = patterns.map(|pattern| pattern.pattern.span).collect();
    let name = context.names.current.as_ref().map_or_else(|| Symbol::new("syntax-case"), |used| used.name);
    let span = match get(arguments, 0).as_foreign::<Syntax>() {
        Some(syntax) => syntax.datum.span,
        None => here(context),
    };
    Err(Raise::Placed(Box::new(ExpandError::NoRuleMatches { name, span, patterns }.diagnostic())))
}

fn fill(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let Some(template) = get(arguments, 0).as_foreign::<Template>() else { return Ok(Value::Unspecified) };
    let span = context.names.current.as_ref().map_or(template.template.span, |current| current.span);
    let values = arguments.get(1..).unwrap_or(&[]);
    let filled = Filling { template, aliases: context.names, span }.fill(values);
    filled.map_err(|name| {
        let fault = TemplateFault::TooFew(context.names.original(name));
        let part = Some(template.template.span);
        Raise::Placed(Box::new(ExpandError::Template { fault, part, span }.diagnostic()))
    })
}

fn parts(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match get(arguments, 0) {
        list @ (Value::Nil | Value::LispNil | Value::Pair(_)) => Ok(list.clone()),
        other => match other.as_foreign::<Syntax>() {
            Some(Syntax { datum: Datum { kind: DatumKind::List(items), .. } }) => {
                Ok(Value::list(items.iter().cloned().map(wrap).collect::<Vec<_>>()))
            }
            _ => Err(wrong_type("unsyntax-splicing", 0, "a list of syntax", get(arguments, 0))),
        },
    }
}
