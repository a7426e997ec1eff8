//! Writing a closure into a cache directory.
//!
//! The archive is written under a temporary name and renamed to its file hash; the `.narinfo` comes last, by rename. So a cache is
//! whole at any moment, also for readers on other machines, and two processes may push at once: they write the same files.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use super::{CACHE_INFO, Cache, CacheError, Compression, NarInfo, SecretKey};
use crate::{
    fetch::Fetcher,
    hash::{Algorithm, Digest, Hasher},
    nar::{RewriteWriter, dump},
    store::{ItemInfo, LocalStore},
    store_path::{StoreDir, StorePath},
};

/// Archives from this size on are compressed by several threads.
const LARGE: u64 = 16 << 20;

/// How to push.
#[derive(Debug)]
pub struct Push<'a> {
    /// The cache's directory, which is made if need be.
    pub directory: &'a Path,
    /// How archives are compressed: `Zstd`, `Xz` or `None`.
    pub compression: Compression,
    /// How hard: 1 to 19 for zstd, 0 to 9 for xz.
    pub level: i32,
    /// The key to sign with.
    pub key: Option<&'a SecretKey>,
    /// Whether items that were built without isolation are given away too.
    pub unsandboxed: bool,
    /// Only these of the closure are written; the reader has the others.
    pub absent: Option<&'a BTreeSet<StorePath>>,
}

/// What was pushed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// Items that the cache did not have.
    pub items: usize,
    /// Items that it had.
    pub present: usize,
    /// The size of the new items' archives in bytes.
    pub nar_bytes: u64,
    /// The size of the new files in bytes.
    pub file_bytes: u64,
}

/// Writes items and all that they refer to, on all cores.
pub fn push<'a>(
    store: &LocalStore,
    roots: impl IntoIterator<Item = &'a StorePath>,
    how: &Push<'_>,
) -> Result<Pushed, CacheError> {
    let mut closure = store.closure_info(roots)?;
    store.protect(closure.keys())?;
    if let Some(absent) = how.absent {
        closure.retain(|path, _| absent.contains(path));
    }
    if let Some(info) = closure.values().find(|info| !info.sandboxed && !how.unsandboxed) {
        return Err(CacheError::NotSandboxed { path: info.path.clone() });
    }
    prepare(how.directory)?;
    let one = |info: &ItemInfo| push_item(store, info, how);
    let done: Vec<Pushed> =
        closure.into_values().collect::<Vec<_>>().par_iter().map(one).collect::<Result<_, _>>()?;
    Ok(done.into_iter().fold(Pushed::default(), |sum, one| Pushed {
        items: sum.items + one.items,
        present: sum.present + one.present,
        nar_bytes: sum.nar_bytes + one.nar_bytes,
        file_bytes: sum.file_bytes + one.file_bytes,
    }))
}

/// Writes items and all that they refer to into a cache on another machine or in an object store: what it does not have is made in a
/// directory for unfinished work and sent from there.
pub fn push_remote<'a>(
    store: &LocalStore,
    roots: impl IntoIterator<Item = &'a StorePath>,
    address: &str,
    fetcher: &Fetcher,
    how: &Push<'_>,
) -> Result<Pushed, CacheError> {
    let cache = Cache::unchecked(address, fetcher)?;
    let Some(place) = cache.place() else { return Err(CacheError::NoCache { url: address.to_owned() }) };
    if place.is_own() {
        // It says why that is no place to push to.
        place.write(Path::new("/"), &[])?;
    }
    let roots: Vec<&StorePath> = roots.into_iter().collect();
    let closure = store.closure(roots.iter().copied())?;
    store.protect(&closure)?;
    let there: BTreeSet<String> = place.list()?.into_iter().collect();
    let absent: BTreeSet<StorePath> =
        closure.iter().filter(|path| !there.contains(&info_name(path))).cloned().collect();
    let directory = store.work_dir("push")?;
    let sent = push(store, roots, &Push { directory: &directory, absent: Some(&absent), ..*how }).and_then(
        |pushed| {
            let mut names = Vec::new();
            for info in list(&directory)? {
                names.push(info.url);
                names.push(info_name(&info.path));
            }
            // What names an archive comes after it.
            names.sort_by_key(|name| name.ends_with(".narinfo"));
            names.dedup();
            if cache.get(CACHE_INFO)?.is_none() {
                names.insert(0, CACHE_INFO.to_owned());
            }
            if !names.is_empty() {
                place.write(&directory, &names)?;
            }
            Ok(Pushed { present: closure.len() - absent.len(), ..pushed })
        },
    );
    // What cannot be removed goes with the next collection.
    let _ = fs::remove_dir_all(&directory);
    sent
}

/// All items of a cache on another machine or in an object store, by path.
pub fn list_remote(address: &str, fetcher: &Fetcher) -> Result<Vec<NarInfo>, CacheError> {
    let cache = Cache::open(address, fetcher)?;
    let names = match cache.place() {
        Some(place) => place.list()?,
        None => return Err(CacheError::NoCache { url: address.to_owned() }),
    };
    let mut found = Vec::new();
    for name in names {
        // It may go meanwhile.
        let Some(text) = cache.get(&name)? else { continue };
        let info =
            NarInfo::parse(&StoreDir::CANONICAL, &String::from_utf8_lossy(&text)).map_err(|source| {
                let source = io::Error::new(io::ErrorKind::InvalidData, source);
                CacheError::File {
                    action: "understand",
                    path: PathBuf::from(format!("{address}/{name}")),
                    source,
                }
            })?;
        found.push(info);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// Signs every item of a cache directory that the key has not signed; says how many.
pub fn sign(directory: &Path, key: &SecretKey) -> Result<usize, CacheError> {
    let mut signed = 0;
    for mut info in list(directory)? {
        let signature = key.sign(&info.fingerprint(&StoreDir::CANONICAL));
        if !info.signatures.contains(&signature) {
            info.signatures.push(signature);
            write_info(directory, &info)?;
            signed += 1;
        }
    }
    Ok(signed)
}

/// All items of a cache directory, by path.
pub fn list(directory: &Path) -> Result<Vec<NarInfo>, CacheError> {
    let url = directory.display().to_string();
    if !directory.join(CACHE_INFO).exists() {
        return Err(CacheError::NoCache { url });
    }
    let mut found = Vec::new();
    for entry in directory.read_dir().map_err(CacheError::file("list", directory))? {
        let path = entry.map_err(CacheError::file("list", directory))?.path();
        if path.extension().is_some_and(|ending| ending == "narinfo") {
            let text = fs::read_to_string(&path).map_err(CacheError::file("read", &path))?;
            let info = NarInfo::parse(&StoreDir::CANONICAL, &text).map_err(|source| {
                let source = io::Error::new(io::ErrorKind::InvalidData, source);
                CacheError::File { action: "understand", path: path.clone(), source }
            })?;
            found.push(info);
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn prepare(directory: &Path) -> Result<(), CacheError> {
    let archives = directory.join("nar");
    fs::create_dir_all(&archives).map_err(CacheError::file("create", &archives))?;
    let file = directory.join(CACHE_INFO);
    if file.exists() {
        return Ok(());
    }
    by_rename(&file, cache_info().as_bytes())
}

/// What a cache of ours says of itself.
pub(super) fn cache_info() -> String {
    format!("StoreDir: {}\nWantMassQuery: 1\nPriority: 40\n", StoreDir::CANONICAL.as_str())
}

fn push_item(store: &LocalStore, item: &ItemInfo, how: &Push<'_>) -> Result<Pushed, CacheError> {
    let file = info_file(how.directory, &item.path);
    if file.exists() {
        return Ok(Pushed { present: 1, ..Pushed::default() });
    }
    let archives = how.directory.join("nar");
    let draft = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(&archives)
        .map_err(CacheError::file("write", &archives))?;
    let (nar_hash, file_hash, size) = compress(store, item, how, draft.as_file())?;
    if nar_hash != item.nar_hash {
        let (expected, actual) = (item.nar_hash.into(), nar_hash.into());
        return Err(CacheError::Damaged { path: item.path.clone(), expected, actual });
    }
    let url = format!("nar/{}.nar{}", file_hash.to_base32(), how.compression.ending());
    publish(draft, &how.directory.join(&url))?;
    let mut info = NarInfo {
        path: item.path.clone(),
        url,
        compression: how.compression,
        file_hash: Some(file_hash),
        file_size: Some(size),
        nar_hash,
        nar_size: item.nar_size,
        references: item.references.clone(),
        deriver: item.deriver.clone(),
        signatures: Vec::new(),
        content: None,
    };
    if let Some(key) = how.key {
        info.signatures.push(key.sign(&info.fingerprint(&StoreDir::CANONICAL)));
    }
    write_info(how.directory, &info)?;
    Ok(Pushed { items: 1, present: 0, nar_bytes: item.nar_size, file_bytes: size })
}

/// Writes an item's archive, compressed; gives the archive's hash and the file's hash and size.
fn compress(
    store: &LocalStore,
    item: &ItemInfo,
    how: &Push<'_>,
    file: &fs::File,
) -> Result<(Digest, Digest, u64), CacheError> {
    let error = || CacheError::file("write into", how.directory);
    let file = BufWriter::with_capacity(1 << 18, file);
    let sink = Counted { inner: file, hasher: Hasher::new(Algorithm::Sha256), size: 0 };
    let (nar_hash, sink) = match how.compression {
        Compression::None | Compression::Bzip2 => archive(store, item, sink)?,
        Compression::Xz => {
            let level = u32::try_from(how.level).unwrap_or(6).min(9);
            let (hash, encoder) = archive(store, item, liblzma::write::XzEncoder::new(sink, level))?;
            (hash, encoder.finish().map_err(error())?)
        }
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(sink, how.level).map_err(error())?;
            // By the size alone, so that an item gives the same bytes on every machine: how many threads does not matter to
            // zstd's result, but whether there are any does.
            if item.nar_size >= LARGE {
                let threads = std::thread::available_parallelism().map_or(1, usize::from);
                encoder.multithread(u32::try_from(threads).unwrap_or(1)).map_err(error())?;
            }
            let (hash, encoder) = archive(store, item, encoder)?;
            (hash, encoder.finish().map_err(error())?)
        }
    };
    let Counted { inner, hasher, size } = sink;
    inner.into_inner().map_err(|failed| error()(failed.into_error()))?;
    Ok((nar_hash, hasher.finish(), size))
}

/// Writes an item's canonical archive and gives its hash.
pub(super) fn archive<W: Write>(
    store: &LocalStore,
    item: &ItemInfo,
    to: W,
) -> Result<(Digest, W), CacheError> {
    let hashed = Counted { inner: to, hasher: Hasher::new(Algorithm::Sha256), size: 0 };
    // Dumping writes many small strings.
    let buffered = BufWriter::with_capacity(1 << 16, RewriteWriter::new(store.canonical_rewriter(), hashed));
    let mut buffered = buffered;
    dump(&store.local_path(&item.path), &mut buffered).map_err(|error| CacheError::Store(error.into()))?;
    let error = || CacheError::file("write the archive of", Path::new(item.path.as_str()));
    let rewriter = buffered.into_inner().map_err(|failed| error()(failed.into_error()))?;
    let (Counted { inner, hasher, .. }, _) = rewriter.finish().map_err(error())?;
    Ok((hasher.finish(), inner))
}

fn info_name(path: &StorePath) -> String {
    format!("{}.narinfo", path.hash_part())
}

fn info_file(directory: &Path, path: &StorePath) -> PathBuf {
    directory.join(info_name(path))
}

fn write_info(directory: &Path, info: &NarInfo) -> Result<(), CacheError> {
    by_rename(&info_file(directory, &info.path), info.to_text(&StoreDir::CANONICAL).as_bytes())
}

fn by_rename(file: &Path, text: &[u8]) -> Result<(), CacheError> {
    let directory = file.parent().unwrap_or(Path::new("."));
    let mut draft = tempfile::Builder::new()
        .prefix(".new-")
        .tempfile_in(directory)
        .map_err(CacheError::file("write", file))?;
    draft.write_all(text).map_err(CacheError::file("write", file))?;
    publish(draft, file)
}

/// Gives a finished file its name, readable for all.
fn publish(draft: tempfile::NamedTempFile, file: &Path) -> Result<(), CacheError> {
    draft
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))
        .map_err(CacheError::file("write", file))?;
    draft.persist(file).map_err(|error| CacheError::file("write", file)(error.error))?;
    Ok(())
}

/// A sink that hashes and counts what passes.
struct Counted<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(data.get(..count).unwrap_or_default());
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The closure of items as caches hold it, for checks that nothing is missing.
impl NarInfo {
    /// What the item refers to but itself.
    pub fn others(&self) -> BTreeSet<&StorePath> {
        self.references.iter().filter(|reference| **reference != self.path).collect()
    }
}
