//! Arithmetic on numbers of all kinds.
//!
//! `+` and `<` of two small integers, the usual case, are tried before the tower. [`add`], [`subtract`], [`multiply`] and [`compare`]
//! are what the machine's own instructions fall back to.

use std::cmp::Ordering;

use crate::{
    native::{Context, Native, Raise, expect_string, wrong_type},
    number::{self, ArithmeticError, Numeric},
    value::Value,
};

use super::{
    arguments::{arithmetic, boolean, get, given, number, size, text},
    row,
};

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("+", 0, None, "The sum; 0 without arguments.", ("(+ 1 2 1/2)", "7/2"), |_, a| fold("+", a, 0, add)),
    row("*", 0, None, "The product; 1 without arguments.", ("(* 1000000000000 1000000000000)", "1000000000000000000000000"),
        |_, a| fold("*", a, 1, multiply)),
    row("-", 1, None, "The first less the others; the negation of one alone.", ("(- 5 1 1)", "3"), minus),
    row("/", 1, None, "The first divided by the others, exactly; the reciprocal of one alone.", ("(/ 6 4)", "3/2"), over),
    row("=", 0, None, "Whether all are equal in value.", ("(= 1 1.0)", "#t"), |_, a| ordered("=", a, |o| o == Ordering::Equal)),
    row("<", 0, None, "Whether each is less than the next.", ("(< 1 2 3)", "#t"), |_, a| ordered("<", a, Ordering::is_lt)),
    row(">", 0, None, "Whether each is greater than the next.", ("(> 3 2 2)", "#f"), |_, a| ordered(">", a, Ordering::is_gt)),
    row("<=", 0, None, "Whether none is greater than the next.", ("(<= 1 1 2)", "#t"), |_, a| ordered("<=", a, Ordering::is_le)),
    row(">=", 0, None, "Whether none is less than the next.", ("(>= 2 1 1)", "#t"), |_, a| ordered(">=", a, Ordering::is_ge)),
    row("max", 1, None, "The greatest; inexact if any is.", ("(max 1 3 2)", "3"), |_, a| extreme("max", a, Ordering::Greater)),
    row("min", 1, None, "The least; inexact if any is.", ("(min 1 0.5)", "0.5"), |_, a| extreme("min", a, Ordering::Less)),
    row("abs", 1, Some(1), "The number without its sign.", ("(abs -3)", "3"), |_, a| absolute("abs", a)),
    row("magnitude", 1, Some(1), "The number without its sign.", ("(magnitude -1/2)", "1/2"), |_, a| absolute("magnitude", a)),
    row("1+", 1, Some(1), "One more.", ("(1+ 1)", "2"), |_, a| add("1+", get(a, 0), &Value::Int(1))),
    row("1-", 1, Some(1), "One less.", ("(1- 1)", "0"), |_, a| subtract("1-", get(a, 0), &Value::Int(1))),
    row("-1+", 1, Some(1), "One less.", ("(-1+ 1)", "0"), |_, a| subtract("-1+", get(a, 0), &Value::Int(1))),
    row("zero?", 1, Some(1), "Whether it is zero.", ("(zero? 0)", "#t"), |_, a| sign("zero?", a, |s| s == 0)),
    row("positive?", 1, Some(1), "Whether it is greater than zero.", ("(positive? 0)", "#f"), |_, a| sign("positive?", a, |s| s > 0)),
    row("negative?", 1, Some(1), "Whether it is less than zero.", ("(negative? -1)", "#t"), |_, a| sign("negative?", a, |s| s < 0)),
    row("number?", 1, Some(1), "Whether it is a number.", ("(number? 1/2)", "#t"), |_, a| boolean(is_number(get(a, 0)))),
    row("complex?", 1, Some(1), "Whether it is a number.", ("(complex? 1)", "#t"), |_, a| boolean(is_number(get(a, 0)))),
    row("real?", 1, Some(1), "Whether it is a number.", ("(real? 1.5)", "#t"), |_, a| boolean(is_number(get(a, 0)))),
    row("rational?", 1, Some(1), "Whether it is a finite number.", ("(rational? 1.5)", "#t"),
        |_, a| boolean(Numeric::from_value(get(a, 0)).is_some_and(|n| n.to_exact().is_ok()))),
    row("integer?", 1, Some(1), "Whether it is a whole number, exact or not.", ("(integer? 2.0)", "#t"),
        |_, a| boolean(Numeric::from_value(get(a, 0)).is_some_and(|n| n.is_integer()))),
    row("exact-integer?", 1, Some(1), "Whether it is an exact whole number.", ("(exact-integer? 2.0)", "#f"),
        |_, a| boolean(Numeric::from_value(get(a, 0)).is_some_and(|n| n.is_exact() && n.is_integer()))),
    row("exact?", 1, Some(1), "Whether a number is exact.", ("(exact? 1/2)", "#t"), |_, a| boolean(number("exact?", a, 0)?.is_exact())),
    row("inexact?", 1, Some(1), "Whether a number is inexact.", ("(inexact? 0.5)", "#t"), |_, a| boolean(!number("inexact?", a, 0)?.is_exact())),
    row("nan?", 1, Some(1), "Whether it is the undefined number.", ("(nan? +nan.0)", "#t"), |_, a| boolean(number("nan?", a, 0)?.to_f64().is_nan())),
    row("inf?", 1, Some(1), "Whether it is infinite.", ("(inf? -inf.0)", "#t"),
        |_, a| boolean(matches!(number("inf?", a, 0)?, Numeric::Float(x) if x.is_infinite()))),
    row("exact", 1, Some(1), "The exact number of the same value.", ("(exact 0.5)", "1/2"), |_, a| exact("exact", a)),
    row("inexact->exact", 1, Some(1), "The exact number of the same value.", ("(inexact->exact 2.0)", "2"), |_, a| exact("inexact->exact", a)),
    row("inexact", 1, Some(1), "The nearest inexact number.", ("(inexact 1/2)", "0.5"), |_, a| Ok(Value::Float(number("inexact", a, 0)?.to_f64()))),
    row("exact->inexact", 1, Some(1), "The nearest inexact number.", ("(exact->inexact 1/4)", "0.25"),
        |_, a| Ok(Value::Float(number("exact->inexact", a, 0)?.to_f64()))),
    row("floor", 1, Some(1), "The greatest whole number that is not greater.", ("(floor -1/2)", "-1"), |_, a| round("floor", a, f64::floor)),
    row("ceiling", 1, Some(1), "The least whole number that is not less.", ("(ceiling 1/2)", "1"), |_, a| round("ceiling", a, f64::ceil)),
    row("truncate", 1, Some(1), "The whole number toward zero.", ("(truncate -1.5)", "-1.0"), |_, a| round("truncate", a, f64::trunc)),
    row("round", 1, Some(1), "The nearest whole number, the even one of two.", ("(round 5/2)", "2"), |_, a| round("round", a, f64::round_ties_even)),
    row("numerator", 1, Some(1), "The numerator in lowest terms.", ("(numerator 6/4)", "3"), |_, a| part("numerator", a, true)),
    row("denominator", 1, Some(1), "The denominator in lowest terms.", ("(denominator 6/4)", "2"), |_, a| part("denominator", a, false)),
    row("expt", 2, Some(2), "The first to the power of the second.", ("(expt 2 100)", "1267650600228229401496703205376"), power),
    row("sqrt", 1, Some(1), "The square root, exact where it can be.", ("(sqrt 1/4)", "1/2"), square_root),
    row("square", 1, Some(1), "The number times itself.", ("(square 12)", "144"), |_, a| multiply("square", get(a, 0), get(a, 0))),
    row("number->string", 1, Some(2), "The text of a number in a radix from 2 to 36, 10 unless given.", ("(number->string 255 16)", "\"ff\""), number_to_string),
    row("string->number", 1, Some(2), "The number that a text is in a radix, 10 unless given; `#f` where it is none.", ("(string->number \"1e2\")", "100.0"), string_to_number),
];

/// Adds.
///
/// # Errors
/// [`Raise::WrongType`] for what is no number.
pub fn add(procedure: &'static str, a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Int(x), Value::Int(y)) = (a, b)
        && let Some(sum) = x.checked_add(*y)
    {
        return Ok(Value::Int(sum));
    }
    binary(procedure, a, b, Numeric::plus)
}

/// Subtracts.
///
/// # Errors
/// [`Raise::WrongType`] for what is no number.
pub fn subtract(procedure: &'static str, a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Int(x), Value::Int(y)) = (a, b)
        && let Some(difference) = x.checked_sub(*y)
    {
        return Ok(Value::Int(difference));
    }
    binary(procedure, a, b, Numeric::minus)
}

/// Multiplies.
///
/// # Errors
/// [`Raise::WrongType`] for what is no number.
pub fn multiply(procedure: &'static str, a: &Value, b: &Value) -> Result<Value, Raise> {
    if let (Value::Int(x), Value::Int(y)) = (a, b)
        && let Some(product) = x.checked_mul(*y)
    {
        return Ok(Value::Int(product));
    }
    binary(procedure, a, b, Numeric::times)
}

/// Compares; `None` when either is undefined.
///
/// # Errors
/// [`Raise::WrongType`] for what is no number.
pub fn compare(procedure: &'static str, a: &Value, b: &Value) -> Result<Option<Ordering>, Raise> {
    if let (Value::Int(x), Value::Int(y)) = (a, b) {
        return Ok(Some(x.cmp(y)));
    }
    let (x, y) = operands(procedure, a, b)?;
    Ok(x.compare(&y))
}

fn operands(procedure: &'static str, a: &Value, b: &Value) -> Result<(Numeric, Numeric), Raise> {
    let take = |value, index| {
        Numeric::from_value(value).ok_or_else(|| wrong_type(procedure, index, "a number", value))
    };
    Ok((take(a, 0)?, take(b, 1)?))
}

fn binary(
    procedure: &'static str,
    a: &Value,
    b: &Value,
    operation: fn(Numeric, Numeric) -> Result<Numeric, ArithmeticError>,
) -> Result<Value, Raise> {
    let (x, y) = operands(procedure, a, b)?;
    operation(x, y).map(Numeric::into_value).map_err(|error| arithmetic(procedure, error))
}

type Binary = fn(&'static str, &Value, &Value) -> Result<Value, Raise>;

fn fold(
    procedure: &'static str,
    arguments: &[Value],
    initial: i64,
    operation: Binary,
) -> Result<Value, Raise> {
    if let [first @ Value::Int(_), second @ Value::Int(_)] = arguments {
        return operation(procedure, first, second);
    }
    let mut result = Value::Int(initial);
    for (index, value) in arguments.iter().enumerate() {
        result = operation(procedure, &result, value).map_err(|error| at_position(error, index))?;
    }
    Ok(result)
}

/// Returns the error with the position of the argument in the whole call.
fn at_position(error: Raise, index: usize) -> Raise {
    match error {
        Raise::WrongType { procedure, expected, actual, .. } => {
            wrong_type(procedure, index, expected, &actual)
        }
        other => other,
    }
}

fn minus(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match arguments {
        [only] => subtract("-", &Value::Int(0), only).map_err(|error| at_position(error, 0)),
        [first, rest @ ..] => {
            number("-", arguments, 0)?;
            let mut result = first.clone();
            for (index, value) in rest.iter().enumerate() {
                result = subtract("-", &result, value).map_err(|error| at_position(error, index + 1))?;
            }
            Ok(result)
        }
        [] => Ok(Value::Int(0)),
    }
}

fn over(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let divide = |a: Numeric, b: Numeric| a.over(b).map_err(|error| arithmetic("/", error));
    let mut result = number("/", arguments, 0)?;
    if arguments.len() == 1 {
        return Ok(divide(Numeric::Int(1), result)?.into_value());
    }
    for index in 1..arguments.len() {
        result = divide(result, number("/", arguments, index)?)?;
    }
    Ok(result.into_value())
}

fn ordered(
    procedure: &'static str,
    arguments: &[Value],
    holds: fn(Ordering) -> bool,
) -> Result<Value, Raise> {
    let mut all = true;
    if arguments.len() == 1 {
        number(procedure, arguments, 0)?;
    }
    for (index, (a, b)) in arguments.iter().zip(arguments.iter().skip(1)).enumerate() {
        let order = compare(procedure, a, b).map_err(|error| match error {
            Raise::WrongType { position, .. } => at_position(error, index + position - 1),
            other => other,
        })?;
        all = all && order.is_some_and(holds);
    }
    boolean(all)
}

fn extreme(procedure: &'static str, arguments: &[Value], wanted: Ordering) -> Result<Value, Raise> {
    let mut best = number(procedure, arguments, 0)?;
    let mut exact = best.is_exact();
    for index in 1..arguments.len() {
        let other = number(procedure, arguments, index)?;
        exact = exact && other.is_exact();
        if other.compare(&best).is_none_or(|order| order == wanted) && !best.to_f64().is_nan() {
            best = other;
        }
    }
    Ok(if exact { best.into_value() } else { Value::Float(best.to_f64()) })
}

fn absolute(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let n = number(procedure, arguments, 0)?;
    match n {
        Numeric::Float(x) => Ok(Value::Float(x.abs())),
        n if n.signum() < 0 => subtract(procedure, &Value::Int(0), get(arguments, 0)),
        _ => Ok(get(arguments, 0).clone()),
    }
}

fn sign(procedure: &'static str, arguments: &[Value], holds: fn(i32) -> bool) -> Result<Value, Raise> {
    let n = number(procedure, arguments, 0)?;
    boolean(holds(n.signum()) && !n.to_f64().is_nan())
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Float(_) | Value::Number(_))
}

fn exact(procedure: &'static str, arguments: &[Value]) -> Result<Value, Raise> {
    let n = number(procedure, arguments, 0)?;
    n.to_exact().map(Numeric::into_value).map_err(|error| arithmetic(procedure, error))
}

fn round(procedure: &'static str, arguments: &[Value], float: fn(f64) -> f64) -> Result<Value, Raise> {
    Ok(match number(procedure, arguments, 0)? {
        Numeric::Float(x) => Value::Float(float(x)),
        Numeric::Rational(q) => {
            let whole = match procedure {
                "floor" => q.floor(),
                "ceiling" => q.ceil(),
                "truncate" => q.trunc(),
                _ => {
                    let below = q.floor();
                    let half = num_rational::BigRational::new(1.into(), 2.into());
                    let even = (below.to_integer() % 2i32) == 0.into();
                    let distance = &q - &below;
                    if distance < half || (distance == half && even) { below } else { q.ceil() }
                }
            };
            Numeric::from_rational(whole).into_value()
        }
        whole => whole.into_value(),
    })
}

fn part(procedure: &'static str, arguments: &[Value], numerator: bool) -> Result<Value, Raise> {
    let n = number(procedure, arguments, 0)?;
    let inexact = !n.is_exact();
    let part = match n.to_exact().map_err(|error| arithmetic(procedure, error))? {
        Numeric::Rational(q) => {
            Numeric::from_big(if numerator { q.numer().clone() } else { q.denom().clone() })
        }
        whole if numerator => whole,
        _ => Numeric::Int(1),
    };
    Ok(if inexact { Value::Float(part.to_f64()) } else { part.into_value() })
}

fn power(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let (base, exponent) = (number("expt", arguments, 0)?, number("expt", arguments, 1)?);
    base.power(&exponent).map(Numeric::into_value).map_err(|error| arithmetic("expt", error))
}

fn square_root(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let n = number("sqrt", arguments, 0)?;
    if n.signum() < 0 {
        return Err(Raise::message("`sqrt`: the number is negative"));
    }
    let exact = match &n {
        Numeric::Int(_) | Numeric::Big(_) => n.to_big().and_then(|n| exact_root(&n)).map(Numeric::from_big),
        Numeric::Rational(q) => exact_root(q.numer())
            .zip(exact_root(q.denom()))
            .map(|(n, d)| Numeric::from_rational(num_rational::BigRational::new(n, d))),
        Numeric::Float(_) => None,
    };
    Ok(exact.map_or_else(|| Value::Float(n.to_f64().sqrt()), Numeric::into_value))
}

fn exact_root(n: &num_bigint::BigInt) -> Option<num_bigint::BigInt> {
    let root = n.sqrt();
    (&root * &root == *n).then_some(root)
}

fn radix(procedure: &'static str, arguments: &[Value]) -> Result<u32, Raise> {
    if !given(arguments, 1) {
        return Ok(10);
    }
    match size(procedure, arguments, 1)? {
        radix @ 2..=36 => Ok(u32::try_from(radix).unwrap_or(10)),
        _ => Err(wrong_type(procedure, 1, "a radix from 2 to 36", get(arguments, 1))),
    }
}

fn number_to_string(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let n = number("number->string", arguments, 0)?;
    text(number::to_text(&n, radix("number->string", arguments)?))
}

fn string_to_number(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let written = expect_string("string->number", arguments, 0)?;
    let parsed = number::parse(written, radix("string->number", arguments)?);
    Ok(parsed.map_or(Value::Bool(false), Numeric::into_value))
}
