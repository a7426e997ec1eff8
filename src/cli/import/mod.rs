//! `hpcl import`: makes recipes of packages of other places.

mod json;
mod pypi;

pub(super) use pypi::target;

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};

use super::{Outcome, listing, options::RecipeOptions, session};
use crate::{
    channel::bundled_file,
    import::{Imported, NATIVE_TABLE, Natives, Provided, file_text},
    report::Failure,
};

/// Arguments of `hpcl import`.
#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    place: Place,
}

#[derive(Subcommand)]
enum Place {
    /// Python packages, from the index that pip is configured for
    Pypi(Box<pypi::Arguments>),
    /// Packages described in JSON
    Json(json::Arguments),
}

/// Imports.
pub fn run(arguments: &Arguments) -> Outcome {
    match &arguments.place {
        Place::Pypi(arguments) => pypi::run(arguments),
        Place::Json(arguments) => json::run(arguments),
    }
}

/// All packages of the channels, the newest of each name first.
pub(super) fn provided(recipes: &RecipeOptions) -> Result<Vec<Provided>, Failure> {
    let records = listing::ask(recipes, |listing| {
        let rows = listing.rows()?;
        listing.records(&(0..rows.len()).collect::<Vec<_>>())
    })?;
    let provided = |record: crate::channel::PackageRecord| Provided {
        name: record.name,
        version: record.version,
        upstream_name: record.upstream_name,
        module: record.module,
        variable: record.variable,
    };
    Ok(records.into_iter().filter(|record| record.superseded.is_none()).map(provided).collect())
}

/// What the tables of channels say of native code, those of the load path first.
fn natives(recipes: &RecipeOptions) -> Result<Natives, Failure> {
    let channels = session::channels(recipes)?;
    let mut tables = Vec::new();
    for path in channels.directories().iter().map(|directory| directory.join(NATIVE_TABLE)) {
        match std::fs::read_to_string(&path) {
            Ok(text) => tables.push((path.display().to_string(), text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))),
        }
    }
    let bundled = bundled_file(NATIVE_TABLE).map(String::from_utf8_lossy);
    tables.extend(bundled.map(|text| (format!("channels/{NATIVE_TABLE}"), text.into_owned())));
    Ok(Natives::read(&tables)?)
}

/// Prints recipes, or writes them beside a file that they then replace.
fn write(output: Option<&Path>, module: &str, header: &[String], imported: &Imported) -> Result<(), Failure> {
    let text = file_text(module, header, &imported.recipes)?;
    let Some(path) = output else {
        return Ok(std::io::stdout().write_all(text.as_bytes())?);
    };
    let failed = |error: std::io::Error| Failure::new(format!("cannot write `{}`: {error}", path.display()));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut draft = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(failed)?;
    draft.write_all(text.as_bytes()).map_err(failed)?;
    // Where the file is a link, what it leads to is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    draft.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The name of the module in a file.
fn module_of(output: &Path) -> Result<String, Failure> {
    let stem = output.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    if stem.is_empty() || !stem.chars().all(fits) || output.extension().is_none_or(|ending| ending != "hpcl")
    {
        return Err(Failure::new(format!("`{}` is no name of a file of recipes", output.display()))
            .hint("it is a module, as in `recipes/flask.hpcl`, and is then used with `-L recipes`")
            .code(crate::report::exit_code::USAGE));
    }
    Ok(stem.to_owned())
}

/// Says how recipes in a file are used.
fn usage(output: &Path, package: &str) -> String {
    let folder: PathBuf =
        output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).into();
    format!("hpcl build -L {} {package}", folder.display())
}
