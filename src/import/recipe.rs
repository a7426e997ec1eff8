//! Recipes as they are written: a module with a `package` record each, in the house format.
//!
//! The text is laid out by the same printer that `hpcl fmt` has. Invariant: it depends on the recipes alone, so that to import
//! again what did not change changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hpcl_lang::{format, span::FileId};

use super::ImportError;

/// A package as recipes name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// The variable.
    pub variable: String,
    /// Its module, as written; nothing for the file's own.
    pub module: Option<String>,
}

/// Where the source of a package is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// An expression for its address, in which `version` is the package's.
    pub uri: String,
    /// The SHA-256, in base-32.
    pub sha256: String,
}

/// A package record.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// The variable.
    pub variable: String,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The source.
    pub origin: Option<Origin>,
    /// The variable of the build system, and its module.
    pub build_system: (String, String),
    /// Keyword and value of each argument, each with a remark.
    pub arguments: Vec<(String, String, Option<String>)>,
    /// What is needed to build it, each with a remark.
    pub native_inputs: Vec<(Reference, Option<String>)>,
    /// What it is linked with, each with a remark.
    pub inputs: Vec<(Reference, Option<String>)>,
    /// What its users need too, each with a remark.
    pub propagated_inputs: Vec<(Reference, Option<String>)>,
    /// Where to read about it.
    pub home_page: Option<String>,
    /// One line on what it is.
    pub synopsis: String,
    /// More on it.
    pub description: String,
    /// An expression for its licence, and a remark.
    pub license: (String, Option<String>),
    /// Names and data.
    pub properties: Vec<(String, String)>,
    /// Lines above the definition.
    pub remarks: Vec<String>,
}

/// What an import came to.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The recipes, dependencies first.
    pub recipes: Vec<Recipe>,
    /// What the user should know.
    pub notes: Vec<String>,
}

/// A string as programs write it.
pub fn quoted(text: &str) -> String {
    let mut done = String::with_capacity(text.len() + 2);
    done.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => done.extend(['\\', c]),
            '\t' => done.push(' '),
            c if c.is_control() && c != '\n' => {}
            c => done.push(c),
        }
    }
    done.push('"');
    done
}

/// The text of a module of that name with recipes, below comment lines.
pub fn file_text(module: &str, header: &[String], recipes: &[Recipe]) -> Result<String, ImportError> {
    let mut text = String::new();
    for line in header {
        let _ = writeln!(text, ";;; {line}");
    }
    let _ = writeln!(text, "\n(define-module ({module})");
    for import in imports(recipes) {
        let _ = writeln!(text, "  #:use-module {import}");
    }
    let mut text = format!("{})\n", text.trim_end());
    for recipe in recipes {
        text.push('\n');
        write_recipe(&mut text, recipe);
    }
    format::format(FileId(0), &text).map_err(|error| ImportError::Input {
        file: module.to_owned(),
        reason: format!("the recipes could not be written: {error}"),
    })
}

/// What a module with the recipes must import.
fn imports(recipes: &[Recipe]) -> Vec<String> {
    let mut found = vec!["(hpcl packages)".to_owned(), "(hpcl download)".to_owned()];
    let systems: BTreeSet<&str> = recipes.iter().map(|recipe| recipe.build_system.1.as_str()).collect();
    found.extend(systems.into_iter().map(str::to_owned));
    if recipes.iter().any(|recipe| recipe.arguments.iter().any(|(_, value, _)| value.contains("#~"))) {
        found.push("(hpcl gexp)".to_owned());
    }
    found.push("((hpcl licenses) #:prefix license:)".to_owned());
    let mut selected: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for recipe in recipes {
        let inputs = recipe.native_inputs.iter().chain(&recipe.inputs).chain(&recipe.propagated_inputs);
        for (reference, _) in inputs {
            if let Some(module) = &reference.module {
                selected.entry(module).or_default().insert(&reference.variable);
            }
        }
    }
    for (module, variables) in selected {
        let variables: Vec<&str> = variables.into_iter().collect();
        let variables = variables.join(" ");
        let between = if module.len() + variables.len() > 66 { "\n" } else { " " };
        found.push(format!("({module}{between}#:select ({variables}))"));
    }
    found
}

fn write_recipe(text: &mut String, recipe: &Recipe) {
    for remark in &recipe.remarks {
        for line in remark.lines() {
            let _ = writeln!(text, ";; {}", line.trim());
        }
    }
    let _ = writeln!(text, "(define-public {}\n(package", recipe.variable);
    let _ = writeln!(text, "(name {})\n(version {})", quoted(&recipe.name), quoted(&recipe.version));
    match &recipe.origin {
        Some(origin) => {
            let _ = writeln!(
                text,
                "(source\n(origin\n(method url-fetch)\n(uri {})\n(sha256\n(base32 {}))))",
                origin.uri,
                quoted(&origin.sha256)
            );
        }
        None => text.push_str("(source #f)\n"),
    }
    let _ = writeln!(text, "(build-system {})", recipe.build_system.0);
    if !recipe.arguments.is_empty() {
        let list: Vec<(String, Option<&str>)> = recipe
            .arguments
            .iter()
            .map(|(keyword, value, remark)| (format!("#:{keyword} {value}"), remark.as_deref()))
            .collect();
        write_list(text, "arguments", &list);
    }
    for (field, inputs) in [
        ("native-inputs", &recipe.native_inputs),
        ("inputs", &recipe.inputs),
        ("propagated-inputs", &recipe.propagated_inputs),
    ] {
        write_inputs(text, field, inputs);
    }
    let _ = writeln!(text, "(home-page {})", recipe.home_page.as_deref().map_or("#f".to_owned(), quoted));
    let _ = writeln!(text, "(synopsis {})", quoted(&recipe.synopsis));
    let _ = writeln!(text, "(description\n{})", quoted(&recipe.description));
    let (license, remark) = &recipe.license;
    let _ = write!(text, "(license {license})");
    if let Some(remark) = remark {
        let _ = write!(text, " ;{remark}");
    }
    if !recipe.properties.is_empty() {
        let rows: Vec<String> =
            recipe.properties.iter().map(|(name, value)| format!("({name}{value})")).collect();
        let _ = write!(text, "\n(properties\n'({}))", rows.join("\n"));
    }
    text.push_str("))\n");
}

fn write_inputs(text: &mut String, field: &str, inputs: &[(Reference, Option<String>)]) {
    if inputs.is_empty() {
        return;
    }
    let mut sorted: Vec<_> = inputs.iter().collect();
    sorted.sort();
    sorted.dedup_by(|one, other| one.0 == other.0);
    let rows: Vec<(String, Option<&str>)> =
        sorted.iter().map(|(reference, remark)| (reference.variable.clone(), remark.as_deref())).collect();
    write_list(text, field, &rows);
}

/// A field whose value is `(list …)`: in one line where it fits, else with a line for each row and its remark.
fn write_list(text: &mut String, field: &str, rows: &[(String, Option<&str>)]) {
    let width = rows.iter().map(|(row, _)| row.len() + 1).sum::<usize>() + field.len();
    let plain = rows.iter().all(|(_, remark)| remark.is_none());
    if plain && width < 84 && field != "arguments" {
        let row: Vec<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
        let _ = writeln!(text, "({field} (list {}))", row.join(" "));
        return;
    }
    let _ = write!(text, "({field}\n(list ");
    for (number, (row, remark)) in rows.iter().enumerate() {
        text.push_str(row);
        // The last remark stands behind what closes the list.
        if number + 1 == rows.len() {
            text.push_str("))");
        }
        match remark {
            Some(remark) => {
                let _ = writeln!(text, " ;{}", remark.replace('\n', " "));
            }
            None => text.push('\n'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_in_the_format() {
        let own = Reference { variable: "python-b".into(), module: None };
        let other = Reference { variable: "hdf5".into(), module: Some("(hpc hdf5)".into()) };
        let recipe = Recipe {
            variable: "python-a".into(),
            name: "python-a".into(),
            version: "1.0".into(),
            origin: Some(Origin { uri: "(pypi-uri \"a\" version)".into(), sha256: "00".into() }),
            build_system: ("pyproject-build-system".into(), "(hpcl build-system pyproject)".into()),
            arguments: vec![("tests?".into(), "#f".into(), Some("imported without what tests need".into()))],
            inputs: vec![(other, Some("its wheel brings libhdf5.so".into()))],
            propagated_inputs: vec![(own, None)],
            synopsis: "Says \"a\"".into(),
            description: "It says so.".into(),
            license: ("license:expat".into(), None),
            properties: vec![("upstream-name".into(), " . \"A\"".into())],
            ..Recipe::default()
        };
        let text = file_text("a", &["Made.".into()], &[recipe]).unwrap();
        let wanted = "\
;;; Made.

(define-module (a)
  #:use-module (hpcl packages)
  #:use-module (hpcl download)
  #:use-module (hpcl build-system pyproject)
  #:use-module ((hpcl licenses) #:prefix license:)
  #:use-module ((hpc hdf5) #:select (hdf5)))

(define-public python-a
  (package
    (name \"python-a\")
    (version \"1.0\")
    (source
     (origin
       (method url-fetch)
       (uri (pypi-uri \"a\" version))
       (sha256
        (base32 \"00\"))))
    (build-system pyproject-build-system)
    (arguments
     (list #:tests? #f)) ;imported without what tests need
    (inputs
     (list hdf5)) ;its wheel brings libhdf5.so
    (propagated-inputs (list python-b))
    (home-page #f)
    (synopsis \"Says \\\"a\\\"\")
    (description
     \"It says so.\")
    (license license:expat)
    (properties
     '((upstream-name . \"A\")))))
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn strings_are_written_so_that_they_can_be_read() {
        assert_eq!(quoted("a \"b\" \\ c\u{7}\td"), "\"a \\\"b\\\" \\\\ c d\"");
    }
}
