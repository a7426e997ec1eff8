//! `hpcl graph`: what packages depend on, as text or as a picture, or one way from one to another.

use std::{collections::HashMap, io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, ValueEnum, ValueHint};

use super::{Outcome, closure, options::PackageOptions, realise, session};
use crate::{
    report::{
        Failure,
        drawing::{Drawing, Edge, Node, html, svg},
        drv_name, exit_code,
    },
    store_path::StorePath,
};

/// Arguments of `hpcl graph`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    /// What nodes and edges are
    #[arg(short = 't', long = "type", value_enum, default_value_t = Kind::Package)]
    kind: Kind,
    /// How to print it [default: what the ending of --output says, or dot]
    #[arg(short = 'F', long, value_enum)]
    format: Option<Format>,
    /// Print as JSON, as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write into a file
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Print a shortest way from the first package to the second, which is named last
    #[arg(long, conflicts_with_all = ["format", "json", "output"])]
    path: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Packages and the inputs that recipes name
    Package,
    /// Packages with what build systems add
    Bag,
    /// Derivations, downloads included
    Derivation,
    /// Store items and what they refer to; they must have been built
    References,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Graphviz's language
    Dot,
    /// Nodes, and edges by positions of nodes
    Json,
    /// A picture
    Svg,
    /// A page with a picture to be moved, enlarged and searched
    Html,
}

/// Prints the graph.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut packages = arguments.packages.clone();
    let mut target = String::new();
    if arguments.path {
        let usage = || {
            Failure::new("`--path` takes two packages")
                .hint("as in `hpcl graph --path openmpi zlib`")
                .code(exit_code::USAGE)
        };
        target = packages.packages.pop().ok_or_else(usage)?;
        if packages.packages.is_empty() && packages.manifest.is_empty() && packages.expression.is_empty() {
            return Err(usage());
        }
    }
    let drawing = draw(&packages, arguments.kind)?;
    let mut out = std::io::stdout();
    if arguments.path {
        let Some(path) = drawing.path(|node| is_called(node, &target)) else {
            let text = format!("there is no way to `{target}`");
            return Err(Failure::new(text).code(exit_code::DIFFERENT));
        };
        for node in path.iter().filter_map(|at| drawing.nodes.get(*at)) {
            writeln!(out, "{}", node.label)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let format = if arguments.json { Some(Format::Json) } else { arguments.format };
    let ending = arguments.output.as_ref().and_then(|file| file.extension()?.to_str());
    let of_ending = || Format::from_str(ending?, true).ok();
    let title = packages.packages.join(", ");
    let text = match format.or_else(of_ending).unwrap_or(Format::Dot) {
        Format::Dot => drawing.dot(&title),
        Format::Json => serde_json::to_string_pretty(&drawing).map_err(std::io::Error::from)? + "\n",
        Format::Svg => svg(&drawing),
        Format::Html => html(&drawing, &title),
    };
    match &arguments.output {
        None => out.write_all(text.as_bytes())?,
        Some(file) => std::fs::write(file, text)
            .map_err(|error| Failure::new(format!("cannot write `{}`: {error}", file.display())))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether a node is what a name, `NAME@VERSION` or an item's name means.
fn is_called(node: &Node, text: &str) -> bool {
    let label = node.label.as_str();
    let rest = |text: &str| label.strip_prefix(text);
    label == text
        || node.id == text
        || rest(text)
            .and_then(|rest| rest.strip_prefix(['-', '@']))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || text.split_once('@').is_some_and(|(name, version)| label == format!("{name}-{version}"))
}

fn draw(packages: &PackageOptions, kind: Kind) -> Result<Drawing, Failure> {
    match kind {
        Kind::Package | Kind::Bag => of_packages(packages, matches!(kind, Kind::Bag)),
        Kind::Derivation => of_derivations(packages),
        Kind::References => of_references(packages),
    }
}

fn of_packages(packages: &PackageOptions, implicit: bool) -> Result<Drawing, Failure> {
    let request = session::request(packages)?;
    let mut evaluation = session::evaluation(&packages.recipes)?;
    let entries = evaluation.entries(&request)?;
    let found = evaluation.package_graph(&entries, implicit)?;
    let mut drawing = Drawing::default();
    let mut same: HashMap<String, usize> = HashMap::new();
    for (at, package) in found.iter().enumerate() {
        let label = format!("{}@{}", package.name, package.version);
        let number = same.entry(label.clone()).or_default();
        *number += 1;
        // Variants of one name and version are numbered.
        let id = if *number == 1 { label.clone() } else { format!("{label}#{number}") };
        drawing.nodes.push(Node { id, label, root: package.root, fixed: false });
        drawing.edges.extend(package.inputs.iter().map(|to| Edge { from: at, to: *to }));
    }
    Ok(drawing)
}

fn of_derivations(packages: &PackageOptions) -> Result<Drawing, Failure> {
    let (evaluated, wanted) = session::wanted(packages)?;
    let graph = &evaluated.graph;
    let roots: Vec<_> = wanted.iter().map(|(id, _)| graph.node(*id).path.clone()).collect();
    let mut order = graph.requisites(wanted.iter().map(|(id, _)| *id));
    // What needs comes before what is needed.
    order.reverse();
    order.retain(|id| graph.by_path(&graph.node(*id).path) == Some(*id));
    let places: HashMap<&StorePath, usize> =
        order.iter().enumerate().map(|(at, id)| (&graph.node(*id).path, at)).collect();
    let mut drawing = Drawing::default();
    for (at, id) in order.iter().enumerate() {
        let node = graph.node(*id);
        drawing.nodes.push(Node {
            id: node.path.to_string(),
            label: drv_name(&node.path).to_owned(),
            root: roots.contains(&node.path),
            fixed: node.derivation.fixed().is_some(),
        });
        let inputs = node.derivation.input_drvs.keys().filter_map(|path| places.get(path));
        drawing.edges.extend(inputs.map(|to| Edge { from: at, to: *to }));
    }
    Ok(drawing)
}

fn of_references(packages: &PackageOptions) -> Result<Drawing, Failure> {
    let store = realise::open_store()?;
    let roots = closure::roots(&store, packages)?;
    let items = closure::closure(&store, &roots)?;
    let places: HashMap<&StorePath, usize> = items.keys().enumerate().map(|(at, item)| (item, at)).collect();
    let mut drawing = Drawing::default();
    for (at, (item, info)) in items.iter().enumerate() {
        drawing.nodes.push(Node {
            id: item.to_string(),
            label: item.name().to_owned(),
            root: roots.contains(item),
            fixed: info.content.is_some(),
        });
        let others = info.references.iter().filter(|other| *other != item);
        drawing
            .edges
            .extend(others.filter_map(|other| places.get(other)).map(|to| Edge { from: at, to: *to }));
    }
    Ok(drawing)
}
