//! A channel that no one wrote, of the shape of Guix's: as many packages as wanted, the same bytes in every run.
//!
//! The shape is what [`shape`] holds: packages in a file, lengths of names, synopses, descriptions and arguments, inputs
//! of each kind, modules used. They were measured in Guix 1.5.0 (30,894 definitions in 574 files); no text of it is here.
//! The words are made up, some of them of a vocabulary that people search for. Inputs come from packages written
//! before, so that there are no cycles, and mostly from a few that much depends on, as everywhere.

mod shape;
mod words;

use std::{fmt::Write as _, io, path::Path};

use self::{
    shape::{Draw, Shape},
    words::Words,
};

/// A package that later ones may name.
struct Known {
    module: usize,
    variable: String,
}

/// Writes a channel of that many packages into a new directory.
///
/// # Errors
/// When a file cannot be written.
pub fn write(directory: &Path, packages: usize) -> io::Result<()> {
    let folder = directory.join("synthetic/packages");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(
        directory.join("channel.hpcl"),
        ";;; Packages that are none, for measuring.\n\n(channel\n (version 0)\n (name \"synthetic\"))\n",
    )?;
    let mut draw = Draw::new();
    let mut words = Words::new(&mut draw);
    let counts = shape::packages_in_files(packages);
    let topics: Vec<String> = (0..counts.len()).map(|_| words.new_name(&mut draw, 9)).collect();
    let mut known: Vec<Known> = Vec::new();
    for (module, count) in counts.iter().enumerate() {
        let uses = uses_of(&mut draw, module);
        let mut text = String::new();
        let mut bodies = String::new();
        for _ in 0..*count {
            let variable = package(&mut draw, &mut words, &mut bodies, (module, &uses), &known);
            known.push(Known { module, variable });
        }
        header(&mut text, &mut words, &mut draw, &topics, module, &uses);
        text.push_str(&bodies);
        let topic = topics.get(module).map_or("", String::as_str);
        std::fs::write(folder.join(format!("{topic}.hpcl")), text)?;
    }
    Ok(())
}

/// The modules before this one that it uses, sorted.
fn uses_of(draw: &mut Draw, module: usize) -> Vec<usize> {
    let wanted = draw.from(Shape::ModulesUsed).min(module);
    let mut uses: Vec<usize> = (0..wanted).map(|_| draw.favouring_first(module)).collect();
    uses.sort_unstable();
    uses.dedup();
    uses
}

fn header(
    text: &mut String,
    words: &mut Words,
    draw: &mut Draw,
    topics: &[String],
    module: usize,
    uses: &[usize],
) {
    let topic = |index: &usize| topics.get(*index).map_or("", String::as_str);
    // Licence and authors take as much in each file.
    let _ = writeln!(text, ";;; {}", words.sentence(draw, 70));
    for _ in 0..12 {
        let _ = writeln!(text, ";;; {}", words.sentence(draw, 66));
    }
    let _ = write!(
        text,
        "\n(define-module (synthetic packages {})\n  #:use-module ((hpcl licenses) #:prefix license:)\n  \
         #:use-module (hpcl packages)\n  #:use-module (hpcl download)\n  #:use-module (hpcl gexp)\n  \
         #:use-module (hpcl utils)\n  #:use-module (hpcl build-system cmake)\n  #:use-module (hpcl build-system copy)\n  \
         #:use-module (hpcl build-system gnu)",
        topic(&module)
    );
    for used in uses {
        let _ = write!(text, "\n  #:use-module (synthetic packages {})", topic(used));
    }
    text.push_str(")\n");
}

/// Writes a package's definition and returns its variable.
fn package(
    draw: &mut Draw,
    words: &mut Words,
    text: &mut String,
    (module, uses): (usize, &[usize]),
    known: &[Known],
) -> String {
    let length = draw.from(Shape::NameLength);
    let name = words.new_name(draw, length);
    let version = format!("{}.{}.{}", draw.below(12), draw.below(30), draw.below(20));
    let before =
        known.len().checked_sub(1).and_then(|last| known.get(last)).filter(|last| last.module == module);
    // One in eighteen is a variant of the one before.
    if let Some(last) = before.filter(|_| draw.below(18) == 0) {
        let _ = write!(
            text,
            "\n(define-public {name}\n  (package\n    (inherit {})\n    (name \"{name}\")\n    (version \"{version}\")\n    \
             (synopsis \"{}\")))\n",
            last.variable,
            synopsis(draw, words)
        );
        return name;
    }
    // What only evaluation tells: one in ten names is computed.
    let written = match name.split_once('-').filter(|_| draw.below(10) == 0) {
        Some((front, rest)) => format!("(string-append \"{front}\" \"-{rest}\")"),
        None => format!("\"{name}\""),
    };
    let system = ["gnu", "gnu", "gnu", "cmake", "copy", "gnu", "copy"];
    let system = system.get(draw.below(system.len())).copied().unwrap_or("gnu");
    let _ = write!(
        text,
        "\n(define-public {name}\n  (package\n    (name {written})\n    (version \"{version}\")\n    (source\n     (origin\n       \
         (method url-fetch)\n       (uri (string-append \"https://{name}.example/releases/{name}-\"\n                           \
         version \".tar.gz\"))\n       (sha256\n        (base32 \"{}\"))))\n    (build-system {system}-build-system)\n",
        base32(draw)
    );
    arguments(draw, words, text);
    for (field, shape) in [
        ("native-inputs", Shape::NativeInputs),
        ("inputs", Shape::Inputs),
        ("propagated-inputs", Shape::PropagatedInputs),
    ] {
        let wanted = draw.from(shape);
        inputs(draw, text, field, wanted, (module, uses), known);
    }
    let long = draw.from(Shape::DescriptionLength);
    let _ = write!(
        text,
        "    (home-page \"https://{name}.example/\")\n    (synopsis \"{}\")\n    (description\n     \"{}\")\n    \
         (license license:{})))\n",
        synopsis(draw, words),
        words.paragraph(draw, long, 70),
        ["gpl3+", "expat", "bsd-3", "asl2.0", "lgpl2.1+"].get(draw.below(5)).copied().unwrap_or("expat")
    );
    name
}

fn synopsis(draw: &mut Draw, words: &mut Words) -> String {
    let length = draw.from(Shape::SynopsisLength);
    let sentence = words.sentence(draw, length);
    sentence.trim_end_matches('.').to_owned()
}

fn inputs(
    draw: &mut Draw,
    text: &mut String,
    field: &str,
    wanted: usize,
    (module, uses): (usize, &[usize]),
    known: &[Known],
) {
    // Those of a module lie together.
    let range = |of: usize| {
        let start = known.partition_point(|package| package.module < of);
        start..known.partition_point(|package| package.module <= of)
    };
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..wanted {
        let of = if uses.is_empty() || draw.below(2) == 0 {
            Some(&module)
        } else {
            uses.get(draw.below(uses.len()))
        };
        let Some(range) = of.map(|of| range(*of)).filter(|range| !range.is_empty()) else { continue };
        let at = range.start + draw.favouring_first(range.len());
        names.extend(known.get(at).map(|package| package.variable.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    if !names.is_empty() {
        let indent = format!("\n{}", " ".repeat(11 + field.len()));
        let _ = write!(text, "    ({field}\n     (list {}))\n", names.join(&indent));
    }
}

fn arguments(draw: &mut Draw, words: &mut Words, text: &mut String) {
    let wanted = draw.from(Shape::ArgumentsLength);
    if wanted < 20 {
        return;
    }
    let start = text.len();
    text.push_str("    (arguments\n     (list #:tests? #f");
    if wanted > 90 {
        text.push_str("\n           #:configure-flags\n           #~(list");
        let mut first = true;
        while first || text.len() - start < wanted / 4 {
            let _ = write!(text, " \"--{}able-{}\"", if first { "en" } else { "dis" }, words.word(draw));
            first = false;
        }
        text.push(')');
    }
    if wanted > 200 {
        text.push_str("\n           #:phases\n           #~(modify-phases %standard-phases");
        while text.len() - start < wanted {
            let (phase, file) = (words.word(draw), words.word(draw));
            let _ = write!(
                text,
                "\n               (add-after 'unpack '{phase}-{file}\n                 (lambda* (#:key outputs \
                 #:allow-other-keys)\n                   (substitute* \"{file}/Makefile.in\"\n                     \
                 ((\"/usr/{phase}\") (string-append #$output \"/{phase}\")))))"
            );
        }
        text.push(')');
    }
    text.push_str("))\n");
}

fn base32(draw: &mut Draw) -> String {
    let digits: Vec<char> = "0123456789abcdfghijklmnpqrsvwxyz".chars().collect();
    let digit = |index: usize| digits.get(index).copied().unwrap_or('0');
    // 52 digits of 5 bits are 4 bits more than 32 bytes: the first digit is 0 or 1.
    std::iter::once(digit(draw.below(2))).chain((0..51).map(|_| digit(draw.below(32)))).collect()
}
