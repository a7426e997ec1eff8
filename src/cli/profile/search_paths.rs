//! `--search-paths`: the variables that make programs and libraries of profiles found.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

use super::super::{Outcome, listing};
use crate::{
    profile::{Kind, Profile, SearchPath, Setting, Shell, script, settings},
    report::Failure,
    store::LocalStore,
};

/// A shell, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// sh and what reads its syntax
    Sh,
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
    /// csh
    Csh,
    /// tcsh
    Tcsh,
}

impl ShellName {
    /// Returns the syntax of a shell, or of the user's own.
    pub fn syntax(name: Option<ShellName>) -> Shell {
        match name {
            Some(ShellName::Fish) => Shell::Fish,
            Some(ShellName::Csh | ShellName::Tcsh) => Shell::Csh,
            Some(ShellName::Sh | ShellName::Bash | ShellName::Zsh) => Shell::Posix,
            None => Shell::of_program(&std::env::var("SHELL").unwrap_or_default()),
        }
    }
}

/// Prints the variables of profiles.
pub fn print(
    profiles: &[Profile],
    store: &LocalStore,
    kind: Kind,
    shell: Option<ShellName>,
    json: bool,
) -> Outcome {
    let mut all: Vec<(PathBuf, Vec<SearchPath>)> = Vec::new();
    for profile in profiles {
        // The link, so that they hold when it moves on.
        all.push((profile.link().to_owned(), profile.manifest(store)?.search_paths()));
    }
    print_settings(&settings(&all), kind, shell, json)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints variables for a shell or as JSON.
pub fn print_settings(
    settings: &[Setting],
    kind: Kind,
    shell: Option<ShellName>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let row = |setting: &Setting| {
            serde_json::json!({
                "variable": setting.variable, "value": setting.value, "separator": setting.separator,
            })
        };
        return listing::json(&settings.iter().map(row).collect::<Vec<_>>());
    }
    let text = script(settings, ShellName::syntax(shell), kind);
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// Returns how to have the variables of a profile in this shell and those to come.
pub fn how_to_use(profile: &Profile) -> String {
    let option = profile.argument().map_or(String::new(), |name| format!(" -p {name}"));
    let link = profile.link().display();
    let (now, file, later) = match ShellName::syntax(None) {
        Shell::Fish => (
            format!("hpcl package{option} --search-paths | source"),
            "~/.config/fish/config.fish",
            format!("set -gx HPCL_PROFILE {link}; source $HPCL_PROFILE/etc/profile.fish"),
        ),
        Shell::Csh => (
            format!("source {link}/etc/profile.csh"),
            "~/.login",
            format!("setenv HPCL_PROFILE {link}; source $HPCL_PROFILE/etc/profile.csh"),
        ),
        Shell::Posix => (
            format!("eval \"$(hpcl package{option} --search-paths)\""),
            "~/.profile",
            format!("HPCL_PROFILE={link}; . \"$HPCL_PROFILE/etc/profile\""),
        ),
    };
    let style = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
    format!(
        "{style}hint:{style:#} to use it in this shell, run\n    {now}\nand for those to come, put into {file}\n    {later}\n"
    )
}
