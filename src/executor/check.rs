//! Comparing a second build with the first, or repairing the first by it.
//!
//! The store compares canonical archives; when they differ it names the first file. The differing output is kept beside
//! the store, so that it can be examined with any tool.

use std::fs;

use super::{BuildError, prepare::Prepared};
use crate::{
    derivation::Derivation,
    store::{ItemLock, LocalStore},
    store_path::StorePath,
};

/// Compares all outputs of a build with the valid items of the same paths; the first difference is the error. With `repair`, a build
/// that gives what was registered takes the place of an item that is damaged.
pub(super) fn compare(
    store: &LocalStore,
    derivation: &Derivation,
    prepared: &Prepared,
    locks: &[ItemLock],
    repair: bool,
) -> Result<Vec<StorePath>, BuildError> {
    for ((name, output), tree) in derivation.outputs.iter().zip(&prepared.outputs) {
        if tree.symlink_metadata().is_err() {
            return Err(BuildError::MissingOutput { output: name.clone() });
        }
        let Some(difference) = store.compare(&output.path, tree)? else {
            if let Some(lock) = locks.iter().find(|lock| *lock.path() == output.path).filter(|_| repair) {
                store.repair(lock, tree)?;
            }
            continue;
        };
        let directory = store.var_dir().join("kept");
        fs::create_dir_all(&directory).map_err(BuildError::io("create", &directory))?;
        let kept = super::kept::free_name(&directory, &format!("{}-check", output.path));
        super::kept::move_directory(tree, &kept).map_err(BuildError::io("keep", tree))?;
        let first = format!("`{}` {}", difference.file.display(), difference.what);
        return Err(BuildError::Different { output: name.clone(), first, kept });
    }
    Ok(derivation.outputs.values().map(|output| output.path.clone()).collect())
}
