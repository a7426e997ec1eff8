//! Downloads files: several addresses, resume, checked while streaming.
//!
//! A [`Download`] names a file, its addresses and (usually) its digest. The addresses, with mirrors expanded, are tried in order until one
//! delivers content with that digest; a connection that breaks is continued where it broke, also from another address and
//! in a later run. When none delivers, the error tells what happened at each.
//!
//! Invariant: the destination appears by rename, whole and with the expected digest, or not at all.

mod apt;
mod checkout;
mod error;
mod mirrors;
mod part;
mod pins;
mod proxy;
mod registries;
mod resolver;
mod settings;
mod transfer;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{RootCerts, TlsConfig};

use crate::hash::{Algorithm, Digest};

pub use apt::AptConfig;
pub use checkout::Checkout;
pub(crate) use error::status_text;
pub use error::{Failure, FetchError, Mismatch, Reason};
pub use mirrors::{Address, Mirrors, mirror_of};
use part::Part;
pub use pins::{PackageIndex, PackageRecord, PinChange, PinError, Refreshed, refresh_pins};
pub(crate) use proxy::agent;
use registries::Registries;
pub use settings::{Archive, ObjectStorage, Patience, Settings, SettingsError, Stores, Substitutes};
pub use transfer::file_path;
use transfer::{Trouble, Watch, transfer};

/// A file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// What messages call the file.
    pub name: String,
    /// Where to ask, in order: `https:`, `http:`, `file:` or `mirror://NAME/PATH`.
    pub urls: Vec<String>,
    /// The digest that the content must have; without one it is whatever the server sends.
    pub expected: Option<Digest>,
    /// A cargo whose registry is taken for `mirror://crates` when this machine has none.
    pub cargo: Option<PathBuf>,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The address that delivered (the last part of) it.
    pub url: String,
    /// The content's digest: by the expected one's algorithm, else SHA-256.
    pub digest: Digest,
    /// Number of bytes.
    pub size: u64,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The address being read.
    pub url: &'a str,
    /// Bytes so far.
    pub received: u64,
    /// Bytes in all, when the server tells.
    pub total: Option<u64>,
}

/// How patient to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Limit for setting up a connection.
    pub connect_timeout: Duration,
    /// Limit for waiting for the next bytes.
    pub stall_timeout: Duration,
    /// How often all addresses are tried when what went wrong may pass.
    pub rounds: u32,
    /// The pause between two rounds.
    pub pause: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            rounds: 2,
            pause: Duration::from_secs(1),
        }
    }
}

/// How often one address is asked for the rest in a row while it delivers something each time.
const CONTINUATIONS: u32 = 8;

/// How many connections are kept open for further requests.
const CONNECTIONS: usize = 32;

/// Fetches files; one serves many threads.
#[derive(Debug, Clone)]
pub struct Fetcher {
    options: Options,
    mirrors: Mirrors,
    agent: Agent,
    /// Servers that did not answer; later downloads ask them last, lest each waits for the same dead server again.
    silent: Arc<Mutex<HashSet<String>>>,
    /// What `mirror://pypi` and `mirror://crates` stand for, once they were needed.
    registries: Arc<Registries>,
}

impl Fetcher {
    /// A fetcher with the user's settings and this host's mirrors, proxies (from the environment) and certificates.
    pub fn of_host() -> Result<Fetcher, FetchError> {
        let settings = Settings::load()?;
        let default = Options::default();
        let seconds = |set: Option<NonZeroU32>, default| {
            set.map_or(default, |seconds| Duration::from_secs(u64::from(seconds.get())))
        };
        let options = Options {
            connect_timeout: seconds(settings.fetch.connect_timeout, default.connect_timeout),
            stall_timeout: seconds(settings.fetch.stall_timeout, default.stall_timeout),
            ..default
        };
        Ok(Self::new(options, Mirrors::of_host(settings)))
    }

    /// A fetcher with the given options and mirrors.
    pub fn new(options: Options, mirrors: Mirrors) -> Fetcher {
        let agent = agent(config(&options).build());
        Fetcher { options, mirrors, agent, silent: Arc::default(), registries: Arc::default() }
    }

    /// The client that requests go through, with the environment's proxies and this host's certificates.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The mirrors in use.
    pub fn mirrors(&self) -> &Mirrors {
        &self.mirrors
    }

    /// Fetches a file to `destination`. Two downloads to the same destination at once are the caller's to prevent.
    ///
    /// `watch` is told of each step and may stop the download by [`ControlFlow::Break`]; what has come so far is kept.
    pub fn fetch(
        &self,
        download: &Download,
        destination: &Path,
        watch: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Fetched, FetchError> {
        let (addresses, unresolved) = self.addresses(download)?;
        self.fetch_from(download, &addresses, unresolved, destination, watch)
    }

    fn fetch_from(
        &self,
        download: &Download,
        addresses: &[Address],
        unresolved: Vec<Failure>,
        destination: &Path,
        watch: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Fetched, FetchError> {
        let algorithm = download.expected.map_or(Algorithm::Sha256, |digest| digest.algorithm());
        // Without a digest nothing would tell that the parts belong together.
        let resume = download.expected.is_some();
        let part = Part::open(destination, algorithm, resume);
        let part = part.map_err(|source| FetchError::Write { path: destination.to_owned(), source })?;
        let failures = Vec::new();
        Attempt { fetcher: self, download, part, failures, watch }.run(addresses, unresolved, destination)
    }

    /// Fetches an index or the like into memory, by way of a temporary file.
    pub fn fetch_bytes(
        &self,
        name: &str,
        url: &str,
        expected: Option<Digest>,
    ) -> Result<Vec<u8>, FetchError> {
        let download = Download { name: name.to_owned(), urls: vec![url.to_owned()], expected, cargo: None };
        let (addresses, unresolved) = self.addresses(&download)?;
        self.bytes_from(&download, &addresses, unresolved)
    }

    fn bytes_from(
        &self,
        download: &Download,
        addresses: &[Address],
        unresolved: Vec<Failure>,
    ) -> Result<Vec<u8>, FetchError> {
        let write = |source| FetchError::Write { path: std::env::temp_dir(), source };
        let directory = tempfile::tempdir().map_err(write)?;
        let file = directory.path().join("content");
        self.fetch_from(download, addresses, unresolved, &file, &mut |_| ControlFlow::Continue(()))?;
        std::fs::read(&file).map_err(write)
    }

    /// The addresses of a download, and what could not be resolved to any.
    fn addresses(&self, download: &Download) -> Result<(Vec<Address>, Vec<Failure>), FetchError> {
        let name = || download.name.clone();
        let (mut addresses, mut unresolved) = (Vec::new(), Vec::new());
        for url in &download.urls {
            let found = match self.registry_files(url, download) {
                Some(found) => found,
                None => self.mirrors.resolve(url),
            };
            match found {
                Ok(found) => addresses.extend(found),
                Err(reason) => unresolved.push(Failure { url: url.clone(), reason }),
            }
        }
        let silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.sort_by_key(|address: &Address| silent.contains(server(&address.url)));
        // Archives are asked when nobody else has it.
        if let Some(digest) = &download.expected {
            addresses.extend(self.mirrors.of_digest(&download.name, digest));
        }
        match unresolved.first() {
            _ if !addresses.is_empty() => Ok((addresses, unresolved)),
            Some(Failure { reason: Reason::NoMirror { mirror, settings }, .. }) => {
                Err(FetchError::NoMirror { name: name(), mirror: mirror.clone(), settings: settings.clone() })
            }
            Some(Failure { reason: Reason::Index { source }, .. }) if unresolved.len() == 1 => {
                Err(FetchError::Index { name: name(), reason: source.clone() })
            }
            Some(Failure { reason: Reason::Registry { source }, .. }) if unresolved.len() == 1 => {
                Err(FetchError::Registry { name: name(), reason: source.clone() })
            }
            Some(_) => Err(FetchError::Failed { name: name(), failures: unresolved }),
            None => Err(FetchError::NoAddress { name: name() }),
        }
    }

    /// Remembers whether a server answers.
    fn note(&self, url: &str, answers: bool) {
        let mut silent = self.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if answers {
            silent.remove(server(url));
        } else {
            silent.insert(server(url).to_owned());
        }
    }

    /// The agent for an address: its own, or one of its own when apt reaches it through a proxy and the environment names none.
    fn agent_for(&self, address: &Address) -> Agent {
        if let Some(agent) = &address.agent {
            return agent.clone();
        }
        let proxy = address.proxy.as_deref().filter(|_| self.agent.config().proxy().is_none());
        match proxy.and_then(|proxy| ureq::Proxy::new(proxy).ok()) {
            Some(proxy) => agent(config(&self.options).proxy(Some(proxy)).build()),
            None => self.agent.clone(),
        }
    }
}

/// Scheme and host of an address.
fn server(url: &str) -> &str {
    let path = url.find("://").and_then(|at| Some(at + 3 + url.get(at + 3..)?.find('/')?));
    url.get(..path.unwrap_or(url.len())).unwrap_or(url)
}

/// The settings of a client that is as patient as `options` say.
pub(crate) fn config(options: &Options) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Agent::config_builder()
        // Sites have certificate authorities of their own, which only the system's store knows.
        .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
        .http_status_as_error(false)
        .accept_encoding("identity")
        .user_agent(concat!("hpcl/", env!("CARGO_PKG_VERSION")))
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .max_idle_connections(CONNECTIONS)
        .max_idle_connections_per_host(CONNECTIONS)
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_per_read(Some(options.stall_timeout))
        .timeout_per_write(Some(options.stall_timeout))
}

/// The state of one download.
struct Attempt<'a> {
    fetcher: &'a Fetcher,
    download: &'a Download,
    part: Part,
    failures: Vec<Failure>,
    watch: &'a mut Watch<'a>,
}

impl Attempt<'_> {
    fn run(
        mut self,
        addresses: &[Address],
        unresolved: Vec<Failure>,
        destination: &Path,
    ) -> Result<Fetched, FetchError> {
        let mut open: Vec<&Address> = addresses.iter().collect();
        for round in 0..self.fetcher.options.rounds.max(1) {
            if round > 0 {
                thread::sleep(self.fetcher.options.pause);
            }
            let mut again = Vec::new();
            for address in open {
                if self.try_address(address)? {
                    let (digest, size) = (self.part.digest(), self.part.len());
                    let written = self.part.finish(destination);
                    written.map_err(|source| FetchError::Write { path: destination.to_owned(), source })?;
                    return Ok(Fetched { url: address.url.clone(), digest, size });
                }
                if self.failures.last().is_some_and(|failure| failure.reason.is_transient()) {
                    again.push(address);
                }
                self.part.mixed = self.part.len() > 0;
            }
            open = again;
            if open.is_empty() {
                break;
            }
            // The last round tells.
            if round + 1 < self.fetcher.options.rounds {
                self.failures.retain(|failure| !failure.reason.is_transient());
            }
        }
        self.failures.extend(unresolved);
        if self.part.len() == 0 {
            // An empty part is of no use to a later run; that it cannot be removed is no news either.
            self.part.discard().ok();
        }
        Err(verdict(self.download, addresses, self.failures))
    }

    /// Asks one address until it has delivered all or does no longer; says whether the content is the expected one.
    fn try_address(&mut self, address: &Address) -> Result<bool, FetchError> {
        let agent = self.fetcher.agent_for(address);
        let mut continuations = 0;
        loop {
            let before = self.part.len();
            let done = transfer(&agent, &self.fetcher.options, address, &mut self.part, self.watch);
            let silent = matches!(&done, Err(Trouble::Remote(reason)) if reason.is_network() && self.part.len() <= before);
            self.fetcher.note(&address.url, !silent);
            let reason = match done {
                Ok(()) => match self.download.expected {
                    Some(expected) if self.part.digest() != expected => {
                        let (actual, mixed) = (self.part.digest(), self.part.mixed);
                        self.part.reset().map_err(|source| self.write_error(source))?;
                        if mixed {
                            continue;
                        }
                        Reason::WrongHash { mismatch: Box::new(Mismatch { expected, actual }) }
                    }
                    _ => return Ok(true),
                },
                Err(Trouble::Remote(reason)) => {
                    let advanced = self.part.len() > before;
                    continuations += 1;
                    if advanced
                        && reason.is_transient()
                        && continuations <= CONTINUATIONS
                        && self.can_continue()
                    {
                        continue;
                    }
                    reason
                }
                Err(Trouble::Disk(source)) => return Err(self.write_error(source)),
                Err(Trouble::Stopped) => {
                    return Err(FetchError::Stopped { name: self.download.name.clone() });
                }
            };
            if !self.can_continue() {
                self.part.reset().map_err(|source| self.write_error(source))?;
            }
            self.failures.push(Failure { url: address.url.clone(), reason });
            return Ok(false);
        }
    }

    fn can_continue(&self) -> bool {
        self.download.expected.is_some()
    }

    fn write_error(&self, source: std::io::Error) -> FetchError {
        FetchError::Write { path: self.part.path().to_owned(), source }
    }
}

/// The error for a download that no address delivered.
fn verdict(download: &Download, addresses: &[Address], mut failures: Vec<Failure>) -> FetchError {
    let name = download.name.clone();
    if let Some(index) = failures.iter().position(|f| matches!(f.reason, Reason::WrongHash { .. }))
        && let Failure { url, reason: Reason::WrongHash { mismatch } } = failures.remove(index)
    {
        return FetchError::WrongHash { name, url, mismatch, others: failures };
    }
    let pooled = |address: &Address| {
        address.mirror.as_ref().is_some_and(|(name, path)| name == "debian" && path.starts_with("pool/"))
    };
    let file = addresses.first().and_then(|address| address.mirror.as_ref()).map(|(_, path)| path.clone());
    match file {
        Some(file) if addresses.iter().all(pooled) && failures.iter().all(|f| f.reason.is_absent()) => {
            FetchError::Gone { file, failures }
        }
        _ => FetchError::Failed { name, failures },
    }
}

#[cfg(test)]
mod tests;
