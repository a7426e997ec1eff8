//! Profiles on the command line: installing, removing, upgrading, and generations.
//!
//! `install`, `remove` and `upgrade` are short for what `package` does with options, which are Guix's.

mod export;
mod generations;
mod install;
pub mod package;
mod search_paths;
mod transaction;

use std::path::PathBuf;

use clap::{Args, ValueHint};

pub use install::{InstallArguments, RemoveArguments, UpgradeArguments, install, remove, upgrade};
pub use search_paths::{ShellName, print_settings};
pub use transaction::{make, realised};

/// Which profile.
#[derive(Args, Debug, Default, Clone)]
pub struct ProfileOptions {
    /// The profile: a name, or the path of a link if it has a `/` [default: default]
    #[arg(short, long, value_name = "PROFILE", value_hint = ValueHint::AnyPath)]
    pub profile: Option<PathBuf>,
}
