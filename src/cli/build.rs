//! `hpcl build`: makes packages or a manifest's profile valid in the store and prints where they are.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueHint};

use super::{
    Outcome,
    options::{BuildOptions, PackageOptions},
    plan, realise, session,
};
use crate::{report::Failure, store::LocalStore, store_path::StorePath};

/// Arguments of `hpcl build`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// Keep the result: make a link to it that protects it from `hpcl gc` (further results get `-1`, `-2`, …)
    #[arg(short, long, value_name = "LINK", value_hint = ValueHint::AnyPath)]
    root: Option<PathBuf>,
    #[command(flatten)]
    build: BuildOptions,
}

/// Builds.
pub fn run(arguments: &Arguments) -> Outcome {
    let (mut evaluated, wanted) = session::wanted(&arguments.packages)?;
    if arguments.build.dry_run {
        return plan::show(&arguments.packages, &evaluated, &wanted, &arguments.build, false);
    }
    let store = realise::open_store()?;
    let paths = realise::realise(&mut evaluated, &store, &wanted, &arguments.build)?;
    // The process ends: a graph of 100,000 derivations need not be taken apart.
    std::mem::forget(evaluated);
    let Some(paths) = paths else { return Ok(ExitCode::SUCCESS) };
    print_results(&store, &paths, arguments.root.as_deref(), &mut std::io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

/// Prints where results are, and keeps them by links if asked to.
pub fn print_results(
    store: &LocalStore,
    paths: &[StorePath],
    root: Option<&Path>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    for (number, path) in paths.iter().enumerate() {
        if let Some(link) = root {
            let mut name = link.as_os_str().to_owned();
            if number > 0 {
                name.push(format!("-{number}"));
            }
            store.add_root(&PathBuf::from(name), path)?;
        }
        writeln!(out, "{}", store.local_path(path).display())?;
    }
    Ok(())
}
