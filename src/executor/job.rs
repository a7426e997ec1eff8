//! What one sandboxed build runs: staged code and its surroundings, as plain data.
//!
//! The executor writes a [`BuilderJob`] as JSON to the process that enters the sandbox; there
//! `builder::run` interprets it. It lives in the mechanism layer so that executors can name it without knowing the
//! language. Invariant: every path is a path inside the sandbox, in local form.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Staged code with everything that it may see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuilderJob {
    /// The derivation's name, for messages: `hello-2.10`.
    pub name: String,
    /// The program: text of the language, builder side.
    pub code: String,
    /// Modules of the builder-side library that the program may import: the printed module name,
    /// `(hpcl build utils)`, and the file that holds its text.
    pub modules: Vec<(String, PathBuf)>,
    /// Directories whose `share/guile/site/3.0` holds more modules: packages of libraries for Guile.
    #[serde(default)]
    pub extensions: Vec<PathBuf>,
    /// The whole environment of the build. Nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Output names and the paths at which the build creates them, in the derivation's order.
    pub outputs: Vec<(String, PathBuf)>,
    /// How many processors the build may use, at least 1.
    pub cores: u32,
    /// The working directory, empty at the start: `/build`.
    pub build_dir: PathBuf,
    /// The local store directory.
    pub store_dir: PathBuf,
    /// The store directories of the layers, in which inputs may lie too.
    #[serde(default)]
    pub layers: Vec<PathBuf>,
    /// Inputs with libraries that the compiler's linker does not find to be in a store.
    #[serde(default)]
    pub libraries: Vec<PathBuf>,
    /// What `/bin/sh` links to in the sandbox, if anything.
    pub sandbox_shell: Option<PathBuf>,
}
