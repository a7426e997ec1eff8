//! What is known of a module's text without reading it: where its top-level forms are and what they define.
//!
//! A module is loaded from its outline; the definitions are read from the text when they are needed. A host may keep outlines
//! and give them with [`crate::host::Host::module_outline`], so that a text of a megabyte is not looked through for one
//! definition. Invariant: an outline belongs to exactly one text.

use crate::{
    reader::outline::{self, Form, Head},
    symbol::Symbol,
};

use super::Special;

/// The longest form other than a definition that an outline keeps the text of, in bytes.
const LONGEST_KEPT: usize = 16_384;

/// The top-level forms of a module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleOutline {
    /// The forms in order.
    pub forms: Vec<OutlinedForm>,
}

/// A top-level form of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlinedForm {
    /// Where it stands.
    pub form: Form,
    /// What it is.
    pub what: Outlined,
}

/// What a top-level form of a module is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outlined {
    /// A definition: of what kind, of which name, and where the name begins, counted from the form's start.
    Definition(Defines, Symbol, u32),
    /// Something else; its text unless that is long.
    Other(Option<Box<str>>),
}

/// What a definition defines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Defines {
    /// A macro.
    Macro,
    /// A variable that is not exported by its definition.
    Private,
    /// A variable that is.
    Public,
}

impl ModuleOutline {
    /// Returns the outline of a text. There is none of a text that is wrong, or that gives the forms of the language another
    /// meaning: it is read as a whole.
    pub fn of(text: &str) -> Option<ModuleOutline> {
        let forms = outline::outline(text)?.into_iter().map(|form| {
            let slice = text.get(form.start as usize..form.end as usize)?;
            let what = match outline::head(slice).and_then(|head| Some((head, defines(&head)?))) {
                Some((head, defines)) => {
                    let name = Symbol::new(head.name);
                    if Special::named(name).is_some() {
                        return None;
                    }
                    Outlined::Definition(defines, name, head.name_start)
                }
                None => Outlined::Other((slice.len() <= LONGEST_KEPT).then(|| slice.into())),
            };
            Some(OutlinedForm { form, what })
        });
        Some(ModuleOutline { forms: forms.collect::<Option<_>>()? })
    }
}

fn defines(head: &Head<'_>) -> Option<Defines> {
    match head.form {
        "define" | "define*" => Some(Defines::Private),
        "define-public" | "define*-public" => Some(Defines::Public),
        "define-syntax" if !head.procedure => Some(Defines::Macro),
        "define-syntax-rule" if head.procedure => Some(Defines::Macro),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Defines, ModuleOutline, Outlined};

    #[test]
    fn definitions_are_told_from_other_forms() {
        let outline =
            ModuleOutline::of("(define-module (a))\n(define-public  b 1)\n(define-syntax-rule (c) 1)")
                .unwrap();
        let what: Vec<_> = outline.forms.iter().map(|form| &form.what).collect();
        assert!(matches!(what[0], Outlined::Other(Some(text)) if &**text == "(define-module (a))"));
        assert!(matches!(what[1], Outlined::Definition(Defines::Public, name, 16) if name.as_str() == "b"));
        assert!(matches!(what[2], Outlined::Definition(Defines::Macro, name, 21) if name.as_str() == "c"));
    }

    #[test]
    fn a_module_that_redefines_forms_has_no_outline() {
        assert!(ModuleOutline::of("(define (lambda x) x)").is_none());
        assert!(ModuleOutline::of("(define x").is_none());
    }
}
