//! One change of a profile: what is new is built, a profile of all is made, and one rename makes it the current one.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};

use super::{
    super::{Outcome, options::BuildOptions, options::RecipeOptions, realise, session},
    ProfileOptions,
};
use crate::{
    channel::Channels,
    graph::NodeId,
    host::{Evaluated, Evaluation, Planned},
    profile::{self, Change, Clash, Entry, Manifest, Profile},
    report::Failure,
    store::LocalStore,
    store_path::StorePath,
};

/// An entry of the profile that is to be.
pub enum Slot {
    /// What it has.
    Kept(Entry),
    /// What is to be built.
    New(Planned),
}

impl Slot {
    /// The package's name and the output.
    pub fn place(&self) -> (&str, &str) {
        match self {
            Slot::Kept(entry) => (&entry.name, &entry.output),
            Slot::New(planned) => (&planned.name, &planned.output),
        }
    }
}

/// Returns what a profile has, with what is new in the place of the same output of a package of that name, or after it.
pub fn merged(old: Vec<Entry>, new: Vec<Planned>) -> Vec<Slot> {
    let mut slots: Vec<Slot> = old.into_iter().map(Slot::Kept).collect();
    for planned in new {
        let place = slots.iter_mut().find(|slot| slot.place() == (&*planned.name, &*planned.output));
        match place {
            Some(slot) => *slot = Slot::New(planned),
            None => slots.push(Slot::New(planned)),
        }
    }
    slots
}

/// Opens a profile to be changed; others wait.
pub fn locked(options: &ProfileOptions) -> Result<(Profile, Option<std::fs::File>), Failure> {
    let profile = Profile::named(options.profile.as_deref())?;
    let name = profile.name();
    let lock = profile.lock(|| {
        let _ = writeln!(anstream::stderr(), "waiting for another process that changes the profile `{name}`");
    })?;
    Ok((profile, lock))
}

/// Changes a profile to what `target` makes of what it has.
pub fn change(
    options: &ProfileOptions,
    recipes: &RecipeOptions,
    build: &BuildOptions,
    target: impl FnOnce(&Manifest, &mut Evaluation) -> Result<Vec<Slot>, Failure>,
) -> Outcome {
    let (profile, _lock) = locked(options)?;
    let store = realise::open_store()?;
    let old = profile.manifest(&store)?;
    let mut evaluation = session::evaluation(recipes)?;
    let slots = target(&old, &mut evaluation)?;
    let mut evaluated = evaluation.finish()?;
    let wanted = wanted(&slots);
    let path = |(id, output): &(NodeId, String)| evaluated.graph.node(*id).output(output).cloned();
    let before_grafts: Vec<StorePath> = wanted.iter().filter_map(path).collect();
    let expected = manifest(&slots, &mut before_grafts.iter());
    refuse_clash(&store, &expected, |one, other| version_of(one) != version_of(other))?;
    // What refers to a package with a replacement becomes something else once it is there.
    if evaluated.replacements.is_empty() && is_done(&profile, &old, &expected)? {
        return nothing(build);
    }
    show(&old, &expected, build.quiet)?;
    let Some(paths) = realise::realise(&mut evaluated, &store, &wanted, build)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let new = manifest(&slots, &mut paths.iter());
    refuse_clash(&store, &new, |_, _| true)?;
    if is_done(&profile, &old, &new)? {
        return nothing(build);
    }
    let item = make(&store, &new, build)?;
    let is_first = profile.current()?.is_none();
    let number = profile.add(&store, &item)?;
    if !build.quiet {
        done(&profile, number, &new, is_first)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds what is planned and returns the manifest of it; nothing if it was only to be shown what would be built.
pub fn realised(
    evaluated: &mut Evaluated,
    store: &LocalStore,
    planned: &[Planned],
    build: &BuildOptions,
) -> Result<Option<Manifest>, Failure> {
    let slots: Vec<Slot> = planned.iter().cloned().map(Slot::New).collect();
    let paths = realise::realise(evaluated, store, &wanted(&slots), build)?;
    Ok(paths.map(|paths| manifest(&slots, &mut paths.iter())))
}

/// Makes the profile of a manifest whose items are there.
pub fn make(store: &LocalStore, manifest: &Manifest, build: &BuildOptions) -> Result<StorePath, Failure> {
    let entries = manifest.transitive();
    store.protect(entries.iter().map(|entry| &entry.item))?;
    for entry in &entries {
        if !store.is_valid(&entry.item)? {
            return Err(Failure::new(format!("`{}` of the profile is not in the store", entry.full_name()))
                .hint("install it again, or remove it, in the same command"));
        }
    }
    let places: Vec<PathBuf> = entries.iter().map(|entry| store.local_path(&entry.item)).collect();
    // The library alone is asked: a profile depends on its items and on nothing that channels say.
    let mut evaluation = Evaluation::new(Channels::default(), PathBuf::from("."), crate::report::color());
    let node = evaluation.stored_profile(manifest, &profile::hooks(&places))?;
    let mut evaluated: Evaluated = evaluation.finish()?;
    // That packages were built is said; that links were made is not worth a word.
    let build = BuildOptions { quiet: !build.verbose, dry_run: false, check: false, ..build.clone() };
    let made = realise::realise(&mut evaluated, store, &[(node, "out".to_owned())], &build)?;
    made.and_then(|paths| paths.into_iter().next()).ok_or_else(|| Failure::new("the profile was not made"))
}

/// What is to be built, in the order of the slots, each followed by what it brings along.
fn wanted(slots: &[Slot]) -> Vec<(NodeId, String)> {
    fn add(planned: &Planned, found: &mut Vec<(NodeId, String)>) {
        found.push((planned.node, planned.output.clone()));
        planned.propagated.iter().for_each(|inner| add(inner, found));
    }
    let mut found = Vec::new();
    for slot in slots {
        if let Slot::New(planned) = slot {
            add(planned, &mut found);
        }
    }
    found
}

/// Returns the manifest of slots, given the items of what is new in the order of [`wanted`].
fn manifest<'a>(slots: &[Slot], items: &mut impl Iterator<Item = &'a StorePath>) -> Manifest {
    fn entry<'a>(planned: &Planned, items: &mut impl Iterator<Item = &'a StorePath>) -> Option<Entry> {
        let item = items.next()?.clone();
        Some(Entry {
            name: planned.name.clone(),
            version: planned.version.clone(),
            output: planned.output.clone(),
            item,
            propagated: planned.propagated.iter().filter_map(|inner| entry(inner, items)).collect(),
            search_paths: planned.search_paths.clone(),
            properties: planned.properties.clone(),
        })
    }
    let entries = slots.iter().filter_map(|slot| match slot {
        Slot::Kept(entry) => Some(entry.clone()),
        Slot::New(planned) => entry(planned, items),
    });
    Manifest { entries: entries.collect() }
}

/// Whether the profile is there and holds that already.
fn is_done(profile: &Profile, old: &Manifest, new: &Manifest) -> Result<bool, Failure> {
    Ok(profile.current()?.is_some() && old == new)
}

fn nothing(build: &BuildOptions) -> Outcome {
    if !build.quiet {
        writeln!(anstream::stderr(), "nothing to be done")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn version_of(name: &str) -> &str {
    name.rsplit_once('@').map_or(name, |(_, version)| version)
}

/// Fails where two different items would be at one place.
fn refuse_clash(
    store: &LocalStore,
    manifest: &Manifest,
    counts: impl Fn(&str, &str) -> bool,
) -> Result<(), Failure> {
    let Some(Clash { one, other }) = manifest.clash() else { return Ok(()) };
    if !counts(&one.0, &other.0) {
        return Ok(());
    }
    let said = |(name, item, users): &(String, StorePath, Vec<String>)| {
        let way = match users.as_slice() {
            [] => "itself in the profile".to_owned(),
            [user] => format!("brought along by `{user}`"),
            [first, .., last] => format!("brought along by `{last}`, through `{first}`"),
        };
        format!("\n  {name} ({way})\n    {}", store.local_path(item).display())
    };
    let short = one.0.split('@').next().unwrap_or(&one.0);
    let mut failure =
        Failure::new(format!("the profile would hold two of `{short}`:{}{}", said(&one), said(&other)));
    failure = match (one.2.first(), other.2.first()) {
        (Some(user), _) | (None, Some(user)) => failure.hint(format!(
            "upgrade both, remove one of them, or put `{}` into a profile of its own with `-p NAME`",
            user.split('@').next().unwrap_or(user)
        )),
        (None, None) => {
            failure.hint("name it once, or put one of them into a profile of its own with `-p NAME`")
        }
    };
    Err(failure)
}

/// Says what will change.
fn show(old: &Manifest, new: &Manifest, quiet: bool) -> Result<(), Failure> {
    if quiet {
        return Ok(());
    }
    let mut text = String::new();
    for change in profile::changes(old, new) {
        text.push_str(&line(&change));
    }
    Ok(anstream::stderr().write_all(text.as_bytes())?)
}

/// Returns a change in one line.
fn line(change: &Change<'_>) -> String {
    let styled = |word: &str, color: AnsiColor, rest: String| {
        let style = Style::new().bold().fg_color(Some(color.into()));
        format!("{style}{word:<9}{style:#} {rest}\n")
    };
    let from_to = |old: &Entry, new: &Entry| {
        let output = if new.output == "out" { String::new() } else { format!(":{}", new.output) };
        format!("{}{output} {} → {}", new.name, old.version, new.version)
    };
    match change {
        Change::Installed(entry) => styled("install", AnsiColor::Green, entry.full_name()),
        Change::Removed(entry) => styled("remove", AnsiColor::Red, entry.full_name()),
        Change::Upgraded(old, new) => styled("upgrade", AnsiColor::Green, from_to(old, new)),
        Change::Downgraded(old, new) => styled("downgrade", AnsiColor::Yellow, from_to(old, new)),
        Change::Rebuilt(_, new) => styled(
            "replace",
            AnsiColor::Green,
            format!("{} (the same version, built otherwise)", new.full_name()),
        ),
    }
}

/// Says what there is now, and at the first time what to do to use it.
fn done(profile: &Profile, number: u64, manifest: &Manifest, is_first: bool) -> Result<(), Failure> {
    let count = manifest.entries.len();
    let packages = if count == 1 { "package" } else { "packages" };
    let mut out = anstream::stderr();
    writeln!(out, "generation {number} of the profile `{}`: {count} {packages}", profile.name())?;
    let bin = profile.link().join("bin");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    if is_first && !std::env::split_paths(&paths).any(|path| path == bin) {
        write!(out, "{}", super::search_paths::how_to_use(profile))?;
    }
    Ok(())
}
