//! What the machine says when a program goes wrong.

use std::rc::Rc;

use crate::{
    core_form::VALUES,
    diagnostic::{Diagnostic, TraceEntry},
    module::Global,
    native::Raise,
    print::summary,
    procedure::{Closure, Procedure},
    record::RecordType,
    span::Span,
    symbol::Symbol,
    value::Value,
};

use super::{
    Machine,
    exception::Exception,
    frame::{Frame, Mark},
};

/// The most levels that a trace holds.
const TRACE: usize = 60;

/// Returns the diagnostic of an error without a place, and the words under its place.
pub(super) fn describe(raise: &Raise) -> (Diagnostic, &'static str) {
    match raise {
        Raise::WrongType { procedure, position, expected, actual } => {
            let element = expected.starts_with("a list of ")
                && !matches!(actual, Value::Pair(_) | Value::Nil | Value::LispNil);
            let actual = with_value(actual);
            let message = if element {
                format!("argument {position} of `{procedure}` must be {expected}, but {actual} is in it")
            } else {
                format!("argument {position} of `{procedure}` must be {expected}, not {actual}")
            };
            (Diagnostic::new("E0401", message), "in this call")
        }
        Raise::Invalid { code, message, hints } => {
            let mut diagnostic = Diagnostic::new(code, message.clone());
            diagnostic.hints.clone_from(hints);
            let words = match *code {
                "E0420" => "this value",
                "E0430" if message.starts_with("the pattern") => "this pattern",
                "E0430" => "none of these clauses",
                "E0431" => "this does not hold",
                _ => "in this call",
            };
            (diagnostic, words)
        }
        Raise::Placed(diagnostic) => ((**diagnostic).clone(), "in this call"),
        Raise::Thrown(value) => (raised(value), "raised here"),
        Raise::Exit(code) => (Diagnostic::new("E0499", format!("the program exited with {code}")), "here"),
    }
}

fn raised(value: &Value) -> Diagnostic {
    if let Some(exception) = value.as_foreign::<Exception>() {
        return match &exception.diagnostic {
            Some(diagnostic) => diagnostic.clone(),
            None => Diagnostic::new("E0440", exception.text()),
        };
    }
    match value {
        Value::Foreign(foreign) => Diagnostic::new("E0440", foreign.0.describe()),
        other => Diagnostic::new("E0441", format!("`{}` was raised and nothing handled it", summary(other))),
    }
}

/// Names a value's kind and shows it: ``a number (`5`)``.
pub(super) fn with_value(value: &Value) -> String {
    match value {
        Value::Nil | Value::LispNil | Value::Unspecified | Value::Absent | Value::Eof => {
            value.kind().to_owned()
        }
        Value::Record(record) => {
            let name = record.record_type.plain_name();
            format!("{} `{name}` (`{}`)", article(name), summary(value))
        }
        Value::Pair(_) if ends_properly(value) => format!("a list (`{}`)", summary(value)),
        other => format!("{} (`{}`)", other.kind(), summary(other)),
    }
}

/// Returns `a` or `an`.
pub(super) fn article(name: &str) -> &'static str {
    if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

fn ends_properly(value: &Value) -> bool {
    let mut rest = value;
    while let Value::Pair(pair) = rest {
        rest = &pair.cdr;
    }
    rest.is_null()
}

/// Returns better words than `here` for the place of an error.
fn words_for<'a>(diagnostic: &Diagnostic, words: &'a str) -> &'a str {
    match (words, diagnostic.code) {
        ("here", "E0402" | "E0403" | "E0407" | "E0408" | "E0422") => "in this call",
        ("here", "E0404") => "needed here",
        _ => words,
    }
}

/// Returns the diagnostic of a call with the wrong number of arguments.
pub(super) fn wrong_arity(callee: &Value, given: usize) -> Diagnostic {
    let named =
        |name: Option<Symbol>| name.map_or_else(|| "the procedure".to_owned(), |name| format!("`{name}`"));
    let exactly = |n: usize| native_arity((n, Some(n)));
    let (name, takes, span) = match callee {
        Value::Closure(closure) if closure.name().is_some_and(|name| name.as_str() == VALUES) => {
            return wrong_values(&closure.proto.arity.describe(), given, closure.proto.span);
        }
        Value::Closure(closure) => {
            (named(closure.name()), closure.proto.arity.describe(), Some(closure.proto.span))
        }
        Value::Native(native) => (format!("`{}`", native.name), native_arity(native.arity), None),
        Value::Primitive(primitive) => {
            (format!("`{}`", primitive.name()), native_arity(super::control::arity(*primitive)), None)
        }
        Value::Parameter(_) => ("a parameter".to_owned(), "no arguments".to_owned(), None),
        Value::Procedure(procedure) => match &**procedure {
            Procedure::Case(clauses) => case_arity(clauses),
            Procedure::Constructor(made, places) => {
                let name = format!("the constructor of `{}`", made.plain_name());
                (name, exactly(places.len()), made.span)
            }
            Procedure::Predicate(made) => {
                (format!("the predicate of `{}`", made.plain_name()), exactly(1), made.span)
            }
            Procedure::Accessor(made, index) => {
                (format!("the accessor of {}", field_of(made, *index)), exactly(1), made.span)
            }
            Procedure::Modifier(made, index) => {
                (format!("the modifier of {}", field_of(made, *index)), exactly(2), made.span)
            }
            Procedure::Memo(_) | Procedure::Escape(_) => (named(None), "other arguments".to_owned(), None),
        },
        _ => (named(None), "other arguments".to_owned(), None),
    };
    let given = match given {
        0 => "none was given".to_owned(),
        1 => "1 was given".to_owned(),
        given => format!("{given} were given"),
    };
    let mut diagnostic = Diagnostic::new("E0402", format!("{name} takes {takes}, but {given}"));
    if matches!(callee, Value::Parameter(_)) {
        diagnostic = diagnostic.hint("`(parameterize ((parameter value)) body …)` gives it another value");
    }
    match span {
        Some(span) => diagnostic.label(span, "defined here"),
        None => diagnostic,
    }
}

/// Returns the diagnostic of a form that binds another number of values than it got.
fn wrong_values(wanted: &str, given: usize, span: Span) -> Diagnostic {
    let wanted = wanted.replace("argument", "value");
    let are = if wanted == "1 value" { "is" } else { "are" };
    let given = match given {
        0 => "none was returned".to_owned(),
        1 => "1 was returned".to_owned(),
        given => format!("{given} were returned"),
    };
    Diagnostic::new("E0402", format!("{wanted} {are} wanted, but {given}")).label(span, "wanted here")
}

fn field_of(record_type: &RecordType, index: usize) -> String {
    let name = record_type.fields.get(index).map_or("", |field| field.name.as_str());
    format!("the field `{name}` of `{}`", record_type.plain_name())
}

/// Names a procedure of several clauses and says how many arguments they take: `1 or 3 arguments`.
fn case_arity(clauses: &[Rc<Closure>]) -> (String, String, Option<Span>) {
    let name = clauses.first().and_then(|clause| clause.name());
    let name = name.map_or_else(|| "the procedure".to_owned(), |name| format!("`{name}`"));
    let mut each: Vec<String> = clauses.iter().map(|clause| clause.proto.arity.describe()).collect();
    each.dedup();
    let last = each.pop().unwrap_or_else(|| "other arguments".to_owned());
    let counts = |text: &String| text.trim_end_matches('s').trim_end_matches(" argument").to_owned();
    let takes = match each.as_slice() {
        [] => last,
        more => format!("{} or {last}", more.iter().map(counts).collect::<Vec<_>>().join(", ")),
    };
    (name, takes, clauses.first().map(|clause| clause.proto.span))
}

fn native_arity((least, most): (usize, Option<usize>)) -> String {
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    match most {
        Some(0) => "no arguments".to_owned(),
        Some(most) if most == least => format!("{least} {}", plural(least)),
        Some(most) => format!("{least} to {most} arguments"),
        None => format!("at least {least} {}", plural(least)),
    }
}

/// Returns the diagnostic of a call of what is no procedure.
pub(super) fn not_a_procedure(value: &Value) -> Diagnostic {
    Diagnostic::new("E0403", format!("{} cannot be called: it is no procedure", with_value(value)))
}

/// Returns the diagnostic of definitions that need each other's value.
pub(super) fn value_cycle(cycle: &[Rc<Global>]) -> Diagnostic {
    let names: Vec<String> =
        cycle.iter().chain(cycle.first()).map(|global| format!("`{}`", global.name)).collect();
    let mut diagnostic = Diagnostic::new(
        "E0404",
        match cycle {
            [only] => format!("the value of `{}` is needed to compute it", only.name),
            _ => format!("definitions need each other's value: {}", names.join(" → ")),
        },
    );
    for global in cycle {
        diagnostic = diagnostic.label(global.span, format!("`{}` is defined here", global.name));
    }
    diagnostic.hint("refer to one of them inside of a procedure, a promise or a lazy field")
}

impl Machine {
    /// Adds the place and the trace of the running call to a diagnostic that has none.
    pub(super) fn locate(&self, mut diagnostic: Diagnostic, words: &str) -> Diagnostic {
        if !diagnostic.trace.is_empty() {
            return diagnostic;
        }
        let running = &self.registers;
        let here = running.closure.proto.span_at(running.pc.saturating_sub(1));
        let mut entries: Vec<TraceEntry> = Vec::new();
        let mut place = here.filter(|span| !self.is_prelude(*span));
        // The level looked at: where it stands and its name. Its entry is written once it is known what is below.
        let mut level = Some((here, running.closure.name()));
        let mut last = &running.closure;
        for frame in self.frames.iter().rev() {
            match frame {
                Frame::Call(closure, pc, _) => {
                    let closure = closure.as_ref().unwrap_or(last);
                    last = closure;
                    let pc = closure.proto.index_of(*pc);
                    let at = pc.saturating_sub(1);
                    if entries.is_empty() && Rc::ptr_eq(closure, &running.closure) && pc == running.pc {
                        continue;
                    }
                    let span = closure.proto.span_at(at);
                    place = place.or(span.filter(|span| !self.is_prelude(*span)));
                    push(&mut entries, level.take());
                    level = Some((span, closure.name()));
                }
                Frame::Mark(Mark::Global { global, .. }) => {
                    push(&mut entries, level.take().filter(|(_, name)| name.is_some()));
                    let name = self.world.aliases.original(global.name);
                    let text = format!("in the definition of `{name}`");
                    if entries.len() < TRACE {
                        entries.push(TraceEntry { span: Some(global.span), text });
                    }
                }
                Frame::Mark(Mark::Memo(memo)) => {
                    push(&mut entries, level.take().filter(|(_, name)| name.is_some()));
                    if let Some(entry) = about(&memo.1)
                        && entries.last() != Some(&entry)
                        && diagnostic.primary.as_ref().is_none_or(|(span, _)| Some(*span) != entry.span)
                        && entries.len() < TRACE
                    {
                        entries.push(entry);
                    }
                }
                Frame::Mark(_) => {}
            }
        }
        push(&mut entries, level.filter(|(_, name)| name.is_some()));
        self.without_prelude(&mut entries);
        let known = place.or_else(|| entries.iter().find_map(|entry| entry.span)).or(here);
        if diagnostic.primary.is_none()
            && let Some(span) = known
        {
            let words = match (words_for(&diagnostic, words), self.world.macro_used_at(span)) {
                ("in this call" | "here" | "in this form", Some(name)) => {
                    format!("in what this use of the macro `{name}` stands for")
                }
                (words, _) => words.to_owned(),
            };
            diagnostic.primary = Some((span, words));
        }
        diagnostic.trace = entries;
        diagnostic
    }

    /// Leaves out of a trace what is inside of the prelude: its helpers, and where its procedures are written.
    fn without_prelude(&self, entries: &mut Vec<TraceEntry>) {
        entries.retain_mut(|entry| {
            let inside = entry.span.is_some_and(|span| self.is_prelude(span));
            if inside {
                entry.span = None;
            }
            !inside || !(entry.text.starts_with("in `%") || entry.text == "in a procedure")
        });
    }

    fn is_prelude(&self, span: Span) -> bool {
        (span.file.0 as usize) < crate::module::prelude_files().len()
    }
}

/// Returns the entry of a memoised computation about a record that has a name, such as a package.
fn about(arguments: &Value) -> Option<TraceEntry> {
    let Value::Pair(arguments) = arguments else { return None };
    let Value::Record(record) = &arguments.car else { return None };
    let name = record.eager(Symbol::new("name"))?;
    let text = format!("for the {} `{}`", record.record_type.plain_name(), name.as_str()?);
    Some(TraceEntry { span: record.span, text })
}

fn push(entries: &mut Vec<TraceEntry>, level: Option<(Option<Span>, Option<Symbol>)>) {
    if let Some((span, name)) = level
        && entries.len() < TRACE
        && name.is_none_or(|name| name.as_str() != VALUES)
    {
        let text = name.map_or_else(|| "in a procedure".to_owned(), |name| format!("in `{name}`"));
        entries.push(TraceEntry { span, text });
    }
}

/// Returns the diagnostic of a variable that is used before it has its value.
pub(super) fn too_early(name: Option<Symbol>) -> Diagnostic {
    let what = name.map_or_else(|| "a variable".to_owned(), |name| format!("`{name}`"));
    Diagnostic::new("E0405", format!("{what} is used before it has its value"))
        .hint("definitions of a body are evaluated in order")
}
