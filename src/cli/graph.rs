//! `hpcl graph`: prints the graph of derivations in Graphviz's dot language.

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::{Outcome, options::PackageOptions, session};

/// Arguments of `hpcl graph`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
}

/// Prints the graph.
pub fn run(arguments: &Arguments) -> Outcome {
    let request = session::request(&arguments.packages)?;
    let mut evaluation = session::evaluation(&arguments.packages.recipes)?;
    let entries = evaluation.entries(&request)?;
    let roots: Vec<_> = evaluation.derivations(&entries)?.iter().map(|entry| entry.node).collect();
    let evaluated = evaluation.finish()?;
    std::io::stdout().write_all(evaluated.graph.to_dot(roots).as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
