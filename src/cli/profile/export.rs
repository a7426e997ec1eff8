//! `--export-manifest`: a file that makes the same profile elsewhere or later.

use std::{io::Write, process::ExitCode};

use super::super::{Outcome, options::RecipeOptions, session};
use crate::{
    editor::{Formatted, format_text},
    profile::{Manifest, Profile},
    store::LocalStore,
};

const HEADER: &str = "\
;; This file is a manifest of a profile, for `hpcl package -m` and `hpcl shell -m`.
;; It names packages: which builds of them that means depends on the channels.
";

/// Prints a manifest of what profiles hold.
pub fn manifest(profiles: &[Profile], store: &LocalStore, recipes: &RecipeOptions) -> Outcome {
    let mut all = Manifest::default();
    for profile in profiles {
        all.entries.extend(profile.manifest(store)?.entries);
    }
    let mut evaluation = session::evaluation(recipes)?;
    let forms = evaluation.manifest_code(&all)?;
    let text = format!("{HEADER}\n{}\n", forms.join("\n\n"));
    let text = match format_text("manifest", &text, false) {
        Formatted::Changed(text) => text,
        _ => text,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
