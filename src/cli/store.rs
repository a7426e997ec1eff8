//! `hpcl verify`, `hpcl optimise`, `hpcl log` and `hpcl refresh-pins`: the store's upkeep.

use std::{
    io::{Read, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueHint};

use super::{Outcome, cache::CacheOptions, options::PackageOptions, realise, session};
use crate::{
    cache::Cache,
    executor,
    fetch::{self, Fetcher, PackageIndex},
    report::{Failure, chain, exit_code, quantity},
    store::{LocalStore, Problem},
    store_path::StorePath,
};

/// Arguments of `hpcl verify`.
#[derive(Args)]
pub struct VerifyArguments {
    /// Check that items and references are there, without reading the items' contents
    #[arg(long)]
    quick: bool,
    /// Read the items' contents (the default), and say too which hold store paths in compressed form
    #[arg(long, conflicts_with = "quick")]
    contents: bool,
    /// Fetch damaged and missing content again from binary caches; it must have the registered hash, so no signature is needed
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    caches: CacheOptions,
}

/// Verifies the store.
pub fn verify(arguments: &VerifyArguments) -> Outcome {
    let store = realise::open_store()?;
    let report = store.verify(!arguments.quick)?;
    let caches = if arguments.repair && !report.problems.is_empty() {
        super::weather::some_caches(&arguments.caches)?
    } else {
        Vec::new()
    };
    let mut out = std::io::stdout();
    let mut left = 0;
    for problem in &report.problems {
        writeln!(out, "{}", describe(&store, problem))?;
        let from = caches.iter().find(|cache| repair(&store, problem, cache));
        match from {
            Some(cache) => writeln!(out, "  repaired from {}", cache.url())?,
            None => left += 1,
        }
    }
    if arguments.contents {
        for path in store.items()? {
            // What cannot be read is among the problems.
            for file in store.info(&path).map(|info| info.hidden).unwrap_or_default() {
                writeln!(out, "compressed path: {}/{file}", store.local_path(&path).display())?;
            }
        }
    }
    let all = report.problems.len();
    let problems = if all == 1 { "problem" } else { "problems" };
    let found = match all {
        0 => "nothing is wrong".to_owned(),
        _ if caches.is_empty() => format!("{all} {problems}"),
        _ => format!("{all} {problems}, {} repaired", all - left),
    };
    let mut err = anstream::stderr();
    writeln!(err, "{} items, {} read: {found}", report.items, quantity::bytes(report.bytes))?;
    let content = |problem: &Problem| matches!(problem, Problem::Changed { .. } | Problem::Missing(_));
    if left > 0 && report.problems.iter().any(content) {
        writeln!(
            err,
            "hint: `hpcl verify --repair --cache URL` fetches content again, `hpcl build --repair PACKAGE` builds it again"
        )?;
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit_code::DIFFERENT) })
}

/// Fetches an item's content again; whether that repaired it. Why not is told.
fn repair(store: &LocalStore, problem: &Problem, cache: &Cache) -> bool {
    let (Problem::Changed { path, .. } | Problem::Missing(path)) = problem else { return false };
    let repaired = cache.narinfo(path).and_then(|info| match info {
        Some(info) => {
            store.protect([path])?;
            Ok(store.repair_import(cache.stage(&info, store)?)?)
        }
        None => Ok(false),
    });
    repaired.unwrap_or_else(|error| {
        let _ = writeln!(
            anstream::stderr(),
            "warning: {} has no copy of `{path}` to use: {}",
            cache.url(),
            chain(&error)
        );
        false
    })
}

fn describe(store: &LocalStore, problem: &Problem) -> String {
    let place = |path: &StorePath| store.local_path(path).display().to_string();
    match problem {
        Problem::Missing(path) => format!("missing: {}", place(path)),
        Problem::Changed { path, expected, actual } => {
            format!(
                "changed: {}: it has hash {}, not {}",
                place(path),
                actual.to_base32(),
                expected.to_base32()
            )
        }
        Problem::Unregistered(path) => format!("unregistered: {} (`hpcl gc` removes it)", place(path)),
        Problem::BrokenReference { path, reference } => {
            format!("broken reference: {} needs {}", place(path), place(reference))
        }
        Problem::Unreadable { path, error } => {
            format!("unreadable: {}: {}", place(path), chain(error))
        }
    }
}

/// Arguments of `hpcl optimise`.
#[derive(Args)]
pub struct OptimiseArguments {
    /// Say what would be saved, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// Makes equal files of the store one.
pub fn optimise(arguments: &OptimiseArguments) -> Outcome {
    let store = realise::open_store()?;
    let report = store.optimise(arguments.dry_run)?;
    let verb = if arguments.dry_run { "would save" } else { "saved" };
    writeln!(
        anstream::stderr(),
        "{verb} {} and {} inodes: of {} files, {} were equal to others",
        quantity::bytes(report.saved.bytes),
        report.saved.inodes,
        report.files,
        report.linked
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `hpcl log`.
#[derive(Args)]
pub struct LogArguments {
    #[command(flatten)]
    packages: PackageOptions,
}

/// Prints the logs of packages' builds.
pub fn log(arguments: &LogArguments) -> Outcome {
    let store = realise::open_store()?;
    let mut found = Vec::new();
    let mut by_path = Vec::new();
    let mut packages = arguments.packages.clone();
    packages.packages.retain(|text| {
        let drv = drv_of_path(&store, text);
        by_path.extend(drv.clone());
        drv.is_none()
    });
    found.extend(by_path);
    if found.is_empty() || !packages.packages.is_empty() {
        let request = session::request(&packages)?;
        let mut evaluation = session::evaluation(&packages.recipes)?;
        let entries = evaluation.entries(&request)?;
        let rows = evaluation.derivations(&entries)?;
        let evaluated = evaluation.finish()?;
        found.extend(rows.iter().map(|row| evaluated.graph.node(row.node).path.clone()));
    }
    let mut out = std::io::stdout();
    for drv in found {
        let path = executor::log_path(&store.log_dir(), drv.as_str());
        let mut reader = executor::read_log(&path).map_err(|error| {
            Failure::new(format!("there is no log of `{}`: {error}", drv.name()))
                .hint("it was not built here, or its build printed nothing")
        })?;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = reader.read(&mut buffer)?;
            match buffer.get(..count) {
                Some(data) if count > 0 => out.write_all(data)?,
                _ => break,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the derivation of an item of the store given by its path, or by its name as reports of failures have it.
fn drv_of_path(store: &LocalStore, text: &str) -> Option<StorePath> {
    let by_path = store.item_of(&PathBuf::from(text)).map(|(item, _)| item);
    let item = by_path.or_else(|| StorePath::parse(text).ok())?;
    if item.is_drv() { Some(item) } else { store.info(&item).ok()?.deriver }
}

/// The suite and architecture that the seed's packages are pinned from.
const SUITE: &str = "bookworm";
const ARCHITECTURE: &str = "amd64";

/// Arguments of `hpcl refresh-pins`.
#[derive(Args)]
pub struct RefreshArguments {
    /// The file with the pins
    #[arg(default_value = "channels/core/seed-pins.hpcl", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Pin another Debian package
    #[arg(long, value_name = "NAME")]
    add: Vec<String>,
}

/// Rewrites the pins to what the mirror has now.
pub fn refresh_pins(arguments: &RefreshArguments) -> Outcome {
    let path = &arguments.file;
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("cannot read the pins `{}`: {error}", path.display()))
            .hint("run this in a clone of the repository, or name the file")
    })?;
    let fetcher = Fetcher::of_host()?;
    let index = PackageIndex::fetch(&fetcher, SUITE, ARCHITECTURE)?;
    let text = arguments.add.iter().try_fold(text, |text, name| add_pin(&text, name))?;
    let refreshed = fetch::refresh_pins(&text, &[], &index)?;
    let mut out = std::io::stdout();
    for change in &refreshed.changes {
        writeln!(out, "{}: {} → {}", change.name, change.old_version, change.new_version)?;
    }
    for name in &refreshed.missing {
        writeln!(anstream::stderr(), "warning: the mirror has no package `{name}`; its pin stays")?;
    }
    if refreshed.changes.is_empty() {
        writeln!(anstream::stderr(), "all pins are current")?;
    } else {
        std::fs::write(path, refreshed.text)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", path.display())))?;
        writeln!(anstream::stderr(), "wrote {}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Adds a row without content for a package, before the first row that sorts after it.
fn add_pin(text: &str, name: &str) -> Result<String, Failure> {
    let row = format!("    (\"{name}\" \"\" \"\" \"\" 0)");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let first = |line: &str| line.split('"').nth(1).map(str::to_owned).filter(|_| line.contains("(\""));
    if lines.iter().any(|line| first(line).as_deref() == Some(name)) {
        return Ok(text.to_owned());
    }
    // The first row carries the list's opening parenthesis, so that new rows go after it at the earliest.
    let rows: Vec<usize> =
        (0..lines.len()).filter(|n| lines.get(*n).is_some_and(|l| first(l).is_some())).collect();
    let after = rows
        .iter()
        .copied()
        .rev()
        .skip(1)
        .find(|n| lines.get(*n).and_then(|line| first(line)).is_some_and(|known| known.as_str() < name))
        .or(rows.first().copied())
        .ok_or_else(|| Failure::new("the file has no pins"))?;
    lines.insert(after + 1, row);
    Ok(lines.join("\n") + "\n")
}
