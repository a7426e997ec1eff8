//! The whole program when things go wrong at random moments: `kill -9` of builds, imports and collections, full disks, and
//! many that build the same.
//!
//! The moments are random, within the time that the work took undisturbed; what is asserted holds for every moment. A failure
//! names the seed, and `HPCL_TEST_SEED` repeats its moments as far as a machine can repeat them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]

mod common;

use std::{
    collections::BTreeSet,
    fmt::Write,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use common::{TestEnvironment, sandbox_or_skip, trivial_package};

/// Moments, as a linear congruential generator gives them.
struct Moments {
    seed: u64,
    state: u64,
}

impl Moments {
    fn new() -> Self {
        let clock = || SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        let seed = std::env::var("HPCL_TEST_SEED").map_or_else(|_| clock(), |seed| seed.parse().unwrap());
        Moments { seed, state: seed }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % limit.max(1)
    }

    fn within(&mut self, time: Duration) -> Duration {
        Duration::from_micros(self.below(u64::try_from(time.as_micros()).unwrap()))
    }
}

/// A program that evaluates to packages that need `count` others, each of which needs up to two of those before it: several
/// can always be built at once. Other salts give others.
fn recipe(salt: &str, count: usize, bytes: usize) -> String {
    let mut text = String::from("(use-modules (guix packages) (guix gexp) (guix build-system trivial))\n");
    for node in 0..count {
        let mut uses = String::new();
        for input in [node.checked_sub(5), node.checked_sub(9)].into_iter().flatten() {
            write!(uses, "(display #$node-{input} port) (newline port) ").unwrap();
        }
        let builder = format!(
            "#~(begin (mkdir #$output) (call-with-output-file (string-append #$output \"/uses\") \
             (lambda (port) {uses}(display (make-string {bytes} #\\x) port))))"
        );
        let package = trivial_package(&format!("\"node-{salt}-{node}\""), &builder);
        writeln!(text, "(define node-{node}\n{package})").unwrap();
    }
    let last: Vec<String> = (count - 5..count).map(|node| format!("node-{node}")).collect();
    writeln!(text, "(list {})", last.join(" ")).unwrap();
    text
}

fn spawn(environment: &TestEnvironment, arguments: &[&str]) -> Child {
    let mut command = environment.command(arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Requires that nothing is wrong but what collections remove.
fn assert_sound(environment: &TestEnvironment, context: &str) {
    let run = environment.run(&["verify"]);
    let wrong: Vec<&str> = run.stdout.lines().filter(|line| !line.starts_with("unregistered: ")).collect();
    assert!(wrong.is_empty(), "{context}: {wrong:#?}");
    assert!(run.stderr.contains(" items, "), "{context}: {}", run.stderr);
}

/// Requires that a collection leaves nothing of dead processes, and that nothing is wrong.
fn assert_tidy(environment: &TestEnvironment) {
    environment.run(&["gc"]).success();
    let run = environment.run(&["verify"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let base = environment.home().join(".local/share");
    let store = fs::read_dir(base).unwrap().next().unwrap().unwrap().path();
    for place in ["var/tmp", "var/sessions", "var/locks"] {
        let left: Vec<_> = fs::read_dir(store.join(place)).unwrap().collect();
        assert!(left.is_empty(), "{place}: {left:?}");
    }
}

const BUILD: [&str; 6] = ["build", "-j2", "--root", "result", "-f", "recipe.hpcl"];

#[test]
fn killed_at_200_random_moments_nothing_is_wrong_and_the_work_completes() {
    let name = "killed_at_200_random_moments_nothing_is_wrong_and_the_work_completes";
    if !sandbox_or_skip(name) {
        return;
    }
    const NODES: usize = 12;
    const ROUNDS: usize = 40;
    let mut moments = Moments::new();
    let other = TestEnvironment::new();
    other.write("recipe.hpcl", &recipe("bundled", NODES, 20_000));
    other.run(&["bundle", "-f", "recipe.hpcl", "-o", "bundle"]).success();
    let here = TestEnvironment::new();
    fs::copy(other.home().join("bundle"), here.home().join("bundle")).unwrap();
    here.write("recipe.hpcl", &recipe("first", NODES, 20_000));
    let started = Instant::now();
    here.run(&BUILD).success();
    let whole = started.elapsed();
    let mut killed = 0;
    for round in 0..ROUNDS {
        here.write("recipe.hpcl", &recipe(&format!("round-{round}"), NODES, 20_000));
        let mut commands: Vec<(Duration, Child)> =
            [&BUILD[..], &BUILD, &["unbundle", "--unsigned", "bundle"], &["gc"], &["gc"]]
                .iter()
                .map(|arguments| (moments.within(whole), spawn(&here, arguments)))
                .collect();
        commands.sort_by_key(|(moment, _)| *moment);
        let started = Instant::now();
        for (moment, child) in &mut commands {
            std::thread::sleep(moment.saturating_sub(started.elapsed()));
            killed += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_sound(&here, &format!("round {round} of seed {}", moments.seed));
    }
    eprintln!("{killed} of {} were still running when they were killed", ROUNDS * 5);
    assert!(killed > ROUNDS, "seed {}: only {killed} were killed", moments.seed);
    here.run(&BUILD).success();
    here.run(&["unbundle", "--unsigned", "--root", "bundled", "bundle"]).success();
    for root in ["result", "bundled"] {
        let mut closure: BTreeSet<String> = BTreeSet::new();
        for number in ["", "-1", "-2", "-3", "-4"] {
            let path = here.home().join(format!("{root}{number}")).canonicalize().unwrap();
            let listed = here.run(&["gc", "--requisites", &path.display().to_string()]).success();
            closure.extend(listed.lines().map(str::to_owned));
        }
        assert_eq!(closure.len(), NODES, "{closure:?}");
    }
    assert_tidy(&here);
}

/// What one of many wrote: the nodes that it built.
fn built(messages: &str) -> impl Iterator<Item = &str> {
    messages.lines().filter_map(|line| line.strip_prefix("built ")?.split(' ').next())
}

#[test]
fn eight_processes_build_each_of_200_nodes_once() {
    if !sandbox_or_skip("eight_processes_build_each_of_200_nodes_once") {
        return;
    }
    const NODES: usize = 200;
    let here = TestEnvironment::new();
    here.write("recipe.hpcl", &recipe("shared", NODES, 100));
    let processes: Vec<Child> = (0..8)
        .map(|process| {
            let mut command =
                here.command(&["build", "-j2", "-f", "recipe.hpcl", "--root", &format!("result-{process}")]);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut nodes: Vec<String> = Vec::new();
    let mut busy = 0;
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{messages}");
        let before = nodes.len();
        nodes.extend(built(&messages).map(str::to_owned));
        busy += usize::from(nodes.len() > before);
    }
    assert!(busy > 1, "they share the work");
    assert_eq!(nodes.len(), NODES, "each is built by one process: {nodes:?}");
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), NODES, "none is built twice");
    assert_tidy(&here);
}

/// In a mount namespace: a store on a small file system, a build that fills it, more room, and the same build again.
const FULL: &str = r#"
store=$HOME/.local/share
mkdir -p "$store"
mount -t tmpfs -o "size=${SIZE}k,nr_inodes=$INODES" none "$store" || exit 99
"$HPCL" build -j2 --root result -f recipe.hpcl 2>full >/dev/null
echo "full $?"
"$HPCL" verify --quick >verified 2>&1
echo "verified $?"
mount -t tmpfs -o remount,size=64m,nr_inodes=100k none "$store" || exit 98
"$HPCL" build -j2 --root result -f recipe.hpcl >/dev/null 2>again
echo "again $?"
"$HPCL" gc 2>/dev/null
"$HPCL" verify 2>&1
echo "tidy $?"
"#;

#[test]
fn a_disk_that_fills_at_random_moments_loses_nothing() {
    if !sandbox_or_skip("a_disk_that_fills_at_random_moments_loses_nothing") {
        return;
    }
    let mut moments = Moments::new();
    let mut filled = 0;
    for round in 0..20 {
        let here = TestEnvironment::new();
        here.write("recipe.hpcl", &recipe("full", 8, 40_000));
        let (size, inodes) =
            if round % 3 == 2 { (8000, 50 + moments.below(60)) } else { (60 + moments.below(400), 4000) };
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", FULL]).current_dir(here.home());
        command
            .env_clear()
            .env("HOME", here.home())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("NO_COLOR", "1");
        command
            .env("HPCL", env!("CARGO_BIN_EXE_hpcl"))
            .env("SIZE", size.to_string())
            .env("INODES", inodes.to_string());
        let run = here.finish(command);
        let file = |name: &str| fs::read_to_string(here.home().join(name)).unwrap_or_default();
        let context = format!(
            "seed {}, {size} KiB, {inodes} inodes: {}{}\n--- full\n{}\n--- verified\n{}\n--- again\n{}",
            moments.seed,
            run.stdout,
            run.stderr,
            file("full"),
            file("verified"),
            file("again")
        );
        if run.code == 99 {
            eprintln!("SKIPPED a_disk_that_fills_at_random_moments_loses_nothing: {}", run.stderr);
            return;
        }
        if !run.stdout.contains("full 0\n") {
            filled += 1;
            let told = file("full");
            assert!(["disk", "No space", "room"].iter().any(|word| told.contains(word)), "{context}");
            assert!(!told.contains("panicked"), "{context}");
        }
        let wrong = file("verified");
        let wrong =
            wrong.lines().filter(|line| !line.starts_with("unregistered: ") && !line.contains(" items, "));
        assert_eq!(wrong.count(), 0, "{context}");
        assert!(run.stdout.contains("again 0\n") && run.stdout.contains("tidy 0\n"), "{context}");
    }
    assert!(filled > 5, "seed {}: the disk was full {filled} times only", moments.seed);
}
