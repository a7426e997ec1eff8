//! Archives and compressed files for builders: what `crate::archive` does, as procedures.

use std::{
    error::Error,
    fs,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use hpcl_lang::{
    native::{Context, Native, Raise},
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    files::set_times,
    world::{expect_path, flag},
};
use crate::archive::{self, ArchiveError, Times, Unpacked};

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row("archive-file?", 1, Some(1), "Whether `unpack-archive` knows what to do with the file.", is_archive),
    row(
        "unpack-archive",
        2,
        None,
        "Unpacks an archive into a directory and returns the names at its top; times are 1 unless `#:keep-mtime? #t`.",
        unpack,
    ),
    row("unpack-deb", 2, Some(2), "Unpacks the files of a Debian package into a directory.", unpack_deb),
    row(
        "reset-gzip-timestamp",
        1,
        None,
        "Clears the time in a file compressed by gzip; `#:keep-mtime? #t` (the default) keeps the file's own.",
        reset_gzip,
    ),
];

fn failed(error: ArchiveError) -> Raise {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    Raise::message(message)
}

fn is_archive(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "archive-file?", arguments, 0)?;
    archive::is_archive(&path).map(Value::Bool).map_err(failed)
}

fn top(unpacked: &Unpacked) -> Value {
    let names: Vec<_> = unpacked.top.iter().map(|name| Value::string(bytes::path_text(name))).collect();
    Value::list(names)
}

fn unpack(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "unpack-archive", arguments, 0)?;
    let directory = expect_path(context, "unpack-archive", arguments, 1)?;
    let times = if flag(arguments, 2, "keep-mtime?", false) { Times::Kept } else { Times::default() };
    archive::unpack_with(&path, &directory, times).map(|unpacked| top(&unpacked)).map_err(failed)
}

fn unpack_deb(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "unpack-deb", arguments, 0)?;
    let directory = expect_path(context, "unpack-deb", arguments, 1)?;
    archive::unpack_deb(&path, &directory).map(|unpacked| top(&unpacked)).map_err(failed)
}

fn reset_gzip(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let path = expect_path(context, "reset-gzip-timestamp", arguments, 0)?;
    let keep = flag(arguments, 1, "keep-mtime?", true);
    clear_gzip_time(&path, keep)
        .map_err(|error| SystemError::raise("reset-gzip-timestamp", &path, &error))?;
    Ok(Value::Unspecified)
}

/// Clears the four bytes of the header (RFC 1952) that hold the time.
fn clear_gzip_time(path: &Path, keep_times: bool) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mut file = fs::OpenOptions::new().read(true).write(true).open(path)?;
    let status = file.metadata()?;
    let mut header = Vec::new();
    (&mut file).take(8).read_to_end(&mut header)?;
    match header.as_slice() {
        [0x1f, 0x8b, _, _, time @ ..] if time.len() == 4 => {
            if time.iter().all(|&byte| byte == 0) {
                return Ok(());
            }
        }
        _ => return Err(std::io::Error::other("not compressed by gzip")),
    }
    file.seek(SeekFrom::Start(4))?;
    file.write_all(&[0; 4])?;
    drop(file);
    if keep_times {
        set_times(path, (status.atime(), status.atime_nsec()), (status.mtime(), status.mtime_nsec()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_of_a_gzip_header_changes() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("x.gz");
        fs::write(&path, b"\x1f\x8b\x08\x00\x11\x22\x33\x44\x02\x03rest").unwrap();
        clear_gzip_time(&path, true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\x1f\x8b\x08\x00\0\0\0\0\x02\x03rest");
        fs::write(&path, b"text").unwrap();
        assert!(clear_gzip_time(&path, true).is_err());
    }
}
