//! `patch-shebang`: `#!` lines that name interpreters in the store.
//!
//! `#!/usr/bin/env perl -w` and `#!/usr/bin/perl -w` become `#!/…/bin/perl -w` for the `perl` found in a list of
//! directories. Everything after the interpreter is kept, and so are the file's mode and, normally, its times: make
//! must not think that a script is new.

use std::{fs, io, io::Read, path::Path};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_strings},
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    files::replace_content,
    port::complain,
    world::{expect_path, find_in, world},
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[row(
    "%patch-shebang",
    3,
    Some(3),
    "Makes the `#!` line of a file name an interpreter found in a list of directories; keeps the times when the third \
     argument is true. Returns whether it changed the file.",
    patch_shebang,
)];

/// What a `#!` line says.
#[derive(Debug, PartialEq, Eq)]
struct Shebang<'a> {
    /// The interpreter as written.
    interpreter: &'a str,
    /// The program wanted: the last part of the interpreter's name, or what `env` is asked for.
    program: &'a str,
    /// What follows, with its leading space.
    rest: &'a str,
}

fn parse(line: &str) -> Option<Shebang<'_>> {
    let text = line.strip_prefix("#!")?.trim_matches([' ', '\t', '\r']);
    let (interpreter, rest) = split(text);
    if !interpreter.starts_with('/') {
        return None;
    }
    let base = base_name(interpreter);
    if base != "env" {
        return Some(Shebang { interpreter, program: base, rest });
    }
    let (mut program, mut rest) = split(rest.trim_start());
    while program.starts_with('-') || program.contains('=') {
        (program, rest) = split(rest.trim_start());
    }
    (!program.is_empty()).then(|| Shebang { interpreter, program: base_name(program), rest })
}

/// Splits off the first word.
fn split(text: &str) -> (&str, &str) {
    text.find([' ', '\t']).map_or((text, ""), |end| text.split_at(end))
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Returns the file's content when it begins with `#!`.
fn read_script(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut file = fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut content = Vec::new();
    (&mut file).take(2).read_to_end(&mut content)?;
    if content != b"#!" {
        return Ok(None);
    }
    file.read_to_end(&mut content)?;
    Ok(Some(content))
}

fn patch_shebang(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "patch-shebang", arguments, 0)?;
    let directories = expect_strings("patch-shebang", arguments, 1)?;
    let keep_times = arguments.get(2).is_none_or(Value::is_true);
    let raise = |error: io::Error| SystemError::raise("patch-shebang", &path, &error);
    let Some(content) = read_script(&path).map_err(raise)? else { return Ok(Value::Bool(false)) };
    let end = memchr::memchr(b'\n', &content).unwrap_or(content.len());
    let (line, rest) = content.split_at(end);
    let line = bytes::decode(line);
    let Some(shebang) = parse(&line) else { return Ok(Value::Bool(false)) };
    let base = &world(context)?.directory;
    let Some(found) = find_in(directories.iter().map(String::as_str), shebang.program, base) else {
        complain(&format!(
            "patch-shebang: {}: no program `{}` for its first line\n",
            bytes::path_text(&path),
            shebang.program
        ));
        return Ok(Value::Bool(false));
    };
    let found = bytes::path_text(&found);
    if found == shebang.interpreter {
        return Ok(Value::Bool(false));
    }
    let line = format!("#!{found}{}", shebang.rest);
    replace_content(&path, &[&*bytes::encode(&line), rest].concat(), keep_times).map_err(raise)?;
    Ok(Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let case = |line, program, rest| {
            let shebang = parse(line).unwrap();
            assert_eq!((shebang.program, shebang.rest), (program, rest), "{line}");
        };
        case("#!/bin/sh", "sh", "");
        case("#! /usr/bin/perl -w", "perl", " -w");
        case("#!/usr/bin/env python3 -B", "python3", " -B");
        case("#!/usr/bin/env -S X=1 awk -f", "awk", " -f");
        for line in ["#!", "#!perl", "#!/usr/bin/env", "text", ""] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
