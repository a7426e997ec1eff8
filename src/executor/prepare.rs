//! From a derivation to an order: directories, sandbox, environment, staged code, all in local form.
//!
//! A build works in one directory of the store's file system: `store/` becomes the store directory of the sandbox, with
//! the closure of the inputs bound into it, so that outputs are made at their final local paths and moved into the store by rename;
//! `build/` becomes `/build` and `tmp/` `/tmp`. Without a sandbox outputs are made at their places in the store itself, and moved to
//! `store/` when the builder has ended, however it ended.
//!
//! Invariant: the environment holds what the derivation says and the fixed variables below, nothing of this process.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{BuildError, BuilderJob, jobserver, kept, zygote::BuildOrder};
use crate::{
    derivation::Derivation,
    sandbox::{Isolation, Link, SandboxSpec},
    store::{LocalStore, remove_tree},
    store_path::StorePath,
};

/// The builder of staged code.
pub(super) const HPCL_1: &str = "builtin:hpcl-1";
/// Where builds work, inside the sandbox.
const BUILD: &str = "/build";
/// Variables that a derivation may set otherwise.
const DEFAULTS: [(&str, &str); 5] = [
    ("HOME", "/homeless-shelter"),
    ("LC_ALL", "C"),
    ("PATH", "/path-not-set"),
    ("SOURCE_DATE_EPOCH", "1"),
    ("TZ", "UTC0"),
];
const TEMPORARY: [&str; 4] = ["TMPDIR", "TMP", "TEMP", "TEMPDIR"];

/// A build that is ready to be ordered.
#[derive(Debug)]
pub(super) struct Prepared {
    /// What the build is told.
    pub order: BuildOrder,
    /// How it is kept apart.
    pub isolation: Isolation,
    /// Its directory on the host.
    pub directory: PathBuf,
    /// Where each output is found on the host after the build, in the derivation's order.
    pub outputs: Vec<PathBuf>,
}

impl Prepared {
    /// Without a sandbox: removes what is at the places where outputs will be made.
    pub(super) fn clear_places(&self) -> Result<(), BuildError> {
        for (_, place) in &self.order.job.outputs {
            remove_tree(place).map_err(BuildError::io("remove", place))?;
        }
        Ok(())
    }

    /// Without a sandbox: moves what was made at the outputs' places out of the store.
    pub(super) fn collect_from_places(&self) -> Result<(), BuildError> {
        for ((_, place), to) in self.order.job.outputs.iter().zip(&self.outputs) {
            if place.symlink_metadata().is_ok() {
                kept::move_directory(place, to).map_err(BuildError::io("move", place))?;
            }
        }
        Ok(())
    }
}

/// Prepares builds of one store.
#[derive(Debug)]
pub(super) struct Preparer<'a> {
    store: &'a LocalStore,
    /// The store directories without symbolic links: binds are made from a root in which links would lead astray.
    real_stores: BTreeMap<PathBuf, PathBuf>,
    cores: u32,
    sandbox: bool,
    references: Mutex<BTreeMap<StorePath, BTreeSet<StorePath>>>,
}

impl<'a> Preparer<'a> {
    pub(super) fn new(store: &'a LocalStore, cores: u32, sandbox: bool) -> Result<Self, BuildError> {
        let directories = std::iter::once(store.local_dir()).chain(store.layers());
        let real = |directory: &Path| {
            let real = fs::canonicalize(directory).map_err(BuildError::io("resolve", directory))?;
            Ok((directory.to_owned(), real))
        };
        let real_stores = directories.map(real).collect::<Result<_, BuildError>>()?;
        Ok(Preparer { store, real_stores, cores, sandbox, references: Mutex::default() })
    }

    /// Prepares a build in a directory of the scratch pool.
    pub(super) fn prepare(
        &self,
        derivation: &Derivation,
        inputs: &[StorePath],
        directory: &Path,
    ) -> Result<Prepared, BuildError> {
        if derivation.builder != HPCL_1 {
            return Err(BuildError::UnknownBuilder { builder: derivation.builder.to_string() });
        }
        let isolation = match (self.sandbox, derivation.fixed()) {
            (false, _) => Isolation::None,
            (true, None) => Isolation::Full,
            (true, Some(_)) => Isolation::WithNetwork,
        };
        let build = directory.join("build");
        let outputs_in = directory.join("store");
        let job = self.job(derivation, inputs, if self.sandbox { Path::new(BUILD) } else { &build })?;
        let mut spec = SandboxSpec::new(directory);
        if self.sandbox {
            let tmp = directory.join("tmp");
            // The store last: it may lie below `/tmp`.
            spec = spec
                .writable(&tmp, "/tmp")
                .writable(&build, BUILD)
                .writable(&outputs_in, self.store.local_dir());
            for item in self.closure(inputs)? {
                for place in self.store.places_of(&item) {
                    let directory = place.parent().and_then(|directory| self.real_stores.get(directory));
                    let real = directory.map_or_else(|| place.clone(), |real| real.join(item.as_str()));
                    spec = spec.read_only(real, place);
                }
            }
            spec.links = job
                .sandbox_shell
                .iter()
                .map(|shell| Link { at: "/bin/sh".into(), to: shell.clone() })
                .collect();
            spec.network = isolation == Isolation::WithNetwork;
            spec.directory = BUILD.into();
        }
        let outputs =
            derivation.outputs.values().map(|output| outputs_in.join(output.path.as_str())).collect();
        Ok(Prepared { order: BuildOrder { spec, job }, isolation, directory: directory.to_owned(), outputs })
    }

    fn job(
        &self,
        derivation: &Derivation,
        inputs: &[StorePath],
        build_dir: &Path,
    ) -> Result<BuilderJob, BuildError> {
        // A build that is checked makes what may lie in a layer.
        let made: BTreeSet<StorePath> =
            derivation.outputs.values().map(|output| output.path.clone()).collect();
        let mut env: BTreeMap<String, String> =
            DEFAULTS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let mut code = None;
        let mut modules = Vec::new();
        let mut extensions = Vec::new();
        for (name, value) in &derivation.env {
            let name = text(name, "name", "is not UTF-8")?;
            let value = String::from_utf8(self.store.to_local_making(value, &made))
                .map_err(|_| BuildError::BadDerivation { variable: name.clone(), problem: "is not UTF-8" })?;
            match name.as_str() {
                "code" => code = Some(value),
                "modules" => modules = parse_modules(&value)?,
                "extensions" => extensions = value.lines().map(PathBuf::from).collect(),
                _ => {
                    env.insert(name, value);
                }
            }
        }
        let code = code.ok_or_else(|| BuildError::BadDerivation {
            variable: "code".into(),
            problem: "is missing: there is nothing to run",
        })?;
        let directory = build_dir.to_string_lossy().into_owned();
        for name in TEMPORARY.into_iter().chain(["PWD", "HPCL_BUILD_TOP"]) {
            env.insert(name.into(), directory.clone());
        }
        env.insert("HPCL_BUILD_CORES".into(), self.cores.to_string());
        env.insert("HPCL_STORE_DIR".into(), self.store.local_dir().to_string_lossy().into_owned());
        env.entry("MAKEFLAGS".into()).or_insert_with(|| jobserver::MAKEFLAGS.into());
        Ok(BuilderJob {
            name: derivation.name.to_string(),
            code,
            modules,
            extensions,
            sandbox_shell: env.get("sandboxShell").map(PathBuf::from),
            env: env.into_iter().collect(),
            outputs: derivation
                .outputs
                .iter()
                .map(|(name, output)| (name.as_str().to_owned(), self.store.own_path(&output.path)))
                .collect(),
            cores: self.cores,
            build_dir: build_dir.to_owned(),
            store_dir: self.store.local_dir().to_owned(),
            layers: self.store.layers().map(Path::to_owned).collect(),
            libraries: self.out_of_reach(inputs)?,
        })
    }

    /// The inputs with libraries that lie in another store than the compiler. The compiler's linker gives a program the directories of
    /// those libraries that lie in its own store, and must be told of the others.
    fn out_of_reach(&self, inputs: &[StorePath]) -> Result<Vec<PathBuf>, BuildError> {
        if self.store.layers().next().is_none() {
            return Ok(Vec::new());
        }
        let places: Vec<PathBuf> =
            self.closure(inputs)?.iter().map(|item| self.store.local_path(item)).collect();
        let compiler = places.iter().find(|place| place.join("bin/gcc").exists());
        let Some(store) = compiler.and_then(|place| place.parent()) else { return Ok(Vec::new()) };
        let has_libraries = |place: &PathBuf| {
            let files = fs::read_dir(place.join("lib")).into_iter().flatten().flatten();
            files.map(|file| file.file_name()).any(|name| name.to_string_lossy().contains(".so"))
        };
        let beyond = places.iter().filter(|place| place.parent() != Some(store));
        Ok(beyond.filter(|place| has_libraries(place)).cloned().collect())
    }

    /// The inputs and all that they refer to. Metadata never changes, so each is read once.
    pub(super) fn closure(&self, inputs: &[StorePath]) -> Result<BTreeSet<StorePath>, BuildError> {
        let mut known = self.references.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closure: BTreeSet<StorePath> = inputs.iter().cloned().collect();
        let mut left: Vec<StorePath> = inputs.to_vec();
        while let Some(item) = left.pop() {
            if !known.contains_key(&item) {
                known.insert(item.clone(), self.store.info(&item)?.references);
            }
            for reference in known.get(&item).into_iter().flatten() {
                if closure.insert(reference.clone()) {
                    left.push(reference.clone());
                }
            }
        }
        Ok(closure)
    }
}

/// Parses lines of `(module name)<TAB>file`.
fn parse_modules(text: &str) -> Result<Vec<(String, PathBuf)>, BuildError> {
    let line = |line: &str| {
        let (name, file) = line.split_once('\t')?;
        Some((name.to_owned(), PathBuf::from(file)))
    };
    text.lines()
        .filter(|text| !text.trim().is_empty())
        .map(|text| {
            line(text).ok_or(BuildError::BadDerivation {
                variable: "modules".into(),
                problem: "has a line that is not a module's name, a tab and a file",
            })
        })
        .collect()
}

fn text(bytes: &[u8], what: &str, problem: &'static str) -> Result<String, BuildError> {
    String::from_utf8(bytes.to_vec())
        .map_err(|_| BuildError::BadDerivation { variable: what.into(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_lines_of_name_and_file() {
        let modules = parse_modules("(hpcl build utils)\t/s/a-utils.hpcl\n\n(x)\t/s/b\n").unwrap();
        assert_eq!(modules[0], ("(hpcl build utils)".into(), "/s/a-utils.hpcl".into()));
        assert_eq!(modules.len(), 2);
        let error = parse_modules("(hpcl build utils) /s/a").unwrap_err();
        assert!(error.to_string().starts_with("the derivation's `modules` has a line"), "{error}");
    }
}
