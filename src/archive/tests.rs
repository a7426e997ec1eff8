//! Archives made in the test, honest and hostile, unpacked into a directory of their own.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::*;

/// One entry: kind, name, content or link target, mode.
type Entry<'a> = (EntryType, &'a str, &'a str, u32);

fn tar_of(entries: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (kind, name, content, mode) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_mtime(1_000_000);
        let data = if kind.is_file() { content.as_bytes() } else { b"" };
        header.set_size(data.len() as u64);
        if !kind.is_file() {
            header.set_link_name_literal(content).unwrap();
        }
        // Written into the field itself: the builder refuses the names that a hostile archive has.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, data).unwrap();
    }
    builder.into_inner().unwrap()
}

fn honest() -> Vec<u8> {
    tar_of(&[
        (EntryType::Directory, "./", "", 0o755),
        (EntryType::Directory, "./pkg-1/", "", 0o700),
        (EntryType::Regular, "./pkg-1/bin/tool", "#!/bin/sh\n", 0o4711),
        (EntryType::Regular, "./pkg-1/data", "text", 0o600),
        (EntryType::Link, "./pkg-1/hard", "./pkg-1/data", 0o600),
        (EntryType::Symlink, "./pkg-1/soft", "/absolute/elsewhere", 0o777),
        (EntryType::Symlink, "./pkg-1/sbin", "bin", 0o777),
        (EntryType::Regular, "./pkg-1/sbin/second", "x", 0o644),
    ])
}

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        Place { dir: tempfile::tempdir().unwrap() }
    }

    fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.dir.path().join("archive");
        fs::write(&path, content).unwrap();
        path
    }

    fn out(&self) -> PathBuf {
        self.dir.path().join("deep/out")
    }

    fn unpack(&self, content: &[u8]) -> Result<Unpacked> {
        unpack_archive(&self.file(content), &self.out())
    }
}

fn compressed(content: &[u8]) -> Vec<(Compression, Vec<u8>)> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(content).unwrap();
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(content).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(content).unwrap();
    vec![
        (Compression::Gzip, gzip.finish().unwrap()),
        (Compression::Xz, xz.finish().unwrap()),
        (Compression::Bzip2, bzip2.finish().unwrap()),
        (Compression::Zstd, zstd::encode_all(content, 1).unwrap()),
    ]
}

fn deb_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = ar::MAGIC.to_vec();
    for (name, content) in members {
        writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`", 0, 0, 0, "100644", content.len()).unwrap();
        out.extend(*content);
        out.resize(out.len().next_multiple_of(2), b'\n');
    }
    out
}

#[test]
fn keeps_kinds_links_and_the_executable_bit() {
    let place = Place::new();
    let unpacked = place.unpack(&honest()).unwrap();
    assert_eq!(unpacked, Unpacked { entries: 7, top: BTreeSet::from([PathBuf::from("pkg-1")]) });
    let root = place.out().join("pkg-1");
    let mode = |name: &str| fs::symlink_metadata(root.join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("bin/tool"), mode("data"), mode(""), mode("bin")), (0o755, 0o644, 0o755, 0o755));
    assert_eq!(fs::read_to_string(root.join("data")).unwrap(), "text");
    assert_eq!(
        fs::metadata(root.join("hard")).unwrap().ino(),
        fs::metadata(root.join("data")).unwrap().ino()
    );
    assert_eq!(fs::read_link(root.join("soft")).unwrap(), Path::new("/absolute/elsewhere"));
    assert_eq!(fs::read_to_string(root.join("bin/second")).unwrap(), "x", "links inside are followed");
    for name in ["bin/tool", "data", "", "bin", "soft"] {
        assert_eq!(fs::symlink_metadata(root.join(name)).unwrap().mtime(), 1, "{name}");
    }
}

#[test]
fn keeps_times_when_asked() {
    let place = Place::new();
    unpack_with(&place.file(&honest()), &place.out(), Times::Kept).unwrap();
    for name in ["data", "soft", ""] {
        assert_eq!(fs::symlink_metadata(place.out().join("pkg-1").join(name)).unwrap().mtime(), 1_000_000);
    }
}

#[test]
fn reads_every_compression_and_concatenated_streams() {
    let tar = honest();
    let (first, second) = tar.split_at(700);
    for ((kind, whole), parts) in
        compressed(&tar).into_iter().zip(compressed(first).into_iter().zip(compressed(second)))
    {
        assert_eq!(Compression::detect(&whole), Some(kind));
        let joined = [parts.0.1, parts.1.1].concat();
        for content in [whole, joined] {
            let place = Place::new();
            assert_eq!(place.unpack(&content).unwrap().entries, 7, "{kind:?}");
            assert!(is_archive(&place.file(&content)).unwrap());
        }
    }
}

#[test]
fn unpacks_the_data_of_a_debian_package() {
    for (index, (_, data)) in compressed(&honest()).into_iter().enumerate() {
        let name = ["data.tar.gz", "data.tar.xz/", "data.tar.bz2", "data.tar"][index];
        let deb = deb_of(&[("debian-binary", b"2.0\n"), ("control.tar.gz", b"odd"), (name, &data)]);
        let place = Place::new();
        assert_eq!(unpack_deb(&place.file(&deb), &place.out()).unwrap().entries, 7);
        assert_eq!(place.unpack(&deb).unwrap().entries, 7);
    }
    let place = Place::new();
    let error = place.unpack(&deb_of(&[("debian-binary", b"2.0\n")])).unwrap_err();
    assert!(error.to_string().ends_with("has no member `data.tar`"), "{error}");
}

#[test]
fn nothing_is_written_outside() {
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap();
    let file = |name| (EntryType::Regular, name, "evil", 0o644);
    let cases: &[&[Entry]] = &[
        &[file("../evil")],
        &[file("a/../../evil")],
        &[file("/evil")],
        &[(EntryType::Symlink, "a", target, 0o777), file("a/evil")],
        &[(EntryType::Symlink, "a", "../..", 0o777), file("a/evil")],
        &[(EntryType::Symlink, "a", target, 0o777), (EntryType::Directory, "a/evil", "", 0o755)],
        &[(EntryType::Symlink, "a", target, 0o777), (EntryType::Directory, "a", "", 0o755)],
        &[(EntryType::Link, "a", "/etc/passwd", 0o644)],
        &[(EntryType::Link, "a", "../archive", 0o644)],
        &[(EntryType::Symlink, "b", "b2", 0o777), (EntryType::Symlink, "b2", target, 0o777), file("b/evil")],
    ];
    for entries in cases {
        let place = Place::new();
        let error = place.unpack(&tar_of(entries)).unwrap_err();
        assert!(matches!(error, ArchiveError::Escape { .. }), "{entries:?}: {error:?}");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{entries:?}");
    }
}

#[test]
fn a_file_replaces_a_link_instead_of_writing_through_it() {
    let place = Place::new();
    let victim = place.dir.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let link = (EntryType::Symlink, "a", victim.to_str().unwrap(), 0o777);
    place.unpack(&tar_of(&[link, (EntryType::Regular, "a", "theirs", 0o644)])).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(fs::read_to_string(place.out().join("a")).unwrap(), "theirs");
}

#[test]
fn devices_and_pipes_are_refused() {
    for (kind, text) in [(EntryType::Char, "a device"), (EntryType::Fifo, "a named pipe")] {
        let error = Place::new().unpack(&tar_of(&[(kind, "dev/x", "", 0o644)])).unwrap_err();
        assert!(error.to_string().contains(&format!("is {text}, which is not unpacked")), "{error}");
    }
}

#[test]
fn damaged_and_foreign_files_are_errors() {
    let tar = honest();
    for (kind, content) in compressed(&tar) {
        let place = Place::new();
        let error = place.unpack(&content[..content.len() / 2]).unwrap_err();
        assert!(matches!(error, ArchiveError::Read { .. }), "{kind:?}: {error:?}");
    }
    assert!(matches!(Place::new().unpack(&tar[..1600]).unwrap_err(), ArchiveError::Read { .. }));
    for foreign in [&b""[..], b"plain text", b"PK\x03\x04", &[b'x'; 2000]] {
        let place = Place::new();
        assert!(matches!(place.unpack(foreign).unwrap_err(), ArchiveError::Unknown { .. }));
        assert!(!is_archive(&place.file(foreign)).unwrap());
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let place = Place::new();
    fs::create_dir_all(place.out()).unwrap();
    fs::write(place.out().join("pkg-1"), "in the way").unwrap();
    let error = place.unpack(&honest()).unwrap_err();
    assert!(matches!(&error, ArchiveError::Write { path, .. } if path.ends_with("pkg-1")), "{error:?}");
    assert_eq!(fs::metadata(place.out()).unwrap().permissions().mode() & 0o111, 0o111);
}
