//! Where authors release their packages, and which version is the newest there.
//!
//! ```text
//! addresses, repository of a recipe ──Place──► index of Python packages | tags of a repository | names in a directory ──► newest version
//! ```
//! Nothing but versions is asked for; what a new version's source contains is for whoever takes it. A place that does not answer is
//! passed over when another does.

mod error;
mod recipe;
mod version;

use std::sync::OnceLock;

use regex::Regex;

pub use error::UpstreamError;
pub use recipe::{Change, RecipeError, at_change};
pub use version::at_version;

use crate::{
    executor::chain,
    fetch::{Fetcher, file_path},
    git::Repository,
    import::{Options, PypiImporter, Target},
    profile::compare_versions,
};
use version::{Pattern, names};

/// What a recipe says of its source.
#[derive(Debug, Clone, Default)]
pub struct Package {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The addresses of its archive.
    pub urls: Vec<String>,
    /// The address of its repository, and the commit or tag.
    pub repository: Option<(String, String)>,
}

/// Ways to find versions: name, and where each looks.
pub const UPDATERS: [(&str, &str); 3] = [
    ("pypi", "the index of Python packages that pip is configured for"),
    ("generic-git", "the tags of the Git repository, also of archives that a forge makes of one"),
    ("generic-html", "the files beside the source, or in the directories of later series"),
];

/// The newest version of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The version.
    pub version: String,
    /// Which of [`UPDATERS`] knows it.
    pub updater: &'static str,
    /// The tag, of a repository.
    pub tag: Option<String>,
}

/// Where to look.
enum Place {
    Python(String),
    Repository { url: String, now: String },
    Directory(String),
}

impl Place {
    fn updater(&self) -> &'static str {
        match self {
            Place::Python(_) => "pypi",
            Place::Repository { .. } => "generic-git",
            Place::Directory(_) => "generic-html",
        }
    }
}

/// How many later directories of series are looked into.
const LATER_SERIES: usize = 3;

/// Looks for versions; one serves many threads.
pub struct Upstream {
    fetcher: Fetcher,
    target: Option<Target>,
    python: OnceLock<Result<PypiImporter, String>>,
}

impl Upstream {
    /// With a client, for Python packages for a target; without one their index is not asked.
    pub fn new(fetcher: Fetcher, target: Option<Target>) -> Upstream {
        Upstream { fetcher, target, python: OnceLock::new() }
    }

    /// The updaters that serve a package, the first to be tried first.
    pub fn updaters(package: &Package) -> Vec<&'static str> {
        places(package).iter().map(Place::updater).collect()
    }

    /// The newest released version of a package, perhaps the one that it has; of pre-releases none. `only` is one of [`UPDATERS`].
    ///
    /// # Errors
    /// [`UpstreamError`].
    pub fn newest(&self, package: &Package, only: Option<&str>) -> Result<Release, UpstreamError> {
        let mut places = places(package);
        places.retain(|place| only.is_none_or(|name| name == place.updater()));
        let mut failures: Vec<String> = Vec::new();
        for place in &places {
            let found = match place {
                Place::Python(project) => self.of_index(project).map(|version| (version, None)),
                Place::Repository { url, now } => {
                    self.of_tags(package, url, now).map(|(version, tag)| (version, Some(tag)))
                }
                Place::Directory(url) => self.beside(url, &package.version).map(|version| (version, None)),
            };
            match found {
                Ok((version, tag)) => return Ok(Release { version, updater: place.updater(), tag }),
                Err(failure) => failures.extend(lines(&failure)),
            }
        }
        if failures.is_empty() {
            let package = format!("{}@{}", package.name, package.version);
            return Err(UpstreamError::NoPlace { package });
        }
        Err(UpstreamError::Failed { failures })
    }

    fn of_index(&self, project: &str) -> Result<String, String> {
        let importer = self.python.get_or_init(|| {
            let target = self.target.clone().ok_or("no channel has a package `python`")?;
            let index = self.fetcher.python_index().map_err(|error| error.to_string())?;
            Ok(PypiImporter::new(
                index.clone(),
                target,
                &[],
                Options { connections: 1, ..Options::default() },
            ))
        });
        let newest =
            importer.as_ref().map_err(String::clone)?.newest(project).map_err(|error| error::line(&error))?;
        newest
            .ok_or_else(|| format!("the index has no version of `{project}` for the Python of the channels"))
    }

    fn of_tags(&self, package: &Package, url: &str, now: &str) -> Result<(String, String), String> {
        let tags = self.tags(url)?;
        let name_of = |tag: &&String| names(tag, &package.version);
        // A commit says nothing; the shortest tag with the version does.
        let known = if names(now, &package.version) { Some(now) } else { None };
        let known =
            known.or_else(|| tags.iter().filter(name_of).min_by_key(|tag| tag.len()).map(String::as_str));
        let pattern = known.and_then(|name| Pattern::of(name, &package.version));
        let pattern = pattern.ok_or_else(|| format!("{url}: no tag names version {}", package.version))?;
        let version =
            newest(&pattern, &tags).ok_or_else(|| format!("{url}: no tag is named like `{now}`"))?;
        let tag = pattern.with(&version);
        Ok((version, tag))
    }

    /// The names of a repository's tags.
    fn tags(&self, url: &str) -> Result<Vec<String>, String> {
        let failed = |reason: String| format!("{url}: {reason}");
        let cache = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        let repository = Repository::open(url, cache.path()).map_err(|error| failed(chain(&error)))?;
        if !repository.is_remote() {
            return Ok(repository.tags());
        }
        repository.remote_tags(self.fetcher.agent()).map_err(|error| failed(chain(&error)))
    }

    /// The newest version of a file beside an address, or in a directory of a later series.
    fn beside(&self, url: &str, version: &str) -> Result<String, String> {
        let plain = url.split(['?', '#']).next().unwrap_or(url);
        let (directory, file) = plain.rsplit_once('/').unwrap_or(("", plain));
        let absent = || format!("{url}: the name of the file has no version {version}");
        let pattern = Pattern::of(file, version).ok_or_else(absent)?;
        if let Some((parent, last)) = directory.rsplit_once('/')
            && let Some(folder) = Pattern::of(last, version).or_else(|| Pattern::of_series(last, version))
            && let Ok(folders) = self.names(&format!("{parent}/"))
        {
            let mut series: Vec<String> = folders.iter().filter_map(|name| folder.version_in(name)).collect();
            let own = folder.version_in(last).unwrap_or_default();
            series.retain(|one| compare_versions(one, &own).is_ge());
            series.sort_by(|a, b| compare_versions(b, a));
            series.dedup();
            for one in series.iter().take(LATER_SERIES) {
                let names = self.names(&format!("{parent}/{}/", folder.with(one))).unwrap_or_default();
                if let Some(found) = newest(&pattern, &names) {
                    return Ok(found);
                }
            }
        }
        let names = self.names(&format!("{directory}/"))?;
        newest(&pattern, &names).ok_or_else(|| format!("{directory}/: nothing is named like `{file}`"))
    }

    /// The names in a directory of a server, as its index page has them.
    fn names(&self, url: &str) -> Result<Vec<String>, String> {
        let failed = |reason: String| format!("{url}: {reason}");
        if let Some(path) = file_path(url) {
            let entries = std::fs::read_dir(&path).map_err(|error| failed(error.to_string()))?;
            return Ok(entries
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect());
        }
        let page = self.fetcher.fetch_bytes("index", url, None).map_err(|error| failed(chain(&error)))?;
        let links = Regex::new(r#"(?i)href\s*=\s*["']?([^"'>\s]+)"#).expect("it was tested");
        let page = String::from_utf8_lossy(&page);
        let last = |link: &str| {
            let plain = link.split(['?', '#']).next()?.trim_end_matches('/');
            let name = plain.rsplit('/').next()?;
            Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned())
        };
        Ok(links.captures_iter(&page).filter_map(|link| last(link.get(1)?.as_str())).collect())
    }
}

/// What each server said, where a message has that; else the message.
fn lines(failure: &str) -> Vec<String> {
    let of_servers: Vec<String> = failure.lines().skip(1).map(|line| line.trim().to_owned()).collect();
    if of_servers.is_empty() { vec![failure.to_owned()] } else { of_servers }
}

/// The newest version that names have in the place of a pattern.
fn newest(pattern: &Pattern, names: &[String]) -> Option<String> {
    names.iter().filter_map(|name| pattern.version_in(name)).max_by(|a, b| compare_versions(a, b))
}

/// Where the versions of a package may be, the best place first.
fn places(package: &Package) -> Vec<Place> {
    if let Some((url, now)) = &package.repository {
        return vec![Place::Repository { url: url.clone(), now: now.clone() }];
    }
    let place = |url: &String| {
        if let Some((project, _)) = url.strip_prefix("mirror://pypi/").and_then(|path| path.split_once('/')) {
            return Some(Place::Python(project.to_owned()));
        }
        if let Some(url) = repository_of(url) {
            return Some(Place::Repository { url, now: String::new() });
        }
        names(url, &package.version).then(|| Place::Directory(url.clone()))
    };
    package.urls.iter().filter_map(place).collect()
}

/// The repository that a forge makes an archive of.
fn repository_of(url: &str) -> Option<String> {
    let path = url.strip_prefix("https://")?;
    let archive = ["/-/archive/", "/releases/download/", "/archive/", "/tarball/"];
    let (project, _) = archive.iter().find_map(|middle| path.split_once(middle))?;
    let mut parts = project.split('/');
    let host = parts.next()?;
    let is_forge = ["github.", "gitlab.", "codeberg.", "git."].iter().any(|start| host.starts_with(start));
    (is_forge && parts.count() >= 2).then(|| format!("https://{project}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_say_where_to_look() {
        let updaters = |urls: &[&str], version: &str| {
            let urls = urls.iter().map(|url| (*url).to_owned()).collect();
            Upstream::updaters(&Package { version: version.into(), urls, ..Package::default() })
        };
        assert_eq!(updaters(&["mirror://pypi/numpy/numpy-2.0.tar.gz"], "2.0"), ["pypi"]);
        assert_eq!(
            updaters(&["https://github.com/a/b/archive/v1.tar.gz", "mirror://gnu/b/b-1.tar.gz"], "1"),
            ["generic-git", "generic-html"]
        );
        assert!(updaters(&["https://x.example/latest.tar.gz"], "1").is_empty());
        assert_eq!(
            repository_of("https://gitlab.example.org/g/s/p/-/archive/1/p-1.tar.gz").as_deref(),
            Some("https://gitlab.example.org/g/s/p")
        );
        assert_eq!(repository_of("https://x.example/a/b/archive/1.tar.gz"), None);
    }
}
