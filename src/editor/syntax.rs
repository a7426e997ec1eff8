//! Positions in a text: what stands there, what is around it, what binds it.

use hpcl_lang::{
    datum::{Datum, DatumKind},
    reader,
    span::{FileId, Span},
};

/// Returns the data of a text as far as it can be read.
pub fn data(text: &str) -> Vec<Datum> {
    reader::read(FileId(0), text).0
}

/// Returns the data that contain a position, outermost first; a position right after a datum counts as in it.
pub fn path(data: &[Datum], offset: usize) -> Vec<&Datum> {
    let mut found = Vec::new();
    let mut level = data;
    loop {
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        let inside = |datum: &&Datum| datum.span.start <= at && at <= datum.span.end;
        // Of two that touch, the one that begins here is meant.
        let Some(datum) = level.iter().rev().find(inside) else { return found };
        found.push(datum);
        level = match &datum.kind {
            DatumKind::List(items) | DatumKind::Vector(items) | DatumKind::Dotted(items, _) => items,
            _ => return found,
        };
    }
}

/// The items of a list.
pub fn items(datum: &Datum) -> Option<&[Datum]> {
    match &datum.kind {
        DatumKind::List(items) | DatumKind::Dotted(items, _) => Some(items),
        _ => None,
    }
}

/// A symbol's name.
pub fn symbol(datum: &Datum) -> Option<&'static str> {
    match datum.kind {
        DatumKind::Symbol(name) => Some(name.as_str()),
        _ => None,
    }
}

/// The symbol that a list begins with.
pub fn head(datum: &Datum) -> Option<&'static str> {
    items(datum)?.first().and_then(symbol)
}

/// The field of that name in a record's form.
pub fn field<'d>(form: &'d Datum, name: &str) -> Option<&'d Datum> {
    items(form)?.iter().find(|clause| head(clause) == Some(name)).and_then(|clause| items(clause)?.get(1))
}

/// Returns where the innermost form around a symbol binds it, if it is a local variable.
pub fn local_binding(path: &[&Datum], name: &str) -> Option<Span> {
    path.iter().rev().skip(1).find_map(|form| {
        let parts = items(form)?;
        let bound = |datum: &Datum| bound_in(datum, name);
        match head(form)? {
            "let" | "let*" | "letrec" | "letrec*" | "let-values" | "let*-values" | "do" | "parameterize"
            | "mlet" | "mlet*" | "and-let*" | "match-let" | "match-let*" => {
                let tag = parts.get(1).filter(|part| symbol(part) == Some(name)).map(|part| part.span);
                tag.or_else(|| {
                    let bindings = parts.iter().skip(1).find_map(items)?;
                    bindings.iter().find_map(|binding| bound(items(binding)?.first()?))
                })
            }
            "lambda" | "lambda*" | "receive" | "mlambda" | "mlambdaq" => parts.get(1).and_then(bound),
            "define" | "define*" | "define-public" | "define*-public" | "define-syntax-rule" => {
                items(parts.get(1)?)?.iter().skip(1).find_map(bound)
            }
            _ => None,
        }
    })
}

/// Returns where a name is bound in a list of arguments or a pattern.
fn bound_in(datum: &Datum, name: &str) -> Option<Span> {
    match &datum.kind {
        DatumKind::Symbol(symbol) if symbol.as_str() == name => Some(datum.span),
        DatumKind::Dotted(parts, tail) => {
            parts.iter().find_map(|part| bound_in(part, name)).or_else(|| bound_in(tail, name))
        }
        DatumKind::List(parts) => parts.iter().find_map(|part| bound_in(part, name)),
        _ => None,
    }
}

/// Returns the top-level form that defines a name: any `define…` form, or a record type that has it among its names.
pub fn definition_of<'d>(data: &'d [Datum], name: &str) -> Option<(&'d Datum, Span)> {
    data.iter().find_map(|form| {
        let parts = items(form).filter(|_| head(form).is_some_and(|head| head.starts_with("define")))?;
        let mut target = parts.get(1)?;
        while let Some(inner) = items(target).filter(|_| head(form) != Some("define-module")) {
            target = inner.first()?;
        }
        if symbol(target) == Some(name) {
            return Some((form, target.span));
        }
        let record = head(form).is_some_and(|head| head.starts_with("define-record-type"));
        let named = |part: &Datum| {
            let own = std::slice::from_ref(part);
            items(part).unwrap_or(own).iter().find(|part| symbol(part) == Some(name)).map(|part| part.span)
        };
        parts.iter().skip(1).filter(|_| record).find_map(named).map(|span| (form, span))
    })
}

/// A list that is not closed before a position.
pub struct OpenList<'t> {
    /// Its first element when that is complete before the position.
    pub head: Option<&'t str>,
    /// How many elements are complete before the position.
    pub count: usize,
    /// Where it begins.
    pub start: usize,
}

/// Returns the lists around a position, outermost first, and where the word at the position begins. Works on texts that
/// cannot be read.
pub fn open_lists(text: &str, offset: usize) -> (Vec<OpenList<'_>>, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let mut open: Vec<OpenList<'_>> = Vec::new();
    let mut word = before.len();
    for token in reader::tokens(before) {
        let ends_here = token.end == before.len();
        match token.kind {
            reader::TokenKind::Open => open.push(OpenList { head: None, count: 0, start: token.start }),
            reader::TokenKind::Close => {
                open.pop();
                if let Some(list) = open.last_mut() {
                    list.count += 1;
                }
            }
            reader::TokenKind::Atom if ends_here => word = token.start,
            reader::TokenKind::Atom => {
                if let Some(list) = open.last_mut() {
                    if list.count == 0 {
                        list.head = before.get(token.start..token.end);
                    }
                    list.count += 1;
                }
            }
            reader::TokenKind::Prefix => {}
        }
    }
    (open, word)
}
