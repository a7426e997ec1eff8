//! `hpcl list-available`: one line a package.

use std::{fmt::Write as _, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{
    Outcome,
    listing::{self, Form},
    options::RecipeOptions,
};

/// Arguments of `hpcl list-available`.
#[derive(Args)]
pub struct Arguments {
    /// Only packages whose names match
    #[arg(value_name = "REGEX")]
    pattern: Option<String>,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Lists.
pub fn run(arguments: &Arguments) -> Outcome {
    list(arguments.pattern.as_ref(), &arguments.form, &arguments.recipes)
}

/// Prints name, version, outputs and place of the packages that can be built here.
pub fn list(pattern: Option<&String>, form: &Form, recipes: &RecipeOptions) -> Outcome {
    let patterns = listing::patterns(pattern.cloned().as_slice())?;
    let text = listing::ask(recipes, |listing| {
        let rows = listing.rows()?;
        let wanted = rows.iter().filter(|row| {
            let matches = || patterns.iter().all(|pattern| !pattern.matches(row.name).is_empty());
            row.is_listed() && row.supported && matches()
        });
        if form.json {
            let rows: Vec<_> = wanted
                .map(|row| {
                    json!({
                        "name": row.name,
                        "version": row.version,
                        "outputs": row.outputs.split(' ').collect::<Vec<_>>(),
                        "location": { "file": row.file, "line": row.line, "column": row.column },
                    })
                })
                .collect();
            return serde_json::to_string_pretty(&rows).ok().map(|text| text + "\n");
        }
        let mut text = String::with_capacity(rows.len() * 80);
        for row in wanted {
            let outputs = row.outputs.replace(' ', ",");
            let (file, line, column) = (row.file, row.line, row.column);
            let _ = writeln!(text, "{}\t{}\t{outputs}\t{file}:{line}:{column}", row.name, row.version);
        }
        Some(text)
    })?;
    listing::page(&text)?;
    Ok(ExitCode::SUCCESS)
}
