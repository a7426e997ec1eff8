//! Channels: where the sources of evaluation-side modules come from.
//!
//! A module `(hpc mpi)` is the file `mpi.hpcl` of the channel `hpc`; `(hpcl …)` is the standard library. Both are embedded
//! into the binary; directories given with `-L` or `HPCL_CHANNEL_PATH` come before them, then those of pulled channels, and in these
//! `(a b c)` is `a/b/c.hpcl` or `a/b/c.scm`. Names `(guix …)` stand for `(hpcl …)`, and `(gnu packages …)` for our
//! channels' modules of the same topic. Invariant: what is read is recorded, so that results can be keyed by it.

pub mod authenticate;
pub mod cleaning;
pub mod declared;
mod exports;
pub mod generation;
pub mod index;
pub mod lock;
pub mod metadata;
pub mod news;
pub mod place;
mod surface;
pub mod update;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hpcl_lang::{
    host::{ModuleName, ModuleSource},
    reader,
    span::FileId,
    symbol::Symbol,
};
use include_dir::{Dir, include_dir};
use rayon::prelude::*;

pub use exports::Exports;
pub use index::{Index, IndexEntry, PackageRecord, imports, pattern::Pattern};

static STDLIB: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/stdlib");
static CHANNELS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/channels");

/// Errors of reading channels.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// A module's file exists and cannot be read.
    #[error("cannot read the module file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A directory given by the user does not exist.
    #[error("the channel directory `{path}` does not exist")]
    NoDirectory {
        /// The directory.
        path: PathBuf,
    },
}

/// A file of a channel that holds a module.
#[derive(Clone, Debug)]
pub struct ModuleFile {
    /// The module's name.
    pub name: ModuleName,
    /// As shown to the user.
    pub file: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// The channels in use.
#[derive(Clone, Debug, Default)]
pub struct Channels {
    directories: Vec<PathBuf>,
    /// Those of them that nobody changes.
    fixed: Vec<PathBuf>,
}

impl Channels {
    /// Returns the bundled channels below those directories, which are looked up first and in order.
    ///
    /// # Errors
    /// [`ChannelError::NoDirectory`] when one is not a directory.
    pub fn new(directories: Vec<PathBuf>) -> Result<Self, ChannelError> {
        match directories.iter().find(|path| !path.is_dir()) {
            Some(path) => Err(ChannelError::NoDirectory { path: path.clone() }),
            None => Ok(Channels { directories, fixed: Vec::new() }),
        }
    }

    /// Adds directories of pulled channels behind the others; of each, whether it is a commit's tree, which nobody changes.
    #[must_use]
    pub fn with_pulled(mut self, pulled: Vec<(PathBuf, bool)>) -> Self {
        for (directory, fixed) in pulled {
            if fixed {
                self.fixed.push(directory.clone());
            }
            self.directories.push(directory);
        }
        self
    }

    /// Returns those of the directories that nobody changes.
    pub fn fixed(&self) -> &[PathBuf] {
        &self.fixed
    }

    /// Returns the directories that come before the bundled channels.
    pub fn directories(&self) -> &[PathBuf] {
        &self.directories
    }

    /// Returns the name under which a module is kept: `(guix x)` is `(hpcl x)`.
    pub fn canonical(&self, name: &ModuleName) -> Option<ModuleName> {
        let parts = name.parts();
        match parts.first().map(|part| part.as_str()) {
            Some("guix") if self.in_directories(parts).is_none() => Some(name.with_root(Symbol::new("hpcl"))),
            _ => None,
        }
    }

    /// Returns the source of a module, or `None` when no channel has it.
    ///
    /// # Errors
    /// [`ChannelError::Read`] when its file cannot be read.
    pub fn module_source(&self, name: &ModuleName) -> Result<Option<ModuleSource>, ChannelError> {
        let parts = name.parts();
        if let Some(path) = self.in_directories(parts) {
            let text = read(&path)?;
            return Ok(Some(ModuleSource { file: path.display().to_string().into(), text }));
        }
        let strs: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
        let (folder, label, rest) = match strs.split_first() {
            Some((&"hpcl", rest)) => (&STDLIB, "stdlib", rest.join("/")),
            Some((&"gnu", rest)) => return Ok(surface::gnu_module(rest)),
            Some((_, _)) => (&CHANNELS, "channels", strs.join("/")),
            None => return Ok(None),
        };
        let file = format!("{rest}.hpcl");
        Ok(folder
            .get_file(&file)
            .and_then(|found| found.contents_utf8())
            .map(|text| ModuleSource { file: format!("{label}/{file}").into(), text: text.into() }))
    }

    /// Returns all modules of recipes: of the directories, then of the bundled channels, sorted by name in each.
    ///
    /// # Errors
    /// [`ChannelError::Read`] when a file cannot be read.
    pub fn recipe_modules(&self) -> Result<Vec<ModuleFile>, ChannelError> {
        let mut modules = Vec::new();
        for (path, name) in self.recipe_files() {
            modules.push(ModuleFile { name, file: path.display().to_string().into(), text: read(&path)? });
        }
        let mut bundled = Vec::new();
        collect_bundled(&CHANNELS, &mut bundled);
        bundled.sort_by(|a: &ModuleFile, b| a.file.cmp(&b.file));
        modules.extend(bundled);
        Ok(modules)
    }

    /// The files of the directories that hold modules of recipes, sorted by name in each.
    fn recipe_files(&self) -> impl Iterator<Item = (PathBuf, ModuleName)> {
        self.directories.iter().flat_map(|directory| {
            let files = walkdir::WalkDir::new(directory).sort_by_file_name().into_iter().flatten();
            files.filter(|entry| entry.file_type().is_file()).filter_map(move |entry| {
                let name = entry.path().strip_prefix(directory).ok().and_then(module_of_path);
                name.filter(holds_recipes).map(|name| (entry.into_path(), name))
            })
        })
    }

    /// Returns the files of the directories whose recipes nobody can find, since they cannot be read or are no programs.
    pub fn broken_files(&self) -> Vec<PathBuf> {
        let files: Vec<(PathBuf, ModuleName)> = self.recipe_files().collect();
        let is_broken = |path: &PathBuf| match std::fs::read_to_string(path) {
            Ok(text) => !reader::read(FileId(0), &text).1.is_empty(),
            Err(_) => true,
        };
        files.into_par_iter().map(|(path, _)| path).filter(is_broken).collect()
    }

    /// Returns the first file of that name below one of those folders of the directories.
    pub fn find_file(&self, file: &str, folders: &[String]) -> Option<PathBuf> {
        let below = |directory: &PathBuf| {
            folders.iter().map(|folder| directory.join(folder).join(file)).find(|path| path.is_file())
        };
        self.directories.iter().find_map(below)
    }

    /// Whether a module is part of Guix's implementation for which the standard library has its own: all below `guix`
    /// that the library has, but what only describes packages (licences, search paths, platforms, build systems).
    fn is_implemented(&self, parts: &[Symbol]) -> bool {
        let strs: Vec<&str> = parts.iter().map(|part| part.as_str()).collect();
        match strs.as_slice() {
            ["guix", "licenses" | "search-paths"] | ["guix", "build-system" | "platforms", _] => false,
            ["guix", rest @ ..] => {
                let file = format!("{}.hpcl", rest.join("/"));
                STDLIB.contains(&file)
                    || self.directories.iter().any(|directory| directory.join("hpcl").join(&file).is_file())
            }
            ["gnu", "packages"] => true,
            _ => false,
        }
    }

    /// Returns the module that a file below one of the directories holds.
    pub fn module_of_file(&self, path: &Path) -> Option<ModuleName> {
        self.directories.iter().find_map(|directory| module_of_path(path.strip_prefix(directory).ok()?))
    }

    /// Returns the file of a module below one of the directories. Guix's own implementation, which a checkout of it
    /// holds beside the recipes, is not taken: ours stands for it.
    pub fn in_directories(&self, parts: &[Symbol]) -> Option<PathBuf> {
        if self.is_implemented(parts) {
            return None;
        }
        self.file_of(parts)
    }

    /// Returns the source of a module below one of the directories as it stands there, be it one that the library
    /// implements too: what builds run is not evaluated here.
    ///
    /// # Errors
    /// [`ChannelError::Read`] when its file cannot be read.
    pub fn file_as_it_stands(&self, name: &ModuleName) -> Result<Option<ModuleSource>, ChannelError> {
        let Some(path) = self.file_of(name.parts()) else { return Ok(None) };
        Ok(Some(ModuleSource { file: path.display().to_string().into(), text: read(&path)? }))
    }

    fn file_of(&self, parts: &[Symbol]) -> Option<PathBuf> {
        let relative: PathBuf = parts.iter().map(|part| part.as_str()).collect();
        let safe = parts.iter().all(|part| !part.as_str().contains('/') && part.as_str() != "..");
        if !safe {
            return None;
        }
        self.directories.iter().find_map(|directory| {
            ["hpcl", "scm"].iter().find_map(|ending| {
                let mut path = directory.join(&relative).into_os_string();
                path.push(".");
                path.push(ending);
                let path = PathBuf::from(path);
                path.is_file().then_some(path)
            })
        })
    }
}

/// Whether packages are looked for in a module: of a checkout of Guix itself, only below `gnu/packages`.
pub fn holds_recipes(name: &ModuleName) -> bool {
    let strs: Vec<&str> = name.parts().iter().map(|part| part.as_str()).collect();
    !matches!(strs.as_slice(), ["guix" | "hpcl", ..] | ["gnu"])
        && (strs.first() != Some(&"gnu") || strs.starts_with(&["gnu", "packages"]))
}

/// Returns the names of the bundled channels' modules, sorted.
pub fn bundled_modules() -> Vec<ModuleName> {
    let mut modules = Vec::new();
    collect_bundled(&CHANNELS, &mut modules);
    modules.sort_by(|a: &ModuleFile, b| a.file.cmp(&b.file));
    modules.into_iter().map(|module| module.name).collect()
}

/// Returns the embedded text of a builder-side module `(hpcl build …)`.
pub fn builder_module(name: &ModuleName) -> Option<ModuleSource> {
    let strs: Vec<&str> = name.parts().iter().map(|part| part.as_str()).collect();
    let rest = strs.strip_prefix(&["hpcl"]).or_else(|| strs.strip_prefix(&["guix"]))?;
    if rest.first() != Some(&"build") {
        return None;
    }
    let file = format!("{}.hpcl", rest.join("/"));
    let text = STDLIB.get_file(&file)?.contents_utf8()?;
    Some(ModuleSource { file: format!("stdlib/{file}").into(), text: text.into() })
}

/// Returns a file of a bundled channel, such as `core/aux/ld-wrapper.c`.
pub fn bundled_file(path: &str) -> Option<&'static [u8]> {
    CHANNELS.get_file(path).map(|file| file.contents())
}

/// Returns the hash of the library and the bundled channels, which come with the program.
pub fn bundled_hash() -> crate::hash::Digest {
    fn add(folder: &Dir<'_>, hasher: &mut crate::hash::Hasher) {
        let mut files: Vec<_> = folder.files().collect();
        files.sort_by_key(|file| file.path());
        for file in files {
            hasher.update(file.path().as_os_str().as_encoded_bytes());
            hasher.update(&(file.contents().len() as u64).to_le_bytes());
            hasher.update(file.contents());
        }
        let mut folders: Vec<_> = folder.dirs().collect();
        folders.sort_by_key(|folder| folder.path());
        folders.into_iter().for_each(|folder| add(folder, hasher));
    }
    let mut hasher = crate::hash::Hasher::new(crate::hash::Algorithm::Sha256);
    add(&STDLIB, &mut hasher);
    add(&CHANNELS, &mut hasher);
    hasher.finish()
}

/// Returns the evaluation-side modules of the standard library.
fn library_modules() -> Vec<ModuleFile> {
    let mut modules = Vec::new();
    collect_library(&STDLIB, &mut modules);
    modules
}

fn collect_library(folder: &'static Dir<'static>, modules: &mut Vec<ModuleFile>) {
    for file in folder.files() {
        if let (Some(name), Some(text)) =
            (module_of_path(&Path::new("hpcl").join(file.path())), file.contents_utf8())
        {
            modules.push(ModuleFile {
                name,
                file: format!("stdlib/{}", file.path().display()).into(),
                text: text.into(),
            });
        }
    }
    let evaluated = |inside: &&Dir<'_>| !matches!(inside.path().to_str(), Some("build" | "prelude"));
    folder.dirs().filter(evaluated).for_each(|inside| collect_library(inside, modules));
}

fn read(path: &Path) -> Result<Arc<str>, ChannelError> {
    std::fs::read_to_string(path)
        .map(Arc::from)
        .map_err(|source| ChannelError::Read { path: path.to_owned(), source })
}

fn module_of_path(path: &Path) -> Option<ModuleName> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("hpcl" | "scm") => {
            let stem = path.with_extension("");
            let parts: Option<Vec<Symbol>> =
                stem.components().map(|part| part.as_os_str().to_str().map(Symbol::new)).collect();
            ModuleName::new(parts?)
        }
        _ => None,
    }
}

fn collect_bundled(folder: &'static Dir<'static>, modules: &mut Vec<ModuleFile>) {
    for file in folder.files() {
        if let (Some(name), Some(text)) = (module_of_path(file.path()), file.contents_utf8()) {
            let shown = format!("channels/{}", file.path().display());
            modules.push(ModuleFile { name, file: shown.into(), text: text.into() });
        }
    }
    for inner in folder.dirs() {
        collect_bundled(inner, modules);
    }
}
