//! `hpcl download`: fetches a file into the store, or elsewhere, and prints where it is and its hash.

use std::{
    io::Write,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueHint};
use serde::Serialize;

use super::{
    Outcome,
    hash::{Format, encoded},
    listing, realise,
};
use crate::{
    fetch::{Download, Fetcher},
    hash::{Algorithm, Digest},
    report::{Failure, exit_code},
    store_path::check_name,
};

/// Arguments of `hpcl download`.
#[derive(Args)]
pub struct Arguments {
    /// The address, or a file of this machine (`https:`, `http:`, `mirror:`, `file:`, or a path)
    #[arg(value_hint = ValueHint::Url)]
    url: String,
    /// Write into a file instead of the store
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// How to print the hash
    #[arg(short, long, value_enum, default_value_t = Format::NixBase32)]
    format: Format,
    /// The hash that the file must have; without one, what came is believed
    #[arg(long, value_name = "HASH")]
    expect: Option<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Fetched {
    path: String,
    hash: String,
    size: u64,
}

/// Fetches and prints.
pub fn run(arguments: &Arguments) -> Outcome {
    let usage = |text: String| Failure::new(text).code(exit_code::USAGE);
    let expected = arguments.expect.as_deref().map(Digest::parse).transpose();
    let expected = expected.map_err(|error| usage(error.to_string()))?;
    let url = match Path::new(&arguments.url) {
        path if !arguments.url.contains("://") => {
            let whole = path.canonicalize().map_err(|error| {
                usage(format!("`{}` is neither an address nor a file: {error}", arguments.url))
            })?;
            format!("file://{}", whole.display())
        }
        _ => arguments.url.clone(),
    };
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    let name = plain.rsplit('/').find(|part| !part.is_empty()).unwrap_or("download").to_owned();
    check_name(&name).map_err(|error| {
        usage(error.to_string())
            .hint("the end of the address becomes the name in the store; `--output` writes elsewhere")
    })?;
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("file");
    let download = Download { name: name.clone(), urls: vec![url], expected, cargo: None };
    Fetcher::of_host()?.fetch(&download, &file, &mut |_| ControlFlow::Continue(()))?;
    let size = file.metadata()?.len();
    let digest = super::hash::of_file(&file, Algorithm::Sha256)?;
    let path = match &arguments.output {
        Some(output) => {
            std::fs::copy(&file, output)
                .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", output.display())))?;
            output.clone()
        }
        None => {
            let store = realise::open_store()?;
            store.local_path(&store.add_download(&name, &file, &digest)?)
        }
    };
    let hash = encoded(&digest, arguments.format);
    if arguments.json {
        listing::json(&Fetched { path: path.display().to_string(), hash, size })?;
    } else {
        writeln!(std::io::stdout(), "{}\n{hash}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
