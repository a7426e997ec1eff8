//! Finding what one has in mind: files, recipes, and names at the Tab key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stderr, reason = "a test")]

mod common;

use std::{os::unix::fs::PermissionsExt, process::Command};

use common::{TestEnvironment, sandbox_or_skip, trivial_package};

fn channel(environment: &TestEnvironment) {
    let builder = "#~(begin (mkdir #$output) (mkdir (string-append #$output \"/bin\"))\n                 \
                   (call-with-output-file (string-append #$output \"/bin/wave-run\") (lambda (port) (display \"\" port))))";
    let text = format!(
        "(define-module (my waves)\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
         #:use-module (guix build-system trivial))\n\n(define-public waves\n  {})\n\n\
         (define-public broken\n  (package (name \"wavy\") (version (car '()))))\n",
        trivial_package("\"waves\"", builder)
    );
    environment.write("recipes/my/waves.scm", &text);
}

#[test]
fn files_are_found_in_what_was_built() {
    if !sandbox_or_skip("files_are_found_in_what_was_built") {
        return;
    }
    let environment = TestEnvironment::new();
    channel(&environment);
    let none = environment.run(&["locate", "-L", "recipes", "wave-run"]).failure(1);
    assert!(none.contains("no item of the store has such a file"), "{none}");
    environment.run(&["build", "-L", "recipes", "waves"]).success();
    let line = |arguments: &[&str]| {
        let all: Vec<&str> = ["locate", "-L", "recipes"].iter().chain(arguments).copied().collect();
        environment.run(&all).success()
    };
    let found = line(&["wave-run"]);
    assert!(found.starts_with("waves@1  HOME/") && found.ends_with("-waves-1/bin/wave-run\n"), "{found}");
    assert_eq!(line(&["bin/wave-run"]), found);
    assert_eq!(line(&["--glob", "w*-r[tu]n"]), found);
    environment.run(&["locate", "-L", "recipes", "ave-run"]).failure(1);
    let json: serde_json::Value = serde_json::from_str(&line(&["--json", "wave-run"])).unwrap();
    assert_eq!((&json[0]["name"], &json[0]["output"]), (&"waves".into(), &"out".into()));
}

#[test]
fn recipes_are_opened_in_the_editor() {
    let environment = TestEnvironment::new();
    channel(&environment);
    let editor = environment.write("editor", "#!/bin/sh\necho \"$@\"\n");
    std::fs::set_permissions(&editor, std::fs::Permissions::from_mode(0o755)).unwrap();
    let edit = |arguments: &[&str]| {
        let all: Vec<&str> = ["edit", "-L", "recipes"].iter().chain(arguments).copied().collect();
        let mut command = environment.command(&all);
        command.env("EDITOR", format!("{} --wait", editor.display()));
        environment.finish(command)
    };
    assert_eq!(edit(&["waves"]).success(), "--wait +6 recipes/my/waves.scm\n");
    // One that cannot be evaluated is what one wants to edit most.
    let broken = edit(&["--print", "wavy"]).success();
    assert!(broken.starts_with("recipes/my/waves.scm:"), "{broken}");
    assert!(edit(&["wafes"]).failure(3).contains("did you mean `waves`"));
    let bundled = edit(&["zlib"]);
    assert!(bundled.stderr.contains("is part of hpcl"), "{bundled:?}");
    let file = bundled
        .success()
        .trim_end()
        .rsplit(' ')
        .next()
        .unwrap()
        .replace("HOME", environment.home().to_str().unwrap());
    assert!(std::fs::read_to_string(file).unwrap().contains("(name \"zlib\")"));
}

/// What is offered when a command line ends where it does.
fn offered(environment: &TestEnvironment, words: &[&str]) -> Vec<String> {
    let all: Vec<&str> = ["--", "hpcl"].iter().chain(words).copied().collect();
    let mut command = environment.command(&all);
    command.env("HPCL_COMPLETE", "fish");
    environment
        .finish(command)
        .success()
        .lines()
        .map(|line| line.split('\t').next().unwrap().to_owned())
        .collect()
}

#[test]
fn names_are_completed_from_the_index() {
    let environment = TestEnvironment::new();
    channel(&environment);
    assert_eq!(offered(&environment, &["show", "zl"]), ["zlib"]);
    assert_eq!(offered(&environment, &["install", "zlib", "hwloc:l"]), ["hwloc:lib"]);
    assert_eq!(offered(&environment, &["build", "openmpi@4"]), ["openmpi@4.1.4"]);
    assert_eq!(offered(&environment, &["list-av"]), ["list-available"]);
    // Where nothing is known of a directory yet, a Tab does not wait for it.
    assert_eq!(offered(&environment, &["show", "-L", "recipes", "wav"]), [""; 0]);
    environment.run(&["list-available", "-L", "recipes"]).success();
    assert_eq!(offered(&environment, &["show", "-L", "recipes", "wav"]), ["waves"]);
    assert_eq!(offered(&environment, &["remove", "z"]), [""; 0], "nothing is installed");
}

#[test]
fn bash_asks_hpcl() {
    let environment = TestEnvironment::new();
    let script = environment.run(&["completions", "bash"]).success();
    let file = environment.write("completions.bash", &script);
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_hpcl")).parent().unwrap();
    let mut command = Command::new("bash");
    command.args(["-c", ". \"$0\"; COMP_WORDS=(hpcl show zl) COMP_CWORD=2 COMP_TYPE=9; _clap_complete_hpcl hpcl zl show; echo \"${COMPREPLY[@]}\""]);
    command
        .arg(file)
        .env_clear()
        .env("HOME", environment.home())
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()));
    assert_eq!(environment.finish(command).success().trim_end(), "zlib");
    for shell in ["elvish", "powershell"] {
        assert!(environment.run(&["completions", shell]).success().contains("HPCL_COMPLETE"), "{shell}");
    }
}

#[test]
fn fish_and_zsh_ask_hpcl() {
    let environment = TestEnvironment::new();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_hpcl")).parent().unwrap();
    let shell = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(name);
        command.args(arguments).env_clear().env("HOME", environment.home()).env("TERM", "dumb");
        command.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
        command
    };
    match Command::new("fish").arg("--version").output() {
        Ok(_) => {
            let asked = "hpcl completions fish | source; complete -C 'hpcl install hwloc:l'";
            let run = environment.finish(shell("fish", &["-c", asked])).success();
            assert_eq!(run.trim_end(), "hwloc:lib");
        }
        Err(_) => eprintln!("SKIPPED fish_and_zsh_ask_hpcl, of fish: it is not installed"),
    }
    if Command::new("zsh").arg("--version").output().is_err() {
        eprintln!("SKIPPED fish_and_zsh_ask_hpcl, of zsh: it is not installed");
        return;
    }
    // Only a shell at a terminal completes.
    let mut session = rexpect::session::spawn_command(shell("zsh", &["-f", "-i"]), Some(30_000)).unwrap();
    session
        .send_line("autoload -Uz compinit; compinit -u; source <(hpcl completions zsh); echo re''ady")
        .unwrap();
    session.exp_string("\nready").unwrap();
    session.send("hpcl install hwloc:l\t").unwrap();
    session.flush().unwrap();
    session.exp_string("hpcl install hwloc:lib ").unwrap();
    session.send_control('u').unwrap();
    session.send_line("exit").unwrap();
    session.exp_eof().unwrap();
}
