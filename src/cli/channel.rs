//! `hpcl channel`: adds channels to `channels.hpcl`, removes them, and lists them.
//!
//! The file is the user's, a program with comments: it is edited where a form begins and ends, and what was made of it is evaluated
//! before it takes the place of the old one. A file that is written in another way than a list is left to its author.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueHint};

use super::{Outcome, channels};
use crate::{
    channel::{
        declared::{Declared, Introduction},
        metadata,
    },
    editor::{Formatted, channel_forms, closest, format_text},
    git,
    host::absolute,
    report::Failure,
};

/// Arguments of `hpcl channel`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Add a channel: a git repository, or a directory of this machine
    Add(AddArguments),
    /// Remove a channel
    Remove {
        /// Its name
        name: String,
    },
    /// List the channels, and the commits that are in use
    List {
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct AddArguments {
    /// What to call it
    name: String,
    /// The repository's address (`https:`, `ssh:`, `file:`, `HOST:PATH`), or a directory
    #[arg(value_hint = ValueHint::AnyPath)]
    url: String,
    /// The branch [default: the one that the repository puts first]
    #[arg(short, long)]
    branch: Option<String>,
    /// The commit, if it is to be that one and no later one
    #[arg(long)]
    commit: Option<String>,
    /// The first commit that is signed, with the key that signed it: an OpenPGP fingerprint or an SSH key
    #[arg(long, num_args = 2, value_names = ["COMMIT", "KEY"])]
    introduction: Option<Vec<String>>,
    /// Another address of the same repository
    #[arg(long, value_name = "URL")]
    mirror: Vec<String>,
}

/// Edits or lists.
pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.verb {
        Verb::Add(arguments) => add(arguments),
        Verb::Remove { name } => remove(name),
        Verb::List { json } => list(*json),
    }
}

fn add(arguments: &AddArguments) -> Outcome {
    let name = metadata::checked_name(&arguments.name).map_err(Failure::new)?;
    let path = channels::file()?;
    let known = channels::declared(None)?;
    if known.iter().any(|channel| channel.name == name) {
        return Err(Failure::new(format!("there is a channel `{name}` in `{}` already", path.display()))
            .hint(format!("`hpcl channel remove {name}` removes it")));
    }
    let introduction = match arguments.introduction.as_deref() {
        Some([commit, signer]) => {
            Some(Introduction { commit: commit.clone(), signer: metadata::plain_signer(signer) })
        }
        _ => None,
    };
    let channel = Declared {
        name: name.clone(),
        url: address(&arguments.url),
        branch: arguments.branch.clone(),
        commit: arguments.commit.clone(),
        introduction,
        mirrors: arguments.mirror.clone(),
    };
    let form = channel.form(true);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => {
            let forms = channel_forms(&text);
            match forms.insert {
                Some((at, extra)) => {
                    let (before, after) = text.split_at(at);
                    format!("{before}{extra}\n{form}\n{after}")
                }
                None => return Err(by_hand(&path).hint(format!("add this to its list:\n{form}"))),
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!(
                ";;; The channels that `hpcl pull' follows.\n\n(append (list {form})\n        %default-channels)\n"
            )
        }
        Err(error) => return Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
    };
    let mut wanted = known;
    wanted.push(channel);
    replace(&path, &text, &wanted)?;
    writeln!(std::io::stdout(), "added channel `{name}`; `hpcl pull` puts it to use")?;
    Ok(ExitCode::SUCCESS)
}

/// The address as it stands in the file: a directory by its whole name.
fn address(url: &str) -> String {
    let is_directory = || Path::new(url).is_dir();
    if git::local_path(url).is_none() && !url.contains("://") && is_directory() {
        let path = PathBuf::from(url);
        return path.canonicalize().unwrap_or(path).display().to_string();
    }
    absolute(url, Path::new("."))
}

fn remove(name: &str) -> Outcome {
    let path = channels::file()?;
    let mut known = channels::declared(None)?;
    if !known.iter().any(|channel| channel.name == name) {
        let names: Vec<&str> = known.iter().map(|channel| channel.name.as_str()).collect();
        let failure = Failure::new(format!("there is no channel `{name}` in `{}`", path.display()));
        return Err(match closest(name, names) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`hpcl channel list` lists them"),
        });
    }
    let text = std::fs::read_to_string(&path)?;
    let forms = channel_forms(&text);
    let Some((_, range)) = forms.channels.iter().find(|(known, _)| known == name) else {
        return Err(by_hand(&path));
    };
    let (before, after) = (text.get(..range.start), text.get(range.end..));
    let (before, after) = before.zip(after).ok_or_else(|| by_hand(&path))?;
    known.retain(|channel| channel.name != name);
    replace(&path, &format!("{}{after}", before.trim_end()), &known)?;
    writeln!(std::io::stdout(), "removed channel `{name}`; `hpcl pull` does without it")?;
    Ok(ExitCode::SUCCESS)
}

fn by_hand(path: &Path) -> Failure {
    Failure::new(format!("`{}` is not written as a list of channels that hpcl can edit", path.display()))
        .hint("edit it yourself: it is a program whose value is the list")
}

/// Puts a text in the file's place if it declares what is wanted.
fn replace(path: &Path, text: &str, wanted: &[Declared]) -> Result<(), Failure> {
    let text = match format_text("channels.hpcl", text, false) {
        Formatted::Changed(text) => text,
        _ => text.to_owned(),
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut draft = tempfile::Builder::new().suffix(".hpcl").tempfile_in(folder).map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    let mut found = channels::declared(Some(draft.path())).map_err(|_| by_hand(path))?;
    let mut wanted = wanted.to_vec();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    wanted.sort_by(|a, b| a.name.cmp(&b.name));
    if found != wanted {
        return Err(by_hand(path));
    }
    // Where the file is a link, what it leads to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    draft.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

fn list(json: bool) -> Outcome {
    let declared = channels::declared(None)?;
    let in_use = channels::in_use()?;
    let mut out = Vec::new();
    if json {
        let rows: Vec<serde_json::Value> = declared
            .iter()
            .map(|channel| {
                let used = in_use.iter().find(|instance| instance.declared.name == channel.name);
                serde_json::json!({ "declared": channel, "used": used })
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        for channel in &declared {
            let used = in_use.iter().find(|instance| instance.declared.name == channel.name);
            let state = match used {
                None => "not pulled yet".to_owned(),
                Some(instance) => match &instance.declared.commit {
                    Some(commit) => commit.get(..10).unwrap_or(commit).to_owned(),
                    None => "read as it is".to_owned(),
                },
            };
            writeln!(out, "{}\t{}\t{state}", channel.name, channel.url)?;
        }
        for instance in in_use.iter().filter(|used| used.needed_by.is_some()) {
            let needed_by = instance.needed_by.as_deref().unwrap_or_default();
            writeln!(out, "{}\t{}\tneeded by {needed_by}", instance.declared.name, instance.declared.url)?;
        }
        writeln!(out, "hpcl\tbundled\t{}", env!("CARGO_PKG_VERSION"))?;
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}
