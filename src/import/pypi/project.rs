//! The versions of a project that can be used on the target, and the files that each has.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use chrono::{DateTime, Utc};
use pep440_rs::Version;

use crate::import::{Target, requirement::Range};
use crate::pypi::{File, FileName, Kind};

/// Which files are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Sources, and wheels where there are none or they cannot be built.
    #[default]
    Prefer,
    /// Sources alone.
    SourceOnly,
    /// Wheels, and sources where there are none.
    Wheel,
}

/// A version of a project.
#[derive(Debug, Clone)]
pub struct Release {
    /// The version.
    pub version: Version,
    /// The wheel that fits the target best.
    pub wheel: Option<File>,
    /// A wheel for some other machine, whose metadata may do.
    pub foreign: Option<File>,
    /// The source distribution.
    pub source: Option<File>,
    /// Why it was withdrawn.
    pub yanked: Option<String>,
}

/// A project.
#[derive(Debug, Clone)]
pub struct Project {
    /// The versions that can be used.
    pub releases: BTreeMap<Version, Release>,
    /// The versions that cannot, with the reason.
    pub rejected: BTreeMap<Version, String>,
}

/// What candidates must be.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Which files are wanted.
    pub mode: Mode,
    /// Files uploaded later do not count.
    pub exclude_newer: Option<DateTime<Utc>>,
    /// Whether pre-releases are as good as others.
    pub pre: bool,
}

impl Project {
    /// Sorts the files of a project.
    pub fn new(name: &str, files: Vec<File>, target: &Target, policy: &Policy) -> Project {
        let mut releases: BTreeMap<Version, Release> = BTreeMap::new();
        let mut ranks: HashMap<Version, (u32, u32)> = HashMap::new();
        let mut rejected: BTreeMap<Version, String> = BTreeMap::new();
        let mut versions: HashMap<String, Option<Version>> = HashMap::new();
        let mut pythons: HashMap<String, bool> = HashMap::new();
        for file in files {
            let Some(parsed) = FileName::parse(name, &file.name) else { continue };
            let version = versions
                .entry(parsed.version)
                .or_insert_with_key(|text| Version::from_str(&text.replace('_', "-")).ok());
            let Some(version) = version.clone() else { continue };
            if policy.exclude_newer.is_some_and(|limit| !is_older(&file, limit)) {
                rejected.insert(version, "uploaded later than `--exclude-newer` allows".to_owned());
                continue;
            }
            if let Some(requires) = &file.requires_python
                && !*pythons
                    .entry(requires.clone())
                    .or_insert_with_key(|requires| target.is_allowed(requires))
            {
                rejected.insert(version, format!("for Python {requires}"));
                continue;
            }
            let release = releases.entry(version.clone()).or_insert_with(|| Release {
                version: version.clone(),
                wheel: None,
                foreign: None,
                source: None,
                yanked: file.yanked.clone(),
            });
            if file.yanked.is_none() {
                release.yanked = None;
            }
            match parsed.kind {
                Kind::Source(ending) => {
                    let better = release.source.is_none() || ending == ".tar.gz";
                    if better {
                        release.source = Some(file);
                    }
                }
                Kind::Wheel(tags) => match target.rank(&tags) {
                    Some(rank) => {
                        let build = tags.build.as_deref().map_or(0, leading_number);
                        let order = (rank, u32::MAX - build);
                        if ranks.get(&version).is_none_or(|known| order < *known) {
                            ranks.insert(version, order);
                            release.wheel = Some(file);
                        }
                    }
                    None => release.foreign = release.foreign.take().or(Some(file)),
                },
            }
        }
        let usable = |release: &Release| match policy.mode {
            Mode::SourceOnly => release.source.is_some(),
            Mode::Prefer | Mode::Wheel => release.source.is_some() || release.wheel.is_some(),
        };
        releases.retain(|version, release| {
            let keep = usable(release);
            if !keep {
                let reason = match policy.mode {
                    Mode::SourceOnly => "no source distribution",
                    _ => "no source distribution, and no wheel for this machine and Python",
                };
                rejected.insert(version.clone(), reason.to_owned());
            }
            keep
        });
        rejected.retain(|version, _| !releases.contains_key(version));
        Project { releases, rejected }
    }

    /// The version to take from a range: the newest, pre-releases only where there is nothing else or they are asked for, and
    /// what was yanked only where it alone is asked for.
    pub fn best(&self, range: &Range, pre: bool) -> Option<&Release> {
        let fits = || self.releases.values().rev().filter(|release| range.contains(&release.version));
        let good = |release: &&Release| release.yanked.is_none();
        let stable = |release: &&Release| pre || !release.version.any_prerelease();
        fits().filter(good).find(stable).or_else(|| fits().find(good)).or_else(|| {
            range.as_singleton().and_then(|version| self.releases.get(version)).or_else(|| pinned(fits()))
        })
    }
}

/// The only one, when all that fit are one version (`==1.0` allows local versions too).
fn pinned<'a>(mut fits: impl Iterator<Item = &'a Release>) -> Option<&'a Release> {
    let first = fits.next()?;
    let public = first.version.clone().without_local();
    fits.all(|other| other.version.clone().without_local() == public).then_some(first)
}

fn leading_number(text: &str) -> u32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// Whether a file was there at that time; where the index does not say when it came, it counts as newer.
fn is_older(file: &File, limit: DateTime<Utc>) -> bool {
    let time = file.upload_time.as_deref().and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    time.is_some_and(|time| time.with_timezone(&Utc) < limit)
}
