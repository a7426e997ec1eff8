//! The directory of a failed build, kept, and the way back into it.
//!
//! It moves to `var/kept/NAME-N`, together with the build's order, so that `hpcl __enter DIRECTORY` can make the same
//! sandbox again, with the same environment, and run a shell or any command of the inputs in it.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use super::{prepare::Prepared, zygote::BuildOrder};
use crate::{
    sandbox::{self, Ended, Isolation},
    store::LocalStore,
};

const ORDER: &str = "order.json";

/// A kept directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The directory; the build's working directory is `build` in it.
    pub directory: PathBuf,
    /// The command that enters it.
    pub command: String,
}

/// What the file of a kept directory says.
#[derive(serde::Serialize, serde::Deserialize)]
struct KeptOrder {
    sandboxed: bool,
    order: BuildOrder,
}

/// Moves a failed build's directory to where it is kept.
pub(super) fn keep(store: &LocalStore, program: &Path, name: &str, prepared: &Prepared) -> io::Result<Kept> {
    let parent = store.var_dir().join("kept");
    fs::create_dir_all(&parent)?;
    let directory = free_name(&fs::canonicalize(parent)?, name);
    move_directory(&prepared.directory, &directory)?;
    let mut order = prepared.order.clone();
    order.spec.root = directory.clone();
    let moved = |path: &mut PathBuf| {
        if let Ok(inside) = path.strip_prefix(&prepared.directory) {
            *path = directory.join(inside);
        }
    };
    order.spec.writable.iter_mut().for_each(|bind| moved(&mut bind.host));
    moved(&mut order.job.build_dir);
    let kept = KeptOrder { sandboxed: prepared.isolation != Isolation::None, order };
    serde_json::to_writer(File::create(directory.join(ORDER))?, &kept)?;
    let command = format!("{} __enter {}", program.display(), directory.display());
    Ok(Kept { directory, command })
}

/// A name in `parent` at which nothing is.
pub(super) fn free_name(parent: &Path, name: &str) -> PathBuf {
    let mut count = 1;
    loop {
        let path = parent.join(format!("{name}-{count}"));
        if path.symlink_metadata().is_err() {
            return path;
        }
        count += 1;
    }
}

/// Renames a tree that may be read-only: the entry `..` of a directory is written by a rename.
pub(super) fn move_directory(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_dir() {
        fs::set_permissions(from, Permissions::from_mode(metadata.permissions().mode() | 0o700))?;
    }
    fs::rename(from, to)
}

/// Enters a kept directory and runs a command there: by default the shell that the build had, as `/bin/sh`.
///
/// Answers the command's exit code.
pub fn enter_kept(directory: &Path, command: &[String]) -> io::Result<i32> {
    let text = fs::read_to_string(directory.join(ORDER))?;
    let KeptOrder { sandboxed, order } = serde_json::from_str(&text)?;
    let shell;
    let command = match (command, sandboxed, &order.job.sandbox_shell) {
        ([], true, None) => {
            let reason = "the build had no shell; name a program of its inputs by its whole path";
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
        ([], ..) => {
            shell = ["/bin/sh".to_owned()];
            &shell
        }
        (command, ..) => command,
    };
    let isolation = match (sandboxed, order.spec.network) {
        (false, _) => Isolation::None,
        (true, false) => Isolation::Full,
        (true, true) => Isolation::WithNetwork,
    };
    // The writing end stays open here, for as long as this process lives.
    let (alive, _hold) = std::os::unix::net::UnixStream::pair()?;
    let child = sandbox::spawn(isolation, |set_up| {
        let hold = std::os::fd::AsRawFd::as_raw_fd(&_hold);
        let _ = nix::unistd::close(hold);
        let entered = set_up.and_then(|()| match isolation {
            Isolation::None => Ok(()),
            _ => sandbox::enter(&order.spec),
        });
        if let Err(error) = entered {
            return complain(&error.chain());
        }
        match sandbox::supervise(&alive, isolation, || run(&order, isolation, command)) {
            Ok(supervised) => match supervised.ended {
                Ended::Code(code) => code,
                Ended::Signal(signal) => 128 + signal,
                Ended::Cancelled => 1,
            },
            Err(error) => complain(&error.to_string()),
        }
    })
    .map_err(io::Error::other)?;
    // The terminal's Ctrl-C is for the command.
    // SAFETY: SIG_IGN is no handler.
    let _ = unsafe {
        nix::sys::signal::signal(nix::sys::signal::Signal::SIGINT, nix::sys::signal::SigHandler::SigIgn)
    };
    match nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None)? {
        nix::sys::wait::WaitStatus::Exited(_, code) => Ok(code),
        _ => Ok(1),
    }
}

fn run(order: &BuildOrder, isolation: Isolation, command: &[String]) -> i32 {
    if let Err(error) = sandbox::confine(isolation) {
        return complain(&error.chain());
    }
    let Some((program, arguments)) = command.split_first() else { return 0 };
    // `exec` returns only when it fails.
    let error = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(order.job.env.iter().map(|(name, value)| (name, value)))
        .current_dir(&order.job.build_dir)
        .exec();
    complain(&format!("cannot run `{program}`: {error}"));
    127
}

fn complain(text: &str) -> i32 {
    let _ = writeln!(io::stderr(), "hpcl: {text}");
    1
}
