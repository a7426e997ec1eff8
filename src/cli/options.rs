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
    /// Build PACKAGE from another source: a file, a directory, or an address to fetch it from
    #[arg(long, value_name = "[PACKAGE[@VERSION]=]SOURCE", value_hint = ValueHint::AnyPath)]
    pub with_source: Vec<String>,
    /// Build PACKAGE from a Git repository
    #[arg(long, value_name = "PACKAGE=ADDRESS")]
    pub with_git_url: Vec<String>,
    /// Build PACKAGE from the newest commit of a branch of its Git repository
    #[arg(long, value_name = "PACKAGE=BRANCH")]
    pub with_branch: Vec<String>,
    /// Build PACKAGE from a commit or tag of its Git repository
    #[arg(long, value_name = "PACKAGE=COMMIT")]
    pub with_commit: Vec<String>,
    /// Build PACKAGE from the source that its recipe names, of another version
    #[arg(long, value_name = "PACKAGE=VERSION")]
    pub with_version: Vec<String>,
    /// Build PACKAGE from the newest version that its authors released
    #[arg(long, value_name = "PACKAGE")]
    pub with_latest: Vec<String>,
    /// Apply a patch to the source of PACKAGE
    #[arg(long, value_name = "PACKAGE=FILE", value_hint = ValueHint::AnyPath)]
    pub with_patch: Vec<String>,
    /// Add a configure flag to PACKAGE
    #[arg(long, value_name = "PACKAGE=FLAG")]
    pub with_configure_flag: Vec<String>,
    /// Keep the debugging information of PACKAGE; what depends on it is grafted
    #[arg(long, value_name = "PACKAGE")]
    pub with_debug_info: Vec<String>,
    /// Compile PACKAGE and what depends on it with TOOLCHAIN
    #[arg(long, value_name = "PACKAGE=TOOLCHAIN")]
    pub with_c_toolchain: Vec<String>,
    /// Build PACKAGE without running its tests
    #[arg(long, value_name = "PACKAGE")]
    pub without_tests: Vec<String>,
    /// Compile what is marked tunable for one processor; without a name for this machine's. `--tune=list` lists the names
    #[arg(
        long,
        value_name = "PROCESSOR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "native",
        value_parser = processor
    )]
    pub tune: Option<String>,
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
    /// Returns (name, value) pairs: other sources first, then how they are compiled, then what they are compiled with.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let tune: Vec<String> = self.tune.iter().cloned().collect();
        let groups = [
            ("with-source", &self.with_source),
            ("with-git-url", &self.with_git_url),
            ("with-branch", &self.with_branch),
            ("with-commit", &self.with_commit),
            ("with-version", &self.with_version),
            ("with-latest", &self.with_latest),
            ("with-patch", &self.with_patch),
            ("with-configure-flag", &self.with_configure_flag),
            ("with-debug-info", &self.with_debug_info),
            ("with-c-toolchain", &self.with_c_toolchain),
            ("without-tests", &self.without_tests),
            ("tune", &tune),
            ("with-input", &self.with_input),
            ("with-graft", &self.with_graft),
        ];
        groups.iter().flat_map(|(name, values)| values.iter().map(|value| (*name, value.clone()))).collect()
    }

    /// Whether sources are read that no recipe has a hash of, so that an earlier answer need not hold.
    pub fn have_own_sources(&self) -> bool {
        let own = [
            &self.with_source,
            &self.with_git_url,
            &self.with_branch,
            &self.with_commit,
            &self.with_version,
            &self.with_latest,
            &self.with_patch,
        ];
        own.iter().any(|values| !values.is_empty())
    }
}

/// Turns `native` into a name, so that derivations do not depend on where they were evaluated.
fn processor(name: &str) -> Result<String, String> {
    if name != "native" {
        return Ok(name.to_owned());
    }
    native_processor().map(str::to_owned).ok_or_else(|| {
        "it is not known what this machine's processor is called; name one, `--tune=list` lists them"
            .to_owned()
    })
}

/// The level of the x86-64 ABI that this processor has: what compilers agree on, whoever made it.
#[cfg(target_arch = "x86_64")]
fn native_processor() -> Option<&'static str> {
    use std::arch::is_x86_feature_detected as has;
    let v2 = has!("sse3")
        && has!("ssse3")
        && has!("sse4.1")
        && has!("sse4.2")
        && has!("popcnt")
        && has!("cmpxchg16b");
    let v3 = v2
        && has!("avx")
        && has!("avx2")
        && has!("bmi1")
        && has!("bmi2")
        && has!("f16c")
        && has!("fma")
        && has!("lzcnt")
        && has!("movbe");
    let v4 =
        v3 && has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl");
    match (v2, v3, v4) {
        (_, _, true) => Some("x86-64-v4"),
        (_, true, _) => Some("x86-64-v3"),
        (true, _, _) => Some("x86-64-v2"),
        _ => None,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn native_processor() -> Option<&'static str> {
    None
}

impl RecipeOptions {
    /// Returns the directories given by options, then those of `HPCL_CHANNEL_PATH`.
    pub fn directories(&self) -> Vec<PathBuf> {
        let variable = std::env::var_os("HPCL_CHANNEL_PATH").unwrap_or_default();
        let from_variable = std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty());
        self.load_path.iter().cloned().chain(from_variable).collect()
    }
}
