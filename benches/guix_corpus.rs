//! Evaluates every package of a tree of Guix modules as a whole record and reports what is missing.
//!
//! `benches/guix-corpus DIR`, where DIR holds `gnu/packages/**.scm` and `guix/`. A record is whole when every field,
//! thunked and delayed ones included, has a value, and so has every field of the sources, search paths and references
//! inside. Packages that it refers to count on their own account. Definitions are counted as Guix counts: objects that are
//! the values of exported variables, each once. With `--derivations N` that many of the packages, drawn evenly at random but the same in
//! each run, are lowered to derivations too, with all that they depend on.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use hpcl::{channel::Channels, host::EvaluationHost};
use hpcl_lang::{
    diagnostic::Diagnostic,
    host::ModuleName,
    interpreter::Interpreter,
    native::Side,
    reader,
    record::{FieldKind, Record},
    span::FileId,
    symbol::Symbol,
    value::Value,
};
use rayon::prelude::*;

/// What the program itself allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHECKS: &str = include_str!("guix-corpus.hpcl");

type Outcome<T> = Result<T, Vec<Diagnostic>>;

/// The options of a run.
struct Options {
    directory: PathBuf,
    load_path: Vec<PathBuf>,
    groups: usize,
    only: Option<String>,
    derivations: usize,
    trace: bool,
}

fn options() -> Option<Options> {
    let mut options = Options {
        directory: PathBuf::new(),
        load_path: Vec::new(),
        groups: 40,
        only: None,
        derivations: 0,
        trace: false,
    };
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--groups" => options.groups = arguments.next()?.parse().ok()?,
            "--only" => options.only = Some(arguments.next()?),
            "-L" => options.load_path.push(PathBuf::from(arguments.next()?)),
            "--derivations" => options.derivations = arguments.next()?.parse().ok()?,
            "--trace" => options.trace = true,
            _ => options.directory = PathBuf::from(argument),
        }
    }
    Some(options)
}

#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a report")]
fn main() {
    let Some(options) = options() else {
        eprintln!("usage: guix-corpus [-L DIR] [--groups N] [--only TEXT] [--derivations N] [--trace] DIR");
        std::process::exit(2);
    };
    if options.directory.as_os_str().is_empty() {
        // `cargo bench` runs every bench; without a tree there is nothing to measure.
        println!("guix-corpus: no directory given; see benches/README.md");
        return;
    }
    let files = files(&options.directory);
    if files.is_empty() {
        eprintln!("guix-corpus: `{}` has no gnu/packages/**.scm", options.directory.display());
        std::process::exit(1);
    }
    parse(&files);
    let evaluate = move || evaluate(&options, &files);
    let worker = std::thread::Builder::new().stack_size(256 << 20).spawn(evaluate);
    let done = worker.expect("a thread can be started").join();
    println!("peak memory: {} MiB", peak_memory() / 1024);
    if done.is_err() {
        std::process::exit(1);
    }
}

/// A file of the tree.
struct File {
    path: PathBuf,
    module: ModuleName,
}

fn files(directory: &Path) -> Vec<File> {
    let entries =
        walkdir::WalkDir::new(directory.join("gnu/packages")).sort_by_file_name().into_iter().flatten();
    entries
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "scm"))
        .filter_map(|entry| {
            let stem = entry.path().strip_prefix(directory).ok()?.with_extension("");
            let parts: Option<Vec<Symbol>> =
                stem.components().map(|part| part.as_os_str().to_str().map(Symbol::new)).collect();
            Some(File { path: entry.path().to_owned(), module: ModuleName::new(parts?)? })
        })
        .collect()
}

#[allow(clippy::print_stdout, reason = "a report")]
fn parse(files: &[File]) {
    let start = Instant::now();
    let read: Vec<(usize, usize, usize)> = files
        .par_iter()
        .enumerate()
        .map(|(index, file)| {
            let text = std::fs::read_to_string(&file.path).unwrap_or_default();
            let (data, errors) = reader::read(FileId(u32::try_from(index).unwrap_or(0)), &text);
            (text.len(), data.len(), errors.len())
        })
        .collect();
    let bytes: usize = read.iter().map(|(bytes, ..)| bytes).sum();
    let forms: usize = read.iter().map(|(_, forms, _)| forms).sum();
    let whole = read.iter().filter(|(.., errors)| *errors == 0).count();
    println!(
        "files parsed: {whole} of {} ({:.1} MB, {forms} forms) in {:.2} s on {} threads",
        files.len(),
        bytes as f64 / 1e6,
        start.elapsed().as_secs_f64(),
        rayon::current_num_threads()
    );
}

/// One evaluation of the whole tree.
struct Corpus {
    interpreter: Interpreter,
    check: Value,
    derive: Value,
    force: Value,
    names: Vec<(Value, String)>,
    seen: HashSet<*const Record>,
    kept: Vec<Value>,
    whole: usize,
    failures: BTreeMap<String, (usize, String)>,
    trace: bool,
}

#[allow(clippy::print_stdout, reason = "a report")]
fn evaluate(options: &Options, files: &[File]) {
    let mut directories = options.load_path.clone();
    directories.push(options.directory.clone());
    let channels = Channels::new(directories).expect("the directory was read just now");
    let host = EvaluationHost::new(channels, options.directory.clone());
    let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(host));
    let start = Instant::now();
    let mut modules = Vec::new();
    let mut broken: BTreeMap<String, (usize, String)> = BTreeMap::new();
    for file in files {
        match interpreter.definitions(&file.module) {
            Ok(found) => modules.push((&file.module, found)),
            Err(errors) => note(&mut broken, &errors, &file.module.to_string()),
        }
    }
    let definitions: usize = modules.iter().map(|(_, found)| found.len()).sum();
    println!(
        "modules expanded: {} of {} ({definitions} definitions) in {:.2} s",
        modules.len(),
        files.len(),
        start.elapsed().as_secs_f64()
    );
    report("modules that cannot be expanded, by first missing name", &broken, options.groups);
    let start = Instant::now();
    let loaded = interpreter.run_program("guix-corpus.hpcl", CHECKS).and_then(|_| {
        let module = ModuleName::parse("(bench corpus)").expect("a valid name");
        let force = ModuleName::parse("(guile)").expect("a valid name");
        Ok((
            interpreter.module_value(&module, Symbol::new("check-package"))?,
            interpreter.module_value(&module, Symbol::new("derive"))?,
            interpreter.module_value(&force, Symbol::new("force"))?,
        ))
    });
    let (check, derive, force) = match loaded {
        Ok(found) => found,
        Err(errors) => {
            println!("{}", hpcl_lang::render::render(&errors, interpreter.sources(), false));
            return;
        }
    };
    let mut corpus = Corpus {
        interpreter,
        check,
        derive,
        force,
        names: Vec::new(),
        seen: HashSet::new(),
        kept: Vec::new(),
        whole: 0,
        failures: BTreeMap::new(),
        trace: options.trace,
    };
    for (module, definitions) in &modules {
        for definition in definitions.iter().filter(|definition| definition.exported && !definition.is_macro)
        {
            let name = format!("{} in {module}", definition.name);
            if options.only.as_ref().is_none_or(|only| name.contains(only)) {
                corpus.definition(module, definition.name, &name);
            }
        }
    }
    let taken = start.elapsed();
    corpus.finish(options, taken);
}

impl Corpus {
    fn definition(&mut self, module: &ModuleName, variable: Symbol, name: &str) {
        let outcome = self.interpreter.module_value(module, variable).and_then(|value| {
            let Some(record) = package(&value) else { return Ok(false) };
            if !self.seen.insert(Rc::as_ptr(record)) {
                return Ok(false);
            }
            self.kept.push(value.clone());
            self.names.push((value.clone(), name.to_owned()));
            self.package(record, &value)?;
            Ok(true)
        });
        match outcome {
            Ok(true) => self.whole += 1,
            Ok(false) => {}
            Err(errors) => {
                if self.trace {
                    self.print(&errors);
                }
                note(&mut self.failures, &errors, name);
            }
        }
    }

    #[allow(clippy::print_stdout, reason = "a report")]
    fn print(&self, errors: &[Diagnostic]) {
        println!("{}", hpcl_lang::render::render(errors, self.interpreter.sources(), false));
    }

    fn package(&mut self, record: &Rc<Record>, value: &Value) -> Outcome<()> {
        let mut arguments = vec![value.clone()];
        let mut inputs: BTreeMap<&str, Value> = BTreeMap::new();
        for index in 0..record.fields.len() {
            let field = self.field(record, index)?;
            if let Some(described) = record.record_type.fields.get(index)
                && described.name.as_str().ends_with("inputs")
            {
                inputs.insert(described.name.as_str(), field.clone());
            }
            self.value(&field)?;
        }
        let names = ["inputs", "native-inputs", "propagated-inputs"];
        arguments.extend(names.iter().map(|name| inputs.remove(name).unwrap_or(Value::Nil)));
        self.interpreter.call(&self.check.clone(), arguments).map(|_| ())
    }

    /// Returns a field's value, computing it if need be.
    fn field(&mut self, record: &Rc<Record>, index: usize) -> Outcome<Value> {
        let stored = record.fields.get(index).cloned().unwrap_or(Value::Absent);
        match record.record_type.fields.get(index).map(|field| field.kind) {
            // A thunk that does not refer to its record is kept as a promise.
            Some(FieldKind::Thunked) if stored.is_procedure() => {
                self.interpreter.call(&stored, vec![Value::Record(record.clone())])
            }
            Some(FieldKind::Thunked | FieldKind::Delayed) if matches!(stored, Value::Promise(_)) => {
                self.interpreter.call(&self.force.clone(), vec![stored])
            }
            _ => Ok(stored),
        }
    }

    /// Computes what is inside of a value, packages excepted.
    fn value(&mut self, value: &Value) -> Outcome<()> {
        match value {
            Value::Pair(_) => {
                let mut rest = value.clone();
                while let Value::Pair(pair) = &rest {
                    self.value(&pair.car)?;
                    let next = pair.cdr.clone();
                    rest = next;
                }
                self.value(&rest)
            }
            Value::Promise(_) => {
                let forced = self.interpreter.call(&self.force.clone(), vec![value.clone()])?;
                self.value(&forced)
            }
            Value::Gexp(gexp) => gexp
                .references
                .iter()
                .filter_map(|reference| reference.value.as_ref())
                .try_for_each(|inner| self.value(inner)),
            Value::Record(record) if package(value).is_none() => {
                if !self.seen.insert(Rc::as_ptr(record)) {
                    return Ok(());
                }
                self.kept.push(value.clone());
                for index in 0..record.fields.len() {
                    let field = self.field(record, index)?;
                    self.value(&field)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Lowers that many of the packages to derivations.
    #[allow(clippy::print_stdout, reason = "a report")]
    fn derivations(&mut self, options: &Options) {
        let mut failures = BTreeMap::new();
        let mut derived = 0;
        let drawn = drawn(self.names.len(), options.derivations);
        let start = Instant::now();
        for (value, name) in drawn.iter().filter_map(|index| self.names.get(*index)) {
            match self.interpreter.call(&self.derive, vec![value.clone()]) {
                Ok(_) => derived += 1,
                Err(errors) => {
                    if self.trace {
                        self.print(&errors);
                    }
                    note(&mut failures, &errors, name);
                }
            }
        }
        let taken = start.elapsed().as_secs_f64();
        report("packages without a derivation, by first missing name", &failures, options.groups);
        let graph = &self.interpreter.host_mut::<EvaluationHost>().graph;
        println!("derivations: {derived} of {} (a graph of {} in {taken:.2} s)", drawn.len(), graph.len());
        let start = Instant::now();
        let hashed = std::mem::take(&mut self.interpreter.host_mut::<EvaluationHost>().graph).hash();
        match hashed {
            Ok(_) => println!("graph hashed in {:.2} s", start.elapsed().as_secs_f64()),
            Err(error) => println!("graph not hashed: {}", hpcl::executor::chain(&error)),
        }
    }

    #[allow(clippy::print_stdout, reason = "a report")]
    fn finish(mut self, options: &Options, taken: Duration) {
        report("packages that are not whole, by first missing name", &self.failures, options.groups);
        println!("packages seen: {}", self.kept.iter().filter(|value| package(value).is_some()).count());
        println!("time for records: {:.2} s", taken.as_secs_f64());
        println!("whole records: {}", self.whole);
        if options.derivations > 0 {
            self.derivations(options);
        }
        // Dropping a million values one by one is no part of what is measured.
        std::mem::forget(self);
    }
}

/// Returns `wanted` different numbers below `all` in order, the same in each run: Floyd's sampling over a fixed sequence.
fn drawn(all: usize, wanted: usize) -> BTreeSet<usize> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut chosen = BTreeSet::new();
    for last in all.saturating_sub(wanted)..all {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let below = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        let number = usize::try_from((state >> 33) % below).unwrap_or(0);
        if !chosen.insert(number) {
            chosen.insert(last);
        }
    }
    chosen
}

fn package(value: &Value) -> Option<&Rc<Record>> {
    match value {
        Value::Record(record) if record.record_type.plain_name() == "package" => Some(record),
        _ => None,
    }
}

fn note(groups: &mut BTreeMap<String, (usize, String)>, errors: &[Diagnostic], example: &str) {
    let (first, count) = match errors.first() {
        Some(error) => (format!("{} {}", error.code, shortened(&error.message)), 1),
        None => ("unknown".to_owned(), 1),
    };
    let entry = groups.entry(first).or_insert_with(|| (0, example.to_owned()));
    entry.0 += count;
}

fn shortened(message: &str) -> Arc<str> {
    message.chars().take(160).collect::<String>().replace('\n', " ").into()
}

#[allow(clippy::print_stdout, reason = "a report")]
fn report(title: &str, groups: &BTreeMap<String, (usize, String)>, most: usize) {
    if groups.is_empty() {
        return;
    }
    let mut rows: Vec<_> = groups.iter().collect();
    rows.sort_by_key(|(name, (count, _))| (std::cmp::Reverse(*count), name.as_str()));
    let all: usize = rows.iter().map(|(_, (count, _))| count).sum();
    println!("{title}: {all}");
    for (name, (count, example)) in rows.into_iter().take(most) {
        println!("{count:7}  {name}  ({example})");
    }
}

/// Returns the most memory that the process had, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0)
}
