//! Nothing that is read makes the language panic, hang or overflow the machine's stack.

use hpcl_lang::{Interpreter, host::EmptyHost, native::Side, vm::Limits};
use proptest::prelude::*;

fn run(side: Side, text: &str) {
    let mut interpreter = Interpreter::new(side, Box::new(EmptyHost));
    interpreter.set_limits(Limits { depth: 20_000, values: 200_000, steps: 200_000, ..Limits::default() });
    match interpreter.run_program("random.hpcl", text) {
        Ok(value) => drop(hpcl_lang::print::write(&value)),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty());
            drop(hpcl_lang::render::render(&diagnostics, interpreter.sources(), false));
        }
    }
}

/// Words that forms are made of: every form of the language, some procedures, names and constants.
const WORDS: &[&str] = &[
    "quote",
    "quasiquote",
    "unquote",
    "unquote-splicing",
    "lambda",
    "lambda*",
    "case-lambda",
    "define",
    "define*",
    "define-public",
    "define-values",
    "define-syntax",
    "define-syntax-rule",
    "syntax-rules",
    "identifier-syntax",
    "define-record-type",
    "define-record-type*",
    "define-module",
    "use-modules",
    "export",
    "let",
    "let*",
    "letrec",
    "let-values",
    "let*-values",
    "receive",
    "let-syntax",
    "if",
    "cond",
    "case",
    "when",
    "unless",
    "and",
    "or",
    "do",
    "begin",
    "delay",
    "delay-force",
    "force",
    "parameterize",
    "make-parameter",
    "and-let*",
    "match",
    "match-lambda",
    "match-let",
    "cut",
    "cute",
    "guard",
    "raise",
    "assert",
    "set!",
    "gexp",
    "ungexp",
    "ungexp-splicing",
    "with-imported-modules",
    "@",
    "@@",
    "module-ref",
    "resolve-interface",
    "let/ec",
    "mlambda",
    "while",
    "cond-expand",
    "else",
    "=>",
    "...",
    "_",
    "inherit",
    "thunked",
    "default",
    "sanitize",
    "a",
    "b",
    "c",
    "f",
    "thing",
    "loop",
    "x",
    "output",
    "?",
    "$",
    "=",
    "car",
    "cdr",
    "cons",
    "list",
    "map",
    "for-each",
    "apply",
    "fold",
    "+",
    "-",
    "<",
    "eq?",
    "not",
    "null?",
    "values",
    "call-with-values",
    "dynamic-wind",
    "with-exception-handler",
    "catch",
    "throw",
    "error",
    "call/ec",
    "append",
    "#:key",
    "#:optional",
    "#:rest",
    "#:a",
    "#:use-module",
    "#:select",
    "#t",
    "#f",
    "0",
    "1",
    "-7",
    "\"s\"",
    "#\\c",
    "'()",
    "<>",
    "<...>",
    "'a",
    "%memoize",
    "string-append",
    "(a b)",
    "(x 1)",
    "((x 1))",
    "()",
    "(f x)",
    "(_ a ...)",
];

fn form() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS).prop_map(str::to_owned);
    word.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 1..6).prop_map(|items| format!("({})", items.join(" "))),
            1 => (prop::collection::vec(inner.clone(), 1..4), inner.clone())
                .prop_map(|(items, tail)| format!("({} . {tail})", items.join(" "))),
            1 => inner.clone().prop_map(|item| format!("`(,{item} ,@{item})")),
            1 => inner.clone().prop_map(|item| format!("#~(#${item} #$@{item})")),
            1 => prop::collection::vec(inner, 0..3).prop_map(|items| format!("#({})", items.join(" "))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_program_ends_with_a_value_or_a_diagnostic(forms in prop::collection::vec(form(), 1..6)) {
        let text = forms.join("\n");
        run(Side::Evaluation, &text);
        run(Side::Builder, &text);
    }
}

#[test]
fn forms_may_nest_as_deep_as_they_are_read() {
    for (open, close) in [
        ("(list ", ")"),
        ("(let ((x 1)) ", ")"),
        ("(if #t ", ")"),
        ("(lambda () ", ")"),
        ("`(,", ")"),
        ("(or #f ", ")"),
    ] {
        for depth in [50, 400, 900] {
            run(Side::Evaluation, &format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    run(Side::Evaluation, &"(".repeat(100_000));
    run(Side::Evaluation, "(define-syntax m (syntax-rules () ((_ x) (m (x))))) (m 1)");
    run(Side::Evaluation, "(define-syntax m (syntax-rules () ((_ x) (m x)))) (m 1)");
    run(Side::Evaluation, "(define-syntax m (syntax-rules () ((_ x) (m x)))) (list (m 1))");
    run(Side::Evaluation, &format!("(cond {})", "((= 1 2) 3)".repeat(3_900)));
    run(Side::Evaluation, &format!("(match 1 {})", "((a b) 3)".repeat(490)));
    run(Side::Evaluation, &format!("(list {})", "`(1 ,(+ 1 1) 2)".repeat(5_000)));
    run(Side::Evaluation, &format!("`({})", "1 ,(+ 1 1) ".repeat(5_000)));
    run(Side::Evaluation, &format!("(and {})", "#t ".repeat(3_900)));
    run(Side::Evaluation, &format!("(or {})", "#f ".repeat(3_900)));
    run(Side::Evaluation, &format!("(let* ({}) x)", "(x 1) ".repeat(100_000)));
    run(Side::Evaluation, "(define-record-type* <t> t mk t? (a t-a) (a t-a2)) (t (a 1))");
}

#[test]
fn values_nest_as_deep_as_memory_allows() {
    run(Side::Evaluation, "(define (nest n x) (if (= n 0) x (nest (- n 1) (list x)))) (nest 100000 1)");
    run(Side::Evaluation, "(define (nest n x) (if (= n 0) x (nest (- n 1) (lambda () x)))) (nest 100000 1)");
    run(Side::Evaluation, "(define (nest n x) (if (= n 0) x (nest (- n 1) (delay x)))) (nest 100000 1)");
    run(
        Side::Evaluation,
        "(define (nest n x) (if (= n 0) x (nest (- n 1) (cons 1 (delay x))))) (nest 100000 1)",
    );
    run(Side::Evaluation, "(define (nest n x) (if (= n 0) x (nest (- n 1) #~(a #$x)))) (nest 100000 1)");
}
