//! The base environment: the forms of the language, the procedures in Rust, the machine's own procedures.

use std::sync::OnceLock;

use rustc_hash::FxHashMap;

use crate::{
    native::{Native, Side},
    procedure::Primitive,
    symbol::Symbol,
    value::Value,
};

/// A form of the language.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "each is the form of that name in `SPECIALS`")]
#[rustfmt::skip]
pub enum Special {
    Quote, Quasiquote, Unquote, Lambda, LambdaStar, CaseLambda, CaseLambdaStar, Define, DefinePublic,
    DefineStar, DefineStarPublic, DefineValues, DefineSyntax, DefineSyntaxPublic, DefineSyntaxRule, DefineRecordType,
    DefineRecordTypeStar, DefineModule, UseModules, Export, ReExport, Let, LetStar, Letrec, LetrecStar, LetValues,
    LetStarValues, Receive, LetSyntax, If, Cond, Case, When, Unless, And, Or, Do, Begin, EvalWhen, Delay, Parameterize,
    AndLetStar, Match, MatchLambda, MatchLambdaStar, MatchLet, MatchLetStar, MatchLetrec, Cut, Cute, Guard, Assert, Set, Gexp,
    Ungexp, WithImportedModules, WithExtensions, At, AtAt, ModuleRef, ResolveInterface, ResolveModule, LetEscape, MemoLambda,
    MemoLambdaIdentity, SyntaxRules, SourceLocation, FalseIfException, While, CondExpand,
    SyntaxCase, Syntax, Quasisyntax, Unsyntax, WithSyntax, WithEllipsis, DefineSyntaxParameter, SyntaxParameterize,
}

/// The forms by name.
#[rustfmt::skip]
pub const SPECIALS: &[(&str, Special)] = &[
    ("quote", Special::Quote), ("quasiquote", Special::Quasiquote), ("unquote", Special::Unquote),
    ("unquote-splicing", Special::Unquote), ("lambda", Special::Lambda), ("λ", Special::Lambda),
    ("lambda*", Special::LambdaStar), ("case-lambda", Special::CaseLambda), ("case-lambda*", Special::CaseLambdaStar),
    ("define", Special::Define), ("define-inlinable", Special::Define), ("define-public", Special::DefinePublic),
    ("define*", Special::DefineStar), ("define*-public", Special::DefineStarPublic),
    ("define-values", Special::DefineValues), ("define-syntax", Special::DefineSyntax),
    ("define-syntax-public", Special::DefineSyntaxPublic), ("define-syntax-rule", Special::DefineSyntaxRule),
    ("define-record-type", Special::DefineRecordType), ("define-immutable-record-type", Special::DefineRecordType),
    ("define-record-type*", Special::DefineRecordTypeStar), ("define-module", Special::DefineModule),
    ("use-modules", Special::UseModules), ("export", Special::Export), ("re-export", Special::ReExport),
    ("let", Special::Let), ("let*", Special::LetStar), ("letrec", Special::Letrec), ("letrec*", Special::LetrecStar),
    ("let-values", Special::LetValues), ("let*-values", Special::LetStarValues), ("receive", Special::Receive),
    ("let-syntax", Special::LetSyntax), ("letrec-syntax", Special::LetSyntax), ("if", Special::If),
    ("cond", Special::Cond), ("case", Special::Case), ("when", Special::When), ("unless", Special::Unless),
    ("and", Special::And), ("or", Special::Or), ("do", Special::Do), ("begin", Special::Begin),
    ("eval-when", Special::EvalWhen), ("delay", Special::Delay), ("delay-force", Special::Delay),
    ("make-lazy", Special::Delay), ("parameterize", Special::Parameterize), ("and-let*", Special::AndLetStar),
    ("match", Special::Match), ("match-lambda", Special::MatchLambda), ("match-lambda*", Special::MatchLambdaStar),
    ("match-let", Special::MatchLet), ("match-let*", Special::MatchLetStar), ("match-letrec", Special::MatchLetrec), ("cut", Special::Cut),
    ("cute", Special::Cute), ("guard", Special::Guard), ("assert", Special::Assert), ("set!", Special::Set),
    ("gexp", Special::Gexp), ("ungexp", Special::Ungexp), ("ungexp-splicing", Special::Ungexp),
    ("ungexp-native", Special::Ungexp), ("ungexp-native-splicing", Special::Ungexp),
    ("with-imported-modules", Special::WithImportedModules), ("with-extensions", Special::WithExtensions),
    ("@", Special::At), ("@@", Special::AtAt), ("module-ref", Special::ModuleRef),
    ("resolve-interface", Special::ResolveInterface), ("resolve-module", Special::ResolveModule), ("let/ec", Special::LetEscape),
    ("mlambda", Special::MemoLambda), ("mlambdaq", Special::MemoLambdaIdentity),
    ("syntax-rules", Special::SyntaxRules), ("identifier-syntax", Special::SyntaxRules),
    ("current-source-location", Special::SourceLocation), ("false-if-exception", Special::FalseIfException),
    ("while", Special::While), ("cond-expand", Special::CondExpand),
    ("syntax-case", Special::SyntaxCase), ("syntax", Special::Syntax), ("quasisyntax", Special::Quasisyntax),
    ("unsyntax", Special::Unsyntax), ("unsyntax-splicing", Special::Unsyntax), ("with-syntax", Special::WithSyntax),
    ("with-ellipsis", Special::WithEllipsis), ("define-syntax-parameter", Special::DefineSyntaxParameter),
    ("syntax-parameterize", Special::SyntaxParameterize),
];

/// The names of the base environment that are neither forms nor written in the language.
pub(crate) struct Base {
    /// The side.
    pub side: Side,
    constants: FxHashMap<Symbol, Value>,
    /// Names that exist on the other side only.
    elsewhere: FxHashMap<Symbol, Side>,
}

/// The names of SRFI 1 that are not words of the core too: a package may have such a name, and the later import decides.
#[rustfmt::skip]
const LISTS: &[&str] = &[
    "alist-copy", "alist-delete", "any", "append-map", "append-reverse", "break", "concatenate", "count",
    "delete", "delete-duplicates", "dotted-list?", "drop", "drop-right", "drop-while", "eighth", "every",
    "fifth", "filter-map", "find", "find-tail", "first", "fold", "fold-right", "fourth", "iota", "last",
    "last-pair", "list-index", "list-tabulate", "lset-adjoin", "lset-difference", "lset-intersection",
    "lset-union", "lset-xor", "ninth", "pair-fold", "partition", "proper-list?", "reduce", "reduce-right",
    "remove", "second", "seventh", "sixth", "span", "split-at", "take", "take-right", "take-while", "tenth",
    "third", "unfold", "unfold-right", "unzip1", "unzip2", "unzip3", "xcons", "zip",
];

/// Returns the names with which a module that stands for the base environment hides what was imported before it.
pub(super) fn names_of(module: &super::ModuleName) -> &'static [&'static str] {
    if module.to_string() == "(srfi srfi-1)" { LISTS } else { &[] }
}

fn specials() -> &'static FxHashMap<Symbol, Special> {
    static TABLE: OnceLock<FxHashMap<Symbol, Special>> = OnceLock::new();
    TABLE.get_or_init(|| SPECIALS.iter().map(|(name, special)| (Symbol::new(name), *special)).collect())
}

impl Special {
    /// Returns the form of that name.
    pub fn named(name: Symbol) -> Option<Special> {
        specials().get(&name).copied()
    }
}

impl Base {
    /// Returns the environment of a side with the host's procedures.
    pub fn new(side: Side, host: &[&'static [Native]]) -> Self {
        let mut constants = FxHashMap::default();
        let mut elsewhere = FxHashMap::default();
        constants.insert(crate::quoted::nil(), Value::LispNil);
        for primitive in Primitive::ALL {
            for name in primitive.names() {
                constants.insert(Symbol::new(name), Value::Primitive(primitive));
            }
        }
        let own = [crate::vm::natives::TABLE, crate::vm::condition::TABLE, crate::natives::syntax::INTERNAL]
            .into_iter();
        for table in own.chain(crate::natives::TABLES.iter().copied()).chain(host.iter().copied()) {
            for native in table {
                let name = Symbol::new(native.name);
                if native.side == Side::Both || native.side == side {
                    constants.insert(name, Value::Native(native));
                } else {
                    elsewhere.insert(name, native.side);
                }
            }
        }
        if side != Side::Builder {
            let forms = super::prelude::forms().iter().filter(|form| super::prelude::for_builder(form.file));
            elsewhere.extend(forms.map(|form| (form.name, Side::Builder)));
        }
        Base { side, constants, elsewhere }
    }

    /// Returns an environment without a name.
    pub fn empty(side: Side) -> Self {
        Base { side, constants: FxHashMap::default(), elsewhere: FxHashMap::default() }
    }

    /// Returns the constant of that name.
    pub fn constant(&self, name: Symbol) -> Option<&Value> {
        self.constants.get(&name)
    }

    /// Returns the side on which a name that is not known here is known.
    pub fn known_elsewhere(&self, name: Symbol) -> Option<Side> {
        self.elsewhere.get(&name).copied()
    }

    /// Returns all names.
    pub fn names(&self) -> impl Iterator<Item = Symbol> + '_ {
        self.constants.keys().copied()
    }
}
