//! Where what belongs to a user lies, apart from the store: settings, state, and caches that may be deleted.

use std::path::PathBuf;

/// The directory of settings: `$XDG_CONFIG_HOME/hpcl` or `~/.config/hpcl`.
pub fn settings() -> Option<PathBuf> {
    of("XDG_CONFIG_HOME", ".config")
}

/// The directory of what must not be lost: `$XDG_STATE_HOME/hpcl` or `~/.local/state/hpcl`.
pub fn state() -> Option<PathBuf> {
    of("XDG_STATE_HOME", ".local/state")
}

/// The directory of what can be made again: `$XDG_CACHE_HOME/hpcl` or `~/.cache/hpcl`.
pub fn cache() -> Option<PathBuf> {
    of("XDG_CACHE_HOME", ".cache")
}

fn of(variable: &str, below_home: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(below_home)))
        .map(|folder| folder.join("hpcl"))
}
