//! Finding packages by name, and raising diagnostics from the standard library.

use hpcl_lang::{
    diagnostic::{Diagnostic, TraceEntry},
    native::{Context, Native, Raise, Side, expect_string, expect_strings},
    symbol::Symbol,
    value::Value,
};

use crate::{
    channel::{Index, IndexEntry},
    host::host,
};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%find-packages",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns a list of (module . variable) for the definitions that are packages of that name.",
        example: ("", ""),
        function: find_packages,
    },
    Native {
        name: "%unnamed-packages",
        arity: (0, Some(0)),
        side: Side::Evaluation,
        doc: "Returns a list of (module . variable) for the definitions that may be packages, of whatever name.",
        example: ("", ""),
        function: unnamed_packages,
    },
    Native {
        name: "%all-packages",
        arity: (0, Some(0)),
        side: Side::Evaluation,
        doc: "Returns a list of (module . variable) for all definitions that may be packages.",
        example: ("", ""),
        function: all_packages,
    },
    Native {
        name: "%search-channel-file",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the name of a file that a channel directory has below one of those folders, or `#f`.",
        example: ("", ""),
        function: search_channel_file,
    },
    Native {
        name: "search-path",
        arity: (2, Some(4)),
        side: Side::Evaluation,
        doc: "Returns the name of a file of a channel, looked for along `%load-path`, or `#f`; nothing else is looked at \
              while recipes are evaluated.",
        example: ("(search-path '() \"file\")", "#f"),
        function: search_path,
    },
    Native {
        name: "%similar-packages",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names of packages that are close to what was typed.",
        example: ("", ""),
        function: similar_packages,
    },
    Native {
        name: "%broken-files",
        arity: (0, Some(0)),
        side: Side::Evaluation,
        doc: "Returns the names of files of channel directories whose recipes cannot be found, since the files are no programs.",
        example: ("", ""),
        function: broken_files,
    },
    Native {
        name: "%warn",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Tells the user a text, once; the value of nothing depends on it.",
        example: ("", ""),
        function: warn,
    },
    Native {
        name: "%raise-diagnostic",
        arity: (2, None),
        side: Side::Both,
        doc: "Ends the evaluation with a code, a message and more: a text is a hint, a pair of a record and a text \
              says something of the place where the record was written; the first of them is shown.",
        example: ("", ""),
        function: raise_diagnostic,
    },
    Native {
        name: "%kind",
        arity: (1, Some(1)),
        side: Side::Both,
        doc: "Names the kind of a value with its article, for messages.",
        example: ("", ""),
        function: kind,
    },
];

fn find_packages(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%find-packages", arguments, 0)?;
    let found = host(context)?.ask_index(|index| index.candidates(name))?;
    Ok(Value::list(found.iter().map(definition).collect::<Vec<_>>()))
}

fn unnamed_packages(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let index = host(context)?.index()?;
    Ok(Value::list(index.unnamed().iter().map(definition).collect::<Vec<_>>()))
}

fn all_packages(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let entries = host(context)?.ask_index(Index::entries)?;
    Ok(Value::list(entries.iter().map(definition).collect::<Vec<_>>()))
}

/// Returns (module . variable).
fn definition(entry: &IndexEntry) -> Value {
    let module =
        Value::list(entry.module.parts().iter().map(|part| Value::Symbol(*part)).collect::<Vec<_>>());
    Value::cons(module, Value::Symbol(entry.variable))
}

fn search_channel_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_string("%search-channel-file", arguments, 0)?;
    let folders = expect_strings("%search-channel-file", arguments, 1)?;
    let found = host(context)?.channels().find_file(file, &folders);
    Ok(found.map_or(Value::Bool(false), |path| Value::string(path.display().to_string())))
}

fn search_path(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let folders = expect_strings("search-path", arguments, 0)?;
    let file = expect_string("search-path", arguments, 1)?;
    if !folders.iter().any(|folder| folder == "%load-path") {
        return Ok(Value::Bool(false));
    }
    let found = host(context)?.channels().find_file(file, &[String::new()]);
    Ok(found.map_or(Value::Bool(false), |path| Value::string(path.display().to_string())))
}

fn similar_packages(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%similar-packages", arguments, 0)?;
    let near = host(context)?.ask_index(|index| index.similar(name))?;
    Ok(Value::list(near.into_iter().map(Value::string).collect::<Vec<_>>()))
}

fn broken_files(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    let files = host(context)?.channels().broken_files();
    Ok(Value::list(files.iter().map(|file| Value::string(file.to_string_lossy())).collect::<Vec<_>>()))
}

fn warn(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = expect_string("%warn", arguments, 0)?;
    host(context)?.warn(text);
    Ok(Value::Unspecified)
}

fn raise_diagnostic(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let code = Symbol::new(expect_string("%raise-diagnostic", arguments, 0)?).as_str();
    let message = expect_string("%raise-diagnostic", arguments, 1)?.to_owned();
    let mut diagnostic = Diagnostic::new(code, message);
    for argument in arguments.iter().skip(2) {
        match argument {
            Value::Pair(pair) => {
                let (Value::Record(record), Some(words)) = (&pair.car, pair.cdr.as_str()) else { continue };
                if let (None, Some(span)) = (&diagnostic.primary, record.span) {
                    diagnostic = diagnostic.at(span, words);
                }
                diagnostic.trace.push(TraceEntry { span: record.span, text: words.to_owned() });
            }
            hint => diagnostic.hints.extend(hint.as_str().map(str::to_owned)),
        }
    }
    Err(Raise::Placed(Box::new(diagnostic)))
}

fn kind(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(arguments.first().map_or("nothing", Value::kind)))
}
