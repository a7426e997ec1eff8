//! `hpcl fmt`: writes programs in the one format.
//!
//! Files are replaced by renaming, only when they change. With `--check` nothing is written: the differences are printed
//! and the exit code tells.

use std::{
    io::{Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueHint};
use rayon::prelude::*;
use similar::TextDiff;

use super::Outcome;
use crate::{
    editor::{Formatted, format_text},
    report::{Failure, color, exit_code},
};

/// Arguments of `hpcl fmt`.
#[derive(Args)]
pub struct Arguments {
    /// Files, and directories whose `.hpcl` and `.scm` files are meant [default: the current directory]
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Write nothing; print the differences and exit with 1 if there are any
    #[arg(long)]
    check: bool,
    /// Read a program from standard input and print it in the format
    #[arg(long, conflicts_with = "paths")]
    stdin: bool,
}

/// A text before and after, where they differ.
struct Change {
    old: String,
    new: String,
}

/// Formats.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.stdin {
        return standard_input(arguments.check);
    }
    let current = [PathBuf::from(".")];
    let paths = if arguments.paths.is_empty() { &current[..] } else { &arguments.paths };
    let files = paths.iter().map(|path| files(path)).collect::<Result<Vec<_>, _>>()?.concat();
    let results: Vec<Result<Option<Change>, Failure>> =
        files.par_iter().map(|path| change(path, std::fs::read(path))).collect();
    let mut code = exit_code::SUCCESS;
    let mut out = Vec::new();
    for (path, result) in files.iter().zip(results) {
        match result {
            Ok(None) => {}
            Ok(Some(change)) if arguments.check => {
                out.extend(difference(path, &change).into_bytes());
                code = code.max(exit_code::FAILURE);
            }
            Ok(Some(change)) => {
                replace(path, &change.new)
                    .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
                writeln!(out, "{}", path.display())?;
            }
            Err(failure) => {
                failure.print();
                code = exit_code::EVALUATION;
            }
        }
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::from(code))
}

fn standard_input(check: bool) -> Outcome {
    let mut bytes = Vec::new();
    let name = Path::new("<standard input>");
    let read = std::io::stdin().read_to_end(&mut bytes).map(|_| bytes.clone());
    let change = change(name, read)?;
    let mut stdout = std::io::stdout();
    match (change, check) {
        (None, true) => Ok(ExitCode::SUCCESS),
        (Some(change), true) => {
            stdout.write_all(difference(name, &change).as_bytes())?;
            Ok(ExitCode::from(exit_code::FAILURE))
        }
        (change, false) => {
            let same = || String::from_utf8_lossy(&bytes).into_owned();
            stdout.write_all(change.map_or_else(same, |change| change.new).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Returns a file, or the programs below a directory, sorted; what is hidden is left out.
fn files(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let shown = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_str().is_some_and(|name| name.starts_with('.'))
    };
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name().into_iter().filter_entry(shown) {
        let entry = entry.map_err(|error| Failure::new(error.to_string()))?;
        let ending = entry.path().extension().and_then(|ending| ending.to_str());
        if entry.file_type().is_file() && matches!(ending, Some("hpcl" | "scm")) {
            found.push(entry.path().strip_prefix("./").unwrap_or(entry.path()).to_owned());
        }
    }
    Ok(found)
}

fn change(path: &Path, read: std::io::Result<Vec<u8>>) -> Result<Option<Change>, Failure> {
    let name = path.display().to_string();
    let refused =
        |why: String| Failure::new(format!("cannot read `{name}`: {why}")).code(exit_code::EVALUATION);
    let bytes = read.map_err(|error| refused(error.to_string()))?;
    let old = String::from_utf8(bytes)
        .map_err(|error| refused(format!("it is not UTF-8: {}", error.utf8_error())))?;
    match format_text(&name, &old, color()) {
        Formatted::Same => Ok(None),
        Formatted::Changed(new) => Ok(Some(Change { old, new })),
        Formatted::Unreadable(rendered) => Err(Failure::rendered(rendered).code(exit_code::EVALUATION)),
        Formatted::Refused(message) => Err(Failure::new(message)),
    }
}

fn difference(path: &Path, change: &Change) -> String {
    let name = path.strip_prefix("/").unwrap_or(path).display();
    TextDiff::from_lines(&change.old, &change.new)
        .unified_diff()
        .context_radius(3)
        .header(&format!("a/{name}"), &format!("b/{name}"))
        .to_string()
}

/// Replaces a file by one with another text and the same permissions; a symbolic link stays one.
pub(super) fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(std::fs::metadata(&path)?.permissions())?;
    file.persist(&path)?;
    Ok(())
}
