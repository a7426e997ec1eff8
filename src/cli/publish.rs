//! `hpcl publish`: the store as a binary cache over HTTP.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, TcpListener},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, ValueHint};

use super::{Outcome, realise};
use crate::{
    cache::{Publisher, SecretKey},
    report::Failure,
};

/// Arguments of `hpcl publish`.
#[derive(Args)]
pub struct Arguments {
    /// The port; 0 for any that is free
    #[arg(short, long, value_name = "PORT", default_value_t = 8080)]
    port: u16,
    /// The address to listen at; `0.0.0.0` or `::` for all of this machine
    #[arg(short, long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Sign with a secret key
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,
    /// How hard to compress, 1 to 19
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=19))]
    level: i32,
    /// Print no line for each answer
    #[arg(short, long)]
    quiet: bool,
}

/// Serves until it is ended.
pub fn run(arguments: &Arguments) -> Outcome {
    let store = realise::open_store()?;
    let key = arguments.key.as_deref().map(SecretKey::read).transpose()?;
    let place = (arguments.listen, arguments.port);
    let failed = |error: std::io::Error| {
        Failure::new(format!("cannot listen at {}, port {}: {error}", place.0, place.1))
            .hint("`--port 0` takes any free port")
    };
    let listener = TcpListener::bind(place).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let mut err = anstream::stderr();
    writeln!(err, "serving {} at http://{address}", store.local_dir().display())?;
    match &key {
        Some(key) => writeln!(err, "who is to take it runs `hpcl cache trust {}`", key.public())?,
        None => writeln!(err, "hint: nobody takes unsigned items; `--key FILE` signs them")?,
    }
    if arguments.listen.is_loopback() {
        writeln!(err, "hint: only this machine reaches it; `--listen 0.0.0.0` is for others")?;
    }
    let quiet = arguments.quiet;
    let told = move |path: &str, status: &str| {
        if !quiet {
            let _ = writeln!(anstream::stderr(), "{status} {path}");
        }
    };
    Publisher::new(store, key, arguments.level).serve(&listener, &told).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// Answers another machine's `--cache ssh://HOST` on standard input and output.
pub fn files() -> Outcome {
    let publisher = Publisher::new(realise::open_store()?, None, 3);
    let output = std::io::BufWriter::with_capacity(1 << 16, std::io::stdout());
    publisher.serve_files(std::io::stdin().lock(), output)?;
    Ok(ExitCode::SUCCESS)
}
