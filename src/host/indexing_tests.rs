//! An index that is renewed is the one that would be made anew, and fewer modules are looked at for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;

#[path = "../../benches/synthetic/mod.rs"]
mod synthetic;

/// What an index tells: each definition, and each package's record.
type Told = (Vec<String>, Vec<PackageRecord>);

fn keeper(directory: &Path, index: &Path) -> Keeper {
    let channels = Channels::new(vec![directory.to_owned()]).unwrap();
    Keeper { path: Some(index.to_owned()), ..Keeper::new(&channels) }
}

/// Brings an index up to date; returns what it tells and how many modules were looked at.
fn look(keeper: &Keeper) -> (Told, usize) {
    let looked = Arc::new(AtomicUsize::new(0));
    let count = looked.clone();
    let progress: Progress = Arc::new(move |_, total| count.store(total, Ordering::SeqCst));
    let stored = keeper.ensure(Level::Packages, Some(&progress)).unwrap();
    let mut entries: Vec<String> =
        stored.entries().unwrap().iter().map(|entry| format!("{entry:?}")).collect();
    entries.sort();
    let mut records = stored.listing().unwrap().all_records().unwrap();
    records.sort_by_key(|record| (record.name.clone(), record.version.clone(), record.variable.clone()));
    ((entries, records), looked.load(Ordering::SeqCst))
}

/// The files of a channel, those with the fewest packages that it depends on first.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.join("synthetic/packages")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|file| fs::read_to_string(file).unwrap().matches("(synthetic packages").count());
    files
}

fn edit(file: &Path, change: impl Fn(String) -> String) {
    fs::write(file, change(fs::read_to_string(file).unwrap())).unwrap();
}

#[test]
fn it_is_what_it_would_be_if_it_were_made_anew() {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("channel");
    synthetic::write(&directory, 600).unwrap();
    let own = keeper(&directory, &place.path().join("renewed"));
    let (_, all) = look(&own);
    let files = files(&directory);
    // Small ones: where much changed, all is looked at.
    let size = |file: &&PathBuf| fs::metadata(file).unwrap().len();
    let (early, late) = files.split_at(files.len() / 2);
    let (first, last) = (early.iter().min_by_key(size).unwrap(), late.iter().min_by_key(size).unwrap());
    let mut number = 0;
    let mut check = |what: &str, most: Option<usize>| {
        number += 1;
        let (renewed, looked) = look(&own);
        let (anew, _) = look(&keeper(&directory, &place.path().join(format!("anew-{number}"))));
        assert_eq!(renewed.0, anew.0, "{what}: definitions");
        assert_eq!(renewed.1, anew.1, "{what}: records");
        assert!(most.is_none_or(|most| looked <= most), "{what}: {looked} of {all} modules");
    };
    let bump = |text: String| text.replacen("(version \"", "(version \"9.", 1);
    edit(last, bump);
    check("a version that little depends on", Some(all / 3));
    edit(first, bump);
    check("a version that much depends on", None);
    edit(last, |text| format!(";;; Another line.\n\n{text}"));
    check("lines that moved", Some(all / 3));
    edit(first, |text| text.replacen("(define-module (", "(define-module  (", 1));
    check("a module's declaration", None);
    let name = |file: &Path| {
        let text = fs::read_to_string(file).unwrap();
        let at = text.find("(define-public ").unwrap() + "(define-public ".len();
        text[at..].split('\n').next().unwrap().to_owned()
    };
    let gone = name(first);
    edit(first, |text| {
        text.replacen(&format!("(define-public {gone}\n"), "(define-public another-name\n", 1)
    });
    check("a variable that has another name", None);
    edit(first, |text| {
        text.replacen("(define-public another-name\n", &format!("(define-public {gone}\n"), 1)
    });
    check("and its former one again", None);
    let added = directory.join("synthetic/packages/added.hpcl");
    fs::copy(last, &added).unwrap();
    let module = last.file_stem().unwrap().to_str().unwrap();
    edit(&added, |text| {
        text.replace(
            &format!("(define-module (synthetic packages {module})"),
            "(define-module (synthetic packages added)",
        )
    });
    check("a new file", None);
    fs::remove_file(&added).unwrap();
    check("a file that is gone", None);
    fs::remove_file(files.get(files.len() / 2).unwrap()).unwrap();
    check("a file that others need is gone", None);
    edit(last, |text| format!("{text}\n(define-public broken\n  (package\n    (name \"broken\")"));
    check("a file that cannot be read", None);
    edit(last, |text| {
        text.replace("(define-public broken", ";(define-public broken")
            .replace("\n  (package\n    (name \"broken\")", "")
    });
    check("and that can again", None);
}
