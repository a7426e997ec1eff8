//! How forms are indented: Emacs's scheme-mode with the rules of Guix's `.dir-locals.el`.
//!
//! A form's rule depends on its first symbol alone. Those that are not named here are calls: what follows stands below
//! the first argument, or below the name when that is alone in its line.

/// How the elements of a list are indented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Below the first argument, or the name.
    Call,
    /// The first so many arguments by four columns, the body by two.
    Body(usize),
    /// As `Body`, with one more distinguished argument when the first one is a name: `let`.
    Let,
    /// Below the first element: data, bindings, clauses.
    Data,
}

/// Returns the rule of the forms that begin with a symbol.
pub(super) fn rule(head: &str) -> Rule {
    match head {
        "let" | "match-let" | "letpar" => Rule::Let,
        "begin"
        | "delay"
        | "lazy"
        | "case-lambda"
        | "case-lambda*"
        | "match-lambda"
        | "match-lambda*"
        | "with-error-handling"
        | "emacs-batch-eval"
        | "with-output-to-string"
        | "dynamic-wind" => Rule::Body(0),
        "define-record-type" | "define-record-type*" => Rule::Body(1),
        "case"
        | "lambda"
        | "lambda*"
        | "let*"
        | "letrec"
        | "letrec*"
        | "let-values"
        | "let*-values"
        | "let-syntax"
        | "letrec-syntax"
        | "syntax-rules"
        | "library"
        | "eval-when"
        | "when"
        | "unless"
        | "match"
        | "and-let*"
        | "guard"
        | "parameterize"
        | "parameterize*"
        | "fluid-let"
        | "with-fluids"
        | "with-syntax"
        | "syntax-parameterize"
        | "while"
        | "until"
        | "catch"
        | "call-with-input-file"
        | "with-input-from-file"
        | "call-with-output-file"
        | "with-output-to-file"
        | "with-input-from-port"
        | "with-output-to-port"
        | "with-error-to-port"
        | "with-input-from-string"
        | "match-let*"
        | "let/ec"
        | "let-keywords*"
        | "test-assert"
        | "test-assertm"
        | "test-equal"
        | "test-equalm"
        | "test-eq"
        | "test-eqv"
        | "test-group"
        | "test-error"
        | "test-skip" => Rule::Body(1),
        "do" | "receive" | "syntax-case" | "let-optionals" | "let-optionals*" | "sigaction" => Rule::Body(2),
        _ => guix(head),
    }
}

/// The rules of Guix.
fn guix(head: &str) -> Rule {
    match head {
        "package" | "origin" | "build-system" | "bag" | "graft" | "operating-system" | "file-system"
        | "manifest-entry" | "manifest-pattern" => Rule::Body(0),
        "package/inherit"
        | "substitute*"
        | "modify-inputs"
        | "modify-phases"
        | "modify-services"
        | "replace"
        | "substitute-keyword-arguments"
        | "with-directory-excursion"
        | "with-file-lock"
        | "with-file-lock/no-wait"
        | "with-profile-lock"
        | "with-store"
        | "with-external-store"
        | "with-mutex"
        | "with-atomic-file-output"
        | "signature-case"
        | "emacs-batch-edit-file"
        | "emacs-substitute-sexps"
        | "emacs-substitute-variables"
        | "with-derivation-narinfo"
        | "with-status-report"
        | "with-status-verbosity"
        | "with-build-handler"
        | "mlambda"
        | "mlambdaq"
        | "with-monad"
        | "mbegin"
        | "mwhen"
        | "munless"
        | "run-with-store"
        | "run-with-state"
        | "wrap-program"
        | "wrap-script"
        | "with-imported-modules"
        | "with-extensions"
        | "with-parameters"
        | "let-system"
        | "container-excursion"
        | "container-excursion*"
        | "eventually"
        | "with-environment-variables"
        | "with-fresh-gnupg-setup"
        | "with-paginated-output-port"
        | "with-http-server"
        | "with-transaction" => Rule::Body(1),
        "add-before"
        | "add-after"
        | "with-writable-file"
        | "mlet"
        | "mlet*"
        | "mparameterize"
        | "match-record-lambda"
        | "call-with-compressed-output-port"
        | "call-with-decompressed-port"
        | "with-derivation-substitute"
        | "with-build-variables"
        | "with-database"
        | "with-repository"
        | "with-temporary-git-repository" => Rule::Body(2),
        "match-record" | "let-keywords" | "with-statement" | "with-shepherd-action" => Rule::Body(3),
        _ if head.starts_with("call-with-") => Rule::Body(1),
        _ if head.len() > 3 && head.starts_with("def") => Rule::Body(1),
        _ => Rule::Call,
    }
}

/// Whether the clauses of a form are fields of a record, which stand in a line each once the form has several lines.
pub(super) fn is_record(head: &str) -> bool {
    matches!(
        head,
        "package"
            | "package/inherit"
            | "origin"
            | "bag"
            | "operating-system"
            | "manifest-entry"
            | "channel"
            | "build-system"
            | "search-path-specification"
            | "git-reference"
            | "file-system"
    )
}

/// Whether a field of a package has packages, which stand in a line each once they have several lines.
pub(super) fn is_inputs(field: &str) -> bool {
    matches!(field, "inputs" | "native-inputs" | "propagated-inputs")
}

/// Whether a list after that keyword is one of names.
pub(super) fn takes_names(keyword: &str) -> bool {
    matches!(
        keyword,
        "#:export"
            | "#:re-export"
            | "#:select"
            | "#:hide"
            | "#:replace"
            | "#:export-syntax"
            | "#:re-export-syntax"
            | "#:re-export-and-replace"
    )
}

/// Whether a call's arguments fill lines, where others have a line each.
pub(super) fn fills(head: &str) -> bool {
    matches!(head, "string-append" | "format" | "simple-format" | "use-modules")
}

/// What the first argument of a form is.
pub(super) fn first_argument(head: &str) -> Argument {
    match head {
        "lambda" | "lambda*" | "define-module" | "mlambda" | "mlambdaq" => Argument::Names,
        "let"
        | "let*"
        | "letrec"
        | "letrec*"
        | "let-values"
        | "let*-values"
        | "match-let"
        | "match-let*"
        | "let-syntax"
        | "letrec-syntax"
        | "parameterize"
        | "fluid-let"
        | "with-syntax"
        | "do"
        | "mlet"
        | "mlet*"
        | "and-let*"
        | "syntax-parameterize"
        | "with-parameters"
        | "mparameterize"
        | "with-fluids" => Argument::Bindings,
        _ => Argument::Code,
    }
}

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// An expression.
    Code,
    /// A list of names.
    Names,
    /// A list of names with expressions.
    Bindings,
}

/// Whether the lists in the body of a form are clauses: what they begin with is no form.
pub(super) fn has_clauses(head: &str) -> bool {
    is_record(head)
        || matches!(
            head,
            "cond"
                | "case"
                | "match"
                | "match-lambda"
                | "match-lambda*"
                | "guard"
                | "syntax-rules"
                | "syntax-case"
                | "case-lambda"
                | "case-lambda*"
                | "define-record-type"
                | "define-record-type*"
        )
}
