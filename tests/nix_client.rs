//! `hpcl publish` with a real Nix as its client: it takes what a trusted key signed, and nothing else.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use common::{Ended, TestEnvironment, sandbox_or_skip, two_packages};
use hpcl::store_path::CANONICAL_STORE;

#[test]
fn nix_copies_from_a_published_store() {
    const TEST: &str = "nix_copies_from_a_published_store";
    if !sandbox_or_skip(TEST) {
        return;
    }
    if Command::new("nix").arg("--version").output().is_err() {
        return eprintln!("SKIPPED {TEST}: there is no Nix on this machine");
    }
    let user = TestEnvironment::new();
    user.write("recipe.hpcl", &two_packages("#$output"));
    let built = user.run(&["build", "-f", "recipe.hpcl"]).success();
    let name = built.trim().rsplit_once('/').unwrap().1.to_owned();
    let public = user.run(&["cache", "keygen", "here-1", "-o", "key"]).success();
    let mut command = user.command(&["publish", "--port", "0", "--key", "key", "--quiet"]);
    let mut server = Ended(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let url = lines.next().unwrap().unwrap().rsplit_once(" at ").unwrap().1.to_owned();
    std::thread::spawn(move || lines.for_each(drop));
    let copy = |root: &Path, key: &str| {
        Command::new("nix")
            .args(["--extra-experimental-features", "nix-command", "copy", "--from", &url, "--to"])
            .arg(root)
            .args(["--option", "trusted-public-keys", key])
            .arg(format!("{CANONICAL_STORE}/{name}"))
            .env("NIX_STORE_DIR", CANONICAL_STORE)
            .env("NIX_CONF_DIR", user.home().join("none"))
            .env("HOME", user.home())
            .output()
            .unwrap()
    };
    let root = user.home().join("root");
    let copied = copy(&root, public.trim());
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    assert!(copied.status.success(), "{said}");
    // Wherever Nix keeps the store below its root: the content is the canonical one.
    let found: Vec<_> = walkdir::WalkDir::new(&root)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().ends_with("-low-1"))
        .map(walkdir::DirEntry::into_path)
        .collect();
    assert_eq!(found.len(), 1, "{found:?}");
    let item = found[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(std::fs::read_to_string(&found[0]).unwrap(), format!("{CANONICAL_STORE}/{item}"));
    let other = copy(&user.home().join("other"), "stranger-1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && said.contains("lacks a valid signature"), "{said}");
    for entry in
        walkdir::WalkDir::new(user.home()).into_iter().flatten().filter(|entry| entry.file_type().is_dir())
    {
        // Nix makes its copies read-only.
        let _ = std::fs::set_permissions(entry.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755));
    }
}
