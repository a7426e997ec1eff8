//! What a running process uses and leaves unfinished.
//!
//! A session is a file that its process keeps locked for as long as it lives. Its lines are the items that must not be
//! collected meanwhile; its name is that of a directory for unfinished work on the store's file system. When nobody holds
//! the file, the session is dead and `gc` removes both. It is begun when it is first needed, so that reading costs nothing.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    sync::{MutexGuard, PoisonError},
};

use super::{LocalStore, StoreError, files, lease, lock};
use crate::store_path::StorePath;

#[derive(Debug)]
pub(super) struct Session {
    file: File,
    path: PathBuf,
    work: PathBuf,
    protected: HashSet<StorePath>,
    count: u64,
}

impl LocalStore {
    /// Keeps items from being collected for as long as this process lives, whether they are valid or not yet.
    pub fn protect<'a>(&self, paths: impl IntoIterator<Item = &'a StorePath>) -> Result<(), StoreError> {
        let mut new: Vec<&StorePath> = paths.into_iter().collect();
        if let Some(session) = self.session().as_ref() {
            new.retain(|path| !session.protected.contains(*path));
        }
        if new.is_empty() {
            return Ok(());
        }
        let lines: String = new.iter().map(|path| format!("{path}\n")).collect();
        // The garbage lock comes before the mutex everywhere, so that no thread waits for it with the mutex in hand.
        let _shared = self.garbage_lock(false)?;
        let mut guard = self.session();
        let session = self.begun(&mut guard)?;
        session.file.write_all(lines.as_bytes()).map_err(StoreError::io("write", &session.path))?;
        session.protected.extend(new.into_iter().cloned());
        Ok(())
    }

    /// Keeps items from being collected for as long as this process lives, also when it becomes another program: the
    /// program inherits the session's lock. On a file system that other machines may use too, gives the file whose lease must be
    /// [renewed](super::renew_lease_for) meanwhile.
    pub fn protect_across_exec<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a StorePath>,
    ) -> Result<Option<PathBuf>, StoreError> {
        self.protect(paths)?;
        if let Some(session) = self.session().as_ref() {
            rustix::io::fcntl_setfd(&session.file, rustix::io::FdFlags::empty())
                .map_err(|error| StoreError::io("keep open", &session.path)(error.into()))?;
            return Ok(lease::is_shared(&self.var).then(|| session.path.clone()));
        }
        Ok(None)
    }

    /// A path, with nothing at it, for unfinished work on the store's file system. What lies there when the process ends
    /// is removed by the next garbage collection.
    pub fn work_path(&self, name: &str) -> Result<PathBuf, StoreError> {
        if let Some(session) = self.session().as_mut() {
            return Ok(session.next_work(name));
        }
        let _shared = self.garbage_lock(false)?;
        let mut guard = self.session();
        Ok(self.begun(&mut guard)?.next_work(name))
    }

    /// A new directory for unfinished work.
    pub fn work_dir(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.work_path(name)?;
        files::make_directory(&path)?;
        Ok(path)
    }

    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, begun if need be. Call it with the garbage lock held: without it, a collector could take the new file
    /// for a dead one before it is locked.
    fn begun<'a>(&self, session: &'a mut Option<Session>) -> Result<&'a mut Session, StoreError> {
        match session {
            Some(session) => Ok(session),
            None => Ok(session.insert(self.begin()?)),
        }
    }

    fn begin(&self) -> Result<Session, StoreError> {
        let machine = lease::machine();
        for attempt in 0u64.. {
            let id = format!("{machine}-{}-{attempt}", std::process::id());
            let path = self.var.join("sessions").join(&id);
            match OpenOptions::new().read(true).append(true).create_new(true).open(&path) {
                Ok(file) => {
                    if self.unshared_locks().is_none() {
                        file.try_lock().map_err(|error| lock::no_locks(&path, error.into()))?;
                    }
                    lease::renew(&path);
                    let work = self.var.join("tmp").join(&id);
                    // What a dead session of the same name left behind is not ours.
                    files::remove_tree(&work).map_err(StoreError::io("remove", &work))?;
                    files::make_directory(&work)?;
                    return Ok(Session { file, path, work, protected: HashSet::new(), count: 0 });
                }
                Err(source) if source.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::Io { action: "create", path, source }),
            }
        }
        Err(StoreError::Io {
            action: "create",
            path: self.var.join("sessions"),
            source: ErrorKind::AlreadyExists.into(),
        })
    }

    /// Whether a living process uses this store, other than this one. Call it with the garbage lock held alone.
    pub(super) fn has_other_sessions(&self) -> Result<bool, StoreError> {
        self.living_sessions(&mut Vec::new())?;
        let directory = self.var.join("sessions");
        let own = self.session().as_ref().map(|own| own.path.clone());
        let mut entries = directory.read_dir().map_err(StoreError::io("list", &directory))?;
        // The dead were removed just now.
        Ok(entries.any(|entry| entry.is_ok_and(|entry| own.as_ref() != Some(&entry.path()))))
    }

    /// Removes a session's file when its process is gone, and says whether it is.
    fn remove_if_dead(&self, path: &Path, own: Option<&Path>) -> Result<bool, StoreError> {
        let name = path.file_name().unwrap_or_default();
        if !lease::is_local(name) {
            // Without a session of our own there is no clock to compare with.
            let Some(witness) = own else { return Ok(false) };
            match lease::age(path, witness) {
                Ok(age) if age < lease::LEASE => return Ok(false),
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::Io { action: "look at", path: path.to_owned(), source: error });
                }
                _ => {}
            }
        }
        if self.unshared_locks().is_none() {
            return lock::remove_if_free(path);
        }
        if lease::is_local(name) && is_running(&name.to_string_lossy()) {
            return Ok(false);
        }
        fs::remove_file(path).map(|()| true).map_err(StoreError::io("remove", path))
    }

    /// The items that living sessions use; dead sessions' work is moved to `graves`. Call it with the garbage lock held
    /// alone.
    pub(super) fn living_sessions(
        &self,
        graves: &mut Vec<PathBuf>,
    ) -> Result<HashSet<StorePath>, StoreError> {
        let mut used = HashSet::new();
        let mut living = HashSet::new();
        let directory = self.var.join("sessions");
        let own =
            self.session.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|own| own.path.clone());
        for entry in directory.read_dir().map_err(StoreError::io("list", &directory))? {
            let entry = entry.map_err(StoreError::io("list", &directory))?;
            let path = entry.path();
            // Our own lock is held through another open file, so it looks like any other's.
            if own.as_ref() != Some(&path) && self.remove_if_dead(&path, own.as_deref())? {
                continue;
            }
            living.insert(entry.file_name());
            let mut text = String::new();
            match File::open(&path).and_then(|mut file| file.read_to_string(&mut text)) {
                Ok(_) => used.extend(text.lines().filter_map(|line| StorePath::parse(line).ok())),
                Err(source) if source.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(StoreError::Io { action: "read", path, source }),
            }
        }
        let tmp = self.var.join("tmp");
        for entry in tmp.read_dir().map_err(StoreError::io("list", &tmp))? {
            let entry = entry.map_err(StoreError::io("list", &tmp))?;
            if !living.contains(&entry.file_name()) {
                graves.push(entry.path());
            }
        }
        Ok(used)
    }
}

/// Whether the process of a session's name, which ends in its number and a count, is one of this machine's.
fn is_running(name: &str) -> bool {
    let process = name.rsplit('-').nth(1).unwrap_or_default();
    Path::new("/proc").join(process).exists()
}

impl Session {
    fn next_work(&mut self, name: &str) -> PathBuf {
        self.count += 1;
        self.work.join(format!("{}-{name}", self.count))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        lease::forget(&self.path);
        // A clean end leaves nothing; after any other end, `gc` does the same.
        let _ = files::remove_tree(&self.work);
        let _: io::Result<()> = fs::remove_file(&self.path);
    }
}
