//! Balanced tokens, out of raw ones.
//!
//! This is the one place that knows lines and columns, so it matches the parentheses, and the grammar never sees an unbalanced
//! text. In a first pass the text is taken at its word. When a parenthesis is missing at its end, a second pass trusts the
//! indentation: a `(` in the first column begins a new form, and the innermost list that a line's indentation contradicts
//! is the one that lacks its end. So one missing parenthesis gives one error, at the right place, and the
//! rest of the file is checked too.

use logos::Logos;
use rustc_hash::FxHashMap;

use crate::{datum::DatumKind, symbol::Symbol};

use super::{MAX_DEPTH, atom, error::ReadError, string, token::Raw};

/// A token of the grammar.
#[derive(Clone, Debug)]
pub(super) enum Token {
    Open,
    OpenVector,
    OpenBytes,
    Close,
    Prefix(Prefix),
    DatumComment,
    Dot,
    Atom(DatumKind),
    /// Something that could not be read and was reported.
    Error,
}

/// An abbreviation: `'`, `#~`, …
#[derive(Clone, Copy, Debug)]
pub(super) struct Prefix {
    /// As written.
    pub(super) text: &'static str,
    /// What it stands for.
    pub(super) symbol: Symbol,
    /// Whether `:` in the symbol after it separates an output's name.
    pub(super) splits_output: bool,
}

/// All abbreviations: as written, what they stand for, whether they split outputs.
pub(crate) const PREFIXES: [(&str, &str, bool); 13] = [
    ("'", "quote", false),
    ("`", "quasiquote", false),
    (",", "unquote", false),
    (",@", "unquote-splicing", false),
    ("#'", "syntax", false),
    ("#`", "quasisyntax", false),
    ("#,", "unsyntax", false),
    ("#,@", "unsyntax-splicing", false),
    ("#~", "gexp", false),
    ("#$", "ungexp", true),
    ("#$@", "ungexp-splicing", true),
    ("#+", "ungexp-native", true),
    ("#+@", "ungexp-native-splicing", true),
];

/// A parenthesis that is not closed yet.
#[derive(Clone, Copy)]
struct Opener {
    start: u32,
    end: u32,
    /// The column, in bytes.
    column: u32,
    line: u32,
    square: bool,
    /// How deep data outside of it nest, abbreviations included.
    outside: usize,
    /// The first line that is indented as if this list had ended before.
    contradicted: Option<u32>,
}

/// An iterator over the tokens of a text.
pub(super) struct Tokens<'s> {
    text: &'s str,
    lexer: logos::Lexer<'s, Raw>,
    trust_indentation: bool,
    prefixes: [Symbol; PREFIXES.len()],
    symbols: FxHashMap<&'s str, Symbol>,
    openers: Vec<Opener>,
    /// Abbreviations before the next datum.
    pending: usize,
    depth: usize,
    line: u32,
    line_start: u32,
    /// How far lines were counted.
    counted: u32,
    /// Parentheses to close before the next token.
    closing: usize,
    held: Option<(u32, Token, u32)>,
    ended: bool,
    cut_short: bool,
    /// Whether a parenthesis of the present form was closed by one of the other kind.
    mismatched: bool,
    /// The list of the present form that was contradicted first, open or not.
    suspect: Option<Opener>,
    /// The last form that ended, and whether a line after it is indented as if it had not.
    last_form: Option<(u32, u32, bool)>,
    /// The first string that has a line beginning with `(`: likely one that lacks its end.
    odd_string: Option<(u32, u32)>,
    errors: Vec<ReadError>,
    unclosed: bool,
}

impl<'s> Tokens<'s> {
    /// Starts a pass.
    pub(super) fn new(text: &'s str, trust_indentation: bool) -> Self {
        Tokens {
            text,
            lexer: Raw::lexer(text),
            trust_indentation,
            prefixes: PREFIXES.map(|(_, name, _)| Symbol::new(name)),
            symbols: FxHashMap::default(),
            openers: Vec::new(),
            pending: 0,
            depth: 0,
            line: 1,
            line_start: 0,
            counted: 0,
            closing: 0,
            held: None,
            ended: false,
            cut_short: false,
            mismatched: false,
            suspect: None,
            last_form: None,
            odd_string: None,
            errors: Vec::new(),
            unclosed: false,
        }
    }

    /// Whether a parenthesis was open at the end.
    pub(super) fn unclosed(&self) -> bool {
        self.unclosed
    }

    /// Whether reading stopped before the end.
    pub(super) fn cut_short(&self) -> bool {
        self.cut_short
    }

    /// Returns what was wrong.
    pub(super) fn into_errors(self) -> Vec<ReadError> {
        self.errors
    }

    /// Counts lines up to a position and returns its column.
    fn column(&mut self, position: u32) -> (u32, bool) {
        let bytes = self.text.as_bytes();
        let mut first_in_line = self.counted == 0;
        if let Some(skipped) = bytes.get(self.counted as usize..position as usize) {
            for at in memchr_lines(skipped) {
                self.line += 1;
                self.line_start = self.counted + at + 1;
                first_in_line = true;
            }
        }
        // A token that ends in the middle of a line (a long string) does not make the next one the first in its line.
        let blank = first_in_line
            && bytes
                .get(self.line_start as usize..position as usize)
                .is_some_and(|before| before.iter().all(u8::is_ascii_whitespace));
        self.counted = position;
        (position - self.line_start, blank)
    }

    fn symbol(&mut self, name: &'s str) -> Symbol {
        *self.symbols.entry(name).or_insert_with(|| Symbol::new(name))
    }

    /// Notes what the indentation of a line says.
    fn check_indentation(&mut self, column: u32) {
        if !self.trust_indentation {
            if self.openers.is_empty()
                && column > 0
                && let Some((_, _, indented)) = &mut self.last_form
            {
                *indented = true;
            }
            return;
        }
        for opener in self.openers.iter_mut().rev().take_while(|opener| column <= opener.column) {
            if opener.line < self.line && opener.contradicted.is_none() {
                opener.contradicted = Some(self.counted);
                // The innermost one of the first line that does not fit lacks its end; all later ones follow from it.
                self.suspect.get_or_insert(*opener);
            }
        }
    }

    fn open(&mut self, start: u32, end: u32, column: u32, token: Token) -> Token {
        if self.depth + self.pending + 1 > MAX_DEPTH {
            return self.too_deep(start, end);
        }
        self.openers.push(Opener {
            start,
            end,
            column,
            line: self.line,
            square: self.text.as_bytes().get(end as usize - 1) == Some(&b'['),
            outside: self.depth,
            contradicted: None,
        });
        self.depth += self.pending + 1;
        self.pending = 0;
        token
    }

    fn too_deep(&mut self, start: u32, end: u32) -> Token {
        self.errors.push(ReadError::TooDeep { start, end });
        self.end_here();
        Token::Error
    }

    /// Closes what is open without complaint, and reads no further.
    fn end_here(&mut self) {
        self.ended = true;
        self.cut_short = true;
        self.closing = self.openers.len();
        self.openers.clear();
    }

    fn close(&mut self, start: u32, end: u32) -> Option<Token> {
        self.pending = 0;
        let square = self.text.as_bytes().get(start as usize) == Some(&b']');
        let Some(opener) = self.openers.pop() else {
            let form = self.last_form.and_then(|(a, b, indented)| indented.then_some((a, b)));
            match self.errors.last_mut() {
                Some(ReadError::UnexpectedClose { end: last, .. }) if *last == start => *last = end,
                _ => self.errors.push(ReadError::UnexpectedClose { start, end, form }),
            }
            return None;
        };
        self.depth = opener.outside;
        if opener.square != square {
            // The next ones would only follow from the first.
            if !self.mismatched {
                let opener = (opener.start, opener.end);
                self.errors.push(ReadError::MismatchedClose { start, end, square, opener });
            }
            self.mismatched = true;
        }
        if self.openers.is_empty() {
            self.suspect = None;
            self.mismatched = false;
            // What is indented under a form that ended too early does not take its place.
            if opener.column == 0 || !self.last_form.is_some_and(|(_, _, indented)| indented) {
                self.last_form = Some((opener.start, start, false));
            }
        }
        Some(Token::Close)
    }

    /// Reports the parentheses that are open, as one error, and closes them.
    fn close_all(&mut self, next_form: Option<u32>) {
        let Some(outermost) = self.openers.first() else { return };
        let culprit = self.suspect.take().or(self.openers.last().copied()).unwrap_or(*outermost);
        self.errors.push(ReadError::Unclosed {
            start: culprit.start,
            end: culprit.end,
            square: culprit.square,
            contradicted: culprit.contradicted.filter(|at| Some(*at) != next_form),
            next_form,
            form: (outermost.start != culprit.start).then_some((outermost.start, outermost.end)),
        });
        self.closing = self.openers.len();
        self.openers.clear();
        self.depth = 0;
        self.pending = 0;
        self.last_form = None;
    }

    fn next_raw(&mut self) -> Option<(u32, Token, u32)> {
        while let Some(raw) = self.lexer.next() {
            let span = self.lexer.span();
            let (start, end) = (to_u32(span.start), to_u32(span.end));
            let (column, first_in_line) = self.column(start);
            if first_in_line {
                let opens = matches!(raw, Ok(Raw::Open));
                if column == 0 && opens && self.trust_indentation && !self.openers.is_empty() {
                    self.check_indentation(column);
                    self.close_all(Some(start));
                } else {
                    self.check_indentation(column);
                }
            }
            if let Some(token) = self.token(raw.ok(), start, end, column) {
                return Some((start, token, end));
            }
            if self.ended {
                return None;
            }
        }
        None
    }

    fn token(&mut self, raw: Option<Raw>, start: u32, end: u32, column: u32) -> Option<Token> {
        let slice = self.lexer.slice();
        let read = match raw {
            Some(Raw::Open) => return Some(self.open(start, end, column, Token::Open)),
            Some(Raw::OpenVector) => return Some(self.open(start, end, column, Token::OpenVector)),
            Some(Raw::OpenBytes) => return Some(self.open(start, end, column, Token::OpenBytes)),
            Some(Raw::Close) => return self.close(start, end),
            Some(Raw::Prefix) => {
                self.pending += 1;
                if self.depth + self.pending > MAX_DEPTH {
                    return Some(self.too_deep(start, end));
                }
                return Some(self.prefix(slice));
            }
            Some(Raw::DatumComment) => {
                // Its datum is built and dropped, so it nests like any other.
                self.pending += 1;
                if self.depth + self.pending > MAX_DEPTH {
                    return Some(self.too_deep(start, end));
                }
                return Some(Token::DatumComment);
            }
            Some(Raw::Atom) if slice == "." => return Some(Token::Dot),
            Some(Raw::Atom) => match atom::atom(slice) {
                Ok(Some(number)) => Ok(number),
                Ok(None) => Ok(DatumKind::Symbol(self.symbol(slice))),
                Err(error) => Err(error.into_error(slice, start)),
            },
            Some(Raw::String(ended)) => return Some(self.string(slice, ended, start)),
            Some(Raw::Character) => string::character(slice).ok_or_else(|| ReadError::UnknownCharacter {
                name: slice.to_owned(),
                start,
                end,
            }),
            Some(Raw::Keyword) => self.keyword(slice, start, end),
            Some(Raw::ExtendedSymbol(true)) => {
                string::extended_symbol(slice.get(2..slice.len() - 2).unwrap_or(""), start + 2)
                    .map(DatumKind::Symbol)
            }
            Some(Raw::ExtendedKeyword(true)) => {
                string::extended_symbol(slice.get(4..slice.len() - 2).unwrap_or(""), start + 4)
                    .map(DatumKind::Keyword)
            }
            Some(Raw::ExtendedSymbol(false) | Raw::ExtendedKeyword(false)) => {
                self.errors.push(ReadError::EndlessSymbol { start, end: start + 2 });
                self.end_here();
                return None;
            }
            Some(Raw::EndlessComment) => {
                self.errors.push(ReadError::EndlessComment { start, end: start + 2 });
                self.end_here();
                return None;
            }
            Some(Raw::EndlessHeader) => {
                self.errors.push(ReadError::EndlessHeader { start, end });
                return None;
            }
            Some(Raw::Hash) => atom::hash(slice, start, end),
            None => Err(ReadError::UnknownHash { text: slice.to_owned(), start, end }),
        };
        self.pending = 0;
        Some(read.map_or_else(
            |error| {
                self.errors.push(error);
                Token::Error
            },
            Token::Atom,
        ))
    }

    fn prefix(&self, slice: &str) -> Token {
        PREFIXES
            .iter()
            .zip(self.prefixes)
            .find(|((text, ..), _)| *text == slice)
            .map_or(Token::Error, |(&(text, _, splits_output), symbol)| {
                Token::Prefix(Prefix { text, symbol, splits_output })
            })
    }

    fn keyword(&mut self, slice: &'s str, start: u32, end: u32) -> Result<DatumKind, ReadError> {
        let name = slice.get(2..).unwrap_or("");
        if name.is_empty() {
            return Err(ReadError::EmptyKeyword { start, end });
        }
        atom::check_characters(name).map_err(|error| error.into_error(name, start + 2))?;
        Ok(DatumKind::Keyword(self.symbol(name)))
    }

    fn string(&mut self, slice: &str, ended: bool, start: u32) -> Token {
        self.pending = 0;
        if !ended {
            let suspect = self.odd_string;
            if let Some((odd, _)) = suspect {
                // From a string that lacks its end on, code and text are exchanged: what was said about it is noise.
                self.errors.retain(|error| error.start() < odd);
            }
            self.errors.push(ReadError::EndlessString { start, end: start + 1, suspect });
            self.end_here();
            return Token::Error;
        }
        if self.odd_string.is_none() && slice.contains("\n(") {
            self.odd_string = Some((start, start + 1));
        }
        match string::string(slice.get(1..slice.len() - 1).unwrap_or(""), start + 1) {
            Ok(text) => Token::Atom(DatumKind::String(text)),
            Err(errors) => {
                self.errors.extend(errors);
                Token::Error
            }
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = (u32, Token, u32);

    fn next(&mut self) -> Option<Self::Item> {
        if self.closing == 0
            && let Some(token) = self.held.take()
        {
            return Some(token);
        }
        if self.closing == 0 && !self.ended {
            let next = self.next_raw();
            if next.is_none() && !self.ended {
                self.unclosed = !self.openers.is_empty();
                self.close_all(None);
                self.ended = true;
            }
            if self.closing == 0 || (self.ended && next.is_some()) {
                return next;
            }
            self.held = next;
        }
        if self.closing > 0 {
            self.closing -= 1;
            let at = self.held.as_ref().map_or(self.text.len(), |held| held.0 as usize);
            return Some((to_u32(at), Token::Close, to_u32(at)));
        }
        None
    }
}

fn to_u32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Returns the offsets of the line ends.
fn memchr_lines(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| to_u32(at))
}
