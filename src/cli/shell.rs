//! `hpcl shell`: an environment with packages, for a command or an interactive shell.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Args;

use super::{
    Outcome,
    options::{BuildOptions, PackageOptions},
    realise, session,
};
use crate::{
    host::Request,
    profile,
    report::{Failure, exit_code},
};

/// Arguments of `hpcl shell`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// Hide the variables of the calling environment, but for who the user is and where the terminal is
    #[arg(long)]
    pure: bool,
    /// The environment in which the packages are built, instead of the packages
    #[arg(short = 'D', long)]
    development: bool,
    #[command(flatten)]
    build: BuildOptions,
    /// The command to run instead of a shell
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Enters the environment.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut request = session::request(&arguments.packages)?;
    request.development = arguments.development;
    let command = match arguments.command.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => (std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into()), Vec::new()),
    };
    let session =
        Session { request, packages: &arguments.packages, build: &arguments.build, pure: arguments.pure };
    session.enter(|_| Ok(command))
}

/// What it takes to enter an environment; shared with `hpcl run`.
pub struct Session<'a> {
    /// What is in it.
    pub request: Request,
    /// Where recipes come from.
    pub packages: &'a PackageOptions,
    /// How to build what is missing.
    pub build: &'a BuildOptions,
    /// Whether the calling environment is hidden.
    pub pure: bool,
}

impl Session<'_> {
    /// Builds the profile and becomes the command, which may depend on where the profile is.
    pub fn enter(
        &self,
        command: impl FnOnce(&Path) -> Result<(OsString, Vec<OsString>), Failure>,
    ) -> Outcome {
        let mut evaluation = session::evaluation(&self.packages.recipes)?;
        let entries = evaluation.entries(&self.request)?;
        let search_paths = evaluation.search_paths(&entries)?;
        let node = evaluation.profile(&entries)?;
        let mut evaluated = evaluation.finish()?;
        let store = realise::open_store()?;
        let wanted = [(node, "out".to_owned())];
        let Some(paths) = realise::realise(&mut evaluated, &store, &wanted, self.build)? else {
            return Ok(ExitCode::SUCCESS);
        };
        let path = paths.first().ok_or_else(|| Failure::new("the profile has no output"))?;
        let place = store.local_path(path);
        let (program, rest) = command(&place)?;
        let environment = profile::environment(&place, &search_paths, std::env::vars_os(), self.pure);
        let search = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.clone());
        let resolved = find_program(&program, search.as_ref());
        // This process becomes the command and keeps the lock of its session: the profile stays until it ends.
        if let Some(lease) = store.protect_across_exec([path])? {
            keep_lease(&lease)?;
        }
        let error = Command::new(resolved.as_ref().unwrap_or(&program.clone().into()))
            .arg0(&program)
            .args(rest)
            .env_clear()
            .envs(environment)
            .exec();
        Err(Failure::new(format!("cannot run `{}`: {error}", program.to_string_lossy()))
            .hint("name the package that has it, or give the program's whole path")
            .code(exit_code::NOT_FOUND))
    }
}

/// Starts what renews a lease for as long as this process, or what it becomes, lives. It is nobody's child, for programs wait for theirs.
fn keep_lease(lease: &Path) -> Result<(), Failure> {
    let program = std::env::current_exe()?;
    let status = Command::new(program)
        .arg("__lease")
        .arg(lease)
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new("the environment cannot be kept from being collected"))
    }
}

/// Arguments of `hpcl __lease`.
#[derive(Args)]
pub struct LeaseArguments {
    /// The file that is touched
    file: PathBuf,
    /// The process
    process: u32,
    /// Do it, and not only start who does
    #[arg(long)]
    stay: bool,
}

/// Renews a lease for a process, in another process that has left its parent.
pub fn lease(arguments: &LeaseArguments) -> Outcome {
    if arguments.stay {
        // A lease that cannot be renewed runs out, which is all that can be done.
        let _ = crate::store::renew_lease_for(&arguments.file, arguments.process);
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("__lease").arg("--stay").arg(&arguments.file).arg(arguments.process.to_string());
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Nobody waits for it here: its parent ends.
    let _ = command.spawn()?;
    Ok(ExitCode::SUCCESS)
}

/// Finds a program in the environment that it will run in, not in the one that hpcl runs in.
fn find_program(program: &OsString, search: Option<&OsString>) -> Option<PathBuf> {
    if program.to_string_lossy().contains('/') {
        return Some(PathBuf::from(program));
    }
    std::env::split_paths(search?).map(|directory| directory.join(program)).find(|path| {
        use std::os::unix::fs::PermissionsExt;
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    })
}
