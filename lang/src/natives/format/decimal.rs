//! Decimal notation: `~f`, `~e`, `~g` and `~$`.
//!
//! As (ice-9 format): digits are those of the shortest text that reads back as the number, rounded half away from zero
//! at the place wanted; a point is always there (`3.`).

use crate::number::{Numeric, to_text};

/// The digits of a number without its sign: `0.DIGITS` times ten to the power of `point`.
struct Digits {
    digits: Vec<u8>,
    point: i64,
}

/// The parameters of `~f`.
#[derive(Clone, Copy, Default)]
pub(super) struct Fixed {
    /// Digits after the point; as many as there are unless given.
    pub after: Option<usize>,
    /// Digits before the point at least.
    pub before: usize,
    /// The width that the text should not exceed.
    pub width: Option<usize>,
    /// The power of ten that the number is multiplied by.
    pub scale: i64,
    /// Whether a positive number has a sign too.
    pub plus: bool,
}

impl Digits {
    fn of(x: f64) -> Self {
        let text = format!("{:e}", x.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        if digits.iter().all(|digit| *digit == 0) {
            return Digits { digits: Vec::new(), point: 0 };
        }
        Digits { digits, point: exponent.parse::<i64>().unwrap_or(0) + 1 }
    }

    /// Leaves so many digits after the point.
    fn round(&mut self, after: i64) {
        let Ok(kept) = usize::try_from(self.point.saturating_add(after)) else {
            *self = Digits { digits: Vec::new(), point: 0 };
            return;
        };
        let up = self.digits.get(kept).is_some_and(|digit| *digit >= 5);
        self.digits.truncate(kept);
        if !up {
            return;
        }
        self.digits.resize(kept, 0);
        for digit in self.digits.iter_mut().rev() {
            if *digit < 9 {
                *digit += 1;
                return;
            }
            *digit = 0;
        }
        self.digits.insert(0, 1);
        self.point += 1;
    }

    fn text(&self, from: i64, to: i64) -> String {
        (from..to)
            .map(|place| {
                let digit = usize::try_from(place).ok().and_then(|place| self.digits.get(place));
                char::from(b'0' + digit.copied().unwrap_or(0))
            })
            .collect()
    }

    fn before_point(&self) -> String {
        self.text(0, self.point)
    }

    fn after_point(&self, count: usize) -> String {
        self.text(self.point, self.point.saturating_add(i64::try_from(count).unwrap_or(0)))
    }

    /// How many digits stand after the point.
    fn places(&self) -> usize {
        let last = self.digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1);
        usize::try_from(i64::try_from(last).unwrap_or(0) - self.point).unwrap_or(0)
    }
}

fn sign(x: f64, plus: bool) -> &'static str {
    match (x.is_sign_negative(), plus) {
        (true, _) => "-",
        (false, true) => "+",
        (false, false) => "",
    }
}

/// Returns a number in plain decimal notation.
pub(super) fn fixed(x: f64, how: Fixed) -> String {
    if !x.is_finite() {
        return to_text(&Numeric::Float(x), 10);
    }
    let mut digits = Digits::of(x);
    digits.point += if digits.digits.is_empty() { 0 } else { how.scale };
    let sign = sign(x, how.plus);
    let after = how.after.unwrap_or_else(|| {
        let places = digits.places().max(1);
        let before = usize::try_from(digits.point).unwrap_or(0) + sign.len() + 1;
        how.width.map_or(places, |width| places.min(width.saturating_sub(before)))
    });
    digits.round(i64::try_from(after).unwrap_or(0));
    let whole = digits.before_point();
    let missing = how.before.max(1).saturating_sub(whole.len());
    let fraction = digits.after_point(after);
    let text = format!("{sign}{}{whole}.{fraction}", "0".repeat(missing));
    match how.width {
        Some(width) if text.len() > width && whole.is_empty() && after > 0 => format!("{sign}.{fraction}"),
        _ => text,
    }
}

/// Returns a number in scientific notation: `1.5E+3`.
pub(super) fn scientific(x: f64, after: Option<usize>, exponent_digits: usize, plus: bool) -> String {
    if !x.is_finite() {
        return to_text(&Numeric::Float(x), 10);
    }
    let mut digits = Digits::of(x);
    let zero = digits.digits.is_empty();
    let mut exponent = if zero { 0 } else { digits.point - 1 };
    digits.point = 1;
    let after = after.unwrap_or_else(|| digits.places().max(1));
    digits.round(i64::try_from(after).unwrap_or(0));
    if digits.point > 1 {
        exponent += 1;
        digits.point = 1;
    }
    let whole = if zero { "0".to_owned() } else { digits.before_point() };
    let exponent_sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{}{whole}.{}E{exponent_sign}{:0>exponent_digits$}",
        sign(x, plus),
        digits.after_point(after),
        exponent.unsigned_abs(),
    )
}

/// Returns a number in the notation that suits its size: plain with four blanks after it, or scientific.
pub(super) fn general(x: f64, width: Option<usize>, after: Option<usize>, plus: bool) -> String {
    let digits = Digits::of(x);
    let before = digits.point;
    let significant = after.unwrap_or_else(|| {
        let all = digits.digits.iter().rposition(|digit| *digit != 0).map_or(1, |last| last + 1);
        all.max(usize::try_from(before.clamp(0, 7)).unwrap_or(0))
    });
    let rest = i64::try_from(significant).unwrap_or(0) - before;
    if !x.is_finite() || !(0..=i64::try_from(significant).unwrap_or(0)).contains(&rest) {
        return scientific(x, after, 1, plus);
    }
    let width = width.map(|width| width.saturating_sub(4));
    let after = after.map(|_| usize::try_from(rest).unwrap_or(0));
    format!("{}    ", fixed(x, Fixed { after, width, plus, ..Fixed::default() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(x: f64, after: usize) -> String {
        fixed(x, Fixed { after: Some(after), ..Fixed::default() })
    }

    #[test]
    fn digits_are_rounded_half_away_from_zero() {
        assert_eq!(plain(2.5, 0), "3.");
        assert_eq!(plain(0.4, 0), "0.");
        assert_eq!(plain(0.25, 1), "0.3");
        assert_eq!(plain(-0.005, 2), "-0.01");
        assert_eq!(plain(9.99, 1), "10.0");
        assert_eq!(plain(1e-7, 4), "0.0000");
        assert_eq!(plain(1e25, 2), "10000000000000000000000000.00");
    }

    #[test]
    fn a_narrow_field_takes_fewer_digits() {
        let within = |x, width| fixed(x, Fixed { width: Some(width), ..Fixed::default() });
        assert_eq!(within(2.71849, 6), "2.7185");
        let both =
            |x, width, after| fixed(x, Fixed { width: Some(width), after: Some(after), ..Fixed::default() });
        assert_eq!(both(0.25, 3, 2), ".25");
        assert_eq!(both(0.25, 4, 2), "0.25");
    }

    #[test]
    fn scientific_notation_has_one_digit_before_the_point() {
        assert_eq!(scientific(1234.5, None, 1, false), "1.2345E+3");
        assert_eq!(scientific(0.0, None, 1, false), "0.0E+0");
        assert_eq!(scientific(1.2e-4, None, 1, true), "+1.2E-4");
        assert_eq!(scientific(9.996, Some(2), 2, false), "1.00E+01");
        assert_eq!(scientific(1234.5, Some(0), 1, false), "1.E+3");
    }
}
