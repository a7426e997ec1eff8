//! User names and passwords: those in an index's address, and those of `~/.netrc`.
//!
//! Invariant: credentials are sent to the server they belong to alone, and never shown.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::BASE64;
use percent_encoding::percent_decode_str;
use url::Url;

/// What servers are told, by `HOST` or `HOST:PORT`.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    of_server: BTreeMap<String, (String, String)>,
    of_host: BTreeMap<String, (String, String)>,
    other: Option<(String, String)>,
}

/// Says only how many there are.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.of_server.len() + self.of_host.len())
    }
}

impl Credentials {
    /// Takes user name and password out of an address and remembers them for its server.
    pub fn take(&mut self, url: &mut Url) {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        if !url.username().is_empty() || url.password().is_some() {
            let pair = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
            self.of_server.insert(server(url), pair);
            // Both fail only for addresses without a host, which have none of them.
            let _ = url.set_username("");
            let _ = url.set_password(None);
        }
    }

    /// Adds what a netrc file says.
    pub fn add_netrc(&mut self, text: &str) {
        let mut words = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(str::split_whitespace)
            .peekable();
        while let Some(word) = words.next() {
            let host = match word {
                "machine" => words.next().map(str::to_owned),
                "default" => None,
                _ => continue,
            };
            let (mut login, mut password) = (String::new(), String::new());
            while let Some(word) = words.next_if(|word| !matches!(*word, "machine" | "default" | "macdef")) {
                let value = words.next().unwrap_or_default().to_owned();
                match word {
                    "login" | "user" => login = value,
                    "password" => password = value,
                    _ => {}
                }
            }
            match host {
                Some(host) => {
                    self.of_host.entry(host).or_insert((login, password));
                }
                None => self.other = Some((login, password)),
            }
        }
    }

    /// The value of `Authorization` for an address.
    pub fn header(&self, url: &Url) -> Option<String> {
        let (user, password) = self
            .of_server
            .get(&server(url))
            .or_else(|| self.of_host.get(url.host_str()?))
            .or(self.other.as_ref())?;
        Some(format!("Basic {}", BASE64.encode(format!("{user}:{password}").as_bytes())))
    }
}

fn server(url: &Url) -> String {
    let port = url.port_or_known_default().map_or(String::new(), |port| format!(":{port}"));
    format!("{}{port}", url.host_str().unwrap_or_default())
}

/// An address as it may be shown.
pub fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    Credentials::default().take(&mut shown);
    shown.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_an_address_go_to_its_server_alone() {
        let mut url = Url::parse("https://me:p%40ss@index.example/simple/").unwrap();
        let mut credentials = Credentials::default();
        credentials.take(&mut url);
        assert_eq!(url.as_str(), "https://index.example/simple/");
        assert_eq!(credentials.header(&url).unwrap(), format!("Basic {}", BASE64.encode(b"me:p@ss")));
        assert_eq!(credentials.header(&Url::parse("https://files.example/x").unwrap()), None);
        assert_eq!(credentials.header(&Url::parse("https://index.example:8443/x").unwrap()), None);
        assert_eq!(format!("{credentials:?}"), "Credentials(1)");
    }

    #[test]
    fn netrc_is_read() {
        let mut credentials = Credentials::default();
        credentials.add_netrc(
            "# c\nmachine a.example login u\n  password p\nmachine b.example\nlogin v account x password q",
        );
        let header = |url: &str| credentials.header(&Url::parse(url).unwrap());
        assert_eq!(header("https://a.example/x"), Some(format!("Basic {}", BASE64.encode(b"u:p"))));
        assert_eq!(header("http://b.example:8080/x"), Some(format!("Basic {}", BASE64.encode(b"v:q"))));
        assert_eq!(header("https://c.example/x"), None);
    }
}
