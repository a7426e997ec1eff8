//! Runs the program of a job.

use std::{error::Error, fmt};

use hpcl_lang::{interpreter::Interpreter, native::Side, render::render};

use super::{BuilderHost, port::complain};
use crate::executor::BuilderJob;

/// Why a build did not succeed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The exit code: 1, or what the program gave to `exit`.
    pub code: i32,
    /// The phase that ran.
    pub phase: Option<String>,
    /// The rendered message.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(phase) = &self.phase {
            writeln!(f, "in phase `{phase}`:")?;
        }
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// Runs a job in this process and returns its exit code; messages go to standard error.
///
/// The environment, the working directory and the outputs are those of the job, not of the process.
pub fn run(job: &BuilderJob) -> i32 {
    match interpret(job) {
        Ok(()) => 0,
        Err(failure) => {
            complain(&format!("{failure}\n"));
            failure.code
        }
    }
}

/// Runs a job in this process.
///
/// # Errors
/// When the program raises an error or exits with a code other than 0.
pub fn interpret(job: &BuilderJob) -> Result<(), Failure> {
    let mut interpreter = Interpreter::new(Side::Builder, Box::new(BuilderHost::new(job)));
    let Err(diagnostics) = interpreter.run_program(format!("<builder of {}>", job.name), job.code.as_str())
    else {
        return Ok(());
    };
    let phase = interpreter.host_mut::<BuilderHost>().world.phase.take().map(|(name, _)| name);
    match interpreter.exit_code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure { code, phase, message: format!("the builder exited with {code}") }),
        None => Err(Failure { code: 1, phase, message: render(&diagnostics, interpreter.sources(), false) }),
    }
}
