//! Writes a channel of made-up packages of the shape of Guix's into a new directory.
//!
//! `rustc -O --edition 2024 benches/synthetic_channel.rs && ./synthetic_channel DIR [PACKAGES]`, or
//! `cargo bench --bench synthetic_channel -- DIR [PACKAGES]`; 30,000 packages unless said otherwise. It uses nothing but the
//! standard library.

mod synthetic;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let directory = arguments.next().map(PathBuf::from);
    let packages = arguments.next().map_or(Some(30_000), |count| count.parse().ok());
    let said = match (directory, packages) {
        (Some(directory), _) if directory.exists() => Err(format!("`{}` exists", directory.display())),
        (Some(directory), Some(packages)) => {
            synthetic::write(&directory, packages).map_err(|error| error.to_string())
        }
        _ => Err("usage: synthetic_channel DIR [PACKAGES]".to_owned()),
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{message}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}
