//! Turns the address in a recipe into the addresses to ask, in order.
//!
//! `mirror://NAME/PATH` stands for any of several servers with the same tree: those of the user's settings first, then, for `debian`,
//! those of the host's own apt configuration (no address of that archive is written here), and for upstream
//! projects a short list as Guix has it. Other addresses stand for themselves.

use std::path::{Path, PathBuf};

use super::apt::AptConfig;
use super::error::Reason;
use super::settings::Settings;
use crate::hash::{Algorithm, Digest};

/// Upstream projects with several servers, and the trees on them that hold the same files.
const UPSTREAM: &[(&str, &[&str])] = &[
    ("gnu", &["https://ftpmirror.gnu.org/gnu", "https://ftp.gnu.org/gnu", "https://mirrors.kernel.org/gnu"]),
    (
        "savannah",
        &["https://download.savannah.gnu.org/releases", "https://download-mirror.savannah.gnu.org/releases"],
    ),
    ("kernel.org", &["https://cdn.kernel.org/pub", "https://mirrors.edge.kernel.org/pub"]),
    (
        "sourceforge",
        &["https://downloads.sourceforge.net/project", "https://master.dl.sourceforge.net/project"],
    ),
];

/// The `mirror://` address that stands for an address at one of the servers that are known.
pub fn mirror_of(url: &str) -> Option<String> {
    let (_, bare) = url.split_once("://")?;
    UPSTREAM.iter().find_map(|(name, bases)| {
        let below = |base: &&str| bare.strip_prefix(base.strip_prefix("https://")?)?.strip_prefix('/');
        Some(format!("mirror://{name}/{}", bases.iter().find_map(below)?))
    })
}

/// One place to ask for a file.
#[derive(Debug, Clone)]
pub struct Address {
    /// `https:`, `http:` or `file:`.
    pub url: String,
    /// The name and path of the `mirror://` address that it comes from.
    pub mirror: Option<(String, String)>,
    /// The proxy that apt uses for it.
    pub proxy: Option<String>,
    /// The client to use, where the usual one would not do.
    pub agent: Option<ureq::Agent>,
    /// What the server is told of who asks.
    pub authorization: Option<String>,
}

impl Address {
    /// An address that stands for itself.
    pub fn plain(url: impl Into<String>) -> Address {
        Address { url: url.into(), mirror: None, proxy: None, agent: None, authorization: None }
    }
}

/// All that is known about mirrors.
#[derive(Debug, Clone, Default)]
pub struct Mirrors {
    settings: Settings,
    settings_path: Option<PathBuf>,
    apt: AptConfig,
}

impl Mirrors {
    /// Mirrors of the given settings and apt configuration.
    pub fn new(settings: Settings, apt: AptConfig) -> Mirrors {
        Mirrors { settings, settings_path: Settings::path(), apt }
    }

    /// Mirrors of this host: the given settings and `/etc/apt`.
    pub fn of_host(settings: Settings) -> Mirrors {
        Self::new(settings, AptConfig::read(Path::new("/etc/apt")))
    }

    /// The addresses at which archives have a file of that hash, whoever published it.
    pub fn of_digest(&self, name: &str, digest: &Digest) -> Vec<Address> {
        if digest.algorithm() != Algorithm::Sha256 {
            return Vec::new();
        }
        let archive = &self.settings.archive;
        let filled = |pattern: &String| {
            pattern
                .replace("{name}", name)
                .replace("{base32}", &digest.to_base32())
                .replace("{base16}", &digest.to_base16())
        };
        let heritage = archive.endpoint.iter().map(|endpoint| {
            format!("{}/api/1/content/sha256:{}/raw/", endpoint.trim_end_matches('/'), digest.to_base16())
        });
        let urls = archive.mirrors.iter().map(filled).chain(heritage);
        urls.map(Address::plain).collect()
    }

    /// The address of the server with Software Heritage's API, if the settings name one.
    pub fn archive(&self) -> Option<&str> {
        self.settings.archive.endpoint.as_deref()
    }

    /// What the settings name for `mirror://pypi` or `mirror://crates`, which are no trees of files but have an index.
    pub fn indexes(&self, name: &str) -> &[String] {
        self.settings.mirrors.get(name).map_or(&[], Vec::as_slice)
    }

    /// The addresses that a URL stands for; never empty.
    pub fn resolve(&self, url: &str) -> Result<Vec<Address>, Reason> {
        let Some(rest) = url.strip_prefix("mirror://") else {
            return Ok(vec![Address::plain(url)]);
        };
        let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
        let mut addresses: Vec<Address> = Vec::new();
        let mut add = |base: &str, proxy: Option<&String>| {
            let url = format!("{}/{path}", base.trim_end_matches('/'));
            if !addresses.iter().any(|address| address.url == url) {
                let mirror = Some((name.to_owned(), path.to_owned()));
                addresses.push(Address { mirror, proxy: proxy.cloned(), ..Address::plain(url) });
            }
        };
        for base in self.settings.mirrors.get(name).into_iter().flatten() {
            add(base, None);
        }
        if name == "debian" {
            for base in &self.apt.mirrors {
                let https = base.starts_with("https:");
                add(base, if https { self.apt.https_proxy.as_ref() } else { self.apt.http_proxy.as_ref() });
            }
        }
        for base in UPSTREAM.iter().filter(|(known, _)| *known == name).flat_map(|(_, bases)| *bases) {
            add(base, None);
        }
        if addresses.is_empty() {
            let settings = self.settings_path.clone();
            return Err(Reason::NoMirror { mirror: name.to_owned(), settings });
        }
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(mirrors: &Mirrors, url: &str) -> Vec<String> {
        mirrors.resolve(url).unwrap().into_iter().map(|address| address.url).collect()
    }

    fn sample() -> Mirrors {
        let settings: Settings = toml::from_str(
            "mirrors.debian = ['https://own.example.org/debian/']\nmirrors.gnu = ['https://own.example.org/gnu']\n\
             mirrors.site = ['file:///srv/sources']",
        )
        .unwrap();
        let apt = AptConfig {
            mirrors: vec!["http://apt.example.org/debian".into(), "https://own.example.org/debian".into()],
            http_proxy: Some("http://proxy.example.org:3128".into()),
            https_proxy: None,
        };
        Mirrors::new(settings, apt)
    }

    #[test]
    fn settings_come_before_apt_and_each_address_once() {
        let found = sample().resolve("mirror://debian/pool/main/h/hello/hello.deb").unwrap();
        let urls: Vec<&str> = found.iter().map(|address| address.url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "https://own.example.org/debian/pool/main/h/hello/hello.deb",
                "http://apt.example.org/debian/pool/main/h/hello/hello.deb",
            ]
        );
        assert_eq!(found[0].proxy, None);
        assert_eq!(found[1].proxy.as_deref(), Some("http://proxy.example.org:3128"));
        assert_eq!(found[1].mirror, Some(("debian".into(), "pool/main/h/hello/hello.deb".into())));
    }

    #[test]
    fn upstream_lists_can_be_extended_and_new_names_added() {
        let gnu = urls(&sample(), "mirror://gnu/hello/hello-2.10.tar.gz");
        assert_eq!(gnu[0], "https://own.example.org/gnu/hello/hello-2.10.tar.gz");
        assert!(gnu.len() > 2 && gnu.iter().all(|url| url.ends_with("/gnu/hello/hello-2.10.tar.gz")));
        assert_eq!(urls(&sample(), "mirror://site/x.tar"), ["file:///srv/sources/x.tar"]);
    }

    #[test]
    fn other_addresses_stand_for_themselves() {
        assert_eq!(urls(&Mirrors::default(), "https://a.example.org/x"), ["https://a.example.org/x"]);
    }

    #[test]
    fn archives_are_asked_by_hash() {
        let settings: Settings = toml::from_str(
            "[archive]\nendpoint = 'https://h.example.org/'\nmirrors = ['https://m.example.org/{name}/{base16}']",
        )
        .unwrap();
        let digest = Digest::sha256(b"");
        let found = Mirrors::new(settings, AptConfig::default()).of_digest("x.tar", &digest);
        let urls: Vec<&str> = found.iter().map(|address| address.url.as_str()).collect();
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(
            urls,
            [
                format!("https://m.example.org/x.tar/{hex}"),
                format!("https://h.example.org/api/1/content/sha256:{hex}/raw/")
            ]
        );
        assert!(Mirrors::default().of_digest("x", &digest).is_empty());
    }

    #[test]
    fn a_mirror_without_servers_is_an_error() {
        for name in ["debian", "gnuu"] {
            let reason = Mirrors::default().resolve(&format!("mirror://{name}/x")).unwrap_err();
            assert!(matches!(&reason, Reason::NoMirror { mirror, .. } if mirror == name), "{reason:?}");
        }
    }
}
