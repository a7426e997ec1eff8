//! The seed toolchain at work, in the real store: what it compiles runs from the store and from nothing else.
//!
//! These tests use the store of the user who runs them (or `HPCL_TEST_STORE`), because the toolchain is 300 MB: they only add
//! items to it. Without the toolchain there and without a mirror they are skipped by name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::process::Command;

use common::{
    TestEnvironment,
    real_store::{built, hpcl, is_there_or_skip, store_base, text},
    sandbox_or_skip,
};
use hpcl::store::{LocalStore, StoreConfig};

const PROGRAMS: &str = r##"
(use-modules (guix packages) (guix gexp) (guix build-system gnu))

(define sources
  (file-union "languages-source"
    `(("c.c" ,(plain-file "c.c" "#include <stdio.h>\nint main(void){puts(\"C\");return 0;}\n"))
      ("cxx.cc" ,(plain-file "cxx.cc" "#include <iostream>\nint main(){std::cout << \"C++\\n\";}\n"))
      ("f.f90" ,(plain-file "f.f90" "program f\nprint '(A)', 'Fortran'\nend program\n")))))

(package
  (name "languages")
  (version "1")
  (source #f)
  (build-system gnu-build-system)
  (arguments
   (list #:phases
         #~(modify-phases %standard-phases
             (delete 'unpack)
             (delete 'configure)
             (delete 'check)
             (replace 'build
               (lambda _
                 (mkdir-p "bin")
                 (invoke "gcc" "-O2" "-o" "bin/c" (string-append #$sources "/c.c"))
                 (invoke "g++" "-O2" "-o" "bin/cxx" (string-append #$sources "/cxx.cc"))
                 (invoke "gfortran" "-O2" "-o" "bin/f" (string-append #$sources "/f.f90"))
                 ;; What a program of the host would betray: nothing of it is there.
                 (for-each (lambda (directory)
                             (when (file-exists? directory)
                               (error "the build sees the host" directory)))
                           '("/usr" "/lib64" "/etc/ssl" "/opt"))))
             (replace 'install
               (lambda _
                 (for-each (lambda (name)
                             (install-file (string-append "bin/" name)
                                           (string-append #$output "/bin")))
                           '("c" "cxx" "f")))))))
  (synopsis "A program in each language")
  (description "A program in each language.")
  (home-page #f)
  (license #f))
"##;

#[test]
fn what_is_compiled_has_its_interpreter_and_every_library_in_the_store() {
    let test = "what_is_compiled_has_its_interpreter_and_every_library_in_the_store";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = TestEnvironment::new();
    environment.write("languages.hpcl", PROGRAMS);
    let Some(item) = built(test, hpcl(&environment, &["build", "-f", "languages.hpcl"])) else { return };
    let store = item.parent().unwrap().to_str().unwrap().to_owned();
    for (name, says) in [("c", "C\n"), ("cxx", "C++\n"), ("f", "Fortran\n")] {
        let program = item.join("bin").join(name);
        assert_eq!(text(Command::new(&program).env_clear().output().unwrap()), says);
        let interpreter = hpcl::elf::inspect(&program).unwrap().unwrap().interpreter.unwrap();
        assert!(interpreter.starts_with(&store), "{name}: {interpreter}");
        let listing =
            text(Command::new(&interpreter).arg("--list").arg(&program).env_clear().output().unwrap());
        for line in listing.lines().filter(|line| line.contains("=>")) {
            let library = line.split("=>").nth(1).unwrap().trim();
            assert!(library.starts_with(&store), "{name} uses {library}");
        }
        assert!(listing.contains("libc.so.6"), "{listing}");
    }
}

#[test]
fn hello_is_the_same_when_it_is_built_again() {
    let test = "hello_is_the_same_when_it_is_built_again";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = TestEnvironment::new();
    if built(test, hpcl(&environment, &["build", "hello"])).is_none() {
        return;
    }
    let Some(item) = built(test, hpcl(&environment, &["build", "--check", "hello"])) else { return };
    let output = Command::new(item.join("bin/hello")).env_clear().output().unwrap();
    assert_eq!(text(output), "Hello, world!\n");
}

#[test]
fn a_shell_has_the_packages_and_a_pure_one_nothing_else() {
    let test = "a_shell_has_the_packages_and_a_pure_one_nothing_else";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = TestEnvironment::new();
    if built(test, hpcl(&environment, &["build", "hello", "bash"])).is_none() {
        return;
    }
    let run = |arguments: &[&str]| text(hpcl(&environment, arguments).env("EDITOR", "vi").output().unwrap());
    assert_eq!(run(&["shell", "hello", "--", "hello"]), "Hello, world!\n");
    assert_eq!(run(&["run", "hello", "--", "--greeting=hi"]), "hi\n");
    let pure = run(&["shell", "--pure", "hello", "bash", "--", "bash", "-c", "echo \"$EDITOR:$PATH\""]);
    assert!(pure.starts_with(":/") && !pure.contains("/usr/bin"), "{pure}");
    let missing =
        hpcl(&environment, &["shell", "--pure", "hello", "--", "no-such-program"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(127));
}

#[test]
fn open_mpi_brings_only_what_runs_mpi_programs() {
    let test = "open_mpi_brings_only_what_runs_mpi_programs";
    let environment = TestEnvironment::new();
    if !is_there_or_skip(test, &environment, "openmpi") {
        return;
    }
    let Some(item) = built(test, hpcl(&environment, &["build", "openmpi"])) else { return };
    let store = LocalStore::open(StoreConfig::at(&store_base()).unwrap()).unwrap();
    let (path, _) = store.item_of(&item).unwrap();
    let closure = store.closure([&path]).unwrap();
    let mut names: Vec<&str> = closure.iter().map(|path| path.name()).collect();
    names.sort_unstable();
    // No compiler and nothing of its run time, no shell, no Perl, and of hwloc the library only.
    let expected = ["glibc-2.36", "hwloc-2.9.0-lib", "libevent-2.1.12", "openmpi-4.1.4", "zlib-1.2.13"];
    assert_eq!(names, expected);
}
