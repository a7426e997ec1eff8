//! Expanded expressions as programs: what macros and surface forms came to.
//!
//! Variables keep their names; where two of one name are in a definition, the later ones get a number. For people: what is
//! printed is not read again.

use crate::{
    core_form::{Core, Lambda, RecordField, Var, VarInfo},
    value::Value,
};

use super::{write, write_datum};

/// Writes an expanded expression in one line.
pub fn write_core(core: &Core, vars: &[VarInfo]) -> String {
    let mut printer = Printer { vars, out: String::new() };
    printer.core(core);
    printer.out
}

struct Printer<'v> {
    vars: &'v [VarInfo],
    out: String,
}

impl Printer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn var(&mut self, var: Var) {
        let Some(info) = self.vars.get(var.0 as usize) else { return self.text("_") };
        let earlier = self.vars.iter().take(var.0 as usize).filter(|other| other.name == info.name).count();
        self.out.push_str(info.name.as_str());
        if earlier > 0 {
            self.out.push_str(&format!("-{}", earlier + 1));
        }
    }

    fn form(&mut self, head: &str, parts: &[&Core]) {
        self.text("(");
        self.text(head);
        for part in parts {
            self.text(" ");
            self.core(part);
        }
        self.text(")");
    }

    fn bindings(&mut self, head: &str, bindings: &[(Var, Core)], body: &Core) {
        self.text(&format!("({head} ("));
        for (at, (var, value)) in bindings.iter().enumerate() {
            self.text(if at > 0 { " (" } else { "(" });
            self.var(*var);
            self.text(" ");
            self.core(value);
            self.text(")");
        }
        self.text(") ");
        self.core(body);
        self.text(")");
    }

    fn core(&mut self, core: &Core) {
        match core {
            Core::Const(value) => self.constant(value),
            Core::Local(var) => self.var(*var),
            Core::Global(global, _) => self.text(global.name.as_str()),
            Core::SetLocal(var, value) => {
                self.text("(set! ");
                self.var(*var);
                self.text(" ");
                self.core(value);
                self.text(")");
            }
            Core::SetGlobal(global, value) => {
                self.text(&format!("(set! {} ", global.name));
                self.core(value);
                self.text(")");
            }
            Core::If(test, then, otherwise) => self.form("if", &[test, then, otherwise]),
            Core::Lambda(lambda) => {
                self.text("(");
                self.lambda("lambda* ", lambda);
                self.text(")");
            }
            Core::CaseLambda(clauses) => {
                self.text("(case-lambda*");
                for clause in clauses {
                    self.text(" (");
                    self.lambda("", clause);
                    self.text(")");
                }
                self.text(")");
            }
            Core::Call(callee, arguments, _) => {
                self.text("(");
                self.core(callee);
                for argument in arguments {
                    self.text(" ");
                    self.core(argument);
                }
                self.text(")");
            }
            Core::Let(bindings, body) if bindings.is_empty() => self.core(body),
            Core::Let(bindings, body) => self.bindings("let*", bindings, body),
            Core::Letrec(bindings, body) => self.bindings("letrec*", bindings, body),
            Core::Seq(forms) => self.form("begin", &forms.iter().collect::<Vec<_>>()),
            Core::Delay(lambda) => self.form("delay", &[&lambda.body]),
            Core::Gexp(form) => {
                self.text("#~");
                self.out.push_str(&write_datum(&form.template));
                let values: Vec<&Core> =
                    form.references.iter().filter_map(|part| part.value.as_ref()).collect();
                if !values.is_empty() {
                    self.text(" ");
                    self.form("references", &values);
                }
            }
            Core::Record(form) => {
                self.text(&format!("(make {}", form.record_type.name));
                if let Some(parent) = form.parent {
                    self.text(" (inherit ");
                    self.var(parent);
                    self.text(")");
                }
                for (field, value) in form.record_type.fields.iter().zip(&form.fields) {
                    if let RecordField::Value(value) = value {
                        self.text(&format!(" ({} ", field.name));
                        self.core(value);
                        self.text(")");
                    }
                }
                self.text(")");
            }
        }
    }

    fn constant(&mut self, value: &Value) {
        match value {
            Value::Native(native) => self.text(native.name),
            Value::Primitive(primitive) => self.text(primitive.name()),
            Value::Symbol(_) | Value::Pair(_) | Value::Nil => self.text(&format!("'{}", write(value))),
            other => self.text(&write(other)),
        }
    }

    fn lambda(&mut self, head: &str, lambda: &Lambda) {
        self.text(head);
        self.text("(");
        let mut first = true;
        let mut space = |printer: &mut Self| {
            if !std::mem::take(&mut first) {
                printer.text(" ");
            }
        };
        for var in &lambda.required {
            space(self);
            self.var(*var);
        }
        let keys = lambda.keys.iter().map(|(_, var, default)| (*var, default)).collect::<Vec<_>>();
        let optional = lambda.optional.iter().map(|(var, default)| (*var, default)).collect::<Vec<_>>();
        for (word, more) in [("#:optional", optional), ("#:key", keys)] {
            for (at, (var, default)) in more.into_iter().enumerate() {
                space(self);
                self.text(&if at == 0 { format!("{word} (") } else { "(".to_owned() });
                self.var(var);
                self.text(" ");
                self.core(default);
                self.text(")");
            }
        }
        if lambda.allow_other_keys {
            space(self);
            self.text("#:allow-other-keys");
        }
        if let Some(rest) = lambda.rest {
            self.text(" . ");
            self.var(rest);
        }
        self.text(") ");
        self.core(&lambda.body);
    }
}
