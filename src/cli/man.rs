//! `hpcl man`: the manual pages, made of what `--help` says.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, ValueHint};

use super::{Cli, Outcome};
use crate::report::Failure;

/// Arguments of `hpcl man`.
#[derive(Args)]
pub struct Arguments {
    /// Write a page for hpcl and one for each verb into a directory, such as `~/.local/share/man/man1`
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// The verb whose page is printed, as in `hpcl man build | man -l -`
    #[arg(value_name = "VERB", conflicts_with = "dir")]
    verb: Vec<String>,
}

/// Writes the pages.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut command = Cli::command();
    // Makes names such as `hpcl cache push`, and global options, known below.
    command.build();
    if let Some(directory) = &arguments.dir {
        std::fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .map_err(|error| Failure::new(format!("cannot write to `{}`: {error}", directory.display())))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut shown = &command;
    for verb in &arguments.verb {
        shown = shown.find_subcommand(verb).ok_or_else(|| {
            Failure::new(format!("there is no verb `{verb}`"))
                .hint("`hpcl --help` lists them")
                .code(crate::report::exit_code::USAGE)
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(shown.clone()).render(&mut page)?;
    std::io::stdout().write_all(&page)?;
    Ok(ExitCode::SUCCESS)
}
