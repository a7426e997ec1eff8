//! Values as JSON, for `hpcl eval --json`.
//!
//! Lists and vectors become arrays, association lists with names as keys become objects, symbols and keywords strings. What
//! JSON has no notation for is `null`; the written form stands beside it.

use hpcl_lang::value::Value;
use serde_json::{Map, Number, Value as Json};

/// How deep values are converted; what is nested deeper is `null`.
const DEPTH: usize = 200;

/// Returns a value as JSON.
pub fn json(value: &Value) -> Json {
    convert(value, DEPTH)
}

fn convert(value: &Value, depth: usize) -> Json {
    let Some(below) = depth.checked_sub(1) else { return Json::Null };
    match value {
        Value::Bool(truth) => Json::Bool(*truth),
        Value::Int(number) => Json::from(*number),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Char(c) => Json::String(c.to_string()),
        Value::String(text) => Json::String(text.to_string()),
        Value::Symbol(name) => Json::String(name.to_string()),
        Value::Keyword(name) => Json::String(format!("#:{name}")),
        Value::Nil | Value::LispNil => Json::Array(Vec::new()),
        Value::Vector(items) => items.iter().map(|item| convert(item, below)).collect(),
        Value::Pair(_) => match value.list_to_vec() {
            Some(items) => object(&items, below)
                .unwrap_or_else(|| items.iter().map(|item| convert(item, below)).collect()),
            None => Json::Null,
        },
        _ => Json::Null,
    }
}

/// An association list as an object: every element is a pair of a name and a value, and no list.
fn object(items: &[Value], depth: usize) -> Option<Json> {
    let mut fields = Map::new();
    for item in items {
        let Value::Pair(pair) = item else { return None };
        let name = match &pair.car {
            Value::String(text) => text.to_string(),
            Value::Symbol(name) => name.to_string(),
            _ => return None,
        };
        if matches!(pair.cdr, Value::Pair(_) | Value::Nil | Value::LispNil) || fields.contains_key(&name) {
            return None;
        }
        fields.insert(name, convert(&pair.cdr, depth));
    }
    Some(Json::Object(fields))
}
