//! `hpcl shell`: an environment with packages, for a command or an interactive shell.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use clap::Args;

use serde::{Deserialize, Serialize};

use super::{
    Outcome,
    options::{BuildOptions, PackageOptions},
    profile::{ShellName, make, print_settings, realised},
    realise, session,
};
use crate::{
    graph::NodeId,
    host::{Evaluated, Planned, Question, Request},
    profile::{self, Kind, SearchPath},
    report::{Failure, exit_code},
    store::LocalStore,
    store_path::StorePath,
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
    /// Print the variables of the environment instead of entering it
    #[arg(long, conflicts_with = "command")]
    search_paths: bool,
    /// The shell that variables are printed for [default: that of `$SHELL`]
    #[arg(long, value_name = "SHELL", requires = "search_paths")]
    shell: Option<ShellName>,
    /// Print the variables as JSON
    #[arg(long, requires = "search_paths")]
    json: bool,
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
    if arguments.search_paths {
        if let Some((place, paths)) = session.profile(&realise::open_store()?)? {
            let settings = profile::settings(&[(place, paths)]);
            let kind = if arguments.pure { Kind::Exact } else { Kind::Prefix };
            print_settings(&settings, kind, arguments.shell, arguments.json)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
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
        let store = realise::open_store()?;
        let Some((place, search_paths)) = self.profile(&store)? else { return Ok(ExitCode::SUCCESS) };
        let item = store.item_of(&place).map(|(item, _)| item);
        let path = item.as_ref().ok_or_else(|| Failure::new("the profile has no output"))?;
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

impl Session<'_> {
    /// Makes the profile and returns where it is, and its search paths; nothing if it was only to be shown what would be built.
    fn profile(&self, store: &LocalStore) -> Result<Option<(PathBuf, Vec<SearchPath>)>, Failure> {
        let question = self.question()?;
        if let Some(known) = question.as_ref().and_then(Question::answer::<Known>)
            && let Ok(item) = StorePath::parse(&known.profile)
        {
            store.protect([&item])?;
            if store.is_valid(&item)? {
                return Ok(Some((store.local_path(&item), known.search_paths)));
            }
        }
        let mut evaluation = session::evaluation(&self.packages.recipes)?;
        let entries = evaluation.entries(&self.request)?;
        let search_paths = evaluation.search_paths(&entries)?;
        let node = evaluation.profile(&entries)?;
        // What packages are built with may be more than packages, and is not meant to be looked at.
        let planned = if self.request.development { Vec::new() } else { evaluation.plan(&entries)? };
        let mut evaluated = evaluation.finish()?;
        let Some(item) = environment(&mut evaluated, store, &planned, node, self.build)? else {
            return Ok(None);
        };
        if let Some(question) = question {
            let known = Known { profile: item.to_string(), search_paths: search_paths.clone() };
            question.keep(&evaluated, known);
        }
        Ok(Some((store.local_path(&item), search_paths)))
    }

    /// What is asked, where the answer depends on channels, the manifests' texts and local files alone.
    fn question(&self) -> Result<Option<Question>, Failure> {
        let BuildOptions { check, repair, dry_run, .. } = *self.build;
        let own_sources = self.packages.transformations.have_own_sources();
        if check || repair || dry_run || own_sources || self.packages.recipes.locked.is_some() {
            return Ok(None);
        }
        let texts: Vec<Option<String>> =
            self.request.files.iter().map(|file| std::fs::read_to_string(file).ok()).collect();
        let channels = session::channels(&self.packages.recipes)?;
        Ok(Question::new(
            &channels,
            &format!("environment {:?} {texts:?} {:?}", self.request, session::providers()?),
        ))
    }
}

/// An environment that was made before.
#[derive(Serialize, Deserialize)]
struct Known {
    profile: String,
    search_paths: Vec<SearchPath>,
}

/// Makes the profile of an environment: that of the graph or, where hooks have something to do, one of the items with what they
/// make.
fn environment(
    evaluated: &mut Evaluated,
    store: &LocalStore,
    planned: &[Planned],
    node: NodeId,
    build: &BuildOptions,
) -> Result<Option<StorePath>, Failure> {
    if !planned.is_empty() && !build.dry_run {
        let Some(manifest) = realised(evaluated, store, planned, build)? else { return Ok(None) };
        let items: Vec<PathBuf> =
            manifest.transitive().iter().map(|entry| store.local_path(&entry.item)).collect();
        if !profile::hooks(&items).is_empty() && manifest.clash().is_none() {
            return make(store, &manifest, build).map(Some);
        }
    }
    let paths = realise::realise(evaluated, store, &[(node, "out".to_owned())], build)?;
    Ok(paths.and_then(|paths| paths.into_iter().next()))
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
