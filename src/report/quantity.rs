//! Quantities as people read and write them: bytes and times.

use std::time::Duration;

/// Bytes with a decimal unit: `999 B`, `12.3 MB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in UNITS {
        // 999.95 would be printed as 1000.0
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    format!("{value:.1} {unit}")
}

/// Parses a number of bytes with an optional unit K, M, G or T, each 1024 of the one before.
///
/// # Errors
/// A message when the text is not one.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
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
    let number: u64 =
        digits.trim().parse().map_err(|_| format!("`{text}` is not a size; write `500M` or `5G`"))?;
    number.checked_mul(1 << (10 * power)).ok_or_else(|| format!("`{text}` is too large"))
}

/// Parses a count with an optional unit k or M, thousands and millions: `30k`.
///
/// # Errors
/// A message when the text is not one.
pub fn parse_count(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match trimmed.get(digits.len()..).unwrap_or("") {
        "" => 1,
        "k" | "K" => 1000,
        "M" => 1_000_000,
        _ => return Err(format!("`{text}` is not a number; write `30k` or `2M`")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is not a number; write `30k` or `2M`"))?;
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))
}

/// Parses an age: a number of hours, days, weeks, months of 30 days or years of 365: `30d`, `12h`, `2w`.
///
/// # Errors
/// A message when the text is not one.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not an age; write `12h`, `30d`, `2w`, `6m` or `1y`");
    let trimmed = text.trim();
    let digits = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let hours = match trimmed.get(digits.len()..).unwrap_or("") {
        "h" => 1,
        "d" => 24,
        "w" => 7 * 24,
        "m" => 30 * 24,
        "y" => 365 * 24,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(hours * 3600).ok_or_else(|| format!("`{text}` is too long"))?;
    Ok(Duration::from_secs(seconds))
}

/// A time on the clock: `0.4 s`, `1 min 15 s`, `2 h 3 min`.
pub fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    match whole {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// A moment, given in seconds since 1970: `2026-11-21 17:20:05 UTC`.
pub fn moment(since_1970: u64) -> String {
    let (days, second) = (since_1970 / 86400, since_1970 % 86400);
    // Howard Hinnant's `civil_from_days`, for days that are not before 1970: years begin in March.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_the_size() {
        for (count, text) in
            [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB")]
        {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(bytes(12_345_678_900), "12.3 GB");
        assert_eq!(seconds(Duration::from_millis(420)), "0.4 s");
        assert_eq!(seconds(Duration::from_secs(75)), "1 min 15 s");
        assert_eq!(seconds(Duration::from_secs(7380)), "2 h 3 min");
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        assert_eq!(moment(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(moment(951_825_599), "2000-02-29 11:59:59 UTC");
        assert_eq!(moment(1_763_745_605), "2025-11-21 17:20:05 UTC");
        assert_eq!(moment(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn parses_units_and_rejects_words() {
        assert_eq!(parse_bytes("5G"), Ok(5 << 30));
        assert_eq!(parse_bytes("10 kB"), Ok(10 << 10));
        assert_eq!(parse_bytes("17"), Ok(17));
        assert_eq!(parse_count("30k"), Ok(30_000));
        assert_eq!(parse_age("2w"), Ok(Duration::from_secs(14 * 86400)));
        for wrong in ["", "k", "3x", "-1h", "30"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
        assert!(parse_count("3G").is_err() && parse_count("99999999999999999999").is_err());
        assert!(parse_age("999999999999999999y").is_err());
        assert!(parse_bytes("much").is_err());
        assert!(parse_bytes("99999999999T").is_err());
    }
}
