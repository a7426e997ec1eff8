//! `hpcl plan`, and `--dry-run` of other verbs: what would be fetched and built, and why.
//!
//! The reason for a build is, in this order: an option, found by evaluating without it; a change since something of the same
//! name was made here, found by comparing the derivations; that nothing of that name was made here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use serde::Serialize;

use super::{
    Outcome,
    cache::CacheOptions,
    listing,
    options::{BuildOptions, PackageOptions, TransformationOptions},
    realise, session,
};
use crate::{
    derivation::{Derivation, difference::Difference},
    executor::{self, Plan, Wanted},
    graph::{HashedGraph, NodeId},
    host::Evaluated,
    report::{self, Failure, quantity},
    store::{History, LocalStore},
    store_path::StorePath,
};

/// Arguments of `hpcl plan`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    packages: PackageOptions,
    #[command(flatten)]
    caches: CacheOptions,
    /// Print as JSON, sizes in bytes
    #[arg(long)]
    json: bool,
}

/// Shows what making packages would take.
pub fn run(arguments: &Arguments) -> Outcome {
    let build = BuildOptions { dry_run: true, caches: arguments.caches.clone(), ..BuildOptions::default() };
    let (evaluated, wanted) = session::wanted(&arguments.packages)?;
    show(&arguments.packages, &evaluated, &wanted, &build, arguments.json)
}

/// Shows what making these outputs of an evaluation of packages would take.
pub fn show(
    packages: &PackageOptions,
    evaluated: &Evaluated,
    wanted: &[(NodeId, String)],
    build: &BuildOptions,
    json: bool,
) -> Outcome {
    let store = realise::open_store()?;
    let options = Variations::new(packages, evaluated, wanted);
    let steps = steps(evaluated, &realise::targets(wanted)?, &store, build, Some(&options))?;
    if json {
        listing::json(&steps)?;
    } else {
        listing::page(&text(&steps, build))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what making outputs would take, of which it is not known what was asked for.
pub fn print(
    evaluated: &Evaluated,
    targets: &[Wanted],
    store: &LocalStore,
    build: &BuildOptions,
) -> Result<(), Failure> {
    listing::page(&text(&steps(evaluated, targets, store, build, None)?, build))
}

/// One thing to do.
#[derive(Serialize)]
struct Step {
    /// `substitute`, `fetch`, `graft`, `build` or `build again`.
    action: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    derivation: Option<StorePath>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    reason: String,
}

/// The evaluation without options, as far as there are any.
struct Variations {
    /// Each option, and the derivations that there are without it.
    without: Vec<(String, BTreeSet<StorePath>)>,
    plain: Option<Evaluated>,
    difference: Difference,
}

impl Variations {
    fn new(packages: &PackageOptions, evaluated: &Evaluated, wanted: &[(NodeId, String)]) -> Variations {
        let none = Variations { without: Vec::new(), plain: None, difference: Difference::default() };
        let pairs = packages.transformations.pairs();
        if pairs.is_empty() {
            return none;
        }
        // An option may need another one: what cannot be evaluated without it is not told apart.
        let unchanged =
            PackageOptions { transformations: TransformationOptions::default(), ..packages.clone() };
        let Ok((plain, plain_wanted)) = session::wanted(&unchanged) else { return none };
        let mut without = Vec::new();
        for (at, (name, value)) in pairs.iter().enumerate() {
            let label = format!("--{name}={value}");
            let paths = if pairs.len() == 1 {
                Some(derivations(&plain))
            } else {
                let mut others = pairs.clone();
                others.remove(at);
                session::wanted_with(&unchanged, others).ok().map(|(one, _)| derivations(&one))
            };
            without.extend(paths.map(|paths| (label, paths)));
        }
        let mut difference = Difference::default();
        let find =
            |path: &StorePath| [evaluated, &plain].iter().find_map(|one| derivation_of(&one.graph, path));
        for ((old, _), (new, _)) in plain_wanted.iter().zip(wanted) {
            difference.add(&plain.graph.node(*old).path, &evaluated.graph.node(*new).path, &find);
        }
        Variations { without, plain: Some(plain), difference }
    }

    /// What options do to a derivation; nothing when it is the same without them.
    fn reason(&self, path: &StorePath) -> Option<String> {
        let plain = self.plain.as_ref()?;
        if plain.graph.by_path(path).is_some() {
            return None;
        }
        let absent = self.without.iter().filter(|(_, paths)| !paths.contains(path));
        let labels: Vec<String> = absent.map(|(label, _)| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "the options".to_owned() } else { labels.join(", ") };
        Some(match self.difference.of_new(path) {
            Some(pair) => format!("{labels}: {}", report::in_short(pair, &self.difference)),
            None => format!("{labels} asks for it"),
        })
    }
}

fn derivations(evaluated: &Evaluated) -> BTreeSet<StorePath> {
    evaluated.graph.nodes().map(|(_, node)| node.path.clone()).collect()
}

fn derivation_of(graph: &HashedGraph, path: &StorePath) -> Option<Arc<Derivation>> {
    graph.by_path(path).map(|id| Arc::clone(&graph.node(id).derivation))
}

/// What is to be done, in an order in which it can be.
fn steps(
    evaluated: &Evaluated,
    targets: &[Wanted],
    store: &LocalStore,
    build: &BuildOptions,
    options: Option<&Variations>,
) -> Result<Vec<Step>, Failure> {
    let graph = &evaluated.graph;
    let mut steps = Vec::new();
    let mut coming = BTreeSet::new();
    let substitutes = realise::substitutes(graph, targets, store, build)?;
    if let Some((_, plan)) = &substitutes {
        for info in plan.items() {
            coming.insert(info.path.clone());
            steps.push(Step {
                action: "substitute",
                name: info.path.name().to_owned(),
                derivation: info.deriver.clone(),
                size: Some(info.file_size.unwrap_or(info.nar_size)),
                reason: "a cache has it".to_owned(),
            });
        }
    }
    let plan = executor::plan_after(graph, targets, store, build.check || build.repair, &coming)?;
    let mut reasons = Reasons::new(evaluated, &plan, store, options);
    let cached = if substitutes.is_some() { "; in no cache" } else { "" };
    for (ids, action) in [(&plan.fetch, "fetch"), (&plan.graft, "graft"), (&plan.build, "build")] {
        for id in ids {
            let node = graph.node(*id);
            let again = plan.check.contains(id);
            let reason = match action {
                _ if again => "to compare it with what is there".to_owned(),
                "build" => format!("{}{cached}", reasons.of_build(*id)?),
                _ => reasons.of_fetch(*id),
            };
            steps.push(Step {
                action: if again { "build again" } else { action },
                name: node.derivation.name.to_string(),
                derivation: Some(node.path.clone()),
                size: None,
                reason,
            });
        }
    }
    Ok(steps)
}

/// Finds out why things are to be done.
struct Reasons<'a> {
    graph: &'a HashedGraph,
    store: &'a LocalStore,
    history: History,
    options: Option<&'a Variations>,
    users: BTreeMap<NodeId, Vec<NodeId>>,
    since: Difference,
}

impl<'a> Reasons<'a> {
    fn new(
        evaluated: &'a Evaluated,
        plan: &Plan,
        store: &'a LocalStore,
        options: Option<&'a Variations>,
    ) -> Self {
        let mut users: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (user, needs) in &plan.needs {
            for need in needs {
                users.entry(*need).or_default().push(*user);
            }
        }
        let (graph, history) = (&evaluated.graph, store.history());
        Reasons { graph, store, history, options, users, since: Difference::default() }
    }

    /// A file is fetched for who needs it.
    fn of_fetch(&self, id: NodeId) -> String {
        let users = self.users.get(&id).map(Vec::as_slice).unwrap_or_default();
        match users {
            [] => "asked for".to_owned(),
            [first, more @ ..] => {
                let name = &self.graph.node(*first).derivation.name;
                let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
                format!("for `{name}`{more}")
            }
        }
    }

    fn of_build(&mut self, id: NodeId) -> Result<String, Failure> {
        let node = self.graph.node(id);
        if let Some(reason) = self.options.and_then(|options| options.reason(&node.path)) {
            return Ok(reason);
        }
        if self.history.find(&node.path).is_some() {
            return Ok("planned before; its result is not in the store".to_owned());
        }
        let former = self.history.named(&node.derivation.name);
        let former = if former.is_empty() { self.other_versions(id) } else { former };
        let Some(old) = self.best(&former)? else {
            return Ok("nothing of that name was made here".to_owned());
        };
        let find = |path: &StorePath| derivation_of(self.graph, path).or_else(|| self.history.find(path));
        self.since.add(&old, &node.path, &find);
        let compared = self.since.pairs.iter().find(|pair| pair.new == node.path && pair.old == old);
        Ok(match compared {
            Some(pair) => format!("changed since it was made here: {}", report::in_short(pair, &self.since)),
            None => "its result is not in the store".to_owned(),
        })
    }

    /// The derivations of other versions of a package.
    fn other_versions(&self, id: NodeId) -> Vec<StorePath> {
        let name = &self.graph.node(id).derivation.name;
        let digit = |at: &(usize, &str)| {
            name.get(at.0 + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let base = name.match_indices('-').find(digit).and_then(|(at, _)| name.get(..=at));
        base.map(|base| self.history.beginning(base)).unwrap_or_default()
    }

    /// The first whose results are there, or else the first.
    fn best(&self, former: &[StorePath]) -> Result<Option<StorePath>, Failure> {
        for path in former {
            let Some(derivation) = self.history.find(path) else { continue };
            for output in derivation.outputs.values() {
                if self.store.is_valid(&output.path)? {
                    return Ok(Some(path.clone()));
                }
            }
        }
        Ok(former.first().cloned())
    }
}

/// Steps as people read them: a line each, and how many there are.
fn text(steps: &[Step], build: &BuildOptions) -> String {
    const DIM: anstyle::Style = anstyle::Style::new().dimmed();
    const NAME: anstyle::Style = anstyle::Style::new().bold();
    let mut text = String::new();
    for step in steps {
        let size = step.size.map(|size| format!(" ({})", quantity::bytes(size))).unwrap_or_default();
        let _ = write!(text, "{} {NAME}{}{NAME:#}{size}", step.action, step.name);
        // That it is in a cache says `substitute` already.
        if step.action != "substitute" {
            let _ = write!(text, "  {DIM}# {}{DIM:#}", step.reason);
        }
        text.push('\n');
    }
    let count = |action: &str| steps.iter().filter(|step| step.action.starts_with(action)).count();
    let (substitutes, grafts, builds) = (count("substitute"), count("graft"), count("build"));
    if substitutes > 0 {
        let size: u64 = steps.iter().filter_map(|step| step.size).sum();
        let _ = writeln!(text, "{substitutes} to fetch from caches ({})", quantity::bytes(size));
    } else if builds > 0 && build.caches.no_caches {
        text.push_str("no cache was asked\n");
    }
    let _ = writeln!(text, "{}", report::totals(count("fetch"), builds, grafts));
    text
}
