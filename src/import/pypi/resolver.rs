//! Chooses one version of each project by PubGrub, and explains conflicts in words.
//!
//! Extras are packages of their own that depend on exactly the version of their project. Versions already chosen (by channels, by the run-time part
//! of the same import) are preferred where they fit. What the index cannot deliver at all ends the resolution;
//! what is wrong with one version only makes that version unusable.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use pep440_rs::Version;
use pubgrub::{
    DefaultStringReporter, Dependencies, DependencyProvider, DerivationTree, External,
    PackageResolutionStatistics, PubGrubError, Reporter as _,
};

use super::facts::Facts;
use super::provided::Channel;
use crate::import::{ImportError, Requirement, requirement::Range};
use crate::pypi::PypiError;

/// What versions are chosen of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Node {
    /// What the user asks for, by a description of it.
    Request(String),
    /// A project.
    Project(String),
    /// An extra of a project.
    Extra(String, String),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Request(what) => f.write_str(what),
            Node::Project(name) => f.write_str(name),
            Node::Extra(name, extra) => write!(f, "{name}[{extra}]"),
        }
    }
}

/// The version chosen of each project, and the extras wanted.
pub type Solution = BTreeMap<String, (Version, BTreeSet<String>)>;

/// What is preferred and what is required of everything.
#[derive(Default)]
pub struct Rules<'a> {
    /// What the channels have; preferred where it fits.
    pub channel: Option<&'a Channel>,
    /// Versions to prefer.
    pub preferred: BTreeMap<String, Version>,
    /// What any version must fulfil, whoever asks for it.
    pub constraints: Vec<Requirement>,
}

struct Provider<'a> {
    facts: &'a Facts,
    rules: &'a Rules<'a>,
    request: Vec<Requirement>,
    constraints: HashMap<String, Range>,
    /// The order in which projects came up.
    order: RefCell<HashMap<String, usize>>,
    /// Projects of which pre-releases were asked for.
    pre: RefCell<BTreeSet<String>>,
    /// Why there is no version at all of a project.
    unknown: RefCell<BTreeMap<String, PypiError>>,
}

/// Chooses versions for what is requested; `what` names the request in explanations.
pub fn resolve(
    facts: &Facts,
    rules: &Rules<'_>,
    what: &str,
    request: Vec<Requirement>,
) -> Result<Solution, ImportError> {
    let mut constraints: HashMap<String, Range> = HashMap::new();
    for constraint in &rules.constraints {
        if constraint.applies(&facts.target().environment, &[]) {
            let range = constraints.entry(constraint.name.clone()).or_insert_with(Range::full);
            *range = range.intersection(&constraint.range);
        }
    }
    for requirement in &request {
        facts.expect(&requirement.name, &requirement.range, &requirement.extras);
    }
    let provider = Provider {
        facts,
        rules,
        request,
        constraints,
        order: RefCell::default(),
        pre: RefCell::default(),
        unknown: RefCell::default(),
    };
    let root = Node::Request(what.to_owned());
    let found = pubgrub::resolve(&provider, root, Version::new([0_u64]));
    let chosen = found.map_err(|error| provider.explain(error))?;
    let mut solution = Solution::new();
    for (node, version) in chosen {
        match node {
            Node::Request(_) => {}
            Node::Project(name) => {
                solution.entry(name).or_insert_with(|| (version, BTreeSet::new()));
            }
            Node::Extra(name, extra) => {
                solution.entry(name).or_insert_with(|| (version, BTreeSet::new())).1.insert(extra);
            }
        }
    }
    Ok(solution)
}

impl Provider<'_> {
    fn choose(&self, name: &str, range: &Range) -> Result<Option<Version>, PypiError> {
        let preferred = self.rules.preferred.get(name);
        let provided = self.rules.channel.and_then(|channel| channel.version(name));
        if let Some(version) = provided.filter(|version| range.contains(version)) {
            return Ok(Some(version.clone()));
        }
        let project = match self.facts.project(name) {
            Ok(project) => project,
            Err(error @ PypiError::UnknownProject { .. }) => {
                self.unknown.borrow_mut().insert(name.to_owned(), error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if let Some(version) =
            preferred.filter(|version| range.contains(version) && project.releases.contains_key(*version))
        {
            return Ok(Some(version.clone()));
        }
        let pre = self.facts.policy().pre || self.pre.borrow().contains(name);
        Ok(project.best(range, pre).map(|release| release.version.clone()))
    }

    /// Requirements as pubgrub wants them: each node once.
    fn nodes<'r>(
        &self,
        requirements: impl Iterator<Item = &'r Requirement>,
    ) -> Result<Vec<(Node, Range)>, String> {
        let mut found: Vec<(Node, Range)> = Vec::new();
        let mut add = |node: Node, range: Range| match found.iter_mut().find(|(known, _)| *known == node) {
            Some((_, known)) => *known = known.intersection(&range),
            None => found.push((node, range)),
        };
        for requirement in requirements {
            if let Some(url) = &requirement.url {
                return Err(format!("wants `{}` from {url}, not from an index", requirement.name));
            }
            if requirement.names_pre {
                self.pre.borrow_mut().insert(requirement.name.clone());
            }
            self.facts.expect(&requirement.name, &requirement.range, &requirement.extras);
            let mut range = requirement.range.clone();
            if let Some(constraint) = self.constraints.get(&requirement.name) {
                range = range.intersection(constraint);
            }
            let count = self.order.borrow().len();
            self.order.borrow_mut().entry(requirement.name.clone()).or_insert(count);
            for extra in &requirement.extras {
                add(Node::Extra(requirement.name.clone(), extra.clone()), range.clone());
            }
            add(Node::Project(requirement.name.clone()), range);
        }
        Ok(found)
    }

    fn dependencies(
        &self,
        name: &str,
        version: &Version,
        extra: Option<&String>,
    ) -> Result<Result<Vec<(Node, Range)>, String>, PypiError> {
        let key = (name.to_owned(), version.clone());
        let provided = self.rules.channel.and_then(|channel| channel.version(name)) == Some(version);
        let known = match self.facts.known(&key) {
            Ok(known) => known,
            // What channels provide they provide with all that it needs.
            Err(_) if provided => return Ok(Ok(Vec::new())),
            Err(error @ (PypiError::Content { .. } | PypiError::WrongHash { .. })) => {
                return Ok(Err(format!("has unusable metadata ({error})")));
            }
            Err(error) if error.is_absent() => return Ok(Err(format!("has no metadata ({error})"))),
            Err(error) => return Err(error),
        };
        if let Some(reason) = &known.unreadable {
            return Ok(Err(format!("has metadata that cannot be read ({reason})")));
        }
        if let Some(python) =
            known.metadata.requires_python.as_ref().filter(|python| !self.facts.target().is_allowed(python))
        {
            return Ok(Err(format!("is for Python {python}")));
        }
        let environment = &self.facts.target().environment;
        let extras: Vec<String> = extra.iter().map(|extra| (*extra).clone()).collect();
        let own = |requirement: &&Requirement| {
            let plain = requirement.applies(environment, &[]);
            let wanted = match extra {
                None => plain,
                Some(_) => !plain && requirement.applies(environment, &extras),
            };
            // To depend on oneself says nothing, but for one's own extras.
            wanted && (requirement.name != name || !requirement.extras.is_empty())
        };
        let nodes = self.nodes(known.requirements.iter().filter(own));
        Ok(nodes.map(|mut nodes| {
            nodes.retain(|(node, _)| {
                *node != Node::Project(name.to_owned())
                    && Some(node) != extra.map(|extra| Node::Extra(name.to_owned(), extra.clone())).as_ref()
            });
            if extra.is_some() {
                nodes.push((Node::Project(name.to_owned()), Range::singleton(version.clone())));
            }
            nodes
        }))
    }

    fn explain(&self, error: PubGrubError<Self>) -> ImportError {
        match error {
            PubGrubError::NoSolution(mut tree) => {
                let unknown = self.unknown.borrow();
                // The plain case deserves plain words.
                if let Some(error) =
                    self.request.iter().find_map(|requirement| unknown.get(&requirement.name))
                {
                    return ImportError::Pypi(error.clone());
                }
                let mut notes = BTreeSet::new();
                self.note_absent(&tree, &mut notes);
                tree.collapse_no_versions();
                let mut text = plain(&DefaultStringReporter::report(&tree));
                for note in notes {
                    text.push_str("\n  ");
                    text.push_str(&note);
                }
                let pinned = (!self.rules.constraints.is_empty())
                    .then(|| "constraints of `--constraint` count for all requirements".to_owned());
                ImportError::Conflict { explanation: text, hint: pinned }
            }
            PubGrubError::ErrorRetrievingDependencies { source, .. }
            | PubGrubError::ErrorChoosingVersion { source, .. }
            | PubGrubError::ErrorInShouldCancel(source) => ImportError::Pypi(source),
        }
    }

    /// Says of ranges without any version what there is instead.
    fn note_absent(&self, tree: &DerivationTree<Node, Range, String>, notes: &mut BTreeSet<String>) {
        match tree {
            DerivationTree::External(External::NoVersions(
                Node::Project(name) | Node::Extra(name, _),
                range,
            )) => {
                if let Some(error) = self.unknown.borrow().get(name) {
                    notes.insert(error.to_string());
                } else if let Ok(project) = self.facts.project(name) {
                    let near = project.rejected.iter().rev().find(|(version, _)| range.contains(version));
                    let newest = project.releases.keys().next_back();
                    notes.insert(match (near, newest) {
                        (Some((version, reason)), _) => format!("{name} {version} fits, but is {reason}"),
                        (None, Some(newest)) => {
                            format!("the newest {name} that can be used here is {newest}")
                        }
                        (None, None) => format!("the index has no usable version of {name}"),
                    });
                }
            }
            DerivationTree::External(_) => {}
            DerivationTree::Derived(derived) => {
                self.note_absent(&derived.cause1, notes);
                self.note_absent(&derived.cause2, notes);
            }
        }
    }
}

/// An explanation without marks that stand for ends of ranges, and without the request's version.
fn plain(text: &str) -> String {
    let exact = regex::Regex::new(r">=(\S+), <(\S+)\.post0\.dev0").expect("it was tested");
    let text = exact.replace_all(text, |found: &regex::Captures<'_>| match (found.get(1), found.get(2)) {
        (Some(from), Some(to)) if from.as_str() == to.as_str() => format!("=={}", from.as_str()),
        _ => found.get(0).map_or("", |whole| whole.as_str()).to_owned(),
    });
    let marks = regex::Regex::new(r"(\[min\]|\[max\]|\.dev0\b|\+\[max\])").expect("it was tested");
    let text = marks
        .replace_all(&text, "")
        .replace(" 0 depends on ", " wants ")
        .replace(" 0 is forbidden", " cannot be met");
    text.lines().map(|line| format!("  {}", line.trim())).collect::<Vec<_>>().join("\n")
}

impl DependencyProvider for Provider<'_> {
    type P = Node;
    type V = Version;
    type VS = Range;
    type Priority = (u32, bool, Reverse<usize>);
    type M = String;
    type Err = PypiError;

    fn prioritize(
        &self,
        package: &Node,
        range: &Range,
        statistics: &PackageResolutionStatistics,
    ) -> Self::Priority {
        let order = match package {
            Node::Request(_) => return (u32::MAX, true, Reverse(0)),
            Node::Project(name) | Node::Extra(name, _) => {
                self.order.borrow().get(name).copied().unwrap_or(usize::MAX)
            }
        };
        (statistics.conflict_count(), range.as_singleton().is_some(), Reverse(order))
    }

    fn choose_version(&self, package: &Node, range: &Range) -> Result<Option<Version>, PypiError> {
        match package {
            Node::Request(_) => Ok(Some(Version::new([0_u64]))),
            Node::Project(name) | Node::Extra(name, _) => self.choose(name, range),
        }
    }

    fn get_dependencies(
        &self,
        package: &Node,
        version: &Version,
    ) -> Result<Dependencies<Node, Range, String>, PypiError> {
        let found = match package {
            Node::Request(_) => self.nodes(self.request.iter()),
            Node::Project(name) => self.dependencies(name, version, None)?,
            Node::Extra(name, extra) => self.dependencies(name, version, Some(extra))?,
        };
        Ok(match found {
            Ok(nodes) => Dependencies::Available(nodes.into_iter().collect()),
            Err(reason) => Dependencies::Unavailable(reason),
        })
    }
}
