//! Taking from caches what would otherwise be built.
//!
//! First it is looked up, in waves and at once from all caches: the wanted outputs that are not valid, then what those refer to; for
//! what no cache has, the inputs of its derivation. A thing is taken only when all that it refers to is valid or taken
//! too. Then archives are fetched and unpacked in parallel, in any order, and made items, each after what it refers to.
//!
//! Whatever goes wrong with a substitute is noted, and the item is built instead: a cache can make a build faster, and it cannot
//! make it fail.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use super::{Cache, CacheError, NarInfo, TrustedKeys};
use crate::{
    executor::Wanted,
    graph::{HashedGraph, NodeId},
    store::{LocalStore, StagedImport, StoreError},
    store_path::{StoreDir, StorePath},
};

/// Requests at once: most of the time is spent waiting for servers.
const AT_ONCE: usize = 16;

/// Something worth telling while substitutes are looked up and fetched.
#[derive(Debug)]
pub enum Note<'a> {
    /// A cache has the item, but no trusted key signed it.
    Untrusted {
        /// The item.
        path: &'a StorePath,
        /// The cache's address.
        cache: &'a str,
    },
    /// A cache cannot be asked, or its substitute cannot be used.
    Failed {
        /// The item.
        path: &'a StorePath,
        /// Why.
        error: &'a CacheError,
    },
    /// An item was fetched and is in the store.
    Fetched {
        /// What it is.
        info: &'a NarInfo,
        /// Where it came from.
        cache: &'a str,
    },
}

/// What is to be fetched, each after all that it refers to.
#[derive(Debug, Default)]
pub struct Plan {
    items: Vec<Found>,
}

impl Plan {
    /// The items, each after all that it refers to.
    pub fn items(&self) -> impl Iterator<Item = &NarInfo> {
        self.items.iter().map(|found| &found.info)
    }

    /// The number of bytes to fetch, as far as the caches say.
    pub fn download_size(&self) -> u64 {
        self.items().map(|info| info.file_size.unwrap_or(info.nar_size)).sum()
    }
}

/// An item in a cache.
#[derive(Debug, Clone)]
struct Found {
    info: NarInfo,
    cache: usize,
}

/// Caches and whom to believe.
#[derive(Debug)]
pub struct Substituter<'a> {
    store: &'a LocalStore,
    caches: Vec<Cache>,
    trusted: TrustedKeys,
}

impl<'a> Substituter<'a> {
    /// Caches in the order of asking.
    pub fn new(store: &'a LocalStore, caches: Vec<Cache>, trusted: TrustedKeys) -> Self {
        Substituter { store, caches, trusted }
    }

    /// What to fetch so that as little as possible is built to make the wanted outputs valid.
    pub fn plan(
        &self,
        graph: &HashedGraph,
        wanted: &[Wanted],
        note: &(dyn Fn(Note<'_>) + Sync),
    ) -> Result<Plan, StoreError> {
        let mut lookup = Lookup::new(self, note);
        let mut wave: BTreeMap<NodeId, BTreeSet<StorePath>> = BTreeMap::new();
        for one in wanted {
            let node = graph.node(one.id);
            let paths = one.outputs.iter().filter_map(|output| node.output(output.as_str()).cloned());
            wave.entry(one.id).or_default().extend(paths);
        }
        let mut seen: BTreeSet<(NodeId, StorePath)> = BTreeSet::new();
        let mut roots = Vec::new();
        while !wave.is_empty() {
            let mut missing: Vec<(NodeId, StorePath)> = Vec::new();
            for (id, paths) in std::mem::take(&mut wave) {
                for path in paths {
                    if seen.insert((id, path.clone())) && !self.store.is_valid(&path)? {
                        missing.push((id, path));
                    }
                }
            }
            lookup.closures(missing.iter().map(|(_, path)| path.clone()).collect())?;
            for (id, path) in missing {
                if lookup.is_available(&path)? {
                    roots.push(path);
                    continue;
                }
                for (input, outputs) in &graph.node(id).derivation.input_drvs {
                    let Some(input) = graph.by_path(input) else { continue };
                    let node = graph.node(input);
                    let paths = outputs.iter().filter_map(|output| node.output(output.as_str()).cloned());
                    wave.entry(input).or_default().extend(paths);
                }
            }
        }
        Ok(Plan { items: lookup.in_order(roots)? })
    }

    /// What to fetch for items by their paths; those that are neither valid nor in a cache are given back too.
    pub fn plan_paths(
        &self,
        paths: &[StorePath],
        note: &(dyn Fn(Note<'_>) + Sync),
    ) -> Result<(Plan, Vec<StorePath>), StoreError> {
        let mut lookup = Lookup::new(self, note);
        lookup.closures(paths.iter().cloned().collect())?;
        let (mut roots, mut missing) = (Vec::new(), Vec::new());
        for path in paths {
            if lookup.is_available(path)? {
                roots.push(path.clone());
            } else {
                missing.push(path.clone());
            }
        }
        Ok((Plan { items: lookup.in_order(roots)? }, missing))
    }

    /// Fetches what was planned and makes it valid; says how many items came. What fails is noted.
    pub fn fetch(&self, plan: &Plan, note: &(dyn Fn(Note<'_>) + Sync)) -> Result<usize, StoreError> {
        self.store.protect(plan.items().map(|info| &info.path))?;
        let stage = |found: &Found| -> Option<StagedImport> {
            let cache = self.caches.get(found.cache)?;
            match cache.stage(&found.info, self.store) {
                Ok(staged) => Some(staged),
                Err(error) => {
                    note(Note::Failed { path: &found.info.path, error: &error });
                    None
                }
            }
        };
        let mut fetched = 0;
        // In batches, so that what has come is of use although a later one takes long or the process is killed.
        for batch in plan.items.chunks(4 * AT_ONCE) {
            let staged: Vec<Option<StagedImport>> = at_once(|| batch.par_iter().map(stage).collect());
            for (found, staged) in batch.iter().zip(staged) {
                let Some(staged) = staged else { continue };
                match self.store.import(staged) {
                    Ok(()) => {
                        fetched += 1;
                        let cache = self.caches.get(found.cache).map_or("", Cache::url);
                        note(Note::Fetched { info: &found.info, cache });
                    }
                    // What it refers to failed, and was noted.
                    Err(StoreError::MissingReference { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(fetched)
    }

    /// The first trusted answer of the caches for an item.
    fn ask(&self, path: &StorePath, note: &(dyn Fn(Note<'_>) + Sync)) -> Option<Found> {
        for (number, cache) in self.caches.iter().enumerate() {
            match cache.narinfo(path) {
                Ok(Some(info))
                    if cache.is_own()
                        || self.trusted.vouch(&info.fingerprint(&StoreDir::CANONICAL), &info.signatures) =>
                {
                    return Some(Found { info, cache: number });
                }
                Ok(Some(_)) => note(Note::Untrusted { path, cache: cache.url() }),
                Ok(None) => {}
                Err(error) => note(Note::Failed { path, error: &error }),
            }
        }
        None
    }
}

/// What is known of items so far.
struct Lookup<'a> {
    by: &'a Substituter<'a>,
    note: &'a (dyn Fn(Note<'_>) + Sync),
    found: BTreeMap<StorePath, Option<Found>>,
    available: BTreeMap<StorePath, bool>,
}

impl<'a> Lookup<'a> {
    fn new(by: &'a Substituter<'a>, note: &'a (dyn Fn(Note<'_>) + Sync)) -> Self {
        Lookup { by, note, found: BTreeMap::new(), available: BTreeMap::new() }
    }

    /// Asks for items and all that they refer to.
    fn closures(&mut self, paths: BTreeSet<StorePath>) -> Result<(), StoreError> {
        let mut wave = paths;
        while !wave.is_empty() {
            let mut unknown = Vec::new();
            for path in wave {
                if !self.found.contains_key(&path) && !self.by.store.is_valid(&path)? {
                    unknown.push(path);
                }
            }
            let (by, note) = (self.by, self.note);
            let answers: Vec<Option<Found>> =
                at_once(|| unknown.par_iter().map(|path| by.ask(path, note)).collect());
            wave = answers.iter().flatten().flat_map(|found| found.info.others()).cloned().collect();
            self.found.extend(unknown.into_iter().zip(answers));
        }
        Ok(())
    }

    /// Whether an item is valid, or it and all that it refers to can be fetched.
    fn is_available(&mut self, path: &StorePath) -> Result<bool, StoreError> {
        let mut missing: BTreeSet<StorePath> = BTreeSet::new();
        let mut left = vec![path.clone()];
        let mut visited = BTreeSet::new();
        while let Some(path) = left.pop() {
            if !visited.insert(path.clone()) || self.available.get(&path) == Some(&true) {
                continue;
            }
            match self.found.get(&path) {
                Some(Some(found)) => left.extend(found.info.others().into_iter().cloned()),
                _ if self.by.store.is_valid(&path)? => {}
                _ => {
                    missing.insert(path);
                }
            }
        }
        let whole = missing.is_empty();
        if whole {
            self.available.extend(visited.into_iter().map(|path| (path, true)));
        }
        Ok(whole)
    }

    /// The items below the roots that are not valid, each after all that it refers to.
    fn in_order(&self, roots: Vec<StorePath>) -> Result<Vec<Found>, StoreError> {
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack: Vec<(StorePath, bool)> = roots.into_iter().rev().map(|path| (path, false)).collect();
        while let Some((path, done)) = stack.pop() {
            let Some(Some(found)) = self.found.get(&path) else { continue };
            if done {
                order.push(found.clone());
            } else if seen.insert(path.clone()) {
                stack.push((path, true));
                stack.extend(found.info.others().into_iter().map(|other| (other.clone(), false)));
            }
        }
        Ok(order)
    }
}

/// What a cache says of items, asked at once; in their order.
pub fn ask_all(cache: &Cache, paths: &[StorePath]) -> Vec<Result<Option<NarInfo>, CacheError>> {
    at_once(|| paths.par_iter().map(|path| cache.narinfo(path)).collect())
}

/// Runs parallel iterators with threads of their own: they wait for servers, and would keep the cores' threads from working.
fn at_once<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    match rayon::ThreadPoolBuilder::new().num_threads(AT_ONCE).build() {
        Ok(pool) => pool.install(work),
        Err(_) => work(),
    }
}
