//! The text of staged code.
//!
//! A template is printed as the datum that it is; `(%reference N)` is replaced by what reference N was lowered to: a path as a
//! string literal, code as code, data as the code that it is. `#$output` is `(getenv "out")`: a build learns its
//! outputs from its environment, as in Guix.

use std::rc::Rc;

use hpcl_lang::{
    datum::{Datum, DatumKind},
    native::Raise,
    print,
    span::{FileId, Span},
    symbol::Symbol,
    value::{Gexp, Value},
};

use super::{CodeText, PathText};
use crate::{
    graph::{Piece, Text},
    host::HostError,
};

/// Returns the text of staged code whose references were lowered to those values, in order.
///
/// # Errors
/// [`HostError::NotStageable`] for a value that has no text, such as a procedure.
pub fn code_of_gexp(gexp: &Gexp, lowered: &[Value]) -> Result<CodeText, Raise> {
    let mut text = Text::default();
    Printer { gexp, lowered }.datum(&mut text, &gexp.template)?;
    Ok(CodeText(text))
}

/// Returns data as staged code without references.
///
/// # Errors
/// [`HostError::NotStageable`] for a value that is not data.
pub fn datum_of_value(value: &Value) -> Result<Value, Raise> {
    let mut references = Vec::new();
    let template = Rc::new(template(value, &mut references)?);
    Ok(Value::Gexp(Rc::new(Gexp {
        template,
        references,
        modules: Value::Nil,
        extensions: Value::Nil,
        span: None,
    })))
}

/// Returns `(%reference N)`.
fn reference_to(number: usize, span: Span) -> Datum {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    let name = Datum { kind: DatumKind::Symbol(Symbol::new("%reference")), span };
    Datum { kind: DatumKind::List(vec![name, Datum { kind: DatumKind::Int(number), span }]), span }
}

struct Printer<'a> {
    gexp: &'a Gexp,
    lowered: &'a [Value],
}

impl Printer<'_> {
    fn datum(&self, text: &mut Text, datum: &Datum) -> Result<(), Raise> {
        match &datum.kind {
            DatumKind::List(items) => match reference(items) {
                Some(number) => self.reference(text, number),
                None => self.sequence(text, "(", items, None),
            },
            DatumKind::Dotted(items, tail) => self.sequence(text, "(", items, Some(tail)),
            DatumKind::Vector(items) => self.sequence(text, "#(", items, None),
            _ => {
                text.push_str(&print::write_datum(datum));
                Ok(())
            }
        }
    }

    fn sequence(
        &self,
        text: &mut Text,
        open: &str,
        items: &[Datum],
        tail: Option<&Datum>,
    ) -> Result<(), Raise> {
        text.push_str(open);
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                text.push_str(" ");
            }
            self.datum(text, item)?;
        }
        if let Some(tail) = tail {
            text.push_str(" . ");
            self.datum(text, tail)?;
        }
        text.push_str(")");
        Ok(())
    }

    fn reference(&self, text: &mut Text, number: usize) -> Result<(), Raise> {
        let (Some(reference), Some(value)) = (self.gexp.references.get(number), self.lowered.get(number))
        else {
            return Err(Raise::message("staged code refers to a reference that it does not have"));
        };
        if reference.value.is_none() {
            text.push_str(&format!("(getenv {})", print::write(&Value::string(reference.output.as_str()))));
            return Ok(());
        }
        if !reference.splice {
            return push_value(text, value);
        }
        if let Some(code) = value.as_foreign::<CodeText>()
            && let Some(inside) = inside_of_list(&code.0)
        {
            text.append(inside);
            return Ok(());
        }
        let items = value.list_to_vec().ok_or_else(|| HostError::NotStageable {
            kind: "what is not a list",
            value: print::write(value),
        })?;
        for (position, item) in items.iter().enumerate() {
            if position > 0 {
                text.push_str(" ");
            }
            push_value(text, item)?;
        }
        Ok(())
    }
}

/// Returns the number in `(%reference N)`.
fn reference(items: &[Datum]) -> Option<usize> {
    match items {
        [Datum { kind: DatumKind::Symbol(name), .. }, Datum { kind: DatumKind::Int(number), .. }]
            if name.as_str() == "%reference" =>
        {
            usize::try_from(*number).ok()
        }
        _ => None,
    }
}

/// Returns what is between the parentheses of code that is a list.
fn inside_of_list(code: &Text) -> Option<Text> {
    let mut pieces = code.clone().into_pieces();
    let Piece::Literal(first) = pieces.first_mut()? else { return None };
    *first = first.strip_prefix('(')?.into();
    let Piece::Literal(last) = pieces.last_mut()? else { return None };
    *last = last.strip_suffix(')')?.into();
    Some(pieces.into())
}

fn push_value(text: &mut Text, value: &Value) -> Result<(), Raise> {
    if let Some(path) = value.as_foreign::<PathText>() {
        text.push_str("\"");
        text.append(path.0.clone());
        text.push_str("\"");
        return Ok(());
    }
    if let Some(code) = value.as_foreign::<CodeText>() {
        text.append(code.0.clone());
        return Ok(());
    }
    match value {
        // where one value is taken of several, it is the first, as in Guile
        Value::Values(values) if !values.is_empty() => {
            values.first().map_or(Ok(()), |first| push_value(text, first))
        }
        Value::Pair(_) => push_list(text, value),
        Value::Nil
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Number(_)
        | Value::Char(_)
        | Value::Symbol(_)
        | Value::Keyword(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Vector(_) => {
            text.push_str(&print::write(value));
            Ok(())
        }
        Value::Unspecified => {
            text.push_str("(if #f #f)");
            Ok(())
        }
        other => Err(HostError::NotStageable { kind: other.kind(), value: print::write(other) }.into()),
    }
}

fn push_list(text: &mut Text, value: &Value) -> Result<(), Raise> {
    text.push_str("(");
    let mut rest = value;
    let mut first = true;
    while let Value::Pair(pair) = rest {
        if !first {
            text.push_str(" ");
        }
        first = false;
        push_value(text, &pair.car)?;
        rest = &pair.cdr;
    }
    if !rest.is_null() {
        text.push_str(" . ");
        push_value(text, rest)?;
    }
    text.push_str(")");
    Ok(())
}

/// Turns data into a template: what is not plain data becomes a reference.
fn template(value: &Value, references: &mut Vec<hpcl_lang::value::GexpReference>) -> Result<Datum, Raise> {
    let span = Span::new(FileId(0), 0, 0);
    let make = |kind| Ok(Datum { kind, span });
    match value {
        Value::Nil => make(DatumKind::List(Vec::new())),
        Value::LispNil => make(DatumKind::Symbol(Symbol::new("#nil"))),
        Value::Bool(flag) => make(DatumKind::Bool(*flag)),
        Value::Int(number) => make(DatumKind::Int(*number)),
        Value::Float(number) => make(DatumKind::Float(*number)),
        Value::Char(character) => make(DatumKind::Char(*character)),
        Value::String(text) => make(DatumKind::String((**text).clone())),
        Value::Symbol(name) => make(DatumKind::Symbol(*name)),
        Value::Keyword(name) => make(DatumKind::Keyword(*name)),
        Value::Bytes(bytes) => make(DatumKind::Bytes(bytes.to_vec())),
        Value::Pair(_) => {
            let mut items = Vec::new();
            let mut rest = value.clone();
            while let Value::Pair(pair) = rest {
                items.push(template(&pair.car, references)?);
                rest = pair.cdr.clone();
            }
            match rest {
                Value::Nil | Value::LispNil => make(DatumKind::List(items)),
                tail => {
                    let tail = Box::new(template(&tail, references)?);
                    make(DatumKind::Dotted(items, tail))
                }
            }
        }
        Value::Closure(_) | Value::Native(_) | Value::Promise(_) | Value::Parameter(_) => {
            Err(HostError::NotStageable { kind: value.kind(), value: print::write(value) }.into())
        }
        other => {
            let number = references.len();
            references.push(hpcl_lang::value::GexpReference {
                value: Some(other.clone()),
                output: Symbol::new("out"),
                native: false,
                splice: false,
            });
            Ok(reference_to(number, span))
        }
    }
}
