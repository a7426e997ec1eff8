//! `hpcl eval`: prints the value of a file or expression, or the derivations of the packages that it denotes.

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};
use serde::{Deserialize, Serialize};

use super::{Outcome, options::RecipeOptions, options::TransformationOptions, session};
use crate::{
    host::{Entry, Evaluated, Question, Request, json},
    report::Failure,
};

/// Arguments of `hpcl eval`.
#[derive(Args)]
pub struct Arguments {
    /// Files to evaluate, or package specifications
    #[arg(value_name = "FILE|PACKAGE", value_hint = ValueHint::AnyPath)]
    targets: Vec<String>,
    /// Evaluate a manifest
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    manifest: Vec<PathBuf>,
    /// Evaluate an expression
    #[arg(short, long, value_name = "EXPR")]
    expression: Vec<String>,
    /// Print the text of the derivations
    #[arg(short, long)]
    derivation: bool,
    /// Print as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    recipes: RecipeOptions,
    #[command(flatten)]
    transformations: TransformationOptions,
}

/// What is printed of a package or a value.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Row {
    /// A package and its derivation.
    Package { name: String, version: String, output: String, derivation: String, path: String },
    /// Any other value, as JSON and as the language writes it.
    Value { value: serde_json::Value, text: String },
}

/// Evaluates and prints.
pub fn run(arguments: &Arguments) -> Outcome {
    let question = question(arguments)?;
    if let Some(rows) = question.as_ref().and_then(Question::answer::<Vec<Row>>) {
        return print(arguments, Vec::new(), &rows);
    }
    let mut evaluation = session::evaluation(&arguments.recipes)?;
    let (files, specifications): (Vec<String>, Vec<String>) =
        arguments.targets.iter().cloned().partition(|target| is_file(target));
    let request =
        Request { specifications, transformations: arguments.transformations.pairs(), ..Request::default() };
    let mut values = Vec::new();
    for file in files.iter().map(PathBuf::from).chain(arguments.manifest.iter().cloned()) {
        values.push(evaluation.file(&file)?);
    }
    for expression in &arguments.expression {
        values.push(evaluation.expression(expression)?);
    }
    if values.is_empty() && request.specifications.is_empty() {
        return Err(Failure::new("nothing to evaluate")
            .hint("give a file, a package, or an expression with `-e EXPR`")
            .code(crate::report::exit_code::USAGE));
    }
    let mut denoting = Vec::new();
    let mut plain = Vec::new();
    for value in values {
        if evaluation.denotes_packages(&value)? {
            denoting.push(value);
        } else {
            plain.push(Row::Value { value: json(&value), text: evaluation.write(&value) });
        }
    }
    let mut out = Vec::new();
    let mut rows = Vec::new();
    if !denoting.is_empty() || !request.specifications.is_empty() {
        let entries = evaluation.entries_of(denoting, &request)?;
        let entries = evaluation.derivations(&entries)?;
        let evaluated = evaluation.finish()?;
        if arguments.derivation && !arguments.json {
            for entry in &entries {
                out.extend_from_slice(&evaluated.graph.node(entry.node).derivation.to_aterm());
                out.push(b'\n');
            }
        } else {
            rows.extend(entries.iter().map(|entry| package(entry, &evaluated)));
            if let Some(question) = question.filter(|_| plain.is_empty()) {
                question.keep(&evaluated, &rows);
            }
        }
    }
    rows.extend(plain);
    print(arguments, out, &rows)
}

/// Returns what is asked about packages of channels' directories, if nothing else is.
fn question(arguments: &Arguments) -> Result<Option<Question>, Failure> {
    let files = arguments.targets.iter().any(|target| is_file(target)) || !arguments.manifest.is_empty();
    let sources = arguments.transformations.have_own_sources();
    if files || sources || arguments.derivation || arguments.recipes.locked.is_some() {
        return Ok(None);
    }
    let (targets, expression) = (&arguments.targets, &arguments.expression);
    let asked = (targets, expression, arguments.transformations.pairs(), session::providers()?);
    Ok(Question::new(&session::channels(&arguments.recipes)?, &format!("{asked:?}")))
}

fn print(arguments: &Arguments, mut out: Vec<u8>, rows: &[Row]) -> Outcome {
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &rows).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        rows.iter().try_for_each(|row| writeln!(out, "{}", shown(row)))?;
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

fn is_file(target: &str) -> bool {
    target.ends_with(".hpcl") || target.ends_with(".scm") || target.contains('/')
}

fn package(entry: &Entry, evaluated: &Evaluated) -> Row {
    let node = evaluated.graph.node(entry.node);
    Row::Package {
        name: entry.name.clone(),
        version: entry.version.clone(),
        output: entry.output.clone(),
        derivation: node.path.canonical(),
        path: node.output(&entry.output).map(|path| path.canonical()).unwrap_or_default(),
    }
}

fn shown(row: &Row) -> String {
    match row {
        Row::Value { text, .. } => text.clone(),
        Row::Package { name, version, output, derivation, .. } => {
            let at = if version.is_empty() { "" } else { "@" };
            let output = if output == "out" { String::new() } else { format!(":{output}") };
            format!("{name}{at}{version}{output}\t{derivation}")
        }
    }
}
