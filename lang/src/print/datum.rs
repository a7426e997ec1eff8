//! Data as text.
//!
//! Abbreviations are used where they read back as the same datum: `(quote x)` is written `'x`, and
//! `(ungexp gcc "lib")` is written `#$gcc:lib`.

use crate::{
    datum::{Datum, DatumKind},
    number::float_text,
    reader::{PREFIXES, reads_as_symbol},
    symbol::Symbol,
};

use super::atom::{write_char, write_keyword, write_string, write_symbol};

enum Work<'a> {
    Datum(&'a Datum),
    /// The rest of a list; the flag says whether something was written before.
    Items(std::slice::Iter<'a, Datum>, bool),
    /// A dot and the tail.
    Tail(&'a Datum),
    Text(&'static str),
}

/// Returns the text of a datum; reading it gives the same datum, except for the spans.
///
/// # Examples
/// ```
/// use hpcl_lang::{print::write_datum, reader::read, span::FileId};
/// let (data, _) = read(FileId(0), "(quote (a . #t))");
/// assert_eq!(write_datum(&data[0]), "'(a . #t)");
/// ```
pub fn write_datum(datum: &Datum) -> String {
    let mut out = String::new();
    write_datum_with(datum, &|_, _| false, &mut out);
    out
}

/// Appends the text of a datum; `special` may write a part its own way, and then returns whether it did.
pub(super) fn write_datum_with(
    datum: &Datum,
    special: &dyn Fn(&Datum, &mut String) -> bool,
    out: &mut String,
) {
    let mut work = vec![Work::Datum(datum)];
    while let Some(next) = work.pop() {
        match next {
            Work::Text(text) => out.push_str(text),
            Work::Datum(datum) => {
                if !special(datum, out) {
                    start(datum, &mut work, out);
                }
            }
            Work::Items(mut items, separate) => {
                if let Some(item) = items.next() {
                    if separate {
                        out.push(' ');
                    }
                    work.push(Work::Items(items, true));
                    work.push(Work::Datum(item));
                }
            }
            Work::Tail(tail) => {
                out.push_str(" . ");
                work.push(Work::Datum(tail));
            }
        }
    }
}

fn start<'a>(datum: &'a Datum, work: &mut Vec<Work<'a>>, out: &mut String) {
    match &datum.kind {
        DatumKind::Bool(true) => out.push_str("#t"),
        DatumKind::Bool(false) => out.push_str("#f"),
        DatumKind::Int(n) => out.push_str(&n.to_string()),
        DatumKind::BigInt(n) => out.push_str(&n.to_string()),
        DatumKind::Rational(q) => out.push_str(&format!("{}/{}", q.numer(), q.denom())),
        DatumKind::Float(x) => out.push_str(&float_text(*x)),
        DatumKind::Char(c) => write_char(*c, out),
        DatumKind::String(text) => write_string(text, out),
        DatumKind::Symbol(name) => write_symbol(name.as_str(), out),
        DatumKind::Keyword(name) => write_keyword(name.as_str(), out),
        DatumKind::List(items) => {
            if abbreviated(items, work, out) {
                return;
            }
            out.push('(');
            work.push(Work::Text(")"));
            work.push(Work::Items(items.iter(), false));
        }
        DatumKind::Dotted(items, tail) => {
            out.push('(');
            work.push(Work::Text(")"));
            work.push(Work::Tail(tail));
            work.push(Work::Items(items.iter(), false));
        }
        DatumKind::Vector(items) => {
            out.push_str("#(");
            work.push(Work::Text(")"));
            work.push(Work::Items(items.iter(), false));
        }
        DatumKind::Bytes(bytes) => {
            out.push_str("#vu8(");
            for (at, byte) in bytes.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(&byte.to_string());
            }
            out.push(')');
        }
    }
}

/// Writes a list by its abbreviation, if it has one; otherwise nothing.
fn abbreviated<'a>(items: &'a [Datum], work: &mut Vec<Work<'a>>, out: &mut String) -> bool {
    let Some((DatumKind::Symbol(head), rest)) = items.split_first().map(|(head, rest)| (&head.kind, rest))
    else {
        return false;
    };
    let Some((prefix, splits)) = prefix_of(*head) else { return false };
    match rest {
        [only] => {
            if let DatumKind::Symbol(name) = only.kind {
                let name = name.as_str();
                if splits && has_output(name) {
                    return false;
                }
                out.push_str(prefix);
                if name.starts_with('@') {
                    out.push(' ');
                }
            } else {
                out.push_str(prefix);
            }
            work.push(Work::Datum(only));
            true
        }
        [package, output] if splits => match (&package.kind, &output.kind) {
            (DatumKind::Symbol(name), DatumKind::String(output)) if !name.as_str().starts_with('@') => {
                let joined = format!("{name}:{output}");
                // The last colon separates, so the package may have others and the output may not.
                if name.as_str().is_empty()
                    || output.is_empty()
                    || output.contains(':')
                    || !reads_as_symbol(&joined)
                {
                    return false;
                }
                out.push_str(prefix);
                out.push_str(&joined);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn has_output(name: &str) -> bool {
    name.rsplit_once(':').is_some_and(|(package, output)| !package.is_empty() && !output.is_empty())
}

/// Returns the abbreviation of a symbol, and whether it splits outputs.
fn prefix_of(head: Symbol) -> Option<(&'static str, bool)> {
    PREFIXES.iter().find(|(_, name, _)| *name == head.as_str()).map(|(text, _, splits)| (*text, *splits))
}

#[cfg(test)]
mod tests {
    use num_bigint::BigInt;
    use num_rational::BigRational;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        number::Numeric,
        reader::{number_datum, read},
        span::{FileId, Span},
    };

    fn datum(kind: DatumKind) -> Datum {
        Datum { kind, span: Span::new(FileId(0), 0, 0) }
    }

    /// Forgets the spans.
    fn bare(d: &Datum) -> Datum {
        let all = |items: &[Datum]| items.iter().map(bare).collect::<Vec<_>>();
        datum(match &d.kind {
            DatumKind::List(items) => DatumKind::List(all(items)),
            DatumKind::Vector(items) => DatumKind::Vector(all(items)),
            DatumKind::Dotted(items, tail) => DatumKind::Dotted(all(items), Box::new(bare(tail))),
            other => other.clone(),
        })
    }

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[a-z!?*<>=/+-][a-z0-9:'-]{0,6}",
            1 => any::<String>().prop_map(|s| s.chars().take(8).collect()),
            1 => prop::sample::select(vec!["quote", "unquote", "gexp", "ungexp", "@x", ".", "1", "a:b", "#{", "}#", "", "+inf.0", "a b"]).prop_map(str::to_owned),
        ]
    }

    fn any_datum() -> impl Strategy<Value = Datum> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(DatumKind::Bool),
            any::<i64>().prop_map(DatumKind::Int),
            any::<[i64; 3]>()
                .prop_map(|p| number_datum(Numeric::from_big(p.iter().fold(BigInt::from(1), |a, b| a * b)))),
            (any::<i64>(), 1..i64::MAX).prop_map(|(n, d)| number_datum(Numeric::from_rational(
                BigRational::new(n.into(), d.into())
            ))),
            any::<f64>().prop_filter("nan", |x| !x.is_nan()).prop_map(DatumKind::Float),
            any::<char>().prop_map(DatumKind::Char),
            any::<String>().prop_map(|s| DatumKind::String(s.into())),
            name().prop_map(|s| DatumKind::Symbol(Symbol::new(&s))),
            name().prop_map(|s| DatumKind::Keyword(Symbol::new(&s))),
            prop::collection::vec(any::<u8>(), 0..4).prop_map(DatumKind::Bytes),
        ]
        .prop_map(datum);
        leaf.prop_recursive(5, 40, 5, |inner| {
            let prefixed =
                (prop::sample::select(PREFIXES.to_vec()), inner.clone()).prop_map(|((_, head, _), d)| {
                    DatumKind::List(vec![datum(DatumKind::Symbol(Symbol::new(head))), d])
                });
            let output = (name(), name()).prop_map(|(package, output)| {
                let head = datum(DatumKind::Symbol(Symbol::new("ungexp")));
                DatumKind::List(vec![
                    head,
                    datum(DatumKind::Symbol(Symbol::new(&package))),
                    datum(DatumKind::String(output.into())),
                ])
            });
            let dotted = (prop::collection::vec(inner.clone(), 1..4), inner.clone()).prop_filter_map(
                "normal",
                |(items, tail)| {
                    (!matches!(tail.kind, DatumKind::List(_) | DatumKind::Dotted(..)))
                        .then(|| DatumKind::Dotted(items, Box::new(tail)))
                },
            );
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(DatumKind::List),
                prop::collection::vec(inner, 0..5).prop_map(DatumKind::Vector),
                dotted,
                prefixed,
                output,
            ]
            .prop_map(datum)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(d in any_datum()) {
            let text = write_datum(&d);
            let (data, errors) = read(FileId(0), &text);
            prop_assert_eq!(errors, vec![], "{}", text);
            prop_assert_eq!(data.len(), 1, "{}", text);
            prop_assert_eq!(bare(&data[0]), d, "{}", text);
        }
    }

    #[test]
    fn abbreviations_are_not_used_where_they_would_read_differently() {
        let (data, _) = read(
            FileId(0),
            "(ungexp a:b) (unquote @x) (quote a b) (ungexp #{a b}# \"out\") (ungexp a:b \"c\")",
        );
        let shown: Vec<_> = data.iter().map(write_datum).collect();
        assert_eq!(shown, ["(ungexp a:b)", ", @x", "(quote a b)", "(ungexp #{a b}# \"out\")", "#$a:b:c"]);
    }
}
