//! Checking that the store is what its metadata say.

use rayon::prelude::*;

use super::{LocalStore, StoreError, files};
use crate::{
    hash::{Algorithm, Digest},
    nar::scan,
    store_path::StorePath,
};

/// Something that is wrong with the store.
#[derive(Debug)]
pub enum Problem {
    /// The metadata are there, the content is not.
    Missing(StorePath),
    /// The content does not have its registered hash.
    Changed {
        /// The item.
        path: StorePath,
        /// The registered hash.
        expected: Digest,
        /// The hash that it has.
        actual: Digest,
    },
    /// The content is there, the metadata are not: left by a process that died. `gc` removes it.
    Unregistered(StorePath),
    /// A valid item refers to one that is not.
    BrokenReference {
        /// The item.
        path: StorePath,
        /// What it refers to.
        reference: StorePath,
    },
    /// The item or its metadata cannot be read.
    Unreadable {
        /// The item.
        path: StorePath,
        /// Why.
        error: StoreError,
    },
}

impl Problem {
    /// The item concerned.
    pub fn path(&self) -> &StorePath {
        match self {
            Self::Missing(path) | Self::Unregistered(path) => path,
            Self::Changed { path, .. }
            | Self::BrokenReference { path, .. }
            | Self::Unreadable { path, .. } => path,
        }
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// How many items were checked.
    pub items: usize,
    /// How many bytes of archives were hashed.
    pub bytes: u64,
    /// What is wrong, by item.
    pub problems: Vec<Problem>,
}

impl LocalStore {
    /// Checks every item: that content, metadata and references are there; with `contents`, that the content has its
    /// canonical hash. Uses all cores. What other processes register or collect meanwhile may or may not be seen.
    pub fn verify(&self, contents: bool) -> Result<VerifyReport, StoreError> {
        let own = self.items()?;
        let mut items = own.clone();
        items.extend(self.used_of_layers(&own).into_keys());
        let checked: Vec<(u64, Vec<Problem>)> = items
            .par_iter()
            .map(|path| {
                self.verify_item(path, contents)
                    .unwrap_or_else(|error| (0, vec![Problem::Unreadable { path: path.clone(), error }]))
            })
            .collect();
        let mut report = VerifyReport { items: items.len(), ..VerifyReport::default() };
        for (bytes, problems) in checked {
            report.bytes += bytes;
            report.problems.extend(problems);
        }
        for path in self.unregistered(own.iter().collect())? {
            // It may have become valid since the items were listed.
            if !self.is_valid(&path)? {
                report.problems.push(Problem::Unregistered(path));
            }
        }
        report.problems.sort_by(|one, other| one.path().cmp(other.path()));
        Ok(report)
    }

    fn verify_item(&self, path: &StorePath, contents: bool) -> Result<(u64, Vec<Problem>), StoreError> {
        let info = match self.info(path) {
            // Collected since the items were listed.
            Err(StoreError::NotValid { .. }) => return Ok((0, Vec::new())),
            other => other?,
        };
        let mut problems = Vec::new();
        for reference in self.lost_in_layers(&info) {
            problems.push(Problem::BrokenReference { path: path.clone(), reference });
        }
        for reference in &info.references {
            if !self.is_valid(reference)? {
                let (path, reference) = (path.clone(), reference.clone());
                problems.push(Problem::BrokenReference { path, reference });
            }
        }
        let place = self.local_path(path);
        if !files::exists(&place)? {
            problems.push(Problem::Missing(path.clone()));
            return Ok((0, problems));
        }
        if !contents {
            return Ok((0, problems));
        }
        let found = scan(&place, Algorithm::Sha256, &self.to_canonical, [])?;
        if found.digest != info.nar_hash {
            let (expected, actual) = (info.nar_hash, found.digest);
            problems.push(Problem::Changed { path: path.clone(), expected, actual });
        }
        Ok((found.size, problems))
    }
}
