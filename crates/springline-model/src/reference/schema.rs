//! JSON Schemas (draft 2020-12) of the kinds of files.
//! https://json-schema.org/draft/2020-12/json-schema-core

use serde_json::{Map, Value, json};

use crate::syntax::{KeyShape, MappingShape, Shape, condition_shapes};

use super::{FILES, FileKind, docs, mapping_name, top_keys};

/// What may be declared in parts: a project says of an entity of a package only what it adds.
const PARTIAL: &str = "EntityDecl";
/// The key of the definition of conditions.
const CONDITION: &str = "condition";

/// The schema of each kind of file: the kind's name, such as `project`, and the schema.
pub fn schemas() -> Vec<(&'static str, Value)> {
    FILES.iter().map(|kind| (kind.name, schema(kind))).collect()
}

fn schema(kind: &FileKind) -> Value {
    let mut defs = Map::new();
    let keys = top_keys(kind);
    let mut root = object(&keys, false, &mut defs);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Springline: {}", kind.title),
    });
    let mut all = match head {
        Value::Object(head) => head,
        _ => Map::new(),
    };
    all.append(&mut root);
    all.insert("$defs".to_owned(), Value::Object(defs));
    Value::Object(all)
}

/// A mapping with these keys; others are taken where it is open.
fn object(keys: &[&'static KeyShape], open: bool, defs: &mut Map<String, Value>) -> Map<String, Value> {
    let mut properties = Map::new();
    for key in keys {
        let mut value = one(&(key.shape)(), defs);
        if let Value::Object(value) = &mut value {
            value.insert("description".to_owned(), docs(key.docs).into());
        }
        properties.insert(key.name.to_owned(), value);
    }
    let required: Vec<Value> = keys.iter().filter(|key| key.required).map(|key| key.name.into()).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        object.insert("required".to_owned(), Value::Array(required));
    }
    // The other keys of a target or destination are its engine's or type's options: single values.
    let others = if open { json!({ "type": ["string", "number", "boolean"] }) } else { json!(false) };
    object.insert("additionalProperties".to_owned(), others);
    object
}

fn one(shape: &Shape, defs: &mut Map<String, Value>) -> Value {
    match shape {
        // YAML reads some texts, such as `12`, as other things; the language takes them as they are written.
        Shape::Text => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer => json!({ "type": "integer", "minimum": 0 }),
        Shape::Value => json!({ "type": ["string", "number", "boolean", "null"] }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::List(item) => json!({ "type": "array", "items": one(&item(), defs) }),
        Shape::Entries(value) => json!({ "type": "object", "additionalProperties": one(&value(), defs) }),
        Shape::Mapping(mapping) => reference(mapping, defs),
        Shape::Either(a, b) => json!({ "anyOf": [one(&a(), defs), one(&b(), defs)] }),
        Shape::Condition => condition(defs),
    }
}

fn reference(mapping: &'static MappingShape, defs: &mut Map<String, Value>) -> Value {
    let name = mapping_name(mapping).replace(' ', "_");
    if !defs.contains_key(&name) {
        // The place is taken before the keys are described, because a condition holds conditions.
        defs.insert(name.clone(), Value::Null);
        let keys: Vec<_> = mapping.keys.iter().collect();
        let mut object = object(&keys, mapping.open, defs);
        if mapping.name == PARTIAL {
            object.insert("required".to_owned(), json!(["name"]));
        }
        object.insert("title".to_owned(), mapping_name(mapping).into());
        object.insert("description".to_owned(), docs(mapping.docs).into());
        defs.insert(name.clone(), Value::Object(object));
    }
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn condition(defs: &mut Map<String, Value>) -> Value {
    if !defs.contains_key(CONDITION) {
        defs.insert(CONDITION.to_owned(), Value::Null);
        let text = json!({ "type": ["string", "boolean"], "title": "text", "description": "A text expression." });
        let forms: Vec<Value> =
            std::iter::once(text).chain(condition_shapes().iter().map(|shape| one(shape, defs))).collect();
        let description = "A condition: a text expression, or a mapping with one of these forms.";
        defs.insert(CONDITION.to_owned(), json!({ "title": "condition", "description": description, "anyOf": forms }));
    }
    json!({ "$ref": format!("#/$defs/{CONDITION}") })
}
