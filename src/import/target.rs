//! What packages are imported for: a Python on x86_64 Linux, with the C library that it runs on.
//!
//! Markers (PEP 508) and the tags of wheels (PEP 425, 600) are judged by it, never by the machine that imports.

use std::collections::BTreeMap;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};
use pep508_rs::{MarkerEnvironment, MarkerEnvironmentBuilder};

use crate::pypi::Tags;

/// A Python and the system around it.
#[derive(Debug, Clone)]
pub struct Target {
    /// The whole version of Python.
    pub python: Version,
    /// What markers are judged by.
    pub environment: MarkerEnvironment,
    /// The tags of wheels that run on it, with their rank: the best is 0.
    ranks: BTreeMap<String, u32>,
}

/// The oldest minor versions of glibc that manylinux tags name otherwise.
const LEGACY: [(u64, &str); 3] = [(17, "manylinux2014"), (12, "manylinux2010"), (5, "manylinux1")];

impl Target {
    /// A CPython of that version on x86_64 Linux with glibc 2.`glibc`; nothing if it is no version of Python 3.
    pub fn new(python: &str, glibc: u64) -> Option<Target> {
        let version = Version::from_str(python).ok()?;
        let [3, minor, ..] = *version.release() else { return None };
        let short = format!("3.{minor}");
        let environment = MarkerEnvironment::try_from(MarkerEnvironmentBuilder {
            implementation_name: "cpython",
            implementation_version: python,
            os_name: "posix",
            platform_machine: "x86_64",
            platform_python_implementation: "CPython",
            platform_release: "",
            platform_system: "Linux",
            platform_version: "",
            python_full_version: python,
            python_version: &short,
            sys_platform: "linux",
        })
        .ok()?;
        Some(Target { python: version, environment, ranks: ranks(minor, glibc) })
    }

    /// How well a wheel fits, 0 is best; nothing if it does not run here.
    pub fn rank(&self, tags: &Tags) -> Option<u32> {
        let mut best: Option<u32> = None;
        for python in tags.python.split('.') {
            for abi in tags.abi.split('.') {
                for platform in tags.platform.split('.') {
                    let rank = self.ranks.get(&format!("{python}-{abi}-{platform}")).copied();
                    best = [best, rank].into_iter().flatten().min();
                }
            }
        }
        best
    }

    /// Whether it is among those that a Requires-Python names; what cannot be read is no hindrance, as with pip.
    pub fn is_allowed(&self, requires_python: &str) -> bool {
        VersionSpecifiers::from_str(requires_python)
            .or_else(|_| VersionSpecifiers::from_str(&super::requirement::repaired(requires_python)))
            .map_or(true, |specifiers| specifiers.contains(&self.python))
    }
}

/// The tags in the order of `packaging.tags`.
fn ranks(minor: u64, glibc: u64) -> BTreeMap<String, u32> {
    let mut platforms = Vec::new();
    for version in (5..=glibc).rev() {
        platforms.push(format!("manylinux_2_{version}_x86_64"));
        platforms
            .extend(LEGACY.iter().filter(|(at, _)| *at == version).map(|(_, name)| format!("{name}_x86_64")));
    }
    platforms.push("linux_x86_64".to_owned());
    let own = format!("cp3{minor}");
    let mut families = vec![format!("{own}-{own}")];
    families.extend((2..=minor).rev().map(|at| format!("cp3{at}-abi3")));
    families.push(format!("{own}-none"));
    let generic: Vec<String> = [own.clone(), format!("py3{minor}"), "py3".to_owned()]
        .into_iter()
        .chain((0..minor).rev().map(|at| format!("py3{at}")))
        .collect();
    let mut found = BTreeMap::new();
    let mut add = |tag: String| {
        let rank = u32::try_from(found.len()).unwrap_or(u32::MAX);
        found.entry(tag).or_insert(rank);
    };
    for family in &families {
        platforms.iter().for_each(|platform| add(format!("{family}-{platform}")));
    }
    for python in &generic {
        platforms.iter().for_each(|platform| add(format!("{python}-none-{platform}")));
    }
    generic.iter().for_each(|python| add(format!("{python}-none-any")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pypi::{FileName, Kind};

    fn rank(name: &str) -> Option<u32> {
        let Kind::Wheel(tags) = FileName::parse("a", name).unwrap().kind else { panic!() };
        Target::new("3.11.2", 36).unwrap().rank(&tags)
    }

    #[test]
    fn wheels_are_ranked_as_pip_does() {
        let best = rank("a-1-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl").unwrap();
        let abi3 = rank("a-1-cp38-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl").unwrap();
        let pure = rank("a-1-py2.py3-none-any.whl").unwrap();
        assert!(best < abi3 && abi3 < pure);
        assert_eq!(rank("a-1-cp312-cp312-manylinux_2_17_x86_64.whl"), None);
        assert_eq!(rank("a-1-cp311-cp311-manylinux_2_39_x86_64.whl"), None);
        assert_eq!(rank("a-1-cp311-cp311-win_amd64.whl"), None);
        assert_eq!(rank("a-1-cp312-abi3-manylinux_2_17_x86_64.whl"), None);
    }

    #[test]
    fn python_is_judged_by_its_whole_version() {
        let target = Target::new("3.11.2", 36).unwrap();
        assert!(
            target.is_allowed(">=3.8,!=3.11.1")
                && target.is_allowed(">=3.6.*")
                && target.is_allowed("nonsense")
        );
        assert!(!target.is_allowed(">=3.11.3") && !target.is_allowed("<3.11"));
        assert!(Target::new("2.7", 36).is_none());
    }
}
