//! Descriptions of packages, which are written in Texinfo, as plain text.
//!
//! What Guix's recipes use is known: commands in the line, lists, tables, examples. An unknown command stands for its
//! argument; nothing is refused, for a listing has to be readable whatever a recipe says.

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    /// A paragraph, filled, with what stands before its first line and how far all are indented.
    Paragraph { mark: String, indent: usize, text: String },
    /// A line that stays as it is.
    Line { indent: usize, text: String },
    /// An empty line.
    Gap,
}

/// How the items of a list begin.
enum Items {
    Bullets,
    Numbers(usize),
    Terms,
}

/// Returns a text as lines of at most `width` columns; on the first one, `used` columns are taken already.
pub fn plain_lines(text: &str, width: usize, used: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks(text) {
        let used = if lines.is_empty() { used } else { 0 };
        match block {
            Block::Paragraph { mark, indent, text } => fill(&mut lines, &mark, indent, &text, width, used),
            Block::Line { indent, text } => lines.push(format!("{}{text}", " ".repeat(indent))),
            Block::Gap => lines.push(String::new()),
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Returns a text in one line.
pub fn plain_line(text: &str) -> String {
    inline(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Adds a paragraph's lines.
fn fill(lines: &mut Vec<String>, mark: &str, indent: usize, text: &str, width: usize, used: usize) {
    let mut line = format!("{}{mark}", " ".repeat(indent.saturating_sub(mark.chars().count())));
    let margin = " ".repeat(indent);
    let mut columns = used + line.chars().count();
    let mut is_first_word = true;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if !is_first_word && columns + 1 + length > width {
            lines.push(std::mem::replace(&mut line, margin.clone()));
            columns = indent;
            is_first_word = true;
        }
        if !is_first_word {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += length;
        is_first_word = false;
    }
    lines.push(line);
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut lists: Vec<Items> = Vec::new();
    let mut paragraph: Option<(String, usize, String)> = None;
    let mut is_verbatim = false;
    let end = |paragraph: &mut Option<(String, usize, String)>, found: &mut Vec<Block>| {
        if let Some((mark, indent, text)) = paragraph.take() {
            found.push(Block::Paragraph { mark, indent, text: inline(&text) });
        }
    };
    let gap = |found: &mut Vec<Block>| {
        if !matches!(found.last(), None | Some(Block::Gap)) {
            found.push(Block::Gap);
        }
    };
    for line in text.lines() {
        let trimmed = line.trim();
        let (command, rest) = command_of(trimmed);
        let indent = lists.len() * 2;
        if is_verbatim && command != Some("end") {
            found.push(Block::Line { indent: indent + 4, text: inline(line) });
            continue;
        }
        match command {
            Some("itemize" | "enumerate" | "table" | "ftable" | "vtable") => {
                end(&mut paragraph, &mut found);
                gap(&mut found);
                lists.push(match command {
                    Some("itemize") => Items::Bullets,
                    Some("enumerate") => Items::Numbers(0),
                    _ => Items::Terms,
                });
            }
            Some("example" | "lisp" | "smallexample" | "smalllisp" | "verbatim" | "display" | "format") => {
                end(&mut paragraph, &mut found);
                gap(&mut found);
                is_verbatim = true;
            }
            Some("quotation") => {
                end(&mut paragraph, &mut found);
                gap(&mut found);
            }
            Some("end") => {
                end(&mut paragraph, &mut found);
                if matches!(rest, "itemize" | "enumerate" | "table" | "ftable" | "vtable") {
                    lists.pop();
                }
                is_verbatim = false;
                gap(&mut found);
            }
            Some("item" | "itemx") => {
                end(&mut paragraph, &mut found);
                match lists.last_mut() {
                    Some(Items::Numbers(number)) => {
                        *number += 1;
                        paragraph = Some((format!("{number}. "), indent + 1, rest.to_owned()));
                    }
                    Some(Items::Terms) => {
                        found.push(Block::Line { indent: indent.saturating_sub(2), text: inline(rest) });
                    }
                    _ => paragraph = Some(("* ".to_owned(), indent.max(2), rest.to_owned())),
                }
            }
            Some("c" | "comment" | "noindent" | "sp" | "ignore") => {}
            _ if trimmed.is_empty() => {
                end(&mut paragraph, &mut found);
                gap(&mut found);
            }
            _ => {
                let indent = if lists.is_empty() { 0 } else { indent };
                let (_, _, text) = paragraph.get_or_insert_with(|| (String::new(), indent, String::new()));
                text.push(' ');
                text.push_str(trimmed);
            }
        }
    }
    end(&mut paragraph, &mut found);
    found
}

/// Returns the command that a line is, if it is one, and what follows it.
fn command_of(line: &str) -> (Option<&str>, &str) {
    let Some(rest) = line.strip_prefix('@') else { return (None, line) };
    let length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(length);
    if name.is_empty() || rest.starts_with('{') { (None, line) } else { (Some(name), rest.trim()) }
}

/// Replaces the commands in a line.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        out.push_str(rest.get(..at).unwrap_or(""));
        rest = rest.get(at + 1..).unwrap_or("");
        let length = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(length);
        if name.is_empty() {
            // `@@`, `@{`, `@}`, and signs that only say how to break lines.
            let sign = after.chars().next();
            out.extend(sign.filter(|sign| !matches!(sign, ':' | '/' | '-')));
            rest = after.get(sign.map_or(0, char::len_utf8)..).unwrap_or("");
            continue;
        }
        match braces(after) {
            Some((argument, after)) => {
                command(name, argument, &mut out);
                rest = after;
            }
            None => {
                out.push('@');
                out.push_str(name);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns what the braces at the beginning of a text hold, and what follows them.
fn braces(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('{')?;
    let mut depth = 1usize;
    let mut is_quoted = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if is_quoted => is_quoted = false,
            '@' => is_quoted = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((inside.get(..at)?, inside.get(at + 1..)?));
        }
    }
    None
}

fn command(name: &str, argument: &str, out: &mut String) {
    let parts: Vec<&str> = argument.splitn(3, ',').map(str::trim).collect();
    let part = |at: usize| parts.get(at).copied().filter(|part| !part.is_empty());
    match name {
        "code" | "command" | "file" | "option" | "samp" | "env" | "kbd" | "verb" | "dfn" => {
            out.push_str(&format!("`{}'", inline(argument)));
        }
        "emph" | "strong" | "b" | "i" => out.push_str(&format!("*{}*", inline(argument))),
        "var" => out.push_str(&inline(argument).to_uppercase()),
        "uref" | "url" | "email" => match (part(2), part(1), part(0)) {
            (Some(text), ..) => out.push_str(&inline(text)),
            (None, Some(text), Some(address)) => {
                out.push_str(&format!("{} ({})", inline(text), inline(address)));
            }
            (None, _, address) => out.push_str(&inline(address.unwrap_or(""))),
        },
        "acronym" | "abbr" => match (part(0), part(1)) {
            (Some(short), Some(long)) => out.push_str(&format!("{} ({})", inline(short), inline(long))),
            (short, _) => out.push_str(&inline(short.unwrap_or(""))),
        },
        "dots" | "enddots" => out.push_str("..."),
        "copyright" => out.push_str("(C)"),
        "registeredsymbol" => out.push_str("(R)"),
        "result" => out.push_str("=>"),
        "bullet" => out.push('*'),
        "minus" => out.push('-'),
        "comma" => out.push(','),
        "tie" => out.push(' '),
        "TeX" | "LaTeX" => out.push_str(name),
        "xref" | "pxref" | "ref" | "inforef" | "footnote" => {
            out.push_str(&inline(parts.first().unwrap_or(&"")))
        }
        _ => out.push_str(&inline(argument)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_in_the_line_become_signs() {
        for (text, plain) in [
            ("The @command{ls} of @acronym{GNU, GNU is Not Unix}", "The `ls' of GNU (GNU is Not Unix)"),
            ("@uref{http://x, home} @url{http://y}", "home (http://x) http://y"),
            ("a@@b @{c@} @dots{} @emph{very @code{nested}}", "a@b {c} ... *very `nested'*"),
            ("an @unknown{thing} and @lost", "an thing and @lost"),
            ("@code{a@}b} open @code{x", "`a}b' open @codex"),
        ] {
            assert_eq!(plain_line(text).replace("@code{x", "@codex"), plain, "{text}");
        }
    }

    #[test]
    fn lists_and_examples_keep_their_shape() {
        let text = "First words\nof it.\n\n@itemize\n@item one\nmore\n@item two\n@end itemize\n\n@example\n  x  y\n@end example\n\
                    @enumerate\n@item a\n@end enumerate\n@table @code\n@item key\nwhat it is\n@end table\nlast\n";
        assert_eq!(
            plain_lines(text, 31, 13),
            [
                "First words of it.",
                "",
                "* one more",
                "* two",
                "",
                "      x  y",
                "",
                "1. a",
                "",
                "key",
                "  what it is",
                "",
                "last"
            ]
        );
    }

    #[test]
    fn lines_are_filled_to_the_width() {
        assert_eq!(plain_lines("aaa bbb ccc ddd", 8, 4), ["aaa", "bbb ccc", "ddd"]);
        assert_eq!(plain_lines("much-too-long-a-word b", 8, 0), ["much-too-long-a-word", "b"]);
        assert_eq!(plain_lines("", 8, 0), [""; 0]);
    }
}
