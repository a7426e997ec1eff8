//! Texts, local files and hashes: what becomes a source in the store.

use hpcl_lang::{
    native::{Context, Native, Raise, Side, expect_string},
    value::Value,
};

use crate::{
    hash::{Algorithm, Digest},
    host::{HostError, SourceContent, host},
    lower::PathText,
    store_path::{self, StoreDir, StorePath},
};

/// The table of this topic.
pub const TABLE: &[Native] = &[
    Native {
        name: "%text-item",
        arity: (2, Some(2)),
        side: Side::Evaluation,
        doc: "Returns the path of a text file in the store: name and contents.",
        example: ("", ""),
        function: text_item,
    },
    Native {
        name: "%local-file",
        arity: (3, Some(3)),
        side: Side::Evaluation,
        doc: "Returns the path in the store of a file of this machine: file, name, and whether it may be a directory.",
        example: ("", ""),
        function: local_file,
    },
    Native {
        name: "%store-item",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the path of an item that the store has, given its canonical path.",
        example: ("", ""),
        function: store_item,
    },
    Native {
        name: "%directory?",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Whether a file of this machine is a directory.",
        example: ("", ""),
        function: is_directory,
    },
    Native {
        name: "%channel-file",
        arity: (1, Some(1)),
        side: Side::Evaluation,
        doc: "Returns the text of a file of the bundled channels, such as `core/aux/ld-wrapper.c`.",
        example: ("", ""),
        function: channel_file,
    },
    Native {
        name: "%decode-hash",
        arity: (1, Some(1)),
        side: Side::Both,
        doc: "Returns the bytes of a SHA-256 hash in base-32, base-16 or SRI form.",
        example: ("", ""),
        function: decode_hash,
    },
];

fn text_item(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("plain-file", arguments, 0)?;
    let contents = expect_string("plain-file", arguments, 1)?;
    let path = super::super::text_source(host(context)?, name, contents)?;
    Ok(Value::foreign(PathText::source(path)))
}

fn local_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_string("local-file", arguments, 0)?;
    let name = expect_string("local-file", arguments, 1)?;
    let host = host(context)?;
    let path = host.base_directory.join(file);
    let read = |source| HostError::LocalFile { path: path.clone(), source };
    let metadata = std::fs::metadata(&path).map_err(read)?;
    if metadata.is_dir() && !arguments.get(2).is_some_and(Value::is_true) {
        return Err(Raise::Invalid {
            code: "E0704",
            message: format!("the local file `{file}` is a directory"),
            hints: vec!["write `(local-file … #:recursive? #t)` for a directory".into()],
        });
    }
    let real = std::fs::canonicalize(&path).map_err(read)?;
    let digest =
        crate::nar::hash_tree(&real).map_err(|source| HostError::LocalTree { path: path.clone(), source })?;
    let item = store_path::source_path(&StoreDir::CANONICAL, name, &digest, &Default::default())
        .map_err(|source| HostError::Name { name: name.to_owned(), source })?;
    host.sources.insert(item.clone(), SourceContent::Local(real));
    Ok(Value::foreign(PathText::source(item)))
}

fn store_item(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = expect_string("%store-item", arguments, 0)?;
    let name = text.rsplit('/').next().unwrap_or(text);
    match StorePath::parse(name) {
        Ok(path) => Ok(Value::foreign(PathText::source(path))),
        Err(error) => Err(Raise::message(format!("`{text}` is no item of the store: {error}"))),
    }
}

fn is_directory(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_string("%directory?", arguments, 0)?;
    Ok(Value::Bool(host(context)?.base_directory.join(file).is_dir()))
}

fn channel_file(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%channel-file", arguments, 0)?;
    let bytes = crate::channel::bundled_file(name)
        .ok_or_else(|| Raise::message(format!("the bundled channels have no file `{name}`")))?;
    Ok(Value::string(String::from_utf8_lossy(bytes)))
}

fn decode_hash(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let text = expect_string("base32", arguments, 0)?;
    // The length tells the algorithm; what is wrong is said of SHA-256, which nearly all are.
    let longer = || Digest::parse_as(Algorithm::Sha512, text).ok();
    let digest = Digest::parse_as(Algorithm::Sha256, text)
        .or_else(|source| longer().ok_or(source))
        .map_err(|source| HostError::Hash { text: text.to_owned(), source })?;
    Ok(Value::Bytes(std::rc::Rc::new(digest.bytes().to_vec())))
}
