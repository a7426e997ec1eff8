//! What changed between two states of a profile.

use hpcl_lang::natives::versions;

use super::{Entry, Manifest};

/// A change of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It was not there.
    Installed(&'a Entry),
    /// It is there no more.
    Removed(&'a Entry),
    /// A newer version took its place.
    Upgraded(&'a Entry, &'a Entry),
    /// An older version took its place.
    Downgraded(&'a Entry, &'a Entry),
    /// The same version, made otherwise.
    Rebuilt(&'a Entry, &'a Entry),
}

/// Returns what changed from one state to another.
pub fn changes<'a>(before: &'a Manifest, after: &'a Manifest) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    for new in &after.entries {
        found.extend(match before.entries.iter().find(|old| old.is_same_place(new)) {
            None => Some(Change::Installed(new)),
            Some(old) if old.item == new.item => None,
            Some(old) => Some(match versions::compare(&old.version, &new.version) {
                std::cmp::Ordering::Less => Change::Upgraded(old, new),
                std::cmp::Ordering::Greater => Change::Downgraded(old, new),
                std::cmp::Ordering::Equal => Change::Rebuilt(old, new),
            }),
        });
    }
    let gone = before.entries.iter().filter(|old| !after.entries.iter().any(|new| new.is_same_place(old)));
    found.extend(gone.map(Change::Removed));
    found
}
