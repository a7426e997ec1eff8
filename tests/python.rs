//! Python packages built in the sandbox: from sources that the tests write, by backends of their own with the seed's Python, and by the
//! channels' backends where Python is in the store.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod common;

use std::{fs, process::Command};

use common::{
    TestEnvironment,
    real_store::{built, hpcl, is_there_or_skip, text},
    sandbox_or_skip, trivial_package,
};

/// A backend that packs the files of the source's `src` and nothing else.
const BACKEND: &str = r#"
import glob, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name, version, *requirements = open('project').read().split()
    file = f'{name}-{version}-py3-none-any.whl'
    info = f'{name}-{version}.dist-info/'
    metadata = f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
    metadata += ''.join(f'Requires-Dist: {requirement}\n' for requirement in requirements)
    with zipfile.ZipFile(os.path.join(directory, file), 'w') as wheel:
        for source in sorted(glob.glob('src/**/*.py', recursive=True)):
            wheel.write(source, os.path.relpath(source, 'src'))
        wheel.writestr(info + 'METADATA', metadata)
        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(info + 'entry_points.txt', f'[console_scripts]\n{name} = {name}:main\n')
        wheel.writestr(info + 'RECORD', '')
    return file
"#;

const OWN_BACKEND: &str =
    "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";

/// Writes `NAME-1.0.tar.gz` with these files below one directory, as an index has it.
fn sdist(environment: &TestEnvironment, name: &str, files: &[(&str, &str)]) {
    let file = fs::File::create(environment.home().join(format!("{name}-1.0.tar.gz"))).unwrap();
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::default()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let path = format!("{name}-1.0/{path}");
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap();
}

/// A source whose backend is its own.
fn own_sdist(environment: &TestEnvironment, name: &str, requirements: &str, module: &str) {
    let project = format!("{name} 1.0 {requirements}");
    let module_file = format!("src/{name}/__init__.py");
    let files = [
        ("pyproject.toml", OWN_BACKEND),
        ("backend.py", BACKEND),
        ("project", &project),
        (&module_file, module),
    ];
    sdist(environment, name, &files);
}

/// A package of the source `FILE` with further fields.
fn package(name: &str, file: &str, fields: &str) -> String {
    format!(
        "(define {name}
           (package (name \"{name}\") (version \"1.0\") (source (local-file \"{file}\"))
                    (build-system pyproject-build-system) {fields}
                    (home-page #f) (synopsis \"P\") (description \"P.\") (license #f)))\n"
    )
}

const MODULES: &str =
    "(use-modules (hpcl packages) (hpcl gexp) (hpcl build-system pyproject) (hpcl search-paths)
                  (core python))\n";

/// Debian's Python of the seed, which is there in seconds; it knows no variable of ours.
const SEED: &str = r#"
(define seed
  (package
    (inherit python-seed)
    (native-search-paths
     (list (search-path-specification
            (variable "PYTHONPATH")
            (files '("lib/python3.11/site-packages")))))))
"#;

const BY_SEED: &str = "(arguments (list #:python seed #:tests? #f))";

#[test]
fn a_project_with_its_own_backend_finds_what_it_needs_and_becomes_a_wheel_that_can_be_installed() {
    let test = "a_project_with_its_own_backend";
    if !sandbox_or_skip(test) {
        return;
    }
    let environment = TestEnvironment::new();
    own_sdist(&environment, "low", "", "def main():\n    print(word())\ndef word():\n    return 'low'\n");
    own_sdist(&environment, "top", "low", "import low\ndef main():\n    print('above', low.word())\n");
    let low = package(
        "low",
        "low-1.0.tar.gz",
        "(arguments (list #:python seed #:tests? #f)) (outputs '(\"out\" \"wheel\"))",
    );
    let top = package("top", "top-1.0.tar.gz", &format!("{BY_SEED} (propagated-inputs (list low))"));
    environment.write("top.hpcl", &format!("{MODULES}{SEED}{low}{top}top\n"));
    let Some(item) = built(test, hpcl(&environment, &["build", "-f", "top.hpcl"])) else { return };
    // The program knows where its modules are, and the first line names an interpreter of the store.
    assert_eq!(text(Command::new(item.join("bin/top")).env_clear().output().unwrap()), "above low\n");
    let script = fs::read_to_string(item.join("bin/top")).unwrap();
    assert!(script.starts_with(&format!("#!{}", item.parent().unwrap().display())), "{script}");

    // Without the propagated input it cannot be imported, and the build says so.
    let alone = package("alone", "top-1.0.tar.gz", BY_SEED);
    environment.write("alone.hpcl", &format!("{MODULES}{SEED}{alone}alone\n"));
    let output = hpcl(&environment, &["build", "-f", "alone.hpcl"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{errors}");
    assert!(errors.contains("failed in phase `sanity-check`"), "{errors}");
    assert!(errors.contains("import top: ModuleNotFoundError: No module named 'low'"), "{errors}");

    // The wheel that came of it, as an index has it, is installed as it is.
    let copied = trivial_package("\"wheel\"", "#~(copy-recursively #$low:wheel #$output)");
    environment.write(
        "wheel.hpcl",
        &format!("{MODULES}(use-modules (hpcl build-system trivial)){SEED}{low}{copied}\n"),
    );
    let wheel = built(test, hpcl(&environment, &["build", "-f", "wheel.hpcl"])).unwrap();
    let name = "low-1.0-py3-none-any.whl";
    fs::copy(wheel.join(name), environment.home().join(name)).unwrap();
    let installed = package("installed", name, BY_SEED);
    environment.write("installed.hpcl", &format!("{MODULES}{SEED}{installed}installed\n"));
    let item = built(test, hpcl(&environment, &["build", "-f", "installed.hpcl"])).unwrap();
    assert_eq!(text(Command::new(item.join("bin/low")).env_clear().output().unwrap()), "low\n");

    // One for another Python is refused by its name.
    let other = "low-1.0-cp27-cp27m-manylinux1_x86_64.whl";
    fs::copy(wheel.join(name), environment.home().join(other)).unwrap();
    let foreign = package("foreign", other, "(arguments (list #:python python))");
    if is_there_or_skip(test, &environment, "python") {
        environment.write("foreign.hpcl", &format!("{MODULES}{foreign}foreign\n"));
        let output = hpcl(&environment, &["build", "-f", "foreign.hpcl"]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(errors.contains("the wheel is for cp27-cp27m-manylinux1_x86_64"), "{errors}");
    }
}

#[test]
fn backends_of_the_channels_build_modules_in_python_and_in_c() {
    let test = "backends_of_the_channels_build_modules_in_python_and_in_c";
    let environment = TestEnvironment::new();
    for tool in ["python-setuptools", "python-flit-core", "python-hatchling"] {
        if !sandbox_or_skip(test) || !is_there_or_skip(test, &environment, tool) {
            return;
        }
    }
    let project = |name: &str, requires: &str, backend: &str, dependencies: &str| {
        format!(
            "[build-system]\nrequires = [\"{requires}\"]\nbuild-backend = \"{backend}\"\n\
             [project]\nname = \"{name}\"\nversion = \"1.0\"\ndescription = \"Text\"\ndependencies = [{dependencies}]\n"
        )
    };
    // An extension module in C, without a pyproject.toml.
    let setup = "from setuptools import Extension, setup\n\
                 setup(name='fast', version='1.0', ext_modules=[Extension('fast', ['fast.c'])])\n";
    let c = "#include <Python.h>\n\
             static PyObject *answer(PyObject *self, PyObject *none) { return PyLong_FromLong(42); }\n\
             static PyMethodDef methods[] = {{\"answer\", answer, METH_NOARGS, 0}, {0}};\n\
             static PyModuleDef module = {PyModuleDef_HEAD_INIT, \"fast\", 0, -1, methods};\n\
             PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }\n";
    sdist(&environment, "fast", &[("setup.py", setup), ("fast.c", c)]);
    let middle = project("middle", "flit_core", "flit_core.buildapi", "\"fast>=0.5\"");
    sdist(
        &environment,
        "middle",
        &[("pyproject.toml", &middle), ("middle.py", "import fast\nanswer = fast.answer\n")],
    );
    let upper = project("upper", "hatchling", "hatchling.build", "\"middle==1.*\"");
    let files = [
        ("pyproject.toml", upper.as_str()),
        ("upper/__init__.py", "import middle\nprint('the answer is', middle.answer())\n"),
        (
            "tests/test_upper.py",
            "import unittest, upper\nclass T(unittest.TestCase):\n    def test(self): pass\n",
        ),
    ];
    sdist(&environment, "upper", &files);
    let quiet = "(arguments (list #:tests? #f))";
    let definitions = [
        package("fast", "fast-1.0.tar.gz", &format!("{quiet} (native-inputs (list python-setuptools))")),
        package(
            "middle",
            "middle-1.0.tar.gz",
            &format!("{quiet} (native-inputs (list python-flit-core)) (propagated-inputs (list fast))"),
        ),
        package(
            "upper",
            "upper-1.0.tar.gz",
            "(native-inputs (list python-hatchling)) (propagated-inputs (list middle))
             (arguments (list #:test-flags #~'(\"discover\" \"-s\" \"tests\")))",
        ),
    ]
    .concat();
    let head = format!("{MODULES}(use-modules (python backends))\n{definitions}");
    environment.write(
        "manifest.hpcl",
        &format!("(use-modules (hpcl profiles))\n{head}(packages->manifest (list python upper))\n"),
    );
    let mut run =
        hpcl(&environment, &["shell", "-m", "manifest.hpcl", "--", "python3", "-c", "import upper"]);
    assert_eq!(text(run.output().unwrap()), "the answer is 42\n");

    // What the metadata require is compared with what is there.
    let picky = project("picky", "flit_core", "flit_core.buildapi", "\"fast>=2\"");
    sdist(&environment, "picky", &[("pyproject.toml", &picky), ("picky.py", "")]);
    let picky = package(
        "picky",
        "picky-1.0.tar.gz",
        &format!("{quiet} (native-inputs (list python-flit-core)) (propagated-inputs (list fast))"),
    );
    environment.write("picky.hpcl", &format!("{head}{picky}picky\n"));
    let output = hpcl(&environment, &["build", "-f", "picky.hpcl"]).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("`fast>=2` is required, and version 1.0 is there"), "{errors}");
}
