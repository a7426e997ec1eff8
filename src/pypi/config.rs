//! Which indexes to ask, by pip's own configuration.
//!
//! As pip has it: files (those for all users, the user's, the environment's, that of `PIP_CONFIG_FILE`), in each the section `[global]` and
//! then `[install]`; then `PIP_…` variables. Beside that `UV_DEFAULT_INDEX` and its like, and `[mirrors] pypi` of hpcl's own
//! settings. An address on the command line goes before all. With no setting at all the installed pip's default is taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use url::Url;

use super::error::PypiError;
use super::ini;
use super::netrc::Credentials;

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The index to ask instead of the configured one.
    pub index_url: Option<String>,
    /// Indexes to ask beside it.
    pub extra_index_urls: Vec<String>,
}

/// Where packages are and how to get there.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The indexes, in the order of asking; addresses end in `/` and have no credentials.
    pub indexes: Vec<Url>,
    /// Directories and pages with further files.
    pub find_links: Vec<String>,
    /// A file of certificates to trust instead of the system's.
    pub certificates: Option<PathBuf>,
    /// A proxy to use instead of the environment's.
    pub proxy: Option<String>,
    /// Hosts whose certificates are not looked at.
    pub trusted_hosts: Vec<String>,
    /// How often a request that failed is made again.
    pub retries: u32,
    /// Whether pre-releases are as good as others.
    pub pre: bool,
    pub(super) credentials: Credentials,
}

/// Reads an environment variable.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// pip's own default for `retries`.
const RETRIES: u32 = 5;

impl Configuration {
    /// The configuration of this process' environment; `own` are the addresses of hpcl's settings.
    pub fn of_host(choice: &Choice, own: &[String]) -> Result<Configuration, PypiError> {
        let environment = |name: &str| std::env::var(name).ok();
        Self::read(choice, own, &environment, Path::new("/"))
    }

    /// As [`Configuration::of_host`], with another environment and another root of the file system.
    pub fn read(
        choice: &Choice,
        own: &[String],
        environment: &Environment<'_>,
        root: &Path,
    ) -> Result<Configuration, PypiError> {
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let settings = settings(&variable, root)?;
        let get = |key: &str| settings.get(key).map(|(value, _)| value.as_str());
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let switched_off = get("no-index").is_some_and(is_true);

        let first = [
            choice.index_url.clone().map(|url| (url, "`--index-url`".to_owned())),
            variable("PIP_INDEX_URL").map(|url| (url, "`PIP_INDEX_URL`".to_owned())),
            variable("UV_DEFAULT_INDEX").map(|url| (url, "`UV_DEFAULT_INDEX`".to_owned())),
            variable("UV_INDEX_URL").map(|url| (url, "`UV_INDEX_URL`".to_owned())),
            own.first().cloned().map(|url| (url, "`[mirrors] pypi` of the settings".to_owned())),
            settings.get("index-url").or_else(|| settings.get("pypi-url")).cloned(),
        ];
        let mut credentials = Credentials::default();
        let mut indexes: Vec<Url> = Vec::new();
        let mut add = |url: &str, setting: &str| -> Result<(), PypiError> {
            let mut url = address(url, setting)?;
            credentials.take(&mut url);
            if !indexes.contains(&url) {
                indexes.push(url);
            }
            Ok(())
        };
        if !switched_off || choice.index_url.is_some() {
            match first.into_iter().flatten().next() {
                Some((url, setting)) => add(&url, &setting)?,
                None => {
                    if let Some(url) = super::default_index::default_index(&variable) {
                        add(url.as_str(), "pip's default")?;
                    }
                }
            }
            let more = [
                (choice.extra_index_urls.clone(), "`--extra-index-url`"),
                (own.get(1..).unwrap_or_default().to_vec(), "`[mirrors] pypi` of the settings"),
                (get("extra-index-url").map(words).unwrap_or_default(), "`extra-index-url`"),
                (variable("UV_INDEX").as_deref().map(words).unwrap_or_default(), "`UV_INDEX`"),
                (
                    variable("UV_EXTRA_INDEX_URL").as_deref().map(words).unwrap_or_default(),
                    "`UV_EXTRA_INDEX_URL`",
                ),
            ];
            // One who names an index on the command line means that one.
            let beside = if choice.index_url.is_some() { 1 } else { more.len() };
            for (urls, setting) in more.iter().take(beside) {
                for url in urls {
                    // uv allows `NAME=ADDRESS`.
                    let url = url
                        .split_once('=')
                        .filter(|(name, _)| !name.contains(':'))
                        .map_or(url.as_str(), |(_, url)| url);
                    add(url, setting)?;
                }
            }
        }
        let find_links = get("find-links").map(words).unwrap_or_default();
        if indexes.is_empty() && find_links.is_empty() {
            return Err(if switched_off { PypiError::SwitchedOff } else { PypiError::NoIndex });
        }
        let netrc = variable("NETRC")
            .map(PathBuf::from)
            .or_else(|| variable("HOME").map(|home| Path::new(&home).join(".netrc")));
        if let Some(text) = netrc.and_then(|path| std::fs::read_to_string(path).ok()) {
            credentials.add_netrc(&text);
        }
        let bundle = get("cert").map(str::to_owned);
        let bundle = bundle.or_else(|| variable("REQUESTS_CA_BUNDLE")).or_else(|| variable("CURL_CA_BUNDLE"));
        Ok(Configuration {
            indexes,
            find_links,
            certificates: bundle.map(|path| expand(&path, &variable)),
            proxy: get("proxy").map(str::to_owned),
            trusted_hosts: get("trusted-host").map(words).unwrap_or_default(),
            retries: get("retries").and_then(|count| count.parse().ok()).unwrap_or(RETRIES),
            pre: get("pre").is_some_and(is_true),
            credentials,
        })
    }
}

type Settings = BTreeMap<String, (String, String)>;

/// All of pip's settings with the place that said each.
fn settings(variable: &Environment<'_>, root: &Path) -> Result<Settings, PypiError> {
    let (mut global, mut install) = (Settings::new(), Settings::new());
    for path in files(variable, root) {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) =>
            {
                continue;
            }
            Err(error) => return Err(PypiError::Configuration { path, reason: error.to_string() }),
        };
        let sections = ini::parse(&String::from_utf8_lossy(&bytes))
            .map_err(|reason| PypiError::Configuration { path: path.clone(), reason })?;
        for (name, into) in [("global", &mut global), ("install", &mut install)] {
            for (key, value) in sections.get(name).into_iter().flatten() {
                into.insert(key.clone(), (value.clone(), format!("`{key}` of `{}`", path.display())));
            }
        }
    }
    global.append(&mut install);
    for key in [
        "index-url",
        "extra-index-url",
        "no-index",
        "cert",
        "proxy",
        "trusted-host",
        "retries",
        "find-links",
        "pre",
    ] {
        let name = format!("PIP_{}", key.to_uppercase().replace('-', "_"));
        if let Some(value) = variable(&name) {
            global.insert(key.to_owned(), (value, format!("`{name}`")));
        }
    }
    Ok(global)
}

/// pip's configuration files, later ones before earlier ones.
fn files(variable: &Environment<'_>, root: &Path) -> Vec<PathBuf> {
    let named = variable("PIP_CONFIG_FILE");
    if named.as_deref() == Some("/dev/null") {
        return Vec::new();
    }
    let mut files = Vec::new();
    let system = variable("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".to_owned());
    for folder in system.split(':').filter(|folder| !folder.is_empty()) {
        files.push(root.join(folder.trim_start_matches('/')).join("pip/pip.conf"));
    }
    files.push(root.join("etc/pip.conf"));
    let home = variable("HOME").map(PathBuf::from);
    if !named.as_ref().is_some_and(|path| Path::new(path).exists()) {
        files.extend(home.as_ref().map(|home| home.join(".pip/pip.conf")));
        let own = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        files.extend(own.or_else(|| Some(home?.join(".config"))).map(|own| own.join("pip/pip.conf")));
    }
    files.extend(variable("VIRTUAL_ENV").map(|folder| Path::new(&folder).join("pip.conf")));
    files.extend(named.map(PathBuf::from));
    files
}

/// An index's address, ending in `/`; a directory of this machine may stand for one.
fn address(text: &str, setting: &str) -> Result<Url, PypiError> {
    let text = text.trim();
    let parsed = if text.starts_with('/') {
        Url::from_directory_path(text).map_err(|()| "it is no path".to_owned())
    } else {
        Url::parse(text).map_err(|error| error.to_string())
    };
    let checked = parsed.and_then(|url| match url.scheme() {
        "https" | "http" | "file" => Ok(url),
        other => Err(format!("`{other}:` is not supported")),
    });
    let mut url = checked.map_err(|reason| PypiError::Address {
        value: text.rsplit_once('@').map_or(text, |(_, rest)| rest).to_owned(),
        setting: setting.to_owned(),
        reason,
    })?;
    let path = format!("{}/", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// A truth value as pip reads it.
fn is_true(text: &str) -> bool {
    matches!(text.trim().to_lowercase().as_str(), "y" | "yes" | "t" | "true" | "on" | "1")
}

fn expand(path: &str, variable: &Environment<'_>) -> PathBuf {
    match (path.strip_prefix("~/"), variable("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        root: tempfile::TempDir,
        variables: BTreeMap<&'static str, String>,
    }

    impl Machine {
        fn new() -> Machine {
            let root = tempfile::tempdir().unwrap();
            let home = root.path().join("home").display().to_string();
            Machine { root, variables: BTreeMap::from([("HOME", home), ("PATH", String::new())]) }
        }

        fn write(&self, name: &str, text: &str) -> &Self {
            let path = self.root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }

        fn read(&self, choice: &Choice, own: &[String]) -> Result<Configuration, PypiError> {
            Configuration::read(choice, own, &|name| self.variables.get(name).cloned(), self.root.path())
        }

        fn indexes(&self) -> Vec<String> {
            self.read(&Choice::default(), &[]).unwrap().indexes.iter().map(Url::to_string).collect()
        }
    }

    #[test]
    fn files_are_read_in_pips_order() {
        let mut machine = Machine::new();
        machine.write(
            "etc/pip.conf",
            "[global]\nindex-url = https://all.example/simple\ncert = /c.pem\nretries=2",
        );
        assert_eq!(machine.indexes(), ["https://all.example/simple/"]);
        machine.write("home/.config/pip/pip.conf", "[global]\nindex_url = https://user.example/simple/");
        assert_eq!(machine.indexes(), ["https://user.example/simple/"]);
        machine.write("home/.pip/pip.conf", "[install]\nindex-url = https://install.example/");
        assert_eq!(machine.indexes(), ["https://install.example/"]);
        let file = machine.root.path().join("own.conf");
        machine.variables.insert("PIP_CONFIG_FILE", file.display().to_string());
        machine.write(
            "own.conf",
            "[global]\nindex-url = https://named.example/\nextra-index-url =\n  https://x.example/s",
        );
        assert_eq!(machine.indexes(), ["https://named.example/", "https://x.example/s/"]);
        machine.variables.insert("PIP_INDEX_URL", "https://variable.example/s".into());
        assert_eq!(machine.indexes(), ["https://variable.example/s/", "https://x.example/s/"]);
        let read = machine.read(&Choice::default(), &[]).unwrap();
        assert_eq!((read.retries, read.certificates), (2, Some("/c.pem".into())));
        let choice = Choice { index_url: Some("https://chosen.example".into()), ..Choice::default() };
        let chosen = machine.read(&choice, &["https://own.example".into()]).unwrap().indexes;
        assert_eq!(chosen.iter().map(Url::as_str).collect::<Vec<_>>(), ["https://chosen.example/"]);
    }

    #[test]
    fn own_settings_go_before_pips_files() {
        let machine = Machine::new();
        machine.write("etc/pip.conf", "[global]\nindex-url = https://all.example/simple");
        let read = machine.read(&Choice::default(), &["https://own.example/a".into()]).unwrap();
        assert_eq!(read.indexes[0].as_str(), "https://own.example/a/");
    }

    #[test]
    fn credentials_leave_the_address() {
        let mut machine = Machine::new();
        machine.variables.insert("PIP_INDEX_URL", "https://me:secret@index.example/simple".into());
        let read = machine.read(&Choice::default(), &[]).unwrap();
        assert!(!format!("{read:?}").contains("secret"));
        assert!(read.credentials.header(&read.indexes[0]).is_some());
    }

    #[test]
    fn bad_settings_are_named() {
        let mut machine = Machine::new();
        machine.variables.insert("PIP_INDEX_URL", "me:secret@index".into());
        let error = machine.read(&Choice::default(), &[]).unwrap_err().to_string();
        assert!(error.contains("`PIP_INDEX_URL`") && !error.contains("secret"), "{error}");
        machine.variables.insert("PIP_NO_INDEX", "1".into());
        machine.variables.remove("PIP_INDEX_URL");
        assert!(matches!(machine.read(&Choice::default(), &[]), Err(PypiError::SwitchedOff)));
        machine.write("etc/pip.conf", "nonsense");
        let error = machine.read(&Choice::default(), &[]).unwrap_err().to_string();
        assert!(error.ends_with("line 1: a setting before the first `[section]`"), "{error}");
    }
}
