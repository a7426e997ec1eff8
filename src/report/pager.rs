//! Long results: through a pager on a terminal, as they are elsewhere.
//!
//! `HPCL_PAGER`, else `PAGER`, else `less` or `more`; empty means none. Colours follow standard output, whose place the
//! pager takes.

use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    process::{Command, Stdio},
};

/// The columns that lines may have where there is no terminal.
const WIDTH: usize = 80;

/// Whether standard output shows colours.
pub fn shows_color() -> bool {
    anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
}

/// Returns how many columns standard output has.
pub fn columns() -> usize {
    let given = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let size = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    given.or_else(size).filter(|columns| *columns >= 20).unwrap_or(WIDTH)
}

/// Prints a result, through a pager if standard output is a terminal.
///
/// # Errors
/// When it cannot be written.
pub fn page(text: &[u8]) -> io::Result<()> {
    let mut out = io::stdout();
    if !out.is_terminal() {
        return out.write_all(text).and_then(|()| out.flush());
    }
    let command = pager();
    let mut words = command.split_whitespace();
    let Some(program) = words.next() else { return out.write_all(text) };
    let mut child = Command::new(program);
    child.args(words).stdin(Stdio::piped());
    // As Guix and Git: end where all is on one screen, let colours through, leave the text on the screen.
    if std::env::var_os("LESS").is_none() {
        child.env("LESS", "FRX");
    }
    let Ok(mut child) = child.spawn() else { return out.write_all(text) };
    if let Some(mut pipe) = child.stdin.take() {
        // Whoever leaves the pager early has seen enough.
        let _ = pipe.write_all(text);
    }
    child.wait().map(|_| ())
}

fn pager() -> String {
    let named = ["HPCL_PAGER", "PAGER"].iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let is_there =
            |name: &&str| std::env::split_paths(&paths).any(|path| Path::new(&path).join(name).is_file());
        ["less", "more"].iter().find(|name| is_there(name)).map_or(String::new(), |name| (*name).to_owned())
    })
}
