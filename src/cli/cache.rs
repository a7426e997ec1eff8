//! `hpcl cache`: sharing what was built, by plain files that any web server can serve.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, ValueEnum, ValueHint};

use super::{
    Outcome,
    options::{BuildOptions, PackageOptions},
    realise, session,
};
use crate::{
    cache::{self, Compression, PublicKey, Push, SecretKey, Substituter, TrustedKeys},
    fetch::Fetcher,
    report::{Failure, exit_code, quantity},
    store::LocalStore,
    store_path::StorePath,
};

/// Arguments of `hpcl cache`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a key that signs what you push
    Keygen {
        /// The key's name, by custom HOST-NUMBER
        name: String,
        /// The file for the secret key
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        output: PathBuf,
    },
    /// List the items of a cache
    List {
        /// Its directory or address (`ssh://HOST/DIR`, `s3://BUCKET/PREFIX`)
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
        /// Print as JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch packages or store items, and all that they need to run, from caches; nothing is built
    Pull(PullArguments),
    /// Write packages or store items, and all that they need to run, into a cache
    Push(PushArguments),
    /// Sign every item of a cache directory
    Sign {
        /// The secret key's file
        #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        key: PathBuf,
        /// The directory
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Trust a public key, or list those that are trusted
    Trust {
        /// The public key, NAME:BASE64, as `hpcl cache keygen` prints it
        key: Option<String>,
    },
}

#[derive(Args)]
struct PullArguments {
    /// Items, by path or name in the store
    #[arg(long = "item", value_name = "PATH")]
    items: Vec<PathBuf>,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    caches: CacheOptions,
}

#[derive(Args)]
struct PushArguments {
    /// The cache's directory, which is made if need be, or its address (`ssh://HOST/DIR`, `s3://BUCKET/PREFIX`)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    to: PathBuf,
    #[command(flatten)]
    pushing: Pushing,
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    build: BuildOptions,
}

/// What is given to others, and how.
#[derive(Args)]
pub struct Pushing {
    /// Sign with a secret key
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// How archives are compressed
    #[arg(long, value_enum, default_value_t = Method::Zstd)]
    compression: Method,
    /// How hard: 1 to 19 for zstd, 0 to 9 for xz [default: 3 for zstd, 6 for xz]
    #[arg(long, value_name = "N")]
    level: Option<i32>,
    /// Give away what was built without a sandbox too
    #[arg(long)]
    unsandboxed: bool,
    /// Items, by path or name in the store
    #[arg(long = "item", value_name = "PATH")]
    pub items: Vec<PathBuf>,
}

impl Pushing {
    /// The push into a directory.
    pub fn how<'a>(&self, directory: &'a Path, key: Option<&'a SecretKey>) -> Push<'a> {
        let (compression, level) = match self.compression {
            Method::Zstd => (Compression::Zstd, 3),
            Method::Xz => (Compression::Xz, 6),
            Method::None => (Compression::None, 0),
        };
        let level = self.level.unwrap_or(level);
        Push { directory, compression, level, key, unsandboxed: self.unsandboxed, absent: None }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Method {
    Zstd,
    Xz,
    None,
}

/// Which caches are asked.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Binary caches")]
pub struct CacheOptions {
    /// Ask a binary cache before those of the settings (`https:`, `http:`, `file:`, `ssh:`, `s3:`, or a directory)
    #[arg(long = "cache", value_name = "URL")]
    pub caches: Vec<String>,
    /// Ask no binary cache: build everything that is missing
    #[arg(long)]
    pub no_caches: bool,
}

/// Runs one of the verbs.
pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.verb {
        Verb::Keygen { name, output } => keygen(name, output),
        Verb::List { directory, json } => list(directory, *json),
        Verb::Pull(arguments) => pull(arguments),
        Verb::Push(arguments) => push(arguments),
        Verb::Sign { key, directory } => {
            let signed = cache::sign(directory, &SecretKey::read(key)?)?;
            writeln!(anstream::stderr(), "signed {signed} items")?;
            Ok(ExitCode::SUCCESS)
        }
        Verb::Trust { key } => trust(key.as_deref()),
    }
}

fn keygen(name: &str, output: &Path) -> Outcome {
    let key = SecretKey::generate(name)?;
    key.write(output)?;
    writeln!(
        anstream::stderr(),
        "the secret key is in `{}`; who runs `hpcl cache trust` with this public key takes what it signs:",
        output.display()
    )?;
    writeln!(std::io::stdout(), "{}", key.public())?;
    Ok(ExitCode::SUCCESS)
}

/// The file of the keys that the user trusts.
pub fn trusted_keys_file() -> Result<PathBuf, Failure> {
    cache::trusted_keys_path().ok_or_else(|| {
        Failure::new("there is no place for trusted keys: neither `XDG_CONFIG_HOME` nor `HOME` is set")
    })
}

fn trust(key: Option<&str>) -> Outcome {
    let file = trusted_keys_file()?;
    let Some(text) = key else {
        for key in TrustedKeys::read(&file)?.keys() {
            writeln!(std::io::stdout(), "{key}")?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    let key = PublicKey::parse(text.trim()).ok_or_else(|| {
        Failure::new(format!("`{text}` is not a public key"))
            .hint("a public key is NAME:BASE64, as `hpcl cache keygen` prints it")
            .code(exit_code::USAGE)
    })?;
    let new = TrustedKeys::add(&file, &key)?;
    let done = if new { "added to" } else { "was in" };
    writeln!(anstream::stderr(), "the key {done} `{}`", file.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the address of a cache that is no directory here.
fn address(place: &Path) -> Option<&str> {
    place.to_str().filter(|text| cache::is_remote(text))
}

fn list(directory: &Path, json: bool) -> Outcome {
    let items = match address(directory) {
        Some(address) => cache::list_remote(address, &Fetcher::of_host()?)?,
        None => cache::list(directory)?,
    };
    let mut out = std::io::stdout();
    if json {
        let rows: Vec<serde_json::Value> = items
            .iter()
            .map(|info| {
                serde_json::json!({
                    "path": info.path, "narHash": info.nar_hash, "narSize": info.nar_size,
                    "fileSize": info.file_size, "url": info.url, "references": info.references,
                    "signedBy": info.signatures.iter().map(|signature| &signature.key).collect::<Vec<_>>(),
                })
            })
            .collect();
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    for info in &items {
        let keys: Vec<&str> = info.signatures.iter().map(|signature| &*signature.key).collect();
        let size = quantity::bytes(info.file_size.unwrap_or(info.nar_size));
        let signed = if keys.is_empty() { "unsigned".to_owned() } else { keys.join(",") };
        writeln!(out, "{}\t{size}\t{signed}", info.path)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn push(arguments: &PushArguments) -> Outcome {
    let store = realise::open_store()?;
    let Some(paths) = roots(&store, &arguments.pushing.items, &arguments.packages, &arguments.build)? else {
        return Ok(ExitCode::SUCCESS);
    };
    let key = arguments.pushing.key.as_deref().map(SecretKey::read).transpose()?;
    let how = arguments.pushing.how(&arguments.to, key.as_ref());
    let pushed = match address(&arguments.to) {
        Some(address) => cache::push_remote(&store, &paths, address, &Fetcher::of_host()?, &how)?,
        None => cache::push(&store, &paths, &how)?,
    };
    let mut err = anstream::stderr();
    writeln!(
        err,
        "pushed {} items ({}, {} unpacked); {} were there",
        pushed.items,
        quantity::bytes(pushed.file_bytes),
        quantity::bytes(pushed.nar_bytes),
        pushed.present
    )?;
    if key.is_none() && pushed.items > 0 {
        writeln!(err, "hint: nobody takes unsigned items; `--key FILE` or `hpcl cache sign` signs them")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn pull(arguments: &PullArguments) -> Outcome {
    let store = realise::open_store()?;
    let caches = super::weather::some_caches(&arguments.caches)?;
    let (mut paths, packages) = without_items(&store, &arguments.items, &arguments.packages)?;
    if paths.is_empty() || !names_nothing(&packages) {
        let (evaluated, wanted) = session::wanted(&packages)?;
        let outputs =
            wanted.iter().filter_map(|(id, output)| evaluated.graph.node(*id).output(output).cloned());
        paths.extend(outputs);
    }
    let substituter = Substituter::new(&store, caches, TrustedKeys::read(&trusted_keys_file()?)?);
    let note = realise::note(false);
    let (plan, mut missing) = substituter.plan_paths(&paths, &note)?;
    substituter.fetch(&plan, &note)?;
    let mut out = std::io::stdout();
    for path in &paths {
        if store.is_valid(path)? {
            writeln!(out, "{}", store.local_path(path).display())?;
        } else if !missing.contains(path) {
            missing.push(path.clone());
        }
    }
    if missing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let names: Vec<String> = missing.iter().map(|path| format!("\n  {path}")).collect();
    Err(Failure::new(format!("no trusted substitute was found for{}", names.concat())).code(exit_code::BUILD))
}

/// Items and packages to give away; the packages are built if need be. None when the plan was only to be shown.
pub fn roots(
    store: &LocalStore,
    named: &[PathBuf],
    packages: &PackageOptions,
    build: &BuildOptions,
) -> Result<Option<Vec<StorePath>>, Failure> {
    let (mut paths, packages) = without_items(store, named, packages)?;
    for path in &paths {
        store.info(path)?;
    }
    if paths.is_empty() || !names_nothing(&packages) {
        let (mut evaluated, wanted) = session::wanted(&packages)?;
        match realise::realise(&mut evaluated, store, &wanted, build)? {
            Some(built) => paths.extend(built),
            None => return Ok(None),
        }
    }
    Ok(Some(paths))
}

/// The items that are named, by options or among the packages, and the packages without those.
pub fn without_items(
    store: &LocalStore,
    named: &[PathBuf],
    packages: &PackageOptions,
) -> Result<(Vec<StorePath>, PackageOptions), Failure> {
    let mut found = items_by_name(store, named)?;
    let mut packages = packages.clone();
    packages.packages.retain(|text| {
        let inside = store.item_of(Path::new(text)).map(|(item, _)| item);
        let item = inside.or_else(|| StorePath::parse(text).ok());
        found.extend(item.clone());
        item.is_none()
    });
    Ok((found, packages))
}

/// Whether the options name no packages at all.
pub fn names_nothing(packages: &PackageOptions) -> bool {
    let PackageOptions { packages, manifest, file, expression, .. } = packages;
    packages.is_empty() && manifest.is_empty() && file.is_empty() && expression.is_empty()
}

/// Valid items of the store, by path or name.
pub fn items(store: &LocalStore, named: &[PathBuf]) -> Result<Vec<StorePath>, Failure> {
    let found = items_by_name(store, named)?;
    for path in &found {
        store.info(path)?;
    }
    Ok(found)
}

/// Items by path, name or a link to them, valid or not.
pub fn items_by_name(store: &LocalStore, named: &[PathBuf]) -> Result<Vec<StorePath>, Failure> {
    let one = |path: &PathBuf| {
        let inside = store.item_of(path).map(|(item, _)| item);
        let by_name = || StorePath::parse(path.to_str().unwrap_or_default()).ok();
        let by_link = || store.item_of(&path.canonicalize().ok()?).map(|(item, _)| item);
        inside.or_else(by_name).or_else(by_link).ok_or_else(|| {
            Failure::new(format!("`{}` is not a store item", path.display())).code(exit_code::USAGE)
        })
    };
    named.iter().map(one).collect()
}
