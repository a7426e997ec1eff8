//! `hpcl bundle` and `hpcl unbundle`: closures, their sources and recipes in one file, for clusters without a network.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, ValueHint};

use super::{
    Outcome,
    cache::{Pushing, trusted_keys_file, without_items},
    options::{BuildOptions, PackageOptions},
    realise, session,
};
use crate::{
    cache::{self, BundleIndex, Cache, SecretKey, Substituter, TrustedKeys},
    fetch::Fetcher,
    report::{Failure, exit_code, quantity},
    store::LocalStore,
    store_path::StorePath,
};

/// Arguments of `hpcl bundle`.
#[derive(Args)]
pub struct Arguments {
    /// The file to write; `-` for standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Put in the downloaded sources of all that is built too, so that it can be built again without a network
    #[arg(long)]
    sources: bool,
    #[command(flatten)]
    pushing: Pushing,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// Writes a bundle.
pub fn run(arguments: &Arguments) -> Outcome {
    let to_stdout = arguments.output.as_os_str() == "-";
    if to_stdout && io::stdout().is_terminal() {
        return Err(Failure::new("a bundle is not for a terminal")
            .hint("name a file with `-o FILE`")
            .code(exit_code::USAGE));
    }
    let store = realise::open_store()?;
    let Some(mut roots) =
        super::cache::roots(&store, &arguments.pushing.items, &arguments.packages, &arguments.build)?
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let mut recipes: Vec<PathBuf> = arguments.packages.manifest.clone();
    recipes.extend(arguments.packages.file.iter().cloned());
    recipes.extend(session::channels(&arguments.packages.recipes)?.directories().iter().cloned());
    let index = BundleIndex::new(roots.clone());
    if arguments.sources {
        let (_, packages) = without_items(&store, &[], &arguments.packages)?;
        roots.extend(sources(&store, &packages, &arguments.build)?);
    }
    let directory = store.work_dir("bundle")?;
    let key = arguments.pushing.key.as_deref().map(SecretKey::read).transpose()?;
    let pushed = cache::push(&store, &roots, &arguments.pushing.how(&directory, key.as_ref()))?;
    if to_stdout {
        cache::write_bundle(&index, &directory, &recipes, BufWriter::new(io::stdout().lock()))?;
    } else {
        write_file(&arguments.output, |file| {
            Ok(cache::write_bundle(&index, &directory, &recipes, BufWriter::new(file))?)
        })?;
    }
    // What cannot be removed goes with the next collection.
    let _ = fs::remove_dir_all(&directory);
    writeln!(
        anstream::stderr(),
        "bundled {} items ({}, {} unpacked)",
        pushed.items,
        quantity::bytes(pushed.file_bytes),
        quantity::bytes(pushed.nar_bytes)
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file whole or not at all.
fn write_file(path: &Path, write: impl FnOnce(&File) -> Result<(), Failure>) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = tempfile::Builder::new().prefix(".hpcl-bundle-").tempfile_in(parent).map_err(failed)?;
    write(draft.as_file())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    draft.as_file().set_permissions(mode).map_err(failed)?;
    draft.persist(path).map(drop).map_err(|error| failed(error.error))
}

/// The downloads that the packages are built from, fetched where they are missing.
fn sources(
    store: &LocalStore,
    packages: &PackageOptions,
    build: &BuildOptions,
) -> Result<Vec<StorePath>, Failure> {
    if super::cache::names_nothing(packages) {
        return Ok(Vec::new());
    }
    let (mut evaluated, wanted) = session::wanted(packages)?;
    let graph = &evaluated.graph;
    let ids: Vec<_> = wanted.iter().map(|(id, _)| *id).collect();
    let fixed: Vec<_> = graph
        .requisites(ids)
        .into_iter()
        .filter(|id| graph.node(*id).derivation.fixed().is_some())
        .map(|id| (id, "out".to_owned()))
        .collect();
    Ok(realise::realise(&mut evaluated, store, &fixed, build)?.unwrap_or_default())
}

/// Arguments of `hpcl unbundle`.
#[derive(Args)]
pub struct UnbundleArguments {
    /// The bundle; `-` for standard input
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Take it although no key that you trust signed it: you vouch for where it comes from
    #[arg(long)]
    unsigned: bool,
    /// Keep the result: make a link to it that protects it from `hpcl gc` (further results get `-1`, `-2`, …)
    #[arg(short, long, value_name = "LINK", value_hint = ValueHint::AnyPath)]
    root: Option<PathBuf>,
    /// Write the manifests and channels of the bundle into a directory, which must not exist
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    recipes: Option<PathBuf>,
}

/// Puts what a bundle holds into the store.
pub fn unbundle(arguments: &UnbundleArguments) -> Outcome {
    let store = realise::open_store()?;
    let source: Box<dyn Read> = if arguments.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&arguments.file)
            .map_err(|error| Failure::new(format!("cannot read `{}`: {error}", arguments.file.display())))?;
        Box::new(BufReader::new(file))
    };
    let directory = store.work_dir("bundle")?;
    let index = cache::read_bundle(source, &directory)?;
    let trusted =
        if arguments.unsigned { TrustedKeys::anyone() } else { TrustedKeys::read(&trusted_keys_file()?)? };
    let fetched = install(&store, &index, &directory, trusted)?;
    if let Some(place) = &arguments.recipes {
        give_recipes(&directory, place)?;
    }
    let _ = fs::remove_dir_all(&directory);
    let mut out = io::stdout();
    super::build::print_results(&store, &index.roots, arguments.root.as_deref(), &mut out)?;
    writeln!(anstream::stderr(), "{fetched} items came from the bundle")?;
    Ok(ExitCode::SUCCESS)
}

/// Imports all items of an unpacked bundle; says how many.
pub fn install(
    store: &LocalStore,
    index: &BundleIndex,
    directory: &Path,
    trusted: TrustedKeys,
) -> Result<usize, Failure> {
    if index.roots.is_empty() {
        return Ok(0);
    }
    let items: Vec<StorePath> = cache::list(directory)?.into_iter().map(|info| info.path).collect();
    let cache = Cache::open(&directory.display().to_string(), &Fetcher::of_host()?)?;
    let substituter = Substituter::new(store, vec![cache], trusted);
    let note = realise::note(true);
    let (plan, _) = substituter.plan_paths(&items, &note)?;
    let fetched = substituter.fetch(&plan, &note)?;
    let mut missing = Vec::new();
    for path in items.iter().chain(&index.roots) {
        if !store.is_valid(path)? {
            missing.push(format!("\n  {path}"));
        }
    }
    if missing.is_empty() {
        return Ok(fetched);
    }
    missing.dedup();
    Err(Failure::new(format!("these items of the bundle could not be taken:{}", missing.concat()))
        .hint("`hpcl cache trust KEY` trusts who signed it; `--unsigned` takes it without a signature")
        .code(exit_code::BUILD))
}

fn give_recipes(directory: &Path, place: &Path) -> Result<(), Failure> {
    let Some(recipes) = cache::bundled_recipes(directory) else {
        return Err(Failure::new("the bundle has no recipes"));
    };
    if place.exists() {
        return Err(Failure::new(format!("`{}` exists already", place.display())).code(exit_code::USAGE));
    }
    let failed = |error: io::Error| Failure::new(format!("cannot write `{}`: {error}", place.display()));
    for entry in walkdir::WalkDir::new(&recipes) {
        let entry = entry.map_err(|error| failed(error.into()))?;
        let inside = entry.path().strip_prefix(&recipes).unwrap_or(entry.path());
        if entry.file_type().is_dir() {
            fs::create_dir_all(place.join(inside)).map_err(failed)?;
        } else {
            fs::copy(entry.path(), place.join(inside)).map(drop).map_err(failed)?;
        }
    }
    Ok(())
}
