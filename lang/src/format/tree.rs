//! The concrete tree of a text: data, comments, and the author's line breaks.
//!
//! Tokens are those of the reader (`reader/token.rs`); what lies between two of them is white space and comments, and is
//! cut up here. Invariant: every byte of the text that is not white space is in the tree once, in order.

use logos::Logos;

use crate::reader::Raw;

/// Something in a list or at the top level.
#[derive(Debug)]
pub(super) struct Item<'s> {
    /// How many line ends stand before it.
    pub newlines: usize,
    /// How many spaces stand before it, when it is in the line of what precedes.
    pub gap: usize,
    /// The column that it has in the text.
    pub column: usize,
    /// What it is.
    pub kind: Kind<'s>,
    /// Its width when written in one line; `None` when it cannot be.
    pub flat: Option<usize>,
    /// The width up to its first line end.
    pub first_line: usize,
}

/// The kinds of items.
#[derive(Debug)]
pub(super) enum Kind<'s> {
    /// A symbol, number, string: as written. Also an abbreviation with comments inside.
    Atom(&'s str),
    /// A comment up to the end of its line, without white space at the end.
    Comment(&'s str),
    /// `#|…|#`, `#!…!#`.
    Block(&'s str),
    /// A page break between forms.
    Page,
    /// `(…)`: how it opens and closes, and what is in it.
    List(&'s str, &'s str, Vec<Item<'s>>),
    /// `'x`, `#~x`, `#;x`.
    Prefixed(&'s str, Box<Item<'s>>),
}

impl<'s> Item<'s> {
    /// Whether it is a comment of any kind.
    pub fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::Comment(_) | Kind::Block(_) | Kind::Page)
    }

    /// The symbol, keyword or other atom that it is.
    pub fn atom(&self) -> Option<&'s str> {
        match self.kind {
            Kind::Atom(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is a keyword.
    pub fn is_keyword(&self) -> bool {
        self.atom().is_some_and(|text| text.starts_with("#:"))
    }

    /// The elements of a list.
    pub fn items(&self) -> Option<&[Item<'s>]> {
        match &self.kind {
            Kind::List(_, _, items) => Some(items),
            _ => None,
        }
    }

    /// The first element of a list when it is a symbol.
    pub fn head(&self) -> Option<&'s str> {
        head(self.items()?)
    }
}

/// The first of the elements when it is a symbol.
pub(super) fn head<'s>(items: &[Item<'s>]) -> Option<&'s str> {
    items.first()?.atom().filter(|text| !text.starts_with(['"', '#']) && !text.starts_with(char::is_numeric))
}

/// Returns the items of a text that the reader takes without errors.
pub(super) fn parse(text: &str) -> Vec<Item<'_>> {
    let mut parser = Parser { text, at: 0, line_start: 0, prefixes: Vec::new() };
    // The innermost open list comes last; the first one is the file.
    let mut open: Vec<(&str, Start, Vec<Item>)> = vec![("", Start::default(), Vec::new())];
    for (raw, span) in Raw::lexer(text).spanned() {
        let depth = open.len();
        let start = match open.last_mut() {
            Some((_, _, items)) => parser.trivia(span.start, depth, items),
            None => Start::default(),
        };
        let slice = text.get(span.clone()).unwrap_or("");
        parser.advance(span.end);
        match raw {
            Ok(Raw::Open | Raw::OpenVector | Raw::OpenBytes) => open.push((slice, start, Vec::new())),
            Ok(Raw::Close) => {
                if let Some((opener, start, items)) = open.pop() {
                    parser.put(start.item(Kind::List(opener, slice, items)), &mut open);
                }
            }
            Ok(Raw::Prefix | Raw::DatumComment) => {
                parser.prefixes.push(Prefix { depth, text: slice, start, from: span.start, comments: false });
            }
            _ => parser.put(start.item(Kind::Atom(slice)), &mut open),
        }
    }
    let (_, _, mut items) = open.into_iter().next().unwrap_or_default();
    parser.trivia(text.len(), 1, &mut items);
    items
}

/// Where an item begins.
#[derive(Clone, Copy, Default)]
struct Start {
    newlines: usize,
    gap: usize,
    column: usize,
}

impl Start {
    fn item(self, kind: Kind<'_>) -> Item<'_> {
        let (flat, first_line) = widths(&kind);
        Item { newlines: self.newlines, gap: self.gap, column: self.column, kind, flat, first_line }
    }
}

/// The width of a kind in one line, and up to its first line end.
fn widths(kind: &Kind<'_>) -> (Option<usize>, usize) {
    match kind {
        Kind::Atom(text) | Kind::Block(text) => {
            let first = text.lines().next().unwrap_or("").chars().count();
            ((!text.contains('\n')).then_some(first), first)
        }
        Kind::Comment(text) => (None, text.chars().count()),
        Kind::Page => (None, 1),
        Kind::Prefixed(prefix, inner) => {
            (inner.flat.map(|flat| flat + prefix.len()), inner.first_line + prefix.len())
        }
        Kind::List(opener, closer, items) => {
            let mut width = opener.len();
            let mut flat = true;
            for (at, item) in items.iter().enumerate() {
                if at > 0 && item.newlines > 0 {
                    return (None, width);
                }
                width += usize::from(at > 0);
                flat = flat && item.flat.is_some();
                if !flat {
                    return (None, width + item.first_line);
                }
                width += item.flat.unwrap_or(0);
            }
            (flat.then_some(width + closer.len()), width + closer.len())
        }
    }
}

/// An abbreviation that waits for its datum.
struct Prefix<'s> {
    /// How many lists were open.
    depth: usize,
    text: &'s str,
    start: Start,
    from: usize,
    /// Whether comments stand before the datum.
    comments: bool,
}

struct Parser<'s> {
    text: &'s str,
    /// Up to where the text is in the tree.
    at: usize,
    /// Where the line of `at` begins.
    line_start: usize,
    prefixes: Vec<Prefix<'s>>,
}

impl<'s> Parser<'s> {
    fn advance(&mut self, to: usize) {
        let passed = self.text.get(self.at..to).unwrap_or("");
        if let Some(end) = passed.rfind('\n') {
            self.line_start = self.at + end + 1;
        }
        self.at = to;
    }

    fn column(&self) -> usize {
        self.text.get(self.line_start..self.at).unwrap_or("").chars().count()
    }

    /// Adds the comments up to a token and returns how the token begins.
    fn trivia(&mut self, to: usize, depth: usize, items: &mut Vec<Item<'s>>) -> Start {
        let mut start = Start::default();
        while let Some(rest) = self.text.get(self.at..to).filter(|rest| !rest.is_empty()) {
            let column = self.column();
            let (kind, length) = match rest.as_bytes().first() {
                Some(b'\n') => {
                    (start.newlines, start.gap) = (start.newlines + 1, 0);
                    self.advance(self.at + 1);
                    continue;
                }
                Some(b'\x0c') if depth == 1 => (Kind::Page, 1),
                Some(b';') => {
                    let text = rest.split('\n').next().unwrap_or(rest);
                    (Kind::Comment(text.trim_end()), text.len())
                }
                Some(b'#') => {
                    let text = rest.get(..block_length(rest)).unwrap_or(rest);
                    (Kind::Block(text), text.len())
                }
                _ => {
                    start.gap += 1;
                    self.advance(self.at + rest.chars().next().map_or(1, char::len_utf8));
                    continue;
                }
            };
            self.advance(self.at + length);
            // What stands between an abbreviation and its datum is kept with them, as written.
            match self.prefixes.last_mut().filter(|prefix| prefix.depth == depth) {
                Some(prefix) => prefix.comments |= !matches!(kind, Kind::Page),
                None => items.push(Start { column, ..start }.item(kind)),
            }
            start = Start::default();
        }
        Start { column: self.column(), ..start }
    }

    /// Adds a datum to the innermost list, with the abbreviations before it.
    fn put(&mut self, item: Item<'s>, open: &mut [(&'s str, Start, Vec<Item<'s>>)]) {
        let depth = open.len();
        let mut item = item;
        while let Some(prefix) = self.prefixes.pop_if(|prefix| prefix.depth == depth) {
            // `, @x` is not `,@x`.
            let splices = prefix.text != ",@"
                && prefix.text.ends_with([',', '$', '+'])
                && item.atom().is_some_and(|text| text.starts_with('@'));
            item = prefix.start.item(if prefix.comments || splices {
                Kind::Atom(self.text.get(prefix.from..self.at).unwrap_or(""))
            } else {
                Kind::Prefixed(prefix.text, Box::new(item))
            });
        }
        if let Some((_, _, items)) = open.last_mut() {
            items.push(item);
        }
    }
}

/// Returns how long the block comment, header or directive is that a text begins with.
fn block_length(text: &str) -> usize {
    if text.starts_with("#|") {
        let bytes = text.as_bytes();
        let (mut at, mut depth) = (0, 0usize);
        while let Some(pair) = bytes.get(at..at + 2) {
            match pair {
                b"#|" => (depth, at) = (depth + 1, at + 2),
                b"|#" => {
                    (depth, at) = (depth - 1, at + 2);
                    if depth == 0 {
                        return at;
                    }
                }
                _ => at += 1,
            }
        }
        return text.len();
    }
    // The reader took it as a directive when it is one; a header goes on to its end.
    let word = text.find(|c: char| c.is_whitespace() || "()[]\";".contains(c)).unwrap_or(text.len());
    match text.get(2..).unwrap_or("").find("!#") {
        Some(end) if !crate::reader::is_directive(text.get(2..word).unwrap_or("")) => end + 4,
        _ => word,
    }
}
