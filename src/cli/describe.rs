//! `hpcl describe`: says which channels are in use, at which commits.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum};

use super::{Outcome, channels};
use crate::{
    channel::generation::{Generation, Generations, Instance},
    report::quantity::moment,
};

/// Arguments of `hpcl describe`.
#[derive(Args)]
pub struct Arguments {
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Describe another generation than the one in use
    #[arg(short, long, value_name = "N")]
    generation: Option<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Human,
    /// As a file of channels, which `hpcl pull -C` and `hpcl time-machine -C` take
    Channels,
    /// The same without who signs them
    ChannelsSansIntro,
    /// For programs
    Json,
    /// The part of a lock file that pins the channels
    Lock,
    /// Records in the format of GNU recutils
    Recutils,
}

/// Prints.
pub fn run(arguments: &Arguments) -> Outcome {
    let generation = match arguments.generation {
        Some(number) => Some(Generations::of_user()?.get(number)?),
        None => channels::current()?,
    };
    let instances = match &generation {
        Some(generation) if arguments.generation.is_some() => generation.channels.clone(),
        _ => channels::in_use()?,
    };
    let mut out = Vec::new();
    match arguments.format {
        Format::Human => human(&instances, generation.as_ref(), &mut out)?,
        Format::Channels => out.extend(form(&instances, true).bytes()),
        Format::ChannelsSansIntro => out.extend(form(&instances, false).bytes()),
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &instances).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Lock => {
            let lock = crate::channel::lock::Lock::of_channels(&instances);
            out.extend(lock.to_text().bytes());
        }
        Format::Recutils => recutils(&instances, &mut out)?,
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn human(instances: &[Instance], generation: Option<&Generation>, out: &mut Vec<u8>) -> std::io::Result<()> {
    if let Some(generation) = generation {
        writeln!(out, "generation {}  {}", generation.number, moment(generation.time))?;
    }
    for instance in instances {
        let declared = &instance.declared;
        let Some(commit) = &declared.commit else {
            let place = PathBuf::from(&declared.url);
            writeln!(out, "  {}\n    directory: {}, read as it is", declared.name, place.display())?;
            continue;
        };
        writeln!(out, "  {} {}", declared.name, commit.get(..10).unwrap_or(commit))?;
        writeln!(out, "    repository: {}", declared.url)?;
        if let Some(branch) = &declared.branch {
            writeln!(out, "    branch: {branch}")?;
        }
        writeln!(out, "    commit: {commit}")?;
        match &declared.introduction {
            Some(introduction) => writeln!(out, "    signed since: {}", introduction.commit)?,
            None => writeln!(out, "    signed since: never")?,
        }
        if let Some(needed_by) = &instance.needed_by {
            writeln!(out, "    needed by: {needed_by}")?;
        }
    }
    writeln!(out, "  hpcl {} (the bundled channels)", env!("CARGO_PKG_VERSION"))
}

fn form(instances: &[Instance], introductions: bool) -> String {
    let forms: Vec<String> = instances
        .iter()
        .map(|instance| {
            let form = instance.declared.form(introductions);
            form.lines().collect::<Vec<_>>().join("\n              ")
        })
        .collect();
    match forms.as_slice() {
        [] => "%default-channels\n".to_owned(),
        forms => format!("(append (list {})\n        %default-channels)\n", forms.join("\n              ")),
    }
}

fn recutils(instances: &[Instance], out: &mut Vec<u8>) -> std::io::Result<()> {
    for (number, Instance { declared, .. }) in instances.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        writeln!(out, "name: {}\nurl: {}", declared.name, declared.url)?;
        let introduction = declared.introduction.as_ref();
        for (field, value) in [
            ("branch", declared.branch.as_ref()),
            ("commit", declared.commit.as_ref()),
            ("introductioncommit", introduction.map(|introduction| &introduction.commit)),
            ("introductionsigner", introduction.map(|introduction| &introduction.signer)),
        ] {
            if let Some(value) = value {
                writeln!(out, "{field}: {value}")?;
            }
        }
    }
    Ok(())
}
