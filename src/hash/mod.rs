//! Digests and their encodings: base-16, Nix's base-32, SRI.
