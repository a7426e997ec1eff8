//! `hpcl import json`: makes recipes of descriptions in JSON.

use std::{io::Read, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};

use super::{Outcome, RecipeOptions, module_of, provided, write};
use crate::{
    import::{Importer as _, json::JsonImporter},
    report::Failure,
};

/// Arguments of `hpcl import json`.
#[derive(Args)]
pub struct Arguments {
    /// A file with a description or a list of them; `-` is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Write the recipes into a file, a module of its own
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Imports.
pub fn run(arguments: &Arguments) -> Outcome {
    let file = arguments.file.display().to_string();
    let mut text = String::new();
    let read = match file.as_str() {
        "-" => std::io::stdin().read_to_string(&mut text),
        path => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| Failure::new(format!("cannot read `{file}`: {error}")))?;
    let module = arguments.output.as_deref().map_or(Ok("imported".to_owned()), module_of)?;
    let importer = JsonImporter { file: file.clone(), text, packages: provided(&arguments.recipes)? };
    let imported = importer.import()?;
    let header = [format!("Packages described in {file}, by hpcl import json.")];
    write(arguments.output.as_deref(), &module, &header, &imported)?;
    Ok(ExitCode::SUCCESS)
}
