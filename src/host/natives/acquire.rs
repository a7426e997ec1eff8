//! Sources that transformations name by an address alone.

use hpcl_lang::{
    native::{Context, Native, Raise, Side, expect_string, expect_strings},
    value::Value,
};

use crate::{
    host::{acquire::Revision, host},
    upstream::{self, Package},
};

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
        name: "%acquire-checkout",
        arity: (3, Some(3)),
        side: Side::Evaluation,
        doc: "Fetches a repository and returns where the files of a commit are: address, \"branch\" or \"commit\", and its name.",
        example: ("", ""),
        function: acquire_checkout,
    },
    Native {
        name: "%newest-version",
        arity: (6, Some(6)),
        side: Side::Evaluation,
        doc: "Returns the newest version that is released: of a name, a version, addresses, a repository and its commit (or #f) and Python's version (or #f).",
        example: ("", ""),
        function: newest_version,
    },
    Native {
        name: "%at-version",
        arity: (3, Some(3)),
        side: Side::Evaluation,
        doc: "Returns a text with one version instead of another, or #f if it does not name it.",
        example: ("(%at-version \"v1.2/a-1_2_3\" \"1.2.3\" \"1.10.0\")", "\"v1.2/a-1_10_0\""),
        function: at_version,
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

fn acquire_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let url = expect_string("%acquire-file", arguments, 0)?;
    let file = host(context)?.acquirer.file(url)?;
    Ok(Value::string(file.to_string_lossy()))
}

fn newest_version(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    const NAME: &str = "%newest-version";
    let text = |index| expect_string(NAME, arguments, index).map(str::to_owned);
    let maybe = |index: usize| match arguments.get(index) {
        Some(Value::Bool(false)) => Ok(None),
        _ => text(index).map(Some),
    };
    let repository = match maybe(3)? {
        Some(url) => Some((url, text(4)?)),
        None => None,
    };
    let package =
        Package { name: text(0)?, version: text(1)?, urls: expect_strings(NAME, arguments, 2)?, repository };
    let python = maybe(5)?;
    let version = host(context)?.acquirer.newest(&package, python.as_deref())?;
    Ok(Value::string(version))
}

fn at_version(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = |index| expect_string("%at-version", arguments, index);
    let found = upstream::at_version(text(0)?, text(1)?, text(2)?);
    Ok(found.map_or(Value::Bool(false), Value::string))
}
