//! The hidden verbs: the process that builds are forked from, and the way into a kept directory.
//!
//! `hpcl __build` is started by the executor, never by people. `hpcl __enter DIRECTORY [COMMAND…]` is printed by a build
//! that failed and was kept. Both fork without `exec` and so must run before anything starts a thread: they are looked
//! for before the command line is parsed.

use std::{env, io::Write, path::Path, process::ExitCode};

use crate::executor::{BuilderJob, enter_kept, serve};

/// Runs a hidden verb if the command line names one. `run` interprets a build's staged code and answers its exit code.
pub fn dispatch(run: fn(&BuilderJob) -> i32) -> Option<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let verb = arguments.next()?;
    let outcome = match verb.to_str()? {
        "__build" => serve(run).map(|()| 0),
        "__enter" => {
            let directory = arguments.next()?;
            let command: Option<Vec<String>> =
                arguments.map(|argument| argument.into_string().ok()).collect();
            enter_kept(Path::new(&directory), &command?)
        }
        _ => return None,
    };
    Some(match outcome {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "hpcl: {error}");
            ExitCode::FAILURE
        }
    })
}
