//! Templates of `format`, parsed.

/// A part of a template.
#[derive(Debug)]
pub(super) enum Piece {
    Text(String),
    Directive(Directive),
}

/// A parameter of a directive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Parameter {
    Missing,
    Number(i64),
    Char(char),
    /// `v`: the next argument.
    Next,
    /// `#`: how many arguments are left.
    Left,
}

/// What begins with `~`.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) letter: char,
    pub(super) colon: bool,
    pub(super) at: bool,
    pub(super) parameters: Vec<Parameter>,
    /// What stands between `~{` and `~}`, or the clauses of `~[`.
    pub(super) clauses: Vec<Vec<Piece>>,
    /// Whether the last clause is for all other cases (`~:;`).
    pub(super) has_default: bool,
}

const DEEPEST: usize = 50;

/// Parses a template.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(template: &str) -> Result<Vec<Piece>, String> {
    let mut open: Vec<Directive> = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut outer: Vec<Vec<Piece>> = Vec::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('~') {
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let (directive, after) = directive(after)?;
        rest = after;
        match directive.letter {
            '{' | '[' | '(' => {
                if open.len() >= DEEPEST {
                    return Err(format!("directives nest more than {DEEPEST} deep"));
                }
                open.push(directive);
                outer.push(std::mem::take(&mut pieces));
            }
            ';' => {
                let Some(choice) = open.last_mut().filter(|open| open.letter == '[') else {
                    return Err("a `~;` stands outside of `~[`".to_owned());
                };
                choice.has_default = directive.colon;
                choice.clauses.push(std::mem::take(&mut pieces));
            }
            closer @ ('}' | ']' | ')') => {
                let wanted = match closer {
                    '}' => '{',
                    ']' => '[',
                    _ => '(',
                };
                let Some(mut closed) = open.pop().filter(|open| open.letter == wanted) else {
                    return Err(format!("a `~{closer}` closes nothing"));
                };
                closed.clauses.push(std::mem::replace(&mut pieces, outer.pop().unwrap_or_default()));
                pieces.push(Piece::Directive(closed));
            }
            '\n' => rest = rest.trim_start_matches([' ', '\t']),
            _ => pieces.push(Piece::Directive(directive)),
        }
    }
    if let Some(open) = open.last() {
        return Err(format!("a `~{}` is not closed", open.letter));
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    Ok(pieces)
}

/// Parses a directive after its tilde; returns what follows it too.
fn directive(text: &str) -> Result<(Directive, &str), String> {
    const ENDS: &str = "it ends in the middle of a directive";
    let mut parameters = Vec::new();
    let mut rest = text;
    loop {
        let (parameter, after) = parameter(rest)?;
        let comma = after.strip_prefix(',');
        if parameter != Parameter::Missing || comma.is_some() {
            parameters.push(parameter);
        }
        match comma {
            Some(after) => rest = after,
            None => {
                rest = after;
                break;
            }
        }
    }
    let (mut colon, mut at) = (false, false);
    loop {
        let letter = rest.chars().next().ok_or(ENDS)?;
        rest = rest.get(letter.len_utf8()..).unwrap_or("");
        match letter {
            ':' => colon = true,
            '@' => at = true,
            letter => {
                let letter = letter.to_ascii_lowercase();
                if !"asdxobcfeg$ry%&~t_{}[];()^*p?ki!/\n".contains(letter) {
                    return Err(format!("`~{letter}` is no directive"));
                }
                return Ok((
                    Directive { letter, colon, at, parameters, clauses: Vec::new(), has_default: false },
                    rest,
                ));
            }
        }
    }
}

fn parameter(text: &str) -> Result<(Parameter, &str), String> {
    if let Some(after) = text.strip_prefix('\'') {
        let c = after.chars().next().ok_or("it ends in the middle of a directive")?;
        return Ok((Parameter::Char(c), after.get(c.len_utf8()..).unwrap_or("")));
    }
    if let Some(after) = text.strip_prefix(['v', 'V']) {
        return Ok((Parameter::Next, after));
    }
    if let Some(after) = text.strip_prefix('#') {
        return Ok((Parameter::Left, after));
    }
    let sign = usize::from(text.starts_with(['+', '-']));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok((Parameter::Missing, text));
    }
    let (number, after) = text.split_at(sign + digits);
    match number.parse() {
        Ok(number @ -1_000_000..=1_000_000) => Ok((Parameter::Number(number), after)),
        _ => Err(format!("the parameter `{number}` is too large")),
    }
}
