//! Pages of the simple index: the files of a project, as JSON (PEP 691) or HTML (PEP 503).
//!
//! Addresses are relative to the page's own final address, or to its `<base>`. Hashes, Requires-Python (PEP 345), yanks (PEP 592), times
//! (PEP 700) and separate metadata (PEP 658, 714) are read from either. What is not understood is skipped,
//! since indexes may say more than is known here; a page that is no page at all is an error.

use memchr::memmem;
use serde::{Deserialize, Serialize};
use url::Url;

use super::error::PypiError;
use super::netrc::redacted;
use crate::hash::{Algorithm, Digest};

/// uv's `Accept`: JSON where it is served.
pub(super) const ACCEPT: &str =
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01";

/// A file of a project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub url: Url,
    /// Its SHA-256 (or another digest, where the index has no SHA-256), in base-16 behind the algorithm and `-`.
    pub digest: Option<String>,
    /// The versions of Python that it is for, as written.
    pub requires_python: Option<String>,
    /// Why it was withdrawn; empty where nobody says.
    pub yanked: Option<String>,
    /// When it was uploaded: RFC 3339.
    pub upload_time: Option<String>,
    /// Bytes.
    pub size: Option<u64>,
    /// The digest of its separate metadata; empty where the index only says that there is some.
    pub metadata: Option<String>,
}

impl File {
    /// Its digest.
    pub fn digest(&self) -> Option<Digest> {
        let (algorithm, hex) = self.digest.as_deref()?.split_once('-')?;
        parsed(algorithm, hex)
    }

    /// The digest of its separate metadata.
    pub fn metadata_digest(&self) -> Option<Digest> {
        let (algorithm, hex) = self.metadata.as_deref()?.split_once(['-', '='])?;
        parsed(algorithm, hex)
    }
}

fn parsed(algorithm: &str, hex: &str) -> Option<Digest> {
    let algorithm = Algorithm::parse(algorithm).ok()?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok()?;
    Digest::new(algorithm, &bytes).ok()
}

/// Reads a page of either kind, told by its content type.
pub fn parse(url: &Url, content_type: &str, body: &[u8]) -> Result<Vec<File>, PypiError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let bad = |reason: String| PypiError::Page { url: redacted(url), reason };
    match kind.as_str() {
        "application/vnd.pypi.simple.v1+json"
        | "application/vnd.pypi.simple.latest+json"
        | "application/json" => parse_json(url, body).map_err(bad),
        "application/vnd.pypi.simple.v1+html" | "application/vnd.pypi.simple.latest+html" | "text/html" => {
            parse_html(url, body).map_err(bad)
        }
        "" => Err(bad("the server does not say what it is".to_owned())),
        other => Err(bad(format!("its content is `{other}`"))),
    }
}

#[derive(Deserialize)]
struct JsonPage {
    files: Vec<JsonFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct JsonFile {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
    requires_python: Option<String>,
    yanked: Option<serde_json::Value>,
    upload_time: Option<String>,
    size: Option<u64>,
    core_metadata: Option<serde_json::Value>,
    dist_info_metadata: Option<serde_json::Value>,
}

fn parse_json(page: &Url, body: &[u8]) -> Result<Vec<File>, String> {
    let read: JsonPage = serde_json::from_slice(body).map_err(|error| format!("bad JSON: {error}"))?;
    let file = |file: JsonFile| {
        let chosen = ["sha256", "sha512", "sha1", "md5"]
            .iter()
            .find_map(|name| Some(format!("{name}-{}", file.hashes.get(*name)?)));
        let said = file.core_metadata.or(file.dist_info_metadata);
        let metadata = said.and_then(|said| match said {
            serde_json::Value::Bool(true) => Some(String::new()),
            serde_json::Value::Object(hashes) => {
                let hex = hashes.get("sha256").and_then(|hex| hex.as_str());
                Some(hex.map_or(String::new(), |hex| format!("sha256-{hex}")))
            }
            _ => None,
        });
        let yanked = file.yanked.and_then(|said| match said {
            serde_json::Value::Bool(true) => Some(String::new()),
            serde_json::Value::String(reason) => Some(reason),
            _ => None,
        });
        Some(File {
            url: page.join(&file.url).ok()?,
            name: file.filename,
            digest: chosen,
            requires_python: file.requires_python.filter(|text| !text.trim().is_empty()),
            yanked,
            upload_time: file.upload_time,
            size: file.size,
            metadata,
        })
    };
    Ok(read.files.into_iter().filter_map(file).collect())
}

fn parse_html(page: &Url, body: &[u8]) -> Result<Vec<File>, String> {
    let text = String::from_utf8_lossy(body);
    let mut base = page.clone();
    let mut files = Vec::new();
    let mut rest: &str = &text;
    let mut tags = 0;
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        rest = rest.get(at + 1..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("!--") {
            rest =
                memmem::find(comment.as_bytes(), b"-->").and_then(|end| comment.get(end + 3..)).unwrap_or("");
            continue;
        }
        let name_end =
            rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '!' && c != '/').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(name_end);
        tags += usize::from(!name.is_empty());
        let anchor = name.eq_ignore_ascii_case("a");
        if !anchor && !name.eq_ignore_ascii_case("base") {
            rest = behind;
            continue;
        }
        let (attributes, after) = attributes(behind);
        rest = after;
        let get = |wanted: &str| {
            attributes.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
        };
        let Some(link) = get("href") else { continue };
        if !anchor {
            if let Ok(url) = page.join(link) {
                base = url;
            }
            continue;
        }
        let Ok(mut url) = base.join(link) else { continue };
        let digest = url.fragment().and_then(|fragment| {
            fragment.split('&').find_map(|part| {
                let (algorithm, hex) = part.split_once('=')?;
                parsed(algorithm, hex).map(|_| format!("{algorithm}-{hex}"))
            })
        });
        url.set_fragment(None);
        let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let name = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
        if name.is_empty() {
            continue;
        }
        let metadata = get("data-core-metadata").or_else(|| get("data-dist-info-metadata"));
        files.push(File {
            name,
            url,
            digest,
            requires_python: get("data-requires-python").filter(|text| !text.trim().is_empty()).cloned(),
            yanked: get("data-yanked").cloned(),
            upload_time: get("data-upload-time").cloned(),
            size: get("data-size").and_then(|size| size.parse().ok()),
            metadata: metadata.filter(|said| *said != "false").map(|said| match said.split_once('=') {
                Some((algorithm, hex)) => format!("{algorithm}-{hex}"),
                None => String::new(),
            }),
        });
    }
    if tags == 0 && !text.trim().is_empty() {
        return Err("it is called HTML, but holds none".to_owned());
    }
    Ok(files)
}

/// The attributes of a tag, and what follows the tag.
fn attributes(text: &str) -> (Vec<(&str, String)>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (found, rest.get(1..).unwrap_or_default());
        }
        let end = rest
            .find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end.max(rest.chars().next().map_or(1, char::len_utf8)));
        let Some(value) = behind.trim_start().strip_prefix('=') else {
            found.push((name, String::new()));
            rest = behind;
            continue;
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, behind) = match quote {
            Some(quote) => {
                let inner = value.get(1..).unwrap_or_default();
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            None => value
                .split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len())),
        };
        found.push((name, unescaped(value)));
        rest = behind;
    }
}

/// A value with its character references (`&gt;`, `&#62;`) resolved.
fn unescaped(text: &str) -> String {
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        done.push_str(before);
        let end = behind.find(';').filter(|end| *end <= 8);
        let (name, after) = end.map_or(("", behind), |end| {
            (behind.get(..end).unwrap_or(""), behind.get(end + 1..).unwrap_or(""))
        });
        let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
        let character = match name {
            "lt" => Some('<'),
            "gt" => Some('>'),
            "amp" => Some('&'),
            "quot" => Some('"'),
            "apos" => Some('\''),
            _ => match name.strip_prefix('#') {
                Some(code) => match code.strip_prefix(['x', 'X']) {
                    Some(hex) => number(hex, 16),
                    None => number(code, 10),
                },
                None => None,
            },
        };
        match character {
            Some(character) => {
                done.push(character);
                rest = after;
            }
            None => {
                done.push('&');
                rest = behind;
            }
        }
    }
    done.push_str(rest);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Url {
        Url::parse("https://index.example/simple/a/").unwrap()
    }

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn html_and_json_say_the_same() {
        let html = format!(
            "<!DOCTYPE html>\n<!-- <a href=\"no.whl\">no</a> --><html><body><h1>Links</h1>\n<A  HREF='../../f/a-1.0-py3-none-any.whl#sha256={HEX}' \
             data-requires-python=\"&gt;=3.8,&lt;4\" data-yanked=\"bad &amp; old\" data-core-metadata=\"sha256={HEX}\" \
             data-upload-time=2024-01-02T03:04:05Z>a</A><br/>\n<a href=\"https://f.example/a-1.0%2Blocal.tar.gz\" data-yanked>x</a></body>"
        );
        let json = serde_json::json!({"meta": {"api-version": "1.1"}, "files": [
            {"filename": "a-1.0-py3-none-any.whl", "url": "/f/a-1.0-py3-none-any.whl", "hashes": {"md5": "x", "sha256": HEX},
             "requires-python": ">=3.8,<4", "yanked": "bad & old", "core-metadata": {"sha256": HEX}, "upload-time": "2024-01-02T03:04:05Z"},
            {"filename": "a-1.0+local.tar.gz", "url": "https://f.example/a-1.0%2Blocal.tar.gz", "hashes": {}, "yanked": true, "core-metadata": false}]});
        let from_html = parse(&page(), "text/html; charset=utf-8", html.as_bytes()).unwrap();
        let from_json =
            parse(&page(), "application/vnd.pypi.simple.v1+json", json.to_string().as_bytes()).unwrap();
        assert_eq!(from_html, from_json);
        assert_eq!(from_html.len(), 2);
        assert_eq!(from_html[0].url.as_str(), "https://index.example/f/a-1.0-py3-none-any.whl");
        assert_eq!(from_html[0].digest().unwrap(), Digest::sha256(b""));
        assert_eq!(from_html[0].metadata_digest().unwrap(), Digest::sha256(b""));
        assert_eq!(from_html[1].digest(), None);
    }

    #[test]
    fn a_base_moves_relative_addresses() {
        let html = b"<base href=\"https://files.example/x/\"><a href=\"a-1.tar.gz\">a</a>";
        assert_eq!(
            parse(&page(), "text/html", html).unwrap()[0].url.as_str(),
            "https://files.example/x/a-1.tar.gz"
        );
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for (kind, body, wanted) in [
            ("text/html", "just text", "called HTML"),
            ("application/vnd.pypi.simple.v1+json", "{\"files\": 1}", "bad JSON"),
            ("text/plain", "<a href=x>", "`text/plain`"),
            ("", "", "does not say"),
        ] {
            let error = parse(&page(), kind, body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains("https://index.example/simple/a/"), "{error}");
        }
    }

    #[test]
    fn broken_tags_end_and_do_not_hang() {
        for text in [
            "<a",
            "<a href",
            "<a href=",
            "<a href=\"x",
            "<a href='x' data-yanked=",
            "<a é=ü>",
            "<",
            "<a =\"x\">",
        ] {
            let _ = parse(&page(), "text/html", text.as_bytes());
        }
        assert_eq!(unescaped("a&b;&gt;&#x3E;&#62;&bad"), "a&b;>>>&bad");
    }
}
