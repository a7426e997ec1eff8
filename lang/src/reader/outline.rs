//! Where the top-level forms of a text are, without reading them.
//!
//! Loading a module of a megabyte for one of its definitions should not cost a megabyte of data. This looks at
//! parentheses, strings, comments and characters alone. Invariant: what it finds is what the reader finds; a text in
//! which that is not certain, a wrong one among them, has no outline and is read as a whole.

use crate::{
    datum::{Datum, DatumKind},
    diagnostic::Diagnostic,
    span::{FileId, Span},
};

use super::{MAX_DEPTH, read};

/// A top-level form: where its list begins and ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// The place of its opening parenthesis.
    pub start: u32,
    /// The place after its closing parenthesis.
    pub end: u32,
}

/// What a definition's head says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Head<'a> {
    /// The form: `define-public`.
    pub form: &'a str,
    /// The name that is defined.
    pub name: &'a str,
    /// Where the name begins, from the form's start.
    pub name_start: u32,
    /// Whether the definition is of a procedure: `(define (name …) …)`.
    pub procedure: bool,
}

/// Returns the top-level forms of a text if all are lists and the text is surely whole.
///
/// # Examples
/// ```
/// use hpcl_lang::reader::outline::outline;
/// let forms = outline("; x\n(define a \")\")\n(b)").unwrap();
/// assert_eq!((forms[0].start, forms[0].end, forms.len()), (4, 18, 2));
/// assert!(outline("(define a").is_none());
/// ```
pub fn outline(text: &str) -> Option<Vec<Form>> {
    u32::try_from(text.len()).ok()?;
    let bytes = text.as_bytes();
    let mut forms = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        at = match byte {
            b'(' | b'[' => {
                if open.is_empty() {
                    start = at;
                }
                open.push(byte);
                if open.len() >= MAX_DEPTH {
                    return None;
                }
                at + 1
            }
            b')' | b']' => {
                let wanted = if byte == b')' { b'(' } else { b'[' };
                if open.pop() != Some(wanted) {
                    return None;
                }
                if open.is_empty() {
                    forms.push(Form { start: u32::try_from(start).ok()?, end: u32::try_from(at + 1).ok()? });
                }
                at + 1
            }
            b';' => after_line(bytes, at),
            b'#' if next == Some(b'|') => after_comment(bytes, at + 2)?,
            _ if open.is_empty() && !byte.is_ascii_whitespace() => return None,
            b'"' => after_string(bytes, at + 1)?,
            b'#' if next == Some(b';') => at + 2,
            b'#' if next == Some(b'\\') && bytes.get(at + 2).is_some() => at + 3,
            b'#' if next == Some(b'{') => {
                at + 2 + bytes.get(at + 2..)?.windows(2).position(|two| two == b"}#")? + 2
            }
            b'#' if matches!(next, Some(b'!')) => return None,
            b'|' | b'\\' => return None,
            _ => at + 1,
        };
    }
    open.is_empty().then_some(forms)
}

fn after_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn after_line(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or(&[]);
    rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length + 1)
}

/// Block comments nest.
fn after_comment(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 1;
    while depth > 0 {
        match (bytes.get(at)?, bytes.get(at + 1)) {
            (b'|', Some(b'#')) => {
                depth -= 1;
                at += 2;
            }
            (b'#', Some(b'|')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    Some(at)
}

/// Returns what a form's text says at its beginning, `(head name …` or `(head (name …) …`, if both are plain words.
///
/// # Examples
/// ```
/// use hpcl_lang::reader::outline::head;
/// let head = head("(define* (f x) x)").unwrap();
/// assert_eq!((head.form, head.name, head.name_start, head.procedure), ("define*", "f", 10, true));
/// ```
pub fn head(form: &str) -> Option<Head<'_>> {
    let after_open = form.strip_prefix('(')?;
    let word = word(after_open)?;
    let rest = after_open.get(word.len()..)?;
    let inside = rest.trim_start_matches([' ', '\n', '\t', '(']);
    let spaces = rest.get(..rest.len() - inside.len())?;
    let name = self::word(inside)?;
    (spaces.starts_with([' ', '\n', '\t'])).then(|| Head {
        form: word,
        name,
        name_start: u32::try_from(1 + word.len() + spaces.len()).unwrap_or(0),
        procedure: spaces.contains('('),
    })
}

/// Returns the symbol at the beginning of a text, if it is one beyond doubt.
fn word(text: &str) -> Option<&str> {
    let end = text.find([' ', '\n', '\t', '(', ')', '[', ']', '"', ';', '\'', '`', ',', '\r', '\u{c}'])?;
    let word = text.get(..end)?;
    let first = word.chars().next()?;
    let plain = (first.is_ascii_alphabetic()
        || matches!(first, '%' | '$' | '&' | '<' | '*' | '?' | '!' | '_'))
        && word.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '|' | '#' | '{' | '}' | '\\'));
    plain.then_some(word)
}

/// Reads one form of a text.
///
/// # Errors
/// What is wrong with the text.
pub fn read_form(file: FileId, text: &str, form: Form) -> Result<Datum, Vec<Diagnostic>> {
    let slice = text.get(form.start as usize..form.end as usize).unwrap_or("");
    // The whole text gives the same errors with their places.
    read_slice(file, slice, form).map_err(|()| read(file, text).1)
}

/// Reads a form that is given by its own text.
///
/// # Errors
/// When the text is not exactly one form.
pub(crate) fn read_slice(file: FileId, slice: &str, form: Form) -> Result<Datum, ()> {
    let (mut data, errors) = read(file, slice);
    match data.pop() {
        Some(mut datum) if errors.is_empty() && data.is_empty() => {
            shift(&mut datum, form.start);
            Ok(datum)
        }
        _ => Err(()),
    }
}

/// Moves the places of a datum and of all that is in it.
pub(crate) fn shift(datum: &mut Datum, by: u32) {
    datum.span = Span { start: datum.span.start + by, end: datum.span.end + by, ..datum.span };
    match &mut datum.kind {
        DatumKind::List(items) | DatumKind::Vector(items) => {
            items.iter_mut().for_each(|item| shift(item, by));
        }
        DatumKind::Dotted(items, tail) => {
            items.iter_mut().for_each(|item| shift(item, by));
            shift(tail, by);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{head, outline, read_form};
    use crate::{reader::read, span::FileId};

    /// An outline is what the reader finds, or there is none.
    fn agrees(text: &str) -> bool {
        let (data, errors) = read(FileId(0), text);
        let Some(forms) = outline(text) else { return false };
        assert!(errors.is_empty(), "{text}: {errors:?}");
        let read: Vec<_> = forms.iter().map(|form| read_form(FileId(0), text, *form).unwrap()).collect();
        assert_eq!(read, data, "{text}");
        true
    }

    #[test]
    fn forms_are_found_behind_all_that_hides_parentheses() {
        for text in [
            "",
            "(a)",
            "(a \"(\\\"\" #\\( #\\) (b)) ; )\n#| ( #| ( |# |#\n(c #{(}# #;(d) e)",
            "(define-public x [list 1 2])\n\n(y #~(z #$a) '(b . c))",
        ] {
            assert!(agrees(text), "{text}");
        }
    }

    #[test]
    fn a_text_in_doubt_has_no_outline() {
        for text in [
            "(a",
            "a",
            "(a))",
            "(a]",
            "\"x\" (a)",
            "(a |b(c|)",
            "#!eof (a)",
            "#;(a) (b)",
            "(a \"",
            "(#| x)",
            "'(a)",
        ] {
            assert!(!agrees(text), "{text}");
        }
    }

    #[test]
    fn heads_are_plain_words() {
        assert_eq!(head("(define-public  gcc-12\n x)").unwrap().name, "gcc-12");
        assert_eq!(head("(define ((f a) b) x)").unwrap().name, "f");
        assert!(head("(define #{a b}# 1)").is_none());
        assert!(head("(define 'x 1)").is_none());
        assert!(head("((define) x)").is_none());
        assert!(head("(define)").is_none());
    }

    #[test]
    fn errors_of_a_form_have_their_places_in_the_text() {
        let text = "(a)\n(b #\\nonsense)";
        let forms = outline(text).unwrap();
        let errors = read_form(FileId(0), text, forms[1]).unwrap_err();
        assert_eq!(errors[0].primary.as_ref().unwrap().0.start, 7);
    }
}
