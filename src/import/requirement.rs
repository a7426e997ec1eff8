//! Requirements as projects write them (PEP 508), with the mistakes that older ones make.

use std::str::FromStr;
use std::sync::LazyLock;

use pep440_rs::{Operator, Version, VersionSpecifiers};
use pep508_rs::{ExtraName, MarkerEnvironment, Requirement as Parsed, VerbatimUrl, VersionOrUrl};
use pubgrub::Ranges;
use regex::Regex;

use crate::pypi::normalized;

/// A set of versions.
pub type Range = Ranges<Version>;

/// A requirement.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The project, normalised.
    pub name: String,
    /// The extras wanted of it, normalised.
    pub extras: Vec<String>,
    /// The versions that will do.
    pub range: Range,
    /// Whether a pre-release is named.
    pub names_pre: bool,
    /// Whether one version alone is named, as in `==1.0`: such may be yanked.
    pub pins: bool,
    /// The address that it wants it from.
    pub url: Option<String>,
    /// As written.
    pub text: String,
    parsed: Parsed<VerbatimUrl>,
}

impl Requirement {
    /// Reads a requirement.
    pub fn parse(text: &str) -> Result<Requirement, String> {
        let parsed = Parsed::<VerbatimUrl>::from_str(text.trim())
            .or_else(|first| Parsed::from_str(&repaired(text.trim())).map_err(|_| first))
            .map_err(|error| format!("`{}` is no requirement: {}", text.trim(), error.message))?;
        let (specifiers, url) = match &parsed.version_or_url {
            Some(VersionOrUrl::VersionSpecifier(specifiers)) => (specifiers.clone(), None),
            Some(VersionOrUrl::Url(url)) => (VersionSpecifiers::empty(), Some(url.to_string())),
            None => (VersionSpecifiers::empty(), None),
        };
        let exact = |operator: &Operator| matches!(operator, Operator::Equal | Operator::ExactEqual);
        Ok(Requirement {
            name: normalized(parsed.name.as_ref()),
            extras: parsed.extras.iter().map(ToString::to_string).collect(),
            range: range_of(&specifiers),
            names_pre: specifiers
                .iter()
                .any(|one| one.any_prerelease() && *one.operator() != Operator::NotEqual),
            pins: specifiers.iter().any(|one| exact(one.operator())),
            url,
            text: text.trim().to_owned(),
            parsed,
        })
    }

    /// Whether it holds there, with those extras of the project that has it.
    pub fn applies(&self, environment: &MarkerEnvironment, extras: &[String]) -> bool {
        let extras: Vec<ExtraName> =
            extras.iter().filter_map(|extra| ExtraName::from_str(extra).ok()).collect();
        self.parsed.evaluate_markers(environment, &extras)
    }

    /// Whether a version will do.
    pub fn allows(&self, version: &Version) -> bool {
        self.range.contains(version)
    }
}

/// The versions that specifiers allow. Local versions count for the public one that they belong to, as `==1.0` allows `1.0+local`.
fn range_of(specifiers: &VersionSpecifiers) -> Range {
    let mut range = Range::full();
    for specifier in specifiers.iter() {
        let one = match specifier.operator() {
            Operator::Equal if specifier.version().local().is_empty() => {
                let version = specifier.version().clone();
                // Local versions come after their public one and before its post-releases.
                let local = Range::from_range_bounds(
                    version.clone()..version.clone().with_post(Some(0)).with_dev(Some(0)),
                );
                Range::singleton(version).union(&local)
            }
            _ => Range::from(specifier.clone()),
        };
        range = range.intersection(&one);
    }
    range
}

static MISTAKES: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [r"(>=|<=|>|<|~=)\s*([0-9][0-9a-zA-Z.]*?)\.\*", r"([0-9a-zA-Z*])\s+(>=|<=|>|<|~=|==|!=)", r",\s*(\)|,|$)"]
        .map(|pattern| Regex::new(pattern).expect("it was tested"))
});

/// A text with the mistakes repaired that pip put up with for long: `>=1.0.*`, a missing or trailing comma, quotes.
pub(super) fn repaired(text: &str) -> String {
    let (versions, marker) = match text.split_once(';') {
        Some((versions, marker)) => (versions, Some(marker)),
        None => (text, None),
    };
    let [star, gap, comma] = &*MISTAKES;
    let mut versions = star.replace_all(versions, "$1$2").into_owned();
    let name_end = versions.find(['>', '<', '~', '=', '!']).unwrap_or(0);
    let (front, back) = versions.split_at(name_end);
    versions = format!("{front}{}", gap.replace_all(back, "$1,$2"));
    versions = comma.replace_all(&versions, "$1").into_owned();
    versions = versions.replace(['\'', '"'], "");
    match marker {
        Some(marker) => format!("{versions};{marker}"),
        None => versions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::Target;

    fn version(text: &str) -> Version {
        Version::from_str(text).unwrap()
    }

    #[test]
    fn requirements_are_read_and_repaired() {
        let read = Requirement::parse("Zope.Interface[Test,x]>=5,<6.0 ; python_version >= '3.8'").unwrap();
        assert_eq!((read.name.as_str(), read.extras.join(" ")), ("zope-interface", "test x".to_owned()));
        assert!(read.allows(&version("5.1")) && !read.allows(&version("6.0rc1")));
        for (text, fits) in
            [("a>=1.0.*", "1.2"), ("a >=1 <2", "1.5"), ("a>=1,", "1"), ("a>='1.0'", "1"), ("a (>=1)", "1")]
        {
            assert!(Requirement::parse(text).unwrap().allows(&version(fits)), "{text}");
        }
        let error = Requirement::parse("a >>> 1").unwrap_err();
        assert!(error.starts_with("`a >>> 1` is no requirement: "), "{error}");
    }

    #[test]
    fn versions_fit_as_pep_440_says() {
        let allows = |text: &str, fits: &str| Requirement::parse(text).unwrap().allows(&version(fits));
        assert!(allows("a==1.0", "1.0+cpu") && allows("a==1.0", "1") && !allows("a==1.0", "1.0.1"));
        assert!(!allows("a==1.0", "1.0.post1") && allows("a==1.*", "1.9") && !allows("a~=1.4.2", "1.5"));
        assert!(allows("a>=1.0", "1.0+cpu") && !allows("a!=1.0", "1.0"));
        assert!(Requirement::parse("a>=2.0rc1").unwrap().names_pre);
    }

    #[test]
    fn markers_are_judged_by_the_target() {
        let target = Target::new("3.11.2", 36).unwrap();
        let applies = |text: &str, extras: &[&str]| {
            let extras: Vec<String> = extras.iter().map(|extra| (*extra).to_owned()).collect();
            Requirement::parse(text).unwrap().applies(&target.environment, &extras)
        };
        assert!(applies("a; python_full_version >= '3.11.2' and sys_platform == 'linux'", &[]));
        assert!(!applies("a; platform_system == 'Windows' or python_version < '3.11'", &[]));
        assert!(applies("a; extra == 'Async_x'", &["async-x"]) && !applies("a; extra == 'x'", &[]));
    }
}
