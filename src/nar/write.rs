//! The strings of an archive, written to any sink.

use std::io::{self, Write};

/// Writes length, bytes and padding.
pub(super) fn string(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(bytes)?;
    padding(to, bytes.len() as u64)
}

/// Writes the zeros that follow `length` bytes.
pub(super) fn padding(to: &mut impl Write, length: u64) -> io::Result<()> {
    let zeros = [0u8; 8];
    let missing = (8 - length % 8) % 8;
    to.write_all(zeros.get(..missing as usize).expect("less than 8"))
}

/// Writes several strings.
pub(super) fn strings(to: &mut impl Write, all: &[&[u8]]) -> io::Result<()> {
    all.iter().try_for_each(|bytes| string(to, bytes))
}
