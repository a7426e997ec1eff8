//! Exact numbers that do not fit in 64 bits.

use num_bigint::BigInt;
use num_rational::BigRational;

/// An exact number that is not an integer of 64 bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// A larger integer.
    Big(BigInt),
    /// A rational that is not an integer.
    Ratio(BigRational),
}
