//! `hpcl time-machine`: runs a command of hpcl with other commits of the channels, without touching those in use.
//!
//! Nothing is built for it: this program evaluates the other revision itself.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, ValueHint};

use super::{Cli, Outcome, channels, dispatch};
use crate::{
    channel::{
        declared::Declared,
        generation::{Generations, Instance},
        lock::Lock,
        update::{Notice, Update},
    },
    report::{Failure, exit_code},
};

/// Arguments of `hpcl time-machine`.
#[derive(Args)]
pub struct Arguments {
    /// The channels of a file, as `hpcl describe -f channels` prints it, or of a lock file
    #[arg(short = 'C', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    channels: Option<PathBuf>,
    /// The channels of an earlier generation
    #[arg(short, long, value_name = "N", conflicts_with = "channels")]
    generation: Option<u32>,
    /// Another commit of a channel; the name can be left out where there is one channel
    #[arg(long, value_name = "[CHANNEL=]COMMIT")]
    commit: Vec<String>,
    /// The command and its arguments: `shell -m manifest.hpcl`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Outcome {
    let now = channels::in_use()?;
    let mut declared = wanted(arguments, &now)?;
    for text in &arguments.commit {
        let (name, commit) = match text.split_once('=') {
            Some((name, commit)) => (Some(name), commit),
            None => (None, text.as_str()),
        };
        let mut candidates: Vec<&mut Declared> =
            declared.iter_mut().filter(|channel| name.is_none_or(|name| channel.name == name)).collect();
        match candidates.as_mut_slice() {
            [channel] => channel.commit = Some(commit.to_owned()),
            [] => {
                return Err(Failure::new(format!("there is no channel `{}`", name.unwrap_or("")))
                    .hint("`hpcl channel list` lists them")
                    .code(exit_code::USAGE));
            }
            _ => {
                return Err(Failure::new(format!("`{commit}` is a commit of which channel?"))
                    .hint("say it, as in `--commit physics=1a2b3c4`")
                    .code(exit_code::USAGE));
            }
        }
    }
    let update = Update {
        agent: &channels::agent,
        former: &now,
        allow_downgrades: true,
        tell: &|notice| {
            if !matches!(notice, Notice::Unsigned { .. }) {
                channels::tell(notice);
            }
        },
    };
    channels::use_instead(update.run(&declared)?)?;
    let name = OsString::from("hpcl time-machine --");
    let cli = Cli::try_parse_from(std::iter::once(&name).chain(&arguments.command))
        .unwrap_or_else(|error| error.exit());
    dispatch(cli)
}

fn wanted(arguments: &Arguments, now: &[Instance]) -> Result<Vec<Declared>, Failure> {
    let of = |instances: &[Instance]| -> Vec<Declared> {
        instances.iter().map(|instance| instance.declared.clone()).collect()
    };
    if let Some(path) = &arguments.channels {
        let is_lock = std::fs::read(path).is_ok_and(|bytes| bytes.trim_ascii_start().starts_with(b"{"));
        return if is_lock { Ok(of(&Lock::read(path)?.channels)) } else { channels::declared(Some(path)) };
    }
    if let Some(number) = arguments.generation {
        return Ok(of(&Generations::of_user()?.get(number)?.channels));
    }
    if arguments.commit.is_empty() {
        return Err(Failure::new("which channels are meant?")
            .hint("`-C FILE` names a file of channels or a lock, `--generation N` an earlier generation, `--commit` a commit")
            .code(exit_code::USAGE));
    }
    Ok(of(now))
}
