//! Procedures in Rust that belong to the machine: exceptions, records, and what the expander's forms need.

use crate::{
    native::{Context, Native, Raise, expect_int, row, wrong_type},
    source::SourceMap,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    condition::has_standard_type,
    exception::{Exception, key_of},
};

/// The table.
pub static TABLE: &[Native] = &[
    row("error", 1, None, "Raises an error: a message, then values to show after it.", error),
    row("throw", 1, None, "Raises an error with a key, for `catch`, and values.", throw),
    row(
        "exception?",
        1,
        Some(1),
        "Whether a value was raised by `error`, `throw` or the machine.",
        is_exception,
    ),
    row("condition?", 1, Some(1), "Whether a value is a condition, as all errors are.", is_exception),
    row("error?", 1, Some(1), "Whether a raised value is an error.", is_error),
    row("error-object?", 1, Some(1), "Whether a raised value is an error.", is_error),
    row("message-condition?", 1, Some(1), "Whether a raised value has a message.", has_message),
    row("exception-with-message?", 1, Some(1), "Whether a raised value has a message.", has_message),
    row("error-message", 1, Some(1), "The message of a raised value.", message),
    row("exception-message", 1, Some(1), "The message of a raised value.", message),
    row("error-object-message", 1, Some(1), "The message of a raised value.", message),
    row("condition-message", 1, Some(1), "The message of a raised value.", message),
    row("exception-irritants", 1, Some(1), "The values after the message of a raised value.", irritants),
    row("error-object-irritants", 1, Some(1), "The values after the message of a raised value.", irritants),
    row("exception-kind", 1, Some(1), "The key by which `catch` takes a raised value.", kind),
    row("exception-args", 1, Some(1), "What `throw` was given after the key.", irritants),
    row("exception-text", 1, Some(1), "One line that says what is wrong.", text),
    row(
        "record-location",
        1,
        Some(1),
        "Where a record was written: an association list of `filename`, `line` and `column`, or `#f`.",
        record_location,
    ),
    row("record?", 1, Some(1), "Whether a value is a record.", is_record),
    row("record-type-descriptor", 1, Some(1), "The type of a record.", record_type),
    row("record-type-name", 1, Some(1), "The name of a record type.", record_type_name),
    row("record-type-fields", 1, Some(1), "The names of the fields of a record type.", record_type_fields),
    row("make-promise", 1, Some(1), "A promise that has that value.", make_promise),
    row("promise?", 1, Some(1), "Whether a value is a promise.", is_promise),
    row("procedure-name", 1, Some(1), "The name that a procedure was defined with, or `#f`.", procedure_name),
    row("gexp?", 1, Some(1), "Whether a value is staged code.", is_gexp),
];

/// Complains about a field of a record: record, field, what was wanted, what was given.
pub static WRONG_FIELD: Native =
    row("%wrong-field", 4, Some(4), "Raises the error of a field with a wrong value.", wrong_field);
/// Complains about an assertion: the expression.
pub static ASSERTION: Native =
    row("%assertion", 1, Some(1), "Raises the error of a failed assertion.", assertion);
/// Complains about a value that no clause of `match` fits.
pub static NO_MATCH: Native =
    row("%no-match", 1, Some(1), "Raises the error of a `match` without a clause.", no_match);
/// Complains about a value that the only pattern of `match-let` or its like does not fit.
pub static NO_FIT: Native =
    row("%no-fit", 1, Some(1), "Raises the error of a pattern that does not fit.", no_fit);
/// Whether a value is a record of a type.
pub static RECORD_IS: Native =
    row("%record-is?", 2, Some(2), "Whether a value is a record of a type.", record_is);
/// Returns an eager field of a record by its place.
pub static RECORD_FIELD: Native =
    row("%record-field", 2, Some(2), "An eager field of a record.", record_field);
/// How many elements an ellipsis takes: the list, how many follow, how many at least, whether the list ends there.
pub static REPEATABLE: Native =
    row("%repeatable", 4, Some(4), "How many elements an ellipsis takes.", repeatable);
/// The first elements of a list.
pub static LIST_HEAD: Native = row("%list-head", 2, Some(2), "The first elements of a list.", list_head);
/// What follows the first elements of a list.
pub static LIST_TAIL: Native = row("%list-tail", 2, Some(2), "What follows the first elements.", list_tail);

fn argument(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&Value::Absent)
}

fn error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut rest = arguments.to_vec();
    let first = rest.remove(0);
    let message = match &first {
        Value::String(text) => text.to_string(),
        other => crate::print::display(other),
    };
    Err(Raise::Thrown(Value::foreign(Exception {
        key: Symbol::new("misc-error"),
        message: Some(message.into()),
        irritants: rest,
        diagnostic: None,
        parts: Vec::new(),
    })))
}

fn throw(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match argument(arguments, 0) {
        Value::Symbol(key) => {
            let rest = arguments.get(1..).unwrap_or(&[]).to_vec();
            Err(Raise::Thrown(Exception::keyed(*key, rest)))
        }
        other => Err(wrong_type("throw", 0, "a symbol", other)),
    }
}

fn is_exception(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(argument(arguments, 0).as_foreign::<Exception>().is_some()))
}

fn is_error(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let found = argument(arguments, 0).as_foreign::<Exception>();
    Ok(Value::Bool(found.is_some_and(|exception| has_standard_type(exception, "&error"))))
}

fn has_message(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let found = argument(arguments, 0).as_foreign::<Exception>();
    Ok(Value::Bool(
        found.is_some_and(|exception| exception.parts.is_empty() || has_standard_type(exception, "&message")),
    ))
}

fn message(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let value = argument(arguments, 0);
    Ok(match value.as_foreign::<Exception>() {
        Some(Exception { message: Some(message), .. }) => Value::string(message.clone()),
        Some(exception) => Value::string(exception.text()),
        None => match value {
            Value::Foreign(foreign) => Value::string(foreign.0.describe()),
            other => Value::string(crate::print::display(other)),
        },
    })
}

fn irritants(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(match argument(arguments, 0).as_foreign::<Exception>() {
        Some(exception) => Value::list(exception.irritants.clone()),
        None => Value::Nil,
    })
}

fn kind(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Symbol(key_of(argument(arguments, 0))))
}

fn text(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let value = argument(arguments, 0);
    Ok(Value::string(match (value.as_foreign::<Exception>(), value) {
        (Some(exception), _) => exception.text(),
        (None, Value::Foreign(foreign)) => foreign.0.describe(),
        (None, other) => crate::print::display(other),
    }))
}

/// Returns a place as an association list.
pub(crate) fn location(span: Span, sources: &SourceMap) -> Value {
    let Some(source) = sources.get(span.file) else { return Value::Bool(false) };
    let (line, column) = sources.position(span);
    let number = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let entry = |name: &str, value| Value::cons(Value::symbol(name), value);
    Value::list([
        entry("filename", Value::string(source.name.to_string())),
        entry("line", number(line)),
        entry("column", number(column.saturating_sub(1))),
    ])
}

fn record_location(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(match argument(arguments, 0) {
        Value::Record(record) => {
            record.span.map_or(Value::Bool(false), |span| location(span, context.sources))
        }
        other => return Err(wrong_type("record-location", 0, "a record", other)),
    })
}

fn is_record(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(matches!(argument(arguments, 0), Value::Record(_))))
}

fn record_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match argument(arguments, 0) {
        Value::Record(record) => Ok(Value::RecordType(record.record_type.clone())),
        other => Err(wrong_type("record-type-descriptor", 0, "a record", other)),
    }
}

fn record_type_name(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match argument(arguments, 0) {
        Value::RecordType(record_type) => Ok(Value::Symbol(record_type.name)),
        other => Err(wrong_type("record-type-name", 0, "a record type", other)),
    }
}

fn record_type_fields(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match argument(arguments, 0) {
        Value::RecordType(record_type) => {
            Ok(Value::list(record_type.fields.iter().map(|field| Value::Symbol(field.name))))
        }
        other => Err(wrong_type("record-type-fields", 0, "a record type", other)),
    }
}

fn make_promise(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    use crate::procedure::{Promise, PromiseState};
    let value = argument(arguments, 0).clone();
    if matches!(value, Value::Promise(_)) {
        return Ok(value);
    }
    Ok(Value::Promise(std::rc::Rc::new(Promise { state: PromiseState::Done(value).into() })))
}

fn is_promise(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(matches!(argument(arguments, 0), Value::Promise(_))))
}

fn procedure_name(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(match argument(arguments, 0) {
        Value::Closure(closure) => closure.name().map_or(Value::Bool(false), Value::Symbol),
        Value::Native(native) => Value::symbol(native.name),
        Value::Primitive(primitive) => Value::symbol(primitive.name()),
        value if value.is_procedure() => Value::Bool(false),
        other => return Err(wrong_type("procedure-name", 0, "a procedure", other)),
    })
}

fn is_gexp(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(matches!(argument(arguments, 0), Value::Gexp(_))))
}

fn wrong_field(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let shown = |index| crate::print::display(argument(arguments, index));
    let given = super::error::with_value(argument(arguments, 3));
    Err(Raise::Invalid {
        code: "E0420",
        message: format!("the field `{}` of `{}` must be {}, not {given}", shown(1), shown(0), shown(2)),
        hints: Vec::new(),
    })
}

fn assertion(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let shown = crate::print::summary(argument(arguments, 0));
    Err(Raise::Invalid {
        code: "E0431",
        message: format!("the assertion `{shown}` does not hold"),
        hints: Vec::new(),
    })
}

fn no_match(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let shown = crate::print::summary(argument(arguments, 0));
    Err(Raise::Invalid {
        code: "E0430",
        message: format!("no clause of `match` fits `{shown}`"),
        hints: Vec::new(),
    })
}

fn no_fit(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let shown = crate::print::summary(argument(arguments, 0));
    Err(Raise::Invalid {
        code: "E0430",
        message: format!("the pattern does not fit `{shown}`"),
        hints: Vec::new(),
    })
}

fn record_is(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(match (argument(arguments, 0), argument(arguments, 1)) {
        (Value::Record(record), Value::RecordType(wanted)) => {
            std::rc::Rc::ptr_eq(&record.record_type, wanted)
        }
        _ => false,
    }))
}

fn record_field(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let index = usize::try_from(expect_int("%record-field", arguments, 1)?).unwrap_or(usize::MAX);
    match argument(arguments, 0) {
        Value::Record(record) => match record.record_type.fields.get(index) {
            Some(field) => record.eager(field.name).ok_or_else(|| {
                Raise::message(format!("the field `{}` is lazy: a pattern cannot look into it", field.name))
            }),
            None => Err(Raise::message(format!("a `{}` has fewer fields", record.record_type.plain_name()))),
        },
        other => Err(wrong_type("%record-field", 0, "a record", other)),
    }
}

fn count(arguments: &[Value], index: usize) -> Result<usize, Raise> {
    Ok(usize::try_from(expect_int("%list", arguments, index)?).unwrap_or(0))
}

fn repeatable(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let (after, least) = (count(arguments, 1)?, count(arguments, 2)?);
    let mut pairs = 0;
    let mut rest = argument(arguments, 0);
    while let Value::Pair(pair) = rest {
        pairs += 1;
        rest = &pair.cdr;
    }
    let ends = rest.is_null() || !argument(arguments, 3).is_true();
    Ok(match usize::checked_sub(pairs, after) {
        Some(n) if ends && n >= least => Value::Int(i64::try_from(n).unwrap_or(i64::MAX)),
        _ => Value::Bool(false),
    })
}

fn list_head(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let wanted = count(arguments, 1)?;
    let mut items = Vec::with_capacity(wanted);
    let mut rest = argument(arguments, 0);
    while let Value::Pair(pair) = rest
        && items.len() < wanted
    {
        items.push(pair.car.clone());
        rest = &pair.cdr;
    }
    Ok(Value::list(items))
}

fn list_tail(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut rest = argument(arguments, 0);
    for _ in 0..count(arguments, 1)? {
        match rest {
            Value::Pair(pair) => rest = &pair.cdr,
            _ => break,
        }
    }
    Ok(rest.clone())
}
