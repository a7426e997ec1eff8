//! One look at a program that is being written: what is wrong in it, and what its names mean.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use hpcl_lang::{
    diagnostic::Diagnostic,
    host::ModuleName,
    inspect::NameKind,
    interpreter::Interpreter,
    native::Side,
    reader,
    span::{FileId, Span},
    vm::Limits,
};

use super::{
    documentation,
    host::{EditorHost, OpenModules},
    syntax,
};
use crate::channel::Channels;

/// How far a definition is evaluated to find what is wrong in it.
const LIMITS: Limits = Limits { depth: 20_000, values: 500_000, steps: 200_000, parts: 1_000_000 };

/// Something wrong in the text.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where, in bytes.
    pub range: (usize, usize),
    /// The stable code.
    pub code: &'static str,
    /// What, and what to do.
    pub message: String,
    /// Other places with what is said of them.
    pub related: Vec<(Place, String)>,
}

/// A place in a file, or in a text that is part of the program.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file's name, as evaluation knows it.
    pub file: Arc<str>,
    /// The file's text.
    pub text: Arc<str>,
    /// Where, in bytes.
    pub range: (usize, usize),
}

/// A completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// What is inserted.
    pub label: String,
    /// What it is.
    pub kind: CandidateKind,
    /// What is said of it.
    pub documentation: Option<String>,
}

/// The kinds of completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateKind {
    /// A field of a record.
    Field,
    /// A definition.
    Variable,
    /// A procedure of the language.
    Procedure,
    /// A macro or form.
    Keyword,
    /// A module.
    Module,
    /// A word of the form that is being written.
    Word,
}

/// A definition of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The name.
    pub name: String,
    /// For packages: name and version.
    pub detail: Option<String>,
    /// Whether it is a procedure.
    pub procedure: bool,
    /// The whole form, in bytes.
    pub range: (usize, usize),
    /// The name in it.
    pub selection: (usize, usize),
}

/// What is known of a text.
pub struct Analysis {
    interpreter: Interpreter,
    module: ModuleName,
    file: FileId,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

fn range(span: Span) -> (usize, usize) {
    (span.start as usize, span.end as usize)
}

/// Returns the module that a text declares.
pub fn declared_module(text: &str) -> Option<ModuleName> {
    let data = syntax::data(text);
    let form = data.iter().find(|form| reader::heads(form, "define-module"))?;
    ModuleName::from_datum(syntax::items(form)?.get(1)?)
}

/// Returns the directory that a module's name is relative to, if the file lies where its name says.
pub fn channel_of(path: &Path, module: &ModuleName) -> Option<PathBuf> {
    let stem = path.with_extension("");
    let mut root = stem.as_path();
    for part in module.parts().iter().rev() {
        if root.file_name()?.to_str()? != part.as_str() {
            return None;
        }
        root = root.parent()?;
    }
    Some(root.to_owned())
}

impl Analysis {
    /// Looks at a text. Its channel is found by its place; `directories` are further ones, `open` the texts that stand for
    /// files.
    pub fn new(path: &Path, text: &str, directories: &[PathBuf], open: OpenModules) -> Self {
        let own = declared_module(text).and_then(|module| channel_of(path, &module));
        let mut all: Vec<PathBuf> = own.into_iter().collect();
        all.extend(directories.iter().filter(|directory| directory.is_dir()).cloned());
        all.dedup();
        let channels = Channels::new(all).unwrap_or_default();
        let base = path.parent().unwrap_or(Path::new(".")).to_owned();
        let host = EditorHost::new(channels, base, open);
        let mut interpreter = Interpreter::new(Side::Evaluation, Box::new(host));
        let checked = interpreter.check(path.display().to_string(), text, LIMITS);
        let mut analysis =
            Analysis { interpreter, module: checked.module, file: checked.file, problems: Vec::new() };
        analysis.problems =
            checked.diagnostics.iter().map(|diagnostic| analysis.problem(diagnostic)).collect();
        analysis
    }

    fn place(&self, span: Span) -> Option<Place> {
        place(&self.interpreter, span)
    }

    fn problem(&self, diagnostic: &Diagnostic) -> Problem {
        let primary = diagnostic.primary.as_ref().map(|(span, _)| *span);
        let own = |span: &Span| span.file == self.file;
        let in_trace = diagnostic.trace.iter().filter_map(|entry| entry.span).find(own);
        let place = primary.filter(own).or(in_trace);
        let mut message = diagnostic.message.clone();
        for hint in &diagnostic.hints {
            message.push_str(&format!("\nhint: {hint}"));
        }
        let elsewhere = diagnostic.primary.iter().filter(|(span, _)| Some(*span) != place);
        let related = elsewhere
            .chain(&diagnostic.labels)
            .filter_map(|(span, words)| Some((self.place(*span)?, words.clone())))
            .collect();
        Problem { range: place.map_or((0, 0), range), code: diagnostic.code, message, related }
    }

    /// Returns what is said of what stands at a position, and where that is.
    pub fn hover(&mut self, text: &str, offset: usize) -> Option<((usize, usize), String)> {
        let data = syntax::data(text);
        let path = syntax::path(&data, offset);
        let symbol = path.last()?;
        let name = syntax::symbol(symbol)?;
        let shown = self.field_at(&path, name).or_else(|| self.said_of(&path, name))?;
        Some((range(symbol.span), shown)).filter(|(_, shown)| !shown.is_empty())
    }

    /// The documentation of the field whose name stands at the end of the path.
    fn field_at(&self, path: &[&hpcl_lang::datum::Datum], name: &str) -> Option<String> {
        let [.., record, clause, symbol] = path else { return None };
        let first = syntax::items(clause)?.first()?;
        let record = syntax::head(record).filter(|_| first.span == symbol.span)?;
        documentation::of_field(record, name).map(|said| format!("field `{name}` of `{record}`\n\n{said}"))
    }

    fn said_of(&mut self, path: &[&hpcl_lang::datum::Datum], name: &str) -> Option<String> {
        if syntax::local_binding(path, name).is_some() {
            return Some(format!("`{name}`: a local variable"));
        }
        said_of_name(&mut self.interpreter, &self.module, Some(self.file), name)
    }

    /// Returns where what stands at a position is defined.
    pub fn definition(&mut self, text: &str, offset: usize) -> Option<Place> {
        let data = syntax::data(text);
        let path = syntax::path(&data, offset);
        let symbol = path.last()?;
        // The name of a module in an import leads to its file.
        let module = path.iter().rev().find_map(|datum| ModuleName::from_datum(datum));
        let name = syntax::symbol(symbol)?;
        if let Some(span) = syntax::local_binding(&path, name) {
            return self.place(Span { file: self.file, ..span });
        }
        let importing = path
            .iter()
            .any(|form| matches!(syntax::head(form), Some("define-module" | "use-modules" | "@" | "@@")));
        if importing && let Some(file) = module.and_then(|module| self.interpreter.module_file(&module)) {
            return self.place(Span { file, start: 0, end: 0 });
        }
        definition_place(&mut self.interpreter, &self.module, Some(self.file), name)
    }

    /// Returns what can be written at a position, and where the word begins that it replaces.
    pub fn complete(&mut self, text: &str, offset: usize) -> (usize, Vec<Candidate>) {
        let (open, word) = syntax::open_lists(text, offset);
        let prefix = text.get(word..offset).unwrap_or("");
        let candidate =
            |label: &str, kind, documentation| Candidate { label: label.to_owned(), kind, documentation };
        let mut found = Vec::new();
        if let [.., around, list] = open.as_slice()
            && list.count == 0
            && let Some(record) = around.head
            && let Some(fields) = self.interpreter.record_fields(&self.module, record)
        {
            let given = self.given_fields(text, around.start);
            let names = fields.iter().map(|field| field.as_str()).chain(["inherit"]);
            found.extend(names.filter(|name| !given.iter().any(|other| other == name)).map(|name| {
                let said = documentation::of_field(record, name).map(str::to_owned);
                candidate(name, CandidateKind::Field, said)
            }));
            found.retain(|field| field.label.starts_with(prefix));
            return (word, found);
        }
        let importing = open.iter().any(|list| matches!(list.head, Some("define-module" | "use-modules")));
        if importing && let Some(list) = open.last() {
            let typed = text.get(list.start + 1..offset).unwrap_or("");
            let names = self.module_names();
            let rest = |name: &String| {
                let inside = name.trim_start_matches('(').trim_end_matches(')');
                inside
                    .starts_with(typed)
                    .then(|| inside.get(word - list.start - 1..).map(str::to_owned))
                    .flatten()
            };
            found.extend(
                names.iter().filter_map(rest).map(|rest| candidate(&rest, CandidateKind::Module, None)),
            );
            if !found.is_empty() {
                return (word, found);
            }
        }
        for (name, kind) in self.interpreter.names_in_scope(&self.module) {
            if name.starts_with(prefix) && (!name.starts_with('%') || prefix.starts_with('%')) {
                let kind = match kind {
                    NameKind::Variable => CandidateKind::Variable,
                    NameKind::Native => CandidateKind::Procedure,
                    NameKind::Macro | NameKind::Form => CandidateKind::Keyword,
                };
                found.push(candidate(name, kind, None));
            }
        }
        // Local variables are among the words of the form that is being written.
        let form = open.first().map_or(offset, |list| list.start);
        let words = text.get(form..word).unwrap_or("");
        for token in reader::tokens(words).filter(|token| token.kind == reader::TokenKind::Atom) {
            let name = words.get(token.start..token.end).unwrap_or("");
            let is_name =
                !name.starts_with(['"', '#', '.']) && !name.starts_with(|c: char| c.is_ascii_digit());
            if is_name && name.starts_with(prefix) && !found.iter().any(|other| other.label == name) {
                found.push(candidate(name, CandidateKind::Word, None));
            }
        }
        (word, found)
    }

    fn module_names(&mut self) -> Vec<String> {
        let host = self.interpreter.host_mut::<crate::host::EvaluationHost>();
        let mut names: Vec<String> = Vec::new();
        for name in hpcl_lang::host::Host::module_names(host) {
            if name.root().as_str() == "hpcl" {
                names.push(name.with_root(hpcl_lang::symbol::Symbol::new("guix")).to_string());
            }
            names.push(name.to_string());
        }
        names
    }

    /// The names of the fields that a record's form has already.
    fn given_fields(&self, text: &str, start: usize) -> Vec<&'static str> {
        let data = syntax::data(text.get(start..).unwrap_or(""));
        let clauses = data.first().and_then(syntax::items).unwrap_or(&[]);
        clauses
            .iter()
            .filter(|clause| syntax::items(clause).is_some_and(|parts| parts.len() > 1))
            .filter_map(syntax::head)
            .collect()
    }
}

/// Returns the definitions of a text.
pub fn outline(text: &str) -> Vec<Outline> {
    let data = syntax::data(text);
    data.iter()
        .filter_map(|form| {
            let head =
                syntax::head(form).filter(|head| head.starts_with("define") && *head != "define-module")?;
            let parts = syntax::items(form)?;
            let mut target = parts.get(1)?;
            let called = syntax::items(target).is_some();
            while let Some(inner) = syntax::items(target) {
                target = inner.first()?;
            }
            let name = syntax::symbol(target)?;
            let value = parts.last().filter(|_| parts.len() > 2);
            Some(Outline {
                name: name.to_owned(),
                detail: value.and_then(documentation::package_name),
                procedure: called
                    || head.contains("syntax")
                    || value.and_then(syntax::head).is_some_and(|head| head.starts_with("lambda")),
                range: range(form.span),
                selection: range(target.span),
            })
        })
        .collect()
}

fn place(interpreter: &Interpreter, span: Span) -> Option<Place> {
    let source = interpreter.sources().get(span.file)?;
    Some(Place { file: source.name.clone(), text: source.text().clone(), range: range(span) })
}

/// Returns what is said of a name in a module that is there.
pub fn describe(interpreter: &mut Interpreter, module: &ModuleName, name: &str) -> Option<String> {
    said_of_name(interpreter, module, None, name)
}

fn said_of_name(
    interpreter: &mut Interpreter,
    module: &ModuleName,
    file: Option<FileId>,
    name: &str,
) -> Option<String> {
    let meaning = interpreter.meaning(module, name)?;
    if let Some(native) = meaning.native {
        return Some(documentation::of_native(native));
    }
    if meaning.kind == NameKind::Form {
        return Some(format!("`{name}`: a form of the language"));
    }
    let Some(place) = definition_place(interpreter, module, file, name) else {
        return Some(format!("`{name}`"));
    };
    let data = syntax::data(&place.text);
    let start = place.range.0;
    let form =
        data.iter().find(|form| (form.span.start as usize..form.span.end as usize).contains(&start))?;
    let said = documentation::of_definition(form, &place.text);
    Some(if said.is_empty() { format!("`{name}`") } else { format!("{said}\n\n*{}*", place.file) })
}

/// Returns where a name is defined; macros are looked for in `file` and in what the module imports.
fn definition_place(
    interpreter: &mut Interpreter,
    module: &ModuleName,
    file: Option<FileId>,
    name: &str,
) -> Option<Place> {
    let meaning = interpreter.meaning(module, name)?;
    let found = meaning.span.and_then(|span| place(interpreter, span));
    if meaning.kind != NameKind::Macro && found.is_some() {
        return found;
    }
    let mut files: Vec<FileId> = file.into_iter().collect();
    for import in interpreter.imports_of(module) {
        files.extend(interpreter.module_file(&import));
    }
    let sources = interpreter.sources();
    files.extend(
        (0..)
            .map(FileId)
            .take_while(|file| sources.get(*file).is_some_and(|source| source.name.starts_with("<prelude>"))),
    );
    let defined = files.into_iter().find_map(|file| {
        let source = sources.get(file).filter(|source| source.text().contains(name))?;
        let data = syntax::data(source.text());
        let (_, span) = syntax::definition_of(&data, name)?;
        Some(Place { file: source.name.clone(), text: source.text().clone(), range: range(span) })
    });
    defined.or(found)
}
