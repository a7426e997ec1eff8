//! From chosen versions to packages that can be built: what each is made from and what it needs for that.
//!
//! Requirements of builds are resolved after those at run time, and take the versions already chosen wherever they fit, so that there is one version
//! of a project unless two are forced. What cannot be built becomes a wheel, and that is said.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use pep440_rs::Version;

use super::build::{self, Build};
use super::facts::{Facts, Key, Known};
use super::project::{Mode, Release};
use super::provided::Channel;
use super::resolver::{self, Rules, Solution};
use crate::import::{ImportError, Requirement, recipe::Reference};
use crate::pypi::{File, PypiError};

/// Something that a package needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It is imported too.
    Own(Key),
    /// A channel has it.
    Channel(Reference),
}

/// A package to write a recipe of.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Project and version.
    pub key: Key,
    /// The file that it is made from.
    pub file: File,
    /// Whether that is a wheel.
    pub wheel: bool,
    /// What the index says of it.
    pub known: Arc<Known>,
    /// What its build needs, for sources.
    pub build: Build,
    /// Needed to build it.
    pub native: BTreeSet<Need>,
    /// Needed to use it.
    pub run_time: BTreeSet<Need>,
    /// What a reader of the recipe should know.
    pub remarks: Vec<String>,
    /// Whether it lacks something at run time that would make a cycle.
    pub incomplete: bool,
}

/// What the tests of a project need.
#[derive(Debug, Clone, Default)]
pub struct Tests {
    /// Its extras for tests.
    pub extras: Vec<String>,
    /// The requirements of its groups for tests.
    pub groups: Vec<Requirement>,
}

/// Packages by project and version, and what is to be said about them.
#[derive(Default)]
pub struct Plan {
    /// The packages.
    pub packages: BTreeMap<Key, Planned>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// Makes plans.
pub struct Planner<'a> {
    facts: &'a Facts,
    channel: &'a Channel,
    /// The versions chosen so far.
    chosen: BTreeMap<String, Version>,
    /// What sets of requirements of builds came to.
    builds: HashMap<Vec<String>, Result<BTreeMap<String, Version>, String>>,
    plan: Plan,
}

type Scope = BTreeMap<String, Version>;

impl<'a> Planner<'a> {
    /// Plans all of a solution, or only what is requested when it is not `recursive`.
    pub fn run(
        facts: &'a Facts,
        channel: &'a Channel,
        solution: &Solution,
        requested: &BTreeMap<String, Vec<String>>,
        tests: &BTreeMap<String, Tests>,
        recursive: bool,
    ) -> Result<Plan, ImportError> {
        let chosen: Scope =
            solution.iter().map(|(name, (version, _))| (name.clone(), version.clone())).collect();
        let mut planner = Planner { facts, channel, chosen, builds: HashMap::new(), plan: Plan::default() };
        let own = |name: &&String| {
            let wanted = requested.contains_key(*name);
            // What was asked for is imported even if a channel has it.
            wanted || (recursive && channel.version(name) != solution.get(*name).map(|(version, _)| version))
        };
        let mut wave: Vec<(Key, Scope)> = solution
            .iter()
            .filter(|(name, _)| own(name))
            .map(|(name, (version, _))| ((name.clone(), version.clone()), Scope::new()))
            .collect();
        while !wave.is_empty() {
            for (key, _) in &wave {
                let release = facts.release(key)?;
                let has = |file: fn(&Release) -> bool| release.as_ref().is_some_and(file);
                let by_wheel = facts.policy().mode == Mode::Wheel && has(|release| release.wheel.is_some());
                if !by_wheel && has(|release| release.source.is_some()) {
                    facts.expect_source(key);
                }
            }
            planner.choose_together(&wave)?;
            let mut next = Vec::new();
            for (key, scope) in wave {
                if planner.plan.packages.contains_key(&key) {
                    continue;
                }
                let extras = requested.get(&key.0).cloned().unwrap_or_default();
                let mut planned = planner.one(&key, &scope, extras)?;
                if let Some(tests) = tests.get(&key.0).filter(|_| !planned.wheel) {
                    let known = Arc::clone(&planned.known);
                    let mut all = planner.needs(&known.requirements, &tests.extras, &scope, &key.0)?;
                    all.extend(planner.needs(&tests.groups, &[], &scope, &key.0)?);
                    planned.native.extend(all.difference(&planned.run_time).cloned());
                    if tests.extras.is_empty() && tests.groups.is_empty() {
                        planner.plan.notes.push(format!(
                            "{} does not say what its tests need: there is no extra and no group of that name",
                            key.0
                        ));
                    }
                }
                if recursive {
                    for need in planned.native.iter().chain(&planned.run_time) {
                        if let Need::Own(needed) = need {
                            next.push((needed.clone(), scope.clone()));
                        }
                    }
                }
                planner.plan.packages.insert(key, planned);
            }
            wave = next;
            wave.retain(|(key, _)| !planner.plan.packages.contains_key(key));
            wave.sort();
            wave.dedup_by(|one, other| one.0 == other.0);
        }
        if !recursive {
            planner.note_what_is_left();
        }
        let Planner { mut plan, .. } = planner;
        super::cycles::break_cycles(&mut plan, facts)?;
        Ok(plan)
    }

    /// Says what recipes refer to and nothing has.
    fn note_what_is_left(&mut self) {
        let packages = self.plan.packages.values();
        let needs = packages.flat_map(|package| package.native.iter().chain(&package.run_time));
        let left: BTreeSet<String> = needs
            .filter_map(|need| match need {
                Need::Own(key) if !self.plan.packages.contains_key(key) => {
                    Some(format!("{} {}", key.0, key.1))
                }
                _ => None,
            })
            .collect();
        if !left.is_empty() {
            let left: Vec<String> = left.into_iter().collect();
            self.plan.notes.push(format!(
                "no channel has {}: these were not imported, and the recipes cannot be used without; `--recursive` imports them as well",
                left.join(", ")
            ));
        }
    }

    /// Chooses versions for the builds of several packages at once, where that can be: what does not fit together is left to each.
    fn choose_together(&mut self, wave: &[(Key, Scope)]) -> Result<(), ImportError> {
        let mut lists: Vec<Vec<Requirement>> = Vec::new();
        for (key, scope) in wave {
            let release = self.facts.release(key)?;
            let wheel = self.facts.policy().mode == Mode::Wheel
                && release.as_ref().is_some_and(|release| release.wheel.is_some());
            if wheel || !scope.is_empty() || release.is_none_or(|release| release.source.is_none()) {
                continue;
            }
            // What is wrong with it is said where its turn comes.
            let Ok(source) = self.facts.source(key) else { continue };
            let mut build = build::of_source(&key.0, &source, self.channel.natives());
            if build.complete(&source, self.channel).is_err() {
                continue;
            }
            let parsed = build.requires.iter().filter_map(|text| Requirement::parse(text).ok());
            lists.push(parsed.filter(|one| one.applies(&self.facts.target().environment, &[])).collect());
        }
        while !lists.is_empty() {
            let mut requirements: Vec<Requirement> = Vec::new();
            for requirement in lists.iter().flatten() {
                if !requirements.iter().any(|known| known.text == requirement.text) {
                    requirements.push(requirement.clone());
                }
            }
            let rules = Rules {
                channel: Some(self.channel),
                preferred: self.chosen.clone(),
                constraints: Vec::new(),
            };
            match resolver::resolve(self.facts, &rules, "the builds", requirements) {
                Ok(solution) => {
                    for (name, (version, _)) in solution {
                        self.chosen.entry(name).or_insert(version);
                    }
                    return Ok(());
                }
                Err(ImportError::Pypi(PypiError::UnknownProject { name, .. })) => {
                    lists.retain(|list| list.iter().all(|requirement| requirement.name != name));
                }
                Err(error @ ImportError::Pypi(PypiError::Stopped)) => return Err(error),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    fn one(&mut self, key: &Key, scope: &Scope, extras: Vec<String>) -> Result<Planned, ImportError> {
        let release = self
            .facts
            .release(key)?
            .ok_or_else(|| PypiError::NoFile { project: key.0.clone(), file: key.1.to_string() })?;
        let known = self.facts.known(key)?;
        let mode = self.facts.policy().mode;
        if let Some(provided) = self.channel.version(&key.0) {
            self.plan.notes.push(format!(
                "{} {} is imported: {provided}, which the channels have, does not fit",
                key.0, key.1
            ));
        }
        let mut remarks: Vec<String> = known.remark.iter().cloned().collect();
        let run_time = self.needs(&known.requirements, &extras, scope, &key.0)?;
        let mut planned = Planned {
            key: key.clone(),
            file: File {
                ..release
                    .wheel
                    .clone()
                    .or(release.source.clone())
                    .ok_or_else(|| PypiError::NoFile { project: key.0.clone(), file: key.1.to_string() })?
            },
            wheel: true,
            known,
            build: Build::default(),
            native: BTreeSet::new(),
            run_time,
            remarks: Vec::new(),
            incomplete: false,
        };
        if mode == Mode::Wheel && release.wheel.is_some() {
            planned.remarks = remarks;
            return Ok(planned);
        }
        let reason = match &release.source {
            None => "it has no source distribution".to_owned(),
            Some(file) => match self.source_build(key, scope)? {
                Ok((build, native)) => {
                    remarks.extend(build.remark.clone());
                    return Ok(Planned {
                        file: file.clone(),
                        wheel: false,
                        build,
                        native,
                        remarks,
                        ..planned
                    });
                }
                Err(reason) => reason,
            },
        };
        if release.wheel.is_none() || mode == Mode::SourceOnly {
            let (name, version) = (key.0.clone(), key.1.to_string());
            let wheel = if mode == Mode::SourceOnly {
                ""
            } else {
                ", and it has no wheel for this machine and Python"
            };
            return Err(ImportError::Unobtainable { name, version, reason: format!("{reason}{wheel}") });
        }
        self.plan.notes.push(format!("{} {} is a wheel: {reason}", key.0, key.1));
        remarks.push(format!("a wheel: {reason}"));
        planned.remarks = remarks;
        Ok(planned)
    }

    /// What building from source takes, or why it cannot be done.
    fn source_build(
        &mut self,
        key: &Key,
        scope: &Scope,
    ) -> Result<Result<(Build, BTreeSet<Need>), String>, ImportError> {
        let source = match self.facts.source(key) {
            Ok(source) => source,
            Err(error @ (PypiError::Content { .. } | PypiError::WrongHash { .. })) => {
                return Ok(Err(format!("its source distribution cannot be used ({error})")));
            }
            Err(error) => return Err(error.into()),
        };
        let mut build = build::of_source(&key.0, &source, self.channel.natives());
        if let Err(reason) = build.complete(&source, self.channel) {
            return Ok(Err(reason));
        }
        let mut requirements = Vec::new();
        for text in &build.requires {
            match Requirement::parse(text) {
                Ok(requirement) if requirement.applies(&self.facts.target().environment, &[]) => {
                    requirements.push(requirement)
                }
                Ok(_) => {}
                Err(reason) => {
                    return Ok(Err(format!("a requirement of its build cannot be read: {reason}")));
                }
            }
        }
        requirements.retain(|requirement| requirement.name != key.0);
        let mut own_scope = scope.clone();
        let missing = requirements.iter().any(|requirement| {
            let version = self.version_of(&requirement.name, scope);
            !requirement.extras.is_empty() || version.is_none_or(|version| !requirement.allows(version))
        });
        if missing {
            let mut texts: Vec<String> =
                requirements.iter().map(|requirement| requirement.text.clone()).collect();
            texts.sort();
            let solved = match self.builds.get(&texts) {
                Some(solved) => solved.clone(),
                None => {
                    let rules = Rules {
                        channel: Some(self.channel),
                        preferred: self.chosen.clone(),
                        constraints: Vec::new(),
                    };
                    let what = format!("the build of {}", key.0);
                    let solved = match resolver::resolve(self.facts, &rules, &what, requirements.clone()) {
                        Ok(solution) => {
                            Ok(solution.into_iter().map(|(name, (version, _))| (name, version)).collect())
                        }
                        Err(ImportError::Conflict { explanation, .. }) => {
                            Err(format!("what its build requires does not fit together:\n{explanation}"))
                        }
                        Err(ImportError::Pypi(error)) if error.is_absent() => {
                            Err(format!("something that its build requires cannot be had: {error}"))
                        }
                        Err(error) => return Err(error),
                    };
                    self.builds.insert(texts, solved.clone());
                    solved
                }
            };
            match solved {
                Err(reason) => return Ok(Err(reason)),
                Ok(found) => {
                    for (name, version) in found {
                        match self.version_of(&name, scope) {
                            Some(known) if *known == version => {}
                            Some(known) => {
                                if !own_scope.contains_key(&name) {
                                    let note = format!(
                                        "the build of {} needs {name} {version} beside {known}",
                                        key.0
                                    );
                                    if !self.plan.notes.contains(&note) {
                                        self.plan.notes.push(note);
                                    }
                                }
                                own_scope.insert(name, version);
                            }
                            None => {
                                self.chosen.insert(name, version);
                            }
                        }
                    }
                }
            }
        }
        let native = self.needs(&requirements, &[], &own_scope, &key.0)?;
        Ok(Ok((build, native)))
    }

    /// The version that a project has in a scope: an exception of that scope, what was chosen, or what a channel has.
    fn version_of<'s>(&'s self, name: &str, scope: &'s Scope) -> Option<&'s Version> {
        scope.get(name).or_else(|| self.chosen.get(name)).or_else(|| self.channel.version(name))
    }

    /// What requirements come to, with the requirements of the extras they ask for.
    fn needs(
        &self,
        requirements: &[Requirement],
        extras: &[String],
        scope: &Scope,
        own: &str,
    ) -> Result<BTreeSet<Need>, ImportError> {
        let mut found = BTreeSet::new();
        let environment = &self.facts.target().environment;
        let mut open: Vec<Requirement> = requirements
            .iter()
            .filter(|requirement| requirement.applies(environment, extras))
            .cloned()
            .collect();
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        while let Some(requirement) = open.pop() {
            let Some(version) = self.version_of(&requirement.name, scope) else { continue };
            let key = (requirement.name.clone(), version.clone());
            for extra in &requirement.extras {
                if !seen.insert((requirement.name.clone(), extra.clone())) {
                    continue;
                }
                let known = match self.facts.known(&key) {
                    Ok(known) => known,
                    Err(error) if error.is_absent() => continue,
                    Err(error) => return Err(error.into()),
                };
                let wanted = [extra.clone()];
                let more = known
                    .requirements
                    .iter()
                    .filter(|more| !more.applies(environment, &[]) && more.applies(environment, &wanted));
                open.extend(more.cloned());
            }
            if requirement.name == own {
                continue;
            }
            let provided = self.channel.version(&requirement.name) == Some(version);
            found.insert(match self.channel.python(&requirement.name).filter(|_| provided) {
                Some(reference) => Need::Channel(reference.clone()),
                None => Need::Own(key),
            });
        }
        Ok(found)
    }
}
