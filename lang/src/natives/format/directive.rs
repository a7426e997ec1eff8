//! Carries out the directives of `format`.

use crate::{
    number::{Numeric, to_text},
    print,
    value::Value,
};

use super::{
    decimal::{self, Fixed},
    template::{Directive, Parameter, Piece, parse},
    words,
};

/// The text so far and the arguments.
pub(super) struct Output<'a> {
    pub(super) text: String,
    arguments: &'a [Value],
    next: usize,
    depth: usize,
}

/// Whether to go on after a directive.
#[derive(PartialEq)]
enum Flow {
    On,
    /// `~^`: the loop or the text ends here.
    Stop,
}

/// The longest text that is made, in bytes.
const LONGEST: usize = 1 << 28;

type Outcome<T> = Result<T, String>;

impl<'a> Output<'a> {
    /// Returns an empty output.
    pub(super) fn new(arguments: &'a [Value]) -> Self {
        Output { text: String::new(), arguments, next: 0, depth: 0 }
    }

    /// Carries out a template.
    pub(super) fn run(&mut self, pieces: &[Piece]) -> Outcome<()> {
        self.pieces(pieces).map(|_| ())
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Outcome<Flow> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => self.text.push_str(text),
                Piece::Directive(directive) => {
                    if self.directive(directive)? == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
            }
            if self.text.len() > LONGEST {
                return Err("the text is too long".to_owned());
            }
        }
        Ok(Flow::On)
    }

    fn left(&self) -> usize {
        self.arguments.len().saturating_sub(self.next)
    }

    fn take(&mut self) -> Outcome<&'a Value> {
        let value = self.arguments.get(self.next);
        self.next += 1;
        value.ok_or_else(|| format!("it wants more arguments than the {} given", self.arguments.len()))
    }

    /// Returns the parameters with `v` and `#` replaced.
    fn parameters(&mut self, directive: &Directive) -> Outcome<Vec<Parameter>> {
        let mut known = Vec::with_capacity(directive.parameters.len());
        for parameter in &directive.parameters {
            known.push(match parameter {
                Parameter::Left => Parameter::Number(i64::try_from(self.left()).unwrap_or(0)),
                Parameter::Next => match self.take()? {
                    Value::Int(n @ -1_000_000..=1_000_000) => Parameter::Number(*n),
                    Value::Char(c) => Parameter::Char(*c),
                    Value::Bool(false) => Parameter::Missing,
                    _ => return Err("`v` wants a small integer or a character".to_owned()),
                },
                other => *other,
            });
        }
        Ok(known)
    }

    fn directive(&mut self, directive: &Directive) -> Outcome<Flow> {
        let parameters = self.parameters(directive)?;
        let number = |index: usize| match parameters.get(index) {
            Some(Parameter::Number(n)) => Some(*n),
            _ => None,
        };
        let count = |index: usize| number(index).and_then(|n| usize::try_from(n).ok());
        let filler = |index: usize| match parameters.get(index) {
            Some(Parameter::Char(c)) => *c,
            _ => ' ',
        };
        match directive.letter {
            'a' | 's' => {
                let value = self.take()?;
                let shown = if directive.letter == 'a' { print::display(value) } else { print::write(value) };
                self.padded(&shown, count(0), filler(3), directive.at);
            }
            'c' => match self.take()? {
                Value::Char(c) if directive.at => print::write_char(*c, &mut self.text),
                Value::Char(c) => self.text.push(*c),
                other => return Err(format!("`~c` wants a character, not {}", other.kind())),
            },
            'r' if number(0).is_none() => {
                let value = self.take()?;
                self.text.push_str(&in_words(value, directive.colon, directive.at)?);
            }
            'd' | 'x' | 'o' | 'b' | 'r' => {
                let value = self.take()?;
                let radix = match directive.letter {
                    'x' => 16,
                    'o' => 8,
                    'b' => 2,
                    'r' => number(0)
                        .and_then(|n| u32::try_from(n).ok())
                        .filter(|n| (2..=36).contains(n))
                        .unwrap_or(10),
                    _ => 10,
                };
                let first = usize::from(directive.letter == 'r');
                let shown = integer(value, radix, directive.colon, directive.at);
                self.padded(&shown, count(first), filler(first + 1), true);
            }
            'f' => {
                let x = real(self.take()?)?;
                let (width, after, scale) = (count(0), count(1), number(2).unwrap_or(0).clamp(-400, 400));
                let shown = decimal::fixed(x, Fixed { width, after, scale, plus: directive.at, before: 0 });
                self.padded(&shown, width, filler(4), true);
            }
            'e' => {
                let x = real(self.take()?)?;
                let shown = decimal::scientific(x, count(1), count(2).unwrap_or(1), directive.at);
                self.padded(&shown, count(0), filler(5), true);
            }
            'g' => {
                let shown = decimal::general(real(self.take()?)?, count(0), count(1), directive.at);
                self.padded(&shown, count(0), filler(5), true);
            }
            '$' => {
                let x = real(self.take()?)?;
                let (after, before) = (Some(count(0).unwrap_or(2)), count(1).unwrap_or(1));
                let how = Fixed { after, before, plus: directive.at, ..Fixed::default() };
                self.padded(&decimal::fixed(x, how), count(2), filler(3), true);
            }
            'y' => {
                let value = self.take()?;
                self.text.push_str(&pretty(value));
            }
            '%' => self.repeated('\n', count(0)),
            '~' => self.repeated('~', count(0)),
            '_' => self.repeated(' ', count(0)),
            '&' => {
                if !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push('\n');
                }
            }
            't' => {
                let column = self.text.chars().rev().take_while(|c| *c != '\n').count();
                let wanted =
                    if directive.at { column + count(0).unwrap_or(1) } else { count(0).unwrap_or(1) };
                self.repeated(' ', Some(wanted.saturating_sub(column).max(usize::from(wanted <= column))));
            }
            'p' => self.plural(directive)?,
            '*' => self.skip(directive, number(0)),
            '{' => self.each(directive, count(0))?,
            '[' => return self.choice(directive, number(0)),
            '(' => {
                let start = self.text.len();
                let flow = self.pieces(directive.clauses.first().map_or(&[], Vec::as_slice))?;
                let inside = self.text.split_off(start);
                self.text.push_str(&recased(&inside, directive.colon, directive.at));
                return Ok(flow);
            }
            '^' => return Ok(if self.left() == 0 { Flow::Stop } else { Flow::On }),
            '?' | 'k' => self.indirect(directive.at)?,
            '!' => {}
            other => return Err(format!("`~{other}` is not supported")),
        }
        Ok(Flow::On)
    }

    fn repeated(&mut self, c: char, times: Option<usize>) {
        self.text.extend(std::iter::repeat_n(c, times.unwrap_or(1)));
    }

    fn padded(&mut self, shown: &str, width: Option<usize>, filler: char, left: bool) {
        let missing = width.unwrap_or(0).saturating_sub(shown.chars().count());
        let padding = std::iter::repeat_n(filler, missing);
        if left {
            self.text.extend(padding);
            self.text.push_str(shown);
        } else {
            self.text.push_str(shown);
            self.text.extend(padding);
        }
    }

    fn plural(&mut self, directive: &Directive) -> Outcome<()> {
        if directive.colon {
            self.next = self.next.saturating_sub(1);
        }
        let one = matches!(self.take()?, Value::Int(1));
        self.text.push_str(match (directive.at, one) {
            (false, true) => "",
            (false, false) => "s",
            (true, true) => "y",
            (true, false) => "ies",
        });
        Ok(())
    }

    fn skip(&mut self, directive: &Directive, number: Option<i64>) {
        let by = usize::try_from(number.unwrap_or(i64::from(!directive.at))).unwrap_or(0);
        self.next = match (directive.at, directive.colon) {
            (true, _) => by,
            (_, true) => self.next.saturating_sub(by),
            _ => self.next.saturating_add(by),
        };
    }

    fn each(&mut self, directive: &Directive, most: Option<usize>) -> Outcome<()> {
        let body = directive.clauses.first().map_or(&[] as &[Piece], Vec::as_slice);
        let most = most.unwrap_or(usize::MAX);
        let items = if directive.at {
            let rest = self.arguments.get(self.next..).unwrap_or(&[]).to_vec();
            self.next = self.arguments.len();
            rest
        } else {
            let value = self.take()?;
            value.list_to_vec().ok_or_else(|| format!("`~{{` wants a list, not {}", value.kind()))?
        };
        if directive.colon {
            for item in items.iter().take(most) {
                let inner =
                    item.list_to_vec().ok_or_else(|| format!("`~:{{` wants lists, not {}", item.kind()))?;
                self.inner(&inner, |output| output.pieces(body).map(|_| ()))?;
            }
            return Ok(());
        }
        self.inner(&items, |output| {
            for _ in 0..most {
                let before = output.next;
                if output.left() == 0 || output.pieces(body)? == Flow::Stop || output.next == before {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Works on other arguments for a while.
    fn inner(
        &mut self,
        arguments: &[Value],
        work: impl FnOnce(&mut Output<'_>) -> Outcome<()>,
    ) -> Outcome<()> {
        let mut output =
            Output { text: std::mem::take(&mut self.text), arguments, next: 0, depth: self.depth + 1 };
        let outcome = work(&mut output);
        self.text = output.text;
        outcome
    }

    fn choice(&mut self, directive: &Directive, number: Option<i64>) -> Outcome<Flow> {
        let clause = |index: usize| directive.clauses.get(index).map_or(&[] as &[Piece], Vec::as_slice);
        if directive.at {
            if self.take()?.is_true() {
                self.next -= 1;
                return self.pieces(clause(0));
            }
            return Ok(Flow::On);
        }
        if directive.colon {
            let index = usize::from(self.take()?.is_true());
            return self.pieces(clause(index));
        }
        let number = match number {
            Some(number) => number,
            None => match self.take()? {
                Value::Int(n) => *n,
                other => return Err(format!("`~[` wants an integer, not {}", other.kind())),
            },
        };
        let last = directive.clauses.len() - 1;
        match usize::try_from(number).ok().filter(|index| *index <= last) {
            Some(index) => self.pieces(clause(index)),
            None if directive.has_default => self.pieces(clause(last)),
            None => Ok(Flow::On),
        }
    }

    fn indirect(&mut self, same_arguments: bool) -> Outcome<()> {
        const DEEPEST: usize = 50;
        if self.depth > DEEPEST {
            return Err("templates nest too deep".to_owned());
        }
        let value = self.take()?;
        let template =
            value.as_str().ok_or_else(|| format!("`~?` wants a template, not {}", value.kind()))?;
        let pieces = parse(template)?;
        if same_arguments {
            return self.run(&pieces);
        }
        let value = self.take()?;
        let items = value.list_to_vec().ok_or_else(|| format!("`~?` wants a list, not {}", value.kind()))?;
        self.inner(&items, |output| output.run(&pieces))
    }
}

fn integer(value: &Value, radix: u32, commas: bool, plus: bool) -> String {
    let Some(number) = Numeric::from_value(value) else { return print::display(value) };
    let digits = to_text(&number, radix);
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => (if plus { "+" } else { "" }, digits.as_str()),
    };
    if !commas || !number.is_integer() || !number.is_exact() {
        return format!("{sign}{digits}");
    }
    let mut grouped = String::new();
    for (index, c) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(c);
    }
    format!("{sign}{grouped}")
}

fn real(value: &Value) -> Outcome<f64> {
    let number = Numeric::from_value(value);
    number.map(|number| number.to_f64()).ok_or_else(|| format!("a number is wanted, not {}", value.kind()))
}

/// Returns an integer in words, or in Roman numerals (`~@r`, the old ones `~:@r`).
fn in_words(value: &Value, colon: bool, at: bool) -> Outcome<String> {
    let number = Numeric::from_value(value).filter(|number| number.is_integer() && number.is_exact());
    let Some(number) = number else {
        return Err(format!("`~r` wants an integer, not {}", value.kind()));
    };
    let digits = to_text(&number, 10);
    let integer: num_bigint::BigInt = digits.parse().map_err(|_| "`~r` wants an integer".to_owned())?;
    match (at, colon) {
        (true, old) => words::roman(&integer, old)
            .ok_or_else(|| "only numbers from 1 to 100000 have Roman numerals here".to_owned()),
        (false, true) => words::ordinal(&integer).ok_or_else(|| format!("{digits} has no name")),
        (false, false) => words::cardinal(&integer).ok_or_else(|| format!("{digits} has no name")),
    }
}

/// Returns a value as a program would be laid out, with a line break after it.
fn pretty(value: &Value) -> String {
    const WIDTH: usize = 79;
    let line = print::write(value);
    if line.chars().count() > WIDTH
        && let Ok(text) = crate::format::format(crate::span::FileId(0), &line)
    {
        return text;
    }
    line + "\n"
}

/// `~(`: lower case; `~:(`: words capitalised; `~@(`: the first one; `~:@(`: upper case.
fn recased(text: &str, colon: bool, at: bool) -> String {
    match (colon, at) {
        (true, true) => text.to_uppercase(),
        (false, false) => text.to_lowercase(),
        (every_word, _) => {
            let (mut inside, mut done) = (false, false);
            text.chars()
                .map(|c| {
                    let begins = !inside && c.is_alphabetic() && (every_word || !done);
                    done |= begins;
                    inside = c.is_alphanumeric();
                    if begins { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
                })
                .collect()
        }
    }
}
