//! Integer division and bits.

use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use crate::{
    native::{Context, Native, Raise, expect_int, wrong_type},
    number::{ArithmeticError, MAX_BITS, Numeric},
    value::Value,
};

use super::{
    arguments::{arithmetic, boolean, get, int, number, size},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("quotient", 2, Some(2), "The quotient rounded toward zero.", ("(quotient -7 2)", "-3"), |_, a| truncated("quotient", a, true)),
    row("remainder", 2, Some(2), "What `quotient` leaves, with the dividend's sign.", ("(remainder -7 2)", "-1"), |_, a| truncated("remainder", a, false)),
    row("modulo", 2, Some(2), "What `floor-quotient` leaves, with the divisor's sign.", ("(modulo -7 2)", "1"), |_, a| floored("modulo", a, false)),
    row("truncate-quotient", 2, Some(2), "The quotient rounded toward zero.", ("(truncate-quotient -7 2)", "-3"), |_, a| truncated("truncate-quotient", a, true)),
    row("truncate-remainder", 2, Some(2), "What `truncate-quotient` leaves.", ("(truncate-remainder -7 2)", "-1"), |_, a| truncated("truncate-remainder", a, false)),
    row("floor-quotient", 2, Some(2), "The quotient rounded down.", ("(floor-quotient -7 2)", "-4"), |_, a| floored("floor-quotient", a, true)),
    row("floor-remainder", 2, Some(2), "What `floor-quotient` leaves.", ("(floor-remainder -7 2)", "1"), |_, a| floored("floor-remainder", a, false)),
    row("floor/", 2, Some(2), "Two values: the quotient rounded down, and what it leaves.",
        ("(call-with-values (lambda () (floor/ -7 2)) list)", "(-4 1)"), |_, a| both(floor_divide("floor/", a)?)),
    row("truncate/", 2, Some(2), "Two values: the quotient rounded toward zero, and what it leaves.",
        ("(call-with-values (lambda () (truncate/ -7 2)) list)", "(-3 -1)"), |_, a| both(truncate_divide("truncate/", a)?)),
    row("even?", 1, Some(1), "Whether it is a multiple of two.", ("(even? 4)", "#t"), |_, a| parity("even?", a, true)),
    row("odd?", 1, Some(1), "Whether it is no multiple of two.", ("(odd? 4)", "#f"), |_, a| parity("odd?", a, false)),
    row("gcd", 0, None, "The greatest common divisor.", ("(gcd 12 18)", "6"), |_, a| divisor("gcd", a, false)),
    row("lcm", 0, None, "The least common multiple.", ("(lcm 4 6)", "12"), |_, a| divisor("lcm", a, true)),
    row("exact-integer-sqrt", 1, Some(1), "Two values: the whole square root, and what its square leaves.",
        ("(call-with-values (lambda () (exact-integer-sqrt 17)) list)", "(4 1)"), integer_root),
    row("logand", 0, None, "The bits that all have.", ("(logand 12 10)", "8"), |_, a| bits("logand", a, -1, |x, y| x & y)),
    row("logior", 0, None, "The bits that any has.", ("(logior 12 10)", "14"), |_, a| bits("logior", a, 0, |x, y| x | y)),
    row("logxor", 0, None, "The bits that an odd number of them has.", ("(logxor 12 10)", "6"), |_, a| bits("logxor", a, 0, |x, y| x ^ y)),
    row("lognot", 1, Some(1), "The bits that it has not.", ("(lognot 0)", "-1"), |_, a| whole("lognot", a, 0).map(|n| value(-(n + 1i32)))),
    row("logtest", 2, Some(2), "Whether two integers have a bit in common.", ("(logtest 4 5)", "#t"),
        |_, a| boolean(!(whole("logtest", a, 0)? & whole("logtest", a, 1)?).is_zero())),
    row("logbit?", 2, Some(2), "Whether the bit of that number is set.", ("(logbit? 2 5)", "#t"),
        |_, a| boolean(!((whole("logbit?", a, 1)? >> size("logbit?", a, 0)?) & BigInt::from(1)).is_zero())),
    row("logcount", 1, Some(1), "The number of set bits, of unset ones in a negative number.", ("(logcount 7)", "3"), count_bits),
    row("integer-length", 1, Some(1), "The number of bits that it takes, without the sign.", ("(integer-length 255)", "8"), length),
    row("ash", 2, Some(2), "Shifts to the left, or to the right by a negative number.", ("(ash 1 10)", "1024"), |_, a| shift("ash", a)),
    row("arithmetic-shift", 2, Some(2), "Shifts to the left, or to the right by a negative number.", ("(arithmetic-shift 5 -1)", "2"),
        |_, a| shift("arithmetic-shift", a)),
];

fn truncate_divide(procedure: &'static str, arguments: &[Value]) -> Result<(Numeric, Numeric), Raise> {
    let (a, b) = (number(procedure, arguments, 0)?, number(procedure, arguments, 1)?);
    a.truncate_divide(b).map_err(|error| arithmetic(procedure, error))
}

fn floor_divide(procedure: &'static str, arguments: &[Value]) -> Result<(Numeric, Numeric), Raise> {
    let (a, b) = (number(procedure, arguments, 0)?, number(procedure, arguments, 1)?);
    a.floor_divide(b).map_err(|error| arithmetic(procedure, error))
}

fn truncated(procedure: &'static str, arguments: &[Value], quotient: bool) -> Result<Value, Raise> {
    let (q, r) = truncate_divide(procedure, arguments)?;
    Ok(if quotient { q } else { r }.into_value())
}

fn floored(procedure: &'static str, arguments: &[Value], quotient: bool) -> Result<Value, Raise> {
    let (q, r) = floor_divide(procedure, arguments)?;
    Ok(if quotient { q } else { r }.into_value())
}

fn both((q, r): (Numeric, Numeric)) -> Result<Value, Raise> {
    Ok(Value::values(vec![q.into_value(), r.into_value()]))
}

fn parity(procedure: &'static str, arguments: &[Value], even: bool) -> Result<Value, Raise> {
    if let [Value::Int(n)] = arguments {
        return boolean((n % 2 == 0) == even);
    }
    let (_, r) = number(procedure, arguments, 0)?
        .truncate_divide(Numeric::Int(2))
        .map_err(|error| arithmetic(procedure, error))?;
    boolean((r.signum() == 0) == even)
}

/// Returns an exact integer of any size.
fn whole(procedure: &'static str, arguments: &[Value], index: usize) -> Result<BigInt, Raise> {
    let actual = get(arguments, index);
    Numeric::from_value(actual)
        .and_then(|n| n.to_big())
        .ok_or_else(|| wrong_type(procedure, index, "an exact integer", actual))
}

fn value(n: BigInt) -> Value {
    Numeric::from_big(n).into_value()
}

fn divisor(procedure: &'static str, arguments: &[Value], multiple: bool) -> Result<Value, Raise> {
    let mut result = BigInt::from(i32::from(multiple));
    for index in 0..arguments.len() {
        let n = whole(procedure, arguments, index)?.abs();
        if result.bits().max(n.bits()) > crate::number::MAX_RATIO_BITS {
            return Err(arithmetic(procedure, ArithmeticError::TooLarge));
        }
        let common = greatest_common_divisor(result.clone(), n.clone());
        result = if !multiple {
            common
        } else if common.is_zero() {
            BigInt::zero()
        } else {
            result / common * n
        };
    }
    Ok(value(result))
}

fn greatest_common_divisor(mut a: BigInt, mut b: BigInt) -> BigInt {
    while !b.is_zero() {
        (a, b) = (b.clone(), a % b);
    }
    a
}

fn integer_root(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let n = whole("exact-integer-sqrt", arguments, 0)?;
    if n.is_negative() {
        return Err(Raise::message("`exact-integer-sqrt`: the number is negative"));
    }
    let root = n.sqrt();
    let rest = n - &root * &root;
    Ok(Value::values(vec![value(root), value(rest)]))
}

fn bits(
    procedure: &'static str,
    arguments: &[Value],
    initial: i64,
    combine: fn(BigInt, BigInt) -> BigInt,
) -> Result<Value, Raise> {
    let mut result = BigInt::from(initial);
    for index in 0..arguments.len() {
        result = combine(result, whole(procedure, arguments, index)?);
    }
    Ok(value(result))
}

fn count_bits(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let n = whole("logcount", arguments, 0)?;
    let n = if n.is_negative() { -(n + 1i32) } else { n };
    let set: u64 = n.iter_u64_digits().map(|digit| u64::from(digit.count_ones())).sum();
    Ok(int(usize::try_from(set).unwrap_or(usize::MAX)))
}

fn length(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let n = whole("integer-length", arguments, 0)?;
    let n = if n.is_negative() { -(n + 1i32) } else { n };
    Ok(int(usize::try_from(n.bits()).unwrap_or(usize::MAX)))
}

fn shift(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let n = whole(procedure, arguments, 0)?;
    let by = expect_int(procedure, arguments, 1)?;
    let distance = by.unsigned_abs();
    if by <= 0 {
        return Ok(value(n >> distance));
    }
    if !n.is_zero() && n.bits().saturating_add(distance) > MAX_BITS {
        return Err(arithmetic(procedure, ArithmeticError::TooLarge));
    }
    Ok(value(if n.is_zero() { n } else { n << distance }))
}
