//! Nix archives.
//!
//! A NAR is the one canonical byte form of a file tree: names sorted, no times, no owners, of the mode the executable bit
//! only. Its digest is the tree's content hash, and it is what a substituter serves. Grammar:
//!
//! ```text
//! nar     = str("nix-archive-1") node
//! node    = str("(") str("type") ( regular | symlink | directory ) str(")")
//! regular = str("regular") [ str("executable") str("") ] str("contents") str(BYTES)
//! symlink = str("symlink") str("target") str(TARGET)
//! directory = str("directory") { str("entry") str("(") str("name") str(NAME) str("node") node str(")") }
//! str(s)  = length as 64-bit little-endian, the bytes, zeros up to a multiple of 8
//! ```
//!
//! Canonical and local form have equal lengths ([`Rewriter`]), so a NAR's framing is the same in both, and since the
//! store directory holds a `/`, no file name can contain it: rewriting the stream rewrites contents and symlink targets and
//! nothing else. Invariant: dumping a restored archive gives the archive back.

mod dump;
mod parse;
mod references;
mod restore;
mod rewrite;
mod scan;
mod write;

use std::{io, path::PathBuf};

pub(crate) use dump::kind_name;
pub use dump::{dump, dump_without, hash_tree};
pub use parse::{Visitor, parse};
pub use references::ReferenceScanner;
pub(crate) use restore::TIMES;
pub use restore::restore;
pub use rewrite::{Places, RewriteReader, RewriteWriter, Rewriter, replace_all};
pub use scan::{Scan, hash_file, scan, scan_and_pass};

/// The first string of every archive.
const MAGIC: &[u8] = b"nix-archive-1";

/// Why a tree cannot be archived or an archive cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum NarError {
    /// A file of the tree cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the tree changed its size while it was read.
    #[error("`{}` changed while it was read", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A socket, device or pipe, which no archive can hold.
    #[error("`{}` is a {kind}, which no store item may hold", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// The archive cannot be written to its destination.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
    /// The archive cannot be read from its source.
    #[error("cannot read the archive")]
    Archive(#[source] io::Error),
    /// The archive breaks off.
    #[error("the archive ends at byte {offset}, in the middle")]
    Truncated {
        /// How many bytes there were.
        offset: u64,
    },
    /// Something else stands where the grammar wants a string.
    #[error("the archive is wrong at byte {offset}: expected {expected}")]
    Syntax {
        /// Where, in bytes from the start.
        offset: u64,
        /// What ought to stand there.
        expected: &'static str,
    },
    /// A file name that could lead outside, or none at all.
    #[error("the archive is wrong at byte {offset}: `{name}` cannot be a file name")]
    Name {
        /// Where, in bytes from the start.
        offset: u64,
        /// The name.
        name: String,
    },
    /// A file name that is not greater than the one before.
    #[error("the archive is wrong at byte {offset}: `{name}` is a duplicate or out of order")]
    Order {
        /// Where, in bytes from the start.
        offset: u64,
        /// The name.
        name: String,
    },
    /// More nested directories than any real tree has.
    #[error("the archive is wrong at byte {offset}: directories are nested more than {} deep", parse::DEPTH)]
    Depth {
        /// Where, in bytes from the start.
        offset: u64,
    },
    /// A file cannot be created while restoring.
    #[error("cannot create `{}`", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
