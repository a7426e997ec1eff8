//! What is said of a name: documentation strings, what a package is, and the fields of the common records.

use hpcl_lang::{
    datum::{Datum, string},
    native::Native,
    print,
};

use super::syntax::{field, head, items};

/// The documentation of a procedure in Rust.
pub fn of_native(native: &Native) -> String {
    let mut text = format!("```scheme\n({} …)\n```\n{}", native.name, native.doc);
    if !native.example.0.is_empty() {
        text.push_str(&format!("\n\n```scheme\n{}\n⇒ {}\n```", native.example.0, native.example.1));
    }
    text
}

/// The documentation of a definition, from its form and the text that it is in.
pub fn of_definition(form: &Datum, text: &str) -> String {
    let parts = items(form).unwrap_or(&[]);
    let keyword = head(form).unwrap_or("define");
    let Some(target) = parts.get(1) else { return String::new() };
    if let Some(package) = parts.last().and_then(package_form) {
        return of_package(package);
    }
    let mut shown = format!("```scheme\n({keyword} {}", print::write_datum(target));
    let mut documentation = None;
    if items(target).is_some() {
        documentation = parts.get(2).filter(|_| parts.len() > 3).and_then(string);
        shown.push_str(" …)\n```\n");
    } else {
        match parts.get(2) {
            Some(value) if matches!(head(value), Some("lambda" | "lambda*")) => {
                let inner = items(value).unwrap_or(&[]);
                documentation = inner.get(2).filter(|_| inner.len() > 3).and_then(string);
                let formals = inner.get(1).map(print::write_datum).unwrap_or_default();
                shown.push_str(&format!(" (lambda {formals} …))\n```\n"));
            }
            Some(value) => {
                let start = value.span.start as usize;
                let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or("");
                let cut = start + line.len() < value.span.end as usize;
                shown.push_str(&format!(" {}{}\n```\n", line.trim_end(), if cut { " …" } else { "" }));
            }
            None => shown.push_str(")\n```\n"),
        }
    }
    if let Some(documentation) = documentation {
        shown.push_str(&documentation);
    } else {
        shown.push_str(&comment_above(text, form.span.start as usize));
    }
    shown
}

/// The `package` form that a value is, below `let` and its like.
fn package_form(value: &Datum) -> Option<&Datum> {
    match head(value)? {
        "package" | "package/inherit" => Some(value),
        "let" | "let*" | "hidden-package" | "letrec" => package_form(items(value)?.last()?),
        _ => None,
    }
}

fn of_package(form: &Datum) -> String {
    let text = |name: &str| field(form, name).and_then(string);
    let written = |name: &str| {
        field(form, name).map(|value| string(value).unwrap_or_else(|| print::write_datum(value)))
    };
    let mut shown = String::from("**package**");
    if let Some(name) = text("name") {
        shown.push_str(&format!(" `{name}`"));
    }
    if let Some(version) = written("version") {
        shown.push_str(&format!(" {version}"));
    }
    if let Some(base) = written("inherit") {
        shown.push_str(&format!(" — a variant of `{base}`"));
    }
    for paragraph in [text("synopsis"), text("description")].into_iter().flatten() {
        shown.push_str(&format!("\n\n{paragraph}"));
    }
    for (title, name) in [("Home page", "home-page"), ("License", "license")] {
        if let Some(value) = written(name).filter(|value| value != "#f") {
            shown.push_str(&format!("\n\n{title}: {value}"));
        }
    }
    shown
}

/// The comment right above a form.
fn comment_above(text: &str, start: usize) -> String {
    let mut lines: Vec<&str> = text
        .get(..start)
        .unwrap_or("")
        .lines()
        .rev()
        .take_while(|line| line.starts_with(";;"))
        .map(|line| line.trim_start_matches(';').trim())
        .collect();
    lines.reverse();
    lines.join("\n")
}

/// What a field of a record is.
pub fn of_field(record: &str, name: &str) -> Option<&'static str> {
    let record = if record == "package/inherit" { "package" } else { record };
    FIELDS.iter().find(|(of, field, _)| *of == record && *field == name).map(|(_, _, text)| *text)
}

/// Record, field, what it is.
#[rustfmt::skip]
const FIELDS: &[(&str, &str, &str)] = &[
    ("package", "inherit", "The package whose fields are taken where they are not given here."),
    ("package", "name", "The name, a string in lower case: `\"openmpi\"`."),
    ("package", "version", "The version, a string: `\"4.1.4\"`. Fields below it can refer to it."),
    ("package", "source", "Where the source comes from: an `origin`, a file, another package, or `#f` for none."),
    ("package", "build-system", "How it is built: `gnu-build-system`, `cmake-build-system`, … from `(guix build-system …)`."),
    ("package", "arguments", "Keywords and values for the build system: `(list #:tests? #f #:phases #~(modify-phases …))`."),
    ("package", "inputs", "What it needs to run or links with: a list of packages, `(list zlib (list hwloc \"lib\"))`."),
    ("package", "native-inputs", "What is needed to build it and runs on the machine that builds: compilers, `pkg-config`."),
    ("package", "propagated-inputs", "What must be in every environment that has this package, such as the modules that a Python package imports."),
    ("package", "outputs", "The names of its outputs, `'(\"out\" \"doc\")`; each is a directory of the store."),
    ("package", "native-search-paths", "Environment variables that are set where this package is in an environment."),
    ("package", "search-paths", "Environment variables that are set where this package is an input for another machine."),
    ("package", "replacement", "A package that is put in its place in what was built with it, or `#f`."),
    ("package", "synopsis", "What it is, in one line: no article at the beginning, no period at the end."),
    ("package", "description", "What it does, in some sentences."),
    ("package", "license", "A license of `(guix licenses)`, or a list of them."),
    ("package", "home-page", "The address of its home page, or `#f`."),
    ("package", "supported-systems", "The systems that it can be built for, such as `\"x86_64-linux\"`."),
    ("package", "properties", "An association list of further facts, such as `'((hidden? . #t))`."),
    ("origin", "method", "How it is downloaded: `url-fetch`, `git-fetch`."),
    ("origin", "uri", "The address, a list of addresses, or a `git-reference`."),
    ("origin", "sha256", "The hash of what is downloaded, `(base32 \"…\")`; `hpcl hash FILE` prints it."),
    ("origin", "hash", "The hash of what is downloaded, with its algorithm: `(content-hash \"…\" sha256)`."),
    ("origin", "file-name", "The name that the download has in the store; the last part of the address if not given."),
    ("origin", "patches", "Patches that are applied to the source: a list of files or origins."),
    ("origin", "patch-flags", "The flags of `patch`, `'(\"-p1\")` if not given."),
    ("origin", "snippet", "Code that changes the unpacked source before anything is built of it."),
    ("origin", "modules", "The modules that the snippet uses."),
    ("manifest-entry", "name", "The name of the entry."),
    ("manifest-entry", "version", "The version of the entry."),
    ("manifest-entry", "output", "The output of the package that is meant."),
    ("manifest-entry", "item", "The package or file that the entry stands for."),
    ("search-path-specification", "variable", "The name of the environment variable."),
    ("search-path-specification", "files", "The directories or files below a package that it lists."),
    ("search-path-specification", "separator", "What stands between two of them, `\":\"` if not given; `#f` for a single one."),
    ("search-path-specification", "file-type", "`'directory` if not given, `'regular` for files."),
    ("git-reference", "url", "The address of the repository."),
    ("git-reference", "commit", "The commit or tag."),
    ("git-reference", "recursive?", "Whether submodules are fetched too."),
];

/// The name and version of the package that a value is, as far as they are written.
pub fn package_name(value: &Datum) -> Option<String> {
    let form = package_form(value)?;
    let name = field(form, "name").and_then(string);
    let version = field(form, "version").and_then(string);
    Some([name, version].into_iter().flatten().collect::<Vec<_>>().join(" ")).filter(|text| !text.is_empty())
}
