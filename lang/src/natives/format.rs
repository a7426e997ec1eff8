//! `format`: texts out of templates, as (ice-9 format).
//!
//! ```text
//! ~a ~s ~d ~x ~o ~b ~c ~f ~e ~$ ~r  a value            ~{ … ~} ~:{ ~@{ ~:@{   for each element; ~^ ends it
//! ~% ~& ~~ ~t ~_ ~<newline>          text                ~[ … ~; … ~:; … ~] ~:[ ~@[   one of several
//! ~p ~:p ~@p                         plural              ~* ~:* ~@*   skips arguments     ~? ~k   template as argument
//! ```
//! Parameters stand before the letter: `~8a` pads, `~,2f` has two decimals, `~3,'0d` pads with zeros, `~v` and `~#` take the next
//! argument and the number left.

mod decimal;
mod directive;
mod template;
mod words;

use crate::{
    native::{Context, Native, Raise, Side, expect_string},
    value::Value,
};

use super::{
    arguments::{get, text},
    row,
};

use directive::Output;

/// The table of this topic.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("%format", 1, None, "The text of a template with its arguments.", ("(%format \"~a-~s~%\" \"x\" \"y\")", "\"x-\\\"y\\\"\\n\""),
        |_, a| text(format_to_string(expect_string("format", a, 0)?, a.get(1..).unwrap_or(&[]))?)),
    Native { name: "format", arity: (1, None), side: Side::Evaluation,
        doc: "The text of a template with its arguments; the first argument is `#f`.",
        example: ("(format #f \"~a: ~{~a~^, ~}\" 'x '(1 2))", "\"x: 1, 2\""), function: format },
    Native { name: "simple-format", arity: (1, None), side: Side::Evaluation,
        doc: "The text of a template with its arguments; the first argument is `#f`.",
        example: ("(simple-format #f \"~A\" 1)", "\"1\""), function: format },
];

/// Returns the text of a template with its arguments.
///
/// # Errors
/// [`Raise`] when the template is malformed or wants more arguments than there are.
pub fn format_to_string(template: &str, arguments: &[Value]) -> Result<String, Raise> {
    let pieces = template::parse(template).map_err(|reason| wrong(template, &reason))?;
    let mut output = Output::new(arguments);
    output.run(&pieces).map_err(|reason| wrong(template, &reason))?;
    Ok(output.text)
}

fn wrong(template: &str, reason: &str) -> Raise {
    Raise::message(format!("`format`: in the template `{template}`: {reason}"))
}

fn format(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    match get(arguments, 0) {
        Value::Bool(false) => {
            let template = expect_string("format", arguments, 1)?;
            text(format_to_string(template, arguments.get(2..).unwrap_or(&[]))?)
        }
        Value::String(template) => text(format_to_string(template, arguments.get(1..).unwrap_or(&[]))?),
        _ => Err(Raise::Invalid {
            code: "E0412",
            message: "`format`: there are no ports while recipes are evaluated".to_owned(),
            hints: vec!["`(format #f …)` returns the text".to_owned()],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(template: &str, arguments: &[Value]) -> String {
        format_to_string(template, arguments).unwrap_or_else(|raise| match raise {
            Raise::Invalid { message, .. } => message,
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn values_are_shown_by_their_directives() {
        let (s, n) = (Value::string("x\"y"), Value::Int(-255));
        assert_eq!(shown("~a ~s ~A", &[s.clone(), s.clone(), n.clone()]), "x\"y \"x\\\"y\" -255");
        assert_eq!(
            shown("~d ~x ~o ~b", &[n.clone(), n.clone(), n.clone(), n.clone()]),
            "-255 -ff -377 -11111111"
        );
        assert_eq!(
            shown(
                "~5a|~5@a|~6d|~6,'0d|~:d|~@d",
                &[s.clone(), s, n.clone(), n.clone(), Value::Int(1234567), Value::Int(5)]
            ),
            "x\"y  |  x\"y|  -255|00-255|1,234,567|+5"
        );
        assert_eq!(
            shown(
                "~,2f ~8,3f ~f ~$",
                &[Value::Float(1.0 / 3.0), Value::Float(-2.5), Value::Float(1.0), Value::Float(3.0)]
            ),
            "0.33   -2.500 1.0 3.00"
        );
        assert_eq!(shown("~c ~c", &[Value::Char('a'), Value::Char('b')]), "a b");
    }

    #[test]
    fn loops_choices_and_plurals() {
        let list = Value::list([Value::Int(1), Value::Int(2), Value::Int(3)]);
        assert_eq!(shown("~{~a~^, ~}.", std::slice::from_ref(&list)), "1, 2, 3.");
        assert_eq!(shown("~@{~a~^-~}", &[Value::Int(1), Value::Int(2)]), "1-2");
        let pairs = Value::list([
            Value::list([Value::Int(1), Value::Int(2)]),
            Value::list([Value::Int(3), Value::Int(4)]),
        ]);
        assert_eq!(shown("~:{<~a ~a>~}", &[pairs]), "<1 2><3 4>");
        assert_eq!(shown("~2{~a~}", &[list]), "12");
        assert_eq!(shown("~[zero~;one~:;many~]", &[Value::Int(1)]), "one");
        assert_eq!(shown("~[zero~;one~:;many~]", &[Value::Int(7)]), "many");
        assert_eq!(shown("~:[no~;yes~]", &[Value::Bool(false)]), "no");
        assert_eq!(shown("~@[(~a)~]~a", &[Value::Bool(false), Value::Int(1)]), "1");
        assert_eq!(shown("~@[(~a)~]~a", &[Value::Int(2), Value::Int(1)]), "(2)1");
        assert_eq!(shown("~a file~:p, ~d entr~:@p", &[Value::Int(1), Value::Int(2)]), "1 file, 2 entries");
        assert_eq!(shown("a~\n   b~%~~", &[]), "ab\n~");
        assert_eq!(shown("~a~10t~a", &[Value::Int(1), Value::Int(2)]), "1         2");
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(
            shown("~a ~a", &[Value::Int(1)]),
            "`format`: in the template `~a ~a`: it wants more arguments than the 1 given"
        );
        assert_eq!(shown("~z", &[]), "`format`: in the template `~z`: `~z` is no directive");
        assert_eq!(shown("~{~a", &[]), "`format`: in the template `~{~a`: a `~{` is not closed");
        assert_eq!(shown("~]", &[]), "`format`: in the template `~]`: a `~]` closes nothing");
        assert_eq!(shown("~", &[]), "`format`: in the template `~`: it ends in the middle of a directive");
        assert_eq!(
            shown("~{~a~}", &[Value::Int(1)]),
            "`format`: in the template `~{~a~}`: `~{` wants a list, not a number"
        );
        assert!(shown(&"~{".repeat(10_000), &[]).contains("nest"));
        assert!(shown("~999999999999a", &[Value::Int(1)]).contains("too large"));
    }
}
