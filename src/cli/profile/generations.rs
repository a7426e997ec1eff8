//! The generations of a profile: listing, going back and forth, deleting.

use std::{fmt::Write as _, io::Write as _, process::ExitCode, time::SystemTime};

use anstyle::Style;
use serde_json::json;

use super::{
    super::{Outcome, listing, options::BuildOptions, realise},
    ProfileOptions,
    transaction::{locked, make},
};
use crate::{
    profile::{Change, Entry, Generation, GenerationPattern, Manifest, Profile, ProfileError, changes},
    report::{Failure, exit_code, quantity},
};

/// Goes back to the generation before the current one; before the first, the profile is empty.
pub fn roll_back(options: &ProfileOptions) -> Outcome {
    let (profile, _lock) = locked(options)?;
    let Some(current) = profile.current()? else {
        return Err(Failure::new(format!("there is no profile `{}`", profile.name())));
    };
    let before = profile.generations()?.into_iter().rev().find(|generation| generation.number < current);
    match before {
        Some(generation) => profile.switch(generation.number)?,
        None if current == 0 => {
            return Err(Failure::new(format!(
                "there is no generation before the current one of the profile `{}`",
                profile.name()
            )));
        }
        None => {
            let store = realise::open_store()?;
            let item = make(&store, &Manifest::default(), &BuildOptions::default())?;
            profile.add_as(&store, &item, 0)?;
        }
    }
    switched(&profile, current)
}

/// Goes to a generation: `NUMBER`, or `+N` and `-N` from the current one.
pub fn switch(options: &ProfileOptions, text: &str) -> Outcome {
    let (profile, _lock) = locked(options)?;
    let current = profile.current()?;
    let wrong = || {
        Failure::new(format!("`{text}` is no generation"))
            .hint("write a number, or `+1` and `-1` for the next and the one before")
            .code(exit_code::USAGE)
    };
    let relative = text.starts_with(['+', '-']);
    let number: i64 = text.parse().map_err(|_| wrong())?;
    let wanted = if relative {
        let numbers: Vec<u64> = profile.generations()?.iter().map(|generation| generation.number).collect();
        let at = numbers.iter().position(|number| Some(*number) == current);
        let at = at.and_then(|at| i64::try_from(at).ok()?.checked_add(number));
        let at = at.and_then(|at| usize::try_from(at).ok());
        let found = at.and_then(|at| numbers.get(at)).copied();
        found.ok_or_else(|| Failure::new(format!("there is no generation {text} from the current one")))?
    } else {
        u64::try_from(number).map_err(|_| wrong())?
    };
    profile.switch(wanted)?;
    switched(&profile, current.unwrap_or(0))
}

fn switched(profile: &Profile, from: u64) -> Outcome {
    let to = profile.current()?.unwrap_or(0);
    writeln!(
        anstream::stderr(),
        "switched from generation {from} to {to} of the profile `{}`",
        profile.name()
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Reads which generations are meant.
fn pattern(text: &str) -> Result<GenerationPattern, Failure> {
    GenerationPattern::parse(text, quantity::parse_age)
        .map_err(|message| Failure::new(message).code(exit_code::USAGE))
}

/// Deletes the generations that a pattern names, or all but the current one.
pub fn delete(options: &ProfileOptions, text: Option<&str>) -> Outcome {
    let (profile, _lock) = locked(options)?;
    let current = profile.current()?;
    let chosen = text.filter(|text| !text.is_empty()).map(pattern).transpose()?;
    let all = profile.generations()?;
    if let Some(GenerationPattern::Numbers(numbers)) = &chosen {
        // Who names one wants it deleted, and is told when it cannot be.
        for number in numbers {
            profile.generation(*number)?;
            if Some(*number) == current {
                return Err(ProfileError::Current { name: profile.name(), number: *number }.into());
            }
        }
    }
    let now = SystemTime::now();
    let doomed = all.iter().filter(|generation| {
        Some(generation.number) != current
            && chosen.as_ref().is_none_or(|pattern| pattern.takes(generation, now, true))
    });
    let mut count = 0;
    for generation in doomed {
        profile.delete(generation.number)?;
        writeln!(anstream::stderr(), "deleted generation {}", generation.number)?;
        count += 1;
    }
    if count == 0 {
        writeln!(anstream::stderr(), "no generation to delete")?;
    } else {
        writeln!(anstream::stderr(), "`hpcl gc` deletes what only they needed")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Lists generations with what changed in each.
pub fn list(options: &ProfileOptions, text: Option<&str>, as_json: bool) -> Outcome {
    let profile = Profile::named(options.profile.as_deref())?;
    let store = realise::open_store()?;
    let current = profile.current()?;
    let chosen = text.filter(|text| !text.is_empty()).map(pattern).transpose()?;
    let now = SystemTime::now();
    let mut before = Manifest::default();
    let mut shown = String::new();
    let mut rows = Vec::new();
    for (at, generation) in profile.generations()?.iter().enumerate() {
        let manifest = profile.manifest_of(&store, generation)?;
        if chosen.as_ref().is_none_or(|pattern| pattern.takes(generation, now, false)) {
            let is_current = Some(generation.number) == current;
            if as_json {
                rows.push(json_row(generation, is_current, &before, &manifest));
            } else {
                let row = |entry: &Entry| {
                    let place = store.local_path(&entry.item);
                    format!("{}\t{}\t{}\t{}", entry.name, entry.version, entry.output, place.display())
                };
                write(&mut shown, generation, is_current, (at > 0).then_some(&before), &manifest, row);
            }
        }
        before = manifest;
    }
    if as_json {
        listing::json(&rows)?;
    } else {
        listing::page(&shown)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a generation: all that the first one has, of others what changed.
fn write(
    out: &mut String,
    generation: &Generation,
    is_current: bool,
    before: Option<&Manifest>,
    manifest: &Manifest,
    row: impl Fn(&Entry) -> String,
) {
    let bold = Style::new().bold();
    let current = if is_current { "\t(current)" } else { "" };
    let time = chrono::DateTime::<chrono::Local>::from(generation.time).format("%Y-%m-%d %H:%M:%S");
    let _ = writeln!(out, "{bold}Generation {}{bold:#}\t{time}{current}", generation.number);
    match before {
        None => manifest.entries.iter().for_each(|entry| {
            let _ = writeln!(out, "  {}", row(entry));
        }),
        Some(before) => {
            for change in changes(before, manifest) {
                let _ = match change {
                    Change::Installed(new) => writeln!(out, " + {}", row(new)),
                    Change::Removed(old) => writeln!(out, " - {}", row(old)),
                    Change::Upgraded(old, new) | Change::Downgraded(old, new) | Change::Rebuilt(old, new) => {
                        writeln!(out, " + {}\n - {}", row(new), row(old))
                    }
                };
            }
        }
    }
    out.push('\n');
}

fn json_row(
    generation: &Generation,
    is_current: bool,
    before: &Manifest,
    manifest: &Manifest,
) -> serde_json::Value {
    let entries = |entries: &[&Entry]| entries.iter().map(|entry| json_entry(entry)).collect::<Vec<_>>();
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for change in changes(before, manifest) {
        match change {
            Change::Installed(new) => added.push(new),
            Change::Removed(old) => removed.push(old),
            Change::Upgraded(old, new) | Change::Downgraded(old, new) | Change::Rebuilt(old, new) => {
                added.push(new);
                removed.push(old);
            }
        }
    }
    let time = generation.time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    json!({
        "number": generation.number,
        "current": is_current,
        "time": time,
        "packages": manifest.entries.iter().map(json_entry).collect::<Vec<_>>(),
        "added": entries(&added),
        "removed": entries(&removed),
    })
}

/// Returns an entry as JSON.
pub fn json_entry(entry: &Entry) -> serde_json::Value {
    json!({
        "name": entry.name, "version": entry.version, "output": entry.output, "item": entry.item.to_string(),
        "propagated": entry.propagated.iter().map(|inner| inner.full_name()).collect::<Vec<_>>(),
        "transformations": entry.transformations().into_iter()
            .map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
    })
}
