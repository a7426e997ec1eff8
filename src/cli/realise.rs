//! From an evaluated graph to valid outputs: adds the sources, realises, reports.

use std::{collections::BTreeSet, time::Duration};

use super::options::BuildOptions;
use crate::{
    derivation::OutputName,
    executor::{self, Options, Plan, Wanted},
    graph::NodeId,
    host::{Evaluated, SourceContent},
    report::{Failure, Progress, chain, code_of, exit_code, print_plan},
    store::{LocalStore, StoreConfig},
    store_path::StorePath,
};

/// Opens the store of the environment.
pub fn open_store() -> Result<LocalStore, Failure> {
    Ok(LocalStore::open(StoreConfig::from_env()?)?)
}

/// Makes outputs of the graph valid in the store and returns their paths, in the order asked for. With `--dry-run` it
/// only shows the plan and returns `None`.
pub fn realise(
    evaluated: &Evaluated,
    store: &LocalStore,
    wanted: &[(NodeId, String)],
    build: &BuildOptions,
) -> Result<Option<Vec<StorePath>>, Failure> {
    let graph = &evaluated.graph;
    let targets: Vec<Wanted> = wanted
        .iter()
        .map(|(id, output)| Ok(Wanted { id: *id, outputs: BTreeSet::from([OutputName::new(output)?]) }))
        .collect::<Result<_, crate::derivation::DerivationError>>()
        .map_err(|error| Failure::new(chain(&error)))?;
    let plan = executor::plan(graph, &targets, store, build.check)?;
    if build.dry_run {
        print_plan(graph, &plan)?;
        return Ok(None);
    }
    add_sources(evaluated, &plan, store)?;
    let progress = Progress::new(build.quiet, build.verbose);
    let summary = executor::realise(graph, &targets, store, &options(build)?, &progress)?;
    progress.finish(graph, &summary);
    let code = code_of(&summary);
    if code != exit_code::SUCCESS {
        return Err(Failure::reported(code));
    }
    let paths = wanted.iter().filter_map(|(id, output)| graph.node(*id).output(output).cloned());
    Ok(Some(paths.collect()))
}

/// Adds the texts and local files that the planned derivations refer to.
fn add_sources(evaluated: &Evaluated, plan: &Plan, store: &LocalStore) -> Result<(), Failure> {
    let mut needed: BTreeSet<&StorePath> = BTreeSet::new();
    for id in plan.build.iter().chain(&plan.fetch) {
        needed.extend(&evaluated.graph.node(*id).derivation.input_srcs);
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
    options.check = build.check;
    options.sandbox = !build.no_sandbox;
    options.timeout = build.timeout.map(Duration::from_secs);
    options.max_silent = build.max_silent.map(Duration::from_secs);
    Ok(options)
}
