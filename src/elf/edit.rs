//! Changes the interpreter and the library search path of an ELF image in memory.
//!
//! Strings that fit are changed where they are. For the rest one read-only segment is appended to the file, with the
//! interpreter and a copy of the dynamic string table; a later edit finds that segment by its marker and rewrites it, so that
//! files do not grow from edit to edit. The program header for it takes the place of one that is redundant (on GNU
//! systems the `PT_NOTE` that repeats `PT_GNU_PROPERTY`), because the table must stay in the first segment: Linux before
//! 5.18, which the clusters run, tells the dynamic linker its address as load address plus `e_phoff`.
//!
//! Invariant: the result is a function of the bytes and the edit alone, and nothing of a replaced string is left behind (it
//! would look like a reference to the store), unless the linker shared its tail with a symbol's name.

use super::image::{
    DT_NULL, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, DYN_SIZE, Image, Malformed, PT_DYNAMIC,
    PT_GNU_PROPERTY, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_NOTE, PT_NULL, SHT_DYNAMIC, SHT_STRTAB, Section,
    Segment, slice, u64_at,
};

/// Under which tag the library search path is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchTag {
    /// `DT_RUNPATH`: for the direct dependencies of this file.
    #[default]
    Runpath,
    /// `DT_RPATH`: also for the dependencies of dependencies that have no `DT_RUNPATH`.
    Rpath,
}

/// What to change; fields that are `None` stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The new interpreter; files without one are left alone.
    pub interpreter: Option<String>,
    /// The new search path, joined with `:`, and its tag; an empty list removes it.
    pub search_path: Option<(SearchTag, Vec<String>)>,
}

type Result<T> = std::result::Result<T, Malformed>;

/// The first bytes of the appended segment; the length of the original string table follows (8 bytes).
const MARKER: &[u8; 8] = b"hpclELF1";
const MARKER_SIZE: u64 = 16;
const EM_X86_64: u16 = 62;
const READ: u32 = 4;
const READ_WRITE: u32 = 6;

/// Applies an edit; `None` when there is nothing to change.
pub(super) fn apply(bytes: &[u8], edit: &Edit) -> Result<Option<Vec<u8>>> {
    let Some(image) = Image::parse(bytes)? else { return Ok(None) };
    let mut editor = Editor::new(bytes, image)?;
    let mut changed = false;
    if let Some(path) = &edit.interpreter {
        changed |= editor.set_interpreter(path)?;
    }
    if let Some((tag, directories)) = &edit.search_path
        && !editor.image.dynamic.is_empty()
        && !is_dynamic_linker(&editor.image)
    {
        changed |= editor.set_search_path(*tag, &directories.join(":"))?;
    }
    if changed { editor.finish().map(Some) } else { Ok(None) }
}

/// The dynamic linker itself must not have a search path: glibc's asserts that there is none.
fn is_dynamic_linker(image: &Image) -> bool {
    let soname =
        image.tag(super::image::DT_SONAME).and_then(|offset| image.string(offset).ok()).unwrap_or("");
    let named = ["ld-linux", "ld64.so", "ld.so", "ld-musl"].iter().any(|prefix| soname.starts_with(prefix));
    named && image.interpreter().is_none() && image.tag(super::image::DT_NEEDED).is_none()
}

struct Editor {
    /// The file without the appended segment.
    bytes: Vec<u8>,
    image: Image,
    /// Index of the program header of the segment appended by an earlier edit.
    own: Option<usize>,
    /// The interpreter, NUL-terminated, when it goes to the appended segment.
    interpreter: Option<Vec<u8>>,
    /// The string table, when it goes to the appended segment, and how long it was originally.
    strings: Option<(Vec<u8>, usize)>,
    /// Whether the dynamic section goes to the appended segment.
    move_dynamic: bool,
}

impl Editor {
    fn new(bytes: &[u8], image: Image) -> Result<Editor> {
        let mut editor = Editor {
            bytes: bytes.to_vec(),
            own: image.segments.iter().position(|s| is_own(bytes, s)),
            image,
            interpreter: None,
            strings: None,
            move_dynamic: false,
        };
        let Some(own) = editor.own_segment() else { return Ok(editor) };
        if let Some(segment) = editor.image.interpreter().filter(|s| s.offset >= own.offset) {
            editor.interpreter =
                Some(slice(bytes, segment.offset, segment.file_size, "interpreter")?.to_vec());
        }
        if editor.image.strings_offset >= own.offset {
            let length = u64_at(bytes, own.offset + 8, "appended segment")?;
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(editor.image.strings.len());
            editor.strings = Some((editor.image.strings.clone(), length));
        }
        editor.move_dynamic = editor.image.dynamic_offset >= own.offset;
        editor.bytes.truncate(usize::try_from(own.offset).unwrap_or(usize::MAX));
        Ok(editor)
    }

    fn own_segment(&self) -> Option<Segment> {
        self.own.and_then(|index| self.image.segments.get(index)).copied()
    }

    fn set_interpreter(&mut self, path: &str) -> Result<bool> {
        let Some(segment) = self.image.interpreter() else { return Ok(false) };
        let mut new = path.as_bytes().to_vec();
        new.push(0);
        if let Some(old) = &mut self.interpreter {
            let changed = *old != new;
            *old = new;
            return Ok(changed);
        }
        let old = slice(&self.bytes, segment.offset, segment.file_size, "interpreter")?;
        if old.starts_with(&new) {
            return Ok(false);
        }
        let mut in_place = vec![0; old.len()];
        match in_place.get_mut(..new.len()) {
            Some(start) => start.copy_from_slice(&new),
            None => self.interpreter = Some(new),
        }
        self.write(segment.offset, &in_place)?;
        Ok(true)
    }

    fn set_search_path(&mut self, tag: SearchTag, path: &str) -> Result<bool> {
        let tag = if tag == SearchTag::Rpath { DT_RPATH } else { DT_RUNPATH };
        let is_path = |tag: &u64| matches!(*tag, DT_RPATH | DT_RUNPATH);
        let old: Vec<(u64, u64)> = self.image.live().filter(|(t, _)| is_path(t)).collect();
        let same = match old.as_slice() {
            [] => path.is_empty(),
            [(old_tag, offset)] => *old_tag == tag && self.image.string(*offset)? == path,
            _ => false,
        };
        if same {
            return Ok(false);
        }
        let offset = self.place_string(&old, path)?;
        let mut live: Vec<(u64, u64)> = self.image.live().filter(|(t, _)| !is_path(t)).collect();
        if let Some(offset) = offset {
            live.push((tag, offset));
        }
        let slots = self.image.dynamic.len();
        self.move_dynamic |= live.len() >= slots;
        live.resize(slots.max(live.len() + 1), (DT_NULL, 0));
        self.image.dynamic = live;
        Ok(true)
    }

    /// Puts the string into the table in place of the old ones; returns its offset, `None` for an empty one.
    fn place_string(&mut self, old: &[(u64, u64)], new: &str) -> Result<Option<u64>> {
        if let Some((strings, original)) = &mut self.strings {
            strings.truncate(*original);
            return Ok((!new.is_empty()).then(|| push_string(strings, new)));
        }
        let (mut table, mut placed) = (self.image.strings.clone(), None);
        for (_, offset) in old {
            let text = self.image.string(*offset)?.to_owned();
            // What lies behind the last slash may also be the end of a symbol's name: linkers merge equal tails.
            let free = text.rfind('/').map_or(0, |slash| slash + 1);
            let (start, end) = (*offset as usize, *offset as usize + free);
            let shared = self.image.other_string_offsets().into_iter().any(|other| {
                let length = self.image.string(other).map_or(0, str::len);
                (other as usize) < end && other as usize + length > start
            });
            let (Some(region), false) = (table.get_mut(start..end), shared) else { continue };
            region.fill(0);
            if placed.is_none() && !new.is_empty() {
                placed = fit(region, text.get(free..).unwrap_or(""), new).map(|at| offset + at as u64);
            }
        }
        if placed.is_some() || new.is_empty() {
            self.write(self.image.strings_offset, &table)?;
            self.image.strings = table;
            return Ok(placed);
        }
        self.write(self.image.strings_offset, &vec![0; table.len()])?;
        let original = table.len();
        let offset = push_string(&mut table, new);
        self.strings = Some((table, original));
        Ok(Some(offset))
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let range = start..start.saturating_add(data.len());
        self.bytes.get_mut(range).ok_or(Malformed::OutOfBounds("edited range"))?.copy_from_slice(data);
        Ok(())
    }

    /// Writes the tables back, with the appended segment when something has to go there.
    fn finish(mut self) -> Result<Vec<u8>> {
        if self.interpreter.is_some() || self.strings.is_some() || self.move_dynamic {
            self.append_segment()?;
        }
        let segments: Vec<u8> = self.image.segments.iter().flat_map(|s| s.to_bytes()).collect();
        self.write(self.image.phoff, &segments)?;
        let dynamic = self.dynamic_bytes();
        if !dynamic.is_empty() {
            self.write(self.image.dynamic_offset, &dynamic)?;
        }
        Ok(self.bytes)
    }

    fn dynamic_bytes(&self) -> Vec<u8> {
        self.image
            .dynamic
            .iter()
            .flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()])
            .flatten()
            .collect()
    }

    fn append_segment(&mut self) -> Result<()> {
        let own_index = self.own;
        let loads = self
            .image
            .segments
            .iter()
            .enumerate()
            .filter(|(i, s)| s.kind == PT_LOAD && Some(*i) != own_index);
        let memory_end = loads.map(|(_, s)| s.address.saturating_add(s.memory_size)).max().unwrap_or(0);
        let align: u64 = if self.image.machine == EM_X86_64 { 0x1000 } else { 0x1_0000 };
        self.bytes.resize(self.bytes.len().next_multiple_of(16), 0);
        let offset = self.bytes.len() as u64;
        let address = memory_end.checked_next_multiple_of(align).ok_or(Malformed::NoRoom)? + offset % align;

        self.bytes.extend(MARKER);
        let original = self.strings.as_ref().map_or(0, |(_, original)| *original);
        self.bytes.extend((original as u64).to_le_bytes());
        debug_assert_eq!(self.bytes.len() as u64, offset + MARKER_SIZE);
        if let Some(interpreter) = self.interpreter.take() {
            let old = self.image.interpreter();
            let new = self.push(offset, address, &interpreter);
            let moved = |s: &Section| old.is_some_and(|o| s.address == o.address && s.size == o.file_size);
            self.move_sections(moved, new, interpreter.len() as u64)?;
            self.move_segments(PT_INTERP, new, interpreter.len() as u64);
        }
        if self.move_dynamic {
            let length = self.image.dynamic.len() as u64 * DYN_SIZE;
            let new = self.push(offset, address, &vec![0; length as usize]);
            self.move_sections(|s| s.kind == SHT_DYNAMIC, new, length)?;
            self.move_segments(PT_DYNAMIC, new, length);
            self.image.dynamic_offset = new.0;
        }
        if let Some((strings, _)) = self.strings.take() {
            let new = self.push(offset, address, &strings);
            let old = self.image.tag(DT_STRTAB).unwrap_or(0);
            self.move_sections(|s| s.kind == SHT_STRTAB && s.address == old, new, strings.len() as u64)?;
            for (tag, value) in &mut self.image.dynamic {
                match *tag {
                    DT_STRTAB => *value = new.1,
                    DT_STRSZ => *value = strings.len() as u64,
                    _ => {}
                }
            }
        }
        let size = self.bytes.len() as u64 - offset;
        let flags = if self.move_dynamic { READ_WRITE } else { READ };
        let own =
            Segment { kind: PT_LOAD, flags, offset, address, file_size: size, memory_size: size, align };
        self.place_segment(own)
    }

    /// Appends data, aligned to 8; returns its offset in the file and its address.
    fn push(&mut self, segment_offset: u64, segment_address: u64, data: &[u8]) -> (u64, u64) {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = self.bytes.len() as u64;
        self.bytes.extend(data);
        (at, segment_address + (at - segment_offset))
    }

    fn move_segments(&mut self, kind: u32, (offset, address): (u64, u64), size: u64) {
        for segment in self.image.segments.iter_mut().filter(|s| s.kind == kind) {
            *segment = Segment { offset, address, file_size: size, memory_size: size, ..*segment };
        }
    }

    fn move_sections(&mut self, which: impl Fn(&Section) -> bool, new: (u64, u64), size: u64) -> Result<()> {
        let headers: Vec<u64> = self
            .image
            .sections
            .iter()
            .filter(|s| s.address != 0 && which(s))
            .map(|s| s.header_offset)
            .collect();
        for header in headers {
            // sh_addr, sh_offset and sh_size follow each other at byte 16 of the header.
            let words = [new.1, new.0, size].map(u64::to_le_bytes).concat();
            self.write(header + 16, &words)?;
        }
        Ok(())
    }

    fn place_segment(&mut self, own: Segment) -> Result<()> {
        let segments = &mut self.image.segments;
        if let Some(slot) = self.own.and_then(|index| segments.get_mut(index)) {
            *slot = own;
            return Ok(());
        }
        segments.remove(dispensable(segments).ok_or(Malformed::NoRoom)?);
        let last = segments.iter().rposition(|s| s.kind == PT_LOAD).ok_or(Malformed::NoRoom)?;
        segments.insert(last + 1, own);
        Ok(())
    }
}

fn is_own(bytes: &[u8], segment: &Segment) -> bool {
    let at_end = segment.offset.checked_add(segment.file_size) == Some(bytes.len() as u64);
    segment.kind == PT_LOAD
        && at_end
        && slice(bytes, segment.offset, MARKER_SIZE, "appended segment")
            .is_ok_and(|start| start.starts_with(MARKER))
}

/// The program header that can be given up with the least loss.
fn dispensable(segments: &[Segment]) -> Option<usize> {
    let repeated = |s: &Segment| {
        let same =
            |p: &Segment| p.kind == PT_GNU_PROPERTY && (p.offset, p.file_size) == (s.offset, s.file_size);
        s.kind == PT_NOTE && segments.iter().any(same)
    };
    let position = |test: &dyn Fn(&Segment) -> bool| segments.iter().position(test);
    position(&|s| s.kind == PT_NULL)
        .or_else(|| position(&repeated))
        .or_else(|| position(&|s| s.kind == PT_NOTE))
        .or_else(|| position(&|s| s.kind == PT_GNU_PROPERTY))
        .or_else(|| position(&|s| s.kind == PT_GNU_RELRO))
}

fn push_string(table: &mut Vec<u8>, text: &str) -> u64 {
    let offset = table.len() as u64;
    table.extend(text.as_bytes());
    table.push(0);
    offset
}

/// Writes `new` into a zeroed region that `tail` and a NUL follow; returns where it begins, `None` when it does not fit.
fn fit(region: &mut [u8], tail: &str, new: &str) -> Option<usize> {
    let (at, text) =
        match new.strip_suffix(tail).and_then(|head| Some((region.len().checked_sub(head.len())?, head))) {
            Some(found) => found,
            None if new.len() < region.len() => (0, new),
            None => return None,
        };
    region.get_mut(at..at + text.len())?.copy_from_slice(text.as_bytes());
    Some(at)
}
