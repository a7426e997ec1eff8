//! What the names of files say: project, version and, for wheels, what they run on.
//!
//! Wheels: `NAME-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl` (PEP 427). Source distributions: `NAME-VERSION.tar.gz`, where older ones
//! have dashes in their names (PEP 625 ended that), so that the project's name must be known to find the version.

/// A project's name in the form in which names are compared (PEP 503).
pub fn normalized(name: &str) -> String {
    let mut done = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if done.ends_with('-') => {}
            '-' | '_' | '.' => done.push('-'),
            c => done.extend(c.to_lowercase()),
        }
    }
    done
}

/// Whether a name is one that projects can have (PEP 508).
pub fn is_valid_name(name: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    ends(name.chars().next())
        && ends(name.chars().next_back())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The kind of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A wheel.
    Wheel(Tags),
    /// A source distribution, with the ending of its name.
    Source(&'static str),
}

/// What a wheel runs on: each part may name several, between dots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// The build number, as written.
    pub build: Option<String>,
    /// Interpreters.
    pub python: String,
    /// Binary interfaces.
    pub abi: String,
    /// Platforms.
    pub platform: String,
}

/// What the name of a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The version, as written.
    pub version: String,
    /// The kind of the file.
    pub kind: Kind,
}

/// The endings of source distributions that can be built, the preferred first.
const SOURCES: [&str; 6] = [".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tar.xz", ".tar.Z"];

impl FileName {
    /// Takes the name of a file of a project apart; `None` for other kinds of files and other projects.
    pub fn parse(project: &str, name: &str) -> Option<FileName> {
        if let Some(stem) = name.strip_suffix(".whl") {
            let mut parts = stem.split('-').rev();
            let (platform, abi, python) = (parts.next()?, parts.next()?, parts.next()?);
            let mut front: Vec<&str> = parts.collect();
            front.reverse();
            let (name, version, build) = match *front.as_slice() {
                [name, version] => (name, version, None),
                [name, version, build] => (name, version, Some(build.to_owned())),
                _ => return None,
            };
            let tags = Tags { build, python: python.into(), abi: abi.into(), platform: platform.into() };
            let own = normalized(name) == normalized(project);
            return own.then(|| FileName { version: version.to_owned(), kind: Kind::Wheel(tags) });
        }
        let ending = SOURCES.into_iter().find(|ending| name.ends_with(ending))?;
        let stem = name.strip_suffix(ending)?;
        let project = normalized(project);
        let version = stem.match_indices('-').find_map(|(at, _)| {
            let (front, version) = (stem.get(..at)?, stem.get(at + 1..)?);
            (normalized(front) == project).then(|| version.to_owned())
        })?;
        (!version.is_empty()).then_some(FileName { version, kind: Kind::Source(ending) })
    }

    /// Whether another name stands for the same file: equal but for how project and version are spelt.
    pub fn is_same(&self, other: &FileName) -> bool {
        self.kind == other.kind && loose(&self.version) == loose(&other.version)
    }
}

/// A version without the differences that spelling makes.
fn loose(version: &str) -> String {
    version.trim_start_matches('v').to_lowercase().replace(['-', '_', '+'], ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_their_spelling() {
        assert_eq!(normalized("Zope.Interface_x--y"), "zope-interface-x-y");
        assert!(is_valid_name("zope.interface") && is_valid_name("a"));
        assert!(!is_valid_name("") && !is_valid_name("-a") && !is_valid_name("a/b") && !is_valid_name("é"));
    }

    #[test]
    fn names_are_taken_apart() {
        let version = |project: &str, name: &str| FileName::parse(project, name).map(|name| name.version);
        assert_eq!(version("ruamel.yaml", "ruamel.yaml-0.18.6.tar.gz").as_deref(), Some("0.18.6"));
        assert_eq!(version("zope-interface", "zope.interface-7.0-1.zip").as_deref(), Some("7.0-1"));
        assert_eq!(version("a-b", "a-b-1.0-x.tar.gz").as_deref(), Some("1.0-x"));
        assert_eq!(version("a", "a-b-1.0.tar.gz").as_deref(), Some("b-1.0"));
        assert_eq!(version("a", "b-1.0.tar.gz"), None);
        assert_eq!(version("a", "a-1.0.exe"), None);
        let wheel =
            FileName::parse("a-b", "a_b-1.0-2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl")
                .unwrap();
        let Kind::Wheel(tags) = wheel.kind else { panic!() };
        assert_eq!((tags.build.as_deref(), tags.abi.as_str()), (Some("2"), "cp311"));
    }

    #[test]
    fn spelling_does_not_make_another_file() {
        let parse = |name: &str| FileName::parse("pyyaml", name).unwrap();
        assert!(parse("PyYAML-6.0.tar.gz").is_same(&parse("pyyaml-6.0.tar.gz")));
        assert!(!parse("PyYAML-6.0.tar.gz").is_same(&parse("pyyaml-6.0.zip")));
        assert!(!parse("PyYAML-6.0.1.tar.gz").is_same(&parse("pyyaml-6.0.tar.gz")));
    }
}
