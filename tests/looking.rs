//! Verbs that look at recipes and files: `graph`, `lint`, `hash`, `download`, `man`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::TestEnvironment;

const RECIPES: &str = r#"(define-module (chain)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module ((guix licenses) #:prefix license:)
  #:use-module (guix build-system trivial))

(define-public low
  (package
    (name "low")
    (version "1")
    (source #f)
    (build-system trivial-build-system)
    (arguments (list #:builder #~(mkdir #$output)))
    (synopsis "Lowest of all")
    (description "Nothing is below it.")
    (home-page "https://example.org")
    (license license:expat)))

(define-public middle
  (package
    (inherit low)
    (name "middle")
    (inputs (list low))))

(define-public bad_top
  (package
    (inherit middle)
    (name "bad_top")
    (inputs (list middle low))
    (synopsis "a top.")
    (license "free")))

(define-public twice
  (package
    (inherit low)
    (name "twice")
    (propagated-inputs (list low (package (inherit low) (version "2"))))))
"#;

fn setting() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("recipes/chain.hpcl", RECIPES);
    environment
}

#[test]
fn graphs_come_as_text_as_pictures_and_as_one_way() {
    let environment = setting();
    let graph = |arguments: &[&str]| environment.run(&[&["graph", "-L", "recipes"], arguments].concat());
    let dot = graph(&["bad_top"]).success();
    assert!(dot.starts_with("digraph \"bad_top\" {\n"), "{dot}");
    assert!(dot.contains("  \"bad_top@1\" -> \"low@1\";\n  \"middle@1\" -> \"low@1\";\n"), "{dot}");
    let json = graph(&["--json", "-t", "derivation", "bad_top"]).success();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["nodes"][0]["label"], "bad_top-1");
    assert_eq!(json["edges"].as_array().unwrap().len(), 3);
    assert_eq!(graph(&["--path", "bad_top", "low"]).success(), "bad_top@1\nlow@1\n");
    let none = graph(&["--path", "low", "middle"]).failure(5);
    assert!(none.contains("there is no way to `middle`"), "{none}");

    graph(&["-o", "picture.svg", "bad_top"]).success();
    let svg = std::fs::read_to_string(environment.home().join("picture.svg")).unwrap();
    assert_eq!((svg.matches("<rect ").count(), svg.matches("<path ").count()), (3, 3), "{svg}");
    assert_eq!(graph(&["-F", "svg", "bad_top"]).success(), svg, "it is the same each time");
    let html = graph(&["-F", "html", "bad_top"]).success();
    assert!(html.contains("3 nodes, 3 edges") && html.contains("<script>"), "{html}");
    let missing = graph(&["--type", "references", "low"]).failure(1);
    assert!(missing.contains("is not in the store"), "{missing}");
    // An interface stands for its provider.
    let netpipe = graph(&["netpipe"]).success();
    assert!(netpipe.contains("\"netpipe@3.7.2\" -> \"openmpi@4.1.4\""), "{netpipe}");
}

#[test]
fn lint_says_what_is_wrong_and_where() {
    let environment = setting();
    let lint = |arguments: &[&str]| environment.run(&[&["lint", "-L", "recipes"], arguments].concat());
    assert_eq!(lint(&["low", "middle"]).success(), "");
    let run = lint(&["bad_top"]);
    assert_eq!(run.code, 1, "{run:?}");
    let lines: Vec<&str> = run.stdout.lines().collect();
    let place = |line: u32| format!("recipes/chain.hpcl:{line}:5: bad_top@1: ");
    assert_eq!(lines[0], place(28) + "name should use hyphens instead of underscores [name]", "{run:?}");
    assert_eq!(lines[1], place(30) + "no period allowed at the end of the synopsis [synopsis]");
    assert_eq!(lines[4], place(31) + "invalid license field: use those of `(guix licenses)` [license]");
    assert_eq!(lines.len(), 5, "{run:?}");
    let json = lint(&["--json", "-c", "license", "bad_top"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((json[0]["checker"].as_str(), json[0]["line"].as_u64()), (Some("license"), Some(31)));
    assert_eq!(lint(&["-x", "name,synopsis,license", "bad_top"]).success(), "");
    let unknown = lint(&["-c", "nothing", "low"]).failure(2);
    assert!(unknown.contains("there is no checker `nothing`"), "{unknown}");
    assert!(lint(&["--list-checkers"]).success().contains("build-files "));
}

#[test]
fn lint_says_what_cannot_be_in_one_profile() {
    let environment = setting();
    let found = environment.run(&["lint", "-L", "recipes", "-c", "profile-collisions", "twice", "middle"]);
    assert_eq!(found.stdout.matches("profile-collisions").count(), 1, "{found:?}");
    assert!(found.stdout.contains("propagated `low` 1 and 2 cannot be in one profile"), "{found:?}");
}

#[test]
fn hashes_are_those_of_nix_guix_and_git() {
    let environment = TestEnvironment::new();
    environment.write("tree/a.txt", "hello\n");
    environment.write("tree/b/c.txt", "hello\n");
    environment.write("tree/.git/HEAD", "x");
    let hash = |arguments: &[&str]| environment.run(&[&["hash"], arguments].concat()).success();
    let file = "tree/a.txt";
    assert_eq!(
        hash(&["-f", "hex", file]),
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03\n"
    );
    assert_eq!(hash(&["-H", "sha1", "-f", "hex", file]), "f572d396fae9206628714fb2ce00f72e94f2258f\n");
    assert_eq!(hash(&["-f", "base64", file]), "WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=\n");
    // What `git hash-object` and `git write-tree` print.
    assert_eq!(
        hash(&["-S", "git", "-H", "sha1", "-f", "hex", file]),
        "ce013625030ba8dba906f756967f9e9ca394464a\n"
    );
    let tree = hash(&["-S", "git", "-H", "sha1", "-f", "hex", "-x", "tree"]);
    assert_ne!(tree, hash(&["-S", "git", "-H", "sha1", "-f", "hex", "tree"]), "`-x` leaves `.git` out");
    let without = hash(&["-x", "tree"]);
    std::fs::remove_dir_all(environment.home().join("tree/.git")).unwrap();
    assert_eq!(hash(&["tree"]), without);
    assert_eq!(hash(&["-S", "git", "-H", "sha1", "-f", "hex", "tree"]), tree);
    let mut git = std::process::Command::new("git");
    git.args(["init", "-q", "."]).current_dir(environment.home().join("tree"));
    if git.status().is_ok_and(|status| status.success()) {
        let git = |arguments: &[&str]| {
            let output = std::process::Command::new("git")
                .args(arguments)
                .current_dir(environment.home().join("tree"))
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        git(&["add", "."]);
        assert_eq!(git(&["write-tree"]), tree, "Git says the same");
    }
    assert_eq!(hash(&[file, "tree/b/c.txt"]).lines().count(), 2);
    let missing = environment.run(&["hash", "nothing"]).failure(1);
    assert!(missing.contains("cannot read `nothing`"), "{missing}");
}

#[test]
fn a_download_is_the_item_that_a_recipe_with_that_hash_has() {
    let environment = TestEnvironment::new();
    environment.write("source-1.tar", "content");
    let fetched = environment.run(&["download", "source-1.tar"]).success();
    let lines: Vec<&str> = fetched.lines().collect();
    let expression = format!(
        "((@ (guix packages) origin) (method (@ (guix download) url-fetch)) (uri \"mirror://none/source-1.tar\") \
         (sha256 ((@ (guix packages) base32) \"{}\")))",
        lines[1]
    );
    environment
        .write("origin.hpcl", &format!("(use-modules (guix packages) (guix download))\n{expression}\n"));
    let plan = environment.run(&["plan", "-f", "origin.hpcl"]).success();
    assert_eq!(plan, "0 to fetch, 0 to build\n", "the recipe's source is there");
    environment.run(&["download", "-o", "copy", "--json", "source-1.tar"]).success();
    assert_eq!(std::fs::read_to_string(environment.home().join("copy")).unwrap(), "content");
    let wrong = environment.run(&[
        "download",
        "--expect",
        "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "source-1.tar",
    ]);
    assert_ne!(wrong.code, 0, "{wrong:?}");
    let neither = environment.run(&["download", "nothing-here"]).failure(2);
    assert!(neither.contains("is neither an address nor a file"), "{neither}");
}

#[test]
fn there_is_a_manual_page_for_each_verb() {
    let environment = TestEnvironment::new();
    environment.run(&["man", "--dir", "man1"]).success();
    let page = std::fs::read_to_string(environment.home().join("man1/hpcl-build.1")).unwrap();
    assert!(page.contains(".TH hpcl-build 1") && page.contains("dry\\-run"), "{page}");
    assert!(environment.home().join("man1/hpcl-cache-push.1").exists());
    assert!(environment.home().join("man1/hpcl.1").exists());
    assert!(environment.run(&["man", "cache", "push"]).success().contains("push"));
    environment.run(&["man", "nothing"]).failure(2);
}
