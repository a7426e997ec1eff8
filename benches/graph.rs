//! How long it takes to turn templates into derivations with paths.
//!
//! The graph is that of a distribution: 1 to 8 inputs each from the nodes before, a source, an environment of 20
//! variables and 1 KiB of staged code. `cargo bench --bench graph`.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hpcl::{
    derivation::OutputName,
    graph::{GraphBuilder, NodeId, Piece, Template, Text},
    store_path::StorePath,
};

/// What the program itself allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn synthetic(count: u32) -> GraphBuilder {
    let mut builder = GraphBuilder::new();
    let code = "(invoke \"make\" \"install\")\n".repeat(40);
    let source = StorePath::parse("0c6kzph7l0dcbfmjap64f0czdafn3b7x-source").expect("a valid path");
    // A fixed linear congruential sequence: the same graph in every run.
    let mut state = 1u32;
    let mut next = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut ids: Vec<NodeId> = Vec::new();
    for index in 0..count {
        let mut template = Template::new(format!("package-{index}"), "x86_64-linux", "builtin:hpcl-1");
        let mut inputs = Text::new();
        for _ in 0..(1 + next(8)).min(index) {
            let back = ids.get(next(index) as usize).expect("one of those before");
            inputs.push(Piece::Output(*back, OutputName::out()));
            inputs.push_str(":");
        }
        template.env.push(("inputs".into(), inputs));
        template.env.push(("source".into(), Piece::Source(source.clone()).into()));
        template.env.push(("code".into(), code.as_str().into()));
        for variable in 0..20 {
            template.env.push((format!("variable{variable}").into(), "value".into()));
        }
        ids.push(builder.add_node(template));
    }
    builder
}

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("graph");
    group.sample_size(10);
    for count in [1_000, 10_000, 100_000] {
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_with_input(BenchmarkId::new("hash", count), &count, |bencher, count| {
            bencher.iter_batched(
                || synthetic(*count),
                |builder| black_box(builder.hash().expect("no cycle")),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, hash);
criterion_main!(benches);
