//! `hpcl store`: stores that several use: a group's, and layers below one's own.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand, ValueHint};

use super::{Outcome, realise};
use crate::{
    report::{Failure, exit_code},
    store::{LocalStore, StoreConfig},
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
