//! Software Heritage's identifiers of files and directories (SWHIDs).
//!
//! ```text
//! swh:1:cnt:SHA1 of "blob LENGTH\0" content
//! swh:1:dir:SHA1 of "tree LENGTH\0" entries, each MODE " " NAME "\0" and the 20 bytes of its hash
//! ```
//!
//! They are git's names of blobs and trees: entries are sorted by name, that of a directory as if it ended with `/`. Invariant: the
//! same as `git hash-object` and `git write-tree` print for what is there, empty directories excepted, which git leaves out and the
//! archive keeps.

use std::{
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::Path,
};

use data_encoding::HEXLOWER;
use sha1::{Digest, Sha1};

/// Returns the identifier of a file or directory.
///
/// # Errors
/// When something of it cannot be read.
pub fn swhid(path: &Path) -> io::Result<String> {
    let (kind, hash) = match fs::metadata(path)?.is_dir() {
        true => ("dir", tree(path)?),
        false => ("cnt", object("blob", &fs::read(path)?)),
    };
    Ok(format!("swh:1:{kind}:{}", HEXLOWER.encode(&hash)))
}

fn object(kind: &str, content: &[u8]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    hasher.update(format!("{kind} {}\0", content.len()));
    hasher.update(content);
    hasher.finalize().into()
}

fn tree(directory: &Path) -> io::Result<[u8; 20]> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().as_bytes().to_vec();
        let metadata = fs::symlink_metadata(&path)?;
        let (mode, hash) = if metadata.is_symlink() {
            ("120000", object("blob", fs::read_link(&path)?.as_os_str().as_bytes()))
        } else if metadata.is_dir() {
            ("40000", tree(&path)?)
        } else {
            let mode = if metadata.permissions().mode() & 0o100 == 0 { "100644" } else { "100755" };
            (mode, object("blob", &fs::read(&path)?))
        };
        let mut key = name.clone();
        if mode == "40000" {
            key.push(b'/');
        }
        entries.push((key, mode, name, hash));
    }
    entries.sort();
    let mut content = Vec::new();
    for (_, mode, name, hash) in entries {
        content.extend_from_slice(mode.as_bytes());
        content.push(b' ');
        content.extend_from_slice(&name);
        content.push(0);
        content.extend_from_slice(&hash);
    }
    Ok(object("tree", &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_objects_have_gits_names() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("hello"), "hello\n").unwrap();
        assert_eq!(
            swhid(&place.path().join("hello")).unwrap(),
            "swh:1:cnt:ce013625030ba8dba906f756967f9e9ca394464a"
        );
        let empty = place.path().join("empty");
        fs::create_dir(&empty).unwrap();
        assert_eq!(swhid(&empty).unwrap(), "swh:1:dir:4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    }
}
