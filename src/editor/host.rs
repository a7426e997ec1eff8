//! The host of an editor's evaluations: the channels, with the texts that are open in the editor in place of the files.

use std::{any::Any, collections::BTreeMap, path::PathBuf, sync::Arc};

use hpcl_lang::{
    host::{Host, ModuleName, ModuleSource},
    native::Native,
};

use crate::{channel::Channels, host::EvaluationHost};

/// Texts that are open, by the module that they declare: the file's name and the text.
pub type OpenModules = BTreeMap<ModuleName, (Arc<str>, Arc<str>)>;

/// The host.
pub struct EditorHost {
    inner: EvaluationHost,
    open: OpenModules,
}

impl EditorHost {
    /// Returns a host; relative local files are looked up in `base_directory`.
    pub fn new(channels: Channels, base_directory: PathBuf, open: OpenModules) -> Self {
        EditorHost { inner: EvaluationHost::new(channels, base_directory), open }
    }
}

impl Host for EditorHost {
    fn module_source(&mut self, name: &ModuleName) -> Result<Option<ModuleSource>, String> {
        match self.open.get(name) {
            Some((file, text)) => Ok(Some(ModuleSource { file: file.clone(), text: text.clone() })),
            None => self.inner.module_source(name),
        }
    }

    fn canonical_module(&mut self, name: &ModuleName) -> Option<ModuleName> {
        self.inner.canonical_module(name).filter(|_| !self.open.contains_key(name))
    }

    fn natives(&self) -> Vec<&'static [Native]> {
        self.inner.natives()
    }

    fn exporters(&mut self, name: &str) -> Vec<ModuleName> {
        self.inner.exporters(name)
    }

    fn missing_module(&mut self, name: &ModuleName) -> Option<String> {
        self.inner.missing_module(name)
    }

    fn module_names(&mut self) -> Vec<ModuleName> {
        self.inner.module_names()
    }

    fn program_imports(&self) -> Vec<ModuleName> {
        self.inner.program_imports()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self.inner.as_any_mut()
    }
}
