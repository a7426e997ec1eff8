//! Which modules staged code takes along into a build.
//!
//! The standard library's module where it has one of that name, else the file of a channel as it stands: `(guix build
//! python-build-system)` of a checkout of Guix runs in builds as ours do. What a module imports comes along too. A module of
//! a channel may import what only Guile has, or what another system needs: that is left to the build to miss.

use hpcl_lang::{
    host::{ModuleName, ModuleSource},
    symbol::Symbol,
};
use rustc_hash::FxHashSet;

use super::{EvaluationHost, HostError, text_source};
use crate::{
    channel::{self, ChannelError},
    store_path::StorePath,
};

/// A module on the builder side.
#[derive(Clone)]
pub(super) struct BuilderModule {
    path: StorePath,
    imports: Vec<ModuleName>,
}

/// Returns the closure of builder-side modules with their paths in the store: each after those that it imports, and otherwise by
/// name from the last to the first, whatever was evaluated before: the order is part of what is hashed. Those that the language itself has are left out, and, if there are extensions, those that
/// can only be theirs.
///
/// # Errors
/// [`HostError::NoBuilderModule`] for one of `names` that does not exist, and errors of reading.
pub(super) fn imported_modules(
    host: &mut EvaluationHost,
    mut names: Vec<ModuleName>,
    extended: bool,
) -> Result<Vec<(ModuleName, StorePath)>, HostError> {
    names.sort_by_cached_key(ModuleName::to_string);
    let needed = |name: &ModuleName| !is_guiles(name) && (!extended || is_guixs(name));
    let mut seen = FxHashSet::default();
    let mut found = Vec::new();
    // What comes after its imports waits below them.
    let mut left: Vec<Visit> = names.into_iter().map(|name| Visit::Enter(needed(&name), name)).collect();
    while let Some(visit) = left.pop() {
        match visit {
            Visit::Leave(name, path) => found.push((name, path)),
            Visit::Enter(needed, name) => {
                let known_as = builder_name(&name);
                if !seen.insert(known_as.clone()) {
                    continue;
                }
                match builder_module(host, &name)? {
                    Some(mut module) => {
                        left.push(Visit::Leave(known_as, module.path));
                        module.imports.sort_by_cached_key(ModuleName::to_string);
                        left.extend(module.imports.into_iter().map(|import| Visit::Enter(false, import)));
                    }
                    None if needed => return Err(HostError::NoBuilderModule { name: name.to_string() }),
                    None => {}
                }
            }
        }
    }
    Ok(found)
}

/// A step of going through modules.
enum Visit {
    /// A module that may have been seen, and whether it must exist.
    Enter(bool, ModuleName),
    /// A module whose imports have been found.
    Leave(ModuleName, StorePath),
}

fn is_guiles(name: &ModuleName) -> bool {
    let roots =
        ["guile", "ice-9", "srfi", "rnrs", "scheme", "sxml", "system", "texinfo", "web", "language", "oop"];
    roots.contains(&name.root().as_str())
}

fn is_guixs(name: &ModuleName) -> bool {
    matches!(name.root().as_str(), "guix" | "hpcl" | "gnu")
}

/// Returns `(hpcl build x)` for `(guix build x)`.
pub(super) fn builder_name(name: &ModuleName) -> ModuleName {
    if name.root().as_str() == "guix" { name.with_root(Symbol::new("hpcl")) } else { name.clone() }
}

fn builder_module(host: &mut EvaluationHost, name: &ModuleName) -> Result<Option<BuilderModule>, HostError> {
    let known_as = builder_name(name);
    if let Some(known) = host.builder_modules.get(&known_as) {
        return Ok(known.clone());
    }
    let module = match source(host, name)? {
        None => None,
        Some((source, is_ours)) => {
            let parts: Vec<&str> = known_as.parts().iter().skip(1).map(|part| part.as_str()).collect();
            let path = text_source(host, &format!("{}.hpcl", parts.join("-")), &source.text)?;
            let follows = |import: &ModuleName| match import.parts() {
                [root, second, ..] if matches!(root.as_str(), "guix" | "hpcl") => {
                    !is_ours || second.as_str() == "build"
                }
                [_, second, ..] => second.as_str() == "build",
                _ => false,
            };
            let imports = channel::imports(&source.text).into_iter().filter(follows).collect();
            Some(BuilderModule { path, imports })
        }
    };
    host.builder_modules.insert(known_as, module.clone());
    Ok(module)
}

/// Returns a module's text, and whether the standard library has it.
fn source(host: &EvaluationHost, name: &ModuleName) -> Result<Option<(ModuleSource, bool)>, ChannelError> {
    if let Some(ours) = channel::builder_module(name) {
        return Ok(Some((ours, true)));
    }
    if let Some(theirs) = host.channels().file_as_it_stands(name)? {
        return Ok(Some((theirs, false)));
    }
    Ok(host.channels().module_source(name)?.map(|found| (found, true)))
}
