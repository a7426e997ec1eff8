//! `hpcl explain`: what the code of an error means, an example of it, and what to do.
//!
//! The entries are the files of `docs/errors/`, one for each code; `tests/explain.rs` holds that there is one for every
//! code in the sources and that each example gives the error that it is about.

use std::{io::Write, process::ExitCode};

use clap::Args;
use include_dir::{Dir, include_dir};

use super::Outcome;
use crate::report::{Failure, exit_code};

static ENTRIES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/docs/errors");

/// Arguments of `hpcl explain`.
#[derive(Args)]
pub struct Arguments {
    /// Codes, as in `error[E0330]`; without any, all are listed
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
}

/// Prints entries, or the list of them.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut out = Vec::new();
    if arguments.codes.is_empty() {
        let mut titles: Vec<&str> =
            ENTRIES.files().filter_map(|file| file.contents_utf8()).filter_map(title).collect();
        titles.sort_unstable();
        for title in titles {
            writeln!(out, "{}", title.replacen(": ", "  ", 1))?;
        }
    }
    for (at, given) in arguments.codes.iter().enumerate() {
        let text = entry(given).ok_or_else(|| {
            Failure::new(format!("there is no error code `{given}`"))
                .hint("`hpcl explain` lists all of them")
                .code(exit_code::USAGE)
        })?;
        if at > 0 {
            writeln!(out)?;
        }
        out.extend_from_slice(text.trim_start_matches("# ").as_bytes());
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the entry of a code, which may be written `E0330`, `e0330` or `330`.
fn entry(given: &str) -> Option<&'static str> {
    let digits = given.trim_start_matches(['E', 'e']);
    let file = format!("E{digits:0>4}.md");
    ENTRIES.get_file(file)?.contents_utf8()
}

fn title(text: &'static str) -> Option<&'static str> {
    text.lines().next()?.strip_prefix("# ")
}
