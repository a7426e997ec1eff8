//! Checks of what a package depends on.

use super::Warning;
use crate::host::PackageFacts;

/// Tools that run at build time and are of no use in a result.
const NATIVE: [&str; 17] = [
    "pkg-config",
    "pkgconf",
    "autoconf",
    "automake",
    "libtool",
    "cmake",
    "meson",
    "ninja",
    "bison",
    "flex",
    "gettext",
    "intltool",
    "itstool",
    "help2man",
    "doxygen",
    "texinfo",
    "swig",
];
/// What Python's build systems bring along.
const NEEDLESS: [&str; 3] = ["python-setuptools", "python2-setuptools", "python-pip"];

fn field(kind: &str) -> &'static str {
    match kind {
        "native-inputs" => "native-inputs",
        "propagated-inputs" => "propagated-inputs",
        _ => "inputs",
    }
}

pub(super) fn labels(facts: &PackageFacts, found: &mut Vec<Warning>) {
    for (kind, label, name) in
        facts.inputs.iter().filter(|(_, label, name)| !name.is_empty() && label != name)
    {
        // An output is part of a label.
        if !label.starts_with(&format!("{name}:")) {
            let message = format!("label `{label}` does not match package name `{name}`");
            found.push(Warning::new("input-labels", field(kind), message));
        }
    }
}

pub(super) fn native(facts: &PackageFacts, found: &mut Vec<Warning>) {
    for (kind, _, name) in facts.inputs.iter().filter(|(kind, _, _)| kind != "native-inputs") {
        if NATIVE.contains(&name.as_str()) {
            let message = format!("`{name}` should probably be a native input");
            found.push(Warning::new("inputs-should-be-native", field(kind), message));
        }
    }
}

pub(super) fn needless(facts: &PackageFacts, found: &mut Vec<Warning>) {
    for (kind, _, name) in &facts.inputs {
        if NEEDLESS.contains(&name.as_str()) {
            let message = format!("`{name}` should probably not be an input at all");
            found.push(Warning::new("inputs-should-not-be-input", field(kind), message));
        }
    }
}

pub(super) fn tests(facts: &PackageFacts, found: &mut Vec<Warning>) {
    if facts.tests {
        found.push(Warning::new(
            "tests-true",
            "arguments",
            "`#:tests? #t` must not be set: it is the default",
        ));
    }
}

pub(super) fn collisions(facts: &PackageFacts, found: &mut Vec<Warning>) {
    for (name, one, other) in &facts.collisions {
        let message = format!("propagated `{name}` {one} and {other} cannot be in one profile");
        found.push(Warning::new("profile-collisions", "propagated-inputs", message));
    }
}

/// Inputs whose items no output refers to. Headers alone leave no reference, so this is a question and no verdict.
pub(super) fn unused(facts: &PackageFacts, references: &[String]) -> Vec<Warning> {
    let is_used = |name: &str| {
        let of_input = |item: &String| {
            item.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        references.iter().any(of_input)
    };
    let inputs = facts.inputs.iter().filter(|(kind, _, name)| kind == "inputs" && !name.is_empty());
    inputs
        .filter(|(_, _, name)| !is_used(name))
        .map(|(_, _, name)| {
            let message =
                format!("no output refers to `{name}`: is it needed, or should it be a native input?");
            Warning::new("unused-input", "inputs", message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{facts, found},
        *,
    };

    fn input(kind: &str, label: &str, name: &str) -> (String, String, String) {
        (kind.into(), label.into(), name.into())
    }

    #[test]
    fn inputs_are_of_the_right_kind_and_have_their_names() {
        let native = input("inputs", "pkg-config", "pkg-config");
        assert_eq!(found(|facts| facts.inputs = vec![native]), ["inputs-should-be-native"]);
        let label = input("inputs", "mpi", "openmpi");
        assert_eq!(found(|facts| facts.inputs = vec![label]), ["input-labels"]);
        let twice = ("zlib".into(), "1.2".into(), "1.3".into());
        assert_eq!(found(|facts| facts.collisions = vec![twice]), ["profile-collisions"]);
        let needless = input("native-inputs", "python-pip", "python-pip");
        assert_eq!(found(|facts| facts.inputs = vec![needless]), ["inputs-should-not-be-input"]);
    }

    #[test]
    fn what_no_output_refers_to_is_asked_about() {
        let facts = facts(|facts| {
            facts.inputs = vec![input("inputs", "zlib", "zlib"), input("inputs", "bzip2", "bzip2")];
        });
        let found = unused(&facts, &["zlib-1.3".into(), "bzip2x-1".into()]);
        assert_eq!(found.len(), 1);
        assert!(found[0].message.contains("`bzip2`"));
    }
}
