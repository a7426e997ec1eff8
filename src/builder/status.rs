//! What a file is: `stat`, `lstat`, their fields, and the tests built on them.

use std::{
    any::Any,
    fs::{self, Metadata},
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::Path,
};

use hpcl_lang::{
    native::{Context, Native, Raise, wrong_type},
    value::{Foreign, Value},
};

use super::{
    condition::{SystemError, row},
    world::{expect_path, is_executable},
};

/// What `stat` returns.
pub struct FileStatus(pub Metadata);

impl Foreign for FileStatus {
    fn describe(&self) -> String {
        format!("#<stat {} {:o}>", kind(&self.0), self.0.mode() & 0o7777)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row(
        "stat",
        1,
        Some(2),
        "The status of a file, after links; with a false second argument `#f` when it is missing.",
        stat,
    ),
    row("lstat", 1, Some(2), "The status of a file itself, be it a link.", lstat),
    row(
        "stat:type",
        1,
        Some(1),
        "`regular`, `directory`, `symlink`, `fifo`, `socket`, `block-special` or `char-special`.",
        stat_type,
    ),
    row("stat:mode", 1, Some(1), "The mode with the type's bits.", stat_mode),
    row("stat:perms", 1, Some(1), "The permission bits.", stat_perms),
    row("stat:size", 1, Some(1), "The size in bytes.", stat_size),
    row("stat:mtime", 1, Some(1), "The time of modification in seconds.", stat_mtime),
    row("stat:atime", 1, Some(1), "The time of access in seconds.", stat_atime),
    row("stat:ctime", 1, Some(1), "The time of change in seconds.", stat_ctime),
    row("stat:ino", 1, Some(1), "The inode.", stat_ino),
    row("stat:dev", 1, Some(1), "The device.", stat_dev),
    row("stat:nlink", 1, Some(1), "The number of links.", stat_nlink),
    row("stat:uid", 1, Some(1), "The owner.", stat_uid),
    row("stat:gid", 1, Some(1), "The group.", stat_gid),
    row("file-exists?", 1, Some(1), "Whether the file exists, after links.", file_exists),
    row("directory-exists?", 1, Some(1), "Whether it is a directory, after links.", directory_exists),
    row("file-is-directory?", 1, Some(1), "Whether it is a directory, after links.", directory_exists),
    row("symbolic-link?", 1, Some(1), "Whether it is a symbolic link.", symbolic_link),
    row(
        "executable-file?",
        1,
        Some(1),
        "Whether it is a regular file that may be executed.",
        executable_file,
    ),
    row("elf-file?", 1, Some(1), "Whether it is an ELF file.", elf_file),
    row("ar-file?", 1, Some(1), "Whether it is an `ar` archive, such as a static library.", ar_file),
    row("gzip-file?", 1, Some(1), "Whether it is compressed by gzip.", gzip_file),
];

fn status_of(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    read: fn(&Path) -> std::io::Result<Metadata>,
) -> Result<Value, Raise> {
    // a port is as good as its file
    let name = match arguments.first().and_then(Value::as_foreign::<super::port::Port>) {
        Some(port) => vec![Value::string(port.name.as_str())],
        None => arguments.to_vec(),
    };
    let path = expect_path(context, procedure, &name, 0)?;
    match read(&path) {
        Ok(status) => Ok(Value::foreign(FileStatus(status))),
        Err(_) if arguments.get(1).is_some_and(|wanted| !wanted.is_true()) => Ok(Value::Bool(false)),
        Err(error) => Err(SystemError::raise(procedure, &path, &error)),
    }
}

fn stat(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    status_of(context, "stat", arguments, |path| fs::metadata(path))
}

fn lstat(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    status_of(context, "lstat", arguments, |path| fs::symlink_metadata(path))
}

fn field<T: TryInto<i64>>(
    procedure: &'static str,
    arguments: &[Value],
    read: fn(&Metadata) -> T,
) -> Result<Value, Raise> {
    let actual = arguments.first().unwrap_or(&Value::Absent);
    let status: &FileStatus =
        actual.as_foreign().ok_or_else(|| wrong_type(procedure, 0, "the status of a file", actual))?;
    Ok(Value::Int(read(&status.0).try_into().unwrap_or(i64::MAX)))
}

/// Names the type of a file as Guile does.
pub fn kind(status: &Metadata) -> &'static str {
    let kind = status.file_type();
    if kind.is_file() {
        "regular"
    } else if kind.is_dir() {
        "directory"
    } else if kind.is_symlink() {
        "symlink"
    } else if kind.is_fifo() {
        "fifo"
    } else if kind.is_socket() {
        "socket"
    } else if kind.is_block_device() {
        "block-special"
    } else {
        "char-special"
    }
}

fn stat_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let actual = arguments.first().unwrap_or(&Value::Absent);
    let status: &FileStatus =
        actual.as_foreign().ok_or_else(|| wrong_type("stat:type", 0, "the status of a file", actual))?;
    Ok(Value::symbol(kind(&status.0)))
}

fn stat_mode(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:mode", arguments, MetadataExt::mode)
}

fn stat_perms(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:perms", arguments, |status| status.permissions().mode() & 0o7777)
}

fn stat_size(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:size", arguments, MetadataExt::size)
}

fn stat_mtime(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:mtime", arguments, MetadataExt::mtime)
}

fn stat_atime(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:atime", arguments, MetadataExt::atime)
}

fn stat_ctime(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:ctime", arguments, MetadataExt::ctime)
}

fn stat_ino(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:ino", arguments, MetadataExt::ino)
}

fn stat_dev(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:dev", arguments, MetadataExt::dev)
}

fn stat_nlink(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:nlink", arguments, MetadataExt::nlink)
}

fn stat_uid(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:uid", arguments, MetadataExt::uid)
}

fn stat_gid(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    field("stat:gid", arguments, MetadataExt::gid)
}

fn file_exists(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(expect_path(context, "file-exists?", arguments, 0)?.exists()))
}

fn directory_exists(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(expect_path(context, "directory-exists?", arguments, 0)?.is_dir()))
}

fn symbolic_link(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(expect_path(context, "symbolic-link?", arguments, 0)?.is_symlink()))
}

fn executable_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    Ok(Value::Bool(is_executable(&expect_path(context, "executable-file?", arguments, 0)?)))
}

/// Whether a regular file begins with those bytes.
pub fn begins_with(path: &Path, magic: &[u8]) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(magic.len());
    fs::File::open(path)?.take(magic.len() as u64).read_to_end(&mut start)?;
    Ok(start == magic)
}

fn has_magic(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    magic: &[u8],
) -> Result<Value, Raise> {
    let path = expect_path(context, procedure, arguments, 0)?;
    match begins_with(&path, magic) {
        Ok(answer) => Ok(Value::Bool(answer)),
        Err(_) if path.is_dir() || path.is_symlink() => Ok(Value::Bool(false)),
        Err(error) => Err(SystemError::raise(procedure, &path, &error)),
    }
}

fn elf_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    has_magic(context, "elf-file?", arguments, b"\x7fELF")
}

fn ar_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    has_magic(context, "ar-file?", arguments, b"!<arch>\n")
}

fn gzip_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    has_magic(context, "gzip-file?", arguments, b"\x1f\x8b")
}
