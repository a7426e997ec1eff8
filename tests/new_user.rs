//! A new user's first days, from an empty home: channels, search, install, upgrade, going back, other times, other inputs.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::{path::Path, process::Command};

use common::{
    TestEnvironment,
    origin::{self, Origin},
    sandbox_or_skip,
};

/// A module with `tide` in two versions and `wave` of a version, which brings `tide` along and says both.
fn recipes(version: &str) -> String {
    format!(
        r##"(define-module (sea waves)
  #:use-module (guix packages)
  #:use-module (guix gexp)
  #:use-module (guix build-system trivial)
  #:use-module ((guix licenses) #:prefix license:))

(define (tool the-name the-version needs)
  (package
    (name the-name)
    (version the-version)
    (source #f)
    (build-system trivial-build-system)
    (arguments
     (list #:builder
           (with-imported-modules '((hpcl build utils))
             #~(begin
                 (use-modules (hpcl build utils))
                 (mkdir-p (string-append #$output "/bin"))
                 (let ((file (string-append #$output "/bin/" #$the-name)))
                   (call-with-output-file file
                     (lambda (port)
                       (format port "#!/bin/sh~%echo ~a ~a~%" #$the-name #$the-version)
                       (for-each (lambda (need) (format port "~a~%" need))
                                 (list #$@(map (lambda (input)
                                                 (file-append (cadr input) "/bin/" (car input)))
                                               (package-inputs this-package))))))
                   (chmod file #o755))))))
    (inputs needs)
    (home-page "http://example.org/sea")
    (synopsis "Ocean benchmark")
    (description "A benchmark of waves.")
    (license license:expat)))

(define-public tide (tool "tide" "2.0" '()))
(define-public tide-1 (tool "tide" "1.0" '()))
(define-public wave (tool "wave" "{version}" (list tide-1)))
"##
    )
}

struct User {
    environment: TestEnvironment,
}

impl User {
    fn run(&self, arguments: &[&str]) -> String {
        self.environment.run(arguments).success()
    }

    /// What a program of the user's profile says.
    fn says(&self, program: &str) -> String {
        let path = self.environment.home().join(".local/state/hpcl/profiles/default/bin").join(program);
        let output = Command::new(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap().replace('\n', " ").trim_end().to_owned()
    }

    fn commit(&self, repository: &str, version: &str) {
        let sea = Origin { environment: &self.environment, name: "sea" };
        sea.write("sea/waves.scm", &recipes(version));
        sea.commit(version);
        sea.git(&["push", "-q", repository, "master"]);
    }
}

/// The hash and name of the profile of an environment.
fn hash(printed: &str) -> String {
    Path::new(printed.trim_end()).file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_first_days() {
    if !sandbox_or_skip("the_first_days") {
        return;
    }
    let user = User { environment: TestEnvironment::new() };
    let home = user.environment.home().to_str().unwrap().to_owned();
    // The first channel is a directory that its author works in, the second a bare repository.
    let sky = Origin::new(&user.environment, "sky");
    sky.package("cloud", "1");
    sky.commit("one");
    Origin::new(&user.environment, "sea").commit("none");
    let bare = format!("{home}/sea.git");
    origin::git(&user.environment, user.environment.home(), &["clone", "-q", "--bare", "sea", "sea.git"]);
    user.commit(&bare, "1.0");
    user.environment.write(
        ".config/hpcl/channels.hpcl",
        &format!(
            "(append (list (channel\n               (name 'sea)\n               (url \"file://{bare}\")\n               \
             (branch \"master\"))\n              (channel (name 'sky) (url \"file://{home}/sky\") (branch \"master\")))\n        \
             %default-channels)\n"
        ),
    );

    user.run(&["pull"]);
    let found = user.run(&["search", "ocean", "benchmark"]);
    assert!(
        found.starts_with("name: wave\nversion: 1.0\n") && found.contains("\nlicense: expat\n"),
        "{found}"
    );
    assert!(user.run(&["show", "cloud"]).contains("version: 1\n"));
    assert!(
        user.run(&["search", "mpi", "bandwidth"]).contains("name: netpipe\n"),
        "the bundled channels are there"
    );
    user.run(&["install", "wave"]);
    assert_eq!(user.says("wave"), "wave 1.0 tide 1.0");

    // What this environment is now is written down.
    user.environment.write("manifest.scm", "(specifications->manifest (list \"wave\" \"cloud\"))\n");
    let shell = ["shell", "-m", "manifest.scm", "--", "sh", "-c", "echo $HPCL_ENVIRONMENT"];
    let then = hash(&user.run(&shell));
    let channels = user.run(&["describe", "-f", "channels"]).replace("HOME", &home);
    user.environment.write("then.hpcl", &channels);

    user.commit(&bare, "2.0");
    user.run(&["pull"]);
    user.run(&["upgrade"]);
    assert_eq!(user.says("wave"), "wave 2.0 tide 1.0");
    assert_ne!(hash(&user.run(&shell)), then);
    user.run(&["package", "--roll-back"]);
    assert_eq!(user.says("wave"), "wave 1.0 tide 1.0");
    assert!(user.run(&["describe"]).contains("sea"));

    let machine: Vec<&str> =
        ["time-machine", "-C", "then.hpcl", "--"].iter().chain(&shell).copied().collect();
    assert_eq!(hash(&user.run(&machine)), then, "the environment of then is the same to the bit");

    user.run(&["install", "wave", "--with-input=tide=tide@2"]);
    assert_eq!(user.says("wave"), "wave 2.0 tide 2.0");
    user.run(&["package", "-d"]);
    user.run(&["gc"]);
    assert_eq!(user.says("wave"), "wave 2.0 tide 2.0");
    assert!(!user.run(&["package", "-I"]).contains("wave\t1.0"));
    // And the time machine builds again what was collected.
    assert_eq!(hash(&user.run(&machine)), then);
}
