//! The user's settings file, `$XDG_CONFIG_HOME/hpcl/config.toml`.
//!
//! ```toml
//! [mirrors]
//! debian = ["https://mirror.example.org/debian"]
//! gnu = ["https://mirror.example.org/gnu"]
//!
//! [fetch]
//! connect-timeout = 10   # seconds until a server must have answered
//! stall-timeout = 30     # seconds without a byte until it is given up
//!
//! [archive]                        # where sources that vanished are looked up by their hashes
//! endpoint = "https://archive.example.org"                                # serves Software Heritage's API
//! mirrors = ["https://files.example.org/{name}/sha256/{base32}"]          # also {base16}; asked first
//!
//! [substitutes]
//! caches = ["https://cache.example.org"]
//!
//! [s3]                             # for caches at s3://BUCKET/PREFIX
//! endpoint = "https://objects.example.org"
//! region = "eu"
//! profile = "cluster"              # of ~/.aws/credentials
//!
//! [store]
//! layers = ["/cluster/software"]   # read-only stores below the user's own; HPCL_STORE_LAYERS goes before
//!
//! [providers]                      # what provides an interface where nobody says
//! mpi = "mpich"
//! ```
//!
//! A missing file means that everything is at its default; a file that cannot be understood is an error, for a setting that is silently
//! ignored costs more than a message. Tables of other parts of the program may lie beside this one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there but cannot be read.
    #[error("cannot read settings `{}`", path.display())]
    Read {
        /// The settings file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not TOML, or a value is of the wrong type.
    #[error("settings `{}` are not well-formed", path.display())]
    Malformed {
        /// The settings file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
}

/// What the user set.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Settings {
    /// Addresses for `mirror://NAME/…`, which are tried before all others.
    #[serde(default)]
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// How patient to be.
    #[serde(default)]
    pub fetch: Patience,
    /// Where sources that vanished are looked up.
    #[serde(default)]
    pub archive: Archive,
    /// Binary caches.
    #[serde(default)]
    pub substitutes: Substitutes,
    /// The store.
    #[serde(default)]
    pub store: Stores,
    /// Which package provides an interface, such as `mpi`, where recipes and commands do not say.
    #[serde(default)]
    pub providers: BTreeMap<String, String>,
    /// Object storage.
    #[serde(default)]
    pub s3: ObjectStorage,
}

/// The table `[s3]`: what addresses of caches that begin with `s3:` do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectStorage {
    /// The server's address, where it is not Amazon's.
    pub endpoint: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The profile of `~/.aws/credentials` and `~/.aws/config`.
    pub profile: Option<String>,
}

/// The table `[store]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stores {
    /// Read-only stores below the user's own, in the order of looking, named as `HPCL_STORE` names a store.
    #[serde(default)]
    pub layers: Vec<PathBuf>,
}

/// The table `[archive]`: where files are looked up by their hashes when no address of theirs delivers them.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// The address of a server with Software Heritage's API.
    pub endpoint: Option<String>,
    /// Addresses with `{name}`, and `{base32}` or `{base16}` of the SHA-256.
    #[serde(default)]
    pub mirrors: Vec<String>,
}

/// The table `[substitutes]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitutes {
    /// Binary caches, in the order of asking: `https:`, `http:`, `file:` addresses.
    #[serde(default)]
    pub caches: Vec<String>,
}

/// The table `[fetch]`: limits in whole seconds, at least 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Patience {
    /// Until a connection must stand.
    pub connect_timeout: Option<NonZeroU32>,
    /// Until the next bytes must come.
    pub stall_timeout: Option<NonZeroU32>,
}

impl Settings {
    /// Where the settings file lies: below `$XDG_CONFIG_HOME`, else `~/.config`; `None` without a home.
    pub fn path() -> Option<PathBuf> {
        path_from(env::var_os("XDG_CONFIG_HOME"), env::var_os("HOME"))
    }

    /// The user's settings.
    pub fn load() -> Result<Settings, SettingsError> {
        Self::path().map_or_else(|| Ok(Settings::default()), |path| Self::read(&path))
    }

    /// The settings in a file; the defaults when it does not exist.
    pub fn read(path: &Path) -> Result<Settings, SettingsError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Settings::default());
            }
            Err(source) => return Err(SettingsError::Read { path: path.to_owned(), source }),
        };
        toml::from_str(&text)
            .map_err(|source| SettingsError::Malformed { path: path.to_owned(), source: Box::new(source) })
    }
}

/// The XDG base directory specification: a relative or empty value counts as unset.
fn path_from(config_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(config_home).or_else(|| absolute(home).map(|home| home.join(".config")))?;
    Some(base.join("hpcl/config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_mirrors_and_ignores_other_tables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        assert_eq!(Settings::read(&path).unwrap(), Settings::default());
        fs::write(&path, "[mirrors]\ndebian = [\"https://a.example.org/debian\"]\n[other]\nx = 1\n[fetch]\nstall-timeout = 5\n").unwrap();
        let settings = Settings::read(&path).unwrap();
        assert_eq!(settings.mirrors["debian"], ["https://a.example.org/debian"]);
        assert_eq!(settings.fetch.stall_timeout.map(NonZeroU32::get), Some(5));
    }

    #[test]
    fn a_malformed_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, "[mirrors]\ndebian = 7\n").unwrap();
        let error = Settings::read(&path).unwrap_err();
        assert!(
            error.to_string().contains("config.toml") && matches!(error, SettingsError::Malformed { .. })
        );
    }

    #[test]
    fn the_file_lies_in_the_configuration_directory() {
        let path = |config: &str, home: &str| path_from(Some(config.into()), Some(home.into()));
        assert_eq!(path("/c", "/h").unwrap(), Path::new("/c/hpcl/config.toml"));
        assert_eq!(path("", "/h").unwrap(), Path::new("/h/.config/hpcl/config.toml"));
        assert_eq!(path_from(None, None), None);
    }
}
