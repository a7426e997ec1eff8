//! Finds a member of an `ar` archive, the outer container of a Debian package.
//!
//! After the magic line each member has a header of 60 bytes (name 16, date 12, owner 6, group 6, mode 8, size 10, end mark
//! `` `\n ``), all in text padded with spaces, then its data, padded to an even length.

use std::io::{self, BufRead, Error, ErrorKind, Read};

/// The first bytes of every `ar` archive.
pub(super) const MAGIC: &[u8] = b"!<arch>\n";

/// The content of the first member whose name is `name`, or `name` with a suffix after a dot.
pub(super) fn find_member<R: BufRead>(mut input: R, name: &str) -> io::Result<Option<io::Take<R>>> {
    let mut magic = [0; 8];
    input.read_exact(&mut magic)?;
    if magic != *MAGIC {
        return Err(Error::new(ErrorKind::InvalidData, "not an ar archive"));
    }
    loop {
        if input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut header = [0; 60];
        input.read_exact(&mut header)?;
        let (found, size) =
            parse_header(&header).ok_or_else(|| Error::new(ErrorKind::InvalidData, "bad ar header"))?;
        if found.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return Ok(Some(input.take(size)));
        }
        let padded = size + size % 2;
        if io::copy(&mut input.by_ref().take(padded), &mut io::sink())? < size {
            return Err(Error::new(ErrorKind::UnexpectedEof, "ar archive ends inside a member"));
        }
    }
}

fn parse_header(header: &[u8; 60]) -> Option<(String, u64)> {
    let text = |range: std::ops::Range<usize>| std::str::from_utf8(header.get(range)?).ok().map(str::trim);
    let name = text(0..16)?.trim_end_matches('/').to_owned();
    let size = text(48..58)?.parse().ok()?;
    header.ends_with(b"`\n").then_some((name, size))
}
