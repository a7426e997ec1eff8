//! Archives as they are found, and as they should not be.

use super::*;

#[path = "../../tests/common/packed.rs"]
mod packed;

use packed::{tar_gz, zip_of};

#[test]
fn the_root_is_read_and_nothing_else() {
    let members: &[(&str, &[u8])] = &[
        ("a-1/PKG-INFO", b"Name: a"),
        ("a-1/pyproject.toml", b"[build-system]"),
        ("a-1/vendor/pyproject.toml", b"wrong"),
        ("a-1/src/a.egg-info/requires.txt", b"b"),
        ("a-1/src/x.pyx", b""),
        ("a-1/rust/Cargo.lock", b"lock"),
        (
            "a-1/rust/Cargo.toml",
            b"[package]\nrust-version = '1.80'\n[workspace.package]\nrust-version = '1.90'",
        ),
        ("a-1/rust/b/Cargo.toml", b"[package]\nedition = '2024'\nrust-version = { workspace = true }"),
        ("a-1/rust/c/Cargo.toml", b"[package]\nedition = '2021'"),
        ("a-1/conf/own/hooks.py", b"def get_requires_for_build_wheel(c): pass"),
        ("a-1/conf/other.py", b"def build_wheel(c): pass"),
        ("a-1/b/c/d/e/deep.py", b"def get_requires_for_build_wheel(c): pass"),
    ];
    let from_tar = of_tar(&mut tar_gz(members).as_slice()).unwrap();
    assert_eq!(from_tar.text("pyproject.toml"), Some("[build-system]"));
    assert_eq!(from_tar.requires.as_deref(), Some("b"));
    assert_eq!(from_tar.locks, [("rust/Cargo.lock".to_owned(), "lock".to_owned())].into());
    let versions: Vec<(&str, &str)> =
        from_tar.rust_versions.iter().map(|(path, version)| (path.as_str(), version.as_str())).collect();
    assert_eq!(versions, [("rust/Cargo.toml", "1.90"), ("rust/b/Cargo.toml", "1.85")]);
    assert_eq!(from_tar.languages, ["pyx"]);
    assert_eq!(from_tar.backends.keys().collect::<Vec<_>>(), ["conf/own/hooks.py"]);
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
    assert_eq!(of_tar(&mut tar_gz::<&str, &[u8]>(&[]).as_slice()).unwrap_err(), "it is empty");
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
