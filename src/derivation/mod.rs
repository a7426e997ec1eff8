//! Complete build descriptions in Nix's ATerm.
