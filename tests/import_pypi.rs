//! `hpcl import pypi`: against an index made by the test, in the variants and with the faults met in practice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use std::time::Duration;

use common::{
    TestEnvironment,
    http::Server,
    python_index::{BACKEND, Habits, Index, import, metadata, recipes},
};
use hpcl::hash::Digest;

/// `top` needs `middle` with an extra, which needs `low`; all are built by `backend`, which builds itself.
fn sample() -> Index {
    let mut index = Index::default();
    index.project(
        "backend",
        "1.5",
        &[],
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
    );
    index.project("low", "1.0", &[], BACKEND);
    index.project("low", "2.0", &[], BACKEND);
    index.project("low", "3.0rc1", &[], BACKEND);
    index.project(
        "middle",
        "1.1",
        &["low<2 ; extra == 'more'", "nothing ; sys_platform == 'win32'"],
        BACKEND,
    );
    index.project("top", "2.0", &["middle[more]>=1", "top[more]", "old ; python_version < '3'"], BACKEND);
    index
}

#[test]
fn closures_come_out_the_same_whatever_the_index_offers() {
    let mut seen = Vec::new();
    for (json, separate_metadata, no_ranges) in
        [(false, false, false), (true, true, false), (false, false, true), (true, false, false)]
    {
        let environment = TestEnvironment::new();
        let server = sample().serve(Habits { json, separate_metadata, no_ranges });
        import(&environment, &server, &["-r", "Top", "-o", "r/own.hpcl"]).success();
        seen.push(recipes(&environment));
        if seen.len() == 1 {
            let names: Vec<&str> =
                seen[0].lines().filter_map(|line| line.strip_prefix("(define-public ")).collect();
            assert_eq!(names, ["python-backend", "python-low", "python-middle", "python-top"]);
            for wanted in [
                "(version \"1.0\")",
                "(uri (pypi-uri \"low\" version))",
                "(native-inputs (list python-backend))",
                "(propagated-inputs (list python-low python-middle))",
                "(license license:expat)",
                "(home-page \"https://top.example\")",
                "(synopsis \"Thing for tops\")",
                "(requested . \"Top\")",
                "\"middle[more]>=1\"",
            ] {
                assert!(seen[0].contains(wanted), "{wanted} is not in\n{}", seen[0]);
            }
            environment.run(&["fmt", "--check", "r"]).success();
            let before = seen[0].clone();
            import(&environment, &server, &["-r", "Top", "-o", "r/own.hpcl"]).success();
            assert_eq!(recipes(&environment), before);
        }
    }
    assert!(seen.iter().all(|text| *text == seen[0]));
}

#[test]
fn files_are_their_own_locks() {
    let environment = TestEnvironment::new();
    let old = sample().serve(Habits::default());
    import(&environment, &old, &["-r", "low", "-o", "r/own.hpcl"]).success();
    let before = recipes(&environment);
    assert!(before.contains("(version \"2.0\")"), "pre-releases are not taken: {before}");
    let mut newer = sample();
    newer.project("low", "2.1", &["middle>=1"], BACKEND);
    let newer = newer.serve(Habits::default());
    import(&environment, &newer, &["-r", "low", "-o", "r/own.hpcl"]).success();
    assert_eq!(recipes(&environment), before);
    let found = import(&environment, &newer, &["--check", "r/own.hpcl"]);
    assert_eq!((found.code, found.stdout.as_str()), (0, "low 2.0: newer: 2.1\n"), "{}", found.stderr);
    import(&environment, &newer, &["--update", "r/own.hpcl"]).success();
    assert!(recipes(&environment).contains("(version \"2.1\")"));
    let mut changed = sample();
    changed.pages.get_mut("low").unwrap().iter_mut().for_each(|(_, hex)| *hex = hex.replace(['1', '2'], "0"));
    let changed = changed.serve(Habits::default());
    environment.write("r/own.hpcl", &before);
    let found = import(&environment, &changed, &["--check", "r/own.hpcl", "--json"]);
    assert!(found.code == 1 && found.stdout.contains("another hash"), "{} {}", found.stdout, found.stderr);
    // What was read is enough without a network.
    let offline = environment.run(&[
        "import",
        "pypi",
        "--offline",
        "--index-url",
        &format!("{}/simple", newer.base),
        "-r",
        "low",
    ]);
    assert!(offline.success().contains("(version \"2.1\")"));
}

#[test]
fn modes_choose_files_and_versions() {
    let environment = TestEnvironment::new();
    let mut index = sample();
    index.wheel_of(
        "binary",
        "1.0",
        "cp311-cp311-manylinux_2_17_x86_64",
        metadata("binary", "1.0", &[]).as_bytes(),
        &["binary.libs/libhdf5-12345678.so.3"],
    );
    index.wheel_of("binary", "1.0", "cp39-cp39-win_amd64", b"", &[]);
    let rust = "[build-system]\nrequires = ['maturin']\nbuild-backend = 'maturin'\n";
    index.project("rusty", "1.0", &[], rust);
    index.source_of(
        "native",
        "1.0",
        &[("PKG-INFO", &metadata("native", "1.0", &[])), ("pyproject.toml", BACKEND)],
    );
    index.wheel_of(
        "native",
        "1.0",
        "cp311-cp311-manylinux_2_17_x86_64",
        metadata("native", "1.0", &[]).as_bytes(),
        &["native.libs/libhdf5-12345678.so.3"],
    );
    // Each of two is built with the other.
    index.project("one", "1.0", &[], "[build-system]\nrequires = ['two']\n");
    index.project("two", "1.0", &[], "[build-system]\nrequires = ['one']\n");
    // The newest backend fits one build alone, an older one both.
    index.project("helper", "1.0", &[], "[build-system]\nrequires = []\n");
    index.project("helper", "2.0", &[], "[build-system]\nrequires = []\n");
    index.project("agreeing", "1.0", &["strict"], "[build-system]\nrequires = ['helper']\n");
    index.project("strict", "1.0", &[], "[build-system]\nrequires = ['helper<2']\n");
    let server = index.serve(Habits::default());
    let has = |arguments: &[&str], wanted: &[&str]| {
        let run = import(&environment, &server, arguments);
        let text = format!("{}{}", run.stdout, run.stderr);
        for wanted in wanted {
            assert!(run.code == 0 && text.contains(wanted), "{arguments:?}: {wanted} is not in\n{text}");
        }
    };
    let wheel = "version \"-cp311-cp311-manylinux_2_17_x86_64.whl\")";
    has(&["binary"], &[wheel, "(wheel? . #t)", "binary 1.0 is a wheel: it has no source distribution"]);
    has(&["--wheel", "low"], &["py3-none-any.whl", "(wheel? . #t)"]);
    has(&["rusty"], &["rusty 1.0 is a wheel: its source distribution has no Cargo.lock"]);
    has(
        &["native"],
        &["(list hdf5)) ;its wheel brings libhdf5-12345678.so.3", "((hpc hdf5) #:select (hdf5))", "pkgconf"],
    );
    has(&["-r", "one"], &["is a wheel: it is built with what needs it"]);
    let agreed = import(&environment, &server, &["-r", "agreeing"]).success();
    assert_eq!(agreed.matches("(name \"python-helper\")").count(), 1, "{agreed}");
    has(&["low==1.0"], &["(version \"1.0\")"]);
    has(&["low@1.0"], &["(version \"1.0\")"]);
    has(&["--pre", "low"], &["(version \"3.0rc1\")"]);
    environment.write("limits.txt", "low<2  # for a reason\n");
    has(&["--constraint", "limits.txt", "low"], &["(version \"1.0\")"]);
    environment
        .write("requirements.txt", "# c\nlow==1.0 --hash=sha256:00\nbinary ; sys_platform == 'win32'\n");
    has(&["requirements.txt"], &["python-low", "(version \"1.0\")"]);
    environment.write("pyproject.toml", "[project]\nname = 'x'\ndependencies = ['low<2']\n");
    has(&["pyproject.toml"], &["(version \"1.0\")"]);
    environment.write("pylock.toml", "lock-version = '1.0'\n[[packages]]\nname = 'low'\nversion = '1.0'\n");
    has(&["pylock.toml"], &["(version \"1.0\")"]);
    environment.write(
        "uv.lock",
        "version = 1\n[[package]]\nname = 'x'\nsource = { virtual = '.' }\ndependencies = [{ name = 'low' }]\n\
         [[package]]\nname = 'low'\nversion = '1.0'\nsource = { registry = 'r' }\n",
    );
    has(&["uv.lock"], &["(version \"1.0\")"]);
    for (arguments, wanted) in [
        (["--source-only", "binary"], "the newest"),
        (["--source-only", "rusty"], "`rusty` 1.0 cannot be had: its source distribution has no Cargo.lock"),
        (["--exclude-newer=2024-05-01", "low"], "uploaded later than `--exclude-newer` allows"),
        (["--exclude-newer=soon", "low"], "`soon` is no date"),
    ] {
        let run = import(&environment, &server, &arguments);
        assert!(
            run.code != 0 && (run.stderr.contains(wanted) || wanted == "the newest"),
            "{arguments:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn conflicts_are_explained() {
    let environment = TestEnvironment::new();
    let mut index = sample();
    index.project("left", "1.0", &["low>=2"], BACKEND);
    index.project("right", "1.0", &["low<2"], BACKEND);
    let server = index.serve(Habits::default());
    let error = import(&environment, &server, &["left", "right"]).failure(1);
    for wanted in ["no versions fit together", "left", "right", "low", "the request"] {
        assert!(error.contains(wanted), "{error}");
    }
    assert!(!error.contains("[min]") && !error.contains(".dev0"), "{error}");
    let error = import(&environment, &server, &["left", "low==1.0"]).failure(1);
    assert!(error.contains("wants low ==1.0,") && !error.contains("post0"), "{error}");
    let error = import(&environment, &server, &["low>=7"]).failure(1);
    assert!(error.contains("the newest low that can be used here is"), "{error}");
}

#[test]
fn tests_bring_what_they_need() {
    let mut index = sample();
    index.project("checker", "1.0", &[], BACKEND);
    index.project("grouped", "1.0", &[], BACKEND);
    let metadata = metadata("tested", "1.0", &["low", "checker>=1 ; extra == 'tests'"]);
    let metadata = metadata.replace("Provides-Extra: more", "Provides-Extra: Tests");
    let groups = format!("{BACKEND}[dependency-groups]\ntest = ['grouped']\ndocs = ['middle']\n");
    index.source_of("tested", "1.0", &[("PKG-INFO", &metadata), ("pyproject.toml", &groups)]);
    index.wheel_of("tested", "1.0", "py3-none-any", metadata.as_bytes(), &[]);
    let server = index.serve(Habits::default());
    let environment = TestEnvironment::new();
    import(&environment, &server, &["-r", "tested", "-o", "r/own.hpcl"]).success();
    let plain = recipes(&environment);
    assert!(!plain.contains("checker)") && !plain.contains("grouped)"), "{plain}");
    import(&environment, &server, &["-r", "--tests", "tested", "-o", "r/own.hpcl"]).success();
    let text = recipes(&environment);
    let own = text.split("(define-public python-tested").nth(1).unwrap();
    assert!(!own.contains("#:tests?"), "{own}");
    assert!(own.contains("(native-inputs (list python-backend python-checker python-grouped))"), "{own}");
    assert!(
        own.contains("(propagated-inputs (list python-low))") && !text.contains("python-middle"),
        "{text}"
    );
    // What is only needed is not tested.
    assert_eq!(text.matches("#:tests? #f").count(), 4, "{text}");
    environment.run(&["eval", "-L", "r", "python-tested"]).success();
    let run = import(&environment, &server, &["--tests", "middle"]);
    assert!(run.stderr.contains("middle does not say what its tests need"), "{}", run.stderr);
}

#[test]
fn what_is_left_out_is_said() {
    let environment = TestEnvironment::new();
    let server = sample().serve(Habits::default());
    let run = import(&environment, &server, &["middle", "-o", "r/own.hpcl"]);
    assert!(run.stderr.contains("no channel has backend 1.5: these were not imported"), "{}", run.stderr);
    let run = import(&environment, &server, &["-r", "middle", "-o", "r/own.hpcl"]);
    assert!(run.code == 0 && !run.stderr.contains("not imported"), "{}", run.stderr);
}

#[test]
fn bad_projects_are_refused_and_nothing_is_written() {
    let mut index = sample();
    index.wheel_of("broken", "1.0", "py3-none-any", b"Name: broken\xff\nVersion: 1.0\n\n", &[]);
    index.wheel_of(
        "marked",
        "1.0",
        "py3-none-any",
        metadata("marked", "1.0", &["x ; nonsense == 1"]).as_bytes(),
        &[],
    );
    index.source_of("escaping", "1.0", &[("PKG-INFO", &metadata("escaping", "1.0", &[])), ("../../x", "")]);
    index.source_of("lying", "1.0", &[("PKG-INFO", &metadata("lying", "1.0", &[]))]);
    index.pages.get_mut("lying").unwrap()[0].1 = Digest::sha256(b"other").to_base16();
    index.project("url", "1.0", &["low @ https://files.example/low.zip"], BACKEND);
    index.project("pything", "1.0", &[], BACKEND);
    index.project("python-thing", "1.0", &[], BACKEND);
    index.project("python-thing", "1.1", &[], BACKEND);
    let server = index.serve(Habits::default());
    let environment = TestEnvironment::new();
    for (name, wanted) in [
        ("broken", "not UTF-8 at byte 12"),
        ("marked", "`x ; nonsense == 1` is no requirement"),
        ("escaping", "leads out of the archive"),
        ("lying", "wrong hash for http://127.0.0.1"),
        ("url", "wants `low` from https://files.example/low.zip, not from an index"),
        ("unknown-project", "there is no Python project `unknown-project`"),
        ("python-is-no%name", "is no requirement"),
    ] {
        let run = import(&environment, &server, &[name, "-o", "r/own.hpcl"]);
        assert!(run.code != 0 && run.stderr.contains(wanted), "{name}: {}", run.stderr);
        assert!(!environment.home().join("r/own.hpcl").exists());
    }
    environment.write("r/mine.hpcl", "(define x 1)\n");
    let error = import(&environment, &server, &["low", "-o", "r/mine.hpcl"]).failure(1);
    assert!(error.contains("has no recipes that were imported"), "{error}");
    import(&environment, &server, &["low", "-o", "r/own.hpcl"]).success();
    let run = import(&environment, &server, &["loww", "-o", "r/own.hpcl"]);
    assert!(run.stderr.contains("did you mean `low`?"), "{}", run.stderr);
    // What is often put before or behind a name is tried on the index.
    for (name, wanted) in
        [("thing", "did you mean `python-thing` or `pything`?"), ("py-url", "did you mean `url`?")]
    {
        let error = import(&environment, &server, &[name]).failure(2);
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn ctrl_c_leaves_nothing_half_done() {
    let environment = TestEnvironment::new();
    let whole = sample();
    let server = Server::start(move |asked| {
        if asked.path.starts_with("/simple/low") {
            std::thread::sleep(Duration::from_secs(20));
        }
        whole.answer(asked, Habits::default())
    });
    let mut command = environment.command(&["import", "pypi", "-r", "low", "-o", "r/own.hpcl"]);
    command.env("PIP_INDEX_URL", format!("{}/simple", server.base)).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    while !server.paths().iter().any(|path| path.starts_with("/simple/low")) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let begin = std::time::Instant::now();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(!environment.home().join("r/own.hpcl").exists());
}

#[test]
fn descriptions_in_json_become_recipes() {
    let environment = TestEnvironment::new();
    let text = r#"[{"name": "a", "version": "1.2", "build-system": "gnu", "native-inputs": ["pkgconf"], "inputs": ["b"], "license": "MIT",
        "source": {"uri": "https://a.example/a-1.2.tar.gz", "sha256": {"base32": "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i"}},
        "home-page": "https://a.example", "synopsis": "A thing.", "description": "It does things."},
        {"name": "b", "version": "1", "build-system": "trivial", "synopsis": "B", "description": "B."}]"#;
    environment.write("a.json", text);
    environment.run(&["import", "json", "a.json", "-o", "r/own.hpcl"]).success();
    let shown = recipes(&environment);
    assert!(shown.contains("(string-append \"https://a.example/a-\" version \".tar.gz\")"), "{shown}");
    environment.run(&["fmt", "--check", "r"]).success();
    let derivation = environment.run(&["eval", "-L", "r", "-e", "(package-version (@ (own) a))"]);
    assert_eq!(derivation.success().trim(), "\"1.2\"");
    for (from, to, wanted) in [
        ("pkgconf", "pkgcomf", "did you mean `pkgconf`?"),
        ("\"version\": \"1.2\",", "", "missing field `version`"),
        ("0ssi1", "0", "the hash of its source"),
        ("[{", "{", "column"),
    ] {
        environment.write("a.json", &text.replacen(from, to, 1));
        let error = environment.run(&["import", "json", "a.json"]).failure(1);
        assert!(error.contains(wanted), "{error}");
    }
}

/// With `HPCL_TEST_LIVE` set: against the index that this machine's pip is configured for.
#[test]
fn the_configured_index_is_understood() {
    if std::env::var_os("HPCL_TEST_LIVE").is_none_or(|value| value.is_empty()) {
        return;
    }
    let environment = TestEnvironment::new();
    let mut command = environment.command(&["import", "pypi", "-r", "flask", "-o", "r/own.hpcl"]);
    let own = std::env::vars().filter(|(name, _)| !name.starts_with("HOME") && !name.starts_with("XDG_"));
    command.envs(own);
    environment.finish(command).success();
    let shown = recipes(&environment);
    assert!(
        shown.contains("(define-public python-werkzeug") && shown.contains("(define-public python-flask")
    );
    environment.run(&["eval", "-L", "r", "python-flask"]).success();
}
