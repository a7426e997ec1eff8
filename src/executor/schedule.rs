//! Ready queues over the plan.
//!
//! Fetches, grafts and builds have queues and threads of their own, so that a slow mirror never keeps a processor idle. Of what is
//! ready, that comes first on which the longest chain of other work waits. What another process is making just now is put off and
//! tried again, so that processes which share a store share its work. When a derivation fails, what needs it is given up and
//! everything else goes on, unless the first failure is to stop all.
//!
//! Invariant: every derivation of the plan gets exactly one result.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Action, BuildResult, Cancel, Event, ExecutorError, Jobserver, LocalExecutor, Observer, Options, Plan,
    Summary, Wanted, cancel::SignalWatch, fetchurl::FetchExecutor, graft::GraftExecutor, plan,
    zygote::Zygote,
};
use crate::{
    graph::{HashedGraph, HashedNode, NodeId},
    store::LocalStore,
    store_path::StorePath,
};

/// How often what another process makes is looked at again: often at first, for short builds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// One derivation to realise: everything an executor sees.
pub struct Task<'a> {
    /// Its name among events.
    pub id: NodeId,
    /// The derivation.
    pub node: &'a HashedNode,
    /// What it needs directly, all valid: outputs of other derivations, and sources.
    pub inputs: Vec<StorePath>,
    /// What is to be done.
    pub action: Action,
    /// Who is told of progress.
    pub observer: &'a dyn Observer,
    /// When to stop.
    pub cancel: &'a Cancel,
}

/// A place where derivations are realised.
pub trait Executor: Sync {
    /// How many it takes at the same time.
    fn slots(&self) -> usize;

    /// Realises one and waits for its end. On success all its outputs are valid. Nothing, at once, when another process is
    /// making it.
    fn realise(&self, task: &Task<'_>) -> Option<BuildResult>;
}

/// Makes the wanted outputs valid on this machine.
///
/// Failures of derivations are in the summary; an error means that nothing was begun. While it works, SIGINT, SIGTERM and
/// SIGHUP stop it in good order.
pub fn realise(
    graph: &HashedGraph,
    wanted: &[Wanted],
    store: &LocalStore,
    options: &Options,
    observer: &dyn Observer,
) -> Result<Summary, ExecutorError> {
    let started = Instant::now();
    if options.check && !options.sandbox {
        return Err(ExecutorError::CheckWithoutSandbox);
    }
    let plan = plan::plan(graph, wanted, store, options.check)?;
    observer.observe(Event::Planned(&plan));
    if plan.is_empty() {
        return Ok(Summary { elapsed: started.elapsed(), ..Summary::default() });
    }
    plan::check_sources(graph, &plan, store)?;
    if options.sandbox && !plan.build.is_empty() {
        crate::sandbox::available().map_err(|missing| ExecutorError::NoSandbox { missing })?;
    }
    let failed = |what: &str| {
        let what = what.to_owned();
        move |source| ExecutorError::Machinery { what, source }
    };
    let cancel = Cancel::new().map_err(failed("make a pipe"))?;
    let jobserver = Jobserver::new(options.cores).map_err(failed("make the jobserver's pipe"))?;
    let fetchers = FetchExecutor::new(store, options);
    let grafters = GraftExecutor::new(store, options);
    let run = |builders: Option<&dyn Executor>| -> Result<Summary, ExecutorError> {
        let mut signals = SignalWatch::new().map_err(failed("watch for signals"))?;
        let scheduler = Scheduler::new(graph, &plan, options.fail_fast, observer, &cancel);
        let mut executors: Vec<(Queue, &dyn Executor)> =
            vec![(Queue::Fetches, &fetchers), (Queue::Grafts, &grafters)];
        executors.extend(builders.map(|builders| (Queue::Builds, builders)));
        let interrupted = scheduler.run(&executors, &mut signals);
        Ok(scheduler.summary(interrupted, started))
    };
    if plan.build.is_empty() {
        return run(None);
    }
    // In this thread, which lives until all is done: the zygote ends with the thread that started it.
    let zygote = Zygote::start(&options.program, &jobserver)
        .map_err(failed(&format!("start `{} __build`", options.program.display())))?;
    let builders = LocalExecutor::new(store, options, &zygote, &jobserver)?;
    run(Some(&builders))
}

/// Position in a queue: the longest chain first, then the order of the graph.
type Place = (usize, Reverse<NodeId>);

#[derive(Default)]
struct State {
    /// Needs that are not realised yet, of each derivation that waits.
    waiting: BTreeMap<NodeId, usize>,
    ready: BTreeMap<Queue, BinaryHeap<Place>>,
    /// What other processes were making when last looked at.
    put_off: Vec<PutOff>,
    results: BTreeMap<NodeId, BuildResult>,
}

/// A derivation that another process was making.
struct PutOff {
    id: NodeId,
    queue: Queue,
    /// When to look again.
    due: Instant,
    /// How long it was put off.
    pause: Duration,
}

/// Runs one plan.
struct Scheduler<'a> {
    graph: &'a HashedGraph,
    plan: &'a Plan,
    queues: BTreeMap<NodeId, Queue>,
    users: BTreeMap<NodeId, Vec<NodeId>>,
    chains: BTreeMap<NodeId, usize>,
    fail_fast: bool,
    observer: &'a dyn Observer,
    cancel: &'a Cancel,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queue {
    Fetches,
    Grafts,
    Builds,
}

impl<'a> Scheduler<'a> {
    fn new(
        graph: &'a HashedGraph,
        plan: &'a Plan,
        fail_fast: bool,
        observer: &'a dyn Observer,
        cancel: &'a Cancel,
    ) -> Self {
        let mut users: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
        for (id, needs) in &plan.needs {
            for need in needs {
                users.entry(*need).or_default().push(*id);
            }
        }
        let scheduler = Scheduler {
            graph,
            plan,
            queues: [
                (Queue::Fetches, &plan.fetch),
                (Queue::Grafts, &plan.graft),
                (Queue::Builds, &plan.build),
            ]
            .into_iter()
            .flat_map(|(queue, ids)| ids.iter().map(move |id| (*id, queue)))
            .collect(),
            chains: chains(plan, &users),
            users,
            fail_fast,
            observer,
            cancel,
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        let mut state = scheduler.lock();
        for (id, needs) in &plan.needs {
            if needs.is_empty() {
                scheduler.enqueue(&mut state, *id);
            } else {
                state.waiting.insert(*id, needs.len());
            }
        }
        drop(state);
        scheduler
    }

    /// Runs everything; answers whether a signal stopped it.
    fn run(&self, executors: &[(Queue, &dyn Executor)], signals: &mut SignalWatch) -> bool {
        let caught = signals.caught().try_clone();
        std::thread::scope(|scope| {
            let watcher = caught.ok().map(|caught| {
                scope.spawn(move || {
                    let caught = SignalWatch::watch(&caught, self.cancel);
                    // Under the lock, so that no worker is between looking and waiting.
                    drop(self.lock());
                    self.changed.notify_all();
                    caught
                })
            });
            let mut workers = Vec::new();
            for (queue, executor) in executors.iter().copied() {
                let count = self.queues.values().filter(|one| **one == queue).count();
                for _ in 0..count.min(executor.slots().max(1)) {
                    workers.push(scope.spawn(move || self.work(queue, executor)));
                }
            }
            for worker in workers {
                let _ = worker.join();
            }
            signals.stop();
            watcher.is_some_and(|watcher| watcher.join().unwrap_or(false))
        })
    }

    fn summary(self, interrupted: bool, started: Instant) -> Summary {
        let mut results = self.state.into_inner().unwrap_or_else(PoisonError::into_inner).results;
        for id in self.plan.needs.keys() {
            results.entry(*id).or_insert(BuildResult::Cancelled);
        }
        let mut summary = Summary { interrupted, ..Summary::default() };
        for (id, result) in &results {
            if let BuildResult::Realised(done) = result {
                match self.queues.get(id) {
                    Some(Queue::Fetches) => {
                        summary.fetched += 1;
                        summary.received += done.received;
                    }
                    Some(Queue::Grafts) => summary.grafted += 1,
                    _ => summary.built += 1,
                }
            }
        }
        summary.results = results;
        summary.elapsed = started.elapsed();
        summary
    }

    fn work(&self, queue: Queue, executor: &dyn Executor) {
        while let Some((id, pause)) = self.next(queue) {
            let node = self.graph.node(id);
            let action = self.action(id);
            let name = &node.derivation.name;
            if pause.is_none() {
                self.observer.observe(Event::Started { id, name, action });
            }
            let inputs = self.inputs(node);
            let task = Task { id, node, inputs, action, observer: self.observer, cancel: self.cancel };
            match executor.realise(&task) {
                Some(result) => self.finish(id, result),
                None => self.put_off(id, queue, pause),
            }
        }
    }

    /// Waits for something to do; nothing when all is done or everything is to stop. What was put off comes with its pause.
    fn next(&self, queue: Queue) -> Option<(NodeId, Option<Duration>)> {
        let mut state = self.lock();
        loop {
            if self.cancel.cancelled() || state.results.len() == self.plan.needs.len() {
                return None;
            }
            let first = state.put_off.iter().enumerate().filter(|(_, one)| one.queue == queue);
            let first = first.min_by_key(|(_, one)| one.due).map(|(index, one)| (index, one.due));
            let left = first.map(|(index, due)| (index, due.saturating_duration_since(Instant::now())));
            // Looking is cheap, and what has become valid may be needed by much.
            if let Some((index, Duration::ZERO)) = left {
                let again = state.put_off.swap_remove(index);
                return Some((again.id, Some(again.pause)));
            }
            let place = state.ready.get_mut(&queue).and_then(BinaryHeap::pop);
            if let Some((_, Reverse(id))) = place {
                return Some((id, None));
            }
            state = match left {
                Some((_, left)) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn put_off(&self, id: NodeId, queue: Queue, before: Option<Duration>) {
        if before.is_none() {
            self.observer.observe(Event::Waiting { id, name: &self.graph.node(id).derivation.name });
        }
        let pause = before.map_or(SHORTEST_PAUSE, |before| (before * 2).min(LONGEST_PAUSE));
        self.lock().put_off.push(PutOff { id, queue, due: Instant::now() + pause, pause });
        // Another worker of the queue may wait for longer, or without an end.
        self.changed.notify_all();
    }

    fn finish(&self, id: NodeId, result: BuildResult) {
        let name = &self.graph.node(id).derivation.name;
        self.observer.observe(Event::Finished { id, name, action: self.action(id), result: &result });
        let mut given_up = Vec::new();
        let mut state = self.lock();
        if result.is_success() {
            for user in self.users.get(&id).into_iter().flatten() {
                let Some(count) = state.waiting.get_mut(user) else { continue };
                *count -= 1;
                if *count == 0 {
                    state.waiting.remove(user);
                    self.enqueue(&mut state, *user);
                }
            }
        } else {
            if self.fail_fast && !matches!(result, BuildResult::Cancelled) {
                self.cancel.cancel();
            }
            if !self.cancel.cancelled() {
                self.give_up_users(&mut state, id, &mut given_up);
            }
        }
        state.results.insert(id, result);
        drop(state);
        self.changed.notify_all();
        for user in given_up {
            let user_name = &self.graph.node(user).derivation.name;
            let result = BuildResult::DependencyFailed { dependency: name.to_string() };
            self.observer.observe(Event::Finished {
                id: user,
                name: user_name,
                action: self.action(user),
                result: &result,
            });
        }
    }

    /// Gives up all that needs a failed derivation, directly or not.
    fn give_up_users(&self, state: &mut State, failed: NodeId, given_up: &mut Vec<NodeId>) {
        let dependency = self.graph.node(failed).derivation.name.to_string();
        let mut left = vec![failed];
        while let Some(id) = left.pop() {
            for user in self.users.get(&id).into_iter().flatten() {
                if state.waiting.remove(user).is_some() {
                    let result = BuildResult::DependencyFailed { dependency: dependency.clone() };
                    state.results.insert(*user, result);
                    given_up.push(*user);
                    left.push(*user);
                }
            }
        }
    }

    fn enqueue(&self, state: &mut State, id: NodeId) {
        let place = (self.chains.get(&id).copied().unwrap_or(0), Reverse(id));
        let queue = self.queues.get(&id).copied().unwrap_or(Queue::Builds);
        state.ready.entry(queue).or_default().push(place);
    }

    fn action(&self, id: NodeId) -> Action {
        match self.queues.get(&id) {
            Some(Queue::Fetches) => Action::Fetch,
            Some(Queue::Grafts) => Action::Graft,
            _ if self.plan.check.contains(&id) => Action::Check,
            _ => Action::Build,
        }
    }

    fn inputs(&self, node: &HashedNode) -> Vec<StorePath> {
        let derivation = &node.derivation;
        let made = derivation.input_drvs.iter().flat_map(|(drv, outputs)| {
            let input = self.graph.by_path(drv).map(|id| &self.graph.node(id).derivation);
            outputs
                .iter()
                .filter_map(move |output| input.and_then(|input| input.outputs.get(output)))
                .map(|output| output.path.clone())
        });
        made.chain(derivation.input_srcs.iter().cloned()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The length of the longest chain of work that waits for each derivation.
fn chains(plan: &Plan, users: &BTreeMap<NodeId, Vec<NodeId>>) -> BTreeMap<NodeId, usize> {
    let mut chains: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut left: BTreeMap<NodeId, usize> =
        plan.needs.keys().map(|id| (*id, users.get(id).map_or(0, Vec::len))).collect();
    // From the ends of the chains towards their beginnings: a derivation is looked at after all its users.
    let mut free: Vec<NodeId> = left.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    while let Some(id) = free.pop() {
        let chain = *chains.entry(id).or_default();
        for need in plan.needs.get(&id).into_iter().flatten() {
            let longest = chains.entry(*need).or_default();
            *longest = (*longest).max(chain + 1);
            if let Some(count) = left.get_mut(need) {
                *count -= 1;
                if *count == 0 {
                    free.push(*need);
                }
            }
        }
    }
    chains
}
