//! Reads and edits ELF files in place: interpreter, RUNPATH, NEEDED.
