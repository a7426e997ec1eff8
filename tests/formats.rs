//! Our formats beside Nix's: derivations, store paths and archives, byte for byte.
//!
//! `tests/fixtures/nix` holds what a real Nix made of the graph in [`fixture`] (`graph.nix` is that graph in its language).
//! Those comparisons always run. Where Nix is installed, the fixtures are made again and compared, and random graphs and
//! trees besides; where it is not, those tests say so. `UPDATE=1` writes the fixtures anew.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use hpcl::{
    derivation::{Derivation, FixedHash, OutputName},
    graph::{GraphBuilder, HashedGraph, NodeId, Outputs, Piece, Template, Text},
    hash::{Algorithm, Digest},
    nar::{Rewriter, dump, restore, scan},
    store::remove_tree,
    store_path::{CANONICAL_STORE, ContentMethod, StoreDir, StorePath, source_path, text_path},
};

const SYSTEM: &str = "x86_64-linux";

/// A part of a string, for both languages.
#[derive(Clone)]
enum Part {
    Literal(String),
    /// Output of an earlier derivation.
    Output(usize, &'static str),
    OwnOutput(&'static str),
    /// The text item.
    Text,
    /// The source tree.
    Source,
}

/// A derivation, for both languages.
#[derive(Clone)]
struct Spec {
    name: String,
    outputs: Vec<&'static str>,
    fixed: Option<FixedHash>,
    args: Vec<Vec<Part>>,
    env: Vec<(String, Vec<Part>)>,
}

impl Spec {
    fn new(name: &str) -> Self {
        Self { name: name.into(), outputs: vec!["out"], fixed: None, args: Vec::new(), env: Vec::new() }
    }

    fn with(mut self, name: &str, value: Vec<Part>) -> Self {
        self.env.push((name.into(), value));
        self
    }

    fn fixed(mut self, method: ContentMethod, algorithm: Algorithm) -> Self {
        self.fixed = Some(FixedHash { method, digest: Digest::of(algorithm, self.name.as_bytes()) });
        self
    }

    /// What Nix puts into the environment by itself.
    fn implied(&self) -> Vec<(String, String)> {
        let mut env: Vec<(&str, String)> =
            vec![("name", self.name.clone()), ("system", SYSTEM.into()), ("builder", "/bin/sh".into())];
        if self.outputs != ["out"] {
            env.push(("outputs", self.outputs.join(" ")));
        }
        if let Some(fixed) = self.fixed {
            env.push(("outputHash", fixed.digest.to_base16()));
            env.push(("outputHashAlgo", fixed.digest.algorithm().to_string()));
            let recursive = fixed.method == ContentMethod::Recursive;
            env.push(("outputHashMode", if recursive { "recursive" } else { "flat" }.into()));
        }
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn text(text: &str) -> Part {
    Part::Literal(text.into())
}

/// Every kind of derivation that we make: sources, texts, fixed outputs, three levels, two outputs.
fn fixture() -> Vec<Spec> {
    let odd = "quote \" backslash \\ newline \n return \r tab \t dollar ${x} $y unicode ä漢\u{1f980}";
    let mut specs = vec![Spec::new("low").with("source", vec![Part::Source]).with("odd", vec![text(odd)])];
    for algorithm in [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512] {
        for (kind, method) in [("flat", ContentMethod::Flat), ("recursive", ContentMethod::Recursive)] {
            let spec = Spec::new(&format!("{kind}-{algorithm}.tar.gz")).with("url", vec![text("https://x")]);
            specs.push(spec.fixed(method, algorithm));
        }
    }
    let mut middle = Spec::new("middle-1.0").with("text", vec![text("<"), Part::Text, text(">")]);
    middle.outputs = vec!["out", "lib", "dev"];
    middle.env.push(("low".into(), vec![Part::Output(0, "out"), text("/bin")]));
    middle.env.push(("own".into(), vec![Part::OwnOutput("lib"), text(":"), Part::OwnOutput("out")]));
    for index in 1..=6 {
        middle.env.push((format!("fixed{index}"), vec![Part::Output(index, "out")]));
    }
    middle.args = vec![vec![text("-c")], vec![text("cp "), Part::Output(0, "out"), text(" $out\n")], vec![]];
    specs.push(middle);
    let mut high =
        Spec::new("high").with("lib", vec![Part::Output(7, "lib"), text(" "), Part::Output(7, "dev")]);
    // A name before `out` in the alphabet, and no `out` at all.
    high.outputs = vec!["bin"];
    specs.push(high);
    specs.push(
        Spec::new("top")
            .with("high", vec![Part::Output(8, "bin")])
            .with("middle", vec![Part::Output(7, "out")]),
    );
    specs
}

fn tree_of(place: &Path) -> PathBuf {
    let tree = place.join("tree");
    fs::create_dir_all(tree.join("bin")).unwrap();
    fs::write(tree.join("bin/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("bin/run"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(tree.join("README"), "read me\n").unwrap();
    symlink("bin/run", tree.join("link")).unwrap();
    tree
}

/// The source and the text that specs refer to.
fn items_of(tree: &Path, directory: &StoreDir) -> (StorePath, StorePath) {
    let none = BTreeSet::new();
    let rewriter = Rewriter::new("x", "x").unwrap();
    let digest = scan(tree, Algorithm::Sha256, &rewriter, []).unwrap().digest;
    let source = source_path(directory, "tree", &digest, &none).unwrap();
    let inner = text_path(directory, "inner", &Digest::sha256(b"inner\n"), &none).unwrap();
    let contents = format!("see {}\n", directory.join(&inner));
    let text =
        text_path(directory, "outer.txt", &Digest::sha256(contents.as_bytes()), &[inner].into()).unwrap();
    (source, text)
}

fn ours(specs: &[Spec], tree: &Path, directory: &StoreDir) -> HashedGraph {
    let (source, text) = items_of(tree, directory);
    let mut builder = GraphBuilder::in_directory(directory.clone());
    let mut ids: Vec<NodeId> = Vec::new();
    for spec in specs {
        let lower = |parts: &[Part]| -> Text {
            let piece = |part: &Part| match part {
                Part::Literal(text) => Piece::Literal(text.as_str().into()),
                Part::Output(index, name) => Piece::Output(ids[*index], OutputName::new(name).unwrap()),
                Part::OwnOutput(name) => Piece::OwnOutput(OutputName::new(name).unwrap()),
                Part::Text => Piece::Source(text.clone()),
                Part::Source => Piece::Source(source.clone()),
            };
            parts.iter().map(piece).collect()
        };
        let mut template = Template::new(spec.name.as_str(), SYSTEM, "/bin/sh");
        template.args = spec.args.iter().map(|arg| lower(arg)).collect();
        let implied = spec.implied().into_iter().map(|(name, value)| (name.into(), value.into()));
        template.env = implied
            .chain(spec.env.iter().map(|(name, value)| (name.as_str().into(), lower(value))))
            .collect();
        template.outputs = match spec.fixed {
            Some(fixed) => Outputs::Fixed(fixed),
            None => Outputs::Named(spec.outputs.iter().map(|name| OutputName::new(name).unwrap()).collect()),
        };
        ids.push(builder.add_node(template));
    }
    builder.hash().unwrap()
}

/// The same graph in Nix's language.
fn nix_text(specs: &[Spec], tree: &Path) -> String {
    let quoted = |parts: &[Part]| {
        let mut text = String::from("\"");
        for part in parts {
            match part {
                Part::Literal(literal) => {
                    for c in literal.chars() {
                        match c {
                            '"' | '\\' | '$' => text.extend(['\\', c]),
                            '\n' => text.push_str("\\n"),
                            '\r' => text.push_str("\\r"),
                            '\t' => text.push_str("\\t"),
                            c => text.push(c),
                        }
                    }
                }
                Part::Output(index, name) => write!(text, "${{n{index}.{name}}}").unwrap(),
                Part::OwnOutput(name) => write!(text, "${{builtins.placeholder \"{name}\"}}").unwrap(),
                Part::Text => text.push_str("${text}"),
                Part::Source => text.push_str("${source}"),
            }
        }
        text.push('"');
        text
    };
    let literal = |text: &str| quoted(&[Part::Literal(text.into())]);
    let mut all = String::from("let\n");
    writeln!(all, "  source = builtins.path {{ name = \"tree\"; path = {}; }};", tree.display()).unwrap();
    writeln!(all, "  inner = builtins.toFile \"inner\" \"inner\\n\";").unwrap();
    writeln!(all, "  text = builtins.toFile \"outer.txt\" \"see ${{inner}}\\n\";").unwrap();
    for (index, spec) in specs.iter().enumerate() {
        writeln!(all, "  n{index} = derivation {{").unwrap();
        for (name, value) in spec.implied() {
            if name == "outputs" {
                let names: Vec<String> = spec.outputs.iter().map(|name| literal(name)).collect();
                writeln!(all, "    outputs = [ {} ];", names.join(" ")).unwrap();
            } else {
                writeln!(all, "    {name} = {};", literal(&value)).unwrap();
            }
        }
        let args: Vec<String> = spec.args.iter().map(|arg| quoted(arg)).collect();
        writeln!(all, "    args = [ {} ];", args.join(" ")).unwrap();
        for (name, value) in &spec.env {
            writeln!(all, "    {name} = {};", quoted(value)).unwrap();
        }
        all.push_str("  };\n");
    }
    let names: Vec<String> = (0..specs.len()).map(|index| format!("n{index}")).collect();
    writeln!(all, "in [ {} ]", names.join(" ")).unwrap();
    all
}

/// Runs the oracle; nothing where Nix is not installed.
fn nix(state: &Path, arguments: &[&str], input: Stdio) -> Option<Vec<u8>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nix-oracle.sh");
    let mut command = Command::new(script);
    let output = command.arg(state).arg(CANONICAL_STORE).args(arguments).stdin(input).output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) {
        eprintln!("\n*** SKIPPED: not compared with a real Nix: {message}");
        return None;
    }
    assert!(output.status.success(), "the oracle failed: {message}");
    Some(output.stdout)
}

/// The derivations and texts that Nix makes of these specs, by base name.
fn theirs(specs: &[Spec], place: &Path, tree: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let file = place.join("graph.nix");
    fs::write(&file, nix_text(specs, tree)).unwrap();
    nix(&place.join("state"), &["instantiate", file.to_str().unwrap()], Stdio::null())?;
    let mut items = BTreeMap::new();
    for entry in fs::read_dir(place.join("state/store")).unwrap() {
        let entry = entry.unwrap();
        // The tree itself is compared by its archive; its name is what counts here.
        let contents = if entry.path().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        let name = entry.file_name().into_string().unwrap();
        if !name.starts_with('.') {
            items.insert(name, contents);
        }
    }
    Some(items)
}

fn compare(specs: &[Spec], tree: &Path, expected: &BTreeMap<String, Vec<u8>>) {
    let graph = ours(specs, tree, &StoreDir::CANONICAL);
    let (source, text) = items_of(tree, &StoreDir::CANONICAL);
    for item in [&source, &text] {
        assert!(
            expected.contains_key(item.as_str()),
            "`{item}` is what we compute, Nix has {:?}",
            expected.keys()
        );
    }
    for (_, node) in graph.nodes() {
        let ours = String::from_utf8_lossy(&node.derivation.to_aterm()).into_owned();
        let theirs = expected.get(node.path.as_str()).map(|text| String::from_utf8_lossy(text).into_owned());
        if theirs.is_none() {
            let name = node.derivation.name.as_ref();
            let alike = expected.iter().find(|(path, _)| path[33..] == format!("{name}.drv"));
            let alike = alike.map(|(path, text)| format!("{path}\n{}", String::from_utf8_lossy(text)));
            panic!("our {}\n{ours}\nNix's {}", node.path, alike.unwrap_or_default());
        }
        assert_eq!(Some(ours), theirs);
        let parsed = Derivation::parse(&node.derivation.name, &node.derivation.to_aterm()).unwrap();
        assert_eq!(parsed, *node.derivation);
    }
    let drvs: BTreeSet<&str> = graph.nodes().map(|(_, node)| node.path.as_str()).collect();
    let all: BTreeSet<&str> =
        expected.keys().map(String::as_str).filter(|name| name.ends_with(".drv")).collect();
    assert_eq!(drvs, all, "we make the same derivations and no other");
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nix")
}

#[test]
fn derivations_equal_those_that_nix_made() {
    let place = tempfile::tempdir().unwrap();
    let tree = tree_of(place.path());
    let directory = fixtures();
    if std::env::var_os("UPDATE").is_some() {
        let made = theirs(&fixture(), place.path(), &tree).expect("the fixtures are made by Nix");
        fs::create_dir_all(directory.join("store")).unwrap();
        for entry in fs::read_dir(directory.join("store")).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (name, contents) in made {
            fs::write(directory.join("store").join(name), contents).unwrap();
        }
        let archive =
            nix(&place.path().join("state"), &["dump", tree.to_str().unwrap()], Stdio::null()).unwrap();
        fs::write(directory.join("tree.nar"), archive).unwrap();
        fs::write(directory.join("graph.nix"), nix_text(&fixture(), Path::new("./tree"))).unwrap();
    }
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(directory.join("store")).unwrap() {
        let entry = entry.unwrap();
        expected.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
    }
    compare(&fixture(), &tree, &expected);
    let text = fs::read_to_string(directory.join("graph.nix")).unwrap();
    assert_eq!(text, nix_text(&fixture(), Path::new("./tree")), "the fixtures are of this graph; UPDATE=1");
}

#[test]
fn archives_equal_those_that_nix_made() {
    let place = tempfile::tempdir().unwrap();
    let tree = tree_of(place.path());
    let expected = fs::read(fixtures().join("tree.nar")).unwrap();
    let mut archive = Vec::new();
    dump(&tree, &mut archive).unwrap();
    assert!(archive == expected, "our archive differs from Nix's");
    let copy = place.path().join("copy");
    restore(&mut expected.as_slice(), &copy).unwrap();
    let mut again = Vec::new();
    dump(&copy, &mut again).unwrap();
    assert!(again == expected, "our restored tree differs from Nix's");
}

#[test]
fn the_fixtures_are_still_what_nix_makes() {
    let place = tempfile::tempdir().unwrap();
    let tree = tree_of(place.path());
    if let Some(made) = theirs(&fixture(), place.path(), &tree) {
        compare(&fixture(), &tree, &made);
        for (name, contents) in made.iter().filter(|(name, _)| name.ends_with(".drv")) {
            let committed = fs::read(fixtures().join("store").join(name)).unwrap();
            assert!(committed == *contents, "`{name}` is not what Nix makes; UPDATE=1");
        }
    }
}

/// Numbers that look random and are the same in every run.
struct Sequence(u64);

impl Sequence {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

#[test]
fn random_graphs_equal_nix_s() {
    let place = tempfile::tempdir().unwrap();
    let tree = tree_of(place.path());
    let mut random = Sequence(2);
    let letters: Vec<char> = "abc \"\\\n\r\t${}'ä漢/-=".chars().collect();
    let names =
        [vec!["out"], vec!["out", "lib"], vec!["lib", "out"], vec!["doc"], vec!["dev", "a", "out", "z9"]];
    let mut specs: Vec<Spec> = Vec::new();
    for index in 0..2000 {
        let mut spec = Spec::new(&format!("{}{index}", random.pick(&["p-", "q+1.0_", "a?b=", "Z."])));
        if random.below(4) == 0 {
            let method = *random.pick(&[ContentMethod::Flat, ContentMethod::Recursive]);
            spec = spec.fixed(method, *random.pick(&[Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512]));
        } else {
            spec.outputs = random.pick(&names).clone();
        }
        let value = |random: &mut Sequence| -> Vec<Part> {
            let part = |random: &mut Sequence| match random.below(6) {
                0 => Part::Text,
                1 => Part::Source,
                2 => Part::OwnOutput(spec.outputs[random.below(spec.outputs.len())]),
                3 | 4 if index > 0 => {
                    let other = random.below(index);
                    Part::Output(other, specs[other].outputs[random.below(specs[other].outputs.len())])
                }
                _ => Part::Literal((0..random.below(30)).map(|_| *random.pick(&letters)).collect()),
            };
            (0..random.below(5)).map(|_| part(random)).collect()
        };
        let env: Vec<_> = (0..random.below(6)).map(|n| (format!("v{n}_"), value(&mut random))).collect();
        let args = (0..random.below(3)).map(|_| value(&mut random)).collect();
        spec.env = env;
        spec.args = args;
        specs.push(spec);
    }
    if let Some(mut made) = theirs(&specs, place.path(), &tree) {
        // Items that no random derivation refers to are not in Nix's store.
        let (source, text) = items_of(&tree, &StoreDir::CANONICAL);
        made.entry(source.to_string()).or_default();
        made.entry(text.to_string()).or_default();
        compare(&specs, &tree, &made);
    }
}

#[test]
fn random_trees_have_nix_s_archives() {
    let place = tempfile::tempdir().unwrap();
    let mut random = Sequence(3);
    let names = ["a", "a.b", "a-b", "B", "ä", "~", "with blank", "zz", ".hidden", "a0"];
    let forest = place.path().join("forest");
    fs::create_dir(&forest).unwrap();
    for count in 0..500 {
        grow(&forest.join(format!("tree-{count}")), &names, &mut random, 0);
    }
    let state = place.path().join("state");
    let archived = |tree: &Path| {
        let expected = nix(&state, &["dump", tree.to_str().unwrap()], Stdio::null())?;
        let mut archive = Vec::new();
        dump(tree, &mut archive).unwrap();
        Some((archive, expected))
    };
    // All in one, since each question starts a Nix.
    let Some((whole, expected)) = archived(&forest) else { return };
    let same = whole == expected;
    for count in (0..500).filter(|count| !same || count % 50 == 0) {
        let tree = forest.join(format!("tree-{count}"));
        let (archive, expected) = archived(&tree).unwrap();
        assert!(archive == expected, "the archives of {} differ", tree.display());
        let added = nix(&state, &["add", tree.to_str().unwrap()], Stdio::null()).unwrap();
        let none = BTreeSet::new();
        let name = format!("tree-{count}");
        let path = source_path(&StoreDir::CANONICAL, &name, &Digest::sha256(&archive), &none).unwrap();
        assert_eq!(String::from_utf8(added).unwrap().trim(), path.canonical());
        let file = place.path().join("archive");
        fs::write(&file, &archive).unwrap();
        let copy = place.path().join(format!("copy-{count}"));
        let input = Stdio::from(fs::File::open(&file).unwrap());
        nix(&state, &["restore", copy.to_str().unwrap()], input).unwrap();
        let mut again = Vec::new();
        dump(&copy, &mut again).unwrap();
        assert!(again == archive, "Nix restored something else");
    }
    assert!(same, "the archives of all trees together differ");
    let _ = remove_tree(place.path());
}

fn grow(path: &Path, names: &[&str], random: &mut Sequence, depth: usize) {
    match random.below(if depth == 0 { 1 } else { 4 }) {
        0 if depth < 4 => {
            fs::create_dir(path).unwrap();
            for name in names {
                if random.below(3) == 0 {
                    grow(&path.join(name), names, random, depth + 1);
                }
            }
        }
        1 => symlink(random.pick(names), path).unwrap(),
        kind => {
            // Large ones are rare: 500 trees are to stay small.
            let large = random.below(60) == 0;
            let sizes: &[usize] = if large { &[262_144, 300_001] } else { &[0, 1, 7, 8, 9, 4096] };
            fs::write(path, vec![kind as u8; *random.pick(sizes)]).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*random.pick(&[0o644, 0o755, 0o600])))
                .unwrap();
        }
    }
}
