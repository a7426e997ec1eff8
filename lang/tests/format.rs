//! The one format: on every program of the repository, on a Guix tree where there is one, and on programs made at random.
//!
//! What must hold of each: the formatted text reads as the same data, has the same comments, and is its own format.
//! `HPCL_GUIX_TREE=DIR cargo test -p hpcl-lang --test format` measures the tree.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::path::{Path, PathBuf};

use hpcl_lang::{
    format::{self, format},
    reader,
    span::FileId,
};
use proptest::prelude::*;

const FILE: FileId = FileId(0);

/// What is wrong with the format of a text that can be read.
fn wrong(text: &str) -> Option<String> {
    let done = match format(FILE, text) {
        Ok(done) => done,
        Err(error) => return Some(format!("refused: {error}")),
    };
    let (before, _) = reader::read(FILE, text);
    let (after, errors) = reader::read(FILE, &done);
    if !errors.is_empty() || !format::same(&before, &after) {
        return Some("other data".to_owned());
    }
    if format::comments_of(text) != format::comments_of(&done) {
        return Some("other comments".to_owned());
    }
    match format(FILE, &done) {
        Ok(again) if again == done => None,
        Ok(again) => {
            let line = done.lines().zip(again.lines()).position(|(a, b)| a != b).unwrap_or(0);
            Some(format!(
                "not its own format at line {}: {:?} and {:?}",
                line + 1,
                done.lines().nth(line),
                again.lines().nth(line)
            ))
        }
        Err(error) => Some(format!("its format is refused: {error}")),
    }
}

fn programs(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap_or("").to_owned();
        if path.is_dir() && !path.is_symlink() {
            if name != "target" && !name.starts_with('.') {
                programs(&path, found);
            }
        } else if name.ends_with(".hpcl") || name.ends_with(".scm") {
            found.push(path);
        }
    }
}

/// Checks all programs below a directory that can be read; returns how many there were.
fn all_below(folder: &Path) -> usize {
    let mut files = Vec::new();
    programs(folder, &mut files);
    let mut broken = Vec::new();
    let mut checked = 0;
    for path in &files {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        if reader::read(FILE, &text).1.is_empty() {
            checked += 1;
            broken.extend(wrong(&text).map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(broken.is_empty(), "{} of {checked}:\n{}", broken.len(), broken.join("\n"));
    checked
}

#[test]
fn every_program_of_the_repository_keeps_its_data_and_comments() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    assert!(all_below(root) > 100);
}

#[test]
fn every_program_of_a_guix_tree_keeps_its_data_and_comments() {
    match std::env::var_os("HPCL_GUIX_TREE").map(PathBuf::from).filter(|path| path.is_dir()) {
        Some(tree) => eprintln!("{} files of {}", all_below(&tree), tree.display()),
        None => eprintln!("HPCL_GUIX_TREE is not set: skipped"),
    }
}

/// White space and comments between two tokens.
fn space() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(" ".to_owned()),
        3 => "\n{1,4} {0,20}",
        1 => "  {0,9}; ?[a-z()\"]{0,30}\n",
        1 => "\n;{1,3} ?[a-z#|]{0,90}\n\t",
        1 => Just(" #| a (block\n comment |# ".to_owned()),
        1 => Just(" #;(not this) ".to_owned()),
    ]
}

fn atom() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,12}[*?!]?",
        "#:[a-z]{1,9}",
        "-?[0-9]{1,4}",
        "\"[a-z ()~;\\n]{0,60}\"",
        Just("#\\(".to_owned()),
        Just("#\\;".to_owned()),
        Just("#t".to_owned()),
        prop_oneof![
            Just("package"),
            Just("origin"),
            Just("define"),
            Just("let"),
            Just("list"),
            Just("lambda*"),
            Just("inputs"),
            Just("modify-phases"),
            Just("add-after"),
            Just("cond"),
            Just("define-module"),
            Just("if"),
            Just("string-append"),
            Just("substitute*"),
            Just("define-public"),
            Just("inherit"),
        ]
        .prop_map(str::to_owned),
    ]
}

fn datum() -> impl Strategy<Value = String> {
    atom().prop_recursive(7, 90, 9, |inner| {
        let items = proptest::collection::vec((inner.clone(), space()), 0..9);
        prop_oneof![
            5 => (space(), items, prop_oneof![8 => Just("("), 1 => Just("["), 1 => Just("#(")]).prop_map(
                |(first, items, open)| {
                    let body: String = items.iter().map(|(item, space)| format!("{item}{space}")).collect();
                    format!("{open}{first}{body}{}", if open == "[" { "]" } else { ")" })
                }
            ),
            1 => (prop_oneof![Just("'"), Just("`"), Just(","), Just(",@"), Just("#~"), Just("#$"), Just("#$@")],
                  prop_oneof![4 => Just(String::new()), 1 => space()], inner)
                .prop_map(|(prefix, space, inner)| format!("{prefix}{space}{inner}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_program_keeps_its_data_and_comments(
        items in proptest::collection::vec((datum(), space()), 0..6)
    ) {
        let text: String = items.iter().map(|(item, space)| format!("{item}{space}")).collect();
        if reader::read(FILE, &text).1.is_empty() {
            prop_assert_eq!(wrong(&text), None, "{}", text);
        }
    }
}
