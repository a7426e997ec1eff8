//! Edits of hand-made images, for the layouts that linkers rarely make, and of the running test program, which must still start.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use super::image::{PT_DYNAMIC, PT_GNU_PROPERTY, PT_GNU_RELRO, PT_INTERP, PT_LOAD, PT_NOTE, Segment};
use super::*;

const LONG: &str = "/a-long-directory/that-does-not-fit/into-any-old-string/of-the-file/lib";

/// An image of one segment: headers, interpreter, dynamic section, strings.
struct Sample {
    interpreter: Option<&'static str>,
    runpath: Option<&'static str>,
    needed: &'static [&'static str],
    soname: Option<&'static str>,
    spare_entries: usize,
    extra_segments: &'static [u32],
}

impl Default for Sample {
    fn default() -> Self {
        Sample {
            interpreter: Some("/lib/ld.so"),
            runpath: Some("/one/lib:/two/lib"),
            needed: &["libone.so"],
            soname: None,
            spare_entries: 3,
            extra_segments: &[PT_NOTE, PT_GNU_PROPERTY, PT_GNU_RELRO],
        }
    }
}

impl Sample {
    fn build(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut dynamic: Vec<(u64, u64)> = Vec::new();
        let mut add = |tag: u64, text: &str, dynamic: &mut Vec<(u64, u64)>| {
            dynamic.push((tag, strings.len() as u64));
            strings.extend(text.as_bytes());
            strings.push(0);
        };
        self.needed.iter().for_each(|name| add(DT_NEEDED, name, &mut dynamic));
        self.soname.iter().for_each(|name| add(DT_SONAME, name, &mut dynamic));
        self.runpath.iter().for_each(|path| add(DT_RUNPATH, path, &mut dynamic));
        let count = 2 + self.extra_segments.len() + usize::from(self.interpreter.is_some());
        let interpreter = self.interpreter.map(|path| [path.as_bytes(), &[0]].concat()).unwrap_or_default();
        let interpreter_at = 64 + 56 * count as u64;
        let dynamic_at = (interpreter_at + interpreter.len() as u64).next_multiple_of(8);
        let dynamic_size = (dynamic.len() + 2 + 1 + self.spare_entries) as u64 * 16;
        let strings_at = dynamic_at + dynamic_size;
        dynamic.extend([(image::DT_STRTAB, 0x40_0000 + strings_at), (image::DT_STRSZ, strings.len() as u64)]);
        dynamic.resize(dynamic_size as usize / 16, (0, 0));
        let end = strings_at + strings.len() as u64;
        let segment = |kind, offset: u64, size: u64| Segment {
            kind,
            flags: 4,
            offset,
            address: 0x40_0000 + offset,
            file_size: size,
            memory_size: size,
            align: 0x1000,
        };
        let mut segments = Vec::new();
        if self.interpreter.is_some() {
            segments.push(segment(PT_INTERP, interpreter_at, interpreter.len() as u64));
        }
        segments.extend([segment(PT_LOAD, 0, end), segment(PT_DYNAMIC, dynamic_at, dynamic_size)]);
        segments.extend(self.extra_segments.iter().map(|kind| segment(*kind, 64, 8)));

        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        out.extend(3u16.to_le_bytes());
        out.extend(62u16.to_le_bytes());
        out.extend(
            [1u32.to_le_bytes().as_slice(), &0u64.to_le_bytes(), &64u64.to_le_bytes(), &[0; 12]].concat(),
        );
        out.extend([64, 56, count as u16, 0, 0, 0].map(u16::to_le_bytes).concat());
        segments.iter().for_each(|s| out.extend(s.to_bytes()));
        out.extend(interpreter);
        out.resize(dynamic_at as usize, 0);
        dynamic.iter().for_each(|(tag, value)| out.extend([tag.to_le_bytes(), value.to_le_bytes()].concat()));
        out.extend(&strings);
        assert_eq!(out.len() as u64, end);
        out
    }
}

fn path_edit(tag: SearchTag, directories: &[&str]) -> Edit {
    let directories = directories.iter().map(|d| (*d).to_owned()).collect();
    Edit { interpreter: None, search_path: Some((tag, directories)) }
}

fn apply(bytes: &[u8], edit: &Edit) -> Vec<u8> {
    edit::apply(bytes, edit).unwrap().expect("the edit changes something")
}

fn info(bytes: &[u8]) -> ElfInfo {
    inspect_bytes(bytes).unwrap().unwrap()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[test]
fn reads_what_the_loader_reads() {
    let found = info(&Sample { soname: Some("libx.so.1"), ..Sample::default() }.build());
    assert_eq!(found.interpreter.as_deref(), Some("/lib/ld.so"));
    assert_eq!((found.kind, found.machine, found.dynamic), (ElfKind::Program, 62, true));
    assert_eq!((found.needed, found.soname.as_deref()), (vec!["libone.so".to_owned()], Some("libx.so.1")));
    assert_eq!(found.runpath, ["/one/lib", "/two/lib"]);
}

#[test]
fn longer_strings_go_to_one_appended_segment() {
    let old = Sample::default().build();
    let edit =
        Edit { interpreter: Some(format!("{LONG}/ld.so")), ..path_edit(SearchTag::Runpath, &[LONG, LONG]) };
    let new = apply(&old, &edit);
    let found = info(&new);
    assert_eq!(found.interpreter.unwrap(), format!("{LONG}/ld.so"));
    assert_eq!(found.runpath, [LONG, LONG]);
    assert_eq!(found.needed, ["libone.so"]);
    let image = Image::parse(&new).unwrap().unwrap();
    let loads: Vec<&Segment> = image.segments.iter().filter(|s| s.kind == PT_LOAD).collect();
    assert_eq!(loads.len(), 2);
    assert!(loads[0].address < loads[1].address && loads[1].address % 0x1000 == loads[1].offset % 0x1000);
    assert_eq!(image.phoff, 64);
    assert!(
        !image.segments.iter().any(|s| s.kind == PT_NOTE),
        "the note that repeats the property is given up"
    );
    assert!(!contains(&new, "/lib/ld.so\0/one") && !contains(&new, "/one/lib"), "nothing old is left behind");
    assert_eq!(edit::apply(&new, &edit).unwrap(), None);
}

#[test]
fn edits_do_not_accumulate() {
    let old = Sample::default().build();
    let first = apply(&old, &path_edit(SearchTag::Runpath, &[LONG]));
    let bigger = apply(&first, &path_edit(SearchTag::Rpath, &[LONG, LONG, LONG]));
    assert_eq!(info(&bigger).rpath.len(), 3);
    assert!(info(&bigger).runpath.is_empty());
    let back = apply(&bigger, &path_edit(SearchTag::Runpath, &[LONG]));
    assert_eq!(back, first);
    let none = apply(&bigger, &path_edit(SearchTag::Runpath, &[]));
    assert!(info(&none).search_path().is_empty() && !contains(&none, LONG));
}

#[test]
fn what_fits_is_changed_in_place() {
    let old = Sample::default().build();
    for (wanted, edit) in [
        (vec!["/two/lib"], path_edit(SearchTag::Runpath, &["/two/lib"])),
        (vec!["/x/lib64"], path_edit(SearchTag::Runpath, &["/x/lib64"])),
        (vec![], path_edit(SearchTag::Runpath, &[])),
    ] {
        let new = apply(&old, &edit);
        assert_eq!(new.len(), old.len());
        assert_eq!(info(&new).runpath, wanted);
        assert!(!contains(&new, "/one/"));
    }
    let interpreter = Edit { interpreter: Some("/b/ld.so".into()), search_path: None };
    let new = apply(&old, &interpreter);
    assert_eq!((new.len(), info(&new).interpreter.as_deref()), (old.len(), Some("/b/ld.so")));
    assert!(info(&new).runpath == ["/one/lib", "/two/lib"]);
}

#[test]
fn a_tail_shared_with_a_symbol_name_survives() {
    let old = Sample::default().build();
    let image = Image::parse(&old).unwrap().unwrap();
    let tail = image.tag(DT_RUNPATH).unwrap() + "/one/lib:/two/".len() as u64;
    for directories in [&["/two/lib"][..], &["/x/y"], &[], &[LONG]] {
        let new = Image::parse(&apply(&old, &path_edit(SearchTag::Runpath, directories))).unwrap().unwrap();
        assert_eq!(new.string(tail).unwrap(), "lib", "{directories:?}");
    }
}

#[test]
fn a_search_path_is_added_where_there_was_none() {
    for spare_entries in [0, 1, 2] {
        let old = Sample { runpath: None, spare_entries, ..Sample::default() }.build();
        let new = apply(&old, &path_edit(SearchTag::Runpath, &[LONG]));
        assert_eq!(
            (info(&new).runpath, info(&new).needed),
            (vec![LONG.to_owned()], vec!["libone.so".to_owned()])
        );
        let again = apply(&new, &path_edit(SearchTag::Rpath, &["/x", LONG]));
        assert_eq!((info(&again).rpath.len(), info(&again).needed.len()), (2, 1));
        let image = Image::parse(&again).unwrap().unwrap();
        let dynamic = image.segments.iter().find(|s| s.kind == PT_DYNAMIC).unwrap();
        assert_eq!(image.file_offset(dynamic.address), Some(dynamic.offset));
    }
}

#[test]
fn without_a_header_to_give_up_there_is_an_error() {
    let old = Sample { extra_segments: &[], ..Sample::default() }.build();
    assert_eq!(edit::apply(&old, &path_edit(SearchTag::Runpath, &[LONG])), Err(Malformed::NoRoom));
}

#[test]
fn the_dynamic_linker_and_strangers_are_left_alone() {
    let linker = Sample {
        interpreter: None,
        runpath: None,
        needed: &[],
        soname: Some("ld-linux-x86-64.so.2"),
        ..Sample::default()
    };
    assert_eq!(edit::apply(&linker.build(), &path_edit(SearchTag::Runpath, &[LONG])), Ok(None));
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF\x01\x01", b"!<arch>\n"] {
        assert_eq!(edit::apply(bytes, &path_edit(SearchTag::Runpath, &[LONG])), Ok(None));
    }
}

#[test]
fn damaged_files_are_refused_without_a_panic() {
    let whole = Sample::default().build();
    let edit = Edit { interpreter: Some(LONG.into()), ..path_edit(SearchTag::Runpath, &[LONG]) };
    for length in 0..whole.len() {
        assert!(edit::apply(&whole[..length], &edit).is_err() || length < 64, "cut at {length}");
    }
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let _ = edit::apply(&damaged, &edit).map(|new| new.map(|bytes| inspect_bytes(&bytes)));
    }
}

#[test]
fn shrinking_keeps_the_directories_that_provide() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let library = Sample { interpreter: None, needed: &[], ..Sample::default() }.build();
    for name in ["first", "second", "other"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("first/libone.so"), &library).unwrap();
    fs::write(at("second/libone.so"), &library).unwrap();
    fs::write(at("other/libtwo.so"), b"not a library").unwrap();
    let program = dir.path().join("program");
    fs::write(&program, Sample { needed: &["libone.so", "libtwo.so", "ld.so"], ..Sample::default() }.build())
        .unwrap();
    let path = ["$ORIGIN/other", "$ORIGIN/first", &at("second"), "/opt/$LIB", "/nowhere"].map(str::to_owned);
    assert!(set_runpath(&program, &path, SearchTag::Runpath).unwrap());
    assert_eq!(missing_libraries(&program).unwrap(), ["libtwo.so"]);
    assert_eq!(shrink_runpath(&program).unwrap(), ["$ORIGIN/other", &at("second"), "/nowhere"]);
    assert_eq!(inspect(&program).unwrap().unwrap().runpath, ["$ORIGIN/first", "/opt/$LIB"]);
}

#[test]
fn mode_and_hard_links_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, Sample::default().build()).unwrap();
    fs::hard_link(&file, &link).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o555)).unwrap();
    assert!(set_runpath(&file, &[LONG.to_owned()], SearchTag::Runpath).unwrap());
    let (one, two) = (fs::metadata(&file).unwrap(), fs::metadata(&link).unwrap());
    assert_eq!((one.ino(), one.mode() & 0o7777, one.nlink()), (two.ino(), 0o555, 2));
    assert!(!set_runpath(&link, &[LONG.to_owned()], SearchTag::Runpath).unwrap());
}

#[test]
fn replaces_bytes_of_equal_length_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, b"/lib/ and /lib/ and /usr/lib/").unwrap();
    assert_eq!(replace_bytes(&file, b"/lib/", b"/hpc/").unwrap(), 3);
    assert_eq!(fs::read(&file).unwrap(), b"/hpc/ and /hpc/ and /usr/hpc/");
    assert_eq!(replace_bytes(&file, b"absent", b"ABSENT").unwrap(), 0);
    let error = replace_bytes(&file, b"/hpc/", b"/x/").unwrap_err();
    assert!(error.to_string().starts_with("replacement of 5 bytes by 3 bytes in `"));
}

/// The test program itself, edited several times, still starts, from an interpreter and libraries named by long paths.
#[test]
fn an_edited_program_runs() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let info = inspect(&program).unwrap().unwrap();
    let Some(interpreter) = info.interpreter else {
        return assert!(!info.dynamic, "a static program has nothing to edit");
    };
    let long = dir.path().join("x".repeat(200));
    fs::create_dir(&long).unwrap();
    let linker = long.join("ld.so");
    std::os::unix::fs::symlink(&interpreter, &linker).unwrap();
    for directories in [vec![LONG.to_owned(); 9], vec![long.to_str().unwrap().to_owned()], vec![]] {
        set_runpath(&program, &directories, SearchTag::Rpath).unwrap();
        set_interpreter(&program, linker.to_str().unwrap()).unwrap();
        // A process that another test has just forked may hold the file open for writing until its own `exec`.
        let mut run = || Command::new(&program).arg("--help").output();
        let busy = |result: &std::io::Result<_>| matches!(result, Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy);
        let output = std::iter::repeat_with(&mut run).find(|result| !busy(result)).unwrap().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
    assert_eq!(inspect(&program).unwrap().unwrap().interpreter.as_deref(), linker.to_str());
}
