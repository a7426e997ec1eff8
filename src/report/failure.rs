//! How a verb fails: a message, hints, and an exit code.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use anstyle::{AnsiColor, Style};

use super::exit_code;
use crate::{
    cache::{CacheError, KeyError},
    channel::{ChannelError, generation::GenerationError, lock::LockError, update::UpdateError},
    executor::{ExecutorError, chain},
    fetch::{FetchError, PinError},
    git::GitError,
    host::{EvaluationError, HostError},
    import::ImportError,
    profile::ProfileError,
    pypi::PypiError,
    store::StoreError,
};

/// Why a verb ended without its result.
#[derive(Debug)]
pub struct Failure {
    message: String,
    hints: Vec<String>,
    code: u8,
    /// The message is complete as it stands (rendered diagnostics).
    rendered: bool,
}

impl Failure {
    /// Returns a failure with the general exit code.
    pub fn new(message: impl Into<String>) -> Self {
        Failure { message: message.into(), hints: Vec::new(), code: exit_code::FAILURE, rendered: false }
    }

    /// Returns a failure that was reported already: only its exit code is left.
    pub fn reported(code: u8) -> Self {
        Failure { message: String::new(), hints: Vec::new(), code, rendered: true }
    }

    /// Returns a failure whose message is complete as it stands.
    pub fn rendered(message: String) -> Self {
        Failure { message, hints: Vec::new(), code: exit_code::FAILURE, rendered: true }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// Prints it to standard error and returns its exit code.
    pub fn print(&self) -> ExitCode {
        let mut text = String::new();
        if self.rendered {
            text.push_str(&self.message);
        } else {
            let style = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            let _ = writeln!(text, "{style}error:{style:#} {}", self.message);
        }
        for hint in &self.hints {
            let style = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
            let _ = writeln!(text, "{style}hint:{style:#} {hint}");
        }
        let _ = anstream::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code)
    }
}

/// Prints a warning.
pub fn warning(text: &str) {
    let style = Style::new().bold().fg_color(Some(AnsiColor::Yellow.into()));
    let _ = writeln!(anstream::stderr(), "{style}warning:{style:#} {text}");
}

/// Whether standard error shows colours.
pub fn color() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Failure::reported(exit_code::SUCCESS);
        }
        Failure::new(chain(&error))
    }
}

impl From<EvaluationError> for Failure {
    fn from(error: EvaluationError) -> Self {
        let code = exit_code::EVALUATION;
        match error {
            EvaluationError::Language { rendered } => {
                Failure { message: rendered, hints: Vec::new(), code, rendered: true }
            }
            EvaluationError::Drift { .. } => Failure::new(chain(&error))
                .code(code)
                .hint("without `--locked` it is evaluated as it is now; `hpcl lock` writes that down"),
            other => Failure::new(chain(&other)).code(code),
        }
    }
}

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        let failure = Failure::new(chain(&error));
        let failure = match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        };
        match error {
            ImportError::Pypi(PypiError::Stopped) => failure.code(exit_code::INTERRUPTED),
            ImportError::Pypi(_) => failure.code(exit_code::BUILD),
            ImportError::Request(_) => failure.code(exit_code::USAGE),
            _ => failure,
        }
    }
}

impl From<PypiError> for Failure {
    fn from(error: PypiError) -> Self {
        ImportError::from(error).into()
    }
}

impl From<ChannelError> for Failure {
    fn from(error: ChannelError) -> Self {
        Failure::new(chain(&error)).code(exit_code::EVALUATION)
    }
}

impl From<GenerationError> for Failure {
    fn from(error: GenerationError) -> Self {
        let failure = Failure::new(chain(&error));
        match error {
            GenerationError::Absent { .. } => failure.hint("`hpcl pull --list-generations` lists them"),
            GenerationError::None => failure.hint("`hpcl pull` brings the channels up to date"),
            _ => failure,
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        let failure = Failure::new(chain(&error)).code(exit_code::EVALUATION);
        match error {
            LockError::Changed { .. } => failure.hint(
                "take the one that was written, as from version control, or make it anew with `hpcl lock`",
            ),
            LockError::Read { .. } => failure.hint("`hpcl lock` makes one"),
            _ => failure,
        }
    }
}

impl From<UpdateError> for Failure {
    fn from(error: UpdateError) -> Self {
        let failure = Failure::new(chain(&error)).code(exit_code::EVALUATION);
        match error {
            UpdateError::Fetch(error) => error.into(),
            UpdateError::Git { source: GitError::Fetch { .. }, .. } => failure.code(exit_code::BUILD).hint(
                "what is in use stays as it is; check the address with `hpcl channel list`, and whether this machine reaches it",
            ),
            UpdateError::Nothing { .. } | UpdateError::Git { .. } => failure
                .hint("`hpcl channel list` shows the addresses; `~/.config/hpcl/channels.hpcl` is where they stand"),
            UpdateError::NoMetadata { .. } => failure
                .hint("a channel says there what it is; `(channel (version 0))` is enough"),
            UpdateError::Downgrade { .. } => failure.hint(
                "its history was rewritten, or somebody shows you an old state; if that is meant, `hpcl pull --allow-downgrades`",
            ),
            UpdateError::Untrusted { .. } => failure.hint(
                "what is in use stays as it is; ask the channel's authors, and do not take the commit before they answered",
            ),
            UpdateError::Twice { .. } => failure.hint("give one of them another name"),
            UpdateError::Cycle { .. } => failure.hint("one of them has to do without the others: see `dependencies` in their `channel.hpcl`"),
            _ => failure,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let failure = Failure::new(chain(&error));
        match error {
            StoreError::Moved { .. } => {
                failure.hint("move it back with `mv`; then `hpcl relocate DIR` moves it, rewriting its files")
            }
            StoreError::BadFileSystem { .. } | StoreError::TooLong { .. } => {
                failure.hint("`HPCL_STORE` names another directory for the store")
            }
            StoreError::Io { path, source, .. } => match io_hint(&path, source.kind()) {
                Some(hint) => failure.hint(hint),
                None => failure,
            },
            StoreError::LayerGone { .. } => failure.hint(
                "mount it again or correct `HPCL_STORE_LAYERS`; `hpcl store detach DIR` does without it for good, and deletes what \
                 refers to it",
            ),
            StoreError::InLayer { .. } => failure.hint("who keeps that store can repair it there"),
            StoreError::GroupStore { .. } => failure.hint(
                "who made the store puts it right with `hpcl store init --group NAME`",
            ),
            StoreError::NotInGroup { .. } => failure.hint(
                "whoever can read it can use what it has, with `HPCL_STORE_LAYERS` and a store of his own",
            ),
            StoreError::GroupUmask { .. } => {
                failure.hint("run `umask 002` first; in `~/.profile` it holds for every shell")
            }
            StoreError::InUse { .. } => failure
                .hint("end them, open shells and running programs of environments included, or use `--keep`"),
            _ => failure,
        }
    }
}

/// What to do when a file of a store cannot be written.
fn io_hint(path: &std::path::Path, kind: std::io::ErrorKind) -> Option<&'static str> {
    use std::io::ErrorKind;
    let of_store = || path.components().any(|part| part.as_os_str() == "var" || part.as_os_str() == "store");
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Some(
            "the store is as it was; `hpcl gc --free 5G` makes room in it, `HPCL_STORE` names another directory",
        ),
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied if of_store() => Some(
            "`HPCL_STORE` names another directory for the store; one that you cannot write can be a layer below your own: `HPCL_STORE_LAYERS`",
        ),
        _ => None,
    }
}

impl From<ExecutorError> for Failure {
    fn from(error: ExecutorError) -> Self {
        let code = match error {
            ExecutorError::NoSandbox { .. } => exit_code::UNSUPPORTED,
            _ => exit_code::FAILURE,
        };
        let failure = Failure::new(chain(&error)).code(code);
        let of_store = || match &error {
            ExecutorError::Store(StoreError::Io { path, source, .. }) => {
                io_hint(path, source.kind()).map(str::to_owned)
            }
            _ => None,
        };
        match error.hint().or_else(of_store) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let failure = Failure::new(chain(&error)).code(exit_code::BUILD);
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        let failure = Failure::new(chain(&error));
        match error {
            CacheError::Fetch(error) => error.into(),
            CacheError::NotSandboxed { .. } => failure
                .hint("`--unsandboxed` pushes it all the same; those who pull cannot tell the difference"),
            CacheError::Damaged { .. } => failure.hint("`hpcl verify` lists all that is damaged"),
            _ => failure,
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Failure::new(chain(&error))
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let failure = Failure::new(chain(&error));
        match error {
            ProfileError::Store(error) => error.into(),
            ProfileError::NoHome => failure.hint("set `HOME`, or name a link with `-p DIR/NAME`"),
            ProfileError::NotAProfile { .. } => {
                failure.hint("move it away, or name another profile with `-p`")
            }
            ProfileError::NoGeneration { .. } => failure.hint("`hpcl package -l` lists those that there are"),
            ProfileError::Current { .. } => {
                failure.hint("switch to another one first: `hpcl package -S NUMBER`")
            }
            ProfileError::Elsewhere { .. } => {
                failure.hint("another store was in use when it was made: set `HPCL_STORE` as it was then")
            }
            ProfileError::Io { path, source, .. } => match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    failure.hint(format!("the profile is as it was; make room for `{}`", path.display()))
                }
                _ => failure,
            },
            ProfileError::Manifest(_) => failure,
        }
    }
}

impl From<PinError> for Failure {
    fn from(error: PinError) -> Self {
        Failure::new(chain(&error))
    }
}

impl From<HostError> for Failure {
    fn from(error: HostError) -> Self {
        Failure::new(chain(&error)).code(exit_code::EVALUATION)
    }
}
