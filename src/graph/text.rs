//! Strings with references in them.

use std::sync::Arc;

use super::NodeId;
use crate::{derivation::OutputName, store_path::StorePath};

/// A part of a [`Text`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Characters as they stand.
    Literal(Arc<str>),
    /// The path of another node's output.
    Output(NodeId, OutputName),
    /// The path of an output of the node that the text belongs to. Written as Nix's placeholder, which the executor
    /// replaces, because the path depends on this very text.
    OwnOutput(OutputName),
    /// The path of a source, or of anything else that is in the store already.
    Source(StorePath),
}

/// A string with references in it: what evaluation gives where Nix would give a string with context.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text(Vec<Piece>);

impl Text {
    /// The empty text.
    pub fn new() -> Self {
        Self::default()
    }

    /// The parts in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The parts themselves.
    pub fn into_pieces(self) -> Vec<Piece> {
        self.0
    }

    /// Adds a part.
    pub fn push(&mut self, piece: Piece) {
        self.0.push(piece);
    }

    /// Adds characters.
    pub fn push_str(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.push(Piece::Literal(text.into()));
        }
    }

    /// Adds all of another text.
    pub fn append(&mut self, other: Text) {
        self.0.extend(other.0);
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|piece| matches!(piece, Piece::Literal(text) if text.is_empty()))
    }

    /// The characters, when there is no reference in it.
    pub fn as_literal(&self) -> Option<String> {
        let each = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.to_string()),
            _ => None,
        };
        self.0.iter().map(each).collect()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(vec![Piece::Literal(text.into())])
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(vec![Piece::Literal(text.into())])
    }
}

impl From<Arc<str>> for Text {
    fn from(text: Arc<str>) -> Self {
        Self(vec![Piece::Literal(text)])
    }
}

impl From<Piece> for Text {
    fn from(piece: Piece) -> Self {
        Self(vec![piece])
    }
}

impl From<Vec<Piece>> for Text {
    fn from(pieces: Vec<Piece>) -> Self {
        Self(pieces)
    }
}

impl FromIterator<Piece> for Text {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        Self(pieces.into_iter().collect())
    }
}
