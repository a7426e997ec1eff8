//! Store paths in compressed files, which rewriting does not reach, are told when an item is made, and again by `verify --contents`.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::Write;

use common::{TestEnvironment, sandbox_or_skip, trivial_package_of};
use hpcl::store_path::CANONICAL_STORE;

#[test]
fn a_path_in_a_compressed_file_is_told() {
    if !sandbox_or_skip("a_path_in_a_compressed_file_is_told") {
        return;
    }
    let user = TestEnvironment::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writeln!(gzip, "see {CANONICAL_STORE}/x").unwrap();
    std::fs::write(user.home().join("page.1.gz"), gzip.finish().unwrap()).unwrap();
    let builder = "(with-imported-modules '((hpcl build utils))
                     #~(begin
                         (use-modules (hpcl build utils))
                         (mkdir-p (string-append #$output \"/man\"))
                         (copy-file #$(local-file \"page.1.gz\") (string-append #$output \"/man/page.1.gz\"))))";
    let package = trivial_package_of("\"manual\"", builder, "#f");
    let modules = "(use-modules (guix packages) (guix gexp) (guix build-system trivial))";
    user.write("recipe.hpcl", &format!("{modules}\n{package}"));
    let built = user.run(&["build", "-f", "recipe.hpcl"]);
    let warning = "warning: manual-1 holds store paths in compressed form, where they cannot be rewritten for other stores: man/page.1.gz";
    assert!(built.stderr.contains(warning), "{}", built.stderr);
    built.success();
    let told = user.run(&["verify", "--contents"]).success();
    assert!(
        told.starts_with("compressed path: HOME/") && told.trim().ends_with("-manual-1/man/page.1.gz"),
        "{told}"
    );
    assert_eq!(user.run(&["verify"]).success(), "");
}
