//! The texts that were read.
//!
//! Keeps the name and the text of each file for diagnostics and for cache keys. Files are numbered in the order in
//! which they are added.

use std::sync::Arc;

use crate::span::{FileId, Span};

/// A file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// As shown to the user: a path, or `<command line>`.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
}

/// All texts that were read.
#[derive(Default, Debug)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its number.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let id = FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(Source { name: name.into(), text: text.into() });
        id
    }

    /// Returns a file that was added.
    pub fn get(&self, id: FileId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    /// Returns all files in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter()
    }

    /// Returns the text of a span.
    pub fn slice(&self, span: Span) -> &str {
        self.get(span.file).and_then(|s| s.text.get(span.start as usize..span.end as usize)).unwrap_or("")
    }

    /// Returns the line and the column of a span's start, both counted from 1.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let Some(before) = self.get(span.file).and_then(|s| s.text.get(..span.start as usize)) else {
            return (1, 1);
        };
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}
