//! What verbs need of channels: which are in use, which are declared, and who is asked for repositories.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use crate::{
    channel::{
        Channels,
        declared::Declared,
        generation::{Generation, Generations, Instance},
        place,
        update::{BUNDLED, Notice},
    },
    fetch::{FetchError, Fetcher},
    host::{Evaluation, Keeper, Level},
    report::{Failure, color, indexing, warning},
};

/// The channels that take the place of the user's for the rest of this process.
static INSTEAD: OnceLock<Vec<Instance>> = OnceLock::new();

/// Lets other channels take the place of the user's for the rest of this process.
pub fn use_instead(channels: Vec<Instance>) -> Result<(), Failure> {
    INSTEAD.set(channels).map_err(|_| Failure::new("the channels were replaced already"))
}

/// Returns the channels in use.
pub fn in_use() -> Result<Vec<Instance>, Failure> {
    if let Some(channels) = INSTEAD.get() {
        return Ok(channels.clone());
    }
    Ok(current()?.map(|generation| generation.channels).unwrap_or_default())
}

/// Returns the user's current generation.
pub fn current() -> Result<Option<Generation>, Failure> {
    match Generations::of_user() {
        Ok(generations) => Ok(generations.current()?),
        // Without a home nothing was pulled.
        Err(_) => Ok(None),
    }
}

/// Returns where the modules of channels lie, after those directories.
pub fn sources(directories: Vec<PathBuf>, instances: &[Instance]) -> Result<Channels, Failure> {
    let mut pulled = Vec::with_capacity(instances.len());
    for instance in instances {
        pulled.push((instance.modules(&agent)?, instance.declared.commit.is_some()));
    }
    Ok(Channels::new(directories)?.with_pulled(pulled))
}

/// Returns the client for repositories on other machines.
pub fn agent() -> Result<ureq::Agent, FetchError> {
    Ok(Fetcher::of_host()?.agent().clone())
}

/// Returns the file that lists the user's channels: `channels.hpcl`, or Guix's `channels.scm` where that is not there.
pub fn file() -> Result<PathBuf, Failure> {
    let folder = place::settings()
        .ok_or_else(|| Failure::new("neither `XDG_CONFIG_HOME` nor `HOME` says where settings lie"))?;
    let (own, guix) = (folder.join("channels.hpcl"), folder.join("channels.scm"));
    Ok(if !own.exists() && guix.exists() { guix } else { own })
}

/// Returns the channels that a file declares; without a file, those of the user's. The bundled ones are left out.
pub fn declared(path: Option<&Path>) -> Result<Vec<Declared>, Failure> {
    let own;
    let path = match path {
        Some(path) => path,
        None => {
            own = file()?;
            if !own.exists() {
                return Ok(Vec::new());
            }
            &own
        }
    };
    let mut evaluation = Evaluation::new(Channels::default(), PathBuf::from("."), color());
    let mut channels = evaluation.channels(path)?;
    channels.retain(|channel| channel.url != BUNDLED);
    for channel in &channels {
        crate::channel::metadata::checked_name(&channel.name).map_err(Failure::new)?;
    }
    Ok(channels)
}

/// Tells what happens while channels are brought up to date.
pub fn tell(notice: Notice<'_>) {
    let _ = match notice {
        Notice::Fetching { name, url } => {
            writeln!(anstream::stderr(), "fetching channel `{name}` from {url}")
        }
        Notice::Failed { name, error } => {
            warning(&format!("channel `{name}`: {}", crate::report::chain(error)));
            Ok(())
        }
        Notice::Unsigned { name } => {
            warning(&format!(
                "channel `{name}` has no introduction: nothing tells whether its commits are those of its authors"
            ));
            Ok(())
        }
    };
}

/// Makes the index of channels if there is none, from that of what they were before if there is one, and returns the names
/// and versions of their packages.
pub fn packages(channels: &Channels, before: Option<&Channels>) -> Result<Vec<(String, String)>, Failure> {
    if channels.directories().is_empty() {
        return Ok(Vec::new());
    }
    let progress = indexing();
    let keeper = Keeper::new(channels);
    let keeper = match before {
        Some(before) => keeper.after(before),
        None => keeper,
    };
    let stored = keeper.ensure(Level::Packages, progress.as_ref())?;
    let entries = stored.entries().unwrap_or_default();
    // Those of the bundled channels are not the user's affair: they change with the program.
    let pulled = entries.into_iter().filter(|entry| std::path::Path::new(&entry.location.0).is_absolute());
    Ok(pulled.filter_map(|entry| Some((entry.name?, entry.version.unwrap_or_default()))).collect())
}
