//! `hpcl show`: prints what is known of packages, in recutils format or as JSON.

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::{Outcome, options::RecipeOptions, session};

/// Width to which descriptions are wrapped, in columns.
const WIDTH: usize = 78;

/// Arguments of `hpcl show`.
#[derive(Args)]
pub struct Arguments {
    /// Packages: NAME or NAME@VERSION
    #[arg(required = true, value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Prints the records.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut evaluation = session::evaluation(&arguments.recipes)?;
    let mut records = Vec::new();
    for specification in &arguments.packages {
        let mut fields = evaluation.package_fields(specification)?;
        let value =
            |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.clone());
        let (name, version) = (value("name").unwrap_or_default(), value("version"));
        let mut named = evaluation.definitions_named(&name)?.into_iter();
        if let Some(entry) = named.find(|entry| entry.version.is_none() || entry.version == version) {
            let (file, line, column) = &entry.location;
            fields.insert(2, ("location".to_owned(), format!("{file}:{line}:{column}")));
        }
        records.push(fields);
    }
    let mut out = Vec::new();
    if arguments.json {
        let maps: Vec<serde_json::Map<String, serde_json::Value>> = records
            .into_iter()
            .map(|fields| fields.into_iter().map(|(name, value)| (name, value.into())).collect())
            .collect();
        serde_json::to_writer_pretty(&mut out, &maps).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        for (number, fields) in records.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            fields.iter().try_for_each(|(name, value)| print_field(&mut out, name, value))?;
        }
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a field; further lines begin with `+ `, as recutils wants.
fn print_field(out: &mut Vec<u8>, name: &str, value: &str) -> std::io::Result<()> {
    let mut line = format!("{name}:");
    for word in value.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line.len() > name.len() + 1 {
            writeln!(out, "{line}")?;
            line = "+".to_owned();
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}
