//! What a Service must be like (`pkg/apis/core/validation`), as far as clients of the sandbox meet it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::admission::Taken;
use super::status::Cause;
use super::store::text;

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

/// What is wrong with a Service that has its defaults.
pub(super) fn invalid(
    object: &Value,
    live: Option<&Value>,
    taken: &Taken,
    families: &[String],
) -> Vec<Cause> {
    let mut causes = Vec::new();
    check_metadata(object, &mut causes);
    check_ports(object, &mut causes);
    check_choices(object, &mut causes);
    check_node_ports(object, taken, &mut causes);
    check_addresses(object, taken, &mut causes);
    check_families(object, families, &mut causes);
    if let Some(live) = live {
        check_unchanged(object, live, &mut causes);
    }
    causes
}

fn ports(object: &Value) -> &[Value] {
    object.pointer("/spec/ports").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `[a-z]([-a-z0-9]*[a-z0-9])?`, up to 63 characters; a label may begin with a digit.
fn is_dns_label(name: &str, digit_first: bool) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let first = |c: char| c.is_ascii_lowercase() || (digit_first && c.is_ascii_digit());
    name.len() <= 63
        && name.starts_with(first)
        && name.ends_with(inner)
        && name.chars().all(|c| inner(c) || c == '-')
}

/// A label's or annotation's key: an optional DNS subdomain, `/`, and a name up to 63 characters.
fn is_qualified_name(key: &str, fold_case: bool) -> bool {
    let key = if fold_case { key.to_lowercase() } else { key.to_owned() };
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key.as_str()),
    };
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    prefix.is_none_or(|prefix| {
        prefix.len() <= 253 && prefix.split('.').all(|part| is_dns_label(part, true))
    }) && (1..=63).contains(&name.len())
        && name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name.chars().all(|c| alphanumeric(c) || "-_.".contains(c))
}

fn check_metadata(object: &Value, causes: &mut Vec<Cause>) {
    let name = text(object, "/metadata/name");
    if !is_dns_label(name, false) {
        let why = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', \
                   start with an alphabetic character, and end with an alphanumeric character \
                   (e.g. 'my-name',  or 'abc-123', regex used for validation is \
                   '[a-z]([-a-z0-9]*[a-z0-9])?')";
        causes.push(Cause::invalid("metadata.name", &json!(name), why));
    }
    let why = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start \
               and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
               '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    for (field, fold_case) in [("labels", false), ("annotations", true)] {
        let map = object.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
        for key in map.into_iter().flat_map(|map| map.keys()) {
            if !is_qualified_name(key, fold_case) {
                causes.push(Cause::invalid(format!("metadata.{field}"), &json!(key), why));
            }
        }
    }
}

fn check_choices(object: &Value, causes: &mut Vec<Cause>) {
    let choices: [(&str, &[&str]); 5] = [
        ("type", &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]),
        ("sessionAffinity", &["ClientIP", "None"]),
        ("externalTrafficPolicy", &["Cluster", "Local"]),
        ("internalTrafficPolicy", &["Cluster", "Local"]),
        ("ipFamilyPolicy", &["PreferDualStack", "RequireDualStack", "SingleStack"]),
    ];
    for (field, supported) in choices {
        let value = text(object, &format!("/spec/{field}"));
        if !value.is_empty() && !supported.contains(&value) {
            causes.push(Cause::unsupported(format!("spec.{field}"), &json!(value), supported));
        }
    }
    let kind = text(object, "/spec/type");
    let external = !matches!(kind, "LoadBalancer" | "NodePort");
    if external && !text(object, "/spec/externalTrafficPolicy").is_empty() {
        let value = json!(text(object, "/spec/externalTrafficPolicy"));
        let why = "may only be set for externally-accessible services";
        causes.push(Cause::invalid("spec.externalTrafficPolicy", &value, why));
    }
    if kind != "LoadBalancer" && !text(object, "/spec/loadBalancerClass").is_empty() {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            message: "Forbidden: may only be used when `type` is 'LoadBalancer'".to_owned(),
            field: "spec.loadBalancerClass".to_owned(),
        });
    }
    let ranges = object.pointer("/spec/loadBalancerSourceRanges").and_then(Value::as_array);
    for (index, range) in ranges.into_iter().flatten().enumerate() {
        let range = range.as_str().unwrap_or_default().trim();
        let parsed = range.split_once('/').is_some_and(|(address, length)| {
            let most = match address.parse::<std::net::IpAddr>() {
                Ok(std::net::IpAddr::V4(_)) => 32,
                Ok(std::net::IpAddr::V6(_)) => 128,
                Err(_) => return false,
            };
            length.parse::<u8>().is_ok_and(|length| length <= most)
        });
        if !parsed {
            let field = format!("spec.LoadBalancerSourceRanges[{index}]");
            let why = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
            causes.push(Cause::invalid(field, &json!(range), why));
        }
    }
}

fn check_ports(object: &Value, causes: &mut Vec<Cause>) {
    let ports = ports(object);
    let headless = text(object, "/spec/clusterIP") == "None";
    let kind = text(object, "/spec/type");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        causes.push(Cause::required("spec.ports"));
    }
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let number = |name: &str| port.get(name).and_then(Value::as_i64).unwrap_or_default();
        let word = |name: &str| port.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = word("name");
        if name.is_empty() && ports.len() > 1 {
            causes.push(Cause::required(field("name")));
        } else if !name.is_empty() {
            if !is_dns_label(name, true) {
                let why = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
                           characters or '-', and must start and end with an alphanumeric \
                           character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                           '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
                causes.push(Cause::invalid(field("name"), &json!(name), why));
            }
            if !names.insert(name) {
                causes.push(Cause::duplicate(field("name"), &json!(name)));
            }
        }
        let (protocol, value) = (word("protocol"), number("port"));
        if !(1..=65535).contains(&value) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(field("port"), &json!(value), why));
        }
        if !["SCTP", "TCP", "UDP"].contains(&protocol) {
            let supported = ["SCTP", "TCP", "UDP"];
            causes.push(Cause::unsupported(field("protocol"), &json!(protocol), &supported));
        }
        let target = port.get("targetPort").and_then(Value::as_i64);
        if let Some(target) = target.filter(|target| !(1..=65535).contains(target)) {
            let why = "must be between 1 and 65535, inclusive";
            causes.push(Cause::invalid(field("targetPort"), &json!(target), why));
        }
    }
}

/// What must not be twice: node ports, and pairs of port and protocol.
fn check_node_ports(object: &Value, taken: &Taken, causes: &mut Vec<Cause>) {
    let mut pairs = BTreeSet::new();
    let mut node_ports = BTreeSet::new();
    for (index, port) in ports(object).iter().enumerate() {
        let number = |name: &str| port.get(name).and_then(Value::as_i64).unwrap_or_default();
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or_default();
        let (value, node_port) = (number("port"), number("nodePort"));
        let field = format!("spec.ports[{index}].nodePort");
        check_node_port(&field, node_port, taken, causes);
        if node_port != 0 && !node_ports.insert((protocol, node_port)) {
            causes.push(Cause::duplicate(field, &json!(node_port)));
        }
        if !pairs.insert((protocol, value)) {
            // The API server shows what it compares as Go prints it.
            let message = format!(
                "Duplicate value: core.ServicePort{{Name:\"\", Protocol:{protocol:?}, \
                 AppProtocol:(*string)(nil), Port:{value}, \
                 TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:\"\"}}, NodePort:0}}"
            );
            let field = format!("spec.ports[{index}]");
            causes.push(Cause { reason: "FieldValueDuplicate", message, field });
        }
    }
}

fn check_node_port(field: &str, number: i64, taken: &Taken, causes: &mut Vec<Cause>) {
    if number == 0 {
        return;
    }
    let why = if !(30_000..=32_767).contains(&number) {
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
    } else if taken.node_ports.contains(&number) {
        "provided port is already allocated"
    } else {
        return;
    };
    causes.push(Cause::invalid(field, &json!(number), why));
}

fn check_addresses(object: &Value, taken: &Taken, causes: &mut Vec<Cause>) {
    let addresses = object.pointer("/spec/clusterIPs").and_then(Value::as_array);
    for (index, address) in addresses.into_iter().flatten().enumerate() {
        let address = address.as_str().unwrap_or_default();
        let why = if address == "None" {
            continue;
        } else if address.parse::<std::net::IpAddr>().is_err() {
            "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        } else if taken.cluster_ips.contains(address) {
            "failed to allocate IP: provided IP is already allocated"
        } else {
            continue;
        };
        causes.push(Cause::invalid(format!("spec.clusterIPs[{index}]"), &json!(address), why));
    }
}

/// The families and the policy must be such as the cluster, whose families are `known`, can serve.
fn check_families(object: &Value, known: &[String], causes: &mut Vec<Cause>) {
    let list = |pointer| object.pointer(pointer).and_then(Value::as_array);
    let named = list("/spec/ipFamilies").map_or(&[][..], Vec::as_slice);
    for (index, family) in named.iter().enumerate() {
        if !known.iter().any(|known| family == known) {
            let field = format!("spec.ipFamilies[{index}]");
            causes.push(Cause::invalid(field, family, "not configured on this cluster"));
        }
    }
    let policy = text(object, "/spec/ipFamilyPolicy");
    let headless = text(object, "/spec/clusterIP") == "None";
    if policy == "RequireDualStack" && known.len() < 2 && !headless {
        let why = "this cluster is not configured for dual-stack services";
        causes.push(Cause::invalid("spec.ipFamilyPolicy", &json!(policy), why));
    }
}

fn check_unchanged(object: &Value, live: &Value, causes: &mut Vec<Cause>) {
    let (before, after) = (text(live, "/spec/clusterIP"), text(object, "/spec/clusterIP"));
    let both_have = !before.is_empty() && text(object, "/spec/type") != "ExternalName";
    if both_have && before != after {
        let why = "may not change once set";
        let message = format!("Invalid value: []string{{{after:?}}}: {why}");
        let field = "spec.clusterIPs[0]".to_owned();
        causes.push(Cause { reason: "FieldValueInvalid", message, field });
    }
    let class = |object: &Value| object.pointer("/spec/loadBalancerClass").cloned();
    let stays = ["/spec/type"].iter().all(|field| text(live, field) == text(object, field));
    if stays && class(live) != class(object) {
        let value = class(object).unwrap_or(Value::Null);
        causes.push(Cause::invalid("spec.loadBalancerClass", &value, "may not change once set"));
    }
}
