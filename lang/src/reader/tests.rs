//! Tests of the reader: what is read, what is refused and how, and that printing and reading are inverse.

use proptest::prelude::*;

use super::*;
use crate::{
    datum::{Datum, DatumKind},
    print::write_datum,
};

fn shown(text: &str) -> String {
    let (data, errors) = read(FileId(0), text);
    assert_eq!(errors, [], "{text}");
    data.iter().map(write_datum).collect::<Vec<_>>().join(" ")
}

/// Each error as `code@start-end`.
fn errors(text: &str) -> Vec<String> {
    let (_, errors) = read(FileId(0), text);
    errors
        .iter()
        .map(|e| {
            e.primary.as_ref().map_or_else(String::new, |(s, _)| format!("{}@{}-{}", e.code, s.start, s.end))
        })
        .collect()
}

#[test]
fn abbreviations_become_lists() {
    let long = |text: &str| {
        let (data, _) = read(FileId(0), text);
        match &data[0].kind {
            DatumKind::List(items) => {
                format!("{:?}", items.iter().map(|d| d.kind.clone()).collect::<Vec<_>>())
            }
            other => format!("{other:?}"),
        }
    };
    assert_eq!(long("'x"), "[Symbol(quote), Symbol(x)]");
    assert_eq!(long("#~x"), "[Symbol(gexp), Symbol(x)]");
    assert_eq!(long("#$output:lib"), r#"[Symbol(ungexp), Symbol(output), String("lib")]"#);
    assert_eq!(long("#$@a"), "[Symbol(ungexp-splicing), Symbol(a)]");
    assert_eq!(long("#+gcc:lib"), r#"[Symbol(ungexp-native), Symbol(gcc), String("lib")]"#);
    assert_eq!(long("#+@a"), "[Symbol(ungexp-native-splicing), Symbol(a)]");
    assert_eq!(long("#,@a"), "[Symbol(unsyntax-splicing), Symbol(a)]");
}

#[test]
fn comments_of_all_kinds_are_skipped() {
    assert_eq!(
        shown("#!/usr/bin/env hpcl\n!# 1 ; 2\n#| 3 #| 4 |# 5 |# 6 #;(7 8) 9 #;#;10 11 12"),
        "1 6 9 12"
    );
    assert_eq!(shown("(a #;b . #;c d #;e)"), "(a . d)");
    assert_eq!(shown("'#;a b #!fold-case c #!eof"), "'b c");
    assert_eq!(shown("; only a comment"), "");
    assert_eq!(shown("#||#1"), "1");
}

#[test]
fn atoms_are_read() {
    assert_eq!(shown("#t #f #true #false #nil"), "#t #f #t #f #nil");
    assert_eq!(
        shown("a+b 1+ -1+ + - ... a'b a,b x#y λ <=>? %a |x|"),
        "a+b 1+ -1+ + - ... a'b a,b x#y λ <=>? %a |x|"
    );
    assert_eq!(shown("#{a b}# #{}# #{1}# #{a\\x7d;b}# #:#{a b}#"), r"#{a b}# #{}# #{1}# a}b #:#{a b}#");
    assert_eq!(shown("#:key #:a-b"), "#:key #:a-b");
    assert_eq!(
        shown(r"#\a #\( #\newline #\x41 #\x #\101 #\λ #\space #\) #\SPACE #\nul"),
        r"#\a #\( #\newline #\A #\x #\A #\λ #\space #\) #\space #\nul"
    );
    assert_eq!(
        shown("1 -2 #xff 1/2 1.5 123456789012345678901 #e1.5"),
        "1 -2 255 1/2 1.5 123456789012345678901 3/2"
    );
    assert_eq!(shown("#(1 (2) #(3)) #vu8(0 255) #u8() ()"), "#(1 (2) #(3)) #vu8(0 255) #vu8() ()");
    assert_eq!(shown("[a (b) [c . d]]"), "(a (b) (c . d))");
    assert_eq!(shown("(a . (b . (c))) (a . (b . c))"), "(a b c) (a b . c)");
}

#[test]
fn strings_have_guiles_escapes() {
    let one = |text: &str| match read(FileId(0), text).0.pop().map(|d| d.kind) {
        Some(DatumKind::String(s)) => s.into_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(one(r#""a\n\t\\\"\x41z\u00e9\U01f600\0\a""#), "a\n\t\\\"Azé😀\0\u{7}");
    assert_eq!(one("\"joined \\\n  with its indentation\""), "joined   with its indentation");
    assert_eq!(one("\"two\r\nlines\\\r\n joined\""), "two\nlines joined");
    assert_eq!(one("\"two\nlines\""), "two\nlines");
    assert_eq!(errors(r#"("a\q" "\xzz" "\é")"#), ["E0110@3-5", "E0110@8-10", "E0110@15-18"]);
    assert_eq!(errors(r#""\ud800""#), ["E0110@1-3"]);
}

#[test]
fn several_errors_are_reported_in_one_run() {
    assert_eq!(
        errors("(a . ) #\\foo (b . c d) '\n#<x> #wrong (')"),
        ["E0121@3-4", "E0111@7-12", "E0122@20-21", "E0112@25-29", "E0112@30-36", "E0117@38-39"]
    );
    assert_eq!(errors("#vu8(1 256 a)"), ["E0123@7-10", "E0123@11-12"]);
    assert_eq!(errors("a . b"), ["E0118@2-3"]);
    assert_eq!(errors("(. a) (a . b . c) #(a . b)"), ["E0120@1-2", "E0119@13-14", "E0118@22-23"]);
    assert_eq!(errors("a #;"), ["E0117@2-4"]);
    assert_eq!(errors("#: '#|"), ["E0116@0-2", "E0107@4-6"]);
    assert_eq!(errors("a)) b"), ["E0103@1-3"]);
    assert_eq!(errors("(a)) (b"), ["E0103@3-4", "E0102@5-6"]);
    assert_eq!(errors("(a] [b)"), ["E0104@2-3", "E0104@6-7"]);
    assert_eq!(errors("(let ([a 1)] b)"), ["E0104@10-11"]);
    assert_eq!(errors("#xyz #b2"), ["E0113@0-4", "E0113@5-8"]);
}

#[test]
fn a_missing_parenthesis_is_found_by_the_indentation() {
    // `(name "a"` lacks its end: the next line is indented as its sibling.
    let text =
        "(define a\n  (package\n    (name \"a\"\n    (version \"1\")))\n\n(define b (x)\n\n(define c 1)\n";
    let name = text.find("(name").unwrap();
    let b = text.find("(define b").unwrap();
    assert_eq!(errors(text), [format!("E0102@{name}-{}", name + 1), format!("E0102@{b}-{}", b + 1)]);
}

#[test]
fn a_parenthesis_too_many_is_found_by_the_indentation() {
    let text = "(define a\n  (package\n    (name \"a\")))\n    (version \"1\")))\n";
    let (_, errors) = read(FileId(0), text);
    assert_eq!(errors.len(), 1);
    let early = text.find("\")))").unwrap() + 3;
    assert_eq!(errors[0].labels[0].0.start as usize, early);
}

#[test]
fn a_missing_quote_names_the_string_that_lacks_it() {
    let text = "(define a \"one)\n(define b \"two\")\n(define c \"three\")\n";
    let (_, errors) = read(FileId(0), text);
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, "E0106");
    assert_eq!(errors[0].primary.as_ref().unwrap().0.start as usize, text.find("\"one").unwrap());
}

#[test]
fn odd_characters_are_named() {
    assert_eq!(errors("(a\u{a0}b)"), ["E0115@2-4"]);
    assert_eq!(errors("(name “hello”)"), ["E0115@6-9"]);
    assert_eq!(errors("a\0b"), ["E0115@1-2"]);
    assert_eq!(errors("\u{feff}(a)"), ["E0115@0-3"]);
}

#[test]
fn endless_things_are_reported_at_their_beginning() {
    assert_eq!(errors("(a #| b #| c |# d"), ["E0107@3-5"]);
    assert_eq!(errors("(a \"b"), ["E0106@3-4"]);
    assert_eq!(errors("#{a b"), ["E0109@0-2"]);
    assert_eq!(errors("#!/bin/hpcl\n(a)"), ["E0108@0-11"]);
    assert_eq!(errors("#\\"), ["E0111@0-2"]);
}

#[test]
fn deep_nesting_is_a_diagnostic() {
    let limit = MAX_DEPTH;
    assert_eq!(errors(&format!("{}{}", "(".repeat(limit), ")".repeat(limit))), Vec::<String>::new());
    for text in ["(", "'", "#;", "#(", "(a . ", "'(", "[#~", "#;("] {
        let found = errors(&text.repeat(100_000));
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("E0105"), "{text}: {found:?}");
    }
    assert_eq!(errors(&") ".repeat(1000)).len(), 1000);
}

#[test]
fn spans_cover_what_was_written() {
    let text = "(a 'b #$c:out)";
    let (data, _) = read(FileId(0), text);
    let mut seen = Vec::new();
    fn walk(d: &Datum, text: &str, seen: &mut Vec<String>) {
        seen.push(text[d.span.start as usize..d.span.end as usize].to_owned());
        if let DatumKind::List(items) = &d.kind {
            items.iter().for_each(|d| walk(d, text, seen));
        }
    }
    walk(&data[0], text, &mut seen);
    assert_eq!(seen, ["(a 'b #$c:out)", "a", "'b", "'", "b", "#$c:out", "#$", "c", "out"]);
}

proptest! {
    #[test]
    fn any_text_gives_a_result(text in r#"([()\[\]'`,@#~$+;:."|!{}\\ \nabc0-9é]|#\||\|#|#;|#vu8\(|!#|\}#){0,60}"#) {
        let (_, errors) = read(FileId(0), &text);
        for error in errors {
            if let Some((span, _)) = error.primary {
                prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
            }
            for (span, _) in error.labels {
                prop_assert!(text.get(span.start as usize..span.end as usize).is_some());
            }
        }
    }
}
