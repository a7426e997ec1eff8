//! What can be wrong with a text, and what is said about it.
//!
//! Codes `E0101` to `E0129`. The fields are byte offsets; [`ReadError::diagnostic`] adds the file and the words.

use crate::{
    diagnostic::Diagnostic,
    span::{FileId, Span},
};

use super::{MAX_DEPTH, string::CHARACTER_NAMES};

/// Something wrong with a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ReadError {
    /// More than 4 GiB.
    FileTooLarge,
    Unclosed {
        start: u32,
        end: u32,
        square: bool,
        /// Where the indentation says that the list had ended.
        contradicted: Option<u32>,
        /// Where a new form begins in the first column.
        next_form: Option<u32>,
        /// The form around it.
        form: Option<(u32, u32)>,
    },
    UnexpectedClose {
        start: u32,
        end: u32,
        /// Where the form before it begins and ends, when what follows is indented as if it had not.
        form: Option<(u32, u32)>,
    },
    MismatchedClose {
        start: u32,
        end: u32,
        /// Whether the closing one is a bracket.
        square: bool,
        opener: (u32, u32),
    },
    TooDeep {
        start: u32,
        end: u32,
    },
    EndlessString {
        start: u32,
        end: u32,
        /// A string before it that likely lacks its end.
        suspect: Option<(u32, u32)>,
    },
    EndlessComment {
        start: u32,
        end: u32,
    },
    EndlessHeader {
        start: u32,
        end: u32,
    },
    EndlessSymbol {
        start: u32,
        end: u32,
    },
    UnknownEscape {
        escape: String,
        start: u32,
        end: u32,
    },
    UnknownCharacter {
        name: String,
        start: u32,
        end: u32,
    },
    UnknownHash {
        text: String,
        start: u32,
        end: u32,
    },
    BadNumber {
        text: String,
        start: u32,
        end: u32,
    },
    NumberTooLong {
        start: u32,
        end: u32,
    },
    StrayCharacter {
        character: char,
        start: u32,
        end: u32,
    },
    EmptyKeyword {
        start: u32,
        end: u32,
    },
    NothingAfterPrefix {
        prefix: &'static str,
        start: u32,
        end: u32,
    },
    DotOutsideList {
        at: u32,
    },
    SecondDot {
        at: u32,
        first: u32,
    },
    NothingBeforeDot {
        at: u32,
    },
    NothingAfterDot {
        at: u32,
    },
    TooMuchAfterDot {
        at: u32,
        extra: (u32, u32),
    },
    NotAByte {
        start: u32,
        end: u32,
    },
}

impl ReadError {
    /// Returns where it stands, for sorting.
    pub(super) fn start(&self) -> u32 {
        match self {
            ReadError::FileTooLarge => 0,
            ReadError::Unclosed { start, .. }
            | ReadError::UnexpectedClose { start, .. }
            | ReadError::MismatchedClose { start, .. }
            | ReadError::TooDeep { start, .. }
            | ReadError::EndlessString { start, .. }
            | ReadError::EndlessComment { start, .. }
            | ReadError::EndlessHeader { start, .. }
            | ReadError::EndlessSymbol { start, .. }
            | ReadError::UnknownEscape { start, .. }
            | ReadError::UnknownCharacter { start, .. }
            | ReadError::UnknownHash { start, .. }
            | ReadError::BadNumber { start, .. }
            | ReadError::NumberTooLong { start, .. }
            | ReadError::StrayCharacter { start, .. }
            | ReadError::EmptyKeyword { start, .. }
            | ReadError::NothingAfterPrefix { start, .. }
            | ReadError::NotAByte { start, .. } => *start,
            ReadError::DotOutsideList { at }
            | ReadError::SecondDot { at, .. }
            | ReadError::NothingBeforeDot { at }
            | ReadError::NothingAfterDot { at }
            | ReadError::TooMuchAfterDot { at, .. } => *at,
        }
    }

    /// Returns the message.
    pub(super) fn diagnostic(&self, file: FileId) -> Diagnostic {
        let span = |start: u32, end: u32| Span { file, start, end };
        let new = |code, message: &str| Diagnostic::new(code, message);
        match self {
            ReadError::FileTooLarge => new("E0101", "the file is larger than 4 GiB"),
            ReadError::Unclosed { .. }
            | ReadError::UnexpectedClose { .. }
            | ReadError::MismatchedClose { .. } => self.parenthesis(file),
            ReadError::TooDeep { start, end } => {
                new("E0105", &format!("parentheses nest more than {MAX_DEPTH} deep"))
                    .at(span(*start, *end), "one level too many; the rest of the file was not read")
                    .hint("give parts of it names of their own with `define`")
            }
            ReadError::EndlessString { start, end, suspect } => {
                let error = new("E0106", "a string has no end").hint("add the missing `\"`");
                match suspect {
                    Some((a, b)) => error
                        .at(span(*a, *b), "this string runs over the beginning of another form")
                        .label(span(*start, *end), "so that this one has no end"),
                    None => error.at(span(*start, *end), "it begins here"),
                }
            }
            ReadError::EndlessComment { start, end } => new("E0107", "this comment has no end")
                .at(span(*start, *end), "it begins here")
                .hint("end it with `|#`; each nested `#|` needs its own"),
            ReadError::EndlessHeader { start, end } => new("E0108", "this header has no end")
                .at(span(*start, *end), "it begins here")
                .hint("add a line with `!#` after it"),
            ReadError::EndlessSymbol { start, end } => new("E0109", "this symbol has no end")
                .at(span(*start, *end), "it begins here")
                .hint("end it with `}#`"),
            ReadError::UnknownEscape { escape, start, end } => {
                let error = new("E0110", &format!("`{}` is no escape", visible(escape)))
                    .at(span(*start, *end), "here");
                match escape.get(1..2) {
                    Some("x") => error.hint("`\\x` takes two hexadecimal digits: `\\x41`"),
                    Some("u") => error.hint("`\\u` takes four hexadecimal digits of a character: `\\u00e9`"),
                    Some("U") => error.hint("`\\U` takes six hexadecimal digits of a character: `\\U01f600`"),
                    _ => error.hint("write `\\\\` for a backslash"),
                }
            }
            ReadError::UnknownCharacter { name, start, end } => {
                let known = CHARACTER_NAMES.iter().map(|(name, _)| *name);
                let error = new("E0111", &format!("`{}` is no character", visible(name)))
                    .at(span(*start, *end), "not known by this name");
                match crate::suggest::closest(name.trim_start_matches("#\\"), known) {
                    Some(close) => error.hint(format!("did you mean `#\\{close}`?")),
                    None => error.hint("write `#\\a`, `#\\space`, `#\\newline` or `#\\x41`"),
                }
            }
            ReadError::UnknownHash { text, start, end } if text.starts_with("#<") => {
                new("E0112", "this is how a value is shown, and cannot be read")
                    .at(span(*start, *end), "it stands for something that has no notation")
            }
            ReadError::UnknownHash { text, start, end } => {
                new("E0112", &format!("`{}` is not part of the language", visible(text)))
                    .at(span(*start, *end), "unknown `#` notation")
                    .hint("`#:name` is a keyword, `#t` and `#f` are booleans, `#(…)` is a vector")
            }
            ReadError::BadNumber { text, start, end } => {
                new("E0113", &format!("`{}` is no number", visible(text))).at(span(*start, *end), "here")
            }
            ReadError::NumberTooLong { start, end } => {
                new("E0114", "a number has at most 100000 digits").at(span(*start, *end), "this one has more")
            }
            ReadError::StrayCharacter { character, start, end } => stray(*character, span(*start, *end)),
            ReadError::EmptyKeyword { start, end } => new("E0116", "a keyword needs a name")
                .at(span(*start, *end), "nothing follows")
                .hint("write the name right after it: `#:key`"),
            ReadError::NothingAfterPrefix { prefix, start, end } => {
                new("E0117", &format!("nothing follows `{prefix}`")).at(
                    span(*start, *end),
                    match *prefix {
                        "#;" => "this comments out the next datum, and there is none",
                        _ => "this belongs to the next datum, and there is none",
                    },
                )
            }
            ReadError::DotOutsideList { at } => {
                new("E0118", "a dot stands outside of a list").at(span(*at, *at + 1), "here")
            }
            ReadError::SecondDot { at, first } => new("E0119", "a list has one dot at most")
                .at(span(*at, *at + 1), "this is the second")
                .label(span(*first, *first + 1), "this is the first"),
            ReadError::NothingBeforeDot { at } => {
                new("E0120", "nothing stands before the dot").at(span(*at, *at + 1), "here")
            }
            ReadError::NothingAfterDot { at } => {
                new("E0121", "nothing stands after the dot").at(span(*at, *at + 1), "here")
            }
            ReadError::TooMuchAfterDot { at, extra } => {
                new("E0122", "one datum stands after a dot, not more")
                    .at(span(extra.0, extra.1), "this is too much")
                    .label(span(*at, *at + 1), "the dot")
            }
            ReadError::NotAByte { start, end } => {
                new("E0123", "a bytevector has integers from 0 to 255").at(span(*start, *end), "this is none")
            }
        }
    }

    fn parenthesis(&self, file: FileId) -> Diagnostic {
        let span = |start: u32, end: u32| Span { file, start, end };
        match self {
            ReadError::Unclosed { start, end, square, contradicted, next_form, form } => {
                let (open, close) = if *square { ('[', ']') } else { ('(', ')') };
                let mut error = Diagnostic::new("E0102", format!("this `{open}` is never closed"))
                    .at(span(*start, *end), format!("it needs a `{close}`"));
                if let Some(at) = contradicted {
                    error = error.label(span(*at, *at), "by its indentation, this stands outside of it");
                }
                if let Some(at) = next_form {
                    error = error.label(span(*at, *at + 1), "a new form begins here");
                }
                if let Some((start, end)) = form {
                    error = error.label(span(*start, *end), "the form that it is in");
                }
                error
            }
            ReadError::UnexpectedClose { start, end, form } => {
                let message = match end - start {
                    1 => "this parenthesis closes nothing",
                    _ => "these parentheses close nothing",
                };
                let error = Diagnostic::new("E0103", message).at(span(*start, *end), "nothing is open here");
                match form {
                    Some((open, close)) => error
                        .label(span(*close, *close + 1), "the form ended here already: is this one too many?")
                        .label(span(*open, *open + 1), "it began here"),
                    None => error.hint("remove it"),
                }
            }
            ReadError::MismatchedClose { start, end, square, opener } => {
                let (open, close, right) = if *square { ('(', ']', ')') } else { ('[', ')', ']') };
                Diagnostic::new("E0104", format!("a `{open}` is closed by a `{close}`"))
                    .at(span(*start, *end), format!("a `{right}` is wanted here"))
                    .label(span(opener.0, opener.1), "to close this")
            }
            _ => Diagnostic::new("E0102", "parentheses are not balanced"),
        }
    }
}

fn stray(character: char, span: Span) -> Diagnostic {
    let name = match character {
        '“' | '”' => "a curly quote",
        '‘' | '’' => "a curly apostrophe",
        '\u{a0}' => "a no-break space",
        '\u{feff}' => "a byte order mark",
        '\0' => "a NUL byte",
        c if c.is_whitespace() => "an odd kind of space",
        _ => "an invisible character",
    };
    let error =
        Diagnostic::new("E0115", format!("{name} (U+{:04X}) cannot stand here", u32::from(character)))
            .at(span, "it may come from copying text");
    match character {
        '“' | '”' => error.hint("write `\"`"),
        '‘' | '’' => error.hint("write `'`"),
        c if c.is_whitespace() => error.hint("write a plain space"),
        _ => error.hint("remove it"),
    }
}

/// Makes a piece of source fit for a message: short and without control characters.
fn visible(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(40)
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if text.chars().count() > 40 {
        shown.push('…');
    }
    shown
}
