//! `hpcl copy`: closures between stores of different machines, over `ssh`.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufWriter, Write},
    process::ExitCode,
};

use clap::{ArgGroup, Args};

use super::{
    Outcome, bundle,
    cache::{Pushing, names_nothing, roots, without_items},
    options::{BuildOptions, PackageOptions},
    realise, session,
};
use crate::{
    cache::{self, BundleIndex, SshHost, TrustedKeys},
    report::{Failure, exit_code, quantity},
    store::LocalStore,
    store_path::StorePath,
};

/// Arguments of `hpcl copy`.
#[derive(Args)]
#[command(group(ArgGroup::new("direction").required(true)))]
pub struct Arguments {
    /// The machine to copy to; nothing needs to be installed there
    #[arg(long, value_name = "ssh://[USER@]HOST[:PORT]", group = "direction", value_parser = host)]
    to: Option<SshHost>,
    /// The machine to copy from
    #[arg(long, value_name = "ssh://[USER@]HOST[:PORT]", group = "direction", value_parser = host)]
    from: Option<SshHost>,
    #[command(flatten)]
    pushing: Pushing,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    build: BuildOptions,
}

fn host(text: &str) -> Result<SshHost, String> {
    SshHost::parse(text).ok_or_else(|| format!("`{text}` is no machine; write `ssh://user@host`"))
}

/// Copies.
pub fn run(arguments: &Arguments) -> Outcome {
    let store = realise::open_store()?;
    match (&arguments.to, &arguments.from) {
        (Some(host), _) => to(&store, host, arguments),
        (_, Some(host)) => from(&store, host, arguments),
        _ => Err(Failure::new("neither `--to` nor `--from` is given").code(exit_code::USAGE)),
    }
}

fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

fn to(store: &LocalStore, host: &SshHost, arguments: &Arguments) -> Outcome {
    let Some(roots) = roots(store, &arguments.pushing.items, &arguments.packages, &arguments.build)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let closure = store.closure(&roots)?;
    store.protect(&closure)?;
    let remote = host.connect(&say)?;
    let absent = remote.absent(&closure)?;
    let directory = store.work_dir("copy")?;
    let how = cache::Push { absent: Some(&absent), ..arguments.pushing.how(&directory, None) };
    let pushed = cache::push(store, &roots, &how)?;
    say(&format!(
        "{} of {} items are to be copied ({})",
        pushed.items,
        closure.len(),
        quantity::bytes(pushed.file_bytes)
    ));
    let index = BundleIndex::new(roots);
    let sent =
        remote.take(|to| cache::write_bundle(&index, &directory, &[], BufWriter::with_capacity(1 << 16, to)));
    // What cannot be removed goes with the next collection.
    let _ = fs::remove_dir_all(&directory);
    sent?;
    Ok(ExitCode::SUCCESS)
}

fn from(store: &LocalStore, host: &SshHost, arguments: &Arguments) -> Outcome {
    let (mut wanted, packages) = without_items(store, &arguments.pushing.items, &arguments.packages)?;
    if wanted.is_empty() || !names_nothing(&packages) {
        let (evaluated, outputs) = session::wanted(&packages)?;
        wanted.extend(
            outputs.iter().filter_map(|(id, output)| evaluated.graph.node(*id).output(output).cloned()),
        );
    }
    store.protect(&wanted)?;
    let mut missing = BTreeSet::new();
    for path in &wanted {
        if !store.is_valid(path)? {
            missing.insert(path.clone());
        }
    }
    let mut copied = 0;
    if !missing.is_empty() {
        let remote = host.connect(&say)?;
        let gone = remote.absent(&missing)?;
        if !gone.is_empty() {
            let names: Vec<String> = gone.iter().map(|path| format!("\n  {path}")).collect();
            return Err(
                Failure::new(format!("the other machine has no{}", names.concat())).code(exit_code::BUILD)
            );
        }
        let directory = store.work_dir("copy")?;
        let index = remote.give(&missing, |bundle| cache::read_bundle(bundle, &directory))?;
        // The user logged in there: that is the trust.
        copied = bundle::install(store, &index, &directory, TrustedKeys::anyone())?;
        let _ = fs::remove_dir_all(&directory);
    }
    super::build::print_results(store, &wanted, None, &mut std::io::stdout())?;
    say(&format!("{copied} items were copied"));
    Ok(ExitCode::SUCCESS)
}

/// Answers another machine's `hpcl copy`: which of the items on standard input are not valid here.
pub fn absent() -> Outcome {
    let store = realise::open_store()?;
    let mut out = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let path = StorePath::parse(&line).map_err(|error| {
            Failure::new(format!("`{line}` is not a store item: {error}")).code(exit_code::USAGE)
        })?;
        if !store.is_valid(&path)? {
            writeln!(out, "{path}")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
