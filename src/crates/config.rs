//! Which registry crates come from, by cargo's own configuration.
//!
//! As cargo has it: `.cargo/config.toml` of the working directory and of those above it, then that of `CARGO_HOME`; `CARGO_…` variables go
//! before all of them. `[source.crates-io] replace-with` is followed to a registry or to a directory of crates. `[mirrors] crates` of
//! hpcl's own settings goes before cargo's. With no setting at all it is the registry that cargo carries in itself.

use std::path::{Path, PathBuf};

use toml::{Table, Value};
use url::Url;

use super::error::RegistryError;

/// Reads an environment variable.
pub(super) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Longer chains of replacements lead in a circle.
const LONGEST_CHAIN: usize = 10;

/// Where crates are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A sparse index, its address ending in `/`.
    Sparse(Url),
    /// A directory with files `NAME-VERSION.crate`.
    Directory(PathBuf),
    /// Addresses of files, with `{crate}`, `{version}` and so on in them.
    Template(String),
}

/// Where to ask, and how to get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The places, in the order of asking.
    pub places: Vec<Place>,
    /// What a registry that wants to know who asks is told.
    pub token: Option<Token>,
    /// A proxy to use instead of the environment's.
    pub proxy: Option<String>,
    /// A file of certificates to trust instead of the system's.
    pub certificates: Option<PathBuf>,
}

/// A secret, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub(super) String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

impl Configuration {
    /// The configuration of this process' environment. `own` are the addresses of hpcl's settings, `cargo` is a program whose default is
    /// taken when nothing is set.
    pub fn of_host(own: &[String], cargo: Option<&Path>) -> Result<Configuration, RegistryError> {
        let environment = |name: &str| std::env::var(name).ok();
        let directory = std::env::current_dir().unwrap_or_else(|_| "/".into());
        Self::read(own, cargo, &environment, &directory)
    }

    /// As [`Configuration::of_host`], with another environment and another working directory.
    pub fn read(
        own: &[String],
        cargo: Option<&Path>,
        environment: &dyn Fn(&str) -> Option<String>,
        directory: &Path,
    ) -> Result<Configuration, RegistryError> {
        let variable = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let files = Files::read(&variable, directory)?;
        let (mut places, mut token) = (Vec::new(), None);
        for address in own {
            places.push(place(address, "`[mirrors] crates` of hpcl's settings")?);
        }
        if places.is_empty() {
            match files.source(&variable)? {
                Some((found, name)) => {
                    token = name.and_then(|name| files.token(&name, &variable));
                    places.push(found);
                }
                None => {
                    let default = super::carried::default_registry(cargo, &variable);
                    places.push(Place::Sparse(default.ok_or(RegistryError::NoRegistry)?));
                }
            }
        }
        let http = |key: &str| {
            variable(&format!("CARGO_HTTP_{}", key.to_uppercase())).or_else(|| files.text(&["http", key]))
        };
        Ok(Configuration {
            places,
            token,
            proxy: http("proxy"),
            certificates: http("cainfo").map(PathBuf::from),
        })
    }
}

/// cargo's files, those that go before others first.
struct Files(Vec<(PathBuf, Table)>);

impl Files {
    fn read(variable: &Environment<'_>, directory: &Path) -> Result<Files, RegistryError> {
        let home = variable("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| Some(Path::new(&variable("HOME")?).join(".cargo")));
        let mut folders: Vec<PathBuf> = directory.ancestors().map(|folder| folder.join(".cargo")).collect();
        folders.retain(|folder| Some(folder) != home.as_ref());
        folders.extend(home.clone());
        let mut found = Vec::new();
        for folder in &folders {
            // The name without an ending is the old one, and goes before the other.
            for name in ["config", "config.toml"] {
                found.extend(table_of(&folder.join(name))?);
            }
        }
        for name in ["credentials", "credentials.toml"] {
            found.extend(home.as_ref().map(|home| table_of(&home.join(name))).transpose()?.flatten());
        }
        Ok(Files(found))
    }

    /// The value of a key, and the file that has it.
    fn value(&self, keys: &[&str]) -> Option<(&Path, &Value)> {
        self.0.iter().find_map(|(path, table)| {
            let (first, rest) = keys.split_first()?;
            let value = rest.iter().try_fold(table.get(*first)?, |value, key| value.get(key))?;
            Some((path.as_path(), value))
        })
    }

    fn text(&self, keys: &[&str]) -> Option<String> {
        self.value(keys)?.1.as_str().map(str::to_owned)
    }

    /// The place that crates come from, and the name of the registry, where something else than cargo's default is set.
    fn source(&self, variable: &Environment<'_>) -> Result<Option<(Place, Option<String>)>, RegistryError> {
        let mut name = "crates-io".to_owned();
        for _ in 0..LONGEST_CHAIN {
            if let Some(next) = self.text(&["source", &name, "replace-with"]) {
                name = next;
                continue;
            }
            if let Some((path, value)) = self.value(&["source", &name, "local-registry"]) {
                // Relative to the directory in which `.cargo` lies.
                let base = path.parent().and_then(Path::parent).unwrap_or(Path::new("/"));
                let folder = base.join(value.as_str().unwrap_or_default());
                return Ok(Some((Place::Directory(folder), None)));
            }
            let setting = format!("`[source.{name}]` of cargo's configuration");
            for (kind, what) in [("directory", "a directory of unpacked crates"), ("git", "a git repository")]
            {
                if self.value(&["source", &name, kind]).is_some() {
                    let reason = format!("is {what}, which has no files to check by their SHA-256");
                    return Err(RegistryError::Setting { setting, reason });
                }
            }
            let upper = name.to_uppercase().replace('-', "_");
            let address = self
                .text(&["source", &name, "registry"])
                .or_else(|| variable(&format!("CARGO_REGISTRIES_{upper}_INDEX")))
                .or_else(|| self.text(&["registries", &name, "index"]));
            return match address {
                Some(address) => Ok(Some((place(&address, &setting)?, Some(name)))),
                None if name == "crates-io" => Ok(None),
                None => {
                    let reason = "is named by a `replace-with`, and is not there".to_owned();
                    Err(RegistryError::Setting { setting, reason })
                }
            };
        }
        let setting = "`[source]` of cargo's configuration".to_owned();
        Err(RegistryError::Setting { setting, reason: "leads in a circle by its `replace-with`".to_owned() })
    }

    fn token(&self, name: &str, variable: &Environment<'_>) -> Option<Token> {
        let upper = name.to_uppercase().replace('-', "_");
        variable(&format!("CARGO_REGISTRIES_{upper}_TOKEN"))
            .or_else(|| self.text(&["registries", name, "token"]))
            .map(Token)
    }
}

fn table_of(path: &Path) -> Result<Option<(PathBuf, Table)>, RegistryError> {
    let failed = |reason: String| RegistryError::Configuration { path: path.to_owned(), reason };
    match std::fs::read_to_string(path) {
        Ok(text) => match toml::from_str(&text) {
            Ok(table) => Ok(Some((path.to_owned(), table))),
            Err(error) => Err(failed(error.message().to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(failed(error.to_string())),
        Err(_) => Ok(None),
    }
}

/// The place that an address of a setting means.
fn place(text: &str, setting: &str) -> Result<Place, RegistryError> {
    let text = text.trim();
    let bad = |reason: String| RegistryError::Setting { setting: setting.to_owned(), reason };
    if text.contains('{') {
        return Ok(Place::Template(text.to_owned()));
    }
    if text.starts_with('/') {
        return Ok(Place::Directory(text.into()));
    }
    let sparse = text.strip_prefix("sparse+");
    let mut url =
        Url::parse(sparse.unwrap_or(text)).map_err(|error| bad(format!("is no address: {error}")))?;
    match url.scheme() {
        "file" => {
            let path = url.to_file_path().map_err(|()| bad("is no directory of this machine".to_owned()))?;
            Ok(Place::Directory(path))
        }
        "https" | "http" if sparse.is_some() || setting.contains("hpcl") => {
            let path = format!("{}/", url.path().trim_end_matches('/'));
            url.set_path(&path);
            Ok(Place::Sparse(url))
        }
        "https" | "http" => {
            Err(bad("is an index in git, which is not asked: a sparse one begins with `sparse+`".to_owned()))
        }
        other => Err(bad(format!("is an address of the kind `{other}:`, which cannot be asked"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    struct Machine {
        root: tempfile::TempDir,
        variables: BTreeMap<&'static str, String>,
    }

    impl Machine {
        fn new() -> Machine {
            let root = tempfile::tempdir().unwrap();
            let home = root.path().join("home").display().to_string();
            std::fs::create_dir_all(root.path().join("home/work/deep")).unwrap();
            Machine { root, variables: BTreeMap::from([("HOME", home), ("PATH", String::new())]) }
        }

        fn write(&self, name: &str, text: &str) -> &Self {
            let path = self.root.path().join("home").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
            self
        }

        fn read(&self, own: &[&str]) -> Result<Configuration, RegistryError> {
            let own: Vec<String> = own.iter().map(|text| (*text).to_owned()).collect();
            let directory = self.root.path().join("home/work/deep");
            Configuration::read(&own, None, &|name| self.variables.get(name).cloned(), &directory)
        }

        fn place(&self) -> String {
            format!("{:?}", self.read(&[]).unwrap().places)
        }

        fn error(&self) -> String {
            self.read(&[]).unwrap_err().to_string()
        }
    }

    #[test]
    fn files_are_read_in_cargos_order() {
        let mut machine = Machine::new();
        let source = |host: &str| {
            format!(
                "[source.crates-io]\nreplace-with = 'm'\n[source.m]\nregistry = 'sparse+https://{host}/i'\n"
            )
        };
        machine
            .write(".cargo/config.toml", &(source("home.example") + "[http]\nproxy = 'p:1'\ncainfo = '/c'"));
        assert!(machine.place().contains("home.example"));
        machine.write("work/.cargo/config.toml", &source("above.example"));
        assert!(machine.place().contains("above.example"));
        machine.write("work/deep/.cargo/config.toml", "[source.crates-io]\nreplace-with = 'two-words'\n");
        machine.write(".cargo/credentials.toml", "[registries.two-words]\ntoken = 'secret'\n");
        machine
            .variables
            .insert("CARGO_REGISTRIES_TWO_WORDS_INDEX", "sparse+https://variable.example".into());
        let read = machine.read(&[]).unwrap();
        assert_eq!(read.places, [Place::Sparse(Url::parse("https://variable.example/").unwrap())]);
        assert_eq!((read.proxy.as_deref(), read.certificates.clone()), (Some("p:1"), Some("/c".into())));
        assert_eq!(read.token, Some(Token("secret".into())));
        assert!(!format!("{read:?}").contains("secret"));
        let own = machine.read(&["https://own.example/i", "https://{crate}.example/{version}"]).unwrap();
        assert_eq!((own.places.len(), own.token), (2, None));
    }

    #[test]
    fn a_local_registry_is_relative_to_its_configuration() {
        let machine = Machine::new();
        let text = "[source.crates-io]\nreplace-with = 'l'\n[source.l]\nlocal-registry = 'crates'\n";
        machine.write("work/.cargo/config.toml", text);
        let wanted = machine.root.path().join("home/work/crates");
        assert_eq!(machine.read(&[]).unwrap().places, [Place::Directory(wanted)]);
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let machine = Machine::new();
        assert!(matches!(machine.read(&[]), Err(RegistryError::NoRegistry)));
        for (text, wanted) in [
            ("[source.crates-io]\nreplace-with = 'a'\n[source.a]\nreplace-with = 'crates-io'", "in a circle"),
            ("[source.crates-io]\nreplace-with = 'a'", "`[source.a]` of cargo's configuration is named"),
            ("[source.crates-io]\nreplace-with = 'a'\n[source.a]\ndirectory = 'v'", "unpacked crates"),
            ("[source.crates-io]\nreplace-with = 'a'\n[source.a]\nregistry = 'https://h.example'", "in git"),
            ("[source.crates-io]\nreplace-with = 'a'\n[source.a]\nregistry = 'no'", "is no address"),
            ("[source", "cannot read cargo's configuration"),
        ] {
            machine.write(".cargo/config.toml", text);
            assert!(machine.error().contains(wanted), "{}", machine.error());
        }
    }
}
