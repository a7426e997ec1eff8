//! Runs the programs under `okay/` and `fail/` and compares what they print with the file beside them.
//!
//! `okay/x.hpcl` prints with `(print VALUE …)`, one line each, and its last value is printed if it is none of effects:
//! all in `x.out`. `fail/x.hpcl` ends in errors, whose whole text is `x.err`. A first line `;; side: builder` chooses the builder
//! side. A line `;;; module (a b)` begins the text of a module that the program before it may use. `UPDATE=1` rewrites the
//! expectations; read them before you commit them.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use hpcl_lang::{
    Interpreter,
    host::{Host, ModuleName, ModuleSource},
    native::{Context, Native, Raise, Side},
    print,
    render::render,
    value::Value,
    vm::Limits,
};

/// A host with the modules of one file, which keeps what is printed.
#[derive(Default)]
struct TestHost {
    modules: BTreeMap<String, String>,
    printed: String,
}

static NATIVES: &[Native] = &[Native {
    name: "print",
    arity: (0, None),
    side: Side::Both,
    doc: "Prints values on a line.",
    example: ("", ""),
    function: print_line,
}];

fn print_line(context: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let words: Vec<String> = arguments.iter().map(print::write).collect();
    let host = context.host.downcast_mut::<TestHost>().expect("the runner's host");
    writeln!(host.printed, "{}", words.join(" ")).expect("writing to memory");
    Ok(Value::Unspecified)
}

impl Host for TestHost {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        let text = self.modules.get(&name.to_string());
        Ok(text
            .map(|text| ModuleSource { file: Arc::from(format!("{name}")), text: Arc::from(text.as_str()) }))
    }

    fn natives(&self) -> Vec<&'static [Native]> {
        vec![NATIVES]
    }

    fn exporters(&mut self, name: &str) -> Vec<ModuleName> {
        let exports = |text: &str| {
            text.contains(&format!("(define-public {name} "))
                || text.contains(&format!("(define-public ({name}"))
        };
        let found = self.modules.iter().filter(|(_, text)| exports(text));
        found.filter_map(|(module, _)| ModuleName::parse(module.trim_matches(['(', ')']))).collect()
    }

    fn module_names(&mut self) -> Vec<ModuleName> {
        self.modules.keys().filter_map(|module| ModuleName::parse(module.trim_matches(['(', ')']))).collect()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Returns what a program prints, and whether it ended without an error.
fn outcome(name: &str, text: &str) -> (String, bool) {
    let mut host = TestHost::default();
    let mut parts = text.split("\n;;; module ");
    let program = parts.next().unwrap_or("");
    for part in parts {
        let (module, text) = part.split_once('\n').unwrap_or((part, ""));
        host.modules.insert(module.trim().to_owned(), text.to_owned());
    }
    let side = if text.starts_with(";; side: builder") { Side::Builder } else { Side::Evaluation };
    let mut interpreter = Interpreter::new(side, Box::new(host));
    // Less than the usual limit, for time's sake.
    interpreter.set_limits(Limits { depth: 500_000, parts: 500_000, ..Limits::default() });
    let result = interpreter.run_program(name, program);
    let mut printed = std::mem::take(&mut interpreter.host_mut::<TestHost>().printed);
    match result {
        Ok(Value::Unspecified) => (printed, true),
        Ok(value) => {
            writeln!(printed, "{}", print::write(&value)).expect("writing to memory");
            (printed, true)
        }
        Err(errors) => {
            printed.push_str(&render(&errors, interpreter.sources(), false));
            (printed, false)
        }
    }
}

fn programs(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            found.extend(programs(&path));
        } else if path.extension().is_some_and(|ext| ext == "hpcl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn run_all(kind: &str, extension: &str, wanted: bool) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(kind);
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for path in programs(&root) {
        let name = path.strip_prefix(&root).expect("it is below").to_string_lossy().into_owned();
        let (actual, okay) = outcome(&name, &fs::read_to_string(&path).expect("it can be read"));
        let expectation = path.with_extension(extension);
        if update && okay == wanted {
            fs::write(&expectation, &actual).expect("it can be written");
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        if okay != wanted || actual != expected {
            writeln!(wrong, "--- {kind}/{name}: expected\n{expected}--- got\n{actual}")
                .expect("writing to memory");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// How many programs the suite has at least, so that none is lost unnoticed.
const AT_LEAST: usize = 706;

#[test]
fn no_program_is_lost() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let found = programs(&root.join("okay")).len() + programs(&root.join("fail")).len();
    assert!(found >= AT_LEAST, "only {found} programs");
}

#[test]
fn programs_that_are_right_print_what_they_should() {
    run_all("okay", "out", true);
}

#[test]
fn programs_that_are_wrong_say_what_is_wrong() {
    run_all("fail", "err", false);
}
