//! Collecting what nothing keeps alive.
//!
//! Under the garbage lock, held alone: find what is alive (roots, what living sessions use, and the closures of both), make
//! everything else invalid, users before what they use, and rename its content away. After that the lock is free and the
//! content is deleted in parallel. So the invariant that valid items have valid references holds at any moment, and others
//! wait for renames only, never for deleting.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::mpsc::channel,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rayon::prelude::*;

use super::{ItemInfo, LocalStore, StoreError, Usage, files};
use crate::store_path::StorePath;

/// A file of at most so many bytes is deleted as fast as it is renamed.
const SMALL: u64 = 1 << 20;

/// What a collection does.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// Only say what would be deleted.
    pub dry_run: bool,
    /// Keep the derivations, and what they refer to, that living items were made by.
    pub keep_derivers: bool,
    /// Stop when deleting has freed about this much.
    pub enough: Option<Usage>,
    /// Keep what was registered less than this long ago, and what it refers to.
    pub older_than: Option<Duration>,
}

impl Default for GcOptions {
    fn default() -> Self {
        Self { dry_run: false, keep_derivers: true, enough: None, older_than: None }
    }
}

/// What a collection did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The items deleted, or to be deleted.
    pub deleted: Vec<StorePath>,
    /// How many items are kept.
    pub kept: usize,
    /// How many unfinished works of dead processes and unregistered trees were removed.
    pub leftovers: usize,
    /// How many of the deleted belong to others of the group that keeps the store: their content goes when those collect.
    pub left_to_owners: usize,
    /// The bytes on the disk that this frees.
    pub freed: u64,
}

/// The items that can be read, and those whose metadata are damaged.
type Known = (BTreeMap<StorePath, ItemInfo>, Vec<StorePath>);

impl LocalStore {
    /// Deletes items that nothing keeps alive, and what dead processes left behind.
    pub fn gc(&self, options: GcOptions) -> Result<GcReport, StoreError> {
        // Our own session must exist first: beginning it takes the lock that we are about to hold.
        let graveyard = match self.work_dir("garbage") {
            Ok(directory) => Some(directory),
            // On a full disk there is no room for a directory; then deleting happens in place, and others wait longer.
            Err(StoreError::Io { source, .. }) if source.kind() == ErrorKind::StorageFull => None,
            Err(error) => return Err(error),
        };
        let alone = self.garbage_lock(true)?;
        let mut graves: Vec<PathBuf> = Vec::new();
        let used = self.living_sessions(&mut graves)?;
        let (infos, damaged) = self.all_info()?;
        let alive = self.alive(&used, &infos, options)?;
        let items = infos.len() + damaged.len();
        let mut dead: Vec<StorePath> =
            damaged.iter().filter(|path| !alive.contains(*path)).cloned().collect();
        dead.extend(users_first(&infos, &alive));
        if let Some(enough) = options.enough {
            self.keep_rest(&mut dead, enough);
        }
        let strays = self.strays(infos.keys().chain(&damaged).collect(), &alive)?;
        graves.extend(self.own_dead()?);
        graves.retain(|grave| !self.is_a_peers(grave));
        let mut report = GcReport {
            kept: items - dead.len(),
            leftovers: graves.len() + strays.len(),
            ..GcReport::default()
        };
        if options.dry_run {
            drop(alone);
            let trees: Vec<PathBuf> =
                dead.iter().map(|path| self.own_path(path)).chain(graves).chain(strays).collect();
            let sizes = trees.par_iter().map(|tree| files::disk_usage(tree).unwrap_or_default().bytes);
            report.freed = sizes.sum();
            report.deleted = dead;
            return Ok(report);
        }
        self.bury_dead(&dead, graveyard.as_deref(), &mut graves, &mut report)?;
        for stray in strays.into_iter().filter(|stray| !self.is_a_peers(stray)) {
            report.freed += self.bury(stray, graveyard.as_deref(), &mut graves)?;
        }
        self.remove_stale_locks()?;
        drop(alone);
        let remove = |grave: &PathBuf| files::remove_tree(grave).map_err(StoreError::io("remove", grave));
        let freed: Result<Vec<u64>, StoreError> = graves.par_iter().map(remove).collect();
        report.freed += freed?.into_iter().sum::<u64>();
        report.deleted = dead;
        if let Some(directory) = graveyard {
            let _ = fs::remove_dir(directory);
        }
        Ok(report)
    }

    /// Everything that must stay.
    fn alive(
        &self,
        used: &HashSet<StorePath>,
        infos: &BTreeMap<StorePath, ItemInfo>,
        options: GcOptions,
    ) -> Result<HashSet<StorePath>, StoreError> {
        let mut roots = self.find_roots(true)?;
        roots.extend(self.session_roots(used));
        let mut left: Vec<StorePath> = roots.into_iter().map(|root| root.target).collect();
        if let Some(age) = options.older_than {
            let then =
                SystemTime::now().checked_sub(age).and_then(|then| then.duration_since(UNIX_EPOCH).ok());
            let then = then.map_or(0, |then| then.as_secs());
            left.extend(infos.values().filter(|info| info.registered > then).map(|info| info.path.clone()));
        }
        let mut alive = HashSet::new();
        while let Some(path) = left.pop() {
            if !alive.insert(path.clone()) {
                continue;
            }
            if let Some(info) = infos.get(&path) {
                left.extend(info.references.iter().cloned());
                if options.keep_derivers {
                    left.extend(info.deriver.clone());
                }
            }
        }
        Ok(alive)
    }

    /// What the store knows of every item, and the items whose metadata are damaged: as after a loss of power, they are of
    /// no use, but no reason not to collect the others.
    fn all_info(&self) -> Result<Known, StoreError> {
        let items: Vec<StorePath> = self.items()?.into_iter().collect();
        let read: Vec<_> = items.into_par_iter().map(|path| (self.info(&path), path)).collect();
        let mut infos = BTreeMap::new();
        let mut damaged = Vec::new();
        for (info, path) in read {
            match info {
                Ok(info) => {
                    infos.insert(path, info);
                }
                Err(StoreError::Metadata { .. }) => damaged.push(path),
                Err(error) => return Err(error),
            }
        }
        Ok((infos, damaged))
    }

    /// Content without metadata that no living process is about to register.
    fn strays(
        &self,
        known: BTreeSet<&StorePath>,
        alive: &HashSet<StorePath>,
    ) -> Result<Vec<PathBuf>, StoreError> {
        let unregistered = self.unregistered(known)?;
        let dead = unregistered.into_iter().filter(|path| !alive.contains(path));
        Ok(dead.map(|path| self.own_path(&path)).collect())
    }

    /// Trees in the store directory that are named like items but have no metadata.
    pub(super) fn unregistered(&self, known: BTreeSet<&StorePath>) -> Result<Vec<StorePath>, StoreError> {
        let directory = self.local_dir();
        let mut found = Vec::new();
        for entry in directory.read_dir().map_err(StoreError::io("list", directory))? {
            let name = entry.map_err(StoreError::io("list", directory))?.file_name();
            let path = name.to_str().and_then(|name| StorePath::parse(name).ok());
            found.extend(path.filter(|path| !known.contains(path)));
        }
        found.sort();
        Ok(found)
    }

    /// Keeps of the dead all that follow when those before free enough.
    fn keep_rest(&self, dead: &mut Vec<StorePath>, enough: Usage) {
        let mut freed = Usage::default();
        let mut count = 0;
        for path in dead.iter() {
            if freed.covers(enough) {
                break;
            }
            // What cannot be measured, such as lost content, frees nothing.
            freed += files::disk_usage(&self.own_path(path)).unwrap_or_default();
            count += 1;
        }
        dead.truncate(count);
    }

    /// What is free for this user on the store's file system.
    pub fn available(&self) -> Result<Usage, StoreError> {
        files::available(self.local_dir())
    }

    /// What each of some items keeps alive on the disk with all that it refers to; what several keep counts for each.
    pub fn kept_by(&self, targets: &[StorePath]) -> Result<Vec<Usage>, StoreError> {
        let closures: Vec<BTreeSet<StorePath>> =
            targets.par_iter().map(|target| self.known_closure(target)).collect::<Result<_, _>>()?;
        let all: BTreeSet<&StorePath> = closures.iter().flatten().collect();
        let sizes: HashMap<&StorePath, Usage> = all
            .into_par_iter()
            .map(|path| (path, files::disk_usage(&self.own_path(path)).unwrap_or_default()))
            .collect();
        let sum =
            |closure: &BTreeSet<StorePath>| closure.iter().filter_map(|path| sizes.get(path)).copied().sum();
        Ok(closures.iter().map(sum).collect())
    }

    /// The closure as far as it is valid.
    fn known_closure(&self, root: &StorePath) -> Result<BTreeSet<StorePath>, StoreError> {
        match self.closure([root]) {
            Err(StoreError::NotValid { .. }) => Ok(BTreeSet::new()),
            other => other,
        }
    }

    /// Makes the dead invalid in their order, and takes the content of each away after that, on a thread each.
    fn bury_dead(
        &self,
        dead: &[StorePath],
        graveyard: Option<&Path>,
        graves: &mut Vec<PathBuf>,
        report: &mut GcReport,
    ) -> Result<(), StoreError> {
        let (send, invalid) = channel::<&StorePath>();
        let invalidate = move || -> Result<(), StoreError> {
            for path in dead {
                let info = self.info_file(path);
                fs::remove_file(&info).map_err(StoreError::io("remove", &info))?;
                if send.send(path).is_err() {
                    // The other thread met an error, which counts.
                    break;
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let invalidate = thread::Builder::new().spawn_scoped(scope, invalidate);
            let invalidate =
                invalidate.map_err(StoreError::io("start a thread to collect", self.local_dir()))?;
            for path in invalid {
                let tree = self.own_path(path);
                if self.is_a_peers(&tree) {
                    self.leave_to_owner(&tree)?;
                    report.left_to_owners += 1;
                    continue;
                }
                report.freed += self.bury(tree, graveyard, graves)?;
            }
            invalidate.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Deletes what is a small file, renames other trees away, to be deleted later, and gives the bytes freed. Without a graveyard,
    /// deletes them too.
    fn bury(
        &self,
        tree: PathBuf,
        graveyard: Option<&Path>,
        graves: &mut Vec<PathBuf>,
    ) -> Result<u64, StoreError> {
        let metadata = match tree.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(source) if source.kind() == ErrorKind::NotFound => return Ok(0),
            Err(source) => return Err(StoreError::io("look at", &tree)(source)),
        };
        match graveyard {
            Some(graveyard) if metadata.is_dir() || metadata.len() > SMALL => {
                let grave = graveyard.join(graves.len().to_string());
                files::move_tree(&tree, &grave)?;
                graves.push(grave);
                Ok(0)
            }
            _ => files::remove_tree(&tree).map_err(StoreError::io("remove", &tree)),
        }
    }
}

/// The dead, each before what it refers to.
pub(super) fn users_first(
    infos: &BTreeMap<StorePath, ItemInfo>,
    alive: &HashSet<StorePath>,
) -> Vec<StorePath> {
    let mut order = Vec::new();
    let mut seen = HashSet::new();
    for root in infos.keys().filter(|path| !alive.contains(*path)) {
        let mut stack = vec![(root, false)];
        while let Some((path, done)) = stack.pop() {
            if done {
                order.push(path.clone());
            } else if !alive.contains(path)
                && let Some(info) = infos.get(path)
                && seen.insert(path)
            {
                stack.push((path, true));
                stack.extend(info.references.iter().map(|reference| (reference, false)));
            }
        }
    }
    order.reverse();
    order
}
