//! Trivial sandboxed builds per second: 500 independent derivations and one that needs them all, two at a time.
//!
//! Each build runs `(mkdir (getenv "out"))`, so what is measured is everything around it: scheduling, locks, the fork,
//! namespaces, mounts, the interpreter's start, hashing and registration. This very program serves the builds, as
//! `hpcl __build` does. `cargo bench --bench builds`; a sample is a whole run into an empty store.
//! `cargo bench --bench builds -- --once` prints processor time beside the clock, which says more on a busy machine.

use std::{
    hint::black_box,
    io::Write,
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode, Throughput};
use hpcl::{
    derivation::OutputName,
    executor::{Options, Unobserved, Wanted, realise},
    graph::{GraphBuilder, HashedGraph, NodeId, Piece, Template, Text},
    store::{LocalStore, StoreConfig},
};
use nix::sys::resource::{UsageWho, getrusage};
use tempfile::TempDir;

const BUILDS: usize = 500;

fn graph() -> (HashedGraph, NodeId) {
    let mut builder = GraphBuilder::new();
    let mut inputs = Text::new();
    for number in 0..BUILDS {
        let mut template = Template::new(format!("trivial-{number}"), "x86_64-linux", "builtin:hpcl-1");
        template.env.push(("code".into(), "(mkdir (getenv \"out\"))".into()));
        inputs.push(Piece::Output(builder.add_node(template), OutputName::out()));
    }
    let mut top = Template::new("top", "x86_64-linux", "builtin:hpcl-1");
    top.env.push(("code".into(), "(mkdir (getenv \"out\"))".into()));
    top.env.push(("inputs".into(), inputs));
    let top = builder.add_node(top);
    (builder.hash().expect("the graph has no cycle"), top)
}

fn builds(criterion: &mut Criterion) {
    let (graph, top) = graph();
    let wanted = [Wanted { id: top, outputs: [OutputName::out()].into() }];
    let program = std::env::current_exe().expect("the program is running");
    let mut group = criterion.benchmark_group("builds");
    group.throughput(Throughput::Elements(BUILDS as u64 + 1));
    let mut stores = Vec::new();
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    for sandbox in [true, false] {
        let options = Options { max_jobs: 2, cores: 2, sandbox, ..Options::new(&program) };
        let name = if sandbox { "sandboxed" } else { "plain" };
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| one_run(&graph, &wanted, &options, &mut stores)).sum()
            });
        });
    }
    group.finish();
}

/// Realises the graph in an empty store; answers the time that it took.
///
/// The store is kept in `stores`: a file system that has just deleted thousands of files makes new ones slowly, and no
/// user deletes a store between builds.
fn one_run(graph: &HashedGraph, wanted: &[Wanted], options: &Options, stores: &mut Vec<TempDir>) -> Duration {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let config = StoreConfig::at(directory.path()).expect("a short path");
    let store = LocalStore::open(config).expect("a new store");
    let started = Instant::now();
    let summary = realise(graph, wanted, &store, options, &Unobserved);
    let elapsed = started.elapsed();
    assert!(black_box(summary).expect("it begins").is_success());
    stores.push(directory);
    elapsed
}

/// `builds --once`: five runs with processor time, which says more than the clock on a busy machine.
fn once() {
    let (graph, top) = graph();
    let wanted = [Wanted { id: top, outputs: [OutputName::out()].into() }];
    let program = std::env::current_exe().expect("the program is running");
    let options = Options { max_jobs: 2, cores: 2, ..Options::new(&program) };
    let used = || {
        let sum = |who| {
            let usage = getrusage(who).expect("usage is known");
            [usage.user_time(), usage.system_time()].map(|t| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6)
        };
        let ([a, b], [c, d]) = (sum(UsageWho::RUSAGE_SELF), sum(UsageWho::RUSAGE_CHILDREN));
        (a + c, b + d)
    };
    let mut stores = Vec::new();
    for _ in 0..5 {
        let before = used();
        let elapsed = one_run(&graph, &wanted, &options, &mut stores).as_secs_f64();
        let after = used();
        let per_build = |time: f64| 1e3 * time / (BUILDS as f64 + 1.0);
        let text = format!(
            "{:.0} builds/s; per build {:.2} ms user, {:.2} ms system\n",
            (BUILDS as f64 + 1.0) / elapsed,
            per_build(after.0 - before.0),
            per_build(after.1 - before.1)
        );
        std::io::stdout().write_all(text.as_bytes()).expect("standard output is open");
    }
}

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__build") {
        hpcl::executor::serve(hpcl::builder::run).expect("the executor serves");
        return;
    }
    if std::env::args().any(|argument| argument == "--once") {
        once();
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    builds(&mut criterion);
    criterion.final_summary();
}
