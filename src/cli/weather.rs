//! `hpcl weather` and `hpcl challenge`: what binary caches have, and whether it is what was built here.

use std::{collections::BTreeMap, io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    Outcome,
    cache::{CacheOptions, names_nothing, trusted_keys_file, without_items},
    options::PackageOptions,
    realise, session,
};
use crate::{
    cache::{Cache, TrustedKeys, ask_all},
    report::{Failure, chain, exit_code, quantity},
    store::LocalStore,
    store_path::{StoreDir, StorePath},
};

/// Arguments of `hpcl weather`.
#[derive(Args)]
pub struct WeatherArguments {
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    caches: CacheOptions,
    /// List what each cache lacks
    #[arg(long)]
    missing: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What one cache has of what is asked for.
#[derive(Serialize)]
struct Coverage<'a> {
    cache: &'a str,
    wanted: usize,
    available: usize,
    untrusted: usize,
    bytes: u64,
    missing: Vec<&'a StorePath>,
    errors: Vec<String>,
}

/// Says how much of what packages need to be built and to run caches have.
pub fn weather(arguments: &WeatherArguments) -> Outcome {
    let caches = some_caches(&arguments.caches)?;
    let (evaluated, wanted) = session::wanted(&arguments.packages)?;
    let ids = evaluated.graph.requisites(wanted.iter().map(|(id, _)| *id));
    // Downloads come from their own servers.
    let built = ids.into_iter().filter(|id| evaluated.graph.node(*id).derivation.fixed().is_none());
    let paths: Vec<StorePath> = built
        .flat_map(|id| evaluated.graph.node(id).outputs().map(|(_, path)| path.clone()).collect::<Vec<_>>())
        .collect();
    let trusted = TrustedKeys::read(&trusted_keys_file()?)?;
    let mut out = std::io::stdout();
    let mut rows = Vec::new();
    for cache in &caches {
        let mut row = Coverage {
            cache: cache.url(),
            wanted: paths.len(),
            available: 0,
            untrusted: 0,
            bytes: 0,
            missing: Vec::new(),
            errors: Vec::new(),
        };
        for (path, answer) in paths.iter().zip(ask_all(cache, &paths)) {
            match answer {
                Ok(Some(info)) => {
                    row.available += 1;
                    row.bytes += info.file_size.unwrap_or(info.nar_size);
                    let vouched = trusted.vouch(&info.fingerprint(&StoreDir::CANONICAL), &info.signatures);
                    row.untrusted += usize::from(!vouched);
                }
                Ok(None) => row.missing.push(path),
                Err(error) => row.errors.push(format!("{}: {}", path.name(), chain(&error))),
            }
        }
        rows.push(row);
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    for row in &rows {
        let percent = 100.0 * row.available as f64 / row.wanted.max(1) as f64;
        write!(
            out,
            "{}: {} of {} items ({percent:.0} %), {}",
            row.cache,
            row.available,
            row.wanted,
            quantity::bytes(row.bytes)
        )?;
        if row.untrusted > 0 {
            write!(out, "; {} signed by no key that you trust", row.untrusted)?;
        }
        writeln!(out)?;
        for path in row.missing.iter().filter(|_| arguments.missing) {
            writeln!(out, "  {path}")?;
        }
        for error in &row.errors {
            writeln!(anstream::stderr(), "warning: {error}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `hpcl challenge`.
#[derive(Args)]
pub struct ChallengeArguments {
    /// Items, by path or name in the store
    #[arg(long = "item", value_name = "PATH")]
    items: Vec<PathBuf>,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    caches: CacheOptions,
    /// List also what is the same, and what no cache has
    #[arg(short, long)]
    verbose: bool,
}

/// Compares what was built here with what caches have. Without items and packages: all results of builds in the store.
pub fn challenge(arguments: &ChallengeArguments) -> Outcome {
    let store = realise::open_store()?;
    let caches = some_caches(&arguments.caches)?;
    let (mut paths, packages) = without_items(&store, &arguments.items, &arguments.packages)?;
    if !names_nothing(&packages) {
        let (evaluated, wanted) = session::wanted(&packages)?;
        for (id, output) in &wanted {
            paths.extend(evaluated.graph.node(*id).output(output).cloned());
        }
    } else if paths.is_empty() {
        paths = results(&store)?;
    }
    let mut hashes = BTreeMap::new();
    for path in paths {
        let info = store.info(&path)?;
        hashes.insert(path, info.nar_hash);
    }
    let paths: Vec<StorePath> = hashes.keys().cloned().collect();
    let mut out = std::io::stdout();
    let (mut same, mut different) = (vec![0_usize; paths.len()], vec![0_usize; paths.len()]);
    for cache in &caches {
        let answers = ask_all(cache, &paths);
        let counts = same.iter_mut().zip(&mut different);
        for (((path, here), answer), (same, different)) in hashes.iter().zip(answers).zip(counts) {
            match answer {
                Ok(Some(info)) if info.nar_hash == *here => *same += 1,
                Ok(Some(info)) => {
                    *different += 1;
                    writeln!(out, "differs: {path}")?;
                    writeln!(out, "  here: {}", here.to_sri())?;
                    writeln!(out, "  {}: {}", cache.url(), info.nar_hash.to_sri())?;
                }
                Ok(None) => {}
                Err(error) => writeln!(anstream::stderr(), "warning: {}: {}", path.name(), chain(&error))?,
            }
        }
    }
    let count = |which: &dyn Fn(usize, usize) -> bool| {
        same.iter().zip(&different).filter(|(same, different)| which(**same, **different)).count()
    };
    if arguments.verbose {
        for ((path, same), different) in paths.iter().zip(&same).zip(&different) {
            match (same, different) {
                (0, 0) => writeln!(out, "unknown: {path}")?,
                (_, 0) => writeln!(out, "same: {path}")?,
                _ => {}
            }
        }
    }
    let differing = count(&|_, different| different > 0);
    writeln!(
        anstream::stderr(),
        "{} items: {} the same, {differing} different, {} in no cache",
        paths.len(),
        count(&|same, different| same > 0 && different == 0),
        count(&|same, different| same == 0 && different == 0)
    )?;
    if differing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        anstream::stderr(),
        "hint: `hpcl build --check` shows whether a build gives the same twice here"
    )?;
    Ok(ExitCode::from(exit_code::DIFFERENT))
}

/// The items that builds made, here or where they were fetched from; not downloads, whose hash is known beforehand.
fn results(store: &LocalStore) -> Result<Vec<StorePath>, Failure> {
    let mut found = Vec::new();
    for path in store.items()? {
        let info = store.info(&path)?;
        if info.deriver.is_some() && info.content.is_none() {
            found.push(path);
        }
    }
    Ok(found)
}

/// The caches to ask; there must be one.
pub fn some_caches(options: &CacheOptions) -> Result<Vec<Cache>, Failure> {
    let caches = realise::caches(options)?;
    if caches.is_empty() {
        return Err(Failure::new("no binary cache is named")
            .hint("name one with `--cache URL`, or under `[substitutes]` in the settings")
            .code(exit_code::USAGE));
    }
    Ok(caches)
}
