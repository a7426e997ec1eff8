//! Nix archives.
