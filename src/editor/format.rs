//! The one format of a file's text.

use hpcl_lang::{
    format::{self, FormatError},
    render,
    source::SourceMap,
};

/// What became of a text.
pub enum Formatted {
    /// It was in the format already.
    Same,
    /// This is its format.
    Changed(String),
    /// It cannot be read: the messages for the user.
    Unreadable(String),
    /// The formatter would change its meaning: a mistake of ours.
    Refused(String),
}

/// Formats the text of a file; the name is for messages.
pub fn format_text(name: &str, text: &str, color: bool) -> Formatted {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    match format::format(file, text) {
        Ok(done) if done == text => Formatted::Same,
        Ok(done) => Formatted::Changed(done),
        Err(FormatError::Unreadable(errors)) => {
            Formatted::Unreadable(render::render(&errors, &sources, color))
        }
        Err(error @ FormatError::Unsure) => Formatted::Refused(format!("`{name}`: {error}")),
    }
}
