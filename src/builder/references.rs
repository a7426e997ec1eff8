//! References of one item to others, as they lie in files: find them, and overwrite those that are not wanted.
//!
//! A reference is the 32 characters of a store path's hash followed by `-`. Overwritten by `e`s it keeps its length
//! and points nowhere.

use std::{fs, path::Path};

use aho_corasick::AhoCorasick;
use hpcl_lang::{
    native::{Context, Native, Raise, expect_int, expect_string, expect_strings},
    value::Value,
};

use super::{
    bytes,
    condition::{SystemError, row},
    files::replace_content,
    world::{World, expect_path, world},
};

/// The length of the hash in a store path's name.
const HASH: usize = 32;

/// The characters of a hash.
const ALPHABET: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// The table of this topic.
pub static NATIVES: &[Native] = &[
    row(
        "file-references",
        2,
        Some(2),
        "Those of the store paths (a list) that a file refers to.",
        file_references,
    ),
    row(
        "remove-references",
        2,
        Some(2),
        "Overwrites the references of a file to the store paths (a list); returns how many.",
        remove_references,
    ),
    row(
        "%remove-store-references",
        2,
        Some(2),
        "Overwrites all references of a file but those to the store paths (a list); returns how many.",
        remove_all,
    ),
    row(
        "store-name-in-pieces?",
        1,
        Some(1),
        "Whether a file holds a piece of the store directory's name without the rest of it.",
        in_pieces,
    ),
    row(
        "replace-bytes",
        3,
        Some(3),
        "Replaces a string in a file by one of equal length; returns how often.",
        replace_bytes,
    ),
    row(
        "%replace-bytes-at",
        4,
        Some(4),
        "Replaces the string expected at a position of a file by one of equal length.",
        replace_bytes_at,
    ),
];

/// Returns the hash of a store path: the first part of its name below one of the stores.
fn hash_of<'a>(procedure: &'static str, world: &World, path: &'a str) -> Result<&'a str, Raise> {
    let below = |store: &Path| path.strip_prefix(&*bytes::path_text(store))?.strip_prefix('/');
    let name = world.stores().find_map(below).unwrap_or(path);
    match name.get(..HASH) {
        Some(hash)
            if name.as_bytes().get(HASH) == Some(&b'-')
                && hash.bytes().all(|byte| ALPHABET.contains(&byte)) =>
        {
            Ok(hash)
        }
        _ => Err(Raise::message(format!("`{procedure}`: `{path}` is not a store path"))),
    }
}

fn needles(
    context: &mut Context<'_>,
    procedure: &'static str,
    paths: &[String],
) -> Result<Vec<String>, Raise> {
    let world = world(context)?;
    paths.iter().map(|path| Ok(format!("{}-", hash_of(procedure, world, path)?))).collect()
}

fn searcher(needles: &[String]) -> Result<AhoCorasick, Raise> {
    AhoCorasick::new(needles).map_err(|error| Raise::message(error.to_string()))
}

fn read(procedure: &'static str, path: &Path) -> Result<Vec<u8>, Raise> {
    fs::read(path).map_err(|error| SystemError::raise(procedure, path, &error))
}

fn file_references(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "file-references", arguments, 0)?;
    let paths = expect_strings("file-references", arguments, 1)?;
    let needles = needles(context, "file-references", &paths)?;
    let content = if file.is_symlink() {
        use std::os::unix::ffi::OsStrExt;
        let target =
            fs::read_link(&file).map_err(|error| SystemError::raise("file-references", &file, &error))?;
        target.as_os_str().as_bytes().to_vec()
    } else {
        read("file-references", &file)?
    };
    let mut found = vec![false; paths.len()];
    for hit in searcher(&needles)?.find_overlapping_iter(&content) {
        if let Some(flag) = found.get_mut(hit.pattern().as_usize()) {
            *flag = true;
        }
    }
    let hits: Vec<_> = paths
        .iter()
        .zip(found)
        .filter(|(_, found)| *found)
        .map(|(path, _)| Value::string(path.as_str()))
        .collect();
    Ok(Value::list(hits))
}

/// Writes the file when anything changed; returns the count as a value.
fn store(procedure: &'static str, file: &Path, content: &[u8], count: usize) -> Result<Value, Raise> {
    if count > 0 {
        replace_content(file, content, true).map_err(|error| SystemError::raise(procedure, file, &error))?;
    }
    Ok(Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
}

fn erase(content: &mut [u8], start: usize) {
    if let Some(hash) = content.get_mut(start..start + HASH) {
        hash.fill(b'e');
    }
}

fn remove_references(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "remove-references", arguments, 0)?;
    let paths = expect_strings("remove-references", arguments, 1)?;
    let needles = needles(context, "remove-references", &paths)?;
    let mut content = read("remove-references", &file)?;
    let hits: Vec<usize> = searcher(&needles)?.find_iter(&content).map(|hit| hit.start()).collect();
    hits.iter().for_each(|&start| erase(&mut content, start));
    store("remove-references", &file, &content, hits.len())
}

fn remove_all(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "remove-store-references", arguments, 0)?;
    let kept = expect_strings("remove-store-references", arguments, 1)?;
    let kept = needles(context, "remove-store-references", &kept)?;
    let mut content = read("remove-store-references", &file)?;
    let prefixes: Vec<Vec<u8>> = world(context)?
        .stores()
        .map(|store| [&*bytes::encode(&bytes::path_text(store)), b"/"].concat())
        .collect();
    let found = |prefix: &'_ Vec<u8>| -> Vec<usize> {
        memchr::memmem::find_iter(&content, prefix).map(|start| start + prefix.len()).collect()
    };
    let hits: Vec<usize> = prefixes
        .iter()
        .flat_map(found)
        .filter(|&start| {
            content.get(start..=start + HASH).is_some_and(|name| {
                name.ends_with(b"-")
                    && name.iter().take(HASH).all(|byte| ALPHABET.contains(byte))
                    && !kept.iter().any(|kept| kept.as_bytes() == name)
            })
        })
        .collect();
    hits.iter().for_each(|&start| erase(&mut content, start));
    store("remove-store-references", &file, &content, hits.len())
}

/// The length of the pieces in which compilers copy long strings: a vector register.
const PIECE: usize = 16;

fn in_pieces(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "store-name-in-pieces?", arguments, 0)?;
    let content = read("store-name-in-pieces?", &file)?;
    let stores: Vec<Vec<u8>> =
        world(context)?.stores().map(|store| bytes::encode(&bytes::path_text(store)).into_owned()).collect();
    Ok(Value::Bool(is_in_pieces(&content, &stores)))
}

/// Whether the first piece of a store directory's name occurs without the rest, or the last one without what comes before. The
/// directories are equally long, and may have pieces in common.
fn is_in_pieces(content: &[u8], stores: &[Vec<u8>]) -> bool {
    let whole_at = |place: Option<usize>| {
        let here = place.and_then(|place| content.get(place..));
        here.is_some_and(|here| stores.iter().any(|store| here.starts_with(store)))
    };
    stores.iter().any(|store| {
        let start = store.len().saturating_sub(1) / PIECE * PIECE;
        let (Some(first), Some(last)) = (store.get(..PIECE), store.get(start..)) else { return false };
        let last = [last, b"/"].concat();
        memchr::memmem::find_iter(content, first).any(|place| !whole_at(Some(place)))
            || memchr::memmem::find_iter(content, &last).any(|place| !whole_at(place.checked_sub(start)))
    })
}

/// Returns both strings as bytes when they are of equal length.
fn equal_length(
    procedure: &'static str,
    arguments: &[Value],
    from: usize,
    to: usize,
) -> Result<(Vec<u8>, Vec<u8>), Raise> {
    let old = bytes::encode(expect_string(procedure, arguments, from)?).into_owned();
    let new = bytes::encode(expect_string(procedure, arguments, to)?).into_owned();
    if old.len() != new.len() || old.is_empty() {
        return Err(Raise::message(format!(
            "`{procedure}`: the strings have {} and {} bytes; they must be equally long and not empty",
            old.len(),
            new.len()
        )));
    }
    Ok((old, new))
}

fn replace_bytes(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "replace-bytes", arguments, 0)?;
    let (from, to) = equal_length("replace-bytes", arguments, 1, 2)?;
    let mut content = read("replace-bytes", &file)?;
    let hits: Vec<usize> = memchr::memmem::find_iter(&content, &from).collect();
    for &start in &hits {
        if let Some(place) = content.get_mut(start..start + to.len()) {
            place.copy_from_slice(&to);
        }
    }
    store("replace-bytes", &file, &content, hits.len())
}

fn replace_bytes_at(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let file = expect_path(context, "%replace-bytes-at", arguments, 0)?;
    let start = usize::try_from(expect_int("%replace-bytes-at", arguments, 1)?).unwrap_or(usize::MAX);
    let (from, to) = equal_length("%replace-bytes-at", arguments, 2, 3)?;
    let mut content = read("%replace-bytes-at", &file)?;
    let end = start.saturating_add(from.len());
    match content.get_mut(start..end) {
        Some(place) if place == from => place.copy_from_slice(&to),
        _ => {
            return Err(Raise::message(format!(
                "`%replace-bytes-at`: `{}` does not have these bytes at {start}",
                bytes::path_text(&file)
            )));
        }
    }
    store("%replace-bytes-at", &file, &content, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_cut_up_is_noticed() {
        let store = b"/home/somebody/.local/share/hpcl_____________________/store";
        let whole = [b"x".as_slice(), store, b"/abc-hello\0 ", store, b"/def"].concat();
        let stores = [store.to_vec()];
        assert!(!is_in_pieces(&whole, &stores));
        assert!(is_in_pieces(b"/home/somebody/.and then something else", &stores));
        let tail = [&store[(store.len() - 1) / PIECE * PIECE..], b"/abcd"].concat();
        assert!(is_in_pieces(&tail, &stores));
        assert!(!is_in_pieces(b"nothing of it", &stores));
        // Directories with a beginning and an end in common.
        let layer = b"/home/somebodyelse/.local/share/hpcl_________________/store";
        let both = [store.as_slice(), b"/abc", layer, b"/def"].concat();
        assert!(is_in_pieces(&both, &stores));
        assert!(!is_in_pieces(&both, &[store.to_vec(), layer.to_vec()]));
    }

    #[test]
    fn only_store_paths_have_a_hash() {
        let world = World { store: "/s/store".into(), layers: vec!["/l/store".into()], ..World::default() };
        let below = format!("/l/store/{}-hello", "1".repeat(32));
        assert_eq!(hash_of("test", &world, &below).unwrap(), "1".repeat(32));
        let name = format!("/s/store/{}-hello", "0".repeat(32));
        assert_eq!(hash_of("test", &world, &name).unwrap(), "0".repeat(32));
        for bad in ["/s/store/short-x", "/bin/sh", &format!("/s/store/{}-x", "e".repeat(32))] {
            assert!(hash_of("test", &world, bad).is_err(), "{bad}");
        }
    }
}
