//! From a number to text, as `number->string` and `write` show it.
//!
//! Floats are the shortest text that reads back as the same float, with a point always: `1.0`, `0.001`, `1.0e-4`,
//! `1.0e21` (Guile's ranges).

use super::Numeric;

/// Returns the text of a number; floats are always decimal.
pub fn to_text(number: &Numeric, radix: u32) -> String {
    match number {
        Numeric::Int(n) if radix == 10 => n.to_string(),
        Numeric::Int(n) => num_bigint::BigInt::from(*n).to_str_radix(radix),
        Numeric::Big(n) => n.to_str_radix(radix),
        Numeric::Rational(q) => {
            format!("{}/{}", q.numer().to_str_radix(radix), q.denom().to_str_radix(radix))
        }
        Numeric::Float(x) => float_text(*x),
    }
}

/// Returns the text of a float.
pub fn float_text(x: f64) -> String {
    if x.is_nan() {
        return "+nan.0".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "+inf.0" } else { "-inf.0" }.to_owned();
    }
    let shortest = format!("{x:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-3..21).contains(&exponent) {
        let plain = format!("{x}");
        return if plain.contains('.') { plain } else { plain + ".0" };
    }
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_have_a_point_and_read_back() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.0001, "1.0e-4"),
            (1e20, "100000000000000000000.0"),
            (1e21, "1.0e21"),
            (1.5e300, "1.5e300"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ];
        for (x, expected) in cases {
            assert_eq!(float_text(x), expected);
        }
    }
}
