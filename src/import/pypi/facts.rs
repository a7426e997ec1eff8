//! What the index says, asked for ahead of the resolver by several threads.
//!
//! As soon as a requirement is known, its project's page is asked for; when that came, the metadata of the version that will most likely be
//! taken; when those came, the pages of what it requires. So a resolver that takes one step after another rarely waits.
//! Answers are kept for the whole import. Invariant: an answer, good or bad, is given once and never changes.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use pep440_rs::Version;

use super::project::{Policy, Project, Release};
use super::texts;
use crate::import::{Requirement, Target, requirement::Range};
use crate::pypi::{Experience, Index, Metadata, PypiError, Source, requirements_of_egg};

/// A version of a project.
pub type Key = (String, Version);

/// Everything that is known.
pub struct Facts {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    index: Index,
    target: Target,
    policy: Policy,
    experience: Experience,
    state: Mutex<State>,
    changed: Condvar,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    projects: HashMap<String, Slot<Project>>,
    requirements: HashMap<Key, Slot<Known>>,
    sources: HashMap<Key, Slot<Source>>,
    /// What was asked of each project so far, to guess the version that will be taken.
    wanted: HashMap<String, (Range, Vec<String>)>,
    done: usize,
    asked: usize,
    ended: bool,
}

enum Slot<T> {
    Asked,
    Answered(Result<Arc<T>, PypiError>),
}

#[derive(Clone)]
enum Job {
    Project(String),
    Metadata(Key),
    Source(Key),
}

/// The metadata of a version, its requirements read.
#[derive(Debug)]
pub struct Known {
    /// As the index has them.
    pub metadata: Metadata,
    /// The requirements that could be read.
    pub requirements: Vec<Requirement>,
    /// What is wrong with others.
    pub unreadable: Option<String>,
    /// Where requirements come from when no wheel and no static metadata tell.
    pub remark: Option<String>,
}

impl Facts {
    /// Starts so many threads.
    pub fn new(index: Index, target: Target, policy: Policy, connections: usize) -> Facts {
        let shared = Arc::new(Shared {
            index,
            target,
            policy,
            experience: Experience::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
            work: Condvar::new(),
        });
        let thread = |_| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.serve())
        };
        let threads = (0..connections.max(1)).map(thread).collect();
        Facts { shared, threads }
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.shared.target
    }

    /// What candidates must be.
    pub fn policy(&self) -> &Policy {
        &self.shared.policy
    }

    /// The index.
    pub fn index(&self) -> &Index {
        &self.shared.index
    }

    /// How many questions were answered, and asked.
    pub fn progress(&self) -> (usize, usize) {
        let state = self.shared.lock();
        (state.done, state.asked)
    }

    /// Asks ahead for what a requirement will need.
    pub fn expect(&self, name: &str, range: &Range, extras: &[String]) {
        let mut state = self.shared.lock();
        self.shared.expect(&mut state, name, range, extras);
    }

    /// Asks ahead for a source distribution.
    pub fn expect_source(&self, key: &Key) {
        let mut state = self.shared.lock();
        if !state.sources.contains_key(key) {
            state.sources.insert(key.clone(), Slot::Asked);
            self.shared.enqueue(&mut state, Job::Source(key.clone()));
        }
    }

    /// The versions of a project.
    pub fn project(&self, name: &str) -> Result<Arc<Project>, PypiError> {
        self.shared.wait(|state| &mut state.projects, &name.to_owned(), Job::Project(name.to_owned()))
    }

    /// A version of a project.
    pub fn release(&self, key: &Key) -> Result<Option<Release>, PypiError> {
        Ok(self.project(&key.0)?.releases.get(&key.1).cloned())
    }

    /// The metadata of a version.
    pub fn known(&self, key: &Key) -> Result<Arc<Known>, PypiError> {
        self.shared.wait(|state| &mut state.requirements, key, Job::Metadata(key.clone()))
    }

    /// What the source distribution of a version says.
    pub fn source(&self, key: &Key) -> Result<Arc<Source>, PypiError> {
        self.shared.wait(|state| &mut state.sources, key, Job::Source(key.clone()))
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.work.notify_all();
        // Who waits for a server that is silent would keep a stopped program from ending.
        if self.shared.index.web().is_stopped() {
            return;
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enqueue(&self, state: &mut State, job: Job) {
        state.asked += 1;
        state.queue.push_back(job);
        self.work.notify_one();
    }

    fn expect(&self, state: &mut State, name: &str, range: &Range, extras: &[String]) {
        let wanted = state.wanted.entry(name.to_owned()).or_insert_with(|| (Range::full(), Vec::new()));
        let narrowed = wanted.0.intersection(range);
        if !narrowed.is_empty() {
            wanted.0 = narrowed;
        }
        let mut more = false;
        for extra in extras {
            if !wanted.1.contains(extra) {
                wanted.1.push(extra.clone());
                more = true;
            }
        }
        match state.projects.get(name) {
            None => {
                state.projects.insert(name.to_owned(), Slot::Asked);
                self.enqueue(state, Job::Project(name.to_owned()));
            }
            Some(Slot::Answered(Ok(project))) => {
                let project = Arc::clone(project);
                self.guess(state, name, &project, more);
            }
            Some(_) => {}
        }
    }

    /// Asks for the metadata of the version that fits what is known by now.
    fn guess(&self, state: &mut State, name: &str, project: &Project, again: bool) {
        let (range, extras) = state.wanted.get(name).cloned().unwrap_or((Range::full(), Vec::new()));
        let Some(best) = project.best(&range, self.policy.pre) else { return };
        let key = (name.to_owned(), best.version.clone());
        match state.requirements.get(&key) {
            None => {
                state.requirements.insert(key.clone(), Slot::Asked);
                self.enqueue(state, Job::Metadata(key));
            }
            Some(Slot::Answered(Ok(known))) if again => {
                let known = Arc::clone(known);
                self.follow(state, &known, &extras);
            }
            Some(_) => {}
        }
    }

    /// Asks for the pages of what a version requires.
    fn follow(&self, state: &mut State, known: &Known, extras: &[String]) {
        for requirement in &known.requirements {
            if requirement.url.is_none() && requirement.applies(&self.target.environment, extras) {
                self.expect(state, &requirement.name, &requirement.range, &requirement.extras);
            }
        }
    }

    fn wait<K: Hash + Eq + Clone, T>(
        &self,
        slots: impl Fn(&mut State) -> &mut HashMap<K, Slot<T>>,
        key: &K,
        job: Job,
    ) -> Result<Arc<T>, PypiError> {
        let mut state = self.lock();
        loop {
            match slots(&mut state).get(key) {
                Some(Slot::Answered(answer)) => return answer.clone(),
                Some(Slot::Asked) => {}
                None => {
                    slots(&mut state).insert(key.clone(), Slot::Asked);
                    // Somebody waits for it.
                    state.asked += 1;
                    state.queue.push_front(job.clone());
                    self.work.notify_one();
                }
            }
            let pause = std::time::Duration::from_millis(100);
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            if self.index.web().is_stopped() {
                return Err(PypiError::Stopped);
            }
        }
    }

    fn serve(&self) {
        let mut state = self.lock();
        loop {
            if state.ended {
                return;
            }
            let Some(job) = state.queue.pop_front() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            match job {
                Job::Project(name) => {
                    let files = self.index.files(&name);
                    let answer =
                        files.map(|files| Arc::new(Project::new(&name, files, &self.target, &self.policy)));
                    state = self.lock();
                    if let Ok(project) = &answer
                        && state.wanted.contains_key(&name)
                    {
                        self.guess(&mut state, &name, project, false);
                    }
                    state.projects.insert(name, Slot::Answered(answer));
                }
                Job::Metadata(key) => {
                    let answer = self.ask_metadata(&key).map(Arc::new);
                    state = self.lock();
                    if let Ok(known) = &answer {
                        let extras =
                            state.wanted.get(&key.0).map(|(_, extras)| extras.clone()).unwrap_or_default();
                        self.follow(&mut state, known, &extras);
                    }
                    state.requirements.insert(key, Slot::Answered(answer));
                }
                Job::Source(key) => {
                    let answer = self.ask_source(&key).map(Arc::new);
                    state = self.lock();
                    state.sources.insert(key, Slot::Answered(answer));
                }
            }
            state.done += 1;
            self.changed.notify_all();
        }
    }

    fn release(&self, key: &Key) -> Result<Release, PypiError> {
        let project = self.wait(|state| &mut state.projects, &key.0, Job::Project(key.0.clone()))?;
        project
            .releases
            .get(&key.1)
            .cloned()
            .ok_or_else(|| PypiError::NoFile { project: key.0.clone(), file: key.1.to_string() })
    }

    fn ask_source(&self, key: &Key) -> Result<Source, PypiError> {
        let missing = || PypiError::NoFile { project: key.0.clone(), file: format!("{}.tar.gz", key.1) };
        self.index.source(&self.release(key)?.source.ok_or_else(missing)?)
    }

    fn ask_metadata(&self, key: &Key) -> Result<Known, PypiError> {
        let release = self.release(key)?;
        let mut remark = None;
        let metadata = match (&release.wheel, &release.source, &release.foreign) {
            (Some(wheel), ..) => self.index.wheel_metadata(wheel, &self.experience)?,
            (None, Some(file), foreign) => {
                let (metadata, said) = of_source(&self.index.source(file)?, &file.name)?;
                match (said, foreign) {
                    // What wheels for other machines require is judged by markers as well.
                    (Some(_), Some(foreign)) => self.index.wheel_metadata(foreign, &self.experience)?,
                    (said, _) => {
                        remark = said;
                        metadata
                    }
                }
            }
            (None, None, Some(foreign)) => self.index.wheel_metadata(foreign, &self.experience)?,
            (None, None, None) => {
                return Err(PypiError::NoFile { project: key.0.clone(), file: key.1.to_string() });
            }
        };
        let (mut requirements, mut unreadable) = (Vec::new(), None);
        for text in &metadata.requires_dist {
            match Requirement::parse(text) {
                Ok(requirement) => requirements.push(requirement),
                Err(reason) => unreadable = Some(reason),
            }
        }
        Ok(Known { metadata, requirements, unreadable, remark })
    }
}

/// The metadata that a source distribution has, and what is uncertain about its requirements.
fn of_source(source: &Source, file: &str) -> Result<(Metadata, Option<String>), PypiError> {
    let text = source
        .text("PKG-INFO")
        .ok_or_else(|| PypiError::content(file, "it has no `PKG-INFO` at its root"))?;
    let mut metadata = Metadata::parse(&format!("{file}/PKG-INFO"), text.as_bytes())?;
    if metadata.is_static() {
        return Ok((metadata, None));
    }
    if let Some(requires) = &source.requires {
        metadata.requires_dist = requirements_of_egg(requires);
        return Ok((metadata, None));
    }
    let project: Option<toml::Table> =
        source.text("pyproject.toml").and_then(|text| toml::from_str(text).ok());
    let project = project.as_ref().and_then(|table| table.get("project")?.as_table());
    let is_dynamic = |project: &toml::Table| {
        project
            .get("dynamic")
            .and_then(toml::Value::as_array)
            .is_some_and(|fields| fields.iter().any(|field| field.as_str() == Some("dependencies")))
    };
    if let Some(project) = project.filter(|project| !is_dynamic(project)) {
        metadata.requires_dist = declared(project);
        return Ok((metadata, None));
    }
    let uncertain = metadata.requires_dist.is_empty()
        && source.text("setup.py").is_some_and(|text| text.contains("install_requires"));
    let remark = uncertain
        .then(|| "what it requires is only known when it is built: its setup.py computes it".to_owned());
    Ok((metadata, remark))
}

/// The dependencies of a table `[project]`, as metadata would have them.
fn declared(project: &toml::Table) -> Vec<String> {
    let mut found = texts(project.get("dependencies"));
    let extras = project.get("optional-dependencies").and_then(toml::Value::as_table).into_iter().flatten();
    for (extra, list) in extras {
        for text in texts(Some(list)) {
            let (requirement, marker) =
                text.split_once(';').map_or((text.as_str(), None), |(a, b)| (a, Some(b)));
            let marker = marker.map(|marker| format!("({}) and ", marker.trim())).unwrap_or_default();
            found.push(format!("{} ; {marker}extra == \"{extra}\"", requirement.trim()));
        }
    }
    found
}
