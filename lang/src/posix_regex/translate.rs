//! From POSIX syntax to that of the `regex` crate.
//!
//! ```text
//! expression = branch { "|" branch }          branch = { piece }
//! piece      = atom { "*" | "+" | "?" | "{" n ["," [m]] "}" }
//! atom       = "(" expression ")" | "[" bracket "]" | "." | "^" | "$" | "\" character | character
//! ```
//! In basic syntax `( ) { } | + ?` are special after a backslash. A `)` without `(` and a `{` that begins no repetition stand for
//! themselves. Repetitions of repetitions are grouped, because `a+?` means something else to the crate.

use super::Flags;

/// A translated expression.
#[derive(Debug, PartialEq, Eq)]
pub struct Translated {
    /// In the crate's syntax.
    pub text: String,
    /// Whether the crate's first match may be shorter than the longest one.
    pub ambiguous: bool,
}

/// Repetitions beyond this are refused, as by POSIX (`RE_DUP_MAX`).
const MOST: u32 = 32_767;

struct Translator<'a> {
    flags: Flags,
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    /// Where the last atom begins, and whether it is a group.
    atom: Option<(usize, bool)>,
    repeated: bool,
    groups: Vec<usize>,
    ambiguous: bool,
}

/// What a character of the expression means.
enum Token {
    Open,
    Close,
    Or,
    /// `*`, `+` or `?`.
    Repeat(char),
    Brace,
    Bracket,
    Any,
    Begin,
    End,
    /// A character after a backslash.
    Escaped(char),
    Plain(char),
}

/// Translates an expression.
///
/// # Errors
/// What is wrong with it, in words.
pub fn translate(pattern: &str, flags: Flags) -> Result<Translated, String> {
    let mut translator = Translator {
        flags,
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        atom: None,
        repeated: false,
        groups: Vec::new(),
        ambiguous: false,
    };
    while let Some(token) = translator.token()? {
        translator.take(token)?;
    }
    if !translator.groups.is_empty() {
        return Err(format!("a `{}` is not closed", if flags.basic { r"\(" } else { "(" }));
    }
    Ok(Translated { text: translator.out, ambiguous: translator.ambiguous })
}

impl Translator<'_> {
    fn token(&mut self) -> Result<Option<Token>, String> {
        let Some(c) = self.rest.next() else { return Ok(None) };
        let basic = self.flags.basic;
        let escaped = if c == '\\' { Some(self.rest.next().ok_or("it ends in a backslash")?) } else { None };
        let special = if basic { escaped } else { Some(c).filter(|_| escaped.is_none()) };
        Ok(Some(match (special, escaped, c) {
            (Some('('), ..) => Token::Open,
            (Some(')'), ..) if !self.groups.is_empty() => Token::Close,
            (Some('|'), ..) => Token::Or,
            (Some('{'), ..) => Token::Brace,
            (Some(c @ ('+' | '?')), ..) => Token::Repeat(c),
            (_, Some(c), _) => Token::Escaped(c),
            (_, None, '*') => Token::Repeat('*'),
            (_, None, '[') => Token::Bracket,
            (_, None, '.') => Token::Any,
            (_, None, '^') if !basic || self.at_beginning() => Token::Begin,
            (_, None, '$') if !basic || self.at_end() => Token::End,
            (_, None, c) => Token::Plain(c),
        }))
    }

    fn at_beginning(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('(') || self.out.ends_with('|')
    }

    fn at_end(&mut self) -> bool {
        let mut ahead = self.rest.clone();
        match ahead.next() {
            None => true,
            Some('\\') => matches!(ahead.next(), Some(')' | '|')),
            Some(_) => false,
        }
    }

    /// Begins an atom.
    fn begin(&mut self) {
        self.atom = Some((self.out.len(), false));
        self.repeated = false;
    }

    fn take(&mut self, token: Token) -> Result<(), String> {
        match token {
            Token::Open => {
                self.groups.push(self.out.len());
                self.out.push('(');
                self.atom = None;
            }
            Token::Close => {
                let start = self.groups.pop().unwrap_or(0);
                self.out.push(')');
                self.atom = Some((start, true));
                self.repeated = false;
            }
            Token::Or => {
                self.out.push('|');
                self.atom = None;
                self.ambiguous = true;
            }
            Token::Repeat(c) => return self.repeat(c),
            Token::Brace => return self.brace(),
            Token::Bracket => {
                self.begin();
                return self.bracket();
            }
            Token::Any => {
                self.begin();
                self.out.push('.');
            }
            Token::Begin | Token::End => {
                self.begin();
                self.out.push(if matches!(token, Token::Begin) { '^' } else { '$' });
            }
            Token::Escaped(c) => {
                self.begin();
                match c {
                    'w' | 'W' | 's' | 'S' | 'b' | 'B' => self.out.extend(['\\', c]),
                    '<' => self.out.push_str(r"\b{start}"),
                    '>' => self.out.push_str(r"\b{end}"),
                    '`' => self.out.push_str(r"\A"),
                    '\'' => self.out.push_str(r"\z"),
                    '1'..='9' => return Err("back-references such as `\\1` are not supported".to_owned()),
                    c => self.literal(c),
                }
            }
            Token::Plain(c) => {
                self.begin();
                self.literal(c);
            }
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if r"\.+*?()|[]{}^$#&-~/".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// Makes the last atom ready for a repetition.
    fn repeatable(&mut self, operator: &str) -> Result<bool, String> {
        let Some((start, group)) = self.atom else {
            if self.flags.basic && operator == "*" {
                return Ok(false);
            }
            return Err(format!("nothing stands before `{operator}`"));
        };
        if self.repeated {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        self.ambiguous |= group || self.repeated;
        self.repeated = true;
        Ok(true)
    }

    fn repeat(&mut self, c: char) -> Result<(), String> {
        if self.repeatable(&c.to_string())? {
            self.out.push(c);
        } else {
            self.begin();
            self.literal(c);
        }
        Ok(())
    }

    fn brace(&mut self) -> Result<(), String> {
        let mut inside = String::new();
        let mut ahead = self.rest.clone();
        let closed = loop {
            match ahead.next() {
                Some('\\') if self.flags.basic && ahead.peek() == Some(&'}') => {
                    ahead.next();
                    break true;
                }
                Some('}') if !self.flags.basic => break true,
                Some(c) if c.is_ascii_digit() || c == ',' => inside.push(c),
                _ => break false,
            }
        };
        let (least, most) = inside.split_once(',').unwrap_or((&inside, &inside));
        if !closed || (least.is_empty() && most.is_empty()) || self.atom.is_none() {
            // It begins no repetition.
            self.begin();
            self.literal('{');
            return Ok(());
        }
        self.rest = ahead;
        let number = |text: &str, default: Option<u32>| match text {
            "" => Ok(default),
            text => text
                .parse::<u32>()
                .ok()
                .filter(|n| *n <= MOST)
                .map(Some)
                .ok_or(format!("`{{{inside}}}` repeats too often")),
        };
        let (least, most) = (number(least, Some(0))?.unwrap_or(0), number(most, None)?);
        if most.is_some_and(|most| most < least) {
            return Err(format!("the repetition `{{{inside}}}` is backward"));
        }
        self.repeatable("{")?;
        self.out.push_str(&match most {
            Some(most) => format!("{{{least},{most}}}"),
            None => format!("{{{least},}}"),
        });
        Ok(())
    }

    /// Translates what follows `[`.
    fn bracket(&mut self) -> Result<(), String> {
        const OPEN: &str = "a `[` is not closed";
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
            if self.flags.newline {
                self.out.push_str(r"\n");
            }
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or(OPEN)?;
            if c == ']' && !first {
                break;
            }
            first = false;
            let low = match (c, self.rest.peek()) {
                ('[', Some(':')) => {
                    self.rest.next();
                    let name = self.named(':')?;
                    const CLASSES: [&str; 12] = [
                        "alpha", "digit", "alnum", "upper", "lower", "space", "blank", "punct", "print",
                        "graph", "cntrl", "xdigit",
                    ];
                    if !CLASSES.contains(&name.as_str()) {
                        return Err(format!("`[:{name}:]` is no class of characters"));
                    }
                    self.out.push_str(&format!("[:{name}:]"));
                    continue;
                }
                ('[', Some('.' | '=')) => self.collating()?,
                (c, _) => c,
            };
            let mut ahead = self.rest.clone();
            if ahead.next() == Some('-') && ahead.peek().is_some_and(|c| *c != ']') {
                self.rest = ahead;
                let high = match (self.rest.next().ok_or(OPEN)?, self.rest.peek()) {
                    ('[', Some('.' | '=')) => self.collating()?,
                    (c, _) => c,
                };
                if high < low {
                    return Err(format!("the range `{low}-{high}` is backward"));
                }
                self.member(low);
                self.out.push('-');
                self.member(high);
            } else {
                self.member(low);
            }
        }
        self.out.push(']');
        Ok(())
    }

    fn member(&mut self, c: char) {
        if r"\[]^-&~".contains(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// Takes the rest of `[.x.]` or `[=x=]`.
    fn collating(&mut self) -> Result<char, String> {
        let mark = self.rest.next().unwrap_or('.');
        let name = self.named(mark)?;
        let mut characters = name.chars();
        match (characters.next(), characters.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(format!("`[{mark}{name}{mark}]` is not a single character")),
        }
    }

    /// Takes the rest up to the mark and `]`.
    fn named(&mut self, mark: char) -> Result<String, String> {
        let mut name = String::new();
        loop {
            match self.rest.next().ok_or("a `[` is not closed")? {
                c if c == mark && self.rest.next_if_eq(&']').is_some() => return Ok(name),
                c => name.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_construct_has_its_counterpart() {
        let cases = [
            ("a.b*", "a.b*"),
            (r"\.so$", r"\.so$"),
            ("[]a]", r"[\]a]"),
            ("[^]a]", r"[^\]a]"),
            (r"[\.]", r"[\\.]"),
            ("[a-z-]", r"[a-z\-]"),
            ("[[:alpha:]_]", "[[:alpha:]_]"),
            ("[[.-.]a]", r"[\-a]"),
            ("[a&&b]", r"[a\&\&b]"),
            ("a+?", "(?:a+)?"),
            ("(a){2}*", "(?:(a){2,2})*"),
            ("a{,3}", "a{0,3}"),
            ("a{2,}", "a{2,}"),
            ("${x}", r"$\{x\}"),
            ("a)", r"a\)"),
            (r"\<a\>", r"\b{start}a\b{end}"),
            (r"\n", "n"),
            ("a|b", "a|b"),
            ("/usr/bin/", r"\/usr\/bin\/"),
        ];
        for (posix, expected) in cases {
            let text = translate(posix, Flags::default()).map(|t| t.text);
            assert_eq!(text.as_deref(), Ok(expected), "{posix}");
            assert!(regex::Regex::new(expected).is_ok(), "{expected}");
        }
    }

    #[test]
    fn basic_syntax_has_its_backslashes_the_other_way_round() {
        let basic = |text: &str| translate(text, Flags { basic: true, ..Flags::default() }).map(|t| t.text);
        assert_eq!(basic(r"a+\+(\(b\|c\))").as_deref(), Ok(r"a\++\((b|c)\)"));
        assert_eq!(basic(r"*a^b$c$").as_deref(), Ok(r"\*a\^b\$c$"));
        assert_eq!(basic(r"a\{2,3\}").as_deref(), Ok("a{2,3}"));
    }
}
