//! Reads and edits ELF files: interpreter, RUNPATH, NEEDED.
//!
//! The seed toolchain is made of foreign binaries that are pointed into the store here, and every build ends by shrinking its
//! RUNPATHs to what is needed. Files that are not dynamically linked programs or libraries (static programs, object files,
//! archives, scripts, other byte orders) are not errors: reading gives `None`, editing changes nothing.
//!
//! Invariant: an edit keeps the file's mode and its hard links, and leaves a file that it does not change untouched.

mod edit;
mod image;
mod search;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use edit::{Edit, SearchTag};
use image::{DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_SONAME, Image};
pub use image::{ElfKind, Malformed};
pub use search::{missing_libraries, order_runpath, shrink_runpath};

/// Why a file could not be read or edited.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The file could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file begins like an ELF file but cannot be one.
    #[error("`{}` is not a well-formed ELF file", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Malformed,
    },
    /// A replacement is not as long as what it replaces.
    #[error("replacement of {from} bytes by {to} bytes in `{}` would shift the rest", path.display())]
    Length {
        /// The file.
        path: PathBuf,
        /// Length of the searched bytes.
        from: usize,
        /// Length of the replacement.
        to: usize,
    },
}

type Result<T> = std::result::Result<T, ElfError>;

/// What the dynamic linker reads of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfInfo {
    /// Program, library, or other.
    pub kind: ElfKind,
    /// The architecture, as `e_machine` numbers it (62 is x86-64, 183 is aarch64).
    pub machine: u16,
    /// Whether there is a dynamic section; static programs and object files have none.
    pub dynamic: bool,
    /// The program interpreter (the dynamic linker).
    pub interpreter: Option<String>,
    /// The names under `DT_NEEDED`, in order.
    pub needed: Vec<String>,
    /// The name under `DT_SONAME`.
    pub soname: Option<String>,
    /// The directories of `DT_RUNPATH`.
    pub runpath: Vec<String>,
    /// The directories of `DT_RPATH`.
    pub rpath: Vec<String>,
}

impl ElfInfo {
    /// The directories that are searched for this file's libraries: `DT_RUNPATH`, else `DT_RPATH`.
    pub fn search_path(&self) -> &[String] {
        if self.runpath.is_empty() { &self.rpath } else { &self.runpath }
    }
}

/// Whether the file begins with the ELF magic number. What is not a regular file does not.
pub fn is_elf(path: &Path) -> Result<bool> {
    let read = |source| ElfError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(read)?.is_file() {
        return Ok(false);
    }
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(4).read_to_end(&mut start)).map_err(read)?;
    Ok(image::has_magic(&start))
}

/// Whether the file is an ELF file with a dynamic section.
pub fn is_dynamic(path: &Path) -> Result<bool> {
    Ok(inspect(path)?.is_some_and(|info| info.dynamic))
}

/// Reads what the dynamic linker would; `None` when the file is not a little-endian 64-bit ELF file.
pub fn inspect(path: &Path) -> Result<Option<ElfInfo>> {
    if !is_elf(path)? {
        return Ok(None);
    }
    let bytes = read(path)?;
    inspect_bytes(&bytes).map_err(|source| ElfError::Malformed { path: path.to_owned(), source })
}

fn inspect_bytes(bytes: &[u8]) -> std::result::Result<Option<ElfInfo>, Malformed> {
    let Some(image) = Image::parse(bytes)? else { return Ok(None) };
    let directories = |tag| match image.tag(tag) {
        None => Ok(Vec::new()),
        Some(offset) => {
            Ok(image.string(offset)?.split(':').filter(|d| !d.is_empty()).map(str::to_owned).collect())
        }
    };
    let interpreter = match image.interpreter() {
        None => None,
        Some(segment) => {
            let raw = image::slice(bytes, segment.offset, segment.file_size, "interpreter")?;
            let text = raw.split(|b| *b == 0).next().and_then(|text| std::str::from_utf8(text).ok());
            Some(text.ok_or(Malformed::BadString("interpreter"))?.to_owned())
        }
    };
    let needed = image.live().filter(|(tag, _)| *tag == DT_NEEDED);
    Ok(Some(ElfInfo {
        kind: match image.kind {
            2 => ElfKind::Program,
            3 if interpreter.is_some() => ElfKind::Program,
            3 => ElfKind::Library,
            _ => ElfKind::Other,
        },
        machine: image.machine,
        dynamic: !image.dynamic.is_empty(),
        interpreter,
        needed: needed
            .map(|(_, at)| image.string(at).map(str::to_owned))
            .collect::<std::result::Result<_, _>>()?,
        soname: image.tag(DT_SONAME).map(|at| image.string(at).map(str::to_owned)).transpose()?,
        runpath: directories(DT_RUNPATH)?,
        rpath: directories(DT_RPATH)?,
    }))
}

/// Applies an edit to a file; says whether the file changed.
///
/// Files to which it does not apply are left as they are: not ELF, not dynamic, or the dynamic linker itself.
pub fn edit(path: &Path, edit: &Edit) -> Result<bool> {
    if !is_elf(path)? {
        return Ok(false);
    }
    let bytes = read(path)?;
    let edited =
        edit::apply(&bytes, edit).map_err(|source| ElfError::Malformed { path: path.to_owned(), source })?;
    if let Some(edited) = &edited {
        write(path, edited)?;
    }
    Ok(edited.is_some())
}

/// Sets the interpreter of a program.
pub fn set_interpreter(path: &Path, interpreter: &str) -> Result<bool> {
    edit(path, &Edit { interpreter: Some(interpreter.to_owned()), search_path: None })
}

/// Sets the library search path under `tag` and removes the other tag; an empty list removes both.
pub fn set_runpath(path: &Path, directories: &[String], tag: SearchTag) -> Result<bool> {
    edit(path, &Edit { interpreter: None, search_path: Some((tag, directories.to_vec())) })
}

/// Removes `DT_RUNPATH` and `DT_RPATH`.
pub fn remove_runpath(path: &Path) -> Result<bool> {
    set_runpath(path, &[], SearchTag::Runpath)
}

/// Overwrites each occurrence of `from` by `to`, which is as long; returns how many there were. Any file will do.
pub fn replace_bytes(path: &Path, from: &[u8], to: &[u8]) -> Result<usize> {
    if from.len() != to.len() {
        return Err(ElfError::Length { path: path.to_owned(), from: from.len(), to: to.len() });
    }
    let mut bytes = read(path)?;
    let found: Vec<usize> =
        if from.is_empty() { Vec::new() } else { memchr::memmem::find_iter(&bytes, from).collect() };
    for at in &found {
        if let Some(place) = bytes.get_mut(*at..at + to.len()) {
            place.copy_from_slice(to);
        }
    }
    if !found.is_empty() && from != to {
        write(path, &bytes)?;
    }
    Ok(found.len())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| ElfError::Read { path: path.to_owned(), source })
}

/// Writes in place, so that hard links stay together; a read-only file is made writable meanwhile.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| ElfError::Write { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    let locked = mode & 0o200 == 0;
    if locked {
        fs::set_permissions(path, Permissions::from_mode(mode | 0o200)).map_err(failed)?;
    }
    let written =
        OpenOptions::new().write(true).truncate(true).open(path).and_then(|mut file| file.write_all(bytes));
    if locked {
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests;
