//! `hpcl pull`: brings the channels up to date, and goes back to former generations of them.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};

use super::{Outcome, channels};
use crate::{
    channel::{
        generation::{Changes, Generation, Generations, Instance},
        news,
        update::Update,
    },
    report::{Failure, quantity::moment},
};

/// Arguments of `hpcl pull`.
#[derive(Args)]
pub struct Arguments {
    /// Use the channels of a file, and not those of `~/.config/hpcl/channels.hpcl`
    #[arg(short = 'C', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    channels: Option<PathBuf>,
    /// Let a channel go back to a commit that does not follow the one in use
    #[arg(long)]
    allow_downgrades: bool,
    /// Go back to the generation before
    #[arg(long, group = "action")]
    roll_back: bool,
    /// List the generations and what became of packages in each
    #[arg(short, long, group = "action")]
    list_generations: bool,
    /// Put a generation to use
    #[arg(short = 'S', long, value_name = "N", group = "action")]
    switch_generation: Option<u32>,
    /// Forget generations that are not in use: one or several numbers, or `all`
    #[arg(short, long, value_name = "N,N…", group = "action")]
    delete_generations: Option<String>,
    /// Show the news of the channels since the generation before
    #[arg(short = 'N', long, group = "action")]
    news: bool,
    /// Name all packages that became others, and not only some
    #[arg(long)]
    details: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// Pulls, or does what the options say.
pub fn run(arguments: &Arguments) -> Outcome {
    let generations = Generations::of_user()?;
    let _lock = generations.lock()?;
    let mut out = Vec::new();
    if arguments.roll_back {
        let number = generations.roll_back()?;
        writeln!(out, "channels are at generation {number} now")?;
    } else if let Some(number) = arguments.switch_generation {
        generations.switch(number)?;
        writeln!(out, "channels are at generation {number} now")?;
    } else if let Some(which) = &arguments.delete_generations {
        delete(&generations, which, &mut out)?;
    } else if arguments.list_generations {
        list(&generations, arguments, &mut out)?;
    } else if arguments.news {
        show_news(&generations, &mut out)?;
    } else {
        pull(&generations, arguments, &mut out)?;
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn pull(generations: &Generations, arguments: &Arguments, out: &mut Vec<u8>) -> Result<(), Failure> {
    let declared = channels::declared(arguments.channels.as_deref())?;
    let former = generations.current()?;
    let in_use = former.as_ref().map_or(&[][..], |generation| &generation.channels);
    if declared.is_empty() && in_use.is_empty() {
        writeln!(out, "there are no channels but the bundled ones, which come with hpcl")?;
        return Ok(());
    }
    let update = Update {
        agent: &channels::agent,
        former: in_use,
        allow_downgrades: arguments.allow_downgrades,
        tell: &channels::tell,
    };
    let pulled = update.run(&declared)?;
    // What the former generation had may not be there any more.
    let old = channels::sources(Vec::new(), in_use).ok().filter(|_| !in_use.is_empty());
    let before = old.as_ref().map_or(Ok(Vec::new()), |old| channels::packages(old, None))?;
    let names = |instances: &[Instance]| -> Vec<String> {
        instances.iter().map(|instance| instance.declared.name.clone()).collect()
    };
    let renewed = old.as_ref().filter(|_| names(in_use) == names(&pulled));
    let after = channels::packages(&channels::sources(Vec::new(), &pulled)?, renewed)?;
    if former.is_some() && pulled == in_use {
        writeln!(out, "the channels are up to date")?;
        return Ok(());
    }
    let changes = Changes::between(&before, &after);
    let generation = generations.add(Generation::new(pulled, changes))?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &generation).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "channels are at generation {} now", generation.number)?;
    for instance in &generation.channels {
        let before = in_use.iter().find(|other| other.declared.name == instance.declared.name);
        writeln!(out, "  {}", moved(before, instance))?;
    }
    for gone in in_use {
        if !generation.channels.iter().any(|other| other.declared.name == gone.declared.name) {
            writeln!(out, "  {}: no longer used", gone.declared.name)?;
        }
    }
    print_changes(&generation.changes, arguments.details, out)?;
    let entries = news::between(in_use, &generation.channels);
    if !entries.is_empty() {
        let what = if entries.len() == 1 { "is one piece" } else { "are pieces" };
        writeln!(out, "there {what} of news: `hpcl pull --news`")?;
    }
    Ok(())
}

/// Says where a channel is and where it was.
fn moved(before: Option<&Instance>, now: &Instance) -> String {
    let name = &now.declared.name;
    let short = |commit: &str| commit.get(..10).unwrap_or(commit).to_owned();
    let old = before.and_then(|before| before.declared.commit.as_deref());
    match (old, now.declared.commit.as_deref()) {
        (Some(old), Some(new)) if old == new => format!("{name}: {}, as before", short(new)),
        (Some(old), Some(new)) => {
            let count = now.repository().ok().flatten().and_then(|repository| {
                let (old, new) = (crate::git::CommitId::parse(old)?, crate::git::CommitId::parse(new)?);
                Some(repository.between(&[old], new).ok()?.len())
            });
            let commits = match count {
                Some(1) => ", one commit".to_owned(),
                Some(count) => format!(", {count} commits"),
                None => String::new(),
            };
            format!("{name}: {} → {}{commits}", short(old), short(new))
        }
        (None, Some(new)) => format!("{name}: {}", short(new)),
        (_, None) => format!("{name}: {}, read as it is", now.declared.url),
    }
}

/// How many names are shown unless all are wanted.
const SHOWN: usize = 20;

fn print_changes(changes: &Changes, all: bool, out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut group = |count: usize, one: &str, many: &str, names: Vec<String>| -> std::io::Result<()> {
        if count == 0 {
            return Ok(());
        }
        let shown: Vec<String> = names.into_iter().take(if all { usize::MAX } else { SHOWN }).collect();
        let rest = count - shown.len();
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        let what = if count == 1 { one } else { many };
        writeln!(out, "  {count} {what}: {}{rest}", shown.join(", "))
    };
    let new = changes.new.iter().map(|(name, version)| format!("{name} {version}").trim().to_owned());
    group(changes.new.len(), "new package", "new packages", new.collect())?;
    let upgraded = changes.upgraded.iter().map(|(name, old, new)| format!("{name} {old} → {new}"));
    group(changes.upgraded.len(), "package upgraded", "packages upgraded", upgraded.collect())?;
    group(changes.removed.len(), "package removed", "packages removed", changes.removed.clone())
}

fn list(generations: &Generations, arguments: &Arguments, out: &mut Vec<u8>) -> Result<(), Failure> {
    let current = generations.current_number();
    let mut all = Vec::new();
    for number in generations.numbers() {
        all.push(generations.get(number)?);
    }
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &all).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(());
    }
    let mut before: &[Instance] = &[];
    for generation in &all {
        let mark = if current == Some(generation.number) { "  (current)" } else { "" };
        writeln!(out, "generation {}  {}{mark}", generation.number, moment(generation.time))?;
        for instance in &generation.channels {
            let old = before.iter().find(|other| other.declared.name == instance.declared.name);
            writeln!(out, "  {}", moved(old, instance))?;
        }
        print_changes(&generation.changes, arguments.details, out)?;
        before = &generation.channels;
    }
    Ok(())
}

fn delete(generations: &Generations, which: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
    let current = generations.current_number();
    let numbers: Vec<u32> = if which == "all" {
        generations.numbers().into_iter().filter(|number| Some(*number) != current).collect()
    } else {
        let number = |text: &str| {
            text.trim().parse().map_err(|_| {
                Failure::new(format!("`{text}` is no number of a generation"))
                    .hint("give numbers, as in `2,3`, or `all`")
                    .code(crate::report::exit_code::USAGE)
            })
        };
        which.split(',').map(number).collect::<Result<_, _>>()?
    };
    for number in numbers {
        if Some(number) == current {
            return Err(Failure::new(format!("generation {number} of the channels is in use"))
                .hint("`hpcl pull --roll-back` or `--switch-generation N` puts another one to use"));
        }
        generations.delete(number)?;
        writeln!(out, "forgot generation {number}")?;
    }
    Ok(())
}

fn show_news(generations: &Generations, out: &mut Vec<u8>) -> Result<(), Failure> {
    let Some(current) = generations.current()? else { return Ok(()) };
    let before = generations.numbers().into_iter().rfind(|number| *number < current.number);
    let before = before.map(|number| generations.get(number)).transpose()?;
    let before = before.as_ref().map_or(&[][..], |generation| &generation.channels);
    let entries = news::between(before, &current.channels);
    if entries.is_empty() {
        writeln!(out, "there is no news")?;
    }
    for entry in entries {
        writeln!(
            out,
            "{} ({} {})\n",
            entry.title,
            entry.channel,
            entry.commit.get(..10).unwrap_or(&entry.commit)
        )?;
        entry.body.lines().try_for_each(|line| writeln!(out, "  {line}"))?;
        writeln!(out)?;
    }
    Ok(())
}
