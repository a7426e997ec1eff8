//! The index as the configuration has it: all files of a project, from every index that is configured.
//!
//! As with pip, the candidates of all indexes are put together; a file that several have is taken from the first. Pages are cached
//! with the servers' validators.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ureq::http::HeaderMap;
use ureq::http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use url::Url;

use super::cache::{Cache, Page};
use super::config::Configuration;
use super::error::PypiError;
use super::filename::{FileName, normalized};
use super::netrc::redacted;
use super::simple::{self, File};
use super::web::{COMPRESSED, Web};
use crate::fetch::{Options, file_path};
use crate::hash::Digest;

/// The largest page that is read.
const LARGEST_PAGE: u64 = 256 << 20;

/// All indexes of a configuration.
#[derive(Debug, Clone)]
pub struct Index {
    configuration: Arc<Configuration>,
    web: Web,
    cache: Option<Cache>,
    offline: bool,
}

impl Index {
    /// The indexes of a configuration; `offline` uses what the cache has, however old, and nothing else.
    pub fn new(
        configuration: Configuration,
        options: &Options,
        cache: Option<Cache>,
        offline: bool,
        stop: Arc<AtomicBool>,
    ) -> Result<Index, PypiError> {
        let configuration = Arc::new(configuration);
        let web = Web::new(Arc::clone(&configuration), options, stop)?;
        Ok(Index { configuration, web, cache, offline })
    }

    /// The configuration in use.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The client.
    pub fn web(&self) -> &Web {
        &self.web
    }

    /// The cache.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// Whether the network may not be used.
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    /// All files of a project; at least one index knows it.
    pub fn files(&self, project: &str) -> Result<Vec<File>, PypiError> {
        self.files_with(project, false)
    }

    /// The addresses at which a file of a project lies, the best first: that of exactly this name, else of the same kind and version.
    pub fn locate(&self, project: &str, name: &str) -> Result<Vec<Url>, PypiError> {
        let mut found = matching(self.files(project)?, project, name);
        if found.is_empty() && self.cache.is_some() && !self.offline {
            // It may be newer than the page in the cache.
            found = matching(self.files_with(project, true)?, project, name);
        }
        if found.is_empty() {
            return Err(PypiError::NoFile { project: normalized(project), file: name.to_owned() });
        }
        Ok(found.into_iter().map(|file| file.url).collect())
    }

    /// The digest that the index has of a file of a project.
    pub fn digest(&self, project: &str, name: &str) -> Result<Option<Digest>, PypiError> {
        let found = matching(self.files(project)?, project, name);
        Ok(found.first().and_then(File::digest))
    }

    fn files_with(&self, project: &str, renew: bool) -> Result<Vec<File>, PypiError> {
        let name = normalized(project);
        let mut files: Vec<File> = Vec::new();
        let mut known = false;
        for link in &self.configuration.find_links {
            let found = self.linked(link, &name)?;
            known |= !found.is_empty();
            files.extend(found);
        }
        for index in &self.configuration.indexes {
            let url = index.join(&format!("{name}/")).map_err(|error| PypiError::Address {
                value: name.clone(),
                setting: "the name".to_owned(),
                reason: error.to_string(),
            })?;
            let Some(found) = self.page(&url, renew)? else { continue };
            known = true;
            let fresh: Vec<File> =
                found.into_iter().filter(|file| !files.iter().any(|known| known.name == file.name)).collect();
            files.extend(fresh);
        }
        if !known {
            let indexes = self.configuration.indexes.iter().map(redacted).collect();
            return Err(PypiError::UnknownProject { name, indexes });
        }
        Ok(files)
    }

    /// The files of a directory, or of a page of links, that belong to a project.
    fn linked(&self, link: &str, project: &str) -> Result<Vec<File>, PypiError> {
        let directory = file_path(link).or_else(|| link.starts_with('/').then(|| Path::new(link).to_owned()));
        let own = |file: &File| FileName::parse(project, &file.name).is_some();
        if let Some(directory) = directory.filter(|path| path.is_dir()) {
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            let file = |entry: std::fs::DirEntry| {
                let name = entry.file_name().into_string().ok()?;
                let url = Url::from_file_path(entry.path()).ok()?;
                FileName::parse(project, &name)?;
                let digest = Digest::sha256(&std::fs::read(entry.path()).ok()?);
                let digest = Some(format!("sha256-{}", digest.to_base16()));
                let none = || None;
                Some(File {
                    name,
                    url,
                    digest,
                    requires_python: none(),
                    yanked: none(),
                    upload_time: none(),
                    size: None,
                    metadata: none(),
                })
            };
            return Ok(entries.filter_map(file).collect());
        }
        match Url::parse(link) {
            Ok(url) => Ok(self.page(&url, false)?.unwrap_or_default().into_iter().filter(own).collect()),
            // pip passes over places that are not there.
            Err(_) => Ok(Vec::new()),
        }
    }

    /// A page; `None` where there is none.
    fn page(&self, url: &Url, renew: bool) -> Result<Option<Vec<File>>, PypiError> {
        let cached = self.cache.as_ref().and_then(|cache| cache.page(url));
        if self.offline && url.scheme() != "file" {
            return match cached {
                Some(page) => Ok(page.files),
                None => Err(PypiError::Offline { url: redacted(url) }),
            };
        }
        if let Some(page) = &cached
            && page.is_fresh()
            && !renew
        {
            return Ok(page.files.clone());
        }
        let mut headers = vec![(ACCEPT, simple::ACCEPT), COMPRESSED];
        if let Some(page) = &cached {
            headers.extend(page.etag.as_deref().map(|etag| (IF_NONE_MATCH, etag)));
            headers.extend(page.modified.as_deref().map(|date| (IF_MODIFIED_SINCE, date)));
        }
        let (body, answer) = self.web.read(url, &headers, LARGEST_PAGE)?;
        let files = match (answer.status, cached) {
            (304, Some(page)) => page.files,
            (200, _) => {
                let kind = text(&answer.headers, &CONTENT_TYPE).unwrap_or_default();
                Some(simple::parse(&answer.url, &kind, &body)?)
            }
            (404 | 410, _) => None,
            (code, _) => return Err(PypiError::Status { url: redacted(url), code }),
        };
        if let Some(cache) = self.cache.as_ref().filter(|_| url.scheme() != "file") {
            let (etag, modified) = (text(&answer.headers, &ETAG), text(&answer.headers, &LAST_MODIFIED));
            cache.keep_page(url, &Page::now(etag, modified, files.clone()))?;
        }
        Ok(files)
    }
}

fn text(headers: &HeaderMap, name: &ureq::http::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The files of that name, then those of the same kind and version.
fn matching(files: Vec<File>, project: &str, name: &str) -> Vec<File> {
    let wanted = FileName::parse(project, name);
    let mut found: Vec<(bool, File)> = Vec::new();
    for file in files {
        let exact = file.name == name;
        let same =
            || wanted.as_ref().zip(FileName::parse(project, &file.name)).is_some_and(|(a, b)| a.is_same(&b));
        if exact || same() {
            found.push((!exact, file));
        }
    }
    found.sort_by_key(|(other, _)| *other);
    found.into_iter().map(|(_, file)| file).collect()
}
