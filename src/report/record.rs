//! What is known of a package, for people in the recutils format and for programs as JSON.
//!
//! Fields and their order are those of Guix, so that what reads its output reads this.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::json;

use super::texinfo::{plain_line, plain_lines};
use crate::channel::{PackageRecord, Pattern};

/// What usual outputs hold.
const OUTPUTS: [(&str, &str); 5] = [
    ("bin", "executable programs and scripts"),
    ("debug", "debug information"),
    ("doc", "documentation"),
    ("lib", "shared libraries"),
    ("static", "static libraries"),
];

const NAME: Style = Style::new().bold();
const MATCH: Style = Style::new().bold().fg_color(Some(anstyle::Color::Ansi(AnsiColor::BrightRed)));

/// Adds the record of a package to a text, in lines of `width` columns; what the patterns match stands out.
pub fn write_record(
    out: &mut String,
    package: &PackageRecord,
    relevance: Option<u32>,
    patterns: &[Pattern],
    width: usize,
) {
    let mut put = |name: &str, value: &str| {
        // A list of lines begins on the next one.
        let space = if value.is_empty() || value.starts_with('\n') { "" } else { " " };
        let _ = writeln!(out, "{name}:{space}{value}");
    };
    put("name", &format!("{NAME}{}{NAME:#}", package.name));
    put("version", &package.version);
    put("outputs", &outputs(package));
    put("systems", &filled(&package.systems.join(" "), "systems", width));
    put("dependencies", &filled(&package.dependencies.join(" "), "dependencies", width));
    put("location", &location(package));
    put("homepage", &package.home_page);
    put("license", &package.license);
    put("synopsis", &highlighted(&plain_line(&package.synopsis), patterns));
    // Two columns are for the `+ ` of further lines.
    let description = plain_lines(&package.description, width.saturating_sub(2), "description: ".len());
    put("description", &highlighted(&description.join("\n+ "), patterns).replace("\n+ \n", "\n+\n"));
    if let Some(relevance) = relevance {
        put("relevance", &relevance.to_string());
    }
}

/// Returns the place of a package's definition: `FILE:LINE:COLUMN`.
pub fn location(package: &PackageRecord) -> String {
    let (file, line, column) = &package.location;
    format!("{file}:{line}:{column}")
}

/// Returns a package as JSON.
pub fn json_record(package: &PackageRecord, relevance: Option<u32>) -> serde_json::Value {
    let (file, line, column) = &package.location;
    let mut record = json!({
        "name": package.name,
        "version": package.version,
        "outputs": package.outputs,
        "systems": package.systems,
        "dependencies": package.dependencies,
        "location": { "file": file, "line": line, "column": column },
        "module": package.module,
        "variable": package.variable,
        "homepage": package.home_page,
        "license": package.license,
        "synopsis": plain_line(&package.synopsis),
        "description": package.description,
    });
    if let (Some(relevance), Some(fields)) = (relevance, record.as_object_mut()) {
        fields.insert("relevance".to_owned(), relevance.into());
    }
    record
}

/// One line an output, `out` last.
fn outputs(package: &PackageRecord) -> String {
    let (main, others): (Vec<&String>, Vec<&String>) =
        package.outputs.iter().partition(|output| *output == "out");
    let mut text = String::new();
    for output in others.iter().chain(&main) {
        let usual = OUTPUTS.iter().find(|(name, _)| name == output).map(|(_, what)| *what);
        let what = match usual {
            Some(what) => what,
            None if *output == "out" && others.is_empty() => "everything",
            None if *output == "out" => "everything else",
            None => "[description missing]",
        };
        let _ = write!(text, "\n+ {output}: {what}");
    }
    text
}

/// Breaks a text into lines; further ones begin with `+ `, as recutils wants.
fn filled(text: &str, name: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut columns = name.len() + 2;
    for (number, word) in text.split_whitespace().enumerate() {
        if number > 0 && columns + 1 + word.len() > width {
            lines.push_str("\n+ ");
            columns = 2;
        } else if number > 0 {
            lines.push(' ');
            columns += 1;
        }
        lines.push_str(word);
        columns += word.chars().count();
    }
    lines
}

/// Marks what patterns match; where matches overlap, the first one.
fn highlighted(text: &str, patterns: &[Pattern]) -> String {
    let mut ranges: Vec<_> = patterns.iter().flat_map(|pattern| pattern.matches(text)).collect();
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges {
        if range.start < at {
            continue;
        }
        out.push_str(text.get(at..range.start).unwrap_or(""));
        let _ = write!(out, "{MATCH}{}{MATCH:#}", text.get(range.clone()).unwrap_or(""));
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}
