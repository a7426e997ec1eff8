//! One request to one address, its answer appended to the part file.
//!
//! A part that is not empty is continued with a `Range` request (RFC 9110, section 14); a server that answers with the whole
//! content instead makes it start over. Errors of the disk are kept apart from those of the network, since another address
//! does not help against them.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{HeaderMap, header};
use ureq::{Agent, Timeout};

use super::error::Reason;
use super::mirrors::Address;
use super::part::Part;
use super::{Options, Progress};

/// Why a transfer ended early.
pub(super) enum Trouble {
    /// The address did not deliver.
    Remote(Reason),
    /// The part file could not be written.
    Disk(io::Error),
    /// The caller asked to stop.
    Stopped,
}

pub(super) type Watch<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'a;

/// Transfers the content at an address to the part, from where the part ends.
pub(super) fn transfer(
    agent: &Agent,
    options: &Options,
    address: &Address,
    part: &mut Part,
    watch: &mut Watch<'_>,
) -> Result<(), Trouble> {
    let url = address.url.as_str();
    if let Some(path) = file_path(url) {
        return copy_file(&path, url, part, watch);
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(Trouble::Remote(Reason::Scheme));
    }
    loop {
        let from = part.len();
        let mut request = agent.get(url);
        if let Some(value) = &address.authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| Trouble::Remote(reason(error, options)))?;
        let range = content_range(response.headers());
        let mut total = response.body().content_length();
        match response.status().as_u16() {
            200 => part.reset().map_err(Trouble::Disk)?,
            206 if from > 0 && range.start == Some(from) => {
                total = range.total.or(total.map(|rest| rest + from))
            }
            206 => {
                part.reset().map_err(Trouble::Disk)?;
                return Err(Trouble::Remote(Reason::WrongRange));
            }
            // Nothing is left to send: the part is whole, or not a part of this file.
            416 if from > 0 && range.total == Some(from) => return Ok(()),
            416 if from > 0 => {
                part.reset().map_err(Trouble::Disk)?;
                continue;
            }
            code => return Err(Trouble::Remote(Reason::Status { code })),
        }
        let mut body = response.into_body().into_reader();
        let read =
            pump(&mut body, url, total, part, watch, |error| reason(ureq::Error::from(error), options));
        read?;
        return match total {
            Some(total) if part.len() < total => {
                Err(Trouble::Remote(Reason::Truncated { received: part.len(), total }))
            }
            _ => Ok(()),
        };
    }
}

fn copy_file(path: &Path, url: &str, part: &mut Part, watch: &mut Watch<'_>) -> Result<(), Trouble> {
    let failed = |source| Trouble::Remote(Reason::File { source });
    part.reset().map_err(Trouble::Disk)?;
    let mut file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    pump(&mut file, url, Some(total), part, watch, |source| Reason::File { source })
}

fn pump(
    from: &mut dyn Read,
    url: &str,
    total: Option<u64>,
    part: &mut Part,
    watch: &mut Watch<'_>,
    explain: impl Fn(io::Error) -> Reason,
) -> Result<(), Trouble> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        if watch(Progress { url, received: part.len(), total }).is_break() {
            return Err(Trouble::Stopped);
        }
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => match (explain(error), total) {
                (Reason::Http { source }, Some(total)) if is_eof(&source) => {
                    return Err(Trouble::Remote(Reason::Truncated { received: part.len(), total }));
                }
                (reason, _) => return Err(Trouble::Remote(reason)),
            },
        };
        part.append(buffer.get(..count).unwrap_or_default()).map_err(Trouble::Disk)?;
    }
}

fn is_eof(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof)
}

fn reason(error: ureq::Error, options: &Options) -> Reason {
    let seconds = |limit: Duration| limit.as_secs_f32();
    match error {
        ureq::Error::StatusCode(code) => Reason::Status { code },
        ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
            Reason::ConnectTimeout { seconds: seconds(options.connect_timeout) }
        }
        ureq::Error::Timeout(_) => Reason::Stalled { seconds: seconds(options.stall_timeout) },
        other => Reason::Http { source: Box::new(other) },
    }
}

/// The path of a `file:` address, with `%20` and the like decoded.
pub fn file_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("file://").map(|rest| rest.strip_prefix("localhost").unwrap_or(rest))?;
    let mut bytes = Vec::new();
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let hex = |digit: Option<u8>| (digit? as char).to_digit(16);
        match (byte == b'%').then(|| Some(hex(ahead.next())? * 16 + hex(ahead.next())?)).flatten() {
            Some(code) => {
                bytes.push(code as u8);
                rest = ahead;
            }
            None => bytes.push(byte),
        }
    }
    Some(PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes)))
}

/// `Content-Range: bytes START-END/TOTAL`, or `bytes */TOTAL`.
#[derive(Default)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

fn content_range(headers: &HeaderMap) -> ContentRange {
    let parse = || {
        let (range, total) =
            headers.get(header::CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split_once('/')?;
        let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
        Some(ContentRange { start, total: total.parse().ok() })
    };
    parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_addresses_are_decoded() {
        assert_eq!(file_path("file:///a%20b/%C3%A4%zz%"), Some(PathBuf::from("/a b/ä%zz%")));
        assert_eq!(file_path("file://localhost/x"), Some(PathBuf::from("/x")));
        assert_eq!(file_path("https://example.org/x"), None);
    }
}
