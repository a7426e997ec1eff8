//! The host of the builder side: its modules and its natives.
//!
//! Modules are the files that the job lists and those of its extensions, and nothing else: what a build may import is part of
//! its hash. `(guix …)`
//! is another name for `(hpcl …)`.

use std::{
    any::Any,
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::Arc,
};

use hpcl_lang::{
    host::{Host, ModuleName, ModuleSource},
    native::Native,
    symbol::Symbol,
};
use rustc_hash::FxHashMap;

use super::{bytes, world::World};
use crate::executor::BuilderJob;

/// The host of the interpreter inside a build.
#[derive(Debug, Default)]
pub struct BuilderHost {
    modules: FxHashMap<String, PathBuf>,
    extensions: Vec<PathBuf>,
    /// What the build sees and changes.
    pub world: World,
}

impl BuilderHost {
    /// Returns the host for a job.
    pub fn new(job: &BuilderJob) -> BuilderHost {
        let modules = job.modules.iter().cloned().collect();
        let mut environment: BTreeMap<String, OsString> =
            job.env.iter().map(|(name, value)| (name.clone(), value.into())).collect();
        // for the linker wrapper: what is built may need libraries of its own outputs
        let outputs =
            job.outputs.iter().map(|(_, path)| path).chain(&job.libraries).map(|path| path.as_os_str());
        environment.insert("HPCL_OUTPUTS".into(), outputs.collect::<Vec<_>>().join(OsStr::new(":")));
        let world = World {
            directory: job.build_dir.clone(),
            environment,
            outputs: job.outputs.clone(),
            cores: job.cores,
            store: job.store_dir.clone(),
            layers: job.layers.clone(),
            libraries: job.libraries.iter().map(|item| bytes::path_text(&item.join("lib"))).collect(),
            phase: None,
        };
        BuilderHost { modules, extensions: job.extensions.clone(), world }
    }
}

impl Host for BuilderHost {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        let in_extensions = || {
            let below =
                |directory: &PathBuf| directory.join(format!("share/guile/site/3.0/{}.scm", name.path()));
            self.extensions.iter().map(below).find(|path| path.is_file())
        };
        let Some(path) = self.modules.get(&name.to_string()).cloned().or_else(in_extensions) else {
            return Ok(None);
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let file = format!("{}.hpcl", name.path());
                Ok(Some(ModuleSource { file: Arc::from(file), text: Arc::from(text) }))
            }
            Err(error) => Err(format!("`{}`: {error}", path.display())),
        }
    }

    fn canonical_module(&mut self, name: &ModuleName) -> Option<ModuleName> {
        (name.root() == Symbol::new("guix")).then(|| name.with_root(Symbol::new("hpcl")))
    }

    fn natives(&self) -> Vec<&'static [Native]> {
        super::natives()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
