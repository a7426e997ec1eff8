//! `mirror://pypi` and `mirror://crates`: files that an index knows, found by the configuration of pip and of cargo on this machine.
//!
//! Each is set up when it is first needed, once for a fetcher. What went wrong then is told for each file, without asking again.

use std::sync::{Arc, OnceLock};

use ureq::Agent;
use ureq::tls::TlsConfig;

use super::error::Reason;
use super::mirrors::Address;
use super::{Download, Fetcher, agent, config};
use crate::crates::{self, Registry, RegistryError};
use crate::hash::Algorithm;
use crate::pypi::{self, Index, PypiError, certificates};

/// The indexes that were needed so far.
#[derive(Debug, Default)]
pub(super) struct Registries {
    python: OnceLock<Result<Index, PypiError>>,
    crates: OnceLock<Result<Crates, RegistryError>>,
}

/// Registries of crates, in the order of asking, and how to ask them.
#[derive(Debug)]
struct Crates {
    registries: Vec<Registry>,
    authorization: Option<String>,
    agent: Option<Agent>,
}

impl Fetcher {
    /// The addresses of a file that an index knows; nothing for other addresses.
    pub(super) fn registry_files(
        &self,
        url: &str,
        download: &Download,
    ) -> Option<Result<Vec<Address>, Reason>> {
        if let Some(path) = url.strip_prefix("mirror://pypi/") {
            return Some(self.python_files(path));
        }
        let path = url.strip_prefix("mirror://crates/")?;
        Some(self.crate_files(path, download).map_err(|source| Reason::Registry { source: Box::new(source) }))
    }

    /// The addresses of `PROJECT/FILE` on the configured index of Python packages.
    fn python_files(&self, path: &str) -> Result<Vec<Address>, Reason> {
        let reason = |source: PypiError| Reason::Index { source: Box::new(source) };
        let index = self.python_index().map_err(reason)?;
        let (project, file) = path.split_once('/').ok_or(Reason::Scheme)?;
        let address = |url: url::Url| Address {
            agent: Some(index.web().agent(&url).clone()),
            authorization: index.web().authorization(&url),
            mirror: Some(("pypi".to_owned(), path.to_owned())),
            ..Address::plain(url)
        };
        Ok(index.locate(project, file).map_err(reason)?.into_iter().map(address).collect())
    }

    /// The index of Python packages that this host's pip is configured for.
    pub fn python_index(&self) -> Result<&Index, PypiError> {
        let index = self.registries.python.get_or_init(|| {
            let own = self.mirrors.indexes("pypi");
            let configuration = pypi::Configuration::of_host(&pypi::Choice::default(), own)?;
            Index::new(configuration, &self.options, pypi::Cache::of_user(), false, Arc::default())
        });
        index.as_ref().map_err(PypiError::clone)
    }

    /// The addresses of `NAME/NAME-VERSION.crate` in the configured registries.
    fn crate_files(&self, path: &str, download: &Download) -> Result<Vec<Address>, RegistryError> {
        let parts =
            path.split_once('/').and_then(|(name, file)| Some((name, crates::version_of_file(name, file)?)));
        let (name, version) = parts.ok_or_else(|| RegistryError::Name { path: path.to_owned() })?;
        let sha256 = download.expected.filter(|digest| digest.algorithm() == Algorithm::Sha256);
        let checksum = sha256.map(|digest| digest.to_base16()).unwrap_or_default();
        let crates = self.registries.crates.get_or_init(|| self.open_crates(download));
        let crates = crates.as_ref().map_err(Clone::clone)?;
        let address = |registry: &Registry| Address {
            agent: crates.agent.clone(),
            authorization: crates.authorization.clone().filter(|_| registry.wants_token),
            mirror: Some(("crates".to_owned(), path.to_owned())),
            ..Address::plain(registry.address(name, version, &checksum))
        };
        Ok(crates.registries.iter().map(address).collect())
    }

    fn open_crates(&self, download: &Download) -> Result<Crates, RegistryError> {
        let own = self.mirrors.indexes("crates");
        let configuration = crates::Configuration::of_host(own, download.cargo.as_deref())?;
        let agent = self.agent_of_cargo(&configuration)?;
        let authorization = configuration.authorization();
        let open = |place| {
            Registry::open(place, |url| {
                let plain = Address { agent: agent.clone(), ..Address::plain(url) };
                let told = Address { authorization: authorization.clone(), ..plain.clone() };
                let wanted =
                    Download { name: "config.json".into(), urls: Vec::new(), expected: None, cargo: None };
                // A registry that wants a token may want it here already.
                let addresses: Vec<Address> =
                    if authorization.is_some() { vec![plain, told] } else { vec![plain] };
                self.bytes_from(&wanted, &addresses, Vec::new()).map_err(|error| error.to_string())
            })
        };
        let registries = configuration.places.iter().map(open).collect::<Result<_, _>>()?;
        Ok(Crates { registries, authorization, agent })
    }

    /// A client of its own where cargo's configuration names a proxy or certificates.
    fn agent_of_cargo(&self, configuration: &crates::Configuration) -> Result<Option<Agent>, RegistryError> {
        if configuration.proxy.is_none() && configuration.certificates.is_none() {
            return Ok(None);
        }
        let bad = |setting: &str, reason: String| RegistryError::Setting {
            setting: format!("`[http] {setting}` of cargo's configuration"),
            reason,
        };
        let mut settings = config(&self.options);
        if let Some(path) = &configuration.certificates {
            let roots =
                certificates(path).map_err(|error| bad("cainfo", format!("is not usable: {error}")))?;
            settings = settings.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        if let Some(proxy) = &configuration.proxy {
            let proxy = ureq::Proxy::new(proxy).map_err(|error| bad("proxy", format!("is none: {error}")))?;
            settings = settings.proxy(Some(proxy));
        }
        Ok(Some(agent(settings.build())))
    }
}
