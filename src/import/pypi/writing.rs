//! From planned packages to recipes.

use std::collections::BTreeMap;

use super::facts::{Facts, Key};
use super::plan::{Need, Plan, Planned};
use super::provided::Channel;
use super::{Options, cycles};
use crate::import::{
    ImportError, Imported, Origin, Recipe, Reference, license_expression, recipe::quoted, words,
};
use crate::pypi::{FileName, Metadata, PypiError, normalized};

/// The recipes of a plan, dependencies first.
pub(super) fn recipes(
    facts: &Facts,
    channel: &Channel,
    plan: &Plan,
    options: &Options,
) -> Result<Imported, ImportError> {
    let mut newest: BTreeMap<&str, &Key> = BTreeMap::new();
    for key in plan.packages.keys() {
        newest.insert(&key.0, key);
    }
    let writer = Writer { facts, channel, options, newest };
    let recipes =
        cycles::ordered(plan).into_iter().map(|package| writer.recipe(package)).collect::<Result<_, _>>()?;
    Ok(Imported { recipes, notes: plan.notes.clone() })
}

/// Requirements in an order of their own, so that they can be compared.
pub(super) fn sorted(requirements: &[String]) -> Vec<&str> {
    let mut sorted: Vec<&str> = requirements.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted
}

/// The name of the recipe of a project.
fn recipe_name(project: &str) -> String {
    if project.starts_with("python-") { project.to_owned() } else { format!("python-{project}") }
}

struct Writer<'a> {
    facts: &'a Facts,
    channel: &'a Channel,
    options: &'a Options,
    /// Of each project the version that has the plain name.
    newest: BTreeMap<&'a str, &'a Key>,
}

impl Writer<'_> {
    /// The variable of a package; versions beside the newest have their number in it.
    fn variable(&self, key: &Key) -> String {
        let name = recipe_name(&key.0);
        match self.newest.get(key.0.as_str()) {
            Some(newest) if **newest != *key => format!("{name}-{}", key.1),
            _ => name,
        }
    }

    fn reference(&self, need: &Need) -> Reference {
        match need {
            Need::Own(key) => Reference { variable: self.variable(key), module: None },
            Need::Channel(reference) => reference.clone(),
        }
    }

    fn recipe(&self, package: &Planned) -> Result<Recipe, ImportError> {
        let metadata = &package.known.metadata;
        let (project, version) = (&package.key.0, package.key.1.to_string());
        let digest =
            package.file.digest().filter(|digest| digest.algorithm() == crate::hash::Algorithm::Sha256);
        let digest =
            digest.ok_or_else(|| PypiError::content(&package.file.name, "the index has no SHA-256 of it"))?;
        let plain = |needs: &std::collections::BTreeSet<Need>| -> Vec<(Reference, Option<String>)> {
            needs.iter().map(|need| (self.reference(need), None)).collect()
        };
        let mut native_inputs = plain(&package.native);
        for (name, remark) in &package.build.asked {
            let need = package.native.iter().find(|need| match need {
                Need::Own(key) => key.0 == *name,
                Need::Channel(reference) => self.channel.python(name) == Some(reference),
            });
            let need = need.map(|need| self.reference(need));
            let input = native_inputs.iter_mut().find(|(reference, _)| Some(reference) == need.as_ref());
            if let Some((_, said)) = input {
                *said = Some(remark.clone());
            }
        }
        for tool in &package.build.tools {
            native_inputs.extend(self.channel.package(tool).map(|reference| (reference.clone(), None)));
        }
        let inputs = self.libraries(package)?;
        if !inputs.is_empty() && !package.wheel {
            native_inputs.extend(self.channel.package("pkgconf").map(|reference| (reference.clone(), None)));
        }
        let mut arguments = Vec::new();
        let tested = self.options.tests && self.is_requested(package).is_some();
        if !package.wheel && !tested {
            arguments.push((
                "tests?".to_owned(),
                "#f".to_owned(),
                Some("imported without what tests need".to_owned()),
            ));
        }
        if !package.build.crates.is_empty() {
            let rows = package.build.crates.iter();
            let rows: Vec<String> =
                rows.map(|it| quoted(&format!("{} {} {}", it.name, it.version, it.checksum))).collect();
            arguments.push(("crates".to_owned(), format!("'({})", rows.join("\n")), None));
        }
        if !package.wheel {
            arguments.extend(self.native_arguments(package));
        }
        let summary = metadata.summary.clone().unwrap_or_default();
        Ok(Recipe {
            variable: self.variable(&package.key),
            name: recipe_name(project),
            origin: Some(Origin {
                uri: address(project, &version, &package.file.name),
                sha256: digest.to_base32(),
            }),
            version,
            build_system: ("pyproject-build-system".to_owned(), "(hpcl build-system pyproject)".to_owned()),
            arguments,
            native_inputs,
            inputs,
            propagated_inputs: plain(&package.run_time),
            home_page: home_page(metadata),
            synopsis: words::synopsis(&metadata.name, &summary),
            description: words::description(&metadata.name, &metadata.description, &summary),
            license: license(metadata),
            properties: self.properties(package),
            remarks: package.remarks.iter().map(|remark| sentence(remark)).collect(),
        })
    }

    /// Settings of the backend, and changes of the phases.
    fn native_arguments(&self, package: &Planned) -> Vec<(String, String, Option<String>)> {
        let native = &package.build.native;
        let whole = native
            .inputs
            .iter()
            .chain(&native.optional_inputs)
            .all(|name| self.channel.package(name).is_some());
        let because = native.because.clone().filter(|_| whole);
        let mut arguments = Vec::new();
        let mut changes = String::new();
        let mut remark = None;
        if whole && !native.configure_flags.is_empty() {
            let flag = |flag: &Vec<String>| {
                format!("({})", flag.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(" "))
            };
            let flags: Vec<String> = native.configure_flags.iter().map(flag).collect();
            let comment = because.as_ref().filter(|_| native.environment.is_empty());
            let comment = comment.map(|text| format!("\n;; {}\n", sentence(text))).unwrap_or_default();
            arguments.push((
                "configure-flags".to_owned(),
                format!("{comment}#~'({})", flags.join("\n")),
                None,
            ));
        }
        if whole && !native.environment.is_empty() {
            changes.push_str("\n(add-before 'build 'set-variables\n");
            for line in because.iter().flat_map(|because| because.lines()) {
                changes.push_str(&format!(";; {}\n", sentence(line)));
            }
            changes.push_str("(lambda _");
            for (name, value) in &native.environment {
                changes.push_str(&format!("\n(setenv {} {})", quoted(name), value_expression(value)));
            }
            changes.push_str("))");
        }
        if package.incomplete {
            changes.push_str("\n(delete 'sanity-check)");
            remark = Some("what it lacks its users bring".to_owned());
        }
        if !changes.is_empty() {
            let value = format!("#~(modify-phases %standard-phases{changes})");
            arguments.push(("phases".to_owned(), value, remark));
        }
        arguments
    }

    fn is_requested(&self, package: &Planned) -> Option<String> {
        let roots = self.options.roots.iter().filter(|root| root.requirement.name == package.key.0);
        let texts: Vec<&str> = roots.map(|root| root.requirement.text.as_str()).collect();
        texts.first().map(|text| (*text).to_owned())
    }

    /// The libraries that a build looks for or that the wheel of the same version brings along.
    fn libraries(&self, package: &Planned) -> Result<Vec<(Reference, Option<String>)>, ImportError> {
        let mut found: Vec<(Reference, Option<String>)> = Vec::new();
        if package.wheel {
            return Ok(found);
        }
        let mut add = |name: &str, remark: String| {
            if let Some(reference) = self.channel.package(name)
                && !found.iter().any(|(known, _)| known == reference)
            {
                found.push((reference.clone(), Some(remark)));
            }
        };
        for (name, remark) in &package.build.libraries {
            add(name, remark.clone());
        }
        let wheel = self.facts.release(&package.key)?.and_then(|release| release.wheel);
        if let Some(wheel) = wheel.filter(|wheel| !wheel.name.ends_with("-none-any.whl")) {
            let content = match self.facts.index().wheel_content(&wheel) {
                Ok(content) => content,
                Err(PypiError::Stopped) => return Err(PypiError::Stopped.into()),
                // A hint less; the recipe is as good without.
                Err(_) => return Ok(found),
            };
            for library in &content.libraries {
                if let Some(name) = self.channel.natives().package_of_file(library) {
                    add(name, format!("its wheel brings {library}"));
                }
            }
        }
        Ok(found)
    }

    fn properties(&self, package: &Planned) -> Vec<(String, String)> {
        let metadata = &package.known.metadata;
        let mut rows = vec![("upstream-name".to_owned(), format!(" . {}", quoted(&metadata.name)))];
        if let Some(text) = self.is_requested(package) {
            rows.push(("requested".to_owned(), format!(" . {}", quoted(&text))));
        }
        if package.wheel {
            rows.push(("wheel?".to_owned(), " . #t".to_owned()));
        }
        let mut parts = String::new();
        for (name, texts) in [("build", &package.build.requires), ("run-time", &metadata.requires_dist)] {
            if !texts.is_empty() {
                let mut unique: Vec<String> = Vec::new();
                for text in texts.iter().map(|text| quoted(text)) {
                    if !unique.contains(&text) {
                        unique.push(text);
                    }
                }
                // One text stands beside its name.
                let between = if unique.len() == 1 { " " } else { "\n" };
                parts.push_str(&format!("\n({name}{between}{})", unique.join("\n")));
            }
        }
        if !parts.is_empty() {
            rows.push(("requirements".to_owned(), parts));
        }
        rows
    }
}

/// An expression for the value of a variable, in which `{NAME}` is the directory of an input.
fn value_expression(text: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some((before, (name, after))) =
        rest.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        if !before.is_empty() {
            parts.push(quoted(before));
        }
        parts.push(format!("#$(this-package-input {})", quoted(name)));
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(quoted(rest));
    }
    match parts.as_slice() {
        [one] => one.clone(),
        _ => format!("(string-append {})", parts.join(" ")),
    }
}

/// An expression for the address of a file of a project.
fn address(project: &str, version: &str, file: &str) -> String {
    let parsed = FileName::parse(project, file);
    let named = |ending: &str| FileName::parse(project, &format!("{project}-{version}{ending}"));
    for ending in [".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz"] {
        if file.ends_with(ending)
            && parsed.as_ref().zip(named(ending).as_ref()).is_some_and(|(one, other)| one.is_same(other))
        {
            let extension = if ending == ".tar.gz" { String::new() } else { format!(" {}", quoted(ending)) };
            return format!("(pypi-uri {} version{extension})", quoted(project));
        }
    }
    let whole = format!("mirror://pypi/{project}/{file}");
    match file.split_once(&format!("-{version}-")) {
        Some((front, back)) => format!(
            "(string-append {}\nversion {})",
            quoted(&format!("mirror://pypi/{project}/{front}-")),
            quoted(&format!("-{back}"))
        ),
        None => quoted(&whole),
    }
}

fn home_page(metadata: &Metadata) -> Option<String> {
    let labelled = |wanted: &[&str]| {
        let label = |label: &str| wanted.contains(&normalized(&label.replace(' ', "-")).as_str());
        metadata.project_urls.iter().find(|(name, _)| label(name)).map(|(_, url)| url.clone())
    };
    labelled(&["homepage", "home-page", "home", "website"])
        .or_else(|| metadata.home_page.clone())
        .or_else(|| labelled(&["documentation", "docs"]))
        .or_else(|| labelled(&["source", "repository", "source-code", "github", "code"]))
        .or_else(|| metadata.project_urls.first().map(|(_, url)| url.clone()))
        .filter(|url| url.starts_with("http"))
}

fn license(metadata: &Metadata) -> (String, Option<String>) {
    let spdx = metadata.license_expression.as_deref();
    match license_expression(spdx, &metadata.classifiers, metadata.license.as_deref()) {
        Some(expression) => (expression, None),
        None => {
            let said =
                spdx.or(metadata.license.as_deref()).and_then(|text| text.lines().next()).unwrap_or_default();
            let said: String = said.chars().take(60).collect();
            let remark =
                if said.is_empty() { "it does not say".to_owned() } else { format!("it says: {said}") };
            ("#f".to_owned(), Some(remark))
        }
    }
}

fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    match rest.next() {
        Some(first) => {
            first.to_uppercase().chain(rest).collect::<String>() + if text.ends_with('.') { "" } else { "." }
        }
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_name_inputs() {
        assert_eq!(value_expression("1"), "\"1\"");
        assert_eq!(value_expression(""), "\"\"");
        assert_eq!(value_expression("{hdf5}"), "#$(this-package-input \"hdf5\")");
        assert_eq!(
            value_expression("-L{a}/lib:{b}"),
            "(string-append \"-L\" #$(this-package-input \"a\") \"/lib:\" #$(this-package-input \"b\"))"
        );
        assert_eq!(value_expression("{open"), "\"{open\"");
    }
}
