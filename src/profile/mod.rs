//! Unions of packages: what `shell` and `run` enter.
