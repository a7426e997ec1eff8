//! `hpcl search`: finds packages by what is said of them.

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::{
    Outcome,
    listing::{self, Form},
    options::RecipeOptions,
};
use crate::channel::PackageRecord;

/// Arguments of `hpcl search`.
#[derive(Args)]
pub struct Arguments {
    /// Words or regular expressions, all of which must match, in whatever case
    #[arg(required = true, value_name = "REGEX")]
    patterns: Vec<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Searches.
pub fn run(arguments: &Arguments) -> Outcome {
    search(&arguments.patterns, &arguments.form, &arguments.recipes)
}

/// Prints the packages that all patterns match, the most relevant first.
pub fn search(patterns: &[String], form: &Form, recipes: &RecipeOptions) -> Outcome {
    let patterns = listing::patterns(patterns)?;
    let found: Vec<(PackageRecord, u32)> = listing::ask(recipes, |listing| {
        let found = listing.search(&patterns)?;
        let places: Vec<usize> = found.iter().map(|(at, _)| *at).collect();
        Some(listing.records(&places)?.into_iter().zip(found.iter().map(|(_, score)| *score)).collect())
    })?;
    let rows: Vec<_> = found.iter().map(|(package, score)| (package, Some(*score))).collect();
    listing::print(&rows, &patterns, form)?;
    if rows.is_empty() && !form.json {
        let note = "no package matches all of these; fewer words, or a part of one, find more";
        writeln!(anstream::stderr(), "{note}")?;
    }
    Ok(ExitCode::SUCCESS)
}
