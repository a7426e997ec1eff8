//! Differences of derivations as people read them: the causes, each with the way to it and what changed.
//!
//! In long texts only the changed words are shown, with some around them: `[-old-]{+new+}`, which also reads without colour.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use similar::{ChangeTag, TextDiff};

use crate::{
    derivation::difference::{Difference, Own, Pair},
    store_path::StorePath,
};

/// Words shown before and after a change.
const AROUND: usize = 4;
/// Changes shown of a text.
const CHANGES: usize = 6;

const OLD: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Red)));
const NEW: Style = Style::new().fg_color(Some(anstyle::Color::Ansi(AnsiColor::Green)));
const NAME: Style = Style::new().bold();

/// The name of a derivation without its ending.
pub fn drv_name(path: &StorePath) -> &str {
    path.name().strip_suffix(".drv").unwrap_or(path.name())
}

/// The causes of a difference, at most so many; `content` reads a source. Says how many causes are left out.
pub fn write_causes(
    out: &mut String,
    difference: &Difference,
    most: usize,
    content: &dyn Fn(&StorePath) -> Option<String>,
) {
    let causes = difference.causes();
    for (at, explained) in causes.iter().take(most) {
        let chain = difference.chain(*at);
        let Some(pair) = chain.last() else { continue };
        let _ = write!(out, "\n{NAME}{}{NAME:#}", names(pair));
        if chain.len() > 1 {
            let way: Vec<&str> = chain.iter().map(|pair| drv_name(&pair.new)).collect();
            let others =
                if *explained == 1 { "one other derivation" } else { &format!("{explained} others") };
            let _ = write!(out, ", which changes {others}\n  by way of {}", way.join(" → "));
        }
        out.push('\n');
        write_pair(out, pair, content);
    }
    if causes.len() > most {
        let _ = writeln!(out, "\n{} further causes; `--all` shows them", causes.len() - most);
    }
}

/// `zlib-1.3`, or both names when they differ.
fn names(pair: &Pair) -> String {
    let (old, new) = (drv_name(&pair.old), drv_name(&pair.new));
    if old == new { old.to_owned() } else { format!("{old} → {new}") }
}

fn write_pair(out: &mut String, pair: &Pair, content: &dyn Fn(&StorePath) -> Option<String>) {
    if pair.unknown {
        out.push_str("  one of both was made elsewhere or long ago: its derivation is not known here\n");
    } else if pair.own.is_empty() {
        out.push_str("  only the order or the outputs of inputs differ\n");
    }
    for own in &pair.own {
        match own {
            Own::Name { old, new } => changed(out, "name", old, new),
            Own::Outputs { old, new } => changed(out, "output", old, new),
            Own::Variable { name, old: Some(old), new: Some(new) } => changed(out, name, old, new),
            Own::Variable { name, old, new } => one_sided(out, name, old.as_deref(), new.as_deref()),
            Own::Input { old, new } => {
                let name = |path: &Option<StorePath>| path.as_ref().map(|path| drv_name(path).to_owned());
                one_sided(out, "input", name(old).as_deref(), name(new).as_deref());
            }
            Own::Source { old, new } => {
                let name = |path: &Option<StorePath>| path.as_ref().map(|path| path.name().to_owned());
                match (name(old), name(new)) {
                    (Some(old), Some(new)) if old == new => {
                        let _ = writeln!(out, "  source: {new} has other content");
                    }
                    (old, new) => one_sided(out, "source", old.as_deref(), new.as_deref()),
                }
                let both = (old.as_ref().and_then(content), new.as_ref().and_then(content));
                if let (Some(old), Some(new)) = both {
                    lines(out, &old, &new);
                }
            }
        }
    }
}

fn one_sided(out: &mut String, what: &str, old: Option<&str>, new: Option<&str>) {
    let mut text = String::new();
    if let Some(old) = old {
        let _ = write!(text, " {OLD}[-{}-]{OLD:#}", shortened(old));
    }
    if let Some(new) = new {
        let _ = write!(text, " {NEW}{{+{}+}}{NEW:#}", shortened(new));
    }
    let _ = writeln!(out, "  {what}:{text}");
}

/// A text that is new or gone as a whole, in a line.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

/// The changed words of a text in a line each.
fn changed(out: &mut String, what: &str, old: &str, new: &str) {
    let (old_words, new_words) = (words(old), words(new));
    let diff = TextDiff::from_slices(&old_words, &new_words);
    let groups = diff.grouped_ops(AROUND);
    for group in groups.iter().take(CHANGES) {
        let mut text = String::new();
        let mut last = ChangeTag::Equal;
        let close = |text: &mut String, last: ChangeTag| match last {
            ChangeTag::Delete => text.push_str(&format!("-]{OLD:#}")),
            ChangeTag::Insert => text.push_str(&format!("+}}{NEW:#}")),
            ChangeTag::Equal => {}
        };
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            if change.tag() != last {
                close(&mut text, last);
                match change.tag() {
                    ChangeTag::Delete => text.push_str(&format!("{OLD}[-")),
                    ChangeTag::Insert => text.push_str(&format!("{NEW}{{+")),
                    ChangeTag::Equal => {}
                }
                last = change.tag();
            }
            text.push_str(&change.value().replace('\n', " "));
        }
        close(&mut text, last);
        let starts = group.first().is_some_and(|op| op.old_range().start == 0 && op.new_range().start == 0);
        let ends = group.last().is_some_and(|op| op.new_range().end == new_words.len());
        let (before, after) = (if starts { "" } else { "… " }, if ends { "" } else { " …" });
        let _ = writeln!(out, "  {what}: {before}{}{after}", text.trim());
    }
    if groups.len() > CHANGES {
        let _ = writeln!(out, "  {what}: {} further changes", groups.len() - CHANGES);
    }
}

/// A text in words: spaces stay with what is before them, parentheses stand alone.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut before = ' ';
    for (at, character) in text.char_indices() {
        let parenthesis = |c| matches!(c, '(' | ')');
        let ends = before.is_whitespace() && !character.is_whitespace()
            || parenthesis(character) && !before.is_whitespace()
            || parenthesis(before) && !character.is_whitespace();
        if ends && at > start {
            words.extend(text.get(start..at));
            start = at;
        }
        before = character;
    }
    words.extend(text.get(start..).filter(|rest| !rest.is_empty()));
    words
}

/// The first changed lines of a text, as `diff -u` shows them.
fn lines(out: &mut String, old: &str, new: &str) {
    const LINES: usize = 20;
    let diff = TextDiff::from_lines(old, new);
    let text = diff.unified_diff().context_radius(1).to_string();
    let count = text.lines().count();
    for line in text.lines().take(LINES) {
        let style = match line.as_bytes().first() {
            Some(b'-') => OLD,
            Some(b'+') => NEW,
            _ => Style::new(),
        };
        let _ = writeln!(out, "    {style}{line}{style:#}");
    }
    if count > LINES {
        let _ = writeln!(out, "    … {} further lines", count - LINES);
    }
}

/// What changed in a pair, in a few words: for plans.
pub fn in_short(pair: &Pair, difference: &Difference) -> String {
    let mut parts: Vec<String> = Vec::new();
    for own in &pair.own {
        parts.push(match own {
            Own::Name { old, .. } => format!("was `{old}`"),
            Own::Outputs { .. } => "its outputs changed".to_owned(),
            Own::Source { new: Some(path), .. } => format!("`{}` changed", path.name()),
            Own::Source { old, .. } => {
                format!("`{}` is no longer read", old.as_ref().map_or("", StorePath::name))
            }
            Own::Input { old: Some(old), new: Some(new) } => {
                format!("`{}` in place of `{}`", drv_name(new), drv_name(old))
            }
            Own::Input { old: None, new: Some(new) } => format!("new input `{}`", drv_name(new)),
            Own::Input { old: Some(old), .. } => format!("without input `{}`", drv_name(old)),
            Own::Input { .. } => continue,
            Own::Variable { name, old: Some(old), new: Some(new) } => {
                // A change of the inputs is seen in the code too.
                if parts.iter().any(|part| part.contains("input") || part.contains("place of")) {
                    continue;
                }
                let mut text = String::new();
                changed(&mut text, name, old, new);
                anstream::adapter::strip_str(text.lines().next().unwrap_or_default().trim()).to_string()
            }
            Own::Variable { name, .. } => format!("`{name}` is new or gone"),
        });
    }
    if parts.is_empty() {
        let below = pair.below.iter().filter_map(|at| difference.pairs.get(*at));
        let names: Vec<String> = below.map(|pair| format!("`{}`", names(pair))).collect();
        const MOST: usize = 3;
        let more =
            if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
        let shown = names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
        return if names.is_empty() {
            "its derivation changed".to_owned()
        } else {
            format!("because of {shown}{more}")
        };
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn only_the_changed_words_of_a_long_text_are_shown() {
        let old = "(build #:a 1 #:b (list 2 3) #:c 4 #:tests? #t #:d 5 #:e 6 #:f 7)";
        let mut out = String::new();
        changed(&mut out, "code", old, &old.replace("#t", "#f"));
        assert_eq!(plain(&out), "  code: … ) #:c 4 #:tests? [-#t -]{+#f +}#:d 5 #:e 6 …\n");
    }

    #[test]
    fn what_only_one_side_has_is_marked() {
        let mut out = String::new();
        one_sided(&mut out, "input", None, Some("zlib-1.3"));
        one_sided(&mut out, "patch", Some("a\n  b"), None);
        assert_eq!(plain(&out), "  input: {+zlib-1.3+}\n  patch: [-a b-]\n");
    }
}
