//! Expansion: datum → core form.
//!
//! Resolves every name, expands macros, and reduces the surface forms to the few of [`Core`]. Forms are
//! recognised by what their head *means*, never by its spelling, so that any of them can be shadowed.
//! Recursion follows the nesting of the datum and is limited by the machine stack that is left.

mod binding;
mod body;
mod control;
mod define;
mod env;
mod error;
mod gexp;
mod iteration;
mod macros;
mod matching;
mod module_forms;
mod pattern;
mod procedure;
mod quasi;
pub(crate) mod record;
pub(crate) mod stack;
pub(crate) mod syntax;
mod syntax_case;
mod syntax_parameter;
mod transform;

use std::rc::Rc;

use crate::{
    core_form::{Core, Var, VarInfo},
    datum::{Datum, DatumKind},
    module::{Binding, Definition, Global, ModuleId, Noted, Special, State, World},
    span::Span,
    symbol::Symbol,
    value::Value,
};

pub use self::error::{ExpandError, Failure, TemplateFault};
pub(crate) use self::{
    define::{MacroSource, define_values_parts, defined_name, formals, macro_parts},
    env::{Aliases, Env, Local, Mark, head, same_binding},
    macros::{Macro, Rules},
    syntax_parameter::SyntaxParameter,
    transform::{evaluate_transformer, transform},
};
use crate::module::Denotation;

/// The expansion of one definition or expression.
pub(crate) struct Expander<'w> {
    /// The modules.
    pub world: &'w mut World,
    /// The variables so far.
    pub vars: Vec<VarInfo>,
    stack: stack::StackGuard,
    /// Variables below are of the program around a macro's procedure, which cannot use them.
    first_var: u32,
}

/// Returns the most clauses of a form each of whose clauses stands inside of what the one before becomes.
fn most_clauses(special: Special) -> usize {
    match special {
        Special::Cond | Special::Case | Special::And | Special::Or => 4_000,
        Special::Match | Special::MatchLambda | Special::MatchLambdaStar => 500,
        _ => usize::MAX,
    }
}

/// Returns a list.
pub(crate) fn list_form(items: Vec<Datum>, span: Span) -> Datum {
    Datum { kind: DatumKind::List(items), span }
}

/// Returns the items of a proper list.
fn list_items(datum: &Datum) -> Option<&[Datum]> {
    match &datum.kind {
        DatumKind::List(items) => Some(items),
        _ => None,
    }
}

fn dotted_call(span: Span) -> Failure {
    ExpandError::Other {
        message: "a call cannot have a dotted tail".to_owned(),
        span,
        hint: Some("use `apply` to pass a list of arguments".to_owned()),
    }
    .into()
}

impl<'w> Expander<'w> {
    /// Returns an expander for one definition.
    pub fn new(world: &'w mut World) -> Self {
        world.aliases.expanded = 0;
        Expander { world, vars: Vec::new(), stack: stack::StackGuard::new(), first_var: 0 }
    }

    /// Returns an expander for the procedure of a macro, which may stand inside of a definition.
    fn for_transformer(world: &'w mut World) -> Self {
        let first_var = world.next_var;
        let hidden = VarInfo { name: Symbol::new("hidden"), mutated: false };
        let vars = vec![hidden; first_var as usize];
        Expander { world, vars, stack: stack::StackGuard::new(), first_var }
    }

    /// Expands a definition: the expression whose value it has.
    pub fn definition(&mut self, global: &Global, definition: &Definition) -> Result<Core, Failure> {
        let env = Env::top(global.module);
        match definition {
            Definition::Form(form) => self.define_form_value(form, &env).map(|(_, core)| core),
            Definition::Expression(form) => self.expression_named(form, &env, Some(global.name)),
            Definition::Default(form, this) => self.default_procedure(form, *this, global.name, &env),
            Definition::Unread(file, form) => {
                let form = self.world.read_form(*file, *form)?;
                self.define_form_value(&form, &env).map(|(_, core)| core)
            }
            Definition::Prelude(index) => {
                let form = crate::module::read_prelude(*index).ok_or_else(|| ExpandError::Other {
                    message: format!("the prelude's definition of `{}` cannot be read", global.name),
                    span: global.span,
                    hint: None,
                })?;
                self.define_form_value(&form, &env).map(|(_, core)| core)
            }
        }
    }

    /// Makes a variable.
    pub(crate) fn fresh(&mut self, name: Symbol) -> Var {
        let var = Var(u32::try_from(self.vars.len()).unwrap_or(u32::MAX));
        self.world.next_var = self.world.next_var.max(var.0.saturating_add(1));
        let name = self.world.aliases.original(name);
        self.vars.push(VarInfo { name, mutated: false });
        var
    }

    /// Expands an expression.
    pub fn expression(&mut self, datum: &Datum, env: &Env) -> Result<Core, Failure> {
        self.expression_named(datum, env, None)
    }

    /// Expands an expression; a procedure that it makes takes the name.
    pub(crate) fn expression_named(
        &mut self,
        datum: &Datum,
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        if !self.stack.has_room() {
            return Err(self.too_deep(datum, env));
        }
        match &datum.kind {
            DatumKind::Symbol(symbol) => self.identifier(*symbol, datum.span, env),
            DatumKind::List(items) => match items.split_first() {
                Some((head, arguments)) => self.combination(datum, head, arguments, env, name),
                None => Err(ExpandError::Other {
                    message: "`()` is no expression".to_owned(),
                    span: datum.span,
                    hint: Some("the empty list is written `'()`".to_owned()),
                }
                .into()),
            },
            DatumKind::Dotted(items, _) => match self.macro_at_head(items, env)? {
                Some(found) => match self.world.expand_use(&found, datum, env)? {
                    Some(expanded) => self.expression_named(&expanded, env, name),
                    None => Err(dotted_call(datum.span)),
                },
                None => Err(dotted_call(datum.span)),
            },
            DatumKind::Vector(_) => Ok(Core::Const(Value::from_datum(&self.world.aliases.strip(datum)))),
            _ => Ok(Core::Const(Value::from_datum(datum))),
        }
    }

    /// Returns the error for a form that has no room: if it is the use of a macro, that one likely does not end.
    fn too_deep(&mut self, datum: &Datum, env: &Env) -> Failure {
        let items = list_items(datum).unwrap_or(&[]);
        let found = self.macro_at_head(items, env).ok().flatten();
        match (found.as_deref(), items.first().map(|head| &head.kind)) {
            (Some(Macro::Rules(_) | Macro::Procedure(_)), Some(DatumKind::Symbol(name))) => {
                let name = self.world.aliases.original(*name);
                ExpandError::Endless { name, span: datum.span }.into()
            }
            _ => ExpandError::TooDeep { span: datum.span }.into(),
        }
    }

    /// Returns the macro that the head of a form means.
    fn macro_at_head(&mut self, items: &[Datum], env: &Env) -> Result<Option<Rc<Macro>>, Failure> {
        let Some(Datum { kind: DatumKind::Symbol(head), .. }) = items.first() else { return Ok(None) };
        Ok(match self.world.denote(*head, env)? {
            Denotation::Local(Local::Macro(found)) | Denotation::Top(Binding::Macro(found)) => Some(found),
            _ => None,
        })
    }

    fn identifier(&mut self, name: Symbol, span: Span, env: &Env) -> Result<Core, Failure> {
        match self.world.denote(name, env)? {
            Denotation::Local(Local::Variable(var) | Local::Pattern(var, _)) if var.0 < self.first_var => {
                Err(self.other_phase(name, span))
            }
            Denotation::Local(Local::Variable(var)) => Ok(Core::Local(var)),
            Denotation::Local(Local::Pattern(..)) => {
                let name = self.world.aliases.original(name);
                Err(ExpandError::NotAValue { name, span, what: "a variable of a pattern" }.into())
            }
            Denotation::Local(Local::Constant(value)) => Ok(Core::Const(value)),
            Denotation::Local(Local::Macro(rules)) | Denotation::Top(Binding::Macro(rules)) => {
                self.macro_alone(&rules, name, span, env)
            }
            Denotation::Top(Binding::Variable(global)) => Ok(self.global(global, span)),
            Denotation::Top(Binding::Constant(value)) => Ok(Core::Const(value)),
            Denotation::Top(Binding::Special(_)) => {
                let name = self.world.aliases.original(name);
                Err(ExpandError::NotAValue { name, span, what: "a form of the language" }.into())
            }
            Denotation::Top(Binding::Syntax(_) | Binding::PreludeSyntax(_) | Binding::UnreadSyntax(..)) => {
                Err(ExpandError::NotAValue { name, span, what: "a macro" }.into())
            }
            Denotation::Unbound(name, module) => {
                if let Some(noted) = &mut self.world.noted {
                    noted.push(Noted::Unbound(name, module, span, env.names()));
                }
                self.note_similar(name, module, env);
                let global = self.placeholder(name, module, span);
                Ok(Core::Global(global, span))
            }
        }
    }

    /// Remembers which variable in scope a name that means nothing may stand for.
    fn note_similar(&mut self, name: Symbol, module: ModuleId, env: &Env) {
        let locals = env.names();
        let names = locals.iter().filter(|local| local.alias_index().is_none()).map(|local| local.as_str());
        if let Some(similar) = crate::suggest::closest(name.as_str(), names) {
            self.world.similar_locals.insert((name, module), Symbol::new(similar));
        }
    }

    fn global(&mut self, global: Rc<Global>, span: Span) -> Core {
        let constant = match &*global.state.borrow() {
            State::Value(value @ (Value::Procedure(_) | Value::RecordType(_))) if !self.world.redefining => {
                Some(value.clone())
            }
            _ => None,
        };
        match constant {
            Some(value) => Core::Const(value),
            None => Core::Global(global, span),
        }
    }

    /// Returns a binding for a name that means nothing yet: it is an error when it is used.
    fn placeholder(&mut self, name: Symbol, module: ModuleId, span: Span) -> Rc<Global> {
        if let Some(Binding::Variable(global)) = self.world.module(module).table.get(&name) {
            return global.clone();
        }
        let global = Global::new(name, module, span, State::Unbound);
        if self.world.module(module).open {
            self.world.module_mut(module).table.insert(name, Binding::Variable(global.clone()));
        }
        global
    }

    fn combination(
        &mut self,
        form: &Datum,
        head: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        let DatumKind::Symbol(symbol) = head.kind else {
            if let Some(found) = self.macro_of_another_module(head, env)? {
                return self.macro_use(&found, form, head, arguments, env, name);
            }
            let procedure = self.expression(head, env)?;
            return self.call(procedure, form, arguments, env);
        };
        match self.world.denote(symbol, env)? {
            Denotation::Top(Binding::Special(special)) => self.special(special, form, arguments, env, name),
            Denotation::Local(Local::Macro(rules)) | Denotation::Top(Binding::Macro(rules)) => {
                self.macro_use(&rules, form, head, arguments, env, name)
            }
            _ => {
                let procedure = self.identifier(symbol, head.span, env)?;
                self.call(procedure, form, arguments, env)
            }
        }
    }

    /// Expands the name of a macro that stands alone.
    fn macro_alone(&mut self, found: &Macro, name: Symbol, span: Span, env: &Env) -> Result<Core, Failure> {
        match found {
            Macro::Identifier(rules) => {
                let expanded = rules.expand_identifier(span, env, &mut self.world.aliases)?;
                self.expression(&expanded, env)
            }
            Macro::This(module, this) => self.this_record(*module, *this, span, env),
            Macro::Procedure(transformer) => {
                let form = Datum { kind: DatumKind::Symbol(name), span };
                let expanded = transform(self.world, transformer, &form, env)?;
                self.expression(&expanded, env)
            }
            Macro::Parameter(parameter) => self.macro_alone(&parameter.current(), name, span, env),
            Macro::Rules(_) | Macro::Record(_) => {
                let name = self.world.aliases.original(name);
                Err(ExpandError::NotAValue { name, span, what: "a macro" }.into())
            }
        }
    }

    /// Expands a form that a macro stands at the head of.
    fn macro_use(
        &mut self,
        found: &Macro,
        form: &Datum,
        head: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        match found {
            Macro::Rules(rules) => {
                let expanded = rules.expand(form, env, &mut self.world.aliases)?;
                self.expression_named(&expanded, env, name)
            }
            Macro::Procedure(transformer) => {
                let expanded = transform(self.world, transformer, form, env)?;
                self.expression_named(&expanded, env, name)
            }
            Macro::Identifier(rules) => {
                let expanded = rules.expand_identifier(head.span, env, &mut self.world.aliases)?;
                let procedure = self.expression(&expanded, env)?;
                self.call(procedure, form, arguments, env)
            }
            Macro::Record(spec) => self.record(spec, form, env),
            Macro::This(module, this) => {
                let procedure = self.this_record(*module, *this, head.span, env)?;
                self.call(procedure, form, arguments, env)
            }
            Macro::Parameter(parameter) => {
                self.macro_use(&parameter.current(), form, head, arguments, env, name)
            }
        }
    }

    fn call(
        &mut self,
        procedure: Core,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
    ) -> Result<Core, Failure> {
        let arguments = self.expressions(arguments, env)?;
        match &procedure {
            // A misspelt head is what is wrong, not what stands after it: it is looked at first.
            Core::Global(global, _) if matches!(*global.state.borrow(), State::Unbound) => {
                let head = self.fresh(global.name);
                let call = Core::Call(Box::new(Core::Local(head)), arguments, form.span);
                Ok(Core::Let(vec![(head, procedure)], Box::new(call)))
            }
            _ => Ok(Core::Call(Box::new(procedure), arguments, form.span)),
        }
    }

    /// Expands expressions in order.
    fn expressions(&mut self, data: &[Datum], env: &Env) -> Result<Vec<Core>, Failure> {
        data.iter().map(|datum| self.expression(datum, env)).collect()
    }

    /// Whether a datum is the auxiliary word, not shadowed: `else`, `=>`, `unquote`.
    fn is_word(&self, datum: &Datum, word: &str, env: &Env) -> bool {
        match datum.kind {
            DatumKind::Symbol(name) => {
                self.world.aliases.original(name).as_str() == word
                    && env::local_of(name, env, &self.world.aliases).is_none()
            }
            _ => false,
        }
    }

    /// Returns the form of the language that the head of a list means.
    fn special_of(&mut self, datum: &Datum, env: &Env) -> Result<Option<Special>, Failure> {
        let Some([Datum { kind: DatumKind::Symbol(head), .. }, ..]) = list_items(datum) else {
            return Ok(None);
        };
        Ok(match self.world.denote(*head, env)? {
            Denotation::Top(Binding::Special(special)) => Some(special),
            _ => None,
        })
    }

    fn special(
        &mut self,
        special: Special,
        form: &Datum,
        arguments: &[Datum],
        env: &Env,
        name: Option<Symbol>,
    ) -> Result<Core, Failure> {
        if arguments.len() > most_clauses(special) {
            return Err(ExpandError::TooDeep { span: form.span }.into());
        }
        match special {
            Special::Quote => self.quote(form, arguments),
            Special::Quasiquote => self.quasiquote(form, arguments, env),
            Special::Lambda | Special::LambdaStar => self.lambda(form, arguments, env, name, special),
            Special::CaseLambda | Special::CaseLambdaStar => {
                self.case_lambda(form, arguments, env, name, special)
            }
            Special::Let => self.let_form(form, arguments, env),
            Special::LetStar => self.let_star(form, arguments, env),
            Special::Letrec | Special::LetrecStar => self.letrec(form, arguments, env),
            Special::LetValues | Special::LetStarValues => self.let_values(form, arguments, env, special),
            Special::Receive => self.receive(form, arguments, env),
            Special::LetSyntax => self.let_syntax(form, arguments, env),
            Special::If => self.if_form(form, arguments, env, name),
            Special::Cond => self.cond(arguments, env),
            Special::Case => self.case(form, arguments, env),
            Special::When | Special::Unless => self.when(form, arguments, env, special == Special::Unless),
            Special::And => self.and(arguments, env),
            Special::Or => self.or(arguments, env),
            Special::AndLetStar => self.and_let(form, arguments, env),
            Special::CondExpand => self.cond_expand(form, arguments, env),
            Special::Do => self.do_loop(form, arguments, env),
            Special::While => self.while_loop(form, arguments, env),
            Special::Begin => self.begin(arguments, env),
            Special::EvalWhen => self.begin(arguments.get(1..).unwrap_or(&[]), env),
            Special::Delay => self.delay(form, arguments, env),
            Special::Parameterize => self.parameterize(form, arguments, env),
            Special::Cut | Special::Cute => self.cut(form, arguments, env, special == Special::Cute),
            Special::Guard => self.guard(form, arguments, env),
            Special::FalseIfException => self.false_if_exception(form, arguments, env),
            Special::LetEscape => self.let_escape(form, arguments, env),
            Special::MemoLambda | Special::MemoLambdaIdentity => {
                self.memo_lambda(form, arguments, env, name, special == Special::MemoLambdaIdentity)
            }
            Special::Assert => self.assert(form, arguments, env),
            Special::Set => self.set(form, arguments, env),
            Special::Match
            | Special::MatchLambda
            | Special::MatchLambdaStar
            | Special::MatchLet
            | Special::MatchLetStar
            | Special::MatchLetrec => self.match_form(special, form, arguments, env, name),
            Special::Gexp => self.gexp(form, arguments, env),
            Special::WithImportedModules => self.with_attachment(form, arguments, env, true),
            Special::WithExtensions => self.with_attachment(form, arguments, env, false),
            Special::At | Special::AtAt => self.at(form, arguments, special == Special::AtAt),
            Special::ModuleRef => self.module_ref(form, arguments, env),
            Special::ResolveInterface => self.resolve_interface(form, arguments, env),
            Special::ResolveModule => self.resolve_module(form, arguments, env),
            Special::SourceLocation => Ok(self.source_location(form.span)),
            Special::UseModules => self.use_modules(form, arguments, env),
            Special::SyntaxCase => self.syntax_case(form, arguments, env),
            Special::Syntax => self.syntax(form, arguments, env),
            Special::Quasisyntax => self.quasisyntax(form, arguments, env),
            Special::WithSyntax => self.with_syntax(form, arguments, env),
            Special::WithEllipsis => self.with_ellipsis(form, arguments, env),
            Special::SyntaxParameterize => self.syntax_parameterize(form, arguments, env),
            Special::Unquote
            | Special::Ungexp
            | Special::Unsyntax
            | Special::SyntaxRules
            | Special::DefineModule
            | Special::Export
            | Special::ReExport => Err(self.misplaced(form)),
            Special::Define
            | Special::DefinePublic
            | Special::DefineStar
            | Special::DefineStarPublic
            | Special::DefineValues
            | Special::DefineSyntax
            | Special::DefineSyntaxPublic
            | Special::DefineSyntaxRule
            | Special::DefineSyntaxParameter
            | Special::DefineRecordType
            | Special::DefineRecordTypeStar => Err(self.definition_in_expression(form)),
        }
    }

    fn head_name(&self, form: &Datum) -> String {
        match list_items(form).and_then(<[Datum]>::first).map(|head| &head.kind) {
            Some(DatumKind::Symbol(name)) => self.world.aliases.original(*name).to_string(),
            _ => String::new(),
        }
    }

    fn other_phase(&self, name: Symbol, span: Span) -> Failure {
        let name = self.world.aliases.original(name);
        ExpandError::Other {
            message: format!("`{name}` has no value yet while macros are expanded"),
            span,
            hint: Some(
                "the procedure of a macro can use definitions of modules, but no variables around it"
                    .to_owned(),
            ),
        }
        .into()
    }

    fn misplaced(&self, form: &Datum) -> Failure {
        let head = self.head_name(form);
        let hint = match head.as_str() {
            "unquote" | "unquote-splicing" => Some("`,` is for use inside of a quasi-quotation (`` ` ``)"),
            "ungexp" | "ungexp-splicing" | "ungexp-native" | "ungexp-native-splicing" => {
                Some("`#$` is for use inside of staged code (`#~`)")
            }
            "unsyntax" | "unsyntax-splicing" => Some("`#,` is for use inside of a template (``#` ``)"),
            _ => None,
        };
        ExpandError::Other {
            message: format!("`{head}` has no meaning here"),
            span: form.span,
            hint: hint.map(str::to_owned),
        }
        .into()
    }

    fn definition_in_expression(&self, form: &Datum) -> Failure {
        ExpandError::Other {
            message: format!("`{}` is a definition, not an expression", self.head_name(form)),
            span: form.span,
            hint: Some(
                "definitions stand at the top level or in a body; use `let` to bind a name".to_owned(),
            ),
        }
        .into()
    }
}
