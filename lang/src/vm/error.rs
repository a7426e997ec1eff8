//! What the machine says when a program goes wrong.

use std::rc::Rc;

use crate::{
    diagnostic::{Diagnostic, TraceEntry},
    module::Global,
    native::Raise,
    print::summary,
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
            let actual = with_value(actual);
            let message = format!("argument {position} of `{procedure}` must be {expected}, not {actual}");
            (Diagnostic::new("E0401", message), "in this call")
        }
        Raise::Invalid { code, message, hints } => {
            let mut diagnostic = Diagnostic::new(code, message.clone());
            diagnostic.hints.clone_from(hints);
            let words = match *code {
                "E0420" => "this value",
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
        Value::Nil | Value::Unspecified | Value::Absent | Value::Eof => value.kind().to_owned(),
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
    matches!(rest, Value::Nil)
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
    let (name, takes, span) = match callee {
        Value::Closure(closure) => (
            closure.name().map(|name| name.to_string()),
            closure.proto.arity.describe(),
            Some(closure.proto.span),
        ),
        Value::Native(native) => (Some(native.name.to_owned()), native_arity(native.arity), None),
        Value::Primitive(primitive) => {
            (Some(primitive.name().to_owned()), "other arguments".to_owned(), None)
        }
        _ => (None, "another number of arguments".to_owned(), None),
    };
    let name = name.map_or_else(|| "the procedure".to_owned(), |name| format!("`{name}`"));
    let given = if given == 1 { "1 was given".to_owned() } else { format!("{given} were given") };
    let diagnostic = Diagnostic::new("E0402", format!("{name} takes {takes}, but {given}"));
    match span {
        Some(span) => diagnostic.label(span, "defined here"),
        None => diagnostic,
    }
}

fn native_arity((least, most): (usize, Option<usize>)) -> String {
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    match most {
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
        for frame in self.frames.iter().rev() {
            match frame {
                Frame::Call(closure, pc, _) => {
                    let at = (*pc as usize).saturating_sub(1);
                    if entries.is_empty()
                        && Rc::ptr_eq(closure, &running.closure)
                        && *pc as usize == running.pc
                    {
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
            diagnostic.primary = Some((span, words_for(&diagnostic, words).to_owned()));
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
    {
        let text = name.map_or_else(|| "in a procedure".to_owned(), |name| format!("in `{name}`"));
        entries.push(TraceEntry { span, text });
    }
}

/// Returns the diagnostic of a variable that is used before it has its value.
pub(super) fn too_early() -> Diagnostic {
    Diagnostic::new("E0405", "a variable is used before it has its value")
        .hint("definitions of a body are evaluated in order")
}
