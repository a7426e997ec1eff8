//! Values as text.
//!
//! `write` shows strings and characters as they are read, `display` shows their contents. What has no notation (procedures,
//! records, tables) is shown as `#<…>`; staged code is shown as written, with its references filled in.

use crate::{
    datum::Datum,
    number::float_text,
    procedure::{Procedure, PromiseState},
    reader::PREFIXES,
    record::Record,
    symbol::Symbol,
    value::{Gexp, GexpReference, Pair, Value},
};

use super::{
    atom::{write_char, write_keyword, write_string, write_symbol},
    datum::write_datum_with,
};

/// How deep gexps are shown inside each other's references, and records in records.
const NESTED: usize = 4;
/// How many fields of a record without a name are shown.
const FIELDS: usize = 8;

/// Returns the value as it could be read back.
pub fn write(value: &Value) -> String {
    Printer { strings: Strings::Written, limit: usize::MAX, nested: 0 }.print(value)
}

/// Returns the value as people read it: strings and characters stand for themselves.
pub fn display(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_string(),
        _ => Printer { strings: Strings::Displayed, limit: usize::MAX, nested: 0 }.print(value),
    }
}

/// Returns the value as written, cut after some 60 characters, for messages.
pub fn summary(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = Printer { strings: Strings::Written, limit: 4 * LONGEST, nested: 0 }.print(value);
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or("")),
        None => text,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Strings {
    Written,
    Displayed,
}

struct Printer {
    strings: Strings,
    /// Roughly after how many bytes to stop.
    limit: usize,
    nested: usize,
}

enum Work<'a> {
    Value(&'a Value),
    /// The rest of a list after an element.
    Tail(&'a Value),
    Items(std::slice::Iter<'a, Value>, bool),
    Text(&'static str),
}

impl Printer {
    fn print(&self, value: &Value) -> String {
        let mut out = String::new();
        let mut work = vec![Work::Value(value)];
        while let Some(next) = work.pop() {
            if out.len() > self.limit {
                break;
            }
            match next {
                Work::Text(text) => out.push_str(text),
                Work::Value(value) => self.start(value, &mut work, &mut out),
                Work::Items(mut items, separate) => {
                    if let Some(item) = items.next() {
                        if separate {
                            out.push(' ');
                        }
                        work.push(Work::Items(items, true));
                        work.push(Work::Value(item));
                    }
                }
                Work::Tail(Value::Nil | Value::LispNil) => out.push(')'),
                Work::Tail(Value::Pair(pair)) => {
                    out.push(' ');
                    work.push(Work::Tail(&pair.cdr));
                    work.push(Work::Value(&pair.car));
                }
                Work::Tail(other) => {
                    out.push_str(" . ");
                    work.push(Work::Text(")"));
                    work.push(Work::Value(other));
                }
            }
        }
        out
    }

    fn start<'a>(&self, value: &'a Value, work: &mut Vec<Work<'a>>, out: &mut String) {
        match value {
            Value::Nil => out.push_str("()"),
            Value::LispNil => out.push_str("#nil"),
            Value::Unspecified => out.push_str("#<unspecified>"),
            Value::Absent => out.push_str("#<absent>"),
            Value::Eof => out.push_str("#<eof>"),
            Value::Bool(true) => out.push_str("#t"),
            Value::Bool(false) => out.push_str("#f"),
            Value::Int(n) => out.push_str(&n.to_string()),
            Value::Float(x) => out.push_str(&float_text(*x)),
            Value::Number(n) => out.push_str(&n.to_string()),
            Value::Char(c) if self.strings == Strings::Displayed => out.push(*c),
            Value::Char(c) => write_char(*c, out),
            Value::String(text) if self.strings == Strings::Displayed => out.push_str(text),
            Value::String(text) => write_string(text, out),
            Value::Symbol(name) if self.strings == Strings::Displayed => out.push_str(name.as_str()),
            Value::Symbol(name) => write_symbol(name.as_str(), out),
            Value::Keyword(name) => write_keyword(name.as_str(), out),
            Value::Pair(pair) => match abbreviation(pair) {
                Some((prefix, value)) => {
                    out.push_str(prefix);
                    work.push(Work::Value(value));
                }
                None => {
                    out.push('(');
                    work.push(Work::Tail(&pair.cdr));
                    work.push(Work::Value(&pair.car));
                }
            },
            Value::Vector(items) => {
                out.push_str("#(");
                work.push(Work::Text(")"));
                work.push(Work::Items(items.iter(), false));
            }
            Value::Values(items) => {
                out.push_str("#<values ");
                work.push(Work::Text(">"));
                work.push(Work::Items(items.iter(), false));
            }
            Value::Bytes(bytes) => {
                let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
                out.push_str(&format!("#vu8({})", numbers.join(" ")));
            }
            Value::Promise(promise) => match promise.state.try_borrow().as_deref() {
                Ok(PromiseState::Done(_)) => out.push_str("#<promise, forced>"),
                _ => out.push_str("#<promise>"),
            },
            Value::Record(record) => self.record(record, out),
            Value::RecordType(kind) => out.push_str(&format!("#<record-type {}>", kind.plain_name())),
            Value::Gexp(gexp) => self.gexp(gexp, out),
            Value::Table(table) => match table.try_borrow() {
                Ok(table) => out.push_str(&format!("#<hash-table {}>", table.len())),
                Err(_) => out.push_str("#<hash-table>"),
            },
            Value::Cell(_) => out.push_str("#<variable>"),
            Value::Foreign(foreign) => out.push_str(&foreign.0.describe()),
            Value::Closure(_)
            | Value::Native(_)
            | Value::Primitive(_)
            | Value::Procedure(_)
            | Value::Parameter(_) => {
                procedure(value, out);
            }
        }
    }

    fn inner(&self, value: &Value) -> String {
        Printer { strings: Strings::Written, limit: self.limit, nested: self.nested + 1 }.print(value)
    }

    fn record(&self, record: &Record, out: &mut String) {
        let kind = record.record_type.plain_name();
        let field = |name| record.eager(Symbol::new(name));
        if let Some(name) = field("name").as_ref().and_then(Value::as_str) {
            out.push_str(&format!("#<{kind} {name}"));
            if let Some(version) = field("version").as_ref().and_then(Value::as_str) {
                out.push_str(&format!("@{version}"));
            }
            out.push('>');
            return;
        }
        out.push_str(&format!("#<{kind}"));
        if self.nested < NESTED {
            let fields = &record.record_type.fields;
            let shown =
                fields.iter().filter_map(|field| record.eager(field.name).map(|value| (field.name, value)));
            for (name, value) in shown.take(FIELDS) {
                out.push_str(&format!(" {name}: {}", self.inner(&value)));
            }
            if fields.len() > FIELDS {
                out.push_str(" …");
            }
        }
        out.push('>');
    }

    fn gexp(&self, gexp: &Gexp, out: &mut String) {
        if self.nested >= NESTED {
            out.push_str("#<gexp>");
            return;
        }
        out.push_str("#~");
        let reference = |datum: &Datum, out: &mut String| match reference_of(datum, gexp) {
            Some(reference) => {
                out.push_str(match (reference.native, reference.splice) {
                    (false, false) => "#$",
                    (false, true) => "#$@",
                    (true, false) => "#+",
                    (true, true) => "#+@",
                });
                match &reference.value {
                    Some(value) => out.push_str(&self.inner(value)),
                    None => out.push_str("output"),
                }
                if reference.output.as_str() != "out" {
                    out.push_str(&format!(":{}", reference.output));
                }
                true
            }
            None => false,
        };
        write_datum_with(&gexp.template, &reference, out);
    }
}

/// Returns the reference that a `(%reference N)` in a template stands for.
fn reference_of<'a>(datum: &Datum, gexp: &'a Gexp) -> Option<&'a GexpReference> {
    use crate::datum::DatumKind::{Int, List, Symbol};
    let List(items) = &datum.kind else { return None };
    match items.as_slice() {
        [Datum { kind: Symbol(head), .. }, Datum { kind: Int(n), .. }] if head.as_str() == "%reference" => {
            gexp.references.get(usize::try_from(*n).ok()?)
        }
        _ => None,
    }
}

/// Returns the prefix and the operand of a list such as `(quote x)`.
fn abbreviation(pair: &Pair) -> Option<(&'static str, &Value)> {
    let (Value::Symbol(head), Value::Pair(rest)) = (&pair.car, &pair.cdr) else { return None };
    if !rest.cdr.is_null() {
        return None;
    }
    let name = head.as_str();
    let (prefix, _, splits) = PREFIXES.iter().find(|(_, long, _)| *long == name)?;
    match &rest.car {
        // `,@x` and `#$x:y` would read as something else.
        Value::Symbol(operand)
            if operand.as_str().starts_with('@') || (*splits && operand.as_str().contains(':')) =>
        {
            None
        }
        operand => Some((prefix, operand)),
    }
}

fn procedure(value: &Value, out: &mut String) {
    let mut value = value;
    while let Value::Procedure(wrapper) = value
        && let Procedure::Memo(memo) = &**wrapper
    {
        value = &memo.procedure;
    }
    let name = match value {
        Value::Closure(closure) => closure.name().map(Symbol::as_str),
        Value::Native(native) => Some(native.name),
        Value::Primitive(primitive) => Some(primitive.name()),
        Value::Procedure(procedure) => match &**procedure {
            Procedure::Case(closures) => {
                closures.first().and_then(|closure| closure.name()).map(Symbol::as_str)
            }
            Procedure::Constructor(kind, _) => {
                out.push_str(&format!("#<procedure make-{}>", kind.plain_name()));
                return;
            }
            Procedure::Predicate(kind) => {
                out.push_str(&format!("#<procedure {}?>", kind.plain_name()));
                return;
            }
            Procedure::Accessor(kind, place) | Procedure::Modifier(kind, place) => {
                let field = kind.fields.get(*place).map_or("", |field| field.name.as_str());
                out.push_str(&format!("#<procedure {}-{field}>", kind.plain_name()));
                return;
            }
            Procedure::Memo(_) => None,
            Procedure::Escape(_) => Some("escape"),
        },
        Value::Parameter(_) => {
            out.push_str("#<parameter>");
            return;
        }
        _ => None,
    };
    match name {
        Some(name) => out.push_str(&format!("#<procedure {name}>")),
        None => out.push_str("#<procedure>"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_displayed() {
        let value = Value::list([
            Value::string("a\"b"),
            Value::Char('x'),
            Value::Float(1.0),
            Value::cons(Value::Int(1), Value::Int(2)),
            Value::vector(vec![Value::Nil, Value::Bool(true)]),
            Value::list([Value::symbol("quote"), Value::symbol("a b")]),
            Value::list([Value::symbol("ungexp"), Value::symbol("a:b")]),
        ]);
        assert_eq!(write(&value), r##"("a\"b" #\x 1.0 (1 . 2) #(() #t) '#{a b}# (ungexp a:b))"##);
        assert_eq!(display(&value), r##"(a"b x 1.0 (1 . 2) #(() #t) 'a b (ungexp a:b))"##);
    }

    #[test]
    fn depth_and_length_do_not_matter() {
        let deep = (0..200_000).fold(Value::Nil, |inner, _| Value::list([inner]));
        assert_eq!(write(&deep).len(), 400_002);
        let long = Value::list((0..100_000).map(Value::Int));
        assert!(write(&long).ends_with(" 99999)"));
        assert_eq!(summary(&long).chars().count(), 61);
    }
}
