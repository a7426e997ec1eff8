//! `hpcl repl` at a terminal: a session over a pty, as a person has it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use common::TestEnvironment;
use rexpect::session::{PtySession, spawn_command};

/// How long an answer may take, in milliseconds: a limit against hanging, nothing is measured.
const PATIENCE: u64 = 60_000;

const CTRL_A: char = 'a';
const PROMPT: &str = "hpcl> ";

fn start(environment: &TestEnvironment) -> PtySession {
    let mut command = environment.command(&["repl"]);
    // The terminal replaces the closed input that other tests have.
    command.stdin(std::process::Stdio::inherit()).env("TERM", "xterm");
    let mut session = spawn_command(command, Some(PATIENCE)).unwrap();
    session.exp_string(PROMPT).unwrap();
    session
}

/// Types a line and waits for what it prints, and for the next prompt.
fn line(session: &mut PtySession, typed: &str, expected: &str) {
    session.send_line(typed).unwrap();
    session.exp_string(expected).unwrap_or_else(|error| panic!("after `{typed}`: {error}"));
    session.exp_string(PROMPT).unwrap();
}

/// Types Ctrl-D until the session ends: what is typed between two prompts, while the terminal changes its mode, is lost.
fn end(session: &mut PtySession) {
    let alive = |session: &PtySession| format!("{:?}", session.process().status()) == "Some(StillAlive)";
    for _ in 0..600 {
        let typed = session.send_control('d');
        std::thread::sleep(std::time::Duration::from_millis(100));
        if typed.is_err() || !alive(session) {
            break;
        }
    }
    session.exp_eof().unwrap();
}

#[test]
fn a_session_at_a_terminal() {
    let environment = TestEnvironment::new();
    let mut session = start(&environment);
    line(&mut session, "(+ 40 2)", "\r\n42\r\n");
    line(&mut session, "(define (twice x) \"Doubles X.\" (* 2 x))", "\n");
    // Inputs go on over lines.
    session.send_line("(twice").unwrap();
    line(&mut session, "21)", "\r\n42\r\n");
    // Errors are shown, and the session goes on.
    line(&mut session, "(twise 1)", "did you mean `twice`?");
    line(&mut session, ",describe twice", "Doubles X.");
    line(&mut session, ",describe string-length", "(string-length");
    line(&mut session, ",describe hello", "version: 2.10");
    line(&mut session, ",expand (when (odd? 1) (twice 2))", "(if (odd? 1) (twice 2) ");
    line(&mut session, ",time (twice 50)", "100\r\n0.");
    line(&mut session, ",module", "(hpcl user)");
    line(&mut session, ",module (guix nonsense)", "there is no module `(guix nonsense)`");
    line(&mut session, ",module (core perl)", "");
    line(&mut session, "perl", "#<package perl");
    line(&mut session, ",help", "parentheses are closed");
    line(&mut session, ",nonsense", "`,help` lists them");
    session.send_line(",quit").unwrap();
    session.exp_eof().unwrap();
    let status = format!("{:?}", session.process().wait().unwrap());
    assert!(status.starts_with("Exited(") && status.ends_with(", 0)"), "{status}");
}

#[test]
fn keys_complete_edit_interrupt_and_end() {
    let environment = TestEnvironment::new();
    let mut session = start(&environment);
    // Tab completes a name that has one end only.
    session.send("(specification->pack").unwrap();
    session.flush().unwrap();
    session.exp_string("specification->pack").unwrap();
    session.send("\t").unwrap();
    session.flush().unwrap();
    session.exp_string("age").unwrap();
    // Ctrl-C drops what is typed.
    session.send_control('c').unwrap();
    session.exp_string(PROMPT).unwrap();
    // Ctrl-A goes to the beginning of the line.
    session.send("2 3)").unwrap();
    session.send_control(CTRL_A).unwrap();
    line(&mut session, "(+ 10 ", "\r\n15\r\n");
    // Ctrl-C ends an evaluation that does not end by itself.
    session.send_line("(let loop () (loop))").unwrap();
    // The end of pasting in brackets is the last that the editor prints before the evaluation.
    session.exp_string("\u{1b}[?2004l").unwrap();
    session.send_control('c').unwrap();
    session.exp_string("E0452").unwrap();
    session.exp_string(PROMPT).unwrap();
    line(&mut session, "(+ 1 1)", "\r\n2\r\n");
    end(&mut session);
    let history = environment.home().join(".local/state/hpcl/repl-history");
    let kept = std::fs::read_to_string(history).unwrap();
    assert!(kept.contains("(+ 10 2 3)"), "{kept}");
    // The next session has the history of this one.
    let mut session = start(&environment);
    session.send("\u{1b}[A").unwrap();
    session.flush().unwrap();
    session.exp_string("(+ 1 1)").unwrap();
    session.send_line("").unwrap();
    session.exp_string("\r\n2\r\n").unwrap();
    end(&mut session);
}

#[test]
fn inputs_may_come_from_a_file() {
    use std::io::Write;
    let environment = TestEnvironment::new();
    let mut command = environment.command(&["repl"]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"(define a\n  20)\n(* a 2)\n,quit\n(+ 1 1)\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "40");
}
