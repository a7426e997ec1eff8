//! Arithmetic on the numeric tower.
//!
//! 64-bit integers are tried first; what overflows becomes a big integer and comes back when it fits. An operation with a
//! float gives a float. Comparison of a float with an exact number is exact, so that `<` is transitive.

use std::{cmp::Ordering, rc::Rc};

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{FromPrimitive, Signed, ToPrimitive, Zero};

use crate::value::Value;

use super::{MAX_BITS, MAX_RATIO_BITS, Number, big_to_f64, rational_to_f64};

/// A number of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Numeric {
    /// An exact integer that fits in 64 bits.
    Int(i64),
    /// An exact integer that does not.
    Big(BigInt),
    /// An exact number that is not an integer.
    Rational(BigRational),
    /// An inexact number.
    Float(f64),
}

/// Why an operation has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArithmeticError {
    /// Division by exact zero.
    #[error("division by zero")]
    DivisionByZero,
    /// The result would have more than [`MAX_BITS`] bits, or [`MAX_RATIO_BITS`] in a fraction.
    #[error(
        "the result is too large: integers have at most {MAX_BITS} bits, the parts of fractions {MAX_RATIO_BITS}"
    )]
    TooLarge,
    /// An infinite or undefined number has no exact counterpart.
    #[error("an infinite or undefined number has no exact counterpart")]
    NotFinite,
    /// The operation is for integers.
    #[error("this operation needs integers")]
    NotAnInteger,
}

/// Two numbers brought to one kind.
enum Same {
    Ints(i64, i64),
    Bigs(BigInt, BigInt),
    Rationals(BigRational, BigRational),
    Floats(f64, f64),
}

impl Numeric {
    /// Returns an integer in its smallest kind.
    pub fn from_big(n: BigInt) -> Numeric {
        n.to_i64().map_or_else(|| Numeric::Big(n), Numeric::Int)
    }

    /// Returns a fraction in its smallest kind.
    pub fn from_rational(q: BigRational) -> Numeric {
        if q.is_integer() { Numeric::from_big(q.to_integer()) } else { Numeric::Rational(q) }
    }

    /// Returns the number that a value is.
    pub fn from_value(value: &Value) -> Option<Numeric> {
        Some(match value {
            Value::Int(n) => Numeric::Int(*n),
            Value::Float(x) => Numeric::Float(*x),
            Value::Number(number) => match &**number {
                Number::Big(n) => Numeric::Big(n.clone()),
                Number::Ratio(q) => Numeric::Rational(q.clone()),
            },
            _ => return None,
        })
    }

    /// Returns the value of a number.
    pub fn into_value(self) -> Value {
        match self {
            Numeric::Int(n) => Value::Int(n),
            Numeric::Float(x) => Value::Float(x),
            Numeric::Big(n) => Value::Number(Rc::new(Number::Big(n))),
            Numeric::Rational(q) => Value::Number(Rc::new(Number::Ratio(q))),
        }
    }

    /// Returns the nearest float.
    pub fn to_f64(&self) -> f64 {
        match self {
            Numeric::Int(n) => *n as f64,
            Numeric::Big(n) => big_to_f64(n),
            Numeric::Rational(q) => rational_to_f64(q),
            Numeric::Float(x) => *x,
        }
    }

    /// Returns the exact number of the same value.
    ///
    /// # Errors
    /// [`ArithmeticError::NotFinite`] for infinities and NaN.
    pub fn to_exact(self) -> Result<Numeric, ArithmeticError> {
        match self {
            Numeric::Float(x) => {
                BigRational::from_float(x).map(Numeric::from_rational).ok_or(ArithmeticError::NotFinite)
            }
            exact => Ok(exact),
        }
    }

    /// Whether it is exact.
    pub fn is_exact(&self) -> bool {
        !matches!(self, Numeric::Float(_))
    }

    /// Whether it is a whole number, exact or not.
    pub fn is_integer(&self) -> bool {
        match self {
            Numeric::Int(_) | Numeric::Big(_) => true,
            Numeric::Rational(_) => false,
            Numeric::Float(x) => x.is_finite() && x.fract() == 0.0,
        }
    }

    /// Returns -1, 0 or 1; 0 for NaN.
    pub fn signum(&self) -> i32 {
        match self {
            Numeric::Int(n) => i32::try_from(n.signum()).unwrap_or(0),
            Numeric::Big(n) => match n.sign() {
                Sign::Minus => -1,
                Sign::NoSign => 0,
                Sign::Plus => 1,
            },
            Numeric::Rational(q) => {
                if q.is_negative() {
                    -1
                } else {
                    1
                }
            }
            Numeric::Float(x) => i32::from(*x > 0.0) - i32::from(*x < 0.0),
        }
    }

    /// Compares by value; `None` when either is NaN.
    pub fn compare(&self, other: &Numeric) -> Option<Ordering> {
        match (self, other) {
            (Numeric::Int(a), Numeric::Int(b)) => Some(a.cmp(b)),
            (Numeric::Float(a), Numeric::Float(b)) => a.partial_cmp(b),
            (Numeric::Float(a), exact) => exact.compare_float(*a).map(Ordering::reverse),
            (exact, Numeric::Float(b)) => exact.compare_float(*b),
            _ => Some(self.clone().rational().cmp(&other.clone().rational())),
        }
    }

    fn compare_float(&self, x: f64) -> Option<Ordering> {
        match BigRational::from_float(x) {
            Some(q) => Some(self.clone().rational().cmp(&q)),
            None if x.is_nan() => None,
            None if x > 0.0 => Some(Ordering::Less),
            None => Some(Ordering::Greater),
        }
    }

    /// Adds.
    ///
    /// # Errors
    /// [`ArithmeticError::TooLarge`].
    pub fn plus(self, other: Numeric) -> Result<Numeric, ArithmeticError> {
        match unify(self, other) {
            Same::Ints(a, b) => {
                Ok(a.checked_add(b).map_or_else(|| Numeric::from_big(BigInt::from(a) + b), Numeric::Int))
            }
            Same::Bigs(a, b) => limited(Numeric::from_big(a + b)),
            Same::Rationals(a, b) if ratio_bits(&a) + ratio_bits(&b) > MAX_RATIO_BITS => {
                Err(ArithmeticError::TooLarge)
            }
            Same::Rationals(a, b) => Ok(Numeric::from_rational(a + b)),
            Same::Floats(a, b) => Ok(Numeric::Float(a + b)),
        }
    }

    /// Subtracts.
    ///
    /// # Errors
    /// [`ArithmeticError::TooLarge`].
    pub fn minus(self, other: Numeric) -> Result<Numeric, ArithmeticError> {
        match unify(self, other) {
            Same::Ints(a, b) => {
                Ok(a.checked_sub(b).map_or_else(|| Numeric::from_big(BigInt::from(a) - b), Numeric::Int))
            }
            Same::Bigs(a, b) => limited(Numeric::from_big(a - b)),
            Same::Rationals(a, b) if ratio_bits(&a) + ratio_bits(&b) > MAX_RATIO_BITS => {
                Err(ArithmeticError::TooLarge)
            }
            Same::Rationals(a, b) => Ok(Numeric::from_rational(a - b)),
            Same::Floats(a, b) => Ok(Numeric::Float(a - b)),
        }
    }

    /// Multiplies.
    ///
    /// # Errors
    /// [`ArithmeticError::TooLarge`].
    pub fn times(self, other: Numeric) -> Result<Numeric, ArithmeticError> {
        match unify(self, other) {
            Same::Ints(a, b) => {
                Ok(a.checked_mul(b).map_or_else(|| Numeric::from_big(BigInt::from(a) * b), Numeric::Int))
            }
            Same::Bigs(a, b) if a.bits() + b.bits() > MAX_BITS => Err(ArithmeticError::TooLarge),
            Same::Bigs(a, b) => limited(Numeric::from_big(a * b)),
            Same::Rationals(a, b) if ratio_bits(&a) + ratio_bits(&b) > MAX_RATIO_BITS => {
                Err(ArithmeticError::TooLarge)
            }
            Same::Rationals(a, b) => Ok(Numeric::from_rational(a * b)),
            Same::Floats(a, b) => Ok(Numeric::Float(a * b)),
        }
    }

    /// Divides; exact numbers give an exact fraction.
    ///
    /// # Errors
    /// [`ArithmeticError::DivisionByZero`] when the divisor is exact zero.
    pub fn over(self, other: Numeric) -> Result<Numeric, ArithmeticError> {
        if matches!(other, Numeric::Int(0)) {
            return Err(ArithmeticError::DivisionByZero);
        }
        match unify(self, other) {
            Same::Ints(a, b) if a.checked_rem(b) == Some(0) && b != -1 => Ok(Numeric::Int(a / b)),
            Same::Ints(a, b) => {
                Ok(Numeric::from_rational(BigRational::new(BigInt::from(a), BigInt::from(b))))
            }
            Same::Bigs(a, b) if (&a % &b).is_zero() => Ok(Numeric::from_big(a / b)),
            Same::Bigs(a, b) if a.bits().max(b.bits()) > MAX_RATIO_BITS => Err(ArithmeticError::TooLarge),
            Same::Bigs(a, b) => Ok(Numeric::from_rational(BigRational::new(a, b))),
            Same::Rationals(a, b) if ratio_bits(&a) + ratio_bits(&b) > MAX_RATIO_BITS => {
                Err(ArithmeticError::TooLarge)
            }
            Same::Rationals(a, b) => Ok(Numeric::from_rational(a / b)),
            Same::Floats(a, b) => Ok(Numeric::Float(a / b)),
        }
    }

    /// Returns the quotient rounded toward zero and the remainder with the dividend's sign.
    ///
    /// # Errors
    /// [`ArithmeticError::DivisionByZero`], [`ArithmeticError::NotAnInteger`].
    pub fn truncate_divide(self, other: Numeric) -> Result<(Numeric, Numeric), ArithmeticError> {
        if !self.is_integer() || !other.is_integer() {
            return Err(ArithmeticError::NotAnInteger);
        }
        if other.signum() == 0 {
            return Err(ArithmeticError::DivisionByZero);
        }
        Ok(match unify(self, other) {
            Same::Ints(a, b) => match (a.checked_div(b), a.checked_rem(b)) {
                (Some(q), Some(r)) => (Numeric::Int(q), Numeric::Int(r)),
                _ => (Numeric::from_big(-BigInt::from(a)), Numeric::Int(0)),
            },
            Same::Bigs(a, b) => (Numeric::from_big(&a / &b), Numeric::from_big(&a % &b)),
            Same::Floats(a, b) => (Numeric::Float((a / b).trunc()), Numeric::Float(a % b)),
            Same::Rationals(..) => return Err(ArithmeticError::NotAnInteger),
        })
    }

    /// Returns the quotient rounded down and the remainder with the divisor's sign.
    ///
    /// # Errors
    /// As [`Numeric::truncate_divide`].
    pub fn floor_divide(self, other: Numeric) -> Result<(Numeric, Numeric), ArithmeticError> {
        let (q, r) = self.truncate_divide(other.clone())?;
        if r.signum() != 0 && r.signum() != other.signum() {
            Ok((q.minus(Numeric::Int(1))?, r.plus(other)?))
        } else {
            Ok((q, r))
        }
    }

    /// Raises to an integer power; a negative one gives a fraction.
    ///
    /// # Errors
    /// [`ArithmeticError::TooLarge`], [`ArithmeticError::DivisionByZero`].
    pub fn power(self, exponent: &Numeric) -> Result<Numeric, ArithmeticError> {
        let (Numeric::Int(n), true) = (exponent, self.is_exact()) else {
            return match (&self, exponent) {
                (Numeric::Float(x), Numeric::Int(n)) if i32::try_from(*n).is_ok() => {
                    Ok(Numeric::Float(x.powi(i32::try_from(*n).unwrap_or(0))))
                }
                (Numeric::Int(0 | 1), Numeric::Big(n)) if n.is_positive() => Ok(self),
                (base, Numeric::Big(_)) if base.is_exact() => Err(ArithmeticError::TooLarge),
                _ => Ok(Numeric::Float(self.to_f64().powf(exponent.to_f64()))),
            };
        };
        if *n < 0 {
            return Numeric::Int(1).over(self.power(&Numeric::from_big(-BigInt::from(*n)))?);
        }
        let (mut result, mut base, mut left) = (Numeric::Int(1), self, n.unsigned_abs());
        while left > 0 {
            if left & 1 == 1 {
                result = result.times(base.clone())?;
            }
            left >>= 1;
            if left > 0 {
                base = base.clone().times(base)?;
            }
        }
        Ok(result)
    }

    /// Returns it as an exact fraction; floats are finite here.
    fn rational(self) -> BigRational {
        match self {
            Numeric::Int(n) => BigRational::from(BigInt::from(n)),
            Numeric::Big(n) => BigRational::from(n),
            Numeric::Rational(q) => q,
            Numeric::Float(x) => BigRational::from_f64(x).unwrap_or_else(BigRational::zero),
        }
    }

    /// Returns an exact integer; `None` for anything else.
    pub fn to_big(&self) -> Option<BigInt> {
        match self {
            Numeric::Int(n) => Some(BigInt::from(*n)),
            Numeric::Big(n) => Some(n.clone()),
            _ => None,
        }
    }
}

fn unify(a: Numeric, b: Numeric) -> Same {
    match (a, b) {
        (Numeric::Int(a), Numeric::Int(b)) => Same::Ints(a, b),
        (Numeric::Float(a), b) => Same::Floats(a, b.to_f64()),
        (a, Numeric::Float(b)) => Same::Floats(a.to_f64(), b),
        (a, b) => match (a.to_big(), b.to_big()) {
            (Some(a), Some(b)) => Same::Bigs(a, b),
            _ => Same::Rationals(a.rational(), b.rational()),
        },
    }
}

fn limited(n: Numeric) -> Result<Numeric, ArithmeticError> {
    match &n {
        Numeric::Big(big) if big.bits() > MAX_BITS => Err(ArithmeticError::TooLarge),
        _ => Ok(n),
    }
}

fn ratio_bits(q: &BigRational) -> u64 {
    q.numer().bits().max(q.denom().bits())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::number::{parse, to_text};

    fn number(text: &str) -> Numeric {
        parse(text, 10).unwrap()
    }

    #[test]
    fn overflow_goes_to_big_integers_and_comes_back() {
        let big = Numeric::Int(i64::MAX).plus(Numeric::Int(1)).unwrap();
        assert_eq!(big, number("9223372036854775808"));
        assert_eq!(big.minus(Numeric::Int(1)).unwrap(), Numeric::Int(i64::MAX));
        let (q, r) = Numeric::Int(i64::MIN).truncate_divide(Numeric::Int(-1)).unwrap();
        assert_eq!((to_text(&q, 10).as_str(), r), ("9223372036854775808", Numeric::Int(0)));
        assert_eq!(Numeric::Int(i64::MIN).over(Numeric::Int(-1)).unwrap(), number("9223372036854775808"));
    }

    #[test]
    fn division_rounds_as_named() {
        let shown = |(q, r): (Numeric, Numeric)| (to_text(&q, 10), to_text(&r, 10));
        let pair = |q: &str, r: &str| (q.to_owned(), r.to_owned());
        assert_eq!(shown(number("-7").truncate_divide(number("2")).unwrap()), pair("-3", "-1"));
        assert_eq!(shown(number("-7").floor_divide(number("2")).unwrap()), pair("-4", "1"));
        assert_eq!(shown(number("7").floor_divide(number("-2")).unwrap()), pair("-4", "-1"));
        assert_eq!(number("1").over(number("0")), Err(ArithmeticError::DivisionByZero));
        assert_eq!(number("7").truncate_divide(number("1/2")), Err(ArithmeticError::NotAnInteger));
    }

    #[test]
    fn small_programs_cannot_exhaust_the_memory() {
        assert_eq!(number("10").power(&number("1000000000")), Err(ArithmeticError::TooLarge));
        assert_eq!(number("1/3").power(&number("100000000")), Err(ArithmeticError::TooLarge));
        assert_eq!(number("2").power(&number("-2")).unwrap(), number("1/4"));
    }

    #[test]
    fn comparing_with_floats_is_exact() {
        assert_eq!(
            number("9007199254740993").compare(&Numeric::Float(9007199254740992.0)),
            Some(Ordering::Greater)
        );
        assert_eq!(number("1/3").compare(&Numeric::Float(1.0 / 3.0)), Some(Ordering::Greater));
        assert_eq!(number("1").compare(&Numeric::Float(f64::NAN)), None);
        assert_eq!(Numeric::Float(f64::NEG_INFINITY).compare(&number("1")), Some(Ordering::Less));
    }

    proptest! {
        #[test]
        fn exact_to_float_is_the_nearest(n in any::<i64>(), d in 1..i64::MAX) {
            let q = Numeric::Int(n).over(Numeric::Int(d)).unwrap();
            // Rounding once is at most half a unit away from the doubly rounded quotient of two floats.
            let (x, y) = (q.to_f64(), n as f64 / d as f64);
            prop_assert!((x - y).abs() <= y.abs() * 4.0 * f64::EPSILON);
        }

        #[test]
        fn dividing_and_multiplying_gives_back(a in any::<i64>(), b in any::<i64>().prop_filter("divisor", |b| *b != 0)) {
            let (a, b) = (Numeric::Int(a), Numeric::Int(b));
            let (q, r) = a.clone().floor_divide(b.clone()).unwrap();
            prop_assert_eq!(q.times(b).unwrap().plus(r).unwrap(), a);
        }
    }
}
