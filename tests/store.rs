//! The store's ordinary life: adding, registering, asking, keeping, collecting, verifying.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use hpcl::{
    derivation::{Derivation, FixedHash, OutputName},
    graph::{GraphBuilder, Piece, Template},
    hash::{Algorithm, Digest},
    store::{
        GcOptions, LocalStore, Problem, Registration, RootKind, Staged, StoreConfig, StoreError, Usage,
        remove_tree,
    },
    store_path::{CANONICAL_STORE, ContentMethod, StorePath},
};

/// A store in a directory of its own, removed with it.
struct Place {
    directory: PathBuf,
}

impl Place {
    fn new() -> Self {
        // The base may have 48 bytes; a test runner's own directory can be longer.
        let directory = tempfile::Builder::new().prefix("hs").tempdir_in("/tmp").unwrap().keep();
        Self { directory }
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(StoreConfig::at(&self.directory).unwrap()).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = remove_tree(&self.directory);
    }
}

fn none() -> BTreeSet<StorePath> {
    BTreeSet::new()
}

fn path(name: &str) -> StorePath {
    let digest = Digest::sha256(name.as_bytes());
    StorePath::parse(&format!("{}-{name}", &digest.to_base32()[..32])).unwrap()
}

/// Registers a directory with one file as an output.
fn register(
    store: &LocalStore,
    path: &StorePath,
    text: &str,
    candidates: &[&StorePath],
) -> Result<(), StoreError> {
    let lock = store.lock_item(path, || true)?;
    let tree = store.work_dir("out").unwrap();
    fs::write(tree.join("file"), text).unwrap();
    let how = Registration {
        candidates: candidates.iter().map(|path| (*path).clone()).collect(),
        sandboxed: true,
        ..Registration::default()
    };
    store.register_output(&Staged { lock: &lock, tree: &tree, fixed: None }, &how).map(|_| ())
}

#[test]
fn texts_are_local_on_disk_and_canonical_in_the_hash() {
    let (one, other) = (Place::new(), Place::new());
    let add = |place: &Place| {
        let store = place.store();
        let low = store.add_text("low", b"low\n", &none()).unwrap();
        let text = format!("{}\n", low.canonical());
        let high = store.add_text("high", text.as_bytes(), &[low.clone()].into()).unwrap();
        let on_disk = fs::read_to_string(store.local_path(&high)).unwrap();
        assert_eq!(on_disk, format!("{}\n", store.local_path(&low).display()));
        assert_eq!(store.to_canonical(&on_disk), text.as_bytes());
        assert_eq!(store.closure([&high]).unwrap(), [low.clone(), high.clone()].into());
        assert_eq!(store.referrers(&low).unwrap(), [high.clone()].into());
        assert_eq!(store.item_of(&store.local_path(&high).join("x")), Some((high.clone(), "x".into())));
        let metadata = fs::metadata(store.local_path(&high)).unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o444, 1));
        assert!(store.verify(true).unwrap().problems.is_empty());
        store.info(&high).unwrap().nar_hash
    };
    assert_eq!(add(&one), add(&other), "two stores, one canonical hash");
}

#[test]
fn a_source_is_localised_and_found_again() {
    let (place, sources) = (Place::new(), tempfile::tempdir().unwrap());
    let store = place.store();
    let tree = sources.path().join("tree");
    fs::create_dir_all(tree.join("deep")).unwrap();
    let long = format!("{}{CANONICAL_STORE}/x\n", "-".repeat((1 << 20) - 30));
    fs::write(tree.join("deep/file"), &long).unwrap();
    symlink(format!("{CANONICAL_STORE}/x"), tree.join("deep/link")).unwrap();
    let added = store.add_tree("tree", &tree).unwrap();
    assert_eq!(store.add_tree("tree", &tree).unwrap(), added);
    let item = store.local_path(&added);
    let local = store.local_dir().to_str().unwrap();
    assert_eq!(fs::read_to_string(item.join("deep/file")).unwrap(), long.replace(CANONICAL_STORE, local));
    assert_eq!(fs::read_link(item.join("deep/link")).unwrap(), store.local_dir().join("x"));
    assert_eq!(fs::metadata(item.join("deep")).unwrap().mode() & 0o7777, 0o555);
    assert_eq!(fs::metadata(item.join("deep/file")).unwrap().mtime(), 1);
    assert!(store.verify(true).unwrap().problems.is_empty());
    assert_eq!(
        fs::read_dir(store.var_dir().join("tmp")).unwrap().count(),
        1,
        "only the session's own directory"
    );
}

#[test]
fn a_store_knows_the_path_it_was_made_for() {
    let place = Place::new();
    place.store();
    let made = place.store().local_dir().parent().unwrap().to_owned();
    let moved = Place::new();
    let new = StoreConfig::at(&moved.directory).unwrap().store_dir().parent().unwrap().to_owned();
    fs::rename(&made, &new).unwrap();
    let error = LocalStore::open(StoreConfig::at(&moved.directory).unwrap()).unwrap_err();
    assert!(matches!(error, StoreError::Moved { .. }), "{error}");
}

#[test]
fn outputs_are_scanned_and_registered_in_order() {
    let place = Place::new();
    let store = place.store();
    let input = store.add_text("input", b"", &none()).unwrap();
    let unused = store.add_text("unused", b"", &none()).unwrap();
    let (out, lib) = (path("a-out"), path("z-lib"));
    let locks = store.lock_items(&[out.clone(), lib.clone()].into(), || true).unwrap();
    let stage = |text: String| {
        let tree = store.work_path("out").unwrap();
        fs::write(&tree, text).unwrap();
        tree
    };
    let local = |path: &StorePath| store.local_path(path).display().to_string();
    let trees = [stage(format!("{} {}", local(&lib), local(&out))), stage(local(&input))];
    let staged: Vec<Staged<'_>> =
        locks.iter().zip(&trees).map(|(lock, tree)| Staged { lock, tree, fixed: None }).collect();
    let how = Registration { candidates: [input.clone(), unused].into(), ..Registration::default() };
    let infos = store.register_outputs(&staged, &how).unwrap();
    assert_eq!(infos[0].references, [lib.clone(), out.clone()].into());
    assert_eq!(infos[1].references, [input].into());
    assert!(!infos[0].sandboxed);
    assert!(store.verify(true).unwrap().problems.is_empty());
}

#[test]
fn outputs_that_need_each_other_are_refused() {
    let place = Place::new();
    let store = place.store();
    let (out, lib) = (path("out"), path("lib"));
    let locks = store.lock_items(&[out.clone(), lib.clone()].into(), || true).unwrap();
    let trees: Vec<PathBuf> = locks
        .iter()
        .map(|lock| {
            let other = if *lock.path() == out { &lib } else { &out };
            let tree = store.work_path("out").unwrap();
            fs::write(&tree, other.as_str()).unwrap();
            tree
        })
        .collect();
    let staged: Vec<Staged<'_>> =
        locks.iter().zip(&trees).map(|(lock, tree)| Staged { lock, tree, fixed: None }).collect();
    let error = store.register_outputs(&staged, &Registration::default()).unwrap_err();
    assert!(matches!(error, StoreError::OutputCycle { paths } if paths.len() == 2));
    assert!(!store.is_valid(&out).unwrap() && !store.is_valid(&lib).unwrap());
}

#[test]
fn an_output_may_only_refer_to_what_is_there() {
    let place = Place::new();
    let store = place.store();
    let absent = path("absent");
    let error = register(&store, &path("out"), absent.hash_part(), &[&absent]).unwrap_err();
    assert!(matches!(error, StoreError::MissingReference { reference, .. } if reference == absent));
    let error = store.add_text("text", b"", &[absent.clone()].into()).unwrap_err();
    assert!(matches!(error, StoreError::MissingReference { reference, .. } if reference == absent));
}

#[test]
fn a_fixed_output_is_what_was_promised() {
    let place = Place::new();
    let store = place.store();
    let register = |name: &str, text: &str, fixed: FixedHash, runs: bool| {
        let path = path(name);
        let lock = store.lock_item(&path, || true).unwrap();
        let tree = store.work_path("out").unwrap();
        fs::write(&tree, text).unwrap();
        if runs {
            fs::set_permissions(&tree, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let how = Registration { candidates: [self::path("input")].into(), ..Registration::default() };
        store.register_output(&Staged { lock: &lock, tree: &tree, fixed: Some(fixed) }, &how)
    };
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        let flat = |text: &str| FixedHash {
            method: ContentMethod::Flat,
            digest: Digest::of(algorithm, text.as_bytes()),
        };
        let made = register(&format!("right-{algorithm}"), "text", flat("text"), false).unwrap();
        assert_eq!(made.content, Some(format!("fixed:{algorithm}")));
        let error = register(&format!("wrong-{algorithm}"), "text", flat("other"), false).unwrap_err();
        let StoreError::HashMismatch { expected, actual, .. } = error else { panic!("{error}") };
        assert_eq!((*expected, *actual), (flat("other").digest, flat("text").digest));
        let file = place.directory.join("file");
        fs::write(&file, "text").unwrap();
        let digest = store.scan_tree(&file, algorithm).unwrap().0;
        let recursive = FixedHash { method: ContentMethod::Recursive, digest };
        register(&format!("recursive-{algorithm}"), "text", recursive, false).unwrap();
        let error = register(&format!("runs-{algorithm}"), "text", flat("text"), true).unwrap_err();
        assert!(matches!(error, StoreError::NotFlat { .. }));
        let text = path("input").hash_part().to_owned();
        let error = register(&format!("refers-{algorithm}"), &text, flat(&text), false).unwrap_err();
        assert!(matches!(error, StoreError::FixedReference { .. }));
    }
}

#[test]
fn a_second_build_is_compared_file_by_file() {
    let place = Place::new();
    let store = place.store();
    let out = path("out");
    register(&store, &out, "one", &[]).unwrap();
    let compare = |make: &dyn Fn(&Path)| {
        let tree = store.work_dir("again").unwrap();
        fs::write(tree.join("file"), "one").unwrap();
        make(&tree);
        store.compare(&out, &tree).unwrap().map(|found| format!("{}: {}", found.file.display(), found.what))
    };
    assert_eq!(compare(&|_| {}), None);
    assert_eq!(
        compare(&|tree| fs::write(tree.join("file"), "onE").unwrap()).unwrap(),
        "file: differs from byte 2"
    );
    assert_eq!(compare(&|tree| fs::write(tree.join("more"), "").unwrap()).unwrap(), "more: was not there");
    assert_eq!(
        compare(&|tree| fs::write(tree.join("file"), "one two").unwrap()).unwrap(),
        "file: had 3 bytes, now has 7; they differ from byte 3"
    );
    assert_eq!(
        compare(&|tree| {
            fs::remove_file(tree.join("file")).unwrap();
            symlink("x", tree.join("file")).unwrap();
        })
        .unwrap(),
        "file: was a file, now is a symlink"
    );
}

#[test]
fn derivations_are_written_and_read() {
    let place = Place::new();
    let store = place.store();
    let source = store.add_text("source", b"x", &none()).unwrap();
    let mut builder = GraphBuilder::new();
    let low = builder.add_node(Template::new("low", "x86_64-linux", "builtin:hpcl-1"));
    let mut high = Template::new("high", "x86_64-linux", "builtin:hpcl-1");
    high.env.push(("low".into(), Piece::Output(low, OutputName::out()).into()));
    high.env.push(("source".into(), Piece::Source(source).into()));
    let high = builder.add_node(high);
    let graph = builder.hash().unwrap();
    for id in [low, high] {
        let node = graph.node(id);
        assert_eq!(store.write_drv(&node.derivation).unwrap(), node.path);
        let read: Derivation = store.read_drv(&node.path).unwrap();
        assert_eq!(read, *node.derivation);
    }
    assert_eq!(store.closure([&graph.node(high).path]).unwrap().len(), 3);
    assert!(store.verify(true).unwrap().problems.is_empty());
}

#[test]
fn gc_keeps_roots_and_deletes_the_rest() {
    let place = Place::new();
    let links = tempfile::tempdir().unwrap();
    let (kept, dead): (Vec<StorePath>, Vec<StorePath>) = {
        let store = place.store();
        let text = |name: &str, references: &[&StorePath]| {
            let references = references.iter().map(|path| (*path).clone()).collect();
            store.add_text(name, name.as_bytes(), &references).unwrap()
        };
        let low = text("low", &[]);
        let named = text("named", &[&low]);
        let linked = text("linked", &[]);
        let profile = text("profile", &[]);
        let dropped = text("dropped", &[&low]);
        let forgotten = text("forgotten", &[&dropped]);
        store.set_root("mine", &named).unwrap();
        store.add_root(&links.path().join("result"), &linked).unwrap();
        store.add_root(&links.path().join("gone"), &dropped).unwrap();
        fs::remove_file(links.path().join("gone")).unwrap();
        symlink(store.local_path(&profile), store.profiles_dir().join("p-1-link")).unwrap();
        symlink("p-1-link", store.profiles_dir().join("p")).unwrap();
        // Everything is still used by this process.
        assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, []);
        (vec![low, named, linked, profile], vec![forgotten, dropped])
    };
    let store = place.store();
    let stray = store.local_dir().join(path("stray").as_str());
    fs::create_dir(&stray).unwrap();
    let plan = store.gc(GcOptions { dry_run: true, ..GcOptions::default() }).unwrap();
    assert_eq!((plan.deleted.as_slice(), plan.leftovers, plan.kept), (dead.as_slice(), 1, 4));
    assert!(plan.freed > 0 && stray.exists() && store.is_valid(&dead[0]).unwrap());
    let done = store.gc(GcOptions::default()).unwrap();
    assert_eq!(done, plan);
    for path in &kept {
        assert!(store.is_valid(path).unwrap() && store.local_path(path).exists(), "{path}");
    }
    for path in &dead {
        assert!(!store.is_valid(path).unwrap() && !store.local_path(path).exists(), "{path}");
    }
    assert!(!stray.exists());
    let kinds: Vec<RootKind> = store.roots().unwrap().into_iter().map(|root| root.kind).collect();
    assert_eq!(kinds, [RootKind::Named, RootKind::Link, RootKind::Profile, RootKind::Profile]);
    store.remove_root("mine").unwrap();
    fs::remove_file(links.path().join("result")).unwrap();
    fs::remove_dir_all(store.profiles_dir()).unwrap();
    assert_eq!(store.gc(GcOptions::default()).unwrap().kept, 0);
    assert!(store.verify(true).unwrap().problems.is_empty());
}

#[test]
fn gc_keeps_derivers_only_when_asked_and_stops_when_enough_is_free() {
    let place = Place::new();
    let (drv, out) = {
        let store = place.store();
        let drv = store.add_text("a.drv", b"x", &none()).unwrap();
        let out = path("out");
        let lock = store.lock_item(&out, || true).unwrap();
        let tree = store.work_path("out").unwrap();
        fs::write(&tree, "x").unwrap();
        let how = Registration { deriver: Some(drv.clone()), ..Registration::default() };
        store.register_output(&Staged { lock: &lock, tree: &tree, fixed: None }, &how).unwrap();
        store.set_root("out", &out).unwrap();
        (drv, out)
    };
    let store = place.store();
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, []);
    let all = GcOptions { keep_derivers: false, ..GcOptions::default() };
    assert_eq!(store.gc(all).unwrap().deleted, [drv]);
    drop(store);
    place.store().remove_root("out").unwrap();
    let store = place.store();
    assert_eq!(store.gc(GcOptions { enough: Some(Usage::default()), ..all }).unwrap().deleted, []);
    assert_eq!(
        store.gc(GcOptions { enough: Some(Usage { bytes: 1, inodes: 0 }), ..all }).unwrap().deleted,
        [out]
    );
}

#[test]
fn gc_keeps_what_is_young_and_what_that_refers_to() {
    let place = Place::new();
    let [old, low, young] = {
        let store = place.store();
        let text = |name: &str, references: &[&StorePath]| {
            let references = references.iter().map(|path| (*path).clone()).collect();
            store.add_text(name, name.as_bytes(), &references).unwrap()
        };
        let low = text("low", &[]);
        [text("old", &[&low]), low.clone(), text("young", &[&low])]
    };
    let store = place.store();
    for path in [&old, &low] {
        let file = store.var_dir().join(format!("items/{path}.json"));
        let mut info: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        info["registered"] = 1_000_000_000.into();
        fs::write(&file, info.to_string()).unwrap();
    }
    let day = GcOptions { older_than: Some(std::time::Duration::from_secs(86400)), ..GcOptions::default() };
    assert_eq!(store.gc(day).unwrap().deleted, [old]);
    assert!(store.is_valid(&low).unwrap() && store.is_valid(&young).unwrap());
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [young, low]);
}

#[test]
fn equal_files_become_one_and_the_store_stays_what_it_was() {
    let place = Place::new();
    let store = place.store();
    let content = vec![b'x'; 100_000];
    let tree = |name: &str, runs: bool| {
        let tree = store.work_dir("tree").unwrap();
        fs::create_dir(tree.join("sub")).unwrap();
        fs::write(tree.join("sub/file"), &content).unwrap();
        fs::write(tree.join("other"), vec![name.as_bytes()[0]; 100_000]).unwrap();
        if runs {
            fs::set_permissions(tree.join("sub/file"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let out = path(name);
        let lock = store.lock_item(&out, || true).unwrap();
        store
            .register_output(&Staged { lock: &lock, tree: &tree, fixed: None }, &Registration::default())
            .unwrap();
        store.local_path(&out)
    };
    let (one, two, runs) = (tree("one", false), tree("two", false), tree("runs", true));
    let inode = |path: PathBuf| path.metadata().unwrap().ino();
    let plan = store.optimise(true).unwrap();
    assert_eq!((plan.files, plan.linked, plan.saved.inodes), (6, 1, 1));
    assert!(plan.saved.bytes >= 100_000, "{plan:?}");
    assert_ne!(inode(one.join("sub/file")), inode(two.join("sub/file")), "a dry run changes nothing");
    assert_eq!(store.optimise(false).unwrap(), plan);
    assert_eq!(inode(one.join("sub/file")), inode(two.join("sub/file")));
    assert_ne!(inode(one.join("sub/file")), inode(runs.join("sub/file")), "the mode differs");
    for directory in [&one, &two.join("sub")] {
        let metadata = directory.metadata().unwrap();
        assert_eq!((metadata.mode() & 0o7777, metadata.mtime()), (0o555, 1));
    }
    assert!(store.verify(true).unwrap().problems.is_empty());
    let again = store.optimise(false).unwrap();
    assert_eq!((again.linked, again.saved), (0, Usage::default()), "nothing is left to do");
    // Deleting one leaves the other whole.
    store.set_root("two", &path("two")).unwrap();
    drop(store);
    let store = place.store();
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!(report.deleted.len(), 2);
    assert_eq!(fs::read(two.join("sub/file")).unwrap(), content);
    assert!(store.verify(true).unwrap().problems.is_empty());
}

#[test]
fn damaged_metadata_do_not_stop_a_collection() {
    let place = Place::new();
    let names = ["kept", "lost", "dead"];
    let [kept, lost, dead] = {
        let store = place.store();
        let made = names.map(|name| store.add_text(name, name.as_bytes(), &none()).unwrap());
        store.set_root("kept", &made[0]).unwrap();
        made
    };
    let store = place.store();
    for path in [&kept, &lost] {
        fs::write(store.var_dir().join(format!("items/{path}.json")), "").unwrap();
    }
    let report = store.gc(GcOptions::default()).unwrap();
    assert_eq!((report.kept, report.leftovers), (1, 0));
    assert_eq!(report.deleted, [lost.clone(), dead]);
    assert!(store.local_path(&kept).exists() && !store.local_path(&lost).exists());
    assert!(!store.is_valid(&lost).unwrap());
}

#[test]
fn a_home_that_cannot_be_read_is_no_dead_root() {
    let place = Place::new();
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("user");
    fs::create_dir(&directory).unwrap();
    let kept = {
        let store = place.store();
        let kept = store.add_text("kept", b"", &none()).unwrap();
        store.add_root(&directory.join("result"), &kept).unwrap();
        kept
    };
    let away = home.path().join("away");
    fs::rename(&directory, &away).unwrap();
    let store = place.store();
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [], "the directory may come back");
    fs::rename(&away, &directory).unwrap();
    fs::remove_file(directory.join("result")).unwrap();
    assert_eq!(store.gc(GcOptions::default()).unwrap().deleted, [kept], "the link itself is gone");
}

#[test]
fn a_root_link_replaces_nothing_of_the_user_s() {
    let place = Place::new();
    let directory = tempfile::tempdir().unwrap();
    let store = place.store();
    let one = store.add_text("one", b"1", &none()).unwrap();
    let two = store.add_text("two", b"2", &none()).unwrap();
    let link = directory.path().join("result");
    store.add_root(&link, &one).unwrap();
    store.add_root(&link, &two).unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), store.local_path(&two));
    assert_eq!(store.roots().unwrap().len(), 1);
    let file = directory.path().join("thesis");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(store.add_root(&file, &one), Err(StoreError::LinkTaken { .. })));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    for name in ["", "links", "a/b", ".."] {
        assert!(matches!(store.set_root(name, &one), Err(StoreError::RootName { .. })), "{name}");
    }
}

#[test]
fn verify_names_what_is_wrong() {
    let place = Place::new();
    let store = place.store();
    let names = ["changed", "missing", "low"];
    let [changed, missing, low] = names.map(|name| store.add_text(name, name.as_bytes(), &none()).unwrap());
    let high = store.add_text("high", b"", &[low.clone()].into()).unwrap();
    let stray = path("stray");
    fs::write(store.local_path(&stray), "").unwrap();
    let file = store.local_path(&changed);
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "CHANGED").unwrap();
    fs::remove_file(store.local_path(&missing)).unwrap();
    fs::remove_file(store.var_dir().join(format!("items/{low}.json"))).unwrap();
    let shown = |contents: bool| {
        let mut found: Vec<String> = store
            .verify(contents)
            .unwrap()
            .problems
            .iter()
            .map(|problem| match problem {
                Problem::Missing(path) => format!("missing {}", path.name()),
                Problem::Changed { path, expected, actual } => {
                    assert_ne!(expected, actual);
                    format!("changed {}", path.name())
                }
                Problem::Unregistered(path) => format!("unregistered {}", path.name()),
                Problem::BrokenReference { path, reference } => {
                    format!("broken {} {}", path.name(), reference.name())
                }
                Problem::Unreadable { path, error } => format!("unreadable {} {error}", path.name()),
            })
            .collect();
        found.sort();
        found
    };
    let quick = ["broken high low", "missing missing", "unregistered low", "unregistered stray"];
    assert_eq!(shown(false), quick);
    let mut full = quick.to_vec();
    full.insert(1, "changed changed");
    assert_eq!(shown(true), full);
    fs::write(store.var_dir().join(format!("items/{high}.json")), "{").unwrap();
    assert!(shown(false).iter().any(|line| line.starts_with("unreadable high the metadata")));
}
