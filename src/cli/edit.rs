//! `hpcl edit`: opens a recipe in the user's editor.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{Outcome, complete, lsp, options::RecipeOptions, session};
use crate::{
    channel::IndexEntry,
    host::{Keeper, Level},
    report::{self, Failure},
};

/// Arguments of `hpcl edit`.
#[derive(Args)]
pub struct Arguments {
    /// Packages: NAME or NAME@VERSION
    #[arg(required = true, value_name = "PACKAGE", add = ArgValueCompleter::new(complete::packages))]
    packages: Vec<String>,
    /// Print where the recipes are, FILE:LINE:COLUMN, and start no editor
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Opens the recipes, one editor after the other.
pub fn run(arguments: &Arguments) -> Outcome {
    for specification in &arguments.packages {
        let entry = definition(specification, &arguments.recipes)?;
        let (_, line, column) = entry.location;
        let file = file_of(&entry, &arguments.recipes)?;
        if arguments.print {
            writeln!(std::io::stdout(), "{}:{line}:{column}", file.display())?;
            continue;
        }
        let named = ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok());
        let named = named.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| "vi".to_owned());
        let mut words = named.split_whitespace();
        let program = words.next().unwrap_or("vi");
        let mut command = Command::new(program);
        command.args(words).args(place_arguments(program, &file, line, column));
        let status = command.status().map_err(|error| {
            Failure::new(format!("cannot start the editor `{program}`: {error}"))
                .hint("`EDITOR` names another one; `--print` only says where the recipe is")
        })?;
        if !status.success() {
            return Err(Failure::new(format!("the editor `{program}` ended with {status}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns where a package is defined, also one that cannot be evaluated.
fn definition(specification: &str, recipes: &RecipeOptions) -> Result<IndexEntry, Failure> {
    let (name, version) = match specification.rsplit_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (specification, None),
    };
    let channels = session::channels(recipes)?;
    let stored = Keeper::new(&channels).ensure(Level::Names, report::indexing().as_ref())?;
    let mut entries = stored.named(name).unwrap_or_default();
    entries.retain(|entry| {
        let is_meant = |own: &String| version.is_none_or(|text| super::show::is_version_prefix(text, own));
        entry.version.as_ref().map_or(version.is_none(), is_meant)
    });
    let newer = |one: &IndexEntry, other: &IndexEntry| {
        let version = |entry: &IndexEntry| entry.version.clone().unwrap_or_default();
        crate::profile::compare_versions(&version(one), &version(other))
    };
    match entries.into_iter().max_by(newer) {
        Some(entry) => Ok(entry),
        None => {
            // Evaluating it says that there is none, and what is meant perhaps.
            session::evaluation(recipes)?.package(specification)?;
            Err(Failure::new(format!("it is not known where `{specification}` is defined")))
        }
    }
}

/// Returns the file of a definition; of a bundled channel, a copy to read.
fn file_of(entry: &IndexEntry, recipes: &RecipeOptions) -> Result<PathBuf, Failure> {
    let channels = session::channels(recipes)?;
    if let Some(file) = channels.in_directories(entry.module.parts()) {
        return Ok(file);
    }
    let name = &entry.location.0;
    let text = name.strip_prefix("channels/").and_then(crate::channel::bundled_file);
    let text = text.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let copy = text.and_then(|text| lsp::library_file(name, text));
    let copy = copy.ok_or_else(|| Failure::new(format!("there is no file `{name}` to be opened")))?;
    let directory = Path::new(name).strip_prefix("channels").unwrap_or(Path::new(name));
    writeln!(
        anstream::stderr(),
        "`{name}` is part of hpcl, and this is a copy to read; to change it, put one at DIR/{} and use `-L DIR`",
        directory.display()
    )?;
    Ok(copy)
}

/// Returns the arguments by which an editor opens a file at a place.
fn place_arguments(program: &str, file: &Path, line: usize, column: usize) -> Vec<String> {
    let file = file.display().to_string();
    match program.rsplit('/').next().unwrap_or(program) {
        "code" | "codium" | "code-insiders" => vec!["--goto".to_owned(), format!("{file}:{line}:{column}")],
        "hx" | "helix" | "zed" | "subl" => vec![format!("{file}:{line}:{column}")],
        // vi, emacs, nano, micro, kak and most others.
        _ => vec![format!("+{line}"), file],
    }
}
