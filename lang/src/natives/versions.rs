//! Comparing versions as glibc's `strverscmp` does: runs of digits by value, all else by characters.
//!
//! Source of the state machine: the manual of `strverscmp(3)`. Numbers that begin with 0 count as fractions:
//! "000" < "00" < "01" < "010" < "09" < "0" < "1" < "9" < "10".

use std::cmp::Ordering;

use crate::{
    native::{Native, Raise, expect_string},
    value::Value,
};

use super::{arguments::boolean, row};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("version-compare", 2, Some(2), "`<`, `=` or `>` as one version is before, the same as, or after another.", ("(version-compare \"1.9\" \"1.10\")", "<"),
        |_, a| Ok(Value::symbol(match order("version-compare", a)? { Ordering::Less => "<", Ordering::Equal => "=", Ordering::Greater => ">" }))),
    row("version>?", 2, Some(2), "Whether a version is after another.", ("(version>? \"1.10\" \"1.9\")", "#t"), |_, a| boolean(order("version>?", a)?.is_gt())),
    row("version>=?", 2, Some(2), "Whether a version is another, or after it.", ("(version>=? \"1.9\" \"1.10\")", "#f"), |_, a| boolean(order("version>=?", a)?.is_ge())),
];

fn order(procedure: &'static str, arguments: &[Value]) -> Result<Ordering, Raise> {
    Ok(compare(expect_string(procedure, arguments, 0)?, expect_string(procedure, arguments, 1)?))
}

/// Compares two versions.
///
/// # Examples
/// ```
/// use std::cmp::Ordering;
/// use hpcl_lang::natives::versions::compare;
/// assert_eq!(compare("2.9.1", "2.10"), Ordering::Less);
/// ```
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let Some(differ) = (0..a.len().max(b.len())).find(|at| a.get(*at) != b.get(*at)) else {
        return Ordering::Equal;
    };
    let digit = |text: &[u8], at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
    // Where the run of digits around the difference begins.
    let start = (0..differ).rev().take_while(|at| digit(a, *at)).last().unwrap_or(differ);
    let plain = || a.get(differ).cmp(&b.get(differ));
    if !digit(a, start) && !digit(b, start) {
        return plain();
    }
    let fraction = |text: &[u8]| text.get(start) == Some(&b'0');
    if (start < differ && fraction(a))
        || (start == differ && (fraction(a) || fraction(b)) && digit(a, start) && digit(b, start))
    {
        // After leading zeros only, another zero or the end of the run decides.
        let zeros = a.get(start..differ).is_some_and(|run| run.iter().all(|c| *c == b'0'));
        if zeros && start < differ {
            return match (digit(a, differ), digit(b, differ)) {
                (true, false) => Ordering::Less,
                (false, true) => Ordering::Greater,
                _ => plain(),
            };
        }
        return plain();
    }
    let run = |text: &[u8]| (differ..text.len()).take_while(|at| digit(text, *at)).count();
    if start == differ && !(digit(a, start) && digit(b, start)) {
        return plain();
    }
    run(a).cmp(&run(b)).then_with(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_glibc_does() {
        let ordered = ["000", "00", "01", "010", "09", "0", "1", "9", "10"];
        for (i, a) in ordered.iter().enumerate() {
            for (j, b) in ordered.iter().enumerate() {
                assert_eq!(compare(a, b), i.cmp(&j), "{a} {b}");
            }
        }
        for (a, b) in [
            ("1.2", "1.10"),
            ("1.0-rc1", "1.0-rc10"),
            ("2.9.1", "2.10"),
            ("1.0", "1.0.1"),
            ("1.0a", "1.0b"),
            ("jan1", "jan10"),
            ("1.2.3", "1.2.3-1"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
    }
}
