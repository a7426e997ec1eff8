//! Tells a compression by its first bytes and undoes it.
//!
//! Files of several concatenated streams (as parallel compressors write them) are read to their end.

use std::io::{self, BufRead, Cursor, Read};

/// A compression that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, RFC 1952.
    Gzip,
    /// xz, the container of LZMA2.
    Xz,
    /// bzip2.
    Bzip2,
    /// Zstandard, RFC 8878.
    Zstd,
}

impl Compression {
    /// The compression of data that begins with `start` (6 bytes are enough), `None` for any other data.
    pub fn detect(start: &[u8]) -> Option<Compression> {
        match start {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Compression::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Compression::Bzip2),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
            _ => None,
        }
    }
}

/// The decompressed content of `input`; the content itself when it is not compressed.
pub fn decompress<'a>(mut input: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut start = Vec::new();
    input.by_ref().take(6).read_to_end(&mut start)?;
    let compression = Compression::detect(&start);
    let input = Cursor::new(start).chain(input);
    Ok(match compression {
        None => Box::new(input),
        Some(Compression::Gzip) => Box::new(flate2::bufread::MultiGzDecoder::new(input)),
        Some(Compression::Xz) => Box::new(liblzma::bufread::XzDecoder::new_multi_decoder(input)),
        Some(Compression::Bzip2) => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Some(Compression::Zstd) => Box::new(zstd::stream::read::Decoder::with_buffer(input)?),
    })
}
