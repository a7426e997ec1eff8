//! Staged code as values: its references, its text, and the builder-side modules that it imports.

use std::rc::Rc;

use hpcl_lang::{
    host::ModuleName,
    native::{Context, Native, Raise, Side, expect_list, wrong_type},
    value::{Gexp, Value},
};

use crate::{
    host::{host, imported_modules},
    lower::{PathText, code_of_gexp, datum_of_value},
};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%gexp-references",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the references of staged code as a list of (value output) lists; `#$output` gives (#f output).",
        example: ("", ""),
        function: references,
    },
    Native {
        name: "%gexp-modules",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names of the modules that staged code and the staged code in it import.",
        example: ("", ""),
        function: modules,
    },
    Native {
        name: "%gexp->code",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns staged code as text, its references replaced by what they were lowered to.",
        example: ("", ""),
        function: to_code,
    },
    Native {
        name: "%sexp->gexp",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns data as staged code without references.",
        example: ("", ""),
        function: from_sexp,
    },
    Native {
        name: "%build-modules",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the closure of builder-side modules as a list of (name . path) pairs, sorted by name.",
        example: ("", ""),
        function: build_modules,
    },
];

fn expect_gexp<'a>(procedure: &'static str, arguments: &'a [Value]) -> Result<&'a Rc<Gexp>, Raise> {
    match arguments.first() {
        Some(Value::Gexp(gexp)) => Ok(gexp),
        other => Err(wrong_type(procedure, 0, "staged code", other.unwrap_or(&Value::Absent))),
    }
}

fn references(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp-references", arguments)?;
    let items: Vec<Value> = gexp
        .references
        .iter()
        .map(|reference| {
            let value = reference.value.clone().unwrap_or(Value::Bool(false));
            Value::list([value, Value::string(reference.output.as_str())])
        })
        .collect();
    Ok(Value::list(items))
}

fn modules(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp-modules", arguments)?;
    let mut found = Vec::new();
    collect_modules(&Value::Gexp(gexp.clone()), &mut found);
    Ok(Value::list(found))
}

/// Collects the modules of staged code wherever it is nested; a work list keeps the machine's stack flat.
fn collect_modules(value: &Value, found: &mut Vec<Value>) {
    let mut left = vec![value.clone()];
    while let Some(value) = left.pop() {
        match value {
            Value::Gexp(gexp) => {
                found.extend(gexp.modules.list_to_vec().unwrap_or_default());
                left.extend(gexp.references.iter().filter_map(|reference| reference.value.clone()));
            }
            Value::Pair(pair) => {
                left.push(pair.car.clone());
                left.push(pair.cdr.clone());
            }
            _ => {}
        }
    }
}

fn to_code(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp->code", arguments)?;
    let lowered = expect_list("gexp->code", arguments, 1)?;
    Ok(Value::foreign(code_of_gexp(gexp, &lowered)?))
}

fn from_sexp(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let value = arguments.first().unwrap_or(&Value::Absent);
    datum_of_value(value)
}

fn build_modules(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let host = host(context)?;
    let mut names = Vec::new();
    for value in expect_list("with-imported-modules", arguments, 0)? {
        names.push(
            module_name(&value)
                .ok_or_else(|| wrong_type("with-imported-modules", 0, "a list of module names", &value))?,
        );
    }
    let mut entries: Vec<Value> = Vec::new();
    for (name, path) in imported_modules(host, names)? {
        entries.push(Value::cons(Value::string(name.to_string()), Value::foreign(PathText::source(path))));
    }
    Ok(Value::list(entries))
}

fn module_name(value: &Value) -> Option<ModuleName> {
    let parts: Option<Vec<_>> = value
        .list_to_vec()?
        .iter()
        .map(|part| match part {
            Value::Symbol(name) => Some(*name),
            _ => None,
        })
        .collect();
    ModuleName::new(parts?)
}
