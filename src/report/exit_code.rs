//! Exit codes: part of the interface, documented in `docs/exit-codes.md`.

/// All is well.
pub const SUCCESS: u8 = 0;
/// Something failed that has no code of its own: a file, the store, the network.
pub const FAILURE: u8 = 1;
/// The command line is wrong.
pub const USAGE: u8 = 2;
/// A recipe, manifest or expression is wrong.
pub const EVALUATION: u8 = 3;
/// A build or a download failed.
pub const BUILD: u8 = 4;
/// `--check` found a difference, or `verify` found damage.
pub const DIFFERENT: u8 = 5;
/// This machine does not allow what is needed, such as user namespaces.
pub const UNSUPPORTED: u8 = 6;
/// A command could not be started in an environment.
pub const NOT_FOUND: u8 = 127;
/// Ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
