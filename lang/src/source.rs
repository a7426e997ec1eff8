//! The texts that were read.
//!
//! Keeps the name and the text of each file for diagnostics and for cache keys. Files are numbered in the order in
//! which they are added. A text may be read when it is first looked at.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::span::{FileId, Span};

/// Returns a text when it is needed; nothing if it cannot be had.
pub type ReadText = Arc<dyn Fn() -> Option<Arc<str>> + Send + Sync>;

/// A file's name and text.
#[derive(Clone)]
pub struct Source {
    /// As shown to the user: a path, or `<command line>`.
    pub name: Arc<str>,
    text: OnceLock<Arc<str>>,
    unread: Option<ReadText>,
    lines: OnceLock<Box<[u32]>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// Returns the whole text.
    pub fn text(&self) -> &Arc<str> {
        self.text.get_or_init(|| self.unread.as_ref().and_then(|read| read()).unwrap_or_default())
    }

    /// Returns where lines begin.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let clamp = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            let ends = self.text().bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| clamp(at + 1))).collect()
        })
    }
}

/// All texts that were read.
#[derive(Default, Debug)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Adds a text and returns its number.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> FileId {
        let text = OnceLock::from(text.into());
        self.push(Source { name: name.into(), text, unread: None, lines: OnceLock::new() })
    }

    /// Adds a text that is read when it is first looked at.
    pub fn add_unread(&mut self, name: Arc<str>, text: ReadText) -> FileId {
        self.push(Source { name, text: OnceLock::new(), unread: Some(text), lines: OnceLock::new() })
    }

    fn push(&mut self, source: Source) -> FileId {
        let id = FileId(u32::try_from(self.sources.len()).unwrap_or(u32::MAX));
        self.sources.push(source);
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
        self.get(span.file).and_then(|s| s.text().get(span.start as usize..span.end as usize)).unwrap_or("")
    }

    /// Returns the line and the column of a span's start, both counted from 1.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let Some(source) = self.get(span.file) else { return (1, 1) };
        let line = source.lines().partition_point(|start| *start <= span.start);
        let start = line.checked_sub(1).and_then(|index| source.lines().get(index)).copied().unwrap_or(0);
        let Some(before) = source.text().get(start as usize..span.start as usize) else { return (1, 1) };
        let column = before.chars().count() + 1;
        (line, column)
    }
}
