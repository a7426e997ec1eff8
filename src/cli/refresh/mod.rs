//! `hpcl refresh`: says which packages have newer versions, and puts these into their recipes.

mod update;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use clap::{Args, ValueHint};
use clap_complete::ArgValueCompleter;
use serde::Serialize;

use super::{
    Outcome, complete, import, listing,
    options::{PackageOptions, RecipeOptions},
    session,
};
use crate::{
    channel::PackageRecord,
    fetch::Fetcher,
    host::PackageFacts,
    profile::compare_versions,
    report::{Failure, exit_code, warning},
    upstream::{Package, Release, UPDATERS, Upstream, UpstreamError},
};

/// Arguments of `hpcl refresh`.
#[derive(Args)]
pub struct Arguments {
    /// Packages: NAME or NAME@VERSION; NAME=VERSION names the version to go to. Without any, all packages
    #[arg(value_name = "PACKAGE", add = ArgValueCompleter::new(complete::packages))]
    packages: Vec<String>,
    /// Add the packages of a manifest
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: Vec<PathBuf>,
    /// Add the package or list that an expression evaluates to
    #[arg(short, long, value_name = "EXPR")]
    expression: Vec<String>,
    /// Change the recipes: version and hash, and fetch the new sources into the store
    #[arg(short, long)]
    update: bool,
    /// Ask only in this way; `--list-updaters` lists them
    #[arg(short = 't', long = "type", value_name = "UPDATER")]
    updater: Option<String>,
    /// Also what the packages are made from
    #[arg(short, long)]
    recursive: bool,
    /// List the packages that depend on these, and so are built again when these change
    #[arg(short, long, conflicts_with = "update")]
    list_dependent: bool,
    /// List the ways to find versions
    #[arg(long)]
    list_updaters: bool,
    /// Print as JSON
    #[arg(long, conflicts_with = "update")]
    json: bool,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// How many places are asked at the same time.
const CONNECTIONS: usize = 16;

/// What is known of a package's newest version.
#[derive(Serialize)]
struct Row {
    package: String,
    version: String,
    /// The newest version, or the one that was asked for.
    newest: Option<String>,
    updater: Option<&'static str>,
    /// Why nothing is known.
    error: Option<String>,
    file: String,
    line: u32,
    column: u32,
    #[serde(skip)]
    tag: Option<String>,
    #[serde(skip)]
    facts: PackageFacts,
}

impl Row {
    fn place(&self) -> String {
        format!("{}:{}:{}", self.file, self.line, self.column)
    }

    /// The version to go to, if that is another.
    fn target(&self) -> Option<&str> {
        self.newest.as_deref().filter(|newest| *newest != self.version)
    }
}

/// Asks, and prints or changes.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.list_updaters {
        let lines: Vec<String> =
            UPDATERS.iter().map(|(name, about)| format!("{name:<13} {about}\n")).collect();
        listing::page(&lines.concat())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &arguments.updater
        && !UPDATERS.iter().any(|(known, _)| known == name)
    {
        return Err(Failure::new(format!("there is no updater `{name}`"))
            .hint("`hpcl refresh --list-updaters` lists them")
            .code(exit_code::USAGE));
    }
    let named =
        !(arguments.packages.is_empty() && arguments.manifest.is_empty() && arguments.expression.is_empty());
    if arguments.update && !named {
        return Err(Failure::new("no packages are named")
            .hint("`--update` changes recipes: name those that it may change")
            .code(exit_code::USAGE));
    }
    let (specifications, chosen) = specifications(&arguments.packages);
    let facts = facts(arguments, specifications, named)?;
    if arguments.list_dependent {
        return list_dependent(&facts, &arguments.recipes);
    }
    let rows = ask(arguments, facts, &chosen, named)?;
    if arguments.json {
        listing::json(&rows)?;
    }
    let mut failed = false;
    for row in &rows {
        failed |= !tell(arguments, row, named)?;
    }
    summary(&rows, named)?;
    Ok(ExitCode::from(if failed { exit_code::FAILURE } else { exit_code::SUCCESS }))
}

/// Prints what is known of one package, or changes its recipe; whether all went well.
fn tell(arguments: &Arguments, row: &Row, named: bool) -> Result<bool, Failure> {
    if let Some(error) = &row.error {
        // Of all packages some cannot be looked up at any time; the summary counts them.
        if named {
            warning(&format!("{}@{}: {error}", row.package, row.version));
        }
        return Ok(!named);
    }
    let mut out = std::io::stdout();
    match row.target() {
        Some(newest) if arguments.update => match update::update(row, newest, &arguments.recipes) {
            Ok(()) => writeln!(
                out,
                "{}: {} was changed from version {} to {newest}",
                row.place(),
                row.package,
                row.version
            )?,
            Err(failure) => {
                failure.print();
                return Ok(false);
            }
        },
        Some(newest) if !arguments.json => {
            let Row { package, version, .. } = row;
            writeln!(
                out,
                "{}: {package} would be upgraded from {version} to {newest} [{}]",
                row.place(),
                row.updater.unwrap_or_default()
            )?;
        }
        None if named && !arguments.json => {
            writeln!(out, "{}: {} {} is the newest version", row.place(), row.package, row.version)?;
        }
        _ => {}
    }
    Ok(true)
}

fn summary(rows: &[Row], named: bool) -> Result<(), Failure> {
    if rows.len() < 2 {
        return Ok(());
    }
    let newer = rows.iter().filter(|row| row.target().is_some()).count();
    let unknown = rows.iter().filter(|row| row.error.is_some()).count();
    let mut text = format!("{newer} of {} packages have a newer version", rows.len());
    if unknown > 0 {
        let why = if named { "" } else { ": `hpcl refresh PACKAGE` says why" };
        text.push_str(&format!("; of {unknown} it is not known{why}"));
    }
    Ok(writeln!(anstream::stderr(), "{text}")?)
}

/// Specifications, and by name the versions that `NAME=VERSION` asks for.
fn specifications(packages: &[String]) -> (Vec<String>, BTreeMap<String, String>) {
    let mut chosen = BTreeMap::new();
    let plain = |text: &String| match text.split_once('=') {
        Some((specification, version)) => {
            let name = specification.split('@').next().unwrap_or(specification);
            chosen.insert(name.to_owned(), version.to_owned());
            specification.to_owned()
        }
        None => text.clone(),
    };
    (packages.iter().map(plain).collect(), chosen)
}

/// What the recipes say, each definition once.
fn facts(
    arguments: &Arguments,
    mut specifications: Vec<String>,
    named: bool,
) -> Result<Vec<PackageFacts>, Failure> {
    let recipes = &arguments.recipes;
    if !named {
        let records = records(recipes)?;
        specifications = records.iter().filter(|record| is_meant(record)).map(specification).collect();
    }
    if specifications.is_empty() && !named {
        return Ok(Vec::new());
    }
    let mut options = PackageOptions {
        packages: specifications,
        manifest: arguments.manifest.clone(),
        expression: arguments.expression.clone(),
        recipes: recipes.clone(),
        ..PackageOptions::default()
    };
    let mut facts = evaluated(&options)?;
    if arguments.recursive {
        let records = records(recipes)?;
        let below = closure(&facts, &|package: &str| {
            let own = records.iter().filter(|record| specification(record) == package);
            own.flat_map(|record| &record.dependencies).map(|name| without_output(name).to_owned()).collect()
        });
        options = PackageOptions { packages: below, recipes: recipes.clone(), ..PackageOptions::default() };
        facts.extend(evaluated(&options)?);
    }
    let mut seen = BTreeSet::new();
    facts.retain(|facts| seen.insert((facts.location.clone(), facts.name.clone(), facts.version.clone())));
    Ok(facts)
}

fn evaluated(options: &PackageOptions) -> Result<Vec<PackageFacts>, Failure> {
    if options.packages.is_empty() && options.manifest.is_empty() && options.expression.is_empty() {
        return Ok(Vec::new());
    }
    let mut evaluation = session::evaluation(&options.recipes)?;
    let entries = evaluation.entries(&session::request(options)?)?;
    Ok(evaluation.facts(&entries)?.into_iter().map(|checked| checked.facts).collect())
}

fn records(recipes: &RecipeOptions) -> Result<Vec<PackageRecord>, Failure> {
    listing::ask(recipes, |listing| {
        let rows = listing.rows()?;
        listing.records(&(0..rows.len()).collect::<Vec<_>>())
    })
}

fn is_meant(record: &PackageRecord) -> bool {
    !record.hidden && record.superseded.is_none()
}

fn specification(record: &PackageRecord) -> String {
    format!("{}@{}", record.name, record.version)
}

fn without_output(dependency: &str) -> &str {
    dependency.split(':').next().unwrap_or(dependency)
}

/// What follows from packages, step by step, without themselves.
fn closure(facts: &[PackageFacts], next: &dyn Fn(&str) -> Vec<String>) -> Vec<String> {
    let start = facts.iter().map(|facts| format!("{}@{}", facts.name, facts.version));
    let mut seen: BTreeSet<String> = start.collect();
    let mut waiting: Vec<String> = seen.iter().cloned().collect();
    let mut found = Vec::new();
    while let Some(package) = waiting.pop() {
        for other in next(&package) {
            if seen.insert(other.clone()) {
                waiting.push(other.clone());
                found.push(other);
            }
        }
    }
    found.sort();
    found
}

fn list_dependent(facts: &[PackageFacts], recipes: &RecipeOptions) -> Outcome {
    let records = records(recipes)?;
    let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for record in &records {
        for dependency in &record.dependencies {
            users.entry(without_output(dependency)).or_default().push(specification(record));
        }
    }
    let found = closure(facts, &|package| users.get(package).cloned().unwrap_or_default());
    let names: Vec<&str> = facts.iter().map(|facts| facts.name.as_str()).collect();
    let mut text = String::new();
    found.iter().for_each(|package| text.push_str(&format!("{package}\n")));
    listing::page(&text)?;
    let count = found.len();
    let (plural, verb) = if count == 1 { ("", "depends") } else { ("s", "depend") };
    writeln!(anstream::stderr(), "{count} package{plural} {verb} on {}", names.join(", "))?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for the newest versions, of several packages at the same time.
fn ask(
    arguments: &Arguments,
    facts: Vec<PackageFacts>,
    chosen: &BTreeMap<String, String>,
    named: bool,
) -> Result<Vec<Row>, Failure> {
    let packages: Vec<Package> = facts.iter().map(package).collect();
    let python =
        packages.iter().any(|package| package.urls.iter().any(|url| url.starts_with("mirror://pypi/")));
    let target = match python {
        true => Some(import::target(&import::provided(&arguments.recipes)?)?),
        false => None,
    };
    let upstream = Upstream::new(Fetcher::of_host()?, target);
    let only = arguments.updater.as_deref();
    let answers: Mutex<BTreeMap<usize, Result<Release, UpstreamError>>> = Mutex::default();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS.min(packages.len()) {
            scope.spawn(|| {
                while let Some((at, package)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    packages.get(at).map(|package| (at, package))
                } {
                    let answer = upstream.newest(package, only);
                    answers.lock().unwrap_or_else(PoisonError::into_inner).insert(at, answer);
                }
            });
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut rows = Vec::new();
    for (at, (facts, package)) in facts.into_iter().zip(&packages).enumerate() {
        let updaters = Upstream::updaters(package);
        let serves = updaters.iter().any(|name| only.is_none_or(|only| only == *name));
        // With `--type`, and where all packages are meant, what has no such place is not spoken of.
        if !serves && (!named || only.is_some()) {
            continue;
        }
        let (newest, updater, tag, error) = match (chosen.get(&facts.name), answers.remove(&at)) {
            (Some(version), answer) => {
                let tag =
                    answer.and_then(Result::ok).and_then(|release| Some((release.version, release.tag?)));
                let tag = tag.and_then(|(newest, tag)| {
                    crate::upstream::at_version(&tag, &newest, version).or(Some(tag))
                });
                (Some(version.clone()), updaters.first().copied(), tag, None)
            }
            (None, Some(Ok(release))) => {
                // A mirror may be behind the recipe.
                let newest = match compare_versions(&release.version, &facts.version).is_gt() {
                    true => release.version,
                    false => facts.version.clone(),
                };
                (Some(newest), Some(release.updater), release.tag, None)
            }
            (None, Some(Err(error))) => {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                (None, updaters.first().copied(), None, Some(format!("{error}{hint}")))
            }
            (None, None) => continue,
        };
        let (file, line, column) = facts.location.clone();
        let (package, version) = (facts.name.clone(), facts.version.clone());
        rows.push(Row { package, version, newest, updater, error, file, line, column, tag, facts });
    }
    Ok(rows)
}

fn package(facts: &PackageFacts) -> Package {
    let (url, commit) = &facts.repository;
    Package {
        name: facts.name.clone(),
        version: facts.version.clone(),
        urls: facts.urls.clone(),
        repository: (!url.is_empty()).then(|| (url.clone(), commit.clone())),
    }
}
