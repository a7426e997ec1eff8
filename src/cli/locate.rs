//! `hpcl locate`: says which packages have a file.

use std::{collections::BTreeMap, io::Write, path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use super::{
    Outcome,
    listing::{self, Form},
    options::RecipeOptions,
    realise,
};
use crate::{
    channel::place,
    profile::StoreFiles,
    report::{Failure, exit_code},
    store_path::StorePath,
};

/// Arguments of `hpcl locate`.
#[derive(Args)]
pub struct Arguments {
    /// Names of files, such as `mpicc`, or with `/` the ends of their paths, such as `bin/mpicc`
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The names are patterns with `*`, `?` and `[…]`
    #[arg(short, long)]
    glob: bool,
    #[command(flatten)]
    form: Form,
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// A package's output, as specifications name it.
struct Owner {
    name: String,
    version: String,
    output: String,
}

/// Finds.
pub fn run(arguments: &Arguments) -> Outcome {
    let patterns =
        arguments.files.iter().map(|file| pattern(file, arguments.glob)).collect::<Result<Vec<_>, _>>()?;
    let store = realise::open_store()?;
    let files = StoreFiles::of(&store, place::cache().as_deref())?;
    let found = files.find(|line| patterns.iter().any(|pattern| pattern.is_match(line)));
    let owners = owners(&arguments.recipes)?;
    let mut rows: Vec<(Owner, PathBuf)> = found
        .into_iter()
        .map(|(item, file)| (owner(&item, &owners), store.local_path(&item).join(file)))
        .collect();
    rows.sort_by(|(one, first), (other, second)| (&one.name, first).cmp(&(&other.name, second)));
    if arguments.form.json {
        let row = |(owner, file): &(Owner, PathBuf)| json!({ "name": owner.name, "version": owner.version, "output": owner.output, "file": file });
        listing::json(&rows.iter().map(row).collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        return Err(Failure::new("no item of the store has such a file").hint(
            "only what was built or fetched is looked through; `hpcl search` finds packages by what is said of them",
        ));
    }
    let mut text = Vec::new();
    let shown = |owner: &Owner| {
        let version = if owner.version.is_empty() { String::new() } else { format!("@{}", owner.version) };
        let output = if owner.output == "out" { String::new() } else { format!(":{}", owner.output) };
        format!("{}{version}{output}", owner.name)
    };
    let width = rows.iter().map(|(owner, _)| shown(owner).chars().count()).max().unwrap_or(0);
    for (owner, file) in &rows {
        writeln!(text, "{:<width$}  {}", shown(owner), file.display())?;
    }
    std::io::stdout().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns what matches the paths within items of files of a name.
fn pattern(file: &str, is_glob: bool) -> Result<regex::Regex, Failure> {
    let mut text = String::from("(?:^|/)");
    let mut rest = file.trim_start_matches('/').chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if is_glob => text.push_str("[^/]*"),
            '?' if is_glob => text.push_str("[^/]"),
            '[' if is_glob => {
                let set: String = rest.by_ref().take_while(|c| *c != ']').collect();
                text.push_str(&format!("[{}]", set.replacen('!', "^", usize::from(set.starts_with('!')))));
            }
            c => text.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
    }
    text.push('$');
    regex::Regex::new(&text)
        .map_err(|_| Failure::new(format!("`{file}` is not a pattern")).code(exit_code::USAGE))
}

/// Returns the outputs of all packages by the names that their items have.
fn owners(recipes: &RecipeOptions) -> Result<BTreeMap<String, (String, String, String)>, Failure> {
    listing::ask(recipes, |listing| {
        let mut found = BTreeMap::new();
        for row in listing.rows()? {
            for output in row.outputs.split(' ') {
                let ending = if output == "out" { String::new() } else { format!("-{output}") };
                let place = (row.name.to_owned(), row.version.to_owned(), output.to_owned());
                found.insert(format!("{}-{}{ending}", row.name, row.version), place);
            }
        }
        Some(found)
    })
}

/// Returns what an item is an output of; one that no channel has any more is told by its name alone.
fn owner(item: &StorePath, owners: &BTreeMap<String, (String, String, String)>) -> Owner {
    if let Some((name, version, output)) = owners.get(item.name()).cloned() {
        return Owner { name, version, output };
    }
    let text = item.name();
    let is_version = |(at, _): &(usize, &str)| {
        text.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let (name, version) = match text.match_indices('-').find(is_version) {
        Some((at, _)) => (text.get(..at).unwrap_or(text), text.get(at + 1..).unwrap_or("")),
        None => (text, ""),
    };
    Owner { name: name.to_owned(), version: version.to_owned(), output: "out".to_owned() }
}
