//! `builtin:fetchurl` and `builtin:fetchgit`: fixed outputs fetched in this process, outside any sandbox.
//!
//! For the first, the environment names `urls`, one per line, tried in order; with `executable` the file may be run, with `unpack` it is an
//! archive whose only top directory (or whose whole content) becomes the output; `cargo` is a program that knows a registry of crates.
//! For the second it names a repository's `url` and the `revision` whose files become the output. The promise of the output is checked by
//! the store; for a plain file it is checked while streaming too, so a wrong mirror is found out at once and a broken
//! download is continued, also by a later run: partial files stay in `var/fetch`.
//!
//! Invariant: the lock of the output is held while its partial file is written.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    ops::ControlFlow,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::{
    BuildError, BuildResult, Done, Event, Executor, Options, Task, local::lock_outputs, plan::FETCHGIT,
};
use crate::{
    fetch::{Checkout, Download, FetchError, Fetcher, Progress},
    hash::Digest,
    store::{LocalStore, Registration, Staged, remove_tree},
    store_path::ContentMethod,
};

/// How often progress is told at most.
const TELL_EVERY: Duration = Duration::from_millis(50);

/// Fetches files in threads of this process.
pub struct FetchExecutor<'a> {
    store: &'a LocalStore,
    options: &'a Options,
    /// Made when first used: reading certificates and settings takes a moment.
    fetcher: OnceLock<Result<Fetcher, String>>,
}

impl<'a> FetchExecutor<'a> {
    /// An executor for one store.
    pub fn new(store: &'a LocalStore, options: &'a Options) -> Self {
        FetchExecutor { store, options, fetcher: OnceLock::new() }
    }

    fn fetcher(&self) -> Result<&Fetcher, BuildError> {
        let made = self
            .fetcher
            .get_or_init(|| Fetcher::of_host().map_err(|error| crate::executor::error::chain(&error)));
        made.as_ref().map_err(|reason| BuildError::NotStarted { reason: reason.clone() })
    }

    /// Nothing when another process is fetching it.
    fn fetch(&self, task: &Task<'_>) -> Result<Option<BuildResult>, BuildError> {
        let started = Instant::now();
        let derivation = &task.node.derivation;
        let bad = |variable: &str, problem| BuildError::BadDerivation { variable: variable.into(), problem };
        let output = derivation.outputs.values().next().ok_or_else(|| bad("outputs", "are none"))?;
        let fixed = output.fixed.ok_or_else(|| bad("outputHash", "is missing: a fetched file needs one"))?;
        let Some(locks) = lock_outputs(self.store, task)? else { return Ok(None) };
        if self.store.is_valid(&output.path)? {
            return Ok(Some(BuildResult::AlreadyThere));
        }
        let directory = self.store.var_dir().join("fetch");
        fs::create_dir_all(&directory).map_err(BuildError::io("create", &directory))?;
        let place = directory.join(output.path.as_str());
        let (tree, received) = if derivation.builder == FETCHGIT {
            // What an earlier run left is of no use: a repository is fetched as a whole.
            remove_tree(&place).map_err(BuildError::io("remove", &place))?;
            self.checkout(task, &place)?
        } else {
            let expected = (fixed.method == ContentMethod::Flat).then_some(fixed.digest);
            self.download(task, expected, &place)?
        };
        let lock = locks.first().expect("the only output was locked");
        let how = Registration {
            deriver: Some(task.node.path.clone()),
            // Not built at all: its content is what was promised.
            sandboxed: true,
            ..Registration::default()
        };
        let staged = Staged { lock, tree: &tree, fixed: Some(fixed) };
        let registered = self.store.register_output(&staged, &how);
        // Nothing is there after a success; what has the wrong content is of no use to a later run.
        let _ = remove_tree(&place);
        registered?;
        Ok(Some(BuildResult::Realised(Done {
            outputs: vec![output.path.clone()],
            elapsed: started.elapsed(),
            received,
            ..Done::default()
        })))
    }

    /// Returns what was downloaded and how many bytes that took.
    fn download(
        &self,
        task: &Task<'_>,
        expected: Option<Digest>,
        file: &Path,
    ) -> Result<(PathBuf, u64), BuildError> {
        let derivation = &task.node.derivation;
        let flag = |name| derivation.env_str(name).is_some_and(|value| !value.is_empty() && value != "0");
        let urls = variable(task, "urls")?;
        let download = Download {
            name: derivation.name.to_string(),
            urls: urls.lines().map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect(),
            expected,
            cargo: derivation
                .env_str("cargo")
                .map(|path| PathBuf::from(OsString::from_vec(self.store.to_local(path)))),
        };
        let fetched = self.fetcher()?.fetch(&download, file, &mut tell(task)).map_err(stopped)?;
        if flag("executable") {
            let mode = Permissions::from_mode(0o755);
            fs::set_permissions(file, mode).map_err(BuildError::io("make executable", file))?;
        }
        let tree = if flag("unpack") { self.unpack(task, file)? } else { file.to_owned() };
        Ok((tree, fetched.size))
    }

    /// Returns the files of a commit and how many bytes were fetched for them.
    fn checkout(&self, task: &Task<'_>, place: &Path) -> Result<(PathBuf, u64), BuildError> {
        let wanted = Checkout {
            name: &task.node.derivation.name,
            url: variable(task, "url")?,
            revision: variable(task, "revision")?,
        };
        fs::create_dir(place).map_err(BuildError::io("create", place))?;
        self.fetcher()?.checkout(&wanted, place, task.cancel.flag()).map_err(stopped)
    }

    /// Unpacks an archive; answers its only top directory, or the directory of its content.
    fn unpack(&self, task: &Task<'_>, file: &Path) -> Result<PathBuf, BuildError> {
        let directory = self.store.work_dir(&task.node.derivation.name)?;
        crate::archive::unpack_archive(file, &directory)?;
        let entries = fs::read_dir(&directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match entries.map_err(BuildError::io("list", &directory))?.as_slice() {
            [only] if only.path().is_dir() => Ok(only.path()),
            _ => Ok(directory),
        }
    }
}

impl Executor for FetchExecutor<'_> {
    fn slots(&self) -> usize {
        self.options.max_fetches
    }

    fn realise(&self, task: &Task<'_>) -> Option<BuildResult> {
        self.fetch(task).unwrap_or_else(|error| Some(BuildResult::from(error)))
    }
}

fn variable<'t>(task: &'t Task<'_>, name: &str) -> Result<&'t str, BuildError> {
    let missing = || BuildError::BadDerivation { variable: name.into(), problem: "is missing" };
    task.node.derivation.env_str(name).ok_or_else(missing)
}

/// Tells of progress, not too often, and stops when everything is to stop.
fn tell<'t>(task: &'t Task<'_>) -> impl FnMut(Progress<'_>) -> ControlFlow<()> + 't {
    let mut told: Option<Instant> = None;
    move |progress| {
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            let (bytes, total) = (progress.received, progress.total);
            task.observer.observe(Event::Received { id: task.id, bytes, total });
        }
        if task.cancel.cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn stopped(error: FetchError) -> BuildError {
    match error {
        FetchError::Stopped { .. } => BuildError::Cancelled,
        error => error.into(),
    }
}
