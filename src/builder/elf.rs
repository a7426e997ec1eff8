//! ELF files for builders: what `crate::elf` does, as procedures.

use std::error::Error;

use hpcl_lang::{
    native::{Context, Native, Raise, expect_string, expect_strings},
    value::Value,
};

use super::{
    condition::row,
    world::{expect_path, flag, world},
};
use crate::elf::{self, ElfError, ElfInfo, SearchTag};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row(
        "elf-dynamic?",
        1,
        Some(1),
        "Whether it is an ELF program or library that the dynamic linker loads.",
        is_dynamic,
    ),
    row("elf-interpreter", 1, Some(1), "The dynamic linker of an ELF program, or `#f`.", interpreter),
    row("elf-soname", 1, Some(1), "The name that an ELF library goes by, or `#f`.", soname),
    row("elf-needed", 1, Some(1), "The libraries that an ELF file needs.", needed),
    row("elf-runpath", 1, Some(1), "The directories of an ELF file's RUNPATH, or else RPATH.", runpath),
    row(
        "elf-missing-libraries",
        1,
        Some(1),
        "The needed libraries that no directory of the file's RUNPATH has.",
        missing,
    ),
    row(
        "set-elf-interpreter",
        2,
        Some(2),
        "Sets the dynamic linker of an ELF program; returns whether that changed it.",
        set_interpreter,
    ),
    row(
        "set-elf-runpath",
        2,
        None,
        "Sets the RUNPATH to a list of directories, or with `#:rpath? #t` the RPATH; returns whether that changed the file.",
        set_runpath,
    ),
    row(
        "shrink-elf-runpath",
        1,
        Some(1),
        "Drops the directories of the RUNPATH that hold no needed library; returns them.",
        shrink,
    ),
];

fn failed(error: ElfError) -> Raise {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    Raise::message(message)
}

fn inspect(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
) -> Result<Option<ElfInfo>, Raise> {
    elf::inspect(&expect_path(context, procedure, arguments, 0)?).map_err(failed)
}

fn text_or_false(text: Option<String>) -> Value {
    text.map_or(Value::Bool(false), Value::string)
}

fn texts(items: &[String]) -> Value {
    Value::list(items.iter().map(|item| Value::string(item.as_str())))
}

fn is_dynamic(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "elf-dynamic?", arguments, 0)?;
    elf::is_dynamic(&path).map(Value::Bool).map_err(failed)
}

fn interpreter(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(text_or_false(inspect(context, "elf-interpreter", arguments)?.and_then(|info| info.interpreter)))
}

fn soname(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(text_or_false(inspect(context, "elf-soname", arguments)?.and_then(|info| info.soname)))
}

fn needed(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(texts(&inspect(context, "elf-needed", arguments)?.map(|info| info.needed).unwrap_or_default()))
}

fn runpath(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let info = inspect(context, "elf-runpath", arguments)?;
    Ok(texts(info.as_ref().map(ElfInfo::search_path).unwrap_or_default()))
}

fn missing(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "elf-missing-libraries", arguments, 0)?;
    elf::missing_libraries(&path).map(|names| texts(&names)).map_err(failed)
}

fn set_interpreter(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "set-elf-interpreter", arguments, 0)?;
    let interpreter = expect_string("set-elf-interpreter", arguments, 1)?;
    elf::set_interpreter(&path, interpreter).map(Value::Bool).map_err(failed)
}

fn set_runpath(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "set-elf-runpath", arguments, 0)?;
    let directories = expect_strings("set-elf-runpath", arguments, 1)?;
    let tag = if flag(arguments, 2, "rpath?", false) { SearchTag::Rpath } else { SearchTag::Runpath };
    elf::set_runpath(&path, &directories, tag).map(Value::Bool).map_err(failed)
}

fn shrink(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "shrink-elf-runpath", arguments, 0)?;
    let dropped = elf::shrink_runpath(&path).map_err(failed)?;
    // Without layers the linker's wrapper would have found these in their turn.
    elf::order_runpath(&path, &world(context)?.libraries).map_err(failed)?;
    Ok(texts(&dropped))
}
