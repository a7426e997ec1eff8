//! The members of a Zip archive, found from its end, so that a few ranged reads do instead of the whole.
//!
//! ```text
//! local header, data … central directory (a record per member) … end record
//! ```
//! As APPNOTE.TXT has it, without the 64-bit extension: what needs that is larger than is read here. Sizes come from the archive and are not
//! believed: limits hold.

use std::io::Read;

/// Reads `length` bytes from a place of the archive on.
pub(super) type ReadAt<'a> = dyn FnMut(u64, u64) -> Result<Vec<u8>, String> + 'a;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub name: String,
    method: u16,
    checksum: u32,
    packed: u64,
    pub size: u64,
    offset: u64,
}

/// The largest member that is read.
const LARGEST: u64 = 32 << 20;
/// The largest central directory that is read.
const LARGEST_DIRECTORY: u64 = 64 << 20;
/// The end record with the longest comment.
pub(super) const TAIL: u64 = 22 + 0xffff;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The members of an archive of `length` bytes, of which `tail` are the last ones.
pub(super) fn members(length: u64, tail: &[u8], read: &mut ReadAt<'_>) -> Result<Vec<Member>, String> {
    let bad = || "it is no Zip archive, or a damaged one".to_owned();
    let end = memchr::memmem::rfind(tail, b"PK\x05\x06").ok_or_else(bad)?;
    let record = tail.get(end..).ok_or_else(bad)?;
    let size = u64::from(u32_at(record, 12).ok_or_else(bad)?);
    let start = u64::from(u32_at(record, 16).ok_or_else(bad)?);
    if start == u64::from(u32::MAX) {
        return Err("it is a Zip archive of more than 4 GB, which is not read in part".to_owned());
    }
    if size > LARGEST_DIRECTORY || start.checked_add(size).is_none_or(|end| end > length) {
        return Err(bad());
    }
    let first = length - tail.len() as u64;
    let directory = match start.checked_sub(first) {
        Some(at) => tail.get(at as usize..(at + size) as usize).ok_or_else(bad)?.to_vec(),
        None => read(start, size)?,
    };
    let mut found = Vec::new();
    let mut rest = directory.as_slice();
    while rest.starts_with(b"PK\x01\x02") {
        let part = |at| u16_at(rest, at).map(usize::from);
        let (name, extra, comment) =
            part(28).zip(part(30)).zip(part(32)).map(|((a, b), c)| (a, b, c)).ok_or_else(bad)?;
        let number = |at| u32_at(rest, at).map(u64::from).ok_or_else(bad);
        found.push(Member {
            name: String::from_utf8_lossy(rest.get(46..46 + name).ok_or_else(bad)?).into_owned(),
            method: u16_at(rest, 10).ok_or_else(bad)?,
            checksum: u32_at(rest, 16).ok_or_else(bad)?,
            packed: number(20)?,
            size: number(24)?,
            offset: number(42)?,
        });
        rest = rest.get(46 + name + extra + comment..).ok_or_else(bad)?;
    }
    Ok(found)
}

/// The content of a member.
pub(super) fn content(member: &Member, length: u64, read: &mut ReadAt<'_>) -> Result<Vec<u8>, String> {
    let bad = |what: &str| format!("member `{}`: {what}", member.name);
    if member.size > LARGEST || member.packed > LARGEST {
        return Err(bad("larger than is read"));
    }
    // The extra field of the local header may have another length than that of the directory.
    const GUESS: u64 = 30 + 1024;
    let wanted = (GUESS + member.name.len() as u64 + member.packed).min(length.saturating_sub(member.offset));
    let mut bytes = read(member.offset, wanted)?;
    if !bytes.starts_with(b"PK\x03\x04") {
        return Err(bad("its header is damaged"));
    }
    let header = u16_at(&bytes, 26).zip(u16_at(&bytes, 28)).ok_or_else(|| bad("its header is cut off"))?;
    let start = 30 + usize::from(header.0) + usize::from(header.1);
    let end = start + member.packed as usize;
    if bytes.len() < end {
        bytes = read(member.offset, end as u64)?;
    }
    let packed = bytes.get(start..end).ok_or_else(|| bad("it is cut off"))?;
    let mut content = Vec::new();
    match member.method {
        0 => content.extend_from_slice(packed),
        8 => {
            let mut input = flate2::read::DeflateDecoder::new(packed).take(LARGEST + 1);
            input.read_to_end(&mut content).map_err(|error| bad(&error.to_string()))?;
        }
        other => return Err(bad(&format!("compressed by method {other}, which is not known here"))),
    }
    let mut checksum = flate2::Crc::new();
    checksum.update(&content);
    if content.len() as u64 != member.size || checksum.sum() != member.checksum {
        return Err(bad("its content is damaged"));
    }
    Ok(content)
}
