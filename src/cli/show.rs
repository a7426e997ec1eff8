//! `hpcl show`: prints what is known of packages, from the index.

use std::process::ExitCode;

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    Outcome, complete,
    listing::{self, Form},
    options::RecipeOptions,
    session,
};
use crate::{
    channel::{PackageRecord, index::listing::Listing},
    report::Failure,
};

/// Arguments of `hpcl show`.
#[derive(Args)]
pub struct Arguments {
    /// Packages: NAME or NAME@VERSION
    #[arg(required = true, value_name = "PACKAGE", add = ArgValueCompleter::new(complete::packages))]
    packages: Vec<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Prints the records.
pub fn run(arguments: &Arguments) -> Outcome {
    show(&arguments.packages, &arguments.form, &arguments.recipes)
}

/// Prints what is known of all versions of the packages that specifications name.
pub fn show(specifications: &[String], form: &Form, recipes: &RecipeOptions) -> Outcome {
    let mut found = Vec::new();
    for specification in specifications {
        found.extend(named(specification, recipes)?);
    }
    let rows: Vec<_> = found.iter().map(|package| (package, None)).collect();
    listing::print(&rows, &[], form)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the packages that a specification names, the newest first; at least one.
pub fn named(specification: &str, recipes: &RecipeOptions) -> Result<Vec<PackageRecord>, Failure> {
    let (name, version) = match specification.rsplit_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (specification, None),
    };
    let found = listing::ask(recipes, |listing| find(listing, name, version))?;
    if !found.is_empty() {
        return Ok(found);
    }
    // What cannot be evaluated is in no listing: evaluating it says why, or that there is none.
    let mut evaluation = session::evaluation(recipes)?;
    evaluation.package(specification)?;
    Err(Failure::new(format!("`{specification}` is not listed"))
        .hint("it is hidden: packages use it, and it can be built by name"))
}

fn find(listing: &Listing<'_>, name: &str, version: Option<&str>) -> Option<Vec<PackageRecord>> {
    listing.records(&listing.places(name, |row| {
        row.is_listed() && version.is_none_or(|version| is_version_prefix(version, row.version))
    })?)
}

/// Whether a version is a beginning of another, at the end of one of its parts.
pub fn is_version_prefix(prefix: &str, version: &str) -> bool {
    version.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_given_by_its_first_parts() {
        assert!(is_version_prefix("4.1", "4.1.4") && is_version_prefix("4.1.4", "4.1.4"));
        assert!(!is_version_prefix("4.1", "4.10") && !is_version_prefix("4.1.4.1", "4.1.4"));
    }
}
