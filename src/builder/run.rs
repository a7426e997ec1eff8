//! Runs a job's staged code.

use std::io::Write;

use hpcl_lang::{interpreter::Interpreter, native::Side, render};

use super::BuilderHost;
use crate::executor::BuilderJob;

/// The exit code of a build whose code raised an error.
const FAILED: i32 = 1;

/// Interprets the program of a job in this process and returns its exit code: 0, what the program gave to `exit`, or 1 after
/// an error, which is printed to standard error as a diagnostic.
pub fn run(job: &BuilderJob) -> i32 {
    let mut interpreter = Interpreter::new(Side::Builder, Box::new(BuilderHost::new(job)));
    let result = interpreter.run_program(format!("<builder of {}>", job.name), job.code.as_str());
    let _ = std::io::stdout().flush();
    match (interpreter.exit_code(), result) {
        (Some(code), _) => code,
        (None, Ok(_)) => 0,
        (None, Err(diagnostics)) => {
            let text = render::render(&diagnostics, interpreter.sources(), false);
            let _ = std::io::stderr().write_all(text.as_bytes());
            FAILED
        }
    }
}
