//! Which directories of a search path provide the libraries that a file needs.
//!
//! Done as the dynamic linker does it: the directories in order, `$ORIGIN` replaced, the first library of that name for
//! the same architecture wins. Used to drop directories that only cost references, and to find libraries that would be
//! missing at run time.

use std::path::{Path, PathBuf};

use super::{ElfInfo, Result, SearchTag, inspect, set_runpath};

/// Drops the directories of the RUNPATH (or RPATH) that provide no needed library; returns those dropped.
///
/// Directories with tokens that only the dynamic linker can resolve (`$LIB`, `$PLATFORM`) are kept.
pub fn shrink_runpath(path: &Path) -> Result<Vec<String>> {
    let Some(info) = inspect(path)? else { return Ok(Vec::new()) };
    let mut wanted: Vec<&String> = info.needed.iter().collect();
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for directory in info.search_path() {
        let before = wanted.len();
        let resolved = resolve(directory, path);
        if let Some(resolved) = &resolved {
            wanted.retain(|name| !provides(resolved, name, &info));
        }
        let keep = (resolved.is_none() || wanted.len() < before) && !kept.contains(directory);
        if keep { kept.push(directory.clone()) } else { dropped.push(directory.clone()) }
    }
    if !dropped.is_empty() {
        let tag = if info.runpath.is_empty() { SearchTag::Rpath } else { SearchTag::Runpath };
        set_runpath(path, &kept, tag)?;
    }
    Ok(dropped)
}

/// Moves directories that stand too early in the RUNPATH (or RPATH) behind those of libraries that are needed before theirs; says
/// whether that changed the file.
pub fn order_runpath(path: &Path, early: &[String]) -> Result<bool> {
    let Some(info) = inspect(path)? else { return Ok(false) };
    let before = info.search_path().to_vec();
    let Some(start) = before.iter().position(|directory| early.contains(directory)) else { return Ok(false) };
    let first_needed = |directory: &String| {
        let resolved = resolve(directory, path)?;
        info.needed.iter().position(|name| provides(&resolved, name, &info))
    };
    let (moved, mut order): (Vec<String>, Vec<String>) =
        before.iter().cloned().partition(|directory| early.contains(directory));
    for directory in moved {
        let needed = first_needed(&directory);
        let behind = |other: &String| first_needed(other) > needed;
        let place = order.iter().skip(start).position(behind);
        order.insert(place.map_or(order.len(), |place| start + place), directory);
    }
    if order == before {
        return Ok(false);
    }
    let tag = if info.runpath.is_empty() { SearchTag::Rpath } else { SearchTag::Runpath };
    set_runpath(path, &order, tag)
}

/// The needed libraries that no directory of the search path provides, other than the interpreter itself.
///
/// Names with a slash are paths and are looked up as they are.
pub fn missing_libraries(path: &Path) -> Result<Vec<String>> {
    let Some(info) = inspect(path)? else { return Ok(Vec::new()) };
    let directories: Vec<PathBuf> = info.search_path().iter().filter_map(|d| resolve(d, path)).collect();
    let interpreter = info.interpreter.as_deref().and_then(|i| Path::new(i).file_name());
    let found = |name: &String| {
        (name.contains('/') && Path::new(name).exists())
            || interpreter == Some(name.as_ref())
            || directories.iter().any(|directory| provides(directory, name, &info))
    };
    Ok(info.needed.iter().filter(|name| !found(name)).cloned().collect())
}

/// The directory with `$ORIGIN` replaced; `None` when another token is left.
fn resolve(directory: &str, file: &Path) -> Option<PathBuf> {
    let origin = file.parent().unwrap_or(Path::new(".")).to_str()?;
    let text = directory.replace("${ORIGIN}", origin).replace("$ORIGIN", origin);
    (!text.contains('$')).then(|| PathBuf::from(text))
}

fn provides(directory: &Path, name: &str, wanted: &ElfInfo) -> bool {
    let library = directory.join(name);
    inspect(&library).is_ok_and(|found| found.is_some_and(|info| info.machine == wanted.machine))
}
