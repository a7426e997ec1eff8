//! Numbers: exact integers of any size, exact rationals, and floats.
//!
//! [`Numeric`] is the tower in which arithmetic is done; [`Number`] is what a value boxes when an exact number does
//! not fit in 64 bits. Invariant (the constructors keep it): a number that fits in a smaller kind is in that kind,
//! so equal exact numbers are equal in structure. Results are limited to [`MAX_BITS`], so that no program of a few
//! characters can exhaust the memory.

mod arithmetic;
mod literal;
mod text;

use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{ToPrimitive, Zero};

pub use arithmetic::{ArithmeticError, Numeric};
pub use literal::{ParseError, parse};
pub use text::{float_text, to_text};

/// The most bits that an exact integer may have.
pub const MAX_BITS: u64 = 1 << 22;
/// The most bits of a numerator and of a denominator: reducing them takes time that grows with the square.
pub const MAX_RATIO_BITS: u64 = 1 << 16;

/// An exact number that does not fit in 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// An integer outside of the 64-bit range.
    Big(BigInt),
    /// A fraction in lowest terms, never a whole number.
    Ratio(BigRational),
}

impl Number {
    /// Returns the nearest float; infinite where it is out of range.
    pub fn to_f64(&self) -> f64 {
        match self {
            Number::Big(n) => big_to_f64(n),
            Number::Ratio(q) => rational_to_f64(q),
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Big(n) => n.fmt(f),
            Number::Ratio(q) => write!(f, "{}/{}", q.numer(), q.denom()),
        }
    }
}

/// Returns the nearest float of an integer.
fn big_to_f64(n: &BigInt) -> f64 {
    n.to_f64().unwrap_or(if n.sign() == Sign::Minus { f64::NEG_INFINITY } else { f64::INFINITY })
}

/// Returns the nearest float of a fraction, also where its parts are out of the range of floats.
fn rational_to_f64(q: &BigRational) -> f64 {
    if let (Some(n), Some(d)) = (q.numer().to_f64(), q.denom().to_f64())
        && n.is_finite()
        && d.is_finite()
        && q.numer().bits() <= 53
        && q.denom().bits() <= 53
    {
        return n / d;
    }
    // Scale so that the integer quotient has 66 bits or so, keep a sticky bit, round once, and scale back.
    let shift = 66 + q.denom().bits().cast_signed() - q.numer().bits().cast_signed();
    let (n, d) = if shift >= 0 {
        (q.numer() << shift.unsigned_abs(), q.denom().clone())
    } else {
        (q.numer().clone(), q.denom() << shift.unsigned_abs())
    };
    let quotient = &n / &d;
    let inexact = !(&n - &quotient * &d).is_zero();
    let quotient =
        if inexact { (quotient << 1) + if n.sign() == Sign::Minus { -1 } else { 1 } } else { quotient << 1 };
    scale(big_to_f64(&quotient), -(shift + 1))
}

/// Returns `x` times two to the power of `exponent`.
fn scale(mut x: f64, mut exponent: i64) -> f64 {
    while exponent > 1000 && x.is_finite() {
        x *= 2f64.powi(1000);
        exponent -= 1000;
    }
    while exponent < -1000 && x != 0.0 {
        x *= 2f64.powi(-1000);
        exponent += 1000;
    }
    x * 2f64.powi(i32::try_from(exponent.clamp(-1074, 1023)).unwrap_or(0))
}
