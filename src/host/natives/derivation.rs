//! Derivations as values of the language.

use std::sync::Arc;

use hpcl_lang::{
    native::{Context, Native, Raise, Side, expect_list, expect_string, expect_strings, wrong_type},
    value::Value,
};

use crate::{
    derivation::{DerivationError, FixedHash, OutputName},
    graph::{NodeId, Outputs, Template},
    hash::{Algorithm, Digest},
    host::{HostError, host},
    lower::{DerivationValue, PathText, has_paths, resolve, text_of_value},
    store_path::ContentMethod,
};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%derivation",
        arity: (6, Some(6)),
        side: Side::Evaluation,
        doc: "Returns a derivation: name, system, builder, environment as (variable . text) pairs, output names, and #f or \
              (algorithm digest method) for a fixed output. A text is a string, a path, code, or a list of these.",
        example: ("", ""),
        function: derivation,
    },
    Native {
        name: "%derivation?",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Whether a value is a derivation.",
        example: ("(%derivation? 1)", "#f"),
        function: is_derivation,
    },
    Native {
        name: "%derivation-name",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns a derivation's name.",
        example: ("", ""),
        function: name,
    },
    Native {
        name: "%derivation-outputs",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names of a derivation's outputs.",
        example: ("", ""),
        function: outputs,
    },
    Native {
        name: "%derivation-output",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the path of a derivation's output, as something to put into staged code.",
        example: ("", ""),
        function: output,
    },
    Native {
        name: "%derivation-path",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the path of a derivation's output as a string, a placeholder that becomes the path in what is built.",
        example: ("", ""),
        function: path,
    },
    Native {
        name: "%has-paths?",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Whether a string has placeholders of paths in it.",
        example: ("(%has-paths? \"/bin/sh\")", "#f"),
        function: string_has_paths,
    },
    Native {
        name: "%note-replacement",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the derivation, of which it is known now that a package is to replace it by grafts.",
        example: ("", ""),
        function: note_replacement,
    },
    Native {
        name: "%append-text",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns a path with a string appended.",
        example: ("", ""),
        function: append_text,
    },
];

fn derivation(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    const NAME: &str = "%derivation";
    let name = expect_string(NAME, arguments, 0)?.to_owned();
    let system = expect_string(NAME, arguments, 1)?.to_owned();
    let builder = expect_string(NAME, arguments, 2)?.to_owned();
    let mut env: Vec<(Arc<str>, _)> = Vec::new();
    for entry in expect_list(NAME, arguments, 3)? {
        let Value::Pair(pair) = &entry else { return Err(wrong_type(NAME, 3, "a list of pairs", &entry)) };
        let variable =
            pair.car.as_str().ok_or_else(|| wrong_type(NAME, 3, "a variable's name", &pair.car))?;
        env.push((variable.into(), text_of_value(&pair.cdr)?));
    }
    let output_names = expect_strings(NAME, arguments, 4)?;
    let outputs = match arguments.get(5) {
        None | Some(Value::Bool(false)) => Outputs::Named(named(&output_names)?),
        Some(fixed) => Outputs::Fixed(fixed_output(fixed)?),
    };
    crate::store_path::check_name(&name).map_err(|source| HostError::Name { name: name.clone(), source })?;
    let graph = &mut host(context)?.graph;
    let mut template = Template::new(name.as_str(), system, builder);
    template.env = env.into_iter().map(|(variable, text)| (variable, resolve(text, graph))).collect();
    template.outputs = outputs;
    let node: NodeId = graph.add_node(template);
    Ok(Value::foreign(DerivationValue { node, name, outputs: output_names }))
}

fn named(names: &[String]) -> Result<Vec<OutputName>, Raise> {
    names
        .iter()
        .map(|name| OutputName::new(name.as_str()).map_err(|source| output_error(name, source).into()))
        .collect()
}

fn output_error(name: &str, source: DerivationError) -> HostError {
    HostError::Output { name: name.to_owned(), source }
}

/// Parses (algorithm digest method).
fn fixed_output(value: &Value) -> Result<FixedHash, Raise> {
    let wrong = || wrong_type("%derivation", 5, "(algorithm digest method)", value);
    let parts = value.list_to_vec().ok_or_else(wrong)?;
    let [algorithm, bytes, method] = parts.as_slice() else { return Err(wrong()) };
    let text = algorithm.as_str().ok_or_else(wrong)?;
    let hash_error = |source| HostError::Hash { text: text.to_owned(), source };
    let algorithm = Algorithm::parse(text).map_err(hash_error)?;
    let digest = match bytes {
        Value::Bytes(bytes) => Digest::new(algorithm, bytes),
        Value::String(text) => Digest::parse_as(algorithm, text),
        _ => return Err(wrong()),
    }
    .map_err(hash_error)?;
    let method = match method.as_str() {
        Some("flat") => ContentMethod::Flat,
        Some("recursive") => ContentMethod::Recursive,
        _ => return Err(wrong()),
    };
    Ok(FixedHash { method, digest })
}

fn expect_derivation<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
) -> Result<&'a DerivationValue, Raise> {
    let actual = arguments.first().unwrap_or(&Value::Absent);
    actual.as_foreign().ok_or_else(|| wrong_type(procedure, 0, "a derivation", actual))
}

fn is_derivation(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(arguments.first().is_some_and(|value| value.as_foreign::<DerivationValue>().is_some())))
}

fn name(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(expect_derivation("derivation-name", arguments)?.name.clone()))
}

fn outputs(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let drv = expect_derivation("derivation-outputs", arguments)?;
    Ok(Value::list(drv.outputs.iter().map(|name| Value::string(name.clone())).collect::<Vec<_>>()))
}

fn output(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let drv = expect_derivation("derivation-output", arguments)?;
    let output = expect_string("derivation-output", arguments, 1)?;
    PathText::output(drv.node, output)
        .map(Value::foreign)
        .map_err(|source| output_error(output, source).into())
}

fn path(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let drv = expect_derivation("derivation->output-path", arguments)?;
    let output = expect_string("derivation->output-path", arguments, 1)?;
    let path = PathText::output(drv.node, output).map_err(|source| output_error(output, source))?;
    Ok(Value::string(path.placeholder().unwrap_or_default()))
}

fn string_has_paths(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(has_paths(expect_string("%has-paths?", arguments, 0)?)))
}

fn note_replacement(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let old = expect_derivation("%note-replacement", arguments)?.node;
    let [derivation, package] = arguments else { return Ok(Value::Unspecified) };
    host(context)?.replacements.push((old, package.clone()));
    Ok(derivation.clone())
}

fn append_text(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let suffix = expect_string("file-append", arguments, 1)?;
    match arguments.first() {
        Some(Value::String(text)) => Ok(Value::string(format!("{text}{suffix}"))),
        Some(value) => match value.as_foreign::<PathText>() {
            Some(path) => Ok(Value::foreign(path.append(suffix))),
            None => Err(wrong_type("file-append", 0, "something that stands for a path", value)),
        },
        None => Err(wrong_type("file-append", 0, "something that stands for a path", &Value::Absent)),
    }
}
