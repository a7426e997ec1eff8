//! `hpcl import pypi` of projects with parts in Rust: crates from `Cargo.lock`, and wheels, with the reason, where that cannot be.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::collections::BTreeMap;

use common::{
    Run, TestEnvironment,
    http::{Answer, Server},
    packed::{tar_gz, zip_of},
};
use hpcl::hash::{Algorithm, Digest};

const CHECKSUM: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";
const MATURIN: &str = "[build-system]\nrequires = ['maturin>=1']\nbuild-backend = 'maturin'\n\
                       [tool.maturin]\nmanifest-path = 'src/Cargo.toml'\n";
const SETUPTOOLS: &str = "[build-system]\nrequires = ['setuptools', 'setuptools-rust>=1.7']\n\
                          build-backend = 'setuptools.build_meta'\n";

fn locked(source: &str) -> String {
    let package = |name: &str, version: &str, source: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"{source}\"\nchecksum = \"{CHECKSUM}\"\n"
        )
    };
    format!(
        "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n{}\n{}",
        package("openssl-sys", "0.9.1", source),
        package("wasi", "0.11.0+preview1", source)
    )
}

/// An index of projects, each with a source distribution of such files and a wheel.
fn index(projects: &[(&'static str, &[(&str, &str)])]) -> Server {
    let (mut pages, mut files) = (BTreeMap::new(), BTreeMap::new());
    for (name, members) in projects {
        let metadata = format!("Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\nSummary: A thing.\n");
        let mut source = vec![(format!("{name}-1.0/PKG-INFO"), metadata.clone().into_bytes())];
        source.extend(
            members.iter().map(|(path, text)| (format!("{name}-1.0/{path}"), text.as_bytes().to_vec())),
        );
        let wheel = [(format!("{name}-1.0.dist-info/METADATA"), metadata.into_bytes())];
        let mut links = String::new();
        for (file, content) in [
            (format!("{name}-1.0.tar.gz"), tar_gz(&source)),
            (format!("{name}-1.0-py3-none-any.whl"), zip_of(&wheel)),
        ] {
            let hex = Digest::of(Algorithm::Sha256, &content).to_base16();
            links.push_str(&format!("<a href=\"/files/{file}#sha256={hex}\">{file}</a>\n"));
            files.insert(format!("/files/{file}"), content);
        }
        pages.insert(format!("/simple/{name}/"), links);
    }
    Server::start(move |asked| match (pages.get(&asked.path), files.get(&asked.path)) {
        (Some(page), _) => Answer::ok("text/html", page.clone()),
        (_, Some(content)) => Answer::ok("application/octet-stream", content.clone()).ranged(asked),
        _ => Answer::status("404 Not Found"),
    })
}

fn import(environment: &TestEnvironment, server: &Server, arguments: &[&str]) -> Run {
    let mut command = environment.command(&["import", "pypi"]);
    command.args(arguments).env("PIP_INDEX_URL", format!("{}/simple", server.base));
    environment.finish(command)
}

#[test]
fn crates_of_the_lock_file_become_fixed_inputs() {
    let lock = locked("registry+https://registry.example/index");
    let server = index(&[
        (
            "snake",
            &[
                ("pyproject.toml", MATURIN),
                ("src/Cargo.toml", "[package]\nrust-version = '1.70'\n"),
                ("Cargo.lock", &lock),
                ("tests/x/Cargo.lock", "[["),
            ],
        ),
        ("adder", &[("pyproject.toml", SETUPTOOLS), ("src/_adder/Cargo.lock", &lock)]),
    ]);
    let environment = TestEnvironment::new();
    let text = import(&environment, &server, &["-r", "snake", "adder"]).success();
    for (name, version) in [("openssl-sys", "0.9.1"), ("wasi", "0.11.0+preview1")] {
        assert_eq!(text.matches(&format!("\"{name} {version} {CHECKSUM}\"")).count(), 2, "{text}");
    }
    assert!(text.contains("(native-inputs (list pkgconf python-maturin rust))"), "{text}");
    assert!(
        text.contains("(native-inputs (list pkgconf python-setuptools python-setuptools-rust rust))"),
        "{text}"
    );
    assert!(text.contains("(list openssl)) ;its Cargo.lock has openssl-sys"), "{text}");
    // What was written builds with the crates: their addresses are among what is to be fetched, and no registry is.
    environment.write("own/things.hpcl", &text.replace("(define-module (snake)", "(define-module (things)"));
    let plan = environment.run(&["build", "-L", "own", "-n", "python-snake"]).success();
    assert!(plan.contains("wasi-0.11.0+preview1.crate") && plan.contains("rust-1."), "{plan}");
}

#[test]
fn what_cannot_be_built_from_crates_is_a_wheel_and_that_is_said() {
    let (from_git, lock) = (locked("git+https://host.example/r#00"), locked("registry+r"));
    let server = index(&[
        ("nolock", &[("pyproject.toml", MATURIN), ("src/Cargo.toml", "[package]\n")]),
        ("fromgit", &[("pyproject.toml", MATURIN), ("Cargo.lock", &from_git)]),
        ("broken", &[("pyproject.toml", MATURIN), ("Cargo.lock", "[[package]")]),
        (
            "newer",
            &[
                ("pyproject.toml", MATURIN),
                ("src/Cargo.lock", &lock),
                ("src/deep/Cargo.toml", "[workspace.package]\nrust-version = '1.999'\n"),
            ],
        ),
    ]);
    let environment = TestEnvironment::new();
    for (name, wanted) in [
        ("nolock", "its source distribution has no Cargo.lock, so that its crates are not known"),
        ("fromgit", "its Cargo.lock takes `openssl-sys` from git, not from a registry"),
        ("broken", "its Cargo.lock is not well-formed"),
        ("newer", "it needs Rust 1.999, and the channels have 1."),
    ] {
        let run = import(&environment, &server, &[name]);
        assert!(run.stderr.contains(&format!("warning: {name} 1.0 is a wheel: {wanted}")), "{}", run.stderr);
        let text = run.success();
        assert!(text.contains(&format!(";; A wheel: {wanted}")) && !text.contains("#:crates"), "{text}");
        let error = import(&environment, &server, &["--source-only", name]).failure(1);
        assert!(error.contains(&format!("`{name}` 1.0 cannot be had: {wanted}")), "{error}");
    }
}
