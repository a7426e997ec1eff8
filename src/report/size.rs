//! Sizes as people write and read them: `500M`, `1.4 GiB`.

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Parses a number of bytes with an optional unit K, M, G or T, each 1024 of the one before.
///
/// # Errors
/// A message when the text is not one.
pub fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = trimmed.get(digits.len()..).unwrap_or("").to_ascii_uppercase();
    let power = match unit.trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(format!("`{text}` is not a size; write `500M` or `5G`")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("`{text}` is not a size; write `500M` or `5G`"))?;
    number.checked_mul(1 << (10 * power)).ok_or_else(|| format!("`{text}` is too large"))
}

/// Returns a number of bytes with the unit that gives it one to four digits.
pub fn show(bytes: u64) -> String {
    let mut unit = 0;
    let mut scaled = bytes;
    let mut rest = 0;
    while scaled >= 1024 && unit + 1 < UNITS.len() {
        rest = scaled % 1024;
        scaled /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("B");
    if unit == 0 || scaled >= 100 { format!("{scaled} {name}") } else { format!("{scaled}.{} {name}", rest * 10 / 1024) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_units_and_rejects_words() {
        assert_eq!(parse("5G"), Ok(5 << 30));
        assert_eq!(parse("10 kB"), Ok(10 << 10));
        assert_eq!(parse("17"), Ok(17));
        assert!(parse("much").is_err());
        assert!(parse("99999999999T").is_err());
    }

    #[test]
    fn shows_with_a_fitting_unit() {
        assert_eq!(show(512), "512 B");
        assert_eq!(show(1536), "1.5 KiB");
        assert_eq!(show(300 << 20), "300 MiB");
    }
}
