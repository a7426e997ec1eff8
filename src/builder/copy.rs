//! Copies: files, trees, and `install-file`.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use hpcl_lang::{
    native::{Context, Native, Raise},
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    directory::walk_error,
    files::set_times,
    world::{expect_path, flag},
};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row(
        "copy-file",
        2,
        Some(2),
        "Copies a file's content and mode; an existing one is overwritten.",
        copy_file,
    ),
    row(
        "install-file",
        2,
        Some(2),
        "Makes the directory (second argument) and copies the file into it.",
        install_file,
    ),
    row(
        "%copy-recursively",
        2,
        None,
        "Copies a file or a tree onto a destination; `#:follow-symlinks?`, `#:keep-mtime?`, `#:keep-permissions?`.",
        copy_recursively,
    ),
];

fn copy_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let from = expect_path(context, "copy-file", arguments, 0)?;
    let to = expect_path(context, "copy-file", arguments, 1)?;
    copy(&from, &to).map_err(|error| blame("copy-file", &from, &to, &error))?;
    Ok(Value::Unspecified)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        return Err(std::io::Error::from_raw_os_error(nix::errno::Errno::EISDIR as i32));
    }
    fs::copy(from, to).map(drop)
}

/// Names the one of the two files that is to blame.
fn blame(procedure: &'static str, from: &Path, to: &Path, error: &std::io::Error) -> Raise {
    let readable =
        fs::File::open(from).is_ok_and(|file| file.metadata().is_ok_and(|status| status.is_file()));
    SystemError::raise(procedure, if readable { to } else { from }, error)
}

fn install_file(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "install-file", arguments, 0)?;
    let directory = expect_path(context, "install-file", arguments, 1)?;
    fs::create_dir_all(&directory).map_err(|error| SystemError::raise("install-file", &directory, &error))?;
    let Some(name) = file.file_name() else {
        return Err(Raise::message(format!("`install-file`: `{}` has no name", bytes::path_text(&file))));
    };
    let to = directory.join(name);
    copy(&file, &to).map_err(|error| blame("install-file", &file, &to, &error))?;
    Ok(Value::Unspecified)
}

/// What a copy of a tree keeps.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Copies what links point to rather than the links.
    pub follow_links: bool,
    /// Times of modification.
    pub times: bool,
    /// Permission bits of files; without it they get the usual ones.
    pub permissions: bool,
}

fn copy_recursively(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let from = expect_path(context, "copy-recursively", arguments, 0)?;
    let to = expect_path(context, "copy-recursively", arguments, 1)?;
    let keep = Keep {
        follow_links: flag(arguments, 2, "follow-symlinks?", false),
        times: flag(arguments, 2, "keep-mtime?", false),
        permissions: flag(arguments, 2, "keep-permissions?", true),
    };
    copy_tree("copy-recursively", &from, &to, keep)?;
    Ok(Value::Unspecified)
}

/// Copies a file or a tree. Directories that exist are merged, files and links replaced.
///
/// # Errors
/// A system error that names the file.
pub fn copy_tree(procedure: &'static str, from: &Path, to: &Path, keep: Keep) -> Result<(), Raise> {
    let mut directories = Vec::new();
    for entry in walkdir::WalkDir::new(from).follow_links(keep.follow_links).follow_root_links(true) {
        let entry = entry.map_err(|error| walk_error(procedure, from, &error))?;
        let relative = entry.path().strip_prefix(from).unwrap_or(entry.path());
        let target = if relative.as_os_str().is_empty() { to.to_path_buf() } else { to.join(relative) };
        let failed = |error: std::io::Error| blame(procedure, entry.path(), &target, &error);
        let status = entry.metadata().map_err(|error| walk_error(procedure, from, &error))?;
        if status.is_dir() {
            fs::create_dir_all(&target).map_err(failed)?;
            directories.push((target, status));
        } else {
            copy_leaf(entry.path(), &target, &status, keep).map_err(failed)?;
        }
    }
    // last and from the inside, for writing into a directory changes its time; their modes are left as made, so that
    // a tree from the store can be written to
    for (directory, status) in directories.iter().rev().filter(|_| keep.times) {
        let failed = |error: std::io::Error| SystemError::raise(procedure, directory, &error);
        copy_times(directory, status).map_err(failed)?;
    }
    Ok(())
}

fn copy_leaf(from: &Path, to: &Path, status: &fs::Metadata, keep: Keep) -> std::io::Result<()> {
    if status.is_symlink() {
        if to.is_symlink() || to.is_file() {
            fs::remove_file(to)?;
        }
        return symlink(fs::read_link(from)?, to);
    }
    if !status.is_file() {
        return Err(std::io::Error::other("neither a file, a directory nor a link"));
    }
    if to.is_symlink() || (to.is_file() && fs::metadata(to)?.permissions().readonly()) {
        fs::remove_file(to)?;
    }
    fs::copy(from, to)?;
    if !keep.permissions {
        let mode = if status.mode() & 0o100 == 0 { 0o644 } else { 0o755 };
        fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    }
    if keep.times { copy_times(to, status) } else { Ok(()) }
}

fn copy_times(path: &Path, status: &fs::Metadata) -> std::io::Result<()> {
    set_times(path, (status.atime(), status.atime_nsec()), (status.mtime(), status.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Keep = Keep { follow_links: false, times: true, permissions: true };

    #[test]
    fn trees_keep_links_modes_and_times() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o444)).unwrap();
        symlink("sub/file", from.join("link")).unwrap();
        set_times(&from.join("sub/file"), (1, 0), (1, 0)).unwrap();
        fs::set_permissions(from.join("sub"), fs::Permissions::from_mode(0o555)).unwrap();
        copy_tree("test", &from, &to, PLAIN).unwrap();
        let status = fs::metadata(to.join("sub/file")).unwrap();
        assert_eq!((status.mode() & 0o777, status.mtime()), (0o444, 1));
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("sub/file"));
        assert_eq!(fs::metadata(to.join("sub")).unwrap().mode() & 0o200, 0o200);
        // once more onto the same place: read-only files and links are replaced
        copy_tree("test", &from, &to, PLAIN).unwrap();
    }

    #[test]
    fn a_missing_source_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let raise =
            copy_tree("copy-recursively", &scratch.path().join("none"), &scratch.path().join("to"), PLAIN);
        let Err(Raise::Thrown(value)) = raise else { panic!("no error") };
        let error: &SystemError = value.as_foreign().unwrap();
        assert!(error.subject.ends_with("/none"), "{error:?}");
    }
}
