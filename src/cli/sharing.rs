//! `hpcl store`: what is put into it by hand, and stores that several use: a group's, and layers below one's own.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueHint};
use rayon::prelude::*;

use super::{Outcome, realise};
use crate::{
    report::{Failure, exit_code},
    store::{LocalStore, StoreConfig},
    store_path::StorePath,
};

/// Arguments of `hpcl store`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make the store one that a group keeps together: its members build, fetch and collect in it
    Init {
        /// The group, by name or number
        #[arg(long, value_name = "NAME")]
        group: String,
    },
    /// Put copies of files and directories into the store and print where they are, as `local-file` would
    Add {
        /// The files and directories
        #[arg(required = true, value_hint = ValueHint::AnyPath)]
        paths: Vec<PathBuf>,
        /// What the item is called, when there is one [default: the file's name]
        #[arg(long)]
        name: Option<String>,
    },
    /// Print the store's directory
    Path,
    /// List the stores below this one, whose items are used where they lie
    Layers,
    /// Do without a layer: delete from this store what refers to it
    Detach {
        /// The layer, as `HPCL_STORE_LAYERS` or `hpcl store layers` names it; it need not be there any more
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        layer: PathBuf,
    },
}

/// Returns a group's number.
fn group_id(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match nix::unistd::Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err(Failure::new(format!("there is no group `{name}`")).code(exit_code::USAGE)),
        Err(error) => Err(Failure::new(format!("cannot look up group `{name}`: {error}"))),
    }
}

/// Adds files and directories; independent ones at once.
fn add(paths: &[PathBuf], name: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    if name.is_some() && paths.len() > 1 {
        return Err(
            Failure::new("`--name` names one item, and several are to be added").code(exit_code::USAGE)
        );
    }
    let store = realise::open_store()?;
    let one = |path: &PathBuf| {
        let whole = std::path::absolute(path).ok();
        let base = whole.as_deref().and_then(|path| path.file_name()?.to_str());
        let name = name.or(base).ok_or_else(|| {
            Failure::new(format!("`{}` has no name that an item can have", path.display()))
                .hint("give one with `--name`")
                .code(exit_code::USAGE)
        })?;
        Ok(store.add_tree(name, path)?)
    };
    let added: Vec<Result<StorePath, Failure>> = paths.par_iter().map(one).collect();
    for path in added {
        writeln!(out, "{}", store.local_path(&path?).display())?;
    }
    Ok(())
}

/// Runs one of the verbs.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut out = std::io::stdout();
    match &arguments.verb {
        Verb::Init { group } => {
            let store = LocalStore::init_group(StoreConfig::from_env()?, group_id(group)?)?;
            writeln!(out, "{}", store.local_dir().display())?;
            let base = std::env::var("HPCL_STORE").unwrap_or_else(|_| "DIR".to_owned());
            writeln!(
                anstream::stderr(),
                "hint: its members set `HPCL_STORE={base}` and `umask 002`; others who can read it use it with \
                 `HPCL_STORE_LAYERS={base}`"
            )?;
        }
        Verb::Add { paths, name } => add(paths, name.as_deref(), &mut out)?,
        Verb::Path => writeln!(out, "{}", realise::open_store()?.local_dir().display())?,
        Verb::Layers => {
            for layer in realise::open_store()?.layers() {
                writeln!(out, "{}", layer.display())?;
            }
        }
        Verb::Detach { layer } => {
            let gone = LocalStore::detach(StoreConfig::from_env()?, layer)?;
            for path in &gone {
                writeln!(out, "{path}")?;
            }
            let mut err = anstream::stderr();
            writeln!(err, "{} items referred to the layer and were deleted", gone.len())?;
            if realise::store_config()?.has_layer(layer) {
                writeln!(err, "hint: `HPCL_STORE_LAYERS` or the settings still name it")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
