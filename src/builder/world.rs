//! What a build can see and change besides files: its environment, working directory and job.
//!
//! The state is a value of ours rather than the process's: natives resolve names against [`World::directory`] and
//! hand [`World::environment`] to the programs they start. So nothing here is global, and tests run
//! side by side in one process.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    time::Instant,
};

use hpcl_lang::native::{Context, Raise, expect_string};
use hpcl_lang::value::Value;

use super::{bytes, host::BuilderHost};

/// The state of one build.
#[derive(Debug, Default)]
pub struct World {
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// The environment of the programs that are started.
    pub environment: BTreeMap<String, OsString>,
    /// The outputs' names and paths, in order.
    pub outputs: Vec<(String, PathBuf)>,
    /// How many processors may be used.
    pub cores: u32,
    /// The local store directory.
    pub store: PathBuf,
    /// The store directories of the layers below it.
    pub layers: Vec<PathBuf>,
    /// Directories that the linker's wrapper was told of, because they lie in another store than it.
    pub libraries: Vec<String>,
    /// The phase that runs, and when it began.
    pub phase: Option<(String, Instant)>,
}

impl World {
    /// The store directories in which inputs lie.
    pub fn stores(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.store).chain(&self.layers).map(PathBuf::as_path)
    }

    /// Returns the absolute name of a file.
    pub fn resolve(&self, name: &str) -> PathBuf {
        self.directory.join(bytes::text_path(name))
    }

    /// Returns a variable's value.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(|value| bytes::os_text(value))
    }

    /// Returns the file name of a program: as it stands when it has a slash, else the first executable file of that
    /// name in the directories of `PATH`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        if name.contains('/') {
            return Some(self.resolve(name));
        }
        let path = self.variable("PATH").unwrap_or_default();
        find_in(path.split(':').filter(|entry| !entry.is_empty()), name, &self.directory)
    }
}

/// Returns the first executable file of that name in the directories.
pub fn find_in<'a>(
    directories: impl IntoIterator<Item = &'a str>,
    name: &str,
    base: &Path,
) -> Option<PathBuf> {
    let name = bytes::text_path(name);
    directories
        .into_iter()
        .map(|entry| base.join(bytes::text_path(entry)).join(&name))
        .find(|file| is_executable(file))
}

/// Whether it is a regular file, after links, with an execute bit for the owner.
pub fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(file).is_ok_and(|status| status.is_file() && status.permissions().mode() & 0o111 != 0)
}

/// Returns the state of the build that the native runs in.
///
/// # Errors
/// When the interpreter's host is not a build.
pub fn world<'a>(context: &'a mut Context<'_>) -> Result<&'a mut World, Raise> {
    match context.host.downcast_mut::<BuilderHost>() {
        Some(host) => Ok(&mut host.world),
        None => Err(Raise::message("this procedure exists only inside a build")),
    }
}

/// Returns the file named by the string at a position (from 0), made absolute.
///
/// # Errors
/// When the argument is not a string.
pub fn expect_path(
    context: &mut Context<'_>,
    procedure: &'static str,
    arguments: &[Value],
    index: usize,
) -> Result<PathBuf, Raise> {
    let name = expect_string(procedure, arguments, index)?;
    Ok(world(context)?.resolve(name))
}

/// Returns the value after a keyword among the arguments from `start` on, if it is there.
pub fn keyword<'a>(arguments: &'a [Value], start: usize, name: &str) -> Option<&'a Value> {
    let rest = arguments.get(start..)?;
    rest.chunks_exact(2).find_map(|pair| match pair {
        [Value::Keyword(key), value] if key.as_str() == name => Some(value),
        _ => None,
    })
}

/// Whether the keyword is there with a true value; `default` when it is not there.
pub fn flag(arguments: &[Value], start: usize, name: &str, default: bool) -> bool {
    keyword(arguments, start, name).map_or(default, Value::is_true)
}
