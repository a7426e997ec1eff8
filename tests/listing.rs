//! What is listed, shown and found of packages: from the index, as Guix ranks and prints it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::TestEnvironment;

/// A package of a channel, with more fields than the usual ones.
fn recipe(variable: &str, name: &str, version: &str, synopsis: &str, more: &str) -> String {
    format!(
        "(define-public {variable}\n  (package\n    (name \"{name}\")\n    (version \"{version}\")\n    (source #f)\n    \
         (build-system trivial-build-system)\n    (synopsis \"{synopsis}\")\n    \
         (description \"A @code{{tool}} for\\n@itemize\\n@item waves\\n@item tides\\n@end itemize\\n\")\n    \
         (home-page \"http://example.org/{name}\")\n    (license license:expat)\n    {more}))\n\n"
    )
}

fn channel() -> TestEnvironment {
    let environment = TestEnvironment::new();
    let mut text = "(define-module (my waves)\n  #:use-module (guix packages)\n  #:use-module (guix build-system trivial)\n  \
                    #:use-module ((guix licenses) #:prefix license:))\n\n"
        .to_owned();
    text += &recipe("ocean-1", "ocean", "1.9", "Ocean of water", "");
    text += &recipe("ocean-2", "ocean", "1.10", "Ocean of water", "(outputs '(\"out\" \"salt\"))");
    text += &recipe("python-ocean", "python-ocean", "3", "Bindings", "(inputs (list ocean-2))");
    text += &recipe("secret", "ocean-secret", "1", "Ocean", "(properties '((hidden? . #t)))");
    text += &recipe("old", "ocean-old", "1", "Ocean", "(properties `((superseded . ,ocean-2)))");
    text += &recipe("elsewhere", "ocean-arm", "1", "Sea", "(supported-systems '(\"armhf-linux\"))");
    text += "(define-public broken\n  (package (name \"ocean-broken\") (version (car '()))))\n";
    environment.write("recipes/my/waves.scm", &text);
    environment
}

fn json(environment: &TestEnvironment, arguments: &[&str]) -> Vec<serde_json::Value> {
    let all: Vec<&str> = arguments.iter().copied().chain(["--json", "-L", "recipes"]).collect();
    serde_json::from_str(&environment.run(&all).success()).unwrap()
}

/// Name, version and relevance of what a search finds.
fn ranking(environment: &TestEnvironment, words: &[&str]) -> Vec<String> {
    let arguments: Vec<&str> = ["search"].iter().chain(words).copied().collect();
    let row = |record: &serde_json::Value| {
        format!(
            "{} {} {}",
            record["name"].as_str().unwrap(),
            record["version"].as_str().unwrap(),
            record["relevance"]
        )
    };
    json(environment, &arguments).iter().map(row).collect()
}

#[test]
fn packages_are_ranked_as_guix_ranks_them() {
    let environment = channel();
    // The whole name 5 × 4, the whole upstream name 5 × 2, the synopsis 1 × 3; python-ocean: its name 4, its upstream name 10;
    // ocean-arm: its name 4, its upstream name 2.
    let ocean = ["ocean 1.10 33", "ocean 1.9 33", "python-ocean 3 14", "ocean-arm 1 6"];
    assert_eq!(ranking(&environment, &["ocean"]), ocean);
    assert_eq!(ranking(&environment, &["OCEAN"]), ocean, "letters of either case");
    assert_eq!(ranking(&environment, &["oce[a-b]n"]), ocean, "an expression and a plain word");
    // All words must match, and their scores are added: the description has 2 for `waves`, the file 5 for its whole name.
    assert_eq!(ranking(&environment, &["bind", "waves"]), ["python-ocean 3 10"]);
    assert_eq!(ranking(&environment, &["ocean", "nowhere"]), [""; 0]);
    // Outputs that few packages have count.
    assert_eq!(ranking(&environment, &["^salt$"]), ["ocean 1.10 5"]);
    assert_eq!(ranking(&environment, &["^ocean$"]), ["ocean 1.10 30", "ocean 1.9 30", "python-ocean 3 10"]);
}

#[test]
fn a_record_has_all_fields_in_the_format_of_recutils() {
    let environment = channel();
    let shown = environment.run(&["search", "-L", "recipes", "bindings"]).success();
    let expected = "name: python-ocean\nversion: 3\noutputs:\n+ out: everything\n\
                    systems: x86_64-linux i686-linux armhf-linux aarch64-linux powerpc64le-linux\n\
                    + riscv64-linux i586-gnu x86_64-gnu\ndependencies: ocean@1.10\nlocation: recipes/my/waves.scm:30:1\n\
                    homepage: http://example.org/python-ocean\nlicense: expat\nsynopsis: Bindings\n\
                    description: A `tool' for\n+\n+ * waves\n+ * tides\nrelevance: 15\n\n";
    // Bundled packages that are about bindings come after it.
    assert!(shown.starts_with(expected), "{shown}");
    let line = std::fs::read_to_string(environment.home().join("recipes/my/waves.scm")).unwrap();
    assert_eq!(line.lines().nth(29), Some("(define-public python-ocean"));
}

#[test]
fn all_versions_are_shown_the_newest_first() {
    let environment = channel();
    let versions = |specification: &str| -> Vec<String> {
        let shown = environment.run(&["show", "-L", "recipes", specification]).success();
        shown.lines().filter_map(|line| line.strip_prefix("version: ").map(str::to_owned)).collect()
    };
    assert_eq!(versions("ocean"), ["1.10", "1.9"]);
    assert_eq!(versions("ocean@1.9"), ["1.9"]);
    let none = environment.run(&["show", "-L", "recipes", "ocean@1.1"]).failure(3);
    assert!(none.contains("E0641") && none.contains("1.10, 1.9"), "{none}");
    let near = environment.run(&["show", "-L", "recipes", "oceam"]).failure(3);
    assert!(near.contains("did you mean `ocean`"), "{near}");
    // Another recipe's mistake hides nothing else, and is shown to who asks for that recipe.
    let broken = environment.run(&["show", "-L", "recipes", "ocean-broken"]).failure(3);
    assert!(broken.contains("waves.scm") && !broken.contains("unknown package"), "{broken}");
}

#[test]
fn one_line_lists_each_package_for_this_system() {
    let environment = channel();
    let listed = environment.run(&["list-available", "-L", "recipes", "^(python-)?oce"]).success();
    assert_eq!(
        listed,
        "ocean\t1.10\tout,salt\trecipes/my/waves.scm:18:1\nocean\t1.9\tout\trecipes/my/waves.scm:6:1\n\
         python-ocean\t3\tout\trecipes/my/waves.scm:30:1\n"
    );
    assert_eq!(json(&environment, &["list-available", "python-o"])[0]["location"]["line"], 30);
    // The bundled channels are listed too, without a directory.
    assert!(environment.run(&["list-available"]).success().contains("openmpi\t4.1"));
}

#[test]
fn a_wrong_expression_and_no_result_are_said() {
    let environment = channel();
    let wrong = environment.run(&["search", "a("]).failure(2);
    assert!(wrong.contains("`a(`"), "{wrong}");
    let nothing = environment.run(&["search", "-L", "recipes", "no-such-thing"]);
    assert!(nothing.stderr.contains("no package matches"), "{nothing:?}");
    assert_eq!(nothing.success(), "");
}

#[test]
fn a_file_that_cannot_be_read_hides_its_own_packages_and_is_named() {
    let environment = channel();
    environment.write(
        "recipes/my/broken.scm",
        "(define-module (my broken))\n(define-public tide\n  (package (name \"tide\")\n",
    );
    assert!(environment.run(&["show", "-L", "recipes", "ocean@1.9"]).success().contains("Ocean of water"));
    for verb in ["show", "build"] {
        let message = environment.run(&[verb, "-L", "recipes", "tide"]).failure(3);
        assert!(message.contains("unknown package `tide`"), "{message}");
        assert!(message.contains("`hpcl eval recipes/my/broken.scm` says why"), "{message}");
        assert!(!message.contains("waves.scm"), "only broken files are named: {message}");
    }
    let why = environment.run(&["eval", "recipes/my/broken.scm"]).failure(3);
    assert!(why.contains("broken.scm:3:"), "{why}");
}

#[test]
fn a_damaged_listing_is_made_anew() {
    let environment = channel();
    let ranked = ranking(&environment, &["ocean"]);
    let folder = environment.home().join(".cache/hpcl/index");
    let is_index = |path: &std::path::PathBuf| path.extension().is_none();
    let path = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(is_index).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 25) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).unwrap();
        assert_eq!(ranking(&environment, &["ocean"]), ranked, "byte {at}");
    }
}
