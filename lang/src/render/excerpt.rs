//! The lines of the sources that a diagnostic shows.
//!
//! For each file, ariadne gets a text that has the lines with labels and empty lines before and between them, so that line numbers stay right. A
//! line is clipped around its labels, control characters are replaced, and a span that runs over several
//! lines is cut at the end of its first one: the beginning says which form is meant.

use std::ops::Range;

use ariadne::{Cache, Source};

use crate::{
    source::SourceMap,
    span::{FileId, Span},
};

/// Lines longer than this many characters are clipped.
const LONGEST: usize = 200;
/// How many characters are kept before the first label of a clipped line.
const BEFORE: usize = 60;

/// One line that is shown.
struct Line {
    /// Where it stands in the file, in bytes.
    original: Range<usize>,
    /// The part that is shown.
    shown: Range<usize>,
    /// Where the shown part begins in the excerpt, after a mark for a clipped beginning.
    offset: usize,
}

struct Excerpt {
    file: FileId,
    name: String,
    source: Source<String>,
    lines: Vec<Line>,
}

/// The excerpts of all files concerned.
pub(super) struct Excerpts {
    files: Vec<Excerpt>,
}

impl Excerpts {
    /// Cuts out the lines in which the spans begin.
    pub(super) fn new(sources: &SourceMap, spans: impl Iterator<Item = Span> + Clone) -> Excerpts {
        let mut files: Vec<Excerpt> = Vec::new();
        for span in spans.clone() {
            if files.iter().any(|excerpt| excerpt.file == span.file) {
                continue;
            }
            if let Some(source) = sources.get(span.file) {
                let starts = spans.clone().filter(|other| other.file == span.file).map(|s| s.start as usize);
                files.push(excerpt(span.file, &source.name, source.text(), starts.collect()));
            }
        }
        Excerpts { files }
    }

    /// Returns where a span stands in its excerpt.
    pub(super) fn locate(&self, span: Span) -> Option<(FileId, Range<usize>)> {
        let excerpt = self.files.iter().find(|excerpt| excerpt.file == span.file)?;
        let (start, end) = (span.start as usize, span.end as usize);
        let line = excerpt.lines.iter().rev().find(|line| line.original.start <= start)?;
        let clamp = |at: usize| at.clamp(line.shown.start, line.shown.end) - line.shown.start + line.offset;
        let text = excerpt.source.text();
        // Replaced characters have as many bytes as the original ones, except that they end on a boundary.
        let floor = |mut at: usize| {
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let (start, end) = (floor(clamp(start)), floor(clamp(end)));
        let next =
            text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
        Some((span.file, start..end.max(next)))
    }
}

fn excerpt(file: FileId, name: &str, text: &str, mut starts: Vec<usize>) -> Excerpt {
    starts.sort_unstable();
    let bytes = text.as_bytes();
    let newlines =
        |range: Range<usize>| bytes.get(range).map_or(0, |part| part.iter().filter(|b| **b == b'\n').count());
    let mut shown = String::new();
    let mut lines: Vec<Line> = Vec::new();
    let line_start = |at: usize| {
        bytes.get(..at).and_then(|before| before.iter().rposition(|b| *b == b'\n')).map_or(0, |n| n + 1)
    };
    let mut at = 0;
    for start in starts {
        let start = start.min(text.len());
        if lines.last().is_some_and(|line| line.original.contains(&start) || line.original.end == start) {
            continue;
        }
        let begin = line_start(start);
        shown.extend(std::iter::repeat_n('\n', newlines(at..begin)));
        let end = bytes
            .get(begin..)
            .and_then(|rest| rest.iter().position(|b| *b == b'\n'))
            .map_or(text.len(), |n| begin + n);
        let visible = clip(text, begin..end, start);
        if visible.start > begin {
            shown.push('…');
        }
        let offset = shown.len();
        push_clean(text.get(visible.clone()).unwrap_or(""), &mut shown);
        shown.push_str(if visible.end < end { "…" } else { " " });
        lines.push(Line { original: begin..end, shown: visible, offset });
        at = end;
    }
    let source = Source::from(shown);
    Excerpt {
        file,
        name: name.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        source,
        lines,
    }
}

/// Returns the part of a line that is shown.
fn clip(text: &str, line: Range<usize>, label: usize) -> Range<usize> {
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    // Four bytes are the longest character.
    if line.len() <= LONGEST
        || text.get(line.clone()).is_some_and(|t| t.len() <= 4 * LONGEST && t.chars().count() <= LONGEST)
    {
        return line;
    }
    let start = if label - line.start <= BEFORE { line.start } else { boundary(label - BEFORE) };
    start..boundary((start + LONGEST).min(line.end))
}

/// Appends text with control characters replaced by as many bytes of other characters.
fn push_clean(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\t' => out.push(c),
            // Ariadne ends lines at these two.
            '\u{2028}' | '\u{2029}' => out.push('\u{fffd}'),
            c if c.is_control() && c.len_utf8() == 1 => out.push(if c == '\r' { ' ' } else { '?' }),
            c if c.is_control() => out.push('¿'),
            c => out.push(c),
        }
    }
}

impl Cache<FileId> for &mut Excerpts {
    type Storage = String;

    fn fetch(&mut self, id: &FileId) -> Result<&Source<String>, impl std::fmt::Debug> {
        self.files
            .iter()
            .find(|excerpt| excerpt.file == *id)
            .map(|excerpt| &excerpt.source)
            .ok_or("no such file")
    }

    fn display<'a>(&self, id: &'a FileId) -> Option<impl std::fmt::Display + 'a> {
        self.files.iter().find(|excerpt| excerpt.file == *id).map(|excerpt| excerpt.name.clone())
    }
}
