//! Another machine's store, reached with the system's `ssh`, so that keys, tickets, jump hosts and second factors work as ever.
//!
//! The far end needs a POSIX shell and nothing else: where there is no `hpcl` it is brought along, into `~/.local/bin`. Options for
//! `ssh` stand in `HPCL_SSH_OPTIONS`, separated by blanks.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::CacheError;
use crate::store_path::StorePath;

/// Finds the far end's program.
const FIND: &str =
    r#"command -v hpcl || { test -x "$HOME/.local/bin/hpcl" && echo "$HOME/.local/bin/hpcl"; } || uname -sm"#;
/// Takes a program from standard input.
const BRING: &str = r#"umask 022; d="$HOME/.local/bin"; mkdir -p "$d" && cat > "$d/.hpcl.$$" && chmod 755 "$d/.hpcl.$$" && mv -f "$d/.hpcl.$$" "$d/hpcl" && echo "$d/hpcl""#;

/// What a program that runs on any machine is called, beside this one.
const STATIC: &str = "hpcl-static";

/// The program for a machine without one.
fn program_to_bring() -> Result<PathBuf, CacheError> {
    let own = std::env::current_exe().map_err(CacheError::file("find", Path::new("hpcl")))?;
    let beside = own.with_file_name(STATIC);
    Ok(if beside.is_file() { beside } else { own })
}

/// A machine that is reached with `ssh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshHost {
    destination: String,
    port: Option<u16>,
}

impl SshHost {
    /// The machine of an address: `ssh://[USER@]HOST[:PORT]`.
    pub fn parse(address: &str) -> Option<SshHost> {
        let rest = address.strip_prefix("ssh://")?.trim_end_matches('/');
        let (destination, port) = match rest.rsplit_once(':') {
            // In `[::1]` the last colon is no port's.
            Some((destination, port)) if !port.ends_with(']') => (destination, Some(port.parse().ok()?)),
            _ => (rest, None),
        };
        let destination = match destination.split_once('@') {
            Some((user, host)) => format!("{user}@{}", host.trim_matches(['[', ']'])),
            None => destination.trim_matches(['[', ']']).to_owned(),
        };
        // What begins with a dash would be an option of ssh's.
        let sound = !destination.is_empty()
            && !destination.starts_with('-')
            && destination.chars().all(|c| c.is_ascii_alphanumeric() || "@.:-_%".contains(c));
        sound.then_some(SshHost { destination, port })
    }

    /// The store there. Brings this program along where there is none, which `told` hears.
    pub fn connect(&self, told: &dyn Fn(&str)) -> Result<RemoteStore, CacheError> {
        let answer = self.ask(FIND, io::empty())?;
        let found = answer.lines().last().unwrap_or_default().trim().to_owned();
        if found.starts_with('/') {
            return Ok(RemoteStore { host: self.clone(), program: found });
        }
        let ours = format!("Linux {}", std::env::consts::ARCH);
        if found != ours {
            return Err(self.failed(format!(
                "it is a machine of another kind (`{found}`, and not `{ours}`) without an hpcl"
            )));
        }
        told(&format!("there is no hpcl at {}: bringing this one to ~/.local/bin", self.destination));
        let program = program_to_bring()?;
        let file = File::open(&program).map_err(CacheError::file("read", &program))?;
        let brought = self.ask(BRING, file)?.trim().to_owned();
        let store = RemoteStore { host: self.clone(), program: brought };
        self.ask(&store.call("--version"), io::empty()).map_err(|error| match error {
            CacheError::Ssh { host, reason } => {
                let reason = format!(
                    "the hpcl that was brought does not run there: {reason}; build one that needs no libraries with \
                     `cargo build --release --target {}-unknown-linux-musl` and put it beside this one, called `{STATIC}`",
                    std::env::consts::ARCH
                );
                CacheError::Ssh { host, reason }
            }
            other => other,
        })?;
        Ok(store)
    }

    /// Runs a script there with some input; gives its standard output.
    fn ask(&self, script: &str, mut input: impl Read) -> Result<String, CacheError> {
        let mut child = self.spawn(script, Stdio::piped(), Stdio::piped())?;
        let mut stdin = child.stdin.take();
        if let Some(stdin) = &mut stdin {
            // When the far end stops reading, what it says counts.
            let _ = io::copy(&mut input, stdin);
        }
        drop(stdin);
        let output = child.wait_with_output().map_err(|error| self.failed(error.to_string()))?;
        if !output.status.success() {
            return Err(self.failed(ended(output.status)));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) fn spawn(&self, script: &str, stdin: Stdio, stdout: Stdio) -> Result<Child, CacheError> {
        let mut command = Command::new("ssh");
        let options = std::env::var("HPCL_SSH_OPTIONS").unwrap_or_default();
        command.args(options.split_whitespace());
        if let Some(port) = self.port {
            command.args(["-p", &port.to_string()]);
        }
        // Whatever the user's login shell is, it understands this much.
        let remote: OsString = format!("exec sh -c {}", quoted(script)).into();
        command.arg("-T").arg("--").arg(&self.destination).arg(remote).stdin(stdin).stdout(stdout);
        command.spawn().map_err(|error| self.failed(format!("`ssh` cannot be started: {error}")))
    }

    pub(super) fn failed(&self, reason: String) -> CacheError {
        CacheError::Ssh { host: self.destination.clone(), reason }
    }
}

/// A store on another machine.
#[derive(Debug)]
pub struct RemoteStore {
    host: SshHost,
    program: String,
}

impl RemoteStore {
    /// Which of some items are not valid there.
    pub fn absent(&self, items: &BTreeSet<StorePath>) -> Result<BTreeSet<StorePath>, CacheError> {
        let list: String = items.iter().map(|path| format!("{path}\n")).collect();
        let answer = self.host.ask(&self.call("__absent"), list.as_bytes())?;
        let parse = |line: &str| {
            StorePath::parse(line)
                .map_err(|error| self.host.failed(format!("its hpcl answers `{line}`: {error}")))
        };
        answer.lines().map(parse).collect()
    }

    /// Lets it take a bundle, which `write` writes. What it prints, the places of the roots there, goes to our standard output.
    pub fn take(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), CacheError>,
    ) -> Result<(), CacheError> {
        let mut child =
            self.host.spawn(&self.call("unbundle --unsigned -"), Stdio::piped(), Stdio::inherit())?;
        let written = match child.stdin.take() {
            Some(mut stdin) => write(&mut stdin),
            None => Ok(()),
        };
        let status = child.wait().map_err(|error| self.host.failed(error.to_string()))?;
        // When the far end fails, writing fails too, and its reason is the better one.
        if status.success() { written } else { Err(self.host.failed(ended(status))) }
    }

    /// Lets it give items with all that they need as a bundle, which `read` reads.
    pub fn give<T>(
        &self,
        items: &BTreeSet<StorePath>,
        read: impl FnOnce(&mut dyn Read) -> Result<T, CacheError>,
    ) -> Result<T, CacheError> {
        let named: String = items.iter().map(|path| format!(" --item {path}")).collect();
        let mut child =
            self.host.spawn(&self.call(&format!("bundle -o -{named}")), Stdio::null(), Stdio::piped())?;
        let taken = match child.stdout.take() {
            Some(mut stdout) => read(&mut stdout),
            None => Err(self.host.failed("it has no output".to_owned())),
        };
        let status = child.wait().map_err(|error| self.host.failed(error.to_string()))?;
        if status.success() { taken } else { Err(self.host.failed(ended(status))) }
    }

    pub(super) fn call(&self, arguments: &str) -> String {
        format!("exec {} {arguments}", quoted(&self.program))
    }
}

pub(super) fn ended(status: std::process::ExitStatus) -> String {
    match status.code() {
        Some(255) => "`ssh` failed; what it said stands above".to_owned(),
        Some(code) => format!("the command there ended with code {code}; what it said stands above"),
        None => "`ssh` was ended by a signal".to_owned(),
    }
}

/// A word of the shell's.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_user_host_and_port() {
        let parse = |text: &str| SshHost::parse(text).map(|host| (host.destination, host.port));
        assert_eq!(parse("ssh://cluster"), Some(("cluster".into(), None)));
        assert_eq!(
            parse("ssh://me@cluster.example.org:2222/"),
            Some(("me@cluster.example.org".into(), Some(2222)))
        );
        assert_eq!(parse("ssh://me@[::1]:22"), Some(("me@::1".into(), Some(22))));
        assert_eq!(parse("ssh://[fe80::1%eth0]"), Some(("fe80::1%eth0".into(), None)));
        for bad in [
            "cluster",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://a b",
            "ssh://a;b",
            "ssh://a:port",
            "https://x",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn words_survive_the_shell() {
        let word = "it's $HOME \"and\" `more`";
        let output =
            Command::new("sh").args(["-c", &format!("printf %s {}", quoted(word))]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
    }
}
