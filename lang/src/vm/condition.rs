//! Conditions: exceptions made of parts, each of a type with fields (SRFI 35, and Guile's names for the same).
//!
//! What the machine and `error` raise counts as parts of the standard types `&error`, `&message` and `&irritants`. The standard
//! types are known by name, those of programs by identity.

use std::{any::Any, rc::Rc};

use crate::{
    native::{Context, Native, Raise, expect_list, row, wrong_type},
    symbol::Symbol,
    value::{Foreign, Value},
};

use super::exception::Exception;

/// A type of conditions.
pub(crate) struct ConditionType {
    name: Symbol,
    parent: Option<Rc<ConditionType>>,
    fields: Vec<Symbol>,
    standard: bool,
}

/// A part of a condition: its type and its fields.
#[derive(Clone)]
pub(crate) struct Part {
    of: Rc<ConditionType>,
    fields: Vec<(Symbol, Value)>,
}

/// A condition type as a value.
struct TypeValue(Rc<ConditionType>);

impl Foreign for TypeValue {
    fn describe(&self) -> String {
        format!("#<condition-type {}>", self.0.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The standard types: name, parent, field.
const STANDARD: &[(&str, &str, &[&str])] = &[
    ("&condition", "", &[]),
    ("&message", "&condition", &["message"]),
    ("&irritants", "&condition", &["irritants"]),
    ("&origin", "&condition", &["origin"]),
    ("&warning", "&condition", &[]),
    ("&serious", "&condition", &[]),
    ("&error", "&serious", &[]),
    ("&external-error", "&error", &[]),
    ("&programming-error", "&error", &[]),
    ("&assertion-failure", "&programming-error", &[]),
    ("&non-continuable", "&programming-error", &[]),
    ("&undefined-variable", "&programming-error", &[]),
    ("&syntax", "&programming-error", &["form", "subform"]),
];

fn standard(name: &str) -> Option<Rc<ConditionType>> {
    let (name, parent, fields) = STANDARD.iter().find(|(other, ..)| *other == name)?;
    Some(Rc::new(ConditionType {
        name: Symbol::new(name),
        parent: standard(parent),
        fields: fields.iter().map(|field| Symbol::new(field)).collect(),
        standard: true,
    }))
}

impl ConditionType {
    fn is(self: &Rc<Self>, other: &Rc<Self>) -> bool {
        let mut current = Some(self);
        while let Some(this) = current {
            if Rc::ptr_eq(this, other) || (this.standard && other.standard && this.name == other.name) {
                return true;
            }
            current = this.parent.as_ref();
        }
        false
    }

    fn all_fields(&self) -> Vec<Symbol> {
        let mut fields = self.parent.as_ref().map_or_else(Vec::new, |parent| parent.all_fields());
        fields.extend(&self.fields);
        fields
    }
}

/// Returns the value of the first field of that name among parts.
fn field_of(parts: &[Part], name: &str) -> Option<Value> {
    let mut fields = parts.iter().flat_map(|part| &part.fields);
    fields.find(|(field, _)| field.as_str() == name).map(|(_, value)| value.clone())
}

/// Returns the parts of an exception.
fn parts_of(exception: &Exception) -> Vec<Part> {
    if !exception.parts.is_empty() {
        return exception.parts.clone();
    }
    let part = |name: &str, field: Option<(&str, Value)>| {
        let fields = field.map(|(field, value)| (Symbol::new(field), value)).into_iter().collect();
        standard(name).map(|of| Part { of, fields })
    };
    let message = exception.message.as_ref().map(|message| Value::string(message.clone()));
    let irritants = Value::list(exception.irritants.clone());
    [
        part("&error", None),
        message.and_then(|message| part("&message", Some(("message", message)))),
        part("&irritants", Some(("irritants", irritants))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the condition with these parts; its message and irritants are those of its parts.
fn condition(parts: Vec<Part>) -> Value {
    let message = field_of(&parts, "message").map(|message| match message.as_str() {
        Some(text) => Box::from(text),
        None => crate::print::display(&message).into(),
    });
    let irritants = field_of(&parts, "irritants").and_then(|list| list.list_to_vec()).unwrap_or_default();
    Value::foreign(Exception { key: Symbol::new("%exception"), message, irritants, diagnostic: None, parts })
}

/// Returns one line for parts without a message: the types and the fields.
pub(super) fn summary(parts: &[Part]) -> String {
    let types = parts.iter().map(|part| format!("`{}`", part.of.name)).collect::<Vec<_>>().join(" and ");
    let fields = parts.iter().flat_map(|part| &part.fields);
    let fields = fields.map(|(name, value)| format!("{name} = {}", crate::print::summary(value)));
    match fields.collect::<Vec<_>>().join(", ") {
        fields if fields.is_empty() => format!("{types} was raised"),
        fields => format!("{types} was raised: {fields}"),
    }
}

/// Whether an exception is of a standard type.
pub(super) fn has_standard_type(exception: &Exception, name: &str) -> bool {
    standard(name).is_some_and(|wanted| parts_of(exception).iter().any(|part| part.of.is(&wanted)))
}

/// The table.
#[rustfmt::skip]
pub static TABLE: &[Native] = &[
    row("make-condition-type", 3, Some(3), "A type of conditions: its name, its supertype and the names of its fields.", make_type),
    row("%standard-condition-type", 1, Some(1), "The standard type of that name.", standard_type),
    row("condition-type?", 1, Some(1), "Whether it is a type of conditions.",
        |_, a| Ok(Value::Bool(a.first().is_some_and(|value| value.as_foreign::<TypeValue>().is_some())))),
    row("%condition", 1, Some(1), "The condition with parts: an association list of types and fields.", make),
    row("make-compound-condition", 0, None, "The condition with the parts of all conditions given.", compound),
    row("simple-conditions", 1, Some(1), "The parts of a condition, each as a condition.", simple),
    row("condition-has-type?", 2, Some(2), "Whether a value is a condition with a part of that type.", has_type),
    row("condition-ref", 2, Some(2), "The field of that name of a condition.", field),
    row("extract-condition", 2, Some(2), "The part of that type of a condition.", extract),
    row("%condition-field", 3, Some(3), "The field of a condition's part of that type.", field_of_type),
];

fn argument(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&Value::Absent)
}

fn expect_type<'a>(
    procedure: &'static str,
    arguments: &'a [Value],
    index: usize,
) -> Result<&'a Rc<ConditionType>, Raise> {
    let value = argument(arguments, index);
    match value.as_foreign::<TypeValue>() {
        Some(TypeValue(found)) => Ok(found),
        None => Err(wrong_type(procedure, index, "a type of conditions", value)),
    }
}

fn expect_parts(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Vec<Part>, Raise> {
    let value = argument(arguments, index);
    match value.as_foreign::<Exception>() {
        Some(exception) => Ok(parts_of(exception)),
        None => Err(wrong_type(procedure, index, "a condition", value)),
    }
}

fn expect_symbol(procedure: &'static str, arguments: &[Value], index: usize) -> Result<Symbol, Raise> {
    match argument(arguments, index) {
        Value::Symbol(name) => Ok(*name),
        other => Err(wrong_type(procedure, index, "a symbol", other)),
    }
}

fn make_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let procedure = "make-condition-type";
    let name = expect_symbol(procedure, arguments, 0)?;
    let parent = expect_type(procedure, arguments, 1)?.clone();
    let fields = expect_list(procedure, arguments, 2)?;
    let fields = (0..fields.len()).map(|index| expect_symbol(procedure, &fields, index));
    let fields = fields.collect::<Result<_, _>>()?;
    let made = ConditionType { name, parent: Some(parent), fields, standard: false };
    Ok(Value::foreign(TypeValue(Rc::new(made))))
}

fn standard_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let name = expect_symbol("%standard-condition-type", arguments, 0)?;
    match standard(name.as_str()) {
        Some(found) => Ok(Value::foreign(TypeValue(found))),
        None => Err(Raise::message(format!("there is no standard type of conditions `{name}`"))),
    }
}

fn make(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut parts = Vec::new();
    for entry in expect_list("condition", arguments, 0)? {
        let Value::Pair(entry) = &entry else {
            return Err(wrong_type("condition", 0, "a type with its fields", &entry));
        };
        let of = expect_type("condition", std::slice::from_ref(&entry.car), 0)?.clone();
        let mut fields = Vec::new();
        for field in entry.cdr.list_to_vec().unwrap_or_default() {
            if let Value::Pair(field) = &field
                && let Value::Symbol(name) = field.car
            {
                fields.push((name, field.cdr.clone()));
            }
        }
        let known = of.all_fields();
        if let Some((wrong, _)) = fields.iter().find(|(name, _)| !known.contains(name)) {
            return Err(Raise::message(format!("`{}` has no field `{wrong}`", of.name)));
        }
        parts.push(Part { of, fields });
    }
    Ok(condition(parts))
}

fn compound(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let mut parts = Vec::new();
    for index in 0..arguments.len() {
        parts.extend(expect_parts("make-compound-condition", arguments, index)?);
    }
    Ok(condition(parts))
}

fn simple(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let parts = expect_parts("simple-conditions", arguments, 0)?;
    Ok(Value::list(parts.into_iter().map(|part| condition(vec![part])).collect::<Vec<_>>()))
}

/// Whether a raised value has a key, or a part of a type of conditions.
pub(super) fn is_of(value: &Value, wanted: &Value) -> bool {
    match (wanted, value.as_foreign::<Exception>()) {
        (Value::Symbol(key), _) => super::exception::key_of(value) == *key,
        (of, Some(exception)) => match expect_type("with-exception-handler", std::slice::from_ref(of), 0) {
            Ok(of) => parts_of(exception).iter().any(|part| part.of.is(of)),
            Err(_) => false,
        },
        _ => false,
    }
}

fn has_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let wanted = expect_type("condition-has-type?", arguments, 1)?;
    let found = argument(arguments, 0).as_foreign::<Exception>();
    Ok(Value::Bool(found.is_some_and(|exception| parts_of(exception).iter().any(|part| part.of.is(wanted)))))
}

fn field(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let parts = expect_parts("condition-ref", arguments, 0)?;
    let name = expect_symbol("condition-ref", arguments, 1)?;
    field_of(&parts, name.as_str())
        .ok_or_else(|| Raise::message(format!("the condition has no field `{name}`")))
}

fn extract(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let parts = expect_parts("extract-condition", arguments, 0)?;
    let wanted = expect_type("extract-condition", arguments, 1)?;
    let part = parts.into_iter().find(|part| part.of.is(wanted));
    part.map(|part| condition(vec![part]))
        .ok_or_else(|| Raise::message(format!("the condition has no part of type `{}`", wanted.name)))
}

fn field_of_type(_: &mut Context<'_>, arguments: &[Value]) -> Result<Value, Raise> {
    let parts = expect_parts("%condition-field", arguments, 0)?;
    let wanted = expect_type("%condition-field", arguments, 1)?;
    let name = expect_symbol("%condition-field", arguments, 2)?;
    let parts: Vec<Part> = parts.into_iter().filter(|part| part.of.is(wanted)).collect();
    field_of(&parts, name.as_str()).ok_or_else(|| {
        Raise::message(format!("the condition has no field `{name}` of type `{}`", wanted.name))
    })
}
