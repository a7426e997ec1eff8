//! Forms that name modules inside of expressions: `@`, `@@`, `module-ref`, `resolve-interface`, `use-modules`.

use crate::{
    core_form::Core,
    datum::{Datum, DatumKind},
    module::{Binding, Import},
    procedure::Primitive,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure};

impl Expander<'_> {
    /// `(@ (module) name)`; `(@@ (module) name)` also reaches what is not exported.
    pub(super) fn at(&mut self, form: &Datum, arguments: &[Datum], private: bool) -> Result<Core, Failure> {
        let bad = || ExpandError::BadSyntax {
            form: if private { "@@" } else { "@" },
            span: form.span,
            expected: "`(@ (module name) name)`",
        };
        let [module, Datum { kind: DatumKind::Symbol(name), .. }] = arguments else {
            return Err(bad().into());
        };
        let module_name = self.literal_module(module).ok_or_else(bad)?;
        let name = self.world.aliases.original(*name);
        let id = self.world.find_module(&module_name, Some(module.span))?;
        let binding = if private { self.world.lookup(id, name)? } else { self.world.exported(id, name)? };
        match binding {
            Some(Binding::Variable(global)) => Ok(Core::Global(global, form.span)),
            Some(Binding::Constant(value)) => Ok(Core::Const(value)),
            Some(Binding::Macro(found)) => self.macro_alone(&found, name, form.span, &Env::top(id)),
            Some(_) => Err(ExpandError::NotAValue { name, span: form.span, what: "a macro" }.into()),
            None => Err(self.world.not_exported(id, name, form.span).into()),
        }
    }

    /// `(module-ref (resolve-interface '(module)) 'name)`: a reference by literal names is resolved here, any other
    /// when it is evaluated.
    pub(super) fn module_ref(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let [module, name] = arguments else {
            return Err(ExpandError::BadSyntax {
                form: "module-ref",
                span: form.span,
                expected: "`(module-ref (resolve-interface '(module name)) 'name)`",
            }
            .into());
        };
        let module = self.expression(module, env)?;
        let name = self.expression(name, env)?;
        Ok(Core::call_const(Value::Primitive(Primitive::ModuleRef), vec![module, name], form.span))
    }

    /// `(resolve-interface '(module))`: the module's name stands for it.
    pub(super) fn resolve_interface(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        match arguments.first() {
            Some(module) => self.expression(module, env),
            None => Err(ExpandError::BadSyntax {
                form: "resolve-interface",
                span: form.span,
                expected: "`(resolve-interface '(module name))`",
            }
            .into()),
        }
    }

    /// `(resolve-module '(module))`: as `resolve-interface`, but `module-ref` reaches what is not exported too.
    pub(super) fn resolve_module(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let Some(module) = arguments.first() else {
            return Err(ExpandError::BadSyntax {
                form: "resolve-module",
                span: form.span,
                expected: "`(resolve-module '(module name))`",
            }
            .into());
        };
        let module = self.expression(module, env)?;
        let whole = Core::Const(Value::Bool(true));
        Ok(self.native_call("cons", vec![whole, module], form.span))
    }

    /// `use-modules` inside of an expression or a body imports into the whole module.
    pub(super) fn use_modules(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let _ = form;
        for spec in arguments {
            let import = Import::parse(&self.world.aliases.strip(spec))?;
            let known = self.world.module(env.module).imports.iter().any(|other| other.name == import.name);
            if !known {
                let module = self.world.module_mut(env.module);
                module.imports.push(import);
                module.cache.clear();
            }
        }
        Ok(Core::unspecified())
    }
}
