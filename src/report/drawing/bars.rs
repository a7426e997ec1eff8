//! Sizes as bars, on a terminal and as SVG.

use std::fmt::Write as _;

use super::{super::quantity, escaped};

/// Columns of a bar on a terminal.
const COLUMNS: u64 = 16;
/// The length of the longest bar of a picture.
const LENGTH: f64 = 480.0;
/// The height of a bar with the space below it.
const STEP: f64 = 22.0;
/// Where bars begin.
const LEFT: f64 = 12.0;

const STYLE: &str =
    "text{font:12px sans-serif;fill:#222}.own{fill:#5b7fa6}.closure{fill:#d9e4f0}.head{font-weight:bold}";

/// A bar: a thing's own size, and that of all that it brings along.
#[derive(Clone, Copy, Debug)]
pub struct Bar<'a> {
    /// Its name.
    pub label: &'a str,
    /// Bytes of its own.
    pub own: u64,
    /// Bytes with all that it brings along.
    pub closure: u64,
}

/// A bar for a terminal, in eighths of a column.
pub fn bar(value: u64, largest: u64) -> String {
    const PARTS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let eighths = (u128::from(value) * u128::from(COLUMNS * 8)).div_ceil(u128::from(largest.max(1)));
    let eighths = usize::try_from(eighths).unwrap_or(0).min(COLUMNS as usize * 8);
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.extend(PARTS.get(eighths % 8));
    }
    format!("{text:<width$}", width = COLUMNS as usize)
}

/// A picture of bars, own sizes before those with all that is brought along.
pub fn bars_svg(bars: &[Bar<'_>], total: u64) -> String {
    let largest = bars.iter().map(|bar| bar.closure).max().unwrap_or(0).max(1) as f64;
    let (width, height) = (LEFT + LENGTH + 420.0, STEP * (bars.len() as f64 + 2.0));
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\">\n<style>{STYLE}</style>\n<text class=\"head\" x=\"{LEFT}\" y=\"18\">{} in {} items: own size, \
         and size with all that is brought along</text>\n",
        quantity::bytes(total),
        bars.len()
    );
    for (at, bar) in bars.iter().enumerate() {
        let y = STEP * (at as f64 + 1.4);
        let length = |size: u64| LENGTH * size as f64 / largest;
        for (class, size) in [("closure", bar.closure), ("own", bar.own)] {
            let _ = writeln!(
                text,
                "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"16\"/>",
                length(size)
            );
        }
        let _ = writeln!(
            text,
            "<text x=\"{:.1}\" y=\"{:.1}\">{}: {} ({})</text>",
            LEFT + length(bar.closure) + 6.0,
            y + 12.5,
            escaped(bar.label),
            quantity::bytes(bar.own),
            quantity::bytes(bar.closure)
        );
    }
    text.push_str("</svg>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_what_they_stand_for() {
        assert_eq!(bar(100, 100), "█".repeat(16));
        assert_eq!(bar(50, 100).trim_end(), "█".repeat(8));
        assert_eq!(bar(1, 1000), format!("▏{}", " ".repeat(15)));
        assert_eq!(bar(0, 0).trim_end(), "");
        let bars = [Bar { label: "a<b", own: 10, closure: 20 }, Bar { label: "c", own: 10, closure: 10 }];
        let svg = bars_svg(&bars, 20);
        assert!(svg.contains("width=\"480.0\"") && svg.contains("a&lt;b: 10 B (20 B)"), "{svg}");
    }
}
