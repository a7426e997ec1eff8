//! What the language sees of derivations, paths and code: opaque values.

use std::any::Any;

use hpcl_lang::{
    native::{Raise, wrong_type},
    value::{Foreign, Value},
};

use crate::{
    derivation::{DerivationError, OutputName},
    graph::{GraphBuilder, NodeId, Piece, Text},
    store_path::StorePath,
};

/// A derivation in the graph.
#[derive(Clone, Debug)]
pub struct DerivationValue {
    /// Its node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its outputs' names, at least one.
    pub outputs: Vec<String>,
}

/// A path that is known once the graph is hashed.
#[derive(Clone, Debug)]
pub struct PathText(pub Text);

/// Staged code as text.
#[derive(Clone, Debug)]
pub struct CodeText(pub Text);

impl PathText {
    /// Returns the path of a node's output.
    ///
    /// # Errors
    /// [`DerivationError`] when the output's name is not one.
    pub fn output(node: NodeId, output: &str) -> Result<PathText, DerivationError> {
        Ok(PathText(Piece::Output(node, OutputName::new(output)?).into()))
    }

    /// Returns the path of a source.
    pub fn source(path: StorePath) -> PathText {
        PathText(Piece::Source(path).into())
    }

    /// Returns the path as a string of the language, a placeholder which becomes the path where it ends up in a derivation, be it
    /// within another string; `None` for what is more than one path.
    pub fn placeholder(&self) -> Option<String> {
        match self.0.pieces() {
            [Piece::Output(node, output)] => Some(format!("{OPEN}{}:{output}{CLOSE}", node.index())),
            _ => None,
        }
    }

    /// Returns the path followed by more text.
    #[must_use]
    pub fn append(&self, suffix: &str) -> PathText {
        let mut text = self.0.clone();
        text.push_str(suffix);
        PathText(text)
    }
}

/// What encloses a path that is a string of the language: characters of private use, which no recipe has.
const OPEN: char = '\u{10fe00}';
const CLOSE: char = '\u{10fe01}';

/// Whether a string has paths in it.
pub fn has_paths(text: &str) -> bool {
    text.contains(OPEN)
}

/// Returns a text with the paths that are within its characters as references.
pub fn resolve(text: Text, graph: &GraphBuilder) -> Text {
    let literal = |piece: &Piece| matches!(piece, Piece::Literal(characters) if has_paths(characters));
    if !text.pieces().iter().any(literal) {
        return text;
    }
    let mut resolved = Text::default();
    for piece in text.into_pieces() {
        match piece {
            Piece::Literal(characters) => resolve_literal(&mut resolved, &characters, graph),
            other => resolved.push(other),
        }
    }
    resolved
}

fn resolve_literal(text: &mut Text, characters: &str, graph: &GraphBuilder) {
    let mut rest = characters;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let inside = after.split_once(CLOSE).and_then(|(inside, after)| {
            let (number, output) = inside.split_once(':')?;
            Some((graph.node_at(number.parse().ok()?)?, OutputName::new(output).ok()?, after))
        });
        let Some((node, output, after)) = inside else { break };
        text.push_str(before);
        text.push(Piece::Output(node, output));
        rest = after;
    }
    text.push_str(rest);
}

/// Returns the text that a string, a path, code or a list of these stands for.
///
/// # Errors
/// [`Raise::WrongType`] for any other value.
pub fn text_of_value(value: &Value) -> Result<Text, Raise> {
    let mut text = Text::default();
    match value.list_to_vec() {
        Some(items) => items.iter().try_for_each(|item| push(&mut text, item))?,
        None => push(&mut text, value)?,
    }
    Ok(text)
}

fn push(text: &mut Text, value: &Value) -> Result<(), Raise> {
    if let Some(literal) = value.as_str() {
        text.push_str(literal);
    } else if let Some(path) = value.as_foreign::<PathText>() {
        text.append(path.0.clone());
    } else if let Some(code) = value.as_foreign::<CodeText>() {
        text.append(code.0.clone());
    } else {
        return Err(wrong_type("%derivation", 3, "a string, a path or code", value));
    }
    Ok(())
}

impl Foreign for DerivationValue {
    fn describe(&self) -> String {
        format!("#<derivation {}>", self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for PathText {
    fn describe(&self) -> String {
        "#<path>".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Foreign for CodeText {
    fn describe(&self) -> String {
        "#<code>".to_owned()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
