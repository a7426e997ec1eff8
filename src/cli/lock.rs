//! `hpcl lock`: writes down the channels, and all derivations and sources that packages come to with them.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};

use super::{Outcome, channels, options::PackageOptions, session};
use crate::{
    channel::lock::Lock,
    report::{Failure, warning},
};

/// Arguments of `hpcl lock`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// The file
    #[arg(short, long, value_name = "FILE", default_value = "hpcl.lock", value_hint = ValueHint::FilePath)]
    output: PathBuf,
}

/// Writes the file.
pub fn run(arguments: &Arguments) -> Outcome {
    let instances = channels::in_use()?;
    let loose = instances.iter().filter(|instance| instance.declared.commit.is_none());
    let mut loose: Vec<String> = loose.map(|instance| instance.declared.url.clone()).collect();
    loose.extend(arguments.packages.recipes.directories().iter().map(|path| path.display().to_string()));
    for directory in loose {
        warning(&format!(
            "`{directory}` has no commits: what is evaluated from it is locked, but it cannot be gone back to"
        ));
    }
    let (evaluated, _) = session::wanted(&arguments.packages)?;
    let mut lock = Lock::of_channels(&instances);
    lock.add(&evaluated.graph);
    let folder = arguments.output.parent().filter(|folder| !folder.as_os_str().is_empty());
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot write `{}`: {error}", arguments.output.display()))
    };
    let mut draft = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder.unwrap_or(std::path::Path::new(".")))
        .map_err(failed)?;
    draft.write_all(lock.to_text().as_bytes()).map_err(failed)?;
    draft.persist(&arguments.output).map_err(|error| failed(error.error))?;
    writeln!(
        std::io::stdout(),
        "{}: {} channels, {} derivations, {} downloads",
        arguments.output.display(),
        lock.channels.len(),
        lock.derivations.len(),
        lock.sources.len()
    )?;
    Ok(ExitCode::SUCCESS)
}
