//! Directories: make, list, remove, enter, and temporary names.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_string},
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    world::{expect_path, world},
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("mkdir", 1, Some(2), "Makes a directory; its parent must exist.", mkdir),
    row("mkdir-p", 1, Some(2), "Makes a directory and its parents; fine when it exists.", mkdir_p),
    row("rmdir", 1, Some(1), "Removes an empty directory.", rmdir),
    row(
        "delete-file-recursively",
        1,
        None,
        "Removes a file or a directory with all that is in it; a missing one is only warned about.",
        delete_recursively,
    ),
    row(
        "%scandir",
        1,
        Some(1),
        "The names in a directory with `.` and `..`, sorted by bytes; `#f` when it cannot be read.",
        scandir,
    ),
    row("getcwd", 0, Some(0), "The working directory.", getcwd),
    row("chdir", 1, Some(1), "Enters a directory.", chdir),
    row(
        "mkdtemp",
        1,
        Some(1),
        "Makes a fresh directory from a name that ends in six times `X`; returns its name.",
        mkdtemp,
    ),
    row(
        "%make-temporary-file",
        1,
        Some(1),
        "Makes a fresh empty file from a name that ends in six times `X`; returns its name.",
        make_temporary_file,
    ),
];

/// Turns an error of a directory walk into what to raise.
pub fn walk_error(procedure: &'static str, root: &Path, error: &walkdir::Error) -> Raise {
    let path = error.path().unwrap_or(root);
    match error.io_error() {
        Some(source) => SystemError::raise(procedure, path, source),
        None => Raise::message(format!("`{procedure}`: `{}`: a loop of links", bytes::path_text(path))),
    }
}

fn done(result: std::io::Result<()>, procedure: &'static str, path: &Path) -> Result<Value, Raise> {
    match result {
        Ok(()) => Ok(Value::Unspecified),
        Err(error) => Err(SystemError::raise(procedure, path, &error)),
    }
}

fn mkdir(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "mkdir", arguments, 0)?;
    done(fs::create_dir(&path), "mkdir", &path)?;
    if let Some(Value::Int(mode)) = arguments.get(1) {
        let mode = fs::Permissions::from_mode(u32::try_from(*mode).unwrap_or(0o755) & 0o7777);
        return done(fs::set_permissions(&path, mode), "mkdir", &path);
    }
    Ok(Value::Unspecified)
}

fn mkdir_p(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "mkdir-p", arguments, 0)?;
    done(fs::create_dir_all(&path), "mkdir-p", &path)
}

fn rmdir(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "rmdir", arguments, 0)?;
    done(fs::remove_dir(&path), "rmdir", &path)
}

/// Removes a tree; directories that the owner may not write are opened up first.
pub fn remove_tree(path: &Path) -> std::io::Result<()> {
    let status = fs::symlink_metadata(path)?;
    if !status.is_dir() {
        return fs::remove_file(path);
    }
    for entry in
        walkdir::WalkDir::new(path).into_iter().filter_entry(|entry| open_up(entry).is_ok()).flatten()
    {
        // walking is enough: `open_up` did the work before the directory was read
        drop(entry);
    }
    fs::remove_dir_all(path)
}

fn open_up(entry: &walkdir::DirEntry) -> std::io::Result<()> {
    if !entry.file_type().is_dir() {
        return Ok(());
    }
    let mode = fs::metadata(entry.path())?.permissions().mode();
    if mode & 0o700 == 0o700 {
        return Ok(());
    }
    fs::set_permissions(entry.path(), fs::Permissions::from_mode((mode | 0o700) & 0o7777))
}

fn delete_recursively(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "delete-file-recursively", arguments, 0)?;
    match remove_tree(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let name = bytes::path_text(&path);
            super::port::complain(&format!("warning: `delete-file-recursively`: `{name}` does not exist\n"));
            Ok(Value::Unspecified)
        }
        result => done(result, "delete-file-recursively", &path),
    }
}

/// Returns the names in a directory, without `.` and `..`, sorted by bytes.
pub fn names(path: &Path) -> std::io::Result<Vec<std::ffi::OsString>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort_unstable();
    Ok(names)
}

fn scandir(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "scandir", arguments, 0)?;
    let Ok(mut names) = names(&path) else { return Ok(Value::Bool(false)) };
    names.extend([".".into(), "..".into()]);
    names.sort_unstable();
    Ok(Value::list(names.iter().map(|name| Value::string(bytes::os_text(name)))))
}

fn getcwd(context: &mut Context<'_>, _: &[Value]) -> Result<Value, Raise> {
    Ok(Value::string(bytes::path_text(&world(context)?.directory)))
}

fn chdir(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "chdir", arguments, 0)?;
    // as `getcwd` of the system would say it: absolute and without links
    let real = fs::canonicalize(&path).map_err(|error| SystemError::raise("chdir", &path, &error))?;
    if !real.is_dir() {
        let error = std::io::Error::from_raw_os_error(nix::errno::Errno::ENOTDIR as i32);
        return Err(SystemError::raise("chdir", &path, &error));
    }
    let world = world(context)?;
    world.environment.insert("PWD".into(), real.clone().into_os_string());
    world.directory = real;
    Ok(Value::Unspecified)
}

/// Calls `make` with the end of the template replaced until it does not say that the file exists.
fn fresh(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    make: fn(&Path) -> std::io::Result<()>,
) -> Result<Value, Raise> {
    let template = expect_string(procedure, arguments, 0)?;
    let stem = template.trim_end_matches('X');
    if template.len() < stem.len() + 6 {
        return Err(Raise::message(format!("`{procedure}`: `{template}` does not end in six times `X`")));
    }
    let mut number = 0u32;
    loop {
        // counted, not random: a build shall do the same thing each time
        let name = format!("{stem}{number:06}");
        let path = world(context)?.resolve(&name);
        match make(&path) {
            Ok(()) => return Ok(Value::string(name)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && number < 999_999 => {
                number += 1
            }
            Err(error) => return Err(SystemError::raise(procedure, &path, &error)),
        }
    }
}

fn mkdtemp(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    fresh(context, "mkdtemp", arguments, |path| {
        fs::create_dir(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
    })
}

fn make_temporary_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    fresh(context, "mkstemp!", arguments, |path| fs::File::create_new(path).map(drop))
}
