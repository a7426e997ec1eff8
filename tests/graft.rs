//! Grafts, as users see them: a library is replaced below a program, and the program is not built again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::fs;

use common::{TestEnvironment, sandbox_or_skip, trivial_package_of};

/// `top` → `mid` → `low`; `apart` is built with `low` and does not refer to it. `low` at version 2 has a name of the same length,
/// `low-repaired` a longer one.
fn channel(environment: &TestEnvironment, replacement: &str) {
    let package = |name: &str, builder: &str| trivial_package_of(&format!("\"{name}\""), builder, "#f");
    let text = |text: &str| {
        format!(
            "#~(begin (mkdir #$output) (call-with-output-file (string-append #$output \"/text\") \
             (lambda (port) (display \"{text}\" port))))"
        )
    };
    let link = |name: &str| {
        format!(
            "#~(begin (mkdir #$output) (symlink (string-append #$output \"/{name}\") (string-append #$output \"/self\")) \
             (symlink #$(this-package-input \"{name}\") (string-append #$output \"/{name}\")))"
        )
    };
    let user = |name: &str, builder: String, input: &str| {
        package(name, &builder).replace("(license #f)", &format!("(license #f) (inputs (list {input}))"))
    };
    let of_version = |package: String, version: &str| {
        package.replace("(version \"1\")", &format!("(version \"{version}\")"))
    };
    let replaced = package("low", &text("old"))
        .replace("(license #f)", &format!("(license #f) (replacement {replacement})"));
    let definitions = [
        ("low", replaced),
        ("low-2", of_version(package("low", &text("new")), "2")),
        ("low-repaired", package("low-repaired", &text("repaired"))),
        ("mid", user("mid", link("low"), "low")),
        ("top", user("top", link("mid"), "mid")),
        (
            "apart",
            user(
                "apart",
                "#~(begin (mkdir #$output) (file-exists? #$(this-package-input \"low\")))".into(),
                "low",
            ),
        ),
        ("circular", of_version(user("low", link("mid"), "mid"), "3")),
        (
            "no-output",
            of_version(package("low", &text("other")), "4")
                .replace("(version", "(outputs '(\"lib\"))\n (version"),
        ),
    ];
    let definitions: Vec<String> =
        definitions.iter().map(|(name, package)| format!("(define-public {name}\n  {package})\n")).collect();
    environment.write(
        "channel/graft.hpcl",
        &format!(
            "(define-module (graft)\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
             #:use-module (guix build-system trivial))\n\n{}",
            definitions.join("\n")
        ),
    );
}

fn text_below(path: &str, way: &str, environment: &TestEnvironment) -> String {
    let path = path.trim().replace("HOME", &environment.home().display().to_string());
    fs::read_to_string(format!("{path}/{way}")).unwrap()
}

#[test]
fn a_library_is_replaced_below_what_refers_to_it() {
    if !sandbox_or_skip("a_library_is_replaced_below_what_refers_to_it") {
        return;
    }
    let here = TestEnvironment::new();
    channel(&here, "#f");
    let build = |more: &[&str]| here.run(&[&["build", "-L", "channel"], more].concat());
    let plain = build(&["top"]).success();
    assert_eq!(text_below(&plain, "mid/low/text", &here), "old");

    let run = build(&["--with-graft=low@1=low@2", "top", "apart"]);
    assert!(run.stderr.contains("grafted top-1") && run.stderr.contains("2 grafted in"), "{}", run.stderr);
    assert!(!run.stderr.contains("built mid-1") && !run.stderr.contains("grafted apart-1"), "{}", run.stderr);
    let printed = run.success();
    let (grafted, apart) = printed.trim().split_once('\n').unwrap();
    assert_ne!(grafted, plain.trim());
    assert!(grafted.ends_with("-top-1"), "{grafted}");
    for way in ["mid/low/text", "self/low/text", "mid/self/text"] {
        assert_eq!(text_below(grafted, way, &here), "new", "{way}");
    }
    assert_eq!(apart, build(&["apart"]).success().trim(), "what does not refer to it stays as it is");
    assert_eq!(text_below(&plain, "mid/low/text", &here), "old", "and what was built too");

    let run = build(&["--with-graft=low@1=low@2", "top"]);
    assert_eq!(run.stderr, "", "nothing is left to do");
    assert_eq!(run.success().trim(), grafted, "the same graft has the same path");

    let repaired = build(&["--with-graft=low@1=low-repaired", "top"]);
    assert!(
        repaired.stderr.contains("3 grafted in"),
        "a link stands for the longer name: {}",
        repaired.stderr
    );
    assert_eq!(text_below(&repaired.success(), "mid/low/text", &here), "repaired");
    here.run(&["verify"]).success();
}

#[test]
fn recipes_ask_for_grafts_by_replacement() {
    if !sandbox_or_skip("recipes_ask_for_grafts_by_replacement") {
        return;
    }
    let here = TestEnvironment::new();
    channel(&here, "low-2");
    let build = |more: &[&str]| here.run(&[&["build", "-q", "-L", "channel"], more].concat());
    assert_eq!(text_below(&build(&["top"]).success(), "mid/low/text", &here), "new");
    assert_eq!(text_below(&build(&["low@1"]).success(), "text", &here), "new", "also of the package itself");
    assert_eq!(text_below(&build(&["--no-grafts", "top"]).success(), "mid/low/text", &here), "old");
    // A profile is a result like others: its links lead to grafts.
    here.write("manifest.hpcl", "(specifications->manifest (list \"top\" \"low@1\"))\n");
    let profile = build(&["-m", "manifest.hpcl", "--root", "profile"]).success();
    assert_eq!(text_below(&profile, "mid/low/text", &here), "new");
    assert_eq!(text_below(&profile, "text", &here), "new");
    // What the grafts were made of is not needed any more.
    here.run(&["gc"]).success();
    assert_eq!(text_below(&profile, "mid/self/text", &here), "new");
    let closure = here.run(&["gc", "--requisites", "profile"]).success();
    let mids = closure.lines().filter(|line| line.ends_with("-mid-1")).count();
    assert_eq!(mids, 1, "{closure}");
    here.run(&["verify"]).success();
}

#[test]
fn grafts_that_cannot_be_made_say_why() {
    if !sandbox_or_skip("grafts_that_cannot_be_made_say_why") {
        return;
    }
    for (replacement, expected) in [
        ("circular", "grafts depend on each other in a cycle: "),
        ("no-output", "`low-1` is to be replaced by `low-4`, which has no output `out`"),
        ("\"low-2\"", "a package has as its `replacement` \"low-2\""),
    ] {
        let here = TestEnvironment::new();
        channel(&here, replacement);
        let run = here.run(&["build", "-q", "-L", "channel", "top"]);
        assert_ne!(run.code, 0);
        assert!(run.stderr.contains(expected), "{replacement}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn what_lies_in_a_layer_is_grafted_into_the_own_store() {
    if !sandbox_or_skip("what_lies_in_a_layer_is_grafted_into_the_own_store") {
        return;
    }
    let here = TestEnvironment::new();
    channel(&here, "#f");
    let build = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = here.command(&[&["build", "-L", "channel"], more].concat());
        for (name, value) in variables {
            command.env(name, here.home().join(value));
        }
        here.finish(command)
    };
    build(&[("HPCL_STORE", "site")], &["top"]).success();
    let graft = ["--with-graft=low@1=low-repaired", "top"];
    let alone = build(&[("HPCL_STORE", "alone")], &graft).success();
    let layered = [("HPCL_STORE", "own"), ("HPCL_STORE_LAYERS", "site")];
    let run = build(&layered, &graft);
    assert!(!run.stderr.contains("built top-1"), "the layer has it: {}", run.stderr);
    let grafted = run.success();
    for way in ["mid/low/text", "self/low/text", "mid/self/text"] {
        assert_eq!(text_below(&grafted, way, &here), "repaired", "{way}");
    }
    let name = |path: &str| path.trim().rsplit('/').next().unwrap().to_owned();
    assert_eq!(name(&grafted), name(&alone), "the same graft as without a layer");
    let mut command = here.command(&["verify"]);
    command.env("HPCL_STORE", here.home().join("own")).env("HPCL_STORE_LAYERS", here.home().join("site"));
    here.finish(command).success();
}
