//! Single files: create, remove, rename, link, change modes and times.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink as make_symlink},
    path::Path,
    time::{Duration, SystemTime},
};

use hpcl_lang::{
    native::{Context, Native, Raise, expect_int, expect_string},
    value::Value,
};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use super::{
    bytes,
    condition::{SystemError, row},
    world::{expect_path, world},
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("delete-file", 1, Some(1), "Removes a file or a link.", delete_file),
    row(
        "rename-file",
        2,
        Some(2),
        "Renames a file or a directory; what bears the new name is replaced.",
        rename_file,
    ),
    row("link", 2, Some(2), "Gives a file a further name.", link),
    row("symlink", 2, Some(2), "Makes a symbolic link: its target, then its name.", symlink),
    row("readlink", 1, Some(1), "The target of a symbolic link.", readlink),
    row("chmod", 2, Some(2), "Sets the permission bits.", chmod),
    row(
        "make-file-writable",
        1,
        Some(1),
        "Lets the owner write the file; links are left alone.",
        make_writable,
    ),
    row(
        "utime",
        1,
        Some(6),
        "Sets the times of access and modification, in seconds; now when they are missing.",
        utime,
    ),
    row("set-file-time", 2, Some(2), "Gives a file the times of a `stat`.", set_file_time),
    row(
        "reset-timestamps",
        1,
        Some(1),
        "Sets the times of everything below a directory to 1 second after the epoch.",
        reset_timestamps,
    ),
    row("truncate-file", 2, Some(2), "Cuts or fills a file to a length.", truncate_file),
    row(
        "access?",
        2,
        Some(2),
        "Whether the file exists and, for 1, 2 and 4, may be executed, written, read.",
        access,
    ),
    row(
        "canonicalize-path",
        1,
        Some(1),
        "The absolute name without links; the file must exist.",
        canonicalize,
    ),
    row("same-content?", 2, Some(2), "Whether two files hold the same bytes.", same_content),
    row("umask", 0, Some(1), "The mask of permission bits; sets it when given.", umask),
];

fn done(result: std::io::Result<()>, procedure: &'static str, path: &Path) -> Result<Value, Raise> {
    match result {
        Ok(()) => Ok(Value::Unspecified),
        Err(error) => Err(SystemError::raise(procedure, path, &error)),
    }
}

fn delete_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "delete-file", arguments, 0)?;
    done(fs::remove_file(&path), "delete-file", &path)
}

fn rename_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let from = expect_path(context, "rename-file", arguments, 0)?;
    let to = expect_path(context, "rename-file", arguments, 1)?;
    let result = fs::rename(&from, &to);
    let subject = if from.is_symlink() || from.exists() { &to } else { &from };
    done(result, "rename-file", subject)
}

fn link(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let from = expect_path(context, "link", arguments, 0)?;
    let to = expect_path(context, "link", arguments, 1)?;
    done(fs::hard_link(&from, &to), "link", &to)
}

fn symlink(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let target = bytes::text_path(expect_string("symlink", arguments, 0)?);
    let name = expect_path(context, "symlink", arguments, 1)?;
    done(make_symlink(target, &name), "symlink", &name)
}

fn readlink(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "readlink", arguments, 0)?;
    match fs::read_link(&path) {
        Ok(target) => Ok(Value::string(bytes::path_text(&target))),
        Err(error) => Err(SystemError::raise("readlink", &path, &error)),
    }
}

fn chmod(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    if let Some(port) = arguments.first().and_then(Value::as_foreign::<super::port::Port>) {
        let name = Value::string(port.name.as_str());
        return chmod(context, &[name, arguments.get(1).cloned().unwrap_or(Value::Absent)]);
    }
    let path = expect_path(context, "chmod", arguments, 0)?;
    let mode = u32::try_from(expect_int("chmod", arguments, 1)?)
        .map_err(|_| Raise::message("`chmod`: a mode is not negative"))?;
    match fs::set_permissions(&path, fs::Permissions::from_mode(mode & 0o7777)) {
        // The sandbox forbids these bits, so the kernel's "not permitted" has a cause that can be named.
        Err(error) if mode & 0o6000 != 0 && error.raw_os_error() == Some(nix::libc::EPERM) => {
            let reason = std::io::Error::other("no file of a build may be setuid or setgid");
            Err(SystemError::raise("chmod", &path, &reason))
        }
        result => done(result, "chmod", &path),
    }
}

/// Lets the owner write a file that is no link.
pub fn make_path_writable(path: &Path) -> std::io::Result<()> {
    let status = fs::symlink_metadata(path)?;
    let mode = status.permissions().mode();
    if status.is_symlink() || mode & 0o200 != 0 {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode((mode | 0o200) & 0o7777))
}

/// Replaces a file's content at once, keeping its mode and, if asked, its times. A link is replaced by a file.
pub fn replace_content(path: &Path, content: &[u8], keep_times: bool) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let status = fs::metadata(path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fresh = tempfile::NamedTempFile::new_in(directory)?;
    fs::write(fresh.path(), content)?;
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(status.mode() & 0o7777))?;
    fresh.persist(path).map_err(|error| error.error)?;
    if keep_times {
        set_times(path, (status.atime(), status.atime_nsec()), (status.mtime(), status.mtime_nsec()))?;
    }
    Ok(())
}

fn make_writable(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "make-file-writable", arguments, 0)?;
    done(make_path_writable(&path), "make-file-writable", &path)
}

/// Sets both times of a file, of a link itself when it is one.
pub fn set_times(path: &Path, access: (i64, i64), modification: (i64, i64)) -> std::io::Result<()> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: access.0, tv_nsec: access.1 },
        last_modification: Timespec { tv_sec: modification.0, tv_nsec: modification.1 },
    };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn utime(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "utime", arguments, 0)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let number = |index: usize, default: i64| match arguments.get(index) {
        Some(Value::Int(number)) => *number,
        _ => default,
    };
    let access = (number(1, now), number(3, 0));
    let modification = (number(2, access.0), number(4, 0));
    done(set_times(&path, access, modification), "utime", &path)
}

fn set_file_time(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    use std::os::unix::fs::MetadataExt;
    let path = expect_path(context, "set-file-time", arguments, 0)?;
    let actual = arguments.get(1).unwrap_or(&Value::Absent);
    let status: &super::status::FileStatus = actual
        .as_foreign()
        .ok_or_else(|| hpcl_lang::native::wrong_type("set-file-time", 1, "the status of a file", actual))?;
    let access = (status.0.atime(), status.0.atime_nsec());
    done(set_times(&path, access, (status.0.mtime(), status.0.mtime_nsec())), "set-file-time", &path)
}

fn reset_timestamps(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let root = expect_path(context, "reset-timestamps", arguments, 0)?;
    for entry in walkdir::WalkDir::new(&root).contents_first(true) {
        let entry = entry.map_err(|error| super::directory::walk_error("reset-timestamps", &root, &error))?;
        if let Err(error) = set_times(entry.path(), (1, 0), (1, 0)) {
            return Err(SystemError::raise("reset-timestamps", entry.path(), &error));
        }
    }
    Ok(Value::Unspecified)
}

fn truncate_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "truncate-file", arguments, 0)?;
    let length = u64::try_from(expect_int("truncate-file", arguments, 1)?)
        .map_err(|_| Raise::message("`truncate-file`: a length is not negative"))?;
    let result = fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(length));
    done(result, "truncate-file", &path)
}

fn access(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "access?", arguments, 0)?;
    let wanted = u32::try_from(expect_int("access?", arguments, 1)?).unwrap_or(0);
    let wanted = rustix::fs::Access::from_bits_truncate(wanted & 7);
    Ok(Value::Bool(rustix::fs::access(&path, wanted).is_ok()))
}

fn canonicalize(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "canonicalize-path", arguments, 0)?;
    match fs::canonicalize(&path) {
        Ok(path) => Ok(Value::string(bytes::path_text(&path))),
        Err(error) => Err(SystemError::raise("canonicalize-path", &path, &error)),
    }
}

fn same_content(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let one = expect_path(context, "same-content?", arguments, 0)?;
    let other = expect_path(context, "same-content?", arguments, 1)?;
    let read =
        |path: &Path| fs::read(path).map_err(|error| SystemError::raise("same-content?", path, &error));
    Ok(Value::Bool(read(&one)? == read(&other)?))
}

fn umask(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    use rustix::{fs::Mode, process};
    world(context)?;
    let old = if arguments.is_empty() {
        let old = process::umask(Mode::from_bits_truncate(0o022));
        process::umask(old);
        old
    } else {
        let new = u32::try_from(expect_int("umask", arguments, 0)?).unwrap_or(0o022);
        process::umask(Mode::from_bits_truncate(new))
    };
    Ok(Value::Int(i64::from(old.bits())))
}
