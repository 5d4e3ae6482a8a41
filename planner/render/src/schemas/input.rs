//! JSON Schemas from the tables.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use privlink_core::annotation::{self, Kind, Known};
use privlink_core::document::{ENDPOINT_APPROVAL, OFFER, PRIVATE_ENDPOINT, SERVICE, STACK};
use privlink_core::schema::{Object, Rule, Shape, Text};

const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// All schema files of the input, by name. Draft 07, which editors know best.
pub fn files() -> BTreeMap<&'static str, Value> {
    let kinds: [(&str, &str, &Object, &str); 5] = [
        ("stack.schema.json", "stack", &STACK, "One desired state of privlink: where it belongs"),
        (
            "private-endpoint.schema.json",
            "privateEndpoint",
            &PRIVATE_ENDPOINT,
            "A private endpoint that privlink keeps",
        ),
        (
            "endpoint-approval.schema.json",
            "endpointApproval",
            &ENDPOINT_APPROVAL,
            "Which consumers of a Private Link Service are let in",
        ),
        (
            "offer.schema.json",
            "offer",
            &OFFER,
            "What a provider publishes of a Private Link Service for its consumers",
        ),
        (
            "service.schema.json",
            "service",
            &SERVICE,
            "A Kubernetes Service, with the annotations that Azure's controller reads",
        ),
    ];
    let mut files = BTreeMap::new();
    let mut definitions = Map::new();
    for (file, name, object, title) in kinds {
        let schema = object_schema(object);
        definitions.insert(name.to_owned(), schema.clone());
        files.insert(file, headed(title, schema));
    }
    files.insert("privlink.schema.json", umbrella(definitions));
    files
}

fn headed(title: &str, schema: Value) -> Value {
    let mut headed = Map::new();
    headed.insert("$schema".to_owned(), DIALECT.into());
    headed.insert("title".to_owned(), title.into());
    if let Value::Object(schema) = schema {
        headed.extend(schema);
    }
    Value::Object(headed)
}

/// Any document of the input: one of the five kinds, a list of them, or a foreign kind.
fn umbrella(mut definitions: Map<String, Value>) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/definitions/{name}") });
    let ours = json!({
        "required": ["apiVersion"],
        "properties": { "apiVersion": { "type": "string", "pattern": "^privlink\\.dev/" } },
    });
    let of_kind = |kind: &str, group: Value, name: &str| {
        let is_kind = json!({ "required": ["kind"], "properties": { "kind": { "const": kind } } });
        json!({ "if": { "allOf": [is_kind, group] }, "then": reference(name) })
    };
    let core = json!({
        "required": ["apiVersion"],
        "properties": { "apiVersion": { "const": "v1" } },
    });
    let list = json!({
        "type": "object",
        "properties": { "items": { "type": "array", "items": reference("document") } },
    });
    definitions.insert("list".to_owned(), list);
    definitions.insert(
        "document".to_owned(),
        json!({
            "type": "object",
            "required": ["apiVersion", "kind"],
            "properties": {
                "apiVersion": { "type": "string", "description": "privlink.dev/v1alpha1, or v1." },
                "kind": {
                    "type": "string",
                    "description": "Stack, PrivateEndpoint, EndpointApproval, Offer, Service or List; \
                                    other kinds are skipped.",
                    "examples": ["Stack", "PrivateEndpoint", "EndpointApproval", "Offer", "Service"],
                },
            },
            "allOf": [
                of_kind("Stack", ours.clone(), "stack"),
                of_kind("PrivateEndpoint", ours.clone(), "privateEndpoint"),
                of_kind("EndpointApproval", ours.clone(), "endpointApproval"),
                of_kind("Offer", ours, "offer"),
                of_kind("Service", core.clone(), "service"),
                of_kind("List", core, "list"),
            ],
        }),
    );
    let schema = json!({ "$ref": "#/definitions/document", "definitions": definitions });
    headed("A document of privlink's input", schema)
}

/// The JSON Schema of a shape.
fn json_schema(shape: &Shape) -> Value {
    match shape {
        Shape::Text(rule) => text_schema(*rule),
        Shape::Integer { min, max } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::IntegerOrText => json!({ "type": ["integer", "string"] }),
        Shape::Object(object) => object_schema(object),
        Shape::List(of, most) => {
            json!({ "type": "array", "items": json_schema(of), "maxItems": most })
        }
        Shape::TextMap => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        Shape::Annotations => annotations(),
        Shape::Any => json!({}),
    }
}

fn text_schema(rule: Text) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "string".into());
    match rule {
        Text::OneOf(words) => {
            schema.insert("enum".to_owned(), json!(words));
        }
        Text::Between(least, most) => {
            schema.insert("minLength".to_owned(), least.into());
            schema.insert("maxLength".to_owned(), most.into());
        }
        Text::UpTo(most) => {
            schema.insert("maxLength".to_owned(), most.into());
        }
        Text::ResourceGroup => {
            schema.insert("maxLength".to_owned(), 90.into());
        }
        _ => {}
    }
    if let Some(pattern) = rule.pattern() {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    Value::Object(schema)
}

fn object_schema(object: &Object) -> Value {
    let nullable = |required: bool, schema: Value| {
        if required { schema } else { or_null(schema) }
    };
    let properties: Map<String, Value> = object
        .fields
        .iter()
        .map(|field| {
            let schema = nullable(field.required, json_schema(&field.shape));
            (field.name.to_owned(), described(schema, field.doc))
        })
        .collect();
    let names = |wanted: fn(&privlink_core::schema::Field) -> bool| -> Vec<&str> {
        object.fields.iter().filter(|field| wanted(field)).map(|field| field.name).collect()
    };
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "object".into());
    match object.rule {
        Rule::Closed | Rule::Kubernetes => {
            let required = names(|field| field.required);
            if !required.is_empty() {
                schema.insert("required".to_owned(), json!(required));
            }
        }
        Rule::OneOf | Rule::OneOfTwo => {
            let alternatives =
                object.alternatives().iter().map(|field| json!({"required": [field.name]}));
            schema.insert("oneOf".to_owned(), alternatives.collect());
        }
        Rule::IdOrAll => {
            let all = names(|field| field.name != "id");
            schema.insert("oneOf".to_owned(), json!([{"required": ["id"]}, {"required": all}]));
        }
    }
    if object.rule != Rule::Kubernetes {
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    schema.insert("properties".to_owned(), Value::Object(properties));
    Value::Object(schema)
}

/// A field that may be left out may be null as well: Kubernetes takes both for the same.
fn or_null(mut schema: Value) -> Value {
    let Some(object) = schema.as_object_mut() else { return schema };
    match object.get_mut("type") {
        Some(Value::Array(types)) => types.push("null".into()),
        Some(kind) => *kind = json!([kind.clone(), "null"]),
        None => {}
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.push(Value::Null);
    }
    if let Some(Value::Array(alternatives)) = object.get_mut("oneOf") {
        alternatives.push(json!({ "type": "null" }));
    }
    schema
}

fn described(mut schema: Value, doc: &str) -> Value {
    if let Some(object) = schema.as_object_mut() {
        object.insert("description".to_owned(), doc.into());
    }
    schema
}

fn annotations() -> Value {
    let properties: Map<String, Value> =
        annotation::KNOWN.iter().map(|known| (known.key(), annotation_schema(known))).collect();
    let prefix = annotation::PREFIX.replace('.', "\\.");
    let patterns: Map<String, Value> = annotation::PER_PORT
        .iter()
        .map(|known| (format!("^{prefix}port_[0-9]+_{}$", known.suffix), annotation_schema(known)))
        .collect();
    json!({
        "type": "object",
        "additionalProperties": { "type": "string" },
        "properties": properties,
        "patternProperties": patterns,
    })
}

fn annotation_schema(known: &Known) -> Value {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), "string".into());
    let numbers;
    let (pattern, examples): (&str, &[&str]) = match known.kind {
        Kind::Integer { min, max } if max <= 100 => {
            let all: Vec<String> = (min..=max).map(|number| number.to_string()).collect();
            numbers = format!(r"^\s*\+?0*({})\s*$", all.join("|"));
            (&numbers, &[])
        }
        Kind::ExactlyTrue => ("^(true|[Ff][Aa][Ll][Ss][Ee])?$", &["true"]),
        Kind::Boolean { .. } => {
            (r"^\s*([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?\s*$", &["true", "false"])
        }
        Kind::Integer { .. } => (r"^\s*\+?[0-9]+\s*$", &[]),
        Kind::Words(words) => ("", words),
        Kind::PrivateLinkName => (r"^\s*\S+\s*$", &[]),
        Kind::BlankList(_) => (r"^[^,;\n\t]*$", &[]),
        Kind::CommaList(_) => (r"^[^;]*$", &[]),
        Kind::Raw(_) | Kind::Trimmed(_) | Kind::Port | Kind::Free => ("", &[]),
    };
    if !pattern.is_empty() {
        schema.insert("pattern".to_owned(), pattern.into());
    }
    if !examples.is_empty() {
        schema.insert("examples".to_owned(), json!(examples));
    }
    let default = match known.default {
        "" => String::new(),
        default => format!(" Without it: {default}."),
    };
    schema.insert("description".to_owned(), format!("{}{default}", known.doc).into());
    Value::Object(schema)
}
