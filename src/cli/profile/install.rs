//! `hpcl install`, `hpcl remove` and `hpcl upgrade`.

use std::{collections::BTreeSet, io::Write};

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    super::{
        Outcome, complete, listing,
        options::{BuildOptions, PackageOptions, RecipeOptions, TransformationOptions},
        session,
    },
    ProfileOptions,
    transaction::{self, merged},
};
use crate::{
    channel::Pattern,
    host::{Evaluation, Planned, Upgrade},
    profile::{Entry, closest},
    report::{Failure, exit_code},
};

/// Arguments of `hpcl install`.
#[derive(Args)]
pub struct InstallArguments {
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// Arguments of `hpcl remove`.
#[derive(Args)]
pub struct RemoveArguments {
    /// Packages: NAME, NAME@VERSION, NAME:OUTPUT or NAME@VERSION:OUTPUT
    #[arg(required = true, value_name = "PACKAGE", add = ArgValueCompleter::new(complete::installed))]
    packages: Vec<String>,
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// Arguments of `hpcl upgrade`.
#[derive(Args)]
pub struct UpgradeArguments {
    /// Only packages whose names match [default: all]
    #[arg(value_name = "REGEX", add = ArgValueCompleter::new(complete::installed))]
    patterns: Vec<String>,
    /// Leave those whose names match as they are
    #[arg(long, value_name = "REGEX")]
    do_not_upgrade: Vec<String>,
    #[command(flatten)]
    profile: ProfileOptions,
    #[command(flatten)]
    recipes: RecipeOptions,
    #[command(flatten)]
    transformations: TransformationOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// What a command changes of a profile.
#[derive(Debug, Default, Clone)]
pub struct Wishes {
    /// What is to be there.
    pub install: PackageOptions,
    /// What is to be there no more.
    pub remove: Vec<String>,
    /// What is to be renewed, by expressions; nothing for nothing.
    pub upgrade: Option<Vec<String>>,
    /// What is not to be renewed.
    pub do_not_upgrade: Vec<String>,
}

/// Installs.
pub fn install(arguments: &InstallArguments) -> Outcome {
    // A manifest says all that a profile holds.
    if !arguments.packages.manifest.is_empty() {
        return replace(&arguments.packages, &arguments.profile, &arguments.build);
    }
    session::request(&arguments.packages)?;
    let wishes = Wishes { install: arguments.packages.clone(), ..Wishes::default() };
    apply(&wishes, &arguments.profile, &arguments.build)
}

/// Removes.
pub fn remove(arguments: &RemoveArguments) -> Outcome {
    let wishes = Wishes { remove: arguments.packages.clone(), ..Wishes::default() };
    apply(&wishes, &arguments.profile, &arguments.build)
}

/// Upgrades.
pub fn upgrade(arguments: &UpgradeArguments) -> Outcome {
    let install = PackageOptions {
        recipes: arguments.recipes.clone(),
        transformations: arguments.transformations.clone(),
        ..PackageOptions::default()
    };
    let wishes = Wishes {
        install,
        upgrade: Some(arguments.patterns.clone()),
        do_not_upgrade: arguments.do_not_upgrade.clone(),
        ..Wishes::default()
    };
    apply(&wishes, &arguments.profile, &arguments.build)
}

/// Makes a profile hold what manifests say and nothing else.
pub fn replace(packages: &PackageOptions, profile: &ProfileOptions, build: &BuildOptions) -> Outcome {
    let request = session::request(packages)?;
    transaction::change(profile, &packages.recipes, build, |_, evaluation| {
        let entries = evaluation.entries(&request)?;
        Ok(merged(Vec::new(), evaluation.plan(&entries)?))
    })
}

/// Carries out what a command changes, all in one generation: removes, upgrades, installs.
pub fn apply(wishes: &Wishes, profile: &ProfileOptions, build: &BuildOptions) -> Outcome {
    transaction::change(profile, &wishes.install.recipes, build, |old, evaluation| {
        let mut entries = old.entries.clone();
        for specification in &wishes.remove {
            take(&mut entries, specification)?;
        }
        let mut new = Vec::new();
        if let Some(patterns) = &wishes.upgrade {
            new = upgraded(&mut entries, patterns, &wishes.do_not_upgrade, wishes, evaluation)?;
        }
        let PackageOptions { packages, file, expression, .. } = &wishes.install;
        if !packages.is_empty() || !file.is_empty() || !expression.is_empty() {
            let found = evaluation.entries(&session::request(&wishes.install)?)?;
            new.extend(evaluation.plan(&found)?);
        }
        Ok(merged(entries, new))
    })
}

/// Removes what a specification names.
fn take(entries: &mut Vec<Entry>, specification: &str) -> Result<(), Failure> {
    let (rest, output) = match specification.rsplit_once(':') {
        Some((rest, output)) => (rest, Some(output)),
        None => (specification, None),
    };
    let (name, version) = match rest.rsplit_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (rest, None),
    };
    let is_meant = |entry: &Entry| {
        entry.name == name
            && version.is_none_or(|version| super::super::show::is_version_prefix(version, &entry.version))
            && output.is_none_or(|output| output == entry.output)
    };
    let before = entries.len();
    entries.retain(|entry| !is_meant(entry));
    if entries.len() < before {
        return Ok(());
    }
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let failure = Failure::new(format!("`{specification}` is not in the profile")).code(exit_code::USAGE);
    Err(match closest(name, names.iter().copied()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`hpcl package --list-installed` lists what is"),
    })
}

/// Returns what takes the place of entries that patterns choose; those that others take the place of are removed.
fn upgraded(
    entries: &mut Vec<Entry>,
    patterns: &[String],
    except: &[String],
    wishes: &Wishes,
    evaluation: &mut Evaluation,
) -> Result<Vec<Planned>, Failure> {
    let (patterns, except) = (listing::patterns(patterns)?, listing::patterns(except)?);
    let matches = |patterns: &[Pattern], entry: &Entry| {
        patterns.iter().any(|pattern| !pattern.matches(&entry.name).is_empty())
    };
    let chosen: Vec<&Entry> = entries
        .iter()
        .filter(|entry| (patterns.is_empty() || matches(&patterns, entry)) && !matches(&except, entry))
        .collect();
    if chosen.is_empty() && !patterns.is_empty() {
        writeln!(anstream::stderr(), "no package of the profile matches")?;
    }
    // What the command line asks for is added to what was asked for before.
    let added = wishes.install.transformations.pairs();
    let found = evaluation.upgrades(&chosen, &added)?;
    let mut new = Vec::new();
    let mut gone = Vec::new();
    for (entry, upgrade) in chosen.iter().zip(found) {
        match upgrade {
            Upgrade::To(planned) => {
                if planned.name != entry.name {
                    let said = format!("`{}` has been superseded by `{}`", entry.name, planned.name);
                    writeln!(anstream::stderr(), "{said}")?;
                    gone.push((entry.name.clone(), entry.output.clone()));
                }
                new.push(*planned);
            }
            Upgrade::Older => {
                let said = format!("`{}` is newer than what the channels have, and stays", entry.full_name());
                writeln!(anstream::stderr(), "{said}")?;
            }
            Upgrade::Unknown => {
                let said = format!("no channel has `{}` any more; it stays as it is", entry.full_name());
                writeln!(anstream::stderr(), "{said}")?;
            }
        }
    }
    entries.retain(|entry| !gone.iter().any(|(name, output)| *name == entry.name && *output == entry.output));
    Ok(new)
}
