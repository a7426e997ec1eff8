//! `hpcl package`: all that can be done with a profile, by Guix's options.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum, ValueHint};
use clap_complete::ArgValueCompleter;

use super::{
    super::{
        Outcome, complete, list_available,
        listing::{self, Form},
        options::{BuildOptions, PackageOptions, RecipeOptions, TransformationOptions},
        realise, search, show,
    },
    ProfileOptions, export, generations,
    install::{self, Wishes},
    search_paths::{self, ShellName},
};
use crate::{
    profile::{Kind, Profile},
    report::{Failure, exit_code},
};

/// How variables relate to what they held before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindName {
    /// replace it
    Exact,
    /// come before it
    Prefix,
    /// come after it
    Suffix,
}

/// Arguments of `hpcl package`.
#[derive(Args)]
pub struct Arguments {
    /// Install packages
    #[arg(short, long, value_name = "PACKAGE", num_args = 1.., add = ArgValueCompleter::new(complete::packages))]
    install: Vec<String>,
    /// Remove packages
    #[arg(short, long, value_name = "PACKAGE", num_args = 1.., add = ArgValueCompleter::new(complete::installed))]
    remove: Vec<String>,
    /// Upgrade the packages whose names match, or all
    #[arg(short, long, value_name = "REGEX", num_args = 0..)]
    upgrade: Option<Vec<String>>,
    /// Leave those whose names match as they are
    #[arg(long, value_name = "REGEX")]
    do_not_upgrade: Vec<String>,
    /// Install what an expression evaluates to
    #[arg(short = 'e', long, value_name = "EXPR")]
    install_from_expression: Vec<String>,
    /// Install what a file evaluates to
    #[arg(short = 'f', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    install_from_file: Vec<PathBuf>,
    /// Make the profile hold what a manifest says and nothing else
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: Vec<PathBuf>,
    /// The profile: a name, or the path of a link if it has a `/` [default: default]; for listings and variables there
    /// may be several
    #[arg(short, long, value_name = "PROFILE", value_hint = ValueHint::AnyPath)]
    profile: Vec<PathBuf>,
    /// Go back to the generation before the current one
    #[arg(long)]
    roll_back: bool,
    /// Go to a generation: a number, or `+1`, `-1` from the current one
    #[arg(short = 'S', long, value_name = "NUMBER", allow_hyphen_values = true)]
    switch_generation: Option<String>,
    /// List generations with what changed: all, or `3`, `1,2`, `2..4`, or those made within an age such as `30d`
    #[arg(short, long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "")]
    list_generations: Option<String>,
    /// Delete generations: all but the current one, or `3`, `1,2`, `2..4`, or those older than an age such as `30d`
    #[arg(short, long, value_name = "PATTERN", num_args = 0..=1, default_missing_value = "")]
    delete_generations: Option<String>,
    /// List what is in the profile
    #[arg(short = 'I', long, value_name = "REGEX", num_args = 0..=1, default_missing_value = "")]
    list_installed: Option<String>,
    /// List the packages that can be built here
    #[arg(short = 'A', long, value_name = "REGEX", num_args = 0..=1, default_missing_value = "")]
    list_available: Option<String>,
    /// Find packages
    #[arg(short, long, value_name = "REGEX", num_args = 1..)]
    search: Vec<String>,
    /// Show what is known of packages
    #[arg(long, value_name = "PACKAGE")]
    show: Vec<String>,
    /// Print the variables that make the profile's programs and libraries found
    #[arg(long, value_name = "KIND", num_args = 0..=1, default_missing_value = "prefix", require_equals = true)]
    search_paths: Option<KindName>,
    /// The shell that variables are written for [default: that of `$SHELL`]
    #[arg(long, value_name = "SHELL")]
    shell: Option<ShellName>,
    /// Print a manifest of the profile's packages
    #[arg(long)]
    export_manifest: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    recipes: RecipeOptions,
    #[command(flatten)]
    transformations: TransformationOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// Does what the options say.
pub fn run(arguments: &Arguments) -> Outcome {
    let form = &arguments.form;
    if !arguments.search.is_empty() {
        return search::search(&arguments.search, form, &arguments.recipes);
    }
    if !arguments.show.is_empty() {
        return show::show(&arguments.show, form, &arguments.recipes);
    }
    if let Some(pattern) = &arguments.list_available {
        return list_available::list(Some(pattern).filter(|text| !text.is_empty()), form, &arguments.recipes);
    }
    if let Some(kind) = arguments.search_paths {
        let kind = match kind {
            KindName::Exact => Kind::Exact,
            KindName::Prefix => Kind::Prefix,
            KindName::Suffix => Kind::Suffix,
        };
        let store = realise::open_store()?;
        return search_paths::print(&profiles(arguments)?, &store, kind, arguments.shell, form.json);
    }
    if arguments.export_manifest {
        return export::manifest(&profiles(arguments)?, &realise::open_store()?, &arguments.recipes);
    }
    if let Some(pattern) = &arguments.list_installed {
        return list_installed(&profiles(arguments)?, pattern, form);
    }
    let one = one_profile(arguments)?;
    if let Some(pattern) = &arguments.list_generations {
        return generations::list(&one, Some(pattern), form.json);
    }
    if arguments.roll_back {
        return generations::roll_back(&one);
    }
    if let Some(number) = &arguments.switch_generation {
        return generations::switch(&one, number);
    }
    if let Some(pattern) = &arguments.delete_generations {
        return generations::delete(&one, Some(pattern));
    }
    change(arguments, &one)
}

fn change(arguments: &Arguments, profile: &ProfileOptions) -> Outcome {
    let packages = PackageOptions {
        packages: arguments.install.clone(),
        manifest: arguments.manifest.clone(),
        file: arguments.install_from_file.clone(),
        expression: arguments.install_from_expression.clone(),
        recipes: arguments.recipes.clone(),
        transformations: arguments.transformations.clone(),
    };
    if !packages.manifest.is_empty() {
        return install::replace(&packages, profile, &arguments.build);
    }
    let installs =
        !packages.packages.is_empty() || !packages.file.is_empty() || !packages.expression.is_empty();
    if !installs && arguments.remove.is_empty() && arguments.upgrade.is_none() {
        return Err(Failure::new("nothing is asked for")
            .hint("`-i PACKAGE`, `-r PACKAGE`, `-u`, `-m MANIFEST`, `-l`, `--roll-back` …: `hpcl package --help` lists all")
            .code(exit_code::USAGE));
    }
    let wishes = Wishes {
        install: packages,
        remove: arguments.remove.clone(),
        upgrade: arguments.upgrade.clone(),
        do_not_upgrade: arguments.do_not_upgrade.clone(),
    };
    install::apply(&wishes, profile, &arguments.build)
}

fn profiles(arguments: &Arguments) -> Result<Vec<Profile>, Failure> {
    if arguments.profile.is_empty() {
        return Ok(vec![Profile::named(None)?]);
    }
    Ok(arguments.profile.iter().map(|name| Profile::named(Some(name))).collect::<Result<_, _>>()?)
}

fn one_profile(arguments: &Arguments) -> Result<ProfileOptions, Failure> {
    match arguments.profile.as_slice() {
        [] => Ok(ProfileOptions::default()),
        [one] => Ok(ProfileOptions { profile: Some(one.clone()) }),
        _ => Err(Failure::new("one profile at a time can be changed, or its generations listed")
            .code(exit_code::USAGE)),
    }
}

/// Lists what is in profiles: name, version, output and item.
fn list_installed(profiles: &[Profile], pattern: &str, form: &Form) -> Outcome {
    let patterns = listing::patterns(Some(pattern.to_owned()).filter(|text| !text.is_empty()).as_slice())?;
    let store = realise::open_store()?;
    let mut entries = Vec::new();
    for profile in profiles {
        entries.extend(profile.manifest(&store)?.entries);
    }
    entries.retain(|entry| patterns.iter().all(|pattern| !pattern.matches(&entry.name).is_empty()));
    if form.json {
        listing::json(&entries.iter().map(generations::json_entry).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut text = Vec::new();
    for entry in &entries {
        let place = store.local_path(&entry.item);
        writeln!(text, "{}\t{}\t{}\t{}", entry.name, entry.version, entry.output, place.display())?;
    }
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
