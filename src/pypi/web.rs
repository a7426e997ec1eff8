//! Requests to indexes and file servers: credentials, certificates, and patience with busy servers.
//!
//! The client is set up as that of `fetch` (proxies of the environment, the system's certificates), with what pip's configuration
//! says otherwise. Answers 429, 502, 503 and 504 and broken connections are tried again, after the pause that the server
//! asks for. `file:` addresses are served from the disk.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, RETRY_AFTER};
use ureq::http::{HeaderMap, HeaderName};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, ResponseExt as _};
use url::Url;

use super::config::Configuration;
use super::error::PypiError;
use super::netrc::redacted;
use crate::fetch::{self, Options, file_path};

/// The longest pause that is made because a server asks for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An answer whose body has not been read.
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The address after redirections.
    pub url: Url,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, without its transfer's compression.
    pub body: Box<dyn Read + Send>,
}

/// Sends requests; one serves many threads.
#[derive(Debug, Clone)]
pub struct Web {
    checking: Agent,
    trusting: Agent,
    configuration: Arc<Configuration>,
    stop: Arc<AtomicBool>,
}

impl Web {
    /// A client for a configuration, which ends its waiting when `stop` is set.
    pub fn new(
        configuration: Arc<Configuration>,
        options: &Options,
        stop: Arc<AtomicBool>,
    ) -> Result<Web, PypiError> {
        let proxy = configuration.proxy.as_deref().map(|proxy| {
            ureq::Proxy::new(proxy).map_err(|error| PypiError::Address {
                value: "…".to_owned(),
                setting: "`proxy` of pip's configuration".to_owned(),
                reason: error.to_string(),
            })
        });
        let proxy = proxy.transpose()?;
        let roots = match &configuration.certificates {
            Some(path) => certificates(path)?,
            None => RootCerts::PlatformVerifier,
        };
        let client = |trusting: bool| {
            let tls = TlsConfig::builder().root_certs(roots.clone()).disable_verification(trusting).build();
            let config = fetch::config(options).tls_config(tls);
            fetch::agent(match &proxy {
                Some(proxy) => config.proxy(Some(proxy.clone())).build(),
                None => config.build(),
            })
        };
        let (checking, trusting) = (client(false), client(true));
        Ok(Web { checking, trusting, configuration, stop })
    }

    /// The client for an address.
    pub fn agent(&self, url: &Url) -> &Agent {
        let host = url.host_str().unwrap_or_default();
        let with_port = url.port().map(|port| format!("{host}:{port}"));
        let trusted = self.configuration.trusted_hosts.iter();
        let trusted = trusted.into_iter().any(|known| known == host || Some(known) == with_port.as_ref());
        if trusted { &self.trusting } else { &self.checking }
    }

    /// The value of `Authorization` for an address.
    pub fn authorization(&self, url: &Url) -> Option<String> {
        self.configuration.credentials.header(url)
    }

    /// Whether the user asked to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Asks for an address; any answer but one to be tried again is returned, whatever its status.
    pub fn open(&self, url: &Url, headers: &[(HeaderName, &str)]) -> Result<Answer, PypiError> {
        if url.scheme() == "file" {
            return from_disk(url);
        }
        let mut attempt = 0;
        loop {
            let last = attempt >= self.configuration.retries;
            let pause = match self.ask(url, headers) {
                Ok(answer) if !matches!(answer.status, 429 | 502 | 503 | 504) => return Ok(answer),
                Ok(answer) => {
                    let asked = retry_after(&answer.headers);
                    match asked {
                        Some(pause) if pause > LONGEST_PAUSE || last => {
                            let (url, code) = (redacted(url), answer.status);
                            return Err(PypiError::Busy { url, code, seconds: pause.as_secs() });
                        }
                        None if last => return Ok(answer),
                        asked => asked.unwrap_or_else(|| growing(attempt)),
                    }
                }
                Err(error) if last || !is_passing(&error) => {
                    return Err(PypiError::Transfer { url: redacted(url), reason: message(&error) });
                }
                Err(_) => growing(attempt),
            };
            self.wait(pause)?;
            attempt += 1;
        }
    }

    /// Reads the whole answer to a request, which must be a success.
    pub fn read(
        &self,
        url: &Url,
        headers: &[(HeaderName, &str)],
        limit: u64,
    ) -> Result<(Vec<u8>, Answer), PypiError> {
        let mut attempt = 0;
        loop {
            let mut answer = self.open(url, headers)?;
            if !matches!(answer.status, 200 | 206) {
                return Ok((Vec::new(), answer));
            }
            let body = std::mem::replace(&mut answer.body, Box::new(std::io::empty()));
            let mut bytes = Vec::new();
            match body.take(limit + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > limit => {
                    return Err(PypiError::TooLarge { url: redacted(url), limit });
                }
                Ok(_) => return Ok((bytes, answer)),
                Err(error) if attempt >= self.configuration.retries => {
                    return Err(PypiError::Transfer { url: redacted(url), reason: error.to_string() });
                }
                Err(_) => self.wait(growing(attempt))?,
            }
            attempt += 1;
        }
    }

    fn ask(&self, url: &Url, headers: &[(HeaderName, &str)]) -> Result<Answer, ureq::Error> {
        let mut request = self.agent(url).get(url.as_str());
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        if let Some(value) = self.authorization(url) {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.call()?;
        let reached = Url::parse(&response.get_uri().to_string()).unwrap_or_else(|_| url.clone());
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let compressed = headers.get(CONTENT_ENCODING).is_some_and(|value| value.as_bytes() == b"gzip");
        let body = response.into_body().into_reader();
        let body: Box<dyn Read + Send> = match compressed {
            true => Box::new(flate2::read::MultiGzDecoder::new(body)),
            false => Box::new(body),
        };
        Ok(Answer { status, url: reached, headers, body })
    }

    /// Waits, and looks often whether the user wants to stop.
    fn wait(&self, pause: Duration) -> Result<(), PypiError> {
        let begin = Instant::now();
        while begin.elapsed() < pause {
            if self.is_stopped() {
                return Err(PypiError::Stopped);
            }
            std::thread::sleep(Duration::from_millis(50).min(pause));
        }
        Ok(())
    }
}

/// What asks for compressed pages.
pub(super) const COMPRESSED: (HeaderName, &str) = (ACCEPT_ENCODING, "gzip");

fn growing(attempt: u32) -> Duration {
    Duration::from_millis(250 << attempt.min(5))
}

/// RFC 9110, section 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(u64::try_from(date.timestamp()).ok()?.saturating_sub(now)))
}

fn is_passing(error: &ureq::Error) -> bool {
    use ureq::Error::{ConnectionFailed, Io, Protocol, Timeout};
    match error {
        // What is wrong with certificates stays wrong.
        Io(error) => !error.to_string().contains("ertificate"),
        Timeout(_) | ConnectionFailed | Protocol(_) => true,
        _ => false,
    }
}

fn message(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::HostNotFound => "no such host".to_owned(),
        other => other.to_string(),
    }
}

pub(crate) fn certificates(path: &std::path::Path) -> Result<RootCerts, PypiError> {
    let failed = |reason: String| PypiError::Certificates { path: path.to_owned(), reason };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found: Vec<Certificate<'static>> = ureq::tls::parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(failed("it holds no certificate in PEM".to_owned()));
    }
    Ok(RootCerts::new_with_certs(&found))
}

/// The answer of a directory that is laid out as an index.
fn from_disk(url: &Url) -> Result<Answer, PypiError> {
    let path = file_path(url.as_str()).unwrap_or_default();
    let path = if path.is_dir() { path.join("index.html") } else { path };
    let mut headers = HeaderMap::new();
    let (status, body) = match std::fs::read(&path) {
        Ok(bytes) => (200, bytes),
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            (404, Vec::new())
        }
        Err(error) => return Err(PypiError::Transfer { url: url.to_string(), reason: error.to_string() }),
    };
    if path.extension().is_some_and(|ending| ending == "html") {
        headers.insert("content-type", ureq::http::HeaderValue::from_static("text/html"));
    }
    Ok(Answer { status, url: url.clone(), headers, body: Box::new(Cursor::new(body)) })
}
