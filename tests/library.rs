//! The evaluation side's library, module by module: what expressions over it evaluate to.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{TestEnvironment, check_values as check};

#[test]
fn utils() {
    check(
        "(hpcl utils)",
        &[
            ("(version-major+minor \"4.1.4\")", "\"4.1\""),
            ("(version>? \"10.0\" \"9.9\")", "#t"),
            ("(version-compare \"1.2rc1\" \"1.2\")", ">"),
            ("(substitute-keyword-arguments '(#:a 1 #:b 2) ((#:a old) (+ old 10)))", "(#:a 11 #:b 2)"),
            ("(substitute-keyword-arguments '(#:b 2) ((#:a old 5) (+ old 1)))", "(#:b 2 #:a 6)"),
            ("(ensure-keyword-arguments '(#:a 1 #:b 2) '(#:b 3))", "(#:a 1 #:b 3)"),
            ("(default-keyword-arguments '(#:a 1) '(#:a 2 #:c 3))", "(#:a 1 #:c 3)"),
            ("(strip-keyword-arguments '(#:a) '(#:a 1 #:b 2))", "(#:b 2)"),
            ("(tarball-sans-extension \"hello-2.10.tar.gz\")", "\"hello-2.10\""),
            ("(call-with-values (lambda () (package-name->name+version \"a@1\")) list)", "(\"a\" \"1\")"),
            ("(target-x86-64?)", "#t"),
        ],
    );
}

#[test]
fn licenses_and_search_paths() {
    check(
        "((hpcl licenses) #:prefix license:) (hpcl search-paths) (hpcl records)",
        &[
            ("(license:license-name license:gpl3+)", "\"gpl3+\""),
            ("(license:license-spdx license:expat)", "\"MIT\""),
            ("(search-path-specification->sexp $PATH)", "(\"PATH\" (\"bin\" \"sbin\") \":\" directory #f)"),
        ],
    );
}

#[test]
fn stored_profiles() {
    check(
        "(hpcl stored-profiles)",
        &[
            (
                "(manifest->code '((\"hello\" \"2.10\" \"out\" ()) (\"hwloc\" \"2.9.0\" \"lib\" ())))",
                "((specifications->manifest (list \"hello\" \"hwloc:lib\")))",
            ),
            (
                "(cdr (manifest->code '((\"hello\" \"2.10\" \"out\" ((without-tests . \"hello\"))))))",
                "((define transform1 (options->transformation '((without-tests . \"hello\")))) \
                 (packages->manifest (list (transform1 (specification->package \"hello\")))))",
            ),
            (
                "(upgrade-plan '((\"no-such-package\" \"1\" \"out\" ()) (\"hello\" \"9\" \"out\" ())) '())",
                "(unknown older)",
            ),
        ],
    );
}

#[test]
fn packages_and_inputs() {
    check(
        "(hpcl packages) (hpcl build-system) (hpcl build-system gnu) (hpcl build-system copy) \
         (hpcl build-system cmake) (hpcl build-system trivial) (core base) (core compression) (hpc mpi)",
        &[
            ("(package-full-name hello)", "\"hello@2.10\""),
            ("(map car (package-inputs openmpi))", "(\"hwloc\" \"libevent\" \"zlib\")"),
            (
                "(map car (modify-inputs (package-inputs openmpi) (delete \"zlib\") (append xz)))",
                "(\"hwloc\" \"libevent\" \"xz\")",
            ),
            (
                "(map car (modify-inputs (package-inputs openmpi) (replace \"zlib\" xz) (prepend hello)))",
                "(\"hello\" \"hwloc\" \"libevent\" \"zlib\")",
            ),
            ("(package-version (package (inherit hello) (version \"3\")))", "\"3\""),
            ("(build-system-name (package-build-system hello))", "gnu"),
            (
                "(map build-system-name (list copy-build-system cmake-build-system trivial-build-system))",
                "(copy cmake trivial)",
            ),
            ("(origin-actual-file-name (package-source hello))", "\"hello-2.10.tar.gz\""),
            ("(bytevector-length (base32 \"0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i\"))", "32"),
        ],
    );
}

#[test]
fn python_packages() {
    check(
        "(hpcl packages) (hpcl gexp) (hpcl build-system) (hpcl build-system python) (guix build-system pyproject) \
         (core base) (core python)",
        &[
            (
                "(map build-system-name (list python-build-system pyproject-build-system))",
                "(python pyproject)",
            ),
            ("(eq? (default-python) python)", "#t"),
            ("(pypi-uri \"a\" \"1\" \".zip\")", "\"mirror://pypi/a/a-1.zip\""),
            ("(wheel-source? (local-file \"/x/a-1-py3-none-any.whl\"))", "#t"),
            ("(wheel-source? (package-source hello))", "#f"),
            (
                "(map (lambda (label) (and (assoc label (bag-build-inputs (package->bag (package (inherit hello) (build-system pyproject-build-system) \
                 (native-inputs (list python-seed))) \"x86_64-linux\" #f))) #t)) '(\"python\" \"python-seed\" \"gcc\" \"gcc-lib\"))",
                "(#t #t #t #f)",
            ),
        ],
    );
}

#[test]
fn manifests_specifications_and_transformations() {
    check(
        "(hpcl profiles) (hpcl specifications) (hpcl transformations) (hpcl packages) (hpcl command-line)",
        &[
            (
                "(call-with-values (lambda () (split-specification \"a@1:lib\")) list)",
                "(\"a\" \"1\" \"lib\")",
            ),
            ("(package-version (specification->package \"hello@2\"))", "\"2.10\""),
            (
                "(map manifest-entry-name (manifest-entries (concatenate-manifests (list (specifications->manifest '(\"hello\")) (packages->manifest (list (specification->package \"zlib\")))))))",
                "(\"hello\" \"zlib\")",
            ),
            (
                "(map car (package-inputs ((options->transformation '((with-input . \"zlib=xz\"))) (specification->package \"openmpi\"))))",
                "(\"hwloc\" \"libevent\" \"zlib\")",
            ),
            (
                "(map (lambda (input) (package-name (cadr input))) (package-inputs ((options->transformation '((with-input . \"zlib=xz\"))) (specification->package \"openmpi\"))))",
                "(\"hwloc\" \"libevent\" \"xz\")",
            ),
            ("(denotes-packages? (specification->package \"hello\"))", "#t"),
            ("(denotes-packages? 'hello)", "#f"),
        ],
    );
}

#[test]
fn guix_names_stand_for_ours() {
    check(
        "(guix packages) (guix utils) (gnu packages compression) (srfi srfi-1) (ice-9 match)",
        &[("(package-name zlib)", "\"zlib\""), ("(match '(1 2) ((a b) (+ a b)))", "3")],
    );
}

#[test]
fn a_definition_of_the_guix_manual_loads_as_it_stands() {
    let environment = TestEnvironment::new();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/01-hello");
    let ours = environment.run(&["eval", "hello"]).success();
    let theirs = environment.run(&["eval", "-L", directory, "-e", "(@ (hello) hello)"]).success();
    assert!(theirs.starts_with("hello@2.10\t"), "{theirs}");
    let manifest = format!("{directory}/manifest.scm");
    assert_eq!(environment.run(&["eval", "-m", &manifest]).success(), ours);
}
