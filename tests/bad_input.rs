//! Bad recipes and manifests: each shows its message, whole, and leaves the store as it was.
//!
//! The snapshots are what a user sees without colours. Nothing here builds or needs the network.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::TestEnvironment;

/// Evaluates a manifest that must be refused, and returns the message.
fn refused(manifest: &str) -> String {
    let environment = TestEnvironment::new();
    environment.write("manifest.hpcl", manifest);
    environment.run(&["eval", "manifest.hpcl"]).failure(3)
}

/// A package form around fields, with what it needs imported.
fn package(fields: &str) -> String {
    format!(
        "(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n\n(package\n  {fields})\n"
    )
}

const REST: &str = "(source #f)\n  (build-system trivial-build-system)\n  \
    (arguments (list #:builder #~(mkdir #$output)))\n  (synopsis \"A\")\n  (description \"A\")\n  \
    (home-page #f)\n  (license #f)";

#[test]
fn syntax_errors_are_all_shown() {
    insta::assert_snapshot!(refused("(define a (list 1 2]\n(define b #\\nope)\n"));
}

#[test]
fn an_unbound_name_is_compared_with_those_in_scope() {
    insta::assert_snapshot!(refused("(specifications->manifst (list \"hello\"))\n"));
}

#[test]
fn a_wrong_field_is_compared_with_the_right_ones() {
    insta::assert_snapshot!(refused(&package(&format!("(name \"a\")\n  (verison \"1\")\n  {REST}"))));
}

#[test]
fn a_missing_field_is_named() {
    insta::assert_snapshot!(refused(&package(&format!("(name \"a\")\n  {REST}"))));
}

#[test]
fn a_field_of_the_wrong_type_is_named() {
    insta::assert_snapshot!(refused(&package(&format!("(name \"a\")\n  (version 1.0)\n  {REST}"))));
}

#[test]
fn a_field_written_twice_shows_both_places() {
    insta::assert_snapshot!(refused(&package(&format!(
        "(name \"a\")\n  (name \"b\")\n  (version \"1\")\n  {REST}"
    ))));
}

#[test]
fn an_unknown_package_is_compared_with_known_ones() {
    insta::assert_snapshot!(refused("(specifications->manifest (list \"helo\"))\n"));
}

#[test]
fn an_unknown_version_lists_those_that_there_are() {
    insta::assert_snapshot!(refused("(specifications->manifest (list \"hello@9\"))\n"));
}

#[test]
fn an_unknown_output_lists_those_that_there_are() {
    insta::assert_snapshot!(refused("(specifications->manifest (list \"hello:doc\"))\n"));
}

#[test]
fn cyclic_inputs_list_the_packages() {
    let environment = TestEnvironment::new();
    let member = |name: &str, input: &str| {
        format!(
            "(define-module (ring {name})\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
             #:use-module (guix build-system trivial)\n  #:use-module (ring {input}))\n\n\
             (define-public {name}\n  (package (name \"{name}\") (version \"1\") {REST}\n    \
             (inputs (list {input}))))\n"
        )
    };
    environment.write("channel/ring/a.hpcl", &member("a", "b"));
    environment.write("channel/ring/b.hpcl", &member("b", "c"));
    environment.write("channel/ring/c.hpcl", &member("c", "a"));
    insta::assert_snapshot!(environment.run(&["eval", "-L", "channel", "a"]).failure(3));
}

#[test]
fn cyclic_inputs_of_one_file_each_have_a_place() {
    let member = |name: &str, input: &str| {
        format!(
            "(define {name}\n  (package (name \"{name}\") (version \"1\") {REST}\n    (inputs (list {input}))))\n"
        )
    };
    let text = format!(
        "(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n{}{}a\n",
        member("a", "b"),
        member("b", "a")
    );
    let shown = refused(&text);
    assert!(shown.contains("manifest.hpcl:3:3"), "{shown}");
    assert!(shown.contains("  `b@1` needs `a@1` at manifest.hpcl:12:3"), "{shown}");
}

#[test]
fn an_input_that_is_wrong_names_the_packages_on_the_way() {
    let text = package(&format!(
        "(name \"top\")\n  (version \"1\")\n  {REST}\n  (inputs (list\n    (package (name \"low\") (version \"2\") {REST}\n      \
         (inputs (list 'nothing)))))"
    ));
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn outputs_of_one_name_are_refused() {
    insta::assert_snapshot!(refused(&package(&format!(
        "(name \"a\")\n  (version \"1\")\n  (outputs '(\"out\" \"doc\" \"doc\"))\n  {REST}"
    ))));
}

#[test]
fn a_hash_of_the_wrong_length_is_refused() {
    let text = "(use-modules (guix packages) (guix download))\n\n(origin\n  (method url-fetch)\n  \
        (uri \"file:///a.tar\")\n  (sha256 (base32 \"0ssi1wpaf7plaswqq\")))\n";
    insta::assert_snapshot!(refused(text));
}

#[test]
fn definitions_that_need_each_other_show_the_loop() {
    insta::assert_snapshot!(refused("(define a (+ b 1))\n(define b (+ a 1))\na\n"));
}

#[test]
fn recursion_without_end_is_a_message() {
    let text = refused("(define (count n) (+ 1 (count (+ n 1))))\n(count 0)\n");
    assert!(text.contains("error"), "{text}");
}

#[test]
fn changing_a_variable_says_why_not() {
    insta::assert_snapshot!(refused("(define a 1)\n(set! a 2)\n"));
}

#[test]
fn a_manifest_without_packages_says_what_it_ends_with() {
    let environment = TestEnvironment::new();
    environment.write("manifest.hpcl", "(define a 1)\n\"hello\"\n");
    insta::assert_snapshot!(environment.run(&["build", "-m", "manifest.hpcl"]).failure(3));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let environment = TestEnvironment::new();
    insta::assert_snapshot!(environment.run(&["eval", "absent.hpcl"]).failure(3));
}

#[test]
fn a_file_that_is_not_text_is_named() {
    let environment = TestEnvironment::new();
    std::fs::write(environment.home().join("a.hpcl"), [b'(', 0xff, 0xfe, b')']).unwrap();
    insta::assert_snapshot!(environment.run(&["eval", "a.hpcl"]).failure(3));
}

#[test]
fn a_home_whose_path_is_too_long_is_refused_with_the_remedy() {
    let environment = TestEnvironment::new();
    let long = environment.home().join("a".repeat(60));
    std::fs::create_dir_all(&long).unwrap();
    let mut command = environment.command(&["verify"]);
    command.env("HOME", &long);
    insta::assert_snapshot!(environment.finish(command).failure(1));
}

#[test]
fn an_unbound_name_is_looked_for_in_other_modules() {
    let environment = TestEnvironment::new();
    let fields = REST.replace("trivial-build-system", "cmake-build-system");
    let module = |library: &str| {
        format!(
            "(define-module (tools)\n  #:use-module ({library} packages))\n\n(define-public tool\n  (package\n    \
             (name \"tool\")\n    (version \"1\")\n    {fields}))\n"
        )
    };
    environment.write("guix.hpcl", &module("guix"));
    environment.write("own.hpcl", &module("hpcl"));
    insta::assert_snapshot!(environment.run(&["eval", "-L", ".", "-e", "(@ (guix) tool)"]).failure(3));
    let own = environment.run(&["eval", "-L", ".", "-e", "(@ (own) tool)"]).failure(3);
    assert!(own.contains("`(hpcl build-system cmake)`; add it to `#:use-module`"), "{own}");
}

#[test]
fn a_field_in_a_macro_is_shown_where_the_user_wrote_it() {
    insta::assert_snapshot!(refused(&format!(
        "(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n\n(define-syntax-rule (my-package n field ...)\n  \
         (package (name n) (version \"1\") field ...\n  {REST}))\n\n(my-package \"a\" (inpust '()))\n"
    )));
}

#[test]
fn a_call_in_a_macro_is_shown_where_the_user_wrote_it() {
    insta::assert_snapshot!(refused(
        "(define-syntax-rule (first-two x) (list (car x) (cadr x)))\n(define (f y)\n  (list (first-two y)))\n(define z (f 5))\nz\n"
    ));
}

#[test]
fn a_name_defined_twice_shows_both_places() {
    insta::assert_snapshot!(refused("(define a 1)\n(define b 2)\n(define a 3)\n(list a b)\n"));
}

#[test]
fn an_error_in_arguments_names_the_package() {
    let low =
        package(&format!("(name \"low\")\n  (version \"1\")\n  {}", REST.replace("#$output", "#$(car '())")));
    let text = low.replacen("(package\n", "(define low (package\n", 1).trim_end().to_owned()
        + ")\n\n(define top\n  (package\n    (inherit low)\n    (name \"top\")))\n\ntop\n";
    insta::assert_snapshot!(refused(&text));
}

#[test]
fn a_loop_of_three_definitions_is_listed_with_its_places() {
    insta::assert_snapshot!(refused(
        "(define one (list two))\n(define two (list three))\n(define three\n  (list one))\none\n"
    ));
}
