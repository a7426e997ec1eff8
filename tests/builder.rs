//! The builder side, run outside of any sandbox: each program under `tests/stdlib/build` and `tests/stdlib/prelude` in a
//! directory of its own, and what `builder` makes of programs that fail.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use hpcl::{builder, executor::BuilderJob};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All modules of the builder-side library, and the one that tests are written with.
fn modules() -> Vec<(String, PathBuf)> {
    let mut modules = vec![("(test check)".to_owned(), root().join("tests/stdlib/check.hpcl"))];
    for entry in fs::read_dir(root().join("stdlib/build")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        modules.push((format!("(hpcl build {name})"), path.clone()));
    }
    modules
}

fn job(directory: &Path, code: &str) -> BuilderJob {
    // there may be links on the way to the temporary directory
    let directory = directory.canonicalize().unwrap();
    BuilderJob {
        name: "test".into(),
        code: code.into(),
        modules: modules(),
        extensions: vec![directory.join("extension")],
        env: vec![("PATH".into(), "/usr/bin:/bin".into()), ("out".into(), "/nowhere/out".into())],
        outputs: vec![("out".into(), directory.join("output"))],
        cores: 2,
        build_dir: directory.clone(),
        store_dir: directory.join("store"),
        layers: Vec::new(),
        libraries: Vec::new(),
        sandbox_shell: None,
    }
}

/// Runs a program in a fresh directory; `Err` is the rendered message.
fn run(code: &str) -> Result<(), String> {
    let scratch = tempfile::tempdir().unwrap();
    builder::interpret(&job(scratch.path(), code)).map_err(|failure| failure.to_string())
}

fn run_file(name: &str) {
    let code = fs::read_to_string(root().join("tests/stdlib").join(name)).unwrap();
    if let Err(message) = run(&code) {
        panic!("{name}: {message}");
    }
}

macro_rules! programs {
    ($($test:ident: $file:literal,)*) => {
        $(#[test]
        fn $test() {
            run_file($file);
        })*

        #[test]
        fn every_program_is_run() {
            let listed = [$($file),*];
            for folder in ["build", "prelude"] {
                for entry in fs::read_dir(root().join("tests/stdlib").join(folder)).unwrap() {
                    let name = format!("{folder}/{}", entry.unwrap().file_name().to_str().unwrap());
                    assert!(listed.contains(&name.as_str()), "{name} is not listed");
                }
            }
        }
    };
}

programs! {
    ports_and_programs: "prelude/builder.hpcl",
    utils: "build/utils.hpcl",
    gnu_build_system: "build/gnu-build-system.hpcl",
    copy_build_system: "build/copy-build-system.hpcl",
    cmake_build_system: "build/cmake-build-system.hpcl",
    python_build_system: "build/python-build-system.hpcl",
    pyproject_build_system: "build/pyproject-build-system.hpcl",
    checkout: "build/checkout.hpcl",
    patch: "build/patch.hpcl",
    union: "build/union.hpcl",
    profile: "build/profile.hpcl",
    profile_scripts: "build/profile-scripts.hpcl",
    profile_hooks: "build/profile-hooks.hpcl",
    seed: "build/seed.hpcl",
}

#[test]
fn a_failed_program_is_named_with_its_phase() {
    let message = run(r#"
        (use-modules (hpcl build gnu-build-system))
        (gnu-build #:outputs %outputs #:inputs '()
                   #:phases (list (cons 'build (lambda ignored (invoke "sh" "-c" "exit 3")))))
    "#)
    .unwrap_err();
    assert!(message.contains("in phase `build`"), "{message}");
    assert!(message.contains("`sh -c exit 3` exited with status 3"), "{message}");
}

#[test]
fn a_missing_file_is_named() {
    let message = run(r#"(copy-file "none" "other")"#).unwrap_err();
    assert!(message.contains("none`: no such file or directory"), "{message}");
}

#[test]
fn what_is_not_listed_cannot_be_imported() {
    let message = run("(use-modules (hpcl build secret)) (mkdir-p secret)").unwrap_err();
    assert!(message.contains("(hpcl build secret)"), "{message}");
}

#[test]
fn extensions_bring_modules_of_their_own() {
    let write = "(mkdir-p \"extension/share/guile/site/3.0/json\")
        (call-with-output-file \"extension/share/guile/site/3.0/json/parser.scm\"
          (lambda (port)
            (write '(define-module (json parser) #:export (parsed)) port)
            (write '(define parsed \"as it stands\") port)))";
    run(&format!(
        "(use-modules (hpcl build utils)) {write}
         (unless (string=? (@ (json parser) parsed) \"as it stands\") (error \"another\"))"
    ))
    .unwrap();
}

#[test]
fn guix_names_stand_for_ours() {
    run("(use-modules (guix build utils)) (mkdir \"x\") (with-directory-excursion \"x\" (mkdir \"y\"))")
        .unwrap();
}

#[test]
fn the_exit_code_says_whether_it_went_well() {
    let scratch = tempfile::tempdir().unwrap();
    assert_eq!(builder::run(&job(scratch.path(), "(mkdir-p %output)")), 0);
    assert!(scratch.path().join("output").is_dir());
    assert_eq!(builder::run(&job(scratch.path(), "(exit 7)")), 7);
    assert_eq!(builder::run(&job(scratch.path(), "(error \"no\")")), 1);
}

#[test]
fn names_and_texts_that_are_not_utf8_do_no_harm() {
    use std::os::unix::ffi::OsStrExt;
    let scratch = tempfile::tempdir().unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"caf\xE9.txt");
    fs::write(scratch.path().join(odd), b"caf\xE9 x\n").unwrap();
    let code = r#"
        (use-modules (hpcl build utils))
        (for-each (lambda (file) (substitute* file (("x") "y")))
                  (find-files "." "caf.*\\.txt$"))
    "#;
    builder::interpret(&job(scratch.path(), code)).map_err(|failure| failure.to_string()).unwrap();
    assert_eq!(fs::read(scratch.path().join(odd)).unwrap(), b"caf\xE9 y\n");
}
