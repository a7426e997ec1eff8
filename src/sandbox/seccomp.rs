//! The system call filter of a build: no setuid or setgid bits, no extended attributes, no foreign system calls.
//!
//! Files of a store belong to the user who runs `hpcl`; a setuid file there would let others act as that user. So every
//! call that can set the bits 06000 is refused with EPERM when it asks for them: the chmod family, and `open`,
//! `creat` and `mknod`, whose mode can carry them too. `openat2` and `io_uring` take their arguments by pointer, which a filter cannot read:
//! both are "not implemented", and programs fall back. Extended attributes cannot be stored in an archive: ENOTSUP.
//! System calls of another architecture (or x32) would pass by these rules: the process is killed.
//!
//! The program is assembled from a table with named targets, so that no jump offset is written by hand.
//!
//! Invariant: a call that asks for none of this is allowed, whatever it is.

use std::io;

use nix::libc;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xC000_00B7;

const SET_ID: u32 = 0o6000;
const CREATES: u32 = (libc::O_CREAT | (libc::O_TMPFILE & !libc::O_DIRECTORY)) as u32;
// Newer than the libc crate's tables on some targets; the same number on every architecture.
const FCHMODAT2: libc::c_long = 452;
const SETXATTRAT: libc::c_long = 463;

/// What happens to a system call.
#[derive(Clone, Copy)]
enum Rule {
    /// Refused when the mode, which is argument `n`, has a set-id bit.
    Mode(u32),
    /// The same, when argument `flags` says that a file is created.
    ModeIfCreating { flags: u32, mode: u32 },
    /// Always fails with this error.
    Fails(i32),
}

fn rules() -> Vec<(libc::c_long, Rule)> {
    let mut rules = vec![
        (libc::SYS_fchmod, Rule::Mode(1)),
        (libc::SYS_fchmodat, Rule::Mode(2)),
        (FCHMODAT2, Rule::Mode(2)),
        (libc::SYS_mknodat, Rule::Mode(2)),
        (libc::SYS_openat, Rule::ModeIfCreating { flags: 2, mode: 3 }),
        (libc::SYS_openat2, Rule::Fails(libc::ENOSYS)),
        (libc::SYS_io_uring_setup, Rule::Fails(libc::ENOSYS)),
        (libc::SYS_setxattr, Rule::Fails(libc::ENOTSUP)),
        (libc::SYS_lsetxattr, Rule::Fails(libc::ENOTSUP)),
        (libc::SYS_fsetxattr, Rule::Fails(libc::ENOTSUP)),
        (SETXATTRAT, Rule::Fails(libc::ENOTSUP)),
    ];
    #[cfg(target_arch = "x86_64")]
    rules.extend([
        (libc::SYS_chmod, Rule::Mode(1)),
        (libc::SYS_creat, Rule::Mode(1)),
        (libc::SYS_mknod, Rule::Mode(1)),
        (libc::SYS_open, Rule::ModeIfCreating { flags: 1, mode: 2 }),
    ]);
    rules
}

// Offsets in `struct seccomp_data` {int nr; u32 arch; u64 ip; u64 args[6]}; the low half of an argument comes first on
// both architectures.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const fn argument(n: u32) -> u32 {
    16 + 8 * n
}

fn load(offset: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, jt: 0, jf: 0, k: offset }
}

fn answer(value: u32) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: value }
}

/// Runs the next instruction only when the comparison holds, else skips `skip` instructions.
fn unless_skip(comparison: u32, k: u32, skip: usize) -> libc::sock_filter {
    let jf = u8::try_from(skip).expect("a rule has at most six instructions");
    libc::sock_filter { code: (libc::BPF_JMP | comparison | libc::BPF_K) as u16, jt: 0, jf, k }
}

fn refuse(error: i32) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | error.unsigned_abs())
}

/// The instructions of one rule, run when the number matches; each ends in an answer.
fn body(rule: Rule) -> Vec<libc::sock_filter> {
    let (set, allow) = (libc::BPF_JSET, answer(libc::SECCOMP_RET_ALLOW));
    match rule {
        Rule::Fails(error) => vec![refuse(error)],
        Rule::Mode(mode) => {
            vec![load(argument(mode)), unless_skip(set, SET_ID, 1), refuse(libc::EPERM), allow]
        }
        Rule::ModeIfCreating { flags, mode } => vec![
            load(argument(flags)),
            unless_skip(set, CREATES, 3),
            load(argument(mode)),
            unless_skip(set, SET_ID, 1),
            refuse(libc::EPERM),
            allow,
        ],
    }
}

/// The whole filter. Each rule is `if the number is mine: body, else skip it`.
fn program() -> Vec<libc::sock_filter> {
    let equal = libc::BPF_JEQ;
    let mut program = vec![
        load(ARCH),
        libc::sock_filter {
            code: (libc::BPF_JMP | equal | libc::BPF_K) as u16,
            jt: 1,
            jf: 0,
            k: ARCHITECTURE,
        },
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    program.extend([
        // x32 calls have the architecture of x86-64 and this bit
        unless_skip(libc::BPF_JGE, 0x4000_0000, 1),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
    ]);
    for (number, rule) in rules() {
        let body = body(rule);
        program.push(unless_skip(
            equal,
            u32::try_from(number).expect("system call numbers are small"),
            body.len(),
        ));
        program.extend(body);
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

/// Installs the filter for this process and all that it starts. Needs `no_new_privs`.
pub(super) fn install() -> io::Result<()> {
    let mut program = program();
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).expect("the filter has about eighty instructions"),
        filter: program.as_mut_ptr(),
    };
    // SAFETY: `filter` points to `len` valid instructions, and both outlive the call. The flag keeps speculative
    // store bypass as it is, which costs builds nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const filter,
        )
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small machine for the instructions that the filter uses.
    fn run(number: libc::c_long, arguments: [u32; 6], architecture: u32) -> u32 {
        let program = program();
        let read = |offset: u32| match offset {
            NUMBER => u32::try_from(number).unwrap(),
            ARCH => architecture,
            other => arguments[((other - 16) / 8) as usize],
        };
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let one = program[at];
            at += 1;
            let jump = |holds: bool| usize::from(if holds { one.jt } else { one.jf });
            match u32::from(one.code) {
                0x20 => accumulator = read(one.k),
                0x06 => return one.k,
                0x15 => at += jump(accumulator == one.k),
                0x35 => at += jump(accumulator >= one.k),
                0x45 => at += jump(accumulator & one.k != 0),
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
    const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

    #[test]
    fn the_chmod_family_may_set_all_but_set_id_bits() {
        for (number, mode) in
            [(libc::SYS_fchmod, 1), (libc::SYS_fchmodat, 2), (FCHMODAT2, 2), (libc::SYS_mknodat, 2)]
        {
            for (bits, expected) in
                [(0o755, ALLOW), (0o1777, ALLOW), (0o4755, EPERM), (0o2755, EPERM), (0o6000, EPERM)]
            {
                let mut arguments = [0; 6];
                arguments[mode] = bits;
                assert_eq!(run(number, arguments, ARCHITECTURE), expected, "call {number}, mode {bits:o}");
            }
        }
    }

    #[test]
    fn open_is_refused_only_when_it_creates_a_set_id_file() {
        let creating = libc::O_CREAT as u32;
        let open = |flags, mode| run(libc::SYS_openat, [0, 0, flags, mode, 0, 0], ARCHITECTURE);
        assert_eq!(open(creating, 0o6755), EPERM);
        assert_eq!(open(libc::O_TMPFILE as u32, 0o4755), EPERM);
        assert_eq!(open(creating, 0o644), ALLOW);
        // without O_CREAT the mode is whatever lay on the stack
        assert_eq!(open(0, 0o6755), ALLOW);
        assert_eq!(open(libc::O_DIRECTORY as u32, 0o6755), ALLOW);
    }

    #[test]
    fn attributes_and_calls_by_pointer_fail() {
        let error = |number| run(number, [0; 6], ARCHITECTURE) & 0xffff;
        assert_eq!(error(libc::SYS_setxattr), libc::ENOTSUP as u32);
        assert_eq!(error(SETXATTRAT), libc::ENOTSUP as u32);
        assert_eq!(error(libc::SYS_openat2), libc::ENOSYS as u32);
    }

    #[test]
    fn all_else_is_allowed_but_foreign_calls_kill() {
        for number in (0..600).filter(|n| rules().iter().all(|(known, _)| known != n)) {
            assert_eq!(run(number, [0o6000; 6], ARCHITECTURE), ALLOW, "call {number}");
        }
        assert_eq!(run(1, [0; 6], 0x4000_0003), libc::SECCOMP_RET_KILL_PROCESS);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(run(0x4000_0000 + 90, [0; 6], ARCHITECTURE), libc::SECCOMP_RET_KILL_PROCESS);
    }
}
