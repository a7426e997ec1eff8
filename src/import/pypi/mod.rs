//! The importer of Python packages.
//!
//! ```text
//! roots ──resolver (run time)──► versions ──plan (builds, wheels)──► packages ──cycles──► recipes, dependencies first
//! ```
//! Only the simple index, metadata and archives are read (`crate::pypi`); nothing of a project is run. Versions that an earlier import wrote
//! are kept unless they are to be renewed.

mod build;
mod cycles;
mod facts;
mod groups;
mod hooks;
mod native;
mod plan;
mod project;
mod provided;
mod resolver;
mod roots;
mod rust;
mod writing;

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use pep440_rs::Version;

pub use native::{NATIVE_TABLE, Natives};
pub use project::Mode;
pub use provided::Provided;
pub use roots::{Root, pins_of_lock, roots_of_file};

use super::{ImportError, Imported, Importer, Requirement, Target, reading::Written};
use crate::pypi::{Index, PypiError, normalized};
use facts::Facts;
use plan::{Planner, Tests};
use project::Policy;
use provided::Channel;
use resolver::{Rules, Solution};

/// What to import, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What was asked for.
    pub roots: Vec<Root>,
    /// Whether to import what it needs as well.
    pub recursive: bool,
    /// Which files are wanted.
    pub mode: Mode,
    /// Whether the recipes run tests.
    pub tests: bool,
    /// Requirements that hold for whoever asks.
    pub constraints: Vec<Requirement>,
    /// Files uploaded later do not count.
    pub exclude_newer: Option<DateTime<Utc>>,
    /// Whether pre-releases are as good as others.
    pub pre: bool,
    /// Connections at the same time.
    pub connections: usize,
    /// Whether channels' Python packages are referred to.
    pub use_channels: bool,
    /// What an earlier import wrote, whose versions are kept.
    pub earlier: Vec<Written>,
    /// What native code needs and metadata do not say.
    pub natives: Natives,
}

/// How long the parts took, and how much there was.
#[derive(Debug, Clone, Copy, Default)]
pub struct Statistics {
    /// Projects that are needed at run time.
    pub projects: usize,
    /// How long it took to choose their versions.
    pub resolving: Duration,
    /// How long all took.
    pub whole: Duration,
    /// Recipes.
    pub recipes: usize,
    /// Recipes that are made of wheels.
    pub wheels: usize,
}

/// Imports from an index.
pub struct PypiImporter {
    facts: Facts,
    channel: Channel,
    options: Options,
    statistics: Mutex<Statistics>,
}

impl PypiImporter {
    /// An importer for a target, with what the channels have.
    pub fn new(index: Index, target: Target, packages: &[Provided], mut options: Options) -> PypiImporter {
        let policy = Policy {
            mode: options.mode,
            exclude_newer: options.exclude_newer,
            pre: options.pre || index.configuration().pre,
        };
        let natives = std::mem::take(&mut options.natives);
        let mut channel = Channel::new(packages, natives, options.use_channels);
        // Who names a project wants it from the index.
        options
            .roots
            .iter()
            .filter(|root| root.named)
            .for_each(|root| channel.forget(&root.requirement.name));
        let facts = Facts::new(index, target, policy, options.connections);
        PypiImporter { facts, channel, options, statistics: Mutex::default() }
    }

    /// How many answers there are, of how many that were asked for.
    pub fn progress(&self) -> (usize, usize) {
        self.facts.progress()
    }

    /// How long it took.
    pub fn statistics(&self) -> Statistics {
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names that are known without asking: those of channels and of the earlier import.
    pub fn near(&self, name: &str) -> Option<String> {
        let earlier = self.options.earlier.iter().map(|written| written.project.as_str());
        crate::editor::closest(name, self.channel.projects().chain(earlier)).map(|near| near.to_owned())
    }

    /// The newest version of a project that the target can use.
    pub fn newest(&self, project: &str) -> Result<Option<String>, ImportError> {
        let project = self.facts.project(&normalized(project))?;
        let best = project.best(&super::requirement::Range::full(), self.options.pre);
        Ok(best.map(|release| release.version.to_string()))
    }

    /// Names that the index knows and that differ by what is often put before or behind, those with most versions first.
    fn variants(&self, name: &str) -> Vec<String> {
        let mut variants = std::collections::BTreeSet::from([name.replace('-', "")]);
        for mark in ["python", "py"] {
            let shorter = name.strip_prefix(mark).or_else(|| name.strip_suffix(mark));
            variants.extend(shorter.map(|shorter| shorter.trim_matches('-').to_owned()));
            variants.extend([format!("{mark}-{name}"), format!("{name}-{mark}"), format!("{mark}{name}")]);
        }
        variants.retain(|variant| variant != name && crate::pypi::is_valid_name(variant));
        for variant in &variants {
            self.facts.expect(variant, &super::requirement::Range::full(), &[]);
        }
        let versions =
            |variant: &String| self.facts.project(variant).map_or(0, |project| project.releases.len());
        let mut known: Vec<(usize, String)> =
            variants.into_iter().map(|variant| (versions(&variant), variant)).collect();
        known.retain(|(versions, _)| *versions > 0);
        known.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        known.into_iter().map(|(_, variant)| variant).take(3).collect()
    }

    /// Whether an index has another digest, other requirements or a newer version than recipes say: a line for each.
    pub fn differences(&self) -> Result<Vec<(String, String)>, ImportError> {
        let mut found = Vec::new();
        for written in &self.options.earlier {
            self.facts.expect(&normalized(&written.project), &super::requirement::Range::full(), &[]);
        }
        for written in &self.options.earlier {
            let name = normalized(&written.project);
            let mut add =
                |what: String| found.push((format!("{} {}", written.project, written.version), what));
            let project = match self.facts.project(&name) {
                Ok(project) => project,
                Err(error) if error.is_absent() => {
                    add("the index does not have it any more".to_owned());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let Ok(version) = Version::from_str(&written.version) else {
                add("its version is none".to_owned());
                continue;
            };
            let Some(release) = project.releases.get(&version) else {
                add(project
                    .rejected
                    .get(&version)
                    .map_or("the index has no such version any more".to_owned(), |reason| {
                        format!("not usable any more: {reason}")
                    }));
                continue;
            };
            if let Some(reason) = &release.yanked {
                add(format!("it was withdrawn: {reason}").trim_end_matches(": ").to_owned());
            }
            let files = [&release.source, &release.wheel];
            let same = |file: &&Option<crate::pypi::File>| {
                file.as_ref()
                    .and_then(|file| file.digest())
                    .is_some_and(|digest| digest.to_base32() == written.sha256)
            };
            if !files.iter().any(same) {
                add("its file has another hash than the index says".to_owned());
            }
            match self.facts.known(&(name.clone(), version.clone())) {
                Ok(known) => {
                    if writing::sorted(&known.metadata.requires_dist) != writing::sorted(&written.run_time) {
                        add("what it requires is not what the recipe says".to_owned());
                    }
                }
                Err(error @ (PypiError::Content { .. } | PypiError::WrongHash { .. })) => {
                    add(error.to_string())
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(newest) = project
                .best(&super::requirement::Range::full(), self.options.pre)
                .filter(|newest| newest.version > version)
            {
                found.push((
                    format!("{} {}", written.project, written.version),
                    format!("newer: {}", newest.version),
                ));
            }
        }
        Ok(found)
    }

    fn solve(
        &self,
        roots: &[Requirement],
        preferred: BTreeMap<String, Version>,
    ) -> Result<Solution, ImportError> {
        let rules =
            Rules { channel: Some(&self.channel), preferred, constraints: self.options.constraints.clone() };
        // What was asked for is imported, in the version that it has on the index.
        let solution = resolver::resolve(&self.facts, &rules, "the request", roots.to_vec());
        solution.map_err(|error| match error {
            ImportError::Pypi(PypiError::UnknownProject { name, indexes }) => {
                let near = self.near(&name).map_or_else(|| self.variants(&name), |near| vec![near]);
                if near.is_empty() {
                    return ImportError::Pypi(PypiError::UnknownProject { name, indexes });
                }
                let near: Vec<String> = near.iter().map(|near| format!("`{near}`")).collect();
                ImportError::Request(format!(
                    "there is no Python project `{name}` on {}; did you mean {}?",
                    indexes.join(", "),
                    near.join(" or ")
                ))
            }
            other => other,
        })
    }

    /// What the tests of requested projects need: extras, and groups of the pyproject.toml in their source.
    fn tests(
        &self,
        solution: &Solution,
        requested: &BTreeMap<String, Vec<String>>,
    ) -> Result<BTreeMap<String, Tests>, ImportError> {
        let is_for_tests = |name: &String| matches!(name.as_str(), "test" | "tests" | "testing");
        let mut found = BTreeMap::new();
        for name in requested.keys().filter(|_| self.options.tests) {
            let Some((version, _)) = solution.get(name) else { continue };
            let key = (name.clone(), version.clone());
            let extras = self.facts.known(&key)?.metadata.provides_extra.clone();
            let extras: Vec<String> =
                extras.iter().map(|extra| normalized(extra)).filter(is_for_tests).collect();
            let mut groups = Vec::new();
            let has_source = self.facts.release(&key)?.is_some_and(|release| release.source.is_some());
            if self.options.mode != Mode::Wheel && has_source {
                // What is wrong with the source is said when it is to be built.
                let text = self.facts.source(&key).ok();
                let text = text.as_ref().and_then(|source| source.text("pyproject.toml"));
                let given = groups::requirements(text.unwrap_or_default(), is_for_tests);
                groups = given
                    .iter()
                    .filter_map(|text| Requirement::parse(text).ok())
                    .filter(|requirement| requirement.applies(&self.facts.target().environment, &[]))
                    .collect();
            }
            found.insert(name.clone(), Tests { extras, groups });
        }
        Ok(found)
    }
}

impl Importer for PypiImporter {
    fn place(&self) -> &'static str {
        "the index of Python packages"
    }

    fn import(&self) -> Result<Imported, ImportError> {
        let begin = Instant::now();
        let mut roots = Vec::new();
        for root in &self.options.roots {
            if root.requirement.url.is_some() {
                return Err(ImportError::Request(format!(
                    "`{}` names an address; only an index is imported from",
                    root.requirement.text
                )));
            }
            if root.requirement.applies(&self.facts.target().environment, &[]) {
                roots.push(root.requirement.clone());
            }
        }
        let mut preferred: BTreeMap<String, Version> = BTreeMap::new();
        for written in &self.options.earlier {
            if let Ok(version) = Version::from_str(&written.version) {
                preferred.insert(normalized(&written.project), version);
            }
        }
        let mut solution = self.solve(&roots, preferred.clone())?;
        let resolving = begin.elapsed();
        let mut requested: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for root in roots.iter().filter(|root| {
            self.options.roots.iter().any(|given| given.named && given.requirement.name == root.name)
        }) {
            requested.entry(root.name.clone()).or_default().extend(root.extras.iter().cloned());
        }
        if requested.is_empty() {
            requested = roots.iter().map(|root| (root.name.clone(), root.extras.clone())).collect();
        }
        let tests = self.tests(&solution, &requested)?;
        if tests.values().any(|tests| !tests.extras.is_empty() || !tests.groups.is_empty()) {
            for root in &mut roots {
                if let Some(tests) = tests.get(&root.name) {
                    root.extras.extend(tests.extras.iter().cloned());
                }
            }
            roots.extend(tests.values().flat_map(|tests| tests.groups.iter().cloned()));
            preferred.extend(solution.iter().map(|(name, (version, _))| (name.clone(), version.clone())));
            solution = self.solve(&roots, preferred)?;
        }
        let plan =
            Planner::run(&self.facts, &self.channel, &solution, &requested, &tests, self.options.recursive)?;
        let imported = writing::recipes(&self.facts, &self.channel, &plan, &self.options)?;
        let wheels = plan.packages.values().filter(|package| package.wheel).count();
        let recipes = imported.recipes.len();
        let projects = solution.len();
        let statistics = Statistics { projects, resolving, whole: begin.elapsed(), recipes, wheels };
        *self.statistics.lock().unwrap_or_else(PoisonError::into_inner) = statistics;
        Ok(imported)
    }
}

/// The strings in an array of TOML; what is none has none.
fn texts(value: Option<&toml::Value>) -> Vec<String> {
    let list = value.and_then(toml::Value::as_array).into_iter().flatten();
    list.filter_map(toml::Value::as_str).map(str::to_owned).collect()
}
