//! The modules that recipes written for Guix import: what their procedures return, as the Guix manual says.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{TestEnvironment, check_values as check};

#[test]
fn keyword_arguments() {
    check(
        "(guix utils)",
        &[
            ("(ensure-keyword-arguments '(#:foo 2) '(#:foo 2))", "(#:foo 2)"),
            ("(ensure-keyword-arguments '(#:foo 2) '(#:bar 3))", "(#:foo 2 #:bar 3)"),
            ("(ensure-keyword-arguments '(#:foo 2) '(#:bar 3 #:foo 42))", "(#:foo 42 #:bar 3)"),
            (
                "(substitute-keyword-arguments '(#:a 1 #:b 2) ((#:a old) (* old 10)) ((#:c _ 5) 6))",
                "(#:a 10 #:b 2 #:c 6)",
            ),
            ("(substitute-keyword-arguments '(#:path \"x\") ((#:path \"x\") \"y\"))", "(#:path \"y\")"),
            ("(substitute-keyword-arguments '(#:path \"z\") ((#:path \"x\") \"y\"))", "(#:path \"z\")"),
        ],
    );
}

#[test]
fn systems_and_targets() {
    check(
        "(guix utils)",
        &[
            ("(nix-system->gnu-triplet \"x86_64-linux\")", "\"x86_64-unknown-linux-gnu\""),
            ("(nix-system->gnu-triplet \"armhf-linux\")", "\"arm-unknown-linux-gnueabihf\""),
            ("(gnu-triplet->nix-system \"x86_64-unknown-linux-gnu\")", "\"x86_64-linux\""),
            ("(gnu-triplet->nix-system \"i686-pc-linux-gnu\")", "\"i686-linux\""),
            ("(gnu-triplet->nix-system \"i586-pc-gnu\")", "\"i686-gnu\""),
            ("(target-x86-32? \"i586-pc-gnu\")", "#t"),
            ("(target-x86-32? \"x86_64-linux\")", "#f"),
            ("(target-64bit? \"x86_64-linux-gnux32\")", "#f"),
            ("(target-hurd? \"i586-pc-gnu\")", "#t"),
            ("(target-hurd? \"x86_64-linux-gnu\")", "#f"),
            ("(target-mingw? #f)", "#f"),
            ("(parameterize ((%current-target-system \"aarch64-linux-gnu\")) (target-aarch64?))", "#t"),
            ("(parameterize ((%current-system \"i686-linux\")) (target-x86-32?))", "#t"),
            ("(cc-for-target)", "\"gcc\""),
            (
                "(parameterize ((%current-target-system \"aarch64-linux-gnu\")) (cc-for-target))",
                "\"aarch64-linux-gnu-gcc\"",
            ),
            ("(pkg-config-for-target \"riscv64-linux-gnu\")", "\"riscv64-linux-gnu-pkg-config\""),
        ],
    );
}

#[test]
fn strings_versions_and_places() {
    check(
        "(guix utils) (hpcl platform-predicates)",
        &[
            ("(string-replace-substring \"a.b.c\" \".\" \"--\")", "\"a--b--c\""),
            ("(string-distance \"kitten\" \"sitting\")", "3"),
            ("(version-unique-prefix \"2.0\" '(\"3.0\" \"2.0\"))", "\"2\""),
            ("(version-unique-prefix \"2.2\" '(\"2.2\" \"2.0\"))", "\"2.2\""),
            ("(downstream-package-name \"ruby-\" \"My_Gem\")", "\"ruby-my-gem\""),
            ("(file-sans-extension \"a.tar.gz\")", "\"a.tar\""),
            ("(compressed-file? \"a.tar.gz\")", "#t"),
            (
                "(location->string (source-properties->location '((filename . \"f\") (line . 3) (column . 4))))",
                "\"f:3:4\"",
            ),
            ("(target-little-endian? \"powerpc-linux\")", "#f"),
        ],
    );
}

#[test]
fn platforms() {
    check(
        "(guix platform) (guix platforms x86) (guix platforms arm) (guix platforms avr) (guix platforms loongarch) \
         (guix platforms mips) (guix platforms or1k) (guix platforms powerpc) (guix platforms riscv) \
         (guix platforms xtensa)",
        &[
            ("(platform-target (lookup-platform-by-system \"x86_64-linux\"))", "\"x86_64-linux-gnu\""),
            (
                "(platform-glibc-dynamic-linker (lookup-platform-by-target \"aarch64-linux-gnu\"))",
                "\"/lib/ld-linux-aarch64.so.1\"",
            ),
            (
                "(platform-linux-architecture (lookup-platform-by-target-or-system \"riscv64-linux\"))",
                "\"riscv\"",
            ),
            ("(platform-system->target \"i586-gnu\")", "\"i586-pc-gnu\""),
            ("(eq? x86_64-linux (lookup-platform-by-system \"x86_64-linux\"))", "#t"),
            (
                "(member \"powerpc64le-linux\" (systems))",
                "(\"powerpc64le-linux\" \"riscv64-linux\" \"mips64el-linux\")",
            ),
            ("(map platform-system (list avr or1k-elf xtensa-ath9k-elf arm-none-eabi))", "(#f #f #f #f)"),
            (
                "(map platform-target (list mips64-linux loongarch64-linux))",
                "(\"mips64el-linux-gnu\" \"loongarch64-linux-gnu\")",
            ),
        ],
    );
}

#[test]
fn memoization_translation_and_deprecation() {
    check(
        "(guix memoization) (guix i18n) (guix deprecation) (guix diagnostics)",
        &[
            ("((memoize (lambda (x) (* x x))) 4)", "16"),
            ("((mlambda (x) (+ x 1)) 1)", "2"),
            ("(N_ \"file\" \"files\" 2)", "\"files\""),
            ("(G_ \"text\")", "\"text\""),
            ("(let () (define new 1) (define-deprecated/alias old new) (+ old 1))", "2"),
            ("(warning \"nothing is ~a\" 'printed)", "#f"),
        ],
    );
}

#[test]
fn the_store_monad() {
    check(
        "(guix monads) (guix store) (guix derivations) (guix gexp) (guix modules)",
        &[
            (
                "(run-with-store #f (mlet* %store-monad ((a (return 1)) (b -> (+ a 1))) (return (list a b))))",
                "(1 2)",
            ),
            ("(run-with-store #f (mlet %store-monad ((a (return 1)) (b (return 2))) (return (+ a b))))", "3"),
            ("(run-with-store #f (>>= (return 3) (lambda (x) (return (* x x)))))", "9"),
            ("(run-with-store #f (mapm %store-monad (lambda (x) (return (+ x 1))) '(1 2)))", "(2 3)"),
            ("((store-lift (lambda (store x) (list store x))) 1)", "(#f 1)"),
            ("(derivation-name (gexp->derivation \"x\" #~(mkdir #$output)))", "\"x\""),
            (
                "(derivation-input-sub-derivations (derivation-input (gexp->derivation \"x\" #~(mkdir #$output))))",
                "(\"out\")",
            ),
            (
                "(source-module-closure '((guix build utils) (guix build utils) (srfi srfi-1)))",
                "((guix build utils))",
            ),
            ("(module-name->file-name '(guix build utils))", "\"guix/build/utils.scm\""),
        ],
    );
}

#[test]
fn sources_from_version_control() {
    check(
        "(guix git-download) (guix svn-download) (guix hg-download) (guix bzr-download) (guix cvs-download) \
         (guix download) (hpcl checkout)",
        &[
            ("(git-version \"1.0\" \"2\" \"0123456789abcdef\")", "\"1.0-2.0123456\""),
            ("(git-file-name \"hello\" \"1.0\")", "\"hello-1.0-checkout\""),
            ("(git-reference-commit (git-reference (url \"u\") (commit \"v1\")))", "\"v1\""),
            ("(git-reference-recursive? (git-reference (url \"u\") (commit \"v1\")))", "#f"),
            ("(svn-reference-recursive? (svn-reference (url \"u\") (revision 5)))", "#t"),
            (
                "(svn-multi-reference-locations (svn-multi-reference (url \"u\") (revision 5) (locations '(\"a/\"))))",
                "(\"a/\")",
            ),
            ("(hg-version \"1.0\" \"0\" \"0123456789\")", "\"1.0-0.0123456\""),
            ("(bzr-reference-revision (bzr-reference (url \"u\") (revision \"7\")))", "\"7\""),
            (
                "(cvs-reference-module (cvs-reference (root-directory \"r\") (module \"m\") (revision \"1\")))",
                "\"m\"",
            ),
            (
                "(map procedure? (list git-fetch svn-fetch svn-multi-fetch hg-fetch bzr-fetch cvs-fetch url-fetch/tarbomb))",
                "(#t #t #t #t #t #t #t)",
            ),
            ("(procedure? checkout-derivation)", "#t"),
        ],
    );
}

#[test]
fn a_checkout_without_its_program_names_what_is_missing() {
    let environment = TestEnvironment::new();
    let run = environment.run(&[
        "eval",
        "-e",
        "(@ (hpcl checkout) channel-package)",
        "-e",
        "((@ (hpcl checkout) channel-package) '(gnu packages version-control) 'no-such-program)",
    ]);
    assert!(run.failure(3).contains("no channel has `no-such-program`"));
}

#[test]
fn graphs_of_packages() {
    let environment = TestEnvironment::new();
    environment.write(
        "graph.hpcl",
        r#"(use-modules (guix packages) (guix build-system trivial) (guix gexp) (guix utils)
             (hpcl package-graph) (hpcl package-lowering) (hpcl package-rewriting) (hpcl package-variants))
(define-syntax-rule (node the-name field ...)
  (package (name the-name) (version "1") (source #f) (build-system trivial-build-system)
           (arguments (list #:builder #~(mkdir #$output)))
           (home-page #f) (synopsis #f) (description #f) (license #f) field ...))
(define a (node "a"))
(define b (node "b" (propagated-inputs (list a))))
(define c (node "c" (inputs (list b)) (native-inputs (list a))))
(define narrow (node "narrow" (supported-systems '("i686-linux"))))
(define above (node "above" (inputs (list narrow)) (supported-systems '("i686-linux" "x86_64-linux"))))
(define other (node "other"))
(define new ((package-input-rewriting (list (cons a other))) c))
(define with-replacement (node "r" (replacement other)))
(define child (package/inherit with-replacement (version "2")))
(define-deprecated-package old-a a)
(list (map car (package-direct-inputs c))
      (map car (package-transitive-inputs c))
      (map car (package-transitive-propagated-inputs b))
      (package-transitive-supported-systems above)
      (supported-package? narrow)
      (map (compose package-name cadr) (package-direct-inputs new))
      (map (compose package-name cadr) (package-propagated-inputs (lookup-package-input new "b")))
      (package-version (package-replacement child))
      (package-name old-a)
      (eq? a (package-superseded old-a))
      (lookup-package-input c "nothing")
      (map car (modify-inputs (package-inputs c) (delete "b") (append a) (prepend other)))
      (map car (inputs-with-replacement (list (list "r" with-replacement))))
      (hidden-package? (hidden-package a))
      (location-line (package-location a))
      (content-hash-algorithm (content-hash (make-bytevector 64 0) sha512)))
"#,
    );
    let printed = environment.run(&["eval", "graph.hpcl"]).success();
    assert_eq!(
        printed.trim_end(),
        "((\"a\" \"b\") (\"a\" \"b\") (\"a\") (\"i686-linux\") #f (\"other\" \"b\") (\"other\") \"2\" \"old-a\" #t #f \
         (\"other\" \"a\") (\"r\") #t 7 \"sha512\")"
    );
}

#[test]
fn a_channel_carries_patches_licences_and_build_systems() {
    let environment = TestEnvironment::new();
    environment.write(
        "channel/gnu/packages/mine.scm",
        "(define-module (gnu packages mine)\n  #:use-module (gnu packages)\n  #:use-module (guix licenses)\n  #:use-module (guix utils))\n\
         (define-public file (search-patches \"fix.patch\"))\n(define-public text the-licence)\n(define-public major (version-major \"1.2\"))\n",
    );
    environment.write("channel/gnu/packages/patches/fix.patch", "");
    environment.write(
        "channel/guix/licenses.scm",
        "(define-module (guix licenses))\n(define-public the-licence 'theirs)\n",
    );
    environment.write(
        "channel/guix/utils.scm",
        "(define-module (guix utils))\n(define-public version-major 'theirs)\n",
    );
    let expression = "(list (map basename (@ (gnu packages mine) file)) (@ (gnu packages mine) text) (@ (gnu packages mine) major))";
    let printed = environment.run(&["eval", "-L", "channel", "-e", expression]).success();
    assert_eq!(printed.trim_end(), "((\"fix.patch\") theirs \"1\")");
    let missing = environment.run(&[
        "eval",
        "-L",
        "channel",
        "-e",
        "((@ (hpcl distribution) search-patch) \"no.patch\")",
    ]);
    assert!(missing.failure(3).contains("no channel has the patch `no.patch`"));
}

/// A build system as channels write them: its bag has the source among the inputs, its outputs are those that its code refers
/// to, and what runs in the build is a module of the channel, which imports another.
const BUILD_SYSTEM: &str = r#"
(define-module (guix build-system demo)
  #:use-module (guix store)
  #:use-module (guix gexp)
  #:use-module (guix utils)
  #:use-module (guix monads)
  #:use-module (guix packages)
  #:use-module (guix derivations)
  #:use-module (guix build-system)
  #:use-module (guix search-paths)
  #:export (demo-build-system))

(define* (lower name #:key source inputs native-inputs outputs system target #:allow-other-keys
                #:rest arguments)
  (bag
    (name name)
    (system system)
    (target target)
    (build-inputs `(,@(if source `(("source" ,source)) '()) ,@native-inputs ,@inputs))
    (outputs outputs)
    (build (if target demo-cross-build demo-build))
    (arguments (strip-keyword-arguments '(#:target #:inputs #:native-inputs #:outputs) arguments))))

(define* (demo-build name inputs #:key source (outputs '("out")) (search-paths '()) (system (%current-system))
                     (guile #f) (word "none") (modules '((guix build demo) (guix build utils) (srfi srfi-26))))
  (define builder
    (with-imported-modules modules
      #~(begin
          (use-modules #$@(sexp->gexp modules))
          #$(with-build-variables inputs outputs
              #~(demo-build #:inputs %build-inputs
                            #:outputs (list #$@(map (lambda (name) #~(cons #$name (ungexp output name))) outputs))
                            #:word #$word
                            #:paths '#$(sexp->gexp (map search-path-specification->sexp search-paths)))))))
  (mlet %store-monad ((guile (package->derivation (or guile (default-guile)) system #:graft? #f)))
    (gexp->derivation name builder #:system system #:target #f #:graft? #f #:guile-for-build guile)))

(define* (demo-cross-build name #:key target build-inputs host-inputs target-inputs #:allow-other-keys)
  (gexp->derivation name
                    #~(list #$target '#$(map car build-inputs) '#$(map car host-inputs) #$output)
                    #:target target))

(define demo-build-system
  (build-system (name 'demo) (description "A demonstration") (lower lower)))
"#;

const BUILD_MODULE: &str = r#"
(define-module (guix build demo)
  #:use-module (guix build utils)
  #:use-module (guix demo-words)
  #:use-module (srfi srfi-1)
  #:export (demo-build))

(define* (demo-build #:key inputs outputs word paths)
  (for-each (lambda (output)
              (mkdir-p (cdr output))
              (call-with-output-file (string-append (cdr output) "/text")
                (lambda (port)
                  (format port "~a ~a ~a ~a" (car output) (loud word) (map first paths)
                          (call-with-input-file (assoc-ref inputs "source") get-string-all)))))
            outputs))
"#;

const PACKAGE: &str = r#"
(define-module (mine)
  #:use-module (guix build-system demo)
  #:use-module (guix build-system trivial)
  #:use-module (guix derivations)
  #:use-module (guix gexp)
  #:use-module (guix packages))

(define-public tool
  (package
    (name "tool") (version "1") (source #f) (build-system trivial-build-system)
    (arguments (list #:builder #~(mkdir #$output)))
    (native-search-paths (list (search-path-specification (variable "TOOL_PATH") (files '("lib")))))
    (synopsis "") (description "") (home-page #f) (license #f)))

(define-public thing
  (package
    (name "thing") (version "2")
    (source (plain-file "words" (string-append "built beside "
                                               (derivation->output-path (package-derivation tool "x86_64-linux")))))
    (build-system demo-build-system)
    (outputs '("out" "doc"))
    (arguments (list #:word "hello"))
    (native-inputs (list tool))
    (synopsis "") (description "") (home-page #f) (license #f)))
"#;

fn demonstration() -> TestEnvironment {
    let environment = TestEnvironment::new();
    environment.write("channel/guix/build-system/demo.scm", BUILD_SYSTEM);
    environment.write("channel/guix/build/demo.scm", BUILD_MODULE);
    environment.write(
        "channel/guix/demo-words.scm",
        "(define-module (guix demo-words))\n(define-public (loud word) (string-upcase word))\n",
    );
    environment.write("channel/mine.scm", PACKAGE);
    environment
}

#[test]
fn a_package_is_lowered_through_a_build_system_of_a_channel() {
    let environment = demonstration();
    let aterm = environment.run(&["eval", "-d", "-L", "channel", "-e", "(@ (mine) thing)"]).success();
    for part in [
        "Derive([(\"doc\",",
        "(hpcl build demo)\\t",
        "(hpcl demo-words)\\t",
        "(hpcl build utils)\\t",
        "(use-modules (guix build demo) (guix build utils) (srfi srfi-26))",
        "#:paths (quote ((\\\"TOOL_PATH\\\" (\\\"lib\\\") \\\":\\\" directory #f)))",
        "(define %output (assoc-ref %outputs \\\"out\\\"))",
    ] {
        assert!(aterm.contains(part), "{part} in {aterm}");
    }
    assert!(!aterm.contains("(srfi srfi-26)\\t"), "{aterm}");
    let other = "(begin '(utils demo-words demo build) (@ (mine) thing))";
    let again = environment.run(&["eval", "-d", "-L", "channel", "-e", other]).success();
    assert_eq!(again, aterm, "names that were read before change nothing");
    let cross = "(package->cross-derivation (@ (mine) thing) \"aarch64-linux-gnu\")";
    let aterm = environment.run(&["eval", "-d", "-L", "channel", "-e", cross]).success();
    assert!(
        aterm.contains("(list \\\"aarch64-linux-gnu\\\" (quote (\\\"source\\\" \\\"tool\\\")) (quote ())"),
        "{aterm}"
    );
}

#[test]
fn what_a_channel_runs_in_builds_runs_as_it_stands() {
    if !common::sandbox_or_skip("what_a_channel_runs_in_builds_runs_as_it_stands") {
        return;
    }
    let environment = demonstration();
    let built = environment
        .run(&["build", "-L", "channel", "-e", "(list (@ (mine) tool) (@ (mine) thing))"])
        .success();
    let path = |name: &str| {
        let found = built.lines().find(|line| line.ends_with(name)).unwrap_or_default();
        found.replace("HOME", &environment.home().display().to_string())
    };
    let text = std::fs::read_to_string(format!("{}/text", path("-thing-2"))).unwrap();
    assert_eq!(text, format!("out HELLO (TOOL_PATH) built beside {}", path("-tool-1")));
}
