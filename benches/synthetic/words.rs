//! Words and sentences: some that people search for, most of them made of syllables, the first ones most frequent.

use std::collections::HashSet;

use super::shape::Draw;

/// Words that people search for.
const PLAIN: &[&str] = &[
    "the",
    "of",
    "and",
    "for",
    "a",
    "in",
    "to",
    "with",
    "library",
    "program",
    "parallel",
    "solver",
    "benchmark",
    "network",
    "file",
    "data",
    "language",
    "format",
    "fast",
    "graph",
    "matrix",
    "sparse",
    "linear",
    "algebra",
    "message",
    "passing",
    "interface",
    "compiler",
    "editor",
    "image",
    "audio",
    "video",
    "game",
    "server",
    "client",
    "protocol",
    "parser",
    "database",
    "python",
    "fortran",
    "bindings",
    "module",
    "tool",
    "set",
    "command",
    "line",
    "simulation",
    "molecular",
    "dynamics",
    "fluid",
    "mesh",
    "finite",
    "element",
    "genome",
    "sequence",
    "statistics",
    "plot",
    "visualization",
    "compression",
    "encryption",
    "archive",
    "test",
    "framework",
    "font",
    "text",
    "terminal",
    "window",
    "manager",
    "scheduler",
    "cluster",
    "memory",
    "latency",
    "bandwidth",
    "storage",
    "tree",
    "search",
    "index",
    "math",
    "transform",
    "fourier",
    "random",
    "number",
    "generator",
    "optimization",
    "learning",
    "tensor",
];
const SYLLABLES: &[&str] = &[
    "ba", "ce", "di", "fo", "gu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "zu", "lan", "mer",
    "sil", "tor", "ven", "qua", "bri", "gno", "pla", "stra", "xen", "lib", "net", "sim", "lux",
];

/// The words in use, and the names that were given.
pub struct Words {
    words: Vec<String>,
    names: HashSet<String>,
}

impl Words {
    /// Makes the vocabulary.
    pub fn new(draw: &mut Draw) -> Words {
        let mut words: Vec<String> = PLAIN.iter().map(|word| (*word).to_owned()).collect();
        while words.len() < 6000 {
            let syllables = 2 + draw.below(3);
            words.push(made_of(draw, syllables));
        }
        Words { words, names: HashSet::new() }
    }

    /// Returns a word; the first ones of the vocabulary come up most.
    pub fn word(&self, draw: &mut Draw) -> &str {
        let among = if draw.below(3) == 0 { self.words.len() } else { PLAIN.len() };
        self.words.get(draw.favouring_first(among)).map_or("", String::as_str)
    }

    /// Returns a name of about that length that no other has.
    pub fn new_name(&mut self, draw: &mut Draw, length: usize) -> String {
        let mut name = made_of(draw, 1);
        while name.len() < length {
            name = if draw.below(3) == 0 {
                format!("{name}-{}", self.word(draw))
            } else {
                name + &made_of(draw, 1)
            };
        }
        while !self.names.insert(name.clone()) {
            name.push_str(&made_of(draw, 1));
        }
        name
    }

    /// Returns a sentence of about that length.
    pub fn sentence(&self, draw: &mut Draw, length: usize) -> String {
        let mut sentence = String::new();
        while sentence.is_empty() || sentence.len() + 4 < length {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(self.word(draw));
        }
        let mut letters = sentence.chars();
        let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
        format!("{first}{}.", letters.as_str())
    }

    /// Returns sentences of about that length together, in lines.
    pub fn paragraph(&self, draw: &mut Draw, length: usize, width: usize) -> String {
        let mut text = String::new();
        while text.is_empty() || text.len() + 40 < length {
            if !text.is_empty() {
                text.push_str("  ");
            }
            let sentence = 60 + draw.below(60);
            text.push_str(&self.sentence(draw, sentence.min(length)));
        }
        let mut lines = String::new();
        let mut column = 0;
        for word in text.split(' ') {
            if column + word.len() > width {
                lines.truncate(lines.trim_end().len());
                lines.push('\n');
                column = 0;
            }
            lines.push_str(word);
            lines.push(' ');
            column += word.len() + 1;
        }
        lines.trim_end().to_owned()
    }
}

fn made_of(draw: &mut Draw, syllables: usize) -> String {
    (0..syllables).filter_map(|_| SYLLABLES.get(draw.below(SYLLABLES.len())).copied()).collect()
}
