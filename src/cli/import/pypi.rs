//! `hpcl import pypi`: makes recipes of Python packages.

use std::{
    io::{IsTerminal, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::SIGINT;

use super::{Outcome, RecipeOptions, listing, module_of, natives, provided, usage, write};
use crate::{
    fetch::{self, FetchError, Settings},
    import::{
        Importer as _, Mode, Options, Provided, PypiImporter, Requirement, Root, Target, pins_of_lock,
        reading::{Written, written},
        roots_of_file,
    },
    pypi::{Cache, Choice, Configuration, Index},
    report::{Failure, exit_code, warning},
};

/// Arguments of `hpcl import pypi`.
#[derive(Args)]
pub struct Arguments {
    /// Projects with versions and extras, as in `flask`, `'dask[complete]>=2024'` or `numpy@2.2.0`; or a requirements.txt,
    /// pyproject.toml, uv.lock or pylock.toml
    #[arg(value_name = "PACKAGE|FILE", value_hint = ValueHint::FilePath, required_unless_present_any = ["check", "update"])]
    packages: Vec<String>,
    /// Import what they need as well, to be used and to be built
    #[arg(short, long)]
    recursive: bool,
    /// Write the recipes into a file, a module of its own; versions that are in it already are kept
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Take wheels, built elsewhere, where they fit
    #[arg(long, conflicts_with = "source_only")]
    wheel: bool,
    /// Never take wheels: what cannot be built is an error
    #[arg(long)]
    source_only: bool,
    /// Let the packages named run their tests when they are built
    #[arg(long)]
    tests: bool,
    /// Allow only the versions in a requirements file or lock file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    constraint: Vec<PathBuf>,
    /// Use nothing that was uploaded at or after a date, such as 2025-06-30 or 2025-06-30T12:00:00Z
    #[arg(long, value_name = "DATE")]
    exclude_newer: Option<String>,
    /// Take pre-releases like other versions
    #[arg(long)]
    pre: bool,
    /// Import Python packages even if a channel has them
    #[arg(long)]
    no_channel_packages: bool,
    /// Use only what was read before
    #[arg(long)]
    offline: bool,
    /// Compare the recipes of a file with the index; exit with 1 if they are not what it says
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["update", "output", "packages"])]
    check: Option<PathBuf>,
    /// Import again what a file was made for, in the newest versions
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "output")]
    update: Option<PathBuf>,
    /// With --check, print as JSON
    #[arg(long, requires = "check")]
    json: bool,
    /// Ask this index instead of the one that pip is configured for
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url)]
    index_url: Option<String>,
    /// Ask this index as well
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::Url)]
    extra_index_url: Vec<String>,
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: u16,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Imports, compares or renews.
pub fn run(arguments: &Arguments) -> Outcome {
    let output = arguments.update.as_ref().or(arguments.output.as_ref());
    let module = output.map(|path| module_of(path)).transpose()?;
    let mut options = options(arguments)?;
    let file = arguments.check.as_ref().or(output).filter(|path| path.exists() || arguments.output.is_none());
    let earlier = match file {
        Some(path) => earlier(path)?,
        None => Vec::new(),
    };
    if arguments.update.is_some() && options.roots.is_empty() {
        for text in earlier.iter().filter_map(|written| written.requested.as_deref()) {
            options.roots.push(Root::parse(text)?);
        }
        // What was imported with all that it needs is so again.
        options.recursive |= earlier.iter().any(|written| written.requested.is_none());
    }
    if arguments.update.is_none() {
        options.earlier = earlier;
    }
    let module = module.unwrap_or_else(|| {
        options.roots.first().map_or("imported".to_owned(), |root| root.requirement.name.clone())
    });
    let mut packages = provided(&arguments.recipes)?;
    // What the file itself has is no channel's.
    packages.retain(|package| output.is_none() || package.module != format!("({module})"));
    let target = target(&packages)?;
    options.natives = natives(&arguments.recipes)?;
    let stop = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register_conditional_shutdown(
        SIGINT,
        i32::from(exit_code::INTERRUPTED),
        Arc::clone(&stop),
    )?;
    signal_hook::flag::register(SIGINT, Arc::clone(&stop))?;
    let index = index(arguments, stop)?;
    let header = header(&options);
    let importer = PypiImporter::new(index, target, &packages, options);
    if arguments.check.is_some() {
        return check(&importer, arguments.json);
    }
    let imported = with_progress(&importer, || importer.import())?;
    for note in &imported.notes {
        warning(note);
    }
    write(output.map(PathBuf::as_path), &module, &header, &imported)?;
    let mut stderr = anstream::stderr();
    let all = importer.statistics();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let wheels = if all.wheels > 0 { format!(", {} from wheels", all.wheels) } else { String::new() };
    writeln!(
        stderr,
        "{}{wheels}; {} at run time, chosen in {:.1} s; {:.1} s in all",
        counted(all.recipes, "recipe"),
        counted(all.projects, "project"),
        all.resolving.as_secs_f32(),
        all.whole.as_secs_f32()
    )?;
    if let (Some(path), Some(last)) = (output, imported.recipes.last()) {
        writeln!(stderr, "{}: try `{}`", path.display(), usage(path, &last.name))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &Arguments) -> Result<Options, Failure> {
    let mut options = Options {
        recursive: arguments.recursive,
        mode: match (arguments.wheel, arguments.source_only) {
            (true, _) => Mode::Wheel,
            (_, true) => Mode::SourceOnly,
            _ => Mode::Prefer,
        },
        tests: arguments.tests,
        exclude_newer: arguments.exclude_newer.as_deref().map(date).transpose()?,
        pre: arguments.pre,
        connections: usize::from(arguments.connections),
        use_channels: !arguments.no_channel_packages,
        ..Options::default()
    };
    for package in &arguments.packages {
        let path = Path::new(package);
        if [".txt", ".in", ".toml", ".lock"].iter().any(|ending| package.ends_with(ending)) {
            let (roots, constraints) = roots_of_file(path)?;
            options.roots.extend(roots);
            options.constraints.extend(constraints);
            options.constraints.extend(pins_of_lock(path));
        } else {
            options.roots.push(Root::parse(package)?);
        }
    }
    for path in &arguments.constraint {
        let (roots, constraints) = roots_of_file(path)?;
        let own = roots.into_iter().map(|root| root.requirement);
        options
            .constraints
            .extend(own.chain(constraints).chain(pins_of_lock(path)).collect::<Vec<Requirement>>());
    }
    Ok(options)
}

fn date(text: &str) -> Result<DateTime<Utc>, Failure> {
    let whole = DateTime::parse_from_rfc3339(text).map(|date| date.with_timezone(&Utc)).ok();
    let day =
        || NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    whole.or_else(day).ok_or_else(|| {
        Failure::new(format!("`{text}` is no date"))
            .hint("write 2025-06-30 or 2025-06-30T12:00:00Z")
            .code(exit_code::USAGE)
    })
}

/// The recipes of a file; one that an import did not write is left alone.
fn earlier(path: &Path) -> Result<Vec<Written>, Failure> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read `{name}`: {error}")))?;
    let found = written(&name, &text)?;
    if found.is_empty() && !text.trim().is_empty() {
        return Err(Failure::new(format!("`{name}` has no recipes that were imported"))
            .hint("an import replaces only files that an import wrote; name another file"));
    }
    Ok(found)
}

/// What the channels' Python runs on.
pub(in crate::cli) fn target(packages: &[Provided]) -> Result<Target, Failure> {
    let version = |name: &str| {
        packages.iter().find(|package| package.name == name).map(|package| package.version.as_str())
    };
    let python = version("python").ok_or_else(|| {
        Failure::new("no channel has a package `python`")
            .hint("Python packages are imported for the Python of the channels")
    })?;
    let glibc = version("glibc").and_then(|version| version.split(['.', '-']).nth(1)?.parse().ok());
    // The oldest that wheels are still made for, where the channel does not say.
    Target::new(python, glibc.unwrap_or(17))
        .ok_or_else(|| Failure::new(format!("`python` {python} of the channels is no Python 3")))
}

fn index(arguments: &Arguments, stop: Arc<AtomicBool>) -> Result<Index, Failure> {
    let settings = Settings::load().map_err(FetchError::from)?;
    let own = settings.mirrors.get("pypi").cloned().unwrap_or_default();
    let choice = Choice {
        index_url: arguments.index_url.clone(),
        extra_index_urls: arguments.extra_index_url.clone(),
    };
    let configuration = Configuration::of_host(&choice, &own)?;
    Ok(Index::new(configuration, &fetch::Options::default(), Cache::of_user(), arguments.offline, stop)?)
}

fn header(options: &Options) -> Vec<String> {
    let roots: Vec<&str> =
        options.roots.iter().filter(|root| root.named).map(|root| root.requirement.text.as_str()).collect();
    let what = if roots.is_empty() { "what a lock file has".to_owned() } else { roots.join(", ") };
    let mut lines = vec![String::new()];
    for word in format!("Python packages for {what}; written by hpcl import pypi.").split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < 90 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.push(String::new());
    lines.push(
        "`requirements' are what the index says: `hpcl import pypi --check' compares, `--update' renews."
            .to_owned(),
    );
    lines
}

fn check(importer: &PypiImporter, json: bool) -> Outcome {
    let found = with_progress(importer, || importer.differences())?;
    let changed = found.iter().any(|(_, what)| !what.starts_with("newer: "));
    if json {
        let rows: Vec<_> = found
            .iter()
            .map(|(package, what)| serde_json::json!({"package": package, "difference": what}))
            .collect();
        listing::json(&rows)?;
    } else {
        let mut out = std::io::stdout();
        for (package, what) in &found {
            writeln!(out, "{package}: {what}")?;
        }
    }
    Ok(ExitCode::from(if changed { exit_code::FAILURE } else { exit_code::SUCCESS }))
}

/// Shows how far it is while something goes on, on a terminal.
fn with_progress<T>(importer: &PypiImporter, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} asking the index: {msg}") {
        bar.set_style(style);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let (answered, asked) = importer.progress();
                bar.set_message(format!("{answered} of {asked} answers"));
                bar.tick();
                std::thread::sleep(Duration::from_millis(100));
            }
            bar.finish_and_clear();
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        result
    })
}
