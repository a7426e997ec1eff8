//! The command line: one verb per file.

pub mod build_process;
