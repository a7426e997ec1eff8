//! Bundles, weather and challenges, as users see them: what one built goes to another in one file, and is compared with caches.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::fs;

use common::{TestEnvironment, sandbox_or_skip, two_packages};

#[test]
fn one_file_takes_a_closure_and_its_recipe_to_another_store() {
    if !sandbox_or_skip("one_file_takes_a_closure_and_its_recipe_to_another_store") {
        return;
    }
    let one = TestEnvironment::new();
    one.write("recipe.hpcl", &two_packages("\"hello\""));
    one.write("channel/more.hpcl", "(define-module (more))\n");
    one.write("channel/.git/config", "not for others");
    let bundle = ["bundle", "-L", "channel", "-f", "recipe.hpcl", "-o"];
    let run = one.run(&[&bundle[..], &["top.bundle"]].concat());
    assert!(run.stderr.contains("bundled 2 items ("), "{}", run.stderr);
    run.success();
    one.run(&[&bundle[..], &["again.bundle"]].concat()).success();
    let bytes = fs::read(one.home().join("top.bundle")).unwrap();
    assert!(
        bytes == fs::read(one.home().join("again.bundle")).unwrap(),
        "the same closure gives the same file"
    );

    let other = TestEnvironment::new();
    fs::write(other.home().join("top.bundle"), &bytes).unwrap();
    let refused = other.run(&["unbundle", "top.bundle"]).failure(4);
    assert!(refused.contains("no key that you trust signed") && refused.contains("hint: "), "{refused}");
    let run =
        other.run(&["unbundle", "--unsigned", "--root", "result", "--recipes", "recipes", "top.bundle"]);
    assert!(run.stderr.contains("2 items came from the bundle"), "{}", run.stderr);
    let printed = run.success();
    assert!(printed.trim().ends_with("-top-1"), "{printed}");
    let result = other.home().join("result");
    assert_eq!(fs::read_to_string(result.join("low")).unwrap(), "hello");
    assert!(fs::read_link(result.join("low")).unwrap().starts_with(other.home()), "in this store's form");
    other.run(&["verify"]).success();
    assert!(other.home().join("recipes/channel/more.hpcl").is_file());
    assert!(!other.home().join("recipes/channel/.git").exists(), "hidden files stay at home");
    // The recipe evaluates to what came, so that nothing is built.
    let rebuilt = other.run(&["build", "-L", "recipes/channel", "-f", "recipes/recipe.hpcl"]);
    assert!(!rebuilt.stderr.contains("building"), "{}", rebuilt.stderr);
    assert_eq!(rebuilt.success(), printed);
    let run = other.run(&["unbundle", "--unsigned", "top.bundle"]);
    assert!(run.stderr.contains("0 items came from the bundle"), "they are there: {}", run.stderr);
}

#[test]
fn a_signed_bundle_needs_trust_and_a_damaged_one_changes_nothing() {
    if !sandbox_or_skip("a_signed_bundle_needs_trust_and_a_damaged_one_changes_nothing") {
        return;
    }
    let one = TestEnvironment::new();
    one.write("recipe.hpcl", &two_packages("\"hello\""));
    let public = one.run(&["cache", "keygen", "site-1", "-o", "key"]).success();
    one.run(&["bundle", "--key", "key", "-f", "recipe.hpcl", "-o", "signed"]).success();
    let bytes = fs::read(one.home().join("signed")).unwrap();
    let other = TestEnvironment::new();
    other.run(&["cache", "trust", public.trim()]).success();
    fs::write(other.home().join("cut"), &bytes[..bytes.len() / 2]).unwrap();
    let cut = other.run(&["unbundle", "cut"]).failure(1);
    assert!(cut.contains("is not a bundle of hpcl's, or it is damaged"), "{cut}");
    let mut flipped = bytes.clone();
    let magic = flipped.windows(4).position(|window| window == [0x28, 0xb5, 0x2f, 0xfd]).unwrap();
    flipped[magic + 20] ^= 1;
    fs::write(other.home().join("flipped"), flipped).unwrap();
    let broken = other.run(&["unbundle", "flipped"]).failure(4);
    assert!(broken.contains("warning: no substitute for"), "{broken}");
    assert!(other.run(&["verify"]).stderr.contains("nothing is wrong"));
    fs::write(other.home().join("signed"), bytes).unwrap();
    other.run(&["unbundle", "signed"]).success();
    let missing = other.run(&["unbundle", "nowhere"]).failure(1);
    assert!(missing.contains("cannot read `nowhere`"), "{missing}");
}

#[test]
fn caches_are_asked_what_they_have_and_challenged() {
    if !sandbox_or_skip("caches_are_asked_what_they_have_and_challenged") {
        return;
    }
    let one = TestEnvironment::new();
    one.write("recipe.hpcl", &two_packages("\"hello\""));
    one.run(&["cache", "push", "--to", "cache", "-f", "recipe.hpcl"]).success();
    let cache = one.home().join("cache").display().to_string();
    let whole = one.run(&["weather", "--cache", &cache, "-f", "recipe.hpcl"]).success();
    assert!(whole.contains(": 2 of 2 items (100 %), ") && whole.contains("2 signed by no key"), "{whole}");
    let same = one.run(&["challenge", "--verbose", "--cache", &cache]);
    assert!(same.stderr.contains("2 items: 2 the same, 0 different, 0 in no cache"), "{}", same.stderr);
    assert_eq!(same.success().matches("same: ").count(), 2);

    // Another user's build of the same derivation that came out differently, as of a compiler that records the time.
    let other = TestEnvironment::new();
    other.write("recipe.hpcl", &two_packages("\"hello\""));
    let built = other.run(&["build", "-f", "recipe.hpcl"]).success();
    let low = fs::read_link(other.home().join(built.trim().replace("HOME/", "")).join("low")).unwrap();
    let item = low.file_name().unwrap().to_str().unwrap().to_owned();
    for entry in walkdir::WalkDir::new(&cache).into_iter().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&item[..32]) {
            let text = fs::read_to_string(entry.path()).unwrap();
            let line = text.lines().find(|line| line.starts_with("NarHash: ")).unwrap();
            let forged = format!("NarHash: sha256:{}", "0".repeat(52));
            fs::write(entry.path(), text.replace(line, &forged)).unwrap();
        }
    }
    let run = other.run(&["challenge", "--cache", &cache]);
    assert!(run.stderr.contains("2 items: 1 the same, 1 different"), "{}", run.stderr);
    assert!(run.stdout.starts_with(&format!("differs: {item}\n  here: sha256-")), "{}", run.stdout);
    assert_eq!(run.code, 5);

    let empty = other.home().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::copy(one.home().join("cache/nix-cache-info"), empty.join("nix-cache-info")).unwrap();
    let empty = empty.display().to_string();
    let none = other.run(&["weather", "--missing", "--cache", &empty, "-f", "recipe.hpcl"]).success();
    assert!(none.contains("empty: 0 of 2 items (0 %), 0 B\n") && none.contains(&item), "{none}");
    let unasked = other.run(&["weather", "-f", "recipe.hpcl"]).failure(2);
    assert!(unasked.contains("no binary cache is named"), "{unasked}");
}

#[test]
fn with_its_sources_a_bundle_builds_again_where_nothing_can_be_fetched() {
    if !sandbox_or_skip("with_its_sources_a_bundle_builds_again_where_nothing_can_be_fetched") {
        return;
    }
    let one = TestEnvironment::new();
    let file = one.write("source.txt", "the source");
    let source = format!(
        "(origin (method url-fetch) (uri \"file://{}\") (sha256 (base32 \"{}\")))",
        file.display(),
        hpcl::hash::Digest::sha256(b"the source").to_base32()
    );
    let builder = "#~(copy-file (assoc-ref %build-inputs \"source\") #$output)";
    let package = common::trivial_package_of("\"copied\"", builder, &source);
    let recipe = format!(
        "(use-modules (guix packages) (guix gexp) (guix download) (guix build-system trivial))\n\n{package}"
    );
    one.write("recipe.hpcl", &recipe);
    one.run(&["bundle", "-f", "recipe.hpcl", "-o", "without"]).success();
    let run = one.run(&["bundle", "--sources", "-f", "recipe.hpcl", "-o", "with"]);
    assert!(run.stderr.contains("bundled 2 items ("), "the result and its source: {}", run.stderr);
    run.success();
    fs::remove_file(file).unwrap();
    for (bundle, code) in [("without", 4), ("with", 0)] {
        let other = TestEnvironment::new();
        fs::copy(one.home().join(bundle), other.home().join("bundle")).unwrap();
        other.run(&["unbundle", "--unsigned", "--recipes", "recipes", "bundle"]).success();
        let again = other.run(&["build", "--check", "-f", "recipes/recipe.hpcl"]);
        assert_eq!(again.code, code, "{bundle}: {}", again.stderr);
    }
}
