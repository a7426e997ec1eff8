//! Builds with the real toolchain, in the store of the user who runs the tests (or `HPCL_TEST_STORE`).
//!
//! The seed is 300 MB: such tests only add items to that store, and are skipped by name where what they need is neither there nor to be
//! had.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use super::TestEnvironment;

/// The base directory of the store of the user.
pub fn store_base() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    set("HPCL_TEST_STORE")
        .or_else(|| set("HPCL_STORE"))
        .or_else(|| set("XDG_DATA_HOME"))
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .expect("HOME is set")
}

/// `hpcl` with the store of the user.
pub fn hpcl(environment: &TestEnvironment, arguments: &[&str]) -> Command {
    let mut command = environment.command(arguments);
    command.env("HPCL_STORE", store_base());
    for name in ["SSL_CERT_FILE", "https_proxy", "http_proxy", "no_proxy"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
}

/// Builds, or says loudly that the network is missing.
pub fn built(test: &str, mut command: Command) -> Option<PathBuf> {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() && errors.contains("could not be fetched") {
        eprintln!("SKIPPED {test}: what it needs is not in the store and cannot be fetched:\n{errors}");
        return None;
    }
    assert!(output.status.success(), "{errors}");
    Some(PathBuf::from(String::from_utf8(output.stdout).unwrap().lines().next().unwrap()))
}

/// Whether all that the package needs at build time and run time is in the store: then building it takes no time. Says loudly
/// when it is not.
pub fn is_there_or_skip(test: &str, environment: &TestEnvironment, package: &str) -> bool {
    let plan = text(hpcl(environment, &["build", "--dry-run", package]).output().unwrap());
    let there = plan.contains("0 to fetch, 0 to build");
    if !there {
        eprintln!("SKIPPED {test}: `{package}` is not in the store, and building it takes minutes:\n{plan}");
    }
    there
}

/// What a program printed that went well.
pub fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
