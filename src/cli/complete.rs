//! Completion on the command line: names of packages from the index, of what a profile holds from the profile.
//!
//! A shell starts hpcl at each Tab, so nothing is evaluated and no index of directories is made here: what was kept is asked, be
//! it of former files.

use std::{ffi::OsStr, io, path::PathBuf};

use clap::CommandFactory;
use clap_complete::{CompletionCandidate, env::CompleteEnv};

use super::{Cli, options::RecipeOptions, realise, session};
use crate::{host::Keeper, profile::Profile};

/// The variable by which a shell asks for completions.
const VARIABLE: &str = "HPCL_COMPLETE";

/// Answers a shell that asks for completions; then the program ends.
pub fn answer() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(Cli::command).var(VARIABLE).bin("hpcl").complete();
    }
}

/// Writes what makes a shell ask.
pub fn write_registration(shell: &str, out: &mut dyn io::Write) -> io::Result<()> {
    let shells = clap_complete::env::Shells::builtins();
    let completer = shells.completer(shell).ok_or(io::ErrorKind::Unsupported)?;
    if completer.name() == "bash" {
        // Else a specification would be several words: `NAME`, `@`, `VERSION`.
        writeln!(out, "COMP_WORDBREAKS=${{COMP_WORDBREAKS//[@:]/}}")?;
    }
    completer.write_registration(VARIABLE, "hpcl", "hpcl", "hpcl", out)
}

/// Completes a specification: a name, after `@` a version, after `:` an output.
pub fn packages(current: &OsStr) -> Vec<CompletionCandidate> {
    current
        .to_str()
        .and_then(matching)
        .unwrap_or_default()
        .into_iter()
        .map(CompletionCandidate::new)
        .collect()
}

/// Completes the name of a package of a profile.
pub fn installed(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = || -> Option<Vec<String>> {
        let current = current.to_str()?;
        let option =
            |name: &str| -> Option<PathBuf> { value_after(name).into_iter().next().map(PathBuf::from) };
        let profile = Profile::named(option("-p").or_else(|| option("--profile")).as_deref()).ok()?;
        let manifest = profile.manifest(&realise::open_store().ok()?).ok()?;
        let mut names: Vec<String> = manifest.entries.into_iter().map(|entry| entry.name).collect();
        names.retain(|name| name.starts_with(current));
        names.dedup();
        Some(names)
    };
    names().unwrap_or_default().into_iter().map(CompletionCandidate::new).collect()
}

fn matching(current: &str) -> Option<Vec<String>> {
    let mut load_path: Vec<PathBuf> = value_after("-L").into_iter().map(PathBuf::from).collect();
    load_path.extend(value_after("--load-path").into_iter().map(PathBuf::from));
    let channels = session::channels(&RecipeOptions { load_path, ..RecipeOptions::default() }).ok()?;
    let keeper = Keeper::new(&channels);
    let stored = match keeper.open() {
        Some(stored) => stored,
        // The bundled channels are small enough to be looked at now.
        None if channels.directories().is_empty() => {
            keeper.ensure(crate::host::Level::Packages, None).ok()?
        }
        None => return None,
    };
    let Some(listing) = stored.listing() else {
        let mut names = stored.names()?;
        names.retain(|name| name.starts_with(current));
        return Some(names);
    };
    let rows = listing.rows()?;
    let listed = rows.iter().filter(|row| row.is_listed());
    let mut found: Vec<String> = match (current.split_once(':'), current.split_once('@')) {
        (Some((package, _)), _) => {
            let name = package.split('@').next().unwrap_or(package);
            let outputs = listed.filter(|row| row.name == name).flat_map(|row| row.outputs.split(' '));
            outputs.map(|output| format!("{package}:{output}")).collect()
        }
        (None, Some((name, _))) => {
            listed.filter(|row| row.name == name).map(|row| format!("{name}@{}", row.version)).collect()
        }
        (None, None) => listed.map(|row| row.name.to_owned()).collect(),
    };
    found.retain(|text| text.starts_with(current));
    found.dedup();
    Some(found)
}

/// The values of an option on the command line that is being written.
fn value_after(option: &str) -> Vec<String> {
    let words: Vec<String> = std::env::args().collect();
    let joined = format!("{option}=");
    let next = words
        .iter()
        .zip(words.iter().skip(1))
        .filter(|(word, _)| *word == option)
        .map(|(_, next)| next.clone());
    next.chain(words.iter().filter_map(|word| word.strip_prefix(&joined).map(str::to_owned))).collect()
}
