//! What diagnostics need of modules: unbound names, and the macro behind a place.

use crate::{
    diagnostic::Diagnostic, expand::Macro, native::Side, span::Span, suggest::closest, symbol::Symbol,
};

use super::{Binding, ModuleId, ModuleName, PRELUDE_MODULE, World};

/// Returns the diagnostic for a name that means nothing in a module; `locals` are the variables in scope.
pub(crate) fn unbound(
    world: &mut World,
    name: Symbol,
    module: ModuleId,
    locals: &[Symbol],
    span: Span,
) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::new("E0330", format!("`{name}` is not bound")).at(span, "not bound here");
    match world.base.known_elsewhere(name) {
        Some(Side::Builder) => {
            return diagnostic.hint(format!(
                "`{name}` exists only inside of builds; evaluation is pure, so use it in staged code (`#~`)"
            ));
        }
        Some(_) => {
            return diagnostic.hint(format!("`{name}` exists only where recipes are evaluated"));
        }
        None => {}
    }
    if let Some(hint) = through_imports(world, name, module) {
        return diagnostic.hint(hint);
    }
    let imported: Vec<ModuleId> = world
        .module(module)
        .imports
        .iter()
        .filter_map(|import| import.target.get().copied().flatten())
        .collect();
    let mut providers: Vec<ModuleName> = Vec::new();
    for index in 0..world.modules.len() {
        let id = ModuleId(u32::try_from(index).unwrap_or(u32::MAX));
        let other = world.module(id);
        if id != module && other.exports.contains_key(&name) {
            if imported.contains(&id) {
                let provider = &other.name;
                return diagnostic.hint(format!("`{provider}` exports `{name}`, but does not define it"));
            }
            providers.push(other.name.clone());
        }
    }
    if providers.is_empty() {
        providers = world.host.exporters(name.as_str());
    }
    // The library's modules are named as the file names them.
    if world.module(module).imports.iter().any(|import| import.name.root().as_str() == "guix") {
        let guix = Symbol::new("guix");
        providers
            .iter_mut()
            .filter(|name| name.root().as_str() == "hpcl")
            .for_each(|name| *name = name.with_root(guix));
    }
    let mut providers: Vec<String> = providers.iter().map(ToString::to_string).collect();
    providers.sort();
    providers.truncate(3);
    if !providers.is_empty() {
        for provider in providers {
            diagnostic = diagnostic.hint(format!(
                "`{name}` is exported by `{provider}`; add it to `#:use-module` or `use-modules`"
            ));
        }
        return diagnostic;
    }
    if let Some(why) = super::absent::why(name.as_str()) {
        return diagnostic.hint(format!("`{name}` of Guile is not there: {why}"));
    }
    if let Some(local) = world.similar_locals.get(&(name, module)) {
        return diagnostic.hint(format!("did you mean `{local}`?"));
    }
    let mut candidates: Vec<&'static str> = locals.iter().map(|name| name.as_str()).collect();
    for id in [module, super::PRELUDE_MODULE] {
        candidates.extend(world.module(id).table.keys().map(|name| name.as_str()));
    }
    for id in imported {
        candidates.extend(world.module(id).exports.keys().map(|name| name.as_str()));
    }
    candidates.extend(world.base.names().map(Symbol::as_str));
    candidates.extend(super::SPECIALS.iter().map(|(name, _)| *name));
    candidates.retain(|candidate| !candidate.is_empty() && !candidate.starts_with('%'));
    candidates.sort_unstable();
    match closest(name.as_str(), candidates) {
        Some(other) => diagnostic.hint(format!("did you mean `{other}`?")),
        None => diagnostic,
    }
}

/// Says why a name that an imported module has is not bound: hidden, not selected, under another name or not exported.
fn through_imports(world: &mut World, name: Symbol, module: ModuleId) -> Option<String> {
    let mut private = None;
    for index in 0..world.module(module).imports.len() {
        let provider = world.module(module).imports.get(index)?.name.clone();
        let Ok(Some(target)) = world.known_module(&provider) else { continue };
        let import = world.module(module).imports.get(index)?;
        let found = world.module(target);
        if found.is_base || target == module {
            continue;
        }
        if !found.exports.contains_key(&name) {
            if found.table.contains_key(&name) && !found.exports_all {
                private = Some(format!(
                    "`{provider}` defines `{name}` but does not export it: `(@@ {provider} {name})` reaches it"
                ));
            }
            continue;
        }
        if import.hide.contains(&name) {
            return Some(format!(
                "`{provider}` exports `{name}`, and the import hides it: take it out of `#:hide`"
            ));
        }
        match import.inside_names(name).first() {
            Some(inside) if *inside != name => {
                return Some(format!("`{name}` of `{provider}` is imported as `{inside}`"));
            }
            None => {
                return Some(format!(
                    "`{provider}` exports `{name}`: add it to the `#:select` of the import"
                ));
            }
            Some(_) => {}
        }
    }
    private
}

impl World {
    /// Returns the name of the user's macro whose use stands at a place.
    pub fn macro_used_at(&self, span: Span) -> Option<Symbol> {
        let text = self.sources.get(span.file)?.text();
        let form = text.get(span.start as usize..span.end as usize)?.strip_prefix('(')?;
        let end = form.find(|c: char| c.is_whitespace() || "()[]\";'".contains(c))?;
        let name = Symbol::new(form.get(..end)?);
        let module = self.module(*self.of_files.get(&span.file)?);
        let binding = module.table.get(&name).or_else(|| module.cache.get(&name))?;
        let Binding::Macro(found) = binding else { return None };
        let own = match &**found {
            Macro::Rules(rules) => rules.env.module != PRELUDE_MODULE,
            Macro::Procedure(_) => true,
            _ => false,
        };
        own.then_some(name)
    }
}
