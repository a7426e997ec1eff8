//! Builds on this machine, each in a sandbox forked from the zygote.
//!
//! Locks the outputs, looks again whether somebody else has made them meanwhile, prepares a directory, orders the build,
//! attends to it, and hands what it made to the store. The directory is emptied for the next build, unless a failed one is to be
//! kept.
//!
//! Invariant: the locks are held from before the first file is made until the outputs are valid or gone.

use std::{collections::BTreeSet, io, path::Path, time::Instant};

use super::{
    Action, BuildError, BuildResult, Done, Event, Executor, ExecutorError, Failed, Jobserver, Options, Task,
    check,
    collect::{Limits, attend},
    kept,
    log::{LogEvent, LogWriter, log_path},
    prepare::{Prepared, Preparer},
    scratch::ScratchPool,
    zygote::Zygote,
};
use crate::{
    sandbox::Supervised,
    store::{ItemLock, LocalStore, Registration, Staged, StoreError},
    store_path::StorePath,
};

/// Less free room than this, and a failed build probably failed for want of it.
const LITTLE_ROOM: u64 = 1 << 20;

/// Builds on this machine.
pub struct LocalExecutor<'a> {
    store: &'a LocalStore,
    options: &'a Options,
    zygote: &'a Zygote,
    jobserver: &'a Jobserver,
    preparer: Preparer<'a>,
    scratch: ScratchPool<'a>,
}

impl<'a> LocalExecutor<'a> {
    /// An executor for one store.
    pub fn new(
        store: &'a LocalStore,
        options: &'a Options,
        zygote: &'a Zygote,
        jobserver: &'a Jobserver,
    ) -> Result<Self, ExecutorError> {
        let preparer = Preparer::new(store, options.cores, options.sandbox).map_err(|source| {
            ExecutorError::Machinery { what: "use the store".into(), source: io::Error::other(source) }
        })?;
        Ok(LocalExecutor { store, options, zygote, jobserver, preparer, scratch: ScratchPool::new(store) })
    }

    fn all_valid(&self, task: &Task<'_>) -> Result<bool, BuildError> {
        for (_, path) in task.node.outputs() {
            if !self.store.is_valid(path)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Nothing when another process is building it.
    fn build(&self, task: &Task<'_>) -> Result<Option<BuildResult>, Box<Failed>> {
        let started = Instant::now();
        let Some(locks) = lock_outputs(self.store, task)? else { return Ok(None) };
        if task.action != Action::Check && self.all_valid(task)? {
            return Ok(Some(BuildResult::AlreadyThere));
        }
        let directory = self.scratch.take()?;
        let prepared = self.preparer.prepare(&task.node.derivation, &task.inputs, &directory);
        let result = match prepared {
            Ok(prepared) => {
                self.run(task, &prepared, &locks).map_err(|failed| self.keep(failed, task, &prepared))
            }
            Err(error) => Err(error.into()),
        };
        self.scratch.give_back(directory);
        let elapsed = started.elapsed();
        match result {
            Ok(done) => Ok(Some(BuildResult::Realised(Done { elapsed, ..done }))),
            Err(mut failed) => {
                failed.elapsed = elapsed;
                Err(failed)
            }
        }
    }

    /// Runs the builder and takes its outputs into the store.
    fn run(&self, task: &Task<'_>, prepared: &Prepared, locks: &[ItemLock]) -> Result<Done, Box<Failed>> {
        let logs = self.store.log_dir();
        let mut log = LogWriter::new(log_path(&logs, task.node.path.as_str()));
        let (id, name) = (task.id, &*task.node.derivation.name);
        let mut on = |event: LogEvent<'_>| {
            task.observer.observe(match event {
                LogEvent::Phase(phase) => Event::Phase { id, phase },
                LogEvent::Line(line) => Event::Line { id, name, line },
            });
        };
        let ran = self.run_builder(task, prepared, &mut log, &mut on);
        let phase = log.phase().map(str::to_owned);
        let finished = log.finish(&mut on);
        let path = finished.as_ref().ok().and_then(Clone::clone);
        let registered = ran.and_then(|used| {
            finished?;
            let log = path.as_deref().and_then(|path| path.strip_prefix(&logs).ok());
            let outputs = match task.action {
                Action::Check => {
                    let derivation = &task.node.derivation;
                    check::compare(self.store, derivation, prepared, locks, self.options.repair)?
                }
                _ => self.register(task, prepared, locks, log)?,
            };
            Ok((used, outputs))
        });
        match registered {
            Ok((used, outputs)) => Ok(Done {
                outputs,
                cpu_seconds: used.cpu_seconds,
                max_rss: used.max_rss,
                log: path,
                ..Done::default()
            }),
            Err(error) => {
                let failed = Failed { phase, last_lines: log.last_lines(), log: path, ..Failed::from(error) };
                Err(Box::new(failed))
            }
        }
    }

    fn run_builder(
        &self,
        task: &Task<'_>,
        prepared: &Prepared,
        log: &mut LogWriter,
        on: &mut dyn FnMut(LogEvent<'_>),
    ) -> Result<Supervised, BuildError> {
        let _share = self.jobserver.join();
        let begin = || -> io::Result<_> {
            let (read, write) = io::pipe()?;
            Ok((self.zygote.order(prepared.isolation, &prepared.order, write)?, read))
        };
        if !self.options.sandbox {
            // What a dead build left there; no one else makes these now.
            prepared.clear_places()?;
        }
        let (channel, output) = begin().map_err(BuildError::io("order a build in", &prepared.directory))?;
        let limits = Limits { timeout: self.options.timeout, max_silent: self.options.max_silent };
        let (used, result) = attend(channel, output, log, limits, task.cancel, on);
        if !self.options.sandbox {
            prepared.collect_from_places()?;
        }
        result?;
        used.ok_or(BuildError::Lost)
    }

    fn register(
        &self,
        task: &Task<'_>,
        prepared: &Prepared,
        locks: &[ItemLock],
        log: Option<&Path>,
    ) -> Result<Vec<StorePath>, BuildError> {
        let derivation = &task.node.derivation;
        let mut staged = Vec::new();
        for ((name, output), tree) in derivation.outputs.iter().zip(&prepared.outputs) {
            if tree.symlink_metadata().is_err() {
                return Err(BuildError::MissingOutput { output: name.clone() });
            }
            let lock = locks.iter().find(|lock| *lock.path() == output.path);
            let lock = lock.expect("every output was locked");
            staged.push(Staged { lock, tree, fixed: output.fixed });
        }
        let how = Registration {
            candidates: self.preparer.closure(&task.inputs)?,
            deriver: Some(task.node.path.clone()),
            sandboxed: self.options.sandbox,
            log: log.map(|log| log.to_string_lossy().into_owned()),
        };
        let infos = self.store.register_outputs(&staged, &how)?;
        for info in infos.iter().filter(|info| !info.hidden.is_empty()) {
            task.observer.observe(Event::Hidden { path: &info.path, files: &info.hidden });
        }
        Ok(infos.into_iter().map(|info| info.path).collect())
    }

    /// Notes what the disk is like after a failure, and keeps the directory if asked to.
    fn keep(&self, mut failed: Box<Failed>, task: &Task<'_>, prepared: &Prepared) -> Box<Failed> {
        failed.disk_full = failed.error.is_disk_full() || has_little_room(&prepared.directory);
        let worth_keeping = !matches!(failed.error, BuildError::Cancelled | BuildError::NotStarted { .. });
        if self.options.keep_failed && worth_keeping {
            let name = &task.node.derivation.name;
            failed.kept = kept::keep(self.store, &self.options.program, name, prepared).ok();
        }
        failed
    }
}

impl Executor for LocalExecutor<'_> {
    fn slots(&self) -> usize {
        self.options.max_jobs
    }

    fn realise(&self, task: &Task<'_>) -> Option<BuildResult> {
        match self.build(task) {
            Ok(result) => result,
            Err(failed) if matches!(failed.error, BuildError::Cancelled) => Some(BuildResult::Cancelled),
            Err(failed) => Some(BuildResult::Failed(failed)),
        }
    }
}

/// Takes the right to make a derivation's outputs; nothing when another process has it.
pub(super) fn lock_outputs(store: &LocalStore, task: &Task<'_>) -> Result<Option<Vec<ItemLock>>, BuildError> {
    let outputs: BTreeSet<StorePath> = task.node.outputs().map(|(_, path)| path.clone()).collect();
    match store.lock_items(&outputs, || false) {
        Err(StoreError::Interrupted { .. }) => Ok(None),
        other => Ok(Some(other?)),
    }
}

fn has_little_room(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail * disk.f_frsize < LITTLE_ROOM)
}
