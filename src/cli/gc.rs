//! `hpcl gc`: collecting garbage, and asking what keeps items alive.

use std::{collections::BTreeSet, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use serde::Serialize;

use super::{Outcome, cache::items, realise};
use crate::{
    channel::cleaning,
    report::quantity,
    store::{GcOptions, LocalStore, Root, Usage},
    store_path::StorePath,
};

/// Arguments of `hpcl gc`.
#[derive(Args)]
pub struct Arguments {
    /// Show what would be deleted, and stop
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Delete only until the file system has that much room, as in `500M` or `5G`
    #[arg(long, value_name = "SIZE", value_parser = quantity::parse_bytes)]
    free: Option<u64>,
    /// Delete only until the file system has that many free inodes, as in `30k`
    #[arg(long, value_name = "NUMBER", value_parser = quantity::parse_count)]
    free_inodes: Option<u64>,
    /// Keep what came into the store less than that long ago, as in `12h`, `30d` or `6m`
    #[arg(long, value_name = "AGE", value_parser = quantity::parse_age)]
    older_than: Option<Duration>,
    #[command(flatten)]
    question: Question,
    /// Print answers as JSON
    #[arg(long, requires = "Question")]
    json: bool,
}

/// Questions; they delete nothing.
#[derive(Args)]
#[group(multiple = false, conflicts_with_all = ["dry_run", "free", "free_inodes", "older_than"])]
#[command(next_help_heading = "Questions (nothing is deleted)")]
struct Question {
    /// List what keeps items alive, with the room that each takes together with all that it refers to
    #[arg(long)]
    list_roots: bool,
    /// List what an item refers to
    #[arg(long, value_name = "PATH")]
    references: Option<PathBuf>,
    /// List what refers to an item
    #[arg(long, value_name = "PATH")]
    referrers: Option<PathBuf>,
    /// List an item and all that it refers to, directly or not
    #[arg(long, value_name = "PATH")]
    requisites: Option<PathBuf>,
}

/// A root as it is listed.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    root: &'a Root,
    path: PathBuf,
    #[serde(flatten)]
    usage: Usage,
}

/// Collects garbage, or answers.
pub fn run(arguments: &Arguments) -> Outcome {
    let store = realise::open_store()?;
    if arguments.question.list_roots {
        return list_roots(&store, arguments.json);
    }
    let Question { references, referrers, requisites, .. } = &arguments.question;
    if let Some(named) = references.as_ref().or(referrers.as_ref()).or(requisites.as_ref()) {
        let item = items(&store, std::slice::from_ref(named))?;
        let mut answer = BTreeSet::new();
        for item in &item {
            answer.extend(match () {
                () if references.is_some() => store.info(item)?.references,
                () if referrers.is_some() => store.referrers(item)?,
                () => store.closure([item])?,
            });
        }
        return print(&store, &answer, arguments.json);
    }
    let wanted = Usage { bytes: arguments.free.unwrap_or(0), inodes: arguments.free_inodes.unwrap_or(0) };
    let enough = if wanted == Usage::default() { None } else { Some(store.available()?.missing_to(wanted)) };
    let options = GcOptions {
        dry_run: arguments.dry_run,
        enough,
        older_than: arguments.older_than,
        ..GcOptions::default()
    };
    let report = store.gc(options)?;
    if arguments.dry_run {
        let mut out = std::io::stdout();
        for path in &report.deleted {
            writeln!(out, "{}", store.local_path(path).display())?;
        }
    }
    let verb = if arguments.dry_run { "would delete" } else { "deleted" };
    let mut err = anstream::stderr();
    writeln!(
        err,
        "{verb} {} items and {} leftovers, {}; {} items stay",
        report.deleted.len(),
        report.leftovers,
        quantity::bytes(report.freed),
        report.kept
    )?;
    // Unreadable generations are told by the verbs that need them; the cache merely stays as it is.
    let cleaned = cleaning::clean(arguments.dry_run).unwrap_or_default();
    if cleaned.entries > 0 {
        writeln!(
            err,
            "{verb} {} trees of channels and indexes that were not used for {} days, {}",
            cleaned.entries,
            cleaning::UNUSED.as_secs() / (24 * 3600),
            quantity::bytes(cleaned.bytes)
        )?;
    }
    if report.left_to_owners > 0 {
        writeln!(
            err,
            "{} of them belong to others of your group; their room comes back when those run `hpcl gc`",
            report.left_to_owners
        )?;
    }
    if !arguments.dry_run && enough.is_some() {
        let now = store.available()?;
        if !now.covers(wanted) {
            let missing = now.missing_to(wanted);
            writeln!(
                err,
                "warning: {} and {} inodes are still missing to what was asked for; `hpcl gc --list-roots` says what keeps the rest",
                quantity::bytes(missing.bytes),
                missing.inodes
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list_roots(store: &LocalStore, json: bool) -> Outcome {
    let roots = store.roots()?;
    let targets: Vec<StorePath> = roots.iter().map(|root| root.target.clone()).collect();
    let usages = store.kept_by(&targets)?;
    let rows: Vec<Kept<'_>> = roots
        .iter()
        .zip(usages)
        .map(|(root, usage)| Kept { root, path: store.local_path(&root.target), usage })
        .collect();
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    for Kept { root, path, usage } in &rows {
        let size = quantity::bytes(usage.bytes);
        writeln!(out, "{}\t{size}\t{} inodes\t{}", root.link.display(), usage.inodes, path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(store: &LocalStore, items: &BTreeSet<StorePath>, json: bool) -> Outcome {
    let paths: Vec<PathBuf> = items.iter().map(|item| store.local_path(item)).collect();
    let mut out = std::io::stdout();
    if json {
        serde_json::to_writer_pretty(&mut out, &paths).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    for path in paths {
        writeln!(out, "{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
