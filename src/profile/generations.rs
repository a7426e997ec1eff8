//! A user's profile and its generations.
//!
//! ```text
//! DIR/NAME          -> NAME-3-link      the current generation; moved by one rename
//! DIR/NAME-3-link   -> STORE/…-profile  a generation, which is a root of the store
//! DIR/.NAME.lock                        held by who changes the profile
//! ```
//!
//! This is Guix's layout. A new generation's number is one more than the highest that there is, so that going back and then
//! on overwrites nothing. Invariant: `NAME` always leads to a whole generation, whatever fails.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::manifest::{Manifest, ManifestError};
use crate::{
    channel::place,
    store::{LocalStore, StoreError},
    store_path::StorePath,
};

/// Errors of profiles.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no place for profiles.
    #[error("there is no place for profiles: neither `XDG_STATE_HOME` nor `HOME` is set")]
    NoHome,
    /// A file of the profile cannot be used.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is there and is no profile.
    #[error("`{path}` is not a profile: it is not a link to a generation")]
    NotAProfile {
        /// The file.
        path: PathBuf,
    },
    /// A generation is asked for that is not there.
    #[error("the profile `{name}` has no generation {number}")]
    NoGeneration {
        /// The profile's name.
        name: String,
        /// The generation.
        number: u64,
    },
    /// The current generation is to be deleted.
    #[error("generation {number} of the profile `{name}` is the current one")]
    Current {
        /// The profile's name.
        name: String,
        /// The generation.
        number: u64,
    },
    /// A generation's link leads out of the store.
    #[error("generation {number} of the profile `{name}` leads to `{target}`, which is not in the store")]
    Elsewhere {
        /// The profile's name.
        name: String,
        /// The generation.
        number: u64,
        /// Where it leads.
        target: PathBuf,
    },
    /// The manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A profile of the user's.
#[derive(Clone, Debug)]
pub struct Profile {
    link: PathBuf,
}

/// A state of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Its number.
    pub number: u64,
    /// Its link.
    pub link: PathBuf,
    /// When it was made.
    pub time: SystemTime,
}

/// Returns the directory of the user's profiles.
fn profiles_directory() -> Result<PathBuf, ProfileError> {
    let directory = place::state().ok_or(ProfileError::NoHome)?.join("profiles");
    std::path::absolute(&directory).map_err(failed("find", &directory))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ProfileError {
    let path = path.to_owned();
    move |source| ProfileError::Io { action, path, source }
}

impl Profile {
    /// Returns a profile: the link at a path, where the name has a `/`, else the user's profile of that name, else the usual one.
    ///
    /// # Errors
    /// [`ProfileError::NoHome`] when there is no place for profiles.
    pub fn named(name: Option<&Path>) -> Result<Profile, ProfileError> {
        let name = name.unwrap_or(Path::new("default"));
        let link = if name.as_os_str().as_encoded_bytes().contains(&b'/') {
            std::path::absolute(name).map_err(failed("find", name))?
        } else {
            profiles_directory()?.join(name)
        };
        Ok(Profile { link })
    }

    /// The link to the current generation: what to put into variables.
    pub fn link(&self) -> &Path {
        &self.link
    }

    /// What names the profile on a command line; nothing for the usual one.
    pub fn argument(&self) -> Option<String> {
        let own = profiles_directory().is_ok_and(|directory| self.directory() == directory);
        match self.name() {
            name if own && name == "default" => None,
            name if own => Some(name),
            _ => Some(self.link.display().to_string()),
        }
    }

    /// The profile's name.
    pub fn name(&self) -> String {
        self.link.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn directory(&self) -> &Path {
        self.link.parent().unwrap_or(Path::new("/"))
    }

    fn generation_link(&self, number: u64) -> PathBuf {
        self.directory().join(format!("{}-{number}-link", self.name()))
    }

    /// The number in the name of a generation's link.
    fn number_of(&self, link: &Path) -> Option<u64> {
        let name = link.file_name()?.to_str()?;
        name.strip_prefix(&self.name())?.strip_prefix('-')?.strip_suffix("-link")?.parse().ok()
    }

    /// Keeps others from changing the profile until what is returned is dropped; tells `wait` when that takes a while.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn lock(&self, wait: impl FnOnce()) -> Result<Option<File>, ProfileError> {
        let directory = self.directory();
        fs::create_dir_all(directory).map_err(failed("make", directory))?;
        let path = directory.join(format!(".{}.lock", self.name()));
        let file = File::create(&path).map_err(failed("make", &path))?;
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => wait(),
            // Some file systems have no locks; generations are still made whole.
            Err(fs::TryLockError::Error(_)) => return Ok(None),
        }
        file.lock().map_err(failed("lock", &path))?;
        Ok(Some(file))
    }

    /// Returns the number of the current generation; nothing where there is no profile yet.
    ///
    /// # Errors
    /// [`ProfileError::NotAProfile`] when the link is something else.
    pub fn current(&self) -> Result<Option<u64>, ProfileError> {
        let not_one = || ProfileError::NotAProfile { path: self.link.clone() };
        match self.link.read_link() {
            Ok(target) => self.number_of(&target).ok_or_else(not_one).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == ErrorKind::InvalidInput => Err(not_one()),
            Err(error) => Err(failed("read", &self.link)(error)),
        }
    }

    /// Returns all generations, the oldest first.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn generations(&self) -> Result<Vec<Generation>, ProfileError> {
        let directory = self.directory();
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("list", directory)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let link = entry.map_err(failed("list", directory))?.path();
            let Some(number) = self.number_of(&link) else { continue };
            let metadata = link.symlink_metadata().map_err(failed("look at", &link))?;
            let time = metadata.modified().map_err(failed("look at", &link))?;
            found.push(Generation { number, link, time });
        }
        found.sort_by_key(|generation| generation.number);
        Ok(found)
    }

    /// Returns a generation.
    ///
    /// # Errors
    /// [`ProfileError::NoGeneration`].
    pub fn generation(&self, number: u64) -> Result<Generation, ProfileError> {
        let found = self.generations()?.into_iter().find(|generation| generation.number == number);
        found.ok_or_else(|| ProfileError::NoGeneration { name: self.name(), number })
    }

    /// Returns the item that a generation is.
    ///
    /// # Errors
    /// [`ProfileError::Elsewhere`] when it leads out of the store.
    pub fn item(&self, store: &LocalStore, generation: &Generation) -> Result<StorePath, ProfileError> {
        let target = generation.link.read_link().map_err(failed("read", &generation.link))?;
        match store.item_of(&target) {
            Some((item, _)) => Ok(item),
            None => Err(ProfileError::Elsewhere { name: self.name(), number: generation.number, target }),
        }
    }

    /// Returns what a generation holds.
    ///
    /// # Errors
    /// When its manifest cannot be used.
    pub fn manifest_of(&self, store: &LocalStore, generation: &Generation) -> Result<Manifest, ProfileError> {
        self.item(store, generation)?;
        let path = generation.link.join("manifest");
        let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
        let item = |text: &str| store.item_of(Path::new(text)).map(|(item, _)| item);
        Ok(Manifest::parse(&path, &text, &item)?)
    }

    /// Returns what the profile holds now; nothing where there is none yet.
    ///
    /// # Errors
    /// When its manifest cannot be used.
    pub fn manifest(&self, store: &LocalStore) -> Result<Manifest, ProfileError> {
        match self.current()? {
            Some(number) => self.manifest_of(store, &self.generation(number)?),
            None => Ok(Manifest::default()),
        }
    }

    /// Makes an item the newest generation and the current one; returns its number. The generation is there, and a root of the
    /// store, before the profile's link moves.
    ///
    /// # Errors
    /// When the directory or the store cannot be written: then the profile is what it was.
    pub fn add(&self, store: &LocalStore, item: &StorePath) -> Result<u64, ProfileError> {
        let highest = self.generations()?.last().map_or(0, |generation| generation.number);
        self.add_as(store, item, highest + 1)
    }

    /// Makes an item the generation of a number that is not taken, and the current one.
    ///
    /// # Errors
    /// As [`Profile::add`].
    pub fn add_as(&self, store: &LocalStore, item: &StorePath, number: u64) -> Result<u64, ProfileError> {
        store.add_root(&self.generation_link(number), item)?;
        self.point_to(number)?;
        Ok(number)
    }

    /// Makes a generation the current one.
    ///
    /// # Errors
    /// [`ProfileError::NoGeneration`], or when the directory cannot be written.
    pub fn switch(&self, number: u64) -> Result<(), ProfileError> {
        self.generation(number)?;
        self.point_to(number)
    }

    fn point_to(&self, number: u64) -> Result<(), ProfileError> {
        let draft = self.directory().join(format!(".{}-{}", self.name(), std::process::id()));
        let target = format!("{}-{number}-link", self.name());
        let place = || {
            let _ = fs::remove_file(&draft);
            symlink(&target, &draft)?;
            fs::rename(&draft, &self.link)
        };
        place().map_err(|error| {
            let _ = fs::remove_file(&draft);
            failed("move", &self.link)(error)
        })
    }

    /// Deletes a generation; what only it needs is left to `hpcl gc`.
    ///
    /// # Errors
    /// [`ProfileError::Current`] and [`ProfileError::NoGeneration`].
    pub fn delete(&self, number: u64) -> Result<(), ProfileError> {
        if self.current()? == Some(number) {
            return Err(ProfileError::Current { name: self.name(), number });
        }
        let generation = self.generation(number)?;
        fs::remove_file(&generation.link).map_err(failed("remove", &generation.link))
    }
}
