//! `hpcl explain`: every code in the sources has an entry, and the example of every entry gives the error that it is about.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use common::TestEnvironment;
use hpcl_lang::{host::EmptyHost, interpreter::Interpreter, native::Side, vm::Limits};
use rayon::prelude::*;
use regex::Regex;

/// Codes whose example is not run, each with its reason.
const NOT_RUN: [(&str, &str); 2] =
    [("E0101", "its file would have 5 GiB"), ("E0701", "who runs the tests as root may read everything")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All codes that the program can print.
fn codes() -> BTreeSet<String> {
    let code = Regex::new("\"(E0[0-9]{3})\"").unwrap();
    let mut found = BTreeSet::new();
    for folder in ["src", "lang/src", "stdlib", "channels"] {
        for entry in walkdir::WalkDir::new(root().join(folder)).into_iter().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "rs" || ending == "hpcl") {
                let text = std::fs::read_to_string(path).unwrap();
                let production = text.split("#[cfg(test)]").next().unwrap();
                found.extend(code.captures_iter(production).map(|found| found[1].to_owned()));
            }
        }
    }
    found
}

/// The entries: code and text.
fn entries() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(root().join("docs/errors")).unwrap();
    files
        .map(|entry| {
            let path = entry.unwrap().path();
            let code = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (code, std::fs::read_to_string(path).unwrap())
        })
        .collect()
}

#[test]
fn every_code_has_an_entry_and_every_entry_a_code() {
    let (codes, entries) = (codes(), entries());
    assert!(codes.len() > 80);
    let missing: Vec<&String> = codes.iter().filter(|code| !entries.contains_key(*code)).collect();
    assert!(missing.is_empty(), "write docs/errors/CODE.md for {missing:?}");
    let stale: Vec<&String> = entries.keys().filter(|code| !codes.contains(*code)).collect();
    assert!(stale.is_empty(), "no source has {stale:?}");
    for (code, text) in &entries {
        assert!(text.starts_with(&format!("# {code}: ")), "{code}");
        let (before, after) = text.split_once("\n```").unwrap();
        assert!(before.lines().count() >= 3, "{code} lacks its meaning");
        assert!(after.split_once("\n```\n").unwrap().1.trim().len() > 10, "{code} lacks what to do");
    }
}

/// What is wrong with the example of an entry.
fn wrong(code: &str, text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\n```").unwrap();
    let (tag, rest) = rest.split_once('\n').unwrap();
    let (example, _) = rest.split_once("\n```\n").unwrap();
    let printed = match tag {
        "hpcl" => {
            let environment = TestEnvironment::new();
            environment.write("example.hpcl", &format!("{example}\n"));
            environment.run(&["eval", "example.hpcl"]).stderr
        }
        "sh" => {
            let environment = TestEnvironment::new();
            let program = Path::new(env!("CARGO_BIN_EXE_hpcl")).parent().unwrap();
            let mut command = std::process::Command::new("bash");
            command
                .args(["-c", example])
                .current_dir(environment.home())
                .env_clear()
                .env("HOME", environment.home())
                .env("NO_COLOR", "1")
                .env("PATH", format!("{}:/usr/bin:/bin", program.display()));
            environment.finish(command).stderr
        }
        "hpcl builder" | "hpcl steps" | "hpcl interrupted" => {
            let side = if tag == "hpcl builder" { Side::Builder } else { Side::Evaluation };
            let mut interpreter = Interpreter::new(side, Box::new(Builds));
            if tag == "hpcl interrupted" {
                interpreter.set_interrupt(std::sync::Arc::new(true.into()));
            }
            if tag == "hpcl steps" {
                interpreter.set_limits(Limits { steps: 10_000, ..Limits::default() });
            }
            match interpreter.run_program("example.hpcl", example) {
                Ok(_) => String::new(),
                Err(errors) => errors.iter().map(|error| format!("error[{}]", error.code)).collect(),
            }
        }
        other => return Some(format!("{code}: no example of kind `{other}` is known")),
    };
    (!printed.contains(&format!("error[{code}]"))).then(|| format!("{code} printed:\n{printed}"))
}

/// A host with the procedures of builds.
struct Builds;

impl hpcl_lang::host::Host for Builds {
    fn module_source(
        &mut self,
        name: &hpcl_lang::host::ModuleName,
    ) -> Result<Option<hpcl_lang::host::ModuleSource>, String> {
        EmptyHost.module_source(name)
    }

    fn natives(&self) -> Vec<&'static [hpcl_lang::native::Native]> {
        hpcl::builder::natives()
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

#[test]
fn every_example_gives_its_error() {
    let broken: Vec<String> = entries()
        .par_iter()
        .filter(|(code, _)| !NOT_RUN.iter().any(|(other, _)| other == code))
        .filter_map(|(code, text)| wrong(code, text))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn codes_are_explained_and_listed() {
    let environment = TestEnvironment::new();
    let one = environment.run(&["explain", "e0404"]);
    assert_eq!(one.code, 0);
    assert!(one.stdout.starts_with("E0404: definitions need each other's value\n"), "{}", one.stdout);
    let list = environment.run(&["explain"]);
    assert_eq!(list.stdout.lines().count(), entries().len());
    assert!(list.stdout.contains("\nE0608  cyclic inputs\n"), "{}", list.stdout);
    let unknown = environment.run(&["explain", "E9999"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("there is no error code `E9999`"), "{}", unknown.stderr);
}
