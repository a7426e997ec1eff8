//! Which generations are meant: `3`, `1,2,5`, `2..4`, `..4`, `2..`, or an age such as `30d`.

use std::time::{Duration, SystemTime};

use super::Generation;

/// A choice among generations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GenerationPattern {
    /// Those of the numbers.
    Numbers(Vec<u64>),
    /// From one number to another, both included.
    Range(u64, u64),
    /// By how long ago they were made.
    Age(Duration),
}

impl GenerationPattern {
    /// Reads a choice.
    ///
    /// # Errors
    /// A message when it is none.
    pub fn parse(text: &str, age: impl Fn(&str) -> Result<Duration, String>) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` names no generations; write `3`, `1,2,5`, `2..4`, `..4`, `2..`, or an age such as `30d` or `2w`"
            )
        };
        let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wrong());
        if let Some((from, to)) = text.split_once("..") {
            let from = if from.is_empty() { 0 } else { number(from)? };
            let to = if to.is_empty() { u64::MAX } else { number(to)? };
            return if from <= to && text != ".." { Ok(Self::Range(from, to)) } else { Err(wrong()) };
        }
        if text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            return age(text).map(Self::Age).map_err(|_| wrong());
        }
        text.split(',').map(number).collect::<Result<_, _>>().map(Self::Numbers)
    }

    /// Whether a generation is meant when those made within an age are asked for, or those before it (`older`).
    pub fn takes(&self, generation: &Generation, now: SystemTime, older: bool) -> bool {
        match self {
            Self::Numbers(numbers) => numbers.contains(&generation.number),
            Self::Range(from, to) => (from..=to).contains(&&generation.number),
            Self::Age(age) => (now.duration_since(generation.time).unwrap_or_default() > *age) == older,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_ages_are_read() {
        let age =
            |text: &str| if text == "2d" { Ok(Duration::from_secs(172_800)) } else { Err(String::new()) };
        let made = |days: u64| Generation {
            number: days,
            link: "x".into(),
            time: SystemTime::UNIX_EPOCH + Duration::from_secs(days * 86_400),
        };
        let now = made(10).time;
        let taken = |text: &str, older: bool| -> Vec<u64> {
            let pattern = GenerationPattern::parse(text, age).unwrap();
            (1..=10).filter(|day| pattern.takes(&made(*day), now, older)).collect()
        };
        assert_eq!(taken("3", false), [3]);
        assert_eq!(taken("1,2,5", false), [1, 2, 5]);
        assert_eq!(taken("8..", false), [8, 9, 10]);
        assert_eq!(taken("..2", false), [1, 2]);
        assert_eq!(taken("2..4", true), [2, 3, 4]);
        assert_eq!(taken("2d", false), [8, 9, 10]);
        assert_eq!(taken("2d", true), [1, 2, 3, 4, 5, 6, 7]);
        for wrong in ["", "..", "4..2", "x", "3x", "1,,2", "-1"] {
            assert!(GenerationPattern::parse(wrong, age).is_err(), "{wrong}");
        }
    }
}
