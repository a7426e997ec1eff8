//! Archives as they are found, and as they should not be.

use std::io::Write;

use super::*;

fn tar_gz(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder =
        tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A Zip archive of deflated members.
pub(crate) fn zip_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(content).unwrap();
        let packed = deflate.finish().unwrap();
        let mut checksum = flate2::Crc::new();
        checksum.update(content);
        let offset = out.len() as u32;
        let mut common = Vec::new();
        common.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        common.extend(checksum.sum().to_le_bytes());
        common.extend((packed.len() as u32).to_le_bytes());
        common.extend((content.len() as u32).to_le_bytes());
        common.extend((name.len() as u16).to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend(&directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((members.len() as u16).to_le_bytes());
    out.extend((directory.len() as u32).to_le_bytes());
    out.extend(start.to_le_bytes());
    out.extend([0, 0]);
    out
}

#[test]
fn the_root_is_read_and_nothing_else() {
    let members: &[(&str, &[u8])] = &[
        ("a-1/PKG-INFO", b"Name: a"),
        ("a-1/pyproject.toml", b"[build-system]"),
        ("a-1/vendor/pyproject.toml", b"wrong"),
        ("a-1/src/a.egg-info/requires.txt", b"b"),
        ("a-1/src/x.pyx", b""),
        ("a-1/rust/Cargo.lock", b"lock"),
    ];
    let from_tar = of_tar(&mut tar_gz(members).as_slice()).unwrap();
    assert_eq!(from_tar.text("pyproject.toml"), Some("[build-system]"));
    assert_eq!((from_tar.requires.as_deref(), from_tar.locks.len()), (Some("b"), 1));
    assert_eq!(from_tar.languages, ["pyx"]);
    assert_eq!(of_zip(&zip_of(members)).unwrap(), from_tar);
}

#[test]
fn archives_that_lead_out_or_are_traps_are_refused() {
    let error = of_tar(&mut tar_gz(&[("a-1/../../etc/x", b"")]).as_slice()).unwrap_err();
    assert_eq!(error, "its member `a-1/../../etc/x` leads out of the archive");
    assert!(of_zip(&zip_of(&[("/etc/x", b"")])).unwrap_err().contains("leads out"));
    let mut reader = Reader::default();
    assert!(reader.wants("a/x", LARGEST_CONTENT + 1).unwrap_err().contains("looks like a trap"));
    assert!(
        Reader::default().wants("a/pyproject.toml", LARGEST_MEMBER + 1).unwrap_err().contains("is not read")
    );
    assert!(of_tar(&mut &b"not an archive"[..]).is_err());
    assert_eq!(of_tar(&mut tar_gz(&[]).as_slice()).unwrap_err(), "it is empty");
}

#[test]
fn damage_of_zip_archives_is_found() {
    let whole = zip_of(&[("a-1/PKG-INFO", b"Name: a\nVersion: 1\n")]);
    assert!(of_zip(&whole[..whole.len() - 30]).is_err());
    let mut damaged = whole.clone();
    damaged[50] ^= 0xff;
    assert!(of_zip(&damaged).unwrap_err().contains("PKG-INFO"));
    for end in 0..whole.len() {
        let _ = of_zip(&whole[..end]);
    }
}
