//! What the expander says.

use crate::{diagnostic::Diagnostic, module::ModuleName, span::Span, suggest::closest, symbol::Symbol};

/// Diagnostics of a phase that could not go on; never empty.
#[derive(Debug)]
pub struct Failure(pub Vec<Diagnostic>);

/// How the ellipses of a template do not fit its pattern.
#[derive(Debug)]
pub enum TemplateFault {
    /// Too few stand after the variable.
    TooFew(Symbol),
    /// Nothing that is repeated stands before an ellipsis.
    NothingRepeated,
    /// Variables repeated together have different numbers of forms.
    Unequal(Vec<(Symbol, usize)>),
}

/// What can be wrong with a form.
#[derive(Debug)]
pub enum ExpandError {
    /// A form of the language that is not written as it must be.
    BadSyntax {
        /// The form's name.
        form: &'static str,
        /// Where.
        span: Span,
        /// How it is written.
        expected: &'static str,
    },
    /// A macro without a rule for this use.
    NoRuleMatches {
        /// The macro.
        name: Symbol,
        /// The use.
        span: Span,
        /// The patterns.
        patterns: Vec<Span>,
    },
    /// A template whose ellipses do not fit its pattern.
    Template {
        /// How.
        fault: TemplateFault,
        /// The part of the template, if it is known.
        part: Option<Span>,
        /// The use.
        span: Span,
    },
    /// A variable that stands in a pattern twice.
    TwiceInPattern {
        /// The variable.
        name: Symbol,
        /// Both places.
        spans: (Span, Span),
    },
    /// Forms nested too deeply.
    TooDeep {
        /// Where.
        span: Span,
    },
    /// A macro whose expansion goes on and on.
    Endless {
        /// The macro.
        name: Symbol,
        /// The use.
        span: Span,
    },
    /// `set!` while recipes are evaluated.
    Mutation {
        /// The variable.
        name: Symbol,
        /// Where.
        span: Span,
    },
    /// A macro, or the name of a form, where a value is wanted.
    NotAValue {
        /// The name.
        name: Symbol,
        /// Where.
        span: Span,
        /// What it is.
        what: &'static str,
    },
    /// A module that the host does not have.
    ModuleNotFound {
        /// Its name.
        name: ModuleName,
        /// Who wanted it.
        span: Option<Span>,
        /// What to do next.
        hints: Vec<String>,
    },
    /// A name that a module does not export.
    NotExported {
        /// The name.
        name: Symbol,
        /// The module.
        module: ModuleName,
        /// Where.
        span: Span,
        /// What it exports.
        exports: Vec<Symbol>,
        /// Whether the module defines it nevertheless.
        defined: bool,
    },
    /// A name defined twice.
    Duplicate {
        /// The name.
        name: Symbol,
        /// Both places.
        spans: (Span, Span),
    },
    /// A field that the record does not have.
    UnknownField {
        /// The record's name.
        record: &'static str,
        /// The field.
        field: Symbol,
        /// Where.
        span: Span,
        /// The fields that it has.
        fields: Vec<Symbol>,
    },
    /// Fields without a default that were not given.
    MissingFields {
        /// The record's name.
        record: &'static str,
        /// The fields.
        fields: Vec<Symbol>,
        /// The constructor's use.
        span: Span,
    },
    /// A field given twice.
    DuplicateField {
        /// The record's name.
        record: &'static str,
        /// The field.
        field: Symbol,
        /// Both places.
        spans: (Span, Span),
    },
    /// Something else.
    Other {
        /// The message.
        message: String,
        /// Where.
        span: Span,
        /// What to do next.
        hint: Option<String>,
    },
}

impl From<ExpandError> for Failure {
    fn from(error: ExpandError) -> Self {
        Failure(vec![error.diagnostic()])
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Failure(vec![diagnostic])
    }
}

impl ExpandError {
    /// Returns what to show.
    pub fn diagnostic(&self) -> Diagnostic {
        match self {
            ExpandError::BadSyntax { form, span, expected } => {
                Diagnostic::new("E0301", format!("`{form}` is not written like this"))
                    .at(*span, "here")
                    .hint(format!("it is written {expected}"))
            }
            ExpandError::NoRuleMatches { name, span, patterns } => {
                let mut diagnostic = Diagnostic::new("E0302", format!("no rule of macro `{name}` fits this use"))
                    .at(*span, "this use");
                for pattern in patterns.iter().take(4) {
                    diagnostic = diagnostic.label(*pattern, "a pattern");
                }
                diagnostic
            }
            ExpandError::Template { fault, part, span } => {
                let diagnostic = Diagnostic::new("E0303", fault.message()).at(*span, "in the expansion of this");
                match part {
                    Some(part) => diagnostic.label(*part, "this template"),
                    None => diagnostic,
                }
            }
            ExpandError::TwiceInPattern { name, spans } => {
                Diagnostic::new("E0309", format!("`{name}` stands twice in one pattern"))
                    .at(spans.1, "again here")
                    .label(spans.0, "first here")
                    .hint("each variable of a pattern has a name of its own; `_` may stand often")
            }
            ExpandError::TooDeep { span } => {
                Diagnostic::new("E0304", "forms are nested too deeply").at(*span, "here")
            }
            ExpandError::Endless { name, span } => {
                Diagnostic::new("E0304", format!("the expansion of the macro `{name}` does not end"))
                    .at(*span, "this use")
                    .hint("a rule that uses the macro again needs another one that ends it, and comes first")
            }
            ExpandError::Mutation { name, span } => {
                Diagnostic::new("E0305", format!("`{name}` cannot be changed while recipes are evaluated"))
                    .at(*span, "this would change it")
                    .hint("evaluation is pure so that its result depends only on the files read; bind a new name with `let`")
            }
            ExpandError::NotAValue { name, span, what } => {
                Diagnostic::new("E0306", format!("`{name}` is {what}, not a value")).at(*span, "used as a value")
            }
            ExpandError::ModuleNotFound { name, span, hints } => {
                let mut diagnostic = Diagnostic::new("E0310", format!("there is no module `{name}`"));
                if let Some(span) = span {
                    diagnostic = diagnostic.at(*span, "wanted here");
                }
                diagnostic.hints.extend(hints.iter().cloned());
                diagnostic
            }
            ExpandError::NotExported { name, module, span, exports, defined } => {
                let mut diagnostic = Diagnostic::new("E0311", format!("module `{module}` does not export `{name}`"))
                    .at(*span, "not exported");
                if *defined {
                    diagnostic = diagnostic
                        .hint(format!("it is defined there: export it, or write `(@@ {module} {name})`"));
                } else if let Some(other) = closest(name.as_str(), exports.iter().map(|s| s.as_str())) {
                    diagnostic = diagnostic.hint(format!("did you mean `{other}`?"));
                }
                diagnostic
            }
            ExpandError::Duplicate { name, spans } => {
                Diagnostic::new("E0312", format!("`{name}` is defined twice"))
                    .at(spans.1, "defined again here")
                    .label(spans.0, "first defined here")
            }
            ExpandError::UnknownField { record, field, span, fields } => {
                let mut diagnostic = Diagnostic::new("E0320", format!("`{record}` has no field `{field}`"))
                    .at(*span, "no such field");
                if let Some(other) = closest(field.as_str(), fields.iter().map(|s| s.as_str())) {
                    diagnostic = diagnostic.hint(format!("did you mean `{other}`?"));
                }
                diagnostic.hint(format!("the fields of `{record}` are {}", names(fields)))
            }
            ExpandError::MissingFields { record, fields, span } => {
                let word = if fields.len() == 1 { "field" } else { "fields" };
                let written: Vec<String> = fields.iter().map(|field| format!("({field} …)")).collect();
                Diagnostic::new("E0321", format!("`{record}` lacks the {word} {}", names(fields)))
                    .at(*span, "this record")
                    .hint(format!("add `{}`", written.join(" ")))
            }
            ExpandError::DuplicateField { record, field, spans } => {
                Diagnostic::new("E0322", format!("field `{field}` of `{record}` is given twice"))
                    .at(spans.1, "given again here")
                    .label(spans.0, "first given here")
            }
            ExpandError::Other { message, span, hint } => {
                let diagnostic = Diagnostic::new("E0300", message.clone()).at(*span, "here");
                match hint {
                    Some(hint) => diagnostic.hint(hint.clone()),
                    None => diagnostic,
                }
            }
        }
    }
}

fn names(symbols: &[Symbol]) -> String {
    symbols.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl TemplateFault {
    fn message(&self) -> String {
        match self {
            TemplateFault::TooFew(name) => {
                format!(
                    "`{name}` is repeated in the pattern and needs as many `...` after it in the template"
                )
            }
            TemplateFault::NothingRepeated => {
                "nothing before this `...` of a template is repeated in the pattern".to_owned()
            }
            TemplateFault::Unequal(columns) => {
                let each: Vec<String> =
                    columns.iter().map(|(name, count)| format!("`{name}` has {count}")).collect();
                format!(
                    "what a template repeats together has different numbers of forms: {}",
                    each.join(", ")
                )
            }
        }
    }
}
