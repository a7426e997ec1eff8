//! Checks of recipes that need no network: Guix's, and some of our own.
//!
//! A checker looks at one package and says what is wrong, in which field. Text checks follow Guix's `guix lint` in name and
//! in what they ask for. Invariant: a checker never fails; what it cannot look at it says nothing about.

mod build_files;
mod inputs;
mod metadata;
mod source;

use serde::Serialize;

pub use build_files::BuildFiles;

use crate::host::PackageFacts;

/// Something that should be otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The checker.
    pub checker: &'static str,
    /// The field of the recipe, if it is one field's matter.
    pub field: Option<&'static str>,
    /// What is wrong.
    pub message: String,
}

impl Warning {
    fn new(checker: &'static str, field: &'static str, message: impl Into<String>) -> Warning {
        Warning { checker, field: Some(field), message: message.into() }
    }
}

/// A check by name, and what it looks at.
#[derive(Clone, Copy, Debug)]
pub struct Checker {
    /// Its name.
    pub name: &'static str,
    /// What it checks.
    pub about: &'static str,
    check: fn(&PackageFacts, &mut Vec<Warning>),
}

/// The checks of what recipes say.
pub const CHECKERS: [Checker; 15] = [
    Checker { name: "name", about: "package names have hyphens and no underscores", check: metadata::name },
    Checker { name: "synopsis", about: "synopses are short noun phrases", check: metadata::synopsis },
    Checker {
        name: "description",
        about: "descriptions are sentences in Texinfo",
        check: metadata::description,
    },
    Checker { name: "license", about: "licences are known ones", check: metadata::license },
    Checker { name: "home-page", about: "there is a home page, by its address", check: metadata::home_page },
    Checker { name: "source-hash", about: "sources have a hash", check: source::hash },
    Checker {
        name: "source-file-name",
        about: "names of sources tell whose they are",
        check: source::file_name,
    },
    Checker {
        name: "source-unstable-tarball",
        about: "archives are releases, not made anew at each request",
        check: source::unstable,
    },
    Checker {
        name: "patch-file-names",
        about: "names of patches begin with the package's",
        check: source::patches,
    },
    Checker { name: "input-labels", about: "inputs are labelled by their names", check: inputs::labels },
    Checker { name: "inputs-should-be-native", about: "tools are native inputs", check: inputs::native },
    Checker {
        name: "inputs-should-not-be-input",
        about: "what build systems bring is no input",
        check: inputs::needless,
    },
    Checker {
        name: "tests-true",
        about: "`#:tests? #t` is left out: it is the default",
        check: inputs::tests,
    },
    Checker {
        name: "profile-collisions",
        about: "what is propagated fits into one profile",
        check: inputs::collisions,
    },
    Checker { name: "mirror-url", about: "sources with known mirrors name these", check: source::mirror },
];

/// The checks that look at more than the recipe: name, and what they check.
pub const FURTHER: [(&str, &str); 5] = [
    ("derivation", "the package comes to a derivation"),
    ("formatting", "no tabs, no space at ends of lines, no lines over 100 columns"),
    ("wrapper-inputs", "what makes wrappers has the shell for them among its inputs"),
    ("unused-input", "what was built refers to its inputs; for what is in the store"),
    ("build-files", "build files of the source name the inputs; for sources in the store"),
];

/// Runs the checks of what a recipe says whose names are meant.
pub fn check(facts: &PackageFacts, is_meant: &dyn Fn(&str) -> bool) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for checker in CHECKERS.iter().filter(|checker| is_meant(checker.name)) {
        (checker.check)(facts, &mut warnings);
    }
    warnings
}

/// The inputs for the target that no output refers to, by the names of the items that outputs refer to.
pub fn unused(facts: &PackageFacts, references: &[String]) -> Vec<Warning> {
    inputs::unused(facts, references)
}

/// Shells that wrappers need and a definition with these lines does not name: the one of the build is not for the target.
pub fn wrappers(facts: &PackageFacts, lines: &[&str]) -> Vec<Warning> {
    let has = |name: &str| facts.inputs.iter().any(|(kind, label, _)| kind == "inputs" && label == name);
    let code = |line: &&str| !line.trim_start().starts_with(';');
    let is_called = |name: &str| lines.iter().filter(|line| code(line)).any(|line| line.contains(name));
    let wanted = [("(wrap-program", ["bash", "bash-minimal"]), ("(wrap-script", ["guile", "bash"])];
    let absent =
        wanted.iter().filter(|(call, shells)| is_called(call) && !shells.iter().any(|shell| has(shell)));
    absent
        .map(|(call, [shell, _])| {
            let name = call.trim_start_matches('(');
            let message = format!("`{shell}` should be in `inputs` when `{name}` is used");
            Warning::new("wrapper-inputs", "arguments", message)
        })
        .collect()
}

/// What is wrong with the lines of a definition: the number of each from 1, and why.
pub fn formatting(lines: &[&str]) -> Vec<(usize, &'static str)> {
    const COLUMNS: usize = 100;
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let problems = [
            (line.contains('\t'), "a tab; indent with spaces"),
            (line.ends_with([' ', '\t']), "space at the end of the line"),
            (line.chars().count() > COLUMNS && !is_unbreakable(line), "more than 100 columns"),
        ];
        found.extend(problems.iter().filter(|(is, _)| *is).map(|(_, what)| (at + 1, *what)));
    }
    found
}

/// Whether a line is long for an address or a hash, which cannot be parted.
fn is_unbreakable(line: &str) -> bool {
    const BASE_32: usize = 52;
    line.contains("://") || line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.len() >= BASE_32)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn facts(change: impl FnOnce(&mut PackageFacts)) -> PackageFacts {
        let mut facts = PackageFacts {
            name: "solver".into(),
            version: "1.2".into(),
            synopsis: "Linear systems, solved in parallel".into(),
            description: "Solver solves linear systems.".into(),
            licenses: vec!["Expat".into()],
            home_page: "https://example.org".into(),
            source: "origin".into(),
            urls: vec!["https://example.org/solver-1.2.tar.gz".into()],
            file_name: "solver-1.2.tar.gz".into(),
            hash: "sha256:00".into(),
            repository: Default::default(),
            patches: Vec::new(),
            inputs: Vec::new(),
            tests: false,
            collisions: Vec::new(),
            location: (String::new(), 1, 1),
        };
        change(&mut facts);
        facts
    }

    pub(super) fn found(change: impl FnOnce(&mut PackageFacts)) -> Vec<&'static str> {
        check(&facts(change), &|_| true).iter().map(|warning| warning.checker).collect()
    }

    #[test]
    fn wrappers_need_a_shell_for_the_target() {
        let lines =
            ["(arguments", "  ;; (wrap-program x)", "  (lambda _ (wrap-program file '(\"P\" = (\"x\")))))"];
        let found = |inputs: &[(&str, &str)], lines: &[&str]| {
            let inputs = inputs.iter().map(|(kind, name)| ((*kind).into(), (*name).into(), (*name).into()));
            let facts = facts(|facts| facts.inputs = inputs.collect());
            wrappers(&facts, lines).into_iter().map(|warning| warning.message).collect::<Vec<_>>()
        };
        let message = "`bash` should be in `inputs` when `wrap-program` is used";
        assert_eq!(found(&[("native-inputs", "bash")], &lines), [message]);
        assert!(found(&[("inputs", "bash-minimal")], &lines).is_empty());
        assert!(found(&[], &lines[..2]).is_empty());
        assert_eq!(found(&[], &["(wrap-script file)"]).len(), 1);
    }

    #[test]
    fn a_good_recipe_has_no_warnings_and_checks_can_be_chosen() {
        assert!(found(|_| {}).is_empty());
        let bad = facts(|facts| {
            facts.name = "my_solver".into();
            facts.tests = true;
        });
        assert_eq!(check(&bad, &|_| true).len(), 2);
        assert_eq!(check(&bad, &|name| name == "name")[0].checker, "name");
    }

    #[test]
    fn lines_are_looked_at() {
        let long = "x".repeat(101);
        let url = format!("https://{long}");
        let long = format!("{} {}", &long[..51], &long[..51]);
        let hash = format!("{long} {}", "0".repeat(64));
        let lines = ["(package", "  (name \"a\") ", "\t(x)", &long, &url, &hash];
        let numbers: Vec<usize> = formatting(&lines).iter().map(|(line, _)| *line).collect();
        assert_eq!(numbers, [2, 3, 4]);
    }
}
