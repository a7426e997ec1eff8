//! Reads from a host's apt configuration where the Debian archive is.
//!
//! Sources are written in two styles, both in use: one line (`deb [options] URI SUITE COMPONENT…`, sources.list(5)) and
//! deb822 stanzas (`*.sources`). Only entries for the archive itself count: component `main` and a suite named after a Debian
//! release. Mirrors of the security and update suites come last, since old files leave them. Of apt.conf only the two
//! proxies are read.
//!
//! Invariant: a file that cannot be read or understood adds nothing; it is not ours to complain about.

use std::fs;
use std::path::{Path, PathBuf};

/// What apt's configuration says about the Debian archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AptConfig {
    /// Addresses of archive mirrors without a slash at the end, the best first.
    pub mirrors: Vec<String>,
    /// `Acquire::http::Proxy`, unless it is `DIRECT`.
    pub http_proxy: Option<String>,
    /// `Acquire::https::Proxy`, unless it is `DIRECT`.
    pub https_proxy: Option<String>,
}

/// An entry of either style, for one address.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

/// Names of Debian releases. Suites such as `stable` say nothing: other archives use them too.
const CODENAMES: [&str; 9] =
    ["stretch", "buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid", "experimental"];
const ALIASES: [&str; 5] = ["stable", "oldstable", "oldoldstable", "testing", "unstable"];

impl AptConfig {
    /// Reads the configuration below a directory, on Debian systems `/etc/apt`.
    pub fn read(directory: &Path) -> AptConfig {
        let mut entries = one_line(&text(&directory.join("sources.list")));
        for file in listing(&directory.join("sources.list.d")) {
            match file.extension().and_then(|e| e.to_str()) {
                Some("list") => entries.extend(one_line(&text(&file))),
                Some("sources") => entries.extend(deb822(&text(&file))),
                _ => {}
            }
        }
        let mut config = AptConfig { mirrors: rank(&entries), ..AptConfig::default() };
        let mut files = listing(&directory.join("apt.conf.d"));
        files.push(directory.join("apt.conf"));
        for (name, value) in files.iter().flat_map(|file| settings(&text(file))) {
            let value = (!value.is_empty() && !value.eq_ignore_ascii_case("direct")).then_some(value);
            match name.to_ascii_lowercase().as_str() {
                "acquire::http::proxy" => config.http_proxy = value,
                "acquire::https::proxy" => config.https_proxy = value,
                _ => {}
            }
        }
        config
    }
}

fn text(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn listing(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Entries in the one-line style.
fn one_line(text: &str) -> Vec<Entry> {
    let parse = |line: &str| {
        let line = line.split('#').next()?.trim();
        let rest = line.strip_prefix("deb ").or_else(|| line.strip_prefix("deb\t"))?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = words(rest).into_iter();
        Some(Entry { uri: words.next()?, suites: vec![words.next()?], components: words.collect() })
    };
    text.lines().filter_map(parse).collect()
}

/// Entries in the deb822 style: stanzas of `Field: value`, continued by indented lines.
fn deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut fields: Vec<(String, String)> = Vec::new();
    let lines = text.lines().filter(|line| !line.starts_with('#')).chain([""]);
    for line in lines {
        if line.trim().is_empty() {
            entries.extend(stanza(&std::mem::take(&mut fields)));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    entries
}

fn stanza(fields: &[(String, String)]) -> Vec<Entry> {
    let field = |name: &str| fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
    let off = ["no", "false", "without", "off", "disable"]
        .contains(&field("enabled").to_ascii_lowercase().as_str());
    if off || !words(field("types")).iter().any(|kind| kind == "deb") {
        return Vec::new();
    }
    let (suites, components) = (words(field("suites")), words(field("components")));
    let entry = |uri: String| Entry { uri, suites: suites.clone(), components: components.clone() };
    words(field("uris")).into_iter().map(entry).collect()
}

/// The addresses of the archive among the entries, the best first, each once.
fn rank(entries: &[Entry]) -> Vec<String> {
    let mut ranked: Vec<(u8, String)> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.components.iter().any(|c| c == "main")) {
        let Some(rank) = entry.suites.iter().filter_map(|suite| suite_rank(suite, &entry.uri)).min() else {
            continue;
        };
        let addresses = match entry.uri.strip_prefix("mirror+file:") {
            // A file of addresses, one a line, with optional properties behind a tab (apt-transport-mirror(1)).
            Some(file) => {
                let list = text(Path::new(file.trim_start_matches("//")));
                list.lines().filter_map(|l| l.split_whitespace().next()).map(str::to_owned).collect()
            }
            None => vec![entry.uri.clone()],
        };
        for address in addresses {
            let known = ["http://", "https://", "file:/"].iter().any(|scheme| address.starts_with(scheme));
            let address = address.trim_end_matches('/').to_owned();
            if known && !ranked.iter().any(|(_, a)| *a == address) {
                ranked.push((rank, address));
            }
        }
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, address)| address).collect()
}

/// 0 for the archive, 1 for what may be a mirror of it, 2 for security and updates; `None` for other archives.
fn suite_rank(suite: &str, uri: &str) -> Option<u8> {
    let (release, kind) = suite.split_once(['-', '/']).map_or((suite, ""), |(release, kind)| (release, kind));
    let named_debian = uri.trim_end_matches('/').ends_with("/debian");
    let ours = CODENAMES.contains(&release) || (named_debian && ALIASES.contains(&release));
    match kind {
        _ if !ours => None,
        "" if named_debian => Some(0),
        "" => Some(1),
        "updates" | "security" | "proposed-updates" | "backports" => Some(2),
        _ => None,
    }
}

/// The settings of an apt.conf(5) text as `Scope::Name` and value.
fn settings(text: &str) -> Vec<(String, String)> {
    let (mut scopes, mut found) = (Vec::new(), Vec::new());
    let (mut name, mut value) = (String::new(), None);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => {
                let inner = rest.get(1..).unwrap_or("");
                let length = inner.find('"').unwrap_or(inner.len());
                value = inner.get(..length).map(str::to_owned);
                (length + 2).min(rest.len())
            }
            '{' => {
                scopes.push(std::mem::take(&mut name));
                1
            }
            '}' | ';' => {
                if let Some(value) = value.take() {
                    let full: Vec<&str> = scopes.iter().map(String::as_str).chain([name.as_str()]).collect();
                    found.push((full.join("::"), value));
                }
                name.clear();
                if first == '}' {
                    scopes.pop();
                }
                1
            }
            c if c.is_whitespace() => c.len_utf8(),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "{};\"".contains(c)).unwrap_or(rest.len());
                name = rest.get(..end).unwrap_or("").to_owned();
                end
            }
        };
        rest = rest.get(end..).unwrap_or("");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> AptConfig {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content.replace("@DIR@", dir.path().to_str().unwrap())).unwrap();
        }
        AptConfig::read(dir.path())
    }

    #[test]
    fn reads_one_line_sources() {
        let config = read(&[(
            "sources.list",
            "# deb http://commented.example.org/debian bookworm main\n\
             deb http://security.example.org/debian-security bookworm-security main\n\
             deb [ arch=amd64 signed-by=/usr/share/k.gpg ] https://first.example.org/debian/ bookworm main contrib # near\n\
             deb-src http://sources.example.org/debian bookworm main\n\
             deb\thttp://second.example.org/debian bookworm contrib\n\
             deb http://third.example.org/pub/linux/mirror trixie main\n\
             deb cdrom:[Debian] bookworm main\n\
             deb ftp://old.example.org/debian bookworm main\n\
             deb [broken http://x.example.org/debian bookworm main\n\
             deb http://short.example.org/debian\n",
        )]);
        assert_eq!(
            config.mirrors,
            [
                "https://first.example.org/debian",
                "http://third.example.org/pub/linux/mirror",
                "http://security.example.org/debian-security",
            ]
        );
    }

    #[test]
    fn reads_deb822_sources() {
        let config = read(&[(
            "sources.list.d/debian.sources",
            "# A comment\nTypes: deb deb-src\n# inside\nURIs: http://a.example.org/debian\n  http://b.example.org/debian\n\
             Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /usr/share/k.gpg\n\n\
             Types: deb\nURIs: http://a.example.org/debian-security/\nSuites: bookworm-security\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example.org/debian\nSuites: bookworm\nComponents: main\n\n\
             Types: deb-src\nURIs: http://src.example.org/debian\nSuites: bookworm\nComponents: main\n",
        )]);
        assert_eq!(
            config.mirrors,
            [
                "http://a.example.org/debian",
                "http://b.example.org/debian",
                "http://a.example.org/debian-security"
            ]
        );
    }

    #[test]
    fn other_archives_do_not_count() {
        let config = read(&[
            ("sources.list.d/a.list", "deb https://tools.example.org/apt stable main\n"),
            ("sources.list.d/b.list", "deb https://db.example.org/apt bookworm-pgdg main\n"),
            ("sources.list.d/c.list", "deb https://ubuntu.example.org/ubuntu noble main\n"),
            ("sources.list.d/d.list", "deb https://alias.example.org/debian stable main\n"),
            ("sources.list.d/e.list.bak", "deb https://backup.example.org/debian bookworm main\n"),
        ]);
        assert_eq!(config.mirrors, ["https://alias.example.org/debian"]);
    }

    #[test]
    fn follows_a_file_of_mirrors() {
        let config = read(&[
            ("sources.list", "deb mirror+file:@DIR@/mirrors.txt bookworm main\n"),
            ("mirrors.txt", "https://a.example.org/debian/\tpriority:1\nhttps://b.example.org/debian\n"),
        ]);
        assert_eq!(config.mirrors, ["https://a.example.org/debian", "https://b.example.org/debian"]);
    }

    #[test]
    fn reads_proxies_flat_and_nested() {
        let flat = "// note \"x\"\nAcquire::http::Proxy \"http://proxy.example.org:3128\"; # end\nAcquire::Retries \"3\";\n";
        let nested = "Acquire { /* two */ http { Proxy \"http://late.example.org:1\"; }; https { proxy \"DIRECT\"; } };";
        let config = read(&[("apt.conf.d/10proxy", flat)]);
        assert_eq!(config.http_proxy.as_deref(), Some("http://proxy.example.org:3128"));
        let config = read(&[("apt.conf.d/10proxy", flat), ("apt.conf", nested)]);
        assert_eq!(
            (config.http_proxy.as_deref(), config.https_proxy),
            (Some("http://late.example.org:1"), None)
        );
    }

    #[test]
    fn a_host_without_apt_has_no_mirror() {
        assert_eq!(AptConfig::read(Path::new("/nonexistent")), AptConfig::default());
    }
}
