//! `hpcl relocate`: moving the whole store.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};

use super::{Outcome, realise};
use crate::{
    report::{Failure, chain, exit_code, quantity, warning},
    store::{LocalStore, StoreConfig},
};

/// Arguments of `hpcl relocate`.
#[derive(Args)]
pub struct Arguments {
    /// The directory that the store is to be in, as `HPCL_STORE` names it
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// Keep the old store too
    #[arg(long)]
    keep: bool,
}

/// Moves the store.
pub fn run(arguments: &Arguments) -> Outcome {
    let store = realise::open_store()?;
    let base = std::path::absolute(&arguments.directory)?;
    let mut config = StoreConfig::at(&base)?;
    config.durable = store.config().durable;
    config.set_layers(store.layers().map(std::path::Path::to_owned))?;
    if config.store_dir() == store.local_dir() {
        return Err(Failure::new("the store is there already").code(exit_code::USAGE));
    }
    let to = LocalStore::open(config)?;
    let report = store.relocate(&to, !arguments.keep)?;
    let mut err = anstream::stderr();
    writeln!(
        err,
        "{} items copied ({}); roots set: {}",
        report.copied,
        quantity::bytes(report.bytes),
        report.roots
    )?;
    for (path, error) in &report.failed {
        warning(&format!("`{path}` stays behind: {}", chain(error)));
    }
    for link in &report.unseen {
        warning(&format!(
            "`{}` cannot be seen now: what it keeps is kept, but it still leads into the old store",
            link.display()
        ));
    }
    if !report.failed.is_empty() {
        return Err(Failure::new(format!("the old store, {}, is kept", store.local_dir().display()))
            .hint("`hpcl verify --repair` or `hpcl gc` there, then run this again: what was copied is not copied twice")
            .code(exit_code::DIFFERENT));
    }
    writeln!(err, "hint: set `HPCL_STORE={}` from now on", base.display())?;
    writeln!(std::io::stdout(), "{}", to.local_dir().display())?;
    Ok(ExitCode::SUCCESS)
}
