//! What the grammar does when it has recognised something.
//!
//! Abbreviations become lists here, dotted pairs get their normal form, and the places of dots are checked.

use crate::{
    datum::{Datum, DatumKind},
    span::{FileId, Span},
    symbol::Symbol,
};

use super::{error::ReadError, tokens::Prefix};

/// Builds data, and records what is wrong.
pub(super) struct Builder {
    file: FileId,
    errors: Vec<ReadError>,
}

/// The data between two parentheses, so far.
#[derive(Default)]
pub(super) struct Sequence {
    items: Vec<Datum>,
    /// The number of items before the first dot, and where it stands.
    dot: Option<(u32, u32)>,
    /// Whether something in it could not be read, or was reported already.
    broken: bool,
}

impl Sequence {
    /// Adds a datum, or the place of one that could not be read.
    pub(super) fn with(mut self, datum: Option<Datum>) -> Sequence {
        match datum {
            Some(datum) => self.items.push(datum),
            None => self.broken = true,
        }
        self
    }
}

impl Builder {
    /// Returns a builder without errors.
    pub(super) fn new(file: FileId) -> Builder {
        Builder { file, errors: Vec::new() }
    }

    /// Returns what was wrong.
    pub(super) fn into_errors(self) -> Vec<ReadError> {
        self.errors
    }

    /// Returns a datum.
    pub(super) fn datum(&self, kind: DatumKind, start: u32, end: u32) -> Datum {
        Datum { kind, span: Span { file: self.file, start, end } }
    }

    /// Records a dot.
    pub(super) fn dot(&mut self, mut items: Sequence, at: u32) -> Sequence {
        match items.dot {
            None => items.dot = Some((u32::try_from(items.items.len()).unwrap_or(u32::MAX), at)),
            Some(_) if items.broken => {}
            Some((_, first)) => {
                self.errors.push(ReadError::SecondDot { at, first });
                items.broken = true;
            }
        }
        items
    }

    /// Ends a file.
    pub(super) fn file(&mut self, items: Sequence) -> Vec<Datum> {
        self.without_dot(&items);
        items.items
    }

    /// Ends a list.
    pub(super) fn list(&mut self, mut items: Sequence, start: u32, end: u32) -> Option<Datum> {
        let Some((before, at)) = items.dot else {
            return Some(self.datum(DatumKind::List(items.items), start, end));
        };
        if items.broken {
            return None;
        }
        let after = items.items.len() - before as usize;
        if before == 0 {
            self.errors.push(ReadError::NothingBeforeDot { at });
        } else if after == 0 {
            self.errors.push(ReadError::NothingAfterDot { at });
        } else if after > 1 {
            let extra =
                items.items.get(before as usize + 1).map_or((at, at + 1), |d| (d.span.start, d.span.end));
            self.errors.push(ReadError::TooMuchAfterDot { at, extra });
        } else if let Some(tail) = items.items.pop() {
            return Some(self.datum(dotted(items.items, tail), start, end));
        }
        None
    }

    /// Ends a vector.
    pub(super) fn vector(&mut self, items: Sequence, start: u32, end: u32) -> Option<Datum> {
        self.without_dot(&items);
        Some(self.datum(DatumKind::Vector(items.items), start, end))
    }

    /// Ends a bytevector.
    pub(super) fn bytes(&mut self, items: Sequence, start: u32, end: u32) -> Option<Datum> {
        self.without_dot(&items);
        let mut bytes = Vec::with_capacity(items.items.len());
        for item in &items.items {
            match item.kind {
                DatumKind::Int(n) if u8::try_from(n).is_ok() => bytes.push(u8::try_from(n).unwrap_or(0)),
                _ => self.errors.push(ReadError::NotAByte { start: item.span.start, end: item.span.end }),
            }
        }
        Some(self.datum(DatumKind::Bytes(bytes), start, end))
    }

    /// Makes a list of an abbreviation; `middle` is where the prefix ends.
    pub(super) fn prefixed(
        &mut self,
        prefix: Prefix,
        datum: Option<Datum>,
        start: u32,
        middle: u32,
        end: u32,
    ) -> Option<Datum> {
        let datum = datum?;
        let head = self.datum(DatumKind::Symbol(prefix.symbol), start, middle);
        let mut items = Vec::with_capacity(3);
        items.push(head);
        match datum.kind {
            DatumKind::Symbol(name) if prefix.splits_output => match name.as_str().rsplit_once(':') {
                Some((package, output)) if !package.is_empty() && !output.is_empty() => {
                    let colon = datum.span.start + u32::try_from(package.len()).unwrap_or(0);
                    let package = DatumKind::Symbol(Symbol::new(package));
                    items.push(self.datum(package, datum.span.start, colon));
                    items.push(self.datum(DatumKind::String(output.into()), colon + 1, datum.span.end));
                }
                _ => items.push(datum),
            },
            _ => items.push(datum),
        }
        Some(self.datum(DatumKind::List(items), start, end))
    }

    /// Records a prefix without a datum.
    pub(super) fn nothing_after(&mut self, prefix: &'static str, start: u32, end: u32) -> Option<Datum> {
        self.errors.push(ReadError::NothingAfterPrefix { prefix, start, end });
        None
    }

    fn without_dot(&mut self, items: &Sequence) {
        if let (Some((_, at)), false) = (items.dot, items.broken) {
            self.errors.push(ReadError::DotOutsideList { at });
        }
    }
}

/// Returns the normal form of a dotted list: its tail is neither a list nor dotted.
fn dotted(mut items: Vec<Datum>, tail: Datum) -> DatumKind {
    match tail.kind {
        DatumKind::List(more) => {
            items.extend(more);
            DatumKind::List(items)
        }
        DatumKind::Dotted(more, end) => {
            items.extend(more);
            DatumKind::Dotted(items, end)
        }
        _ => DatumKind::Dotted(items, Box::new(tail)),
    }
}
