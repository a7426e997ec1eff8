//! `hpcl size` and `hpcl why`: what packages bring along, and which file it is that does.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    io::{BufReader, IsTerminal, Read, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use memchr::memmem;
use serde::Serialize;

use super::{
    Outcome,
    cache::{names_nothing, without_items},
    options::{PackageOptions, RecipeOptions},
    realise, session,
};
use crate::{
    report::{
        Failure,
        drawing::{Bar, bar, bars_svg},
        exit_code, quantity,
    },
    store::{ItemInfo, LocalStore},
    store_path::StorePath,
};

/// Arguments of `hpcl size`.
#[derive(Args)]
pub struct SizeArguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// Print as JSON, sizes in bytes
    #[arg(long)]
    json: bool,
    /// Draw the sizes into an SVG file
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    plot: Option<PathBuf>,
}

#[derive(Serialize)]
struct Row<'a> {
    item: &'a StorePath,
    own: u64,
    closure: u64,
}

/// Prints the closure of what is asked for, the largest items first.
pub fn size(arguments: &SizeArguments) -> Outcome {
    let store = realise::open_store()?;
    let roots = roots(&store, &arguments.packages)?;
    let closure = closure(&store, &roots)?;
    let total: u64 = closure.values().map(|info| info.nar_size).sum();
    let mut rows = Vec::new();
    for (item, info) in &closure {
        let below = store.closure_info([item])?;
        rows.push(Row { item, own: info.nar_size, closure: below.values().map(|info| info.nar_size).sum() });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.own));
    if let Some(file) = &arguments.plot {
        let bars: Vec<Bar<'_>> = rows
            .iter()
            .map(|row| Bar { label: row.item.name(), own: row.own, closure: row.closure })
            .collect();
        fs::write(file, bars_svg(&bars, total))
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", file.display())))?;
    }
    let mut out = std::io::stdout();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{:>10}  {:>10}  item", "own", "closure")?;
    let largest = rows.first().map_or(0, |row| row.own);
    for row in &rows {
        let (own, closure) = (quantity::bytes(row.own), quantity::bytes(row.closure));
        // Bars are for eyes, and of no use to what reads columns.
        let bar = if out.is_terminal() { format!("{}  ", bar(row.own, largest)) } else { String::new() };
        writeln!(out, "{own:>10}  {closure:>10}  {bar}{}", row.item)?;
    }
    writeln!(out, "{:>10}  in {} items", quantity::bytes(total), rows.len())?;
    Ok(ExitCode::SUCCESS)
}

/// Arguments of `hpcl why`.
#[derive(Args)]
pub struct WhyArguments {
    /// A package or store item
    user: String,
    /// The package or store item that it brings along
    used: String,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Prints a shortest chain of references between two items, with a file for each link of it.
pub fn why(arguments: &WhyArguments) -> Outcome {
    let store = realise::open_store()?;
    let items = |name: &String| {
        let packages = PackageOptions {
            packages: vec![name.clone()],
            recipes: arguments.recipes.clone(),
            ..PackageOptions::default()
        };
        roots(&store, &packages)
    };
    let (users, targets) = (items(&arguments.user)?, items(&arguments.used)?);
    let closure = closure(&store, &users)?;
    let Some(chain) = shortest(&closure, &users, &targets) else {
        return Err(Failure::new(format!("`{}` does not bring `{}` along", arguments.user, arguments.used))
            .code(exit_code::DIFFERENT));
    };
    let mut out = std::io::stdout();
    for (depth, item) in chain.iter().enumerate() {
        writeln!(out, "{}{}", "  ".repeat(depth), store.local_path(item).display())?;
        if let Some(next) = chain.get(depth + 1) {
            let place = match mention(&store.local_path(item), next.hash_part().as_bytes()) {
                Some(file) => format!("in `{}`", file.display()),
                None => "in no file that can be read".to_owned(),
            };
            writeln!(out, "{}{place}:", "  ".repeat(depth + 1))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The valid items of store paths and packages; a package must have been built or fetched.
pub fn roots(store: &LocalStore, packages: &PackageOptions) -> Result<Vec<StorePath>, Failure> {
    let (mut found, packages) = without_items(store, &[], packages)?;
    if found.is_empty() || !names_nothing(&packages) {
        let (evaluated, wanted) = session::wanted(&packages)?;
        found.extend(
            wanted.iter().filter_map(|(id, output)| evaluated.graph.node(*id).output(output).cloned()),
        );
    }
    for item in &found {
        if !store.is_valid(item)? {
            return Err(Failure::new(format!("`{item}` is not in the store")).hint("`hpcl build` it first"));
        }
    }
    Ok(found)
}

/// What items bring along, themselves included.
pub fn closure(store: &LocalStore, roots: &[StorePath]) -> Result<BTreeMap<StorePath, ItemInfo>, Failure> {
    store.protect(roots)?;
    Ok(store.closure_info(roots)?)
}

/// A shortest chain of references from one of the users to one of the targets.
fn shortest(
    closure: &BTreeMap<StorePath, ItemInfo>,
    users: &[StorePath],
    targets: &[StorePath],
) -> Option<Vec<StorePath>> {
    let mut from: BTreeMap<&StorePath, Option<&StorePath>> = users.iter().map(|user| (user, None)).collect();
    let mut queue: VecDeque<&StorePath> = users.iter().collect();
    let targets: BTreeSet<&StorePath> = targets.iter().collect();
    while let Some(item) = queue.pop_front() {
        if targets.contains(item) {
            let mut chain: Vec<StorePath> =
                std::iter::successors(Some(item), |item| from.get(item).copied().flatten())
                    .cloned()
                    .collect();
            chain.reverse();
            return Some(chain);
        }
        for reference in closure.get(item).into_iter().flat_map(|info| &info.references) {
            if !from.contains_key(reference) {
                from.insert(reference, Some(item));
                queue.push_back(reference);
            }
        }
    }
    None
}

/// The first file of a tree, by name, whose content or link target holds these bytes; its path in the tree.
fn mention(tree: &Path, bytes: &[u8]) -> Option<PathBuf> {
    let finder = memmem::Finder::new(bytes);
    let entries = walkdir::WalkDir::new(tree).sort_by_file_name().into_iter().flatten();
    let holds = |path: &Path, kind: fs::FileType| {
        if kind.is_symlink() {
            return fs::read_link(path).is_ok_and(|to| finder.find(to.as_os_str().as_bytes()).is_some());
        }
        kind.is_file() && fs::File::open(path).is_ok_and(|file| contains(file, &finder, bytes.len()))
    };
    let found = entries.into_iter().find(|entry| holds(entry.path(), entry.file_type()))?;
    let inside = found.path().strip_prefix(tree).ok()?;
    Some(if inside.as_os_str().is_empty() { PathBuf::from(".") } else { inside.to_owned() })
}

/// Whether a file holds what is looked for, read in pieces that overlap by its length.
fn contains(file: fs::File, finder: &memmem::Finder<'_>, length: usize) -> bool {
    let mut file = BufReader::new(file);
    let mut buffer = Vec::new();
    loop {
        match Read::by_ref(&mut file).take(1 << 20).read_to_end(&mut buffer) {
            Ok(0) | Err(_) => return finder.find(&buffer).is_some(),
            Ok(_) if finder.find(&buffer).is_some() => return true,
            Ok(_) => {
                let done = buffer.len().saturating_sub(length);
                buffer.drain(..done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_across_two_pieces_is_found() {
        let place = tempfile::tempdir().unwrap();
        let mut text = vec![b'x'; (1 << 20) - 3];
        text.extend_from_slice(b"needle and more");
        fs::write(place.path().join("b"), &text).unwrap();
        fs::write(place.path().join("a"), "nothing").unwrap();
        std::os::unix::fs::symlink("/a/needle", place.path().join("c")).unwrap();
        assert_eq!(mention(place.path(), b"needle"), Some("b".into()));
        fs::remove_file(place.path().join("b")).unwrap();
        assert_eq!(mention(place.path(), b"needle"), Some("c".into()));
        assert_eq!(mention(&place.path().join("a"), b"nothing"), Some(".".into()));
        assert_eq!(mention(place.path(), b"other"), None);
    }
}
