//! Sources that transformations name by an address alone.

use hpcl_lang::{
    native::{Context, Native, Raise, Side, expect_string},
    value::Value,
};

use crate::host::{acquire::Revision, host};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%acquire-file",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Fetches the file at an address and returns where it is on this machine.",
        example: ("", ""),
        function: acquire_file,
    },
    Native {
        name: "%acquire-names",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names in a directory of a server, as its index page has them.",
        example: ("", ""),
        function: acquire_names,
    },
    Native {
        name: "%acquire-checkout",
        arity: (3, Some(3)),
        side: Side::Evaluation,
        doc: "Fetches a repository and returns where the files of a commit are: address, \"branch\" or \"commit\", and its name.",
        example: ("", ""),
        function: acquire_checkout,
    },
    Native {
        name: "%acquire-tags",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the names of the tags of a repository.",
        example: ("", ""),
        function: acquire_tags,
    },
];

fn acquire_checkout(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let url = expect_string("%acquire-checkout", arguments, 0)?;
    let kind = expect_string("%acquire-checkout", arguments, 1)?;
    let name = expect_string("%acquire-checkout", arguments, 2)?;
    let revision = match (kind, name) {
        ("branch", "HEAD") => Revision::Head,
        ("branch", name) => Revision::Branch(name),
        (_, name) => Revision::Commit(name),
    };
    let directory = host(context)?.acquirer.checkout(url, &revision)?;
    Ok(Value::string(directory.to_string_lossy()))
}

fn acquire_tags(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let url = expect_string("%acquire-tags", arguments, 0)?;
    let names = host(context)?.acquirer.tags(url)?;
    Ok(Value::list(names.into_iter().map(Value::string)))
}

fn acquire_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let url = expect_string("%acquire-file", arguments, 0)?;
    let file = host(context)?.acquirer.file(url)?;
    Ok(Value::string(file.to_string_lossy()))
}

fn acquire_names(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let url = expect_string("%acquire-names", arguments, 0)?;
    let names = host(context)?.acquirer.names(url)?;
    Ok(Value::list(names.into_iter().map(Value::string)))
}
