//! How fast trees are hashed, scanned and added, beside plain SHA-256 of the same bytes.
//!
//! `large` is one file of 128 MiB, half like a program, half like text; `small` is 10,000 files of 1 KiB. Both lie in the
//! page cache. `cargo bench --bench store`.

use std::{fs, hint::black_box, path::Path};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use hpcl::{
    hash::{Algorithm, Digest, Hasher},
    nar::{Rewriter, dump, scan},
    store::{LocalStore, StoreConfig, remove_tree},
    store_path::{CANONICAL_STORE, StorePath},
};

const LARGE: usize = 128 << 20;
const SMALL: usize = 10_000;
const LOCAL: &str = "/home/user/.local/share/hpcl_______________________________/store";

fn bytes(count: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state >> 33
    };
    let mut bytes: Vec<u8> = Vec::with_capacity(count);
    // Programs are words and zeros; texts are letters, with a store path now and then.
    while bytes.len() < count / 2 {
        bytes.extend_from_slice(&(next() & 0xff_ffff).to_le_bytes());
    }
    let path = format!("{}/0c6kzph7l0dcbfmjap64f0czdafn3b7x-input/lib\n", &LOCAL[..59]);
    while bytes.len() < count {
        if next() % 1000 == 0 {
            bytes.extend_from_slice(path.as_bytes());
        }
        let letter = b"abcdefghij klmnopqrst uvwxyz0123456789 ./\n".get((next() % 42) as usize).copied();
        bytes.push(letter.unwrap_or(b' '));
    }
    bytes.truncate(count);
    bytes
}

fn candidates(count: usize) -> Vec<StorePath> {
    let path = |index: usize| {
        let digits = Digest::sha256(&index.to_le_bytes()).to_base32();
        StorePath::parse(&format!("{}-input", digits.get(..32).unwrap_or_default())).expect("a valid path")
    };
    (0..count).map(path).collect()
}

fn hash(criterion: &mut Criterion) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let large = place.path().join("large");
    fs::write(&large, bytes(LARGE)).expect("room for the large file");
    let small = place.path().join("small");
    for index in 0..SMALL {
        let directory = small.join((index / 100).to_string());
        fs::create_dir_all(&directory).expect("room for a directory");
        fs::write(directory.join(index.to_string()), vec![b'x'; 1024]).expect("room for a small file");
    }
    let rewriter =
        Rewriter::new(LOCAL.get(..59).unwrap_or_default(), CANONICAL_STORE).expect("equal lengths");
    let inputs = candidates(500);
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    for (name, tree, size) in [("large", &large, LARGE), ("small", &small, SMALL * 1024)] {
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(format!("{name}: sha256 of the archive"), |bencher| {
            let mut archive = Vec::new();
            dump(tree, &mut archive).expect("a readable tree");
            bencher.iter(|| black_box(Digest::sha256(&archive)));
        });
        group.bench_function(format!("{name}: archive and sha256"), |bencher| {
            bencher.iter(|| black_box(plain(tree)));
        });
        group.bench_function(format!("{name}: rewriting"), |bencher| {
            bencher
                .iter(|| black_box(scan(tree, Algorithm::Sha256, &rewriter, []).expect("a readable tree")));
        });
        group.bench_function(format!("{name}: rewriting, 500 candidates"), |bencher| {
            bencher.iter(|| {
                black_box(scan(tree, Algorithm::Sha256, &rewriter, &inputs).expect("a readable tree"))
            });
        });
    }
    group.bench_function("small: add to a fresh store", |bencher| {
        let fresh = || {
            let place =
                tempfile::Builder::new().prefix("hb").tempdir_in("/tmp").expect("a temporary directory");
            let store = LocalStore::open(StoreConfig::at(place.path()).expect("a short path"));
            (place.keep(), store.expect("a fresh store"))
        };
        let add = |(place, store): (std::path::PathBuf, LocalStore)| {
            black_box(store.add_tree("small", &small).expect("room for the tree"));
            drop(store);
            place
        };
        // Removing the store is not what is measured.
        let mut places = Vec::new();
        bencher.iter_batched(fresh, |input| places.push(add(input)), BatchSize::PerIteration);
        for place in places {
            remove_tree(&place).expect("own files can be removed");
        }
    });
    group.finish();
}

fn plain(tree: &Path) -> Digest {
    let mut writer = std::io::BufWriter::with_capacity(128 << 10, Hasher::new(Algorithm::Sha256));
    dump(tree, &mut writer).expect("a readable tree");
    writer.into_inner().map(Hasher::finish).ok().expect("a hash takes everything")
}

criterion_group!(benches, hash);
criterion_main!(benches);
