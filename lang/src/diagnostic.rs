//! What the language says when something is wrong.
//!
//! Each phase maps its errors to a [`Diagnostic`], which is data; [`crate::render`] alone turns it into text.

use crate::span::Span;

/// A message with its place, its reasons and what to do next.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// Stable code, such as `E0201`.
    pub code: &'static str,
    /// One line, lower-case, no final period, names in back-ticks.
    pub message: String,
    /// The place that is wrong, with the words to print under it.
    pub primary: Option<(Span, String)>,
    /// Other places that matter.
    pub labels: Vec<(Span, String)>,
    /// What to do next, one line each.
    pub hints: Vec<String>,
    /// Calls and definitions on the way, innermost first.
    pub trace: Vec<TraceEntry>,
}

/// A call or definition on the way to an error.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceEntry {
    /// Where.
    pub span: Option<Span>,
    /// For example ``in the definition of `hello` ``.
    pub text: String,
}

impl Diagnostic {
    /// Returns a diagnostic without a place.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            message: message.into(),
            primary: None,
            labels: Vec::new(),
            hints: Vec::new(),
            trace: Vec::new(),
        }
    }

    /// Sets the place that is wrong.
    #[must_use]
    pub fn at(mut self, span: Span, words: impl Into<String>) -> Self {
        self.primary = Some((span, words.into()));
        self
    }

    /// Adds another place.
    #[must_use]
    pub fn label(mut self, span: Span, words: impl Into<String>) -> Self {
        self.labels.push((span, words.into()));
        self
    }

    /// Adds a next action.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.hints.push(text.into());
        self
    }
}
