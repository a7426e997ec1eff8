//! Syntax parameters (SRFI 139, Guile), `with-ellipsis`, and macros reached through `@` and `@@`.
//!
//! `syntax-parameterize` changes what a macro means while its body is expanded, also where another macro put the name. The
//! expander goes through a body before it returns, so that a stack of meanings is enough.

use std::{cell::RefCell, rc::Rc};

use crate::{
    core_form::Core,
    datum::{Datum, DatumKind},
    module::{Binding, Denotation, Special},
};

use super::{
    Env, ExpandError, Expander, Failure, Macro, MacroSource,
    env::{Local, Mark},
    list_items,
};

/// A macro whose meaning may be changed for a while.
pub(crate) struct SyntaxParameter {
    default: Rc<Macro>,
    inner: RefCell<Vec<Rc<Macro>>>,
}

impl SyntaxParameter {
    /// Returns a parameter with its meaning outside of any `syntax-parameterize`.
    pub fn new(default: Rc<Macro>) -> Self {
        SyntaxParameter { default, inner: RefCell::default() }
    }

    /// Returns what it means here.
    pub fn current(&self) -> Rc<Macro> {
        self.inner.borrow().last().unwrap_or(&self.default).clone()
    }
}

impl Expander<'_> {
    /// `(syntax-parameterize ((name transformer) …) body …)`
    pub(super) fn syntax_parameterize(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let bad = |span| -> Failure {
            let expected = "`(syntax-parameterize ((name transformer) …) body …)`";
            ExpandError::BadSyntax { form: "syntax-parameterize", span, expected }.into()
        };
        let [bindings, body @ ..] = arguments else { return Err(bad(form.span)) };
        if body.is_empty() {
            return Err(bad(form.span));
        }
        let mut changed = Vec::new();
        for binding in list_items(bindings).ok_or_else(|| bad(bindings.span))? {
            let Some([Datum { kind: DatumKind::Symbol(name), span }, source]) = list_items(binding) else {
                return Err(bad(binding.span));
            };
            let parameter = match self.world.denote_plainly(*name, env)? {
                Denotation::Local(Local::Macro(found)) | Denotation::Top(Binding::Macro(found))
                    if matches!(*found, Macro::Parameter(_)) =>
                {
                    found
                }
                _ => {
                    return Err(ExpandError::Other {
                        message: format!("`{}` is no syntax parameter", self.world.aliases.original(*name)),
                        span: *span,
                        hint: Some(
                            "`define-syntax-parameter` defines one; `parameterize` is for values".to_owned(),
                        ),
                    }
                    .into());
                }
            };
            let meaning = self.world.local_macro(*name, MacroSource::Transformer(source.clone()), env)?;
            changed.push((parameter, meaning));
        }
        for (parameter, meaning) in &changed {
            if let Macro::Parameter(parameter) = &**parameter {
                parameter.inner.borrow_mut().push(meaning.clone());
            }
        }
        let result = self.body(body, &env.nested(), form.span);
        for (parameter, _) in &changed {
            if let Macro::Parameter(parameter) = &**parameter {
                parameter.inner.borrow_mut().pop();
            }
        }
        result
    }

    /// `(with-ellipsis name body …)`
    pub(super) fn with_ellipsis(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        match arguments {
            [Datum { kind: DatumKind::Symbol(name), .. }, body @ ..] if !body.is_empty() => {
                let name = self.world.aliases.original(*name);
                self.body(body, &env.marked(Mark::Ellipsis(name)), form.span)
            }
            _ => Err(ExpandError::BadSyntax {
                form: "with-ellipsis",
                span: form.span,
                expected: "`(with-ellipsis name body …)`",
            }
            .into()),
        }
    }

    /// Returns the macro that `(@ (module) name)` or `(@@ (module) name)` stands for.
    pub(super) fn macro_of_another_module(
        &mut self,
        head: &Datum,
        env: &Env,
    ) -> Result<Option<Rc<Macro>>, Failure> {
        let Some([word, module, Datum { kind: DatumKind::Symbol(name), .. }]) = list_items(head) else {
            return Ok(None);
        };
        let DatumKind::Symbol(word) = word.kind else { return Ok(None) };
        let private = match self.world.denote(word, env)? {
            Denotation::Top(Binding::Special(Special::At)) => false,
            Denotation::Top(Binding::Special(Special::AtAt)) => true,
            _ => return Ok(None),
        };
        let Some(module_name) = self.literal_module(module) else { return Ok(None) };
        let name = self.world.aliases.original(*name);
        let id = self.world.find_module(&module_name, Some(module.span))?;
        let binding = if private { self.world.lookup(id, name)? } else { self.world.exported(id, name)? };
        Ok(match binding {
            Some(Binding::Macro(found)) => Some(found),
            _ => None,
        })
    }
}
