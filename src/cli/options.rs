//! Options that several verbs share: what to build, from which recipes, and how.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use clap_complete::ArgValueCompleter;

use super::{cache::CacheOptions, complete};

/// Which packages: manifests, expressions, and specifications.
#[derive(Args, Debug, Default, Clone)]
pub struct PackageOptions {
    /// Packages: NAME, NAME@VERSION, NAME:OUTPUT or NAME@VERSION:OUTPUT
    #[arg(value_name = "PACKAGE", add = ArgValueCompleter::new(complete::packages))]
    pub packages: Vec<String>,
    /// Add the packages of a manifest
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub manifest: Vec<PathBuf>,
    /// Add the package, list or manifest that a file evaluates to
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Vec<PathBuf>,
    /// Add the package, list or manifest that an expression evaluates to
    #[arg(short, long, value_name = "EXPR")]
    pub expression: Vec<String>,
    #[command(flatten)]
    pub recipes: RecipeOptions,
    #[command(flatten)]
    pub transformations: TransformationOptions,
}

/// Where recipes come from.
#[derive(Args, Debug, Default, Clone)]
pub struct RecipeOptions {
    /// Look for modules in a directory before the bundled channels (also: HPCL_CHANNEL_PATH)
    #[arg(short = 'L', long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub load_path: Vec<PathBuf>,
    /// Use the channels of a lock file, and refuse what is not in it [default: hpcl.lock]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "hpcl.lock",
        value_hint = ValueHint::FilePath
    )]
    pub locked: Option<PathBuf>,
}

/// Rewrites of the package graph.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Transformations")]
pub struct TransformationOptions {
    /// Replace dependency PACKAGE by REPLACEMENT everywhere, as in `openmpi=mpich`
    #[arg(long, value_name = "PACKAGE=REPLACEMENT")]
    pub with_input: Vec<String>,
    /// Replace dependency PACKAGE by REPLACEMENT everywhere, without building again what depends on it: references are
    /// rewritten in what is built, so both must have the same interface
    #[arg(long, value_name = "PACKAGE=REPLACEMENT")]
    pub with_graft: Vec<String>,
    /// Leave out the grafts that recipes ask for by `replacement`
    #[arg(long)]
    pub no_grafts: bool,
    /// Build PACKAGE from another source
    #[arg(long, value_name = "[PACKAGE[@VERSION]=]FILE")]
    pub with_source: Vec<String>,
    /// Add a configure flag to PACKAGE
    #[arg(long, value_name = "PACKAGE=FLAG")]
    pub with_configure_flag: Vec<String>,
    /// Build PACKAGE without running its tests
    #[arg(long, value_name = "PACKAGE")]
    pub without_tests: Vec<String>,
}

/// How to build.
#[derive(Args, Debug, Default, Clone)]
#[command(next_help_heading = "Building")]
pub struct BuildOptions {
    /// Builds at the same time [default: the number of processors]
    #[arg(short = 'j', long, value_name = "N")]
    pub max_jobs: Option<usize>,
    /// Processors for all builds together, shared through make's jobserver [default: all]
    #[arg(short, long, value_name = "N")]
    pub cores: Option<u32>,
    /// Stop all builds at the first failure; otherwise what does not depend on it goes on
    #[arg(long)]
    pub fail_fast: bool,
    /// Keep the directory of a failed build
    #[arg(short = 'K', long)]
    pub keep_failed: bool,
    /// Build again what is already there and compare
    #[arg(long)]
    pub check: bool,
    /// Build again what is already there, and where the store's copy is damaged put the new one in its place
    #[arg(long)]
    pub repair: bool,
    /// Show what would be fetched and built, and stop
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Build without isolation; results are marked as such
    #[arg(long)]
    pub no_sandbox: bool,
    /// End a build after that many seconds
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// End a build that printed nothing for that many seconds
    #[arg(long, value_name = "SECONDS")]
    pub max_silent: Option<u64>,
    /// Print the builds' output as it comes
    #[arg(short, long)]
    pub verbose: bool,
    /// Print nothing but results and errors
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub caches: CacheOptions,
}

impl TransformationOptions {
    /// Returns (name, value) pairs; sources are replaced before inputs.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let groups = [
            ("with-source", &self.with_source),
            ("with-configure-flag", &self.with_configure_flag),
            ("without-tests", &self.without_tests),
            ("with-input", &self.with_input),
            ("with-graft", &self.with_graft),
        ];
        groups.iter().flat_map(|(name, values)| values.iter().map(|value| (*name, value.clone()))).collect()
    }
}

impl RecipeOptions {
    /// Returns the directories given by options, then those of `HPCL_CHANNEL_PATH`.
    pub fn directories(&self) -> Vec<PathBuf> {
        let variable = std::env::var_os("HPCL_CHANNEL_PATH").unwrap_or_default();
        let from_variable = std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty());
        self.load_path.iter().cloned().chain(from_variable).collect()
    }
}
