//! How a Service's fields are read: of which types they must be, before anything else is looked at.

use std::collections::BTreeSet;

use privlink_model::kubernetes::validation::Cause;
use serde_json::{Value, json};

/// A value of a wrong type.
#[derive(Debug)]
pub(super) struct WrongType {
    pub(super) path: String,
    pub(super) go_field: String,
    pub(super) expected: &'static str,
    pub(super) found: &'static str,
    pub(super) value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    Truth,
    NumberOrText,
    Texts,
    TextMap,
}

const METADATA: [(&str, Type); 5] = [
    ("name", Type::Text),
    ("namespace", Type::Text),
    ("labels", Type::TextMap),
    ("annotations", Type::TextMap),
    ("finalizers", Type::Texts),
];

const SPEC: [(&str, Type); 18] = [
    ("allocateLoadBalancerNodePorts", Type::Truth),
    ("clusterIP", Type::Text),
    ("clusterIPs", Type::Texts),
    ("externalIPs", Type::Texts),
    ("externalName", Type::Text),
    ("externalTrafficPolicy", Type::Text),
    ("healthCheckNodePort", Type::Number),
    ("internalTrafficPolicy", Type::Text),
    ("ipFamilies", Type::Texts),
    ("ipFamilyPolicy", Type::Text),
    ("loadBalancerClass", Type::Text),
    ("loadBalancerIP", Type::Text),
    ("loadBalancerSourceRanges", Type::Texts),
    ("publishNotReadyAddresses", Type::Truth),
    ("selector", Type::TextMap),
    ("sessionAffinity", Type::Text),
    ("trafficDistribution", Type::Text),
    ("type", Type::Text),
];

const PORT: [(&str, Type); 6] = [
    ("appProtocol", Type::Text),
    ("name", Type::Text),
    ("nodePort", Type::Number),
    ("port", Type::Number),
    ("protocol", Type::Text),
    ("targetPort", Type::NumberOrText),
];

/// The first value of a wrong type in a Service.
pub(super) fn wrong_type(object: &Value) -> Option<WrongType> {
    let part = |name: &str| object.get(name).unwrap_or(&Value::Null);
    let empty = Vec::new();
    let ports = match part("spec").get("ports") {
        Some(Value::Array(ports)) => ports,
        Some(Value::Null) | None => &empty,
        Some(other) => return Some(wrong("spec.ports", "ServiceSpec.spec.ports", "list", other)),
    };
    let metadata = find(part("metadata"), &METADATA, "metadata", "ObjectMeta.metadata");
    let spec = || find(part("spec"), &SPEC, "spec", "ServiceSpec.spec");
    let of_ports = || {
        ports.iter().enumerate().find_map(|(index, port)| {
            find(port, &PORT, &format!("spec.ports[{index}]"), "ServicePort.spec.ports")
        })
    };
    metadata.or_else(spec).or_else(of_ports)
}

fn find(object: &Value, fields: &[(&str, Type)], path: &str, go: &str) -> Option<WrongType> {
    if !object.is_null() && !object.is_object() {
        return Some(wrong(path, go, "map", object));
    }
    fields.iter().find_map(|(name, kind)| {
        let value = object.get(*name).filter(|value| !value.is_null())?;
        let (path, go) = (format!("{path}.{name}"), format!("{go}.{name}"));
        let text = |path: &str, item: &Value| {
            (!item.is_string()).then(|| wrong(path, &go, "string", item))
        };
        match kind {
            Type::Text => text(&path, value),
            Type::Number => {
                (!value.is_i64() && !value.is_u64()).then(|| wrong(&path, &go, "int32", value))
            }
            Type::Truth => (!value.is_boolean()).then(|| wrong(&path, &go, "bool", value)),
            Type::NumberOrText => (!value.is_string() && !value.is_i64() && !value.is_u64())
                .then(|| wrong(&path, &go, "int32", value)),
            Type::Texts => match value {
                Value::Array(items) => items.iter().find_map(|item| text(&path, item)),
                other => Some(wrong(&path, &go, "[]string", other)),
            },
            Type::TextMap => match value {
                Value::Object(items) => {
                    items.iter().find_map(|(key, item)| text(&format!("{path}.{key}"), item))
                }
                other => Some(wrong(&path, &go, "map[string]string", other)),
            },
        }
    })
}

fn wrong(path: &str, go_field: &str, expected: &'static str, value: &Value) -> WrongType {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let (path, go_field) = (path.to_owned(), go_field.to_owned());
    WrongType { path, go_field, expected, found, value: value.clone() }
}

/// What is wrong whatever the defaults would be: a port without a number.
pub(super) fn before_defaults(object: &Value) -> Vec<Cause> {
    ports(object)
        .iter()
        .enumerate()
        .filter(|(_, port)| !port.get("port").is_some_and(Value::is_number))
        .map(|(index, _)| {
            let why = "must be between 1 and 65535, inclusive";
            Cause::invalid(format!("spec.ports[{index}].port"), &json!(0), why)
        })
        .collect()
}

fn ports(object: &Value) -> &[Value] {
    object.pointer("/spec/ports").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The first port that a configuration has twice, by what server-side apply knows ports by.
pub(super) fn port_twice(config: &Value) -> Option<String> {
    let mut seen = BTreeSet::new();
    ports(config).iter().find_map(|port| {
        let number = port.get("port").and_then(Value::as_i64)?;
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        let is_new = seen.insert((number, protocol));
        (!is_new).then(|| format!("[port={number},protocol={protocol:?}]"))
    })
}
