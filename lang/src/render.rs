//! Diagnostics as text for people.
//!
//! ```text
//! error[E0102]: this `(` is never closed
//!    ╭─[ hello.hpcl:3:5 ]
//!    │
//!  3 │     (name "hello"
//!    │     ┬
//!    │     ╰── it needs a `)`
//! ───╯
//!   hint: …
//!   in the definition of `hello` at hello.hpcl:1:1
//! ```
//! ariadne draws the boxes; hints and the trace follow. Only the lines with labels are handed to it (`excerpt.rs`), with control characters
//! replaced, so that neither a line of 10 MB nor an escape sequence in a source reaches the terminal.

mod excerpt;

use ariadne::{Color, Config, IndexType, Label, LabelAttach, Report, ReportKind};

use crate::{
    diagnostic::{Diagnostic, TraceEntry},
    source::SourceMap,
    span::Span,
};

use excerpt::Excerpts;

/// How many diagnostics are shown in full.
const SHOWN: usize = 20;
/// How many entries of a trace are shown at its two ends.
const TRACE_ENDS: (usize, usize) = (8, 4);

/// Renders diagnostics, each ending in a newline, with a blank line between them.
pub fn render(diagnostics: &[Diagnostic], sources: &SourceMap, color: bool) -> String {
    let mut out = String::new();
    for (index, diagnostic) in diagnostics.iter().take(SHOWN).enumerate() {
        if index > 0 {
            out.push('\n');
        }
        one(diagnostic, sources, color, &mut out);
    }
    match diagnostics.len().saturating_sub(SHOWN) {
        0 => {}
        1 => out.push_str("\n1 more error is not shown\n"),
        more => out.push_str(&format!("\n{more} more errors are not shown\n")),
    }
    out
}

fn one(diagnostic: &Diagnostic, sources: &SourceMap, color: bool, out: &mut String) {
    let title = format!("error[{}]", diagnostic.code);
    let mut message_lines = diagnostic.message.lines();
    let message = clean(message_lines.next().unwrap_or(""));
    let labels = diagnostic.primary.iter().chain(&diagnostic.labels);
    let mut excerpts = Excerpts::new(sources, labels.map(|(span, _)| *span));
    match diagnostic.primary.as_ref().and_then(|(span, _)| excerpts.locate(*span)) {
        Some(place) => {
            let config = Config::default()
                .with_color(color)
                .with_index_type(IndexType::Byte)
                .with_label_attach(LabelAttach::Start)
                .with_compact(false);
            let mut report = Report::build(ReportKind::Custom(&title, Color::Red), place.clone())
                .with_config(config)
                .with_message(message);
            let mut labels: Vec<_> = diagnostic
                .primary
                .iter()
                .chain(&diagnostic.labels)
                .zip([true].into_iter().chain(std::iter::repeat(false)))
                .collect();
            // Ariadne begins a new box where labels of one file go backwards.
            labels.sort_by_key(|((span, _), _)| (span.file != place.0, span.file, span.start));
            for ((span, words), is_primary) in labels {
                if let Some(place) = excerpts.locate(*span) {
                    let tint = if is_primary { Color::Red } else { Color::Cyan };
                    let label = Label::new(place).with_color(tint).with_priority(i32::from(is_primary));
                    report = report.with_label(if words.is_empty() {
                        label
                    } else {
                        label.with_message(clean(words))
                    });
                }
            }
            let mut bytes = Vec::new();
            // Writing to memory does not fail; a source that is missing was left out above.
            if report.finish().write(&mut excerpts, &mut bytes).is_ok() {
                append_box(&String::from_utf8_lossy(&bytes), color, out);
            }
        }
        None => {
            let title = paint(&title, "31", color);
            out.push_str(&format!("{title}: {message}\n"));
        }
    }
    for line in message_lines {
        out.push_str(&format!("  {}\n", clean(line)));
    }
    for hint in &diagnostic.hints {
        let mut lines = hint.lines();
        let first = clean(lines.next().unwrap_or(""));
        out.push_str(&format!("  {} {first}\n", paint("hint:", "32", color)));
        for line in lines {
            out.push_str(&format!("        {}\n", clean(line)));
        }
    }
    let primary = diagnostic.primary.as_ref().map(|(span, _)| *span);
    trace(&diagnostic.trace, primary, sources, out);
}

/// Appends ariadne's drawing without empty lines in the margin and without white space at line ends.
///
/// ariadne colours the title also where colour is off, so the codes are taken out here.
fn append_box(drawing: &str, color: bool, out: &mut String) {
    let plain = |line| if color { String::from(line) } else { bare(line) };
    let lines: Vec<String> =
        drawing.lines().map(|line| plain(line.trim_end()).trim_end().to_owned()).collect();
    for (at, line) in lines.iter().enumerate() {
        let margin_only = bare(line).trim() == "│";
        let before_end = lines.get(at + 1).is_some_and(|next| bare(next).ends_with('╯'));
        if !(margin_only && before_end) {
            out.push_str(line);
            out.push('\n');
        }
    }
}

/// Returns a line without colour codes.
fn bare(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\x1b') {
        shown.push_str(before);
        rest = after.split_once('m').map_or("", |(_, rest)| rest);
    }
    shown + rest
}

/// Appends the trace: equal entries in a row once, and no place that the box shows already.
fn trace(entries: &[TraceEntry], primary: Option<Span>, sources: &SourceMap, out: &mut String) {
    let (head, tail) = TRACE_ENDS;
    let runs: Vec<&[TraceEntry]> = entries.chunk_by(PartialEq::eq).collect();
    let skipped = runs.len().saturating_sub(head + tail);
    for (index, run) in runs.iter().enumerate() {
        if skipped > 1 && index == head {
            out.push_str(&format!("  … {skipped} more …\n"));
        }
        if skipped > 1 && index >= head && index < head + skipped {
            continue;
        }
        let Some(entry) = run.first() else { continue };
        let known = |span: &Span| {
            primary.is_some_and(|p| {
                p.file == span.file && span.start <= p.start && p.end <= span.end && p.start - span.start <= 1
            })
        };
        let place = entry.span.filter(|span| !known(span)).and_then(|span| place(span, sources));
        let place = place.map_or_else(String::new, |place| format!(" at {place}"));
        let times = if run.len() > 1 { format!(" ({} times)", run.len()) } else { String::new() };
        out.push_str(&format!("  {}{place}{times}\n", clean(&entry.text)));
    }
}

/// Returns `file:line:column`.
pub fn place(span: Span, sources: &SourceMap) -> Option<String> {
    let source = sources.get(span.file)?;
    let (line, column) = sources.position(span);
    Some(format!("{}:{line}:{column}", clean(&source.name)))
}

/// Makes text fit for a terminal: no control characters.
fn clean(text: &str) -> String {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    } else {
        text.to_owned()
    }
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::read;

    fn rendered(text: &str) -> String {
        let mut sources = SourceMap::default();
        let file = sources.add("a.hpcl", text);
        render(&read(file, text).1, &sources, false)
    }

    #[test]
    fn an_error_shows_its_line_and_its_labels() {
        let shown =
            rendered("(define a\n  (package\n    (name \"a\"\n    (version \"1\")))\n\n(define b 1)\n");
        insta::assert_snapshot!(shown, @r#"
        error[E0102]: this `(` is never closed
           ╭─[ a.hpcl:3:5 ]
           │
         1 │ (define a
           │ ┬
           │ ╰── the form that it is in
           │
         3 │     (name "a"
           │     ┬
           │     ╰── it needs a `)`
         4 │     (version "1")))
           │     ┬
           │     ╰── by its indentation, this stands outside of it
           │
         6 │ (define b 1)
           │ ┬
           │ ╰── a new form begins here
        ───╯
        "#);
    }

    #[test]
    fn without_a_place_the_message_and_the_hints_stand_alone() {
        let mut diagnostic = Diagnostic::new("E0999", "no module `(a b)`").hint("look in `channels/`");
        diagnostic.trace = (0..30).map(|n| TraceEntry { span: None, text: format!("in call {n}") }).collect();
        let shown = render(&[diagnostic], &SourceMap::default(), false);
        insta::assert_snapshot!(shown, @r"
        error[E0999]: no module `(a b)`
          hint: look in `channels/`
          in call 0
          in call 1
          in call 2
          in call 3
          in call 4
          in call 5
          in call 6
          in call 7
          … 18 more …
          in call 26
          in call 27
          in call 28
          in call 29
        ");
    }

    #[test]
    fn long_lines_are_clipped_and_control_characters_replaced() {
        let text = format!("{}\x1b[31m #<x> {}", "a ".repeat(100_000), "b ".repeat(1000));
        let shown = rendered(&text);
        assert!(shown.len() < 3000, "{}", shown.len());
        assert!(!shown.contains('\x1b'));
        assert!(shown.contains("error[E0115]: an invisible character (U+001B) cannot stand here"), "{shown}");
        assert!(shown.contains(" a ?[31m #<x> b "), "{shown}");
    }

    #[test]
    fn the_end_of_a_file_and_wide_characters_have_places() {
        let mut sources = SourceMap::default();
        let file = sources.add("a.hpcl", "名前\té x");
        let end = Diagnostic::new("E0999", "at the end").at(Span::new(file, 11, 11), "here");
        let wide = Diagnostic::new("E0999", "wide")
            .at(Span::new(file, 7, 9), "this")
            .label(Span::new(file, 0, 6), "and this");
        let beyond = Diagnostic::new("E0999", "beyond").at(Span::new(file, 90, 91), "nowhere");
        let inside = Diagnostic::new("E0999", "not on a character").at(Span::new(file, 1, 2), "here");
        insta::assert_snapshot!(render(&[end, wide, beyond, inside], &sources, false), @r"
        error[E0999]: at the end
           ╭─[ a.hpcl:1:7 ]
           │
         1 │ 名前  é x
           │          ┬
           │          ╰── here
        ───╯

        error[E0999]: wide
           ╭─[ a.hpcl:1:4 ]
           │
         1 │ 名前  é x
           │ ┬───  ┬
           │ ╰──────── and this
           │       │
           │       ╰── this
        ───╯

        error[E0999]: beyond
           ╭─[ a.hpcl:1:7 ]
           │
         1 │ 名前  é x
           │          ┬
           │          ╰── nowhere
        ───╯

        error[E0999]: not on a character
           ╭─[ a.hpcl:1:1 ]
           │
         1 │ 名前  é x
           │ ┬─
           │ ╰───── here
        ───╯
        ");
    }

    #[test]
    fn several_files_are_shown() {
        let mut sources = SourceMap::default();
        let (a, b) = (sources.add("a.hpcl", "(define x 1)\n"), sources.add("b.hpcl", "\n(define x 2)\n"));
        let twice = Diagnostic::new("E0999", "`x` is defined twice")
            .at(Span::new(b, 9, 10), "again here")
            .label(Span::new(a, 8, 9), "first here");
        insta::assert_snapshot!(render(&[twice], &sources, false), @r"
        error[E0999]: `x` is defined twice
           ╭─[ b.hpcl:2:9 ]
           │
         2 │ (define x 2)
           │         ┬
           │         ╰── again here
           │
           ├─[ a.hpcl:1:9 ]
           │
         1 │ (define x 1)
           │         ┬
           │         ╰── first here
        ───╯
        ");
    }

    #[test]
    fn many_errors_are_counted() {
        let shown = rendered(&") ".repeat(30));
        assert!(shown.ends_with("10 more errors are not shown\n"));
        assert_eq!(shown.matches("error[").count(), SHOWN);
    }

    #[test]
    fn colour_is_used_only_when_asked_for() {
        let diagnostic = Diagnostic::new("E0999", "message").hint("hint");
        assert!(render(std::slice::from_ref(&diagnostic), &SourceMap::default(), true).contains("\x1b["));
        assert!(!render(&[diagnostic], &SourceMap::default(), false).contains('\x1b'));
    }
}
