//! From an evaluated graph to valid outputs: adds the sources, realises, reports.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{cache::CacheOptions, options::BuildOptions, plan};
use crate::{
    cache::{self, Cache, Note, Substituter, TrustedKeys},
    derivation::OutputName,
    executor::{self, ExecutorError, Options, Place, Plan, Replacements, Wanted},
    fetch::{FetchError, Fetcher, Settings},
    graph::{HashedGraph, NodeId},
    host::{Evaluated, SourceContent},
    report::{Failure, Progress, chain, code_of, exit_code, quantity, warning},
    store::{LocalStore, StoreConfig},
    store_path::StorePath,
};

/// Opens the store of the environment and the settings.
pub fn open_store() -> Result<LocalStore, Failure> {
    let store = LocalStore::open(store_config()?)?;
    if let Some(reason) = store.unshared_locks() {
        warning(&format!(
            "the file system of `{}` has no locks that all machines see ({reason}); the store uses its own, which are slower",
            store.var_dir().display()
        ));
    }
    Ok(store)
}

/// Where the store lies, and what is below it.
pub fn store_config() -> Result<StoreConfig, Failure> {
    let mut config = StoreConfig::from_env()?;
    if !StoreConfig::names_layers() {
        config.set_layers(Settings::load().map_err(FetchError::from)?.store.layers)?;
    }
    Ok(config)
}

/// Makes outputs of the graph valid in the store and returns their paths, in the order asked for. With `--dry-run` it
/// only shows the plan and returns `None`.
///
/// What refers to a package with a replacement is grafted when it is there; then the graft's path is returned.
pub fn realise(
    evaluated: &mut Evaluated,
    store: &LocalStore,
    wanted: &[(NodeId, String)],
    build: &BuildOptions,
) -> Result<Option<Vec<StorePath>>, Failure> {
    let targets = targets(wanted)?;
    if build.dry_run {
        plan::print(evaluated, &targets, store, build)?;
        return Ok(None);
    }
    substitute(&evaluated.graph, &targets, store, build)?;
    run(evaluated, store, &targets, build, options(build)?)?;
    let path = |(id, output): &(NodeId, String)| evaluated.graph.node(*id).output(output).cloned();
    let mut paths: Vec<StorePath> = wanted.iter().filter_map(path).collect();
    let replacements = Replacements::new(&evaluated.graph, &evaluated.replacements);
    if !replacements.is_empty() {
        graft(evaluated, store, &replacements, build, &mut paths)?;
    }
    Ok(Some(paths))
}

/// Outputs of derivations as the executor takes them.
pub fn targets(wanted: &[(NodeId, String)]) -> Result<Vec<Wanted>, Failure> {
    wanted
        .iter()
        .map(|(id, output)| Ok(Wanted { id: *id, outputs: BTreeSet::from([OutputName::new(output)?]) }))
        .collect::<Result<_, crate::derivation::DerivationError>>()
        .map_err(|error| Failure::new(chain(&error)))
}

/// Realises what is wanted and reports.
fn run(
    evaluated: &Evaluated,
    store: &LocalStore,
    targets: &[Wanted],
    build: &BuildOptions,
    options: Options,
) -> Result<(), Failure> {
    let graph = &evaluated.graph;
    let plan = executor::plan(graph, targets, store, options.check)?;
    if !plan.is_empty() {
        keep_derivations(graph, targets, store)?;
    }
    add_sources(evaluated, &plan, store)?;
    let progress = Progress::new(build.quiet, build.verbose);
    let summary = executor::realise(graph, targets, store, &options, &progress)?;
    progress.finish(graph, &summary);
    match code_of(&summary) {
        exit_code::SUCCESS => Ok(()),
        code => Err(Failure::reported(code)),
    }
}

/// Makes the replacements and the grafts that items need, and puts the grafts in their places.
fn graft(
    evaluated: &mut Evaluated,
    store: &LocalStore,
    replacements: &Replacements,
    build: &BuildOptions,
    paths: &mut [StorePath],
) -> Result<(), Failure> {
    // What is valid now was compared already, if it was to be.
    let plainly = || options(build).map(|options| Options { check: false, repair: false, ..options });
    let one = |(id, output): &Place| Wanted { id: *id, outputs: BTreeSet::from([output.clone()]) };
    let mut all = paths.to_vec();
    let mut made: BTreeSet<Place> = BTreeSet::new();
    loop {
        // What replaces may need replacing in its turn.
        let needed = replacements.needed(&evaluated.graph, store, &all).map_err(ExecutorError::from)?;
        let more: Vec<Place> = needed.into_iter().filter(|place| made.insert(place.clone())).collect();
        if more.is_empty() {
            break;
        }
        let targets: Vec<Wanted> = more.iter().map(one).collect();
        substitute(&evaluated.graph, &targets, store, build)?;
        run(evaluated, store, &targets, build, plainly()?)?;
        let path = |(id, output): &Place| evaluated.graph.node(*id).output(output.as_str()).cloned();
        all.extend(more.iter().filter_map(path));
    }
    if made.is_empty() {
        return Ok(());
    }
    let grafts = executor::plan_grafts(&mut evaluated.graph, replacements, store, paths)
        .map_err(ExecutorError::from)?;
    let targets: Vec<Wanted> = grafts.values().map(one).collect();
    run(evaluated, store, &targets, build, plainly()?)?;
    for path in paths {
        if let Some((id, output)) = grafts.get(path) {
            path.clone_from(evaluated.graph.node(*id).output(output.as_str()).expect("it was made"));
        }
    }
    Ok(())
}

/// Adds the texts and local files that the planned derivations refer to.
fn add_sources(evaluated: &Evaluated, plan: &Plan, store: &LocalStore) -> Result<(), Failure> {
    let mut needed: BTreeSet<&StorePath> = BTreeSet::new();
    for id in plan.work() {
        needed.extend(&evaluated.graph.node(id).derivation.input_srcs);
    }
    for path in needed {
        let added = match evaluated.sources.get(path) {
            Some(SourceContent::Text(text)) => {
                store.add_text(path.name(), text.as_bytes(), &BTreeSet::new())?
            }
            Some(SourceContent::Local(file)) => store.add_tree(path.name(), file)?,
            None => continue,
        };
        if &added != path {
            return Err(Failure::new(format!("the source `{}` changed while it was read", path.name()))
                .hint("run the command again"));
        }
    }
    Ok(())
}

fn options(build: &BuildOptions) -> Result<Options, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new(format!("cannot find the running program, which builds start again: {error}"))
    })?;
    let mut options = Options::new(program);
    if let Some(jobs) = build.max_jobs {
        options.max_jobs = jobs.max(1);
    }
    if let Some(cores) = build.cores {
        options.cores = cores.max(1);
    }
    options.fail_fast = build.fail_fast;
    options.keep_failed = build.keep_failed;
    options.check = build.check || build.repair;
    options.repair = build.repair;
    options.sandbox = !build.no_sandbox;
    options.timeout = build.timeout.map(Duration::from_secs);
    options.max_silent = build.max_silent.map(Duration::from_secs);
    Ok(options)
}

/// The caches to ask: those of the options, of `HPCL_CACHES`, and of the settings. One that cannot be used is told and left out.
pub fn caches(options: &CacheOptions) -> Result<Vec<Cache>, Failure> {
    if options.no_caches {
        return Ok(Vec::new());
    }
    let mut addresses = options.caches.clone();
    let variable = std::env::var("HPCL_CACHES").unwrap_or_default();
    addresses.extend(variable.split_whitespace().map(str::to_owned));
    addresses.extend(Settings::load().map_err(FetchError::from)?.substitutes.caches);
    if addresses.is_empty() {
        return Ok(Vec::new());
    }
    let fetcher = Fetcher::of_host()?;
    let mut seen = BTreeSet::new();
    let mut caches = Vec::new();
    for address in addresses.into_iter().filter(|address| seen.insert(address.clone())) {
        match Cache::open(&address, &fetcher) {
            Ok(cache) => caches.push(cache),
            Err(error) => warning(&format!("{}; it is not asked", chain(&error))),
        }
    }
    Ok(caches)
}

/// Tells what happens with substitutes: failures always, each missing signature's cache once, items unless quiet.
pub fn note(quiet: bool) -> impl Fn(Note<'_>) + Sync {
    let told: Mutex<BTreeSet<String>> = Mutex::default();
    move |note| match note {
        Note::Fetched { info, cache } if !quiet => {
            let _ = writeln!(anstream::stderr(), "fetched {} from {cache}", info.path.name());
        }
        Note::Fetched { .. } => {}
        Note::Untrusted { path, cache } => {
            if told.lock().unwrap_or_else(PoisonError::into_inner).insert(cache.to_owned()) {
                warning(&format!(
                    "no key that you trust signed what {cache} has, such as `{}`; `hpcl cache trust KEY` trusts one",
                    path.name()
                ));
            }
        }
        Note::Failed { path, error } => {
            warning(&format!("no substitute for `{}`: {}", path.name(), chain(error)));
        }
    }
}

/// What caches have of what would be built; nothing when no cache is asked.
pub fn substitutes<'a>(
    graph: &HashedGraph,
    targets: &[Wanted],
    store: &'a LocalStore,
    build: &BuildOptions,
) -> Result<Option<(Substituter<'a>, cache::Plan)>, Failure> {
    let caches = caches(&build.caches)?;
    if caches.is_empty() {
        return Ok(None);
    }
    let trusted = cache::trusted_keys_path().map(|file| TrustedKeys::read(&file)).transpose()?;
    let substituter = Substituter::new(store, caches, trusted.unwrap_or_default());
    let plan = substituter.plan(graph, targets, &note(build.quiet))?;
    Ok(Some((substituter, plan)))
}

/// Fetches from caches what would be built.
fn substitute(
    graph: &HashedGraph,
    targets: &[Wanted],
    store: &LocalStore,
    build: &BuildOptions,
) -> Result<(), Failure> {
    let Some((substituter, plan)) = substitutes(graph, targets, store, build)? else { return Ok(()) };
    let (count, size) = (plan.items().count(), quantity::bytes(plan.download_size()));
    if count > 0 {
        if !build.quiet {
            writeln!(anstream::stderr(), "{count} to fetch from caches ({size})")?;
        }
        keep_derivations(graph, targets, store)?;
        substituter.fetch(&plan, &note(build.quiet))?;
    }
    Ok(())
}

/// Keeps what is about to be made, for `hpcl diff` and `hpcl plan` to compare with. A very large graph is not worth the time.
fn keep_derivations(graph: &HashedGraph, targets: &[Wanted], store: &LocalStore) -> Result<(), Failure> {
    const MOST: usize = 5000;
    if graph.len() > MOST {
        return Ok(());
    }
    let ids = graph.requisites(targets.iter().map(|target| target.id));
    let nodes = ids.into_iter().map(|id| graph.node(id));
    Ok(store.keep_derivations(nodes.map(|node| (&node.path, &*node.derivation)))?)
}
