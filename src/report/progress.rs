//! Progress while derivations are realised: a line per running build on a terminal, plain lines elsewhere.
//!
//! Events only change a small table; one thread draws it ten times a second. So hundreds of short builds a second cost nothing to
//! show, and only what has run for a moment gets a line of its own. Plain lines are printed as events come.
//!
//! Invariant: everything goes to standard error, and nothing is drawn any more when `finish` returns.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    quantity::{bytes, seconds},
    summary::{summary_text, totals},
};
use crate::{
    executor::{Action, BuildResult, Event, Observer, Summary},
    graph::{HashedGraph, NodeId},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// How often lines are drawn.
const DRAW_EVERY: Duration = Duration::from_millis(100);
/// What ends sooner gets no line.
const WORTH_A_LINE: Duration = Duration::from_millis(200);

/// Shows what happens.
pub struct Progress {
    verbosity: Verbosity,
    shared: Arc<Shared>,
    drawer: Option<JoinHandle<()>>,
}

struct Shared {
    table: Mutex<Table>,
    /// Nothing where lines cannot be drawn over each other.
    screen: Option<MultiProgress>,
    done: AtomicBool,
    wake: Condvar,
}

#[derive(Default)]
struct Table {
    running: BTreeMap<NodeId, Running>,
    builds: usize,
    fetches: usize,
    built: usize,
    grafts: usize,
    grafted: usize,
    fetched: usize,
    failed: usize,
}

struct Running {
    name: String,
    action: Action,
    state: String,
    since: Instant,
    received: u64,
    total: Option<u64>,
    line: Option<ProgressBar>,
}

impl Progress {
    /// Begins to show: nothing but failures when quiet, the builds' output too when verbose.
    pub fn new(quiet: bool, verbose: bool) -> Progress {
        let verbosity = match (quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        let draws = verbosity != Verbosity::Quiet && std::io::stderr().is_terminal();
        let screen = draws.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        let shared = Arc::new(Shared {
            table: Mutex::default(),
            screen,
            done: AtomicBool::new(false),
            wake: Condvar::new(),
        });
        let drawer = shared.screen.is_some().then(|| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.draw_until_done())
        });
        Progress { verbosity, shared, drawer }
    }

    /// Ends showing, clears the lines, and prints what is to be said about the whole.
    pub fn finish(mut self, graph: &HashedGraph, summary: &Summary) {
        self.stop();
        let text = summary_text(graph, summary);
        if self.verbosity != Verbosity::Quiet || !summary.is_success() {
            let _ = anstream::stderr().write_all(text.as_bytes());
        }
    }

    fn stop(&mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        self.shared.wake.notify_all();
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
    }

    fn say(&self, text: &str) {
        match &self.shared.screen {
            Some(screen) => {
                let _ = screen.println(text);
            }
            None => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Observer for Progress {
    fn observe(&self, event: Event<'_>) {
        if let Event::Line { name, line, .. } = event {
            if self.verbosity == Verbosity::Verbose {
                self.say(&format!("{name}> {line}"));
            }
            return;
        }
        let said = self.shared.lock().note(&event);
        let said = said.filter(|_| self.verbosity != Verbosity::Quiet);
        // On a terminal the table shows what goes well.
        let shown = self.shared.screen.is_none() || self.verbosity == Verbosity::Verbose;
        match (said, event) {
            (Some(text), Event::Hidden { .. }) => self.say(&text),
            (Some(text), Event::Finished { result: BuildResult::Failed(_), .. }) => self.say(&text),
            (Some(text), _) if shown => self.say(&text),
            _ => {}
        }
    }
}

impl Table {
    /// Takes an event; answers the line that tells of it.
    fn note(&mut self, event: &Event<'_>) -> Option<String> {
        match event {
            Event::Planned(plan) => {
                (self.builds, self.grafts, self.fetches) =
                    (plan.build.len(), plan.graft.len(), plan.fetch.len());
                (!plan.is_empty()).then(|| totals(plan.fetch.len(), plan.build.len(), plan.graft.len()))
            }
            Event::Started { id, name, action } => {
                let running = Running {
                    name: (*name).to_owned(),
                    action: *action,
                    state: String::new(),
                    since: Instant::now(),
                    received: 0,
                    total: None,
                    line: None,
                };
                self.running.insert(*id, running);
                Some(format!("{} {name}", doing(*action)))
            }
            Event::Waiting { id, name } => {
                if let Some(running) = self.running.get_mut(id) {
                    "waiting for another hpcl".clone_into(&mut running.state);
                }
                Some(format!("waiting for another hpcl that works on {name}"))
            }
            Event::Phase { id, phase } => {
                if let Some(running) = self.running.get_mut(id) {
                    (*phase).clone_into(&mut running.state);
                }
                None
            }
            Event::Received { id, bytes, total } => {
                if let Some(running) = self.running.get_mut(id) {
                    (running.received, running.total) = (*bytes, *total);
                }
                None
            }
            Event::Finished { id, name, action, result } => {
                self.count(*action, result);
                if let Some(running) = self.running.remove(id)
                    && let Some(line) = running.line
                {
                    line.finish_and_clear();
                }
                ended(name, *action, result)
            }
            Event::Hidden { path, files } => Some(format!(
                "warning: {} holds store paths in compressed form, where they cannot be rewritten for other stores: {}",
                path.name(),
                files.join(", ")
            )),
            Event::Line { .. } => None,
        }
    }

    fn count(&mut self, action: Action, result: &BuildResult) {
        match (result.is_success(), action) {
            (true, Action::Fetch) => self.fetched += 1,
            (true, Action::Graft) => self.grafted += 1,
            (true, _) => self.built += 1,
            (false, _) => self.failed += 1,
        }
    }

    fn totals(&self) -> String {
        let mut text = format!("[{}/{} built", self.built, self.builds);
        if self.fetches > 0 {
            text.push_str(&format!(", {}/{} fetched", self.fetched, self.fetches));
        }
        if self.grafts > 0 {
            text.push_str(&format!(", {}/{} grafted", self.grafted, self.grafts));
        }
        if self.failed > 0 {
            text.push_str(&format!(", {} failed", self.failed));
        }
        text.push_str(&format!(", {} running]", self.running.len()));
        text
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn draw_until_done(&self) {
        let Some(screen) = &self.screen else { return };
        let totals = screen.add(ProgressBar::no_length().with_style(style("{msg}")));
        let mut table = self.lock();
        while !self.done.load(Ordering::SeqCst) {
            totals.set_message(table.totals());
            for running in table.running.values_mut() {
                running.draw(screen, &totals);
            }
            table = self.wake.wait_timeout(table, DRAW_EVERY).unwrap_or_else(PoisonError::into_inner).0;
        }
        for running in std::mem::take(&mut table.running).into_values() {
            if let Some(line) = running.line {
                line.finish_and_clear();
            }
        }
        totals.finish_and_clear();
    }
}

impl Running {
    fn draw(&mut self, screen: &MultiProgress, totals: &ProgressBar) {
        let elapsed = self.since.elapsed();
        if self.line.is_none() && elapsed < WORTH_A_LINE {
            return;
        }
        let text = self.text(elapsed);
        let line = self.line.get_or_insert_with(|| {
            let bar = ProgressBar::no_length();
            bar.set_style(style("{msg}"));
            screen.insert_before(totals, bar)
        });
        if let (Action::Fetch, Some(total)) = (self.action, self.total)
            && line.length() != Some(total)
        {
            line.set_style(style("{msg} [{bar:24}] {percent:>3}%"));
            line.set_length(total);
        }
        line.set_position(self.received);
        line.set_message(text);
    }

    fn text(&self, elapsed: Duration) -> String {
        let mut text = format!("  {} {}", doing(self.action), self.name);
        if !self.state.is_empty() {
            text.push_str(&format!(" ({})", self.state));
        }
        if self.action == Action::Fetch && self.received > 0 {
            text.push_str(&format!(" {}", bytes(self.received)));
        }
        text.push_str(&format!(" {}", seconds(elapsed)));
        text
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates here are right").progress_chars("=> ")
}

fn doing(action: Action) -> &'static str {
    match action {
        Action::Fetch => "fetching",
        Action::Graft => "grafting",
        Action::Build => "building",
        Action::Check => "building again",
    }
}

fn ended(name: &str, action: Action, result: &BuildResult) -> Option<String> {
    let done = match action {
        Action::Fetch => "fetched",
        Action::Graft => "grafted",
        Action::Build => "built",
        Action::Check => "reproduced",
    };
    match result {
        BuildResult::Realised(made) if action == Action::Fetch => {
            Some(format!("{done} {name} ({}, {})", bytes(made.received), seconds(made.elapsed)))
        }
        BuildResult::Realised(made) => Some(format!("{done} {name} ({})", seconds(made.elapsed))),
        BuildResult::AlreadyThere => Some(format!("{name} was made by another hpcl")),
        BuildResult::Failed(failed) => Some(format!("failed {name}: {}", failed.error)),
        BuildResult::DependencyFailed { dependency } => {
            Some(format!("skipped {name}, which needs {dependency}"))
        }
        BuildResult::Cancelled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{BuildError, Done, Plan};

    fn id() -> NodeId {
        let mut graph = crate::graph::GraphBuilder::new();
        graph.reserve("x")
    }

    #[test]
    fn the_table_follows_the_events() {
        let mut table = Table::default();
        let (id, name, action) = (id(), "hello-2.10", Action::Build);
        let plan = Plan { build: vec![id], ..Plan::default() };
        let mut lines: Vec<Option<String>> = vec![table.note(&Event::Planned(&plan))];
        lines.push(table.note(&Event::Started { id, name, action }));
        lines.push(table.note(&Event::Phase { id, phase: "configure" }));
        assert_eq!(table.totals(), "[0/1 built, 1 running]");
        let running = table.running.values().next().unwrap();
        assert_eq!(running.text(Duration::from_secs(3)), "  building hello-2.10 (configure) 3.0 s");
        let result = BuildResult::Realised(Done { elapsed: Duration::from_secs(75), ..Done::default() });
        lines.push(table.note(&Event::Finished { id, name, action, result: &result }));
        assert_eq!(table.totals(), "[1/1 built, 0 running]");
        let lines: Vec<_> = lines.into_iter().flatten().collect();
        assert_eq!(lines, ["0 to fetch, 1 to build", "building hello-2.10", "built hello-2.10 (1 min 15 s)"]);
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        let result = BuildResult::from(BuildError::Exit { code: 2 });
        let text = ended("hello-2.10", Action::Build, &result).unwrap();
        assert_eq!(text, "failed hello-2.10: the builder failed with exit code 2");
    }
}
