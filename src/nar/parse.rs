//! From an archive to what is in it, strictly and as a stream.
//!
//! Everything that a hostile archive could use is refused: names that are empty, `.`, `..` or hold `/` or NUL, names out of
//! order or twice, sizes that no file has, padding that is not zero, nesting without end, bytes after the end. The visitor
//! sees a directory before what is in it.

use std::{
    io::{self, BufRead, Read},
    path::{Path, PathBuf},
};

use super::{MAGIC, NarError};

/// The deepest nesting that is read.
pub(super) const DEPTH: usize = 512;

const NAME_LIMIT: u64 = 255;
const TARGET_LIMIT: u64 = 4095;

/// What happens with the parts of an archive. Paths are relative, the root's is empty.
pub trait Visitor {
    /// A directory begins.
    fn directory(&mut self, path: &Path) -> Result<(), NarError>;

    /// A file with `size` bytes in `contents`, which need not be read.
    fn file(
        &mut self,
        path: &Path,
        executable: bool,
        size: u64,
        contents: &mut dyn BufRead,
    ) -> Result<(), NarError>;

    /// A symlink.
    fn symlink(&mut self, path: &Path, target: &[u8]) -> Result<(), NarError>;
}

/// Reads one archive to its end and shows its parts to the visitor.
pub fn parse(from: &mut impl BufRead, visitor: &mut impl Visitor) -> Result<(), NarError> {
    let mut parser = Parser { from, visitor, offset: 0, string: Vec::new() };
    parser.expect(MAGIC, "`nix-archive-1`")?;
    parser.expect(b"(", "`(`")?;
    parser.node(Path::new(""), 0)?;
    let mut byte = [0];
    match parser.from.read(&mut byte) {
        Ok(0) => Ok(()),
        Ok(_) => Err(NarError::Syntax { offset: parser.offset, expected: "the end" }),
        Err(source) => Err(NarError::Archive(source)),
    }
}

struct Parser<'a, R, V> {
    from: &'a mut R,
    visitor: &'a mut V,
    offset: u64,
    string: Vec<u8>,
}

impl<R: BufRead, V: Visitor> Parser<'_, R, V> {
    /// A node behind its `(`.
    fn node(&mut self, path: &Path, depth: usize) -> Result<(), NarError> {
        if depth > DEPTH {
            return Err(NarError::Depth { offset: self.offset });
        }
        self.expect(b"type", "`type`")?;
        self.read_string(16, "a type")?;
        match self.string.as_slice() {
            b"regular" => self.file(path),
            b"symlink" => {
                self.expect(b"target", "`target`")?;
                self.read_string(TARGET_LIMIT, "a symlink's target")?;
                if self.string.is_empty() || self.string.contains(&0) {
                    return Err(self.syntax("a symlink's target"));
                }
                self.visitor.symlink(path, &self.string)?;
                self.expect(b")", "`)`")
            }
            b"directory" => {
                self.visitor.directory(path)?;
                self.entries(path, depth)
            }
            _ => Err(self.syntax("`regular`, `symlink` or `directory`")),
        }
    }

    fn entries(&mut self, path: &Path, depth: usize) -> Result<(), NarError> {
        let mut previous: Option<Vec<u8>> = None;
        loop {
            self.read_string(16, "`entry` or `)`")?;
            match self.string.as_slice() {
                b")" => return Ok(()),
                b"entry" => {}
                _ => return Err(self.syntax("`entry` or `)`")),
            }
            self.expect(b"(", "`(`")?;
            self.expect(b"name", "`name`")?;
            self.read_string(NAME_LIMIT, "a file name of at most 255 bytes")?;
            let name = self.string.clone();
            let shown = || String::from_utf8_lossy(&name).into_owned();
            if matches!(name.as_slice(), b"" | b"." | b"..")
                || name.iter().any(|byte| matches!(byte, 0 | b'/'))
            {
                return Err(NarError::Name { offset: self.offset, name: shown() });
            }
            if previous.is_some_and(|previous| previous >= name) {
                return Err(NarError::Order { offset: self.offset, name: shown() });
            }
            self.expect(b"node", "`node`")?;
            self.expect(b"(", "`(`")?;
            let inner: PathBuf =
                path.join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&name));
            self.node(&inner, depth + 1)?;
            self.expect(b")", "`)`")?;
            previous = Some(name);
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), NarError> {
        self.read_string(16, "`executable` or `contents`")?;
        let executable = self.string == b"executable";
        if executable {
            self.expect(b"", "an empty string")?;
            self.expect(b"contents", "`contents`")?;
        } else if self.string != b"contents" {
            return Err(self.syntax("`executable` or `contents`"));
        }
        let size = self.length()?;
        if size > i64::MAX as u64 {
            return Err(self.syntax("a file size below 2^63"));
        }
        let mut contents = Contents { from: &mut *self.from, left: size };
        self.visitor.file(path, executable, size, &mut contents)?;
        // What the visitor left is passed over.
        let skipped = io::copy(&mut contents, &mut io::sink()).map_err(NarError::Archive);
        let left = contents.left;
        skipped?;
        self.offset = self.offset.saturating_add(size - left);
        if left > 0 {
            return Err(NarError::Truncated { offset: self.offset });
        }
        self.padding(size)?;
        self.expect(b")", "`)`")
    }

    fn expect(&mut self, wanted: &[u8], expected: &'static str) -> Result<(), NarError> {
        self.read_string(wanted.len() as u64, expected)?;
        if self.string == wanted { Ok(()) } else { Err(self.syntax(expected)) }
    }

    /// Reads a string of at most `limit` bytes into `self.string`.
    fn read_string(&mut self, limit: u64, expected: &'static str) -> Result<(), NarError> {
        let length = self.length()?;
        if length > limit {
            return Err(self.syntax(expected));
        }
        self.string.resize(length as usize, 0);
        let mut string = std::mem::take(&mut self.string);
        let read = self.read_exact(&mut string);
        self.string = string;
        read?;
        self.padding(length)
    }

    fn length(&mut self) -> Result<u64, NarError> {
        let mut bytes = [0; 8];
        self.read_exact(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn padding(&mut self, length: u64) -> Result<(), NarError> {
        let mut bytes = [0; 8];
        let zeros = bytes.get_mut(..((8 - length % 8) % 8) as usize).expect("less than 8");
        self.read_exact(zeros)?;
        if bytes == [0; 8] { Ok(()) } else { Err(self.syntax("padding of zeros")) }
    }

    fn read_exact(&mut self, to: &mut [u8]) -> Result<(), NarError> {
        match self.from.read_exact(to) {
            Ok(()) => {
                self.offset += to.len() as u64;
                Ok(())
            }
            Err(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Err(NarError::Truncated { offset: self.offset })
            }
            Err(source) => Err(NarError::Archive(source)),
        }
    }

    fn syntax(&self, expected: &'static str) -> NarError {
        NarError::Syntax { offset: self.offset, expected }
    }
}

/// The bytes of one file.
struct Contents<'a, R> {
    from: &'a mut R,
    left: u64,
}

impl<R: Read> Read for Contents<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(to.len());
        let count = self.from.read(to.get_mut(..wanted).unwrap_or_default())?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Contents<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let data = self.from.fill_buf()?;
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
        Ok(data.get(..wanted).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.left -= count as u64;
        self.from.consume(count);
    }
}
