//! A cache at the far end of `ssh`: a directory, or another machine's store.
//!
//! ```text
//! ssh://HOST/DIR    a cache directory; needs a shell, `cat`, `wc` and, for pushing, `tar` there
//! ssh://HOST        the user's store there, served by the `hpcl` there, which is brought along if need be
//! ```
//!
//! Logging in takes longer than most files, so connections stay: the far end reads a name a line and answers with the number of
//! bytes, or `-` for what is not there, and the bytes. `*` asks for the names of all `.narinfo` files.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
    sync::{Condvar, Mutex, PoisonError},
};

use super::{
    CacheError, SshHost,
    place::{Place, copy_exactly},
    ssh::{ended, quoted},
};

/// Logins at once: servers refuse more than ten that are not done.
const SESSIONS: usize = 4;
/// Asks for all names.
pub(super) const ALL: &str = "*";
/// Answers names with files of the directory.
const SERVE: &str = r#"cd "$d" 2>/dev/null || d=; while IFS= read -r n; do
if [ -z "$d" ]; then echo -
elif [ "$n" = '*' ]; then l=$(ls | sed -n '/\.narinfo$/p'); echo $(printf '%s' "$l" | wc -c); printf '%s' "$l"
elif [ -f "$n" ]; then echo $(wc -c < "$n"); cat "$n"
else echo -; fi; done"#;
/// Takes files as an archive: archives come first, what names them last, each by rename.
const TAKE: &str = r#"umask 022; mkdir -p "$d/nar" && cd "$d" && t=.new-$$ && trap 'rm -rf "$t"' EXIT && mkdir "$t" && tar xf - -C "$t" &&
for f in "$t"/nar/* "$t"/nix-cache-info "$t"/*.narinfo; do if [ -f "$f" ]; then mv -f "$f" "${f#"$t"/}" || exit 1; fi; done"#;

/// A cache directory or a store on another machine.
pub(super) struct SshPlace {
    host: SshHost,
    /// None for the user's store there.
    directory: Option<String>,
    sessions: Mutex<Sessions>,
    freed: Condvar,
}

#[derive(Default)]
struct Sessions {
    free: Vec<Session>,
    busy: usize,
}

impl std::fmt::Debug for SshPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshPlace").field("host", &self.host).field("directory", &self.directory).finish()
    }
}

struct Session {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl SshPlace {
    /// The place of an address `ssh://[USER@]HOST[:PORT][/DIR]`; `DIR` is absolute, or begins with `~/`.
    pub(super) fn parse(address: &str) -> Option<SshPlace> {
        let rest = address.strip_prefix("ssh://")?;
        let (authority, directory) = match rest.split_once('/') {
            Some((authority, directory)) => (authority, directory.trim_end_matches('/')),
            None => (rest, ""),
        };
        let directory = match directory {
            "" => None,
            home if home == "~" || home.starts_with("~/") => Some(home.to_owned()),
            other => Some(format!("/{other}")),
        };
        let host = SshHost::parse(&format!("ssh://{authority}"))?;
        Some(SshPlace { host, directory, sessions: Mutex::default(), freed: Condvar::new() })
    }

    /// A line of the shell's that names the directory.
    fn naming(&self) -> Option<String> {
        let directory = self.directory.as_deref()?;
        Some(match directory.strip_prefix('~') {
            Some(rest) => format!("d=\"$HOME\"{}; ", quoted(rest)),
            None => format!("d={}; ", quoted(directory)),
        })
    }

    fn begin(&self) -> Result<Session, CacheError> {
        let script = match self.naming() {
            Some(naming) => naming + SERVE,
            None => self.host.connect(&|_| {})?.call("__files"),
        };
        let mut child = self.host.spawn(&script, Stdio::piped(), Stdio::piped())?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Session { child, to, from: BufReader::new(from) }),
            _ => Err(self.host.failed("it has no input or output".to_owned())),
        }
    }

    /// Asks for a file; gives its size, with the bytes written to the sink, or nothing.
    fn ask(&self, name: &str, to: &mut dyn Write) -> Result<Option<u64>, CacheError> {
        let lock = || self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sessions = lock();
        while sessions.free.is_empty() && sessions.busy >= SESSIONS {
            sessions = self.freed.wait(sessions).unwrap_or_else(PoisonError::into_inner);
        }
        let free = sessions.free.pop();
        sessions.busy += 1;
        drop(sessions);
        let answer = free.map_or_else(|| self.begin(), Ok).and_then(|mut session| {
            let answer = session.ask(name, to).map_err(|error| {
                let status = session.child.wait().ok().filter(|status| !status.success());
                self.host.failed(status.map_or_else(|| error.to_string(), ended))
            })?;
            Ok((session, answer))
        });
        let mut sessions = lock();
        sessions.busy -= 1;
        let answer = answer.map(|(session, answer)| {
            sessions.free.push(session);
            answer
        });
        drop(sessions);
        self.freed.notify_one();
        answer
    }
}

impl Session {
    fn ask(&mut self, name: &str, to: &mut dyn Write) -> std::io::Result<Option<u64>> {
        self.to.write_all(format!("{name}\n").as_bytes())?;
        self.to.flush()?;
        let mut line = String::new();
        self.from.by_ref().take(100).read_line(&mut line)?;
        match line.trim() {
            "-" => Ok(None),
            "" => Err(std::io::ErrorKind::UnexpectedEof.into()),
            text => {
                let size: u64 = text
                    .parse()
                    .map_err(|_| std::io::Error::other(format!("it answers `{text}` instead of a size")))?;
                copy_exactly(&mut self.from, to, size)?;
                Ok(Some(size))
            }
        }
    }
}

impl Drop for SshPlace {
    fn drop(&mut self) {
        let sessions = self.sessions.get_mut().unwrap_or_else(PoisonError::into_inner);
        for Session { mut child, to, .. } in sessions.free.drain(..) {
            // The end of its input is the end of it.
            drop(to);
            let _ = child.wait();
        }
    }
}

impl Place for SshPlace {
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, CacheError> {
        let mut bytes = Vec::new();
        Ok(self.ask(name, &mut bytes)?.map(|_| bytes))
    }

    fn fetch(&self, name: &str, to: &mut dyn Write) -> Result<(), CacheError> {
        match self.ask(name, to)? {
            Some(_) => Ok(()),
            None => Err(self.host.failed(format!("there is no `{name}`"))),
        }
    }

    fn list(&self) -> Result<Vec<String>, CacheError> {
        let text = self.read(ALL)?.unwrap_or_default();
        Ok(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }

    fn write(&self, directory: &Path, names: &[String]) -> Result<(), CacheError> {
        let Some(naming) = self.naming() else {
            let reason =
                "a store is not pushed to; `hpcl copy --to` copies to one, and `ssh://HOST/DIR` is a cache";
            return Err(self.host.failed(reason.to_owned()));
        };
        let mut child = self.host.spawn(&(naming + TAKE), Stdio::piped(), Stdio::inherit())?;
        let sent = match child.stdin.take() {
            Some(stdin) => send(directory, names, stdin),
            None => Ok(()),
        };
        let status = child.wait().map_err(|error| self.host.failed(error.to_string()))?;
        // When the far end fails, writing fails too, and its reason is the better one.
        if status.success() { sent } else { Err(self.host.failed(ended(status))) }
    }

    fn is_own(&self) -> bool {
        self.directory.is_none()
    }
}

fn send(directory: &Path, names: &[String], to: ChildStdin) -> Result<(), CacheError> {
    let mut tar = tar::Builder::new(std::io::BufWriter::with_capacity(1 << 16, to));
    tar.mode(tar::HeaderMode::Deterministic);
    for name in names {
        let file = directory.join(name);
        tar.append_path_with_name(&file, name).map_err(CacheError::file("send", &file))?;
    }
    let failed = || CacheError::file("send", directory);
    tar.into_inner().map_err(failed())?.flush().map_err(failed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_name_a_directory_or_the_store() {
        let parse = |text: &str| SshPlace::parse(text).map(|place| place.directory.clone());
        assert_eq!(parse("ssh://me@host:22/srv/cache/"), Some(Some("/srv/cache".into())));
        assert_eq!(parse("ssh://host/~/cache"), Some(Some("~/cache".into())));
        assert_eq!(parse("ssh://host"), Some(None));
        assert_eq!(parse("ssh://host/"), Some(None));
        assert_eq!(parse("ssh://-x/y"), None);
        let naming = |text: &str| SshPlace::parse(text).unwrap().naming();
        assert_eq!(naming("ssh://host/~/it's"), Some(r#"d="$HOME"'/it'\''s'; "#.into()));
    }
}
