//! What the listing verbs share: the index that they ask, and how packages are printed.

use std::io::Write;

use clap::Args;

use super::{options::RecipeOptions, session};
use crate::{
    channel::{PackageRecord, Pattern, index::listing::Listing},
    host::Keeper,
    report::{self, Failure, exit_code},
};

/// How packages are printed.
#[derive(Args, Debug, Default, Clone)]
pub struct Form {
    /// Print as JSON
    #[arg(long)]
    pub json: bool,
}

/// Asks the listing of the channels, which is made first if it has to be.
pub fn ask<T>(recipes: &RecipeOptions, ask: impl Fn(&Listing<'_>) -> Option<T>) -> Result<T, Failure> {
    let channels = session::channels(recipes)?;
    Ok(Keeper::new(&channels).list(report::indexing().as_ref(), ask)?)
}

/// Reads regular expressions.
pub fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    let read = |text: &String| {
        Pattern::new(text).map_err(|error| {
            Failure::new(report::chain(&error))
                .hint("these are regular expressions; a `\\` before a sign makes it stand for itself")
                .code(exit_code::USAGE)
        })
    };
    texts.iter().map(read).collect()
}

/// Prints packages, with their relevance to a search.
pub fn print(
    packages: &[(&PackageRecord, Option<u32>)],
    patterns: &[Pattern],
    form: &Form,
) -> Result<(), Failure> {
    if form.json {
        let records: Vec<_> =
            packages.iter().map(|(package, relevance)| report::json_record(package, *relevance)).collect();
        return json(&records);
    }
    let mut text = String::new();
    let width = report::columns();
    for (package, relevance) in packages {
        report::write_record(&mut text, package, *relevance, patterns, width);
        text.push('\n');
    }
    page(&text)
}

/// Prints JSON.
pub fn json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut out = serde_json::to_vec_pretty(value).map_err(std::io::Error::from)?;
    out.push(b'\n');
    Ok(std::io::stdout().write_all(&out)?)
}

/// Prints a text that may be long and may have colours.
pub fn page(text: &str) -> Result<(), Failure> {
    if report::shows_color() {
        return Ok(report::page(text.as_bytes())?);
    }
    let plain = anstream::adapter::strip_str(text).to_string();
    Ok(report::page(plain.as_bytes())?)
}
