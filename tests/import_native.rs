//! `hpcl import pypi` of projects with native code: what tables of channels and backends of their own say that their builds need.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test")]

mod common;

use common::{
    TestEnvironment,
    python_index::{BACKEND, Habits, Index, import, metadata, recipes},
};

const WHEEL: &str = "cp311-cp311-manylinux_2_17_x86_64";

/// A project with a source distribution of those members and a wheel for the target.
fn native(index: &mut Index, project: &str, members: &[(&str, &str)]) {
    let metadata = metadata(project, "1.0", &[]);
    let all: Vec<(&str, &str)> =
        [("PKG-INFO", metadata.as_str())].into_iter().chain(members.iter().copied()).collect();
    index.source_of(project, "1.0", &all);
    index.wheel_of(project, "1.0", WHEEL, metadata.as_bytes(), &[]);
}

fn tools() -> Index {
    let mut index = Index::default();
    let alone = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n";
    for tool in ["backend", "generator", "helper"] {
        index.project(tool, "3.0", &[], alone);
    }
    index
}

#[test]
fn tables_of_channels_say_what_builds_need() {
    let mut index = tools();
    for project in ["solver", "lost", "h5py"] {
        native(&mut index, project, &[("pyproject.toml", BACKEND)]);
    }
    let server = index.serve(Habits::default());
    let environment = TestEnvironment::new();
    environment.write(
        "c/python/native.toml",
        "[projects.solver]\ninputs = ['hdf5', 'zlib']\noptional-inputs = ['xz']\nnative-inputs = ['cmake']\n\
         requires = ['generator>=2']\nconfigure-flags = [['args', '-Done', '-Dtwo=\"x\"'], ['key', 'value']]\n\
         environment = { SOLVER_LIBS = '{zlib}/lib:{xz}/lib', PLAIN = '1' }\nbecause = 'it would not look there'\n\
         [projects.lost]\ninputs = ['such-a-library']\n",
    );
    let arguments = ["-L", "c", "-r", "solver", "-o", "r/own.hpcl"];
    import(&environment, &server, &arguments).success();
    let text = recipes(&environment);
    for wanted in [
        "#:configure-flags #~'((\"args\" \"-Done\" \"-Dtwo=\\\"x\\\"\")\n",
        "(\"key\" \"value\"))",
        "(add-before 'build 'set-variables\n                          ;; It would not look there.\n",
        "(setenv \"PLAIN\" \"1\")",
        "(string-append #$(this-package-input \"zlib\") \"/lib:\"",
        "python-generator)) ;its build is known to need it",
        "\"generator>=2\"",
        "hdf5 ;its build looks for it",
        "#:select (cmake pkgconf)",
        "(hpcl gexp)",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
    environment.run(&["fmt", "--check", "r"]).success();
    // It is a program that can be evaluated, down to the derivation.
    let derivation = environment.run(&["eval", "-d", "-L", "r", "python-solver"]).success();
    assert!(derivation.contains("SOLVER_LIBS"), "{derivation}");
    // What no channel has is a reason for a wheel, or an error where none is allowed.
    let run = import(&environment, &server, &["-L", "c", "lost"]);
    assert!(run.stderr.contains("lost 1.0 is a wheel: its build needs such-a-library, which no channel has"));
    let error = import(&environment, &server, &["-L", "c", "--source-only", "lost"]).failure(1);
    assert!(error.contains("`lost` 1.0 cannot be had: its build needs such-a-library"), "{error}");
    // The bundled table counts too.
    let run = import(&environment, &server, &["-L", "c", "h5py"]).success();
    assert!(run.contains("(setenv \"HDF5_DIR\" #$(this-package-input \"hdf5\"))"), "{run}");
    environment.write("c/python/native.toml", "[projects.solver]\nimputs = []\n");
    let error = import(&environment, &server, &["-L", "c", "solver"]).failure(1);
    assert!(error.contains("c/python/native.toml`: line 2: unknown field `imputs`"), "{error}");
}

#[test]
fn what_a_backend_of_the_project_asks_for_is_read_and_not_run() {
    let own =
        "[build-system]\nrequires = ['backend']\nbuild-backend = 'own.hooks'\nbackend-path = ['conf']\n";
    let hook = "import os\nos.abort()\n\ndef get_requires_for_build_wheel(settings=None):\n    \
                return base(settings) + ['generator >= 2', 'backend']\n";
    let mut index = tools();
    native(&mut index, "asking", &[("pyproject.toml", own), ("conf/own/hooks.py", hook)]);
    native(&mut index, "other", &[("pyproject.toml", BACKEND), ("conf/own/hooks.py", hook)]);
    let server = index.serve(Habits::default());
    let environment = TestEnvironment::new();
    import(&environment, &server, &["-r", "asking", "other", "-o", "r/own.hpcl"]).success();
    let text = recipes(&environment);
    assert_eq!(text.matches("python-generator)) ;its backend asks for it").count(), 1, "{text}");
    assert!(text.contains("\"generator >= 2\"") && text.contains("(native-inputs (list python-backend))"));
}
