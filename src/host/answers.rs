//! What packages were found to lower to before, kept in the user's cache beside the index of packages.
//!
//! An answer depends on the question, on the program, on the files below the channels' directories, and on the local files that the
//! derivations refer to. The index stands for the directories: while it is fresh, and the one that it was, they are what they were. Each
//! local file has its stamp in the answer. Where a directory of this machine is a source, or a file was changed just
//! now, nothing is kept. Invariant: an answer is what evaluating would give.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Evaluated, Keeper, SourceContent};
use crate::channel::{
    Channels,
    index::{
        stored,
        tree::{Stamp, digest},
    },
};

/// How long an answer that nobody asks for is kept.
const KEPT: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 3600);

/// A question about packages of channels as they are now.
pub struct Question {
    keeper: Keeper,
    /// That of the directories; the bundled channels are as the program is, which the key has.
    index: Option<Stamp>,
    file: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Answer<T> {
    local_files: Vec<(PathBuf, Stamp)>,
    rows: T,
}

impl Question {
    /// Returns the question that `text` is, unless there is no fresh index of the channels.
    pub fn new(channels: &Channels, text: &str) -> Option<Question> {
        let keeper = Keeper::new(channels);
        let index = if channels.directories().is_empty() { None } else { Some(keeper.fresh()?) };
        let whole =
            format!("{}\n{index:?}\n{}\n{text}", keeper.key(), std::env::current_dir().ok()?.display());
        let name = crate::hash::base32_encode(digest(whole.as_bytes()).get(..20)?);
        let file = keeper.place()?.parent()?.parent()?.join("answers").join(name);
        Some(Question { keeper, index, file })
    }

    /// Returns what is known.
    pub fn answer<T: DeserializeOwned>(&self) -> Option<T> {
        let answer: Answer<T> = serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()?;
        let same = answer.local_files.iter().all(|(path, stamp)| Stamp::at(path) == Some(*stamp));
        same.then_some(answer.rows)
    }

    /// Keeps what was found, if it can be told when that is no longer so.
    pub fn keep<T: Serialize>(&self, evaluated: &Evaluated, rows: T) {
        if evaluated.acquired {
            return;
        }
        let mut local_files = Vec::new();
        for source in evaluated.sources.values() {
            if let SourceContent::Local(path) = source {
                match Stamp::settled_at(path) {
                    Some(stamp) if path.is_file() => local_files.push((path.clone(), stamp)),
                    _ => return,
                }
            }
        }
        if self.index.is_some() && self.keeper.fresh() != self.index {
            return;
        }
        if let Ok(bytes) = serde_json::to_vec(&Answer { local_files, rows }) {
            let _ = stored::put(&self.file, &bytes);
            self.remove_old();
        }
    }

    fn remove_old(&self) {
        let entries = self.file.parent().and_then(|folder| std::fs::read_dir(folder).ok());
        for entry in entries.into_iter().flatten().flatten() {
            let written = entry.metadata().and_then(|metadata| metadata.modified());
            if written.is_ok_and(|written| written.elapsed().is_ok_and(|age| age > KEPT)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}
