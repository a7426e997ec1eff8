//! Numbers in words and in Roman numerals: `~r` without a radix.
//!
//! As (ice-9 format), which follows Common Lisp: groups of three digits are joined by commas in cardinal numbers.

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const GROUPS: [&str; 22] = [
    "",
    "thousand",
    "million",
    "billion",
    "trillion",
    "quadrillion",
    "quintillion",
    "sextillion",
    "septillion",
    "octillion",
    "nonillion",
    "decillion",
    "undecillion",
    "duodecillion",
    "tredecillion",
    "quattuordecillion",
    "quindecillion",
    "sexdecillion",
    "septendecillion",
    "octodecillion",
    "novemdecillion",
    "vigintillion",
];
const ROMAN: [(&str, u32); 13] = [
    ("M", 1000),
    ("CM", 900),
    ("D", 500),
    ("CD", 400),
    ("C", 100),
    ("XC", 90),
    ("L", 50),
    ("XL", 40),
    ("X", 10),
    ("IX", 9),
    ("V", 5),
    ("IV", 4),
    ("I", 1),
];

fn at(words: &[&'static str], index: u32) -> &'static str {
    words.get(index as usize).copied().unwrap_or("")
}

fn below_thousand(n: u32) -> String {
    let (hundreds, rest) = (n / 100, n % 100);
    let tens = match rest {
        0 => String::new(),
        1..=19 => at(&SMALL, rest).to_owned(),
        _ if rest % 10 == 0 => at(&TENS, rest / 10).to_owned(),
        _ => format!("{}-{}", at(&TENS, rest / 10), at(&SMALL, rest % 10)),
    };
    match (hundreds, tens.is_empty()) {
        (0, _) => tens,
        (_, true) => format!("{} hundred", at(&SMALL, hundreds)),
        (_, false) => format!("{} hundred {tens}", at(&SMALL, hundreds)),
    }
}

/// Returns the groups of three digits in words, the largest first; `None` for a number without a name.
fn groups(n: &BigInt) -> Option<Vec<String>> {
    let mut rest = n.abs();
    let mut found = Vec::new();
    let mut power = 0;
    while !rest.is_zero() {
        let group = (&rest % 1000_u32).to_u32()?;
        rest /= 1000_u32;
        let name = GROUPS.get(power)?;
        power += 1;
        if group > 0 {
            let words = below_thousand(group);
            found.push(if name.is_empty() { words } else { format!("{words} {name}") });
        }
    }
    found.reverse();
    Some(found)
}

/// Returns a number in words: `one thousand, two`; `None` if it is too large to have a name.
pub(super) fn cardinal(n: &BigInt) -> Option<String> {
    if n.is_zero() {
        return Some("zero".to_owned());
    }
    let words = groups(n)?.join(", ");
    Some(if n.is_negative() { format!("minus {words}") } else { words })
}

/// Returns a number in words as a place in an order: `one thousand second`.
pub(super) fn ordinal(n: &BigInt) -> Option<String> {
    if n.is_zero() {
        return Some("zeroth".to_owned());
    }
    let hundred = (n.abs() % 100_u32).to_u32()?;
    let mut groups = groups(n)?;
    let last = groups.pop()?;
    // The last hundred is joined without a comma.
    let words = match groups.is_empty() {
        true => last,
        false if hundred > 0 && (n.abs() % 1000_u32) < BigInt::from(100) => {
            format!("{} {last}", groups.join(", "))
        }
        false => format!("{}, {last}", groups.join(", ")),
    };
    let cut = words.rfind([' ', '-']).map_or(0, |at| at + 1);
    let (before, word) = words.split_at(cut);
    let word = match word {
        "one" => "first".to_owned(),
        "two" => "second".to_owned(),
        "three" => "third".to_owned(),
        "five" => "fifth".to_owned(),
        "eight" => "eighth".to_owned(),
        "nine" => "ninth".to_owned(),
        "twelve" => "twelfth".to_owned(),
        word => match word.strip_suffix('y') {
            Some(stem) => format!("{stem}ieth"),
            None => format!("{word}th"),
        },
    };
    let minus = if n.is_negative() { "minus " } else { "" };
    Some(format!("{minus}{before}{word}"))
}

/// Returns a positive number in Roman numerals; in the old way, without subtraction, `IIII`. `None` for any other.
pub(super) fn roman(n: &BigInt, old: bool) -> Option<String> {
    const MOST: u32 = 100_000;
    let mut rest = n.to_u32().filter(|n| (1..=MOST).contains(n))?;
    let mut text = String::new();
    for (numeral, value) in ROMAN {
        if old && numeral.len() > 1 {
            continue;
        }
        while rest >= value {
            text.push_str(numeral);
            rest -= value;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names() {
        let both = |n: i64| {
            let n = BigInt::from(n);
            format!("{} / {}", cardinal(&n).expect("named"), ordinal(&n).expect("named"))
        };
        assert_eq!(both(0), "zero / zeroth");
        assert_eq!(both(12), "twelve / twelfth");
        assert_eq!(both(-21), "minus twenty-one / minus twenty-first");
        assert_eq!(both(100), "one hundred / one hundredth");
        assert_eq!(both(342), "three hundred forty-two / three hundred forty-second");
        assert_eq!(both(1001), "one thousand, one / one thousand first");
        assert_eq!(both(1100), "one thousand, one hundred / one thousand, one hundredth");
        assert_eq!(
            both(1_234_567_890),
            "one billion, two hundred thirty-four million, five hundred sixty-seven thousand, eight hundred ninety / \
             one billion, two hundred thirty-four million, five hundred sixty-seven thousand, eight hundred ninetieth"
        );
        assert_eq!(cardinal(&BigInt::from(10).pow(70)), None);
    }

    #[test]
    fn numerals_are_roman() {
        let shown = |n: i32, old| roman(&BigInt::from(n), old);
        assert_eq!(shown(1994, false).as_deref(), Some("MCMXCIV"));
        assert_eq!(shown(9, true).as_deref(), Some("VIIII"));
        assert_eq!(shown(0, false), None);
    }
}
