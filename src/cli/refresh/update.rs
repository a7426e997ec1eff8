//! Puts a new version into a recipe: fetches its source, changes the text, and looks whether the recipe then says what was fetched.
//!
//! Invariant: a file is changed whole or stays as it was; what was fetched is in the store when the recipe names it.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use super::{Row, evaluated};
use crate::{
    channel::bundled_file,
    cli::{
        fmt,
        options::{PackageOptions, RecipeOptions},
        realise, session,
    },
    fetch::{Download, Fetcher},
    git::Repository,
    hash::Digest,
    host::PackageFacts,
    nar,
    report::{Failure, chain},
    upstream::{Change, at_change, at_version},
};

/// A new source.
struct Source {
    hash: Digest,
    urls: Vec<String>,
    /// The commits that the recipe had and is to have.
    commit: Option<(String, String)>,
}

/// Changes a recipe.
pub fn update(row: &Row, version: &str, recipes: &RecipeOptions) -> Result<(), Failure> {
    let facts = &row.facts;
    let file = editable(row, recipes)?;
    let old_hash = Digest::parse(&facts.hash)
        .map_err(|_| refused(row, "the source has no hash to be replaced".to_owned()))?;
    let fetcher = Fetcher::of_host()?;
    let directory = tempfile::tempdir()?;
    let source = match facts.repository.0.is_empty() {
        true => archive(row, version, &old_hash, &fetcher, directory.path())?,
        false => checkout(row, version, &fetcher, directory.path())?,
    };
    let change = Change {
        version: (facts.version.clone(), version.to_owned()),
        hash: (old_hash, source.hash),
        commit: source.commit.clone(),
    };
    let old = fs::read_to_string(&file)?;
    let new = at_change(&old, row.line, &change).map_err(|error| {
        refused(row, error.to_string())
            .hint(format!("by hand: version {version}, hash {}", source.hash.to_base32()))
    })?;
    fmt::replace(&file, &new)?;
    let back = |failure: Failure| match fmt::replace(&file, &old) {
        Ok(()) => failure,
        Err(error) => failure.hint(format!("`{}` could not be put back: {error}", file.display())),
    };
    let options = PackageOptions {
        packages: vec![format!("{}@{version}", facts.name)],
        recipes: recipes.clone(),
        ..PackageOptions::default()
    };
    let after = evaluated(&options).map_err(back)?;
    match after.iter().find(|after| after.location.0 == facts.location.0) {
        Some(after) => compare(row, after, &source).map_err(back),
        None => Err(back(refused(row, "the changed recipe is not used: another one comes first".to_owned()))),
    }
}

fn refused(row: &Row, reason: String) -> Failure {
    Failure::new(format!("{}: the recipe of `{}` was not changed: {reason}", row.place(), row.package))
}

/// The file of a recipe that may be changed.
fn editable(row: &Row, recipes: &RecipeOptions) -> Result<PathBuf, Failure> {
    let path = Path::new(&row.file);
    let hint = "`-L DIR` names the directory of a working copy of the channel";
    let channels = session::channels(recipes)?;
    if channels.fixed().iter().any(|fixed| path.starts_with(fixed)) {
        return Err(refused(row, "it belongs to a commit of a channel that was pulled".to_owned()).hint(hint));
    }
    let is_below = channels.directories().iter().any(|directory| path.starts_with(directory));
    let is_bundled = !is_below && row.file.strip_prefix("channels/").and_then(bundled_file).is_some();
    let absent = || refused(row, "it is part of hpcl itself".to_owned()).hint(hint);
    path.canonicalize().ok().filter(|path| path.is_file() && !is_bundled).ok_or_else(absent)
}

/// Fetches an archive into the store.
fn archive(
    row: &Row,
    version: &str,
    old_hash: &Digest,
    fetcher: &Fetcher,
    directory: &Path,
) -> Result<Source, Failure> {
    let facts = &row.facts;
    let renamed = |text: &String| at_version(text, &facts.version, version).unwrap_or_else(|| text.clone());
    let urls: Vec<String> = facts.urls.iter().map(renamed).collect();
    if urls == facts.urls {
        return Err(refused(row, "no address of the source names the version".to_owned()));
    }
    let name = renamed(&facts.file_name);
    let expected = match urls.iter().find_map(|url| url.strip_prefix("mirror://pypi/")?.split_once('/')) {
        Some((project, file)) => fetcher.python_index()?.digest(project, file)?,
        None => None,
    };
    let file = directory.join("file");
    let download = Download { name: name.clone(), urls: urls.clone(), expected, cargo: None };
    fetcher.fetch(&download, &file, &mut |_| ControlFlow::Continue(()))?;
    let hash = crate::cli::hash::of_file(&file, old_hash.algorithm())?;
    realise::open_store()?.add_download(&name, &file, &hash)?;
    Ok(Source { hash, urls, commit: None })
}

/// Fetches the files of a tag into the store.
fn checkout(row: &Row, version: &str, fetcher: &Fetcher, directory: &Path) -> Result<Source, Failure> {
    let (url, old) = &row.facts.repository;
    let failed = |error: crate::git::GitError| refused(row, chain(&error));
    let tag = at_version(old, &row.facts.version, version).or_else(|| row.tag.clone());
    let tag = tag.ok_or_else(|| refused(row, format!("no tag of {url} is known for version {version}")))?;
    let repository = Repository::open(url, &directory.join("git")).map_err(failed)?;
    let id = repository.fetch_one(fetcher.agent(), &tag, &AtomicBool::new(false)).map_err(failed)?;
    let tree = directory.join("tree");
    repository.export(id, &tree).map_err(failed)?;
    let hash = nar::hash_tree(&tree).map_err(|error| refused(row, chain(&error)))?;
    let name = at_version(&row.facts.file_name, &row.facts.version, version);
    if let Some(name) = name {
        realise::open_store()?.add_tree(&name, &tree)?;
    }
    let is_commit = old.len() == 40 && old.chars().all(|c| c.is_ascii_hexdigit());
    let new = if is_commit { id.to_string() } else { tag };
    Ok(Source { hash, urls: Vec::new(), commit: Some((old.clone(), new)) })
}

/// Whether a changed recipe says what was fetched.
fn compare(row: &Row, after: &PackageFacts, source: &Source) -> Result<(), Failure> {
    let wanted = source.commit.as_ref().map_or("", |(_, new)| new.as_str());
    let hash = Digest::parse(&after.hash).ok();
    let complaint = if hash != Some(source.hash) {
        "it would not have the hash of the new source".to_owned()
    } else if after.urls != source.urls {
        format!("its addresses would be {}, not {}", after.urls.join(" "), source.urls.join(" "))
    } else if after.repository.1 != wanted {
        format!("it would name commit `{}`, not `{wanted}`", after.repository.1)
    } else {
        return Ok(());
    };
    Err(refused(row, complaint).hint(format!("by hand: hash {}", source.hash.to_base32())))
}
