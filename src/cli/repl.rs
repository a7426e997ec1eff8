//! `hpcl repl`: reads, evaluates and prints expressions until the end of input.
//!
//! Lines are edited, names completed, and inputs kept in a history file; an input goes on over lines until its
//! parentheses are closed. Ctrl-C drops the input that is being typed, or ends the evaluation that is going on; Ctrl-D ends.

use std::{
    io::Write,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use clap::Args;
use rustyline::{
    Config, Context, Editor, Helper, Highlighter, Hinter,
    completion::{Completer, Pair},
    error::ReadlineError,
    history::FileHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{Outcome, options::RecipeOptions, session};
use crate::{
    host::{Evaluation, EvaluationError, USER_MODULE, input_is_complete},
    report::{Failure, columns, write_record},
};

const HELP: &str = "\
an expression or definition is evaluated; an input goes on until its parentheses are closed
,describe NAME   what is known of a procedure, macro, record or package (,d)
,expand EXPR     what an expression comes to once macros are gone (,x)
,time EXPR       how long an expression takes (,t)
,module [NAME]   the module that inputs are evaluated in, or go to another one (,m)
,help            this text (,h)
,quit            ends, as Ctrl-D does (,q)
";

/// The commands that completion knows.
const COMMANDS: [&str; 6] = [",describe", ",expand", ",help", ",module", ",quit", ",time"];

/// How many inputs the history keeps.
const HISTORY: usize = 2000;

/// Arguments of `hpcl repl`.
#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    recipes: RecipeOptions,
}

/// Completes names, and lets an input go on over lines until its parentheses are closed.
#[derive(Helper, Highlighter, Hinter)]
struct Assistant {
    names: Vec<&'static str>,
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if input_is_complete(context.input()) {
            ValidationResult::Valid(None)
        } else {
            ValidationResult::Incomplete
        })
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..at).unwrap_or(line);
        let is_end = |c: char| c.is_whitespace() || "()[]\"';`".contains(c);
        let start = before.rfind(is_end).map_or(0, |end| end + 1);
        let word = before.get(start..).unwrap_or("");
        let words: &[&'static str] =
            if start == 0 && word.starts_with(',') { &COMMANDS } else { &self.names };
        let pair =
            |name: &&'static str| Pair { display: (*name).to_owned(), replacement: (*name).to_owned() };
        Ok((
            start,
            words.iter().filter(|name| !word.is_empty() && name.starts_with(word)).map(pair).collect(),
        ))
    }
}

/// The loop's state.
struct Loop {
    evaluation: Evaluation,
    recipes: RecipeOptions,
    module: String,
    interrupt: Arc<AtomicBool>,
}

/// Runs the loop.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut evaluation = session::evaluation(&arguments.recipes)?;
    let interrupt = Arc::new(AtomicBool::new(false));
    evaluation.set_interrupt(interrupt.clone());
    let recipes = arguments.recipes.clone();
    let mut state = Loop { evaluation, recipes, module: USER_MODULE.to_owned(), interrupt };
    let failed = |error: ReadlineError| Failure::new(format!("cannot read from the terminal: {error}"));
    let config = Config::builder().auto_add_history(true).max_history_size(HISTORY).map_err(failed)?;
    let mut editor: Editor<Assistant, FileHistory> = Editor::with_config(config.build()).map_err(failed)?;
    // The editor has a handler of its own, so that this one comes after it.
    signal_hook::flag::register(signal_hook::consts::SIGINT, state.interrupt.clone())?;
    let history = history_file();
    if let Some(history) = &history {
        // There is none at the first time.
        let _ = editor.load_history(history);
    }
    editor.set_helper(Some(Assistant { names: state.evaluation.names(&state.module) }));
    loop {
        // While a line is edited, Ctrl-C is a key; what comes after it is for the evaluation.
        state.interrupt.store(false, Ordering::Relaxed);
        let input = match editor.readline("hpcl> ") {
            Ok(input) => input,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(ExitCode::SUCCESS),
            Err(error) => return Err(failed(error)),
        };
        if input.trim().is_empty() {
            continue;
        }
        if let Some(history) = &history {
            // What cannot be kept is only lost for the next time.
            let _ = editor.append_history(history);
        }
        match state.input(input.trim()) {
            Ok(true) => return Ok(ExitCode::SUCCESS),
            Ok(false) => {}
            Err(EvaluationError::Language { rendered }) => {
                anstream::stderr().write_all(rendered.as_bytes())?;
            }
            Err(error) => {
                Failure::from(error).print();
            }
        }
        if let Some(assistant) = editor.helper_mut() {
            assistant.names = state.evaluation.names(&state.module);
        }
    }
}

/// Returns where inputs are kept, and makes its directory.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    let folder = state.join("hpcl");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("repl-history"))
}

/// Prints to standard output; a closed pipe ends nothing here, the next read does.
fn print(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Loop {
    /// Carries out an input; returns whether it was the last.
    fn input(&mut self, input: &str) -> Result<bool, EvaluationError> {
        let (word, rest) = input.split_once(char::is_whitespace).unwrap_or((input, ""));
        let rest = rest.trim();
        match (word, rest) {
            (",quit" | ",q", _) => return Ok(true),
            (",help" | ",h", _) => print(HELP),
            (",module" | ",m", "") => print(&format!("{}\n", self.module)),
            (",module" | ",m", name) => self.enter(name),
            (",describe" | ",d" | ",expand" | ",x" | ",time" | ",t", "") => {
                print(&format!("`{word}` needs something to work on; `,help` says more\n"));
            }
            (",describe" | ",d", name) => self.describe(name),
            (",expand" | ",x", expression) => {
                let expanded = self.evaluation.expanded(&self.module, expression)?;
                print(&format!("{expanded}\n"));
            }
            (",time" | ",t", expression) => {
                let begin = Instant::now();
                self.evaluate(expression)?;
                print(&format!("{:.6} s\n", begin.elapsed().as_secs_f64()));
            }
            (command, _) if command.starts_with(',') => {
                print(&format!("there is no command `{command}`; `,help` lists them\n"));
            }
            _ => self.evaluate(input)?,
        }
        Ok(false)
    }

    fn evaluate(&mut self, text: &str) -> Result<(), EvaluationError> {
        let value = self.evaluation.interactive(&self.module, text)?;
        if let Some(text) = self.evaluation.shown(&value) {
            print(&format!("{text}\n"));
        }
        Ok(())
    }

    fn enter(&mut self, name: &str) {
        let name = if name.starts_with('(') { name.to_owned() } else { format!("({name})") };
        if name == USER_MODULE || self.evaluation.has_module(&name) {
            self.module = name;
        } else {
            print(&format!("there is no module `{name}`\n"));
        }
    }

    fn describe(&mut self, name: &str) {
        if let Some(said) = self.evaluation.describe(&self.module, name) {
            return print(&format!("{}\n", plain(&said)));
        }
        match super::show::named(name, &self.recipes) {
            Ok(packages) => {
                let mut text = String::new();
                packages.iter().for_each(|package| write_record(&mut text, package, None, &[], columns()));
                print(&anstream::adapter::strip_str(&text).to_string());
            }
            Err(_) => print(&format!("`{name}` is neither bound here nor the name of a package\n")),
        }
    }
}

/// Takes the marks of code out of a documentation.
fn plain(documentation: &str) -> String {
    documentation
        .lines()
        .filter(|line| !line.starts_with("```"))
        .collect::<Vec<_>>()
        .join("\n")
        .replace("**", "")
}
