//! The index as a file in the user's cache: what evaluation found out about the packages of some directories.
//!
//! ```text
//! FILE     = "hpcl-index\n" offset:u64 length:u64 check:[u8; 8], then the parts
//! parts    = per module its outline and exports; buckets of definitions by name; all names; the listing of packages
//! contents = where each part is, and the tree that all of it was made from (postcard)
//! ```
//!
//! A process reads the contents and then only the parts that it asks for, each with its own check (of chance, not of malice: it
//! is the user's own cache). Written beside and renamed, never changed: any number of processes may read and write it. What is damaged or was
//! made by another program is as good as absent. Invariant: nothing is answered from it that a change of a file could have made
//! wrong; a module's outline depends on its file alone, all else on the whole tree.

use std::{
    cell::OnceCell,
    fs::File,
    hash::Hasher as _,
    io::{self, Write as _},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use hpcl_lang::{
    host::{Defines, ModuleOutline, Outlined, OutlinedForm, OutlinedModule},
    reader::outline::Form,
    symbol::Symbol,
};
use rustc_hash::{FxHashMap, FxHashSet, FxHasher};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::place;
use super::{
    IndexEntry, PackageRecord,
    listing::{self, Listing},
    tree::{Stamp, Tree, digest},
};

const MAGIC: &[u8] = b"hpcl-index\n";
const HEADER: usize = MAGIC.len() + 24;
/// The number of groups that definitions are put into by the hash of their names.
const BUCKETS: usize = 4096;

/// Where a part is, and the beginning of its hash.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Place {
    offset: u64,
    length: u32,
    check: [u8; 8],
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    key: String,
    tree: Tree,
    modules: Vec<Option<Place>>,
    buckets: Vec<Option<Place>>,
    names: Place,
    listing: Option<Place>,
}

/// What is kept of a module.
#[derive(Clone, Debug, Default)]
pub struct ModuleRecord {
    /// The outline of its text, if it has one.
    pub outline: Option<ModuleOutline>,
    /// The hashes of the outline's forms.
    pub hashes: Vec<u64>,
    /// What it exports, if that is known.
    pub exports: Option<Vec<Symbol>>,
}

#[derive(Serialize, Deserialize)]
struct ModulePart {
    outline: Option<Vec<FormPart>>,
    /// Of each form the beginning of its text's hash.
    hashes: Vec<u64>,
    exports: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
enum FormPart {
    Macro(u32, u32, u32, String),
    Private(u32, u32, u32, String),
    Public(u32, u32, u32, String),
    Other(u32, u32, Option<String>),
}

/// What is written: all that was found out.
pub struct Findings {
    /// The files that it was found in.
    pub tree: Tree,
    /// The modules, in the order of the tree's files.
    pub modules: Vec<ModuleRecord>,
    /// The definitions that are packages.
    pub entries: Vec<IndexEntry>,
    /// The packages, if they were looked at.
    pub packages: Option<Vec<PackageRecord>>,
}

/// An index that was read.
pub struct Stored {
    file: File,
    contents: Contents,
    unchanged: Vec<bool>,
    fresh: bool,
    by_path: OnceCell<FxHashMap<PathBuf, usize>>,
}

/// Returns the hashes of the forms of a text.
pub fn form_hashes(outline: &ModuleOutline, text: &str) -> Vec<u64> {
    let hash = |form: &OutlinedForm| {
        let text = text.get(form.form.start as usize..form.form.end as usize).unwrap_or_default();
        u64::from_le_bytes(check(text.as_bytes()))
    };
    outline.forms.iter().map(hash).collect()
}

/// Returns where the index of a key is kept: the directories, and the program that made it.
pub fn path(directories: &[PathBuf], program: &str) -> Option<PathBuf> {
    let mut name = Vec::new();
    for directory in directories {
        name.extend_from_slice(directory.as_os_str().as_encoded_bytes());
        name.push(0);
    }
    let short = |bytes: &[u8]| crate::hash::base32_encode(bytes.get(..10).unwrap_or(bytes));
    let name = format!("{}-{}", short(&digest(&name)), short(&digest(program.as_bytes())));
    Some(place::cache()?.join("index").join(name))
}

fn bucket(name: &str) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from((hash ^ (hash >> 32)) % BUCKETS as u64).unwrap_or(0)
}

fn check(bytes: &[u8]) -> [u8; 8] {
    let mut hasher = FxHasher::default();
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

impl Stored {
    /// Opens the index of a key; nothing if there is none that can be used.
    pub fn open(path: &Path, key: &str) -> Option<Stored> {
        Stored::of(File::open(path).ok()?, key)
    }

    /// Returns an index that is not in the cache, for this process alone.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn unkept(bytes: &[u8], key: &str) -> io::Result<Stored> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        Stored::of(file, key).ok_or_else(|| io::Error::other("what was written cannot be read"))
    }

    /// Returns it as that of the files as they are: it was made just now.
    #[must_use]
    pub fn trusted(mut self) -> Stored {
        self.fresh = true;
        self
    }

    fn of(file: File, key: &str) -> Option<Stored> {
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).ok()?;
        let numbers = header.strip_prefix(MAGIC)?;
        let (offset, rest) = numbers.split_first_chunk::<8>()?;
        let (length, check) = rest.split_first_chunk::<8>()?;
        let place = Place {
            offset: u64::from_le_bytes(*offset),
            length: u32::try_from(u64::from_le_bytes(*length)).ok()?,
            check: *check.first_chunk()?,
        };
        let contents: Contents = read(&file, place)?;
        if contents.key != key
            || contents.modules.len() != contents.tree.files.len()
            || contents.buckets.len() != BUCKETS
        {
            return None;
        }
        let unchanged = contents.tree.unchanged();
        let fresh = unchanged.iter().all(|same| *same) && contents.tree.has_same_folders();
        Some(Stored { file, contents, unchanged, fresh, by_path: OnceCell::new() })
    }

    /// Whether no file was changed, added or removed since.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Returns the files that it was made from.
    pub fn tree(&self) -> &Tree {
        &self.contents.tree
    }

    /// Whether it holds records of the packages.
    pub fn has_packages(&self) -> bool {
        self.contents.listing.is_some()
    }

    /// Writes it anew for the same files with other stamps; whether that was possible.
    pub fn restamp(&self, path: &Path, key: &str, tree: Tree) -> bool {
        let copy = || {
            let mut bytes = Vec::new();
            let mut source = &self.file;
            io::Seek::rewind(&mut source)?;
            io::Read::read_to_end(&mut source, &mut bytes)?;
            let old = &self.contents;
            let contents = Contents {
                key: key.to_owned(),
                tree,
                modules: old.modules.clone(),
                buckets: old.buckets.clone(),
                names: old.names,
                listing: old.listing,
            };
            put(path, &finish(bytes, &contents)?)
        };
        copy().is_ok()
    }

    fn position(&self, path: &Path) -> Option<usize> {
        let by_path = self.by_path.get_or_init(|| {
            let files = self.contents.tree.files.iter().enumerate();
            files.map(|(index, file)| (file.path.clone(), index)).collect()
        });
        by_path.get(path).copied()
    }

    /// Whether it was made when a file had that content.
    pub fn holds(&self, path: &Path, hash: &[u8; 32]) -> bool {
        let file = self.position(path).and_then(|index| self.contents.tree.files.get(index));
        file.is_some_and(|file| file.hash == *hash)
    }

    fn module(&self, path: &Path) -> Option<(usize, ModulePart)> {
        let index = self.position(path)?;
        Some((index, read(&self.file, (*self.contents.modules.get(index)?)?)?))
    }

    /// Returns the outline of a file that was not changed since.
    pub fn outline(&self, path: &Path) -> Option<OutlinedModule> {
        let (index, part) = self.module(path)?;
        if !*self.unchanged.get(index)? {
            return None;
        }
        let stamp = self.contents.tree.files.get(index)?.stamp?;
        // Between opening the index and now, it may have been changed.
        if Stamp::at(path) != Some(stamp) {
            return None;
        }
        let outline = ModuleOutline { forms: part.outline?.into_iter().map(FormPart::form).collect() };
        let file: Arc<str> = path.display().to_string().into();
        let path = path.to_owned();
        Some(OutlinedModule { file, outline, text: Arc::new(move || read_text(&path, stamp)) })
    }

    /// Returns the outline that is kept of a file, whether it was changed since or not.
    pub fn former_outline(&self, path: &Path) -> Option<ModuleOutline> {
        let (_, part) = self.module(path)?;
        Some(ModuleOutline { forms: part.outline?.into_iter().map(FormPart::form).collect() })
    }

    /// Whether it was made with that file.
    pub fn has(&self, path: &Path) -> bool {
        self.position(path).is_some()
    }

    /// Returns what is kept of a former file: its outline, the hashes of its forms, and what it exported.
    pub fn former_forms(&self, path: &Path) -> Option<(ModuleOutline, Vec<u64>, Vec<String>)> {
        let (_, part) = self.module(path)?;
        let outline = ModuleOutline { forms: part.outline?.into_iter().map(FormPart::form).collect() };
        (outline.forms.len() == part.hashes.len())
            .then(|| (outline, part.hashes, part.exports.unwrap_or_default()))
    }

    /// Returns what a former file exported.
    pub fn former_exports(&self, path: &Path) -> Option<Vec<String>> {
        self.module(path)?.1.exports
    }

    /// Returns the names that a module exports.
    pub fn exports(&self, path: &Path) -> Option<FxHashSet<Symbol>> {
        let (_, part) = self.module(path).filter(|_| self.fresh)?;
        Some(part.exports?.iter().map(|name| Symbol::new(name)).collect())
    }

    /// Returns the definitions of packages of a name; nothing if they cannot be read.
    pub fn named(&self, name: &str) -> Option<Vec<IndexEntry>> {
        let Some(place) = self.contents.buckets.get(bucket(name))? else { return Some(Vec::new()) };
        let mut entries: Vec<IndexEntry> = read(&self.file, *place)?;
        entries.retain(|entry| entry.name.as_deref() == Some(name));
        Some(entries)
    }

    /// Returns all definitions of packages, sorted by module and place; nothing if they cannot be read.
    pub fn entries(&self) -> Option<Vec<IndexEntry>> {
        let mut entries = Vec::new();
        for place in self.contents.buckets.iter().flatten() {
            entries.extend(read::<Vec<IndexEntry>>(&self.file, *place)?);
        }
        entries.sort_by_key(|entry| (entry.order, entry.location.1));
        Some(entries)
    }

    /// Returns the names of all packages, sorted; nothing if they cannot be read.
    pub fn names(&self) -> Option<Vec<String>> {
        read(&self.file, self.contents.names)
    }

    /// Returns the listing of all packages; nothing if there is none or it cannot be read.
    pub fn listing(&self) -> Option<Listing<'_>> {
        Listing::open(&self.file, self.contents.listing?)
    }
}

impl FormPart {
    fn of(outlined: &OutlinedForm) -> FormPart {
        let Form { start, end } = outlined.form;
        match &outlined.what {
            Outlined::Definition(defines, name, at) => {
                let name = name.to_string();
                match defines {
                    Defines::Macro => FormPart::Macro(start, end, *at, name),
                    Defines::Private => FormPart::Private(start, end, *at, name),
                    Defines::Public => FormPart::Public(start, end, *at, name),
                }
            }
            Outlined::Other(text) => FormPart::Other(start, end, text.as_deref().map(str::to_owned)),
        }
    }

    fn form(self) -> OutlinedForm {
        let definition = |defines, at, name: String| Outlined::Definition(defines, Symbol::new(&name), at);
        let (start, end, what) = match self {
            FormPart::Macro(start, end, at, name) => (start, end, definition(Defines::Macro, at, name)),
            FormPart::Private(start, end, at, name) => (start, end, definition(Defines::Private, at, name)),
            FormPart::Public(start, end, at, name) => (start, end, definition(Defines::Public, at, name)),
            FormPart::Other(start, end, text) => (start, end, Outlined::Other(text.map(Into::into))),
        };
        OutlinedForm { form: Form { start, end }, what }
    }
}

impl Findings {
    /// Returns the bytes of an index.
    ///
    /// # Errors
    /// When a path in it is not UTF-8.
    pub fn encode(&self, key: &str) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; HEADER];
        let mut modules = Vec::with_capacity(self.modules.len());
        for module in &self.modules {
            let part = ModulePart {
                outline: module
                    .outline
                    .as_ref()
                    .map(|outline| outline.forms.iter().map(FormPart::of).collect()),
                hashes: module.hashes.clone(),
                exports: module
                    .exports
                    .as_ref()
                    .map(|names| names.iter().map(|name| name.to_string()).collect()),
            };
            modules.push(Some(add(&mut bytes, &part)?));
        }
        let mut groups: Vec<Vec<&IndexEntry>> = vec![Vec::new(); BUCKETS];
        for entry in &self.entries {
            if let Some(group) = entry.name.as_deref().and_then(|name| groups.get_mut(bucket(name))) {
                group.push(entry);
            }
        }
        let mut buckets = Vec::with_capacity(BUCKETS);
        for group in &groups {
            buckets.push(if group.is_empty() { None } else { Some(add(&mut bytes, group)?) });
        }
        let mut names: Vec<&str> = self.entries.iter().filter_map(|entry| entry.name.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let names = add(&mut bytes, &names)?;
        let listing = match &self.packages {
            Some(packages) => {
                let parts = listing::encode(&mut bytes, packages)?;
                Some(add(&mut bytes, &parts)?)
            }
            None => None,
        };
        let contents =
            Contents { key: key.to_owned(), tree: self.tree.clone(), modules, buckets, names, listing };
        finish(bytes, &contents)
    }
}

/// Adds the contents and the header.
fn finish(mut bytes: Vec<u8>, contents: &Contents) -> io::Result<Vec<u8>> {
    let place = add(&mut bytes, contents)?;
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&place.offset.to_le_bytes());
    header.extend_from_slice(&u64::from(place.length).to_le_bytes());
    header.extend_from_slice(&place.check);
    if let Some(front) = bytes.get_mut(..HEADER) {
        front.copy_from_slice(&header);
    }
    Ok(bytes)
}

/// Puts an index in its place.
///
/// # Errors
/// When the cache cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    draft.write_all(bytes)?;
    draft.persist(path).map_err(|error| error.error)?;
    remove_superseded(path);
    Ok(())
}

/// Removes what other programs made of the same directories and nobody has written for a day.
fn remove_superseded(path: &Path) {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return;
    };
    let Some((directories, _)) = name.split_once('-') else { return };
    for other in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let same = other.file_name().to_str().is_some_and(|other| {
            other != name && other.split_once('-').is_some_and(|(other, _)| other == directories)
        });
        let written = other.metadata().and_then(|metadata| metadata.modified());
        if same && written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > DAY)) {
            let _ = std::fs::remove_file(other.path());
        }
    }
}

pub(super) fn add(bytes: &mut Vec<u8>, part: &impl Serialize) -> io::Result<Place> {
    Part::of(part)?.put(bytes)
}

/// A part that has no place yet.
pub(super) struct Part {
    bytes: Vec<u8>,
    check: [u8; 8],
}

impl Part {
    pub(super) fn of(part: &impl Serialize) -> io::Result<Part> {
        let bytes = postcard::to_stdvec(part).map_err(io::Error::other)?;
        let check = check(&bytes);
        Ok(Part { bytes, check })
    }

    /// Adds it to an index that is being written.
    pub(super) fn put(self, bytes: &mut Vec<u8>) -> io::Result<Place> {
        let place = Place {
            offset: bytes.len() as u64,
            length: u32::try_from(self.bytes.len()).map_err(io::Error::other)?,
            check: self.check,
        };
        bytes.extend_from_slice(&self.bytes);
        Ok(place)
    }
}

pub(super) fn read<T: DeserializeOwned>(file: &File, place: Place) -> Option<T> {
    postcard::from_bytes(&read_bytes(file, place)?).ok()
}

/// Reads a part as it stands.
pub(super) fn read_bytes(file: &File, place: Place) -> Option<Vec<u8>> {
    let end = place.offset.checked_add(u64::from(place.length))?;
    // A damaged length must not become a large buffer.
    if end > file.metadata().ok()?.len() {
        return None;
    }
    let mut bytes = vec![0; place.length as usize];
    file.read_exact_at(&mut bytes, place.offset).ok()?;
    (check(&bytes) == place.check).then_some(bytes)
}

/// Reads a text if its file still is what it was, before and after.
fn read_text(path: &Path, stamp: Stamp) -> Option<Arc<str>> {
    let mut file = File::open(path).ok()?;
    let same = |file: &File| file.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == stamp);
    let mut text = String::with_capacity(usize::try_from(stamp.size()).ok()? + 1);
    let read = same(&file).then(|| io::Read::read_to_string(&mut file, &mut text));
    (read?.is_ok() && same(&file)).then(|| text.into())
}
