//! Sets of characters (SRFI 14), and what else procedures on strings take for one.
//!
//! A set is ranges of characters in order, so that complements are small too. Where a set is expected, a character, a list of
//! characters and a predicate in Rust such as `char-numeric?` do as well; the prelude turns other predicates into sets.

use std::any::Any;

use crate::{
    native::{Context, Native, Raise, expect_list, expect_string, wrong_type},
    value::{Foreign, Value},
};

use super::{
    arguments::{boolean, character, get, given, int, size, text},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("char-set", 0, None, "The set of the characters.", ("(char-set-contains? (char-set #\\a #\\b) #\\b)", "#t"), char_set),
    row("list->char-set", 1, Some(2), "The set of the characters in a list, and in another set.",
        ("(char-set-contains? (list->char-set '(#\\a)) #\\b)", "#f"), list_to_set),
    row("string->char-set", 1, Some(2), "The set of the characters in a string, and in another set.",
        ("(char-set-size (string->char-set \"hello\"))", "4"), string_to_set),
    row("->char-set", 1, Some(1), "The set of a string's characters, of one character, or the set given.",
        ("(char-set-size (->char-set \"abc\"))", "3"), to_set),
    row("ucs-range->char-set", 2, Some(4), "The set of the characters from one number to before another.",
        ("(char-set-contains? (ucs-range->char-set 97 100) #\\c)", "#t"), range_to_set),
    row("char-set?", 1, Some(1), "Whether it is a set of characters.", ("(char-set? (char-set))", "#t"),
        |_, a| boolean(get(a, 0).as_foreign::<CharSet>().is_some())),
    row("char-set-contains?", 2, Some(2), "Whether a character is in the set.", ("(char-set-contains? (char-set #\\a) #\\b)", "#f"),
        |_, a| boolean(set("char-set-contains?", a, 0)?.contains(character("char-set-contains?", a, 1)?))),
    row("char-set-size", 1, Some(1), "How many characters are in the set.", ("(char-set-size (char-set #\\a #\\b #\\a))", "2"),
        |_, a| Ok(int(set("char-set-size", a, 0)?.iter().count()))),
    row("char-set->list", 1, Some(1), "The characters in order.", ("(char-set->list (char-set #\\b #\\a))", "(#\\a #\\b)"),
        |_, a| Ok(Value::list(set("char-set->list", a, 0)?.iter().map(Value::Char).collect::<Vec<_>>()))),
    row("char-set->string", 1, Some(1), "The characters in order, as a string.", ("(char-set->string (char-set #\\b #\\a))", "\"ab\""),
        |_, a| text(set("char-set->string", a, 0)?.iter().collect::<String>())),
    row("char-set-complement", 1, Some(1), "All characters that are not in the set.",
        ("(char-set-contains? (char-set-complement (char-set #\\a)) #\\b)", "#t"), |_, a| Ok(Value::foreign(set("char-set-complement", a, 0)?.complement()))),
    row("char-set-union", 0, None, "The characters that are in any set.", ("(char-set->string (char-set-union (char-set #\\a) (char-set #\\b)))", "\"ab\""),
        |_, a| combine("char-set-union", a, |x, y| x.union(y))),
    row("char-set-intersection", 0, None, "The characters that are in all sets.",
        ("(char-set->string (char-set-intersection (char-set #\\a #\\b) (char-set #\\b)))", "\"b\""), |_, a| combine("char-set-intersection", a, |x, y| x.intersection(y))),
    row("char-set-difference", 1, None, "The characters of the first set that are in none of the others.",
        ("(char-set->string (char-set-difference (char-set #\\a #\\b) (char-set #\\b)))", "\"a\""),
        |_, a| combine("char-set-difference", a, |x, y| x.intersection(&y.complement()))),
    row("char-set-adjoin", 1, None, "The set with more characters.", ("(char-set->string (char-set-adjoin (char-set #\\a) #\\b))", "\"ab\""),
        |_, a| Ok(Value::foreign(set("char-set-adjoin", a, 0)?.union(&characters("char-set-adjoin", a, 1)?)))),
    row("char-set-delete", 1, None, "The set without some characters.", ("(char-set->string (char-set-delete (char-set #\\a #\\b) #\\b))", "\"a\""),
        |_, a| Ok(Value::foreign(set("char-set-delete", a, 0)?.intersection(&characters("char-set-delete", a, 1)?.complement())))),
    row("%char-set-class", 1, Some(1), "A named class: letter, digit, letter+digit, lower-case, upper-case, whitespace, punctuation, symbol, hex-digit, blank, ascii, graphic, printing, iso-control, empty, full.",
        ("(char-set-contains? (%char-set-class \"digit\") #\\7)", "#t"), class),
    row("%matches-characters?", 1, Some(1), "Whether procedures on strings in Rust take it for a set of characters.", ("(%matches-characters? char-numeric?)", "#t"),
        |_, a| boolean(!matches!(get(a, 0), Value::Closure(_) | Value::Procedure(_) | Value::Primitive(_) | Value::Parameter(_)))),
];

/// A set of characters: ranges in order, with gaps between them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CharSet {
    ranges: Vec<(char, char)>,
}

impl CharSet {
    /// Returns the set of the characters.
    pub fn new(characters: impl IntoIterator<Item = char>) -> CharSet {
        CharSet::from_ranges(characters.into_iter().map(|c| (c, c)).collect())
    }

    fn from_ranges(mut ranges: Vec<(char, char)>) -> CharSet {
        ranges.sort_unstable();
        let mut joined: Vec<(char, char)> = Vec::new();
        for (low, high) in ranges {
            match joined.last_mut() {
                Some((_, end)) if next(*end).is_none_or(|after| low <= after) => *end = (*end).max(high),
                _ => joined.push((low, high)),
            }
        }
        CharSet { ranges: joined }
    }

    /// Returns the set of all characters for which a test holds.
    pub fn where_holds(test: fn(char) -> bool) -> CharSet {
        CharSet::new(('\0'..=char::MAX).filter(|c| test(*c)))
    }

    /// Whether a character is in it.
    pub fn contains(&self, c: char) -> bool {
        let after = self.ranges.partition_point(|(low, _)| *low <= c);
        after > 0 && self.ranges.get(after - 1).is_some_and(|(_, high)| c <= *high)
    }

    /// Returns the characters in order.
    pub fn iter(&self) -> impl Iterator<Item = char> {
        self.ranges.iter().flat_map(|(low, high)| *low..=*high)
    }

    /// Returns all other characters.
    #[must_use]
    pub fn complement(&self) -> CharSet {
        let mut ranges = Vec::new();
        let mut from = Some('\0');
        for (low, high) in &self.ranges {
            if let (Some(from), Some(to)) = (from, previous(*low))
                && from <= to
            {
                ranges.push((from, to));
            }
            from = next(*high);
        }
        ranges.extend(from.map(|from| (from, char::MAX)));
        CharSet { ranges }
    }

    /// Returns the characters that are in either.
    #[must_use]
    pub fn union(&self, other: &CharSet) -> CharSet {
        CharSet::from_ranges(self.ranges.iter().chain(&other.ranges).copied().collect())
    }

    /// Returns the characters that are in both.
    #[must_use]
    pub fn intersection(&self, other: &CharSet) -> CharSet {
        self.complement().union(&other.complement()).complement()
    }
}

fn next(c: char) -> Option<char> {
    (c..=char::MAX).nth(1)
}

fn previous(c: char) -> Option<char> {
    ('\0'..=c).nth_back(1)
}

impl Foreign for CharSet {
    fn describe(&self) -> String {
        const SHOWN: usize = 20;
        let mut shown: String = self.iter().take(SHOWN).filter(|c| !c.is_control()).collect();
        if self.iter().nth(SHOWN).is_some() {
            shown.push('…');
        }
        format!("#<char-set {shown}>")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a procedure on strings takes to choose characters.
pub(super) enum Matcher {
    One(char),
    Set(CharSet),
    Native(&'static Native),
}

impl Matcher {
    /// Returns the matcher that an argument is.
    pub(super) fn expect(
        procedure: &'static str,
        arguments: &[Value],
        index: usize,
    ) -> Result<Matcher, Raise> {
        let actual = get(arguments, index);
        let wrong =
            || wrong_type(procedure, index, "a character, a set of characters or a predicate", actual);
        match actual {
            Value::Char(c) => Ok(Matcher::One(*c)),
            Value::Native(native) => Ok(Matcher::Native(native)),
            Value::Foreign(_) => actual.as_foreign::<CharSet>().cloned().map(Matcher::Set).ok_or_else(wrong),
            Value::Nil | Value::LispNil | Value::Pair(_) => {
                list_characters(actual).map(|c| Matcher::Set(CharSet::new(c))).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    /// Whether it takes a character.
    pub(super) fn matches(&self, context: &mut Context<'_>, c: char) -> Result<bool, Raise> {
        match self {
            Matcher::One(wanted) => Ok(*wanted == c),
            Matcher::Set(set) => Ok(set.contains(c)),
            Matcher::Native(native) => {
                (native.function)(context, &[Value::Char(c)]).map(|value| value.is_true())
            }
        }
    }
}

fn list_characters(value: &Value) -> Option<Vec<char>> {
    value.list_to_vec()?.iter().map(|item| if let Value::Char(c) = item { Some(*c) } else { None }).collect()
}

fn set<'a>(procedure: &'static str, arguments: &'a [Value], index: usize) -> Result<&'a CharSet, Raise> {
    let actual = get(arguments, index);
    actual.as_foreign().ok_or_else(|| wrong_type(procedure, index, "a set of characters", actual))
}

fn characters(procedure: &'static str, arguments: &[Value], from: usize) -> Result<CharSet, Raise> {
    (from..arguments.len())
        .map(|index| character(procedure, arguments, index))
        .collect::<Result<Vec<_>, _>>()
        .map(CharSet::new)
}

fn char_set(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    characters("char-set", arguments, 0).map(Value::foreign)
}

fn with_base(
    procedure: &'static str,
    arguments: &[Value],
    index: usize,
    more: CharSet,
) -> Result<Value, Raise> {
    if given(arguments, index) {
        return Ok(Value::foreign(set(procedure, arguments, index)?.union(&more)));
    }
    Ok(Value::foreign(more))
}

fn list_to_set(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    expect_list("list->char-set", arguments, 0)?;
    let actual = get(arguments, 0);
    let characters = list_characters(actual)
        .ok_or_else(|| wrong_type("list->char-set", 0, "a list of characters", actual))?;
    with_base("list->char-set", arguments, 1, CharSet::new(characters))
}

fn string_to_set(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let more = CharSet::new(expect_string("string->char-set", arguments, 0)?.chars());
    with_base("string->char-set", arguments, 1, more)
}

fn to_set(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match get(arguments, 0) {
        Value::String(text) => Ok(Value::foreign(CharSet::new(text.chars()))),
        Value::Char(c) => Ok(Value::foreign(CharSet::new([*c]))),
        other => set("->char-set", arguments, 0).map(|_| other.clone()),
    }
}

fn range_to_set(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let (low, high) =
        (size("ucs-range->char-set", arguments, 0)?, size("ucs-range->char-set", arguments, 1)?);
    let limit = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).min(u32::from(char::MAX) + 1);
    let more = CharSet::new((limit(low)..limit(high)).filter_map(char::from_u32));
    with_base("ucs-range->char-set", arguments, 3, more)
}

fn combine(
    procedure: &'static str,
    arguments: &[Value],
    operation: fn(&CharSet, &CharSet) -> CharSet,
) -> Result<Value, Raise> {
    if arguments.is_empty() {
        let empty = CharSet::default();
        return Ok(Value::foreign(if procedure == "char-set-intersection" {
            empty.complement()
        } else {
            empty
        }));
    }
    let mut result = set(procedure, arguments, 0)?.clone();
    for index in 1..arguments.len() {
        result = operation(&result, set(procedure, arguments, index)?);
    }
    Ok(Value::foreign(result))
}

fn class(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_string("%char-set-class", arguments, 0)?;
    let set = match name {
        "letter" => CharSet::where_holds(char::is_alphabetic),
        "digit" => CharSet::where_holds(char::is_numeric),
        "letter+digit" => CharSet::where_holds(char::is_alphanumeric),
        "lower-case" => CharSet::where_holds(char::is_lowercase),
        "upper-case" => CharSet::where_holds(char::is_uppercase),
        "whitespace" => CharSet::where_holds(char::is_whitespace),
        "blank" => CharSet::new([' ', '\t', '\u{a0}']),
        "hex-digit" => CharSet::where_holds(|c| c.is_ascii_hexdigit()),
        "punctuation" => CharSet::where_holds(|c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(c)),
        "symbol" => CharSet::new("$+<=>^`|~".chars()),
        "iso-control" => CharSet::where_holds(char::is_control),
        "ascii" => CharSet::where_holds(|c| c.is_ascii()),
        "graphic" => CharSet::where_holds(|c| !c.is_control() && !c.is_whitespace()),
        "printing" => CharSet::where_holds(|c| !c.is_control() || c.is_whitespace()),
        "empty" => CharSet::default(),
        "full" => CharSet::default().complement(),
        _ => return Err(Raise::message(format!("`%char-set-class`: there is no class `{name}`"))),
    };
    Ok(Value::foreign(set))
}

#[cfg(test)]
mod tests {
    use super::CharSet;

    #[test]
    fn sets_keep_their_laws() {
        let (a, b) = (CharSet::new("adgx".chars()), CharSet::new("dez".chars()));
        assert_eq!(a.complement().complement(), a);
        assert_eq!(a.union(&b).iter().collect::<String>(), "adegxz");
        assert_eq!(a.intersection(&b).iter().collect::<String>(), "d");
        assert_eq!(CharSet::default().complement().complement(), CharSet::default());
        assert!(CharSet::where_holds(char::is_alphabetic).contains('λ'));
        assert!(!a.contains('b') && a.contains('x') && !a.contains('y'));
        let last = CharSet::new([char::MAX, '\0']);
        assert_eq!(last.complement().complement(), last);
    }
}
