//! The registry that an installed cargo uses when nothing is configured.
//!
//! cargo has the address in itself: its program is searched for `sparse+https://…/`. Tried are the one that a derivation brings along, and
//! those of `PATH`; rustup's are shims there, whose toolchains lie in its own directory.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use url::Url;

use super::config::Environment;

/// What the address begins with.
const MARK: &[u8] = b"sparse+https://";
/// The longest address, and how much is read at once.
const LONGEST: usize = 256;
const BLOCK: usize = 1 << 20;

/// The registry of the first cargo that has one.
pub(super) fn default_registry(brought: Option<&Path>, environment: &Environment<'_>) -> Option<Url> {
    brought
        .map(Path::to_owned)
        .into_iter()
        .chain(programs(environment))
        .find_map(|program| of_program(&program).ok().flatten())
}

/// Files that may be cargo, the likeliest first.
fn programs(environment: &Environment<'_>) -> Vec<PathBuf> {
    let path = environment("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = path
        .split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join("cargo"))
        .collect();
    let home = environment("HOME").map(PathBuf::from);
    let cargo = environment("CARGO_HOME").map(PathBuf::from);
    found
        .extend(cargo.or_else(|| Some(home.as_ref()?.join(".cargo"))).map(|folder| folder.join("bin/cargo")));
    let rustup = environment("RUSTUP_HOME").map(PathBuf::from).or_else(|| Some(home?.join(".rustup")));
    let toolchains = rustup.and_then(|folder| std::fs::read_dir(folder.join("toolchains")).ok());
    let mut toolchains: Vec<PathBuf> =
        toolchains.into_iter().flatten().flatten().map(|entry| entry.path().join("bin/cargo")).collect();
    toolchains.sort();
    found.extend(toolchains);
    found
}

/// The first whole address of a sparse index in a program.
fn of_program(program: &Path) -> std::io::Result<Option<Url>> {
    let mut file = File::open(program)?;
    let mut window: Vec<u8> = Vec::new();
    loop {
        let read = file.by_ref().take(BLOCK as u64).read_to_end(&mut window)?;
        let mut rest = window.as_slice();
        while let Some(at) = memchr::memmem::find(rest, MARK) {
            let (_, found) = rest.split_at(at);
            if let Some(url) = address(found) {
                return Ok(Some(url));
            }
            rest = found.get(MARK.len()..).unwrap_or_default();
        }
        if read == 0 {
            return Ok(None);
        }
        // What began at the end of this block goes on in the next.
        let keep = window.len().saturating_sub(LONGEST);
        window.drain(..keep);
    }
}

/// The address that begins with the mark: a host's name with a dot in it, and the slash behind it. Strings of a program follow each other
/// without anything between them.
fn address(text: &[u8]) -> Option<Url> {
    let rest = text.get(MARK.len()..)?;
    let host: Vec<u8> = rest
        .iter()
        .copied()
        .take(LONGEST - MARK.len())
        .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-".contains(c))
        .collect();
    let whole = rest.get(host.len()) == Some(&b'/') && host.contains(&b'.') && !host.ends_with(b".");
    let host = String::from_utf8(host).ok().filter(|_| whole)?;
    Url::parse(&format!("https://{host}/")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_program() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("cargo");
        // Part of one, one across two blocks, and one that would come too late.
        let mut content = b"\x7fELF sparse+https://iints sparse+https://index".to_vec();
        content.resize(BLOCK - 20, b'x');
        content
            .extend(b"VERSIONsparse+https://index.crates.example/unsupportedsparse+https://other.example/");
        std::fs::write(&program, &content).unwrap();
        let path = home.path().display().to_string();
        let environment = |name: &str| (name == "PATH").then(|| path.clone());
        let found = default_registry(None, &environment).unwrap();
        assert_eq!(found.as_str(), "https://index.crates.example/");
        std::fs::write(&program, "a script that calls rustup").unwrap();
        assert!(of_program(&program).unwrap().is_none());
        let other = home.path().join("brought");
        std::fs::write(&other, "sparse+https://brought.example/").unwrap();
        assert_eq!(
            default_registry(Some(&other), &environment).unwrap().as_str(),
            "https://brought.example/"
        );
    }
}
