//! The root of a sandbox: a tmpfs with the inputs bound into it, and nothing else.
//!
//! Order: make mounts private; mount a tmpfs over an existing directory; `pivot_root` into it with the old root at `/.old`, so
//! that sources below that directory stay reachable; binds, `/dev`, `/proc`, `/etc`; make the root read-only; detach the
//! old root. `/dev/shm` is a bind of the root's own tmpfs that stays writable when the root becomes read-only.
//!
//! Invariant: when `enter` returns, no mount of the host is reachable but those named in the spec and six devices, and
//! what changes the whole kernel through `/proc` cannot be written, not even when root builds.

use std::{
    ffi::CString,
    fs::{self, DirBuilder, File},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, symlink},
    },
    path::{Path, PathBuf},
};

use nix::libc;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use super::{Bind, SandboxError, SandboxSpec, confine};

const OLD: &str = "/.old";
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS: [(&str, &str); 4] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
];
const PASSWD: &str = "root:x:0:0:root:/:/noshell\nhpcl:x:1000:1000:build user:/homeless-shelter:/noshell\n\
                      nobody:x:65534:65534:nobody:/:/noshell\n";
const GROUP: &str = "root:x:0:\nhpcl:x:1000:\nnogroup:x:65534:\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// Settings of the whole kernel, which belong to the host's root.
const KERNEL: [&str; 7] =
    ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi"];
/// Files of the host that a build with network needs to resolve names.
const NETWORK_FILES: [&str; 3] = ["/etc/resolv.conf", "/etc/services", "/etc/nsswitch.conf"];

/// Builds the root of the sandbox and makes it the root of this process, which must be the first one of its
/// namespaces ([`super::spawn`]).
pub fn enter(spec: &SandboxSpec) -> Result<(), SandboxError> {
    pivot(&spec.root)?;
    directory(Path::new("/dev"))?;
    directory(Path::new("/etc"))?;
    // Parents before children: `/build` inside nothing, inputs inside the store's scratch directory.
    for bind in &spec.writable {
        show(bind, Attributes::WRITABLE)?;
    }
    for bind in &spec.read_only {
        show(bind, Attributes::READ_ONLY)?;
    }
    devices()?;
    processes()?;
    accounts(spec.network)?;
    for link in &spec.links {
        make_parent(&link.at)?;
        symlink(&link.to, &link.at).map_err(make(&link.at))?;
    }
    unmount(OLD, UnmountFlags::DETACH).map_err(SandboxError::step("leave the old root"))?;
    fs::remove_dir(OLD).map_err(make(Path::new(OLD)))?;
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV, "")
        .map_err(at("a read-only root", Path::new("/")))?;
    confine::name_host(&spec.hostname)?;
    if !spec.network {
        confine::raise_loopback()?;
    }
    std::env::set_current_dir(&spec.directory).map_err(make(&spec.directory))
}

fn pivot(over: &Path) -> Result<(), SandboxError> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(SandboxError::step("make the mounts private"))?;
    mount("tmpfs", over, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0755")
        .map_err(at("a new root", over))?;
    std::env::set_current_dir(over).map_err(make(over))?;
    fs::create_dir(".old").map_err(make(Path::new(OLD)))?;
    rustix::process::pivot_root(".", ".old").map_err(SandboxError::step("switch to the new root"))?;
    std::env::set_current_dir("/").map_err(make(Path::new("/")))
}

/// What a bind may not do, for `mount_setattr`.
#[derive(Clone, Copy)]
struct Attributes(u64);

impl Attributes {
    // From linux/mount.h: MOUNT_ATTR_RDONLY 1, MOUNT_ATTR_NOSUID 2, MOUNT_ATTR_NODEV 4.
    const WRITABLE: Attributes = Attributes(2 | 4);
    const READ_ONLY: Attributes = Attributes(1 | 2 | 4);
}

fn show(bind: &Bind, attributes: Attributes) -> Result<(), SandboxError> {
    let source = old(&bind.host);
    let no_input = |source| SandboxError::NoInput { path: bind.host.clone(), source };
    let kind = fs::symlink_metadata(&source).map_err(no_input)?.file_type();
    make_parent(&bind.inside)?;
    if kind.is_symlink() {
        // A link cannot be mounted over a link: copy it.
        let target = fs::read_link(&source).map_err(no_input)?;
        return symlink(target, &bind.inside).map_err(make(&bind.inside));
    }
    if kind.is_dir() {
        directory(&bind.inside)?;
    } else {
        File::create(&bind.inside).map_err(make(&bind.inside))?;
    }
    let failed = at(&format!("`{}`", bind.host.display()), &bind.inside);
    mount_bind(&source, &bind.inside).map_err(failed)?;
    restrict(&bind.inside, attributes).map_err(|source| SandboxError::Mount {
        what: "restrictions".into(),
        at: bind.inside.clone(),
        source,
    })
}

/// Adds restrictions to a mount and keeps those it has, which the kernel has locked.
fn restrict(target: &Path, attributes: Attributes) -> io::Result<()> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let path = CString::new(target.as_os_str().as_bytes())?;
    let change = MountAttributes { set: attributes.0, clear: 0, propagation: 0, user_namespace: 0 };
    // SAFETY: `path` is a C string and `change` a `struct mount_attr` of the size that is passed; both outlive the call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            0,
            &raw const change,
            size_of::<MountAttributes>(),
        )
    };
    if answer == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() != Some(libc::ENOSYS) {
        return Err(error);
    }
    // Before Linux 5.12 a remount states all flags anew: ask for those that hold.
    let mut flags = MountFlags::BIND | MountFlags::NOSUID | MountFlags::NODEV;
    let now = rustix::fs::statvfs(target)?.f_flag;
    if attributes.0 & 1 != 0 || now.contains(rustix::fs::StatVfsMountFlags::RDONLY) {
        flags |= MountFlags::RDONLY;
    }
    if now.contains(rustix::fs::StatVfsMountFlags::NOEXEC) {
        flags |= MountFlags::NOEXEC;
    }
    Ok(mount_remount(target, flags, "")?)
}

fn devices() -> Result<(), SandboxError> {
    for name in DEVICES {
        let target = Path::new("/dev").join(name);
        File::create(&target).map_err(make(&target))?;
        let failed = at("a device", &target);
        mount_bind(old(&target), &target).map_err(failed)?;
    }
    for (link, target) in DEVICE_LINKS {
        symlink(target, link).map_err(make(Path::new(link)))?;
    }
    let shared = Path::new("/dev/shm");
    DirBuilder::new().mode(0o1777).create(shared).map_err(make(shared))?;
    fs::set_permissions(shared, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        .map_err(make(shared))?;
    mount_bind(shared, shared).map_err(at("shared memory", shared))?;
    let terminals = Path::new("/dev/pts");
    directory(terminals)?;
    // Not every kernel has devpts in a user namespace; few builds want a terminal.
    let options = c"newinstance,ptmxmode=0666,mode=620";
    if mount("devpts", terminals, "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, options).is_ok() {
        symlink("pts/ptmx", "/dev/ptmx").map_err(make(Path::new("/dev/ptmx")))?;
    }
    Ok(())
}

fn processes() -> Result<(), SandboxError> {
    directory(Path::new("/proc"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "/proc", "proc", flags, None).map_err(at("the processes", Path::new("/proc")))?;
    if !is_of_root()? {
        return Ok(());
    }
    // To the kernel a build that root started is root's, whatever its number inside and without any capability.
    for path in KERNEL.map(Path::new).into_iter().filter(|path| path.exists()) {
        mount_bind(path, path).map_err(at("a part of the kernel", path))?;
        let shown = "a read-only part of the kernel".to_owned();
        restrict(path, Attributes::READ_ONLY).map_err(|source| SandboxError::Mount {
            what: shown,
            at: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Whether this process is root outside.
fn is_of_root() -> Result<bool, SandboxError> {
    let file = Path::new("/proc/self/uid_map");
    let map = fs::read_to_string(file).map_err(make(file))?;
    // inside, outside, count
    Ok(map.split_whitespace().nth(1) == Some("0"))
}

fn accounts(network: bool) -> Result<(), SandboxError> {
    for (path, text) in [("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/hosts", HOSTS)] {
        fs::write(path, text).map_err(make(Path::new(path)))?;
    }
    if !network {
        return Ok(());
    }
    for file in NETWORK_FILES {
        let source = old(Path::new(file));
        if source.exists() {
            File::create(file).map_err(make(Path::new(file)))?;
            mount_bind_recursive(&source, file).map_err(at("a network file", Path::new(file)))?;
        }
    }
    Ok(())
}

/// Where a path of the host is found after the pivot. A link below it would lead into the new root: only the last part
/// of a path may be one, which `show` treats.
fn old(path: &Path) -> PathBuf {
    Path::new(OLD).join(path.strip_prefix("/").unwrap_or(path))
}

fn make_parent(path: &Path) -> Result<(), SandboxError> {
    path.parent().map_or(Ok(()), directory)
}

fn directory(path: &Path) -> Result<(), SandboxError> {
    match fs::create_dir(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parent(path)?;
            fs::create_dir(path).map_err(make(path))
        }
        Err(error) => Err(make(path)(error)),
    }
}

fn make(path: &Path) -> impl FnOnce(io::Error) -> SandboxError + use<> {
    let path = path.to_owned();
    move |source| SandboxError::Make { path, source }
}

fn at(what: &str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> SandboxError + use<> {
    let (what, at) = (what.to_owned(), path.to_owned());
    move |error| SandboxError::Mount { what, at, source: error.into() }
}
