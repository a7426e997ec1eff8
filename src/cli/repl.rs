//! `hpcl repl`: reads, evaluates and prints expressions until the end of input.

use std::{io::Write, process::ExitCode};

use clap::Args;
use rustyline::{
    Completer, Config, Editor, Helper, Highlighter, Hinter,
    error::ReadlineError,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{Outcome, options::RecipeOptions, session};
use crate::{
    host::{EvaluationError, input_is_complete},
    report::Failure,
};

/// Arguments of `hpcl repl`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Lets an input go on over lines until its parentheses are closed.
#[derive(Completer, Helper, Highlighter, Hinter)]
struct MultiLine;

impl Validator for MultiLine {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if input_is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

/// Runs the loop.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut evaluation = session::evaluation(&arguments.recipes)?;
    let failed = |error: ReadlineError| Failure::new(format!("cannot read from the terminal: {error}"));
    let mut editor: Editor<MultiLine, _> =
        Editor::with_config(Config::builder().auto_add_history(true).build()).map_err(failed)?;
    editor.set_helper(Some(MultiLine));
    let mut out = std::io::stdout();
    loop {
        let input = match editor.readline("hpcl> ") {
            Ok(input) => input,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed(error)),
        };
        match input.trim() {
            "" => continue,
            ",quit" | ",q" => return Ok(ExitCode::SUCCESS),
            ",help" => {
                writeln!(out, "an expression or definition is evaluated; `,quit` or Ctrl-D ends")?;
                continue;
            }
            _ => {}
        }
        match evaluation.interactive(&input) {
            Ok(value) => {
                if let Some(text) = evaluation.shown(&value) {
                    writeln!(out, "{text}")?;
                }
            }
            Err(EvaluationError::Language { rendered }) => {
                anstream::stderr().write_all(rendered.as_bytes())?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
