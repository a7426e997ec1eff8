//! The hashes that Git gives files and directories: of blobs and trees, by any algorithm.
//!
//! ```text
//! blob = "blob " SIZE 0 CONTENT            tree = "tree " SIZE 0 (MODE " " NAME 0 DIGEST)*
//! ```
//!
//! Entries are in Git's order: by name, a directory as if `/` followed its name. Directories without files do not exist in
//! Git, and here neither.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use super::{Algorithm, Digest, Hasher};

/// The hash of the object that Git makes of a file or directory; entries whose names `skip` says yes to are left out.
pub fn of_path(path: &Path, algorithm: Algorithm, skip: &dyn Fn(&[u8]) -> bool) -> io::Result<Digest> {
    let kind = path.symlink_metadata()?.file_type();
    if kind.is_dir() {
        let empty = || object("tree", &[], algorithm);
        return Ok(tree(path, algorithm, skip)?.unwrap_or_else(empty));
    }
    if kind.is_symlink() {
        return Ok(object("blob", fs::read_link(path)?.as_os_str().as_bytes(), algorithm));
    }
    if !kind.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file, link or directory"));
    }
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut hasher = Hasher::new(algorithm);
    hasher.update(format!("blob {size}\0").as_bytes());
    let copied = io::copy(&mut Read::by_ref(&mut file).take(size), &mut hasher)?;
    if copied != size {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it changed while it was read"));
    }
    Ok(hasher.finish())
}

fn object(kind: &str, content: &[u8], algorithm: Algorithm) -> Digest {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(format!("{kind} {}\0", content.len()).as_bytes());
    hasher.update(content);
    hasher.finish()
}

/// The hash of a directory; nothing when no file is below it.
fn tree(path: &Path, algorithm: Algorithm, skip: &dyn Fn(&[u8]) -> bool) -> io::Result<Option<Digest>> {
    let mut entries: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().as_bytes().to_owned();
        if skip(&name) {
            continue;
        }
        let metadata = entry.path().symlink_metadata()?;
        let (mode, digest, mut key) = if metadata.is_dir() {
            match tree(&entry.path(), algorithm, skip)? {
                Some(digest) => ("40000", digest, [name.as_slice(), b"/"].concat()),
                None => continue,
            }
        } else {
            let executable = metadata.permissions().mode() & 0o100 != 0;
            let mode = if metadata.is_symlink() {
                "120000"
            } else if executable {
                "100755"
            } else {
                "100644"
            };
            (mode, of_path(&entry.path(), algorithm, skip)?, name.clone())
        };
        let row = [mode.as_bytes(), b" ", &name, b"\0", digest.bytes()].concat();
        entries.push((std::mem::take(&mut key), row));
    }
    if entries.is_empty() {
        return Ok(None);
    }
    entries.sort();
    let content: Vec<u8> = entries.into_iter().flat_map(|(_, row)| row).collect();
    Ok(Some(object("tree", &content, algorithm)))
}
