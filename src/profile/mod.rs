//! Profiles: the environment that a union of packages gives to a program.
//!
//! A profile is a directory of links built as any other derivation. Entering it means to set the search paths that its
//! packages declare, as far as the directories exist in it. Invariant: values depend on the profile's content alone, and
//! come before what the variable held unless the environment is pure.

mod difference;
mod files;
mod generations;
mod hooks;
mod manifest;
mod pattern;
mod settings;

use std::{ffi::OsString, path::Path};

pub use difference::{Change, changes};
pub use files::StoreFiles;
pub use generations::{Generation, Profile, ProfileError};
pub use hooks::{PYTHON_MODULES, hooks};
pub use hpcl_lang::{natives::versions::compare as compare_versions, suggest::closest};
pub use manifest::{Clash, Entry, Manifest, ManifestError};
pub use pattern::GenerationPattern;
pub use settings::{Kind, Setting, Shell, script, settings};

/// An environment variable that lists files or directories of packages.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SearchPath {
    /// The variable.
    pub variable: String,
    /// Names relative to a package, such as `lib/pkgconfig`.
    pub files: Vec<String>,
    /// What stands between entries; `None` when the variable holds a single one.
    pub separator: Option<String>,
    /// Whether the entries are directories, or else regular files.
    pub directories: bool,
}

impl SearchPath {
    /// Where every profile's programs are.
    pub fn programs() -> SearchPath {
        SearchPath {
            variable: "PATH".to_owned(),
            files: vec!["bin".to_owned(), "sbin".to_owned()],
            separator: Some(":".to_owned()),
            directories: true,
        }
    }
}

/// Variables that a pure environment keeps: who the user is, where the terminal is.
const KEPT: [&str; 13] = [
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "DISPLAY",
    "XAUTHORITY",
    "TMPDIR",
    "TZ",
    "HPCL_STORE",
    "HPCL_STORE_LAYERS",
    "XDG_DATA_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
];

/// Returns the variables of the environment of a profile. `current` is the environment to start from.
pub fn environment(
    profile: &Path,
    paths: &[SearchPath],
    current: impl IntoIterator<Item = (OsString, OsString)>,
    pure: bool,
) -> Vec<(OsString, OsString)> {
    let kept = |name: &OsString| !pure || name.to_str().is_some_and(|name| KEPT.contains(&name));
    let mut environment: Vec<(OsString, OsString)> =
        current.into_iter().filter(|(name, _)| kept(name)).collect();
    for path in paths {
        if let Some(value) = value_of(profile, path) {
            set(&mut environment, path, value);
        }
    }
    set_plain(&mut environment, "HPCL_ENVIRONMENT", profile.as_os_str().to_owned());
    environment
}

fn value_of(profile: &Path, path: &SearchPath) -> Option<OsString> {
    let present = path
        .files
        .iter()
        .map(|file| profile.join(file))
        .filter(|file| if path.directories { file.is_dir() } else { file.is_file() });
    let mut value = OsString::new();
    for file in present {
        if !value.is_empty() {
            match &path.separator {
                Some(separator) => value.push(separator),
                None => break,
            }
        }
        value.push(file);
    }
    (!value.is_empty()).then_some(value)
}

fn set(environment: &mut Vec<(OsString, OsString)>, path: &SearchPath, mut value: OsString) {
    let old = environment.iter().find(|(name, _)| name.to_str() == Some(path.variable.as_str()));
    if let (Some((_, old)), Some(separator)) = (old, &path.separator)
        && !old.is_empty()
    {
        value.push(separator);
        value.push(old);
    }
    set_plain(environment, &path.variable, value);
}

fn set_plain(environment: &mut Vec<(OsString, OsString)>, variable: &str, value: OsString) {
    environment.retain(|(name, _)| name.to_str() != Some(variable));
    environment.push((variable.into(), value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(variable: &str, files: &[&str]) -> SearchPath {
        SearchPath {
            variable: variable.into(),
            files: files.iter().map(ToString::to_string).collect(),
            separator: Some(":".into()),
            directories: true,
        }
    }

    #[test]
    fn comes_before_what_was_there_and_skips_what_is_absent() {
        let profile = tempfile::tempdir().unwrap();
        std::fs::create_dir(profile.path().join("bin")).unwrap();
        let current = vec![("PATH".into(), "/usr/bin".into()), ("EDITOR".into(), "vi".into())];
        let result = environment(
            profile.path(),
            &[path("PATH", &["bin", "sbin"]), path("MANPATH", &["man"])],
            current,
            false,
        );
        let get = |name: &str| {
            result.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_string_lossy().into_owned())
        };
        assert_eq!(get("PATH"), Some(format!("{}/bin:/usr/bin", profile.path().display())));
        assert_eq!(get("MANPATH"), None);
        assert_eq!(get("EDITOR").as_deref(), Some("vi"));
    }

    #[test]
    fn a_pure_environment_keeps_only_who_the_user_is() {
        let profile = tempfile::tempdir().unwrap();
        std::fs::create_dir(profile.path().join("bin")).unwrap();
        let current = vec![
            ("PATH".into(), "/usr/bin".into()),
            ("HOME".into(), "/h".into()),
            ("EDITOR".into(), "vi".into()),
        ];
        let result = environment(profile.path(), &[path("PATH", &["bin"])], current, true);
        let get = |name: &str| {
            result.iter().find(|(n, _)| n == name).map(|(_, v)| v.to_string_lossy().into_owned())
        };
        assert_eq!(get("PATH"), Some(format!("{}/bin", profile.path().display())));
        assert_eq!(get("HOME").as_deref(), Some("/h"));
        assert_eq!(get("EDITOR"), None);
    }
}
