//! Raw tokens, as logos cuts them.
//!
//! A token is only cut here: `atom.rs` and `string.rs` give it a meaning. Delimiters are white space, parentheses, brackets,
//! `"` and `;`, as in Guile; so `'`, `` ` ``, `,` and `#` may stand inside a symbol. Comments are skipped, except
//! those without an end.

use logos::{Filter, Lexer, Logos};

/// A raw token; its text is the lexer's slice.
#[derive(Logos, Clone, Copy, Debug, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\x0c]+")]
#[logos(skip(r";[^\n]*", allow_greedy = true))]
pub(crate) enum Raw {
    #[token("(")]
    #[token("[")]
    Open,
    #[token("#(")]
    OpenVector,
    #[token("#vu8(")]
    #[token("#u8(")]
    OpenBytes,
    #[token(")")]
    #[token("]")]
    Close,
    #[token("'")]
    #[token("`")]
    #[token(",")]
    #[token(",@")]
    #[token("#'")]
    #[token("#`")]
    #[token("#,")]
    #[token("#,@")]
    #[token("#~")]
    #[token("#$")]
    #[token("#$@")]
    #[token("#+")]
    #[token("#+@")]
    Prefix,
    #[token("#;")]
    DatumComment,
    /// The flag says whether it has an end.
    #[token("\"", string)]
    String(bool),
    /// The flag says whether it has an end.
    #[token("#{", extended_symbol)]
    ExtendedSymbol(bool),
    #[token("#:#{", extended_symbol)]
    ExtendedKeyword(bool),
    #[token("#\\", character)]
    Character,
    #[regex(r##"#:([^ \t\r\n\x0c()\[\]";#][^ \t\r\n\x0c()\[\]";]*)?"##)]
    Keyword,
    /// Booleans, numbers with a prefix, and whatever else begins with `#`.
    #[regex(r##"#[^ \t\r\n\x0c()\[\]";:'`,~$+{\\|!][^ \t\r\n\x0c()\[\]";]*"##)]
    #[token("#", priority = 1)]
    #[token("#[", priority = 1)]
    Hash,
    #[regex(r##"[^ \t\r\n\x0c()\[\]";'`,#][^ \t\r\n\x0c()\[\]";]*"##)]
    Atom,
    /// A comment that does not end.
    #[token("#|", block_comment)]
    EndlessComment,
    /// A `#!` that has no `!#`.
    #[token("#!", header)]
    EndlessHeader,
}

/// Takes the rest of a string; returns whether it ends.
fn string(lexer: &mut Lexer<Raw>) -> bool {
    let bytes = lexer.remainder().as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at) {
            Some(b'"') => {
                lexer.bump(at + 1);
                return true;
            }
            Some(b'\\') => {
                // The character after the backslash may have several bytes; none of them is `"` or `\`.
                at += 2;
            }
            Some(_) => at += 1,
            None => {
                lexer.bump(bytes.len());
                return false;
            }
        }
    }
}

/// Takes the rest of `#{…}#`; returns whether it ends.
fn extended_symbol(lexer: &mut Lexer<Raw>) -> bool {
    let end = lexer.remainder().find("}#");
    lexer.bump(end.map_or(lexer.remainder().len(), |at| at + 2));
    end.is_some()
}

/// Takes the character after `#\`, whatever it is, and what follows up to a delimiter.
fn character(lexer: &mut Lexer<Raw>) {
    let rest = lexer.remainder();
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let more = rest.get(first..).unwrap_or("");
    let end = more.find([' ', '\t', '\r', '\n', '\x0c', '(', ')', '[', ']', '"', ';']).unwrap_or(more.len());
    lexer.bump(first + end);
}

/// Skips a block comment, which may contain others.
fn block_comment(lexer: &mut Lexer<Raw>) -> Filter<()> {
    let bytes = lexer.remainder().as_bytes();
    let (mut at, mut depth) = (0, 1usize);
    while let Some(byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1)) {
            (b'|', Some(b'#')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    lexer.bump(at);
                    return Filter::Skip;
                }
            }
            (b'#', Some(b'|')) => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    lexer.bump(bytes.len());
    Filter::Emit(())
}

/// Whether `#!` and that word are a directive to the reader.
pub(crate) fn is_directive(word: &str) -> bool {
    const DIRECTIVES: [&str; 7] = [
        "eof",
        "default",
        "fold-case",
        "no-fold-case",
        "curly-infix",
        "curly-infix-and-bracket-lists",
        "r6rs",
    ];
    DIRECTIVES.contains(&word)
}

/// Skips `#!…!#`, or a reader directive such as `#!fold-case`, which has no effect here.
fn header(lexer: &mut Lexer<Raw>) -> Filter<()> {
    let rest = lexer.remainder();
    let word = rest.find(|c: char| c.is_whitespace() || "()[]\";".contains(c)).unwrap_or(rest.len());
    if rest.get(..word).is_some_and(is_directive) {
        lexer.bump(word);
        return Filter::Skip;
    }
    match rest.find("!#") {
        Some(end) => {
            lexer.bump(end + 2);
            Filter::Skip
        }
        None => {
            lexer.bump(rest.lines().next().map_or(0, str::len));
            Filter::Emit(())
        }
    }
}
