//! Crates as fixed inputs: found where cargo's configuration says, checked, and given to cargo in a build without a network.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::process::Command;

use common::{
    TestEnvironment, check_values,
    http::{Answer, Server},
    packed::tar_gz,
    real_store::{built, hpcl, text},
    sandbox_or_skip,
};
use hpcl::hash::Digest;

const MANIFEST: &str = "[package]\nname = 'polite'\nversion = '1.0.0'\nedition = '2021'\n";
const LIBRARY: &str = "pub fn greet(name: &str) -> String { format!(\"good day, {name}\") }\n";

/// `polite-1.0.0.crate`.
fn polite() -> Vec<u8> {
    tar_gz(&[("polite-1.0.0/Cargo.toml", MANIFEST), ("polite-1.0.0/src/lib.rs", LIBRARY)])
}

/// A registry with one crate; its index and its files want a token if there is one.
fn registry(token: Option<&'static str>) -> Server {
    Server::start(move |asked| {
        let told = asked.headers.get("authorization").map(String::as_str);
        match asked.path.as_str() {
            _ if token.is_some() && told != token => Answer::status("401 Unauthorized"),
            "/index/config.json" => {
                let base = format!("http://{}", asked.headers["host"]);
                let auth = token.is_some();
                Answer::ok(
                    "application/json",
                    format!("{{\"dl\": \"{base}/files\", \"auth-required\": {auth}}}"),
                )
            }
            "/files/polite/1.0.0/download" => Answer::ok("application/gzip", polite()),
            _ => Answer::status("404 Not Found"),
        }
    })
}

/// Has cargo take crates from there.
fn configure(environment: &TestEnvironment, server: &Server) {
    let text = format!(
        "[source.crates-io]\nreplace-with = 'stand-in'\n[registries.stand-in]\nindex = 'sparse+{}/index/'\n",
        server.base
    );
    environment.write(".cargo/config.toml", &text);
}

fn download(environment: &TestEnvironment, url: &str, content: &[u8]) -> Command {
    let hash = Digest::sha256(content).to_base16();
    environment.command(&["download", url, "--expect", &format!("sha256:{hash}"), "-o", "got"])
}

const URL: &str = "mirror://crates/polite/polite-1.0.0.crate";

#[test]
fn a_crate_is_found_by_cargos_configuration_and_checked() {
    let (environment, server) = (TestEnvironment::new(), registry(Some("secret")));
    configure(&environment, &server);
    let error = environment.finish(download(&environment, URL, &polite())).failure(4);
    assert!(error.contains("does not tell where its crates are") && error.contains("(401)"), "{error}");
    assert!(error.contains("hint: a registry's token is read from"), "{error}");
    environment.write(".cargo/credentials.toml", "[registries.stand-in]\ntoken = 'secret'\n");
    environment.finish(download(&environment, URL, &polite())).success();
    assert_eq!(std::fs::read(environment.home().join("got")).unwrap(), polite());
    let error = environment.finish(download(&environment, URL, b"other")).failure(4);
    assert!(error.contains("wrong hash for"), "{error}");
    // hpcl's own settings go before cargo's, and name files without an index too.
    let open = registry(None);
    let own = format!("[mirrors]\ncrates = ['{}/files/{{crate}}/{{version}}/download']\n", open.base);
    environment.write(".config/hpcl/config.toml", &own);
    environment.finish(download(&environment, URL, &polite())).success();
    assert_eq!(open.paths(), ["/files/polite/1.0.0/download"]);
}

#[test]
fn what_cannot_be_found_is_said() {
    let (environment, server) = (TestEnvironment::new(), registry(None));
    let mut alone = download(&environment, URL, &polite());
    alone.env("PATH", environment.home());
    let error = environment.finish(alone).failure(4);
    assert!(error.contains("no registry of crates is configured, and no installed cargo"), "{error}");
    assert_eq!(error.matches("no registry of crates").count(), 1, "{error}");
    assert!(error.contains("[mirrors]\n") && error.contains("~/.cargo/config.toml"), "{error}");
    // The default is in the program: this one's is nowhere.
    environment.write("cargo", "…sparse+https://registry.invalid/…");
    let mut carried = download(&environment, URL, &polite());
    carried.env("PATH", environment.home());
    let error = environment.finish(carried).failure(4);
    assert!(error.contains("the registry https://registry.invalid/ does not tell"), "{error}");
    configure(&environment, &server);
    for (url, wanted) in [
        ("mirror://crates/polite/polite-2.0.0.crate", "/files/polite/2.0.0/download: not found (404)"),
        (
            "mirror://crates/polite/other-1.0.0.crate",
            "`polite/other-1.0.0.crate` is not `NAME/NAME-VERSION.crate`",
        ),
    ] {
        let error = environment.finish(download(&environment, url, b"")).failure(4);
        assert!(error.contains(wanted), "{error}");
    }
    environment.write(".cargo/config.toml", "[source.crates-io]\nreplace-with = 'nowhere'\n");
    let error = environment.finish(download(&environment, URL, &polite())).failure(4);
    assert!(error.contains("`[source.nowhere]` of cargo's configuration is named"), "{error}");
}

#[test]
fn recipes_name_no_registry() {
    let cases = [
        ("(crate-uri \"a-b\" \"1.0.0+c\")", "\"mirror://crates/a-b/a-b-1.0.0+c.crate\""),
        ("(origin-file-name (crate-source \"a\" \"1.0.0\" (make-string 64 #\\0)))", "\"a-1.0.0.crate\""),
    ];
    check_values("(hpcl crates) (hpcl packages) (guix build-system cargo)", &cases);
}

/// A file with a program of one crate, and a package of it.
fn program(environment: &TestEnvironment, name: &str, main: &str, locked: &str, given: &str) -> String {
    let manifest = format!(
        "[package]\nname = '{name}'\nversion = '1.0.0'\nedition = '2021'\n[dependencies]\npolite = '1'\n"
    );
    let lock = format!(
        "version = 4\n[[package]]\nname = '{name}'\nversion = '1.0.0'\ndependencies = ['polite']\n\
         [[package]]\nname = 'polite'\nversion = '1.0.0'\nsource = '{}'\nchecksum = '{locked}'\n",
        // cargo's own name of its default registry, read from what it writes.
        registry_name()
    );
    let members = [("p/Cargo.toml", manifest.as_str()), ("p/Cargo.lock", &lock), ("p/src/main.rs", main)];
    std::fs::write(environment.home().join("p.tar.gz"), tar_gz(&members)).unwrap();
    format!(
        "(use-modules (hpcl packages) (hpcl gexp) (hpcl build-system cargo))
         (package (name \"{name}\") (version \"1.0.0\") (source (local-file \"p.tar.gz\"))
                  (build-system cargo-build-system)
                  (arguments (list #:crates '(\"polite 1.0.0 {given}\")))
                  (home-page #f) (synopsis \"P\") (description \"P.\") (license #f))\n"
    )
}

/// The source that lock files name for crates of cargo's default registry: as this repository's own has it.
fn registry_name() -> &'static str {
    let lock = include_str!("../Cargo.lock");
    lock.lines().find_map(|line| line.strip_prefix("source = \"")?.strip_suffix('"')).unwrap()
}

const MAIN: &str = "fn main() { println!(\"{}\", polite::greet(\"reader\")) }
#[test]
fn it_greets() { assert_eq!(polite::greet(\"x\"), \"good day, x\") }\n";

#[test]
fn cargo_builds_with_crates_for_inputs_and_nothing_else() {
    let test = "cargo_builds_with_crates_for_inputs";
    if !sandbox_or_skip(test) {
        return;
    }
    let (environment, server) = (TestEnvironment::new(), registry(None));
    configure(&environment, &server);
    let right = Digest::sha256(&polite()).to_base16();
    // A name that no earlier run has built.
    let name = format!("greeter-{}", std::process::id());
    environment.write("p.hpcl", &program(&environment, &name, MAIN, &right, &right));
    let Some(item) = built(test, hpcl(&environment, &["build", "-f", "p.hpcl"])) else { return };
    let run = Command::new(item.join("bin").join(&name)).env_clear().output().unwrap();
    assert_eq!(text(run), "good day, reader\n");

    // A lock file that knows another checksum is cargo's to refuse.
    let file = program(&environment, &format!("{name}-b"), MAIN, &"0f".repeat(32), &right);
    environment.write("p.hpcl", &file);
    let output = hpcl(&environment, &["build", "-f", "p.hpcl"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("checksum for `polite v1.0.0`"), "{errors}");
    // So is a test that fails.
    let failing = MAIN.replace("good day, x", "good night");
    environment.write("p.hpcl", &program(&environment, &format!("{name}-c"), &failing, &right, &right));
    let output = hpcl(&environment, &["build", "-f", "p.hpcl"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("failed in phase `check`"), "{errors}");
}

#[test]
fn a_crate_that_leads_out_or_is_another_is_refused() {
    let test = "a_crate_that_leads_out_or_is_another_is_refused";
    if !sandbox_or_skip(test) {
        return;
    }
    for (members, wanted) in [
        (vec![("x-1.0.0/../../out", "")], "leads out of the target directory"),
        (vec![("y-1.0.0/src/lib.rs", "")], "does not consist of the directory `x-1.0.0`"),
        (
            vec![("x-1.0.0/src/lib.rs", ""), ("serde-1.0.0/src/lib.rs", "")],
            "does not consist of the directory",
        ),
    ] {
        let environment = TestEnvironment::new();
        std::fs::write(environment.home().join("x-1.0.0.crate"), tar_gz(&members)).unwrap();
        let builder = "#~(begin (use-modules (hpcl build cargo-build-system))
                            ((vendor-crates (list (list \"x\" \"1.0.0\" \"00\" #$(local-file \"x-1.0.0.crate\")))))
                            (mkdir #$output))";
        let package = common::trivial_package("\"vendored\"", builder).replace(
            "#:builder",
            "#:modules '((hpcl build cargo-build-system) (hpcl build gnu-build-system) (hpcl build utils)) #:builder",
        );
        environment.write(
            "x.hpcl",
            &format!("(use-modules (hpcl packages) (hpcl gexp) (hpcl build-system trivial))\n{package}\n"),
        );
        let error = environment.run(&["build", "-f", "x.hpcl"]).failure(4);
        assert!(error.contains(wanted), "{error}");
    }
}
