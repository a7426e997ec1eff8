//! Staged code: `gexp`, `ungexp` and what is attached to it.
//!
//! The code stays a datum in which every reference of its own level is replaced by `(%reference N)`; nested `gexp`
//! forms raise the level, as nested quasi-quotations do. What is referred to is evaluated where the code is
//! written.

use std::rc::Rc;

use crate::{
    core_form::{Core, GexpForm, GexpPart},
    datum::{Datum, DatumKind},
    natives,
    symbol::Symbol,
    value::Value,
};

use super::{Env, ExpandError, Expander, Failure, env::Mark, list_form, list_items};

impl Expander<'_> {
    pub(super) fn gexp(&mut self, form: &Datum, arguments: &[Datum], env: &Env) -> Result<Core, Failure> {
        let [code] = arguments else {
            return Err(ExpandError::BadSyntax { form: "gexp", span: form.span, expected: "`#~code`" }.into());
        };
        let mut references = Vec::new();
        let template = self.stage(code, 0, env, &mut references)?;
        let modules = env.mark(|mark| match mark {
            Mark::ImportedModules(var) => Some(*var),
            _ => None,
        });
        let extensions = env.mark(|mark| match mark {
            Mark::Extensions(var) => Some(*var),
            _ => None,
        });
        let template = Rc::new(template);
        Ok(Core::Gexp(Box::new(GexpForm { template, references, modules, extensions, span: form.span })))
    }

    fn stage(
        &mut self,
        code: &Datum,
        level: usize,
        env: &Env,
        references: &mut Vec<GexpPart>,
    ) -> Result<Datum, Failure> {
        if !self.stack.has_room() {
            return Err(ExpandError::TooDeep { span: code.span }.into());
        }
        let kind = match &code.kind {
            DatumKind::List(items) => {
                let head = self.staging_word(items.first(), env);
                match head {
                    Some("gexp") => DatumKind::List(self.stage_all(items, level + 1, env, references)?),
                    Some(word) if level == 0 => {
                        let index = i64::try_from(references.len()).unwrap_or(i64::MAX);
                        let part = self.reference(code, items, word, env)?;
                        references.push(part);
                        let span = code.span;
                        let mark = Datum { kind: DatumKind::Symbol(Symbol::new("%reference")), span };
                        return Ok(list_form(vec![mark, Datum { kind: DatumKind::Int(index), span }], span));
                    }
                    Some(_) => DatumKind::List(self.stage_all(items, level - 1, env, references)?),
                    None => DatumKind::List(self.stage_all(items, level, env, references)?),
                }
            }
            DatumKind::Vector(items) => DatumKind::Vector(self.stage_all(items, level, env, references)?),
            DatumKind::Dotted(items, tail) => {
                let items = self.stage_all(items, level, env, references)?;
                let tail = self.stage(tail, level, env, references)?;
                return Ok(super::macros::list_with_tail(items, Some(tail), code.span));
            }
            DatumKind::Symbol(name) => DatumKind::Symbol(self.world.aliases.original(*name)),
            other => other.clone(),
        };
        Ok(Datum { kind, span: code.span })
    }

    fn stage_all(
        &mut self,
        items: &[Datum],
        level: usize,
        env: &Env,
        references: &mut Vec<GexpPart>,
    ) -> Result<Vec<Datum>, Failure> {
        items.iter().map(|item| self.stage(item, level, env, references)).collect()
    }

    fn staging_word(&self, head: Option<&Datum>, env: &Env) -> Option<&'static str> {
        ["gexp", "ungexp", "ungexp-splicing", "ungexp-native", "ungexp-native-splicing"]
            .into_iter()
            .find(|word| head.is_some_and(|head| self.is_word(head, word, env)))
    }

    fn reference(
        &mut self,
        form: &Datum,
        items: &[Datum],
        word: &str,
        env: &Env,
    ) -> Result<GexpPart, Failure> {
        let (value, output) = match items {
            [_, value] => (value, None),
            [_, value, output] => (value, Some(output)),
            _ => {
                return Err(ExpandError::BadSyntax {
                    form: "ungexp",
                    span: form.span,
                    expected: "`#$value`, `#$value:output` or `(ungexp value \"output\")`",
                }
                .into());
            }
        };
        let native = word.contains("native");
        let splice = word.ends_with("splicing");
        let value =
            if self.is_word(value, "output", env) { None } else { Some(self.expression(value, env)?) };
        let (value, output) = match output.map(|output| (output, &output.kind)) {
            None => (value, Symbol::new("out")),
            Some((_, DatumKind::String(name))) => (value, Symbol::new(name)),
            Some((computed, _)) => {
                let output = self.expression(computed, env)?;
                let thing = value.unwrap_or(Core::Const(Value::Bool(false)));
                let chosen = Value::Native(&natives::staged::REFERENCE);
                (Some(Core::call_const(chosen, vec![thing, output], form.span)), Symbol::new("out"))
            }
        };
        Ok(GexpPart { value, output, native, splice })
    }

    /// `(with-imported-modules modules body …)` and `(with-extensions extensions body …)`
    pub(super) fn with_attachment(
        &mut self,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        modules: bool,
    ) -> Result<Core, Failure> {
        let Some((attached, body)) = arguments.split_first().filter(|(_, body)| !body.is_empty()) else {
            return Err(ExpandError::BadSyntax {
                form: if modules { "with-imported-modules" } else { "with-extensions" },
                span: form.span,
                expected: "`(with-imported-modules '((module name) …) #~code)`",
            }
            .into());
        };
        let attached = self.expression(attached, env)?;
        let var = self.fresh(Symbol::new("attached"));
        let mark = if modules { Mark::ImportedModules(var) } else { Mark::Extensions(var) };
        let body = self.body(body, &env.marked(mark).nested(), form.span)?;
        Ok(Core::Let(vec![(var, attached)], Box::new(body)))
    }

    /// Returns the place of a form, as `current-source-location` gives it.
    pub(super) fn source_location(&self, span: crate::span::Span) -> Core {
        Core::Const(crate::vm::natives::location(span, &self.world.sources))
    }

    /// Returns the module name that a literal denotes: `'(a b)` or `(a b)`.
    pub(super) fn literal_module(&self, datum: &Datum) -> Option<crate::module::ModuleName> {
        let stripped = self.world.aliases.strip(datum);
        if let Some([Datum { kind: DatumKind::Symbol(head), .. }, quoted]) = list_items(&stripped)
            && head.as_str() == "quote"
        {
            return crate::module::ModuleName::from_datum(quoted);
        }
        crate::module::ModuleName::from_datum(&stripped)
    }
}
