//! What the executor's tests share: a small world to build in, and a stand-in for the builder.

// Helpers outside test functions may fail loudly; not every test program uses every helper.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, clippy::indexing_slicing, dead_code)]

pub mod scenario;

use std::{io::Write, sync::Mutex};

use hpcl::{
    executor::{Action, BuildResult, Event, Observer, Options, Summary, Unobserved, Wanted, realise},
    graph::{GraphBuilder, HashedGraph, NodeId, Piece, Template, Text},
    store::{LocalStore, StoreConfig},
};

/// Serves builds when this program was started as `PROGRAM __build`; called by a test of that name.
pub fn serve_if_asked() {
    if std::env::args().nth(1).as_deref() == Some("__build") {
        // The harness would swallow the messages of panics.
        std::panic::set_hook(Box::new(|panic| {
            let _ = writeln!(std::io::stderr(), "{panic}");
        }));
        hpcl::executor::serve(scenario::run).unwrap();
    }
}

/// Whether sandboxes work here; says so when they do not.
pub fn sandbox_works() -> bool {
    let Err(missing) = hpcl::sandbox::available() else { return true };
    eprintln!("SKIPPED: no sandbox here: {missing:?}");
    assert!(std::env::var_os("HPCL_REQUIRE_SANDBOX").is_none(), "a sandbox is required");
    false
}

/// A store in a directory of its own and a graph under construction.
pub struct World {
    pub directory: tempfile::TempDir,
    pub builder: GraphBuilder,
}

impl World {
    pub fn new() -> World {
        World { directory: tempfile::tempdir().unwrap(), builder: GraphBuilder::new() }
    }

    /// Adds a derivation that runs a scenario and needs others.
    pub fn add(&mut self, name: &str, scenario: &str, needs: &[NodeId]) -> NodeId {
        let mut template = Template::new(name, "x86_64-linux", "builtin:hpcl-1");
        template.env.push(("code".into(), scenario.into()));
        let mut inputs = Text::new();
        for need in needs {
            inputs.push(Piece::Output(*need, hpcl::derivation::OutputName::out()));
            inputs.push_str(" ");
        }
        template.env.push(("inputs".into(), inputs));
        self.builder.add_node(template)
    }

    pub fn finish(self) -> Ready {
        let store = LocalStore::open(StoreConfig::at(self.directory.path()).unwrap()).unwrap();
        Ready { graph: self.builder.hash().unwrap(), store, directory: self.directory }
    }
}

pub struct Ready {
    pub graph: HashedGraph,
    pub store: LocalStore,
    pub directory: tempfile::TempDir,
}

pub fn options() -> Options {
    Options { max_jobs: 2, cores: 2, ..Options::new(std::env::current_exe().unwrap()) }
}

impl Ready {
    pub fn realise(&self, ids: &[NodeId]) -> Summary {
        self.realise_with(ids, &options(), &Unobserved)
    }

    pub fn realise_with(&self, ids: &[NodeId], options: &Options, observer: &dyn Observer) -> Summary {
        realise(&self.graph, &wanted(ids), &self.store, options, observer).unwrap()
    }

    pub fn is_valid(&self, id: NodeId) -> bool {
        self.store.is_valid(self.graph.node(id).output("out").unwrap()).unwrap()
    }

    pub fn read(&self, id: NodeId, file: &str) -> String {
        let path = self.store.local_path(self.graph.node(id).output("out").unwrap()).join(file);
        std::fs::read_to_string(path).unwrap()
    }

    /// Nothing may be in the store but valid items, and nothing may be left of the work.
    pub fn assert_clean(&self) {
        let valid: Vec<_> = self.store.items().unwrap().iter().map(|item| item.as_str().to_owned()).collect();
        let mut there: Vec<_> = std::fs::read_dir(self.store.local_dir())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, valid);
        let report = self.store.verify(true).unwrap();
        assert!(report.problems.is_empty(), "{:?}", report.problems);
        for session in std::fs::read_dir(self.store.var_dir().join("tmp")).unwrap() {
            // directories kept for further builds, empty
            let left = walkdir::WalkDir::new(session.unwrap().path()).min_depth(3).into_iter().next();
            assert!(left.is_none(), "left behind: {left:?}");
        }
    }
}

pub fn wanted(ids: &[NodeId]) -> Vec<Wanted> {
    ids.iter().map(|id| Wanted { id: *id, outputs: [hpcl::derivation::OutputName::out()].into() }).collect()
}

/// The failure of one derivation.
pub fn failure(summary: &Summary, id: NodeId) -> &hpcl::executor::Failed {
    match &summary.results[&id] {
        BuildResult::Failed(failed) => failed,
        other => panic!("{other:?}"),
    }
}

/// Remembers events as text.
#[derive(Default)]
pub struct Recorder(pub Mutex<Vec<String>>);

impl Observer for Recorder {
    fn observe(&self, event: Event<'_>) {
        let text = match event {
            Event::Planned(plan) => format!("planned {}", plan.build.len()),
            Event::Started { name, action: Action::Build, .. } => format!("started {name}"),
            Event::Phase { phase, .. } => format!("phase {phase}"),
            Event::Line { line, .. } => format!("line {line}"),
            Event::Finished { name, result, .. } => format!("finished {name} {}", result.is_success()),
            Event::Waiting { name, .. } => format!("waiting {name}"),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(text);
    }
}
