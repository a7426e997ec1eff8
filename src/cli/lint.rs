//! `hpcl lint`: checks recipes for mistakes and style, and says where they are.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{
    Outcome, listing,
    options::{PackageOptions, RecipeOptions},
    realise, session,
};
use crate::{
    archive,
    graph::{HashedGraph, NodeId},
    host::{EvaluationError, PackageFacts},
    lint::{self, BuildFiles, CHECKERS, FURTHER, Warning},
    report::{Failure, exit_code},
    store::LocalStore,
    store_path::StorePath,
};

/// Arguments of `hpcl lint`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// Run only these checkers
    #[arg(short, long, value_name = "CHECKER", value_delimiter = ',')]
    checkers: Vec<String>,
    /// Leave out these checkers
    #[arg(short = 'x', long, value_name = "CHECKER", value_delimiter = ',')]
    exclude: Vec<String>,
    /// List the checkers and what they check
    #[arg(short, long)]
    list_checkers: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// A warning and where it belongs.
#[derive(Serialize)]
struct Row {
    package: String,
    file: String,
    line: u32,
    column: u32,
    #[serde(flatten)]
    warning: Warning,
}

/// Checks and prints; warnings make the exit code 1.
pub fn run(arguments: &Arguments) -> Outcome {
    let names: Vec<(&str, &str)> =
        CHECKERS.iter().map(|checker| (checker.name, checker.about)).chain(FURTHER).collect();
    if arguments.list_checkers {
        let mut text = String::new();
        for (name, about) in names {
            let _ = writeln!(text, "{name:<27} {about}");
        }
        listing::page(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    for name in arguments.checkers.iter().chain(&arguments.exclude) {
        if !names.iter().any(|(known, _)| known == name) {
            return Err(Failure::new(format!("there is no checker `{name}`"))
                .hint("`hpcl lint --list-checkers` lists them")
                .code(exit_code::USAGE));
        }
    }
    let rows = check(arguments)?;
    if arguments.json {
        listing::json(&rows)?;
    } else {
        let mut text = String::new();
        for row in &rows {
            let Row { package, file, line, column, warning } = row;
            let place = if file.is_empty() { String::new() } else { format!("{file}:{line}:{column}: ") };
            let _ = writeln!(text, "{place}{package}: {} [{}]", warning.message, warning.checker);
        }
        listing::page(&text)?;
    }
    Ok(ExitCode::from(if rows.is_empty() { exit_code::SUCCESS } else { exit_code::FAILURE }))
}

fn check(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let is_meant = |name: &str| {
        let named = |list: &[String]| list.iter().any(|one| one == name);
        (arguments.checkers.is_empty() || named(&arguments.checkers)) && !named(&arguments.exclude)
    };
    let mut packages = arguments.packages.clone();
    let PackageOptions { packages: names, manifest, file, expression, recipes, .. } = &packages;
    if names.is_empty() && manifest.is_empty() && file.is_empty() && expression.is_empty() {
        packages.packages = all(recipes)?;
    }
    let request = session::request(&packages)?;
    let mut evaluation = session::evaluation(&packages.recipes)?;
    let entries = evaluation.entries(&request)?;
    let mut rows = Vec::new();
    let mut derived: Vec<(PackageFacts, NodeId)> = Vec::new();
    for checked in evaluation.facts(&entries)? {
        let facts = checked.facts;
        let mut warnings = lint::check(&facts, &is_meant);
        match checked.derivation {
            Ok(node) => derived.push((facts.clone(), node)),
            Err(error) if is_meant("derivation") => {
                let message = first_line(&error);
                warnings.push(Warning { checker: "derivation", field: None, message });
            }
            Err(_) => {}
        }
        let text = std::fs::read_to_string(&facts.location.0).unwrap_or_default();
        let lines = definition(&text, facts.location.1);
        rows.extend(warnings.into_iter().map(|warning| row(&facts, &lines, warning)));
        if is_meant("wrapper-inputs") {
            let warnings = lint::wrappers(&facts, &lines);
            rows.extend(warnings.into_iter().map(|warning| row(&facts, &lines, warning)));
        }
        if is_meant("formatting") {
            for (number, what) in lint::formatting(&lines) {
                let warning = Warning { checker: "formatting", field: None, message: what.to_owned() };
                let offset = u32::try_from(number - 1).unwrap_or(0);
                rows.push(Row { line: facts.location.1 + offset, column: 1, ..row(&facts, &lines, warning) });
            }
        }
    }
    if !derived.is_empty() && (is_meant("unused-input") || is_meant("build-files")) {
        let graph = evaluation.finish()?.graph;
        let store = realise::open_store()?;
        for (facts, node) in derived {
            let text = std::fs::read_to_string(&facts.location.0).unwrap_or_default();
            let lines = definition(&text, facts.location.1);
            let mut warnings = Vec::new();
            if is_meant("unused-input")
                && let Some(references) = references(&graph, node, &store)?
            {
                warnings.extend(lint::unused(&facts, &references));
            }
            if is_meant("build-files")
                && let Some(files) = build_files(&graph, node, &facts, &store)?
            {
                warnings.extend(files.unnamed(&facts));
            }
            rows.extend(warnings.into_iter().map(|warning| row(&facts, &lines, warning)));
        }
    }
    Ok(rows)
}

/// The packages that listings show, by name and version.
fn all(recipes: &RecipeOptions) -> Result<Vec<String>, Failure> {
    listing::ask(recipes, |listing| {
        let rows = listing.rows()?;
        let shown = rows.iter().filter(|row| row.is_listed() && row.supported);
        Some(shown.map(|row| format!("{}@{}", row.name, row.version)).collect())
    })
}

/// What an error says, without the places that it shows.
fn first_line(error: &EvaluationError) -> String {
    let text = anstream::adapter::strip_str(&error.to_string()).to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

/// The lines of the definition at a line: until the next one at the margin.
fn definition(text: &str, line: u32) -> Vec<&str> {
    let mut lines = text.lines().skip(line.saturating_sub(1) as usize);
    let first: Vec<&str> = lines.next().into_iter().collect();
    first.into_iter().chain(lines.take_while(|line| !line.starts_with(['(', ';']))).collect()
}

/// A warning at the line of its field, if that is found.
fn row(facts: &PackageFacts, lines: &[&str], warning: Warning) -> Row {
    let (file, mut line, mut column) = facts.location.clone();
    let start = warning.field.map(|field| format!("({field}"));
    let place = start.and_then(|start| {
        lines.iter().enumerate().find_map(|(at, line)| {
            let column = line.find(&start)?;
            let after = line.get(column + start.len()..).unwrap_or_default();
            (after.is_empty() || after.starts_with([' ', '\t', ')'])).then_some((at, column))
        })
    });
    if let Some((at, start)) = place {
        line += u32::try_from(at).unwrap_or(0);
        column = u32::try_from(start + 1).unwrap_or(1);
    }
    Row { package: format!("{}@{}", facts.name, facts.version), file, line, column, warning }
}

/// The names of the items that a package's outputs refer to; nothing when one is not in the store.
fn references(graph: &HashedGraph, node: NodeId, store: &LocalStore) -> Result<Option<Vec<String>>, Failure> {
    let mut names = BTreeSet::new();
    for (_, path) in graph.node(node).outputs() {
        if !store.is_valid(path)? {
            return Ok(None);
        }
        names.extend(store.info(path)?.references.iter().map(|item| item.name().to_owned()));
    }
    Ok(Some(names.into_iter().collect()))
}

/// The build files of a package's source; nothing when it is not in the store.
fn build_files(
    graph: &HashedGraph,
    node: NodeId,
    facts: &PackageFacts,
    store: &LocalStore,
) -> Result<Option<BuildFiles>, Failure> {
    if facts.file_name.is_empty() || facts.inputs.iter().all(|(kind, _, _)| kind != "inputs") {
        return Ok(None);
    }
    let bare = ["tar.gz", "tar.xz", "tar.bz2", "tar.zst", "tgz", "zip"]
        .iter()
        .find_map(|ending| facts.file_name.strip_suffix(ending))
        .map_or(facts.file_name.as_str(), |name| name.trim_end_matches('.'));
    let mut found: Option<StorePath> = None;
    for input in graph.inputs(node) {
        let named = |path: &StorePath| path.name() == facts.file_name || path.name() == bare;
        let path = graph.node(input).output("out").filter(|path| named(path));
        if let Some(path) = path.filter(|path| store.is_valid(path).unwrap_or(false)) {
            found = Some(path.clone());
        }
    }
    let Some(source) = found else { return Ok(None) };
    store.protect([&source])?;
    let place = store.local_path(&source);
    if place.is_dir() {
        return Ok(BuildFiles::read(&place));
    }
    let directory = tempfile::tempdir()?;
    Ok(unpacked(&place, directory.path()).then(|| BuildFiles::read(directory.path())).flatten())
}

/// Whether an archive could be unpacked; what is none has no build files.
fn unpacked(file: &Path, to: &Path) -> bool {
    archive::unpack_archive(file, to).is_ok()
}
