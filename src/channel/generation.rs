//! Generations of pulled channels: which commits are in use, and which were before.
//!
//! `$XDG_STATE_HOME/hpcl/channels` has a file `N.json` for each generation and a link `current` to one of them, which is
//! moved by one rename. A file is written beside and renamed, and never changed. Where there is none, the bundled channels
//! are all there is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use hpcl_lang::natives::versions;
use serde::{Deserialize, Serialize};

use super::{declared::Declared, place};

/// The number of the files' format.
const FORMAT: u32 = 1;

/// A channel as it is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// How it was declared; its commit is the one in use.
    #[serde(flatten)]
    pub declared: Declared,
    /// Where its modules are, below its root.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub directory: String,
    /// The edition of the language that it is written for.
    #[serde(default = "first_edition")]
    pub edition: u32,
    /// Whether that commit is the one that was asked for, and not merely the head of a branch.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// The channel that brought it along, if nobody asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_by: Option<String>,
    /// The file that has its news, below its root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub news: Option<String>,
}

fn first_edition() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
fn is_false(value: &bool) -> bool {
    !value
}

/// What became of packages between two generations: names with versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Names that were not there before, with their versions.
    #[serde(default)]
    pub new: Vec<(String, String)>,
    /// Names whose latest version is another: name, old, new.
    #[serde(default)]
    pub upgraded: Vec<(String, String, String)>,
    /// Names that are there no more.
    #[serde(default)]
    pub removed: Vec<String>,
}

/// A generation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Generation {
    format: u32,
    /// Its number, from 1.
    pub number: u32,
    /// When it was made, in seconds since 1970.
    pub time: u64,
    /// The version of the program that made it.
    pub program: String,
    /// The channels, in the order in which modules are looked up.
    pub channels: Vec<Instance>,
    /// What became of packages since the one before.
    #[serde(default)]
    pub changes: Changes,
}

/// The generations of a user.
#[derive(Clone, Debug)]
pub struct Generations {
    folder: PathBuf,
}

/// Errors of generations.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// There is no place for them.
    #[error("neither `XDG_STATE_HOME` nor `HOME` says where generations of channels are kept")]
    NoPlace,
    /// A file cannot be read or written.
    #[error("cannot {action} `{path}`")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold a generation.
    #[error("`{path}` holds no generation of channels")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no generation of that number.
    #[error("there is no generation {number} of the channels")]
    Absent {
        /// The number.
        number: u32,
    },
    /// There is none before the first.
    #[error("generation {number} of the channels is the first one")]
    First {
        /// The number.
        number: u32,
    },
    /// None was made yet.
    #[error("no channel was pulled yet")]
    None,
}

impl Generation {
    /// Returns a generation of those channels, made now; its number is given when it is put into its place.
    pub fn new(channels: Vec<Instance>, changes: Changes) -> Generation {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let program = env!("CARGO_PKG_VERSION").to_owned();
        Generation { format: FORMAT, number: 0, time, program, channels, changes }
    }
}

impl Generations {
    /// Returns those of the user.
    ///
    /// # Errors
    /// [`GenerationError::NoPlace`].
    pub fn of_user() -> Result<Generations, GenerationError> {
        Ok(Generations { folder: place::state().ok_or(GenerationError::NoPlace)?.join("channels") })
    }

    /// Lets only one process change them at a time.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn lock(&self) -> Result<Option<fs::File>, GenerationError> {
        let failed = |source| GenerationError::File { action: "make", path: self.folder.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = fs::File::create(self.folder.join("lock")).map_err(failed)?;
        // Where locks do not work, there are none.
        Ok(file.lock().ok().map(|()| file))
    }

    /// Returns the number of the one in use.
    pub fn current_number(&self) -> Option<u32> {
        let target = fs::read_link(self.folder.join("current")).ok()?;
        target.to_str()?.strip_suffix(".json")?.parse().ok()
    }

    /// Returns the one in use, if any was made.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn current(&self) -> Result<Option<Generation>, GenerationError> {
        self.current_number().map(|number| self.get(number)).transpose()
    }

    /// Returns one by its number.
    ///
    /// # Errors
    /// When there is none, or its file cannot be read.
    pub fn get(&self, number: u32) -> Result<Generation, GenerationError> {
        let path = self.file(number);
        let bytes = fs::read(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GenerationError::Absent { number },
            _ => GenerationError::File { action: "read", path: path.clone(), source },
        })?;
        serde_json::from_slice(&bytes).map_err(|source| GenerationError::Malformed { path, source })
    }

    /// Returns the numbers of all, from the oldest.
    pub fn numbers(&self) -> Vec<u32> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".json")?.parse().ok();
        let mut numbers: Vec<u32> = entries.filter_map(|entry| number(entry.file_name())).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Adds a generation and puts it to use.
    ///
    /// # Errors
    /// When it cannot be written; then the former one is in use.
    pub fn add(&self, mut generation: Generation) -> Result<Generation, GenerationError> {
        let last = self.numbers().last().copied().unwrap_or(0);
        generation.number = last.max(self.current_number().unwrap_or(0)) + 1;
        let path = self.file(generation.number);
        let failed = |source| GenerationError::File { action: "write", path: path.clone(), source };
        let mut draft = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        serde_json::to_writer_pretty(&mut draft, &generation).map_err(|error| failed(error.into()))?;
        io::Write::write_all(&mut draft, b"\n").map_err(failed)?;
        draft.as_file().sync_all().map_err(failed)?;
        draft.persist(&path).map_err(|error| failed(error.error))?;
        self.switch(generation.number)?;
        Ok(generation)
    }

    /// Puts a generation to use.
    ///
    /// # Errors
    /// When there is none of that number, or the link cannot be moved.
    pub fn switch(&self, number: u32) -> Result<(), GenerationError> {
        if !self.file(number).is_file() {
            return Err(GenerationError::Absent { number });
        }
        let link = self.folder.join("current");
        let failed = |source| GenerationError::File { action: "move the link", path: link.clone(), source };
        let draft = self.folder.join(format!(".current-{}", std::process::id()));
        let _ = fs::remove_file(&draft);
        std::os::unix::fs::symlink(format!("{number}.json"), &draft).map_err(failed)?;
        fs::rename(&draft, &link).map_err(failed)
    }

    /// Puts the generation before the one in use to use, and returns its number.
    ///
    /// # Errors
    /// When there is none.
    pub fn roll_back(&self) -> Result<u32, GenerationError> {
        let current = self.current_number().ok_or(GenerationError::None)?;
        let before = self.numbers().into_iter().rfind(|number| *number < current);
        let before = before.ok_or(GenerationError::First { number: current })?;
        self.switch(before)?;
        Ok(before)
    }

    /// Forgets a generation that is not in use.
    ///
    /// # Errors
    /// When there is none of that number.
    pub fn delete(&self, number: u32) -> Result<(), GenerationError> {
        let path = self.file(number);
        fs::remove_file(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GenerationError::Absent { number },
            _ => GenerationError::File { action: "delete", path, source },
        })
    }

    fn file(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{number}.json"))
    }

    /// Where they are kept.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Changes {
    /// Compares packages before and after: name and version each.
    pub fn between(before: &[(String, String)], after: &[(String, String)]) -> Changes {
        use std::collections::BTreeMap;
        type Versions<'a> = BTreeMap<&'a str, Vec<&'a str>>;
        fn by_name(packages: &[(String, String)]) -> Versions<'_> {
            let mut all: Versions<'_> = BTreeMap::new();
            for (name, version) in packages {
                all.entry(name).or_default().push(version);
            }
            all.values_mut().for_each(|known| known.sort_by(|a, b| versions::compare(a, b)));
            all
        }
        let (before, after) = (by_name(before), by_name(after));
        let last = |versions: &[&str]| versions.last().map_or(String::new(), |version| (*version).to_owned());
        let mut changes = Changes::default();
        for (name, now) in &after {
            match before.get(name) {
                None => changes.new.push(((*name).to_owned(), last(now))),
                Some(then) if last(then) != last(now) => {
                    changes.upgraded.push(((*name).to_owned(), last(then), last(now)));
                }
                Some(_) => {}
            }
        }
        changes.removed =
            before.keys().filter(|name| !after.contains_key(*name)).map(|name| (*name).to_owned()).collect();
        changes
    }

    /// Whether nothing became another.
    pub fn is_empty(&self) -> bool {
        self.new.is_empty() && self.upgraded.is_empty() && self.removed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn changes_are_of_latest_versions() {
        let before = packages(&[("a", "1.9"), ("b", "2"), ("c", "1"), ("c", "2")]);
        let after = packages(&[("a", "1.10"), ("c", "2"), ("c", "1.5"), ("d", "0")]);
        let changes = Changes::between(&before, &after);
        assert_eq!(changes.new, packages(&[("d", "0")]));
        assert_eq!(changes.upgraded, [("a".to_owned(), "1.9".to_owned(), "1.10".to_owned())]);
        assert_eq!(changes.removed, ["b"]);
        assert!(Changes::between(&after, &after).is_empty());
    }

    #[test]
    fn generations_are_added_and_gone_back_to() {
        let place = tempfile::tempdir().unwrap();
        let all = Generations { folder: place.path().to_owned() };
        assert!(all.current().unwrap().is_none());
        assert!(matches!(all.roll_back(), Err(GenerationError::None)));
        for expected in 1..=3 {
            assert_eq!(all.add(Generation::new(vec![], Changes::default())).unwrap().number, expected);
        }
        assert_eq!(all.roll_back().unwrap(), 2);
        assert_eq!(all.current_number(), Some(2));
        assert_eq!(all.add(Generation::new(vec![], Changes::default())).unwrap().number, 4);
        all.delete(1).unwrap();
        assert_eq!(all.numbers(), [2, 3, 4]);
        assert!(matches!(all.switch(1), Err(GenerationError::Absent { number: 1 })));
    }
}
