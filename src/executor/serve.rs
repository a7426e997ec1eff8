//! The zygote's side: forks builds and runs them. See [`super::zygote`] for the protocol.
//!
//! Invariant: this process has one thread, and holds nothing of a build after its fork.

use std::{
    fs::File,
    io::{self, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use nix::{
    libc,
    sys::signal::{SigHandler, Signal, signal},
};

use super::{
    BuilderJob, jobserver,
    zygote::{self, BuildOrder, Report, Request},
};
use crate::sandbox::{self, Isolation, SandboxError};

/// Serves builds until the executor closes its end of descriptor 0. `run` interprets a job and answers its exit code.
pub fn serve(run: fn(&BuilderJob) -> i32) -> io::Result<()> {
    let _ = rustix::process::setsid();
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // Away from 0, which builds see as /dev/null, and from 3 and 4, which are the jobserver's.
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    let control = UnixStream::from(control);
    // SAFETY: SIG_IGN is no handler. Ended builds need no burial: they have reported by then.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }?;
    while let Some(request) = zygote::receive(&control)? {
        match request {
            Request::Jobserver(read, write) => jobserver::install(read, write)?,
            Request::Build { isolation, channel, log } => {
                let build = |set_up| {
                    let _ = nix::unistd::close(control.as_raw_fd());
                    let _ = rustix::stdio::dup2_stdout(&log);
                    let _ = rustix::stdio::dup2_stderr(&log);
                    let _ = nix::unistd::close(log.as_raw_fd());
                    attend(&channel, isolation, set_up, run)
                };
                if let Err(error) = sandbox::spawn(isolation, build) {
                    answer(&channel, &Report::NotStarted(error.chain()));
                }
            }
        }
    }
    Ok(())
}

/// The first process of a build: reads the order, makes the sandbox, supervises the builder, reports.
fn attend(
    channel: &UnixStream,
    isolation: Isolation,
    set_up: Result<(), SandboxError>,
    run: fn(&BuilderJob) -> i32,
) -> i32 {
    // SAFETY: SIG_DFL is no handler. Children must be waited for here.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // Without an order the executor is gone or has cancelled.
    let Ok(order) = zygote::read_order(&mut &*channel) else { return 1 };
    // A session of its own: the terminal's Ctrl-C is for the executor, which cancels in good order.
    let _ = rustix::process::setsid();
    let entered = set_up.and_then(|()| settle(isolation, &order));
    if let Err(error) = entered {
        answer(channel, &Report::NotStarted(error.chain()));
        return 1;
    }
    let descriptor = channel.as_raw_fd();
    let supervised = sandbox::supervise(channel, isolation, || {
        let _ = nix::unistd::close(descriptor);
        let _ = rustix::process::setsid();
        if let Err(error) = sandbox::confine(isolation) {
            let _ = writeln!(io::stderr(), "hpcl: {}", error.chain());
            return libc::EXIT_FAILURE;
        }
        run(&order.job)
    });
    match supervised {
        Ok(supervised) => answer(channel, &Report::Ended(supervised)),
        Err(error) => {
            answer(channel, &Report::NotStarted(format!("cannot supervise the builder: {error}")));
        }
    }
    0
}

fn settle(isolation: Isolation, order: &BuildOrder) -> Result<(), SandboxError> {
    if isolation != Isolation::None {
        return sandbox::enter(&order.spec);
    }
    let directory = &order.job.build_dir;
    std::env::set_current_dir(directory)
        .map_err(|source| SandboxError::Make { path: directory.clone(), source })
}

fn answer(mut channel: &UnixStream, report: &Report) {
    // An executor that has gone away reads no reports.
    if let Ok(text) = serde_json::to_vec(report) {
        let _ = channel.write_all(&text);
    }
}
