//! Leases: how processes of other machines are known to be alive, and locks where the file system has none.
//!
//! A file's owner touches it again and again ([`renew`]); when nobody has for long enough, its owner is gone. That needs no lock that
//! works between machines. It is used in two places:
//!
//! * A session of another machine counts for [`LEASE`] after its last renewal even when its lock seems free: some file systems keep
//!   locks to each machine. Its own machine sees the lock as it is.
//! * Where `flock` does not work, or only within one machine ([`unshared_locks`]), a lock is a file that only one can create, with a
//!   lease. Shared locks are then taken alone, which is slower and no less safe. One whose lease ran out, as seen by the clock of
//!   who waits, is taken over by renaming it away.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};

/// How long a session counts that nobody renews.
pub(super) const LEASE: Duration = Duration::from_secs(60 * 60);
/// How long a lock counts that nobody renews; more than NFS remembers attributes.
const LOCK_LEASE: Duration = Duration::from_secs(120);
/// How often leases are renewed.
const RENEWAL: Duration = Duration::from_secs(15);
/// How often who waits looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// This machine, since it was started: locks of its processes are seen by all of them.
pub(super) fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy();
        let host: String = name.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot: String = boot.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
        format!("{host}-{boot}")
    })
}

/// Keeps a file's lease for as long as this process lives, or until [`forget`].
pub(super) fn renew(path: &Path) {
    static RENEWER: OnceLock<()> = OnceLock::new();
    renewed().insert(path.to_owned());
    RENEWER.get_or_init(|| {
        // Without the thread leases run out, which is what they are for.
        let _ = thread::Builder::new().name("leases".into()).spawn(|| {
            loop {
                thread::sleep(RENEWAL);
                let paths = renewed().clone();
                paths.iter().for_each(|path| drop(touch(path)));
            }
        });
    });
}

/// Lets a file's lease run out.
pub(super) fn forget(path: &Path) {
    renewed().remove(path);
}

fn renewed() -> std::sync::MutexGuard<'static, BTreeSet<PathBuf>> {
    static RENEWED: OnceLock<Mutex<BTreeSet<PathBuf>>> = OnceLock::new();
    RENEWED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

/// Renews a lease once. The time is the file server's.
pub fn touch(path: &Path) -> io::Result<()> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let times = Timestamps { last_access: now, last_modification: now };
    Ok(rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// How long ago a lease was renewed, by the clock of the file system: `witness` is a file of ours on it.
pub(super) fn age(path: &Path, witness: &Path) -> io::Result<Duration> {
    touch(witness)?;
    let now = witness.metadata()?.modified()?;
    Ok(now.duration_since(path.metadata()?.modified()?).unwrap_or(Duration::ZERO))
}

/// A lock that is a file with a lease. Given up when dropped.
#[derive(Debug)]
pub(super) struct LeaseLock {
    path: PathBuf,
    inode: u64,
}

impl LeaseLock {
    /// Takes the lock, waiting for others; `waiting` is asked again and again whether to go on.
    pub(super) fn take(path: PathBuf, waiting: &mut dyn FnMut() -> bool) -> io::Result<Option<LeaseLock>> {
        let mut seen: Option<((u64, SystemTime), Instant)> = None;
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    write!(file, "{} {}", machine(), std::process::id())?;
                    renew(&path);
                    return Ok(Some(LeaseLock { inode: file.metadata()?.ino(), path }));
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let found = match path.metadata() {
                Ok(metadata) => (metadata.ino(), metadata.modified()?),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match seen {
                Some((before, since)) if before == found => {
                    if since.elapsed() > LOCK_LEASE || is_dead(&path) {
                        take_away(&path, found.0)?;
                        seen = None;
                        continue;
                    }
                }
                _ => seen = Some((found, Instant::now())),
            }
            if !waiting() {
                return Ok(None);
            }
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for LeaseLock {
    fn drop(&mut self) {
        forget(&self.path);
        // One whose process slept through its lease is another's by now.
        if self.path.metadata().is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether a lock's owner was a process of this machine that is no more.
fn is_dead(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_once(' ').is_some_and(|(on, process)| {
        on == machine()
            && process.parse::<u32>().is_ok_and(|id| !Path::new("/proc").join(id.to_string()).exists())
    })
}

/// Removes a lock whose owner is gone; of several who try, one renames it, and one that took it meanwhile keeps it.
fn take_away(path: &Path, inode: u64) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{}", machine(), std::process::id()));
    let away = PathBuf::from(name);
    match fs::rename(path, &away) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    if away.metadata()?.ino() != inode {
        // A new owner's: it goes back, unless a third has taken the lock; then two have it for a moment's work, and the new owner's
        // next step finds the item made.
        let _ = fs::hard_link(&away, path);
    }
    fs::remove_file(&away)
}

/// Why locks of a directory's file system are not seen by other machines, if the mount says so.
pub(super) fn unshared_locks(directory: &Path) -> Option<String> {
    let device = directory.metadata().ok()?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&format!("{major}:{minor}"))).find_map(reason)
}

/// Whether other machines may use a directory's file system at the same time.
pub(super) fn is_shared(directory: &Path) -> bool {
    if std::env::var_os("HPCL_STORE_SHARED").is_some_and(|value| value == "1") {
        return true;
    }
    let local = ["ext2", "ext3", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "f2fs", "vfat", "ramfs"];
    let Ok(device) = directory.metadata().map(|found| found.dev()) else { return false };
    let number = format!("{}:{}", rustix::fs::major(device), rustix::fs::minor(device));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let of_device = mounts.lines().find(|line| line.split(' ').nth(2) == Some(&number));
    let kind = of_device.and_then(|line| line.split_once(" - ")?.1.split(' ').next());
    kind.is_some_and(|kind| !local.contains(&kind))
}

/// What a line of `mountinfo` says against its locks.
fn reason(line: &str) -> Option<String> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut parts = file_system.split(' ');
    let kind = parts.next()?;
    let options = [mount.split(' ').nth(5)?, parts.nth(1).unwrap_or_default()].join(",");
    let bad: &[&str] = match kind {
        "nfs" | "nfs4" => &["nolock", "local_lock=all", "local_lock=flock"],
        "lustre" => &["localflock", "noflock"],
        _ => return None,
    };
    let found = options.split(',').find(|option| bad.contains(option))?;
    Some(format!("it is mounted with `{found}`"))
}

/// Whether an error means that there are no locks here.
pub(super) fn means_no_locks(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS].iter().any(|errno| code == Some(errno.raw_os_error()))
}

/// Renews a lease for as long as another process of this machine lives.
pub fn renew_for(path: &Path, process: u32) -> io::Result<()> {
    let begun = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in parentheses may hold anything; the time of its beginning is the 20th field behind.
        Some(stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.to_owned())
    };
    let first = begun();
    let mut renewed = None::<Instant>;
    // A number may be given to another process.
    while first.is_some() && begun() == first {
        if renewed.is_none_or(|renewed| renewed.elapsed() >= RENEWAL) {
            touch(path)?;
            renewed = Some(Instant::now());
        }
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Whether a session's name is one of this machine's.
pub(super) fn is_local(name: &std::ffi::OsStr) -> bool {
    name.as_bytes().strip_prefix(machine().as_bytes()).is_some_and(|rest| rest.starts_with(b"-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_keep_locks_to_a_machine_are_known() {
        let line = |kind: &str, options: &str| {
            format!("36 35 0:50 / /home rw,noatime shared:1 - {kind} server:/x rw,{options}")
        };
        assert_eq!(reason(&line("nfs", "vers=3,nolock")).as_deref(), Some("it is mounted with `nolock`"));
        assert!(reason(&line("nfs4", "local_lock=none,vers=4.2")).is_none());
        assert!(reason(&line("lustre", "localflock")).is_some());
        assert!(reason(&line("ext4", "nolock")).is_none());
    }

    #[test]
    fn a_lock_is_one_process_s_and_outlives_no_owner() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.lease");
        let held = LeaseLock::take(path.clone(), &mut || true).unwrap().unwrap();
        let mut asked = 0;
        let mut waiting = || {
            asked += 1;
            asked < 3
        };
        assert!(LeaseLock::take(path.clone(), &mut waiting).unwrap().is_none(), "somebody has it");
        drop(held);
        assert!(!path.exists());
        // A process of this machine that is gone; its number is beyond the largest.
        fs::write(&path, format!("{} 99999999", machine())).unwrap();
        assert!(LeaseLock::take(path.clone(), &mut || true).unwrap().is_some());
        // One of another machine counts for as long as its lease.
        fs::write(&path, "elsewhere-0 1").unwrap();
        let mut asked = 0;
        let mut waiting = || {
            asked += 1;
            asked < 5
        };
        assert!(LeaseLock::take(path.clone(), &mut waiting).unwrap().is_none());
    }

    #[test]
    fn counters_never_overlap_under_leases() {
        let place = tempfile::tempdir().unwrap();
        let (path, count) = (place.path().join("x.lease"), place.path().join("count"));
        fs::write(&count, "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _held = LeaseLock::take(path.clone(), &mut || true).unwrap().unwrap();
                        let number: u32 = fs::read_to_string(&count).unwrap().parse().unwrap();
                        fs::write(&count, (number + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&count).unwrap(), "160");
    }
}
