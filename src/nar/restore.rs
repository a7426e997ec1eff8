//! From an archive to a file tree.

use std::{
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{self, BufRead, Write as _},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::{NarError, Visitor, parse};

const SECOND: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// What all times of a store item are: one second after the epoch.
pub(crate) const TIMES: Timestamps = Timestamps { last_access: SECOND, last_modification: SECOND };

/// Creates at `path`, where nothing may be, what the archive holds. On an error what was created stays there.
///
/// Files and symlinks have the modes and times of store items as far as the process's mask allows, which saves another pass over
/// them; directories stay open for what else is to come.
pub fn restore(from: &mut impl BufRead, path: &Path) -> Result<(), NarError> {
    parse(from, &mut Restore { root: path.to_owned() })
}

struct Restore {
    root: PathBuf,
}

impl Restore {
    fn place(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

impl Visitor for Restore {
    fn directory(&mut self, path: &Path) -> Result<(), NarError> {
        let path = self.place(path);
        fs::create_dir(&path).map_err(|source| NarError::Create { path, source })
    }

    fn file(
        &mut self,
        path: &Path,
        executable: bool,
        size: u64,
        contents: &mut dyn BufRead,
    ) -> Result<(), NarError> {
        let path = self.place(path);
        let mode = if executable { 0o555 } else { 0o444 };
        // `create_new` follows no symlink, so that nothing outside can be written.
        let mut create = || -> io::Result<u64> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
            let mut written = 0;
            loop {
                let data = match contents.fill_buf() {
                    Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                    other => other?,
                };
                let count = data.len();
                if count == 0 {
                    rustix::fs::futimens(&file, &TIMES)?;
                    return Ok(written);
                }
                file.write_all(data)?;
                contents.consume(count);
                written += count as u64;
            }
        };
        match create() {
            Ok(written) if written == size => Ok(()),
            Ok(_) => Err(NarError::Create { path, source: io::ErrorKind::UnexpectedEof.into() }),
            Err(source) => Err(NarError::Create { path, source }),
        }
    }

    fn symlink(&mut self, path: &Path, target: &[u8]) -> Result<(), NarError> {
        let path = self.place(path);
        std::os::unix::fs::symlink(OsStr::from_bytes(target), &path)
            .and_then(|()| Ok(rustix::fs::utimensat(CWD, &path, &TIMES, AtFlags::SYMLINK_NOFOLLOW)?))
            .map_err(|source| NarError::Create { path, source })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{super::write::strings, *};
    use crate::nar::dump;

    fn archive_of(path: &Path) -> Vec<u8> {
        let mut archive = Vec::new();
        dump(path, &mut archive).unwrap();
        archive
    }

    #[test]
    fn a_restored_tree_has_the_same_archive() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir_all(tree.join("empty")).unwrap();
        fs::create_dir_all(tree.join("a/b.c/d")).unwrap();
        fs::write(tree.join("a/b.c/d/file"), "contents").unwrap();
        fs::write(tree.join("a.b"), vec![7; 600_001]).unwrap();
        fs::write(tree.join("run"), "").unwrap();
        fs::set_permissions(tree.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("../nowhere", tree.join("link")).unwrap();
        fs::write(tree.join(OsStr::from_bytes(b"\xff\xfe")), "not UTF-8").unwrap();
        let archive = archive_of(&tree);
        let copy = place.path().join("copy");
        restore(&mut archive.as_slice(), &copy).unwrap();
        assert_eq!(archive_of(&copy), archive);
        assert!(fs::metadata(copy.join("run")).unwrap().permissions().mode() & 0o100 != 0);
    }

    #[test]
    fn no_truncated_archive_is_accepted() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("file"), "12345").unwrap();
        let archive = archive_of(&tree);
        for length in 0..archive.len() {
            let to = place.path().join(format!("to-{length}"));
            let error = restore(&mut &archive[..length], &to).unwrap_err();
            let fits = matches!(error, NarError::Truncated { .. } | NarError::Create { .. });
            assert!(fits, "{length} bytes: {error:?}");
        }
        let longer = [archive.as_slice(), b"\0"].concat();
        let error = restore(&mut longer.as_slice(), &place.path().join("longer")).unwrap_err();
        assert!(matches!(error, NarError::Syntax { expected: "the end", .. }), "{error:?}");
    }

    /// An archive of a directory with empty files of these names.
    fn with_names(names: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        strings(&mut bytes, &[b"nix-archive-1", b"(", b"type", b"directory"]).unwrap();
        for name in names {
            strings(&mut bytes, &[b"entry", b"(", b"name", name, b"node"]).unwrap();
            strings(&mut bytes, &[b"(", b"type", b"regular", b"contents", b"", b")", b")"]).unwrap();
        }
        strings(&mut bytes, &[b")"]).unwrap();
        bytes
    }

    #[test]
    fn hostile_archives_are_refused() {
        let place = tempfile::tempdir().unwrap();
        let inside = place.path().join("in");
        fs::create_dir(&inside).unwrap();
        let mut count = 0;
        let mut refused = |bytes: &[u8]| {
            count += 1;
            restore(&mut &*bytes, &inside.join(count.to_string())).unwrap_err()
        };
        restore(&mut with_names(&[b"a", b"b"]).as_slice(), &inside.join("right")).unwrap();
        for name in [&b""[..], b".", b"..", b"../out", b"/out", b"a/b", b"a\0b"] {
            assert!(matches!(refused(&with_names(&[name])), NarError::Name { .. }), "{name:?}");
        }
        assert!(matches!(refused(&with_names(&[b"b", b"a"])), NarError::Order { .. }));
        assert!(matches!(refused(&with_names(&[b"a", b"a"])), NarError::Order { .. }));
        assert!(matches!(refused(&with_names(&[&[b'n'; 256]])), NarError::Syntax { .. }));
        let mut huge = Vec::new();
        strings(&mut huge, &[b"nix-archive-1", b"(", b"type", b"regular", b"contents"]).unwrap();
        huge.extend_from_slice(&(1u64 << 63).to_le_bytes());
        assert!(matches!(refused(&huge), NarError::Syntax { expected: "a file size below 2^63", .. }));
        let mut padded = Vec::new();
        strings(&mut padded, &[b"nix-archive-1", b"(", b"type", b"symlink", b"target", b"x"]).unwrap();
        *padded.last_mut().unwrap() = 1;
        assert!(matches!(refused(&padded), NarError::Syntax { expected: "padding of zeros", .. }));
        let mut deep = Vec::new();
        strings(&mut deep, &[b"nix-archive-1"]).unwrap();
        for _ in 0..600 {
            strings(&mut deep, &[b"(", b"type", b"directory", b"entry", b"(", b"name", b"d", b"node"])
                .unwrap();
        }
        assert!(matches!(refused(&deep), NarError::Depth { .. }));
        let outside: Vec<_> = fs::read_dir(place.path()).unwrap().collect();
        assert_eq!(outside.len(), 1, "nothing was written outside");
    }
}
