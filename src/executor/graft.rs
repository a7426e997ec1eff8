//! `builtin:graft`: an item whose references lead elsewhere, copied in this process.
//!
//! The environment names the `item` and what is replaced in it: lines of `from` and, at the same places, of `to`, all store paths
//! whose names have equal lengths. The item's references to itself become references to the copy. With `target` instead the
//! output is a link to that item: it stands where a name of another length has no room.
//!
//! What is compressed inside a file is not seen, as with every rewriting here.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    io::{self, BufRead, BufReader},
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    path::Path,
    time::Instant,
};

use super::{BuildError, BuildResult, Done, Executor, Options, Task, local::lock_outputs};
use crate::{
    derivation::Derivation,
    nar::{RewriteReader, Rewriter, replace_all},
    store::{LocalStore, Registration, Staged},
    store_path::{CANONICAL_STORE, StorePath},
};

/// The builder of grafts.
pub(super) const GRAFT: &str = "builtin:graft";

/// Makes grafts in threads of this process.
pub struct GraftExecutor<'a> {
    store: &'a LocalStore,
    options: &'a Options,
}

/// What a graft is made of.
enum Graft {
    /// A copy with other references.
    Copy { item: StorePath, replaced: Vec<(StorePath, StorePath)> },
    /// A link.
    Link { target: StorePath },
}

impl<'a> GraftExecutor<'a> {
    /// An executor for one store.
    pub fn new(store: &'a LocalStore, options: &'a Options) -> Self {
        GraftExecutor { store, options }
    }

    /// Nothing when another process is making it.
    fn graft(&self, task: &Task<'_>) -> Result<Option<BuildResult>, BuildError> {
        let started = Instant::now();
        let derivation = &task.node.derivation;
        let graft = Graft::of(derivation)?;
        let output = derivation.outputs.values().next().ok_or_else(|| bad("outputs", "are none"))?;
        let Some(locks) = lock_outputs(self.store, task)? else { return Ok(None) };
        if self.store.is_valid(&output.path)? {
            return Ok(Some(BuildResult::AlreadyThere));
        }
        let tree = self.store.work_path("graft")?;
        match &graft {
            Graft::Link { target } => {
                let target = self.store.local_path(target);
                symlink(&target, &tree).map_err(BuildError::io("link", &tree))?;
            }
            Graft::Copy { item, replaced } => {
                let own = (item.clone(), output.path.clone());
                let mut rewriters = rewriters(replaced.iter().chain([&own]))?;
                // What lay in a layer has a copy in this store: the registration finds out where everything lies.
                if self.store.layers().next().is_some() {
                    rewriters.insert(0, self.store.canonical_rewriter().clone());
                }
                let from = self.store.local_path(item);
                copy(&from, &tree, &rewriters).map_err(BuildError::io("rewrite", &from))?;
            }
        }
        let lock = locks.first().expect("the only output was locked");
        let how = Registration {
            candidates: self.store.closure(&task.inputs)?,
            deriver: Some(task.node.path.clone()),
            sandboxed: self.sandboxed(&task.inputs)?,
            log: None,
        };
        self.store.register_output(&Staged { lock, tree: &tree, fixed: None }, &how)?;
        Ok(Some(BuildResult::Realised(Done {
            outputs: vec![output.path.clone()],
            elapsed: started.elapsed(),
            ..Done::default()
        })))
    }

    /// Whether all that it is made of came out of complete sandboxes.
    fn sandboxed(&self, inputs: &[StorePath]) -> Result<bool, BuildError> {
        for input in inputs {
            if !self.store.info(input)?.sandboxed {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Executor for GraftExecutor<'_> {
    fn slots(&self) -> usize {
        self.options.max_jobs
    }

    fn realise(&self, task: &Task<'_>) -> Option<BuildResult> {
        self.graft(task).unwrap_or_else(|error| Some(BuildResult::from(error)))
    }
}

impl Graft {
    fn of(derivation: &Derivation) -> Result<Self, BuildError> {
        let path = |variable: &str, text: &str| {
            let name = text.strip_prefix(CANONICAL_STORE).and_then(|rest| rest.strip_prefix('/'));
            name.and_then(|name| StorePath::parse(name).ok()).ok_or_else(|| bad(variable, "is no store path"))
        };
        if let Some(target) = derivation.env_str("target") {
            return Ok(Graft::Link { target: path("target", target)? });
        }
        let item = derivation.env_str("item").ok_or_else(|| bad("item", "is missing"))?;
        let paths = |variable: &str| -> Result<Vec<StorePath>, BuildError> {
            let lines = derivation.env_str(variable).unwrap_or_default().lines();
            lines.map(|line| path(variable, line)).collect()
        };
        let (from, to) = (paths("from")?, paths("to")?);
        if from.len() != to.len() {
            return Err(bad("to", "has not as many lines as `from`"));
        }
        Ok(Graft::Copy { item: path("item", item)?, replaced: from.into_iter().zip(to).collect() })
    }
}

fn bad(variable: &str, problem: &'static str) -> BuildError {
    BuildError::BadDerivation { variable: variable.into(), problem }
}

/// One for each pair. None writes what another looks for: what takes a place is new, or is not replaced itself.
fn rewriters<'p>(
    pairs: impl IntoIterator<Item = &'p (StorePath, StorePath)>,
) -> Result<Vec<Rewriter>, BuildError> {
    let one = |(from, to): &(StorePath, StorePath)| {
        Rewriter::new(from.as_str(), to.as_str())
            .ok_or_else(|| bad("to", "has a name of another length than `from`"))
    };
    pairs.into_iter().map(one).collect()
}

/// Copies a tree; contents, link targets and names are rewritten.
fn copy(from: &Path, to: &Path, rewriters: &[Rewriter]) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_dir() {
        fs::create_dir(to)?;
        for entry in from.read_dir()? {
            let name = entry?.file_name();
            let new = rewrite(name.as_bytes(), rewriters);
            copy(&from.join(&name), &to.join(OsStr::from_bytes(&new)), rewriters)?;
        }
        Ok(())
    } else if metadata.is_symlink() {
        let target = rewrite(from.read_link()?.as_os_str().as_bytes(), rewriters);
        symlink(OsStr::from_bytes(&target), to)
    } else {
        let mut source: Box<dyn BufRead + '_> =
            Box::new(BufReader::with_capacity(256 << 10, File::open(from)?));
        for rewriter in rewriters {
            source = Box::new(RewriteReader::new(rewriter, source));
        }
        io::copy(&mut source, &mut File::create_new(to)?)?;
        fs::set_permissions(to, Permissions::from_mode(metadata.permissions().mode() | 0o200))
    }
}

fn rewrite(bytes: &[u8], rewriters: &[Rewriter]) -> Vec<u8> {
    rewriters.iter().fold(bytes.to_vec(), |bytes, rewriter| replace_all(rewriter, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_links_and_names_are_rewritten() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::write(from.join("old-name"), "uses /store/old-name and old-nam").unwrap();
        fs::set_permissions(from.join("old-name"), Permissions::from_mode(0o555)).unwrap();
        symlink("/store/old-name/lib", from.join("link")).unwrap();
        let rewriters = [Rewriter::new("old-name", "new-name").unwrap()];
        copy(&from, &to, &rewriters).unwrap();
        assert_eq!(fs::read_to_string(to.join("new-name")).unwrap(), "uses /store/new-name and old-nam");
        assert_eq!(to.join("new-name").metadata().unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(to.join("link").read_link().unwrap(), Path::new("/store/new-name/lib"));
    }
}
