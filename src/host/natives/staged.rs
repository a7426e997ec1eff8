//! Staged code as values: its references, its text, and the builder-side modules that it imports.

use std::{collections::BTreeSet, rc::Rc};

use hpcl_lang::{
    host::ModuleName,
    native::{Context, Native, Raise, Side, expect_list, wrong_type},
    value::{Gexp, Value},
};
use rustc_hash::FxHashSet;

use crate::{
    host::{builder_name, host, imported_modules},
    lower::{PathText, code_of_gexp, datum_of_value},
};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%gexp-references",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the references of staged code as a list of (value output native?) lists; `#$output` gives #f as the value.",
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
        name: "%gexp-extensions",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the extensions of staged code and of the staged code in it.",
        example: ("", ""),
        function: extensions,
    },
    Native {
        name: "%gexp-outputs",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names of the outputs that staged code and the staged code in it refer to, sorted.",
        example: ("", ""),
        function: outputs,
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
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the closure of builder-side modules as a list of (name . path) pairs, each after those that it imports. A module given as \
              (name => object) has the object for its path. The second argument says whether there are extensions, which may \
              have modules of their own.",
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
            Value::list([value, Value::string(reference.output.as_str()), Value::Bool(reference.native)])
        })
        .collect();
    Ok(Value::list(items))
}

fn modules(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp-modules", arguments)?;
    let mut found = Vec::new();
    each_gexp(gexp, |gexp| found.extend(gexp.modules.list_to_vec().unwrap_or_default()));
    Ok(Value::list(found))
}

fn extensions(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp-extensions", arguments)?;
    let mut found = Vec::new();
    each_gexp(gexp, |gexp| found.extend(gexp.extensions.list_to_vec().unwrap_or_default()));
    Ok(Value::list(found))
}

fn outputs(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let gexp = expect_gexp("gexp-outputs", arguments)?;
    let mut found = BTreeSet::new();
    each_gexp(gexp, |gexp| {
        let own = gexp.references.iter().filter(|reference| reference.value.is_none());
        found.extend(own.map(|reference| reference.output.as_str()));
    });
    Ok(Value::list(found.into_iter().map(Value::string).collect::<Vec<_>>()))
}

/// Visits staged code wherever it is nested, each object once; a work list keeps the machine's stack flat.
fn each_gexp(gexp: &Rc<Gexp>, mut visit: impl FnMut(&Gexp)) {
    let mut seen = FxHashSet::default();
    let mut left = vec![Value::Gexp(gexp.clone())];
    while let Some(value) = left.pop() {
        match value {
            Value::Gexp(gexp) if seen.insert(Rc::as_ptr(&gexp)) => {
                visit(&gexp);
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
    let extended = arguments.get(1).is_some_and(Value::is_true);
    let mut names = Vec::new();
    let mut made = Vec::new();
    for value in expect_list("with-imported-modules", arguments, 0)? {
        if let Some(module) = made_module(&value) {
            made.push(module);
            continue;
        }
        names.push(
            module_name(&value)
                .ok_or_else(|| wrong_type("with-imported-modules", 0, "a list of module names", &value))?,
        );
    }
    let found = imported_modules(host, names, extended)?;
    let found = found.into_iter().map(|(name, path)| (name, Value::foreign(PathText::source(path))));
    let mut entries = Vec::new();
    let mut seen = FxHashSet::default();
    for (name, path) in made.into_iter().chain(found) {
        if seen.insert(name.clone()) {
            entries.push(Value::cons(Value::string(name.to_string()), path));
        }
    }
    Ok(Value::list(entries))
}

/// Returns the parts of `((a module) => object)`.
fn made_module(value: &Value) -> Option<(ModuleName, Value)> {
    let parts = value.list_to_vec()?;
    let [name, Value::Symbol(arrow), object] = parts.as_slice() else { return None };
    (arrow.as_str() == "=>").then(|| Some((builder_name(&module_name(name)?), object.clone())))?
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
