//! `hpcl hash`: prints the hash of a file or directory in the forms that recipes use.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum, ValueHint};

use super::Outcome;
use crate::{
    hash::{Algorithm, Hasher},
    nar,
    report::Failure,
};

/// Arguments of `hpcl hash`.
#[derive(Args)]
pub struct Arguments {
    /// The file or directory
    #[arg(value_hint = ValueHint::AnyPath)]
    path: PathBuf,
    /// Hash the archive of the tree, as for a directory, even of a file
    #[arg(short, long)]
    recursive: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t = Format::Base32)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Nix's base-32, as in `(base32 "…")`
    Base32,
    /// Hexadecimal
    Base16,
    /// Subresource integrity, `sha256-…`
    Sri,
    /// Software Heritage's identifier, `swh:1:…`, by which its archive has it
    Swhid,
}

/// Prints the hash.
pub fn run(arguments: &Arguments) -> Outcome {
    let failed =
        |error: std::io::Error| Failure::new(format!("cannot read `{}`: {error}", arguments.path.display()));
    let metadata = std::fs::metadata(&arguments.path).map_err(failed)?;
    if let Format::Swhid = arguments.format {
        let identifier = crate::git::swhid(&arguments.path).map_err(failed)?;
        writeln!(std::io::stdout(), "{identifier}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let digest = if arguments.recursive || metadata.is_dir() {
        nar::hash_tree(&arguments.path).map_err(|error| Failure::new(crate::report::chain(&error)))?
    } else {
        let mut file = std::fs::File::open(&arguments.path).map_err(failed)?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = std::io::Read::read(&mut file, &mut buffer).map_err(failed)?;
            match buffer.get(..count) {
                Some(data) if count > 0 => hasher.update(data),
                _ => break hasher.finish(),
            }
        }
    };
    let text = match arguments.format {
        Format::Base32 => digest.to_base32(),
        Format::Base16 => digest.to_base16(),
        Format::Sri | Format::Swhid => digest.to_sri(),
    };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
