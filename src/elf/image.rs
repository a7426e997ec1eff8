//! The parts of an ELF file that loading depends on, parsed from bytes.
//!
//! Only little-endian 64-bit files are understood (x86-64, aarch64, ppc64le, riscv64). The dynamic section and its
//! strings are found through the program headers, as the dynamic linker finds them, so that a file without section headers
//! is read as well. Layouts are those of the System V gABI, chapters 4 and 5.
//!
//! Invariant: every offset in an [`Image`] lies inside the file it was parsed from.

/// What is wrong with a file that begins like an ELF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header or table points outside the file.
    #[error("the {0} lies outside the file")]
    OutOfBounds(&'static str),
    /// An address of the dynamic section is not in any loaded segment.
    #[error("the {0} is not in a loaded segment")]
    NotMapped(&'static str),
    /// A string is not terminated or not UTF-8.
    #[error("the {0} is not a terminated UTF-8 string")]
    BadString(&'static str),
    /// No program header can be given up for a new segment.
    #[error("there is no room for one more program header")]
    NoRoom,
}

type Result<T> = std::result::Result<T, Malformed>;

pub(super) const PT_NULL: u32 = 0;
pub(super) const PT_LOAD: u32 = 1;
pub(super) const PT_DYNAMIC: u32 = 2;
pub(super) const PT_INTERP: u32 = 3;
pub(super) const PT_NOTE: u32 = 4;
pub(super) const PT_GNU_RELRO: u32 = 0x6474_e552;
pub(super) const PT_GNU_PROPERTY: u32 = 0x6474_e553;
pub(super) const SHT_STRTAB: u32 = 3;
pub(super) const SHT_DYNAMIC: u32 = 6;
const SHT_NOBITS: u32 = 8;
pub(super) const DT_NULL: u64 = 0;
pub(super) const DT_NEEDED: u64 = 1;
pub(super) const DT_STRTAB: u64 = 5;
pub(super) const DT_STRSZ: u64 = 10;
pub(super) const DT_SONAME: u64 = 14;
pub(super) const DT_RPATH: u64 = 15;
pub(super) const DT_RUNPATH: u64 = 29;
/// The other tags whose value is an offset into the string table: CONFIG, DEPAUDIT, AUDIT, AUXILIARY, FILTER.
const DT_OTHER_STRINGS: [u64; 5] = [0x6fff_fefa, 0x6fff_fefb, 0x6fff_fefc, 0x7fff_fffd, 0x7fff_ffff];

const EHDR_SIZE: u64 = 64;
pub(super) const PHDR_SIZE: u64 = 56;
const SHDR_SIZE: u64 = 64;
pub(super) const DYN_SIZE: u64 = 16;

/// A program header (`Elf64_Phdr`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
    pub memory_size: u64,
    pub align: u64,
}

/// The fields of a section header (`Elf64_Shdr`) that an edit can change, and where the header is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section {
    pub header_offset: u64,
    pub kind: u32,
    pub address: u64,
    pub size: u64,
}

/// What the file is, from `e_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElfKind {
    /// `ET_EXEC`, or `ET_DYN` with an interpreter.
    Program,
    /// `ET_DYN` without an interpreter; a static position-independent program counts here too.
    Library,
    /// `ET_REL`, `ET_CORE` and the rest.
    Other,
}

/// A parsed file.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub kind: u16,
    pub machine: u16,
    pub phoff: u64,
    pub segments: Vec<Segment>,
    pub sections: Vec<Section>,
    /// Entries `(tag, value)` of the dynamic section up to its end, with all trailing `DT_NULL`.
    pub dynamic: Vec<(u64, u64)>,
    pub dynamic_offset: u64,
    pub strings: Vec<u8>,
    pub strings_offset: u64,
}

pub(super) fn has_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

impl Image {
    /// Parses `bytes`; `None` when they are not a little-endian 64-bit ELF file.
    pub fn parse(bytes: &[u8]) -> Result<Option<Image>> {
        let little_endian_64 = has_magic(bytes) && bytes.get(4..6) == Some(&[2, 1]);
        if !little_endian_64 || (bytes.len() as u64) < EHDR_SIZE {
            return Ok(None);
        }
        let header = "file header";
        let phoff = u64_at(bytes, 32, header)?;
        let shoff = u64_at(bytes, 40, header)?;
        let phnum = u16_at(bytes, 56, header)?;
        let shnum =
            if u16_at(bytes, 58, header)? == SHDR_SIZE as u16 { u16_at(bytes, 60, header)? } else { 0 };
        let mut image = Image {
            kind: u16_at(bytes, 16, header)?,
            machine: u16_at(bytes, 18, header)?,
            phoff,
            segments: Vec::with_capacity(phnum.into()),
            sections: Vec::with_capacity(shnum.into()),
            dynamic: Vec::new(),
            dynamic_offset: 0,
            strings: Vec::new(),
            strings_offset: 0,
        };
        for index in 0..u64::from(phnum) {
            image.segments.push(segment_at(bytes, phoff.saturating_add(index * PHDR_SIZE))?);
        }
        for index in 0..u64::from(shnum) {
            image.sections.push(section_at(bytes, shoff.saturating_add(index * SHDR_SIZE))?);
        }
        image.read_dynamic(bytes)?;
        Ok(Some(image))
    }

    fn read_dynamic(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(segment) = self.segments.iter().find(|s| s.kind == PT_DYNAMIC).copied() else {
            return Ok(());
        };
        // A file of separated debug information keeps the program headers but not what they point to.
        let hollow =
            self.sections.iter().any(|s| s.kind == SHT_NOBITS && s.address == segment.address && s.size > 0);
        if segment.file_size == 0 || hollow {
            return Ok(());
        }
        self.dynamic_offset = segment.offset;
        let table = slice(bytes, segment.offset, segment.file_size, "dynamic section")?;
        for entry in table.chunks_exact(DYN_SIZE as usize) {
            self.dynamic.push((u64_at(entry, 0, "dynamic entry")?, u64_at(entry, 8, "dynamic entry")?));
        }
        let what = "dynamic string table";
        let (Some(address), Some(size)) = (self.tag(DT_STRTAB), self.tag(DT_STRSZ)) else {
            return Ok(());
        };
        self.strings_offset = self.file_offset(address).ok_or(Malformed::NotMapped(what))?;
        self.strings = slice(bytes, self.strings_offset, size, what)?.to_vec();
        Ok(())
    }

    /// The live entries: those before the first `DT_NULL`.
    pub fn live(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.dynamic.iter().copied().take_while(|(tag, _)| *tag != DT_NULL)
    }

    /// The value of the first entry with this tag.
    pub fn tag(&self, tag: u64) -> Option<u64> {
        self.live().find(|(t, _)| *t == tag).map(|(_, value)| value)
    }

    /// The string at an offset of the dynamic string table.
    pub fn string(&self, offset: u64) -> Result<&str> {
        let bad = Malformed::BadString("dynamic string");
        let tail = usize::try_from(offset).ok().and_then(|o| self.strings.get(o..)).ok_or(bad)?;
        let end = tail.iter().position(|b| *b == 0).ok_or(bad)?;
        std::str::from_utf8(tail.get(..end).ok_or(bad)?).map_err(|_| bad)
    }

    /// The offsets of all strings that the dynamic section refers to under other tags than the two search paths.
    pub fn other_string_offsets(&self) -> Vec<u64> {
        let is_string = |tag: u64| tag == DT_NEEDED || tag == DT_SONAME || DT_OTHER_STRINGS.contains(&tag);
        self.live().filter(|(tag, _)| is_string(*tag)).map(|(_, value)| value).collect()
    }

    /// Where in the file the byte at a virtual address lies.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        let segment = self
            .segments
            .iter()
            .find(|s| s.kind == PT_LOAD && address >= s.address && address - s.address < s.file_size)?;
        (address - segment.address).checked_add(segment.offset)
    }

    /// The `PT_INTERP` segment.
    pub fn interpreter(&self) -> Option<Segment> {
        self.segments.iter().find(|s| s.kind == PT_INTERP).copied()
    }
}

fn segment_at(bytes: &[u8], at: u64) -> Result<Segment> {
    let what = "program header table";
    let entry = slice(bytes, at, PHDR_SIZE, what)?;
    Ok(Segment {
        kind: u32_at(entry, 0, what)?,
        flags: u32_at(entry, 4, what)?,
        offset: u64_at(entry, 8, what)?,
        address: u64_at(entry, 16, what)?,
        file_size: u64_at(entry, 32, what)?,
        memory_size: u64_at(entry, 40, what)?,
        align: u64_at(entry, 48, what)?,
    })
}

impl Segment {
    /// The entry as it stands in the file; the physical address follows the virtual one.
    pub fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PHDR_SIZE as usize);
        out.extend(self.kind.to_le_bytes());
        out.extend(self.flags.to_le_bytes());
        for word in [self.offset, self.address, self.address, self.file_size, self.memory_size, self.align] {
            out.extend(word.to_le_bytes());
        }
        out
    }
}

fn section_at(bytes: &[u8], at: u64) -> Result<Section> {
    let what = "section header table";
    let entry = slice(bytes, at, SHDR_SIZE, what)?;
    Ok(Section {
        header_offset: at,
        kind: u32_at(entry, 4, what)?,
        address: u64_at(entry, 16, what)?,
        size: u64_at(entry, 32, what)?,
    })
}

/// The bytes of a range of the file, or the name of what lies outside it.
pub(super) fn slice<'a>(bytes: &'a [u8], offset: u64, size: u64, what: &'static str) -> Result<&'a [u8]> {
    let range = usize::try_from(offset).ok().zip(usize::try_from(offset.saturating_add(size)).ok());
    range.and_then(|(start, end)| bytes.get(start..end)).ok_or(Malformed::OutOfBounds(what))
}

fn array<const N: usize>(bytes: &[u8], at: u64, what: &'static str) -> Result<[u8; N]> {
    slice(bytes, at, N as u64, what)?.try_into().map_err(|_| Malformed::OutOfBounds(what))
}

fn u16_at(bytes: &[u8], at: u64, what: &'static str) -> Result<u16> {
    array(bytes, at, what).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: u64, what: &'static str) -> Result<u32> {
    array(bytes, at, what).map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: u64, what: &'static str) -> Result<u64> {
    array(bytes, at, what).map(u64::from_le_bytes)
}
